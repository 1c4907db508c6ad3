"""Constant schedules and powers of the time."""

import math
from typing import Any

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import InvalidParameterError, check_choice, check_real
from skgd.schedules._base import FitInfo, Schedule

__all__ = ["Adaptive", "Constant", "InverseScaling", "Optimal", "TimeDecay"]


@component(name="constant")
class Constant(Schedule):
    r"""Constant learning rate, :math:`\eta_t = \eta_0`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The learning rate, in (0, inf).

    Examples
    --------
    >>> from skgd.schedules import Constant
    >>> Constant(eta0=0.1).resolve()([1, 2])
    array([0.1, 0.1])
    """

    eta0: float = checked(check_real, default=0.01, low=0, closed="neither")

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.full(np.shape(t), float(self.eta0))


@component(name="invscaling")
class InverseScaling(Schedule):
    r"""Inverse scaling, :math:`\eta_t = \eta_0 / t^{p}`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    power_t : float, default=0.25
        The exponent p, any real number; with a negative exponent the rate grows.
    per : {"update", "epoch"}, default="update"
        Unit of t: the number of the update, or of its epoch.

    Examples
    --------
    >>> from skgd.schedules import InverseScaling
    >>> InverseScaling(eta0=0.1, power_t=0.5).resolve()([1, 4])
    array([0.1 , 0.05])
    """

    eta0: float = checked(check_real, default=0.01, low=0, closed="neither")
    power_t: float = checked(check_real, default=0.25)
    per: str = checked(check_choice, default="update", choices=["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return self.eta0 / t**self.power_t


@component(name="optimal")
class Optimal(Schedule):
    r"""Bottou's schedule for penalised objectives, :math:`\eta_t = 1 / (\alpha (t_0 + t - 1))`.

    With :math:`t_0 = \alpha^{-3/4}` the first rate, :math:`\alpha^{-1/4}`, has the expected size of
    the coefficients. The penalty needs :math:`\alpha > 0`.

    References
    ----------
    L. Bottou, "Stochastic Gradient Descent Tricks", 2012; scikit-learn's ``"optimal"``.

    Examples
    --------
    >>> from skgd.schedules import Optimal
    >>> Optimal().resolve(alpha=1e-4)([1, 1001])
    array([10., 5.])
    """

    def check(self, fit_info: FitInfo) -> None:
        if fit_info.alpha <= 0:
            raise InvalidParameterError(
                "alpha must be > 0 since learning_rate is 'optimal'. alpha is used to compute the "
                f"optimal learning rate. Got alpha={fit_info.alpha!r} instead. Set alpha, or "
                "choose another learning_rate."
            )

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        typical_coef = math.sqrt(1.0 / math.sqrt(fit_info.alpha))
        t0 = 1.0 / (typical_coef * fit_info.alpha)
        return 1.0 / (fit_info.alpha * (t0 + t - 1))


@component(name="adaptive")
class Adaptive(Schedule):
    r"""A constant rate that is divided by a factor whenever the fit makes no progress.

    After s plateaus, :math:`\eta = \eta_0 / factor^{s}`. A plateau is `n_iter_no_change`
    consecutive epochs without an improvement of at least `tol`. A plateau at a rate of at most
    `minimum` ends the fit.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    factor : float, default=5
        Divisor of the rate at each plateau, in (1, inf).
    minimum : float, default=1e-6
        The rate at or below which the fit ends at the next plateau, in [0, inf).

    Examples
    --------
    >>> from skgd.schedules import Adaptive
    >>> Adaptive(eta0=0.1).after_stall(1.0), Adaptive(eta0=0.1).after_stall(1e-6)
    (0.2, None)
    """

    eta0: float = checked(check_real, default=0.01, low=0, closed="neither")
    factor: float = checked(check_real, default=5.0, low=1, closed="neither")
    minimum: float = checked(check_real, default=1e-6, low=0)
    reacts_to_stalls = True

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.full(np.shape(t), float(self.eta0))

    def after_stall(self, multiplier: float) -> float | None:
        return multiplier / self.factor if self.eta0 * multiplier > self.minimum else None


@component(name="time_decay")
class TimeDecay(Schedule):
    r"""Time decay, :math:`\eta_t = t_0 / (t + t_1)`.

    Parameters
    ----------
    t0 : float, default=5.0
        Numerator, in (0, inf).
    t1 : float, default=50.0
        Offset in units of `per`, in [0, inf); the rate is halved after about t1 updates or epochs.
    per : {"update", "epoch"}, default="update"
        Unit of t: the number of the update, or of its epoch.

    Examples
    --------
    >>> from skgd.schedules import TimeDecay
    >>> TimeDecay(t0=5, t1=49).resolve()([1, 51])
    array([0.1 , 0.05])
    """

    t0: float = checked(check_real, default=5.0, low=0, closed="neither")
    t1: float = checked(check_real, default=50.0, low=0)
    per: str = checked(check_choice, default="update", choices=["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return self.t0 / (t + self.t1)
