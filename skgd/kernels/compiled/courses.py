r"""The course of a coordinate between the updates that touch it.

A coordinate is kept as the number z that stays what it is while no row mentions the coordinate,

.. math:: u_t = \operatorname{sign}(z)\, P_t \max(0, |z| - l_1 V_t),

so that nothing has to be known of when it was touched last. What it adds to the running objective
and to the average between two touches is a difference of two values of one function of z: that of
the old z is added and that of the new one subtracted.
"""

import math

from skgd.kernels.compiled.formulas import shrink
from skgd.kernels.compiled.jit import inline, merged

#: Columns of the sums over the updates of a stretch: share P, debt V and total rate after them; of
#: P and PV (for the l1 term of the objective), of P², P²V and P²V² (for the l2 term), and of P and
#: PV after each update that enters the average.
SHARE, DEBT, RATE, VALUES, SQUARES, ITERATES, SUMS = 0, 1, 2, 3, 5, 8, 10


@merged
def advance(now, after, rate, decay, rows, averaged):
    """Put the sums after one more update, of so many rows, into `after`."""
    share, debt = now[SHARE], now[DEBT]
    after[SHARE] = share * decay
    after[DEBT] = debt + rate / after[SHARE]
    after[RATE] = now[RATE] + rate
    after[VALUES] = now[VALUES] + rows * share
    after[VALUES + 1] = now[VALUES + 1] + rows * share * debt
    after[SQUARES] = now[SQUARES] + rows * share**2
    after[SQUARES + 1] = now[SQUARES + 1] + rows * share**2 * debt
    after[SQUARES + 2] = now[SQUARES + 2] + rows * (share * debt) ** 2
    after[ITERATES] = now[ITERATES] + averaged * after[SHARE]
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


@inline
def settled(z, iterates, past, now, owed, paid, o, j, l1, l2, count, sums):
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
    size, sign = abs(z[o, j]), math.copysign(1.0, z[o, j])
    if size == 0:
        return 0.0, float(paid[o, j]), 0.0
    left = size - l1 * now[DEBT]
    if left > 0:
        iterates[o, j] += sign * iterate_sum(l1, size, now)
        until_now = -sign * (owed[o, j] + l1 * now[RATE])
        return sign * now[SHARE] * left, until_now, value_sum(l1, l2, size, sums)
    last = death(past, count, size, l1)
    iterates[o, j] += sign * iterate_sum(l1, size, past[last - 1])
    left = past[last, SHARE] * (size - l1 * past[last - 1, DEBT])
    until_then = -sign * (owed[o, j] + l1 * past[last - 1, RATE] + left)
    return 0.0, until_then, value_sum(l1, l2, size, past[last])


@merged
def touch(z, iterates, past, now, after, owed, paid, o, j, l1, l2, count, fall, averages):
    """Move a coordinate against a gradient by `fall`; return what it adds to the objective.

    `fall` is a difference of z. A coordinate that keeps its sign falls as if there was no l1
    penalty, whose debt is part of z.
    """
    size, sign = abs(z[o, j]), math.copysign(1.0, z[o, j])
    moved = size - sign * fall
    if size > l1 * now[DEBT] and moved > l1 * after[DEBT]:
        z[o, j] = sign * moved
        if averages:
            iterates[o, j] += sign * (size - moved) * now[ITERATES]
        squares = (size + moved) * after[SQUARES] - 2 * l1 * after[SQUARES + 1]
        return (size - moved) * (l1 * after[VALUES] + 0.5 * l2 * squares)
    fall *= after[SHARE]
    if size == 0:
        left = shrink(-fall, owed[o, j] + l1 * after[RATE], paid[o, j])
        if left == 0:
            paid[o, j] += fall
            return 0.0
    return turn(z, iterates, past, now, after, owed, paid, o, j, l1, l2, count, fall)


@inline
def turn(z, iterates, past, now, after, owed, paid, o, j, l1, l2, count, fall):
    """Do what :func:`touch` does, for a coordinate that comes from zero or may go there."""
    here, before, total = settled(
        z, iterates, past, now, owed, paid, o, j, l1, l2, count, after
    )  # fmt: skip
    landed = here * (after[SHARE] / now[SHARE]) - fall
    left = shrink(landed, owed[o, j] + l1 * after[RATE], before)
    if left == 0:  # else what it has paid is what it owes
        z[o, j], paid[o, j] = 0, before + (left - landed)
        return total
    size, sign = abs(left) / after[SHARE] + l1 * after[DEBT], math.copysign(1.0, left)
    z[o, j] = sign * size
    iterates[o, j] -= sign * iterate_sum(l1, size, now)
    return total - value_sum(l1, l2, size, after)
