"""Full-batch updates: gradient steps, line searches and accelerated proximal steps."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np

from skgd.objectives import Objective, Point, QuadraticModel
from skgd.optimizers import ConjugateGradient
from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.line_search import INITIAL_RATE, line_step, proximal_step, searched_proximal_step


class FullBatchWorkspace(NamedTuple):
    """What full-batch solvers need in later updates.

    Parameters
    ----------
    surrogate : Objective or QuadraticModel
        What the updates evaluate.
    point : Point
        Its value and gradient at the parameters.
    """

    surrogate: Objective | QuadraticModel
    point: Point


class FullBatchSolver(Solver):
    """Base of the solvers whose epoch is one update on all rows."""

    is_exact = True

    def init(self, state):
        """Return the workspace at the start."""
        surrogate = self.choose_surrogate()
        return FullBatchWorkspace(surrogate, surrogate.evaluate(state.theta))

    def choose_surrogate(self):
        """Return what is evaluated: a quadratic model where it is accurate, else the objective."""
        surrogate = self.problem.surrogate
        if isinstance(surrogate, QuadraticModel) and not surrogate.is_accurate:
            return self.problem.objective
        return surrogate

    def describe(self, state, workspace):
        """Return the objective and the gradient norm at the start."""
        return self.info(workspace, np.nan)

    def info(self, workspace, rate):
        """Return what is reported of an update with this rate."""
        point = workspace.point
        norm = self.problem.objective.min_subgradient_norm(point)
        return EpochInfo(point.value, float(rate), norm)

    def objective_at(self, theta):
        """Return the objective at scaled parameters."""
        return self.choose_surrogate().value(theta)


class FirstOrderSolver(FullBatchSolver):
    """Base of the full-batch solvers whose update is a step from value and gradient."""

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Make one update."""
        theta, rate, changes = self.step(state, workspace, learning_rates[0])
        dtype = workspace.point.theta.dtype
        point = workspace.surrogate.evaluate(theta.astype(dtype, copy=False))
        workspace = workspace._replace(point=point)
        state = state.replace(theta=point.theta, t=state.t + 1, **changes)
        return state, workspace, self.info(workspace, rate)

    @abstractmethod
    def step(self, state, workspace, rate):
        """Return the parameters after an update, its rate, and other changes of the state by name.

        Parameters
        ----------
        state : State
            Where the update starts; it is not changed.
        workspace : FullBatchWorkspace
            The objective and its gradient there.
        rate : float
            The scheduled rate; a line search determines its own.
        """


class GradientDescent(FirstOrderSolver):
    """Steps of an elementwise optimizer at a scheduled rate, and proximal steps."""

    def step(self, state, workspace, rate):
        """Take the optimizer's step, then the proximal step at each coordinate's own rate."""
        model, point = workspace.surrogate, workspace.point
        # The l2 term is capped at 1 / rate, so that no step changes the sign of a coefficient.
        excess = model.l2 - np.minimum(model.l2, 1 / rate)
        step, coordinate_rate, optimizer_state = self.problem.optimizer.update(
            point.gradient - excess * point.theta, state.optimizer_state, rate, state.t
        )
        theta = model.proximal_operator(point.theta + step, coordinate_rate)
        return theta, rate, {"optimizer_state": optimizer_state}


class LineSearchDescent(FirstOrderSolver):
    """Steps along the negative gradient or a conjugate direction, whose length is searched for."""

    def step(self, state, workspace, rate):
        """Search along the direction; with l1 term or bounds, proximal steps by backtracking."""
        model, point = workspace.surrogate, workspace.point
        rule, saved = self.problem.schedule, dict(state.solver_state)
        last_rate = saved.get("rate", INITIAL_RATE)
        if not model.has_smooth_penalty:
            theta, rate, last_rate = searched_proximal_step(model, rule, point, last_rate)
        else:
            direction = -point.gradient
            if isinstance(self.problem.optimizer, ConjugateGradient):
                direction, saved["optimizer"] = self.problem.optimizer.direction(
                    point.theta, point.gradient, saved.get("optimizer", ())
                )
            theta, rate, last_rate = line_step(model, rule, point, direction, last_rate)
        return theta, rate, {"solver_state": saved | {"rate": last_rate}}


class AcceleratedDescent(FirstOrderSolver):
    """Proximal steps from where Nesterov's momentum has led."""

    def step(self, state, workspace, rate):
        """Take a proximal step, at a given rate or by backtracking, and extrapolate."""
        model, point = workspace.surrogate, workspace.point
        saved = dict(state.solver_state)
        if self.problem.searches_line:
            last_rate = saved.get("rate", INITIAL_RATE)
            proximal_point, rate, saved["rate"] = searched_proximal_step(
                model, self.problem.schedule, point, last_rate
            )
        else:
            proximal_point = proximal_step(model, point, rate)
        theta, saved["optimizer"] = self.problem.optimizer.extrapolate(
            point.theta, proximal_point, saved.get("optimizer", ())
        )
        return model.project(theta), rate, {"solver_state": saved}
