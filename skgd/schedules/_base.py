"""Base class of the schedules, the properties of a fit that they use, and checks of rates."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from skgd._utils.component import Component, component
from skgd._utils.validation import InvalidParameterError

__all__ = ["Schedule"]


class FitInfo(NamedTuple):
    """Properties of a fit that schedules depend on.

    Parameters
    ----------
    alpha : float, default=0.0
        Strength of the penalty.
    updates_per_epoch : int, default=1
        Number of updates per epoch.
    max_iter : float, default=1
        Number of epochs; within a :class:`Join`, the number for which a schedule is active, which
        is a fraction if the schedules change within an epoch.
    """

    alpha: float = 0.0
    updates_per_epoch: int = 1
    max_iter: float = 1

    def length(self, per: str) -> float:
        """Return the length of the fit in units of `per`, "update" or "epoch"."""
        return self.max_iter if per == "epoch" else round(self.max_iter * self.updates_per_epoch)

    def time_at(self, updates: Any, per: str) -> Any:
        """Return the times t of updates: their numbers, or the numbers of their epochs."""
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

    registry: ClassVar[dict[str, type["Schedule"]]] = {}  # filled by @component(name=...)
    #: Unit of ``t``: "update" or "epoch".
    per = "update"
    #: Whether the rate is lowered when the fit stalls, so that it is no function of time alone.
    reacts_to_stalls = False

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        """Return the learning rates at the times `t`.

        Parameters
        ----------
        t : array of shape (m,)
            Update numbers or, if ``per`` is "epoch", epoch numbers, starting at 1.
        fit_info : FitInfo
            Properties of the fit.

        Returns
        -------
        array of shape (m,)
            Positive learning rates.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method rate(t, fit_info)")

    def check(self, fit_info: FitInfo) -> None:
        """Raise an error if the schedule is invalid for a fit; by default it is valid for all.

        Parameters
        ----------
        fit_info : FitInfo
            Properties of the fit.

        Raises
        ------
        ValueError
            If the schedule is invalid for the fit.
        """

    def rates_at(self, updates: Any, fit_info: FitInfo) -> Any:
        """Return the learning rates of updates, for schedules per update and per epoch.

        Parameters
        ----------
        updates : array of shape (m,)
            Update numbers, starting at 1.
        fit_info : FitInfo
            Properties of the fit.

        Returns
        -------
        array of shape (m,)
            Learning rates.
        """
        return self.rate(fit_info.time_at(updates, self.per), fit_info)

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
        """Return the schedule for a given fit, as a function of the update number.

        Parameters
        ----------
        alpha : float, default=0.0
            Strength of the penalty, in [0, inf).
        updates_per_epoch : int, default=1
            Number of updates per epoch, at least 1.
        max_iter : int, default=1
            Number of epochs, at least 1.

        Returns
        -------
        callable
            A function of an array of update numbers, starting at 1, that returns an array of
            positive learning rates of the same shape.

        Raises
        ------
        ValueError
            If the schedule is invalid for the fit, for example because it is longer.

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
            # Powers of NumPy arrays and of scalars may differ in the last bit.
            updates = np.atleast_1d(t)
            return validate_rates(self.rates_at(updates, fit_info), updates).reshape(t.shape)

        return rates


def validate_rates(rates, t):
    """Return `rates` as an array of the shape of `t` after checking that they are valid.

    Raises
    ------
    ValueError
        If a learning rate is not positive and finite; the message contains the first one.
    """
    rates = np.asarray(rates, dtype=float)
    if rates.shape != np.shape(t):
        rates = np.broadcast_to(rates, np.shape(t))
    if rates.size and not (rates.min() > 0 and rates.max() < np.inf):  # also if one is NaN
        first = np.flatnonzero(~((rates > 0) & np.isfinite(rates)))[0]
        raise ValueError(
            f"A learning rate must be positive and finite; got {np.ravel(rates)[first]} at update "
            f"t={np.ravel(t)[first]:g}."
        )
    return rates


def check_length(schedule, fit_info):
    """Check that the parameter `length` of a schedule is at most the length of the fit."""
    length, total = schedule.length, fit_info.length(schedule.per)
    if length is not None and length > total:
        raise InvalidParameterError(
            f"{type(schedule).__name__} has length={length}, which is longer than the {total:g} "
            f"{schedule.per}s in which it is active. Lower length or raise max_iter."
        )


def elapsed_fraction(t, length):
    """Return min((t - 1) / length, 1), the fraction of `length` that has elapsed before time t."""
    return np.minimum((t - 1) / length, 1)


@component
class FromCallable(Schedule):
    """Schedule defined by a function of the update number.

    Parameters
    ----------
    function : callable
        Returns the learning rates of an array of update numbers, or that of a single number.
    """

    function: Callable

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        """Call the function with the array `t` or, if that fails, with each number of it."""
        try:
            rates = np.asarray(self.function(t))
        except Exception:
            rates = None  # not written for arrays; other errors recur for single numbers
        if rates is None or rates.shape not in ((), np.shape(t)):
            rates = np.array([float(self.function(int(number))) for number in t])
        return rates
