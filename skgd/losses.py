"""Pointwise losses: value, slope and curvature bound as functions of the prediction.

Each class holds one formula of a prediction ``p`` (the linear predictor ``x @ coef + intercept``)
and a target ``y``; both may be arrays or scalars. Where the model is of a function of the mean, the
link, :meth:`Loss.mean` leads back from ``p``. A new loss is a frozen dataclass deriving from
:class:`Loss` plus one line in ``LOSSES``; the shared tests find it there.
"""

import math
from dataclasses import dataclass

import numpy as np

from skgd import _pieces
from skgd._validation import InvalidParameterError, check_real

__all__ = [
    "AbsoluteError",
    "EpsilonInsensitive",
    "Gamma",
    "Huber",
    "LogCosh",
    "Loss",
    "Poisson",
    "Quantile",
    "SquaredEpsilonInsensitive",
    "SquaredError",
]

#: Share of a parabola above the loss that stands in for a second derivative that vanishes. With
#: less, models are flat where no row bends; with more, steps are needlessly short.
SHARE = 0.03

#: What distances of zero are replaced by where something is divided by them.
TINY = np.finfo(np.float32).tiny


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
    array([1.4])
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

    def weight(self, p, y):
        """Return the curvature of the loss at each prediction, or somewhat more.

        :class:`~skgd.optimizers.NewtonCG` builds its quadratic models on it. It is the second
        derivative, but where that vanishes a share of the curvature of a parabola that touches the
        loss here and lies above it. A loss of your own may do without: automatic fits then use
        accelerated descent.

        Parameters
        ----------
        p : array or float
            Predictions.
        y : array or float
            Targets, of the same shape.

        Returns
        -------
        array or float
            Positive weights, of the same shape.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method weight(p, y)")

    @classmethod
    def has_weight(cls):
        """Tell whether the class defines :meth:`weight`."""
        return cls.weight is not Loss.weight

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

    def mean(self, p):
        """Return what ``predict`` returns for the linear predictor `p`: `p` itself, without a link.

        Parameters
        ----------
        p : array or float
            Linear predictors.

        Returns
        -------
        array or float
            Predictions in units of y, of the same shape.
        """
        return p

    def check_targets(self, y):
        """Refuse targets for which the loss makes no sense; any will do unless a subclass objects.

        Parameters
        ----------
        y : array of shape (n,) or (n, k)
            Targets.

        Raises
        ------
        ValueError
            If a target is outside the domain; it names the first one with its row.
        """


@dataclass(frozen=True)
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
    >>> loss.slope(p, 0.0).round(3)
    array([-2.,  0.,  1.])
    """

    curvature = 1.0
    quadratic = True

    def weight(self, p, y):  # noqa: D102
        return np.ones_like(p - y)

    def value(self, p, y):  # noqa: D102 - documented by the base class
        return 0.5 * (p - y) ** 2

    def slope(self, p, y):  # noqa: D102
        return p - y


@dataclass(frozen=True)
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
    >>> loss.slope(p, 0.0).round(3)
    array([-1.,  0.,  1.])
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

    def weight(self, p, y):  # noqa: D102
        distance = np.maximum(np.abs(p - y), TINY)
        inside = np.asarray(distance <= self.epsilon, dtype=distance.dtype)
        return np.maximum(inside, SHARE * np.minimum(1, self.epsilon / distance))

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, 0.5, weights)


@dataclass(frozen=True)
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
    >>> loss.slope(p, 0.0).round(3)
    array([-1.,  0.,  1.])
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
        """Return the loss with its kinks rounded, as automatic full-batch fits descend on it.

        Parameters
        ----------
        width : float
            Over which the slope turns, in units of y; in (0, inf).

        Returns
        -------
        SmoothedTube
        """
        return SmoothedTube(-1.0, 1.0, self.epsilon, width)


@dataclass(frozen=True)
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
    >>> loss.slope(p, 0.0).round(3)
    array([-3.,  0.,  1.])
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

    def weight(self, p, y):  # noqa: D102
        outside = np.sign(np.maximum(np.abs(p - y) - self.epsilon, 0))
        return 2 * np.maximum(outside, SHARE)

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, 0.5, weights)


@dataclass(frozen=True)
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
    >>> loss.slope(p, 0.0).round(3)
    array([-1.,  0.,  1.])
    """

    def value(self, p, y):  # noqa: D102
        return np.abs(p - y)

    def slope(self, p, y):  # noqa: D102
        return np.sign(p - y)

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, 0.5, weights)

    def smoothed(self, width):
        """Return the loss with its kink rounded, as automatic full-batch fits descend on it.

        Parameters
        ----------
        width : float
            Over which the slope turns, in units of y; in (0, inf).

        Returns
        -------
        SmoothedTube
        """
        return SmoothedTube(-1.0, 1.0, 0.0, width)


@dataclass(frozen=True)
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
    >>> loss.slope(p, 0.0).round(3)
    array([-0.75,  0.  ,  0.25])
    """

    level: float = 0.5

    def __post_init__(self):
        check_real("level", self.level, low=0, high=1, closed="neither")

    def value(self, p, y):  # noqa: D102
        r = p - y
        return np.maximum((1 - self.level) * r, -self.level * r)

    def slope(self, p, y):  # noqa: D102
        side = np.sign(p - y)
        return 0.5 * side + (0.5 - self.level) * np.abs(side)

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, self.level, weights)

    def smoothed(self, width):
        """Return the loss with its kink rounded, as automatic full-batch fits descend on it.

        Parameters
        ----------
        width : float
            Over which the slope turns, in units of y; in (0, inf).

        Returns
        -------
        SmoothedTube
        """
        return SmoothedTube(-self.level, 1 - self.level, 0.0, width)


@dataclass(frozen=True)
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
    >>> loss.slope(p, 0.0).round(3)
    array([-0.964,  0.   ,  0.762])
    """

    curvature = 1.0

    def value(self, p, y):  # noqa: D102
        distance = np.abs(p - y)
        # log cosh itself up to 1, exact for tiny errors; beyond, its growth, which cannot overflow.
        near = np.minimum(distance, 1)
        growth = np.log1p(np.exp(-2 * distance)) - np.log1p(np.exp(-2 * near))
        return np.log1p(2 * np.sinh(0.5 * near) ** 2) + (distance - near) + growth

    def slope(self, p, y):  # noqa: D102
        return np.tanh(p - y)

    def weight(self, p, y):  # noqa: D102
        distance = np.maximum(np.abs(p - y), TINY)
        slope = np.tanh(distance)
        return np.maximum(1 - slope**2, SHARE * slope / distance)

    def constant(self, y, weights=None):  # noqa: D102
        return weighted_quantile(y, 0.5, weights)


@dataclass(frozen=True)
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
    >>> loss.slope(p, 2.0).round(3)
    array([-1.   ,  0.718])
    >>> loss.mean(p).round(3)
    array([1.   , 2.718])
    """

    def value(self, p, y):  # noqa: D102
        # In p - log y, so that a good fit of large counts does not cancel; 0 log 0 is 0.
        is_zero = 1 - np.sign(y)
        base = y + is_zero
        u = p - np.log(base)
        return base * np.expm1(u) - y * u + is_zero

    def slope(self, p, y):  # noqa: D102
        return np.exp(p) - y

    def weight(self, p, y):  # noqa: D102
        return np.exp(p)

    def constant(self, y, weights=None):  # noqa: D102
        mean = np.average(y, axis=0, weights=weights)
        # Nothing but zeros calls for a mean of 0, at p = -inf: half a count in all rows instead.
        return np.log(np.where(mean > 0, mean, 0.5 / len(y)))[()]

    def mean(self, p):  # noqa: D102
        return np.exp(p)

    def check_targets(self, y):  # noqa: D102
        refuse_targets(self, y, np.asarray(y) >= 0, "y >= 0")


@dataclass(frozen=True)
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
    >>> loss.slope(p, 2.0).round(3)
    array([-1.   ,  0.264])
    >>> loss.mean(p).round(3)
    array([1.   , 2.718])
    """

    def value(self, p, y):  # noqa: D102
        u = p - np.log(y)
        return np.expm1(-u) + u

    def slope(self, p, y):  # noqa: D102
        return 1 - y * np.exp(-p)

    def weight(self, p, y):  # noqa: D102
        return y * np.exp(-p)

    def constant(self, y, weights=None):  # noqa: D102
        return np.log(np.average(y, axis=0, weights=weights))

    def mean(self, p):  # noqa: D102
        return np.exp(p)

    def check_targets(self, y):  # noqa: D102
        refuse_targets(self, y, np.asarray(y) > 0, "y > 0")


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

    def value(self, p, y):
        r = p - y
        s = self.slope(p, y)
        return s * r - self.epsilon * np.abs(s) - 0.5 * self.width * s**2

    def slope(self, p, y):
        r = p - y
        above = np.minimum(np.maximum((r - self.epsilon) / self.width, 0), self.upper)
        below = np.maximum(np.minimum((r + self.epsilon) / self.width, 0), self.lower)
        return above + below

    def weight(self, p, y):
        r = np.asarray(p - y)
        above, below = r - self.epsilon, r + self.epsilon
        rounded = (above > 0) & (above < self.upper * self.width)
        rounded |= (below < 0) & (below > self.lower * self.width)
        # A parabola above the upper kink, and one above the lower.
        floor = self.upper / np.maximum(np.abs(above), self.width)
        floor = floor - self.lower / np.maximum(np.abs(below), self.width)
        return np.maximum(np.asarray(rounded, dtype=r.dtype) / self.width, 0.5 * SHARE * floor)

    def constant(self, y, weights=None):
        return weighted_quantile(y, self.lower / (self.lower - self.upper), weights)


def weighted_quantile(y, level, weights=None):
    """Return the `level` quantile of each column of `y`, the inverse of its distribution."""
    return np.apply_along_axis(_weighted_quantile, 0, np.asarray(y), level, weights)[()]


def _weighted_quantile(y, level, weights):
    order = np.argsort(y, kind="stable")
    weights = np.ones(len(y)) if weights is None else weights[order]
    total = np.cumsum(weights, dtype=float)
    # A level that is met up to rounding is met: weights times a constant change nothing.
    rounding = len(y) * np.finfo(float).eps
    return y[order[np.searchsorted(total, (level - rounding) * total[-1])]]


def refuse_targets(loss, y, allowed, domain):
    """Raise the error for the first target of `y` that is not `allowed`, or return."""
    refused = np.argwhere(~allowed)
    if len(refused):
        first = tuple(map(int, refused[0]))
        raise InvalidParameterError(
            f"{type(loss).__name__} needs {domain} in every row; got "
            f"y[{', '.join(map(str, first))}]={np.asarray(y)[first]:g}."
        )


#: Losses by the names that estimators accept.
LOSSES = {
    "squared_error": SquaredError,
    "huber": Huber,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
    "absolute_error": AbsoluteError,
    "quantile": Quantile,
    "log_cosh": LogCosh,
    "poisson": Poisson,
    "gamma": Gamma,
}
