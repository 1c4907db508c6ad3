"""Validation of single parameters.

Every error names the parameter, its value and the values that are allowed. Constraints are worded
as in ``sklearn.utils._param_validation``.
"""

import difflib
import math
from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np

#: Boolean types, and how scikit-learn's messages describe them ("numpy.bool_" before NumPy 2).
BOOLS = (bool, np.bool_)
BOOL_CONSTRAINT = f"an instance of 'bool' or an instance of 'numpy.{np.bool_.__name__}'"


class InvalidParameterError(ValueError, TypeError):
    """A parameter has an invalid type or value.

    It is a ValueError and a TypeError, as scikit-learn's exception of the same name.
    """

    #: Parameter name, constraint, repr of the value and hint; None for other errors.
    details: tuple[str, str, str, str] | None = None


def raise_invalid(name, value, constraint, hint=""):
    """Raise the error for an invalid `value` of the parameter `name`.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        Its value.
    constraint : str
        The allowed values, as the complement of "must be".
    hint : str, default=""
        A sentence on how to correct the value.

    Raises
    ------
    InvalidParameterError
        Always.
    """
    error = InvalidParameterError(
        f"{name} must be {constraint}; got {value!r}.{hint and ' ' + hint}"
    )
    error.details = (name, constraint, repr(value), hint)
    raise error


@contextmanager
def parameters_of(owner):
    """Reword the errors of :func:`raise_invalid` in the block as scikit-learn's estimators do.

    Code that matches on scikit-learn's messages then also works with ours.

    Parameters
    ----------
    owner : str
        Name of the estimator's class.
    """
    try:
        yield
    except InvalidParameterError as error:
        if error.details is None:
            raise
        name, constraint, value, hint = error.details
        raise InvalidParameterError(
            f"The {name!r} parameter of {owner} must be {constraint}. Got {value} instead."
            f"{hint and ' ' + hint}"
        ) from None


def check_real(name, value, *, low=-math.inf, high=math.inf, closed="left", allow_none=False):
    """Check that `value` is a finite number in the interval from `low` to `high`.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : object
        Its value.
    low, high : float, default=-inf and inf
        Bounds of the interval.
    closed : {"left", "right", "both", "neither"}, default="left"
        The bounds that belong to the interval. Infinite bounds never do.
    allow_none : bool, default=False
        Whether None is valid, too.
    """
    if value is None and allow_none:
        return
    left_closed, right_closed = closed in ("left", "both"), closed in ("right", "both")
    is_between = is_real_number(value) and is_finite(value) and low <= value <= high
    if is_between and (left_closed or value != low) and (right_closed or value != high):
        return
    left = "[" if left_closed and math.isfinite(low) else "("
    right = "]" if right_closed and math.isfinite(high) else ")"
    interval = f"{left}{float(low)}, {float(high)}{right}{' or None' if allow_none else ''}"
    raise_invalid(name, value, f"a float in the range {interval}")


def is_finite(value):
    """Return whether a number is finite when converted to float (10**400, for example, is not)."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_real_number(value):
    """Return whether `value` is a real number; booleans, which are integers in Python, are not."""
    return isinstance(value, Real) and not isinstance(value, BOOLS)


def is_integer(value, low):
    """Return whether `value` is an integer of at least `low`; booleans are not."""
    return isinstance(value, Integral) and not isinstance(value, BOOLS) and value >= low


def check_integer(name, value, *, low, allow_none=False):
    """Check that `value` is an integer of at least `low`, or None if `allow_none`."""
    if not (is_integer(value, low) or (value is None and allow_none)):
        suffix = " or None" if allow_none else ""
        raise_invalid(name, value, f"an int in the range [{low}, inf){suffix}")


def per_feature(name, value):
    """Return a float, or floats per feature as a tuple; any may be infinite, none NaN."""
    try:
        array = np.asarray(value)
    except ValueError:  # nested lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiu" or array.ndim > 1 or not array.size or np.isnan(array).any():
        raise_invalid(name, value, "a float or an array of floats of shape (n_features,), not NaN")
    numbers = array.astype(float).tolist()
    return tuple(numbers) if array.ndim else numbers


def check_bool(name, value):
    """Check that `value` is a boolean."""
    if not isinstance(value, BOOLS):
        raise_invalid(name, value, BOOL_CONSTRAINT)


def check_choice(name, value, choices):
    """Check that `value` is one of `choices`; the error suggests the closest one."""
    is_name = isinstance(value, str) and value in choices
    if not (is_name or any(value is choice for choice in choices)):
        options = ", ".join(map(repr, choices))
        raise_invalid(name, value, f"one of {options}", suggest_closest(value, choices))


def suggest_closest(value, choices):
    """Return "Did you mean …?" with the choice most similar to a misspelt name, or ""."""
    if not isinstance(value, str):
        return ""
    names = {choice.lower(): choice for choice in choices if isinstance(choice, str)}
    matches = difflib.get_close_matches(value.lower().replace("-", "_"), names, n=1)
    return f"Did you mean {names[matches[0]]!r}?" if matches else ""
