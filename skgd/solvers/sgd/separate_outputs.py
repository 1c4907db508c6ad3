"""Stochastic updates of several outputs with different losses."""

from dataclasses import replace

import numpy as np

from skgd.solvers.base import EpochInfo
from skgd.solvers.sgd.base import SGDSolver

#: Arrays of a state with one row for each output, beside the optimizer's.
ARRAYS = ("theta", "averaged_theta", "l1_total", "l1_applied")


class SeparateOutputs(SGDSolver):
    """Runs the updates of each output by a solver of its own, which may be compiled.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    choose_solver : callable
        Returns the solver of the problem of one output.
    """

    def __init__(self, problem, choose_solver):
        super().__init__(problem)
        self.solvers = [
            choose_solver(replace(problem, objective=objective, surrogate=objective))
            for objective in problem.objective.split_outputs()
        ]

    def run_epoch(self, state, workspace, learning_rates, order=None, start=0):
        """Run one epoch, or as many of its updates as there are learning rates."""
        results = [
            solver.run_epoch(select_output(state, k), workspace, learning_rates, order, start)
            for k, solver in enumerate(self.solvers)
        ]
        states = [result[0] for result in results]
        arrays = {name: np.stack([getattr(part, name) for part in states]) for name in ARRAYS}
        parts = zip(*(part.optimizer_state for part in states), strict=True)
        optimizer_state = tuple(np.stack(part) for part in parts)
        state = state.replace(**arrays, optimizer_state=optimizer_state, t=states[0].t)
        return state, workspace, EpochInfo(float(sum(info.objective for *_, info in results)))

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch."""
        state, _, info = self.run_epoch(state, None, learning_rates, order)
        return state, info.objective


def select_output(state, k):
    """Return the state of output k alone."""
    arrays = {name: getattr(state, name)[k] for name in ARRAYS}
    return state.replace(
        **arrays, optimizer_state=tuple(array[k] for array in state.optimizer_state)
    )
