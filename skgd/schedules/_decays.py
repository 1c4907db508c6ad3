"""Decaying and cyclical schedules."""

from typing import Any

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import check_choice, check_integer, check_real
from skgd.schedules._base import FitInfo, Schedule, check_length, elapsed_fraction

__all__ = ["CosineDecay", "ExponentialDecay", "OneCycle", "PolynomialDecay", "StepDecay"]

#: Lower bound on geometrically decaying rates, so that they stay positive.
SMALLEST_RATE = float(np.finfo(float).tiny)


def cosine_interpolation(start, end, fraction):
    """Return values from `start` (fraction 0) to `end` (fraction 1) along half a cosine wave."""
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * fraction))


@component(name="step")
class StepDecay(Schedule):
    r"""Step decay: a piecewise constant rate that is lowered at regular intervals.

    .. math:: \eta_t = \eta_0 \, \gamma^{\lfloor (t - 1) / every \rfloor}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    decay : float, default=0.5
        The factor :math:`\gamma` of each step, in (0, 1].
    every : int, default=10
        Interval between steps in units of `per`, at least 1.
    per : {"update", "epoch"}, default="epoch"
        Unit of t and `every`.

    Examples
    --------
    >>> from skgd.schedules import StepDecay
    >>> StepDecay(eta0=0.1, decay=0.5, every=2).resolve()([1, 2, 3, 4, 5])
    array([0.1  , 0.1  , 0.05 , 0.05 , 0.025])
    """

    eta0: float = checked(check_real, default=0.01, low=0, closed="neither")
    decay: float = checked(check_real, default=0.5, low=0, high=1, closed="right")
    every: int = checked(check_integer, default=10, low=1)
    per: str = checked(check_choice, default="epoch", choices=["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.maximum(self.eta0 * self.decay ** ((t - 1) // self.every), SMALLEST_RATE)


@component(name="exponential")
class ExponentialDecay(Schedule):
    r"""Exponential decay, :math:`\eta_t = \eta_0 \, \gamma^{t - 1}`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    decay : float, default=0.95
        The factor :math:`\gamma` per epoch (or update), in (0, 1].
    per : {"update", "epoch"}, default="epoch"
        Unit of t: the number of the update, or of its epoch.

    Examples
    --------
    >>> from skgd.schedules import ExponentialDecay
    >>> ExponentialDecay(eta0=0.1, decay=0.5).resolve()([1, 2, 3])
    array([0.1  , 0.05 , 0.025])
    """

    eta0: float = checked(check_real, default=0.01, low=0, closed="neither")
    decay: float = checked(check_real, default=0.95, low=0, high=1, closed="right")
    per: str = checked(check_choice, default="epoch", choices=["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.maximum(self.eta0 * self.decay ** (t - 1), SMALLEST_RATE)


@component
class DecayToFinal(Schedule):
    """Base class of the schedules that decay from `eta0` to `final` and then stay constant."""

    eta0: float = checked(check_real, default=0.01, low=0, closed="neither")
    final: float = checked(check_real, default=1e-4, low=0, closed="neither")

    def check(self, fit_info: FitInfo) -> None:
        check_length(self, fit_info)

    def elapsed_fraction(self, t: Any, fit_info: FitInfo) -> Any:
        """Return the elapsed fractions of the decay.

        Parameters
        ----------
        t : array of shape (m,)
            Update or epoch numbers, starting at 1.
        fit_info : FitInfo
            Properties of the fit.

        Returns
        -------
        array of shape (m,)
            Fractions from 0 to 1.
        """
        length: int | None = self.length  # type: ignore[attr-defined]  # a field of each subclass
        return elapsed_fraction(t, length or fit_info.length(self.per))


@component(name="polynomial")
class PolynomialDecay(DecayToFinal):
    r"""Polynomial decay in the remaining time, linear by default; then constant.

    .. math:: \eta_t = \eta_e + (\eta_0 - \eta_e)
              \Bigl(1 - \min\bigl(\tfrac{t - 1}{length}, 1\bigr)\Bigr)^p

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    final : float, default=1e-4
        The rate :math:`\eta_e` at the end of the decay, in (0, inf).
    power : float, default=1.0
        The exponent p, in (0, inf).
    length : int, default=None
        Length of the decay in units of `per`; None means the length of the fit.
    per : {"update", "epoch"}, default="epoch"
        Unit of t and `length`.

    Examples
    --------
    >>> from skgd.schedules import PolynomialDecay
    >>> PolynomialDecay(eta0=0.5, final=0.1, length=4).resolve(max_iter=6)([1, 2, 3, 4, 5, 6])
    array([0.5, 0.4, 0.3, 0.2, 0.1, 0.1])
    """

    power: float = checked(check_real, default=1.0, low=0, closed="neither")
    length: int | None = checked(check_integer, default=None, low=1, allow_none=True)
    per: str = checked(check_choice, default="epoch", choices=["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        remaining = 1 - self.elapsed_fraction(t, fit_info)
        return self.final + (self.eta0 - self.final) * remaining**self.power


@component(name="cosine")
class CosineDecay(DecayToFinal):
    r"""Cosine decay along half a cosine wave; then constant.

    .. math:: \eta_t = \eta_e + \tfrac12 (\eta_0 - \eta_e)
              \Bigl(1 + \cos\bigl(\pi \min(\tfrac{t - 1}{length}, 1)\bigr)\Bigr)

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    final : float, default=1e-4
        The rate :math:`\eta_e` at the end of the decay, in (0, inf).
    length : int, default=None
        Length of the decay in units of `per`; None means the length of the fit.
    per : {"update", "epoch"}, default="epoch"
        Unit of t and `length`.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017.

    Examples
    --------
    >>> from skgd.schedules import CosineDecay
    >>> CosineDecay(eta0=0.5, final=0.1).resolve(max_iter=4)([1, 2, 3, 4, 5]).round(3)
    array([0.5  , 0.441, 0.3  , 0.159, 0.1  ])
    """

    length: int | None = checked(check_integer, default=None, low=1, allow_none=True)
    per: str = checked(check_choice, default="epoch", choices=["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return cosine_interpolation(self.eta0, self.final, self.elapsed_fraction(t, fit_info))


@component(name="one_cycle")
class OneCycle(Schedule):
    r"""One-cycle schedule: a rise to a peak and a fall far below the first rate.

    Along half a cosine wave, the rate rises from :math:`peak / start\_divisor` at the first update
    to the peak within `warm_fraction` of the cycle. Along another, it falls to
    :math:`peak / (start\_divisor \cdot final\_divisor)` at the end of the cycle and then stays
    constant.

    Parameters
    ----------
    peak : float, default=0.1
        The highest rate, in (0, inf).
    warm_fraction : float, default=0.3
        The fraction of the cycle in which the rate rises, in (0, 1).
    start_divisor : float, default=25
        Ratio of the peak to the first rate, in [1, inf).
    final_divisor : float, default=1e4
        Ratio of the first rate to the last one, in [1, inf).
    length : int, default=None
        Length of the cycle in units of `per`; None means the length of the fit.
    per : {"update", "epoch"}, default="update"
        Unit of t and `length`.

    References
    ----------
    L. N. Smith, N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2018; in the form of PyTorch's ``OneCycleLR``.

    Examples
    --------
    >>> from skgd.schedules import OneCycle
    >>> rates = OneCycle(peak=1.0, warm_fraction=0.5, start_divisor=5, final_divisor=2)
    >>> rates.resolve(max_iter=8)([1, 2, 3, 4, 5, 6, 7, 8]).round(3)
    array([0.2  , 0.4  , 0.8  , 1.   , 0.868, 0.55 , 0.232, 0.1  ])
    """

    peak: float = checked(check_real, default=0.1, low=0, closed="neither")
    warm_fraction: float = checked(check_real, default=0.3, low=0, high=1, closed="neither")
    start_divisor: float = checked(check_real, default=25.0, low=1)
    final_divisor: float = checked(check_real, default=1e4, low=1)
    length: int | None = checked(check_integer, default=None, low=1, allow_none=True)
    per: str = checked(check_choice, default="update", choices=["update", "epoch"])

    def check(self, fit_info: FitInfo) -> None:
        check_length(self, fit_info)

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        length = self.length or fit_info.length(self.per)
        peak_time = self.warm_fraction * length  # the cycle ends at t = length
        start = self.peak / self.start_divisor
        elapsed = elapsed_fraction(t, max(peak_time - 1, 1))
        rising = cosine_interpolation(start, self.peak, elapsed)
        elapsed = np.minimum((t - peak_time) / (length - peak_time), 1)
        falling = cosine_interpolation(self.peak, start / self.final_divisor, elapsed)
        return np.where(t <= peak_time, rising, falling)
