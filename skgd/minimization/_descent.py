"""The descent loop for a function whose value and gradient are evaluated at every step."""

import math

import numpy as np
from scipy.linalg.blas import dnrm2

from skgd.minimization._termination import StagnationMonitor, TerminationReason
from skgd.objectives import Point


def descend(function, start, step, options, monitor):
    """Descend from a starting point until a termination criterion is met.

    Parameters
    ----------
    function : ScalarFunction
        The function to minimise.
    start : array of shape (n,)
        The starting point.
    step : ScheduledStep or DirectionalStep
        Computes the next point and its learning rate from the current point and the step number;
        instead of a point it may return a :class:`TerminationReason`.
    options : MinimizeOptions
        Limits and tolerances.
    monitor : Monitor
        Records every point and runs the callback.

    Returns
    -------
    point : Point
        The last point.
    nit : int
        Number of steps.
    reason : TerminationReason
    """
    point = function.evaluate(start)
    if point is None:
        point = Point(start, math.inf, np.full_like(start, np.nan))
        monitor.record(point, math.nan, math.nan)
        return point, 0, TerminationReason.INVALID_START
    norm = dnrm2(point.gradient)
    monitor.record(point, norm, math.nan)
    initial_value, gtol = point.value, options.gradient_tolerance
    # A line search never returns the current point, so its steps need no measuring without xtol.
    check_length = options.xtol > 0 or not step.is_line_search
    # With estimated gradients, changes far below the initial value are not reliable.
    stagnation = StagnationMonitor(abs(initial_value) if function.gradient_error else 0.0)
    for number in range(1, options.max_iter + 1):
        if is_stationary(point, norm, gtol):
            return point, number - 1, TerminationReason.GTOL
        if step.is_line_search:
            stagnation.update(point.value, norm, step.relative_noise)
            if stagnation.has_stagnated:
                return point, number - 1, TerminationReason.PRECISION
        new_point, rate = step(point, number)
        if isinstance(new_point, TerminationReason):
            return point, number - 1, new_point
        if check_length:
            length = dnrm2(new_point.theta - point.theta)
            if length < options.xtol:
                return point, number - 1, TerminationReason.XTOL
            if length == 0:
                return point, number - 1, TerminationReason.PRECISION
        if abs(new_point.value - point.value) < options.ftol:
            return point, number - 1, TerminationReason.FTOL
        point = new_point
        norm = dnrm2(point.gradient)
        monitor.record(point, norm, rate)
        if monitor.run_callback(point):
            return point, number, TerminationReason.CALLBACK
    if is_stationary(point, norm, gtol):
        reason = TerminationReason.GTOL
    elif point.value > initial_value:
        reason = TerminationReason.VALUE_INCREASED
    else:
        reason = TerminationReason.MAX_ITER
    return point, options.max_iter, reason


def is_stationary(point, norm, gtol):
    """Return whether every partial derivative is at most `gtol`.

    The Euclidean norm, which is already known, is at most sqrt(n) times the maximum norm; this test
    comes first because it costs less than the maximum.
    """
    gradient = point.gradient
    return norm <= gtol * math.sqrt(len(gradient)) and np.abs(gradient).max() <= gtol
