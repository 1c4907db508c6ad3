"""Stochastic updates over data in chunks: the chunks in some order, and in each its rows."""

from dataclasses import dataclass, replace

import numpy as np

from skgd.objectives import build
from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.problem import LazyLearningRates


@dataclass(frozen=True)
class ChunkVisit:
    """What distinguishes the visit of a chunk.

    Parameters
    ----------
    seed : int or None
        Of the random order of its rows; None means the order in which they are stored.
    learning_rates : LazyLearningRates
        Of the updates of the epoch.
    first : int
        Number of the first update of the chunk in the epoch.
    """

    seed: int | None
    learning_rates: LazyLearningRates
    first: int


class ChunkedSGD(Solver):
    """Stochastic updates over data in chunks; on each chunk they are those of data in memory.

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
        # The function is sent to where the chunks are, and must not take the data along.
        without_data = replace(problem, objective=None, surrogate=None)
        self.visit = VisitChunk(without_data, objective.spec, objective.mean_weight, choose_solver)

    def draw_order(self, rng):
        """Return a random order of the chunks, each with a seed, if the rows are shuffled."""
        return self.problem.objective.shuffle_chunks(rng) if self.problem.shuffle else None

    def compute_learning_rates(self, rate_at, state, n_epochs=1):
        """Return the learning rates, which are computed where the chunks are."""
        n_updates = self.problem.updates_per_epoch
        return LazyLearningRates(rate_at, state.t, state.lr_multiplier, n_updates)

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Run one epoch."""
        objective, visits, first = self.problem.objective, [], 0
        if order is None:
            order = [(chunk, None) for chunk in range(len(objective.data.chunk_lengths))]
        for chunk, seed in order:
            visits.append((chunk, ChunkVisit(seed, learning_rates, first)))
            first += objective.n_chunk_updates(chunk, self.problem.batch_size)
        state, total = objective.data.fold(self.visit, (state, 0.0), visits)
        return state, workspace, EpochInfo(total / objective.design.n_rows)


@dataclass(frozen=True)
class VisitChunk:
    """Function that runs the updates of one chunk.

    Parameters
    ----------
    problem : Problem
        What is minimised, without its data.
    spec : ObjectiveSpec
        The objective without its data.
    mean_weight : float or None
        What the weights are divided by.
    choose_solver : callable
        Returns the solver of a problem in memory.
    """

    problem: object
    spec: object
    mean_weight: float | None
    choose_solver: object

    def __call__(self, chunk, carried, visit):
        """Return the state after the updates, and the sum of the objectives before them."""
        state, total = carried
        problem = replace(
            self.problem,
            objective=build(chunk, self.spec, self.mean_weight),
            batch_size=min(self.problem.batch_size, len(chunk)),
        )
        order = None
        if visit.seed is not None:
            order = np.random.default_rng(visit.seed).permutation(len(chunk))
        rates = visit.learning_rates[visit.first : visit.first + problem.updates_per_epoch]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            solver = self.choose_solver(problem)
            state, _, info = solver.run_epoch(state, solver.init(state), rates, order)
        return state, total + info.objective * len(chunk)
