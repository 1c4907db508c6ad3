"""Optimizers that need the full gradient, of all rows and coordinates."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd.optimizers._base import TINY, BatchOptimizer, inner

__all__ = ["Accelerated", "ConjugateGradient", "ProximalNewton"]


@component(name="cg")
class ConjugateGradient(BatchOptimizer):
    r"""Nonlinear conjugate gradients.

    .. math::
        d \leftarrow -g + \beta d, \qquad
        \beta = \max\left(0, \frac{g^\top (g - g')}{g'^\top g'}\right)

    with the last gradient g' (Polak and Ribière). The step along d is that of a line search. With
    squared error and d coefficients it converges in at most d + 1 steps, up to rounding. The
    objective has to be smooth: no l1 penalty, no bounds, no kinks.

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

    searches_line = True

    state_names = ("gradient", "direction", "squared_norm")

    def direction(self, theta: Any, gradient: Any, state: tuple[Any, ...]) -> Any:
        """Return the next direction of descent, and the new state.

        Parameters
        ----------
        theta, gradient : array
            The parameters, which are not used, and the gradient there.
        state : tuple
            Last gradient, last direction and squared norm of the last gradient; empty at the start.

        Returns
        -------
        direction : array of the same shape
        state : tuple
        """
        squared_norm = inner(gradient, gradient)
        direction = -gradient
        if state:
            last_gradient, last_direction, last_squared_norm = state
            change = inner(gradient, gradient - last_gradient)
            beta = change * (change > 0) / (last_squared_norm + TINY)
            # beta is set to zero if the conjugate direction is not one of descent.
            is_descent = beta * inner(last_direction, gradient) < squared_norm
            direction += beta * is_descent * last_direction
        return direction, (gradient, direction, squared_norm)


@component(name="accelerated")
class Accelerated(BatchOptimizer):
    r"""Nesterov's accelerated gradient descent with the momentum k / (k + 3) and restarts.

    .. math::
        x' = \mathrm{prox}(\theta - \eta g), \qquad \theta \leftarrow x' + \frac{k}{k + 3} (x' - x)

    with k the number of steps since the last restart. It restarts if the momentum points uphill,
    :math:`(\theta - x')^\top (x' - x) > 0`. With the proximal step of an l1 penalty it is FISTA.
    With bounds :math:`\theta` is projected on them.

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

    state_names = ("proximal_point", "n_steps")

    def extrapolate(self, theta: Any, proximal_point: Any, state: tuple[Any, ...]) -> Any:
        """Return the parameters at which the next gradient is taken, and the new state.

        Parameters
        ----------
        theta : array
            Parameters from which the proximal gradient step was taken.
        proximal_point : array
            Result x' of that step.
        state : tuple
            Last result x and the number of steps since the last restart, of each output; empty at
            the start.

        Returns
        -------
        theta : array of the same shape
        state : tuple
        """
        last_point, n_steps = state or (proximal_point, -1)
        change = proximal_point - last_point
        is_uphill = inner(theta - proximal_point, change) > 0
        k = np.where(is_uphill, 0, n_steps + 1).astype(proximal_point.dtype)
        return proximal_point + k / (k + 3) * change, (proximal_point, k)


@component(name="proximal_newton")
class ProximalNewton(BatchOptimizer):
    r"""Proximal Newton method: exact steps on quadratic models of the objective.

    .. math:: \theta \leftarrow \theta + a (\theta' - \theta), \qquad
              \theta' = \arg\min_u\; g^\top (u - \theta) + \tfrac12 (u - \theta)^\top H (u - \theta)
              + l_1 \lVert u \rVert_1, \qquad
              H = \frac1n \sum_i s_i q_i \tilde x_i \tilde x_i^\top

    with the second derivatives q of the loss (:meth:`~skgd.losses.Loss.hessian`) and a step size a
    from a line search. An active-set method minimises the models exactly, so that the convergence
    does not depend on the scales and the correlations of the features. Squared error takes a single
    step. Losses with kinks are replaced by Moreau envelopes of decreasing width. A step takes
    :math:`O(n d^2 + d^3)` operations.

    References
    ----------
    J. D. Lee, Y. Sun, M. A. Saunders, "Proximal Newton-Type Methods for Minimizing Composite
    Functions", 2014.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressor(
    ...     "huber", penalty="l1", alpha=1.0, epsilon=10.0, optimizer="proximal_newton"
    ... ).fit(X, y)
    >>> model.n_iter_ < 20, model.stop_reason_
    (True, 'converged')
    """

    searches_line = True
