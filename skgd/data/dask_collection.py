"""Chunks on Dask's workers: functions and small results are sent, rows stay where they are.

Dask runs a task per thread. Each task on a chunk uses one thread of BLAS, because the products of
Dask's and BLAS's numbers of threads would compete for the cores.
"""

from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np
from dask import delayed
from sklearn.utils import check_array

from skgd._utils.threads import single_blas_thread
from skgd.data.chunked import ChunkedData
from skgd.data.finite import check_finite_by_sum
from skgd.data.in_memory import InMemoryData, expand_offset
from skgd.data.map_reduce import add_results, call_for_chunk
from skgd.data.sampling import choose_evenly_spaced, concatenate_chunks, sample_rows_per_chunk

#: Number of partial sums that one task adds up on a worker.
SPLIT_EVERY = 8

#: Chunks that a sample is taken from.
MAX_SAMPLED_CHUNKS = 8


class DaskData(ChunkedData):
    """The chunks of rows of a Dask array, or the partitions of a Dask DataFrame.

    Parameters
    ----------
    delayed_chunks : list of (delayed, delayed, delayed or None, delayed or None)
        X, y, weights and offsets of each chunk.
    n_features : int
        Number of features.
    output_shape : tuple
        Shape of the targets of one row.
    dtype : dtype
        float32 or float64.
    sparse : bool
        Whether X is sparse in every chunk.
    """

    def __init__(self, delayed_chunks, n_features, output_shape, dtype, sparse=False):
        super().__init__(n_features, output_shape, dtype, sparse)
        self.delayed_chunks = delayed_chunks
        self.loss = None

    @property
    def layout(self):
        """Number of features, shape of the targets of one row, and dtype, of every chunk."""
        return self.n_features, self.output_shape, self.dtype

    def check_targets(self, loss):
        """Check targets for the loss when the rows are counted."""
        self.loss = loss

    def count_rows(self):
        """Set `chunk_lengths` and `total_weight`, if they are unknown, from y and weights alone."""
        if self.chunk_lengths is None:
            self._sum_on_workers(
                delayed(count_chunk)(number, y, weights, self.layout, self.loss)
                for number, (_, y, weights, _) in enumerate(self.delayed_chunks)
            )

    def map_reduce(self, function, *args):
        """Return the sum over the chunks; the first pass also counts their rows."""
        loss = self.loss if self.chunk_lengths is None else None
        args = delayed(args, traverse=False)
        return self._sum_on_workers(
            delayed(map_chunk)(number, chunk, self.layout, loss, function, args)
            for number, chunk in enumerate(self.delayed_chunks)
        )

    def _sum_on_workers(self, results):
        """Return the sum of delayed :class:`CountedResult`, added in a tree; store the counts."""
        results = list(results)
        while len(results) > 1:
            results = [
                delayed(add_results)(results[start : start + SPLIT_EVERY])
                for start in range(0, len(results), SPLIT_EVERY)
            ]
        with single_blas_thread():
            total = results[0].compute()
        if self.chunk_lengths is None:
            self._set_counts(total.counts)
            if not sum(self.chunk_lengths):
                raise ValueError(
                    "sample_weight is zero for every row; fit needs a row with weight."
                )
        return total.value

    def _set_counts(self, counts):
        self.counts = counts
        self.chunk_lengths = [length for length, _ in counts]
        self.total_weight = float(sum(weight for _, weight in counts))

    def copy_counts(self, subsets):
        """Set `chunk_lengths` and `total_weight`, if they are unknown, from those of subsets."""
        if self.chunk_lengths is None:
            counts = {}
            for numbers, subset in subsets:
                counts.update(zip(numbers.tolist(), subset.counts, strict=True))
            self._set_counts([counts[number] for number in range(self.n_chunks)])

    def fold(self, function, state, steps):
        """Return the final state; it is sent to the worker of each chunk in turn."""
        function, state = delayed(function, traverse=False), delayed(state, traverse=False)
        for number, step in steps:
            if self.chunk_lengths[number]:
                chunk = number, self.delayed_chunks[number], self.layout
                state = delayed(fold_chunk)(*chunk, function, state, delayed(step, traverse=False))
        with single_blas_thread():
            return state.compute()

    def read_sample(self):
        """Return the first rows of evenly spaced chunks."""
        self.count_rows()
        numbers = choose_evenly_spaced(len(self.delayed_chunks), MAX_SAMPLED_CHUNKS)
        numbers = [number for number in numbers if self.chunk_lengths[number]]
        n_rows = sample_rows_per_chunk(self, len(numbers))
        samples = [
            delayed(read_first_rows)(number, self.delayed_chunks[number], self.layout, n_rows)
            for number in numbers
        ]
        return concatenate_chunks(dask.compute(*samples))

    @property
    def n_chunks(self):
        """Number of chunks."""
        return len(self.delayed_chunks)

    def subset(self, numbers):
        """Return the data set of the chunks with the given numbers."""
        chunks = [self.delayed_chunks[number] for number in numbers]
        subset = DaskData(chunks, *self.layout, self.sparse)
        if self.chunk_lengths is None:
            subset.loss = self.loss  # targets are checked when the rows are counted
        else:
            subset._set_counts([self.counts[number] for number in numbers])
        return subset


def read_chunk(number, chunk, layout):
    """Return a chunk as checked :class:`InMemoryData`; runs on a worker."""
    (X, y, weights, offset), (n_features, _, dtype) = chunk, layout

    def read():
        targets = check_chunk_targets(y, layout)
        rows = check_array(
            X, accept_sparse="csr", dtype=dtype, ensure_all_finite=False, ensure_min_features=0
        )
        if rows.shape[1] != n_features:
            raise ValueError(f"X has {rows.shape[1]} features; the first chunk has {n_features}.")
        if len(targets) != rows.shape[0]:
            raise ValueError(f"y has {len(targets)} rows; X has {rows.shape[0]}. Rechunk one.")
        row_weights = check_chunk_weights(weights, rows.shape[0], dtype)
        data = InMemoryData(rows, targets, row_weights, offset=check_chunk_offset(offset, targets))
        return data.drop_zero_weights()

    return call_for_chunk(read, number)


def check_chunk_targets(y, layout):
    """Return the checked targets of a chunk."""
    if not len(y):
        raise ValueError("It has no rows. Remove empty chunks, or repartition the data.")
    _, output_shape, dtype = layout
    y = check_array(np.asarray(y), ensure_2d=False, dtype=dtype, input_name="y")
    return y.reshape(len(y), *output_shape)


def check_chunk_weights(weights, n_rows, dtype):
    """Return the checked weights of a chunk, or None."""
    if weights is None:
        return None
    weights = check_array(
        np.asarray(weights), ensure_2d=False, dtype=dtype, input_name="sample_weight"
    )
    if weights.shape != (n_rows,) or (weights < 0).any():
        raise ValueError("sample_weight must be one number a row, none of them negative.")
    return weights


def check_chunk_offset(offset, targets):
    """Return the checked offsets of a chunk, of the shape of its targets, or None."""
    if offset is None:
        return None
    offset = np.asarray(offset)
    offset = check_array(offset, ensure_2d=False, dtype=targets.dtype, input_name="offset")
    return expand_offset("offset", offset, targets.shape)


@dataclass(frozen=True)
class CountedResult:
    """Sum of the results of some chunks, with the number and weight of the rows of each.

    Parameters
    ----------
    value : object or None
        The sum; None if no row has a positive weight.
    counts : list of (int, float)
        For each chunk the number of rows with positive weight, and their total weight.
    """

    value: object
    counts: list

    def __add__(self, other):
        values = [value for value in (self.value, other.value) if value is not None]
        return CountedResult(add_results(values) if values else None, self.counts + other.counts)


def count_chunk(number, y, weights, layout, loss):
    """Return a :class:`CountedResult` without value, from targets and weights alone."""

    def count():
        targets = check_chunk_targets(y, layout)
        if loss is not None:
            loss.check_targets(targets)
        row_weights = check_chunk_weights(weights, len(targets), layout[2])
        if row_weights is None:
            return len(targets), float(len(targets))
        return int(np.count_nonzero(row_weights)), float(row_weights.sum(dtype=float))

    return CountedResult(None, [call_for_chunk(count, number)])


@single_blas_thread()
def map_chunk(number, chunk, layout, loss, function, args):
    """Return the :class:`CountedResult` of a function on a chunk."""
    data = read_chunk(number, chunk, layout)
    if loss is not None:
        call_for_chunk(loss.check_targets, number, data.y)
    value = call_for_chunk(function, number, data, *args) if len(data) else None
    return CountedResult(value, [(len(data), data.total_weight)])


@single_blas_thread()
def fold_chunk(number, chunk, layout, function, state, step):
    """Return the next state of a fold."""
    data = read_chunk(number, chunk, layout)
    call_for_chunk(check_finite_by_sum, number, data.X)
    return call_for_chunk(function, number, data, state, step)


def read_first_rows(number, chunk, layout, n_rows):
    """Return the first `n_rows` rows of a chunk."""
    return read_chunk(number, chunk, layout).slice_rows(slice(0, n_rows))


def to_dask_data(X, y, weights, offset=None):
    """Return Dask collections as :class:`DaskData`.

    Parameters
    ----------
    X : dask array or DataFrame
        Rows. An array with several chunks of columns is rechunked to one.
    y, weights, offset : dask collections, arrays or None
        Targets, weights of the rows, and terms that are added to the linear predictors.
    """
    array = to_dask_array("X", X)
    if array.ndim != 2:
        raise ValueError(f"X has {array.ndim} dimensions; it must have 2.")
    y = align_chunks("y", y, array)
    if y.ndim > 2:
        raise ValueError(f"y has {y.ndim} dimensions; it must have 1 or 2.")
    columns = [delayed_chunks(array), delayed_chunks(y)]
    for name, column in (("sample_weight", weights), ("offset", offset)):
        if column is None:
            columns.append([None] * len(columns[0]))
        else:
            columns.append(delayed_chunks(align_chunks(name, column, array)))
    dtype = array.dtype if array.dtype == np.float32 else np.dtype(float)
    sparse = hasattr(array._meta, "tocsr")
    output_shape = tuple(int(size) for size in y.shape[1:])
    chunks = list(zip(*columns, strict=True))
    return DaskData(chunks, array.shape[1], output_shape, dtype, sparse)


def delayed_chunks(array):
    """Return the chunks of an array with one chunk of columns, as delayed objects."""
    return array.to_delayed().ravel().tolist()


def to_dask_array(name, collection):
    """Return a Dask collection as a Dask array whose chunks have all columns.

    A Dask array with unknown chunk sizes raises ValueError.
    """
    if not isinstance(collection, da.Array):
        return collection.to_dask_array()
    if np.isnan(collection.shape[0]):
        raise ValueError(
            f"{name} is a Dask array with unknown chunks: the numbers of their rows are not known. "
            f"Call {name}.compute_chunk_sizes() before, or give the DataFrame itself."
        )
    several = collection.ndim > 1 and collection.numblocks[1] > 1
    return collection.rechunk({1: -1}) if several else collection


def align_chunks(name, other, array):
    """Return targets or weights as a Dask array with the chunks of rows of `array`."""
    rows = array.chunks[0]
    if not dask.is_dask_collection(other):
        if np.isnan(array.shape[0]):
            raise ValueError(
                f"X is a Dask DataFrame, and {name} is not a Dask collection. Give {name} as a "
                "column of the same DataFrame, so that its partitions are those of X."
            )
        other = np.asarray(other)
        if len(other) != array.shape[0]:
            raise ValueError(f"{name} has {len(other)} rows; X has {array.shape[0]}.")
        return da.from_array(other, chunks=(rows, *other.shape[1:]))
    other = to_dask_array(name, other)
    known = not np.isnan(array.shape[0]) and not np.isnan(other.shape[0])
    if known and other.shape[0] != array.shape[0]:
        raise ValueError(f"{name} has {other.shape[0]} rows; X has {array.shape[0]}.")
    if known and other.chunks[0] != rows:
        other = other.rechunk({0: rows})
    if other.numblocks[0] != array.numblocks[0]:
        raise ValueError(
            f"{name} has {other.numblocks[0]} partitions; X has {array.numblocks[0]}. Take both "
            "from one DataFrame."
        )
    return other


def predict_dask(X, predict, dtype, output_shape, offset=None):
    """Return ``predict(X, offset)`` for all rows, as a lazy Dask array with the chunks of X."""
    array = to_dask_array("X", X)
    columns = []
    if offset is not None:
        aligned = align_chunks("offset", offset, array)
        columns.append(aligned if aligned.ndim == 2 else aligned[:, None])
    dtype = np.result_type(dtype, np.float32 if array.dtype == np.float32 else float)
    options = {"drop_axis": 1, "meta": np.empty(0, dtype)}
    if output_shape:
        options = {"chunks": (array.chunks[0], output_shape), "meta": np.empty((0, 0), dtype)}
    return array.map_blocks(predict_chunk, *columns, predict=predict, dtype=dtype, **options)


@single_blas_thread()
def predict_chunk(X, *offset, predict):
    """Return the predictions of a chunk."""
    return predict(X, *offset)
