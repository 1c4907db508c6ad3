"""A rule that learns how a function bends from the way its gradient has changed."""

from collections import deque
from typing import Any

from scipy.linalg.blas import daxpy, ddot, dscal

from skgd._utils.component import component
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

    pairs: int = 5

    def __post_init__(self) -> None:
        check_integer("pairs", self.pairs, low=1)

    def direction(self, theta: Any, gradient: Any, memory: dict[str, Any]) -> Any:
        """Return the next direction of descent and remember the place.

        Parameters
        ----------
        theta, gradient : array of shape (n,)
            The place and the gradient there.
        memory : dict
            What the last call left; empty at the start.

        Returns
        -------
        array of the same shape
        """
        if not memory:
            memory["pairs"] = deque(maxlen=self.pairs)
        else:
            moved, change = theta - memory["theta"], gradient - memory["gradient"]
            bend = ddot(moved, change)
            if bend > 0:  # else the step tells nothing of a minimum
                memory["pairs"].append((moved, change, bend))
                memory["scale"] = bend / ddot(change, change)
        memory["theta"], memory["gradient"] = theta, gradient
        if not memory["pairs"]:
            return -gradient
        return two_loop_recursion(gradient, memory["pairs"], memory["scale"])


def two_loop_recursion(gradient, pairs, scale):
    """Return -H g: from the newest pair to the oldest, the first H, and back."""
    direction, size = -gradient, gradient.size
    shares = []
    for moved, change, bend in reversed(pairs):
        share = ddot(moved, direction) / bend
        daxpy(change, direction, size, -share)
        shares.append(share)
    dscal(scale, direction)
    for moved, change, bend in pairs:
        daxpy(moved, direction, size, shares.pop() - ddot(change, direction) / bend)
    return direction
