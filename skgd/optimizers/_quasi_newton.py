"""A rule that learns how a function bends from the way its gradient has changed."""

from typing import Any, NamedTuple

from scipy.linalg.blas import daxpy, ddot, dscal

from skgd._utils.component import checked, component
from skgd._utils.validation import check_integer
from skgd.optimizers._base import Optimizer


@component
class LBFGS(Optimizer):
    r"""Limited-memory BFGS: directions scaled by the curvature along the last few steps.

    .. math::
        d = -H g, \qquad H \leftarrow
        \left(I - \frac{s y^\top}{s^\top y}\right) H \left(I - \frac{y s^\top}{s^\top y}\right)
        + \frac{s s^\top}{s^\top y}

    for each of the last `pairs` steps s and changes y of the gradient, oldest first, from :math:`H
    = (s^\top y / y^\top y) I` of the last. H is never formed: two loops over the pairs apply it. It
    is for functions (:func:`skgd.minimize`), in double precision.

    Parameters
    ----------
    pairs : int, default=5
        Steps to remember. More of them need fewer evaluations of the function, and more arithmetic
        for each: about four operations on vectors a pair.

    Raises
    ------
    InvalidParameterError
        If `pairs` is no integer of at least 1.

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
            Last parameters, last gradient, the pairs and the scale of the first H; empty at the
            start.

        Returns
        -------
        direction : array of shape (n,)
        state : LBFGSState
        """
        if not state:
            return -gradient, LBFGSState(theta, gradient, (), 1.0)
        last_theta, last_gradient, pairs, scale = state
        step, change = theta - last_theta, gradient - last_gradient
        curvature = ddot(step, change)
        if curvature > 0:  # else H would not stay positive definite
            pairs = (*pairs, (step, change, curvature))[-self.pairs :]
            scale = curvature / ddot(change, change)
        direction = two_loop_recursion(gradient, pairs, scale) if pairs else -gradient
        return direction, LBFGSState(theta, gradient, pairs, scale)


class LBFGSState(NamedTuple):
    """State of :class:`LBFGS`.

    Parameters
    ----------
    theta, gradient : array of shape (n,)
        Last parameters, and the gradient there.
    pairs : tuple
        Step s, change y of the gradient and their product, of each of the last steps.
    scale : float
        The factor of the identity in the first H.
    """

    theta: Any
    gradient: Any
    pairs: tuple[Any, ...]
    scale: float


def two_loop_recursion(gradient, pairs, scale):
    """Return -H g: from the newest pair to the oldest, the first H, and back."""
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
