"""What blocked data can do, whatever its kind."""

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse, vstack

from skgd.data.in_memory import InMemoryData
from skgd.data.moments import FeatureMoments
from skgd.data.second_moments import MAX_SECOND_MOMENT_FEATURES, SecondMoments

#: Bytes of X in a block, where it is up to us.
BLOCK_BYTES = 2**25

#: Rows and bytes at most that stand for all rows where a look at a part is enough.
SAMPLE_ROWS, SAMPLE_BYTES = 2**16, 2**25


@dataclass(frozen=True)
class Spread:
    """Sums of squares about the mean of the targets, and about predictions.

    Parameters
    ----------
    count : float
        Total weight.
    mean, about_mean, about_model : arrays of shape () or (k,)
        Mean of the targets, and the two sums of squares.
    """

    count: float
    mean: np.ndarray
    about_mean: np.ndarray
    about_model: np.ndarray

    def __add__(self, other):
        count = self.count + other.count
        step = other.mean - self.mean
        return Spread(
            count,
            self.mean + other.count / count * step,
            self.about_mean + other.about_mean + self.count * other.count / count * step**2,
            self.about_model + other.about_model,
        )


class ChunkedData(ABC):
    """Rows that are looked at block by block, by one function at a time.

    Parameters
    ----------
    n_features : int
        Columns.
    outputs : tuple
        Shape of the targets of one row: () or (k,).
    dtype : dtype
        float32 or float64.
    sparse : bool, default=False
        Whether the blocks are sparse.

    Attributes
    ----------
    lengths : list of int or None
        Rows with weight in each block; None until they have been counted.
    total_weight : float or None
        Total weight of the rows, likewise.
    """

    is_chunked = True
    lengths = None
    total_weight = None
    found = None  # the moments of the columns
    taken = None  # the sample
    y_mean = None

    def __init__(self, n_features, outputs, dtype, sparse=False):
        self.n_features, self.outputs = n_features, outputs
        self.dtype, self.sparse = np.dtype(dtype), sparse

    @abstractmethod
    def map_reduce(self, function, *args):
        """Return the sum over the blocks of ``function(block, *args)``, in the blocks' order.

        Blocks without rows are passed over.

        Parameters
        ----------
        function : callable
            Takes a :class:`InMemoryData` and `args`; returns something that can be added.
        *args
            For the function.
        """

    @abstractmethod
    def fold(self, function, state, steps):
        """Return what becomes of a state on its way over blocks.

        Parameters
        ----------
        function : callable
            ``function(block, state, step) -> state``.
        state : object
            Where to start.
        steps : list of (int, object)
            The blocks in the order of the visits, and a step for each.
        """

    @abstractmethod
    def drawn(self):
        """Return some rows that stand for all, as :class:`InMemoryData`."""

    @abstractmethod
    def subset(self, numbers):
        """Return some of the blocks alone."""

    @abstractmethod
    def check_targets(self, loss):
        """Refuse targets for which a loss makes no sense."""

    @abstractmethod
    def count(self):
        """Find `lengths` and `total_weight` out, if they are not known yet."""

    def sample(self):
        """Return some rows that stand for all; they are read once."""
        if self.taken is None:
            self.taken = self.drawn()
        return self.taken

    def __len__(self):
        self.count()
        return sum(self.lengths)

    def astype(self, dtype):
        """Return the same blocks at another dtype."""
        twin = copy.copy(self)
        twin.dtype = np.dtype(dtype)
        return twin

    @property
    def prefers_second_moments(self):
        """Whether descending on second moments is cheaper than on rows: but for wide blocks."""
        return not self.sparse and self.n_features <= MAX_SECOND_MOMENT_FEATURES

    def intercept_only(self, loss):
        """Return the best constant prediction, or nearly so."""
        if loss.quadratic and self.y_mean is not None:
            return self.y_mean
        return self.sample().intercept_only(loss)

    def moments(self):
        """Return the moments of the columns; they are found out once."""
        if self.found is None:
            self.found = self.map_reduce(block_moments)
        return self.found

    def gram(self):
        """Return the second moments of columns and targets, from one pass over the blocks.

        Products of float32 rows are formed at float32, twice as fast, and added up at float64.
        Where columns are so nearly dependent that this shows, a second pass forms them at float64.
        """
        gram = self.map_reduce(block_gram, self.dtype)
        if not gram.accurate(self.dtype) and self.dtype != np.float64:
            gram = self.map_reduce(block_gram, np.dtype(float))
        self.found, self.y_mean = gram.moments, gram.y_mean
        return gram

    def r2(self, predict):
        """Return the R² of what `predict` makes of X, averaged over the outputs."""
        spread = self.map_reduce(block_spread, predict)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = spread.about_model / spread.about_mean
        constant = np.where(spread.about_model == 0, 0.0, 1.0)  # as in scikit-learn
        scores = 1 - np.where(spread.about_mean == 0, constant, shares)
        return float(np.mean(np.where(np.isfinite(scores), scores, -np.inf)))

    def held_out(self, fraction, rng):
        """Return blocks to train on, and blocks held out to validate with."""
        self.count()
        number = len(self.lengths)
        if number < 2:
            raise ValueError(
                "early_stopping holds out whole blocks of rows, and X has one block only. Give fit "
                "validation rows as X_val and y_val, or make smaller blocks."
            )
        held = min(number - 1, max(1, round(fraction * number)))
        order = rng.permutation(number)
        return self.subset(sorted(order[held:])), self.subset(sorted(order[:held]))


def block_moments(block):
    """Return the moments of a block's columns."""
    moments = FeatureMoments.of(block.X, block.weights)
    if not np.isfinite(moments.deviations).all():
        refuse_not_finite(block.X)
    return moments


def block_gram(block, dtype):
    """Return the second moments of a block, formed at the given dtype."""
    gram = SecondMoments.of(block.X, block.y, block.weights, dtype)
    if not gram.finite:
        refuse_not_finite(block.X)
        gram = SecondMoments.of(block.X, block.y, block.weights)
    return gram


def block_spread(block, predict):
    """Return the :class:`Spread` of a block."""
    weights = np.ones(len(block)) if block.weights is None else block.weights.astype(float)
    y, predictions = block.y.astype(float), predict(block.X)
    mean = weights @ y / weights.sum()
    return Spread(weights.sum(), mean, weights @ (y - mean) ** 2, weights @ (y - predictions) ** 2)


def refuse_not_finite(X):
    """Refuse rows with entries that are not numbers, or infinite; name the first one."""
    entries = X.data if hasattr(X, "indptr") else X
    bad = np.argwhere(~np.isfinite(entries))
    if not len(bad):
        return
    at = tuple(map(int, bad[0]))
    row = int(np.searchsorted(X.indptr, at[0], side="right") - 1) if hasattr(X, "indptr") else at[0]
    raise ValueError(
        f"X has {entries[at]} in row {row} of the block. Every entry has to be a finite number: "
        "leave such rows out, or fill in what is missing."
    )


def refuse_unless_finite(X):
    """Refuse rows with an entry that is not finite, by their sum where that tells."""
    if not np.isfinite(X.sum(dtype=X.dtype)):
        refuse_not_finite(X)


def named(function, number, *args):
    """Call a function; let an error say which block it was."""
    try:
        # Numbers out of bounds are found out from themselves; a thread has its own such setting.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            return function(*args)
    except ValueError as error:
        raise type(error)(f"Chunk {number} of the data: {error}") from error


def summed(parts):
    """Return the sum of the parts that there are."""
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else total + part
    if total is None:
        raise ValueError("The data has no row with weight; a fit needs one.")
    return total


def spaced(number, most):
    """Return at most so many numbers below `number`, evenly spaced."""
    return np.unique(np.linspace(0, number - 1, min(number, most)).astype(int))


def joined(parts):
    """Return blocks together as one."""
    first = parts[0]
    rows = [part.X for part in parts]
    X = vstack(rows, format="csr") if issparse(first.X) else np.concatenate(rows)
    weights = None if first.weights is None else np.concatenate([part.weights for part in parts])
    return InMemoryData(X, np.concatenate([part.y for part in parts]), weights)


def sample_size(blocks, number):
    """Return how many rows each of `number` blocks gives to a sample."""
    row_bytes = max(1, blocks.n_features * blocks.dtype.itemsize)
    return max(1, min(SAMPLE_ROWS, SAMPLE_BYTES // row_bytes) // number)
