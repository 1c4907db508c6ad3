"""Rules that move all coordinates together, by the full gradient."""

from typing import Any

import numpy as np

from skgd._utils.component import component
from skgd.optimizers._base import BatchOptimizer, inner

#: Keeps quotients of squares finite, in single precision, too.
TINY = float(np.finfo(np.float32).tiny)


@component
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

    def direction(self, theta: Any, gradient: Any, memory: dict[str, Any]) -> Any:
        """Return the next direction of descent and remember it.

        Parameters
        ----------
        theta, gradient : array
            The place, of which this rule makes no use, and the gradient there.
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


@component
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


@component
class NewtonCG(BatchOptimizer):
    r"""Newton's method, each of whose quadratic models conjugate gradients minimise.

    .. math:: \theta \leftarrow \theta + a \delta, \qquad
              \delta \approx \arg\min_\delta\; g^\top \delta + \tfrac12 \delta^\top H \delta,
              \qquad H = \frac1n \sum_i s_i q_i \tilde x_i \tilde x_i^\top

    with the second derivatives q of the loss (:meth:`~skgd.losses.Loss.hessian`), and a step a that
    is halved until the objective falls. With an l1 penalty, accelerated proximal steps take the
    place of the conjugate gradients. It needs few passes over the rows, each of which costs
    :math:`n d^2`.

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
