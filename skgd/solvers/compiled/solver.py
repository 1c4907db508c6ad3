"""Epochs by compiled loops: from tasks and states to what the loops take, and back."""

from dataclasses import dataclass, replace

import numpy as np

from skgd._utils.component import is_built_in
from skgd.solvers.compiled.epochs import (
    PerBatch,
    PerLongSample,
    PerSample,
    PerTouch,
    run_epochs,
)
from skgd.solvers.compiled.formulas import record
from skgd.solvers.compiled.rows import frozen, rows_of
from skgd.solvers.compiled.sgd_loops import Manner, Penalty, Pieces, Rule, Targets, Walk
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

    def __init__(self, task):
        objective, optimizer = task.objective, task.optimizer
        design, dtype = objective.design, objective.y.dtype
        self.n_rows = design.n_rows
        weights = np.empty(0, dtype) if objective.weights is None else objective.weights
        y = objective.y.reshape(design.n_rows, -1)
        self.fixed = rows_of(design), Targets(frozen(y), frozen(weights.astype(dtype, copy=False)))
        self.rules = (
            Pieces(record(objective.loss), record(optimizer), rule_of(task)),
            Penalty(
                strengths(objective.l1, dtype) if objective.l1.any() else None,
                strengths(objective.l2, dtype),
            ),
        )
        self.manner = Manner(
            task.batch_size, design.fit_intercept, int(task.average), float(task.largest_slope)
        )
        kind = kind_of_loop(task)
        # The others are not written to, and stay those of the state before.
        self.moved = ["theta"] + ["mean"] * (task.average > 0)
        self.moved += ["first", "second"] * optimizer.remembers
        self.moved += ["owed", "paid"] * bool(objective.l1.any())
        walk = Walk(*(np.zeros((1, 1), dtype) for _ in Walk._fields))
        course = Walk(*(np.zeros((1, 1, 1), dtype) for _ in Walk._fields))
        sample = *self.fixed, no_orders(1), frozen(np.ones((1, 1))), *self.rules, walk, self.manner
        keep = all(map(is_built_in, task.formulas))
        self.kind = kind
        self.run = run_epochs.compiled(
            (kind, *sample, 0, 1.0, course, np.zeros(1), np.zeros(1)), keep
        )

    def __call__(self, state, order, rates, start=0):
        """Do what :func:`skgd.solvers.choice.executor` says."""
        orders = None if order is None else order[None]
        course = self.several(state, orders, rates[None], start)
        return course.state(0), course.running[0]

    def several(self, state, orders, rates, start=0):
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
        walk = Walk(*(np.array(getattr(state, name).reshape(-1, width)) for name in Walk._fields))
        # Parts that stay as they are need no memory of their course.
        course = {
            name: np.empty((number * (name in self.moved), *walk.theta.shape), walk.theta.dtype)
            for name in Walk._fields
        }
        totals, times = np.empty(number), np.empty(number)
        self.run(
            self.kind,
            *self.fixed,
            no_orders(number) if orders is None else frozen(orders),
            frozen(rates),
            *self.rules,
            walk,
            self.manner,
            start,
            float(state.t),
            Walk(**course),
            totals,
            times,
        )
        visited = min(m * self.manner.batch_size, self.n_rows - start)
        return Course(state, {name: course[name] for name in self.moved}, totals / visited, times)


def rule_of(task):
    """Return the step rule of a task, or None."""
    return task.rule and Rule(record(task.rule), frozen(row_norms(task)))


def kind_of_loop(task):
    """Return which loop runs the epochs of a task."""
    design = task.objective.design
    if lazy_sparse.applies(task):
        return PerTouch()
    if task.batch_size > 1 or design.sparse:
        return PerBatch()
    return PerLongSample() if design.X.shape[1] >= LONG and not task.rule else PerSample()


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
    return frozen(np.empty((number, 0), dtype=np.intp))


def strengths(penalty, dtype):
    """Return the strengths of the coefficients: a number where they are all the same."""
    coef = penalty[:-1].astype(dtype)
    return coef[0] if np.all(coef == coef[0]) else frozen(coef)
