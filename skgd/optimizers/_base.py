"""Base classes of optimizers."""

import inspect
from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import Component, component, is_built_in
from skgd._utils.validation import InvalidParameterError

__all__ = ["BatchOptimizer", "ElementwiseOptimizer", "Optimizer"]

#: Smallest normal number of single precision: a lower bound of denominators in either precision.
TINY = float(np.finfo(np.float32).tiny)


def inner(a, b):
    """Return the inner product of each output's parameters: a number, or of shape (k, 1)."""
    if a.ndim == 1:
        return a.dot(b)
    return np.sum(a * b, axis=-1, keepdims=True)


@component
class Optimizer(Component):
    """Base class of all optimizers.

    An optimizer holds hyper-parameters only. Its state, the arrays that it carries from one update
    to the next, is passed to it and returned by it, as in optax: `init` creates the state, and the
    methods that use it return a new one and change no array that they are given.

    Examples
    --------
    >>> from skgd import optimizers
    >>> isinstance(optimizers.Adam(), optimizers.Optimizer)
    True
    >>> optimizers.Adam(beta1=0.8) == optimizers.Adam(beta1=0.8)  # equal hyper-parameters
    True
    """

    registry: ClassVar[dict[str, type["Optimizer"]]] = {}  # filled by @component(name=...)
    #: Names of the items of the state.
    state_names: ClassVar[tuple[str, ...]] = ()
    #: The published default learning rate if steps do not scale with the gradient, else None.
    default_rate: ClassVar[float | None] = None
    #: Whether it determines the length of its steps, and so takes no learning rate.
    searches_line: ClassVar[bool] = False

    def init(self, theta: Any) -> tuple[Any, ...]:
        """Return the state before the first step.

        Parameters
        ----------
        theta : array
            Parameters at which the descent starts.

        Returns
        -------
        tuple
            The empty tuple.
        """
        return ()


@component
class ElementwiseOptimizer(Optimizer):
    r"""Base class of the optimizers that treat each coordinate by itself.

    They serve batches of every size. A subclass is a frozen dataclass with a method :meth:`update`
    and, if it has a state, the names of its state arrays in `state_names`. The same method runs on
    whole arrays under NumPy and, compiled by Numba, on single coordinates: it may use arithmetic
    and NumPy's elementwise functions, but no conditions on the values.

    Examples
    --------
    An optimizer without a state:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from skgd import BatchGDRegressor, SGDRegressor, optimizers
    >>> @dataclass(frozen=True)
    ... class SignDescent(optimizers.ElementwiseOptimizer):
    ...     def update(self, gradient, state, learning_rate, t):
    ...         return -learning_rate * np.sign(gradient), learning_rate, state
    >>> X, y = np.arange(6.0)[:, None], 2 * np.arange(6.0)
    >>> model = BatchGDRegressor(
    ...     optimizer=SignDescent(), learning_rate=lambda t: 0.5 / t, standardize=False, tol=None
    ... )
    >>> model.set_params(max_iter=500).fit(X, y).coef_.round(1)
    array([2.])

    One with three state arrays: momentum whose sum of squares and of magnitudes scale the rate of
    each coordinate. It has a hyper-parameter, which a grid search reaches as ``optimizer__beta``:

    >>> @dataclass(frozen=True)
    ... class ScaledMomentum(optimizers.ElementwiseOptimizer):
    ...     beta: float = 0.9
    ...     state_names = ("velocity", "square", "magnitude")
    ...
    ...     def update(self, gradient, state, learning_rate, t):
    ...         velocity, square, magnitude = state
    ...         velocity = self.beta * velocity + (1 - self.beta) * gradient
    ...         square = square + gradient**2
    ...         magnitude = np.maximum(self.beta * magnitude, np.abs(gradient))
    ...         rate = learning_rate / (np.sqrt(square) + magnitude + 1e-10)
    ...         return -rate * velocity, rate, (velocity, square, magnitude)
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> model = SGDRegressor(optimizer=ScaledMomentum(beta=0.5), learning_rate=0.5, random_state=0)
    >>> model.fit(X, X @ [1.0, -2.0]).coef_.round(3)
    array([ 1., -2.])
    """

    def init(self, theta: Any) -> tuple[Any, ...]:
        """Return the state before the first update.

        Parameters
        ----------
        theta : array
            Parameters at which the descent starts.

        Returns
        -------
        tuple of arrays
            An array of zeros of the shape of `theta` for each of `state_names`.
        """
        return tuple(np.zeros_like(theta) for _ in self.state_names)

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        """Return the step, the learning rate of each coordinate, and the new state.

        Parameters
        ----------
        gradient : array or float
            Gradient of the objective (without its l1 term).
        state : tuple of arrays or floats
            State before the update, in the order of `state_names`; each of its arrays has the
            shape of `gradient`.
        learning_rate : float
            Learning rate of this update.
        t : int
            Number of this update, from 1.

        Returns
        -------
        step : array or float
            What is added to the parameters.
        coordinate_rate : array or float
            Learning rate of each coordinate; an l1 penalty shrinks the coordinate by
            ``coordinate_rate * l1``.
        state : tuple of arrays or floats
            State after the update.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a method update(gradient, state, learning_rate, t)"
        )

    def largest_stable_rate(self, smoothness: float) -> float | None:
        """Return the learning rate above which descent on a quadratic diverges, None if unknown.

        Parameters
        ----------
        smoothness : float
            Largest curvature L of the objective.

        Returns
        -------
        float or None
        """
        return None


@component
class BatchOptimizer(Optimizer):
    """Base class of the optimizers that need the full gradient, of all rows and coordinates.

    Their state is a tuple, which is empty before the first step.

    Examples
    --------
    Small batches have no full gradient:

    >>> from skgd import MiniBatchGDRegressor, optimizers
    >>> isinstance(optimizers.ConjugateGradient(), optimizers.BatchOptimizer)
    True
    >>> MiniBatchGDRegressor(optimizer="cg").fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    Traceback (most recent call last):
        ...
    skgd._utils.validation.InvalidParameterError: ...
    """


def init_optimizer_state(optimizer, theta):
    """Return the initial state of an optimizer, after checking a user's own `update`.

    Parameters
    ----------
    optimizer : Optimizer
    theta : array
        Parameters at which the descent starts.

    Returns
    -------
    tuple of arrays

    Raises
    ------
    InvalidParameterError
        If `init` or `update` of a user's own class does not follow the protocol of
        :class:`ElementwiseOptimizer`.
    """
    check_update(optimizer)
    return optimizer.init(theta)


def check_update(optimizer):
    """Check a user's own `update` by a trial call on one coordinate.

    Raises
    ------
    InvalidParameterError
        If `init` or `update` does not follow the protocol of :class:`ElementwiseOptimizer`.
    """
    if is_built_in(optimizer) or not isinstance(optimizer, ElementwiseOptimizer):
        return
    cls, names = type(optimizer), optimizer.state_names
    expected = (
        f"{cls.__name__}.update must have the signature update(self, gradient, state, "
        "learning_rate, t) and return (step, coordinate_rate, state), where state is a tuple of "
        f"{len(names)} arrays, one for each of state_names={names!r}; "
    )
    try:
        arguments = np.ones(1), optimizer.init(np.zeros(1)), 0.1, 1
    except Exception as error:
        raise InvalidParameterError(f"{expected}its init(theta) raised {error!r}.") from error
    if not is_state(arguments[1], names):
        raise InvalidParameterError(f"{expected}but its init returned {arguments[1]!r}.")
    try:
        inspect.signature(optimizer.update).bind(*arguments)
    except TypeError as error:
        found = inspect.signature(optimizer.update)
        raise InvalidParameterError(f"{expected}got update{found}.") from error
    try:
        with np.errstate(all="ignore"):
            returned = optimizer.update(*arguments)
    except NotImplementedError:
        raise
    except Exception as error:
        raise InvalidParameterError(f"{expected}a trial call raised {error!r}.") from error
    if not (isinstance(returned, tuple) and len(returned) == 3 and is_state(returned[2], names)):
        raise InvalidParameterError(f"{expected}a trial call returned {returned!r}.")


def is_state(state, names):
    """Return whether `state` is a tuple with an array of one coordinate for each name."""
    return (
        isinstance(state, tuple)
        and len(state) == len(names)
        and all(np.shape(part) == (1,) for part in state)
    )
