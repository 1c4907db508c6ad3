"""Losses with a log link: the linear predictor is the logarithm of the mean."""

from typing import Any

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import check_real
from skgd.losses._base import MAJORIZER_FRACTION, SMALLEST_DISTANCE, Loss, check_domain

__all__ = ["Gamma", "InverseGaussian", "Poisson", "Tweedie"]


@component
class LogLinkLoss(Loss):
    """Base class of the deviances with a log link, for which the best constant is the log mean."""

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        mean = np.average(y, axis=0, weights=weights)
        # If all targets are zero, the optimum is p = -inf. Use the mean of a total count of 1/2.
        return np.log(np.where(mean > 0, mean, 0.5 / len(y)))[()]

    def inverse_link(self, p: Any) -> Any:
        return np.exp(p)

    def check_targets(self, y: Any) -> None:
        check_domain(self, y, np.asarray(y) > 0, "y > 0")


@component(name="poisson")
class Poisson(LogLinkLoss):
    r"""Half the Poisson deviance for the mean :math:`e^p` (log link).

    .. math:: \ell(p, y) = e^p - y - y\, (p - \log y), \qquad \ell(p, 0) = e^p

    For counts and rates, y >= 0. ``predict`` returns the mean :math:`e^p`. The second derivative,
    :math:`e^p`, is unbounded.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Poisson
    >>> loss, p = Poisson(), np.array([0.0, 1.0])
    >>> loss.value(p, 2.0).round(3)
    array([0.386, 0.105])
    >>> loss.gradient(p, 2.0).round(3)
    array([-1.   ,  0.718])
    >>> loss.inverse_link(p).round(3)
    array([1.   , 2.718])
    """

    def value(self, p: Any, y: Any) -> Any:
        # Written in p - log y, so that accurate predictions of large counts lose no digits to
        # cancellation. Zero targets are replaced by 1 in the logarithm: 0 log 0 = 0.
        is_zero = 1 - np.sign(y)
        positive_y = y + is_zero
        u = p - np.log(positive_y)
        return positive_y * np.expm1(u) - y * u + is_zero

    def gradient(self, p: Any, y: Any) -> Any:
        return np.exp(p) - y

    def hessian(self, p: Any, y: Any) -> Any:
        return np.exp(p)

    def check_targets(self, y: Any) -> None:
        check_domain(self, y, np.asarray(y) >= 0, "y >= 0")


@component(name="gamma")
class Gamma(LogLinkLoss):
    r"""Half the gamma deviance for the mean :math:`e^p` (log link).

    .. math:: \ell(p, y) = p - \log y + y\, e^{-p} - 1

    For positive amounts whose standard deviation is proportional to their mean, y > 0. ``predict``
    returns the mean :math:`e^p`. The second derivative, :math:`y\, e^{-p}`, is unbounded.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Gamma
    >>> loss, p = Gamma(), np.array([0.0, 1.0])
    >>> loss.value(p, 2.0).round(3)
    array([0.307, 0.043])
    >>> loss.gradient(p, 2.0).round(3)
    array([-1.   ,  0.264])
    >>> loss.inverse_link(p).round(3)
    array([1.   , 2.718])
    """

    def value(self, p: Any, y: Any) -> Any:
        u = p - np.log(y)
        return np.expm1(-u) + u

    def gradient(self, p: Any, y: Any) -> Any:
        return 1 - y * np.exp(-p)

    def hessian(self, p: Any, y: Any) -> Any:
        return y * np.exp(-p)


@component(name="inverse_gaussian")
class InverseGaussian(LogLinkLoss):
    r"""Half the deviance of the inverse Gaussian distribution with the mean :math:`e^p` (log link).

    .. math:: \ell(p, y) = \frac{(e^p - y)^2}{2\, y\, e^{2p}}

    For positive amounts with a heavier tail than the gamma distribution, whose variance is
    proportional to the cube of their mean, y > 0. ``predict`` returns the mean :math:`e^p`. The
    loss decreases up to :math:`p = \log y` and increases beyond, but it is convex for
    :math:`e^p \le 2y` only. A fit from the best constant, as automatic fits are, ends at a
    stationary point, which is usually the minimum. Where the second derivative is smaller than
    :math:`0.03\, e^{-p}`, :meth:`hessian` returns this instead.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import InverseGaussian
    >>> loss, p = InverseGaussian(), np.array([0.0, 1.0])
    >>> loss.value(p, 2.0).round(3)
    array([0.25 , 0.017])
    >>> loss.gradient(p, 2.0).round(3)
    array([-1.   ,  0.097])
    >>> loss.inverse_link(p).round(3)
    array([1.   , 2.718])
    """

    def value(self, p: Any, y: Any) -> Any:
        return 0.5 * np.expm1(np.log(y) - p) ** 2 / y

    def gradient(self, p: Any, y: Any) -> Any:
        inverse_mean = np.exp(-p)
        return inverse_mean * (1 - y * inverse_mean)

    def hessian(self, p: Any, y: Any) -> Any:
        inverse_mean = np.exp(-p)
        return inverse_mean * np.maximum(2 * y * inverse_mean - 1, MAJORIZER_FRACTION)


@component(name="tweedie")
class Tweedie(LogLinkLoss):
    r"""Half the Tweedie deviance for the mean :math:`e^p` (log link).

    .. math:: \ell(p, y) = \frac{y^{2 - q}}{(1 - q)(2 - q)} - \frac{y\, e^{(1 - q) p}}{1 - q}
              + \frac{e^{(2 - q) p}}{2 - q}

    For targets whose variance is proportional to the q-th power of their mean: amounts that are
    often exactly zero, such as insurance claims or rainfall, with 1 < q < 2 (a sum of a Poisson
    number of gamma variates). ``predict`` returns the mean :math:`e^p`. The cases q = 1, 2 and 3
    are the limits of the formula: :class:`Poisson`, :class:`Gamma` and :class:`InverseGaussian`,
    whose formulas take less time. Powers below 1 are refused: between 0 and 1 there is no such
    distribution, and for q ≤ 0 a log link makes a loss with several minima. Up to q = 2 the loss is
    convex; for larger powers see :class:`InverseGaussian`.

    Parameters
    ----------
    power : float, default=1.5
        The power q of the variance, in [1, 3]. Targets have to be y ≥ 0 for powers below 2, and
        y > 0 from 2 on.

    References
    ----------
    B. Jørgensen, "Exponential Dispersion Models", 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Tweedie
    >>> loss, p = Tweedie(power=1.5), np.array([0.0, 1.0])
    >>> loss.value(p, 2.0).round(3)
    array([0.343, 0.067])
    >>> loss.value(p, 0.0).round(3)
    array([2.   , 3.297])
    >>> loss.gradient(p, 2.0).round(3)
    array([-1.   ,  0.436])
    >>> loss.inverse_link(p).round(3)
    array([1.   , 2.718])
    """

    power: float = checked(check_real, default=1.5, low=1, high=3, closed="both")

    def value(self, p: Any, y: Any) -> Any:
        # With u = p - log y it is y^(2 - q) times the difference of (exp(a u) - 1) / a, which is u
        # for a = 0, at a = 2 - q and 1 - q. Zero targets are replaced by 1 in the logarithm.
        a, b = 2 - self.power, 1 - self.power
        is_zero = 1 - np.sign(y)
        positive_y = y + is_zero
        u = p - np.log(positive_y)
        first = (np.expm1(a * u) + (a == 0) * u) / (a + (a == 0))
        second = (np.expm1(b * u) + (b == 0) * u) / (b + (b == 0))
        at_zero = is_zero / max(abs(a), SMALLEST_DISTANCE)
        return positive_y**a * (first - np.sign(y) * second) + at_zero

    def gradient(self, p: Any, y: Any) -> Any:
        return np.exp((2 - self.power) * p) - y * np.exp((1 - self.power) * p)

    def hessian(self, p: Any, y: Any) -> Any:
        a = 2 - self.power
        floor = MAJORIZER_FRACTION * (a < 0)
        return np.exp(a * p) * np.maximum((1 - a) * y * np.exp(-p) + a, floor)

    def check_targets(self, y: Any) -> None:
        y = np.asarray(y)
        if self.power < 2:
            check_domain(self, y, y >= 0, "y >= 0 for a power below 2")
        else:
            check_domain(self, y, y > 0, "y > 0 for a power from 2 on")
