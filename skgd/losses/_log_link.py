"""Losses of a linear predictor that is the logarithm of the mean."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd.losses._base import Loss, refuse_targets


@component
class Poisson(Loss):
    r"""Half the deviance of a Poisson variable whose mean is :math:`e^p` (log link).

    .. math:: \ell(p, y) = e^p - y - y\, (p - \log y), \qquad \ell(p, 0) = e^p

    For counts and rates, y at least 0. ``predict`` returns the mean. The curvature, :math:`e^p`,
    has no bound.

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
        # In p - log y, so that a good fit of large counts does not cancel; 0 log 0 is 0.
        is_zero = 1 - np.sign(y)
        base = y + is_zero
        u = p - np.log(base)
        return base * np.expm1(u) - y * u + is_zero

    def gradient(self, p: Any, y: Any) -> Any:
        return np.exp(p) - y

    def hessian(self, p: Any, y: Any) -> Any:
        return np.exp(p)

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        mean = np.average(y, axis=0, weights=weights)
        # Nothing but zeros calls for a mean of 0, at p = -inf: half a count in all rows instead.
        return np.log(np.where(mean > 0, mean, 0.5 / len(y)))[()]

    def inverse_link(self, p: Any) -> Any:
        return np.exp(p)

    def check_targets(self, y: Any) -> None:
        refuse_targets(self, y, np.asarray(y) >= 0, "y >= 0")


@component
class Gamma(Loss):
    r"""Half the deviance of a gamma variable whose mean is :math:`e^p` (log link).

    .. math:: \ell(p, y) = p - \log y + y\, e^{-p} - 1

    For amounts whose spread grows with their mean, y above 0. ``predict`` returns the mean. The
    curvature, :math:`y\, e^{-p}`, has no bound.

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
        refuse_targets(self, y, np.asarray(y) > 0, "y > 0")
