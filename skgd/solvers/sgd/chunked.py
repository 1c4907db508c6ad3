"""Stochastic updates over chunked data: chunk after chunk, and row after row in each chunk."""

from dataclasses import replace
from functools import partial

import numpy as np

from skgd._utils.floating_point import ignore_overflow
from skgd.objectives import build
from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.problem import LazyLearningRates


class ChunkedSGD(Solver):
    """Stochastic updates over chunked data; each chunk is handled as data in memory.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    choose_solver : callable
        Returns the solver of a problem in memory.
    """

    def __init__(self, problem, choose_solver):
        super().__init__(problem)
        objective = problem.objective
        # The function is sent to the process that holds the chunk; the data must not be sent.
        without_data = replace(problem, objective=None, surrogate=None)
        self.run_chunk = partial(
            run_chunk, without_data, objective.spec, objective.mean_weight, choose_solver
        )

    def draw_order(self, rng):
        """Return a random order of the chunks, each with a seed, or None without shuffling."""
        return self.problem.objective.shuffle_chunks(rng) if self.problem.shuffle else None

    def compute_learning_rates(self, rate_at, state, n_epochs=1):
        """Return the learning rates; they are evaluated where the chunks are."""
        n_updates = self.problem.updates_per_epoch
        return LazyLearningRates(rate_at, state.t, state.lr_multiplier, n_updates)

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Run one epoch."""
        objective, visits, t = self.problem.objective, [], learning_rates.t
        if order is None:
            order = [(chunk, None) for chunk in range(len(objective.data.chunk_lengths))]
        for chunk, seed in order:
            n_updates = objective.n_chunk_updates(chunk, self.problem.batch_size)
            visits.append((chunk, (seed, replace(learning_rates, t=t, number=n_updates))))
            t += n_updates
        state, total = objective.data.fold(self.run_chunk, (state, 0.0), visits)
        return state, workspace, EpochInfo(total / objective.design.n_rows)


def run_chunk(problem, spec, mean_weight, choose_solver, chunk, carry, visit):
    """Run the updates on one chunk.

    Parameters
    ----------
    problem : Problem
        What is minimised, without its data.
    spec : ObjectiveSpec
        The objective without its data.
    mean_weight : float or None
        Mean weight, which the weights are divided by.
    choose_solver : callable
        Returns the solver of a problem in memory.
    chunk : InMemoryData
        The rows.
    carry : tuple of (State, float)
        The state before the updates, and the sum of the objectives so far.
    visit : tuple of (int or None, LazyLearningRates)
        Seed of the random order of the rows, None for the order in which they are stored; and the
        learning rates of the updates.

    Returns
    -------
    tuple of (State, float)
        The state after the updates, and the sum of the objectives.
    """
    (state, total), (seed, rates) = carry, visit
    batch_size = min(problem.batch_size, len(chunk))
    problem = replace(problem, objective=build(chunk, spec, mean_weight), batch_size=batch_size)
    order = None if seed is None else np.random.default_rng(seed).permutation(len(chunk))
    with ignore_overflow():
        solver = choose_solver(problem)
        state, _, info = solver.run_epoch(state, solver.init(state), rates[:], order)
    return state, total + info.objective * len(chunk)
