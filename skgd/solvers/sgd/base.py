"""Base class of the NumPy solvers of stochastic updates."""

from abc import abstractmethod
from dataclasses import replace

from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.row_order import draw_row_orders

#: Smallest product of decays that parameters are divided by: a smaller one loses digits.
MIN_DECAY_PRODUCT = 1e-3


class SGDSolver(Solver):
    """Base class of the solvers whose epoch is a sequence of updates on few rows each."""

    can_split_epochs = True

    def draw_order(self, rng):
        """Return a random order of the rows, or None if they are not shuffled."""
        n_rows = self.problem.objective.design.n_rows
        return draw_row_orders(rng, n_rows)[0] if self.problem.shuffle else None

    def run_epoch(self, state, workspace, learning_rates, order=None, start=0):
        """Run one epoch, or as many of its updates as there are learning rates.

        Parameters
        ----------
        state, workspace, learning_rates, order
            See :meth:`skgd.solvers.base.Solver.run_epoch`.
        start : int, default=0
            Position in `order` of the first row to visit.
        """
        problem = self.problem
        if len(learning_rates) < problem.updates_per_epoch:
            visits = slice(start, start + len(learning_rates) * problem.batch_size)
            rows = visits if order is None else order[visits]
            part = replace(problem, objective=problem.objective.select_rows(rows))
            return type(self)(part).run_epoch(state, workspace, learning_rates)
        state, objective = self.run_updates(state, learning_rates, order)
        return state, workspace, EpochInfo(objective)

    @abstractmethod
    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch.

        Parameters
        ----------
        state : State
            Where the epoch starts; it is not changed.
        learning_rates : array of shape (updates_per_epoch,)
            Learning rate of each update.
        order : array of shape (n_rows,) or None
            Order in which the rows are visited; None means the order in which they are stored.

        Returns
        -------
        state : State
            The state after the epoch.
        objective : float
            Mean over the rows of the objective before their update.
        """
