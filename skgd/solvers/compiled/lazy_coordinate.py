r"""The coefficient of a feature between the updates whose rows have entries of it.

In update t, with the learning rate :math:`\eta_t`, an l2 penalty multiplies a coefficient by
:math:`d_t = \max(0, 1 - \eta_t l_2)`, and an l1 penalty shrinks it by :math:`\eta_t l_1`. With
:math:`P_t = \prod_{s<t} d_s` and :math:`V_t = \sum_{s<t} \eta_s / P_{s+1}` the coefficient is

.. math:: u_t = \operatorname{sign}(z)\, P_t \max(0, |z| - l_1 V_t)

with a number z that does not change until a row has an entry of the feature. So z is stored, and it
need not be known when it was last updated. What the coefficient adds to the running objective and
to the average between two such updates is a difference of two values of one function of z: that of
the old z is added, and that of the new one subtracted.
"""

import math
from typing import NamedTuple

import numpy as np

from skgd.solvers.compiled.component_methods import soft_threshold
from skgd.solvers.compiled.jit import force_inline, jit_function

#: Indices of the cumulative sums over the updates of a lazy period: the decay P, the shrinkage V
#: and the sum of the learning rates; the sums of P and PV before each update (for the l1 term of
#: the objective), of P², P²V and P²V² (for the l2 term), and of P and PV after each update whose
#: iterate enters the average.
DECAY, SHRINKAGE, RATE, L1_SUMS, L2_SUMS, AVERAGE_SUMS, N_SUMS = 0, 1, 2, 3, 5, 8, 10


class LazyPeriod(NamedTuple):
    """The coordinates between two updates of all of them.

    Parameters
    ----------
    z : array of shape (k, d)
        Numbers z of the coefficients.
    iterates : array of shape (k, d + 1)
        Sum of the iterates that enter the average, without what has not been added for z.
    l1_total, l1_applied : arrays of shape (k, d + 1)
        The l1 penalty so far, and the part of it that has been applied (u and q of Tsuruoka et al.,
        2009); `l1_total` is that at the beginning of the period.
    past : array of shape (m, 10)
        The cumulative sums after 0, 1, ... updates; a single row without an l1 penalty.
    now : array of shape (10,)
        The cumulative sums after the updates so far.
    shift : array of shape (3, k)
        The multiple of the shift of centred rows in the coefficients, the sum of those multiples
        that enter the average, and the product of the shift and z.
    """

    z: np.ndarray
    iterates: np.ndarray
    l1_total: np.ndarray
    l1_applied: np.ndarray
    past: np.ndarray
    now: np.ndarray
    shift: np.ndarray


class UpdateSums(NamedTuple):
    """The cumulative sums before and after an update that the update of a coordinate needs."""

    shrinkage_before: float
    average_before: float
    shrinkage: float
    decay: float
    rate: float
    l1_decay: float
    l2_decay: float
    l2_shrinkage: float


@force_inline
def advance_sums(now, after, decay, n_penalized, is_averaged):
    """Write the cumulative sums after an update to `after`; see also `advance_l1_sums`.

    Parameters
    ----------
    now : array of shape (10,)
        The cumulative sums before the update.
    after : array of shape (10,)
        Written to.
    decay : float
        What the l2 penalty multiplies a coefficient by.
    n_penalized : int
        How many times the penalty enters the running objective.
    is_averaged : bool
        Whether the iterate enters the average.
    """
    before = now[DECAY]
    after[DECAY] = before * decay
    after[L2_SUMS] = now[L2_SUMS] + n_penalized * before**2
    after[AVERAGE_SUMS] = now[AVERAGE_SUMS] + is_averaged * after[DECAY]


@force_inline
def advance_l1_sums(now, after, rate, n_penalized, is_averaged):
    """Write the other cumulative sums, which an l1 penalty needs, to `after`."""
    before, shrinkage = now[DECAY], now[SHRINKAGE]
    after[SHRINKAGE] = shrinkage + rate / after[DECAY]
    after[RATE] = now[RATE] + rate
    after[L1_SUMS] = now[L1_SUMS] + n_penalized * before
    after[L1_SUMS + 1] = now[L1_SUMS + 1] + n_penalized * before * shrinkage
    after[L2_SUMS + 1] = now[L2_SUMS + 1] + n_penalized * before**2 * shrinkage
    after[L2_SUMS + 2] = now[L2_SUMS + 2] + n_penalized * (before * shrinkage) ** 2
    after[AVERAGE_SUMS + 1] = now[AVERAGE_SUMS + 1] + is_averaged * after[DECAY] * after[SHRINKAGE]


@force_inline
def select_sums(now, after):
    """Return the cumulative sums of an update as numbers, which no write to an array changes."""
    return UpdateSums(
        shrinkage_before=now[SHRINKAGE],
        average_before=now[AVERAGE_SUMS],
        shrinkage=after[SHRINKAGE],
        decay=after[DECAY],
        rate=after[RATE],
        l1_decay=after[L1_SUMS],
        l2_decay=after[L2_SUMS],
        l2_shrinkage=after[L2_SUMS + 1],
    )


@jit_function
def penalty_sum(l1, l2, magnitude, sums):
    """Return the sum of the penalties of a coefficient, given abs(z) and the cumulative sums."""
    squares = magnitude * magnitude * sums[L2_SUMS]
    if l1:
        squares += l1 * (l1 * sums[L2_SUMS + 2] - 2 * magnitude * sums[L2_SUMS + 1])
    return l1 * (magnitude * sums[L1_SUMS] - l1 * sums[L1_SUMS + 1]) + 0.5 * l2 * squares


@jit_function
def iterate_sum(l1, magnitude, sums):
    """Return the sum of a coefficient's averaged iterates, given abs(z) and the cumulative sums."""
    return magnitude * sums[AVERAGE_SUMS] - l1 * sums[AVERAGE_SUMS + 1]


@jit_function
def zero_crossing(past, count, magnitude, l1):
    """Return the first of `count` updates after which a coefficient is zero."""
    first, last = 1, count
    while first < last:
        middle = (first + last) // 2
        if l1 * past[middle, SHRINKAGE] >= magnitude:
            last = middle
        else:
            first = middle + 1
    return first


@jit_function
def catch_up(period, o, j, l1, l2, count, sums):
    """Apply the deferred updates to a coordinate.

    Parameters
    ----------
    period : LazyPeriod
        The coordinates; the coordinate's averaged iterates are added to `iterates`.
    o, j : int
        Output and feature.
    l1, l2 : float
        Strengths of the penalties.
    count : int
        Updates of the period so far.
    sums : array of shape (10,)
        The cumulative sums up to which the penalty is summed.

    Returns
    -------
    w : float
        The coefficient.
    l1_applied : float
        The l1 penalty applied to it.
    total : float
        Sum of its penalties.
    """
    past, now, l1_total = period.past, period.now, period.l1_total
    magnitude, sign = abs(period.z[o, j]), math.copysign(1.0, period.z[o, j])
    if magnitude == 0:
        return 0.0, float(period.l1_applied[o, j]), 0.0
    remaining = magnitude - l1 * now[SHRINKAGE]
    if remaining > 0:
        period.iterates[o, j] += sign * iterate_sum(l1, magnitude, now)
        l1_applied = -sign * (l1_total[o, j] + l1 * now[RATE])
        return sign * now[DECAY] * remaining, l1_applied, penalty_sum(l1, l2, magnitude, sums)
    last = zero_crossing(past, count, magnitude, l1)
    period.iterates[o, j] += sign * iterate_sum(l1, magnitude, past[last - 1])
    remaining = past[last, DECAY] * (magnitude - l1 * past[last - 1, SHRINKAGE])
    l1_applied = -sign * (l1_total[o, j] + l1 * past[last - 1, RATE] + remaining)
    return 0.0, l1_applied, penalty_sum(l1, l2, magnitude, past[last])


@force_inline
def update_coordinate(period, after, sums, o, j, l1, update, step):
    """Subtract `step` from z; return what the coordinate adds to the running objective.

    A coefficient that keeps its sign is updated as if there were no l1 penalty, whose shrinkage is
    part of z. One at zero stays there as long as the step is less than the l1 penalty not yet
    applied. Both cases are computed without a branch, which the processor could not predict.

    Parameters
    ----------
    period : LazyPeriod
        The coordinates.
    after : array of shape (10,)
        The cumulative sums after the update.
    sums : UpdateSums
        Cumulative sums before and after the update.
    o, j : int
        Output and feature.
    l1 : float
        Strength of the l1 penalty.
    update : named tuple
        The update: l2 strength, count of earlier updates, and whether iterates are averaged.
    step : float
        Difference of z.
    """
    z, l1_applied = period.z, period.l1_applied
    magnitude, sign = abs(z[o, j]), math.copysign(1.0, z[o, j])
    updated, pushed = magnitude - sign * step, step * sums.decay
    remaining = min(magnitude - l1 * sums.shrinkage_before, updated - l1 * sums.shrinkage)
    unapplied = period.l1_total[o, j] + l1 * sums.rate - abs(l1_applied[o, j] + pushed)
    if not max(remaining, unapplied if magnitude == 0 else -1.0) > 0:
        return update_at_zero(period, after, o, j, l1, update, pushed, -math.inf, math.inf)
    keeps_sign = remaining > 0
    decrease = magnitude - updated if keeps_sign else 0.0
    z[o, j] = sign * updated if keeps_sign else 0.0
    l1_applied[o, j] += 0.0 if keeps_sign else pushed
    if update.averages:
        period.iterates[o, j] += sign * decrease * sums.average_before
    squares = (magnitude + updated) * sums.l2_decay - 2 * l1 * sums.l2_shrinkage
    return decrease * (l1 * sums.l1_decay + 0.5 * update.l2 * squares)


@jit_function
def update_at_zero(period, after, o, j, l1, update, step, lower, upper):
    """Update a coefficient that is zero or may become zero, or that has bounds.

    See :func:`update_coordinate`. Here `step` is a difference of the coefficient, not of z.
    """
    z, now, l1_applied = period.z, period.now, period.l1_applied
    w, applied, total = catch_up(period, o, j, l1, update.l2, update.n_previous, after)
    unpenalized = w * (after[DECAY] / now[DECAY]) - step
    shrunk = soft_threshold(unpenalized, period.l1_total[o, j] + l1 * after[RATE], applied)
    w = min(max(shrunk, lower), upper)
    if w == 0:  # else what has been applied follows from the total
        z[o, j], l1_applied[o, j] = 0, applied + (shrunk - unpenalized)
        return total
    magnitude, sign = abs(w) / after[DECAY] + l1 * after[SHRINKAGE], math.copysign(1.0, w)
    z[o, j] = sign * magnitude
    period.iterates[o, j] -= sign * iterate_sum(l1, magnitude, now)
    return total - penalty_sum(l1, update.l2, magnitude, after)
