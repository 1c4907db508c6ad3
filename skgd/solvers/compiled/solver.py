"""Epochs by compiled loops: from tasks and states to what the loops take, and back."""

from dataclasses import dataclass, replace

import numpy as np

from skgd._utils.component import is_built_in
from skgd.solvers.base import EpochInfo
from skgd.solvers.compiled.epochs import (
    LazySparse,
    PerBatch,
    PerLongSample,
    PerSample,
    run_epochs,
)
from skgd.solvers.compiled.formulas import record
from skgd.solvers.compiled.rows import readonly, rows_of
from skgd.solvers.compiled.sgd_loops import Formulas, Penalty, Rule, SGDOptions, SGDState, Targets
from skgd.solvers.sgd.base import SGDSolver
from skgd.solvers.sgd.lazy_sparse import LazySparseSGD
from skgd.solvers.sgd.reference import row_norms

#: Arrays of a state, beside the optimizer's.
ARRAYS = SGDState._fields[:-1]

#: Features from which on a row is long.
LONG = 64


class CompiledSGD(SGDSolver):
    """The epochs of a task, by compiled loops.

    Parameters
    ----------
    task : Task
        What to descend on, and how.

    Raises
    ------
    NotCompilableError
        If Numba cannot compile a piece of the user's own.
    """

    can_run_ahead = True

    def __init__(self, problem):
        super().__init__(problem)
        objective, optimizer = problem.objective, problem.optimizer
        design, dtype = objective.design, objective.y.dtype
        self.n_rows = design.n_rows
        weights = np.empty(0, dtype) if objective.weights is None else objective.weights
        y = objective.y.reshape(design.n_rows, -1)
        self.fixed = (
            rows_of(design),
            Targets(readonly(y), readonly(weights.astype(dtype, copy=False))),
        )
        self.rules = (
            Formulas(record(objective.loss), record(optimizer), rule_of(problem)),
            Penalty(
                strengths(objective.l1, dtype) if objective.l1.any() else None,
                strengths(objective.l2, dtype),
            ),
        )
        self.manner = SGDOptions(
            problem.batch_size,
            design.fit_intercept,
            int(problem.average),
            float(problem.max_loss_gradient),
        )
        kind = kind_of_loop(problem)
        # The other arrays are not written to: they stay those of the state before.
        self.moved = ["theta"] + ["averaged_theta"] * (problem.average > 0)
        self.moved += ["l1_total", "l1_applied"] * bool(objective.l1.any())
        walk = sample_state((1, 1), dtype, optimizer)
        course = sample_state((1, 1, 1), dtype, optimizer)
        sample = (
            *self.fixed,
            no_orders(1),
            readonly(np.ones((1, 1))),
            *self.rules,
            walk,
            self.manner,
        )
        keep = all(map(is_built_in, problem.formula_components))
        self.kind = kind
        self.run = run_epochs.compiled(
            (kind, *sample, 0, 1.0, course, np.zeros(1), np.zeros(1)), keep
        )

    def run_epoch(self, state, workspace, learning_rates, order=None, start=0):
        """Run one epoch, or as many of its updates as there are learning rates."""
        orders = None if order is None else order[None]
        trace = self.run_epochs(state, orders, learning_rates[None], start)
        return trace.state(0), workspace, EpochInfo(trace.objectives[0])

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch."""
        trace = self.run_epochs(state, None if order is None else order[None], learning_rates[None])
        return trace.state(0), trace.objectives[0]

    def run_epochs(self, state, orders, rates, start=0):
        """Run epochs that follow each other.

        Parameters
        ----------
        state : State
            Where to start; it is not changed.
        orders : array of shape (number, n_rows) or None
            The rows in the orders of their visits; None means as they stand.
        rates : array of shape (number, m)
            The learning rate of each update.
        start : int, default=0
            The visit that comes first, in every epoch.

        Returns
        -------
        EpochTrace
        """
        number, m = rates.shape
        width, dtype = state.theta.shape[-1], state.theta.dtype
        optimizer_state = [np.array(part, dtype) for part in state.optimizer_state]
        walk = SGDState(
            *(np.array(getattr(state, name).reshape(-1, width)) for name in ARRAYS),
            tuple(part.reshape(-1, width) for part in optimizer_state),
        )
        shape = walk.theta.shape
        # Arrays that are not written to need no copies after each epoch.
        course = {name: np.empty((number * (name in self.moved), *shape), dtype) for name in ARRAYS}
        optimizer_course = tuple(np.empty((number, *shape), dtype) for _ in optimizer_state)
        totals, times = np.empty(number), np.empty(number)
        self.run(
            self.kind,
            *self.fixed,
            no_orders(number) if orders is None else readonly(orders),
            readonly(rates),
            *self.rules,
            walk,
            self.manner,
            start,
            float(state.t),
            SGDState(**course, optimizer_state=optimizer_course),
            totals,
            times,
        )
        n_visited = min(m * self.manner.batch_size, self.n_rows - start)
        parts = {name: course[name] for name in self.moved}
        return EpochTrace(state, parts, optimizer_course, totals / n_visited, times)


def sample_state(shape, dtype, optimizer):
    """Return a state of arrays of zeros, whose types are those of a problem's states."""
    arrays = [np.zeros(shape, dtype) for _ in ARRAYS]
    return SGDState(*arrays, tuple(np.zeros(shape, dtype) for _ in optimizer.state_names))


def rule_of(problem):
    """Return the step rule of a task, or None."""
    return problem.row_rule and Rule(record(problem.row_rule), readonly(row_norms(problem)))


def kind_of_loop(problem):
    """Return which loop runs the epochs of a task."""
    design = problem.objective.design
    if LazySparseSGD.applies_to(problem):
        return LazySparse()
    if problem.batch_size > 1 or design.sparse:
        return PerBatch()
    return PerLongSample() if design.X.shape[1] >= LONG and not problem.row_rule else PerSample()


@dataclass(frozen=True)
class EpochTrace:
    """Where epochs led.

    Parameters
    ----------
    start : State
        Where they began.
    parts : dict of arrays
        What they moved, after each of them.
    optimizer_state : tuple of arrays
        The optimizer's state after each of them.
    objectives : array
        The objective that is reported of each.
    times : array
        The numbers of the updates that come after each.
    """

    start: object
    parts: dict
    optimizer_state: tuple
    objectives: np.ndarray
    times: np.ndarray

    @property
    def is_finite(self):
        """Whether the parameters after each epoch are finite."""
        return np.isfinite(self.parts["theta"]).all(axis=(1, 2))

    def state(self, number):
        """Return the state after the epoch with this number, from 0."""
        shape = self.start.theta.shape
        parts = {name: part[number].reshape(shape) for name, part in self.parts.items()}
        optimizer_state = tuple(part[number].reshape(shape) for part in self.optimizer_state)
        t = int(self.times[number])
        return replace(self.start, **parts, optimizer_state=optimizer_state, t=t)


def no_orders(number):
    """Return what stands for the rows as they stand, in some epochs."""
    return readonly(np.empty((number, 0), dtype=np.intp))


def strengths(penalty, dtype):
    """Return the strengths of the coefficients: a number where they are all the same."""
    coef = penalty[:-1].astype(dtype)
    return coef[0] if np.all(coef == coef[0]) else readonly(coef)
