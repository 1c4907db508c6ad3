"""Losses of bounded curvature."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import check_real
from skgd.losses._base import SHARE, TINY, Loss, weighted_quantile


@component
class SquaredError(Loss):
    r"""Half the squared error, :math:`\ell(p, y) = \tfrac12 (p - y)^2`.

    Its minimiser is the mean, its curvature is 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import SquaredError
    >>> loss, p = SquaredError(), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([2. , 0. , 0.5])
    >>> loss.gradient(p, 0.0).round(3)
    array([-2.,  0.,  1.])
    """

    gradient_lipschitz = 1.0
    quadratic = True

    def hessian(self, p: Any, y: Any) -> Any:
        return np.ones_like(p - y)

    def value(self, p: Any, y: Any) -> Any:
        residual = p - y
        return 0.5 * residual * residual

    def gradient(self, p: Any, y: Any) -> Any:
        return p - y


@component
class Huber(Loss):
    r"""Squared near the target, linear beyond `epsilon`: outliers pull with bounded force.

    .. math:: \ell = \begin{cases} \tfrac12 r^2 & |r| \le \epsilon \\
              \epsilon |r| - \tfrac12 \epsilon^2 & |r| > \epsilon \end{cases}
              \qquad r = p - y

    Parameters
    ----------
    epsilon : float, default=0.1
        Where the loss turns linear, in units of y; in [0, inf).

    References
    ----------
    P. J. Huber, "Robust Estimation of a Location Parameter", 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Huber
    >>> loss, p = Huber(epsilon=1.0), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([1.5, 0. , 0.5])
    >>> loss.gradient(p, 0.0).round(3)
    array([-1.,  0.,  1.])
    """

    epsilon: float = 0.1
    gradient_lipschitz = 1.0

    @property
    def lipschitz(self) -> float:  # type: ignore[override]  # it follows from a parameter
        """The largest magnitude of the slope."""
        return float(self.epsilon)

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, low=0)

    def value(self, p: Any, y: Any) -> Any:
        distance = np.abs(p - y)
        near = np.minimum(distance, self.epsilon)
        return near * (distance - 0.5 * near)

    def gradient(self, p: Any, y: Any) -> Any:
        return np.minimum(np.maximum(p - y, -self.epsilon), self.epsilon)

    def hessian(self, p: Any, y: Any) -> Any:
        distance = np.maximum(np.abs(p - y), TINY)
        inside = np.asarray(distance <= self.epsilon, dtype=distance.dtype)
        return np.maximum(inside, SHARE * np.minimum(1, self.epsilon / distance))

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, 0.5, weights)


@component
class SquaredEpsilonInsensitive(Loss):
    r"""The squared error beyond a tube that costs nothing, :math:`\max(0, |p - y| - \epsilon)^2`.

    There is no factor ½, as in scikit-learn: the curvature is 2.

    Parameters
    ----------
    epsilon : float, default=0.1
        Half the width of the tube, in units of y; in [0, inf).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import SquaredEpsilonInsensitive
    >>> loss, p = SquaredEpsilonInsensitive(epsilon=0.5), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([2.25, 0.  , 0.25])
    >>> loss.gradient(p, 0.0).round(3)
    array([-3.,  0.,  1.])
    """

    epsilon: float = 0.1
    gradient_lipschitz = 2.0

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, low=0)

    def value(self, p: Any, y: Any) -> Any:
        return np.maximum(np.abs(p - y) - self.epsilon, 0) ** 2

    def gradient(self, p: Any, y: Any) -> Any:
        r = p - y
        return 2 * np.sign(r) * np.maximum(np.abs(r) - self.epsilon, 0)

    def hessian(self, p: Any, y: Any) -> Any:
        outside = np.sign(np.maximum(np.abs(p - y) - self.epsilon, 0))
        return 2 * np.maximum(outside, SHARE)

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, 0.5, weights)


@component
class LogCosh(Loss):
    r"""A smooth blend of squared and absolute error, :math:`\ell(p, y) = \log\cosh(p - y)`.

    Near :math:`\tfrac12 r^2` for small errors and :math:`|r| - \log 2` for large ones; the change
    comes at errors of about 1, so that y should be scaled to where that means something. Its
    curvature is 1.

    References
    ----------
    R. A. Saleh, A. K. M. E. Saleh, "Statistical Properties of the log-cosh Loss Function Used in
    Machine Learning", 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import LogCosh
    >>> loss, p = LogCosh(), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([1.325, 0.   , 0.434])
    >>> loss.gradient(p, 0.0).round(3)
    array([-0.964,  0.   ,  0.762])
    """

    gradient_lipschitz = 1.0
    lipschitz = 1.0

    def value(self, p: Any, y: Any) -> Any:
        distance = np.abs(p - y)
        # log cosh itself up to 1, exact for tiny errors; beyond, its growth, which cannot overflow.
        near = np.minimum(distance, 1)
        growth = np.log1p(np.exp(-2 * distance)) - np.log1p(np.exp(-2 * near))
        return np.log1p(2 * np.sinh(0.5 * near) ** 2) + (distance - near) + growth

    def gradient(self, p: Any, y: Any) -> Any:
        return np.tanh(p - y)

    def hessian(self, p: Any, y: Any) -> Any:
        distance = np.maximum(np.abs(p - y), TINY)
        slope = np.tanh(distance)
        return np.maximum(1 - slope**2, SHARE * slope / distance)

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, 0.5, weights)
