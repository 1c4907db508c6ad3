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

from skgd.data.moments import CHUNK
from skgd.data.scaling import FeatureScaling

#: Rows that are changed and then multiplied with each other: they should stay in the cache.
FEW = 1024


@dataclass(frozen=True)
class Design:
    """Rows of X in given coordinates, with the two products that descent needs.

    Parameters
    ----------
    X : array of shape (n, d), or sparse matrix in CSR format
        The rows, never copied or changed. A sparse matrix stores no entry twice.
    scaling : FeatureScaling
        Centre and scale.
    fit_intercept : bool
        Whether the last parameter moves.
    """

    X: np.ndarray
    scaling: FeatureScaling
    fit_intercept: bool
    plain: bool = field(init=False)

    def __post_init__(self):
        plain = not self.scaling.center.any() and np.all(self.scaling.scale == 1)
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
        return self.scaling.center / self.scaling.scale

    def predict(self, theta):
        """Return the predictions of all rows, of shape (n,) or (n, k)."""
        coef, intercept = self.scaling.to_original(theta)
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
            by_coef = self.scaling.scale_gradient(by_coef, total)
        by_intercept = total if self.fit_intercept else np.zeros_like(total)
        return np.concatenate([by_coef, by_intercept[..., None]], axis=-1).astype(
            self.X.dtype, copy=False
        )

    def scaled_rows(self, index):
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
                data = data / self.scaling.scale[rows.indices]
            return SparseRows(data, rows.indices, rows.indptr, self.shift)
        rows = take_rows(self.X, index)
        return rows if self.plain else self.scaling.scale_rows(rows)

    def squared_norms(self, intercept=True):
        """Return the squared norm of each inner row, with the 1 of the intercept or without."""
        norms = np.empty(self.n_rows)
        for start in range(0, self.n_rows, CHUNK):
            norms[start : start + CHUNK] = _squared_norms(
                self.scaled_rows(slice(start, start + CHUNK))
            )
        return norms + 1 if self.fit_intercept and intercept else norms

    def weighted_gram(self, factors):
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
            return self._sparse_weighted_gram(factors.astype(float, copy=False))
        squares, roots = np.zeros((size, size)), np.sqrt(factors, dtype=float)
        together = np.empty((min(len(roots), FEW), size))
        for start in range(0, len(roots), FEW):
            here = slice(start, start + FEW)
            rows = together[: len(roots[here])]
            np.subtract(self.X[here], self.scaling.center, out=rows[:, :-1])
            rows[:, -1] = self.fit_intercept
            rows *= roots[here, None]
            squares += rows.T @ rows
        scale = np.append(self.scaling.scale, 1.0)
        return squares / np.outer(scale, scale)

    def _sparse_weighted_gram(self, factors):
        weighted = self.X.multiply(factors[:, None]).tocsr()
        squares = (self.X.T @ weighted).toarray()
        squares /= np.outer(self.scaling.scale, self.scaling.scale)
        sums, total = factors @ self.X / self.scaling.scale, factors.sum()
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


def take_rows(rows, index):
    """Return some rows of an array, given by a slice or by their numbers."""
    if isinstance(index, slice):
        return rows[index]
    return rows.take(index, axis=0)  # in a third of the time of rows[index]


def _squared_norms(rows):
    """Return the squared norm of each row, as float64."""
    if isinstance(rows, SparseRows):
        return rows.squared_norms()
    return np.einsum("ij,ij->i", rows, rows, dtype=float)
