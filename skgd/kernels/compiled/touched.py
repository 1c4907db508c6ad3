r"""Plain descent on sparse rows as a loop that touches their entries only.

What :mod:`skgd.kernels.lazy` does with arrays, and on the same grounds. Here every coordinate is
kept as the number z that stays what it is while no row mentions the coordinate,

.. math:: u_t = \operatorname{sign}(z)\, P_t \max(0, |z| - l_1 V_t),

so that nothing has to be known of when it was touched last. What it adds to the running objective
and to the average between two touches is a difference of two values of one function of z; the loop
adds that of the old z and subtracts that of the new one.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from skgd.kernels.compiled.formulas import shrink, value
from skgd.kernels.compiled.jit import PART, Kernel, inline, merged
from skgd.kernels.compiled.rows import AHEAD, StoredCentred, prefetch
from skgd.kernels.compiled.updates import slope_of, strength, update_from
from skgd.kernels.lazy import SMALLEST_SHARE, STRETCH

#: The columns of what is remembered of each update of a stretch.
SHARE, DEBT, RATE, VALUES, SQUARES, ITERATES, SUMS = 0, 1, 2, 3, 5, 8, 10

#: Updates, at least, between two that go over all coordinates, where each of them is remembered.
REMEMBERED = 4096


class Stretch(NamedTuple):
    """Parameters on their way between two updates that go over all coordinates.

    Parameters
    ----------
    z : array of shape (k, d)
        The coordinates, as numbers that stay while no row mentions them.
    iterates : array of shape (k, d + 1)
        Sum of the iterates that enter the average, without what z has still to add.
    past : array of shape (m, 10)
        The sums below after 0, 1, ... updates; one row is enough without an l1 penalty.
    now : array of shape (10,)
        Share P, debt V and total rate after the updates so far; sums over the updates of P and PV
        (for the l1 term of the objective), of P², P²V and P²V² (for the l2 term), and of P and PV
        after each update that enters the average.
    centre : array of shape (3, k)
        The multiple of the centre, the sum of those that enter the average, and the product of the
        centre with the coordinates.
    """

    z: np.ndarray
    iterates: np.ndarray
    past: np.ndarray
    now: np.ndarray
    centre: np.ndarray


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


def stored(rows, e, j):
    """Return a stored entry, scaled."""


@overload(stored, jit_options=PART)
def _stored(rows, e, j):
    if rows.instance_class is StoredCentred:
        return lambda rows, e, j: rows.data[e] * rows.inverse[j]
    return lambda rows, e, j: rows.data[e]


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


@merged
def value_sum(l1, l2, size, sums):
    """Return what a coordinate of this |z| adds to the objectives that `sums` go over."""
    squares = size * size * sums[SQUARES]
    if l1:
        squares += l1 * (l1 * sums[SQUARES + 2] - 2 * size * sums[SQUARES + 1])
    return l1 * (size * sums[VALUES] - l1 * sums[VALUES + 1]) + 0.5 * l2 * squares


@inline
def death(past, count, size, l1):
    """Return the first of `count` updates after which the coordinate is zero."""
    first, last = 1, count
    while first < last:
        middle = (first + last) // 2
        if l1 * past[middle, DEBT] >= size:
            last = middle
        else:
            first = middle + 1
    return first


@merged
def settled(z, iterates, past, now, owed, paid, o, j, l1, l2, count, averages, sums):
    """Account for the way of a coordinate up to now.

    Functions of this loop take arrays, not the tuples that hold them: taking an array out of a
    tuple counts a reference, which would be the larger part of the work.

    Returns
    -------
    here : float
        The coordinate.
    paid : float
        What it has paid of the l1 penalty.
    total : float
        What it added to the running objective.
    """
    size, sign = abs(z[o, j]), math.copysign(1.0, z[o, j])
    if size == 0:
        return 0.0, np.float64(paid[o, j]), 0.0
    left = size - l1 * now[DEBT]
    if left > 0:
        if averages:
            iterates[o, j] += sign * (size * now[ITERATES] - l1 * now[ITERATES + 1])
        until_now = -sign * (owed[o, j] + l1 * now[RATE])
        return sign * now[SHARE] * left, until_now, value_sum(l1, l2, size, sums)
    last = death(past, count, size, l1)
    if averages:
        summed = size * past[last - 1, ITERATES] - l1 * past[last - 1, ITERATES + 1]
        iterates[o, j] += sign * summed
    left = past[last, SHARE] * (size - l1 * past[last - 1, DEBT])
    until_then = -sign * (owed[o, j] + l1 * past[last - 1, RATE] + left)
    return 0.0, until_then, value_sum(l1, l2, size, past[last])


@merged
def touch(z, iterates, past, now, owed, paid, o, j, l1, l2, count, averages, after, fall, decay):
    """Move a coordinate against a gradient, by `fall`; return what it adds to the objective.

    `after` are the sums after this update, but for those of the iterates.
    """
    here, before, total = settled(
        z, iterates, past, now, owed, paid, o, j, l1, l2, count, averages, after
    )  # fmt: skip
    landed = decay * here - fall
    left = shrink(landed, owed[o, j] + l1 * after[RATE], before)
    if left == 0:  # else what it has paid is what it owes
        z[o, j], paid[o, j] = 0, before + (left - landed)
        return total
    size, sign = abs(left) / after[SHARE] + l1 * after[DEBT], math.copysign(1.0, left)
    z[o, j] = sign * size
    if averages:
        iterates[o, j] -= sign * (size * now[ITERATES] - l1 * now[ITERATES + 1])
    return total - value_sum(l1, l2, size, after)


@inline
def begin(stretch, rows, walk):
    """Begin a stretch where an update on all coordinates has led."""
    for o in range(len(stretch.z)):
        along = 0.0
        for j in range(stretch.z.shape[1]):
            stretch.z[o, j] = walk.theta[o, j]
            along += shift_of(rows, j) * walk.theta[o, j]
            stretch.iterates[o, j] = 0
        stretch.iterates[o, -1] = 0
        stretch.centre[0, o] = stretch.centre[1, o] = 0
        stretch.centre[2, o] = along
    stretch.now[:] = 0
    stretch.now[SHARE] = 1
    stretch.past[0, :] = stretch.now


@inline
def finish(stretch, rows, penalty, walk, manner, count, averaged, earlier):
    """Bring all coordinates up to date; return what they add to the running objective."""
    total, now, dtype = 0.0, stretch.now, walk.theta.dtype.type
    for o in range(len(stretch.z)):
        for j in range(stretch.z.shape[1]):
            here, paid, added = settled(
                stretch.z, stretch.iterates, stretch.past, now, walk.owed, walk.paid,
                o, j, l1_of(penalty, j), np.float64(strength(penalty.l2, j)), count,
                manner.average > 0, now,
            )  # fmt: skip
            total += added
            shift = shift_of(rows, j)
            walk.theta[o, j] = here + stretch.centre[0, o] * shift
            stretch.iterates[o, j] += stretch.centre[1, o] * shift
            if has_l1(penalty):
                walk.paid[o, j] = paid
                walk.owed[o, j] += dtype(l1_of(penalty, j) * now[RATE])
        if averaged:
            for j in range(walk.mean.shape[1]):
                summed = earlier * walk.mean[o, j] + stretch.iterates[o, j]
                walk.mean[o, j] = summed / (earlier + averaged)
    return total


def per_touch(rows, targets, order, rates, pieces, penalty, walk, manner, start, t):
    """Do what :func:`skgd.kernels.compiled.updates.per_batch` does, by plain descent."""
    theta, y, weights = walk.theta, targets.y, targets.weights
    n_outputs, d, n_rows = theta.shape[0], theta.shape[1] - 1, len(targets.y)
    l2 = np.float64(strength(penalty.l2, 0))
    longest = max(REMEMBERED if has_l1(penalty) else STRETCH, d)
    stretch = Stretch(
        np.empty((n_outputs, d)),
        np.empty((n_outputs, d + 1)),
        np.empty((longest + 1 if has_l1(penalty) else 1, SUMS)),
        np.empty(SUMS),
        np.empty((3, n_outputs)),
    )
    z, iterates, past, now, centre = stretch
    owed, paid = walk.owed, walk.paid
    after, length = np.empty(SUMS), squared_shift(rows)
    gradient = np.zeros_like(theta)
    columns, marks = np.empty(d, np.intp), np.full(d, -1)
    slopes = np.empty((n_outputs, manner.batch_size))
    some = np.empty(n_outputs, theta.dtype)
    total, count, averaged, earlier, going = 0.0, 0, 0, 0, False
    for number in range(len(rates)):
        first = start + number * manner.batch_size
        stop = min(first + manner.batch_size, n_rows)
        rate = rates[number]
        decay = max(0.0, 1 - rate * l2)
        if going and (count == longest or now[SHARE] * decay < SMALLEST_SHARE):
            total += finish(stretch, rows, penalty, walk, manner, count, averaged, earlier)
            going = False
        if not going:
            total += update_from(
                rows, targets, order, rate, pieces, penalty, walk, manner, first, stop, t,
                gradient, some,
            )  # fmt: skip
            t += 1
            begin(stretch, rows, walk)
            count, averaged, earlier, going = 0, 0, max(0, t - manner.average), True
            continue
        debt, summed = now[DEBT], now[ITERATES]
        for visit in range(first, stop):
            i = visit
            if order.size:
                i = order[visit]
                if visit + AHEAD < n_rows:
                    prefetch(rows, order[visit + AHEAD])
            weight = np.float64(weights[i]) if weights.size else 1.0
            for o in range(n_outputs):
                product, along = 0.0, 0.0
                for e in range(rows.indptr[i], rows.indptr[i + 1]):
                    j = rows.indices[e]
                    entry = np.float64(stored(rows, e, j))
                    here = z[o, j]
                    if has_l1(penalty):
                        here = math.copysign(max(abs(here) - l1_of(penalty, j) * debt, 0.0), here)
                    product += entry * here
                    along += entry * shift_of(rows, j)
                p = now[SHARE] * product + theta[o, d]
                p += (along - length) * centre[0, o] - centre[2, o]
                total += weight * value(pieces.loss, p, y[i, o])
                slopes[o, visit - first] = (
                    weight * slope_of(pieces, manner, p, y[i, o]) / (stop - first)
                )
        share = now[SHARE] * decay
        after[SHARE], after[DEBT] = share, now[DEBT] + rate / share
        after[RATE] = now[RATE] + rate
        before = (stop - first) * now[SHARE]
        after[VALUES] = now[VALUES] + before
        after[VALUES + 1] = now[VALUES + 1] + before * now[DEBT]
        before *= now[SHARE]
        after[SQUARES] = now[SQUARES] + before
        after[SQUARES + 1] = now[SQUARES + 1] + before * now[DEBT]
        after[SQUARES + 2] = now[SQUARES + 2] + before * now[DEBT] * now[DEBT]
        for o in range(n_outputs):
            fall = 0.0
            if has_l1(penalty):
                single, mark = stop - first == 1, number * n_outputs + o
                i = order[first] if order.size else first
                base, found = rows.indptr[i], rows.indptr[i + 1] - rows.indptr[i]
                fall = slopes[o, 0]
                if not single:
                    fall, found = 0.0, 0
                    for visit in range(first, stop):
                        i = order[visit] if order.size else visit
                        slope = slopes[o, visit - first]
                        fall += slope
                        for e in range(rows.indptr[i], rows.indptr[i + 1]):
                            j = rows.indices[e]
                            if marks[j] != mark:
                                marks[j] = mark
                                columns[found] = j
                                found += 1
                            gradient[o, j] += slope * stored(rows, e, j)
                for c in range(found):
                    if single:
                        j = np.intp(rows.indices[base + c])
                        step = rate * fall * stored(rows, base + c, j)
                    else:
                        j = columns[c]
                        step = rate * np.float64(gradient[o, j])
                        gradient[o, j] = 0
                    total += touch(
                        z, iterates, past, now, owed, paid, o, j,
                        l1_of(penalty, j), l2, count, manner.average > 0, after, step, decay,
                    )  # fmt: skip
            else:
                moved, along = 0.0, 0.0
                for visit in range(first, stop):
                    i = order[visit] if order.size else visit
                    slope = slopes[o, visit - first]
                    fall += slope
                    step = rate * slope / share
                    for e in range(rows.indptr[i], rows.indptr[i + 1]):
                        j = rows.indices[e]
                        change = step * stored(rows, e, j)
                        here = z[o, j]
                        z[o, j] = here - change
                        moved -= change * (2 * here - change)
                        along -= change * shift_of(rows, j)
                        if manner.average:
                            iterates[o, j] += change * summed
                total -= 0.5 * l2 * moved * after[SQUARES]
                centre[2, o] += along
            centre[0, o] += rate * fall
            if manner.fit_intercept:
                theta[o, d] -= rate * fall
        after[ITERATES], after[ITERATES + 1] = now[ITERATES], now[ITERATES + 1]
        if 0 < manner.average <= t:
            averaged += 1
            after[ITERATES] += share
            after[ITERATES + 1] += share * after[DEBT]
            for o in range(n_outputs):
                iterates[o, d] += theta[o, d]
                centre[1, o] += centre[0, o]
        for part in range(SUMS):
            now[part] = after[part]
        count += 1
        if has_l1(penalty):
            for part in range(SUMS):
                past[count, part] = now[part]
        t += 1
    if going:
        total += finish(stretch, rows, penalty, walk, manner, count, averaged, earlier)
    return total, t


run_per_touch = Kernel(per_touch)
