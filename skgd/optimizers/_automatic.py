"""Optimizers that ``learning_rate="auto"`` chooses for small batches."""

from skgd._utils.component import component
from skgd.optimizers._base import Optimizer

__all__ = ["SVRG", "ImplicitSGD", "StreamingNewton"]


@component
class SVRG(Optimizer):
    r"""Stochastic variance-reduced gradients, safeguarded by a subspace step and backtracking.

    ``learning_rate="auto"`` chooses it for fits by small batches. An epoch of updates

    .. math:: \delta \leftarrow \delta - \eta \Bigl( g + \frac{1}{|B|} \sum_{i \in B}
              q_i \tilde x_i \tilde x_i^\top \delta \Bigr)

    with the exact gradient g at the snapshot and the second derivatives q of the loss proposes a
    step. The quadratic model of the objective is minimised over the span of that step, the gradient
    and the last few steps, and the minimiser is shortened until the objective falls.

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
    >>> MiniBatchGDRegressor(random_state=0).fit(X, y).optimizer_ == optimizers.SVRG()
    True
    """


@component
class ImplicitSGD(Optimizer):
    r"""Implicit stochastic gradient descent on single rows, with averaged iterates.

    ``learning_rate="auto"`` chooses it for ``partial_fit`` by small batches with more than 256
    features. The gradient of a step is that at its end,

    .. math:: \theta' = \theta - \eta\, \ell'(\tilde x^\top \theta', y)\, \tilde x, \qquad
              \eta = \frac{1}{R\, \kappa \sqrt{1 + t / (10 (d + 1))}}

    with R the mean of the squared norms of the rows seen, weighted by themselves, and
    :math:`\kappa` their typical curvature. Such a step cannot overshoot, whatever the next row is.

    References
    ----------
    P. Toulis, E. M. Airoldi, "Asymptotic and Finite-Sample Properties of Estimators Based on
    Stochastic Gradients", 2017.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from skgd import MiniBatchGDRegressor
    >>> X, y = make_regression(n_features=300, random_state=0)
    >>> MiniBatchGDRegressor("huber").partial_fit(X, y).optimizer_
    ImplicitSGD()
    """


@component
class StreamingNewton(Optimizer):
    r"""Newton's method on the rows of a call and quadratic models of the losses of earlier rows.

    ``learning_rate="auto"`` chooses it for ``partial_fit``: in full batches with up to 2000
    features, in small batches with up to 256. The model of an earlier row is

    .. math:: \tfrac{q_i}{2} (\tilde x_i^\top \theta - z_i)^2, \qquad z_i = p_i - g_i / q_i

    with the gradient :math:`g_i` and the second derivative :math:`q_i` of its loss at the
    prediction :math:`p_i` after its call. Second moments determine the sum of the models. For
    squared error it is exact, so that all rows have the same influence.

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for Computing the Sample Variance: Analysis
    and Recommendations", 1983: the merging of second moments.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import MiniBatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> MiniBatchGDRegressor("huber").partial_fit(X, y).optimizer_
    StreamingNewton()
    """
