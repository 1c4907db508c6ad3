"""Losses with a Lipschitz continuous gradient."""

from typing import Any

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import check_real
from skgd.losses._base import MAJORIZER_FRACTION, SMALLEST_DISTANCE, Loss, MedianLoss

__all__ = ["Huber", "LogCosh", "SquaredEpsilonInsensitive", "SquaredError"]


@component(name="squared_error")
class SquaredError(Loss):
    r"""Half the squared error, :math:`\ell(p, y) = \tfrac12 (p - y)^2`.

    The constant that minimises it is the mean of y. Its second derivative is 1.

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


@component(name="huber")
class Huber(MedianLoss):
    r"""The Huber loss: quadratic for errors up to `epsilon`, linear for larger ones.

    The absolute gradient is at most :math:`\epsilon`, which limits the influence of outliers.

    .. math:: \ell = \begin{cases} \tfrac12 r^2 & |r| \le \epsilon \\
              \epsilon |r| - \tfrac12 \epsilon^2 & |r| > \epsilon \end{cases}
              \qquad r = p - y

    Parameters
    ----------
    epsilon : float, default=0.1
        Largest error with quadratic loss, in units of y; in [0, inf).

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

    epsilon: float = checked(check_real, default=0.1, low=0)
    gradient_lipschitz = 1.0

    @property
    def lipschitz(self) -> float:  # type: ignore[override]  # depends on a parameter
        """Lipschitz constant of the loss: epsilon."""
        return float(self.epsilon)

    def value(self, p: Any, y: Any) -> Any:
        distance = np.abs(p - y)
        clipped = np.minimum(distance, self.epsilon)
        return clipped * (distance - 0.5 * clipped)

    def gradient(self, p: Any, y: Any) -> Any:
        return np.minimum(np.maximum(p - y, -self.epsilon), self.epsilon)

    def hessian(self, p: Any, y: Any) -> Any:
        distance = np.maximum(np.abs(p - y), SMALLEST_DISTANCE)
        is_quadratic = np.asarray(distance <= self.epsilon, dtype=distance.dtype)
        return np.maximum(is_quadratic, MAJORIZER_FRACTION * np.minimum(1, self.epsilon / distance))


@component(name="squared_epsilon_insensitive")
class SquaredEpsilonInsensitive(MedianLoss):
    r"""The squared epsilon-insensitive loss, :math:`\max(0, |p - y| - \epsilon)^2`.

    Errors of up to :math:`\epsilon` cost nothing. As in scikit-learn there is no factor ½, so the
    second derivative for larger errors is 2.

    Parameters
    ----------
    epsilon : float, default=0.1
        Largest error that costs nothing, in units of y; in [0, inf).

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

    epsilon: float = checked(check_real, default=0.1, low=0)
    gradient_lipschitz = 2.0

    def value(self, p: Any, y: Any) -> Any:
        return np.maximum(np.abs(p - y) - self.epsilon, 0) ** 2

    def gradient(self, p: Any, y: Any) -> Any:
        r = p - y
        return 2 * np.sign(r) * np.maximum(np.abs(r) - self.epsilon, 0)

    def hessian(self, p: Any, y: Any) -> Any:
        outside = np.sign(np.maximum(np.abs(p - y) - self.epsilon, 0))
        return 2 * np.maximum(outside, MAJORIZER_FRACTION)


@component(name="log_cosh")
class LogCosh(MedianLoss):
    r"""The log-cosh loss, :math:`\ell(p, y) = \log\cosh(p - y)`.

    With :math:`r = p - y` it is close to :math:`\tfrac12 r^2` for small errors and to
    :math:`|r| - \log 2` for large ones. The transition is at :math:`|r| \approx 1`, so y should be
    scaled such that an error of 1 separates typical errors from outliers. The second derivative is
    at most 1.

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
        # Up to 1, log cosh r = log1p(2 sinh(r / 2)^2), which is accurate for tiny errors. Beyond 1,
        # add log cosh r - log cosh 1 in a form that does not overflow.
        clipped = np.minimum(distance, 1)
        tail = np.log1p(np.exp(-2 * distance)) - np.log1p(np.exp(-2 * clipped))
        return np.log1p(2 * np.sinh(0.5 * clipped) ** 2) + (distance - clipped) + tail

    def gradient(self, p: Any, y: Any) -> Any:
        return np.tanh(p - y)

    def hessian(self, p: Any, y: Any) -> Any:
        distance = np.maximum(np.abs(p - y), SMALLEST_DISTANCE)
        gradient = np.tanh(distance)
        return np.maximum(1 - gradient**2, MAJORIZER_FRACTION * gradient / distance)
