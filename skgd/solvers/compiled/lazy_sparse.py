"""Plain descent on sparse rows as a loop that touches their entries only.

What :mod:`skgd.solvers.sgd.lazy_sparse` does with arrays, and on the same grounds;
:mod:`skgd.solvers.compiled.lazy_coordinate` has the arithmetic of a coordinate that waits.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from skgd.solvers.compiled.formulas import value
from skgd.solvers.compiled.jit import MERGED_PART, PART, force_inline, inline, without_refcount
from skgd.solvers.compiled.lazy_coordinate import (
    DEBT,
    ITERATES,
    RATE,
    SHARE,
    SQUARES,
    SUMS,
    advance,
    advance_debts,
    catch_up,
    sums_of,
    update_coordinate,
)
from skgd.solvers.compiled.rows import (
    StoredCentred,
    accumulate,
    column,
    dot,
    row_at,
    span,
    stored,
)
from skgd.solvers.compiled.sgd_loops import has_rule, passed_over, per_batch, pull, strength
from skgd.solvers.sgd.lazy_sparse import MAX_INTERVAL_UPDATES, MIN_DECAY_PRODUCT

#: Updates, at least, between two that go over all coordinates, where each of them is remembered.
REMEMBERED = 4096

#: An update that goes over all coordinates.
update_all = inline(per_batch)


class Stretch(NamedTuple):
    """Parameters on their way between two updates that go over all coordinates.

    Parameters
    ----------
    z : array of shape (k, d)
        The coordinates, as numbers that stay while no row mentions them.
    iterates : array of shape (k, d + 1)
        Sum of the iterates that enter the average, without what z has still to add.
    owed, paid : arrays of shape (k, d + 1)
        Of an l1 penalty; what is owed is what it was at the beginning.
    past : array of shape (m, 10)
        The sums after 0, 1, ... updates; one row is enough without an l1 penalty.
    now : array of shape (10,)
        The sums after the updates so far; see :mod:`skgd.solvers.compiled.lazy_coordinate`.
    centre : array of shape (3, k)
        The multiple of the centre, the sum of those that enter the average, and the product of the
        centre with the coordinates.
    """

    z: np.ndarray
    iterates: np.ndarray
    l1_total: np.ndarray
    l1_applied: np.ndarray
    past: np.ndarray
    now: np.ndarray
    centre: np.ndarray


class Gathered(NamedTuple):
    """What an update collects from its rows.

    Parameters
    ----------
    slopes : array of shape (k, batch_size)
        Slopes of the rows over their number.
    products : array of shape (k,)
        Products of the last row and the coordinates.
    gradient : array of shape (k, d)
        Zero but where columns have been found.
    columns, marks : arrays of shape (d,)
        The columns found, and by which update each was found last.
    after : array of shape (10,)
        The sums after the update.
    """

    slopes: np.ndarray
    products: np.ndarray
    gradient: np.ndarray
    columns: np.ndarray
    marks: np.ndarray
    after: np.ndarray


def has_l1(penalty):
    """Tell whether there is an l1 penalty."""


@overload(has_l1, jit_options=PART)
def _has_l1(penalty):
    found = not isinstance(penalty.types[0], types.NoneType)
    return lambda penalty: found


def l1_of(penalty, j):
    """Return the l1 strength of a coordinate."""


@overload(l1_of, jit_options=PART)
def _l1_of(penalty, j):
    if isinstance(penalty.types[0], types.NoneType):
        return lambda penalty, j: 0.0
    return lambda penalty, j: np.float64(strength(penalty.l1, j))


def has_shift(rows):
    """Tell whether a centre is subtracted."""


@overload(has_shift, jit_options=PART)
def _has_shift(rows):
    found = rows.instance_class is StoredCentred
    return lambda rows: found


def shift_of(rows, j):
    """Return what the centre subtracts from an entry."""


@overload(shift_of, jit_options=PART)
def _shift_of(rows, j):
    if rows.instance_class is StoredCentred:
        return lambda rows, j: rows.shift[j]
    return lambda rows, j: 0.0


def squared_shift(rows):
    """Return the squared length of the centre."""


@overload(squared_shift, jit_options=PART)
def _squared_shift(rows):
    if rows.instance_class is StoredCentred:
        return lambda rows: np.float64((rows.shift * rows.shift).sum())
    return lambda rows: 0.0


def dot_shift(rows, i):
    """Return the product of the stored part of row i with the centre."""


@inline
def _stored_along_shift(rows, i):
    total = 0.0
    for e in range(*span(rows, i)):
        j = column(rows, e)
        total += stored(rows, e, j) * rows.shift[j]
    return total


@overload(dot_shift, jit_options=PART)
def _along_shift(rows, i):
    if rows.instance_class is StoredCentred:
        return lambda rows, i: _stored_along_shift(rows, i)
    return lambda rows, i: 0.0


def product(rows, i, z, o, penalty, debt):
    """Return the product of row i and the coordinates, but for the share that is left of these."""


@force_inline
def _shrunk_product(rows, i, z, o, penalty, debt):
    total = 0.0
    for e in range(*span(rows, i)):
        j = column(rows, e)
        spent = l1_of(penalty, j) * debt
        total += stored(rows, e, j) * (max(z[o, j] - spent, 0.0) + min(z[o, j] + spent, 0.0))
    return total


@overload(product, jit_options=MERGED_PART)
def _product(rows, i, z, o, penalty, debt):
    if isinstance(penalty.types[0], types.NoneType):
        return lambda rows, i, z, o, penalty, debt: dot(rows, i, z, o)
    return lambda rows, i, z, o, penalty, debt: _shrunk_product(rows, i, z, o, penalty, debt)


def places(penalty, n_outputs, d):
    """Return room for z, iterates, owed and paid."""


@inline
def _places_together(penalty, n_outputs, d):
    # A touch needs all four: they come from the memory in one line.
    whole = np.empty((n_outputs, d + 1, 4))
    return whole[:, :d, 0], whole[:, :, 1], whole[:, :, 2], whole[:, :, 3]


@inline
def _places_apart(penalty, n_outputs, d):
    iterates = np.empty((n_outputs, d + 1))
    return np.empty((n_outputs, d)), iterates, iterates, iterates  # nothing is owed or paid


@overload(places, jit_options=PART)
def _places(penalty, n_outputs, d):
    found = _places_together
    if isinstance(penalty.types[0], types.NoneType):
        found = _places_apart
    return lambda penalty, n_outputs, d: found(penalty, n_outputs, d)


@inline
def begin(stretch, rows, penalty, walk):
    """Begin a stretch where an update on all coordinates has led."""
    for o in range(len(stretch.z)):
        along = 0.0
        for j in range(stretch.z.shape[1]):
            stretch.z[o, j] = walk.theta[o, j]
            along += shift_of(rows, j) * walk.theta[o, j]
            stretch.iterates[o, j] = 0
            if has_l1(penalty):
                stretch.l1_total[o, j], stretch.l1_applied[o, j] = (
                    walk.l1_total[o, j],
                    walk.l1_applied[o, j],
                )
        stretch.iterates[o, -1] = 0
        stretch.centre[0, o] = stretch.centre[1, o] = 0
        stretch.centre[2, o] = along
    for part in range(SUMS):
        stretch.now[part] = stretch.past[0, part] = 1.0 if part == SHARE else 0.0


@inline
def finish(stretch, rows, penalty, walk, count, averaged, earlier):
    """Bring all coordinates up to date; return what they add to the running objective."""
    total, now, dtype = 0.0, stretch.now, walk.theta.dtype.type
    for o in range(len(stretch.z)):
        for j in range(stretch.z.shape[1]):
            l1, l2 = l1_of(penalty, j), np.float64(strength(penalty.l2, j))
            here, l1_applied, added = catch_up(stretch, o, np.uintp(j), l1, l2, count, now)
            total += added
            shift = shift_of(rows, j)
            walk.theta[o, j] = here + stretch.centre[0, o] * shift
            stretch.iterates[o, j] += stretch.centre[1, o] * shift
            if has_l1(penalty):
                walk.l1_applied[o, j] = l1_applied
                walk.l1_total[o, j] += dtype(l1_of(penalty, j) * now[RATE])
        if averaged:
            for j in range(walk.averaged_theta.shape[1]):
                summed = earlier * walk.averaged_theta[o, j] + stretch.iterates[o, j]
                walk.averaged_theta[o, j] = summed / (earlier + averaged)
    return total


@force_inline
def fall_freely(rows, i, z, o, step):
    """Move the coordinates of row i, where there is no l1 penalty.

    Returns
    -------
    squared_norm, along : float
        Of the stored part of the row, and its product with the centre.
    """
    squared_norm, along = 0.0, 0.0
    for e in range(*span(rows, i)):  # apart from the moves, which no vector instruction makes
        j = column(rows, e)
        squared_norm += stored(rows, e, j) ** 2
        if has_shift(rows):
            along += stored(rows, e, j) * shift_of(rows, j)
    for e in range(*span(rows, i)):
        j = column(rows, e)
        z[o, j] -= step * stored(rows, e, j)
    return squared_norm, along


@force_inline
def touch_row(rows, i, step, stretch, after, o, penalty, l2, count, averages):
    """Move the coordinates of row i; return what they add to the objective."""
    total, sums = 0.0, sums_of(stretch.now, after)
    for e in range(*span(rows, i)):
        j = column(rows, e)
        fall = step * stored(rows, e, j)
        total += update_coordinate(
            stretch, after, sums, o, j, l1_of(penalty, j), l2, count, fall, averages
        )
    return total


@inline
def collect(rows, i, slope, gradient, o, columns, marks, mark, found):
    """Add a multiple of row i to a gradient; return how many columns have been found by now."""
    for e in range(*span(rows, i)):
        j = column(rows, e)
        if marks[j] != mark:
            marks[j] = mark
            columns[found] = j
            found += 1
        gradient[o, j] += slope * stored(rows, e, j)
    return found


def move(
    rows, order, rate, penalty, walk, stretch, gathered, l2, o, first, stop, mark, count, averages
):
    """Move the coordinates of output o; return what they add to the objective.

    Parameters
    ----------
    rows, penalty, walk, stretch, gathered : records
        See their classes.
    order, rate, first, stop
        The update: its rows are the visits from `first` to `stop`.
    l2 : float
        Strength of the l2 penalty.
    mark : int
        What the columns found are marked with.
    count : int
        Updates of the stretch before this one.
    averages : bool
        Whether iterates are averaged at all.
    """


@force_inline
def _move_freely(
    rows, order, rate, penalty, walk, stretch, gathered, l2, o, first, stop, mark, count, averages
):
    total, after = 0.0, gathered.after
    for visit in range(first, stop):
        i = order[visit] if order.size else visit
        step = rate * gathered.slopes[o, visit - first] / after[SHARE]
        if stop - first > 1:
            gathered.products[o] = dot(rows, i, stretch.z, o)
        squared_norm, along = fall_freely(rows, i, stretch.z, o, step)
        squares = step * (step * squared_norm - 2 * gathered.products[o])
        total -= 0.5 * l2 * squares * after[SQUARES]
        stretch.centre[2, o] -= step * along
        if averages:
            accumulate(rows, i, step * stretch.now[ITERATES], stretch.iterates, o)
    return total


@force_inline
def _move_against_l1(
    rows, order, rate, penalty, walk, stretch, gathered, l2, o, first, stop, mark, count, averages
):
    gradient, columns, after = gathered.gradient, gathered.columns, gathered.after
    total, rate = 0.0, rate / after[SHARE]
    if stop - first == 1:
        i = order[first] if order.size else first
        step = rate * gathered.slopes[o, 0]
        return touch_row(rows, i, step, stretch, after, o, penalty, l2, count, averages)
    found, sums = np.int64(0), sums_of(stretch.now, after)
    for visit in range(first, stop):
        i = order[visit] if order.size else visit
        slope = gathered.slopes[o, visit - first]
        found = collect(rows, i, slope, gradient, o, columns, gathered.marks, mark, found)
    for c in range(found):
        j = columns[c]
        fall = rate * gradient[o, j]
        gradient[o, j] = 0
        total += update_coordinate(
            stretch, after, sums, o, j, l1_of(penalty, j), l2, count, fall, averages
        )
    return total


@overload(move, jit_options=MERGED_PART)
def _move(
    rows, order, rate, penalty, walk, stretch, gathered, l2, o, first, stop, mark, count, averages
):
    found = _move_against_l1
    if isinstance(penalty.types[0], types.NoneType):
        found = _move_freely

    def move(
        rows, order, rate, penalty, walk, stretch, gathered,
        l2, o, first, stop, mark, count, averages,
    ):  # fmt: skip
        return found(
            rows, order, rate, penalty, walk, stretch, gathered,
            l2, o, first, stop, mark, count, averages,
        )  # fmt: skip

    return move


def run_lazy_sparse(kind, rows, targets, order, rates, components, penalty, walk, manner, start, t):
    """Do what :func:`skgd.solvers.compiled.sgd_loops.per_batch` does, by plain descent."""
    n_outputs, d = walk.theta.shape[0], walk.theta.shape[1] - 1
    remembered = max(REMEMBERED, d) if has_l1(penalty) else 0
    stretch = Stretch(
        *places(penalty, n_outputs, d),
        np.empty((remembered + 1, SUMS)),
        np.empty(SUMS),
        np.empty((3, n_outputs)),
    )
    gathered = Gathered(
        np.empty((n_outputs, manner.batch_size)),
        np.empty(n_outputs),
        np.zeros((n_outputs, d)),
        np.empty(d, np.uintp),
        np.full(d, -1),
        np.empty(SUMS),
    )
    return walk_over(
        rows, targets, order, rates, components, penalty, walk, manner, start, t, stretch, gathered
    )


@inline
def walk_over(
    rows, targets, order, rates, components, penalty, walk, manner, start, t, stretch, gathered
):
    """Make the updates; see :func:`run_lazy_sparse`."""
    rows, targets, walk = without_refcount(rows), without_refcount(targets), without_refcount(walk)
    stretch, gathered = without_refcount(stretch), without_refcount(gathered)
    theta, y, weights = walk.theta, targets.y, targets.weights
    n_outputs, d, n_rows = theta.shape[0], theta.shape[1] - 1, len(targets.y)
    z, iterates, centre = stretch.z, stretch.iterates, stretch.centre
    past, now = stretch.past, stretch.now
    slopes, products, after = gathered.slopes, gathered.products, gathered.after
    l2, length = np.float64(strength(penalty.l2, 0)), squared_shift(rows)
    averages = manner.average > 0
    longest = len(past) - 1 if has_l1(penalty) else max(MAX_INTERVAL_UPDATES, d)
    # Typed: of a literal zero all that is called would be compiled a second time.
    total, count, averaged, earlier, going = 0.0, np.int64(0), np.int64(0), 0.0, False
    for number in range(len(rates)):
        first = start + number * manner.batch_size
        stop = min(first + manner.batch_size, n_rows)
        rate = rates[number]
        decay = max(0.0, 1 - rate * l2)
        if going and (count == longest or now[SHARE] * decay < MIN_DECAY_PRODUCT):
            total += finish(stretch, rows, penalty, walk, count, averaged, earlier)
            going = False
        if not going:
            here = rates[number : number + 1]
            added, t = update_all(
                None, rows, targets, order, here, components, penalty, walk, manner, first, float(t)
            )
            total += added
            begin(stretch, rows, penalty, walk)
            count, averaged, going = np.int64(0), np.int64(0), True
            earlier = max(0.0, t - manner.average)
            continue
        if has_rule(components):  # of single rows
            i = order[first] if order.size else first
            if passed_over(components, i):
                for o in range(n_outputs):
                    total += value(components.loss, theta[o, d], y[i, o])
                continue
        for visit in range(first, stop):
            i = row_at(rows, y, order, visit)
            weight = np.float64(weights[i]) if weights.size else 1.0
            for o in range(n_outputs):
                products[o] = product(rows, i, z, o, penalty, now[DEBT])
                p = now[SHARE] * products[o] + theta[o, d]
                if has_shift(rows):
                    p += (dot_shift(rows, i) - length) * centre[0, o] - centre[2, o]
                total += weight * value(components.loss, p, y[i, o])
                found = pull(components, manner, i, p, y[i, o], rate)
                slopes[o, visit - first] = weight * found / (stop - first)
        averaging = 0 < manner.average <= t
        counted = 0 if has_rule(components) else stop - first  # rows whose penalty is summed
        advance(now, after, decay, counted, averaging)
        if has_l1(penalty):
            advance_debts(now, after, rate, counted, averaging)
        for o in range(n_outputs):
            fall = 0.0
            for k in range(stop - first):
                fall += slopes[o, k]
            mark = number * n_outputs + o
            total += move(
                rows, order, rate, penalty, walk, stretch, gathered,
                l2, o, first, stop, mark, count, averages,
            )  # fmt: skip
            centre[0, o] += rate * fall
            if manner.fit_intercept:
                theta[o, d] -= rate * fall
        if averaging:
            averaged += 1
            for o in range(n_outputs):
                iterates[o, d] += theta[o, d]
                centre[1, o] += centre[0, o]
        count += 1
        now[SHARE], now[SQUARES], now[ITERATES] = after[SHARE], after[SQUARES], after[ITERATES]
        if has_l1(penalty):
            for part in range(SUMS):
                now[part] = past[count, part] = after[part]
        t += 1
    if going:
        total += finish(stretch, rows, penalty, walk, count, averaged, earlier)
    return total, t
