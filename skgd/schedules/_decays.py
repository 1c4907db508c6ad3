"""Schedules that fall, or rise and fall, over epochs or over the whole run."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import check_choice, check_integer, check_real
from skgd.schedules._base import FitInfo, Schedule, check_length, progress

#: What a rate that decays for ever does not fall below, so that it stays positive.
TINY = float(np.finfo(float).tiny)


def cosine(start, end, share):
    """Return what lies between `start` and `end` on half a wave of a cosine."""
    return end + (start - end) * 0.5 * (1 + np.cos(np.pi * share))


@component
class StepDecay(Schedule):
    r"""A constant rate that is lowered at regular intervals.

    .. math:: \eta_t = \eta_0 \, \gamma^{\lfloor (t - 1) / every \rfloor}

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    decay : float, default=0.5
        What :math:`\gamma` the rate is multiplied by, in (0, 1].
    every : int, default=10
        Epochs (or updates) between one step and the next, at least 1.
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import StepDecay
    >>> StepDecay(eta0=0.1, decay=0.5, every=2).resolve()([1, 2, 3, 4, 5])
    array([0.1  , 0.1  , 0.05 , 0.05 , 0.025])
    """

    eta0: float = 0.01
    decay: float = 0.5
    every: int = 10
    per: str = "epoch"

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("decay", self.decay, low=0, high=1, closed="right")
        check_integer("every", self.every, low=1)
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.maximum(self.eta0 * self.decay ** ((t - 1) // self.every), TINY)


@component
class ExponentialDecay(Schedule):
    r"""A rate that loses the same share all the time, :math:`\eta_t = \eta_0 \, \gamma^{t - 1}`.

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    decay : float, default=0.95
        What :math:`\gamma` the rate is multiplied by each epoch (or update), in (0, 1].
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import ExponentialDecay
    >>> ExponentialDecay(eta0=0.1, decay=0.5).resolve()([1, 2, 3])
    array([0.1  , 0.05 , 0.025])
    """

    eta0: float = 0.01
    decay: float = 0.95
    per: str = "epoch"

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("decay", self.decay, low=0, high=1, closed="right")
        check_choice("per", self.per, ["update", "epoch"])

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return np.maximum(self.eta0 * self.decay ** (t - 1), TINY)


@component
class Decay(Schedule):
    """Base of the schedules that lead from one rate to another and stay there."""

    eta0: float = 0.01
    final: float = 1e-4

    def __post_init__(self) -> None:
        check_real("eta0", self.eta0, low=0, closed="neither")
        check_real("final", self.final, low=0, closed="neither")
        if self._steps is not None:
            check_integer("length", self._steps, low=1)
        check_choice("per", self.per, ["update", "epoch"])

    @property
    def _steps(self) -> int | None:
        return self.length  # type: ignore[attr-defined]  # a field of each subclass

    def check(self, fit_info: FitInfo) -> None:
        check_length(self, "length", self._steps, fit_info)

    def progress(self, t: Any, fit_info: FitInfo) -> Any:
        """Return the share of the way that lies behind.

        Parameters
        ----------
        t : array of shape (m,)
            Update or epoch numbers, from 1.
        fit_info : FitInfo
            The fit that the schedule serves.

        Returns
        -------
        array of shape (m,)
            Shares from 0 to 1.
        """
        return progress(t, self._steps or fit_info.length(self.per))


@component
class PolynomialDecay(Decay):
    r"""A rate that falls along a power of the time left, and then stays; a line by default.

    .. math:: \eta_t = \eta_e + (\eta_0 - \eta_e)
              \Bigl(1 - \min\bigl(\tfrac{t - 1}{length}, 1\bigr)\Bigr)^p

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    final : float, default=1e-4
        The rate :math:`\eta_e` at the end, in (0, inf).
    power : float, default=1.0
        The exponent p, in (0, inf).
    length : int, default=None
        Epochs (or updates) until the end; None means the whole run.
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    Examples
    --------
    >>> from skgd.schedules import PolynomialDecay
    >>> PolynomialDecay(eta0=0.5, final=0.1, length=4).resolve(max_iter=6)([1, 2, 3, 4, 5, 6])
    array([0.5, 0.4, 0.3, 0.2, 0.1, 0.1])
    """

    power: float = 1.0
    length: int | None = None
    per: str = "epoch"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_real("power", self.power, low=0, closed="neither")

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return (
            self.final + (self.eta0 - self.final) * (1 - self.progress(t, fit_info)) ** self.power
        )


@component
class CosineDecay(Decay):
    r"""A rate that falls along half a wave of a cosine, and then stays.

    .. math:: \eta_t = \eta_e + \tfrac12 (\eta_0 - \eta_e)
              \Bigl(1 + \cos\bigl(\pi \min(\tfrac{t - 1}{length}, 1)\bigr)\Bigr)

    Parameters
    ----------
    eta0 : float, default=0.01
        The first rate, in (0, inf).
    final : float, default=1e-4
        The rate :math:`\eta_e` at the end, in (0, inf).
    length : int, default=None
        Epochs (or updates) until the end; None means the whole run.
    per : {"update", "epoch"}, default="epoch"
        The clock that t is read from.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017.

    Examples
    --------
    >>> from skgd.schedules import CosineDecay
    >>> CosineDecay(eta0=0.5, final=0.1).resolve(max_iter=4)([1, 2, 3, 4, 5]).round(3)
    array([0.5  , 0.441, 0.3  , 0.159, 0.1  ])
    """

    length: int | None = None
    per: str = "epoch"

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        return cosine(self.eta0, self.final, self.progress(t, fit_info))


@component
class OneCycle(Schedule):
    r"""A rate that rises to a peak and then falls far below its start, on half waves of a cosine.

    From :math:`peak / start\_divisor` at the first update it rises to the peak within
    `warm_fraction` of the cycle, and from there falls to
    :math:`peak / (start\_divisor \cdot final\_divisor)` at the last update, where it stays.

    Parameters
    ----------
    peak : float, default=0.1
        The highest rate, in (0, inf).
    warm_fraction : float, default=0.3
        The share of the cycle in which the rate rises, in (0, 1).
    start_divisor : float, default=25
        The peak over the first rate, in [1, inf).
    final_divisor : float, default=1e4
        The first rate over the last one, in [1, inf).
    length : int, default=None
        Updates (or epochs) of the cycle; None means the whole run.
    per : {"update", "epoch"}, default="update"
        The clock that t is read from.

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

    peak: float = 0.1
    warm_fraction: float = 0.3
    start_divisor: float = 25.0
    final_divisor: float = 1e4
    length: int | None = None
    per: str = "update"

    def __post_init__(self) -> None:
        check_real("peak", self.peak, low=0, closed="neither")
        check_real("warm_fraction", self.warm_fraction, low=0, high=1, closed="neither")
        check_real("start_divisor", self.start_divisor, low=1)
        check_real("final_divisor", self.final_divisor, low=1)
        if self.length is not None:
            check_integer("length", self.length, low=1)
        check_choice("per", self.per, ["update", "epoch"])

    def check(self, fit_info: FitInfo) -> None:
        check_length(self, "length", self.length, fit_info)

    def rate(self, t: Any, fit_info: FitInfo) -> Any:
        length = self.length or fit_info.length(self.per)
        top = self.warm_fraction * length  # the time of the peak; t = length ends the cycle
        start = self.peak / self.start_divisor
        rising = cosine(start, self.peak, progress(t, max(top - 1, 1)))
        share = np.minimum((t - top) / (length - top), 1)
        falling = cosine(self.peak, start / self.final_divisor, share)
        return np.where(t <= top, rising, falling)
