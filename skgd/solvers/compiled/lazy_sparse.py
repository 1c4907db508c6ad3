"""Gradient descent on sparse rows whose updates touch only the coordinates with stored entries.

It does what :mod:`skgd.solvers.sgd.lazy_sparse` does with arrays;
:mod:`skgd.solvers.compiled.lazy_coordinate` has the arithmetic of a coordinate.
"""

from typing import NamedTuple

import numpy as np

from skgd.solvers.compiled.component_methods import loss_value
from skgd.solvers.compiled.jit import (
    by_type,
    force_inline,
    force_inline_by_type,
    is_none,
    jit_function,
    without_refcount,
)
from skgd.solvers.compiled.lazy_coordinate import (
    AVERAGE_SUMS,
    DECAY,
    L2_SUMS,
    N_SUMS,
    RATE,
    SHRINKAGE,
    LazyPeriod,
    advance_l1_sums,
    advance_sums,
    catch_up,
    select_sums,
    update_at_zero,
    update_coordinate,
)
from skgd.solvers.compiled.rows import (
    accumulate,
    column_of,
    dot,
    entry_range,
    is_shifted,
    row_at,
    stored_value,
)
from skgd.solvers.compiled.sgd_loops import (
    Visits,
    has_bounds,
    has_step_rule,
    is_skipped,
    offset_at,
    per_batch,
    row_factor,
    strength_at,
)
from skgd.solvers.sgd.lazy_sparse import MAX_INTERVAL_UPDATES, MIN_DECAY_PRODUCT

#: Updates, at least, of a lazy period with an l1 penalty, whose cumulative sums are all kept.
MIN_PERIOD = 4096

#: An update of all coordinates.
update_all = jit_function(per_batch)


class Buffers(NamedTuple):
    """Arrays that each update writes to.

    Parameters
    ----------
    factors : array of shape (k, batch_size)
        Factors of the rows in the gradient.
    products : array of shape (k,)
        Dot products of the last row and z.
    gradient : array of shape (k, d)
        Zero except during an update.
    columns : array of shape (d,)
        The columns with entries in the batch.
    marks : array of shape (d,)
        The mark of the last batch with an entry in each column.
    after : array of shape (10,)
        The cumulative sums after the update.
    """

    factors: np.ndarray
    products: np.ndarray
    gradient: np.ndarray
    columns: np.ndarray
    marks: np.ndarray
    after: np.ndarray


class LazyUpdate(NamedTuple):
    """An update of the coordinates with stored entries.

    Parameters
    ----------
    order : array
        The rows in the order of their visits.
    first, stop : int
        Its visits, from `first` to `stop`.
    rate : float
        Learning rate.
    l2 : float
        Strength of the l2 penalty.
    n_previous : int
        Updates of the period before this one.
    mark : int
        A number that no other update has.
    averages : bool
        Whether iterates are averaged at all.
    """

    order: np.ndarray
    first: int
    stop: int
    rate: float
    l2: float
    n_previous: int
    mark: int
    averages: bool


class PeriodCounts(NamedTuple):
    """Updates of a period, those whose iterate is averaged, and averaged ones before the period."""

    updates: int
    averaged: int
    averaged_before: float


@by_type
def has_l1(penalty):
    """Return whether there is an l1 penalty."""
    is_l1 = not is_none(penalty.types[0])
    return lambda penalty: is_l1


@by_type
def l1_at(penalty, j):
    """Return the strength of the l1 penalty of coefficient j."""
    if is_none(penalty.types[0]):
        return lambda penalty, j: 0.0
    return lambda penalty, j: np.float64(strength_at(penalty.l1, j))


@by_type
def has_shift(rows):
    """Return whether a shift is subtracted from the rows."""
    has = is_shifted(rows)
    return lambda rows: has


@by_type
def shift_at(rows, j):
    """Return entry j of the shift."""
    return (lambda rows, j: rows.shift[j]) if is_shifted(rows) else lambda rows, j: 0.0


@jit_function
def squared_shift_norm(rows, d):
    """Return the squared norm of the shift."""
    total = 0.0
    for j in range(d):
        total += shift_at(rows, j) ** 2
    return total


@jit_function
def dot_shift(rows, i):
    """Return the dot product of the stored entries of row i and the shift."""
    total = 0.0
    for e in range(*entry_range(rows, i)):
        j = column_of(rows, e)
        total += stored_value(rows, e, j) * shift_at(rows, j)
    return total


def _dot_shrunk_loop(rows, i, z, o, penalty, shrinkage):
    total = 0.0
    for e in range(*entry_range(rows, i)):
        j = column_of(rows, e)
        shrunk = l1_at(penalty, j) * shrinkage
        coefficient = max(z[o, j] - shrunk, 0.0) + min(z[o, j] + shrunk, 0.0)
        total += stored_value(rows, e, j) * coefficient
    return total


@force_inline_by_type
def dot_shrunk(rows, i, z, o, penalty, shrinkage):
    """Return the dot product of row i and the coefficients over their decay."""
    if is_none(penalty.types[0]):
        return lambda rows, i, z, o, penalty, shrinkage: dot(rows, i, z, o)
    return _dot_shrunk_loop


def _allocate_interleaved(penalty, n_outputs, d):
    # The update of a coordinate reads all four: they share a cache line.
    array = np.empty((n_outputs, d + 1, 4))
    return array[:, :d, 0], array[:, :, 1], array[:, :, 2], array[:, :, 3]


def _allocate_without_l1(penalty, n_outputs, d):
    iterates = np.empty((n_outputs, d + 1))
    return np.empty((n_outputs, d)), iterates, iterates, iterates  # the last two are not used


@by_type
def allocate_coordinates(penalty, n_outputs, d):
    """Return uninitialised arrays for z, iterates, l1_total and l1_applied."""
    return _allocate_without_l1 if is_none(penalty.types[0]) else _allocate_interleaved


@jit_function
def start_period(period, rows, penalty, state):
    """Start a lazy period at the coefficients of `state`."""
    for o in range(len(period.z)):
        product = 0.0
        for j in range(period.z.shape[1]):
            period.z[o, j] = state.theta[o, j]
            product += shift_at(rows, j) * state.theta[o, j]
            period.iterates[o, j] = 0
            if has_l1(penalty):
                period.l1_total[o, j] = state.l1_total[o, j]
                period.l1_applied[o, j] = state.l1_applied[o, j]
        period.iterates[o, -1] = 0
        period.shift[0, o] = period.shift[1, o] = 0
        period.shift[2, o] = product
    for k in range(N_SUMS):
        period.now[k] = period.past[0, k] = 1.0 if k == DECAY else 0.0


@jit_function
def finish_period(period, rows, penalty, state, counts):
    """Write all coordinates to `state`; return what they add to the running objective."""
    total, now, dtype = 0.0, period.now, state.theta.dtype.type
    for o in range(len(period.z)):
        for j in range(period.z.shape[1]):
            l1, l2 = l1_at(penalty, j), np.float64(strength_at(penalty.l2, j))
            w, l1_applied, penalty_sum = catch_up(
                period, o, np.uintp(j), l1, l2, counts.updates, now
            )
            total += penalty_sum
            shift = shift_at(rows, j)
            state.theta[o, j] = w + period.shift[0, o] * shift
            period.iterates[o, j] += period.shift[1, o] * shift
            if has_l1(penalty):
                state.l1_applied[o, j] = l1_applied
                state.l1_total[o, j] += dtype(l1_at(penalty, j) * now[RATE])
        if counts.averaged:
            n_averaged = counts.averaged_before + counts.averaged
            for j in range(state.averaged_theta.shape[1]):
                before = counts.averaged_before * state.averaged_theta[o, j]
                state.averaged_theta[o, j] = (before + period.iterates[o, j]) / n_averaged
    return total


@force_inline
def step_on_row(rows, i, z, o, step):
    """Subtract ``step * row i`` from z, without an l1 penalty.

    Returns
    -------
    squared_norm : float
        Squared norm of the stored entries of the row.
    product : float
        Dot product of these and the shift.
    """
    squared_norm, product = 0.0, 0.0
    for e in range(*entry_range(rows, i)):  # a loop of its own, which is vectorised
        j = column_of(rows, e)
        squared_norm += stored_value(rows, e, j) ** 2
        if has_shift(rows):
            product += stored_value(rows, e, j) * shift_at(rows, j)
    for e in range(*entry_range(rows, i)):
        j = column_of(rows, e)
        z[o, j] -= step * stored_value(rows, e, j)
    return squared_norm, product


@jit_function
def accumulate_columns(rows, i, factor, o, buffers, mark, n_columns):
    """Add ``factor * row i`` to the gradient and list its columns; return how many there are now.

    Parameters
    ----------
    rows : named tuple
        The rows.
    i, o : int
        Row and output.
    factor : float
        Factor of the row.
    buffers : Buffers
        Its arrays `gradient`, `columns` and `marks` are written to.
    mark : int
        Mark of this batch and output.
    n_columns : int
        Number of columns before.
    """
    gradient, columns, marks = buffers.gradient, buffers.columns, buffers.marks
    for e in range(*entry_range(rows, i)):
        j = column_of(rows, e)
        if marks[j] != mark:
            marks[j] = mark
            columns[n_columns] = j
            n_columns += 1
        gradient[o, j] += factor * stored_value(rows, e, j)
    return n_columns


def _step_within_bounds(penalty, period, after, sums, o, j, update, step):
    lower, upper = strength_at(penalty.lower, j), strength_at(penalty.upper, j)
    step *= sums.decay
    return update_at_zero(period, after, o, j, l1_at(penalty, j), update, step, lower, upper)


def _step_without_bounds(penalty, period, after, sums, o, j, update, step):
    return update_coordinate(period, after, sums, o, j, l1_at(penalty, j), update, step)


@force_inline_by_type
def step_coordinate(penalty, period, after, sums, o, j, update, step):
    """Subtract `step` from z, and project on the bounds; see :func:`update_coordinate`."""
    return _step_within_bounds if has_bounds(penalty) else _step_without_bounds


def _update_without_l1(rows, penalty, period, buffers, update, o):
    order, first, stop = update.order, update.first, update.stop
    total, after = 0.0, buffers.after
    for visit in range(first, stop):
        i = order[visit] if order.size else visit
        step = update.rate * buffers.factors[o, visit - first] / after[DECAY]
        if stop - first > 1:
            buffers.products[o] = dot(rows, i, period.z, o)
        squared_norm, product = step_on_row(rows, i, period.z, o, step)
        squares = step * (step * squared_norm - 2 * buffers.products[o])
        total -= 0.5 * update.l2 * squares * after[L2_SUMS]
        period.shift[2, o] -= step * product
        if update.averages:
            accumulate(rows, i, step * period.now[AVERAGE_SUMS], period.iterates, o)
    return total


def _update_with_l1(rows, penalty, period, buffers, update, o):
    order, first, stop = update.order, update.first, update.stop
    gradient, columns, after = buffers.gradient, buffers.columns, buffers.after
    total, rate, sums = 0.0, update.rate / after[DECAY], select_sums(period.now, after)
    if stop - first == 1:
        i = order[first] if order.size else first
        scaled_rate = rate * buffers.factors[o, 0]
        for e in range(*entry_range(rows, i)):
            j = column_of(rows, e)
            step = scaled_rate * stored_value(rows, e, j)
            total += step_coordinate(penalty, period, after, sums, o, j, update, step)
        return total
    n_columns = np.int64(0)
    for visit in range(first, stop):
        i = order[visit] if order.size else visit
        factor = buffers.factors[o, visit - first]
        n_columns = accumulate_columns(rows, i, factor, o, buffers, update.mark + o, n_columns)
    for c in range(n_columns):
        j = columns[c]
        step = rate * gradient[o, j]
        gradient[o, j] = 0
        total += step_coordinate(penalty, period, after, sums, o, j, update, step)
    return total


@force_inline_by_type
def update_coordinates(rows, penalty, period, buffers, update, o):
    """Update the coordinates of output o; return what they add to the running objective.

    Parameters
    ----------
    rows, penalty, period, buffers, update : named tuples
        See their classes.
    o : int
        Output.
    """
    return _update_without_l1 if is_none(penalty.types[0]) else _update_with_l1


def run_lazy_sparse(kind, data, visits, formulas, penalty, options, state):
    """Do what :func:`skgd.solvers.compiled.sgd_loops.per_batch` does, by gradient descent."""
    n_outputs, d = state.theta.shape[0], state.theta.shape[1] - 1
    n_past = max(MIN_PERIOD, d) if has_l1(penalty) else 0
    period = LazyPeriod(
        *allocate_coordinates(penalty, n_outputs, d),
        np.empty((n_past + 1, N_SUMS)),
        np.empty(N_SUMS),
        np.empty((3, n_outputs)),
    )
    buffers = Buffers(
        np.empty((n_outputs, options.batch_size)),
        np.empty(n_outputs),
        np.zeros((n_outputs, d)),
        np.empty(d, np.uintp),
        np.full(d, -1),
        np.empty(N_SUMS),
    )
    return run_updates(data, visits, formulas, penalty, options, state, period, buffers)


@jit_function
def run_updates(data, visits, formulas, penalty, options, state, period, buffers):
    """Make the updates; see :func:`run_lazy_sparse`."""
    data, state = without_refcount(data), without_refcount(state)
    period, buffers = without_refcount(period), without_refcount(buffers)
    visits = without_refcount(visits)
    rows, y, weights, theta = data.rows, data.y, data.weights, state.theta
    order, rates, t = visits.order, visits.rates, visits.t
    n_outputs, d, n_rows = theta.shape[0], theta.shape[1] - 1, len(y)
    z, iterates, past, now = period.z, period.iterates, period.past, period.now
    factors, products, after = buffers.factors, buffers.products, buffers.after
    l2, squared_norm = np.float64(strength_at(penalty.l2, 0)), squared_shift_norm(rows, d)
    averages = options.average_from > 0
    max_period = len(past) - 1 if has_l1(penalty) else max(MAX_INTERVAL_UPDATES, d)
    # Typed: with a literal zero, every function called would be compiled a second time.
    total, count, n_averaged, averaged_before, is_lazy = 0.0, np.int64(0), np.int64(0), 0.0, False
    for number in range(len(rates)):
        first = visits.first + number * options.batch_size
        stop = min(first + options.batch_size, n_rows)
        rate = rates[number]
        decay = max(0.0, 1 - rate * l2)
        if is_lazy and (count == max_period or now[DECAY] * decay < MIN_DECAY_PRODUCT):
            counts = PeriodCounts(count, n_averaged, averaged_before)
            total += finish_period(period, rows, penalty, state, counts)
            is_lazy = False
        if not is_lazy:
            full_update = Visits(order, rates[number : number + 1], first, t)
            added, t = update_all(None, data, full_update, formulas, penalty, options, state)
            total += added
            start_period(period, rows, penalty, state)
            count, n_averaged, is_lazy = np.int64(0), np.int64(0), True
            averaged_before = max(0.0, t - options.average_from)
            continue
        if has_step_rule(formulas):  # only with batches of one row
            i = order[first] if order.size else first
            if is_skipped(formulas, i):
                for o in range(n_outputs):
                    p = theta[o, d] + offset_at(data, i, o)
                    total += loss_value(formulas.loss, p, y[i, o])
                continue
        for visit in range(first, stop):
            i = row_at(rows, y, order, visit)
            weight = np.float64(weights[i]) if weights.size else 1.0
            for o in range(n_outputs):
                products[o] = dot_shrunk(rows, i, z, o, penalty, now[SHRINKAGE])
                p = now[DECAY] * products[o] + theta[o, d] + offset_at(data, i, o)
                if has_shift(rows):
                    multiple = period.shift[0, o]
                    p += (dot_shift(rows, i) - squared_norm) * multiple - period.shift[2, o]
                total += weight * loss_value(formulas.loss, p, y[i, o])
                factor = row_factor(formulas, options, i, p, y[i, o], rate)
                factors[o, visit - first] = weight * factor / (stop - first)
        is_averaged = 0 < options.average_from <= t
        n_penalized = 0 if has_step_rule(formulas) else stop - first
        advance_sums(now, after, decay, n_penalized, is_averaged)
        if has_l1(penalty):
            advance_l1_sums(now, after, rate, n_penalized, is_averaged)
        update = LazyUpdate(order, first, stop, rate, l2, count, number * n_outputs, averages)
        for o in range(n_outputs):
            factor_sum = 0.0
            for k in range(stop - first):
                factor_sum += factors[o, k]
            total += update_coordinates(rows, penalty, period, buffers, update, o)
            period.shift[0, o] += rate * factor_sum
            if options.fit_intercept:
                theta[o, d] -= rate * factor_sum
        if is_averaged:
            n_averaged += 1
            for o in range(n_outputs):
                iterates[o, d] += theta[o, d]
                period.shift[1, o] += period.shift[0, o]
        count += 1
        for k in (DECAY, L2_SUMS, AVERAGE_SUMS):
            now[k] = after[k]
        if has_l1(penalty):
            for k in range(N_SUMS):
                now[k] = past[count, k] = after[k]
        t += 1
    if is_lazy:
        counts = PeriodCounts(count, n_averaged, averaged_before)
        total += finish_period(period, rows, penalty, state, counts)
    return total, t
