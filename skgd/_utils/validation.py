"""Checks of single parameters: every error names the parameter, its value and what is allowed."""

import difflib
import math
from numbers import Integral, Real

import numpy as np


class InvalidParameterError(ValueError, TypeError):
    """A parameter has a value outside its domain (both a ValueError and a TypeError)."""


def raise_invalid(name, value, allowed, hint=""):
    """Raise the one error that every check of a parameter ends in."""
    raise InvalidParameterError(f"{name} must be {allowed}; got {value!r}.{hint and ' ' + hint}")


def check_real(name, value, *, low=-math.inf, high=math.inf, closed="left"):
    """Check that `value` is a finite number between `low` and `high`.

    `closed` names the bounds that belong to the interval: "left", "right", "both" or "neither".
    """
    above = is_real_number(value) and (value >= low if closed in ("left", "both") else value > low)
    below = is_real_number(value) and (
        value <= high if closed in ("right", "both") else value < high
    )
    if not (above and below and is_finite(value)):
        left = "[" if closed in ("left", "both") and math.isfinite(low) else "("
        right = "]" if closed in ("right", "both") and math.isfinite(high) else ")"
        raise_invalid(name, value, f"a finite number in {left}{low:g}, {high:g}{right}")


def is_finite(value):
    """Tell whether a number is finite as a float; a large enough integer is not."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def is_real_number(value):
    """Tell numbers from booleans, which Python counts among them."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def check_integer(name, value, *, low):
    """Check that `value` is a whole number of at least `low`."""
    if not isinstance(value, Integral) or isinstance(value, (bool, np.bool_)) or value < low:
        raise_invalid(name, value, f"an integer of at least {low}")


def check_bool(name, value):
    """Check that `value` is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise_invalid(name, value, "True or False")


def check_choice(name, value, choices):
    """Check that `value` is one of `choices`; a near miss is named."""
    if not any(
        value is choice or (isinstance(value, str) and value == choice) for choice in choices
    ):
        listing = ", ".join(map(repr, choices))
        raise_invalid(name, value, f"one of {listing}", suggest_closest(value, choices))


def suggest_closest(value, choices):
    """Return 'Did you mean …?' for a misspelt name, or nothing."""
    if not isinstance(value, str):
        return ""
    names = {choice.lower(): choice for choice in choices if isinstance(choice, str)}
    found = difflib.get_close_matches(value.lower().replace("-", "_"), names, n=1)
    return f"Did you mean {names[found[0]]!r}?" if found else ""
