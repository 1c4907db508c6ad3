"""A user's function, as a descent sees it: flat vectors in, points out, failures as +inf."""

import math

import numpy as np

from skgd._utils.validation import InvalidParameterError, raise_invalid
from skgd.minimization._finite_differences import quotients
from skgd.objectives import Point

#: What ``jac`` may say in words, and the difference quotient that it asks for.
QUOTIENTS = {None: "central", "2-point": "forward", "3-point": "central"}

#: The error of an estimated partial derivative, of functions and variables around 1.
FUZZ = {"forward": 1e-8, "central": 1e-10}


class Function:
    """A function to be minimised, with its gradient.

    Parameters
    ----------
    fun : callable
        Takes x and `args`, returns a number (and the gradient, if `jac` is True).
    jac : callable, True, None, "2-point" or "3-point"
        Where the gradient comes from.
    args : tuple
        Further arguments.
    layout : Layout
        What x looks like.
    sign : int
        1 to minimise, -1 to maximise.
    step : float or None
        Of difference quotients.

    Attributes
    ----------
    nfev, njev : int
        Calls so far. Those that estimate a gradient count as calls of `fun`.
    fuzz : float
        What a partial derivative may be wrong by, because it is estimated.
    failure : str
        What the function did where it last had no value.
    """

    def __init__(self, fun, jac, args, layout, sign=1, step=None):
        self.fun, self.jac, self.args, self.layout = fun, jac, args, layout
        self.sign, self.step = sign, step
        self.nfev = self.njev = 0
        self.failure = ""
        self.together = None  # the gradient that came along with the last value
        self.value_only = jac is not True
        #: What the user's functions get: a copy, which they may change.
        self.shown = np.ndarray.copy if layout.plain else lambda x: layout.unpack(x.copy())
        self.given = jac is True or callable(jac)
        self.gradient_error = 0.0 if self.given else FUZZ[QUOTIENTS[jac]]

    def value(self, x):
        """Return the value at `x`; inf where the function fails, is NaN or infinite."""
        self.nfev += 1
        try:
            value = self.fun(self.shown(x), *self.args)
        except InvalidParameterError:
            raise
        except Exception as error:
            self.failure = f"raised {error!r}"
            return math.inf
        if not self.value_only:
            value, self.together = self.both(value)
        if type(value) is not float:
            value = float(value) if type(value) is np.float64 else self.number(value)
        value *= self.sign
        if not math.isfinite(value):
            self.failure = f"returned {self.sign * value}"
            return math.inf
        return value

    def number(self, value):
        """Return what the function returned as a number, or refuse it."""
        if np.ndim(value) or isinstance(value, (str, bytes)) or value is None:
            what = f"an array of shape {np.shape(value)}" if np.ndim(value) else repr(value)
            raise_invalid(
                "fun", Shown(what), "a function that returns one number", "Sum it up, perhaps."
            )
        try:
            return float(value)
        except (TypeError, ValueError):
            raise_invalid("fun", Shown(repr(value)), "a function that returns one real number")

    def both(self, pair):
        """Return value and gradient, which a function with ``jac=True`` returns together."""
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise_invalid(
                "fun",
                Shown(repr(pair)),
                "a function that returns a pair (value, gradient) when jac=True",
            )
        return pair

    def gradient(self, x, value):
        """Return the gradient at `x`, where the value is known; None where it fails.

        It need not be finite.
        """
        self.njev += 1
        if self.together is not None:
            raw, self.together = self.together, None
        elif self.given:
            try:
                raw = self.jac(self.shown(x), *self.args)
            except InvalidParameterError:
                raise
            except Exception as error:
                self.failure = f"has a gradient that raised {error!r}"
                return None
        else:
            # Differences of our own values, which have the sign already.
            return quotients(self.value, x, QUOTIENTS[self.jac], self.step, value)
        gradient = self.layout.pack(raw, "The gradient that jac returned")
        return gradient if self.sign == 1 else -gradient

    def at(self, x):
        """Return the :class:`~skgd.objectives.Point` at `x`, or None where it has no value."""
        value = self.value(x)
        gradient = self.gradient(x, value) if value < math.inf else None
        if gradient is None:
            return None
        if not math.isfinite(gradient.dot(gradient)):
            self.failure = "has a gradient that is not finite"
            return None
        return Point(x, value, gradient)


class Shown:
    """A value that errors show as it is described."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text
