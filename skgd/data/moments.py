"""Means and variances of the columns."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

#: Rows that are looked at together where a pass over the data needs temporary arrays.
CHUNK = 4096


@dataclass(frozen=True)
class FeatureMoments:
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

    def merge(self, other):
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
        return FeatureMoments(count, mean, deviations)

    __add__ = merge

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
