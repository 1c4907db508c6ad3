"""Inner rows as compiled loops see them: dense or sparse, plain or centred and scaled.

Each kind is a named tuple of read-only arrays; ``dot``, ``accumulate`` and their siblings are
compiled for the kind at hand.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from skgd.solvers.compiled.jit import MERGED_PART, PART, force_inline, inline

#: Visits between asking the memory for a row and using it.
AHEAD = 12

#: Bytes that the memory delivers at a time, a cache line.
LINE = 64

#: Lines of a row up to which it is asked for into the nearest cache, and lines asked for at most.
#: A longer row would wait for room among the few lines that the nearest cache has on the way.
SHORT, LONGEST = 8, 256


class Plain(NamedTuple):
    """Dense rows as they are."""

    X: np.ndarray


class Centred(NamedTuple):
    """Dense rows, of which the centre is subtracted and which the inverse scale multiplies."""

    X: np.ndarray
    center: np.ndarray
    inverse: np.ndarray


class Stored(NamedTuple):
    """Sparse rows as they are."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray


class StoredCentred(NamedTuple):
    """Sparse rows, scaled where something is stored, less a shift everywhere."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    inverse: np.ndarray
    shift: np.ndarray


def rows_of(design):
    """Return the rows of a :class:`skgd.data.design.Design` for compiled loops."""
    X, dtype = design.X, design.X.dtype
    inverse = (1 / design.scaling.scale).astype(dtype)
    if design.sparse:
        stored = readonly(X.data), readonly(X.indices), readonly(X.indptr)
        if design.is_unscaled:
            return Stored(*stored)
        return StoredCentred(*stored, readonly(inverse), readonly(design.shift.astype(dtype)))
    if design.is_unscaled:
        return Plain(readonly(X))
    return Centred(readonly(X), readonly(design.scaling.center.astype(dtype)), readonly(inverse))


def readonly(array):
    """Return a read-only view: whether the caller's array may be written makes no new type."""
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


def entry(rows, i, j):
    """Return an entry of a dense row."""


@overload(entry, jit_options=PART)
def _entry(rows, i, j):
    if rows.instance_class is Centred:
        return lambda rows, i, j: (rows.X[i, j] - rows.center[j]) * rows.inverse[j]
    return lambda rows, i, j: rows.X[i, j]


def stored(rows, e, j):
    """Return a stored entry, scaled."""


@overload(stored, jit_options=PART)
def _stored(rows, e, j):
    if rows.instance_class is StoredCentred:
        return lambda rows, e, j: rows.data[e] * rows.inverse[j]
    return lambda rows, e, j: rows.data[e]


@inline
def span(rows, i):
    """Return the places of the entries of a sparse row.

    They are unsigned, as no place counts from the end: else each would be tested for that.
    """
    return np.uintp(rows.indptr[i]), np.uintp(rows.indptr[i + 1])


@inline
def column(rows, e):
    """Return the column of a stored entry, unsigned."""
    return np.uintp(rows.indices[e])


def dot(rows, i, theta, o):
    """Return the product of row i and the coefficients of output o; see `offset`."""


def accumulate(rows, i, factor, gradient, o):
    """Add a multiple of row i to row o of `gradient`; see `subtract_shift`."""


def offset(rows, theta, o):
    """Return what the products of all rows with the coefficients lack."""


def subtract_shift(rows, total, gradient, o):
    """Give a gradient what it lacks after rows with factors of this total."""


def prefetch(rows, i):
    """Ask the memory for row i."""


@inline
def _dense_dot(rows, i, theta, o):
    total = theta.dtype.type(0)
    for j in range(rows.X.shape[1]):
        total += entry(rows, i, j) * theta[o, j]
    return total


@inline
def _sparse_dot(rows, i, theta, o):
    total = theta.dtype.type(0)
    for e in range(*span(rows, i)):
        j = column(rows, e)
        total += stored(rows, e, j) * theta[o, j]
    return total


DOT = {Plain: _dense_dot, Centred: _dense_dot, Stored: _sparse_dot, StoredCentred: _sparse_dot}


@overload(dot, jit_options=PART)
def _dot(rows, i, theta, o):
    found = DOT[rows.instance_class]
    return lambda rows, i, theta, o: found(rows, i, theta, o)


@inline
def _dense_accumulate(rows, i, factor, gradient, o):
    for j in range(rows.X.shape[1]):
        gradient[o, j] += factor * entry(rows, i, j)


@inline
def _sparse_accumulate(rows, i, factor, gradient, o):
    for e in range(*span(rows, i)):
        j = column(rows, e)
        gradient[o, j] += factor * stored(rows, e, j)


ACCUMULATE = {
    Plain: _dense_accumulate,
    Centred: _dense_accumulate,
    Stored: _sparse_accumulate,
    StoredCentred: _sparse_accumulate,
}


@overload(accumulate, jit_options=PART)
def _accumulate(rows, i, factor, gradient, o):
    found = ACCUMULATE[rows.instance_class]
    return lambda rows, i, factor, gradient, o: found(rows, i, factor, gradient, o)


@inline
def _shift_offset(rows, theta, o):
    total = theta.dtype.type(0)
    for j in range(len(rows.shift)):
        total -= rows.shift[j] * theta[o, j]
    return total


@overload(offset, jit_options=PART)
def _offset(rows, theta, o):
    if rows.instance_class is StoredCentred:
        return lambda rows, theta, o: _shift_offset(rows, theta, o)
    return lambda rows, theta, o: theta.dtype.type(0)


@inline
def _shift_settle(rows, total, gradient, o):
    for j in range(len(rows.shift)):
        gradient[o, j] -= total * rows.shift[j]


@overload(subtract_shift, jit_options=PART)
def _settle(rows, total, gradient, o):
    if rows.instance_class is StoredCentred:
        return lambda rows, total, gradient, o: _shift_settle(rows, total, gradient, o)
    return lambda rows, total, gradient, o: None


def prefetcher(level):
    """Return what asks the memory for the cache line of an item of a C-ordered array.

    Parameters
    ----------
    level : {1, 2}
        The cache that the line is to be brought into.
    """

    def prefetch_item(context, array, index):
        def generate(context, builder, signature, arguments):
            made = context.make_array(signature.args[0])(context, builder, arguments[0])
            pointer = builder.gep(made.data, [arguments[1]])
            byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
            ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
            read, keep, data = (ir.Constant(word, number) for number in (0, 4 - level, 1))
            builder.call(ask, [builder.bitcast(pointer, byte), read, keep, data])
            return context.get_dummy_value()

        return types.void(array, types.intp), generate

    return intrinsic(prefetch_item)


near, far = prefetcher(1), prefetcher(2)


@overload(prefetch, jit_options=MERGED_PART)
def _prefetch(rows, i):
    items = LINE // (rows.types[0].dtype.bitwidth // 8)
    if rows.instance_class in (Plain, Centred):

        def prefetch_dense(rows, i):
            d = rows.X.shape[1]
            if d <= SHORT * items:
                for j in range(0, d, items):
                    near(rows.X, i * d + j)
                near(rows.X, i * d + d - 1)
            else:
                for j in range(0, min(d, LONGEST * items), items):
                    far(rows.X, i * d + j)
                far(rows.X, i * d + d - 1)

        return prefetch_dense

    def prefetch_stored(rows, i):
        first, stop = span(rows, i)
        if first < stop:
            last = min(stop, first + np.uintp(LONGEST * items)) - np.uintp(1)
            for e in range(first, last, items):
                far(rows.data, e)
            for e in range(first, last, LINE // 4):
                far(rows.indices, e)
            far(rows.data, last)
            far(rows.indices, last)

    return prefetch_stored


def prefetch_indptr(rows, i):
    """Ask the memory where row i is."""


@overload(prefetch_indptr, jit_options=MERGED_PART)
def _announce(rows, i):
    if rows.instance_class in (Plain, Centred):
        return lambda rows, i: None
    return lambda rows, i: near(rows.indptr, i)


@force_inline
def row_at(rows, values, order, visit):
    """Return the row of a visit; ask the memory for those that come some visits later.

    Parameters
    ----------
    rows : record
        The rows.
    values : C-ordered array
        What the visit will look up beside the row.
    order : array
        The rows in the order of their visits; of length 0 for the order in which they stand.
    visit : int
        The number of the visit.
    """
    if not order.size:
        return visit
    if visit + 2 * AHEAD < len(order):
        prefetch_indptr(rows, order[visit + 2 * AHEAD])
    if visit + AHEAD < len(order):
        later = order[visit + AHEAD]
        prefetch(rows, later)
        near(values, later * (values.strides[0] // values.itemsize))
    return order[visit]
