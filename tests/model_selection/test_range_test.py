"""The search for a learning rate, against eigenvalues computed by NumPy."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import (
    BatchGDRegressor,
    MiniBatchGDRegressor,
    SGDRegressor,
    learning_rate_range_test,
)
from skgd.model_selection import RangeTest
from skgd.optimizers import NewtonCG

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
BATCH = {"optimizer": "gd", "standardize": False}


def curvature(X):
    rows = np.column_stack([X, np.ones(len(X))])
    return np.linalg.eigvalsh(rows.T @ rows / len(X)).max()


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_the_largest_stable_rate_of_plain_descent_is_two_over_the_curvature(unit, small):
    X, y = small
    found = learning_rate_range_test(BatchGDRegressor(**BATCH), unit * X, y)
    assert_allclose(found.largest_stable, 2 / curvature(unit * X), rtol=0.05)
    assert found.suggestion <= found.largest_stable / 2 * 1.02


def test_momentum_is_stable_further_out(small):
    # A classical result (Polyak, 1964): up to 2 (1 + beta) / L.
    X, y = small
    model = BatchGDRegressor(optimizer="momentum", standardize=False)
    found = learning_rate_range_test(model, X, y, max_iter=400)
    assert_allclose(found.largest_stable, 2 * 1.9 / curvature(X), rtol=0.05)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_the_curve_is_that_of_short_fits(Regressor, weighted, small):
    X, y = small
    weights = np.arange(1.0, 21) if weighted else None
    rates = [0.02, 0.001, 0.01]
    params = {} if Regressor is BatchGDRegressor else {"random_state": 3}
    model = Regressor(**params)
    found = learning_rate_range_test(model, X, y, sample_weight=weights, rates=rates, max_iter=4)
    assert found.learning_rate.tolist() == [0.001, 0.01, 0.02]
    for rate, objective in zip(found.learning_rate, found.objective, strict=True):
        short = model.__class__(**params, learning_rate=rate, max_iter=4, tol=None)
        history = short.set_params(record="objective").fit(X, y, sample_weight=weights).history_
        assert_allclose(objective, history["objective"][-1], rtol=1e-13)
        assert_allclose(found.start, history["objective"][0], rtol=1e-13)
    assert found.largest_stable == 0.02
    pd.testing.assert_index_equal(
        pd.DataFrame(found.curve).columns, pd.Index(["learning_rate", "objective"])
    )


@pytest.mark.parametrize("optimizer", ["gd", "nesterov", "adam"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_the_suggestion_descends(Regressor, optimizer, diabetes):
    X, y = diabetes
    model = Regressor(optimizer=optimizer, standardize=True)
    found = learning_rate_range_test(model, X, y)
    assert isinstance(found, RangeTest)
    assert np.all(np.diff(found.learning_rate) > 0)
    assert found.learning_rate[0] < found.suggestion < found.largest_stable
    assert found.largest_stable < found.learning_rate[-1]
    at = found.learning_rate == found.suggestion
    assert found.objective[at] < 0.2 * found.start
    assert found.objective[-1] > found.start
    again = learning_rate_range_test(model, X, y)
    assert_array_equal(again.objective, found.objective)


def test_the_estimator_and_its_callbacks_are_left_alone(small):
    X, y = small
    model = MiniBatchGDRegressor(learning_rate="invscaling", eta0=0.3, early_stopping=True)
    params = model.get_params()
    learning_rate_range_test(model, X, y, rates=[0.01])
    assert model.get_params() == params
    assert not hasattr(model, "coef_")


def test_a_pipeline_is_tested_on_what_its_last_step_sees(small):
    X, y = small
    pipeline = make_pipeline(StandardScaler(), SGDRegressor())
    found = learning_rate_range_test(pipeline, X, y)
    alone = learning_rate_range_test(SGDRegressor(), StandardScaler().fit_transform(X), y)
    assert_allclose(found.objective, alone.objective, rtol=1e-13)
    assert not hasattr(pipeline[-1], "coef_")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": []}, "rates must be positive"),
        ({"rates": [0.1, -1]}, "rates must be positive"),
        ({"rates": [0.1, np.inf]}, "rates must be positive"),
        ({"max_iter": 0}, "max_iter must be an int in"),
        ({"rates": [1e6, 1e7]}, "rises already at the smallest"),
        ({"y": np.zeros(20)}, "does not rise at any learning rate"),
        ({"y": np.zeros(7)}, "inconsistent numbers of samples"),
        (
            {"estimator": BatchGDRegressor(optimizer="cg")},
            "optimizer must be 'auto' or one of 'gd', .* got 'cg'. This one finds the length of "
            "each step itself: fit it with learning_rate='auto'",
        ),
        ({"estimator": BatchGDRegressor(optimizer=NewtonCG())}, r"got NewtonCG\(\)"),
        (
            {"estimator": BatchGDRegressor(alpha=-1)},
            "The .alpha. parameter of BatchGD.* must be",
        ),
    ],
)
def test_refusals(changes, message, small):
    X, y = small
    call = {"estimator": BatchGDRegressor(**BATCH), "X": X, "y": y} | changes
    with pytest.raises(ValueError, match=message):
        learning_rate_range_test(**call)


def test_only_our_regressors(small):
    with pytest.raises(TypeError, match="needs a regressor of skgd"):
        learning_rate_range_test(StandardScaler(), *small)
