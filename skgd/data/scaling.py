"""Centre and scale of the columns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FeatureScaling:
    """Centre and scale of the columns: the map between inner and the data's own parameters.

    Parameters
    ----------
    center, scale : arrays of shape (d,)
        What is subtracted from, and what divides, each column.
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def identity(cls, n_features):
        """Return the data's own coordinates."""
        return cls(np.zeros(n_features), np.ones(n_features))

    @classmethod
    def standard(cls, moments, fit_intercept, ridge):
        """Return the coordinates in which the columns have unit metric.

        The metric of a column is its variance plus `ridge`, the l2 strength over the curvature of
        the loss. Without an intercept nothing can absorb a centre, and the columns are scaled only.
        A column without a metric is constant: its scale is infinite, its inner entries are exactly
        zero whatever their rounding, and its coefficient stays out of the model.
        """
        spread = moments.variance if fit_intercept else moments.mean_square
        metric = spread + ridge
        center = moments.mean if fit_intercept else np.zeros_like(moments.mean)
        return cls(center, np.sqrt(np.where(metric > 0, metric, np.inf)))

    def to_scaled(self, coef, intercept, dtype):
        """Return the inner parameters of a model given in the data's own units."""
        coef = np.asarray(coef, dtype=float)
        shifted = np.asarray(intercept, dtype=float).reshape(coef.shape[:-1]) + coef @ self.center
        inner = coef * np.where(np.isfinite(self.scale), self.scale, 0.0)
        return np.concatenate([inner, shifted[..., None]], axis=-1).astype(dtype)

    def to_original(self, theta):
        """Return coefficients and intercept in the data's own units, at the dtype of `theta`."""
        coef = theta[..., :-1] / self.scale
        intercept = theta[..., -1] - coef @ self.center
        return coef.astype(theta.dtype), intercept.astype(theta.dtype)

    def reparametrize(self, theta, new):
        """Return the inner parameters that describe the same function in `new` coordinates."""
        plain = type(self) is type(new) is FeatureScaling
        same = np.array_equal(self.center, new.center) and np.array_equal(self.scale, new.scale)
        if plain and same:
            return theta
        return new.to_scaled(*self.to_original(theta.astype(float)), theta.dtype)

    def scale_rows(self, X):
        """Return the inner rows of rows of X, a dense array, at their dtype."""
        return (X - self.center.astype(X.dtype)) / self.scale.astype(X.dtype)

    def scale_gradient(self, sums, total):
        """Return the sum of slope times inner row, given that of slope times row and of slopes."""
        return (sums - np.multiply.outer(total, self.center)) / self.scale
