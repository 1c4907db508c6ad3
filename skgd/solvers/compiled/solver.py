"""Epochs by compiled loops: from tasks and states to what the loops take, and back."""

from dataclasses import dataclass, replace

import numpy as np

from skgd._utils.component import is_built_in
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
from skgd.solvers.sgd import lazy_sparse
from skgd.solvers.sgd.reference import row_norms

#: Features from which on a row is long.
LONG = 64


class CompiledEpochs:
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

    def __init__(self, problem):
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
            float(problem.largest_slope),
        )
        kind = kind_of_loop(problem)
        # The others are not written to, and stay those of the state before.
        self.moved = ["theta"] + ["mean"] * (problem.average > 0)
        self.moved += ["first", "second"] * optimizer.remembers
        self.moved += ["l1_total", "l1_applied"] * bool(objective.l1.any())
        walk = SGDState(*(np.zeros((1, 1), dtype) for _ in SGDState._fields))
        course = SGDState(*(np.zeros((1, 1, 1), dtype) for _ in SGDState._fields))
        sample = (
            *self.fixed,
            no_orders(1),
            readonly(np.ones((1, 1))),
            *self.rules,
            walk,
            self.manner,
        )
        keep = all(map(is_built_in, problem.formulas))
        self.kind = kind
        self.run = run_epochs.compiled(
            (kind, *sample, 0, 1.0, course, np.zeros(1), np.zeros(1)), keep
        )

    def __call__(self, state, order, rates, start=0):
        """Do what :func:`skgd.solvers.choice.executor` says."""
        orders = None if order is None else order[None]
        course = self.run_epochs(state, orders, rates[None], start)
        return course.state(0), course.running[0]

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
        Course
        """
        number, m = rates.shape
        width = state.theta.shape[-1]
        walk = SGDState(
            *(np.array(getattr(state, name).reshape(-1, width)) for name in SGDState._fields)
        )
        # Parts that stay as they are need no memory of their course.
        course = {
            name: np.empty((number * (name in self.moved), *walk.theta.shape), walk.theta.dtype)
            for name in SGDState._fields
        }
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
            SGDState(**course),
            totals,
            times,
        )
        row_at = min(m * self.manner.batch_size, self.n_rows - start)
        return Course(state, {name: course[name] for name in self.moved}, totals / row_at, times)


def rule_of(problem):
    """Return the step rule of a task, or None."""
    return problem.rule and Rule(record(problem.rule), readonly(row_norms(problem)))


def kind_of_loop(problem):
    """Return which loop runs the epochs of a task."""
    design = problem.objective.design
    if lazy_sparse.applies(problem):
        return LazySparse()
    if problem.batch_size > 1 or design.sparse:
        return PerBatch()
    return PerLongSample() if design.X.shape[1] >= LONG and not problem.rule else PerSample()


@dataclass(frozen=True)
class Course:
    """Where epochs led.

    Parameters
    ----------
    start : State
        Where they began.
    parts : dict of arrays
        What they moved, after each of them.
    running : array
        The running objective of each.
    times : array
        The numbers of the updates that come after each.
    """

    start: object
    parts: dict
    running: np.ndarray
    times: np.ndarray

    @property
    def finite(self):
        """Whether the parameters after each epoch are finite."""
        return np.isfinite(self.parts["theta"]).all(axis=(1, 2))

    def state(self, number):
        """Return the state after the epoch with this number, from 0."""
        shape = self.start.theta.shape
        parts = {name: part[number].reshape(shape) for name, part in self.parts.items()}
        return replace(self.start, **parts, t=int(self.times[number]))


def no_orders(number):
    """Return what stands for the rows as they stand, in some epochs."""
    return readonly(np.empty((number, 0), dtype=np.intp))


def strengths(penalty, dtype):
    """Return the strengths of the coefficients: a number where they are all the same."""
    coef = penalty[:-1].astype(dtype)
    return coef[0] if np.all(coef == coef[0]) else readonly(coef)
