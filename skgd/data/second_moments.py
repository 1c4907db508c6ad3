"""Second moments of features and targets, which determine the squared error of a linear model."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.linalg import lapack
from scipy.sparse import issparse

from skgd._utils.threads import map_reduce_in_threads
from skgd.data.feature_moments import FeatureMoments
from skgd.data.map_reduce import add_results

#: Number of features from which rows count as wide.
WIDE = 64

#: Rows per chunk, for narrow and for wide rows. A chunk is centred and multiplied by itself: larger
#: chunks need fewer products, but must stay in the cache. Short sums at float32 round less.
NARROW_CHUNK_ROWS, WIDE_CHUNK_ROWS = 2048, 1024

#: Numbers of consecutive rows that one call centres; NumPy's inner loop over a short row is slow.
TILED_SHIFT_SIZE = 8192

#: Size of X from which its rows are processed in parallel, and the number of parts.
MIN_PARALLEL_SIZE, N_PARTS = 2**21, 8

#: Number of features up to which second moments are computed.
MAX_SECOND_MOMENT_FEATURES = 1000

#: Relative error of a minimiser that needs no correction: the larger of the first number and the
#: second times the machine epsilon of the parameters.
NEGLIGIBLE_ERROR, NEGLIGIBLE_EPS = 1e-10, 64

#: Rounding error of a mean squared error, in units of the terms of which it is the sum.
ERROR_ROUNDING_UNITS = 4


@dataclass(frozen=True)
class SecondMoments:
    r"""Weighted means and covariances of features and targets.

    They are computed in one pass over chunks of rows, from which a *shift* is subtracted: the mean
    of the first rows. This is as accurate as two passes. The formula
    :math:`X^\top X - n \mu \mu^\top` keeps two digits of data with an offset of a million times
    its spread.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    total_weight : float
        Total weight of the rows.
    mean : array of shape (d,)
        Means of the features.
    covariance : array of shape (d, d)
        Covariances of the features.
    y_mean : array of shape () or (k,)
        Means of the targets.
    cross : array of shape (d,) or (d, k)
        Covariances of features and targets.
    y_variance : array of shape () or (k,)
        Variances of the targets.
    rounding : float
        Unit roundoff of the products.
    """

    n_rows: int
    total_weight: float
    mean: np.ndarray
    covariance: np.ndarray
    y_mean: np.ndarray
    cross: np.ndarray
    y_variance: np.ndarray

    rounding: float = np.finfo(float).eps / 2

    @classmethod
    def from_rows_in_parallel(cls, X, y, weights=None):
        """Return the moments as :meth:`from_rows` does, with as many threads as BLAS has.

        Large data is divided into equal parts. Their number does not depend on the number of
        threads, and neither does the result.
        """
        n_parts = N_PARTS if X.size >= MIN_PARALLEL_SIZE else 1
        edges = np.linspace(0, len(y), n_parts + 1).astype(int).tolist()

        def from_part(rows):
            return cls.from_rows(X[rows], y[rows], None if weights is None else weights[rows])

        parts = [slice(*pair) for pair in pairwise(edges)]
        return map_reduce_in_threads(from_part, parts, add_results)

    @classmethod
    def from_rows(cls, X, y, weights=None, dtype=float):
        """Return the moments of the rows of `X` and `y`.

        Parameters
        ----------
        X : array of shape (n, d)
            Features.
        y : array of shape (n,) or (n, k)
            Targets.
        weights : array of shape (n,), default=None
            Weights of the rows.
        dtype : dtype, default=float
            Precision of the products of the rows of a chunk. Their sum over the chunks is always
            float64.
        """
        (n, d), output_shape = X.shape, y.shape[1:]
        targets = y.reshape(n, -1)
        first = slice(0, 256)
        shift = np.append(
            to_dense(X[first]).mean(axis=0, dtype=float), targets[first].mean(axis=0, dtype=float)
        ).astype(dtype)
        products = shifted_products(X, targets, weights, shift, dtype)
        total_weight = products[-1, -1]
        products /= total_weight
        offset = products[-1, :-1]
        mean = shift + offset
        covariance = products[:-1, :-1] - np.outer(offset, offset)
        return cls(
            n,
            total_weight,
            mean[:d],
            covariance[:d, :d],
            mean[d:].reshape(output_shape),
            covariance[:d, d:].reshape(d, *output_shape),
            np.diag(covariance)[d:].reshape(output_shape),
            np.finfo(dtype).eps / 2,
        )

    def __add__(self, other):
        """Return the moments of the union of both sets of rows."""
        total_weight = self.total_weight + other.total_weight
        share, rest = other.total_weight / total_weight, self.total_weight / total_weight
        step, y_step = other.mean - self.mean, other.y_mean - self.y_mean
        return SecondMoments(
            self.n_rows + other.n_rows,
            total_weight,
            self.mean + share * step,
            rest * self.covariance + share * other.covariance + rest * share * np.outer(step, step),
            self.y_mean + share * y_step,
            rest * self.cross
            + share * other.cross
            + rest * share * np.multiply.outer(step, y_step),
            rest * self.y_variance + share * other.y_variance + rest * share * y_step**2,
            max(self.rounding, other.rounding),
        )

    @property
    def is_finite(self):
        """Whether all entries were finite and no sum overflowed."""
        return bool(np.isfinite(self.covariance).all() and np.isfinite(self.cross).all())

    def is_accurate_for(self, dtype):
        """Return whether the minimiser is accurate enough for parameters of `dtype`.

        Rounding changes the minimiser by up to the unit roundoff of the products times the
        condition number of the correlations. If that is negligible, the gradient from the moments
        need not be corrected by one from the rows.
        """
        tolerance = max(NEGLIGIBLE_ERROR, NEGLIGIBLE_EPS * float(np.finfo(dtype).eps))
        correlations, bound = self.correlations
        if self.rounding <= tolerance * bound or not len(correlations):
            return True
        eigenvalues = np.linalg.eigvalsh(correlations)
        return bool(self.rounding * eigenvalues[-1] <= tolerance * eigenvalues[0])

    @cached_property
    def correlations(self):
        """Correlations of the features that vary, and a lower bound on their reciprocal condition.

        The bound is the reciprocal condition number in the 1-norm.
        """
        std = np.sqrt(self.feature_moments.variance)
        varies = std > 0
        std = std[varies]
        correlations = self.covariance[np.ix_(varies, varies)] / np.outer(std, std)
        return correlations, reciprocal_condition(correlations) if len(correlations) else 1.0

    @property
    def feature_moments(self):
        """The :class:`~skgd.data.feature_moments.FeatureMoments` of the features."""
        deviations = self.total_weight * np.diag(self.covariance)
        return FeatureMoments(self.n_rows, self.total_weight, self.mean, deviations)

    def hessian(self, scaling, fit_intercept):
        r"""Return the Hessian of half the mean squared error, of shape (d + 1, d + 1).

        It is the weighted mean of :math:`(\tilde x, 1) (\tilde x, 1)^\top` over the scaled rows.
        The last row and column are zero without an intercept.
        """
        offset = self.mean - scaling.center
        hessian = np.zeros((len(offset) + 1,) * 2)
        hessian[:-1, :-1] = self.covariance + np.outer(offset, offset)
        hessian[:-1, :-1] /= np.outer(scaling.scale, scaling.scale)
        if fit_intercept:
            hessian[-1, :-1] = hessian[:-1, -1] = offset / scaling.scale
            hessian[-1, -1] = 1
        return hessian

    def gradient(self, scaling, intercept, fit_intercept):
        """Return the gradient of half the mean squared error at a constant model."""
        error = intercept - self.y_mean
        offset = self.mean - scaling.center
        by_coef = (np.multiply.outer(offset, error) - self.cross).T / scaling.scale
        by_intercept = error if fit_intercept else np.zeros_like(error)
        return np.concatenate([by_coef, by_intercept[..., None]], axis=-1)

    def value(self, intercept):
        """Return half the mean squared error of a constant model, summed over the outputs."""
        return 0.5 * float(np.sum(self.y_variance + (intercept - self.y_mean) ** 2))

    def mean_squared_errors(self, coefs, intercepts):
        r"""Return the mean squared errors of linear models, and bounds on their rounding errors.

        They are :math:`w^\top C w - 2 w^\top c + v + (\mu^\top w + b - \bar y)^2` with the
        covariances C and c and the variance v of the targets. Where they are much smaller than v,
        digits cancel, which the bounds tell.

        Parameters
        ----------
        coefs : array of shape (m, d) or (m, k, d)
            Coefficients of m models.
        intercepts : array of shape (m,) or (m, k)
            Intercepts.

        Returns
        -------
        errors, bounds : arrays of shape (m, k)
            With k = 1 for a single output.
        """
        m, d = len(coefs), coefs.shape[-1]
        coefs, intercepts = coefs.reshape(m, -1, d), intercepts.reshape(m, -1)
        cross, y_mean = self.cross.reshape(d, -1), np.atleast_1d(self.y_mean)
        bias = coefs @ self.mean + intercepts - y_mean
        quadratic = np.sum((coefs @ self.covariance) * coefs, axis=-1)
        linear = np.einsum("mkd,dk->mk", coefs, cross)
        errors = quadratic - 2 * linear + self.y_variance + bias**2
        eps, std = ERROR_ROUNDING_UNITS * np.finfo(float).eps, np.sqrt(np.diag(self.covariance))
        size = (np.abs(coefs) @ std + np.sqrt(self.y_variance)) ** 2
        constants = np.abs(intercepts) + np.abs(y_mean)
        bias_rounding = eps * (np.abs(coefs) @ np.abs(self.mean) + constants)
        return errors, eps * size + bias_rounding * (2 * np.abs(bias) + bias_rounding)


def reciprocal_condition(matrix):
    """Return a lower bound on the ratio of the smallest to the largest eigenvalue.

    It is the reciprocal condition number in the 1-norm, from a Cholesky factorisation: a tenth of
    the work of an eigendecomposition. It is 0 if the matrix is not positive definite up to
    rounding.
    """
    factor, failed = lapack.dpotrf(matrix)
    if failed:
        return 0.0
    return lapack.dpocon(factor, np.abs(matrix).sum(axis=0).max())[0]


def shifted_products(X, targets, weights, shift, dtype):
    r"""Return :math:`\sum_i w_i z_i z_i^\top`, where :math:`z_i = ((x_i, y_i) - s, 1)`.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, d)
        Features.
    targets : array of shape (n, k)
        Targets.
    weights : array of shape (n,) or None
        Weights :math:`w_i` of the rows; None means 1.
    shift : array of shape (d + k,)
        The shift :math:`s` of features and targets, of the given dtype.
    dtype : dtype
        Precision of the products within a chunk.

    Returns
    -------
    array of shape (d + k + 1, d + k + 1)
        At float64.
    """
    n, d = X.shape
    products = np.zeros((len(shift) + 1,) * 2)
    chunk_rows = NARROW_CHUNK_ROWS if d < WIDE else WIDE_CHUNK_ROWS
    # Two buffers, one for the features and one for the other columns: arrays whose row length is a
    # power of two are faster to write and to multiply.
    features = np.empty((min(n, chunk_rows), d), dtype)
    others = np.empty((len(features), len(products) - d), dtype)
    tiled_shift = np.tile(shift[:d], floor_power_of_two(TILED_SHIFT_SIZE // max(1, d)))
    for start in range(0, n, chunk_rows):
        chunk = slice(start, start + chunk_rows)
        features, others = features[: len(targets[chunk])], others[: len(targets[chunk])]
        subtract_tiled(to_dense(X[chunk]), tiled_shift, features)
        np.subtract(targets[chunk], shift[d:], out=others[:, :-1], casting="same_kind")
        others[:, -1] = 1
        if weights is not None:
            roots = np.sqrt(weights[chunk], dtype=dtype)[:, None]
            features *= roots
            others *= roots
        # NumPy recognises A.T @ A and computes half of it. Unlike `@`, `dot` releases the lock of
        # the interpreter for small products too.
        products[:d, :d] += np.dot(features.T, features)
        products[:d, d:] += np.dot(features.T, others)
        products[d:, d:] += np.dot(others.T, others)
    products[d:, :d] = products[:d, d:].T
    return products


def subtract_tiled(rows, tiled_shift, out):
    """Write ``rows - shift`` to `out`, where `tiled_shift` repeats the shift of shape (d,).

    Contiguous rows are reshaped to the length of `tiled_shift` if it divides their size.
    """
    d = rows.shape[1]
    if rows.flags.c_contiguous and d and not rows.size % tiled_shift.size:
        rows, out = rows.reshape(-1, tiled_shift.size), out.reshape(-1, tiled_shift.size)
    np.subtract(rows, tiled_shift[: rows.shape[1]], out=out, casting="same_kind")


def floor_power_of_two(number):
    """Return the largest power of two that does not exceed `number`, and at least 1."""
    return 1 << max(1, number).bit_length() - 1


def to_dense(rows):
    """Return an array, or a sparse matrix as a dense array."""
    return rows.toarray() if issparse(rows) else rows
