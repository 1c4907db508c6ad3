"""What all optimizers share."""

from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import Component, component


def inner(a, b):
    """Return the inner product of each output's parameters: a number, or of shape (k, 1)."""
    if a.ndim == 1:
        return a.dot(b)
    return np.sum(a * b, axis=-1, keepdims=True)


@component
class Optimizer(Component):
    """Base class of all optimizers.

    Examples
    --------
    >>> from skgd import optimizers
    >>> isinstance(optimizers.Adam(), optimizers.Optimizer)
    True
    >>> optimizers.Adam(beta1=0.8) == optimizers.Adam(beta1=0.8)  # pieces compare by their numbers
    True
    """


@component
class ElementwiseOptimizer(Optimizer):
    """Base class of the rules that treat each coordinate by itself.

    A rule of your own is a frozen dataclass with a method :meth:`update`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from skgd import BatchGDRegressor, optimizers
    >>> @dataclass(frozen=True)
    ... class SignDescent(optimizers.ElementwiseOptimizer):
    ...     def update(self, gradient, first, second, rate, t):
    ...         return -rate * np.sign(gradient), rate, first, second
    >>> X, y = np.arange(6.0)[:, None], 2 * np.arange(6.0)
    >>> model = BatchGDRegressor(
    ...     optimizer=SignDescent(), learning_rate=lambda t: 0.5 / t, standardize=False, tol=None
    ... )
    >>> model.set_params(max_iter=500).fit(X, y).coef_.round(1)
    array([2.])
    """

    #: The published default rate of a rule whose steps do not scale with the gradient, else None.
    default_rate: ClassVar[float | None] = None
    #: Whether the rule remembers anything from one update to the next.
    remembers = True

    def update(self, gradient: Any, first: Any, second: Any, rate: Any, t: Any) -> Any:
        """Return the step and what to remember.

        Parameters
        ----------
        gradient : array
            Gradient of the objective (without its l1 term).
        first, second : arrays of the same shape
            The memory; zero before the first update.
        rate : float
            Learning rate of this update.
        t : int
            Number of this update, from 1.

        Returns
        -------
        step : array
            What to add to the parameters.
        own_rate : array or float
            The rate of each coordinate, by which an l1 penalty is scaled.
        first, second : arrays
            The new memory.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a method update(gradient, first, second, rate, t)"
        )

    def largest_stable_rate(self, smoothness: float) -> float | None:
        """Return the rate at which descent on a quadratic stops converging, None if unknown.

        Parameters
        ----------
        smoothness : float
            The largest curvature L of the objective.

        Returns
        -------
        float or None
        """
        return None


@component
class BatchOptimizer(Optimizer):
    """Base class of the rules that move all coordinates together, by the full gradient.

    ``memory`` is a dict that the rule fills as it likes; it is empty at the start of a fit.

    Examples
    --------
    They need all rows at once, which small batches do not have:

    >>> from skgd import MiniBatchGDRegressor, optimizers
    >>> isinstance(optimizers.ConjugateGradient(), optimizers.BatchOptimizer)
    True
    >>> MiniBatchGDRegressor(optimizer="cg").fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    Traceback (most recent call last):
        ...
    skgd._utils.validation.InvalidParameterError: ...
    """
