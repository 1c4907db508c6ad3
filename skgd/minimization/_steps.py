"""The steps of a descent on a function: at scheduled rates, or along a direction of descent."""

import math

import numpy as np
from scipy.linalg.blas import daxpy, ddot

from skgd.minimization._finite_differences import EPS
from skgd.minimization._termination import TerminationReason
from skgd.minimization._wolfe import Trial, WolfeOptions, wolfe_search
from skgd.optimizers import GD, LBFGS, init_optimizer_state
from skgd.schedules import Constant

#: The constant c₂ of the curvature condition. Conjugate directions need nearly exact line searches;
#: quasi-Newton directions have a suitable length already.
CURVATURE_CONJUGATE, CURVATURE_QUASI_NEWTON = 0.3, 0.9

#: Maximum number of finite trials in a line search, for the looser and the tighter curvature
#: condition. With estimated gradients the looser limit holds: more trials gain nothing.
MAX_TRIALS_LOOSE, MAX_TRIALS_TIGHT = 15, 60

#: Upper bound of the error that is assumed for values, relative to their magnitude.
MAX_RELATIVE_NOISE = 1e-7

#: How many rounding errors, or errors of an estimated gradient, count as no progress.
ERROR_MARGIN = 1e3


def build_rate_function(schedule, max_iter, updates_per_epoch=1):
    """Return a function of the number of an update, from 1, that returns its learning rate."""
    rates = schedule.resolve(max_iter=max_iter, updates_per_epoch=updates_per_epoch)
    if isinstance(schedule, Constant):
        constant = float(rates(1))
        return lambda t: constant
    return lambda t: float(rates(t))


class ScheduledStep:
    """The optimizer's step at the learning rate of a schedule."""

    is_line_search = False

    def __init__(self, function, optimizer, schedule, max_iter):
        self.function, self.optimizer = function, optimizer
        self.rate_at = build_rate_function(schedule, max_iter)
        self.state = init_optimizer_state(optimizer, np.zeros(function.pytree.size))

    def __call__(self, point, number):
        """Return the next point, or why there is none, and the learning rate."""
        rate = self.rate_at(number)
        step, _, self.state = self.optimizer.update(point.gradient, self.state, rate, number)
        return self.function.evaluate(point.theta + step) or TerminationReason.DIVERGED, rate


class DirectionalStep:
    """Base class of steps along a direction of descent.

    Parameters
    ----------
    function : ScalarFunction
        The function to minimise.
    optimizer : GD, ConjugateGradient or LBFGS
        Computes the direction.

    Attributes
    ----------
    relative_noise : float
        The error that is assumed for values, relative to their magnitude.
    memory : dict
        State of the optimizer; empty at the start and after a restart.
    """

    is_line_search = True
    relative_noise = ERROR_MARGIN * EPS

    def __init__(self, function, optimizer):
        self.function, self.optimizer = function, optimizer
        self.is_steepest_descent = isinstance(optimizer, GD)
        self.state = ()

    def __call__(self, point, number):
        """Return the next point, or why there is none, and the learning rate."""
        new_point, rate = self.step_along(point, self.compute_direction(point))
        if isinstance(new_point, TerminationReason):
            return self.retry(point, new_point)
        return new_point, rate

    def retry(self, point, reason):
        """Return the step along the negative gradient after a failure for the given reason."""
        if not self.state:
            return reason, 0.0  # the failed direction was the negative gradient
        self.state = ()
        return self.step_along(point, self.compute_direction(point))

    def compute_direction(self, point):
        """Return a direction of descent."""
        if self.is_steepest_descent:
            return -point.gradient
        state = self.state or self.optimizer.init(point.theta)
        direction, self.state = self.optimizer.direction(point.theta, point.gradient, state)
        return direction

    def step_along(self, point, direction):
        """Return the next point on the line, or why there is none, and the learning rate."""
        raise NotImplementedError


class LineSearchStep(DirectionalStep):
    """A step whose length satisfies the strong Wolfe conditions.

    Near a minimum, cancellation can make differences of values meaningless where the gradient is
    still accurate. If a search fails, it is therefore repeated with a larger assumed error.
    """

    def __init__(self, function, optimizer, schedule):
        super().__init__(function, optimizer)
        self.is_quasi_newton = isinstance(optimizer, LBFGS)
        is_loose = self.is_quasi_newton or function.gradient_error
        curvature = CURVATURE_QUASI_NEWTON if self.is_quasi_newton else CURVATURE_CONJUGATE
        max_trials = MAX_TRIALS_LOOSE if is_loose else MAX_TRIALS_TIGHT
        self.options = WolfeOptions(schedule.decrease, curvature, schedule.shrink, max_trials)
        self.curvature = None  # along the last direction, or None if it was not positive

    def retry(self, point, reason):
        """Search along the negative gradient, then with larger and larger assumed errors."""
        new_point, rate = super().retry(point, reason)
        # A larger assumed error cannot help if no trial is finite.
        while (
            isinstance(new_point, TerminationReason)
            and new_point is not TerminationReason.NO_FINITE_TRIAL
            and self.relative_noise < MAX_RELATIVE_NOISE
        ):
            self.relative_noise *= 100
            new_point, rate = self.step_along(point, self.compute_direction(point))
        return new_point, rate

    def step_along(self, point, direction):
        """Search along `direction`."""
        function, theta, size = self.function, point.theta, point.theta.size
        slope = ddot(point.gradient, direction)
        largest_finite_rate = 0.0

        def evaluate(rate, max_value):
            nonlocal largest_finite_rate
            x = daxpy(direction, theta.copy(), size, rate)
            value = function.value(x)
            if rate > largest_finite_rate and value < math.inf:
                largest_finite_rate = rate
            if value > max_value:
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
        rate = self.initial_rate(direction, slope)
        noise = self.relative_noise * abs(point.value)
        trial = wolfe_search(evaluate, start, rate, self.options, noise)
        if trial is None:
            self.curvature = None
            any_finite = bool((theta + largest_finite_rate * direction != theta).any())
            return explain_failure(function, point, any_finite, -rate * slope), 0.0
        if not self.is_quasi_newton:
            self.update_curvature(direction, slope, trial)
        return trial, trial.rate

    def initial_rate(self, direction, slope):
        """Return the first rate to try.

        It is 1 for quasi-Newton directions, and otherwise the minimiser of a parabola with the
        curvature along the last direction.
        """
        if self.is_quasi_newton and self.state[0]:
            return 1.0
        if self.curvature is None:
            return min(1.0, 1 / math.sqrt(-slope))
        return -slope / (self.curvature * ddot(direction, direction))

    def update_curvature(self, direction, slope, trial):
        """Store the average curvature between the ends of a step."""
        curvature = (trial.slope - slope) / trial.rate
        self.curvature = curvature / ddot(direction, direction) if curvature > 0 else None


def explain_failure(function, point, any_finite, predicted_decrease):
    """Return why no trial point has a lower value.

    Parameters
    ----------
    function : ScalarFunction
        The function to minimise.
    point : Point
        Where the line starts.
    any_finite : bool
        Whether the function is finite at any trial point other than `point`.
    predicted_decrease : float
        The decrease of the value that the gradient predicts.

    Returns
    -------
    TerminationReason
    """
    if not any_finite:
        return TerminationReason.NO_FINITE_TRIAL
    is_negligible = (
        predicted_decrease <= ERROR_MARGIN * EPS * abs(point.value)
        or np.abs(point.gradient).max() <= ERROR_MARGIN * function.gradient_error
    )
    return TerminationReason.PRECISION if is_negligible else TerminationReason.NO_DECREASE


class ExactStep(DirectionalStep):
    """A step to the minimum of a quadratic function along a direction."""

    def step_along(self, point, direction):
        """Step to the minimum along `direction`."""
        # dᵀ H d is the change of a quadratic function's gradient along d, multiplied by d.
        end = self.function.evaluate(point.theta + direction)
        curvature = 0.0 if end is None else ddot(end.gradient - point.gradient, direction)
        if curvature <= 0:
            raise ValueError(
                "learning_rate='exact' needs a quadratic function with positive curvature; the "
                "curvature of fun is not positive along the direction of descent from "
                f"{self.function.pytree.unflatten(point.theta)!r}. Use learning_rate='line_search'."
            )
        rate = -ddot(point.gradient, direction) / curvature
        x = point.theta + rate * direction
        return self.function.evaluate(x) or TerminationReason.NO_FINITE_TRIAL, rate


class BestCandidateStep(DirectionalStep):
    """A step at the best of several learning rates along a direction.

    Parameters
    ----------
    function, optimizer
        See :class:`DirectionalStep`.
    rates : list of float
        The candidates, which are compared by the value of the function.
    """

    is_line_search = False

    def __init__(self, function, optimizer, rates):
        super().__init__(function, optimizer)
        self.rates = rates

    def step_along(self, point, direction):
        """Try all rates along `direction`."""
        points = [point.theta + rate * direction for rate in self.rates]
        values = [self.function.value(x) for x in points]
        best = int(np.argmin(values))
        if not values[best] < point.value:
            predicted_decrease = -min(self.rates) * float(point.gradient.dot(direction))
            any_finite = values[best] < math.inf
            return explain_failure(self.function, point, any_finite, predicted_decrease), 0.0
        new_point = self.function.evaluate(points[best])
        return new_point or TerminationReason.NO_FINITE_TRIAL, self.rates[best]
