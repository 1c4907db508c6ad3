"""Schedules that are powers of time, or as constant as the fit lets them be."""

import math
from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import InvalidParameterError, check_choice, check_real
from skgd.schedules._base import FitInfo, Schedule


@component
class Constant(Schedule):
    r"""The same rate for ever, :math:`\eta_t = \eta_0`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The rate, in (0, inf).

    Examples
    --------
    >>> from skgd.schedules import Constant
    >>> Constant(eta0=0.1).resolve()([1, 2])
    array([0.1, 0.1])
    """

    eta0: float = 0.01

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.full(np.shape(t), float(self.eta0))


@component
class InverseScaling(Schedule):
    r"""A power of time, :math:`\eta_t = \eta_0 / t^{p}`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    power_t : float, default=0.25
        The exponent p, any real number; negative ones let the rate grow.
    per : {"update", "epoch"}, default="update"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import InverseScaling
    >>> InverseScaling(eta0=0.1, power_t=0.5).resolve()([1, 4])
    array([0.1 , 0.05])
    """

    eta0: float = 0.01
    power_t: float = 0.25
    per: str = "update"

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("power_t", self.power_t)
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return self.eta0 / t**self.power_t


@component
class Optimal(Schedule):
    r"""Bottou's rate for a penalised objective, :math:`\eta_t = 1 / (\alpha (t_0 + t - 1))`.

    :math:`t_0 = \alpha^{-3/4}`, so that the first step is of the size expected of the weights. It
    needs a penalty with :math:`\alpha > 0`.

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
        typical_weight = math.sqrt(1.0 / math.sqrt(fit_info.alpha))
        t0 = 1.0 / (typical_weight * fit_info.alpha)
        return 1.0 / (fit_info.alpha * (t0 + t - 1))


@component
class Adaptive(Schedule):
    r"""A constant rate that is divided whenever the fit stalls, until it falls below a minimum.

    :math:`\eta = \eta_0 / factor^{s}` after s stalls; a stall is `n_iter_no_change` epochs in a row
    without an improvement of `tol`. A stall at a rate of at most `minimum` ends the fit.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    factor : float, default=5
        What a stall divides the rate by, in (1, inf).
    minimum : float, default=1e-6
        The rate that is not divided any more, in [0, inf).

    Examples
    --------
    >>> from skgd.schedules import Adaptive
    >>> Adaptive(eta0=0.1).after_stall(1.0), Adaptive(eta0=0.1).after_stall(1e-6)
    (0.2, None)
    """

    eta0: float = 0.01
    factor: float = 5.0
    minimum: float = 1e-6
    reacts_to_stalls = True

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("factor", self.factor, low=1, closed="neither")
        check_real("minimum", self.minimum, low=0)

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.full(np.shape(t), float(self.eta0))

    def after_stall(self, multiplier: float) -> float | None:
        return multiplier / self.factor if self.eta0 * multiplier > self.minimum else None


@component
class TimeDecay(Schedule):
    r"""The rate of the tutorials, :math:`\eta_t = t_0 / (t + t_1)`.

    Parameters
    ----------
    t0 : float, default=5.0
        Numerator, in (0, inf).
    t1 : float, default=50.0
        Delay, in updates or epochs, in [0, inf).
    per : {"update", "epoch"}, default="update"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import TimeDecay
    >>> TimeDecay(t0=5, t1=49).resolve()([1, 51])
    array([0.1 , 0.05])
    """

    t0: float = 5.0
    t1: float = 50.0
    per: str = "update"

    def __post_init__(self) -> None:
        check_real("t0", self.t0, low=0, closed="neither")
        check_real("t1", self.t1, low=0)
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return self.t0 / (t + self.t1)
