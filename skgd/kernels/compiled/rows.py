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

from skgd.kernels.compiled.jit import PART, inline

#: Visits between asking the memory for a row and using it, and the bytes of a row asked for.
AHEAD, LONGEST = 6, 4096

#: Bytes that the memory delivers at a time.
LINE = 64


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
    """Return the rows of a :class:`skgd.designs.Design` for compiled loops."""
    X, dtype = design.X, design.X.dtype
    inverse = (1 / design.coordinates.scale).astype(dtype)
    if design.sparse:
        stored = frozen(X.data), frozen(X.indices), frozen(X.indptr)
        if design.plain:
            return Stored(*stored)
        return StoredCentred(*stored, frozen(inverse), frozen(design.shift.astype(dtype)))
    if design.plain:
        return Plain(frozen(X))
    return Centred(frozen(X), frozen(design.coordinates.center.astype(dtype)), frozen(inverse))


def frozen(array):
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


def dot(rows, i, theta, o):
    """Return the product of row i and the coefficients of output o; see `offset`."""


def accumulate(rows, i, factor, gradient, o):
    """Add a multiple of row i to row o of `gradient`; see `settle`."""


def offset(rows, theta, o):
    """Return what the products of all rows with the coefficients lack."""


def settle(rows, total, gradient, o):
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
def _plain_dot(rows, i, theta, o):
    total = theta.dtype.type(0)
    for e in range(rows.indptr[i], rows.indptr[i + 1]):
        total += rows.data[e] * theta[o, rows.indices[e]]
    return total


@inline
def _scaled_dot(rows, i, theta, o):
    total = theta.dtype.type(0)
    for e in range(rows.indptr[i], rows.indptr[i + 1]):
        j = rows.indices[e]
        total += rows.data[e] * rows.inverse[j] * theta[o, j]
    return total


DOT = {Plain: _dense_dot, Centred: _dense_dot, Stored: _plain_dot, StoredCentred: _scaled_dot}


@overload(dot, jit_options=PART)
def _dot(rows, i, theta, o):
    found = DOT[rows.instance_class]
    return lambda rows, i, theta, o: found(rows, i, theta, o)


@inline
def _dense_accumulate(rows, i, factor, gradient, o):
    for j in range(rows.X.shape[1]):
        gradient[o, j] += factor * entry(rows, i, j)


@inline
def _plain_accumulate(rows, i, factor, gradient, o):
    for e in range(rows.indptr[i], rows.indptr[i + 1]):
        gradient[o, rows.indices[e]] += factor * rows.data[e]


@inline
def _scaled_accumulate(rows, i, factor, gradient, o):
    for e in range(rows.indptr[i], rows.indptr[i + 1]):
        j = rows.indices[e]
        gradient[o, j] += factor * rows.data[e] * rows.inverse[j]


ACCUMULATE = {
    Plain: _dense_accumulate,
    Centred: _dense_accumulate,
    Stored: _plain_accumulate,
    StoredCentred: _scaled_accumulate,
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


@overload(settle, jit_options=PART)
def _settle(rows, total, gradient, o):
    if rows.instance_class is StoredCentred:
        return lambda rows, total, gradient, o: _shift_settle(rows, total, gradient, o)
    return lambda rows, total, gradient, o: None


@intrinsic
def prefetch_item(context, array, index):
    """Ask the memory for the cache line of an item of a C-ordered array."""

    def generate(context, builder, signature, arguments):
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(made.data, [arguments[1]])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, keep, data = (ir.Constant(word, number) for number in (0, 3, 1))
        builder.call(ask, [builder.bitcast(pointer, byte), read, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@inline
def _prefetch_dense(rows, i):
    n_bytes = rows.X.shape[1] * rows.X.itemsize
    items = LINE // rows.X.itemsize
    for j in range(0, min(n_bytes, LONGEST) // rows.X.itemsize, items):
        prefetch_item(rows.X, i * rows.X.shape[1] + j)


@inline
def _prefetch_stored(rows, i):
    first, stop = rows.indptr[i], rows.indptr[i + 1]
    stop = min(stop, first + LONGEST // LINE * 8)
    for e in range(first, stop, 8):
        prefetch_item(rows.data, e)
    for e in range(first, stop, 16):
        prefetch_item(rows.indices, e)


@overload(prefetch, jit_options=PART)
def _prefetch(rows, i):
    if rows.instance_class in (Plain, Centred):
        return lambda rows, i: _prefetch_dense(rows, i)
    return lambda rows, i: _prefetch_stored(rows, i)
