"""Full-batch updates: gradient steps, line searches and accelerated proximal steps."""

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np

from skgd import penalties
from skgd.objectives import Objective, Point, QuadraticModel
from skgd.optimizers import ConjugateGradient
from skgd.solvers.base import EpochInfo, Solver, Verification
from skgd.solvers.line_search import INITIAL_RATE, line_step, proximal_step, searched_proximal_step
from skgd.solvers.state import State


class VerifiedPoint(NamedTuple):
    """A point whose gradient norm was computed on the data."""

    norm: float
    state: State | None = None
    point: Point | None = None


class FullBatchWorkspace(NamedTuple):
    """What full-batch solvers need in later updates.

    Parameters
    ----------
    surrogate : Objective or QuadraticModel
        What the updates evaluate.
    point : Point
        Its value and gradient at the parameters.
    verified : VerifiedPoint, default=VerifiedPoint(inf)
        The last point at which a quadratic model was verified on the data.
    hessians : object, default=None
        Hessians of the last Newton step.
    """

    surrogate: Objective | QuadraticModel
    point: Point
    verified: VerifiedPoint = VerifiedPoint(np.inf)
    hessians: Any = None


class FullBatchSolver(Solver):
    """Base of the solvers whose epoch is one update on all rows."""

    is_exact = True

    def init(self, state):
        """Return the workspace at the start."""
        surrogate = self.problem.surrogate
        return FullBatchWorkspace(surrogate, surrogate.evaluate(state.theta))

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
        return self.problem.surrogate.value(theta)

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

    def verify_on_data(self, state, workspace, criterion):
        """Verify on the data that the gradient of a quadratic model is small.

        If it is not, the descent continues with the model around the point that it has reached, as
        long as that decreases the gradient norm.
        """
        model, last = workspace.surrogate, workspace.verified
        if not isinstance(model, QuadraticModel) or (model.is_accurate and criterion.tol > 0):
            return Verification(True, state, workspace)
        objective = self.problem.objective
        point = objective.evaluate(state.theta)
        norm = objective.min_subgradient_norm(point)
        if norm > last.norm:  # rounding has increased the gradient: the last point was better
            state, norm = last.state, last.norm
            workspace = workspace._replace(point=last.point)
        if criterion.is_small(norm) or norm > 0.5 * last.norm:
            return Verification(True, state, workspace, norm)
        verified = VerifiedPoint(norm, state, point)
        workspace = FullBatchWorkspace(model.recentre(point), point, verified)
        return Verification(False, state.replace(solver_state={}), workspace, norm)


class GradientDescent(FullBatchSolver):
    """Steps of an elementwise optimizer at a scheduled rate, and proximal steps."""

    def step(self, state, workspace, rate):
        """Take the optimizer's step, then the proximal step at each coordinate's own rate."""
        model, point = workspace.surrogate, workspace.point
        # The l2 term is capped at 1 / rate, so that no step changes the sign of a coefficient.
        excess = model.l2 - np.minimum(model.l2, 1 / rate)
        step, coordinate_rate, optimizer_state = self.problem.optimizer.update(
            point.gradient - excess * point.theta, state.optimizer_state, rate, state.t
        )
        theta = penalties.soft_threshold(point.theta + step, coordinate_rate * model.l1)
        return theta, rate, {"optimizer_state": optimizer_state}


class LineSearchDescent(FullBatchSolver):
    """Steps along the negative gradient or a conjugate direction, whose length is searched for."""

    def step(self, state, workspace, rate):
        """Search along the direction; with an l1 penalty, take a proximal step by backtracking."""
        model, point = workspace.surrogate, workspace.point
        rule, saved = self.problem.schedule, dict(state.solver_state)
        last_rate = saved.get("rate", INITIAL_RATE)
        if model.l1.any():
            theta, rate, last_rate = searched_proximal_step(model, rule, point, last_rate)
        else:
            direction = -point.gradient
            if isinstance(self.problem.optimizer, ConjugateGradient):
                direction, saved["optimizer"] = self.problem.optimizer.direction(
                    point.theta, point.gradient, saved.get("optimizer", ())
                )
            theta, rate, last_rate = line_step(model, rule, point, direction, last_rate)
        return theta, rate, {"solver_state": saved | {"rate": last_rate}}


class AcceleratedDescent(FullBatchSolver):
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
        return theta, rate, {"solver_state": saved}
