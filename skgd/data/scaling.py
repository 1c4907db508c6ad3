"""Centre and scale of the features."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FeatureScaling:
    """Centre and scale of the features: the map between original and scaled parameters.

    Parameters
    ----------
    center, scale : arrays of shape (d,)
        The centre is subtracted from each feature; the difference is divided by the scale.
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def identity(cls, n_features):
        """Return the scaling that leaves the features unchanged."""
        return cls(np.zeros(n_features), np.ones(n_features))

    @classmethod
    def standard(cls, moments, fit_intercept, ridge):
        """Return the scaling to features of unit metric.

        The metric of a feature is its variance plus `ridge`, the l2 strength divided by the
        curvature of the loss. Without an intercept the features are not centred, since nothing can
        absorb the centre, and the mean square replaces the variance. A feature whose metric is
        zero is constant: its scale is infinite, so that its scaled entries are exactly zero
        whatever their rounding errors, and its coefficient does not enter the model.
        """
        spread = moments.variance if fit_intercept else moments.mean_square
        metric = spread + ridge
        center = moments.mean if fit_intercept else np.zeros_like(moments.mean)
        return cls(center, np.sqrt(np.where(metric > 0, metric, np.inf)))

    def to_scaled(self, coef, intercept, dtype):
        """Return the scaled parameters of a model given by original coefficients and intercept."""
        coef = np.asarray(coef, dtype=float)
        shifted = np.asarray(intercept, dtype=float).reshape(coef.shape[:-1]) + coef @ self.center
        scaled = coef * np.where(np.isfinite(self.scale), self.scale, 0.0)
        return np.concatenate([scaled, shifted[..., None]], axis=-1).astype(dtype)

    def to_original(self, theta, bounds=None):
        """Return the original coefficients and intercept, at the dtype of `theta`.

        With `bounds`, a pair, the coefficients are projected on them: rounding in the scaled
        coordinates may violate them, and so do coefficients of infinite scale if they exclude 0.
        """
        coef = theta[..., :-1] / self.scale
        if bounds is not None:
            coef = np.clip(coef, *bounds)
        intercept = theta[..., -1] - coef @ self.center
        return coef.astype(theta.dtype), intercept.astype(theta.dtype)

    def reparametrize(self, theta, new):
        """Return the parameters of the same function under the scaling `new`."""
        if np.array_equal(self.center, new.center) and np.array_equal(self.scale, new.scale):
            return theta
        return new.to_scaled(*self.to_original(theta.astype(float)), theta.dtype)

    def scale_rows(self, X):
        """Return the scaled rows of X, a dense array, at its dtype."""
        return (X - self.center.astype(X.dtype)) / self.scale.astype(X.dtype)

    def scale_gradient(self, weighted_sum, total_weight):
        r"""Return :math:`\sum_i w_i \tilde x_i` from :math:`\sum_i w_i x_i` and :math:`\sum_i w_i`.

        For derivatives :math:`w_i` of the loss by the predictions this is the gradient by the
        scaled coefficients.
        """
        return (weighted_sum - np.multiply.outer(total_weight, self.center)) / self.scale
