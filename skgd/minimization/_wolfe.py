"""A line search on values and slopes, for functions of which nothing is known."""

import math
from dataclasses import dataclass
from typing import Any

#: Trials at most in one search, those at which the function has no value included.
ALL_TRIALS = 60

#: What a search steps over by at most while the function still falls.
STRETCH = 10.0


@dataclass(slots=True)
class Trial:
    """A place on the line.

    Parameters
    ----------
    rate : float
        How far along.
    value : float
        The function there; inf where it has none.
    slope : float
        Its derivative along the line; NaN where it was not asked for.
    theta, gradient : object
        The place, and the gradient there.
    """

    rate: float
    value: float
    slope: float
    theta: Any = None
    gradient: Any = None


@dataclass(frozen=True)
class Conditions:
    """What a search is after, and how long.

    Parameters
    ----------
    decrease, curvature : float
        The constants c₁ and c₂, 0 < c₁ < c₂ < 1.
    shrink : float
        What a rate is multiplied by where the function has no value.
    trials : int
        Trials with a value at most.
    """

    decrease: float
    curvature: float
    shrink: float
    trials: int


def wolfe_search(look, start, rate, conditions, noise):
    r"""Return a trial that satisfies the strong Wolfe conditions, or None.

    .. math::
        f(a) \le f(0) + c_1 a f'(0) + \epsilon, \qquad |f'(a)| \le c_2 |f'(0)|

    Trials that violate the first bracket a minimum from above, those that still fall from below;
    in a bracket the next trial is the minimiser of a cubic (Moré and Thuente, 1994), kept away from
    its ends. Where trials run out, the best that satisfies the first condition is returned.

    Parameters
    ----------
    look : callable
        Takes a rate and a value up to which a slope is wanted, returns a :class:`Trial`.
    start : Trial
        The place at rate 0, where the slope is negative.
    rate : float
        The first to try.
    conditions : Conditions
        What it is after.
    noise : float
        The rounding ε of the function's values.

    Returns
    -------
    Trial or None
    """
    low, high = start, None
    steep = -conditions.curvature * start.slope
    valued = 0
    for _ in range(ALL_TRIALS):
        ceiling = start.value + conditions.decrease * rate * start.slope + noise
        trial = look(rate, ceiling)
        # A slope is known where the value is low enough, and only there is it a number.
        if trial.value <= ceiling and abs(trial.slope) <= steep:
            return trial
        valued += trial.value < math.inf
        if not (trial.value <= ceiling and (low is start or trial.value <= low.value + noise)):
            high = trial
        else:
            ahead = 1 if high is None else high.rate - low.rate
            if trial.slope * ahead >= 0:
                high = low
            low = trial
        if valued == conditions.trials:
            break
        if high is None:
            rate = extrapolate(start, trial)
        else:
            rate = between(low, high, conditions.shrink)
            if rate is None:
                break
    return low if low.value < start.value else None


def extrapolate(start, trial):
    """Return a longer rate: where the slope, taken as linear, would vanish."""
    change = trial.slope - start.slope
    guess = trial.rate * start.slope / -change if change > 0 else math.inf
    return min(max(guess, 2 * trial.rate), STRETCH * trial.rate)


def between(low, high, shrink):
    """Return a rate between two trials, None where there is none in floating point."""
    width = high.rate - low.rate
    if not math.isfinite(high.value):
        rate = low.rate + shrink * width
    else:
        rate = low.rate + min(max(lowest(low, high), 0.05), 0.95) * width
    return rate if rate not in (low.rate, high.rate) else None


def lowest(low, high):
    """Return where, as a share of the way, an interpolation between two trials is lowest."""
    width = high.rate - low.rate
    slope, rise = low.slope * width, high.value - low.value
    if not math.isfinite(high.slope):
        bend = rise - slope
        return -slope / (2 * bend) if bend > 0 else 0.5
    end = high.slope * width
    # f(s) = slope s + b s² + c s³ with the rise and the slope at s = 1
    b, c = 3 * rise - 2 * slope - end, slope + end - 2 * rise
    root = b * b - 3 * c * slope
    if root < 0:
        return 0.5
    bottom = b + math.sqrt(root)
    return -slope / bottom if bottom > 0 else 0.5
