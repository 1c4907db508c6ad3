r"""The course of a coordinate between the updates that touch it.

A coordinate is kept as the number z that stays what it is while no row mentions the coordinate,

.. math:: u_t = \operatorname{sign}(z)\, P_t \max(0, |z| - l_1 V_t),

so that nothing has to be known of when it was touched last. What it adds to the running objective
and to the average between two touches is a difference of two values of one function of z: that of
the old z is added and that of the new one subtracted.
"""

import math
from typing import NamedTuple

from skgd.solvers.compiled.formulas import soft_threshold
from skgd.solvers.compiled.jit import force_inline, inline

#: Columns of the sums over the updates of a stretch: share P, debt V and total rate after them; of
#: P and PV (for the l1 term of the objective), of P², P²V and P²V² (for the l2 term), and of P and
#: PV after each update that enters the average.
SHARE, DEBT, RATE, VALUES, SQUARES, ITERATES, SUMS = 0, 1, 2, 3, 5, 8, 10


@force_inline
def advance(now, after, decay, rows, averaged):
    """Put the sums after one more update, of so many rows, into `after`; see `advance_debts`."""
    share = now[SHARE]
    after[SHARE] = share * decay
    after[SQUARES] = now[SQUARES] + rows * share**2
    after[ITERATES] = now[ITERATES] + averaged * after[SHARE]


@force_inline
def advance_debts(now, after, rate, rows, averaged):
    """Do the same for the sums that an l1 penalty needs beside these."""
    share, debt = now[SHARE], now[DEBT]
    after[DEBT] = debt + rate / after[SHARE]
    after[RATE] = now[RATE] + rate
    after[VALUES] = now[VALUES] + rows * share
    after[VALUES + 1] = now[VALUES + 1] + rows * share * debt
    after[SQUARES + 1] = now[SQUARES + 1] + rows * share**2 * debt
    after[SQUARES + 2] = now[SQUARES + 2] + rows * (share * debt) ** 2
    after[ITERATES + 1] = now[ITERATES + 1] + averaged * after[SHARE] * after[DEBT]


@inline
def value_sum(l1, l2, size, sums):
    """Return what a coordinate of this |z| adds to the objectives that `sums` go over."""
    squares = size * size * sums[SQUARES]
    if l1:
        squares += l1 * (l1 * sums[SQUARES + 2] - 2 * size * sums[SQUARES + 1])
    return l1 * (size * sums[VALUES] - l1 * sums[VALUES + 1]) + 0.5 * l2 * squares


@inline
def iterate_sum(l1, size, sums):
    """Return what a coordinate of this |z| adds to the iterates that `sums` go over."""
    return size * sums[ITERATES] - l1 * sums[ITERATES + 1]


@inline
def zero_crossing(past, count, size, l1):
    """Return the first of `count` updates after which the coordinate is zero."""
    first, last = 1, count
    while first < last:
        middle = (first + last) // 2
        if l1 * past[middle, DEBT] >= size:
            last = middle
        else:
            first = middle + 1
    return first


@inline
def catch_up(stretch, o, j, l1, l2, count, sums):
    """Account for the way of a coordinate up to now.

    Returns
    -------
    here : float
        The coordinate.
    paid : float
        What it has paid of the l1 penalty.
    total : float
        What it added to the objectives that `sums` go over.
    """
    past, now, l1_total = stretch.past, stretch.now, stretch.l1_total
    size, sign = abs(stretch.z[o, j]), math.copysign(1.0, stretch.z[o, j])
    if size == 0:
        return 0.0, float(stretch.l1_applied[o, j]), 0.0
    left = size - l1 * now[DEBT]
    if left > 0:
        stretch.iterates[o, j] += sign * iterate_sum(l1, size, now)
        until_now = -sign * (l1_total[o, j] + l1 * now[RATE])
        return sign * now[SHARE] * left, until_now, value_sum(l1, l2, size, sums)
    last = zero_crossing(past, count, size, l1)
    stretch.iterates[o, j] += sign * iterate_sum(l1, size, past[last - 1])
    left = past[last, SHARE] * (size - l1 * past[last - 1, DEBT])
    until_then = -sign * (l1_total[o, j] + l1 * past[last - 1, RATE] + left)
    return 0.0, until_then, value_sum(l1, l2, size, past[last])


class Sums(NamedTuple):
    """What a coordinate that an update touches needs of the sums before and after that update."""

    debt_before: float
    iterates_before: float
    debt: float
    share: float
    rate: float
    values: float
    squares: float
    debt_squares: float


@force_inline
def sums_of(now, after):
    """Return the sums of an update as numbers, which no writing into arrays can change."""
    return Sums(
        now[DEBT], now[ITERATES],
        after[DEBT], after[SHARE], after[RATE], after[VALUES], after[SQUARES], after[SQUARES + 1],
    )  # fmt: skip


@force_inline
def update_coordinate(stretch, after, sums, o, j, l1, l2, count, fall, averages):
    """Move a coordinate against a gradient by `fall`; return what it adds to the objective.

    `fall` is a difference of z. A coordinate that keeps its sign falls as if there was no l1
    penalty, whose debt is part of z; one at rest, at zero, stays there as long as what pushes it
    is less than what it owes. Both are worked out, as nobody can foretell which it will be.
    """
    z, l1_applied = stretch.z, stretch.l1_applied
    size, sign = abs(z[o, j]), math.copysign(1.0, z[o, j])
    moved, push = size - sign * fall, fall * sums.share
    above = min(size - l1 * sums.debt_before, moved - l1 * sums.debt)
    within = stretch.l1_total[o, j] + l1 * sums.rate - abs(l1_applied[o, j] + push)
    if not max(above, within if size == 0 else -1.0) > 0:
        return update_at_zero(stretch, after, o, j, l1, l2, count, push)
    falls = above > 0
    fallen = size - moved if falls else 0.0
    z[o, j] = sign * moved if falls else 0.0
    l1_applied[o, j] += 0.0 if falls else push
    if averages:
        stretch.iterates[o, j] += sign * fallen * sums.iterates_before
    squares = (size + moved) * sums.squares - 2 * l1 * sums.debt_squares
    return fallen * (l1 * sums.values + 0.5 * l2 * squares)


@inline
def update_at_zero(stretch, after, o, j, l1, l2, count, fall):
    """Update a coordinate that is zero or may become zero; see :func:`update_coordinate`."""
    z, now, l1_applied = stretch.z, stretch.now, stretch.l1_applied
    here, before, total = catch_up(stretch, o, j, l1, l2, count, after)
    landed = here * (after[SHARE] / now[SHARE]) - fall
    left = soft_threshold(landed, stretch.l1_total[o, j] + l1 * after[RATE], before)
    if left == 0:  # else what it has paid is what it owes
        z[o, j], l1_applied[o, j] = 0, before + (left - landed)
        return total
    size, sign = abs(left) / after[SHARE] + l1 * after[DEBT], math.copysign(1.0, left)
    z[o, j] = sign * size
    stretch.iterates[o, j] -= sign * iterate_sum(l1, size, now)
    return total - value_sum(l1, l2, size, after)
