"""What all schedules share: the run that they serve, their clock, and the check of their rates."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skgd._utils.component import Component, component
from skgd._utils.validation import InvalidParameterError


@dataclass(frozen=True)
class FitInfo:
    """What a schedule may need to know about the fit it serves.

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    updates_per_epoch : int
        Updates in one pass over the data.
    max_iter : float
        Epochs of the run; for a part of a :class:`Join`, of that part.
    """

    alpha: float = 0.0
    updates_per_epoch: int = 1
    max_iter: float = 1

    def length(self, per: str) -> float:
        """Return the length of the run in updates or in epochs."""
        return self.max_iter if per == "epoch" else round(self.max_iter * self.updates_per_epoch)

    def clock(self, updates: Any, per: str) -> Any:
        """Return the update or epoch numbers of the given updates."""
        return 1 + (updates - 1) // self.updates_per_epoch if per == "epoch" else updates


@component
class Schedule(Component):
    """Base class of the schedules.

    A subclass defines ``rate(t, fit_info)``, where ``t`` is an array of update numbers starting at
    1 (epoch numbers if the class attribute or parameter ``per`` is "epoch") and ``fit_info`` is a
    :class:`FitInfo`. A schedule that is invalid for some fits raises in ``check(fit_info)``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from skgd.schedules import Schedule
    >>> @dataclass(frozen=True)
    ... class Triangles(Schedule):
    ...     peak: float = 0.1
    ...     period: int = 10
    ...     def rate(self, t, fit_info):
    ...         return self.peak * (0.1 + np.abs((t / self.period) % 2 - 1))
    >>> rate = Triangles().resolve()
    >>> rate(np.array([5, 10, 15, 20])).round(3)
    array([0.06, 0.01, 0.06, 0.11])
    """

    per = "update"
    #: Whether the rate is lowered when the fit stalls, so that it is no function of time alone.
    reacts_to_stalls = False

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        """Return the rates at the times `t`.

        Parameters
        ----------
        t : array of shape (m,)
            Update or epoch numbers, from 1.
        fit_info : FitInfo
            The fit that the schedule serves.

        Returns
        -------
        array of shape (m,)
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method rate(t, fit_info)")

    def check(self, fit_info: FitInfo) -> None:
        """Refuse a run that the schedule does not fit; any will do unless a subclass objects.

        Parameters
        ----------
        fit_info : FitInfo
            The fit that the schedule serves.

        Raises
        ------
        ValueError
            If the schedule makes no sense for it.
        """

    def rates_at(self, updates: Any, fit_info: FitInfo) -> Any:
        """Return the rates at the given updates, whichever clock the schedule reads.

        Parameters
        ----------
        updates : array of shape (m,)
            Update numbers, from 1.
        fit_info : FitInfo
            The fit that the schedule serves.

        Returns
        -------
        array of shape (m,)
        """
        return self.rate(fit_info.clock(updates, self.per), fit_info)

    def after_stall(self, multiplier: float) -> float | None:
        """Return what the rates are multiplied by after a stall, None where the fit should end.

        Parameters
        ----------
        multiplier : float
            What they were multiplied by so far.

        Returns
        -------
        float or None
        """
        return None

    def resolve(
        self, *, alpha: float = 0.0, updates_per_epoch: int = 1, max_iter: int = 1
    ) -> Callable[[Any], Any]:
        """Return the schedule as a function of the update number alone.

        Parameters
        ----------
        alpha : float, default=0.0
            Strength of the penalty, in [0, inf).
        updates_per_epoch : int, default=1
            Updates in one pass over the data, at least 1.
        max_iter : int, default=1
            Epochs of the run, at least 1.

        Returns
        -------
        callable
            Takes an array of update numbers (from 1), returns an array of positive rates.

        Raises
        ------
        ValueError
            If the schedule does not fit the run, as where it is longer.

        Examples
        --------
        >>> from skgd.schedules import InverseScaling
        >>> InverseScaling(eta0=0.1, power_t=0.5).resolve()([1, 4, 100])
        array([0.1 , 0.05, 0.01])
        """
        fit_info = FitInfo(alpha, updates_per_epoch, max_iter)
        self.check(fit_info)

        def rates(t):
            t = np.asarray(t, dtype=float)
            # NumPy's powers of arrays and of single numbers may differ in the last bit.
            some = np.atleast_1d(t)
            return checked_rates(self.rates_at(some, fit_info), some).reshape(t.shape)

        return rates


def checked_rates(rates, t):
    """Return `rates` as an array like `t`, or refuse the first that is not positive and finite."""
    rates = np.asarray(rates, dtype=float)
    if rates.shape != np.shape(t):
        rates = np.broadcast_to(rates, np.shape(t))
    if rates.size and not (rates.min() > 0 and rates.max() < np.inf):  # which holds for no NaN
        first = np.flatnonzero(~((rates > 0) & np.isfinite(rates)))[0]
        raise ValueError(
            f"A learning rate must be positive and finite; got {np.ravel(rates)[first]} at update "
            f"t={np.ravel(t)[first]:g}."
        )
    return rates


def check_length(schedule, name, length, fit_info):
    """Refuse a part of `schedule` that is longer than the run."""
    whole = fit_info.length(schedule.per)
    if length is not None and length > whole:
        raise InvalidParameterError(
            f"{type(schedule).__name__} has {name}={length}, which is longer than the run of "
            f"{whole:g} {schedule.per}s. Lower {name}, or raise max_iter."
        )


def progress(t, length):
    """Return the share of `length` that has passed at the time `t`: 0 at t = 1, at last 1."""
    return np.minimum((t - 1) / length, 1)


@component
class FromCallable(Schedule):
    """A schedule made of any function ``t -> rate``."""

    function: Callable

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        """Call the function on the array of times, or where it takes none, on each of them."""
        try:
            rates = np.asarray(self.function(t))
        except Exception:
            rates = None  # not written for arrays; its own error, if any, comes from the scalars
        if rates is None or rates.shape not in ((), np.shape(t)):
            rates = np.array([float(self.function(int(moment))) for moment in t])
        return rates
