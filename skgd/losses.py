"""Pointwise losses: value, slope and curvature bound as functions of the prediction.

Each class holds one formula of a prediction ``p`` (the linear predictor ``x @ coef + intercept``)
and a target ``y``; both may be arrays or scalars. A new loss is a frozen dataclass deriving from
:class:`Loss` plus one line in ``LOSSES``; the shared tests find it there.
"""

import math
from dataclasses import dataclass

import numpy as np

from skgd import _pieces
from skgd._validation import check_real

__all__ = [
    "EpsilonInsensitive",
    "Huber",
    "Loss",
    "SquaredEpsilonInsensitive",
    "SquaredError",
]


@dataclass(frozen=True)
class Loss(_pieces.Piece):
    """Base class of the losses, and of your own.

    A subclass is a frozen dataclass with two methods, :meth:`value` and :meth:`slope`, written with
    NumPy's elementwise functions so that they take arrays and scalars alike. A loss whose second
    derivative is bounded also gives that bound as :attr:`curvature`, from which automatic rates
    follow; without it they search along the line.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from skgd import BatchGDRegressor
    >>> from skgd.losses import Loss
    >>> @dataclass(frozen=True)
    ... class PseudoHuber(Loss):
    ...     curvature = 1.0
    ...     def value(self, p, y):
    ...         return np.sqrt(1 + (p - y) ** 2) - 1
    ...     def slope(self, p, y):
    ...         return (p - y) / np.sqrt(1 + (p - y) ** 2)
    >>> X, y = np.arange(6.0)[:, None], np.array([0.0, 1, 2, 3, 4, 50])
    >>> BatchGDRegressor(loss=PseudoHuber()).fit(X, y).coef_.round(1)
    array([1.1])
    """

    #: The largest second derivative of the loss in ``p``; infinite where there is none.
    curvature = math.inf
    #: Whether the second derivative is the same everywhere, so that a line search is exact.
    quadratic = False

    def value(self, p, y):
        """Return the loss of each prediction.

        Parameters
        ----------
        p : array or float
            Predictions.
        y : array or float
            Targets, of the same shape.

        Returns
        -------
        array or float
            The losses, of the same shape.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method value(p, y)")

    def slope(self, p, y):
        """Return the derivative of the loss in ``p``; at a kink, a subgradient.

        Parameters
        ----------
        p : array or float
            Predictions.
        y : array or float
            Targets, of the same shape.

        Returns
        -------
        array or float
            The slopes, of the same shape.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method slope(p, y)")

    def constant(self, y, weights=None):
        """Return a good constant prediction for `y`, where an automatic fit starts.

        Parameters
        ----------
        y : array of shape (n,) or (n, k)
            Targets.
        weights : array of shape (n,), default=None
            Weights of the rows; None means equal ones.

        Returns
        -------
        float or array of shape (k,)
        """
        return np.average(y, axis=0, weights=weights)


@dataclass(frozen=True)
class SquaredError(Loss):
    r"""Half the squared error, :math:`\ell(p, y) = \tfrac12 (p - y)^2`.

    Its minimiser is the mean, its curvature is 1.

    Examples
    --------
    >>> from skgd.losses import SquaredError
    >>> SquaredError().value(3.0, 1.0), SquaredError().slope(3.0, 1.0)
    (2.0, 2.0)
    """

    curvature = 1.0
    quadratic = True

    def value(self, p, y):  # noqa: D102 - documented by the base class
        return 0.5 * (p - y) ** 2

    def slope(self, p, y):  # noqa: D102
        return p - y


@dataclass(frozen=True)
class Huber(Loss):
    r"""Squared near the target and linear beyond `epsilon`, so that outliers pull with bounded force.

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
    >>> from skgd.losses import Huber
    >>> Huber(epsilon=1.0).value(3.0, 0.0), Huber(epsilon=1.0).slope(3.0, 0.0)
    (2.5, 1.0)
    """

    epsilon: float = 0.1
    curvature = 1.0

    def __post_init__(self):
        check_real("epsilon", self.epsilon, low=0)

    def value(self, p, y):  # noqa: D102
        distance = np.abs(p - y)
        near = np.minimum(distance, self.epsilon)
        return near * (distance - 0.5 * near)

    def slope(self, p, y):  # noqa: D102
        return np.minimum(np.maximum(p - y, -self.epsilon), self.epsilon)

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, 0.5, weights)


@dataclass(frozen=True)
class EpsilonInsensitive(Loss):
    r"""The absolute error beyond a tube that costs nothing, :math:`\ell = \max(0, |p - y| - \epsilon)`.

    The loss of support vector regression. It has kinks at the edge of the tube; the slope there is 0.

    Parameters
    ----------
    epsilon : float, default=0.1
        Half the width of the tube, in units of y; in [0, inf).

    Examples
    --------
    >>> from skgd.losses import EpsilonInsensitive
    >>> EpsilonInsensitive(epsilon=0.5).value(3.0, 1.0), EpsilonInsensitive(epsilon=0.5).slope(3.0, 1.0)
    (1.5, 1.0)
    """

    epsilon: float = 0.1

    def __post_init__(self):
        check_real("epsilon", self.epsilon, low=0)

    def value(self, p, y):  # noqa: D102
        return np.maximum(np.abs(p - y) - self.epsilon, 0)

    def slope(self, p, y):  # noqa: D102
        r = p - y
        return np.sign(r) * np.sign(np.maximum(np.abs(r) - self.epsilon, 0))

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, 0.5, weights)

    def smoothed(self, width):
        """Return the loss with its kinks rounded over `width`; see :class:`SmoothedTube`."""
        return SmoothedTube(-1.0, 1.0, self.epsilon, width)


@dataclass(frozen=True)
class SquaredEpsilonInsensitive(Loss):
    r"""The squared error beyond a tube that costs nothing, :math:`\ell = \max(0, |p - y| - \epsilon)^2`.

    There is no factor ½, as in scikit-learn: the curvature is 2.

    Parameters
    ----------
    epsilon : float, default=0.1
        Half the width of the tube, in units of y; in [0, inf).

    Examples
    --------
    >>> from skgd.losses import SquaredEpsilonInsensitive
    >>> loss = SquaredEpsilonInsensitive(epsilon=0.5)
    >>> loss.value(3.0, 1.0), loss.slope(3.0, 1.0)
    (2.25, 3.0)
    """

    epsilon: float = 0.1
    curvature = 2.0

    def __post_init__(self):
        check_real("epsilon", self.epsilon, low=0)

    def value(self, p, y):  # noqa: D102
        return np.maximum(np.abs(p - y) - self.epsilon, 0) ** 2

    def slope(self, p, y):  # noqa: D102
        r = p - y
        return 2 * np.sign(r) * np.maximum(np.abs(r) - self.epsilon, 0)

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, 0.5, weights)


@dataclass(frozen=True)
class SmoothedTube(Loss):
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
    def curvature(self):
        """The largest second derivative, one over the width."""
        return 1.0 / self.width

    def value(self, p, y):  # noqa: D102
        r = p - y
        s = self.slope(p, y)
        return s * r - self.epsilon * np.abs(s) - 0.5 * self.width * s**2

    def slope(self, p, y):  # noqa: D102
        r = p - y
        above = np.minimum(np.maximum((r - self.epsilon) / self.width, 0), self.upper)
        below = np.maximum(np.minimum((r + self.epsilon) / self.width, 0), self.lower)
        return above + below


def weighted_quantile(y, level, weights=None):
    """Return the `level` quantile of each column of `y`: the inverse of the weighted distribution."""
    return np.apply_along_axis(_weighted_quantile, 0, np.asarray(y), level, weights)[()]


def _weighted_quantile(y, level, weights):
    order = np.argsort(y, kind="stable")
    total = np.arange(1, len(y) + 1) if weights is None else np.cumsum(weights[order])
    return y[order[np.searchsorted(total, level * total[-1])]]


#: Losses by the names that estimators accept.
LOSSES = {
    "squared_error": SquaredError,
    "huber": Huber,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
}
