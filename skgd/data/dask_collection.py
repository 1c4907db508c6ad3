"""Blocks on Dask's workers: functions and small results travel, rows stay where they are."""

from dataclasses import dataclass

import dask
import dask.array as da
import numpy as np
from dask import delayed
from sklearn.utils import check_array

from skgd.data.chunked import (
    ChunkedData,
    joined,
    named,
    refuse_unless_finite,
    sample_size,
    spaced,
    summed,
)
from skgd.data.in_memory import InMemoryData

EMPTY = "It has no rows. Leave empty blocks out, or repartition the data."

#: Sums that are added up together, on the workers.
TOGETHER = 8


class DaskData(ChunkedData):
    """The chunks of rows of a Dask array, or the partitions of a Dask DataFrame.

    Parameters
    ----------
    parts : list of (delayed, delayed, delayed or None)
        X, y and the weights of each block.
    n_features : int
        Columns.
    outputs : tuple
        Shape of the targets of one row.
    dtype : dtype
        float32 or float64.
    sparse : bool
        Whether the blocks are sparse.
    """

    def __init__(self, parts, n_features, outputs, dtype, sparse=False):
        super().__init__(n_features, outputs, dtype, sparse)
        self.parts = parts
        self.loss = None

    @property
    def form(self):
        """What every block has to be like."""
        return self.n_features, self.outputs, self.dtype

    def check_targets(self, loss):
        """Refuse targets for which a loss makes no sense, when the blocks are counted."""
        self.loss = loss

    def count(self):
        """Find `lengths` and `total_weight` out, from targets and weights alone."""
        if self.lengths is None:
            self.take_in(
                delayed(counted)(number, y, weights, self.outputs, self.dtype, self.loss)
                for number, (_, y, weights) in enumerate(self.parts)
            )

    def map_reduce(self, function, *args):
        """Return the sum over the blocks; the first pass counts them, too."""
        args, loss = delayed(args, traverse=False), self.loss if self.lengths is None else None
        return self.take_in(
            delayed(applied)(number, part, self.form, loss, function, args)
            for number, part in enumerate(self.parts)
        )

    def take_in(self, sums):
        """Add up :class:`Counted` sums in a tree on the workers; keep the counts."""
        sums = list(sums)
        while len(sums) > 1:
            sums = [delayed(summed)(sums[i : i + TOGETHER]) for i in range(0, len(sums), TOGETHER)]
        found = sums[0].compute()
        if self.lengths is None:
            self.lengths = [length for length, _ in found.counts]
            self.shares = [weight for _, weight in found.counts]
            self.total_weight = float(sum(self.shares))
            if not sum(self.lengths):
                raise ValueError("sample_weight is zero for every row; a fit needs one.")
        return found.part

    def fold(self, function, state, steps):
        """Return what becomes of a state that travels from block to block."""
        function, state = delayed(function, traverse=False), delayed(state, traverse=False)
        for number, step in steps:
            if self.lengths[number]:
                block = number, self.parts[number], self.form
                state = delayed(visited)(*block, function, state, delayed(step, traverse=False))
        return state.compute()

    def drawn(self):
        """Return the first rows of some blocks."""
        self.count()
        numbers = [number for number in spaced(len(self.parts), 8) if self.lengths[number]]
        size = sample_size(self, len(numbers))
        heads = [delayed(head)(number, self.parts[number], self.form, size) for number in numbers]
        return joined(dask.compute(*heads))

    def subset(self, numbers):
        """Return some of the blocks alone."""
        twin = DaskData([self.parts[i] for i in numbers], *self.form, self.sparse)
        twin.lengths = [self.lengths[i] for i in numbers]
        twin.shares = [self.shares[i] for i in numbers]
        twin.total_weight = float(sum(twin.shares))
        return twin


def read(number, part, form):
    """Return a block as checked :class:`InMemoryData`, on a worker."""
    (X, y, weights), (n_features, outputs, dtype) = part, form

    def checked():
        if not len(y):
            raise ValueError(EMPTY)
        rows = check_array(
            X, accept_sparse="csr", dtype=dtype, ensure_all_finite=False, ensure_min_features=0
        )
        if rows.shape[1] != n_features:
            raise ValueError(f"X has {rows.shape[1]} features; the first block has {n_features}.")
        targets = checked_targets(y, outputs, dtype)
        if len(targets) != rows.shape[0]:
            raise ValueError(f"y has {len(targets)} rows; X has {rows.shape[0]}. Rechunk one.")
        factors = checked_factors(weights, rows.shape[0], dtype)
        block = InMemoryData(rows, targets, factors)
        return block if factors is None or factors.all() else block.select_rows(factors > 0)

    return named(checked, number)


def checked_targets(y, outputs, dtype):
    """Return the targets of a block."""
    if not len(y):
        raise ValueError(EMPTY)
    y = check_array(np.asarray(y), ensure_2d=False, dtype=dtype, input_name="y")
    return y.reshape(len(y), *outputs)


def checked_factors(weights, n_rows, dtype):
    """Return the weights of a block, or None where there are none."""
    if weights is None:
        return None
    weights = check_array(
        np.asarray(weights), ensure_2d=False, dtype=dtype, input_name="sample_weight"
    )
    if weights.shape != (n_rows,) or (weights < 0).any():
        raise ValueError("sample_weight must be one number a row, none of them negative.")
    return weights


@dataclass(frozen=True)
class Counted:
    """A part of a sum over blocks, with the rows and the weight of each block.

    Parameters
    ----------
    part : object or None
        The sum; None where no row has a weight.
    counts : list of (int, float)
        Rows with weight, and their total weight.
    """

    part: object
    counts: list

    def __add__(self, other):
        parts = [part for part in (self.part, other.part) if part is not None]
        return Counted(summed(parts) if parts else None, self.counts + other.counts)


def counted(number, y, weights, outputs, dtype, loss):
    """Return a sum of nothing over a block, from targets and weights alone."""

    def count():
        targets = checked_targets(y, outputs, dtype)
        if loss is not None:
            loss.check_targets(targets)
        factors = checked_factors(weights, len(targets), dtype)
        if factors is None:
            return Counted(None, [(len(targets), float(len(targets)))])
        return Counted(None, [(int(np.count_nonzero(factors)), float(factors.sum(dtype=float)))])

    return named(count, number)


def applied(number, part, form, loss, function, args):
    """Return what a function makes of a block."""
    block = read(number, part, form)
    if loss is not None:
        named(loss.check_targets, number, block.y)
    done = named(function, number, block, *args) if len(block) else None
    return Counted(done, [(len(block), block.total_weight)])


def visited(number, part, form, function, state, step):
    """Return what a function makes of a state on its way over a block."""
    block = read(number, part, form)
    named(refuse_unless_finite, number, block.X)
    return named(function, number, block, state, step)


def head(number, part, form, size):
    """Return the first rows of a block."""
    return read(number, part, form).slice_rows(slice(0, size))


def dask_blocks(X, y, weights):
    """Return Dask collections as blocks.

    Parameters
    ----------
    X : dask array or DataFrame
        Rows; an array is cut between rows alone.
    y, weights : dask collections, arrays or None
        Targets, and weights of the rows.
    """
    array = as_array("X", X)
    if array.ndim != 2:
        raise ValueError(f"X has {array.ndim} dimensions; it must have 2.")
    array = array.rechunk({1: -1}) if array.numblocks[1] > 1 else array
    aligned = [
        None if other is None else along(name, other, array)
        for name, other in (("y", y), ("sample_weight", weights))
    ]
    dtype = array.dtype if array.dtype == np.float32 else np.dtype(float)
    if aligned[0].ndim > 2:
        raise ValueError(f"y has {aligned[0].ndim} dimensions; it must have 1 or 2.")
    columns = [delayed_rows(part) for part in (array, *aligned)]
    columns[2:] = columns[2:] if aligned[1] is not None else [[None] * len(columns[0])]
    sparse = hasattr(array._meta, "tocsr")
    outputs = tuple(int(size) for size in aligned[0].shape[1:])
    return DaskData(list(zip(*columns, strict=True)), array.shape[1], outputs, dtype, sparse)


def delayed_rows(array):
    """Return the blocks of an array that is cut between rows alone."""
    return [] if array is None else array.to_delayed().ravel().tolist()


def as_array(name, collection):
    """Return a Dask collection as a Dask array; refuse an array that does not know its chunks."""
    if not isinstance(collection, da.Array):
        return collection.to_dask_array()
    if np.isnan(collection.shape[0]):
        raise ValueError(
            f"{name} is a Dask array of unknown chunks: it does not know how many rows its blocks "
            f"have. Call {name}.compute_chunk_sizes() before, or give the DataFrame itself."
        )
    return collection


def along(name, other, array):
    """Return targets or weights as a Dask array that is cut where `array` is cut."""
    rows = array.chunks[0]
    if not dask.is_dask_collection(other):
        if np.isnan(array.shape[0]):
            raise ValueError(
                f"X is a Dask DataFrame, and {name} is not of Dask. Give {name} as a column of the "
                "same DataFrame, so that its partitions are those of X."
            )
        other = np.asarray(other)
        if len(other) != array.shape[0]:
            raise ValueError(f"{name} has {len(other)} rows; X has {array.shape[0]}.")
        return da.from_array(other, chunks=(rows, *other.shape[1:]))
    other = as_array(name, other)
    if other.ndim > 1 and other.numblocks[1] > 1:
        other = other.rechunk({1: -1})
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


def predict_dask(X, predict, dtype, outputs):
    """Return what `predict` makes of each block, as a lazy Dask array."""
    array = as_array("X", X) if isinstance(X, da.Array) else X.to_dask_array()
    array = array.rechunk({1: -1}) if array.numblocks[1] > 1 else array
    dtype = np.result_type(dtype, np.float32 if array.dtype == np.float32 else float)
    if not outputs:
        return array.map_blocks(predict, dtype=dtype, drop_axis=1, meta=np.empty(0, dtype))
    chunks = (array.chunks[0], outputs)
    return array.map_blocks(predict, dtype=dtype, chunks=chunks, meta=np.empty((0, 0), dtype))
