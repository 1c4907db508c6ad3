r"""Design matrix with implicit centring and scaling.

Descent runs on *scaled* parameters ``theta``, an array of shape (d + 1,), or (k, d + 1) for k
outputs, whose last column is the intercept. With centre :math:`\mu` and scale :math:`s` of the
features the scaled rows are :math:`\tilde x = (x - \mu) / s`, so that

.. math:: x^\top w + b = \tilde x^\top u + b', \qquad u = s w, \quad b' = b + \mu^\top w

and a step in u is a step in w in the metric :math:`s^2`. The original coordinates are the case
:math:`\mu = 0, s = 1`. The matrix of scaled rows is never formed.

The rows may be a dense array or a sparse matrix in CSR format. For a sparse matrix only the stored
entries are scaled, and the centre is kept separately (:class:`SparseRows`).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, issparse

from skgd.data.feature_moments import CHUNK_ROWS
from skgd.data.scaling import FeatureScaling

#: Rows per chunk in weighted Gram matrices: scaled rows should stay in the cache for the product.
GRAM_CHUNK_ROWS = 1024


@dataclass(frozen=True)
class Design:
    """Rows of X under a scaling, with the products that descent needs.

    Parameters
    ----------
    X : array of shape (n, d), or sparse matrix in CSR format
        The rows; never copied or changed. A sparse matrix must not have duplicate entries.
    scaling : FeatureScaling
        Centre and scale of the features.
    fit_intercept : bool
        Whether the last parameter is fitted.
    """

    X: np.ndarray
    scaling: FeatureScaling
    fit_intercept: bool

    @cached_property
    def is_unscaled(self):
        """Whether the scaled rows are the rows of X."""
        return not self.scaling.center.any() and np.all(self.scaling.scale == 1)

    @property
    def n_rows(self):
        """Number of rows."""
        return self.X.shape[0]

    @property
    def sparse(self):
        """Whether X is a sparse matrix."""
        return issparse(self.X)

    @cached_property
    def shift(self):
        """Centre divided by scale, of shape (d,): each scaled row is ``x / scale - shift``."""
        return self.scaling.center / self.scaling.scale

    @property
    def relative_rounding(self):
        """Size of the rounding errors of scaled rows, relative to their largest direction."""
        offset = np.max(np.abs(self.shift), initial=0.0)
        return 16 * np.finfo(float).eps * (1 + offset) * np.sqrt(len(self.shift))

    def predict(self, theta):
        """Return the predictions of all rows, of shape (n,) or (n, k)."""
        coef, intercept = self.scaling.to_original(theta)
        if not coef.any():
            return np.broadcast_to(intercept, (self.n_rows, *intercept.shape))
        return self.X @ coef.T + intercept

    def gradient(self, derivatives):
        r"""Return :math:`\sum_i g_i (\tilde x_i, 1)`, shaped like theta.

        Parameters
        ----------
        derivatives : array of shape (n,) or (n, k)
            Derivatives :math:`g_i` of the loss by the predictions.
        """
        total = derivatives.sum(axis=0)
        by_coef = derivatives.T @ self.X
        if not self.is_unscaled:
            by_coef = self.scaling.scale_gradient(by_coef, total)
        by_intercept = total if self.fit_intercept else np.zeros_like(total)
        return np.concatenate([by_coef, by_intercept[..., None]], axis=-1).astype(
            self.X.dtype, copy=False
        )

    def scaled_rows(self, index):
        """Return the scaled rows at `index`, an array or a slice.

        Returns
        -------
        array of shape (m, d), or SparseRows
            SparseRows if X is sparse. Both support ``rows @ vectors``, ``derivatives @ rows``,
            ``rows[a:b]`` and ``len(rows)``.
        """
        if self.sparse:
            rows = self.X[index]
            data = rows.data
            if not self.is_unscaled:
                data = data / self.scaling.scale[rows.indices]
            return SparseRows(data, rows.indices, rows.indptr, self.shift)
        rows = take_rows(self.X, index)
        return rows if self.is_unscaled else self.scaling.scale_rows(rows)

    def squared_norms(self, intercept=True):
        """Return the squared norm of each scaled row.

        With `intercept`, the 1 that the intercept is multiplied by is included if it is fitted.
        """
        norms = np.empty(self.n_rows)
        for start in range(0, self.n_rows, CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            norms[chunk] = _squared_norms(self.scaled_rows(chunk))
        return norms + 1 if self.fit_intercept and intercept else norms

    def weighted_square_sums(self, weights):
        """Return the diagonal of :meth:`weighted_gram`."""
        sums = np.zeros(len(self.shift))
        for start in range(0, self.n_rows, CHUNK_ROWS):
            chunk = slice(start, start + CHUNK_ROWS)
            rows, total = self.X[chunk], weights[chunk].sum()
            scale = 1 / self.scaling.scale
            rows = rows.multiply(scale).tocsr() if self.sparse else rows * scale
            squares = rows.power(2) if self.sparse else rows**2
            sums += weights[chunk] @ squares - 2 * self.shift * (weights[chunk] @ rows)
            sums += total * self.shift**2
        return np.append(np.maximum(sums, 0), weights.sum() * self.fit_intercept)

    def weighted_gram(self, weights):
        r"""Return :math:`\sum_i w_i (\tilde x_i, 1) (\tilde x_i, 1)^\top`.

        Parameters
        ----------
        weights : array of shape (n,)
            Weights :math:`w_i \ge 0` of the rows.

        Returns
        -------
        array of shape (d + 1, d + 1)
            At float64; its last row and column are zero without an intercept.
        """
        size = self.X.shape[1] + 1
        if self.sparse:
            return self._sparse_weighted_gram(weights.astype(float, copy=False))
        gram, roots = np.zeros((size, size)), np.sqrt(weights, dtype=float)
        buffer = np.empty((min(len(roots), GRAM_CHUNK_ROWS), size))
        for start in range(0, len(roots), GRAM_CHUNK_ROWS):
            chunk = slice(start, start + GRAM_CHUNK_ROWS)
            rows = buffer[: len(roots[chunk])]
            np.subtract(self.X[chunk], self.scaling.center, out=rows[:, :-1])
            rows[:, -1] = self.fit_intercept
            rows *= roots[chunk, None]
            gram += rows.T @ rows
        scale = np.append(self.scaling.scale, 1.0)
        return gram / np.outer(scale, scale)

    def weighted_root(self, weights):
        r"""Return an upper triangular R with :math:`R^\top R` equal to :meth:`weighted_gram`.

        It comes from QR factorisations of chunks of the rows, so that the condition number of the
        rows is not squared.
        """
        size, roots = self.X.shape[1] + 1, np.sqrt(weights, dtype=float)
        root, chunk_rows = np.empty((0, size)), max(GRAM_CHUNK_ROWS, 2 * size)
        for start in range(0, len(roots), chunk_rows):
            chunk = slice(start, start + chunk_rows)
            rows = (self.X[chunk] - self.scaling.center) / self.scaling.scale
            intercept = np.full((len(rows), 1), float(self.fit_intercept))
            rows = np.hstack([rows, intercept]) * roots[chunk, None]
            root = np.linalg.qr(np.vstack([root, rows]), mode="r")
        return root

    def _sparse_weighted_gram(self, weights):
        weighted = self.X.multiply(weights[:, None]).tocsr()
        gram = (self.X.T @ weighted).toarray()
        gram /= np.outer(self.scaling.scale, self.scaling.scale)
        sums, total = weights @ self.X / self.scaling.scale, weights.sum()
        cross = np.outer(self.shift, sums - total * self.shift / 2)
        sums = (sums - total * self.shift) * self.fit_intercept
        last = np.append(sums, total * self.fit_intercept)
        return np.block([[gram - cross - cross.T, sums[:, None]], [last]])


class SparseRows:
    r"""Scaled rows :math:`z_i - m`, with the sparse part z and the shift m kept separately.

    Parameters
    ----------
    data, indices, indptr : arrays
        z in CSR format; ``indptr[0]`` need not be zero.
    shift : array of shape (d,)
        m.
    """

    __array_ufunc__ = None  # so that ``array @ rows`` calls __rmatmul__

    def __init__(self, data, indices, indptr, shift):
        self.data, self.indices, self.indptr, self.shift = data, indices, indptr, shift

    def __len__(self):
        return len(self.indptr) - 1

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        return SparseRows(self.data, self.indices, self.indptr[start : stop + 1], self.shift)

    @cached_property
    def stored_entries(self):
        """Indices of the m columns with stored entries, and z restricted to these columns.

        The restriction is an array of shape (1, m) for a single row, else a CSR array of shape
        (n, m). The cost does not depend on d.
        """
        start, stop = self.indptr[0], self.indptr[-1]
        data, columns = self.data[start:stop], self.indices[start:stop]
        if len(self) == 1:
            return columns, data[None]
        columns, positions = np.unique(columns, return_inverse=True)
        shape = len(self), len(columns)
        return columns, csr_array((data, positions, self.indptr - start), shape=shape)

    def __matmul__(self, vectors):
        columns, entries = self.stored_entries
        return entries @ vectors[columns] - self.shift @ vectors

    def __rmatmul__(self, derivatives):
        columns, entries = self.stored_entries
        product = -np.multiply.outer(derivatives.sum(axis=-1), self.shift)
        product[..., columns] += derivatives @ entries
        return product

    def toarray(self):
        """Return the rows as a dense array."""
        columns, entries = self.stored_entries
        rows = np.tile(-self.shift, (len(self), 1))
        rows[:, columns] += entries.toarray() if issparse(entries) else entries
        return rows

    def squared_norms(self):
        """Return the squared norms of the rows; exactly zero where only rounding is left."""
        start, stop = self.indptr[0], self.indptr[-1]
        csr = self.data[start:stop], self.indices[start:stop], self.indptr - start
        entries = csr_array(csr, shape=(len(self), len(self.shift)))
        # ||z - m||² = (||z||² + ||m||²) - 2 z'm; the rounding error is relative to the first sum.
        largest_term = entries**2 @ np.ones(len(self.shift)) + self.shift @ self.shift
        norms = largest_term - 2 * (entries @ self.shift)
        return np.where(norms <= 8 * np.finfo(norms.dtype).eps * largest_term, 0.0, norms)


def take_rows(rows, index):
    """Return the rows of an array at `index`, a slice or an array of integers."""
    if isinstance(index, slice):
        return rows[index]
    return rows.take(index, axis=0)  # takes a third of the time of rows[index]


def _squared_norms(rows):
    """Return the squared norm of each row, as float64."""
    if isinstance(rows, SparseRows):
        return rows.squared_norms()
    return np.einsum("ij,ij->i", rows, rows, dtype=float)
