"""Updates of many models on the same rows: each row is read once for all of them.

The parameters of m models with k outputs are the rows of one array of shape (m k, d + 1), as if
they were the outputs of one model. Learning rates and penalties differ from model to model.
"""

from typing import NamedTuple

import numpy as np

from skgd import penalties
from skgd.solvers.sgd.reference import Iterate, iterate_batches
from skgd.solvers.state import State


class LearningRates(NamedTuple):
    """The learning rates of consecutive epochs of many models.

    Parameters
    ----------
    curves : array of shape (n_epochs, updates_per_epoch, n_curves)
        Rates of each update, for models that share them up to a factor.
    curve_of_model : array of shape (m k,)
        The curve of each model and output.
    factors : array of shape (m k,)
        What it is multiplied by.
    """

    curves: np.ndarray
    curve_of_model: np.ndarray
    factors: np.ndarray


class StackedTrace(NamedTuple):
    """Consecutive epochs of many models.

    Parameters
    ----------
    state : State
        The state after the last epoch.
    objectives : array of shape (n_epochs, m k)
        Means over the rows of the objectives before their update.
    theta, averaged_theta : arrays of shape (n_epochs, m k, d + 1)
        The parameters and their averages after each epoch.
    """

    state: State
    objectives: np.ndarray
    theta: np.ndarray
    averaged_theta: np.ndarray


class StackedSGD:
    """Updates of many models one after the other, in NumPy.

    Parameters
    ----------
    problem : Problem
        What is minimised; the strengths of its penalties have shape (m k, d + 1).
    scale_ratio : array of shape (m k, d) or None, default=None
        What the scaled features of the problem are multiplied by for each model; None means 1.
    """

    #: Whether several epochs in one call take less time than in several calls.
    can_run_ahead = False
    reports_output_objectives = False

    def __init__(self, problem, scale_ratio=None):
        self.problem, self.scale_ratio = problem, scale_ratio

    def run_epochs(self, state, learning_rates, orders):
        """Run consecutive epochs.

        Parameters
        ----------
        state : State
            Where they start; it is not changed.
        learning_rates : LearningRates
            Learning rates of each update.
        orders : array of shape (n_epochs, n_rows) or None
            The rows in the order of their visits; None means the order in which they are stored.

        Returns
        -------
        StackedTrace
        """
        curves, curve_of_model, factors = learning_rates
        epochs = []
        for number, rates in enumerate(curves):
            iterate = StackedIterate(self.problem, state, self.scale_ratio)
            batches = iterate_batches(self.problem, None if orders is None else orders[number])
            for batch, rate in zip(batches, rates, strict=True):
                y = np.tile(batch.y.reshape(len(batch.y), -1), iterate.n_models)
                iterate.update(batch._replace(y=y), (rate[curve_of_model] * factors)[:, None])
            state, objectives = iterate.finish()
            epochs.append((objectives, state.theta, state.averaged_theta))
        return StackedTrace(state, *map(np.array, zip(*epochs, strict=True)))


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
