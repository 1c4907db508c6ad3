"""Memory-mapped rows, read in chunks whose pages are released after use."""

import mmap

import numpy as np

from skgd._utils.threads import map_reduce_in_threads
from skgd.data.chunked import CHUNK_BYTES, ChunkedData
from skgd.data.finite import check_finite_by_sum
from skgd.data.in_memory import InMemoryData
from skgd.data.map_reduce import add_results, call_for_chunk
from skgd.data.sampling import choose_evenly_spaced, concatenate_chunks, sample_rows_per_chunk
from skgd.losses import intercept_with_offset

#: Bytes from which on a memory map is read in chunks, and shuffled within them.
MIN_CHUNKED_BYTES = 2**28

#: Rows up to which the best constant prediction is computed from all targets, not from a sample.
MAX_EXACT_CONSTANT_ROWS = 2**20

#: Chunks that a sample is taken from.
MAX_SAMPLED_CHUNKS = 64


class MemmapData(ChunkedData):
    """Chunks of consecutive rows of a dense array.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows; usually a memory map.
    y : array of shape (n,) or (n, k)
        Targets.
    weights : array of shape (n,) or None
        Weights of the rows; None means 1.
    bounds : array of shape (n_chunks, 2) or None
        First row and end of each chunk; None makes chunks of ``CHUNK_BYTES``.
    offset : array of the shape of y, or None
        Terms that are added to the linear predictors; None means zeros.
    """

    def __init__(self, X, y, weights, bounds=None, offset=None):
        dtype = X.dtype if X.dtype in (np.float32, np.float64) else np.dtype(float)
        super().__init__(X.shape[1], y.shape[1:], dtype)
        self.X, self.y, self.weights, self.offset = X, y, weights, offset
        if bounds is None:
            rows = max(1, CHUNK_BYTES // max(1, X.shape[1] * self.dtype.itemsize))
            starts = np.arange(0, len(X), rows)
            bounds = np.stack([starts, np.append(starts[1:], len(X))], axis=1)
        self.bounds = bounds
        self.count_rows()
        self.is_known_finite = False  # set once every entry of X has been checked

    def count_rows(self):
        """Set `chunk_lengths` and `total_weight`."""
        sizes = np.diff(self.bounds, axis=1).ravel()
        if self.weights is None:
            self.chunk_lengths, self.total_weight = sizes.tolist(), float(sizes.sum())
            return
        chunk_weights = [self.weights[start:stop] for start, stop in self.bounds]
        self.chunk_lengths = [int(np.count_nonzero(weights)) for weights in chunk_weights]
        self.total_weight = float(sum(weights.sum(dtype=float) for weights in chunk_weights))

    @property
    def n_chunks(self):
        """Number of chunks."""
        return len(self.bounds)

    def subset(self, numbers):
        """Return the data set of the chunks with the given numbers."""
        return MemmapData(self.X, self.y, self.weights, self.bounds[numbers], self.offset)

    def read_chunk(self, number):
        """Return a chunk without its rows of weight zero; X is a view where possible."""
        rows = slice(*self.bounds[number])
        X = np.asarray(self.X[rows]).astype(self.dtype, copy=False)
        y = np.asarray(self.y[rows]).astype(self.dtype, copy=False)
        if not np.isfinite(y).all():
            raise ValueError(f"y has values that are not finite as {self.dtype}.")
        weights, offset = (
            None if part is None else np.asarray(part[rows]).astype(self.dtype, copy=False)
            for part in (self.weights, self.offset)
        )
        return InMemoryData(X, y, weights, offset=offset).drop_zero_weights()

    def map_reduce(self, function, *args):
        """Return the sum over the chunks, processed by as many threads as BLAS has."""

        def apply(number):
            chunk = self.read_chunk(number)
            result = function(chunk, *args) if len(chunk) else None
            del chunk
            release_pages(self.X, *self.bounds[number])
            return result

        numbers = range(len(self.bounds))
        return map_reduce_in_threads(lambda i: call_for_chunk(apply, i, i), numbers, add_results)

    def fold(self, function, state, steps):
        """Return the state after ``state = function(chunk, state, step)`` for each of `steps`."""
        for number, step in steps:
            chunk = call_for_chunk(self.read_chunk, number, number)
            if len(chunk):
                if not self.is_known_finite:
                    call_for_chunk(check_finite_by_sum, number, chunk.X)
                state = call_for_chunk(function, number, chunk, state, step)
            del chunk
            release_pages(self.X, *self.bounds[number])
        self.is_known_finite = self.is_known_finite or len(steps) == len(self.bounds)
        return state

    def read_sample(self):
        """Return the first rows of evenly spaced chunks."""
        numbers = choose_evenly_spaced(len(self.bounds), MAX_SAMPLED_CHUNKS)
        rows = slice(0, sample_rows_per_chunk(self, len(numbers)))
        chunks = [self.read_chunk(number) for number in numbers]
        return concatenate_chunks([chunk.slice_rows(rows) for chunk in chunks if len(chunk)])

    def check_targets(self, loss):
        """Raise ValueError if the loss is not defined for some target."""
        loss.check_targets(np.asarray(self.y))

    def intercept_only(self, loss):
        """Return the constant prediction that minimises the loss; of a sample if n is large."""
        if loss.quadratic or len(self.y) > MAX_EXACT_CONSTANT_ROWS:
            return super().intercept_only(loss)
        return intercept_with_offset(loss, np.asarray(self.y), self.weights, self.offset)


def is_large_memmap(X):
    """Return whether X is a numeric two-dimensional memory map that is read in chunks."""
    dense = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiub"
    return dense and X.nbytes >= MIN_CHUNKED_BYTES and find_memmap(X) is not None


def find_memmap(array):
    """Return the memory map that an array is a view of, or None."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array._mmap is not None:
            return array
        array = array.base
    return None


def release_pages(X, start, stop):
    """Release the pages of some rows from this process; the system may keep them in its cache.

    Otherwise every page read would count as memory of the process. Pages of a private map
    (``mode="c"``) may hold changes, and are kept.
    """
    mapped = find_memmap(X)
    advice = getattr(mmap, "MADV_DONTNEED", None)
    if mapped is None or advice is None or mapped.mode == "c" or min(X.strides) < 0:
        return
    page, rows = mmap.PAGESIZE, X[start:stop]
    base = np.frombuffer(mapped._mmap, dtype=np.uint8).ctypes.data
    # In column-major order each column holds a separate range of bytes.
    for array in [rows] if X.strides[0] >= X.strides[1] else rows.T:
        first = array.ctypes.data - base
        last_element = sum(
            (size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)
        )
        end = first + array.itemsize + last_element
        low, high = -(-first // page) * page, end // page * page
        if high > low:
            mapped._mmap.madvise(advice, low, high - low)


def predict_memmap(X, predict, offset):
    """Return ``predict(X, offset)`` for all rows of a memory map, computed chunk by chunk."""
    rows = max(1, CHUNK_BYTES // max(1, X.shape[1] * X.itemsize))
    predictions = []
    for number, start in enumerate(range(0, len(X), rows)):
        stop = min(start + rows, len(X))
        part = None if offset is None else offset[start:stop]
        predictions.append(call_for_chunk(predict, number, X[start:stop], part))
        release_pages(X, start, stop)
    return np.concatenate(predictions)
