"""Validation of single parameters: valid values, invalid values and error messages."""

import math
from fractions import Fraction

import numpy as np
import pytest

from skgd._utils.validation import (
    InvalidParameterError,
    check_bool,
    check_choice,
    check_integer,
    check_real,
    raise_invalid,
    suggest_closest,
)

NOT_REAL = [True, np.True_, None, "1", 1j, [1.0], np.array([1.0]), math.nan, math.inf, -math.inf]


def test_an_error_names_parameter_value_and_what_is_allowed_and_is_caught_as_either_type():
    with pytest.raises(ValueError, match=r"^eta must be small; got 'big'\. Try 1\.$"):
        raise_invalid("eta", "big", "small", "Try 1.")
    with pytest.raises(TypeError, match=r"^eta must be small; got 3\.$"):
        raise_invalid("eta", 3, "small")


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(1), Fraction(1, 2)])
def test_numbers_of_all_kinds_are_real(value):
    check_real("x", value, low=0, high=2)


@pytest.mark.parametrize("value", NOT_REAL, ids=repr)
def test_values_that_are_not_finite_numbers_are_errors(value):
    with pytest.raises(InvalidParameterError, match=r"^x must be a float in the range .*; got "):
        check_real("x", value)


@pytest.mark.parametrize(
    ("closed", "at_low", "at_high", "interval"),
    [
        ("left", True, False, "[0.0, 1.0)"),
        ("right", False, True, "(0.0, 1.0]"),
        ("both", True, True, "[0.0, 1.0]"),
        ("neither", False, False, "(0.0, 1.0)"),
    ],
)
def test_bounds_belong_to_the_interval_or_not(closed, at_low, at_high, interval):
    accepted = {-0.001: False, 0: at_low, 0.5: True, 1: at_high, 1.001: False}
    for value, inside in accepted.items():
        if inside:
            check_real("x", value, low=0, high=1, closed=closed)
        else:
            with pytest.raises(InvalidParameterError) as error:
                check_real("x", value, low=0, high=1, closed=closed)
            assert str(error.value) == f"x must be a float in the range {interval}; got {value!r}."


@pytest.mark.parametrize(
    ("bounds", "interval"), [({"low": 0, "closed": "both"}, "[0.0, inf)"), ({}, "(-inf, inf)")]
)
def test_infinity_is_never_valid(bounds, interval):
    with pytest.raises(InvalidParameterError) as error:
        check_real("x", math.inf, **bounds)
    assert f"in the range {interval};" in str(error.value)


@pytest.mark.parametrize("value", [3, 4, np.int32(3)])
def test_integers_from_the_lower_bound_are_valid(value):
    check_integer("n", value, low=3)


@pytest.mark.parametrize("value", [2, 3.0, True, np.True_, "3", None, math.nan], ids=repr)
def test_other_values_are_not_integers(value):
    with pytest.raises(
        InvalidParameterError, match=r"^n must be an int in the range \[3, inf\); got "
    ):
        check_integer("n", value, low=3)


def test_only_booleans_are_valid():
    check_bool("b", True)
    check_bool("b", np.False_)
    for value in (0, 1, "True", None):
        with pytest.raises(
            InvalidParameterError, match=r"^b must be an instance of 'bool'.*; got "
        ):
            check_bool("b", value)


def test_a_choice_is_one_of_the_options():
    check_choice("c", "epoch", ["epoch", None])
    check_choice("c", None, ["epoch", None])
    message = r"^c must be one of 'epoch', None; got 'epochs'\. Did you mean 'epoch'\?$"
    with pytest.raises(InvalidParameterError, match=message):
        check_choice("c", "epochs", ["epoch", None])
    for value in (0, False, np.array(["epoch"]), ["epoch"]):
        with pytest.raises(InvalidParameterError, match="one of 'epoch'"):
            check_choice("c", value, ["epoch", None])


@pytest.mark.parametrize(
    ("value", "closest"),
    [
        ("squared-error", "squared_error"),
        ("ADAM", "Adam"),
        ("hubert", "huber"),
        ("nothing of the kind", None),
        (3, None),
    ],
)
def test_the_closest_name_is_suggested(value, closest):
    hint = f"Did you mean {closest!r}?" if closest else ""
    assert suggest_closest(value, ["huber", "squared_error", "Adam", None]) == hint
