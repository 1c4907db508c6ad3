"""A line search for the strong Wolfe conditions, from values and derivatives along the line."""

import math
from typing import Any, NamedTuple

#: Maximum number of trials in a search, including those where the function is not finite.
MAX_TRIALS = 60

#: Maximum factor between consecutive step lengths before a minimum is bracketed.
MAX_EXTRAPOLATION = 10.0

#: Minimum distance of an interpolated trial from the ends of the bracket, relative to its width.
BRACKET_MARGIN = 0.05


class Trial(NamedTuple):
    """A trial point x + rate * direction.

    Parameters
    ----------
    rate : float
        The step length, which is the learning rate.
    value : float
        The value of the function; inf if it or its gradient is not finite.
    slope : float
        The derivative along the direction; NaN if it was not computed.
    theta, gradient : array of shape (n,) or None
        The point and the gradient there.
    """

    rate: float
    value: float
    slope: float
    theta: Any = None
    gradient: Any = None


class WolfeOptions(NamedTuple):
    """Constants of the strong Wolfe conditions and limits of the search for them.

    Parameters
    ----------
    decrease, curvature : float
        The constants c₁ of sufficient decrease and c₂ of the curvature condition,
        0 < c₁ < c₂ < 1.
    shrink : float
        Position of the trial after one where the function is not finite: its distance from the
        other end of the bracket, relative to the bracket's width.
    max_finite_trials : int
        Maximum number of trials where the function is finite.
    """

    decrease: float
    curvature: float
    shrink: float
    max_finite_trials: int


def wolfe_search(evaluate, start, rate, options, noise):
    r"""Return a trial that satisfies the strong Wolfe conditions, or None.

    With φ(a) = f(x + a d), the function along the line, the conditions are sufficient decrease,
    relaxed by the rounding error ε of the values, and the curvature condition:

    .. math::
        \phi(a) \le \phi(0) + c_1 a \phi'(0) + \epsilon, \qquad |\phi'(a)| \le c_2 |\phi'(0)|

    The search extrapolates until two trials bracket a minimum, and then reduces the bracket (zoom),
    as in Algorithms 3.5 and 3.6 of Nocedal and Wright (2006). ``low`` is the best trial with
    sufficient decrease, and φ decreases from it towards ``high``. The next trial minimises the
    cubic that interpolates the two (Moré and Thuente, 1994), safeguarded by a minimum distance from
    both. If the trials are used up, ``low`` is returned if its value is below that of the start.

    Parameters
    ----------
    evaluate : callable
        Takes a rate and the largest value with sufficient decrease; returns a :class:`Trial`. The
        slope is needed only if the value does not exceed that bound.
    start : Trial
        The point at rate 0, where the slope is negative.
    rate : float
        The first rate to try.
    options : WolfeOptions
        Constants and limits.
    noise : float
        The rounding error ε of the values.

    Returns
    -------
    Trial or None

    References
    ----------
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, section 3.5.
    J. J. Moré, D. J. Thuente, "Line search algorithms with guaranteed sufficient decrease", 1994.
    """
    low, high = start, None
    max_slope = -options.curvature * start.slope
    n_finite = 0
    for _ in range(MAX_TRIALS):
        max_value = start.value + options.decrease * rate * start.slope + noise
        trial = evaluate(rate, max_value)
        decreases = trial.value <= max_value
        if decreases and abs(trial.slope) <= max_slope:
            return trial
        n_finite += trial.value < math.inf
        if decreases and (low is start or trial.value <= low.value + noise):
            width = 1 if high is None else high.rate - low.rate
            if trial.slope * width >= 0:  # the minimum is between the trial and the old low
                high = low
            low = trial
        else:
            high = trial
        if n_finite == options.max_finite_trials:
            break
        if high is None:
            rate = extrapolate(start, trial)
        else:
            rate = interpolate(low, high, options.shrink)
            if rate is None:
                break
    return low if low.value < start.value else None


def extrapolate(start, trial):
    """Return a larger rate: the root of the slope by the secant method, safeguarded."""
    slope_change = trial.slope - start.slope
    root = trial.rate * start.slope / -slope_change if slope_change > 0 else math.inf
    return min(max(root, 2 * trial.rate), MAX_EXTRAPOLATION * trial.rate)


def interpolate(low, high, shrink):
    """Return a rate inside the bracket, or None if there is none in floating point."""
    width = high.rate - low.rate
    if not math.isfinite(high.value):
        fraction = shrink
    else:
        fraction = min(max(interpolation_minimizer(low, high), BRACKET_MARGIN), 1 - BRACKET_MARGIN)
    rate = low.rate + fraction * width
    return rate if rate not in (low.rate, high.rate) else None


def interpolation_minimizer(low, high):
    """Return the minimiser of the interpolant, as a fraction of the way from `low` to `high`.

    The interpolant is the cubic through both values and slopes, or the parabola without the slope
    at `high` if that is unknown. If it has no minimum, the midpoint 0.5 is returned.
    """
    width = high.rate - low.rate
    slope, increase = low.slope * width, high.value - low.value
    if not math.isfinite(high.slope):
        b = increase - slope  # f(s) = f(0) + slope s + b s²
        return -slope / (2 * b) if b > 0 else 0.5
    end_slope = high.slope * width
    # f(s) = f(0) + slope s + b s² + c s³, with the given increase and slope at s = 1
    b, c = 3 * increase - 2 * slope - end_slope, slope + end_slope - 2 * increase
    discriminant = b * b - 3 * c * slope
    if discriminant < 0:
        return 0.5
    denominator = b + math.sqrt(discriminant)
    return -slope / denominator if denominator > 0 else 0.5
