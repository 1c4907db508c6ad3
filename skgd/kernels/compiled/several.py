"""Epochs that follow each other, of whichever kind."""

from typing import NamedTuple

from numba.extending import overload

from skgd.kernels.compiled.jit import PART, Kernel, inline
from skgd.kernels.compiled.touched import per_touch
from skgd.kernels.compiled.updates import per_batch, per_sample


class PerSample(NamedTuple):
    """Updates on one dense row each."""


class PerBatch(NamedTuple):
    """Updates on rows of any kind and number."""


class PerTouch(NamedTuple):
    """Updates on sparse rows that touch their entries only."""


LOOPS = {PerSample: inline(per_sample), PerBatch: inline(per_batch), PerTouch: inline(per_touch)}


def epoch(kind, rows, targets, order, rates, pieces, penalty, walk, manner, start, t):
    """Run an epoch; see :func:`skgd.kernels.compiled.updates.per_sample`."""


@overload(epoch, jit_options=PART)
def _epoch(kind, rows, targets, order, rates, pieces, penalty, walk, manner, start, t):
    loop = LOOPS[kind.instance_class]
    return lambda kind, rows, targets, order, rates, pieces, penalty, walk, manner, start, t: loop(
        rows, targets, order, rates, pieces, penalty, walk, manner, start, t
    )


def epochs(
    kind, rows, targets, orders, rates, pieces, penalty, walk, manner, start, t, course, totals
):
    """Run epochs.

    Parameters
    ----------
    kind : PerSample, PerBatch or PerTouch
        Which loop runs them.
    orders, rates : arrays of shape (number, n_rows) and (number, m)
        Orders, or an array without any, and rates of each epoch.
    course : Walk of arrays of shape (number, k, d + 1)
        Takes what the epochs lead to; arrays of length 0 for what is not to be known.
    totals : array of shape (number,)
        Takes the sums of their objectives.
    rows, targets, pieces, penalty, walk, manner, start, t
        See :func:`skgd.kernels.compiled.updates.per_sample`.
    """
    for number in range(len(rates)):
        order = orders[number] if len(orders) else orders.reshape(0)
        totals[number], t = epoch(
            kind,
            rows,
            targets,
            order,
            rates[number],
            pieces,
            penalty,
            walk,
            manner,
            start,
            float(t),
        )
        keep(course.theta, number, walk.theta)
        keep(course.mean, number, walk.mean)
        keep(course.first, number, walk.first)
        keep(course.second, number, walk.second)
        keep(course.owed, number, walk.owed)
        keep(course.paid, number, walk.paid)


@inline
def keep(course, number, part):
    """Keep a copy of an array, if there is a place for it."""
    if len(course):
        course[number] = part


run_epochs = Kernel(epochs)
