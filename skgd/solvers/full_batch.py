"""One update on all rows: gradient steps, line searches, accelerated and Newton steps."""

from dataclasses import replace

import numpy as np

from skgd import penalties
from skgd.optimizers import Accelerated, ConjugateGradient, NewtonCG
from skgd.solvers.line_search import line_step, proximal_step, searched_proximal_step
from skgd.step_rules import LineSearch


def run_update(problem, state, point, rate):
    """Return the state after one update on the full batch, the point there, and the rate taken.

    Parameters
    ----------
    task : Task
        What to descend on, and how.
    state : State
        Where to start; it is not changed.
    point : Point
        The same place with its objective and gradient.
    rate : float
        Learning rate of this update; a line search finds its own.

    Returns
    -------
    state : State
    point : Point
    rate : float
    """
    state = replace(state, memory=dict(state.memory))
    if isinstance(problem.optimizer, NewtonCG):
        point, rate = problem.newton.step(point)
    else:
        theta, rate = step_of(problem)(problem, state, point, rate)
        point = problem.model.evaluate(theta.astype(point.theta.dtype, copy=False))
    return replace(state, theta=point.theta, t=state.t + 1), point, float(rate)


def step_of(problem):
    """Return the function that makes the task's kind of step.

    It gets a state of its own, whose memory it fills; it returns where it leads, and its rate.
    """
    if isinstance(problem.optimizer, Accelerated):
        return accelerated_step
    return searched_step if isinstance(problem.schedule, LineSearch) else elementwise_step


def elementwise_step(problem, state, point, rate):
    """Take the optimizer's step, then the proximal step at each coordinate's own rate."""
    # A rate too large for the l2 penalty takes a weight to zero, not beyond it.
    excess = problem.model.l2 - np.minimum(problem.model.l2, 1 / rate)
    gradient = point.gradient - excess * point.theta
    step, coordinate_rate, state.optimizer_state = problem.optimizer.update(
        gradient, state.optimizer_state, rate, state.t
    )
    return penalties.soft_threshold(point.theta + step, coordinate_rate * problem.model.l1), rate


def accelerated_step(problem, state, point, rate):
    """Take a proximal step from where the momentum has led."""
    if isinstance(problem.schedule, LineSearch):
        landed, rate = searched_proximal_step(problem, point, state.memory)
    else:
        landed = proximal_step(problem.model, point, rate)
    theta, state.memory["optimizer"] = problem.optimizer.extrapolate(
        point.theta, landed, state.memory.get("optimizer", ())
    )
    return theta, rate


def searched_step(problem, state, point, rate):
    """Search along the gradient, or the conjugate direction."""
    if problem.model.l1.any():
        return searched_proximal_step(problem, point, state.memory)
    direction = -point.gradient
    if isinstance(problem.optimizer, ConjugateGradient):
        direction, state.memory["optimizer"] = problem.optimizer.direction(
            point.theta, point.gradient, state.memory.get("optimizer", ())
        )
    return line_step(problem, point, direction, state.memory)
