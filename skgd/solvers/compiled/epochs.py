"""Consecutive epochs, by the loop for the kind of rows and batches."""

from typing import NamedTuple

import numpy as np

from skgd.solvers.compiled.jit import (
    CompiledLoop,
    by_type,
    force_inline_by_type,
    jit_function,
    without_refcount,
)
from skgd.solvers.compiled.lazy_sparse import run_lazy_sparse
from skgd.solvers.compiled.sgd_loops import SGDState, Visits, per_batch, per_sample


class PerSample(NamedTuple):
    """Updates on one dense row each."""


class PerBatch(NamedTuple):
    """Updates on batches of rows of any kind."""


class LazySparse(NamedTuple):
    """Updates on sparse rows that touch only the coordinates with stored entries."""


LOOPS = {PerSample: per_sample, PerBatch: per_batch, LazySparse: run_lazy_sparse}


class Epochs(NamedTuple):
    """The updates of consecutive epochs.

    Parameters
    ----------
    orders : array of shape (n_epochs, n_rows)
        The rows in the order of their visits; of shape (n_epochs, 0) for the order in which they
        are stored.
    rates : array of shape (n_epochs, m)
        Learning rates of the updates of each epoch.
    first : int
        Number of the first visit of each epoch.
    t : float
        Number of the first update, from 1.
    """

    orders: np.ndarray
    rates: np.ndarray
    first: int
    t: float


class TraceArrays(NamedTuple):
    """Arrays that results are written to, epoch by epoch.

    Parameters
    ----------
    states : SGDState of arrays of shape (n_epochs, k, d + 1)
        The state after each epoch; arrays of length 0 are not written to.
    totals : array of shape (n_epochs,)
        Sums of the objectives just before the updates.
    times : array of shape (n_epochs,)
        Numbers of the updates after each epoch.
    """

    states: SGDState
    totals: np.ndarray
    times: np.ndarray


@force_inline_by_type
def run_epoch(kind, data, visits, formulas, penalty, options, state):
    """Run an epoch; see :func:`skgd.solvers.compiled.sgd_loops.per_sample`."""
    return LOOPS[kind.instance_class]


def epochs_loop(kind, data, epochs, formulas, penalty, options, state, trace):
    """Run consecutive epochs.

    Parameters
    ----------
    kind : PerSample, PerBatch or LazySparse
        Selects the loop.
    epochs : Epochs
        Their updates.
    trace : TraceArrays
        The results, which are written to.
    data, formulas, penalty, options, state : named tuples
        See :func:`skgd.solvers.compiled.sgd_loops.per_sample`.
    """
    state, trace, t = without_refcount(state), without_refcount(trace), epochs.t
    for number in range(len(epochs.rates)):
        visits = Visits(epochs.orders[number], epochs.rates[number], epochs.first, t)
        trace.totals[number], t = run_epoch(kind, data, visits, formulas, penalty, options, state)
        trace.times[number] = t
        copy_array(trace.states.theta, number, state.theta)
        copy_array(trace.states.averaged_theta, number, state.averaged_theta)
        copy_array(trace.states.l1_total, number, state.l1_total)
        copy_array(trace.states.l1_applied, number, state.l1_applied)
        copy_arrays(trace.states.optimizer_state, number, state.optimizer_state)


@jit_function
def copy_array(copies, number, array):
    """Copy an array to ``copies[number]``, unless `copies` has length 0."""
    if len(copies):
        for o in range(array.shape[0]):  # assigning whole arrays would take seconds to compile
            for j in range(array.shape[1]):
                copies[number, o, j] = array[o, j]


@by_type
def copy_arrays(copies, number, arrays):
    """Copy each array of a tuple."""

    def loop(copies, number, arrays):
        for k in range(len(arrays)):
            copy_array(copies[k], number, arrays[k])

    # The items of an empty tuple have no type.
    return loop if len(arrays) else lambda copies, number, arrays: None


run_epochs = CompiledLoop(epochs_loop)
