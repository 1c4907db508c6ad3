r"""The data matrix as descent sees it: centred and scaled columns, never formed whole.

Descent runs on *inner* parameters ``theta``, an array of shape (d + 1,), or (k, d + 1) for k
outputs, whose last column is the intercept. With centre :math:`\mu` and scale :math:`s` of the
columns the inner rows are :math:`\tilde x = (x - \mu) / s`, so that

.. math:: x^\top w + b = \tilde x^\top u + b', \qquad u = s w, \quad b' = b + \mu^\top w

and a step in u is a step in w in the metric :math:`s^2`. The data's own coordinates are the case
:math:`\mu = 0, s = 1`.
"""

from dataclasses import dataclass, field

import numpy as np

#: Rows that are looked at together where a pass over the data needs temporary arrays.
CHUNK = 4096


@dataclass(frozen=True)
class Moments:
    """Weighted count, mean and summed squared deviations of the columns seen so far.

    Parameters
    ----------
    count : float
        Total weight of the rows.
    mean, deviations : arrays of shape (d,)
        Mean, and sum of weighted squared deviations from it.
    """

    count: float
    mean: np.ndarray
    deviations: np.ndarray

    @classmethod
    def of(cls, X, weights=None):
        """Return the moments of the rows of `X`, in two chunked passes, at float64."""
        weights = np.ones(len(X)) if weights is None else np.asarray(weights, dtype=float)
        count = weights.sum()
        mean = _weighted_sum(X, weights, lambda rows: rows) / count
        deviations = _weighted_sum(X, weights, lambda rows: (rows - mean) ** 2)
        return cls(count, mean, deviations)

    def merged(self, other):
        """Return the moments of both sets of rows together.

        References
        ----------
        T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance",
        1983.
        """
        count = self.count + other.count
        shift = other.mean - self.mean
        share = other.count / count
        mean = self.mean + share * shift
        deviations = self.deviations + other.deviations + self.count * share * shift**2
        return Moments(count, mean, deviations)

    @property
    def variance(self):
        """Variance of each column; exactly zero where rounding alone made it positive."""
        variance = self.deviations / self.count
        eps = np.finfo(float).eps
        rounding = self.count * eps * variance + (self.count * eps * self.mean) ** 2
        return np.where(variance <= rounding, 0.0, variance)

    @property
    def mean_square(self):
        """Mean of the squares of each column."""
        return self.variance + self.mean**2


def _weighted_sum(X, weights, function):
    """Return the weighted sum over the rows of ``function(rows)``, chunk by chunk."""
    total = np.zeros(X.shape[1])
    for start in range(0, len(X), CHUNK):
        rows = X[start : start + CHUNK].astype(float, copy=False)
        total += weights[start : start + CHUNK] @ function(rows)
    return total


@dataclass(frozen=True)
class Coordinates:
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
        """
        spread = moments.variance if fit_intercept else moments.mean_square
        metric = spread + ridge
        center = moments.mean if fit_intercept else np.zeros_like(moments.mean)
        return cls(center, np.sqrt(np.where(metric > 0, metric, 1.0)))

    def to_inner(self, coef, intercept, dtype):
        """Return the inner parameters of a model given in the data's own units."""
        coef = np.asarray(coef, dtype=float)
        shifted = np.asarray(intercept, dtype=float).reshape(coef.shape[:-1]) + coef @ self.center
        return np.concatenate([coef * self.scale, shifted[..., None]], axis=-1).astype(dtype)

    def to_data(self, theta):
        """Return coefficients and intercept in the data's own units, at the dtype of `theta`."""
        coef = theta[..., :-1] / self.scale
        intercept = theta[..., -1] - coef @ self.center
        return coef.astype(theta.dtype), intercept.astype(theta.dtype)

    def moved(self, theta, new):
        """Return the inner parameters that describe the same function in `new` coordinates."""
        if np.array_equal(self.center, new.center) and np.array_equal(self.scale, new.scale):
            return theta
        return new.to_inner(*self.to_data(theta.astype(float)), theta.dtype)


@dataclass(frozen=True)
class Design:
    """Rows of X in given coordinates, with the two products that descent needs.

    Parameters
    ----------
    X : array of shape (n, d)
        The rows, never copied or changed.
    coordinates : Coordinates
        Centre and scale.
    fit_intercept : bool
        Whether the last parameter moves.
    """

    X: np.ndarray
    coordinates: Coordinates
    fit_intercept: bool
    plain: bool = field(init=False)

    def __post_init__(self):
        plain = not self.coordinates.center.any() and np.all(self.coordinates.scale == 1)
        object.__setattr__(self, "plain", plain)

    @property
    def n_rows(self):
        """Number of rows."""
        return self.X.shape[0]

    def predict(self, theta):
        """Return the predictions of all rows, of shape (n,) or (n, k)."""
        coef, intercept = self.coordinates.to_data(theta)
        if not coef.any():
            return np.broadcast_to(intercept, (self.n_rows, *intercept.shape))
        return self.X @ coef.T + intercept

    def gradient(self, slopes):
        """Return the sum over the rows of slope times inner row, shaped like theta.

        Parameters
        ----------
        slopes : array of shape (n,) or (n, k)
            Derivatives by the predictions.
        """
        total = slopes.sum(axis=0)
        by_coef = slopes.T @ self.X
        if not self.plain:
            by_coef = (
                by_coef - np.multiply.outer(total, self.coordinates.center)
            ) / self.coordinates.scale
        by_intercept = total if self.fit_intercept else np.zeros_like(total)
        return np.concatenate([by_coef, by_intercept[..., None]], axis=-1).astype(
            self.X.dtype, copy=False
        )

    def block(self, index):
        """Return the inner rows at `index` (an array or a slice), formed as a dense array."""
        rows = self.X[index]
        if self.plain:
            return rows
        center = self.coordinates.center.astype(rows.dtype)
        return (rows - center) / self.coordinates.scale.astype(rows.dtype)

    def squared_norms(self):
        """Return the squared norm of each inner row, with the 1 of the intercept."""
        norms = np.empty(self.n_rows)
        for start in range(0, self.n_rows, CHUNK):
            rows = self.block(slice(start, start + CHUNK))
            norms[start : start + CHUNK] = np.einsum("ij,ij->i", rows, rows, dtype=float)
        return norms + self.fit_intercept
