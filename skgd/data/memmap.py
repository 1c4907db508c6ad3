"""Memory-mapped rows: read in blocks, which are let go once they have been looked at."""

import mmap

import numpy as np

from skgd._utils.threads import map_reduce_in_threads
from skgd.data.chunked import (
    BLOCK_BYTES,
    ChunkedData,
    joined,
    named,
    refuse_unless_finite,
    sample_size,
    spaced,
    summed,
)
from skgd.data.in_memory import InMemoryData

#: Bytes of a memory map from which on it is read in blocks, and shuffled within them.
LARGE_MAP = 2**28

#: Rows above which a sample says what constant is best.
MANY = 2**20


class MemmapData(ChunkedData):
    """Blocks of consecutive rows of a dense array.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows; of a memory map, or any other.
    y : array of shape (n,) or (n, k)
        Targets.
    weights : array of shape (n,) or None
        Weights of the rows.
    edges : array or None
        Where the blocks begin and end, of shape (number, 2); None makes blocks of
        ``BLOCK_BYTES``.
    """

    def __init__(self, X, y, weights, edges=None):
        wide = X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(float)
        super().__init__(X.shape[1], y.shape[1:], wide)
        self.X, self.y, self.weights = X, y, weights
        if edges is None:
            rows = max(1, BLOCK_BYTES // max(1, X.shape[1] * self.dtype.itemsize))
            starts = np.arange(0, len(X), rows)
            edges = np.stack([starts, np.append(starts[1:], len(X))], axis=1)
        self.edges = edges
        self.count()
        self.whole = False  # whether every entry has been found to be finite

    def count(self):
        """Find `lengths` and `total_weight` out."""
        sizes = np.diff(self.edges, axis=1).ravel()
        if self.weights is None:
            self.lengths, self.total_weight = sizes.tolist(), float(sizes.sum())
            return
        parts = [self.weights[start:stop] for start, stop in self.edges]
        self.lengths = [int(np.count_nonzero(part)) for part in parts]
        self.total_weight = float(sum(part.sum(dtype=float) for part in parts))

    def subset(self, numbers):
        """Return some of the blocks alone."""
        return MemmapData(self.X, self.y, self.weights, self.edges[numbers])

    def read(self, number):
        """Return a block; its X is a view wherever it can be."""
        here = slice(*self.edges[number])
        X = np.asarray(self.X[here]).astype(self.dtype, copy=False)
        y = np.asarray(self.y[here]).astype(self.dtype, copy=False)
        if not np.isfinite(y).all():
            raise ValueError(f"y has values that are not finite as {self.dtype}.")
        if self.weights is None:
            return InMemoryData(X, y, None)
        block = InMemoryData(X, y, np.asarray(self.weights[here]).astype(self.dtype, copy=False))
        return block if block.weights.all() else block.select_rows(block.weights > 0)

    def map_reduce(self, function, *args):
        """Return the sum over the blocks; as many at a time as BLAS would use threads."""

        def part(number):
            block = self.read(number)
            done = function(block, *args) if len(block) else None
            del block
            release(self.X, *self.edges[number])
            return done

        return map_reduce_in_threads(lambda i: named(part, i, i), range(len(self.edges)), summed)

    def fold(self, function, state, steps):
        """Return what becomes of a state on its way over blocks, one after the other."""
        for number, step in steps:
            block = named(self.read, number, number)
            if len(block):
                if not self.whole:
                    named(refuse_unless_finite, number, block.X)
                state = named(function, number, block, state, step)
            del block
            release(self.X, *self.edges[number])
        self.whole = self.whole or len(steps) == len(self.edges)
        return state

    def drawn(self):
        """Return the first rows of some blocks."""
        numbers = spaced(len(self.edges), 64)
        size = sample_size(self, len(numbers))
        parts = [self.read(number) for number in numbers]
        return joined([part.slice_rows(slice(0, size)) for part in parts if len(part)])

    def check_targets(self, loss):
        """Refuse targets for which a loss makes no sense."""
        loss.check_targets(np.asarray(self.y))

    def intercept_only(self, loss):
        """Return the best constant prediction, or nearly so where there are many rows."""
        if loss.quadratic or len(self.y) > MANY:
            return super().intercept_only(loss)
        return loss.intercept_only(np.asarray(self.y), self.weights)


def is_large_map(X):
    """Tell whether X is a memory map that is better read in blocks."""
    dense = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiub"
    return dense and X.nbytes >= LARGE_MAP and map_of(X) is not None


def map_of(array):
    """Return the memory map that an array looks into, or None."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array._mmap is not None:
            return array
        array = array.base
    return None


def release(X, start, stop):
    """Let the pages of some rows go from this process; the system may keep them in its cache.

    Without it all pages that were ever read would count as memory of the process. Pages of a map
    that is private to the process (``mode="c"``) may hold changes, and stay.
    """
    mapped = map_of(X)
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if mapped is None or advice is None or mapped.mode == "c" or min(X.strides) < 0:
        return
    page, rows = mmap.PAGESIZE, X[start:stop]
    base = np.frombuffer(mapped._mmap, dtype=np.uint8).ctypes.data
    # What is stored by columns has a piece of the block in each of them.
    for span in [rows] if X.strides[0] >= X.strides[1] else rows.T:
        first = span.ctypes.data - base
        last = (
            first
            + span.itemsize
            + sum(
                (size - 1) * stride for size, stride in zip(span.shape, span.strides, strict=True)
            )
        )
        low, high = -(-first // page) * page, last // page * page
        if high > low:
            mapped._mmap.madvise(advice, low, high - low)


def predict_mapped(X, predict):
    """Return what `predict` makes of each block of a memory map, together."""
    rows = max(1, BLOCK_BYTES // max(1, X.shape[1] * X.itemsize))
    parts = []
    for number, start in enumerate(range(0, len(X), rows)):
        stop = min(start + rows, len(X))
        parts.append(named(predict, number, X[start:stop]))
        release(X, start, stop)
    return np.concatenate(parts)
