"""Epochs that follow each other, of whichever kind."""

from functools import cache
from typing import NamedTuple

from numba.extending import overload

from skgd.solvers.compiled.jit import MERGED_PART, PART, Kernel, inline
from skgd.solvers.compiled.lazy_sparse import run_lazy_sparse
from skgd.solvers.compiled.sgd_loops import per_batch, per_long_sample, per_sample


class PerSample(NamedTuple):
    """Updates on one dense row each."""


class PerLongSample(NamedTuple):
    """Updates on one long dense row each."""


class PerBatch(NamedTuple):
    """Updates on rows of any kind and number."""


class LazySparse(NamedTuple):
    """Updates on sparse rows that touch their entries only."""


LOOPS = {
    PerSample: per_sample,
    PerLongSample: per_long_sample,
    PerBatch: per_batch,
    LazySparse: run_lazy_sparse,
}


def epoch(kind, rows, targets, order, rates, components, penalty, walk, manner, start, t):
    """Run an epoch; see :func:`skgd.solvers.compiled.sgd_loops.per_sample`."""


@overload(epoch, jit_options=MERGED_PART)
def _epoch(kind, rows, targets, order, rates, components, penalty, walk, manner, start, t):
    return LOOPS[kind.instance_class]


def epochs(
    kind,
    rows,
    targets,
    orders,
    rates,
    components,
    penalty,
    walk,
    manner,
    start,
    t,
    course,
    totals,
    times,
):
    """Run epochs.

    Parameters
    ----------
    kind : PerSample, PerLongSample, PerBatch or LazySparse
        Which loop runs them.
    orders : array of shape (number, n_rows)
        The rows in the order of their visits; of shape (number, 0) for that in which they stand.
    rates : array of shape (number, m)
        The rates of each epoch.
    course : Walk of arrays of shape (number, k, d + 1)
        Takes what the epochs lead to; arrays of length 0 for what is not to be known.
    totals : array of shape (number,)
        Takes the sums of their objectives.
    times : array of shape (number,)
        Takes the numbers of the updates that come after them.
    rows, targets, pieces, penalty, walk, manner, start, t
        See :func:`skgd.solvers.compiled.sgd_loops.per_sample`.
    """
    for number in range(len(rates)):
        order, some, t = orders[number], rates[number], float(t)
        totals[number], t = epoch(
            kind, rows, targets, order, some, components, penalty, walk, manner, start, t
        )
        times[number] = t
        keep(course.theta, number, walk.theta)
        keep(course.averaged_theta, number, walk.averaged_theta)
        keep(course.l1_total, number, walk.l1_total)
        keep(course.l1_applied, number, walk.l1_applied)
        keep_all(course.optimizer_state, number, walk.optimizer_state)


@inline
def keep(course, number, part):
    """Keep a copy of an array, if there is a place for it."""
    if len(course):
        for o in range(part.shape[0]):  # an assignment of arrays would compile for seconds
            for j in range(part.shape[1]):
                course[number, o, j] = part[o, j]


def keep_all(courses, number, parts):
    """Keep a copy of each of some arrays."""


@cache
def keeper(count):
    """Return the compiled function that keeps copies of the first `count` arrays."""
    if count == 0:
        return inline(lambda courses, number, parts: None)
    keep_others, last = keeper(count - 1), count - 1

    def keep_first(courses, number, parts):
        keep_others(courses, number, parts)
        keep(courses[last], number, parts[last])

    return inline(keep_first)


@overload(keep_all, jit_options=PART)
def _keep_all(courses, number, parts):
    keep_first = keeper(len(parts))
    return lambda courses, number, parts: keep_first(courses, number, parts)


run_epochs = Kernel(epochs)
