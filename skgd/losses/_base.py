"""Base class of the losses, weighted quantiles and the check of targets."""

import math
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import brentq

from skgd._utils.component import Component, component
from skgd._utils.validation import InvalidParameterError

__all__ = ["Loss"]

#: Fraction of the curvature of a quadratic majorizer that replaces a vanishing second derivative in
#: `hessian`. A smaller fraction makes quadratic models flat in regions where no row has curvature;
#: a larger one makes Newton steps needlessly short.
MAJORIZER_FRACTION = 0.03

#: Lower bound on distances |p - y| in denominators; representable in single precision.
SMALLEST_DISTANCE = np.finfo(np.float32).tiny

#: Members of an earlier version of the protocol and the names that replace them.
RENAMED = {
    "slope": "gradient",
    "weight": "hessian",
    "curvature": "gradient_lipschitz",
    "steepest": "lipschitz",
    "constant": "intercept_only",
    "mean": "inverse_link",
    "smoothed": "moreau_envelope",
}


@component
class Loss(Component):
    r"""Base class of the losses, including user-defined ones.

    A loss :math:`\ell(p, y)` is a convex function of the linear predictor
    :math:`p = x^\top w + b`; :math:`y` is the target. A subclass is a frozen dataclass that
    implements two methods with NumPy's elementwise functions, so that they accept arrays and
    scalars:

    - :meth:`value`, :math:`\ell(p, y)`;
    - :meth:`gradient`, :math:`\partial \ell / \partial p`.

    A fit compares the two for a few rows at its start, and raises an error if the gradient is not
    the derivative of the value. All other members are optional and have defaults:

    - :attr:`gradient_lipschitz`, :math:`\sup_{p, y} \partial^2 \ell / \partial p^2`. Automatic
      learning rates follow from it; without a finite bound they come from a line search (full
      batches) or from the curvature measured around the best constant model.
    - :attr:`lipschitz`, :math:`\sup_{p, y} |\partial \ell / \partial p|`. If it is finite,
      automatic learning rates of stochastic updates are large enough to reach distant targets with
      gradients of at most this size.
    - :attr:`quadratic`, whether :math:`\partial^2 \ell / \partial p^2` is constant. The line search
      of a full-batch fit is then exact.
    - :meth:`hessian`, :math:`\partial^2 \ell / \partial p^2` with a positive lower bound.
      :class:`~skgd.optimizers.ProximalNewton` uses it.
    - :meth:`moreau_envelope`, a smooth approximation of a loss with kinks. Automatic fits minimise
      a sequence of them; fits with an explicit learning rate use subgradients instead.
    - :meth:`intercept_only`, :math:`\arg\min_c \sum_i s_i\, \ell(c, y_i)`, where automatic fits
      start.
    - :meth:`inverse_link`, the prediction as a function of :math:`p`.
    - :meth:`check_targets`, which raises for targets outside the domain of the loss.
    - :attr:`n_outputs` and :meth:`select_output`, where each output has a loss of its own, as with
      several levels of :class:`Quantile`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from skgd import BatchGDRegressor
    >>> from skgd.losses import Loss
    >>> @dataclass(frozen=True)
    ... class PseudoHuber(Loss):
    ...     gradient_lipschitz = 1.0
    ...     def value(self, p, y):
    ...         return np.sqrt(1 + (p - y) ** 2) - 1
    ...     def gradient(self, p, y):
    ...         return (p - y) / np.sqrt(1 + (p - y) ** 2)
    >>> X, y = np.arange(6.0)[:, None], np.array([0.0, 1, 2, 3, 4, 50])
    >>> BatchGDRegressor(loss=PseudoHuber()).fit(X, y).coef_.round(1)
    array([1.4])
    """

    registry: ClassVar[dict[str, type["Loss"]]] = {}  # filled by @component(name=...)
    #: Lipschitz constant of the gradient with respect to ``p``.
    #:
    #: It is the supremum of the second derivative over all ``p`` and ``y``; infinite if this is
    #: unbounded or the loss has kinks.
    gradient_lipschitz = math.inf
    #: Whether the second derivative with respect to ``p`` is the same for all ``p`` and ``y``.
    quadratic = False
    #: Lipschitz constant of the loss: the supremum of the absolute gradient; None if unbounded.
    lipschitz: ClassVar[float | None] = None
    #: Number of outputs where each has a loss of its own; None if all have the same.
    n_outputs: ClassVar[int | None] = None

    def value(self, p: Any, y: Any) -> Any:
        r"""Return the losses :math:`\ell(p, y)`.

        Parameters
        ----------
        p : array or float
            Linear predictors.
        y : array or float
            Targets, of the same shape.

        Returns
        -------
        array or float
            Losses, of the same shape.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method value(p, y)")

    def gradient(self, p: Any, y: Any) -> Any:
        r"""Return the derivatives :math:`\partial \ell / \partial p`; at a kink, a subgradient.

        The gradient of the objective with respect to the coefficients is the weighted mean of
        ``gradient(p, y)`` times the rows.

        Parameters
        ----------
        p : array or float
            Linear predictors.
        y : array or float
            Targets, of the same shape.

        Returns
        -------
        array or float
            Derivatives, of the same shape.
        """
        message = f"{type(self).__name__} needs a method gradient(p, y)"
        renamed = [f"{old} to {new}" for old, new in RENAMED.items() if hasattr(self, old)]
        if renamed:
            message += f"; rename {', '.join(renamed)}"
        raise NotImplementedError(message)

    def hessian(self, p: Any, y: Any) -> Any:
        r"""Return the second derivatives :math:`\partial^2 \ell / \partial p^2`, bounded below.

        :class:`~skgd.optimizers.ProximalNewton` builds its quadratic models
        :math:`X^\top \mathrm{diag}(s\, h) X` from these values :math:`h`. They have to be positive,
        so where the second derivative vanishes, the built-in losses return 3 % of the curvature of
        a quadratic majorizer: a parabola that touches the loss at ``p`` and lies above it
        elsewhere. The method is optional: the default is difference quotients of :meth:`gradient`.

        Parameters
        ----------
        p : array or float
            Linear predictors.
        y : array or float
            Targets, of the same shape.

        Returns
        -------
        array or float
            Positive curvatures, of the same shape.
        """
        eps = np.finfo(np.asarray(p).dtype).eps
        step = eps ** (1 / 3) * np.mean(np.abs(p - y)) + np.sqrt(eps) * (np.abs(p) + np.abs(y))
        curvature = (self.gradient(p + step, y) - self.gradient(p - step, y)) / (2 * step)
        return np.maximum(curvature, MAJORIZER_FRACTION * np.mean(np.abs(curvature)))

    @classmethod
    def has_hessian(cls) -> bool:
        """Return whether the class implements :meth:`hessian`."""
        return cls.hessian is not Loss.hessian

    def moreau_envelope(self, width: float) -> "Loss":
        r"""Return the Moreau envelope of a loss with kinks, a smooth approximation from below.

        .. math:: \ell_\delta(p, y) = \min_u \; \ell(u, y) + \frac{1}{2 \delta} (u - p)^2

        Automatic fits minimise the objective with this loss for a decreasing sequence of widths
        :math:`\delta`.

        Parameters
        ----------
        width : float
            Smoothing width :math:`\delta`; in (0, inf). A kink at which the derivative jumps by
            :math:`j` is smoothed over an interval of length :math:`j \delta`.

        Returns
        -------
        Loss
            A loss whose gradient is Lipschitz continuous with the constant :math:`1 / \delta`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method moreau_envelope(width)")

    @classmethod
    def has_moreau_envelope(cls) -> bool:
        """Return whether the class implements :meth:`moreau_envelope`; losses with kinks do."""
        return cls.moreau_envelope is not Loss.moreau_envelope

    def select_output(self, output: int) -> "Loss":
        """Return the loss of one output; `self`, unless it differs among the outputs.

        Parameters
        ----------
        output : int
            Number of the output.

        Returns
        -------
        Loss
        """
        return self

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        r"""Return the linear predictor of the best constant model, or an approximation of it.

        .. math:: \arg\min_c \sum_i s_i\, \ell(c, y_i)

        Automatic fits start with it as the intercept. The default is the weighted mean of y.

        Parameters
        ----------
        y : array of shape (n,) or (n, k)
            Targets.
        weights : array of shape (n,), default=None
            Weights :math:`s_i` of the rows; None means equal weights.

        Returns
        -------
        float or array of shape (k,)
            The constant of each output.
        """
        return np.average(y, axis=0, weights=weights)

    def inverse_link(self, p: Any) -> Any:
        """Return the mean or location of the targets for linear predictors.

        The default is the identity. With a log link it is the exponential function.

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

    def predict(self, p: Any) -> Any:
        """Return what the method ``predict`` of a regressor returns for linear predictors.

        The default is :meth:`inverse_link`; a loss with several outputs may combine them.

        Parameters
        ----------
        p : array of shape (n,) or (n, k)
            Linear predictors.

        Returns
        -------
        array of the same shape
            Predictions in units of y.
        """
        return self.inverse_link(p)

    @classmethod
    def has_link(cls) -> bool:
        """Return whether the class implements :meth:`inverse_link`; ``score`` returns D² then."""
        return cls.inverse_link is not Loss.inverse_link

    def check_targets(self, y: Any) -> None:
        """Raise an error if the loss is not defined for a target; by default any is accepted.

        Parameters
        ----------
        y : array of shape (n,) or (n, k)
            Targets.

        Raises
        ------
        ValueError
            If a target is outside the domain; the message contains the first one and its index.
        """


@component
class MedianLoss(Loss):
    """Base class of losses that are functions of |p - y|, with the median as constant model."""

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
        return weighted_quantile(y, 0.5, weights)


def intercept_with_offset(loss, y, weights=None, offset=None):
    r"""Return :math:`\arg\min_c \sum_i s_i\, \ell(c + o_i, y_i)` for the offsets of the rows.

    The sum of the gradients at the constant c without offsets has a root between c less the largest
    and c less the smallest offset, since the gradients of convex losses increase.

    Parameters
    ----------
    loss : Loss
        The loss; without offsets the result is that of its `intercept_only`.
    y : array of shape (n,) or (n, k)
        Targets.
    weights : array of shape (n,), default=None
        Weights of the rows; None means equal weights.
    offset : array of the shape of y, default=None
        Offsets; None means zeros.

    Returns
    -------
    float or array of shape (k,)
    """
    if offset is not None and loss.quadratic:
        y, offset = y - offset, None
    constants = loss.intercept_only(y, weights)
    if offset is None:
        return constants
    columns = (np.reshape(part, (len(y), -1)).T for part in (y, offset))
    outputs = zip(np.atleast_1d(constants), *columns, strict=True)
    roots = [
        _shift_constant(loss.select_output(k), *output, weights) for k, output in enumerate(outputs)
    ]
    return np.reshape(roots, np.shape(constants)).astype(offset.dtype)[()]


def _shift_constant(loss, constant, y, offset, weights):
    """Return the best constant of one output, given that without offsets."""

    def mean_gradient(shifted):
        return float(np.average(loss.gradient(shifted + offset, y), weights=weights))

    low, high = float(constant - offset.max()), float(constant - offset.min())
    if mean_gradient(low) >= 0:
        return low
    if mean_gradient(high) <= 0:
        return high
    return brentq(mean_gradient, low, high, xtol=1e-12 * (high - low))


def weighted_quantile(y, level, weights=None):
    """Return the `level` quantile of each column of `y`, for weights of the rows.

    It is the smallest target at which the weighted empirical distribution function reaches `level`
    (``method="inverted_cdf"`` of ``np.quantile``). An array of levels has one for each column.
    """
    if np.ndim(level):
        columns = np.broadcast_to(np.transpose(y), (len(level), len(y)))
        pairs = zip(columns, level, strict=True)
        return np.array([_weighted_quantile(column, one, weights) for column, one in pairs])
    return np.apply_along_axis(_weighted_quantile, 0, np.asarray(y), level, weights)[()]


def _weighted_quantile(y, level, weights):
    if weights is None:
        rank = int(np.ceil(level * len(y) * (1 - 2 * np.finfo(float).eps))) - 1
        rank = max(rank, 0)
        return np.partition(y, rank)[rank]
    order = np.argsort(y, kind="stable")
    cumulative = np.cumsum(weights[order], dtype=float)
    # A level counts as reached up to rounding, so that scaling the weights changes nothing.
    rounding = len(y) * np.finfo(float).eps
    return y[order[np.searchsorted(cumulative, (level - rounding) * cumulative[-1])]]


def check_domain(loss, y, is_valid, domain):
    """Raise an error for the first target of `y` that is not valid.

    Parameters
    ----------
    loss : Loss
        The loss, for the message.
    y : array
        Targets.
    is_valid : array of bool
        Whether each target is in the domain; of the shape of `y`.
    domain : str
        The domain, for the message.
    """
    invalid = np.argwhere(~is_valid)
    if len(invalid):
        index = tuple(map(int, invalid[0]))
        raise InvalidParameterError(
            f"{type(loss).__name__} needs {domain} in every row; got "
            f"y[{', '.join(map(str, index))}]={np.asarray(y)[index]:g}."
        )
