"""Rows in scaled coordinates for compiled loops: dense or sparse, with or without scaling.

Each kind of rows is a named tuple of read-only arrays; ``dot``, ``accumulate`` and their siblings
are compiled for each kind.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skgd.solvers.compiled.jit import (
    by_type,
    force_inline,
    force_inline_by_type,
    is_none,
    jit_function,
)

#: Rows are prefetched so many visits before they are used.
PREFETCH_DISTANCE = 12

#: Bytes of a cache line.
CACHE_LINE = 64

#: Largest number of cache lines of a row that are prefetched.
MAX_LINES = 256


class DenseRows(NamedTuple):
    """Dense rows, less the center and times the inverse of the scale, unless these are None."""

    X: np.ndarray
    center: np.ndarray | None
    inverse_scale: np.ndarray | None


class CSRRows(NamedTuple):
    """CSR rows whose stored entries are scaled, less a shift that is the same for all rows.

    `inverse_scale` and `shift` are None without centring and scaling.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    inverse_scale: np.ndarray | None
    shift: np.ndarray | None


def compiled_rows(design):
    """Return the rows of a :class:`skgd.data.design.Design` for compiled loops."""
    X, scaling = design.X, design.scaling

    def unless_unscaled(array):
        return None if design.is_unscaled else readonly(array.astype(X.dtype))

    inverse_scale = unless_unscaled(1 / scaling.scale)
    if design.sparse:
        arrays = readonly(X.data), readonly(X.indices), readonly(X.indptr)
        return CSRRows(*arrays, inverse_scale, unless_unscaled(design.shift))
    return DenseRows(readonly(X), unless_unscaled(scaling.center), inverse_scale)


def readonly(array):
    """Return a contiguous read-only view or copy.

    Arrays that may be written to and arrays that may not are different types to Numba; with
    read-only views alone, each loop is compiled once.
    """
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


@by_type
def entry(rows, i, j):
    """Return an entry of a dense row."""
    if is_none(rows.types[1]):
        return lambda rows, i, j: rows.X[i, j]
    return lambda rows, i, j: (rows.X[i, j] - rows.center[j]) * rows.inverse_scale[j]


@by_type
def stored_value(rows, e, j):
    """Return the stored entry e of sparse rows, which is in column j, scaled."""
    if is_none(rows.types[3]):
        return lambda rows, e, j: rows.data[e]
    return lambda rows, e, j: rows.data[e] * rows.inverse_scale[j]


@jit_function
def entry_range(rows, i):
    """Return the indices of the first stored entry of a sparse row and of that after its last.

    They are unsigned: signed indices would each be tested for being negative.
    """
    return np.uintp(rows.indptr[i]), np.uintp(rows.indptr[i + 1])


@jit_function
def column_of(rows, e):
    """Return the column of a stored entry, unsigned."""
    return np.uintp(rows.indices[e])


def _dense_dot(rows, i, theta, o):
    total = theta.dtype.type(0)
    for j in range(rows.X.shape[1]):
        total += entry(rows, i, j) * theta[o, j]
    return total


def _sparse_dot(rows, i, theta, o):
    total = theta.dtype.type(0)
    for e in range(*entry_range(rows, i)):
        j = column_of(rows, e)
        total += stored_value(rows, e, j) * theta[o, j]
    return total


def is_shifted(rows_type):
    """Return whether a shift is subtracted from rows of a type."""
    return rows_type.instance_class is CSRRows and not is_none(rows_type.types[4])


@by_type
def dot(rows, i, theta, o):
    """Return the dot product of row i and the coefficients of output o, without `shift_offset`."""
    return _dense_dot if rows.instance_class is DenseRows else _sparse_dot


def _dense_accumulate(rows, i, factor, gradient, o):
    for j in range(rows.X.shape[1]):
        gradient[o, j] += factor * entry(rows, i, j)


def _sparse_accumulate(rows, i, factor, gradient, o):
    for e in range(*entry_range(rows, i)):
        j = column_of(rows, e)
        gradient[o, j] += factor * stored_value(rows, e, j)


@by_type
def accumulate(rows, i, factor, gradient, o):
    """Add ``factor * row i`` to row o of `gradient`, without :func:`subtract_shift`."""
    return _dense_accumulate if rows.instance_class is DenseRows else _sparse_accumulate


@by_type
def shift_offset(rows, theta, o):
    """Return ``-shift @ theta[o]``, which the dot product of every row includes; else 0."""

    def loop(rows, theta, o):
        total = theta.dtype.type(0)
        for j in range(len(rows.shift)):
            total -= rows.shift[j] * theta[o, j]
        return total

    return loop if is_shifted(rows) else lambda rows, theta, o: theta.dtype.type(0)


@by_type
def subtract_shift(rows, total, gradient, o):
    """Subtract ``total * shift`` from row o of `gradient`, where total sums the rows' factors."""

    def loop(rows, total, gradient, o):
        for j in range(len(rows.shift)):
            gradient[o, j] -= total * rows.shift[j]

    return loop if is_shifted(rows) else lambda rows, total, gradient, o: None


@intrinsic
def prefetch_item(context, array, index):
    """Prefetch the cache line of an item of a C-ordered array into the second-level cache."""

    def generate(context, builder, signature, arguments):
        items = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(items.data, [arguments[1]])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        llvm_prefetch = cgutils.get_or_insert_function(
            builder.module, function_type, "llvm.prefetch.p0"
        )
        read, locality, data_cache = (ir.Constant(word, n) for n in (0, 2, 1))
        address = builder.bitcast(pointer, byte)
        builder.call(llvm_prefetch, [address, read, locality, data_cache])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@force_inline_by_type
def prefetch(rows, i):
    """Prefetch row i."""
    line = CACHE_LINE // (rows.types[0].dtype.bitwidth // 8)  # items of a cache line
    if rows.instance_class is DenseRows:

        def prefetch_dense(rows, i):
            d = rows.X.shape[1]
            for j in range(0, min(d, MAX_LINES * line), line):
                prefetch_item(rows.X, i * d + j)
            prefetch_item(rows.X, i * d + d - 1)

        return prefetch_dense

    def prefetch_sparse(rows, i):
        first, stop = entry_range(rows, i)
        if first < stop:
            last = min(stop, first + np.uintp(MAX_LINES * line)) - np.uintp(1)
            for e in range(first, last, line):
                prefetch_item(rows.data, e)
            for e in range(first, last, CACHE_LINE // 4):
                prefetch_item(rows.indices, e)
            prefetch_item(rows.data, last)
            prefetch_item(rows.indices, last)

    return prefetch_sparse


@force_inline_by_type
def prefetch_indptr(rows, i):
    """Prefetch the position of sparse row i."""
    if rows.instance_class is DenseRows:
        return lambda rows, i: None
    return lambda rows, i: prefetch_item(rows.indptr, i)


@force_inline
def row_at(rows, values, order, visit):
    """Return the row of a visit, and prefetch those of later visits.

    Parameters
    ----------
    rows : named tuple
        The rows.
    values : C-ordered array
        An array with an item of each row, which is prefetched, too.
    order : array
        The rows in the order of their visits; of length 0 for the order in which they are stored.
    visit : int
        Number of the visit.
    """
    if not order.size:
        return visit
    if visit + 2 * PREFETCH_DISTANCE < len(order):
        prefetch_indptr(rows, order[visit + 2 * PREFETCH_DISTANCE])
    if visit + PREFETCH_DISTANCE < len(order):
        later = order[visit + PREFETCH_DISTANCE]
        prefetch(rows, later)
        prefetch_item(values, later * (values.strides[0] // values.itemsize))
    return order[visit]
