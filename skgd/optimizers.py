"""Update rules: gradient and memory in, step out.

An optimizer holds its hyper-parameters only; what it remembers lives outside it, in two arrays
shaped like the parameters. Elementwise rules (:class:`ElementwiseOptimizer`) serve batches of every
size. Whole-vector rules (:class:`BatchOptimizer`) look at the objective itself and need the full
batch. A new optimizer is a frozen dataclass plus one line in ``OPTIMIZERS``; the shared tests find
it there.
"""

from typing import Any, ClassVar

import numpy as np

from skgd._pieces import Piece, piece
from skgd._validation import check_real

__all__ = [
    "GD",
    "Accelerated",
    "AdaGrad",
    "Adam",
    "BatchOptimizer",
    "ConjugateGradient",
    "ElementwiseOptimizer",
    "Implicit",
    "Momentum",
    "Nesterov",
    "NewtonCG",
    "Optimizer",
    "RMSprop",
    "Snapshot",
]


#: Keeps quotients of squares finite, in single precision, too.
TINY = float(np.finfo(np.float32).tiny)


def inner(a, b):
    """Return the inner product of each output's parameters: a number, or of shape (k, 1)."""
    if a.ndim == 1:
        return a.dot(b)
    return np.sum(a * b, axis=-1, keepdims=True)


@piece
class Optimizer(Piece):
    """Base class of all optimizers.

    Examples
    --------
    >>> from skgd import optimizers
    >>> isinstance(optimizers.Adam(), optimizers.Optimizer)
    True
    >>> optimizers.Adam(beta1=0.8) == optimizers.Adam(beta1=0.8)  # pieces compare by their numbers
    True
    """


@piece
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


@piece
class GD(ElementwiseOptimizer):
    r"""Plain gradient descent, :math:`\theta \leftarrow \theta - \eta g`.

    Stable up to :math:`\eta = 2 / L`.

    Examples
    --------
    >>> from skgd.optimizers import GD
    >>> GD().update(2.0, 0.0, 0.0, rate=0.1, t=1)[0]
    -0.2
    """

    remembers = False

    def update(self, gradient: Any, first: Any, second: Any, rate: Any, t: Any) -> Any:  # noqa: D102 - documented by the base class
        return -rate * gradient, rate, first, second

    def largest_stable_rate(self, smoothness: float) -> float | None:  # noqa: D102
        return 2 / smoothness


@piece
class Momentum(ElementwiseOptimizer):
    r"""Polyak's heavy ball, :math:`m \leftarrow \beta m + g,\; \theta \leftarrow \theta - \eta m`.

    Stable up to :math:`\eta = 2 (1 + \beta) / L`; a step that keeps its direction grows to
    :math:`\eta g / (1 - \beta)`.

    Parameters
    ----------
    momentum : float, default=0.9
        The share :math:`\beta` of the past that is kept, in [0, 1).

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.

    Examples
    --------
    >>> from skgd.optimizers import Momentum
    >>> Momentum(0.5).update(2.0, 4.0, 0.0, rate=0.1, t=2)[0]
    -0.4
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_real("momentum", self.momentum, low=0, high=1)

    def update(self, gradient: Any, first: Any, second: Any, rate: Any, t: Any) -> Any:  # noqa: D102
        velocity = self.momentum * first + gradient
        return -rate * velocity, rate, velocity, second

    def largest_stable_rate(self, smoothness: float) -> float | None:  # noqa: D102
        return 2 * (1 + self.momentum) / smoothness


@piece
class Nesterov(ElementwiseOptimizer):
    r"""Nesterov's momentum, a heavy ball that looks ahead.

    .. math:: m \leftarrow \beta m + g, \quad \theta \leftarrow \theta - \eta (g + \beta m)

    Stable up to :math:`\eta = 2 (1 + \beta) / ((1 + 2 \beta) L)`, about :math:`4 / (3L)`.

    Parameters
    ----------
    momentum : float, default=0.9
        The share :math:`\beta` of the past that is kept, in [0, 1).

    References
    ----------
    Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)",
    1983; in the form of I. Sutskever et al., 2013.

    Examples
    --------
    >>> from skgd.optimizers import Nesterov
    >>> Nesterov(0.5).update(2.0, 4.0, 0.0, rate=0.1, t=2)[0]
    -0.4
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_real("momentum", self.momentum, low=0, high=1)

    def update(self, gradient: Any, first: Any, second: Any, rate: Any, t: Any) -> Any:  # noqa: D102
        velocity = self.momentum * first + gradient
        return -rate * (gradient + self.momentum * velocity), rate, velocity, second

    def largest_stable_rate(self, smoothness: float) -> float | None:  # noqa: D102
        return 2 * (1 + self.momentum) / ((1 + 2 * self.momentum) * smoothness)


@piece
class AdaGrad(ElementwiseOptimizer):
    r"""Adaptive gradients: the more a coordinate has moved, the smaller its rate.

    .. math::
        v \leftarrow v + g^2, \quad \theta \leftarrow \theta - \eta \frac{g}{\sqrt{v} + \epsilon}

    A coordinate whose gradients were all zero stays, also under an l1 penalty.

    Parameters
    ----------
    epsilon : float, default=1e-10
        What keeps the quotient finite, in (0, inf).

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", JMLR 2011.

    Examples
    --------
    >>> from skgd.optimizers import AdaGrad
    >>> round(float(AdaGrad().update(3.0, 0.0, 16.0, rate=0.1, t=2)[0]), 6)
    -0.06
    """

    epsilon: float = 1e-10
    default_rate = 0.01

    def __post_init__(self) -> None:
        check_real("epsilon", self.epsilon, low=0, closed="neither")

    def update(self, gradient: Any, first: Any, second: Any, rate: Any, t: Any) -> Any:  # noqa: D102
        total = second + gradient * gradient
        own_rate = rate * np.sign(total) / (np.sqrt(total) + self.epsilon)
        return -own_rate * gradient, own_rate, first, total


@piece
class RMSprop(ElementwiseOptimizer):
    r"""Gradients over their root mean square of late, so that all coordinates move alike.

    .. math::
        v \leftarrow \beta v + (1 - \beta) g^2, \quad
        \theta \leftarrow \theta - \eta \frac{g}{\sqrt{v} + \epsilon}

    A coordinate whose gradients were all zero stays, also under an l1 penalty.

    Parameters
    ----------
    decay : float, default=0.99
        The share :math:`\beta` of the mean squared gradient that is kept, in [0, 1).
    epsilon : float, default=1e-8
        What keeps the quotient finite, in (0, inf).

    References
    ----------
    T. Tieleman, G. Hinton, "Lecture 6.5 - rmsprop", COURSERA: Neural Networks for Machine Learning,
    2012.

    Examples
    --------
    >>> from skgd.optimizers import RMSprop
    >>> round(float(RMSprop().update(2.0, 0.0, 0.0, rate=0.1, t=1)[0]), 6)
    -1.0
    """

    decay: float = 0.99
    epsilon: float = 1e-8
    default_rate = 0.001

    def __post_init__(self) -> None:
        check_real("decay", self.decay, low=0, high=1)
        check_real("epsilon", self.epsilon, low=0, closed="neither")

    def update(self, gradient: Any, first: Any, second: Any, rate: Any, t: Any) -> Any:  # noqa: D102
        square = self.decay * second + (1 - self.decay) * gradient * gradient
        own_rate = rate * np.sign(square) / (np.sqrt(square) + self.epsilon)
        return -own_rate * gradient, own_rate, first, square


@piece
class Adam(ElementwiseOptimizer):
    r"""Adaptive moments: every coordinate has a rate of its own.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2,
        \quad \theta \leftarrow \theta - \eta
        \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    A coordinate whose gradients were all zero stays, also under an l1 penalty.

    Parameters
    ----------
    beta1 : float, default=0.9
        The share of the mean gradient that is kept, in [0, 1).
    beta2 : float, default=0.999
        The share of the mean squared gradient that is kept, in [0, 1).
    epsilon : float, default=1e-8
        What keeps the quotient finite, in (0, inf).

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.

    Examples
    --------
    >>> from skgd.optimizers import Adam
    >>> round(float(Adam().update(2.0, 0.0, 0.0, rate=0.1, t=1)[0]), 6)
    -0.1
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    default_rate = 0.001

    def __post_init__(self) -> None:
        check_real("beta1", self.beta1, low=0, high=1)
        check_real("beta2", self.beta2, low=0, high=1)
        check_real("epsilon", self.epsilon, low=0, closed="neither")

    def update(self, gradient: Any, first: Any, second: Any, rate: Any, t: Any) -> Any:  # noqa: D102
        mean = self.beta1 * first + (1 - self.beta1) * gradient
        square = self.beta2 * second + (1 - self.beta2) * gradient * gradient
        spread = np.sqrt(square / (1 - self.beta2**t)) + self.epsilon
        own_rate = rate * np.sign(square) / spread
        return -own_rate * (mean / (1 - self.beta1**t)), own_rate, mean, square


@piece
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
    skgd._validation.InvalidParameterError: ...
    """


@piece
class ConjugateGradient(BatchOptimizer):
    r"""Conjugate gradients: steepest descent that remembers which directions are done with.

    .. math::
        d \leftarrow -g + \beta d, \qquad
        \beta = \max\left(0, \frac{g^\top (g - g')}{g'^\top g'}\right)

    with the last gradient g' (Polak and Ribière). Along d it takes the step of a line search; on a
    squared error of d coefficients it arrives in at most d + 1 steps, up to rounding. It needs a
    smooth objective: no l1 penalty, no kinks.

    References
    ----------
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, chapter 5.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressor(optimizer="cg").fit(X, y)
    >>> model.n_iter_ <= X.shape[1] + 1, model.stop_reason_
    (True, 'converged')
    """

    def direction(self, gradient: Any, memory: dict[str, Any]) -> Any:
        """Return the next direction of descent and remember it.

        Parameters
        ----------
        gradient : array
            The gradient here.
        memory : dict
            What the last call left; empty at the start.

        Returns
        -------
        array of the same shape
        """
        square = inner(gradient, gradient)
        direction = -gradient
        if memory:
            last = memory["direction"]
            fresh = inner(gradient, gradient - memory["gradient"])
            beta = fresh * (fresh > 0) / (memory["square"] + TINY)
            # Where the conjugate direction would not lead down, the gradient's does.
            direction += beta * (beta * inner(last, gradient) < square) * last
        memory["gradient"], memory["direction"], memory["square"] = gradient, direction, square
        return direction


@piece
class Accelerated(BatchOptimizer):
    r"""Nesterov's accelerated descent with the momentum k / (k + 3) and restarts.

    .. math::
        x' = \mathrm{prox}(\theta - \eta g), \qquad \theta \leftarrow x' + \frac{k}{k + 3} (x' - x)

    with k the steps since the last restart; momentum that points uphill, :math:`(\theta - x')^\top
    (x' - x) > 0`, restarts it. With an l1 penalty, whose proximal step is taken, it is FISTA.

    References
    ----------
    A. Beck, M. Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm", 2009.
    B. O'Donoghue, E. Candès, "Adaptive Restart for Accelerated Gradient Schemes", 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressor(penalty="l1", alpha=5.0, optimizer="accelerated").fit(X, y)
    >>> int((model.coef_ == 0).sum()), model.stop_reason_
    (3, 'converged')
    """

    def extrapolate(self, here: Any, landed: Any, memory: dict[str, Any]) -> Any:
        """Return where the next step starts from.

        Parameters
        ----------
        here : array
            The point that the proximal gradient step was taken from.
        landed : array
            Where it landed.
        memory : dict
            What the last call left; empty at the start.

        Returns
        -------
        array of the same shape
        """
        moved = landed - memory.get("landed", landed)
        uphill = inner(here - landed, moved) > 0
        k = np.where(uphill, 0, memory.get("k", -1) + 1).astype(landed.dtype)
        memory["landed"], memory["k"] = landed, k
        return landed + k / (k + 3) * moved


@piece
class NewtonCG(BatchOptimizer):
    r"""Newton's method, each of whose quadratic models conjugate gradients minimise.

    .. math:: \theta \leftarrow \theta + a \delta, \qquad
              \delta \approx \arg\min_\delta\; g^\top \delta + \tfrac12 \delta^\top H \delta,
              \qquad H = \frac1n \sum_i s_i q_i \tilde x_i \tilde x_i^\top

    with the weights q of the loss (:meth:`~skgd.losses.Loss.weight`), and a step a that is halved
    until the objective falls. With an l1 penalty, accelerated proximal steps take the place of the
    conjugate gradients. It needs few passes over the rows, each of which costs :math:`n d^2`.

    References
    ----------
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, chapter 7.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressor("huber", epsilon=10.0, optimizer="newton_cg").fit(X, y)
    >>> model.n_iter_ < 20, model.stop_reason_
    (True, 'converged')
    """


@piece
class Snapshot(Optimizer):
    r"""Variance-reduced descent around a snapshot, whose steps the objective itself combines.

    It is what ``learning_rate="auto"`` stands for in fits by small batches. An epoch of updates

    .. math:: \delta \leftarrow \delta - \eta \Bigl( g + \frac{1}{|B|} \sum_{i \in B}
              q_i \tilde x_i \tilde x_i^\top \delta \Bigr)

    with the exact gradient g at the snapshot and the weights q of the loss proposes a step. It is
    combined with the gradient and the last few steps such that the quadratic model of the objective
    is least, and shortened until the objective falls.

    References
    ----------
    R. Johnson, T. Zhang, "Accelerating Stochastic Gradient Descent using Predictive Variance
    Reduction", NeurIPS 2013.
    G. Narkiss, M. Zibulevsky, "Sequential Subspace Optimization Method for Large-Scale
    Unconstrained Problems", 2005.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import MiniBatchGDRegressor, optimizers
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> MiniBatchGDRegressor(random_state=0).fit(X, y).optimizer_ == optimizers.Snapshot()
    True
    """


@piece
class Implicit(Optimizer):
    r"""Implicit steps on single rows, whose average is the model.

    It is what ``learning_rate="auto"`` stands for in ``partial_fit`` by small batches. A step takes
    its slope from where it lands,

    .. math:: \theta' = \theta - \eta\, \ell'(\tilde x^\top \theta', y)\, \tilde x, \qquad
              \eta = \frac{1}{R\, \kappa \sqrt{1 + t / (10 (d + 1))}}

    with R the mean squared norm of the rows seen, weighted by itself, and :math:`\kappa` their
    typical curvature: it cannot overshoot, whatever the next row is.

    References
    ----------
    P. Toulis, E. M. Airoldi, "Asymptotic and Finite-Sample Properties of Estimators Based on
    Stochastic Gradients", 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import MiniBatchGDRegressor, optimizers
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> MiniBatchGDRegressor("huber").partial_fit(X, y).optimizer_ == optimizers.Implicit()
    True
    """


#: Optimizers by the names that estimators accept.
OPTIMIZERS = {
    "gd": GD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "cg": ConjugateGradient,
    "accelerated": Accelerated,
    "newton_cg": NewtonCG,
}
