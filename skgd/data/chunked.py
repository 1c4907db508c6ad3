"""Base class of data sets that are processed in chunks of rows."""

import copy
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from skgd.data.feature_moments import FeatureMoments
from skgd.data.finite import check_all_finite
from skgd.data.second_moments import MAX_SECOND_MOMENT_FEATURES, SecondMoments

#: Bytes of X in a chunk, where the input does not determine its size.
CHUNK_BYTES = 2**25


class ChunkedData(ABC):
    """Rows that are not all in memory, accessed chunk by chunk.

    Parameters
    ----------
    n_features : int
        Number of features.
    output_shape : tuple
        Shape of the targets of one row: () or (k,).
    dtype : dtype
        float32 or float64.
    sparse : bool, default=False
        Whether X is sparse in every chunk.

    Attributes
    ----------
    chunk_lengths : list of int or None
        Number of rows with positive weight in each chunk; None until :meth:`count_rows` or the
        first :meth:`map_reduce` sets it.
    total_weight : float or None
        Total weight of the rows; None as long as `chunk_lengths` is.
    y_mean : array of shape () or (k,), or None
        Mean of the targets less the offset; None until :meth:`compute_second_moments` sets it.
    """

    is_chunked = True
    chunk_lengths = None
    total_weight = None
    y_mean = None
    _feature_moments = None

    def __init__(self, n_features, output_shape, dtype, sparse=False):
        self.n_features, self.output_shape = n_features, output_shape
        self.dtype, self.sparse = np.dtype(dtype), sparse

    @abstractmethod
    def map_reduce(self, function, *args):
        """Return the sum over the chunks of ``function(chunk, *args)``, added in order.

        Chunks without rows of positive weight are skipped.

        Parameters
        ----------
        function : callable
            Takes an :class:`InMemoryData` and `args`; its results can be added.
        *args
            Further arguments of the function.
        """

    @abstractmethod
    def fold(self, function, state, steps):
        """Return the state after ``state = function(chunk, state, step)`` for each of `steps`.

        Parameters
        ----------
        function : callable
            Returns the next state.
        state : object
            Initial state.
        steps : list of (int, object)
            Chunk numbers in the order of processing, and a step for each.
        """

    @abstractmethod
    def read_sample(self):
        """Return rows that represent all rows, as :class:`InMemoryData`."""

    @abstractmethod
    def subset(self, numbers):
        """Return the data set of the chunks with the given numbers."""

    @abstractmethod
    def check_targets(self, loss):
        """Raise ValueError if the loss is not defined for some target."""

    @abstractmethod
    def count_rows(self):
        """Set `chunk_lengths` and `total_weight`, if they are unknown."""

    def copy_counts(self, subsets):
        """Set `chunk_lengths` and `total_weight`, if they are unknown, from those of subsets.

        Parameters
        ----------
        subsets : list of (array, ChunkedData)
            The numbers of the chunks of each subset, and the subset. Every chunk is in one.
        """
        if self.chunk_lengths is None:
            self.count_rows()

    def __len__(self):
        """Return the number of rows with positive weight; needs :meth:`count_rows` before."""
        return sum(self.chunk_lengths)

    def astype(self, dtype):
        """Return the same chunks at another dtype."""
        converted = copy.copy(self)
        converted.dtype = np.dtype(dtype)
        return converted

    @property
    def has_cheap_second_moments(self):
        """Whether descent on second moments is cheaper than descent on rows.

        Unlike in memory, the number of rows does not matter: a pass over chunks is expensive.
        """
        return not self.sparse and self.n_features <= MAX_SECOND_MOMENT_FEATURES

    @cached_property
    def sample(self):
        """Rows that represent all rows, as :class:`InMemoryData`; read once."""
        return self.read_sample()

    def compute_feature_moments(self):
        """Return the :class:`~skgd.data.feature_moments.FeatureMoments`.

        The first call makes one pass over the chunks, which also checks that X is finite, and
        stores the result for later calls.
        """
        if self._feature_moments is None:
            self._feature_moments = self.map_reduce(chunk_feature_moments)
        return self._feature_moments

    def compute_second_moments(self):
        """Return the second moments of features and targets, from one pass over the chunks.

        Products of float32 rows are computed at float32, which is twice as fast, and added at
        float64. If the features are so collinear that the rounding error matters, a second pass
        computes the products at float64.

        The feature moments and `y_mean` follow from the second moments; they are stored, so that
        they need no pass of their own.
        """
        moments = self.map_reduce(chunk_second_moments, self.dtype)
        if not moments.is_accurate_for(self.dtype) and self.dtype != np.float64:
            moments = self.map_reduce(chunk_second_moments, np.dtype(float))
        self.store_moments(moments)
        return moments

    def store_moments(self, moments):
        """Store what follows from the second moments of all rows, so that it needs no pass."""
        self._feature_moments, self.y_mean = moments.feature_moments, moments.y_mean

    def intercept_only(self, loss):
        """Return the constant prediction that minimises the loss.

        It is exact for a quadratic loss if `y_mean` is known; otherwise that of the sample.
        """
        if loss.quadratic and self.y_mean is not None:
            return self.y_mean
        return self.sample.intercept_only(loss)

    def train_validation_split(self, fraction, rng):
        """Return a data set of random chunks for training, and one of the others for validation.

        Parameters
        ----------
        fraction : float
            Fraction of the chunks for validation; at least one chunk is in each of the sets.
        rng : RandomState
            Random number generator.
        """
        self.count_rows()
        n_chunks = len(self.chunk_lengths)
        if n_chunks < 2:
            raise ValueError(
                "early_stopping holds out whole chunks of rows, and X has only one chunk. Pass "
                "validation rows to fit as X_val and y_val, or use smaller chunks."
            )
        n_validation = min(n_chunks - 1, max(1, round(fraction * n_chunks)))
        order = rng.permutation(n_chunks)
        training, validation = order[n_validation:], order[:n_validation]
        return self.subset(sorted(training)), self.subset(sorted(validation))


def chunk_feature_moments(chunk):
    """Return the feature moments of a chunk; raise ValueError if X is not finite."""
    moments = FeatureMoments.from_rows(chunk.X, chunk.weights)
    if not np.isfinite(moments.deviations).all():
        check_all_finite(chunk.X)
    return moments


def chunk_second_moments(chunk, dtype):
    """Return the second moments of a chunk; raise ValueError if X is not finite.

    Products are computed at `dtype`, and again at float64 if they overflow.
    """
    moments = SecondMoments.from_rows(chunk.X, chunk.shifted_y, chunk.weights, dtype)
    if not moments.is_finite:
        check_all_finite(chunk.X)
        moments = SecondMoments.from_rows(chunk.X, chunk.shifted_y, chunk.weights)
    return moments
