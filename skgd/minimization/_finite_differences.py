"""Finite differences, and checks of gradients against them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from skgd._utils.validation import check_choice, check_real
from skgd.minimization._pytree import Pytree

#: Machine precision: the distance from 1 to the next larger double.
EPS = float(np.finfo(float).eps)

#: Steps, relative to x, that balance truncation and rounding errors.
RELATIVE_STEPS = {"forward": EPS ** (1 / 2), "central": EPS ** (1 / 3)}


def finite_differences(fun, x, method, step=None, fun_x=None):
    """Return the finite-difference gradient of a function of a vector.

    Parameters
    ----------
    fun : callable
        Takes a vector, returns a number.
    x : array of shape (n,)
        Where to estimate the gradient.
    method : {"forward", "central"}
        ``(f(x + h) - f(x)) / h``, or ``(f(x + h) - f(x - h)) / 2h``.
    step : float, default=None
        The step h; by default, ``RELATIVE_STEPS[method] * max(1, abs(x[j]))``.
    fun_x : float, default=None
        ``fun(x)``, if it is known.

    Returns
    -------
    array of shape (n,)
    """
    steps = np.broadcast_to(
        RELATIVE_STEPS[method] * np.maximum(np.abs(x), 1) if step is None else float(step), x.shape
    )
    central = method == "central"
    if fun_x is None and not central:
        fun_x = fun(x)
    gradient = np.empty_like(x)
    for j, h in enumerate(steps):
        upper, lower = x.copy(), x.copy()
        upper[j] += h
        lower[j] -= h
        # Divide by the difference of the rounded coordinates, which is not exactly h or 2h.
        if central:
            gradient[j] = (fun(upper) - fun(lower)) / (upper[j] - lower[j])
        else:
            gradient[j] = (fun(upper) - fun_x) / (upper[j] - x[j])
    return gradient


def approx_gradient(
    fun: Callable[..., Any],
    x: Any,
    step: float | None = None,
    method: str = "forward",
    *,
    args: tuple[Any, ...] = (),
) -> Any:
    r"""Estimate the gradient of a function by finite differences.

    .. math::
        \frac{f(x + h e_j) - f(x)}{h} \quad\text{(forward)}, \qquad
        \frac{f(x + h e_j) - f(x - h e_j)}{2h} \quad\text{(central)}

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number.
    x : number, array-like, or list or dict of arrays
        Where to estimate the gradient.
    step : float, default=None
        The step h, in (0, inf). The default balances rounding and truncation errors:
        :math:`\sqrt\epsilon \max(1, |x_j|)` for forward and
        :math:`\sqrt[3]\epsilon \max(1, |x_j|)` for central differences, with the machine
        precision ε.
    method : {"forward", "central"}, default="forward"
        Forward differences need n + 1 calls and have about 8 correct digits; central differences
        need 2n calls and have about 10.
    args : tuple, default=()
        Further arguments of `fun`.

    Returns
    -------
    float, array, or list or dict of arrays
        The gradient, in the shape of `x`.

    See Also
    --------
    check_gradient : Compare a gradient with finite differences.

    Examples
    --------
    >>> from skgd import approx_gradient
    >>> print(round(approx_gradient(lambda x: x**2, 3.0, step=1e-5), 5))
    6.00001
    >>> approx_gradient(lambda v: (v**2).sum(), [1.0, 2.0], method="central").round(6)
    array([2., 4.])
    """
    check_choice("method", method, list(RELATIVE_STEPS))
    if step is not None:
        check_real("step", step, low=0, closed="neither")
    pytree = Pytree(x, "x")

    def value(vector):
        return float(fun(pytree.unflatten(vector), *args))

    return pytree.unflatten(finite_differences(value, pytree.vector, method, step))


def check_gradient(
    fun: Callable[..., Any],
    jac: Callable[..., Any],
    x: Any,
    *,
    args: tuple[Any, ...] = (),
    tol: float = 1e-5,
    step: float | None = None,
) -> float:
    """Compare a gradient with central finite differences.

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number.
    jac : callable
        Takes x and `args`, returns the gradient in the shape of x.
    x : number, array-like, or list or dict of arrays
        Where to compare them.
    args : tuple, default=()
        Further arguments of `fun` and `jac`.
    tol : float, default=1e-5
        The largest difference that is allowed, in [0, inf): relative to the largest absolute
        partial derivative, or absolute if that is below 1.
    step : float, default=None
        The step of the finite differences; see :func:`approx_gradient`.

    Returns
    -------
    float
        The largest difference, relative or absolute as for `tol`.

    Raises
    ------
    ValueError
        If a difference is larger than `tol`, or NaN. The message names the worst coordinate.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import check_gradient
    >>> check_gradient(lambda v: (v**2).sum(), lambda v: 2 * v, [1.0, 2.0]) < 1e-9
    True
    >>> check_gradient(lambda v: (v**2).sum(), lambda v: v * [2, 3], [1.0, 2.0])
    Traceback (most recent call last):
        ...
    ValueError: jac is wrong at x[1]: it returned 6, finite differences give 4...
    """
    check_real("tol", tol, low=0)
    pytree = Pytree(x, "x")
    gradient = pytree.flatten(jac(pytree.unflatten(pytree.vector.copy()), *args), "jac(x)")
    estimate = pytree.flatten(approx_gradient(fun, x, step, "central", args=args), "the estimate")
    errors = np.abs(gradient - estimate) / max(1.0, float(np.abs(estimate).max()))
    worst = int(np.argmax(np.where(np.isnan(errors), np.inf, errors)))
    if not errors[worst] <= tol:
        raise ValueError(
            f"jac is wrong at {pytree.coordinate_name(worst)}: it returned {gradient[worst]:.10g}, "
            f"finite differences give {estimate[worst]:.10g}. {int(np.sum(~(errors <= tol)))} of "
            f"{pytree.size} coordinates differ by more than tol={tol:g}."
        )
    return float(errors[worst])
