r"""Proximal Newton: every loss, l1 penalties and bounds, by exact steps on quadratic models.

At each point the objective is replaced by the quadratic model with its gradient and Hessian. The
model, with the l1 term and the bounds, is minimised exactly
(:mod:`skgd.solvers.quadratic_program`), and the step is shortened where the objective would
increase. The decrease that the model predicts estimates how far the objective is above its
minimum; it does not depend on the scales and correlations of the features.

References
----------
J. D. Lee, Y. Sun, M. A. Saunders, "Proximal Newton-Type Methods for Minimizing Composite
Functions", 2014.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from skgd.objectives import Objective, Point, QuadraticModel
from skgd.solvers.full_batch import FullBatchSolver
from skgd.solvers.quadratic_program import QuadraticProgram
from skgd.solvers.wide_newton import (
    MAX_DENSE_PARAMETERS,
    choose_working_set,
    minimize_by_conjugate_gradients,
)

#: Rows of a subsample for each parameter; the share of its first predicted decrease, and the number
#: of steps, that end the descent on it.
SUBSAMPLE_ROWS, SUBSAMPLE_TOL, MAX_SUBSAMPLE_STEPS = 20, 1e-4, 20

#: Share of the decrease on the subsample that makes the step on all rows worth taking.
MIN_SUBSAMPLE_GAIN = 0.5

#: Slopes at the end of a step, relative to that at its start, between which it is accepted.
MIN_END_SLOPE, MAX_END_SLOPE = 0.5, 0.1

#: Units of rounding of an objective that count as no change.
ROUNDING_UNITS = 4

#: Largest share of a step; relative error of a share; largest number of halvings.
MAX_SHARE, LINE_TOL, MAX_HALVINGS = 1e6, 0.01, 40


class NewtonStep(NamedTuple):
    """The minimiser of the quadratic model at a point.

    Parameters
    ----------
    target : array
        Where the model is minimal.
    decrease : float
        How much lower the model is there.
    hessians : list of IncrementalHessian or None, default=None
        Hessians of the outputs, which the next step updates.
    """

    target: np.ndarray
    decrease: float
    hessians: Any = None


class ProximalNewtonWorkspace(NamedTuple):
    """A point, and the Newton step from there.

    Parameters
    ----------
    surrogate : Objective, ChunkedObjective or QuadraticModel
        What is evaluated.
    point : Point
        Its value and gradient at the parameters.
    step : NewtonStep
        The next step.
    """

    surrogate: Objective | QuadraticModel
    point: Point
    step: NewtonStep


class ProximalNewtonSolver(FullBatchSolver):
    """Newton steps; the reported rate is the share of a step that was taken."""

    reports_newton_decrement = True

    def init(self, state):
        """Return the workspace at the start."""
        surrogate = self.choose_surrogate()
        return self.prepare(surrogate, surrogate.evaluate(state.theta))

    def prepare(self, surrogate, point, previous=None):
        """Return the workspace at a point, with the step from there."""
        if isinstance(self.problem.surrogate, QuadraticModel):
            step = step_on_model(self.problem.surrogate, point)
        else:
            step = newton_step(surrogate, point, previous)
        return ProximalNewtonWorkspace(surrogate, point, step)

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Take one step."""
        surrogate, point, step = workspace
        result = subsample_step(surrogate, point)
        point, rate = take_step(surrogate, point, step.target) if result is None else (result, 1.0)
        workspace = self.prepare(surrogate, point, step.hessians)
        if self.problem.objective.quadratic and surrogate is self.problem.objective:
            workspace = self.correct(workspace)
        theta = workspace.point.theta
        state = state.replace(theta=theta, averaged_theta=theta, t=state.t + 1)
        return state, workspace, self.info(workspace, rate)

    def correct(self, workspace):
        """Return the workspace after a step that corrects the rounding errors of the last one.

        The exact step on a quadratic objective is followed by one from the gradient on the rows, as
        in the corrected seminormal equations (Björck, 1987).
        """
        surrogate, point, step = workspace
        point = surrogate.evaluate(step.target)
        return self.prepare(surrogate, point, step.hessians)

    def info(self, workspace, rate):
        """Return what is reported of an update with this rate."""
        decrement = np.sqrt(2 * max(workspace.step.decrease, 0.0))
        return super().info(workspace, rate)._replace(newton_decrement=decrement)


def newton_step(objective, point, previous=None):
    """Return the :class:`NewtonStep` at a point.

    Parameters
    ----------
    objective : Objective or ChunkedObjective
        What is minimised.
    point : Point
        Where the step starts.
    previous : list of IncrementalHessian or None, default=None
        Hessians of the last step, which are updated.
    """
    if len(objective.l2) > MAX_DENSE_PARAMETERS:
        return NewtonStep(*minimize_wide_model(objective, point))
    hessians, incremental = objective.hessians(point, previous)
    hessians = hessians.reshape(-1, *hessians.shape[-2:]) + np.diag(objective.l2)
    roots = [partial(objective.hessian_root, point, k) for k in range(len(hessians))]
    return NewtonStep(*minimize_models(objective, point, hessians, roots), incremental)


def minimize_wide_model(objective, point):
    """Return the minimiser of the model of many features, and the decrease."""
    if objective.has_smooth_penalty:
        return minimize_by_conjugate_gradients(objective, point)
    index = choose_working_set(objective, point)
    part = objective.select_parameters(index)
    selected = Point(point.theta[..., index], point.value, point.gradient[..., index])
    selected = selected._replace(predictions=point.predictions)
    target = point.theta.copy()
    target[..., index], decrease, _ = newton_step(part, selected)
    return target, decrease


def step_on_model(model, point):
    """Return the :class:`NewtonStep` at a point for the Hessian of a quadratic model."""
    n_outputs = point.theta.size // point.theta.shape[-1]
    root = None if model.is_accurate else lambda: model.root
    return NewtonStep(
        *minimize_models(model, point, [model.hessian] * n_outputs, [root] * n_outputs)
    )


def minimize_models(objective, point, hessians, roots):
    """Return the parameters that minimise the model of each output, and the total decrease."""
    thetas = point.theta.reshape(-1, point.theta.shape[-1]).astype(float)
    gradients = point.gradient.reshape(thetas.shape).astype(float)
    targets, decrease = np.empty(thetas.shape), 0.0
    penalty = objective.l1, objective.lower, objective.upper
    l1, lower, upper = (array.astype(float) for array in penalty)
    rounding = objective.design.relative_rounding
    for k, (theta, gradient) in enumerate(zip(thetas, gradients, strict=True)):
        program = QuadraticProgram(hessians[k], l1, lower, upper, roots[k], rounding)
        targets[k], part = program.minimize(gradient, theta)
        decrease += part
    return targets.reshape(point.theta.shape).astype(point.theta.dtype), decrease


def subsample_step(objective, point):
    """Return the point that Newton's method finds on a subsample, if it is good for all rows.

    From a constant model, the first steps are long and far from what their quadratic models
    predict, so that they need no Hessians of all rows.

    Returns
    -------
    Point or None
        None where the descent has left the constant model, where the subsample would be most of the
        rows, or where the objective on all rows decreases much less than on the subsample.
    """
    if objective.quadratic or point.theta[..., :-1].any():
        return None
    sample = objective.random_subsample(SUBSAMPLE_ROWS)
    if sample is None:
        return None
    start = here = sample.evaluate(point.theta)
    step = newton_step(sample, here)
    enough = SUBSAMPLE_TOL * step.decrease
    for _ in range(MAX_SUBSAMPLE_STEPS):
        here, _ = take_step(sample, here, step.target)
        step = newton_step(sample, here, step.hessians)
        if step.decrease <= enough:
            break
    there = objective.restrict_to_line(point, here.theta).evaluate(1.0)
    gain = point.value - there.value
    return there if gain >= MIN_SUBSAMPLE_GAIN * (start.value - here.value) else None


def take_step(objective, point, target):
    """Return the lowest point on the line to a target, and its share of the whole step.

    The whole step is taken where the objective is nearly level at its end. Otherwise the step is
    lengthened, up to the bounds, or shortened to where the derivative changes sign.
    """
    line, share = objective.restrict_to_line(point, target), 1.0
    largest_share = min(MAX_SHARE, line.largest_length())
    rounding = ROUNDING_UNITS * np.finfo(target.dtype).eps * abs(point.value)
    start, end = line.derivative(0.0), line.derivative(1.0)
    if start < -rounding:
        while end < MIN_END_SLOPE * start and share < largest_share:
            share = min(4 * share, largest_share)
            end = line.derivative(share)
        if end > MAX_END_SLOPE * -start:
            share = brentq(line.derivative, 0.0, share, rtol=LINE_TOL)
    for _ in range(MAX_HALVINGS):
        if line.value(share) <= point.value + rounding:
            return line.evaluate(share), share
        share /= 2
    return point, 0.0
