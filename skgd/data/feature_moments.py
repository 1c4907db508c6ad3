"""Means and variances of the features."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

#: Rows per chunk in passes over data in memory; bounds the size of temporary arrays.
CHUNK_ROWS = 4096


class FeatureMoments(NamedTuple):
    """Total weight, means and sums of squared deviations of the features.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    total_weight : float
        Total weight of the rows.
    mean : array of shape (d,)
        Weighted means.
    deviations : array of shape (d,)
        Weighted sums of squared deviations from the means.
    """

    n_rows: int
    total_weight: float
    mean: np.ndarray
    deviations: np.ndarray

    @classmethod
    def from_rows(cls, X, weights=None):
        """Return the moments of the rows of `X`, computed in two passes at float64."""
        weights = np.ones(X.shape[0]) if weights is None else np.asarray(weights, dtype=float)
        total_weight = weights.sum()
        if issparse(X):
            return cls(X.shape[0], total_weight, *_sparse_moments(X, weights))
        mean = _weighted_sum(X, weights, lambda rows: rows) / total_weight
        deviations = _weighted_sum(X, weights, lambda rows: (rows - mean) ** 2)
        return cls(X.shape[0], total_weight, mean, deviations)

    def __add__(self, other):
        """Return the moments of the union of both sets of rows.

        References
        ----------
        T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance",
        1983.
        """
        total_weight = self.total_weight + other.total_weight
        shift = other.mean - self.mean
        other_share = other.total_weight / total_weight
        mean = self.mean + other_share * shift
        between = self.total_weight * other_share * shift**2
        deviations = self.deviations + other.deviations + between
        return FeatureMoments(self.n_rows + other.n_rows, total_weight, mean, deviations)

    @property
    def variance(self):
        """Variance of each feature; exactly zero where it does not exceed its rounding error."""
        variance = self.deviations / self.total_weight
        eps = self.n_rows * np.finfo(float).eps
        rounding = eps * variance + (eps * self.mean) ** 2
        return np.where(variance <= rounding, 0.0, variance)

    @property
    def mean_square(self):
        """Mean square of each feature."""
        return self.variance + self.mean**2


def _weighted_sum(X, weights, function):
    """Return the weighted sum over the rows of ``function(rows)``, accumulated over chunks."""
    total = np.zeros(X.shape[1])
    for start in range(0, len(X), CHUNK_ROWS):
        rows = X[start : start + CHUNK_ROWS].astype(float, copy=False)
        total += weights[start : start + CHUNK_ROWS] @ function(rows)
    return total


def _sparse_moments(X, weights):
    """Return the means, and the sums of squared deviations from them, of a CSR matrix."""
    n, d = X.shape
    columns, data = X.indices, X.data.astype(float, copy=False)
    entry_weights = np.repeat(weights, np.diff(X.indptr))
    mean = np.bincount(columns, entry_weights * data, d) / weights.sum()
    deviations = np.bincount(columns, entry_weights * (data - mean[columns]) ** 2, d)
    # Weight of the rows without a stored entry. In a full column it is zero up to rounding, which
    # would count as a variance.
    zero_weight = weights.sum() - np.bincount(columns, entry_weights, d)
    zero_weight[np.bincount(columns, minlength=d) == n] = 0
    return mean, deviations + zero_weight * mean**2
