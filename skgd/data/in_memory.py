"""Checked rows in memory: the whole data set, or one chunk of it."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from skgd.data.feature_moments import FeatureMoments
from skgd.data.second_moments import MAX_SECOND_MOMENT_FEATURES, SecondMoments
from skgd.losses import intercept_with_offset


def expand_offset(name, offset, shape):
    """Return offsets, one for each row or each target, in the shape of the targets."""
    if offset.shape == (*shape[:1], 1):
        offset = offset[:, 0]
    if offset.shape == shape:
        return offset
    if offset.shape != shape[:1]:
        raise ValueError(
            f"{name} has shape {offset.shape}, but the targets have shape {shape}. Pass one number "
            "per row, or one per target."
        )
    return np.repeat(offset[:, None], shape[1], axis=1)


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
    row_indices : array of shape (n,) or None
        Indices of the rows in the input; None means that no row was removed.
    n_input_rows : int or None
        Number of rows of the input; None means that no row was removed.
    offset : array of the shape of y, or None
        Terms that are added to the linear predictors; None means zeros.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None = None
    row_indices: np.ndarray | None = None
    n_input_rows: int | None = None
    offset: np.ndarray | None = None

    is_chunked = False

    def __len__(self):
        return self.X.shape[0]

    @property
    def n_features(self):
        """Number of features."""
        return self.X.shape[1]

    @property
    def output_shape(self):
        """Shape of the targets of one row: () or (k,)."""
        return self.y.shape[1:]

    @property
    def dtype(self):
        """The dtype of X, y and weights."""
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
    def has_cheap_second_moments(self):
        """Whether descent on second moments is cheaper than descent on rows.

        Second moments cost :math:`n d^2` operations once, at the speed of matrix products. A pass
        over the rows costs :math:`n d` operations at the speed of memory, each about ten times
        slower, and a descent needs dozens of passes.
        """
        n_rows, n_features = self.X.shape
        return not self.sparse and n_features < n_rows and n_features <= MAX_SECOND_MOMENT_FEATURES

    def select_rows(self, index):
        """Return the rows at `index`, a mask or an array of integers."""
        columns = (self.y, self.weights, self.groups, self.offset)
        y, weights, groups, offset = (None if part is None else part[index] for part in columns)
        row_indices = np.arange(len(self)) if self.row_indices is None else self.row_indices
        n_input_rows = self.n_input_rows or len(self)
        return InMemoryData(
            self.X[index], y, weights, groups, row_indices[index], n_input_rows, offset
        )

    def drop_zero_weights(self):
        """Return the rows with positive weight."""
        if self.weights is None or self.weights.all():
            return self
        return self.select_rows(self.weights > 0)

    def slice_rows(self, rows):
        """Return the rows of a slice, as views and without groups and row indices."""
        weights = None if self.weights is None else self.weights[rows]
        offset = None if self.offset is None else self.offset[rows]
        return InMemoryData(self.X[rows], self.y[rows], weights, offset=offset)

    def astype(self, dtype):
        """Return the rows at another dtype; `self` if it has that dtype."""
        if self.dtype == dtype:
            return self
        weights = None if self.weights is None else self.weights.astype(dtype)
        offset = None if self.offset is None else self.offset.astype(dtype)
        return InMemoryData(self.X.astype(dtype), self.y.astype(dtype), weights, offset=offset)

    @property
    def shifted_y(self):
        """Targets less the offset, which a squared error of the linear predictor refers to."""
        return self.y if self.offset is None else self.y - self.offset

    @property
    def sample(self):
        """Rows that represent all rows: all of them, since they are in memory."""
        return self

    def compute_feature_moments(self):
        """Return the :class:`~skgd.data.feature_moments.FeatureMoments`."""
        return FeatureMoments.from_rows(self.X, self.weights)

    def compute_second_moments(self):
        """Return the :class:`~skgd.data.second_moments.SecondMoments`."""
        return SecondMoments.from_rows_in_parallel(self.X, self.shifted_y, self.weights)

    def check_targets(self, loss):
        """Raise ValueError if the loss is not defined for some target."""
        loss.check_targets(self.y)

    def intercept_only(self, loss):
        """Return the constant prediction that minimises the loss."""
        return intercept_with_offset(loss, self.y, self.weights, self.offset)

    def map_reduce(self, function, *args):
        """Return ``function(self, *args)``: the rows are a single chunk."""
        return function(self, *args)
