"""The steps that a descent on a function can take."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.blas import daxpy, ddot

from skgd.minimization._function import Function
from skgd.minimization._termination import TerminationReason
from skgd.minimization._wolfe import Conditions, Trial, wolfe_search
from skgd.optimizers import GD, LBFGS, init_optimizer_state
from skgd.schedules import Constant
from skgd.solvers.line_search import exact_rate

EPS = float(np.finfo(float).eps)

#: The constant c₂ of the strong Wolfe conditions: conjugate directions want exact searches, those
#: of LBFGS are long enough as they are.
TIGHT, LOOSE = 0.3, 0.9

#: Trials at most on a line. Where slopes are estimates more of them tell nothing.
FEW, MANY = 15, 60

#: What values are taken to be wrong by at most, relative to their size.
NOISIEST = 1e-7

#: A promised fall, in units of the value's rounding, below which a search that finds none has
#: arrived.
ROUNDING = 1e3


class Rates:
    """The rates of a schedule, one at a time."""

    def __init__(self, schedule, max_iter, updates_per_epoch=1):
        rates = schedule.resolve(max_iter=max_iter, updates_per_epoch=updates_per_epoch)
        constant = float(rates(1)) if isinstance(schedule, Constant) else None
        self.at = (lambda t: constant) if constant is not None else lambda t: float(rates(t))


class ScheduledStep:
    """The optimizer's step, at the schedule's rate."""

    searches = False

    def __init__(self, function, optimizer, schedule, max_iter):
        self.function, self.optimizer = function, optimizer
        self.rate_at = Rates(schedule, max_iter).at
        self.state = init_optimizer_state(optimizer, np.zeros(function.layout.size))

    def __call__(self, point, number):
        """Return where the step leads, and its rate."""
        rate = self.rate_at(number)
        step, _, self.state = self.optimizer.update(point.gradient, self.state, rate, number)
        return self.function.at(point.theta + step) or TerminationReason.DIVERGED, rate


class AlongLine:
    """Base of the steps along a direction of descent.

    Parameters
    ----------
    function : Function
        What to descend on.
    optimizer : GD, ConjugateGradient or LBFGS
        The rule for directions.

    Attributes
    ----------
    noise : float
        What values may be wrong by, relative to their size.
    """

    searches = True
    noise = ROUNDING * EPS

    def __init__(self, function, optimizer):
        self.function, self.optimizer = function, optimizer
        self.plain = isinstance(optimizer, GD)
        self.state = ()

    def __call__(self, point, number):
        """Return where the step leads, and its rate."""
        landed, rate = self.along(point, self.direction(point))
        if isinstance(landed, TerminationReason):
            return self.again(point, landed)
        return landed, rate

    def again(self, point, ending):
        """Return where a second try leads, after one that ended nowhere."""
        if not self.state:
            return ending, 0.0
        # Another direction may lead nowhere where the gradient's still does.
        self.state = ()
        return self.along(point, self.direction(point))

    def direction(self, point):
        """Return a direction of descent."""
        if self.plain:
            return -point.gradient
        state = self.state or self.optimizer.init(point.theta)
        direction, self.state = self.optimizer.direction(point.theta, point.gradient, state)
        return direction

    def along(self, point, direction):
        """Return where a step along `direction` leads, and its rate."""
        raise NotImplementedError


class SearchedStep(AlongLine):
    """A step whose length satisfies the strong Wolfe conditions.

    Near a minimum the values of functions with large terms of both signs are rounding, while the
    slopes still tell the way. There the search takes the values for wrong by more and more.
    """

    def __init__(self, function, optimizer, schedule):
        super().__init__(function, optimizer)
        self.scaled = isinstance(optimizer, LBFGS)
        self.conditions = Conditions(
            schedule.decrease,
            LOOSE if self.scaled else TIGHT,
            schedule.shrink,
            FEW if self.scaled or function.gradient_error else MANY,
        )
        self.bend = None  # the curvature along the last line

    def again(self, point, ending):
        """Return where a second try leads, and further ones that trust the values less."""
        landed, rate = super().again(point, ending)
        # Where there are no values at all, trusting them less changes nothing.
        while (
            isinstance(landed, TerminationReason)
            and landed is not TerminationReason.NO_TRIAL
            and self.noise < NOISIEST
        ):
            self.noise *= 100
            landed, rate = self.along(point, self.direction(point))
        return landed, rate

    def along(self, point, direction):
        """Search along `direction`."""
        function, theta, size = self.function, point.theta, point.theta.size
        slope = ddot(point.gradient, direction)
        reached = 0.0

        def look(rate, ceiling):
            nonlocal reached
            x = daxpy(direction, theta.copy(), size, rate)
            value = function.value(x)
            if rate > reached and value < math.inf:
                reached = rate
            if value > ceiling:
                return Trial(rate, value, math.nan)
            gradient = function.gradient(x, value)
            if gradient is None:
                return Trial(rate, math.inf, math.nan)
            slope = ddot(gradient, direction)
            if not math.isfinite(slope):
                function.failure = "has a gradient that is not finite"
                return Trial(rate, math.inf, math.nan)
            return Trial(rate, value, slope, x, gradient)

        start = Trial(0.0, point.value, slope)
        rate = self.first_rate(direction, slope)
        noise = self.noise * abs(point.value)
        found = wolfe_search(look, start, rate, self.conditions, noise)
        if found is None:
            self.bend = None
            finite = bool((theta + reached * direction != theta).any())
            return nowhere(function, point, finite, promise=-rate * slope), 0.0
        if not self.scaled:
            self.learn(direction, slope, found)
        return found, found.rate

    def first_rate(self, direction, slope):
        """Return the first rate to try: exact, if the function bends as along the last line."""
        if self.scaled and self.state[0]:
            return 1.0
        if self.bend is None:
            return min(1.0, 1 / math.sqrt(-slope))
        return -slope / (self.bend * ddot(direction, direction))

    def learn(self, direction, slope, found):
        """Remember how the function bends along a line."""
        change = (found.slope - slope) / found.rate
        self.bend = change / ddot(direction, direction) if change > 0 else None


def nowhere(function, point, finite, promise):
    """Return why no step has led lower, though the gradient promised a fall."""
    if not finite:
        return TerminationReason.NO_TRIAL
    small = promise <= ROUNDING * EPS * abs(point.value)
    small = small or np.abs(point.gradient).max() <= ROUNDING * function.gradient_error
    return TerminationReason.PRECISION if small else TerminationReason.NO_FALL


class ExactStep(AlongLine):
    """The step to the minimum along a line, of a quadratic function."""

    def along(self, point, direction):
        """Step to the minimum along `direction`."""
        line = Line(self.function, point)
        rate = float(exact_rate(line, point, direction))
        if rate == 0:
            raise ValueError(
                "learning_rate='exact' needs a quadratic function that curves upwards; along the "
                f"direction of descent from {self.function.layout.unpack(point.theta)!r} this one "
                "does not. Use learning_rate='line_search'."
            )
        return self.function.at(point.theta + rate * direction) or TerminationReason.NO_TRIAL, rate


@dataclass
class Line:
    """What :func:`skgd.solvers.line_search.exact_rate` asks of a quadratic."""

    function: Function
    point: Any

    def directional_curvature(self, direction):
        """Return the second derivative along `direction`: how the gradient changes."""
        ahead = self.function.at(self.point.theta + direction)
        return 0.0 if ahead is None else (ahead.gradient - self.point.gradient).dot(direction)


class BestStep(AlongLine):
    """The best of several steps along a direction."""

    searches = False

    def __init__(self, function, optimizer, rates):
        super().__init__(function, optimizer)
        self.rates = rates

    def along(self, point, direction):
        """Try all rates along `direction`."""
        trials = []
        for rate in self.rates:
            x = point.theta + rate * direction
            trials.append((self.function.value(x), rate, x))
        value, rate, x = min(trials, key=lambda trial: trial[0])
        if not value < point.value:
            slope = float(point.gradient.dot(direction))
            promise = -min(self.rates) * slope
            return nowhere(self.function, point, value < math.inf, promise), 0.0
        return self.function.at(x) or TerminationReason.NO_TRIAL, rate
