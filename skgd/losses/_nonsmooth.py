"""Losses with kinks, and their Moreau envelopes."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import check_bool, check_real, is_finite, is_real_number, raise_invalid
from skgd.losses._base import Loss, MedianLoss, weighted_quantile

#: Curvature of a Moreau envelope outside the intervals in which it is curved, times the squared
#: distance from a kink over the width and the jump of the derivative.
NEARBY_CURVATURE = 1.5

__all__ = ["AbsoluteError", "EpsilonInsensitive", "Quantile"]


def check_levels(name, value):
    """Check that `value` is a number in (0, 1), or an increasing sequence of such numbers."""
    if np.ndim(value) == 0:
        check_real(name, value, low=0, high=1, closed="neither")
        return
    levels = list(value)
    is_valid = all(is_real_number(level) and is_finite(level) and 0 < level < 1 for level in levels)
    if not (levels and is_valid and levels == sorted(set(levels))):
        raise_invalid(
            name, value, "a float in the range (0.0, 1.0), or an increasing sequence of such floats"
        )


@component(name="epsilon_insensitive")
class EpsilonInsensitive(MedianLoss):
    r"""The epsilon-insensitive loss, :math:`\max(0, |p - y| - \epsilon)`.

    The loss of support vector regression: errors of up to :math:`\epsilon` cost nothing. At its
    kinks, :math:`|p - y| = \epsilon`, the subgradient is 0.

    Parameters
    ----------
    epsilon : float, default=0.1
        Largest error that costs nothing, in units of y; in [0, inf).

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

    epsilon: float = checked(check_real, default=0.1, low=0)
    lipschitz = 1.0

    def value(self, p: Any, y: Any) -> Any:
        return np.maximum(np.abs(p - y) - self.epsilon, 0)

    def gradient(self, p: Any, y: Any) -> Any:
        r = p - y
        return np.sign(r) * np.sign(np.maximum(np.abs(r) - self.epsilon, 0))

    def moreau_envelope(self, width: float) -> Loss:
        return MoreauEnvelope(-1.0, 1.0, self.epsilon, width)


@component(name="absolute_error")
class AbsoluteError(MedianLoss):
    r"""The absolute error, :math:`\ell(p, y) = |p - y|`.

    The constant that minimises it is the median of y. At its kink, :math:`p = y`, the subgradient
    is 0.

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

    def moreau_envelope(self, width: float) -> Loss:
        return MoreauEnvelope(-1.0, 1.0, 0.0, width)


@component(name="quantile")
class Quantile(Loss):
    r"""The pinball loss; the constant that minimises it is a quantile of y.

    .. math:: \ell = \max\bigl((1 - q)\, r,\; -q\, r\bigr) \qquad r = p - y

    At its kink, :math:`r = 0`, the subgradient is 0. For :math:`q = ½` it is half the absolute
    error.

    Several levels are fitted at once: each is an output of the model, so that ``coef_`` has the
    shape (n_levels, n_features) and ``predict`` returns an array of shape (n_samples, n_levels).
    The objective is the sum over the levels. Quantiles of different levels that are fitted
    separately may cross; `non_crossing` sorts the predictions of each row, which never increases
    their error (Chernozhukov et al., 2010).

    Parameters
    ----------
    level : float or sequence of float, default=0.5
        The quantile q to predict: the fraction of targets below the prediction, in (0, 1). Several
        levels have to increase; y then has to be one-dimensional.
    non_crossing : bool, default=False
        Whether ``predict`` sorts the predictions of several levels in each row.

    References
    ----------
    R. Koenker, G. Bassett, "Regression Quantiles", 1978.

    V. Chernozhukov, I. Fernández-Val, A. Galichon, "Quantile and Probability Curves Without
    Crossing", 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import Quantile
    >>> loss, p = Quantile(level=0.75), np.array([-2.0, 0.0, 1.0])
    >>> loss.value(p, 0.0).round(3)
    array([ 1.5 , -0.  ,  0.25])
    >>> loss.gradient(p, 0.0).round(3)
    array([-0.75,  0.  ,  0.25])

    Three levels, and their predictions for one row:

    >>> from skgd import BatchGDRegressor
    >>> X, y = np.arange(30.0)[:, None], np.arange(30.0) + np.tile([0.0, 1.0, 2.0], 10)
    >>> model = BatchGDRegressor(Quantile(level=[0.1, 0.5, 0.9])).fit(X, y)
    >>> model.predict([[10.0]]).round(2)
    array([[10., 11., 12.]])
    """

    level: float | Sequence[float] = checked(check_levels, default=0.5)
    non_crossing: bool = checked(check_bool, default=False)
    lipschitz = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        level: Any = self.level
        if not isinstance(level, Real):  # a tuple can be hashed
            object.__setattr__(self, "level", tuple(map(float, level)))

    @property
    def n_outputs(self) -> int | None:  # type: ignore[override]  # depends on a parameter
        """Number of levels; None for a single one that is not in a sequence."""
        return len(self.level) if isinstance(self.level, tuple) else None

    # np.multiply accepts a tuple of levels, one for each column, and compiled also a number.
    def value(self, p: Any, y: Any) -> Any:
        r = p - y
        product = np.multiply(self.level, r)
        return np.maximum(r - product, -product)

    def gradient(self, p: Any, y: Any) -> Any:
        sign = np.sign(p - y)
        magnitude = np.abs(sign)
        return 0.5 * (sign + magnitude) - np.multiply(self.level, magnitude)

    def select_output(self, output: int) -> Loss:
        if self.n_outputs is None:
            return self
        return Quantile(self.level[output])  # type: ignore[index]

    def predict(self, p: Any) -> Any:
        is_sorted = self.non_crossing and self.n_outputs is not None
        return np.sort(p, axis=-1) if is_sorted else p

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, self.level, weights)

    def moreau_envelope(self, width: float) -> Loss:
        level: Any = self.level if self.n_outputs is None else np.array(self.level)
        return MoreauEnvelope(-level, 1 - level, 0.0, width)


@component
class MoreauEnvelope(Loss):
    r"""The Moreau envelope of a piecewise linear loss with an insensitive interval.

    The loss is :math:`\ell(r) = \max_{s \in [a, b]} s r - \epsilon |s|` with :math:`r = p - y`, and
    its envelope of width :math:`\delta`

    .. math:: \ell_\delta(r) = \max_{s \in [a, b]} s r - \epsilon |s| - \tfrac{\delta}{2} s^2

    It lies at most :math:`\tfrac{\delta}{2} \max(a^2, b^2)` below the loss, and its gradient is
    Lipschitz continuous with the constant :math:`1 / \delta`. Automatic fits minimise the objective
    for a decreasing sequence of widths.

    Parameters
    ----------
    lower, upper : float or arrays of shape (k,)
        The derivatives a < 0 and b > 0 of the loss outside the insensitive interval; arrays have
        one entry for each output.
    epsilon : float
        Largest error :math:`\epsilon` that costs nothing, in units of y; in [0, inf).
    width : float
        Smoothing width :math:`\delta`, in units of y; in (0, inf).

    References
    ----------
    Y. Nesterov, "Smooth minimization of non-smooth functions", 2005.
    """

    lower: Any
    upper: Any
    epsilon: float
    width: float

    @property
    def n_outputs(self) -> int | None:  # type: ignore[override]  # depends on a parameter
        """Number of outputs with bounds of their own; None if all have the same."""
        return len(self.lower) if np.ndim(self.lower) else None

    def select_output(self, output: int) -> Loss:
        if self.n_outputs is None:
            return self
        lower, upper = float(self.lower[output]), float(self.upper[output])
        return MoreauEnvelope(lower, upper, self.epsilon, self.width)

    @property
    def gradient_lipschitz(self) -> float:  # type: ignore[override]  # depends on a parameter
        """Lipschitz constant of the gradient: 1 / width."""
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
        is_curved = (above > 0) & (above < self.upper * self.width)
        is_curved |= (below < 0) & (below > self.lower * self.width)
        # Outside, a decreasing curvature announces the kinks that a step may reach.
        nearby = self.upper / np.maximum(np.abs(above), self.width) ** 2
        nearby = nearby - self.lower / np.maximum(np.abs(below), self.width) ** 2
        nearby = np.minimum(NEARBY_CURVATURE * self.width * nearby, 1 / self.width)
        return np.maximum(np.asarray(is_curved, dtype=r.dtype) / self.width, nearby)

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, self.lower / (self.lower - self.upper), weights)
