"""Difference quotients, and checks of gradients against them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from skgd._utils.validation import check_choice, check_real
from skgd.minimization._pytree import Pytree

EPS = float(np.finfo(float).eps)

#: Steps relative to x at which truncation and rounding balance, by kind of quotient.
STEPS = {"forward": EPS ** (1 / 2), "central": EPS ** (1 / 3)}


def quotients(value, x, method, step=None, here=None):
    """Return the difference quotients of `value` at the vector `x`, a coordinate at a time.

    Parameters
    ----------
    value : callable
        Takes a vector, returns a number.
    x : array of shape (n,)
        Where.
    method : {"forward", "central"}
        ``(f(x + h) - f(x)) / h``, or ``(f(x + h) - f(x - h)) / 2h``.
    step : float, default=None
        The h of each coordinate; None means one that suits its size.
    here : float, default=None
        The value at `x`, where it is known.

    Returns
    -------
    array of shape (n,)
    """
    steps = np.broadcast_to(
        STEPS[method] * np.maximum(np.abs(x), 1) if step is None else float(step), x.shape
    )
    central = method == "central"
    base = here if here is not None or central else value(x)
    gradient = np.empty_like(x)
    for j, h in enumerate(steps):
        ahead, behind = x.copy(), x.copy()
        ahead[j] += h
        behind[j] -= h
        if central:
            # The places as they are in floating point lie ahead - behind apart.
            gradient[j] = (value(ahead) - value(behind)) / (ahead[j] - behind[j])
        else:
            gradient[j] = (value(ahead) - base) / (ahead[j] - x[j])
    return gradient


def approx_gradient(
    fun: Callable[..., Any],
    x: Any,
    step: float | None = None,
    method: str = "forward",
    *,
    args: tuple[Any, ...] = (),
) -> Any:
    r"""Estimate the gradient of a function by difference quotients.

    .. math::
        \frac{f(x + h e_j) - f(x)}{h} \quad\text{(forward)}, \qquad
        \frac{f(x + h e_j) - f(x - h e_j)}{2h} \quad\text{(central)}

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number.
    x : number, array-like, or list or dict of arrays
        Where.
    step : float, default=None
        The step h, in (0, inf). By default the one at which rounding and truncation balance:
        :math:`\sqrt\epsilon \max(1, |x_j|)` forward and :math:`\sqrt[3]\epsilon \max(1, |x_j|)`
        central, with the machine's precision ε.
    method : {"forward", "central"}, default="forward"
        The quotient. The forward one costs n + 1 calls and has about 8 digits, the central one
        costs 2n and has about 10.
    args : tuple, default=()
        Further arguments of `fun`.

    Returns
    -------
    float, array, or list or dict of arrays
        The gradient, in the shape of `x`.

    See Also
    --------
    check_gradient : Compares a gradient with these quotients.

    Examples
    --------
    >>> from skgd import approx_gradient
    >>> print(round(approx_gradient(lambda x: x**2, 3.0, step=1e-5), 5))
    6.00001
    >>> approx_gradient(lambda v: (v**2).sum(), [1.0, 2.0], method="central").round(6)
    array([2., 4.])
    """
    check_choice("method", method, list(STEPS))
    if step is not None:
        check_real("step", step, low=0, closed="neither")
    layout = Pytree(x, "x")

    def value(flat):
        return float(fun(layout.unpack(flat), *args))

    return layout.unpack(quotients(value, layout.start, method, step))


def check_gradient(
    fun: Callable[..., Any],
    jac: Callable[..., Any],
    x: Any,
    *,
    args: tuple[Any, ...] = (),
    tol: float = 1e-5,
    step: float | None = None,
) -> float:
    """Compare a gradient with central difference quotients.

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number.
    jac : callable
        Takes x and `args`, returns the gradient in the shape of x.
    x : number, array-like, or list or dict of arrays
        Where to compare.
    args : tuple, default=()
        Further arguments of both.
    tol : float, default=1e-5
        The difference that is allowed, relative to the largest partial derivative, or absolute if
        that is below 1.
    step : float, default=None
        The step of the quotients; see :func:`approx_gradient`.

    Returns
    -------
    float
        The largest difference, relative as `tol` is.

    Raises
    ------
    ValueError
        If it is larger than `tol`, or not a number. The message names the worst coordinate.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import check_gradient
    >>> check_gradient(lambda v: (v**2).sum(), lambda v: 2 * v, [1.0, 2.0]) < 1e-9
    True
    >>> check_gradient(lambda v: (v**2).sum(), lambda v: v * [2, 3], [1.0, 2.0])
    Traceback (most recent call last):
        ...
    ValueError: jac is wrong at x[1]: it says 6, difference quotients say 4...
    """
    check_real("tol", tol, low=0)
    layout = Pytree(x, "x")
    said = layout.pack(jac(layout.unpack(layout.start.copy()), *args), "jac(x)")
    found = approx_gradient(fun, x, step, "central", args=args)
    measured = layout.pack(found, "the gradient")
    off = np.abs(said - measured) / max(1.0, float(np.abs(measured).max()))
    worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    if not off[worst] <= tol:
        raise ValueError(
            f"jac is wrong at {layout.place(worst)}: it says {said[worst]:.10g}, difference "
            f"quotients say {measured[worst]:.10g}, and {int(np.sum(~(off <= tol)))} of "
            f"{layout.size} coordinates are further apart than tol={tol:g}."
        )
    return float(off[worst])
