"""Steps whose length the objective itself decides."""

import numpy as np

from skgd import penalties
from skgd.optimizers import inner

#: Trial rates at most in one search.
TRIALS = 100


def exact_rate(model, point, direction):
    """Return the rate, of each output, that minimises a quadratic along `direction`."""
    slope = inner(point.gradient, direction)
    curvature = model.directional_curvature(direction)
    bent = curvature > 0
    return np.where(bent, -slope / np.where(bent, curvature, 1), 0)


def line_step(problem, point, direction, memory):
    """Return the end of a line search along `direction`, and the rate it took."""
    model = problem.model
    if model.quadratic:
        rate = exact_rate(model, point, direction)
        return point.theta + rate * direction, np.max(rate)
    promised = float(np.sum(inner(point.gradient, direction)))

    def accept(rate, theta):
        return model.value(theta) <= point.value + problem.schedule.decrease * rate * promised

    return backtrack(problem, memory, lambda rate: point.theta + rate * direction, accept, point)


def proximal_step(model, point, rate):
    """Return where a gradient step followed by the proximal step of the l1 penalty lands."""
    return penalties.soft_threshold(point.theta - rate * point.gradient, rate * model.l1)


def searched_proximal_step(problem, point, memory):
    """Return a proximal step whose rate the smooth part of the objective allows, and the rate."""
    model = problem.model
    smooth = point.value - model.l1_penalty(point.theta)

    def accept(rate, theta):
        moved = theta - point.theta
        bound = smooth + np.vdot(point.gradient, moved) + np.vdot(moved, moved) / (2 * rate)
        rounding = 4 * np.finfo(theta.dtype).eps * abs(smooth)
        return model.value(theta) - model.l1_penalty(theta) <= bound + rounding

    return backtrack(problem, memory, lambda rate: proximal_step(model, point, rate), accept, point)


def backtrack(problem, memory, land, accept, point):
    """Return the first landing place that is accepted, from twice the last rate downwards."""
    rate = 2 * memory.get("rate", 0.5)
    for _ in range(TRIALS):
        theta = land(rate)
        if np.isfinite(theta).all() and accept(rate, theta):
            memory["rate"] = rate
            return theta, rate
        rate *= problem.schedule.shrink
    return point.theta, 0.0  # no rate helps: the objective cannot fall in floating point
