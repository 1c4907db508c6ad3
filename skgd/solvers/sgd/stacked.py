"""Updates of many models on the same rows: each row is read once for all of them.

The parameters of m models with k outputs are the rows of one array of shape (m k, d + 1), as if
they were the outputs of one model. Learning rates and penalties differ from model to model.
"""

from typing import NamedTuple

import numpy as np

from skgd import penalties
from skgd.solvers.sgd.base import SGDSolver
from skgd.solvers.sgd.reference import Iterate, iterate_batches


class LearningRates(NamedTuple):
    """The learning rates of the updates of an epoch of many models.

    Parameters
    ----------
    curves : array of shape (updates_per_epoch, n_curves)
        Rates of each update, for models that share them up to a factor.
    curve_of_model : array of shape (m k,)
        The curve of each model and output.
    factors : array of shape (m k,)
        What it is multiplied by.
    """

    curves: np.ndarray
    curve_of_model: np.ndarray
    factors: np.ndarray

    def by_update(self):
        """Yield the learning rates of each update."""
        for rates in self.curves:
            yield rates[self.curve_of_model] * self.factors


class StackedSGD(SGDSolver):
    """Updates of many models one after the other, in NumPy.

    Parameters
    ----------
    problem : Problem
        What is minimised; the strengths of its penalties have shape (m k, d + 1).
    scale_ratio : array of shape (m k, d) or None, default=None
        What the scaled features of the problem are multiplied by for each model; None means 1.
    """

    def __init__(self, problem, scale_ratio=None):
        super().__init__(problem)
        self.scale_ratio = scale_ratio

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch.

        Parameters
        ----------
        state : State
            Where the epoch starts; it is not changed.
        learning_rates : LearningRates
            Learning rates of each update.
        order : array of shape (n_rows,) or None
            Order in which the rows are visited.

        Returns
        -------
        state : State
        objectives : array of shape (m k,)
            Means over the rows of the objectives before their update.
        """
        iterate = StackedIterate(self.problem, state, self.scale_ratio)
        batches = iterate_batches(self.problem, order)
        for batch, rates in zip(batches, learning_rates.by_update(), strict=True):
            y = np.tile(batch.y.reshape(len(batch.y), -1), iterate.n_models)
            iterate.update(batch._replace(y=y), rates[:, None])
        return iterate.finish()


class StackedIterate(Iterate):
    """Parameters of many models during an epoch; their objectives are summed separately."""

    def __init__(self, problem, state, scale_ratio):
        super().__init__(problem, state)
        n_outputs = problem.objective.y[0].size
        self.n_models = len(self.theta) // n_outputs
        self.scale_ratio = scale_ratio
        self.objective_sum = np.zeros(len(self.theta))

    def predict(self, rows):
        """Return the linear predictions of scaled rows, of shape (b, m k)."""
        if self.scale_ratio is None:
            return super().predict(rows)
        return self.product(rows, (self.theta[:, :-1] * self.scale_ratio).T) + self.theta[:, -1]

    def differentiate(self, derivatives, rows):
        """Return the sum of scaled rows times the derivatives of their losses."""
        sums = super().differentiate(derivatives, rows)
        return sums if self.scale_ratio is None else sums * self.scale_ratio

    def penalty(self):
        """Return the penalty of each model and output."""
        return penalties.terms(self.theta, self.l1, self.l2).sum(axis=1)

    def total(self, losses):
        """Return the sum of the losses of each model and output."""
        return losses.sum(axis=0)
