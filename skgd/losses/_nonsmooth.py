"""Losses with kinks, and what they look like when these are rounded."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd._utils.validation import check_real
from skgd.losses._base import SHARE, Loss, weighted_quantile


@component
class EpsilonInsensitive(Loss):
    r"""The absolute error beyond a tube that costs nothing, :math:`\max(0, |p - y| - \epsilon)`.

    The loss of support vector regression. It has kinks at the edge of the tube, with slope 0.

    Parameters
    ----------
    epsilon : float, default=0.1
        Half the width of the tube, in units of y; in [0, inf).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import EpsilonInsensitive
    >>> loss, p = EpsilonInsensitive(epsilon=0.5), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([1.5, 0. , 0.5])
    >>> loss.gradient(p, 0.0).round(3)
    array([-1.,  0.,  1.])
    """

    epsilon: float = 0.1
    lipschitz = 1.0

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, low=0)

    def value(self, p: Any, y: Any) -> Any:
        return np.maximum(np.abs(p - y) - self.epsilon, 0)

    def gradient(self, p: Any, y: Any) -> Any:
        r = p - y
        return np.sign(r) * np.sign(np.maximum(np.abs(r) - self.epsilon, 0))

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, 0.5, weights)

    def moreau_envelope(self, width: float) -> Loss:
        """Return the loss with its kinks rounded, as automatic full-batch fits descend on it.

        Parameters
        ----------
        width : float
            Over which the slope turns, in units of y; in (0, inf).

        Returns
        -------
        MoreauEnvelope
        """
        return MoreauEnvelope(-1.0, 1.0, self.epsilon, width)


@component
class AbsoluteError(Loss):
    r"""The absolute error, :math:`\ell(p, y) = |p - y|`.

    Its minimiser is the median. It has a kink at 0, where the slope is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import AbsoluteError
    >>> loss, p = AbsoluteError(), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([2., 0., 1.])
    >>> loss.gradient(p, 0.0).round(3)
    array([-1.,  0.,  1.])
    """

    lipschitz = 1.0

    def value(self, p: Any, y: Any) -> Any:
        return np.abs(p - y)

    def gradient(self, p: Any, y: Any) -> Any:
        return np.sign(p - y)

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, 0.5, weights)

    def moreau_envelope(self, width: float) -> Loss:
        """Return the loss with its kink rounded, as automatic full-batch fits descend on it.

        Parameters
        ----------
        width : float
            Over which the slope turns, in units of y; in (0, inf).

        Returns
        -------
        MoreauEnvelope
        """
        return MoreauEnvelope(-1.0, 1.0, 0.0, width)


@component
class Quantile(Loss):
    r"""The pinball loss, whose minimiser is a quantile of y.

    .. math:: \ell = \max\bigl((1 - q)\, r,\; -q\, r\bigr) \qquad r = p - y

    It has a kink at 0, where the slope is 0. At the level ½ it is half the absolute error.

    Parameters
    ----------
    level : float, default=0.5
        The share q of the targets that should lie below the prediction, in (0, 1).

    References
    ----------
    R. Koenker, G. Bassett, "Regression Quantiles", 1978.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Quantile
    >>> loss, p = Quantile(level=0.75), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([ 1.5 , -0.  ,  0.25])
    >>> loss.gradient(p, 0.0).round(3)
    array([-0.75,  0.  ,  0.25])
    """

    level: float = 0.5
    lipschitz = 1.0

    def __post_init__(self) -> None:
        check_real("level", self.level, low=0, high=1, closed="neither")

    def value(self, p: Any, y: Any) -> Any:
        r = p - y
        return np.maximum((1 - self.level) * r, -self.level * r)

    def gradient(self, p: Any, y: Any) -> Any:
        side = np.sign(p - y)
        return 0.5 * side + (0.5 - self.level) * np.abs(side)

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, self.level, weights)

    def moreau_envelope(self, width: float) -> Loss:
        """Return the loss with its kink rounded, as automatic full-batch fits descend on it.

        Parameters
        ----------
        width : float
            Over which the slope turns, in units of y; in (0, inf).

        Returns
        -------
        MoreauEnvelope
        """
        return MoreauEnvelope(-self.level, 1 - self.level, 0.0, width)


@component
class MoreauEnvelope(Loss):
    r"""The Moreau envelope of a piecewise linear loss with a flat tube.

    The loss is :math:`\max_{s \in [lower, upper]} s r - \epsilon |s|`; its envelope of width
    :math:`\delta` subtracts :math:`\tfrac{\delta}{2} s^2`, lies at most
    :math:`\tfrac{\delta}{2} \max(lower^2, upper^2)` below it, and has curvature :math:`1/\delta`.
    Automatic fits descend on it and let the width shrink.

    References
    ----------
    Y. Nesterov, "Smooth minimization of non-smooth functions", 2005.
    """

    lower: float
    upper: float
    epsilon: float
    width: float

    @property
    def gradient_lipschitz(self) -> float:  # type: ignore[override]  # it follows from a parameter
        """The largest second derivative, one over the width."""
        return 1.0 / self.width

    def value(self, p: Any, y: Any) -> Any:
        r = p - y
        s = self.gradient(p, y)
        return s * r - self.epsilon * np.abs(s) - 0.5 * self.width * s**2

    def gradient(self, p: Any, y: Any) -> Any:
        r = p - y
        above = np.minimum(np.maximum((r - self.epsilon) / self.width, 0), self.upper)
        below = np.maximum(np.minimum((r + self.epsilon) / self.width, 0), self.lower)
        return above + below

    def hessian(self, p: Any, y: Any) -> Any:
        r = np.asarray(p - y)
        above, below = r - self.epsilon, r + self.epsilon
        rounded = (above > 0) & (above < self.upper * self.width)
        rounded |= (below < 0) & (below > self.lower * self.width)
        # A parabola above the upper kink, and one above the lower.
        floor = self.upper / np.maximum(np.abs(above), self.width)
        floor = floor - self.lower / np.maximum(np.abs(below), self.width)
        return np.maximum(np.asarray(rounded, dtype=r.dtype) / self.width, 0.5 * SHARE * floor)

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, self.lower / (self.lower - self.upper), weights)
