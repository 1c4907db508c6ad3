"""Epochs of a problem by compiled loops."""

from typing import NamedTuple

import numpy as np

from skgd._utils.component import is_built_in
from skgd.solvers.base import EpochInfo
from skgd.solvers.compiled.component_methods import record
from skgd.solvers.compiled.epochs import (
    Epochs,
    LazySparse,
    PerBatch,
    PerSample,
    TraceArrays,
    run_epochs,
)
from skgd.solvers.compiled.rows import compiled_rows, readonly
from skgd.solvers.compiled.sgd_loops import Data, Formulas, Penalty, SGDOptions, SGDState, StepRule
from skgd.solvers.sgd.base import SGDSolver
from skgd.solvers.sgd.lazy_sparse import LazySparseSGD
from skgd.solvers.sgd.reference import row_norms

#: Arrays of a state, beside the optimizer's.
ARRAYS = SGDState._fields[:-1]


class CompiledSGD(SGDSolver):
    """The epochs of a problem, by compiled loops.

    Parameters
    ----------
    problem : Problem
        Objective, optimizer and options.

    Raises
    ------
    NotCompilableError
        If Numba cannot compile a component of the user's own.
    """

    can_run_ahead = True

    def __init__(self, problem):
        super().__init__(problem)
        objective, optimizer = problem.objective, problem.optimizer
        design, dtype = objective.design, objective.y.dtype
        self.n_rows, self.kind = design.n_rows, loop_kind(problem)
        weights = np.empty(0, dtype) if objective.weights is None else objective.weights
        y = objective.y.reshape(design.n_rows, -1)
        weights = readonly(weights.astype(dtype, copy=False))
        offset = np.empty((0, y.shape[1]), dtype)
        if objective.offset is not None:
            offset = objective.offset.reshape(y.shape)
        self.data = Data(compiled_rows(design), readonly(y), weights, readonly(offset))
        rule = problem.row_rule
        rule = rule and StepRule(record(rule), readonly(row_norms(problem)))
        penalty = compiled_penalty(objective, isinstance(self.kind, LazySparse))
        self.formulas = Formulas(record(objective.loss), record(optimizer), rule), penalty
        average_from, max_gradient = int(problem.average), float(problem.max_loss_gradient)
        options = problem.batch_size, design.fit_intercept, average_from, max_gradient
        self.options = SGDOptions(*options)
        # The other arrays are not written to: they stay those of the state before.
        self.changed = ["theta"] + ["averaged_theta"] * (problem.average > 0)
        self.changed += ["l1_total", "l1_applied"] * bool(objective.l1.any())
        n_arrays = len(optimizer.state_names)
        epochs = Epochs(no_orders(1), readonly(np.ones((1, 1))), 0, 1.0)
        state = sample_state((1, 1), dtype, n_arrays)
        states = sample_state((1, 1, 1), dtype, n_arrays)
        arguments = self.arguments(epochs, state, TraceArrays(states, np.zeros(1), np.zeros(1)))
        is_cached = all(map(is_built_in, problem.formula_components))
        self.loop = run_epochs.compile_for(arguments, is_cached)

    def arguments(self, epochs, state, trace):
        """Return the arguments of the loop."""
        return self.kind, self.data, epochs, *self.formulas, self.options, state, trace

    def run_epoch(self, state, workspace, learning_rates, order=None, start=0):
        """Run one epoch, or as many of its updates as there are learning rates."""
        orders = None if order is None else order[None]
        trace = self.run_epochs(state, orders, learning_rates[None], start)
        return trace.state(0), workspace, EpochInfo(trace.objectives[0])

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch."""
        state, _, info = self.run_epoch(state, None, learning_rates, order)
        return state, info.objective

    def run_epochs(self, state, orders, rates, start=0):
        """Run consecutive epochs.

        Parameters
        ----------
        state : State
            State before the first epoch; it is not changed.
        orders : array of shape (n_epochs, n_rows) or None
            The rows in the order of their visits; None means the order in which they are stored.
        rates : array of shape (n_epochs, m)
            Learning rate of each update.
        start : int, default=0
            First visit of each epoch.

        Returns
        -------
        EpochTrace
        """
        n_epochs, m = rates.shape
        width, dtype = state.theta.shape[-1], state.theta.dtype
        optimizer_state = [np.array(array, dtype) for array in state.optimizer_state]
        arrays = SGDState(
            *(np.array(getattr(state, name).reshape(-1, width)) for name in ARRAYS),
            tuple(array.reshape(-1, width) for array in optimizer_state),
        )
        shape = arrays.theta.shape
        copies = SGDState(
            *(np.empty((n_epochs * (name in self.changed), *shape), dtype) for name in ARRAYS),
            tuple(np.empty((n_epochs, *shape), dtype) for _ in optimizer_state),
        )
        trace = TraceArrays(copies, np.empty(n_epochs), np.empty(n_epochs))
        orders = no_orders(n_epochs) if orders is None else readonly(orders)
        epochs = Epochs(orders, readonly(rates), start, float(state.t))
        self.loop(*self.arguments(epochs, arrays, trace))
        n_visited = min(m * self.options.batch_size, self.n_rows - start)
        changed = {name: getattr(copies, name) for name in self.changed}
        return EpochTrace(
            state, changed, copies.optimizer_state, trace.totals / n_visited, trace.times
        )


def sample_state(shape, dtype, n_arrays):
    """Return a state of zeros, with so many arrays of the optimizer, for its types."""
    optimizer_state = tuple(np.zeros(shape, dtype) for _ in range(n_arrays))
    return SGDState(*(np.zeros(shape, dtype) for _ in ARRAYS), optimizer_state)


def loop_kind(problem):
    """Return the kind of the loop that runs the epochs of a problem."""
    design = problem.objective.design
    if LazySparseSGD.applies_to(problem):
        return LazySparse()
    return PerBatch() if problem.batch_size > 1 or design.sparse else PerSample()


class EpochTrace(NamedTuple):
    """The states and the objectives of consecutive epochs.

    Parameters
    ----------
    start : State
        State before the first epoch.
    arrays : dict of arrays of shape (n_epochs, k, d + 1)
        The arrays that the updates changed, after each epoch.
    optimizer_state : tuple of arrays of shape (n_epochs, k, d + 1)
        The optimizer's state after each epoch.
    objectives : array of shape (n_epochs,)
        Running objective of each epoch.
    times : array of shape (n_epochs,)
        Numbers of the updates after each epoch.
    """

    start: object
    arrays: dict
    optimizer_state: tuple
    objectives: np.ndarray
    times: np.ndarray

    @property
    def is_finite(self):
        """Whether the parameters after each epoch are finite."""
        return np.isfinite(self.arrays["theta"]).all(axis=(1, 2))

    def state(self, number):
        """Return the state after the epoch with this number, from 0."""
        shape = self.start.theta.shape
        arrays = {name: array[number].reshape(shape) for name, array in self.arrays.items()}
        optimizer_state = tuple(array[number].reshape(shape) for array in self.optimizer_state)
        t = int(self.times[number])
        return self.start.replace(**arrays, optimizer_state=optimizer_state, t=t)


def no_orders(n_epochs):
    """Return the orders that stand for the order in which rows are stored."""
    return readonly(np.empty((n_epochs, 0), dtype=np.intp))


def compiled_penalty(objective, is_lazy):
    """Return the strengths and bounds of an objective for compiled loops.

    The lazy loop handles bounds together with an l1 penalty, whose strength may be 0.
    """
    has_l1 = objective.l1.any() or (is_lazy and objective.has_bounds)
    given = has_l1, True, objective.has_bounds, objective.has_bounds
    arrays = objective.l1, objective.l2, objective.lower, objective.upper
    dtype = objective.y.dtype
    pairs = zip(given, arrays, strict=True)
    return Penalty(*(strengths(array, dtype) if is_given else None for is_given, array in pairs))


def strengths(array, dtype):
    """Return the strengths or bounds of the coefficients, or a number if all are equal."""
    coef = array[:-1].astype(dtype)
    return coef[0] if np.all(coef == coef[0]) else readonly(coef)
