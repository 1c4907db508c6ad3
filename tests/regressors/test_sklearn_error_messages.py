"""Errors and warnings of SGDRegressor contain the messages of scikit-learn's SGDRegressor."""

import inspect
import warnings

import pytest
import sklearn
from sklearn import linear_model

from skgd import SGDRegressor, schedules

pytestmark = pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="older versions have other constraints",
)

INVALID = {
    "loss": ["squared-error", None, 1],
    "penalty": ["L2", 1],
    "alpha": [-1, -0.5, "1", None],
    "l1_ratio": [-0.1, 2, "1"],
    "fit_intercept": [1, "yes", None],
    "max_iter": [0, -1, 1.5, "10", None],
    "tol": [-1e-3, "1"],
    "shuffle": ["yes", 0, None],
    "verbose": [-1, 0.5, "yes", None],
    "epsilon": [-0.1, "1", None],
    "random_state": [-1, 2**32, 0.5, "seed", [0]],
    "learning_rate": ["inv_scaling", None, [0.1]],
    "eta0": [0.0, -1, "1", None],
    "power_t": ["1", None],
    "early_stopping": [1, "yes", None],
    "validation_fraction": [0.0, 1.0, -0.5, "1", None],
    "n_iter_no_change": [0, 2.5, None],
    "warm_start": ["yes", 1, None],
    "average": [-1, 0, 1.5, "yes", None],
}

#: Parameters that accept more values here; the messages list them.
EXTENDED = ["loss", "penalty", "learning_rate"]


def error_message(cls, method, data, params):
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the caller compares the message
        getattr(cls(**params), method)(*data)
    return str(error.value)


def messages(method, data, params):
    classes = SGDRegressor, linear_model.SGDRegressor
    return [error_message(cls, method, data, params) for cls in classes]


def test_every_parameter_is_tested():
    assert list(INVALID) == list(inspect.signature(linear_model.SGDRegressor).parameters)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in INVALID.items() for value in values],
    ids=repr,
)
def test_an_invalid_parameter(name, value, method, small):
    ours, theirs = messages(method, small, {name: value})
    if name in EXTENDED:
        beginning, _, options = theirs.partition("{")
        assert beginning == f"The {name!r} parameter of SGDRegressor must be a str among "
        assert ours.startswith(beginning)
        assert options[options.index(". Got ") :] in ours
    else:
        assert ours.startswith(theirs)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("fit", {"learning_rate": "optimal", "alpha": 0.0}),
        ("fit", {"learning_rate": "pa1"}),
        ("fit", {"learning_rate": "pa2", "loss": "huber"}),
        ("fit", {"penalty": "elasticnet", "l1_ratio": None}),
        ("partial_fit", {"early_stopping": True}),
    ],
    ids=repr,
)
def test_parameters_that_are_invalid_together(method, params, small):
    ours, theirs = messages(method, small, params)
    assert ours.startswith(theirs)


@pytest.mark.parametrize("learning_rate", ["invscaling", "constant"])
def test_a_negative_power_t_is_deprecated(learning_rate, small):
    params = {"power_t": -0.5, "learning_rate": learning_rate, "max_iter": 3, "tol": None}
    texts = []
    for cls in (SGDRegressor, linear_model.SGDRegressor):
        with pytest.warns(FutureWarning) as caught:
            cls(**params).fit(*small)
        texts += [str(warning.message) for warning in caught]
    ours, theirs = texts
    assert ours.startswith(theirs)
    assert "InverseScaling(0.01, -0.5)" in ours


def test_a_rate_that_grows_is_not_deprecated_in_a_schedule_nor_where_scikit_learn_is_silent(small):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rate = schedules.InverseScaling(0.01, -0.5)
        SGDRegressor(learning_rate=rate, max_iter=3, tol=None).fit(*small)
        for cls in (SGDRegressor, linear_model.SGDRegressor):
            cls(power_t=-0.5).partial_fit(*small)
