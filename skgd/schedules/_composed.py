"""Schedules composed of other schedules."""

from typing import Any

import numpy as np

from skgd._utils import validation
from skgd._utils.component import checked, component
from skgd.schedules._base import FitInfo, Schedule, check_length, elapsed_fraction
from skgd.schedules._powers import Constant

__all__ = ["Join", "LinearWarmup"]


def check_schedule(name, value):
    """Check that `value` is a schedule whose rates depend on the time t only."""
    if not isinstance(value, Schedule) or value.reacts_to_stalls:
        constraint = "an object of skgd.schedules whose rates depend on the update number only"
        hint = "For a constant rate, write Constant(number)."
        validation.raise_invalid(name, value, constraint, hint)


@component
class LinearWarmup(Schedule):
    r"""Linear warm-up: the rates of another schedule, reduced at the beginning of the fit.

    .. math:: \eta_t = \eta'_t \, \min\Bigl(1,\; f + (1 - f) \frac{t - 1}{length}\Bigr)

    The time of the other schedule :math:`\eta'` also starts at the beginning of the fit.

    Parameters
    ----------
    schedule : Schedule, default=Constant()
        The other schedule, whose unit of time may be different.
    length : int, default=5
        Length of the warm-up in units of `per`, at least 1.
    start_factor : float, default=0.1
        The factor f of the first rate, in (0, 1].
    per : {"update", "epoch"}, default="epoch"
        Unit of t and `length`.

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

    schedule: Schedule = checked(check_schedule, default=Constant())
    length: int = checked(validation.check_integer, default=5, low=1)
    start_factor: float = checked(validation.check_real, default=0.1, low=0, high=1, closed="right")
    per: str = checked(validation.check_choice, default="epoch", choices=["update", "epoch"])

    def check(self, fit_info: FitInfo) -> None:
        check_length(self, fit_info)
        self.schedule.check(fit_info)

    def rates_at(self, updates: Any, fit_info: FitInfo) -> Any:
        elapsed = elapsed_fraction(fit_info.time_at(updates, self.per), self.length)
        factor = self.start_factor + (1 - self.start_factor) * elapsed
        return factor * self.schedule.rates_at(updates, fit_info)


@component
class Join(Schedule):
    r"""A sequence of schedules; the time of each restarts at 1 when it becomes active.

    .. math:: \eta_t = \eta^{(i)}_{t - at_i}, \qquad at_i < t \le at_{i + 1}, \quad at_0 = 0

    Parameters
    ----------
    schedules : sequence of Schedule, default=(Constant(),)
        The schedules in order. A schedule with ``length=None`` extends over the whole interval in
        which it is active.
    at : sequence of int, default=()
        The times after which the next schedule becomes active, increasing: one fewer than
        schedules, the last before the end of the fit.
    per : {"update", "epoch"}, default="epoch"
        Unit of `at`.

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
                validation.raise_invalid(name, value, "a tuple or a list")
            object.__setattr__(self, name, tuple(value))  # lists are not hashable
        for i, schedule in enumerate(self.schedules):
            check_schedule(f"schedules[{i}]", schedule)
        for i, time in enumerate(self.at):
            previous = self.at[i - 1] if i else 0
            validation.check_integer(f"at[{i}]", time, low=previous + 1)
        if len(self.at) != len(self.schedules) - 1:
            constraint = f"one shorter than schedules, which has {len(self.schedules)}"
            validation.raise_invalid("at", self.at, constraint)
        validation.check_choice("per", self.per, ["update", "epoch"])

    def check(self, fit_info: FitInfo) -> None:
        total = fit_info.length(self.per)
        if self.at and self.at[-1] >= total:
            raise validation.InvalidParameterError(
                f"Join has at={self.at}, but the fit ends after {total:g} {self.per}s, before the "
                "last schedule becomes active. Lower at or raise max_iter."
            )
        for schedule, _, segment_info in self._segments(fit_info):
            schedule.check(segment_info)

    def rates_at(self, updates: Any, fit_info: FitInfo) -> Any:
        rates = np.empty(np.shape(updates))
        segments = list(self._segments(fit_info))
        active = np.searchsorted([start for _, start, _ in segments], updates) - 1
        for i, (schedule, start, segment_info) in enumerate(segments):
            rates[active == i] = schedule.rates_at(updates[active == i] - start, segment_info)
        return rates

    def _segments(self, fit_info):
        """Yield each schedule, the number of updates before it, and the FitInfo of its interval."""
        unit = fit_info.updates_per_epoch if self.per == "epoch" else 1
        starts, ends = (0, *self.at), (*self.at, fit_info.length(self.per))
        for schedule, start, end in zip(self.schedules, starts, ends, strict=True):
            epochs = (end - start) * unit / fit_info.updates_per_epoch
            yield schedule, start * unit, fit_info._replace(max_iter=epochs)
