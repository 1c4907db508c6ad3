"""What all losses share."""

import math
from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import Component, component
from skgd._utils.validation import InvalidParameterError

#: Share of a parabola above the loss that stands in for a second derivative that vanishes. With
#: less, models are flat where no row bends; with more, steps are needlessly short.
SHARE = 0.03

#: What distances of zero are replaced by where something is divided by them.
TINY = np.finfo(np.float32).tiny


@component
class Loss(Component):
    """Base class of the losses, and of your own.

    A subclass is a frozen dataclass with two methods, :meth:`value` and :meth:`gradient`, written
    with NumPy's elementwise functions so that they take arrays and scalars alike. A loss whose
    second derivative is bounded also gives that bound as :attr:`gradient_lipschitz`, from which
    automatic rates follow; without it they search along the line.

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

    #: The largest second derivative of the loss in ``p``; infinite where there is none.
    gradient_lipschitz = math.inf
    #: Whether the second derivative is the same everywhere, so that a line search is exact.
    quadratic = False
    #: The largest magnitude of the slope; None where it has no bound.
    lipschitz: ClassVar[float | None] = None

    def value(self, p: Any, y: Any) -> Any:
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

    def gradient(self, p: Any, y: Any) -> Any:
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
        raise NotImplementedError(f"{type(self).__name__} needs a method gradient(p, y)")

    def hessian(self, p: Any, y: Any) -> Any:
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
        raise NotImplementedError(f"{type(self).__name__} has no method hessian(p, y)")

    @classmethod
    def has_hessian(cls) -> bool:
        """Tell whether the class defines :meth:`hessian`."""
        return cls.hessian is not Loss.hessian

    def moreau_envelope(self, width: float) -> "Loss":
        """Return a smooth approximation of a loss with kinks, for automatic fits.

        Parameters
        ----------
        width : float
            Range of residuals over which a kink is rounded, in units of y; in (0, inf).

        Returns
        -------
        Loss
            Its gradient is Lipschitz continuous with constant 1 / `width`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method moreau_envelope(width)")

    @classmethod
    def has_moreau_envelope(cls) -> bool:
        """Tell whether the class defines :meth:`moreau_envelope`: whether the loss has kinks."""
        return cls.moreau_envelope is not Loss.moreau_envelope

    def intercept_only(self, y: Any, weights: Any = None) -> Any:
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

    def inverse_link(self, p: Any) -> Any:
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

    def check_targets(self, y: Any) -> None:
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


def weighted_quantile(y, level, weights=None):
    """Return the `level` quantile of each column of `y`, the inverse of its distribution."""
    return np.apply_along_axis(_weighted_quantile, 0, np.asarray(y), level, weights)[()]


def _weighted_quantile(y, level, weights):
    if weights is None:
        rank = int(np.ceil(level * len(y) * (1 - 2 * np.finfo(float).eps))) - 1
        rank = max(rank, 0)
        return np.partition(y, rank)[rank]
    order = np.argsort(y, kind="stable")
    total = np.cumsum(weights[order], dtype=float)
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
