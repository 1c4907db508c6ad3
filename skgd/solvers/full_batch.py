"""One update on all rows: gradient steps, line searches, accelerated and Newton steps."""

from dataclasses import replace

import numpy as np

from skgd import penalties
from skgd.optimizers import Accelerated, ConjugateGradient, NewtonCG
from skgd.schedules import LineSearch
from skgd.solvers.line_search import line_step, proximal_step, searched_proximal_step


def run_update(task, state, point, rate):
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
    if isinstance(task.optimizer, NewtonCG):
        point, rate = task.newton.step(point)
    else:
        theta, rate = step_of(task)(task, state, point, rate)
        point = task.model.at(theta.astype(point.theta.dtype, copy=False))
    return replace(state, theta=point.theta, t=state.t + 1), point, float(rate)


def step_of(task):
    """Return the function that makes the task's kind of step.

    It gets a state of its own, whose memory it fills; it returns where it leads, and its rate.
    """
    if isinstance(task.optimizer, Accelerated):
        return accelerated_step
    return searched_step if isinstance(task.schedule, LineSearch) else elementwise_step


def elementwise_step(task, state, point, rate):
    """Take the optimizer's step, then the proximal step at each coordinate's own rate."""
    # A rate too large for the l2 penalty takes a weight to zero, not beyond it.
    excess = task.model.l2 - np.minimum(task.model.l2, 1 / rate)
    gradient = point.gradient - excess * point.theta
    step, own_rate, state.first, state.second = task.optimizer.update(
        gradient, state.first, state.second, rate, state.t
    )
    return penalties.shrink(point.theta + step, own_rate * task.model.l1), rate


def accelerated_step(task, state, point, rate):
    """Take a proximal step from where the momentum has led."""
    if isinstance(task.schedule, LineSearch):
        landed, rate = searched_proximal_step(task, point, state.memory)
    else:
        landed = proximal_step(task.model, point, rate)
    return task.optimizer.extrapolate(point.theta, landed, state.memory), rate


def searched_step(task, state, point, rate):
    """Search along the gradient, or the conjugate direction."""
    if task.model.l1.any():
        return searched_proximal_step(task, point, state.memory)
    direction = -point.gradient
    if isinstance(task.optimizer, ConjugateGradient):
        direction = task.optimizer.direction(point.theta, point.gradient, state.memory)
    return line_step(task, point, direction, state.memory)
