"""Losses with a log link: the linear predictor is the logarithm of the mean."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd.losses._base import Loss, check_domain

__all__ = ["Gamma", "Poisson"]


@component(name="poisson")
class Poisson(Loss):
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

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        mean = np.average(y, axis=0, weights=weights)
        # If all targets are zero, the optimum is p = -inf. Use the mean of a total count of 1/2.
        return np.log(np.where(mean > 0, mean, 0.5 / len(y)))[()]

    def inverse_link(self, p: Any) -> Any:
        return np.exp(p)

    def check_targets(self, y: Any) -> None:
        check_domain(self, y, np.asarray(y) >= 0, "y >= 0")


@component(name="gamma")
class Gamma(Loss):
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

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return np.log(np.average(y, axis=0, weights=weights))

    def inverse_link(self, p: Any) -> Any:
        return np.exp(p)

    def check_targets(self, y: Any) -> None:
        check_domain(self, y, np.asarray(y) > 0, "y > 0")
