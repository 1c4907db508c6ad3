"""The loop of a descent on a function."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dnrm2

from skgd.minimization._termination import TerminationReason
from skgd.objectives import Point

#: Steps in a row without a smaller value or gradient that end a descent.
STILL = 100


@dataclass
class Limits:
    """When a descent ends.

    Parameters
    ----------
    max_iter : int
        Steps at most, or passes.
    gtol, xtol, ftol : float
        Largest partial derivative, length of a step and change of the value that are small enough.
    patience : int
        Passes without an improvement.
    """

    max_iter: int
    gtol: float
    xtol: float
    ftol: float
    patience: int


@dataclass
class StagnationMonitor:
    """Notices that neither values nor gradients have become smaller for many steps.

    Parameters
    ----------
    unit : float
        The smallest value that rounding is relative to.
    """

    unit: float
    value: float = math.inf
    norm: float = math.inf
    count: int = 0

    def reached(self, value, norm, noise):
        """Take in value and gradient norm after a step; tell whether the descent stands still."""
        lower = value < self.value - noise * max(abs(value), self.unit)
        if lower:
            self.value = value
        if norm < self.norm:
            self.norm = norm
        elif not lower:
            self.count += 1
            return self.count >= STILL
        self.count = 0
        return False


def descend(function, start, step, limits, watch):
    """Descend from a point; return where it ended, the number of steps, and why.

    Parameters
    ----------
    function : Function
        What to descend on.
    start : array of shape (n,)
        Where to start.
    step : callable
        Takes a point and the number of the step, returns the point where it leads and its rate;
        instead of a point an :class:`TerminationReason` where it leads nowhere.
    limits : Limits
        When to end.
    watch : Watch
        Is told of every point; may ask for an end.

    Returns
    -------
    point : Point
    nit : int
    ending : Ending
    """
    point = function.at(start)
    if point is None:
        point = Point(start, math.inf, np.full_like(start, np.nan))
        watch.sees(point, math.nan, math.nan)
        return point, 0, TerminationReason.NO_START
    norm = dnrm2(point.gradient)
    watch.sees(point, norm, math.nan)
    first = point.value
    wide = limits.gtol * math.sqrt(len(start))
    measured = limits.xtol > 0 or not step.searches  # a search always moves
    # Estimated gradients are no guide to changes that are nothing beside the first value.
    standstill = StagnationMonitor(abs(first) if function.gradient_error else 0.0)
    for number in range(1, limits.max_iter + 1):
        if norm <= wide and np.abs(point.gradient).max() <= limits.gtol:
            return point, number - 1, TerminationReason.GRADIENT
        if step.searches and standstill.reached(point.value, norm, step.noise):
            return point, number - 1, TerminationReason.PRECISION
        landed, rate = step(point, number)
        if isinstance(landed, TerminationReason):
            return point, number - 1, landed
        if measured:
            moved = landed.theta - point.theta
            length = dnrm2(moved)
            if length < limits.xtol:
                return point, number - 1, TerminationReason.STEP
            if length == 0:
                return point, number - 1, TerminationReason.PRECISION
        if abs(landed.value - point.value) < limits.ftol:
            return point, number - 1, TerminationReason.CHANGE
        point = landed
        norm = dnrm2(point.gradient)
        if watch.sees(point, norm, rate):
            return point, number, TerminationReason.CALLBACK
    if norm <= wide and np.abs(point.gradient).max() <= limits.gtol:
        return point, limits.max_iter, TerminationReason.GRADIENT
    return (
        point,
        limits.max_iter,
        TerminationReason.RISEN if point.value > first else TerminationReason.MAX_ITER,
    )
