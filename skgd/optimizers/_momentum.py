"""Gradient descent without and with momentum."""

from typing import Any

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import check_real
from skgd.optimizers._base import TINY, ElementwiseOptimizer

__all__ = ["GD", "Lion", "Momentum", "Nesterov"]


@component(name="gd")
class GD(ElementwiseOptimizer):
    r"""Plain gradient descent, :math:`\theta \leftarrow \theta - \eta g`.

    Stable up to :math:`\eta = 2 / L`.

    Examples
    --------
    >>> from skgd.optimizers import GD
    >>> GD().update(2.0, (), learning_rate=0.1, t=1)[0]
    -0.2
    """

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        return -learning_rate * gradient, learning_rate, state

    def largest_stable_rate(self, smoothness: float) -> float | None:
        return 2 / smoothness


@component(name="momentum")
class Momentum(ElementwiseOptimizer):
    r"""Polyak's heavy ball, :math:`m \leftarrow \beta m + g,\; \theta \leftarrow \theta - \eta m`.

    Stable up to :math:`\eta = 2 (1 + \beta) / L`; at a constant gradient g the step approaches
    :math:`\eta g / (1 - \beta)`.

    Parameters
    ----------
    momentum : float, default=0.9
        Decay :math:`\beta` of the velocity, in [0, 1).

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.

    Examples
    --------
    >>> from skgd.optimizers import Momentum
    >>> Momentum(0.5).update(2.0, (4.0,), learning_rate=0.1, t=2)[0]
    -0.4
    """

    momentum: float = checked(check_real, default=0.9, low=0, high=1)
    state_names = ("velocity",)

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        velocity = self.momentum * state[0] + gradient
        return -learning_rate * velocity, learning_rate, (velocity,)

    def largest_stable_rate(self, smoothness: float) -> float | None:
        return 2 * (1 + self.momentum) / smoothness


@component(name="nesterov")
class Nesterov(Momentum):
    r"""Nesterov's accelerated gradient, as momentum with a lookahead.

    .. math:: m \leftarrow \beta m + g, \quad \theta \leftarrow \theta - \eta (g + \beta m)

    Stable up to :math:`\eta = 2 (1 + \beta) / ((1 + 2 \beta) L)`, about :math:`4 / (3L)`.

    Parameters
    ----------
    momentum : float, default=0.9
        Decay :math:`\beta` of the velocity, in [0, 1).

    References
    ----------
    Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)",
    1983; in the form of I. Sutskever et al., 2013.

    Examples
    --------
    >>> from skgd.optimizers import Nesterov
    >>> Nesterov(0.5).update(2.0, (4.0,), learning_rate=0.1, t=2)[0]
    -0.4
    """

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        velocity = self.momentum * state[0] + gradient
        step = -learning_rate * (gradient + self.momentum * velocity)
        return step, learning_rate, (velocity,)

    def largest_stable_rate(self, smoothness: float) -> float | None:
        return 2 * (1 + self.momentum) / ((1 + 2 * self.momentum) * smoothness)


@component(name="lion")
class Lion(ElementwiseOptimizer):
    r"""Evolved sign momentum: every coordinate moves by the learning rate.

    .. math::
        \theta \leftarrow \theta - \eta \operatorname{sign}(\beta_1 m + (1 - \beta_1) g), \quad
        m \leftarrow \beta_2 m + (1 - \beta_2) g

    There is no weight decay; use an l2 penalty instead. A step of size :math:`\eta` is one of
    gradient descent at the learning rate :math:`\eta / |g|`, so an l1 penalty shrinks a coordinate
    by :math:`l_1 \eta / \max(|m|, |g|)`. At a constant gradient a coordinate then stays at zero if
    :math:`|g| \le l_1`, which is the condition of optimality. A coordinate whose gradients were all
    zero stays, also under an l1 penalty. The paper advises a learning rate 3 to 10 times smaller
    than Adam's; the default is about a third of it.

    Parameters
    ----------
    beta1 : float, default=0.9
        Weight :math:`\beta_1` of the momentum in the direction of the step, in [0, 1).
    beta2 : float, default=0.99
        Decay :math:`\beta_2` of the momentum, in [0, 1).

    References
    ----------
    X. Chen, C. Liang, D. Huang, et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS
    2023.

    Examples
    --------
    >>> from skgd.optimizers import Lion
    >>> step, _, state = Lion().update(2.0, (0.0,), learning_rate=0.1, t=1)
    >>> float(step), round(state[0], 6)
    (-0.1, 0.02)
    """

    beta1: float = checked(check_real, default=0.9, low=0, high=1)
    beta2: float = checked(check_real, default=0.99, low=0, high=1)
    state_names = ("momentum",)
    default_rate = 3e-4  # a third of the rate of Adam, as the paper recommends at most

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        size = np.maximum(np.abs(state[0]), np.abs(gradient))
        rate = learning_rate * np.sign(size) / np.maximum(size, TINY)
        step = -learning_rate * np.sign(self.beta1 * state[0] + (1 - self.beta1) * gradient)
        return step, rate, (self.beta2 * state[0] + (1 - self.beta2) * gradient,)
