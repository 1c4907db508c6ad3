"""Optimizers that scale the learning rate of each coordinate by its past gradients."""

from typing import Any, ClassVar

import numpy as np

from skgd._utils.component import checked, component
from skgd._utils.validation import check_real
from skgd.optimizers._base import ElementwiseOptimizer

__all__ = ["AMSGrad", "AdaBelief", "AdaGrad", "Adam", "RMSprop"]


@component(name="adagrad")
class AdaGrad(ElementwiseOptimizer):
    r"""Adaptive gradients: each learning rate falls with the sum of squared gradients.

    .. math::
        v \leftarrow v + g^2, \quad \theta \leftarrow \theta - \eta \frac{g}{\sqrt{v} + \epsilon}

    A coordinate whose gradients were all zero stays, also under an l1 penalty.

    Parameters
    ----------
    epsilon : float, default=1e-10
        Added to the denominator, in (0, inf).

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", JMLR 2011.

    Examples
    --------
    >>> from skgd.optimizers import AdaGrad
    >>> round(float(AdaGrad().update(3.0, (16.0,), learning_rate=0.1, t=2)[0]), 6)
    -0.06
    """

    epsilon: float = checked(check_real, default=1e-10, low=0, closed="neither")
    state_names = ("squared_sum",)
    default_rate = 0.01

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        squared_sum = state[0] + gradient * gradient
        rate = learning_rate * np.sign(squared_sum) / (np.sqrt(squared_sum) + self.epsilon)
        return -rate * gradient, rate, (squared_sum,)


@component(name="rmsprop")
class RMSprop(ElementwiseOptimizer):
    r"""Gradients divided by the root of their exponentially averaged square.

    .. math::
        v \leftarrow \beta v + (1 - \beta) g^2, \quad
        \theta \leftarrow \theta - \eta \frac{g}{\sqrt{v} + \epsilon}

    A coordinate whose gradients were all zero stays, also under an l1 penalty.

    Parameters
    ----------
    decay : float, default=0.99
        Decay :math:`\beta` of the mean squared gradient, in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator, in (0, inf).

    References
    ----------
    T. Tieleman, G. Hinton, "Lecture 6.5 - rmsprop", COURSERA: Neural Networks for Machine Learning,
    2012.

    Examples
    --------
    >>> from skgd.optimizers import RMSprop
    >>> round(float(RMSprop().update(2.0, (0.0,), learning_rate=0.1, t=1)[0]), 6)
    -1.0
    """

    decay: float = checked(check_real, default=0.99, low=0, high=1)
    epsilon: float = checked(check_real, default=1e-8, low=0, closed="neither")
    state_names = ("second_moment",)
    default_rate = 0.001

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        second = self.decay * state[0] + (1 - self.decay) * gradient * gradient
        rate = learning_rate * np.sign(second) / (np.sqrt(second) + self.epsilon)
        return -rate * gradient, rate, (second,)


@component(name="adam")
class Adam(ElementwiseOptimizer):
    r"""Adaptive moments: the averaged gradient over the root of the averaged squared gradient.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2,
        \quad \theta \leftarrow \theta - \eta
        \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    A coordinate whose gradients were all zero stays, also under an l1 penalty.

    Parameters
    ----------
    beta1 : float, default=0.9
        Decay :math:`\beta_1` of the first moment, in [0, 1).
    beta2 : float, default=0.999
        Decay :math:`\beta_2` of the second moment, in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator, in (0, inf).

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.

    Examples
    --------
    >>> from skgd.optimizers import Adam
    >>> round(float(Adam().update(2.0, (0.0, 0.0), learning_rate=0.1, t=1)[0]), 6)
    -0.1
    """

    beta1: float = checked(check_real, default=0.9, low=0, high=1)
    beta2: float = checked(check_real, default=0.999, low=0, high=1)
    epsilon: float = checked(check_real, default=1e-8, low=0, closed="neither")
    state_names: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")
    default_rate = 0.001

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        first, second = state
        first = self.beta1 * first + (1 - self.beta1) * gradient
        second = self.beta2 * second + (1 - self.beta2) * gradient * gradient
        root = np.sqrt(second / (1 - self.beta2**t))
        rate = learning_rate * np.sign(second) / (root + self.epsilon)
        return -rate * (first / (1 - self.beta1**t)), rate, (first, second)


@component(name="amsgrad")
class AMSGrad(Adam):
    r"""Adam whose learning rate of a coordinate never grows.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2,
        \quad \hat v \leftarrow \max(\hat v, v), \quad \theta \leftarrow \theta - \eta
        \frac{m / (1 - \beta_1^t)}{\sqrt{\hat v / (1 - \beta_2^t)} + \epsilon}

    The maximum is that of the second moments before their bias is corrected, as in
    ``torch.optim.Adam(amsgrad=True)``; the paper corrects no bias, and optax takes the maximum of
    the corrected moments. A coordinate whose gradients were all zero stays, also under an l1
    penalty.

    Parameters
    ----------
    beta1 : float, default=0.9
        Decay :math:`\beta_1` of the first moment, in [0, 1).
    beta2 : float, default=0.999
        Decay :math:`\beta_2` of the second moment, in [0, 1).
    epsilon : float, default=1e-8
        Added to the denominator, in (0, inf).

    References
    ----------
    S. J. Reddi, S. Kale, S. Kumar, "On the Convergence of Adam and Beyond", ICLR 2018.

    Examples
    --------
    >>> from skgd.optimizers import AMSGrad
    >>> step, _, state = AMSGrad().update(2.0, (0.0, 0.0, 0.0), learning_rate=0.1, t=1)
    >>> round(float(step), 6), [round(float(part), 6) for part in state]
    (-0.1, [0.2, 0.004, 0.004])
    """

    state_names = ("first_moment", "second_moment", "largest_second_moment")

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        first, second, largest = state
        first = self.beta1 * first + (1 - self.beta1) * gradient
        second = self.beta2 * second + (1 - self.beta2) * gradient * gradient
        largest = np.maximum(largest, second)
        root = np.sqrt(largest / (1 - self.beta2**t))
        rate = learning_rate * np.sign(largest) / (root + self.epsilon)
        return -rate * (first / (1 - self.beta1**t)), rate, (first, second, largest)


@component(name="adabelief")
class AdaBelief(Adam):
    r"""Adam that divides by the spread of the gradients around their mean.

    .. math::
        m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad
        s \leftarrow \beta_2 s + (1 - \beta_2) (g - m)^2 + \epsilon,
        \quad \theta \leftarrow \theta - \eta
        \frac{m / (1 - \beta_1^t)}{\sqrt{s / (1 - \beta_2^t)} + \epsilon}

    As in the paper's algorithm, :math:`\epsilon` enters twice: it is added to s in every update and
    to the denominator. After the correction of the bias, the terms added to s amount to
    :math:`\epsilon / (1 - \beta_2)` at any t; the state holds s without them. A coordinate whose
    gradients were all zero stays, also under an l1 penalty.

    Parameters
    ----------
    beta1 : float, default=0.9
        Decay :math:`\beta_1` of the first moment, in (0, 1); with 0 every gradient would be its own
        prediction.
    beta2 : float, default=0.999
        Decay :math:`\beta_2` of the second central moment, in [0, 1).
    epsilon : float, default=1e-16
        Added to the second central moment and to the denominator, in (0, inf). The default is that
        of the authors' implementation.

    References
    ----------
    J. Zhuang, T. Tang, Y. Ding, S. Tatikonda, N. Dvornek, X. Papademetris, J. Duncan, "AdaBelief
    Optimizer: Adapting Stepsizes by the Belief in Observed Gradients", NeurIPS 2020.

    Examples
    --------
    A gradient of 2 is 1.8 away from its running mean of 0.2:

    >>> from skgd.optimizers import AdaBelief
    >>> step, _, state = AdaBelief().update(2.0, (0.0, 0.0), learning_rate=0.1, t=1)
    >>> round(float(step), 6), [round(float(part), 6) for part in state]
    (-0.111111, [0.2, 0.00324])
    """

    beta1: float = checked(check_real, default=0.9, low=0, high=1, closed="neither")
    epsilon: float = checked(check_real, default=1e-16, low=0, closed="neither")
    state_names = ("first_moment", "second_central_moment")

    def update(self, gradient: Any, state: tuple[Any, ...], learning_rate: Any, t: Any) -> Any:
        first, second = state
        first = self.beta1 * first + (1 - self.beta1) * gradient
        error = gradient - first
        second = self.beta2 * second + (1 - self.beta2) * error * error
        root = np.sqrt(second / (1 - self.beta2**t) + self.epsilon / (1 - self.beta2))
        rate = learning_rate * np.sign(second) / (root + self.epsilon)
        return -rate * (first / (1 - self.beta1**t)), rate, (first, second)
