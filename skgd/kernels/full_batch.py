"""One update on all rows: gradient steps, line searches, accelerated steps."""

from dataclasses import replace

import numpy as np

from skgd import penalties
from skgd.optimizers import Accelerated, ConjugateGradient, ElementwiseOptimizer, inner
from skgd.schedules import LineSearch

#: Trial rates at most in one line search.
TRIALS = 100


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
    objective, optimizer = task.model, task.optimizer
    searching = isinstance(task.schedule, LineSearch)
    memory = dict(state.memory)
    first, second = state.first, state.second
    if isinstance(optimizer, Accelerated):
        landed, rate = _proximal_step(task, point, rate, memory, searching)
        theta = optimizer.extrapolate(point.theta, landed, memory)
    elif isinstance(optimizer, ElementwiseOptimizer) and not searching:
        gradient = _guarded(objective, point, rate)
        step, own_rate, first, second = optimizer.update(gradient, first, second, rate, state.t)
        theta = penalties.shrink(point.theta + step, own_rate * objective.l1)
    elif objective.l1.any():
        theta, rate = _proximal_step(task, point, rate, memory, searching)
    else:
        direction = _direction(optimizer, point, memory)
        theta, rate = _search_line(task, point, direction, memory)
    point = objective.at(theta.astype(point.theta.dtype, copy=False))
    state = replace(
        state, theta=point.theta, first=first, second=second, memory=memory, t=state.t + 1
    )
    return state, point, float(rate)


def _guarded(objective, point, rate):
    """Return the gradient, whose l2 part never takes a weight beyond zero."""
    excess = objective.l2 - np.minimum(objective.l2, 1 / rate)
    return point.gradient - excess * point.theta


def _direction(optimizer, point, memory):
    if isinstance(optimizer, ConjugateGradient):
        return optimizer.direction(point.gradient, memory)
    return -point.gradient


def _search_line(task, point, direction, memory):
    """Return the end of a line search along `direction`, and the rate it took."""
    objective = task.model
    slope = inner(point.gradient, direction)
    if objective.quadratic:
        curvature = objective.curvature(direction)
        rate = np.where(curvature > 0, -slope / np.where(curvature > 0, curvature, 1), 0)
        return point.theta + rate * direction, np.max(rate)
    promised = float(np.sum(slope))

    def accept(rate, theta):
        return objective.value(theta) <= point.value + task.schedule.decrease * rate * promised

    return _backtrack(task, memory, lambda rate: point.theta + rate * direction, accept, point)


def _proximal_step(task, point, rate, memory, searching):
    """Return a gradient step followed by the proximal step of the l1 penalty, and its rate."""
    objective = task.model

    def land(rate):
        return penalties.shrink(point.theta - rate * point.gradient, rate * objective.l1)

    def accept(rate, theta):
        moved = theta - point.theta
        smooth = point.value - objective.l1_value(point.theta)
        bound = smooth + np.vdot(point.gradient, moved) + np.vdot(moved, moved) / (2 * rate)
        rounding = 4 * np.finfo(theta.dtype).eps * abs(smooth)
        return objective.value(theta) - objective.l1_value(theta) <= bound + rounding

    if not searching:
        return land(rate), rate
    return _backtrack(task, memory, land, accept, point)


def _backtrack(task, memory, land, accept, point):
    """Return the first landing place that is accepted, from twice the last rate downwards."""
    rate = 2 * memory.get("rate", 0.5)
    for _ in range(TRIALS):
        theta = land(rate)
        if np.isfinite(theta).all() and accept(rate, theta):
            memory["rate"] = rate
            return theta, rate
        rate *= task.schedule.shrink
    return point.theta, 0.0  # no rate helps: the objective cannot fall in floating point
