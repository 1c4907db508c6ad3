"""Schedules made of others."""

from dataclasses import replace
from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import (
    InvalidParameterError,
    check_choice,
    check_integer,
    check_real,
    raise_invalid,
)
from skgd.schedules._base import FitInfo, Schedule, check_length, progress
from skgd.schedules._powers import Constant


def check_part(name, value):
    """Check that `value` can be a part of another schedule."""
    if not isinstance(value, Schedule) or value.reacts_to_stalls:
        raise_invalid(
            name,
            value,
            "an object of skgd.schedules whose rates depend on the time alone",
            "For a number, write Constant(number).",
        )


@component
class LinearWarmup(Schedule):
    r"""The rates of another schedule, held down at first and released along a line.

    .. math:: \eta_t = \eta'_t \, \min\Bigl(1,\; f + (1 - f) \frac{t - 1}{length}\Bigr)

    The other schedule :math:`\eta'` runs from the start of the fit, as if there were no warm-up.

    Parameters
    ----------
    schedule : Schedule, default=Constant()
        The other schedule, with a clock of its own.
    length : int, default=5
        Epochs (or updates) until its rates are reached, at least 1.
    start_factor : float, default=0.1
        The share f of its rate to begin with, in (0, 1].
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    References
    ----------
    P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.

    Examples
    --------
    >>> from skgd.schedules import Constant, LinearWarmup
    >>> warm = LinearWarmup(Constant(eta0=0.5), length=4, start_factor=0.2)
    >>> warm.resolve(max_iter=6)([1, 2, 3, 4, 5, 6])
    array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
    """

    schedule: Schedule = Constant()
    length: int = 5
    start_factor: float = 0.1
    per: str = "epoch"

    def __post_init__(self) -> None:
        check_part("schedule", self.schedule)
        check_integer("length", self.length, low=1)
        check_real("start_factor", self.start_factor, low=0, high=1, closed="right")
        check_choice("per", self.per, ["update", "epoch"])

    def check(self, fit_info: FitInfo) -> None:
        check_length(self, "length", self.length, fit_info)
        self.schedule.check(fit_info)

    def rates_at(self, updates: Any, fit_info: FitInfo) -> Any:
        share = progress(fit_info.clock(updates, self.per), self.length)
        ramp = self.start_factor + (1 - self.start_factor) * share
        return ramp * self.schedule.rates_at(updates, fit_info)


@component
class Join(Schedule):
    r"""One schedule after the other; the clock of each starts at 1 when its turn comes.

    .. math:: \eta_t = \eta^{(i)}_{t - at_i}, \qquad at_i < t \le at_{i + 1}, \quad at_0 = 0

    Parameters
    ----------
    schedules : sequence of Schedule, default=(Constant(),)
        The parts in their order. One without a length of its own takes the whole of its turn.
    at : sequence of int, default=()
        The epochs (or updates) after which the next part takes over: one fewer than there are
        parts, in increasing order, the last before the end of the run.
    per : {"update", "epoch"}, default="epoch"
        What `at` counts.

    Examples
    --------
    >>> from skgd.schedules import Constant, Join, PolynomialDecay
    >>> rates = Join([Constant(0.5), PolynomialDecay(0.4, final=0.1)], at=[2])
    >>> rates.resolve(max_iter=5)([1, 2, 3, 4, 5])
    array([0.5, 0.5, 0.4, 0.3, 0.2])
    """

    schedules: tuple = (Constant(),)
    at: tuple = ()
    per: str = "epoch"

    def __post_init__(self) -> None:
        for name in ("schedules", "at"):
            value = getattr(self, name)
            if not isinstance(value, (tuple, list)):
                raise_invalid(name, value, "a tuple or a list")
            object.__setattr__(self, name, tuple(value))  # a list has no hash
        for number, part in enumerate(self.schedules):
            check_part(f"schedules[{number}]", part)
        for number, moment in enumerate(self.at):
            after = self.at[number - 1] if number else 0
            check_integer(f"at[{number}]", moment, low=after + 1)
        if len(self.at) != len(self.schedules) - 1:
            raise_invalid(
                "at", self.at, f"one shorter than schedules, which has {len(self.schedules)}"
            )
        check_choice("per", self.per, ["update", "epoch"])

    def check(self, fit_info: FitInfo) -> None:
        whole = fit_info.length(self.per)
        if self.at and self.at[-1] >= whole:
            raise InvalidParameterError(
                f"Join has at={self.at}, but the run ends after {whole:g} {self.per}s, before the "
                "last part begins. Lower at, or raise max_iter."
            )
        for part, _, turn in self._turns(fit_info):
            part.check(turn)

    def rates_at(self, updates: Any, fit_info: FitInfo) -> Any:
        rates = np.empty(np.shape(updates))
        turns = list(self._turns(fit_info))
        turn_of = np.searchsorted([begin for _, begin, _ in turns], updates) - 1
        for number, (part, begin, turn) in enumerate(turns):
            here = turn_of == number
            rates[here] = part.rates_at(updates[here] - begin, turn)
        return rates

    def _turns(self, fit_info):
        """Yield each part with the updates before its turn, and its turn as a run."""
        unit = fit_info.updates_per_epoch if self.per == "epoch" else 1
        begins, ends = (0, *self.at), (*self.at, fit_info.length(self.per))
        for part, begin, end in zip(self.schedules, begins, ends, strict=True):
            turn = replace(fit_info, max_iter=(end - begin) * unit / fit_info.updates_per_epoch)
            yield part, begin * unit, turn
