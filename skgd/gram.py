"""Second moments of rows and targets: all that squared error needs to know of the data."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from skgd.designs import CHUNK, Moments

#: Features up to which second moments are formed.
LARGEST_GRAM = 1000


@dataclass(frozen=True)
class Gram:
    r"""Weighted means and covariances of features and targets.

    They come from one pass over chunks of rows from which a *shift* is subtracted, the mean of the
    first chunk: as exact as two passes, where :math:`X^\top X - n \mu \mu^\top` keeps two digits of
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
    """

    count: float
    mean: np.ndarray
    covariance: np.ndarray
    y_mean: np.ndarray
    cross: np.ndarray
    y_variance: np.ndarray

    @classmethod
    def of(cls, X, y, weights=None):
        """Return the moments of the rows of `X` and `y`, at float64."""
        n, d = X.shape
        shift = dense(X[:CHUNK]).mean(axis=0, dtype=float)
        y_shift = y[:CHUNK].mean(axis=0, dtype=float)
        count, total, y_total = 0.0, np.zeros(d), np.zeros(y.shape[1:])
        squares, cross, y_squares = (
            np.zeros((d, d)),
            np.zeros((d, *y.shape[1:])),
            np.zeros(y.shape[1:]),
        )
        for start in range(0, n, CHUNK):
            here = slice(start, start + CHUNK)
            rows, targets = dense(X[here]) - shift, y[here] - y_shift
            root = np.ones(len(rows))
            if weights is not None:
                root = np.sqrt(weights[here], dtype=float)
                rows *= root[:, None]
                targets = (targets.T * root).T
            count += root @ root
            total += root @ rows
            y_total += root @ targets
            squares += rows.T @ rows
            cross += rows.T @ targets
            y_squares += (targets**2).sum(axis=0)
        moved, y_moved = total / count, y_total / count
        return cls(
            count,
            shift + moved,
            squares / count - np.outer(moved, moved),
            y_shift + y_moved,
            cross / count - np.multiply.outer(moved, y_moved),
            y_squares / count - y_moved**2,
        )

    def merged(self, other):
        """Return the moments of both sets of rows together; see :class:`~skgd.designs.Moments`."""
        count = self.count + other.count
        mine, its = self.count / count, other.count / count
        shift, y_shift = other.mean - self.mean, other.y_mean - self.y_mean
        both = mine * its
        return Gram(
            count,
            self.mean + its * shift,
            mine * self.covariance + its * other.covariance + both * np.outer(shift, shift),
            self.y_mean + its * y_shift,
            mine * self.cross + its * other.cross + both * np.multiply.outer(shift, y_shift),
            mine * self.y_variance + its * other.y_variance + both * y_shift**2,
        )

    @property
    def moments(self):
        """The :class:`~skgd.designs.Moments` of the features."""
        return Moments(self.count, self.mean, self.count * np.diag(self.covariance))

    def hessian(self, coordinates, fit_intercept):
        """Return the mean of the outer squares of the inner rows, of shape (d + 1, d + 1)."""
        offset = self.mean - coordinates.center
        hessian = np.zeros((len(offset) + 1,) * 2)
        hessian[:-1, :-1] = self.covariance + np.outer(offset, offset)
        hessian[:-1, :-1] /= np.outer(coordinates.scale, coordinates.scale)
        if fit_intercept:
            hessian[-1, :-1] = hessian[:-1, -1] = offset / coordinates.scale
            hessian[-1, -1] = 1
        return hessian

    def gradient(self, coordinates, intercept, fit_intercept):
        """Return the gradient of half the mean squared error at a constant model."""
        error = intercept - self.y_mean
        offset = self.mean - coordinates.center
        by_coef = (np.multiply.outer(offset, error) - self.cross).T / coordinates.scale
        by_intercept = error if fit_intercept else np.zeros_like(error)
        return np.concatenate([by_coef, by_intercept[..., None]], axis=-1)

    def value(self, intercept):
        """Return half the mean squared error of a constant model, summed over the outputs."""
        return 0.5 * float(np.sum(self.y_variance + (intercept - self.y_mean) ** 2))


def dense(rows):
    """Return a few rows as a dense array."""
    return rows.toarray() if issparse(rows) else rows


def gram_pays(n_rows, n_features):
    """Tell whether descending on second moments is cheaper than on rows.

    Forming them costs :math:`n d^2` operations once, at the speed of matrix products; a pass over
    the rows costs :math:`n d` at the speed of memory, about ten times slower each, and a descent
    makes some dozens.
    """
    return n_features < n_rows and n_features <= LARGEST_GRAM
