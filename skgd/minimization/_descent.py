"""The loop of a descent on a function, and the steps that it can take."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from skgd.kernels.line_search import exact_rate
from skgd.kernels.wolfe import Trial, wolfe_search
from skgd.minimization._function import Function
from skgd.objectives import Point
from skgd.optimizers import GD
from skgd.schedules import Constant
from skgd.stopping import GradientTest

EPS = float(np.finfo(float).eps)

#: The constant c₂ of the strong Wolfe conditions: conjugate directions want exact searches.
CURVATURE = 0.3

#: A promised fall, in units of the value's rounding, below which a search that finds none has
#: arrived.
ROUNDING = 1e3


class Ending(StrEnum):
    """Why a descent ended; the text is what the user reads."""

    GRADIENT = "Every partial derivative is at most gtol."
    PRECISION = "Nothing improves in floating point any more."
    STEP = "The next step would be shorter than xtol."
    CHANGE = "The next step would change the value by less than ftol."
    PATIENCE = "The value has not improved for as many passes as patience allows."
    CALLBACK = "The callback asked to stop."
    MAX_ITER = "max_iter was reached."
    RISEN = (
        "max_iter was reached, with a value above that at the start: the learning rate is too "
        "large. Lower it, or use learning_rate='line_search'."
    )
    DIVERGED = (
        "Diverged: fun {failure} where the step led to. The learning rate is too large. Lower it, "
        "or use learning_rate='line_search'."
    )
    NO_TRIAL = (
        "No step along the direction of descent leads anywhere: fun counts as +inf at all points "
        "tried; the last time it {failure}."
    )
    NO_FALL = (
        "No step along the direction of descent lowers the value, though the gradient promises "
        "it. Compare it with fun by check_gradient; if it is right, fun has a kink here, or noise."
    )
    NO_START = "fun has no finite value at the starting point, or no gradient: it {failure}."

    @property
    def is_success(self):
        """Whether there was nothing left to gain."""
        return self in (
            Ending.GRADIENT,
            Ending.PRECISION,
            Ending.STEP,
            Ending.CHANGE,
            Ending.PATIENCE,
            Ending.CALLBACK,
        )


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
        instead of a point an :class:`Ending` where it leads nowhere.
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
        return point, 0, Ending.NO_START
    norm = math.sqrt(point.gradient.dot(point.gradient))
    watch.sees(point, norm, math.nan)
    first = point.value
    wide = limits.gtol * math.sqrt(len(start))
    measured = limits.xtol > 0 or not step.searches  # a search always moves
    # Estimated gradients are no guide to changes that are nothing beside the first value.
    unit = abs(first) if function.fuzz else 0.0
    progress = GradientTest(tol=0.0, reference=1.0, unit=unit) if step.searches else None
    for number in range(1, limits.max_iter + 1):
        if norm <= wide and np.abs(point.gradient).max() <= limits.gtol:
            return point, number - 1, Ending.GRADIENT
        if progress is not None and progress.verdict(point.value, norm, EPS):
            return point, number - 1, Ending.PRECISION
        landed, rate = step(point, number)
        if isinstance(landed, Ending):
            return point, number - 1, landed
        if measured:
            moved = landed.theta - point.theta
            length = math.sqrt(moved.dot(moved))
            if length < limits.xtol:
                return point, number - 1, Ending.STEP
            if length == 0:
                return point, number - 1, Ending.PRECISION
        if abs(landed.value - point.value) < limits.ftol:
            return point, number - 1, Ending.CHANGE
        point = landed
        norm = math.sqrt(point.gradient.dot(point.gradient))
        if watch.sees(point, norm, rate):
            return point, number, Ending.CALLBACK
    if norm <= wide and np.abs(point.gradient).max() <= limits.gtol:
        return point, limits.max_iter, Ending.GRADIENT
    return point, limits.max_iter, Ending.RISEN if point.value > first else Ending.MAX_ITER


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
        self.first = self.second = np.zeros(function.layout.size)

    def __call__(self, point, number):
        """Return where the step leads, and its rate."""
        rate = self.rate_at(number)
        step, _, self.first, self.second = self.optimizer.update(
            point.gradient, self.first, self.second, rate, number
        )
        return self.function.at(point.theta + step) or Ending.DIVERGED, rate


class AlongLine:
    """Base of the steps along a direction of descent: the gradient's or a conjugate one.

    Parameters
    ----------
    function : Function
        What to descend on.
    optimizer : GD or ConjugateGradient
        The rule for directions.
    """

    searches = True

    def __init__(self, function, optimizer):
        self.function, self.optimizer = function, optimizer
        self.memory = {}

    def __call__(self, point, number):
        """Return where the step leads, and its rate."""
        landed, rate = self.along(point, self.direction(point))
        if isinstance(landed, Ending) and self.memory:
            # A conjugate direction may lead nowhere where the gradient's still does.
            self.memory = {}
            landed, rate = self.along(point, self.direction(point))
        return landed, rate

    def direction(self, point):
        """Return a direction of descent."""
        if isinstance(self.optimizer, GD):
            return -point.gradient
        return self.optimizer.direction(point.gradient, self.memory)

    def along(self, point, direction):
        """Return where a step along `direction` leads, and its rate."""
        raise NotImplementedError


class SearchedStep(AlongLine):
    """A step whose length satisfies the strong Wolfe conditions."""

    def __init__(self, function, optimizer, schedule):
        super().__init__(function, optimizer)
        self.schedule = schedule
        self.bend = None  # the curvature along the last line

    def along(self, point, direction):
        """Search along `direction`."""
        function, theta = self.function, point.theta
        slope = float(point.gradient.dot(direction))
        reached = 0.0

        def look(rate, ceiling):
            nonlocal reached
            x = theta + rate * direction
            value = function.value(x)
            if value < math.inf:
                reached = max(reached, rate)
            gradient = function.gradient(x, value) if value <= ceiling else None
            if gradient is None:
                return Trial(rate, value if value > ceiling else math.inf, math.nan, None)
            slope = float(gradient.dot(direction))
            if not math.isfinite(slope):
                function.failure = "has a gradient that is not finite"
                return Trial(rate, math.inf, slope, None)
            return Trial(rate, value, slope, Point(x, value, gradient))

        square = float(direction.dot(direction))
        rate = self.first_rate(square, slope)
        start = Trial(0.0, point.value, slope, point)
        noise = 2 * EPS * abs(point.value)
        rule = self.schedule
        found = wolfe_search(look, start, rate, rule.decrease, CURVATURE, rule.shrink, noise)
        if found is None:
            self.bend = None
            finite = bool((theta + reached * direction != theta).any())
            return nowhere(function, point, finite, promise=-rate * slope), 0.0
        change = (found.slope - slope) / found.rate
        self.bend = change / square if change > 0 else None
        return found.point, found.rate

    def first_rate(self, square, slope):
        """Return the first rate to try: exact, if the function bends as along the last line."""
        if self.bend is None:
            return min(1.0, 1 / math.sqrt(-slope))
        return -slope / (self.bend * square)


def nowhere(function, point, finite, promise):
    """Return why no step has led lower, though the gradient promised a fall."""
    if not finite:
        return Ending.NO_TRIAL
    small = promise <= ROUNDING * EPS * abs(point.value)
    small = small or np.abs(point.gradient).max() <= ROUNDING * function.fuzz
    return Ending.PRECISION if small else Ending.NO_FALL


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
        return self.function.at(point.theta + rate * direction) or Ending.NO_TRIAL, rate


@dataclass
class Line:
    """What :func:`skgd.kernels.line_search.exact_rate` asks of a quadratic."""

    function: Function
    point: Point

    def curvature(self, direction):
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
        return self.function.at(x) or Ending.NO_TRIAL, rate
