"""Epochs over blocked data: the blocks in some order, and within each its rows."""

from dataclasses import dataclass, replace

import numpy as np

from skgd.objectives import build


@dataclass(frozen=True)
class Step:
    """What is special about the visit of a block.

    Parameters
    ----------
    seed : int or None
        Of the order of its rows; None means as they stand.
    rates : Rates
        Of the updates of the epoch.
    first : int
        The number of the block's first update in the epoch.
    """

    seed: int | None
    rates: object
    first: int


class BlockwiseEpochs:
    """The epochs of a task on blocked data; on each block they are those of data in memory.

    Parameters
    ----------
    task : Task
        What to descend on, and how.
    executor : callable
        Returns what runs the epochs of a task in memory.
    """

    def __init__(self, problem, executor):
        self.data, objective = problem.objective.data, problem.objective
        self.updates = objective.n_chunk_updates
        self.n_rows = objective.design.n_rows
        # What travels to where the blocks are must not take the data along.
        bare = replace(problem, objective=None, model=None)
        self.visit = Visit(bare, objective.spec, objective.mean_weight, executor)

    def __call__(self, state, order, rates):
        """Do what :func:`skgd.solvers.choice.executor` says."""
        steps, first = [], 0
        if order is None:
            order = [(block, None) for block in range(len(self.data.chunk_lengths))]
        for block, seed in order:
            steps.append((block, Step(seed, rates, first)))
            first += self.updates(block, self.visit.problem.batch_size)
        state, total = self.data.fold(self.visit, (state, 0.0), steps)
        return state, total / self.n_rows


@dataclass(frozen=True)
class Visit:
    """The updates on one block.

    Parameters
    ----------
    task : Task
        What to descend on, and how, without data.
    spec : ObjectiveSpec
        The objective without data.
    mean_weight : float or None
        What the weights are divided by.
    executor : callable
        Returns what runs the epochs of a task in memory.
    """

    problem: object
    spec: object
    mean_weight: float | None
    executor: object

    def __call__(self, block, walked, step):
        """Return the state after the updates, and the sum of the objectives before them."""
        state, total = walked
        problem = replace(
            self.problem,
            objective=build(block, self.spec, self.mean_weight),
            batch_size=min(self.problem.batch_size, len(block)),
        )
        order = None
        if step.seed is not None:
            order = np.random.default_rng(step.seed).permutation(len(block))
        rates = step.rates[step.first : step.first + problem.updates_per_epoch]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            state, running = self.executor(problem)(state, order, rates)
        return state, total + running * len(block)
