"""Checked rows in memory: the whole of the data, or one block of it."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import r2_score

from skgd.data.moments import FeatureMoments
from skgd.data.second_moments import SecondMoments, prefers_second_moments


@dataclass
class InMemoryData:
    """Checked rows of one dtype.

    Parameters
    ----------
    X : array of shape (n, d), or sparse matrix in CSR format
        Features.
    y : array of shape (n,) or (n, k)
        Targets.
    weights : array of shape (n,) or None
        Weights of the rows; None means 1.
    groups : array of shape (n,) or None
        Groups of the rows.
    numbers : array of shape (n,) or None
        Where the rows stood in the input; None means that all are here.
    total : int or None
        Rows of the input; None means that all are here.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None = None
    numbers: np.ndarray | None = None
    total: int | None = None

    is_chunked = False

    def __len__(self):
        return self.X.shape[0]

    @property
    def n_features(self):
        """Number of columns."""
        return self.X.shape[1]

    @property
    def outputs(self):
        """Shape of the targets of one row: () or (k,)."""
        return self.y.shape[1:]

    @property
    def dtype(self):
        """The dtype of everything."""
        return self.X.dtype

    @property
    def sparse(self):
        """Whether X is a sparse matrix."""
        return issparse(self.X)

    @property
    def total_weight(self):
        """Total weight of the rows."""
        return float(len(self) if self.weights is None else self.weights.sum(dtype=float))

    @property
    def prefers_second_moments(self):
        """Whether descending on second moments is cheaper than on rows."""
        return not self.sparse and prefers_second_moments(*self.X.shape)

    def select_rows(self, index):
        """Return the rows at `index`, a mask or an array of numbers."""
        parts = (self.y, self.weights, self.groups)
        y, weights, groups = (None if part is None else part[index] for part in parts)
        numbers = np.arange(len(self)) if self.numbers is None else self.numbers
        return InMemoryData(
            self.X[index], y, weights, groups, numbers[index], self.total or len(self)
        )

    def astype(self, dtype):
        """Return the rows at another dtype, or themselves where they have it."""
        if self.dtype == dtype:
            return self
        weights = None if self.weights is None else self.weights.astype(dtype)
        return InMemoryData(self.X.astype(dtype), self.y.astype(dtype), weights)

    def slice_rows(self, here):
        """Return the rows of a slice, without a copy and without their numbers."""
        weights = None if self.weights is None else self.weights[here]
        return InMemoryData(self.X[here], self.y[here], weights)

    def sample(self):
        """Return rows that stand for all: all of them, as they are in memory."""
        return self

    def check_targets(self, loss):
        """Refuse targets for which a loss makes no sense."""
        loss.check_targets(self.y)

    def intercept_only(self, loss):
        """Return the best constant prediction."""
        return loss.intercept_only(self.y, self.weights)

    def moments(self):
        """Return the moments of the columns."""
        return FeatureMoments.of(self.X, self.weights)

    def gram(self):
        """Return the second moments of columns and targets."""
        return SecondMoments.in_parts(self.X, self.y, self.weights)

    def r2(self, predict):
        """Return the R² of what `predict` makes of X; minus infinity where it is not finite."""
        predictions = predict(self.X)
        if not np.isfinite(predictions).all():
            return -np.inf
        return r2_score(self.y, predictions, sample_weight=self.weights)
