"""Line searches: the objective determines the length of a step."""

import numpy as np

from skgd.optimizers import inner

#: Largest number of trial rates of one search.
MAX_TRIALS = 100

#: First trial rate of the first search, which doubles the last accepted one.
INITIAL_RATE = 0.5


def exact_rate(model, point, direction):
    """Return the rate, of each output, that minimises a quadratic along a direction."""
    slope = inner(point.gradient, direction)
    curvature = model.directional_curvature(direction)
    is_curved = curvature > 0
    return np.where(is_curved, -slope / np.where(is_curved, curvature, 1), 0)


def line_step(model, rule, point, direction, last_rate):
    """Return the parameters at the end of a line search, and the rate that it accepted.

    Parameters
    ----------
    model : Objective or QuadraticModel
        What is minimised.
    rule : LineSearch
        The sufficient decrease, and the factor of backtracking.
    point : Point
        Where the line starts.
    direction : array
        Direction of the line, in which the objective decreases.
    last_rate : float
        Rate that the last search accepted.
    """
    if model.quadratic:
        rate = exact_rate(model, point, direction)
        return point.theta + rate * direction, np.max(rate), last_rate
    slope = float(np.sum(inner(point.gradient, direction)))

    def is_accepted(rate, theta):
        return model.value(theta) <= point.value + rule.decrease * rate * slope

    return backtrack(
        rule, lambda rate: point.theta + rate * direction, is_accepted, point, last_rate
    )


def proximal_step(model, point, rate):
    """Return the parameters after a gradient step and the proximal step of l1 term and bounds."""
    return model.proximal_operator(point.theta - rate * point.gradient, rate)


def searched_proximal_step(model, rule, point, last_rate):
    """Return the parameters after a proximal step by backtracking, and its rate.

    A rate is accepted if the quadratic with the curvature 1 / rate bounds the smooth part of the
    objective (Beck and Teboulle, 2009).
    """
    smooth = point.value - model.l1_penalty(point.theta)

    def is_accepted(rate, theta):
        change = theta - point.theta
        bound = smooth + np.vdot(point.gradient, change) + np.vdot(change, change) / (2 * rate)
        rounding = 4 * np.finfo(theta.dtype).eps * abs(smooth)
        return model.value(theta) - model.l1_penalty(theta) <= bound + rounding

    return backtrack(
        rule, lambda rate: proximal_step(model, point, rate), is_accepted, point, last_rate
    )


def backtrack(rule, step, is_accepted, point, last_rate):
    """Return the first accepted parameters, from twice the last rate downwards.

    Parameters
    ----------
    rule : LineSearch
        The factor of backtracking.
    step : callable
        Returns the parameters after a step of a given rate.
    is_accepted : callable
        Returns whether a rate and its parameters are accepted.
    point : Point
        Where the step starts.
    last_rate : float
        Rate that the last search accepted.

    Returns
    -------
    theta : array
        The start itself where no rate is accepted: the objective cannot decrease in floating point.
    rate : float
        The rate; 0 where none is accepted.
    last_rate : float
        What the next search starts from.
    """
    rate = 2 * last_rate
    for _ in range(MAX_TRIALS):
        theta = step(rate)
        if np.isfinite(theta).all() and is_accepted(rate, theta):
            return theta, rate, rate
        rate *= rule.shrink
    return point.theta, 0.0, last_rate
