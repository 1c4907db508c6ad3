"""The protocol of the solvers.

A solver runs the epochs of one problem. It is made by :func:`skgd.solvers.choice.choose_solver`,
declares what it can do as class attributes, and keeps nothing between two calls: what it needs in
later epochs is in the workspace that `init` returns and `run_epoch` replaces, or in the state, if
later calls of ``partial_fit`` need it, too.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from skgd.solvers.problem import compute_learning_rates


class EpochInfo(NamedTuple):
    """What a solver reports of an epoch.

    Parameters
    ----------
    objective : float
        The objective after the epoch where the solver `is_exact`, else its mean over the updates of
        the epoch, each taken before the update.
    learning_rate : float or None, default=None
        Rate of the last update, where the solver determines it; None means the scheduled one.
    gradient_norm : float or None, default=None
        Norm of the smallest subgradient after the epoch, where the solver knows it.
    output_objectives : array of shape (k,) or None, default=None
        Objective of each output, where the solver knows it.
    newton_decrement : float or None, default=None
        Norm of the gradient in the metric of the inverse Hessian, where the solver knows it.
    """

    objective: float
    learning_rate: float | None = None
    gradient_norm: float | None = None
    output_objectives: Any = None
    newton_decrement: float | None = None


class Solver(ABC):
    """Base class of the solvers.

    Parameters
    ----------
    problem : Problem
        What is minimised, and how.
    """

    #: Whether the objective and the gradient norm that it reports are those after the epoch.
    is_exact = False
    #: Whether it reports the objective of each output after the epoch.
    reports_output_objectives = False
    #: Whether it reports the Newton decrement.
    reports_newton_decrement = False
    #: Whether an epoch may be run in parts, between which the parameters can be recorded.
    can_split_epochs = False
    #: Whether it has a method `run_epochs`, which runs several epochs in one call.
    can_run_ahead = False

    def __init__(self, problem):
        self.problem = problem

    def init(self, state):
        """Return the workspace of a descent that starts at a state.

        It holds what later epochs need and no later call does. Solvers without such needs have
        None.
        """
        return None

    @abstractmethod
    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Run one epoch.

        Parameters
        ----------
        state : State
            Where to start; it is not changed.
        workspace : object
            What `init` or the last epoch returned.
        learning_rates : array of shape (updates_per_epoch,), or LazyLearningRates
            The scheduled rate of each update.
        order : array, list or None, default=None
            What `draw_order` returned: the order in which the rows are visited; None means the
            order in which they are stored.

        Returns
        -------
        state : State
        workspace : object
        info : EpochInfo
        """

    def describe(self, state, workspace):
        """Return the :class:`EpochInfo` of the start, before any epoch."""
        return EpochInfo(self.objective_at(state.theta), np.nan)

    def objective_at(self, theta):
        """Return the objective, of the kind that the solver reports, at scaled parameters."""
        return self.problem.objective.value(theta)

    def draw_order(self, rng):
        """Return the order in which an epoch visits the rows, or None where it does not matter."""
        return None

    def compute_learning_rates(self, rate_at, state, n_epochs=1):
        """Return the learning rates of the updates of the next epochs."""
        return compute_learning_rates(self.problem, rate_at, state, n_epochs)
