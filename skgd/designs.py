r"""The data matrix as descent sees it: centred and scaled columns, never formed whole.

Descent runs on *inner* parameters ``theta``, an array of shape (d + 1,), or (k, d + 1) for k
outputs, whose last column is the intercept. With centre :math:`\mu` and scale :math:`s` of the
columns the inner rows are :math:`\tilde x = (x - \mu) / s`, so that

.. math:: x^\top w + b = \tilde x^\top u + b', \qquad u = s w, \quad b' = b + \mu^\top w

and a step in u is a step in w in the metric :math:`s^2`. The data's own coordinates are the case
:math:`\mu = 0, s = 1`.

The rows may be a dense array or a sparse matrix in CSR format. Of a sparse one only the stored
entries are scaled, and the centre is carried beside them (:class:`SparseRows`).
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, issparse

#: Rows that are looked at together where a pass over the data needs temporary arrays.
CHUNK = 4096

#: Rows that are changed and then multiplied with each other: they should stay in the cache.
FEW = 1024


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
        weights = np.ones(X.shape[0]) if weights is None else np.asarray(weights, dtype=float)
        count = weights.sum()
        if issparse(X):
            return cls(count, *_sparse_moments(X, weights))
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

    __add__ = merged

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


def _sparse_moments(X, weights):
    """Return mean, and summed squared deviations from it, of the columns of a CSR matrix."""
    n, d = X.shape
    columns, data = X.indices, X.data.astype(float, copy=False)
    weights_stored = np.repeat(weights, np.diff(X.indptr))
    mean = np.bincount(columns, weights_stored * data, d) / weights.sum()
    deviations = np.bincount(columns, weights_stored * (data - mean[columns]) ** 2, d)
    absent = weights.sum() - np.bincount(columns, weights_stored, d)  # weight of rows without entry
    absent[np.bincount(columns, minlength=d) == n] = 0  # rounding would pass for a variance
    return mean, deviations + absent * mean**2


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
        A column without a metric is constant: its scale is infinite, its inner entries are exactly
        zero whatever their rounding, and its coefficient stays out of the model.
        """
        spread = moments.variance if fit_intercept else moments.mean_square
        metric = spread + ridge
        center = moments.mean if fit_intercept else np.zeros_like(moments.mean)
        return cls(center, np.sqrt(np.where(metric > 0, metric, np.inf)))

    def to_inner(self, coef, intercept, dtype):
        """Return the inner parameters of a model given in the data's own units."""
        coef = np.asarray(coef, dtype=float)
        shifted = np.asarray(intercept, dtype=float).reshape(coef.shape[:-1]) + coef @ self.center
        inner = coef * np.where(np.isfinite(self.scale), self.scale, 0.0)
        return np.concatenate([inner, shifted[..., None]], axis=-1).astype(dtype)

    def to_data(self, theta):
        """Return coefficients and intercept in the data's own units, at the dtype of `theta`."""
        coef = theta[..., :-1] / self.scale
        intercept = theta[..., -1] - coef @ self.center
        return coef.astype(theta.dtype), intercept.astype(theta.dtype)

    def moved(self, theta, new):
        """Return the inner parameters that describe the same function in `new` coordinates."""
        plain = type(self) is type(new) is Coordinates
        same = np.array_equal(self.center, new.center) and np.array_equal(self.scale, new.scale)
        if plain and same:
            return theta
        return new.to_inner(*self.to_data(theta.astype(float)), theta.dtype)

    def rows(self, X):
        """Return the inner rows of rows of X, a dense array, at their dtype."""
        return (X - self.center.astype(X.dtype)) / self.scale.astype(X.dtype)

    def pulled(self, sums, total):
        """Return the sum of slope times inner row, given that of slope times row and of slopes."""
        return (sums - np.multiply.outer(total, self.center)) / self.scale


@dataclass(frozen=True)
class Design:
    """Rows of X in given coordinates, with the two products that descent needs.

    Parameters
    ----------
    X : array of shape (n, d), or sparse matrix in CSR format
        The rows, never copied or changed. A sparse matrix stores no entry twice.
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

    @property
    def sparse(self):
        """Whether the rows are sparse."""
        return issparse(self.X)

    @cached_property
    def shift(self):
        """What the centre subtracts from each scaled row, of shape (d,)."""
        return self.coordinates.center / self.coordinates.scale

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
            by_coef = self.coordinates.pulled(by_coef, total)
        by_intercept = total if self.fit_intercept else np.zeros_like(total)
        return np.concatenate([by_coef, by_intercept[..., None]], axis=-1).astype(
            self.X.dtype, copy=False
        )

    def block(self, index):
        """Return the inner rows at `index` (an array or a slice).

        Returns
        -------
        array of shape (m, d), or SparseRows
            The latter where X is sparse. Both know ``rows @ vectors``, ``slopes @ rows``,
            ``rows[a:b]`` and ``len(rows)``.
        """
        if self.sparse:
            rows = self.X[index]
            data = rows.data
            if not self.plain:
                data = data / self.coordinates.scale[rows.indices]
            return SparseRows(data, rows.indices, rows.indptr, self.shift)
        rows = picked(self.X, index)
        return rows if self.plain else self.coordinates.rows(rows)

    def squared_norms(self, intercept=True):
        """Return the squared norm of each inner row, with the 1 of the intercept or without."""
        norms = np.empty(self.n_rows)
        for start in range(0, self.n_rows, CHUNK):
            norms[start : start + CHUNK] = _squared_norms(self.block(slice(start, start + CHUNK)))
        return norms + 1 if self.fit_intercept and intercept else norms

    def outer_squares(self, factors):
        """Return the sum over the rows of factor times outer square of (inner row, 1).

        Parameters
        ----------
        factors : array of shape (n,)
            Not negative.

        Returns
        -------
        array of shape (d + 1, d + 1)
            At float64; its last row and column are zero without an intercept.
        """
        size = self.X.shape[1] + 1
        if self.sparse:
            return self._sparse_outer_squares(factors.astype(float, copy=False))
        squares, roots = np.zeros((size, size)), np.sqrt(factors, dtype=float)
        together = np.empty((min(len(roots), FEW), size))
        for start in range(0, len(roots), FEW):
            here = slice(start, start + FEW)
            rows = together[: len(roots[here])]
            np.subtract(self.X[here], self.coordinates.center, out=rows[:, :-1])
            rows[:, -1] = self.fit_intercept
            rows *= roots[here, None]
            squares += rows.T @ rows
        scale = np.append(self.coordinates.scale, 1.0)
        return squares / np.outer(scale, scale)

    def _sparse_outer_squares(self, factors):
        weighted = self.X.multiply(factors[:, None]).tocsr()
        squares = (self.X.T @ weighted).toarray()
        squares /= np.outer(self.coordinates.scale, self.coordinates.scale)
        sums, total = factors @ self.X / self.coordinates.scale, factors.sum()
        cross = np.outer(self.shift, sums - total * self.shift / 2)
        sums = (sums - total * self.shift) * self.fit_intercept
        last = np.append(sums, total * self.fit_intercept)
        return np.block([[squares - cross - cross.T, sums[:, None]], [last]])


class SparseRows:
    r"""Inner rows :math:`z_i - m` of which the sparse part z and the centre m stay apart.

    Parameters
    ----------
    data, indices, indptr : arrays
        z in CSR format; `indptr` may begin anywhere.
    shift : array of shape (d,)
        m.
    """

    __array_ufunc__ = None  # array @ rows is up to the rows

    def __init__(self, data, indices, indptr, shift):
        self.data, self.indices, self.indptr, self.shift = data, indices, indptr, shift

    def __len__(self):
        return len(self.indptr) - 1

    def __getitem__(self, rows):
        first, stop, _ = rows.indices(len(self))
        return SparseRows(self.data, self.indices, self.indptr[first : stop + 1], self.shift)

    @cached_property
    def stored(self):
        """The columns with entries, and z in these columns alone; their number is not d."""
        first, stop = self.indptr[0], self.indptr[-1]
        data, columns = self.data[first:stop], self.indices[first:stop]
        if len(self) == 1:
            return columns, data[None]
        columns, places = np.unique(columns, return_inverse=True)
        shape = len(self), len(columns)
        return columns, csr_array((data, places, self.indptr - first), shape=shape)

    def __matmul__(self, vectors):
        columns, entries = self.stored
        return entries @ vectors[columns] - self.shift @ vectors

    def __rmatmul__(self, slopes):
        columns, entries = self.stored
        product = -np.multiply.outer(slopes.sum(axis=-1), self.shift)
        product[..., columns] += slopes @ entries
        return product

    def toarray(self):
        """Return the rows as a dense array."""
        columns, entries = self.stored
        rows = np.tile(-self.shift, (len(self), 1))
        rows[:, columns] += entries.toarray() if issparse(entries) else entries
        return rows

    def squared_norms(self):
        """Return the squared norms of the rows; exactly zero where rounding alone is left."""
        first, stop = self.indptr[0], self.indptr[-1]
        parts = self.data[first:stop], self.indices[first:stop], self.indptr - first
        entries = csr_array(parts, shape=(len(self), len(self.shift)))
        longest = entries**2 @ np.ones(len(self.shift)) + self.shift @ self.shift
        norms = longest - 2 * (entries @ self.shift)
        return np.where(norms <= 8 * np.finfo(norms.dtype).eps * longest, 0.0, norms)


def picked(rows, index):
    """Return some rows of an array, given by a slice or by their numbers."""
    if isinstance(index, slice):
        return rows[index]
    return rows.take(index, axis=0)  # in a third of the time of rows[index]


def _squared_norms(rows):
    """Return the squared norm of each row, as float64."""
    if isinstance(rows, SparseRows):
        return rows.squared_norms()
    return np.einsum("ij,ij->i", rows, rows, dtype=float)
