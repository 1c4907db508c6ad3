"""Second moments of rows and targets: all that squared error needs to know of the data."""

import operator
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise

import numpy as np
from scipy.linalg import lapack
from scipy.sparse import issparse

from skgd._utils.threads import map_reduce_in_threads
from skgd.data.moments import FeatureMoments

#: Rows that are centred and then multiplied with each other, where they are short and where they
#: are long: fewer products of more rows, as long as these stay in the cache. Short sums at float32
#: are the more exact ones.
FEW, FEW_LONG, LONG = 2048, 1024, 64

#: Numbers of several rows that are centred in one stretch: a loop over a short row is slow.
STRETCH = 8192

#: Parts that rows are cut into, from so many numbers on.
PARTS, MANY = 8, 2**21

#: Features up to which second moments are formed.
MAX_SECOND_MOMENT_FEATURES = 1000

#: Error of a minimiser that needs no correction, relative; and the least in units of rounding.
SMALLEST_ERROR, VISIBLE = 1e-10, 64


@dataclass(frozen=True)
class SecondMoments:
    r"""Weighted means and covariances of features and targets.

    They come from one pass over chunks of rows from which a *shift* is subtracted, the mean of the
    first rows: as exact as two passes, where :math:`X^\top X - n \mu \mu^\top` keeps two digits of
    data with an offset of a million times its spread.

    Parameters
    ----------
    count : float
        Total weight of the rows.
    mean : array of shape (d,)
        Means of the features.
    covariance : array of shape (d, d)
        Their covariances.
    y_mean : array of shape () or (k,)
        Means of the targets.
    cross : array of shape (d,) or (d, k)
        Covariances of features and targets.
    y_variance : array of shape () or (k,)
        Variances of the targets.
    rounding : float
        Relative rounding of the products.
    """

    count: float
    mean: np.ndarray
    covariance: np.ndarray
    y_mean: np.ndarray
    cross: np.ndarray
    y_variance: np.ndarray

    rounding: float = np.finfo(float).eps / 2

    @classmethod
    def in_parts(cls, X, y, weights=None):
        """Return what :meth:`of` does, of many rows in equal parts by as many threads as BLAS has.

        The parts are the same whatever the number of threads.
        """
        number = PARTS if X.size >= MANY else 1
        edges = np.linspace(0, len(y), number + 1).astype(int).tolist()

        def part(here):
            return cls.of(X[here], y[here], None if weights is None else weights[here])

        parts = [slice(*pair) for pair in pairwise(edges)]
        return map_reduce_in_threads(part, parts, lambda grams: reduce(operator.add, grams))

    @classmethod
    def of(cls, X, y, weights=None, dtype=float):
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
            Products of the rows of a chunk are formed at this precision; their sum over the chunks
            is float64 at any rate.
        """
        (n, d), outputs = X.shape, y.shape[1:]
        targets = y.reshape(n, -1)
        first = slice(0, 256)
        shift = np.append(
            dense(X[first]).mean(axis=0, dtype=float), targets[first].mean(axis=0, dtype=float)
        ).astype(dtype)
        squares = centred_squares(X, targets, weights, shift, dtype)
        count = squares[-1, -1]
        squares /= count
        moved = squares[-1, :-1]
        mean = shift + moved
        covariance = squares[:-1, :-1] - np.outer(moved, moved)
        return cls(
            count,
            mean[:d],
            covariance[:d, :d],
            mean[d:].reshape(outputs),
            covariance[:d, d:].reshape(d, *outputs),
            np.diag(covariance)[d:].reshape(outputs),
            np.finfo(dtype).eps / 2,
        )

    def __add__(self, other):
        """Return the moments of both sets of rows together."""
        count = self.count + other.count
        share, rest = other.count / count, self.count / count
        step, y_step = other.mean - self.mean, other.y_mean - self.y_mean
        return SecondMoments(
            count,
            self.mean + share * step,
            rest * self.covariance + share * other.covariance + rest * share * np.outer(step, step),
            self.y_mean + share * y_step,
            rest * self.cross
            + share * other.cross
            + rest * share * np.multiply.outer(step, y_step),
            rest * self.y_variance + share * other.y_variance + rest * share * y_step**2,
            max(self.rounding, other.rounding),
        )

    merge = __add__

    @property
    def finite(self):
        """Whether no entry was infinite or not a number, and no sum overflowed."""
        return bool(np.isfinite(self.covariance).all() and np.isfinite(self.cross).all())

    def accurate(self, dtype):
        """Tell whether rounding changes a minimiser by no more than parameters of `dtype` show.

        It may change it by the rounding of the products times the condition number of the
        correlations. A descent then needs no look at the rows to be sure of its gradient.
        """
        finest = max(SMALLEST_ERROR, VISIBLE * float(np.finfo(dtype).eps))
        correlations, least = self.correlations
        if self.rounding <= finest * least or not len(correlations):
            return True
        curvatures = np.linalg.eigvalsh(correlations)
        return bool(self.rounding * curvatures[-1] <= finest * curvatures[0])

    @cached_property
    def correlations(self):
        """Correlations of the columns that vary, and a bound on their reciprocal condition."""
        spread = np.sqrt(self.moments.variance)
        moving = spread > 0
        spread = spread[moving]
        scaled = self.covariance[np.ix_(moving, moving)] / np.outer(spread, spread)
        return scaled, reciprocal_condition(scaled) if len(scaled) else 1.0

    @property
    def moments(self):
        """The :class:`~skgd.data.moments.FeatureMoments` of the features."""
        return FeatureMoments(self.count, self.mean, self.count * np.diag(self.covariance))

    def hessian(self, scaling, fit_intercept):
        """Return the mean of the outer squares of the inner rows, of shape (d + 1, d + 1)."""
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


def reciprocal_condition(matrix):
    """Return a lower bound on the least over the largest eigenvalue, a tenth of the work of both.

    It is that of the 1-norm; 0 where the matrix is not positive definite up to rounding.
    """
    factor, failed = lapack.dpotrf(matrix)
    if failed:
        return 0.0
    return lapack.dpocon(factor, np.abs(matrix).sum(axis=0).max())[0]


def centred_squares(X, targets, weights, shift, dtype):
    """Return the weighted products of all columns with each other, less a shift.

    Columns are those of X, of the targets, and one of ones.
    """
    n, d = X.shape
    squares = np.zeros((len(shift) + 1,) * 2)
    subsample = FEW if d < LONG else FEW_LONG
    # Features are kept apart from the others: rows of a round length are quicker to write and to
    # multiply.
    rows = np.empty((min(n, subsample), d), dtype)
    others = np.empty((len(rows), len(squares) - d), dtype)
    several = np.tile(shift[:d], power_of_two(STRETCH // max(1, d)))
    for start in range(0, n, subsample):
        here = slice(start, start + subsample)
        rows, others = rows[: len(targets[here])], others[: len(targets[here])]
        subtract(dense(X[here]), several, rows)
        np.subtract(targets[here], shift[d:], out=others[:, :-1], casting="same_kind")
        others[:, -1] = 1
        if weights is not None:
            roots = np.sqrt(weights[here], dtype=dtype)[:, None]
            rows *= roots
            others *= roots
        # NumPy sees that factors are the same, and forms half of such a product. Other than `@`,
        # `dot` lets threads run beside it also where the product is small.
        squares[:d, :d] += np.dot(rows.T, rows)
        squares[:d, d:] += np.dot(rows.T, others)
        squares[d:, d:] += np.dot(others.T, others)
    squares[d:, :d] = squares[:d, d:].T
    return squares


def subtract(rows, several, out):
    """Subtract a shift from rows; it is given for several of them, one after the other."""
    d = rows.shape[1]
    if rows.flags.c_contiguous and d and not rows.size % several.size:
        rows, out = rows.reshape(-1, several.size), out.reshape(-1, several.size)
    np.subtract(rows, several[: rows.shape[1]], out=out, casting="same_kind")


def power_of_two(number):
    """Return the largest power of two up to a number, and 1 at least."""
    return 1 << max(1, number).bit_length() - 1


def dense(rows):
    """Return a few rows as a dense array."""
    return rows.toarray() if issparse(rows) else rows


def prefers_second_moments(n_rows, n_features):
    """Tell whether descending on second moments is cheaper than on rows.

    Forming them costs :math:`n d^2` operations once, at the speed of matrix products; a pass over
    the rows costs :math:`n d` at the speed of memory, about ten times slower each, and a descent
    makes some dozens.
    """
    return n_features < n_rows and n_features <= MAX_SECOND_MOMENT_FEATURES
