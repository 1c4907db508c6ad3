"""A user's function of flat vectors, with its gradient and a count of its calls."""

import math

import numpy as np

from skgd._utils.validation import InvalidParameterError, raise_invalid
from skgd.minimization._finite_differences import finite_differences
from skgd.objectives import Point

#: The finite differences for each value of ``jac`` that asks for an estimate.
DIFFERENCE_METHODS = {None: "central", "2-point": "forward", "3-point": "central"}

#: Absolute error of an estimated partial derivative if function and variables are of order 1.
GRADIENT_ERRORS = {"forward": 1e-8, "central": 1e-10}

#: Errors of `fun` and `jac` that count as the value +∞; the last is a ValueError since NumPy 1.25.
NUMERICAL_ERRORS = ArithmeticError, ValueError, np.linalg.LinAlgError


class ScalarFunction:
    """A function to minimise, with its gradient.

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number (and the gradient, if `jac` is True).
    jac : callable, True, None, "2-point" or "3-point"
        The gradient, or how to obtain it; see :func:`~skgd.minimize`.
    args : tuple
        Further arguments of `fun` and `jac`.
    pytree : Pytree
        Structure of x.
    sign : int
        1 to minimise, -1 to maximise.
    step : float or None
        Step of the finite differences.

    Attributes
    ----------
    nfev, njev : int
        Number of calls of `fun` and of gradients so far. Calls of `fun` that estimate a gradient
        are part of `nfev`.
    has_jac : bool
        Whether the user supplies the gradient.
    gradient_error : float
        Absolute error of a partial derivative due to finite differences; 0 if `has_jac`.
    failure : str
        Description of the last failed evaluation, which continues a sentence about `fun`.
    """

    def __init__(self, fun, jac, args, pytree, sign=1, step=None):
        self.fun, self.jac, self.args, self.pytree = fun, jac, args, pytree
        self.sign, self.step = sign, step
        self.nfev = self.njev = 0
        self.failure = ""
        self.returns_gradient = jac is True
        self.returned_gradient = None, None  # the last x, and its gradient if `fun` returns both
        self.has_jac = jac is True or callable(jac)
        self.gradient_error = 0.0 if self.has_jac else GRADIENT_ERRORS[DIFFERENCE_METHODS[jac]]
        # The user's functions receive a copy of x, which they may modify.
        self.to_argument = np.ndarray.copy
        if not pytree.is_vector:
            self.to_argument = lambda x: pytree.unflatten(x.copy())

    def value(self, x):
        """Return the value at `x`; inf if `fun` raises a numerical error or returns no number.

        Other errors are errors of the program, which no other point avoids.
        """
        self.nfev += 1
        try:
            value = self.fun(self.to_argument(x), *self.args)
        except InvalidParameterError:
            raise
        except NUMERICAL_ERRORS as error:
            self.failure = f"raised {error!r}"
            return math.inf
        if self.returns_gradient:
            value, gradient = self.check_pair(value)
            self.returned_gradient = x, gradient
        if type(value) is not float:
            value = float(value) if type(value) is np.float64 else self.check_number(value)
        value *= self.sign
        if not math.isfinite(value):
            self.failure = f"returned {self.sign * value}"
            return math.inf
        return value

    def check_number(self, value):
        """Return the value as a float, or raise an error if it is not a real number."""
        if np.ndim(value) or isinstance(value, (str, bytes)) or value is None:
            got = Verbatim(f"an array of shape {np.shape(value)}") if np.ndim(value) else value
            hint = "Return a sum or mean, for example."
            raise_invalid("fun", got, "a function that returns one number", hint)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise_invalid("fun", value, "a function that returns one real number")

    def check_pair(self, pair):
        """Return the pair (value, gradient), or raise an error if it is not one."""
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            allowed = "a function that returns a pair (value, gradient) when jac=True"
            raise_invalid("fun", pair, allowed)
        return pair

    def gradient(self, x, value):
        """Return the gradient at `x`, whose value is given; None if it raises a numerical error.

        The gradient may have entries that are not finite.
        """
        self.njev += 1
        if self.returns_gradient:
            if self.returned_gradient[0] is not x and self.value(x) == math.inf:
                return None
            gradient = self.returned_gradient[1]
        elif self.has_jac:
            try:
                gradient = self.jac(self.to_argument(x), *self.args)
            except InvalidParameterError:
                raise
            except NUMERICAL_ERRORS as error:
                self.failure = f"has a gradient that raised {error!r}"
                return None
        else:
            # self.value already includes the sign.
            method = DIFFERENCE_METHODS[self.jac]
            return finite_differences(self.value, x, method, self.step, value)
        gradient = self.pytree.flatten(gradient, "The gradient that jac returned")
        return gradient if self.sign == 1 else -gradient

    def evaluate(self, x):
        """Return the point at `x`, or None if its value or gradient is not finite."""
        value = self.value(x)
        gradient = self.gradient(x, value) if value < math.inf else None
        if gradient is None:
            return None
        if not math.isfinite(gradient.dot(gradient)):
            self.failure = "has a gradient that is not finite"
            return None
        return Point(x, value, gradient)


class Verbatim:
    """Text that an error message shows without quotes."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text
