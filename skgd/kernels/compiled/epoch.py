"""Epochs by compiled loops: from tasks and states to what the loops take, and back."""

from dataclasses import replace

import numpy as np

from skgd.kernels import lazy
from skgd.kernels.compiled.formulas import is_built_in, record
from skgd.kernels.compiled.rows import frozen, rows_of
from skgd.kernels.compiled.touched import run_per_touch
from skgd.kernels.compiled.updates import (
    Manner,
    Penalty,
    Pieces,
    Targets,
    Walk,
    run_per_batch,
    run_per_sample,
)


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
        self.n_rows, self.no_order = design.n_rows, frozen(np.empty(0, dtype=np.intp))
        weights = np.empty(0, dtype) if objective.weights is None else objective.weights
        y = objective.y.reshape(design.n_rows, -1)
        self.fixed = rows_of(design), Targets(frozen(y), frozen(weights.astype(dtype, copy=False)))
        self.rules = (
            Pieces(record(objective.loss), record(optimizer)),
            Penalty(
                strengths(objective.l1, dtype) if objective.l1.any() else None,
                strengths(objective.l2, dtype),
            ),
        )
        self.manner = Manner(
            task.batch_size, design.fit_intercept, int(task.average), float(task.largest_slope)
        )
        kernel = run_per_sample
        if lazy.applies(task):
            kernel = run_per_touch
        elif task.batch_size > 1 or design.sparse:
            kernel = run_per_batch
        # The others are not written to, and stay those of the state before.
        self.moved = ["theta"] + ["mean"] * (task.average > 0)
        self.moved += ["first", "second"] * optimizer.remembers
        self.moved += ["owed", "paid"] * bool(objective.l1.any())
        walk = Walk(*(np.zeros((1, 1), dtype) for _ in Walk._fields))
        sample = *self.fixed, self.no_order, frozen(np.ones(1)), *self.rules, walk, self.manner
        keep = is_built_in(objective.loss) and is_built_in(optimizer)
        self.run = kernel.compiled((*sample, 0, 1.0), keep)

    def __call__(self, state, order, rates, start=0):
        """Do what :func:`skgd.kernels.stochastic.executor` says."""
        shape = state.theta.shape
        parts = {
            name: np.ascontiguousarray(getattr(state, name).reshape(-1, shape[-1]))
            for name in Walk._fields
        }
        parts |= {name: parts[name].copy() for name in self.moved}
        order = self.no_order if order is None else frozen(order)
        total, t = self.run(
            *self.fixed,
            order,
            frozen(rates),
            *self.rules,
            Walk(**parts),
            self.manner,
            start,
            float(state.t),
        )
        moved = {name: parts[name].reshape(shape) for name in self.moved}
        visited = min(len(rates) * self.manner.batch_size, self.n_rows - start)
        return replace(state, **moved, t=int(t)), total / visited


def strengths(penalty, dtype):
    """Return the strengths of the coefficients: a number where they are all the same."""
    coef = penalty[:-1].astype(dtype)
    return coef[0] if np.all(coef == coef[0]) else frozen(coef)
