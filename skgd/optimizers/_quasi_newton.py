"""Quasi-Newton directions, from the changes of the gradient."""

from typing import Any

from scipy.linalg.blas import daxpy, ddot, dscal

from skgd._utils.component import checked, component
from skgd._utils.validation import check_integer
from skgd.optimizers._base import Optimizer

__all__ = ["LBFGS"]


@component
class LBFGS(Optimizer):
    r"""Limited-memory BFGS: directions scaled by the curvature along the last few steps.

    .. math::
        d = -H g, \qquad H \leftarrow
        \left(I - \frac{s y^\top}{s^\top y}\right) H \left(I - \frac{y s^\top}{s^\top y}\right)
        + \frac{s s^\top}{s^\top y}

    for each of the last `pairs` steps s and changes y of the gradient, oldest first, starting from
    :math:`H = (s^\top y / y^\top y) I` of the last pair. H is never formed: the two-loop recursion
    applies it. It is for functions (:func:`skgd.minimize`), in double precision.

    Parameters
    ----------
    pairs : int, default=5
        Number of steps to keep. A larger number needs fewer evaluations of the function and more
        arithmetic for each, about four vector operations a pair.

    Raises
    ------
    InvalidParameterError
        If `pairs` is not an integer of at least 1.

    References
    ----------
    D. C. Liu, J. Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989.

    Examples
    --------
    >>> import skgd
    >>> from scipy.optimize import rosen, rosen_der
    >>> from skgd.optimizers import LBFGS
    >>> few = skgd.minimize(rosen, [-1.2] * 10, jac=rosen_der, optimizer=LBFGS(pairs=1))
    >>> many = skgd.minimize(rosen, [-1.2] * 10, jac=rosen_der, optimizer=LBFGS(pairs=10))
    >>> few.success and many.success, many.nfev < few.nfev
    (True, True)
    """

    pairs: int = checked(check_integer, default=5, low=1)

    def direction(self, theta: Any, gradient: Any, state: tuple[Any, ...]) -> Any:
        """Return the next direction of descent, and the new state.

        Parameters
        ----------
        theta, gradient : array of shape (n,)
            The parameters and the gradient there.
        state : tuple
            Triples (s, y, s^T y) of the last steps, the scale of the first H, last parameters and
            last gradient; empty at the start.

        Returns
        -------
        direction : array of shape (n,)
        state : tuple
        """
        if not state:
            return -gradient, ((), 1.0, theta, gradient)
        pairs, scale, last_theta, last_gradient = state
        step, change = theta - last_theta, gradient - last_gradient
        curvature = ddot(step, change)
        if curvature > 0:  # else H would not stay positive definite
            pairs = (*pairs, (step, change, curvature))[-self.pairs :]
            scale = curvature / ddot(change, change)
        direction = two_loop_recursion(gradient, pairs, scale) if pairs else -gradient
        return direction, (pairs, scale, theta, gradient)


def two_loop_recursion(gradient, pairs, scale):
    """Return -H g by two loops over the pairs, from the newest to the oldest and back."""
    direction, size = -gradient, gradient.size
    coefficients = []
    for step, change, curvature in reversed(pairs):
        coefficient = ddot(step, direction) / curvature
        daxpy(change, direction, size, -coefficient)
        coefficients.append(coefficient)
    dscal(scale, direction)
    for step, change, curvature in pairs:
        daxpy(step, direction, size, coefficients.pop() - ddot(change, direction) / curvature)
    return direction
