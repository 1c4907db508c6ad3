"""The learning-rate range test, compared with eigenvalues of the Hessian and with short fits."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, learning_rate_range_test
from skgd.model_selection import RangeTest
from skgd.optimizers import ProximalNewton

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
PLAIN = {"optimizer": "gd", "standardize": False}


def lipschitz_constant(X):
    """Return the largest eigenvalue of the Hessian of the squared error, with an intercept."""
    design = np.column_stack([X, np.ones(len(X))])
    return np.linalg.eigvalsh(design.T @ design / len(X)).max()


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_largest_stable_rate_of_gradient_descent_is_two_over_the_lipschitz_constant(unit, small):
    X, y = small
    result = learning_rate_range_test(BatchGDRegressor(**PLAIN), unit * X, y)
    assert_allclose(result.largest_stable, 2 / lipschitz_constant(unit * X), rtol=0.05)
    assert result.suggestion <= result.largest_stable / 2 * 1.02


def test_largest_stable_rate_of_momentum_follows_polyak(small):
    # Heavy-ball momentum is stable up to 2 (1 + beta) / L (Polyak, 1964).
    X, y = small
    model = BatchGDRegressor(optimizer="momentum", standardize=False)
    result = learning_rate_range_test(model, X, y, max_iter=400)
    assert_allclose(result.largest_stable, 2 * 1.9 / lipschitz_constant(X), rtol=0.05)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_objectives_equal_those_of_separate_short_fits(Regressor, weighted, small):
    X, y = small
    weights = np.arange(1.0, 21) if weighted else None
    rates = [0.02, 0.001, 0.01]
    params = {} if Regressor is BatchGDRegressor else {"random_state": 3}
    model = Regressor(**params)
    result = learning_rate_range_test(model, X, y, sample_weight=weights, rates=rates, max_iter=4)
    assert result.learning_rate.tolist() == [0.001, 0.01, 0.02]
    for rate, objective in zip(result.learning_rate, result.objective, strict=True):
        short = model.__class__(**params, learning_rate=rate, max_iter=4, tol=None)
        history = short.set_params(record="objective").fit(X, y, sample_weight=weights).history_
        assert_allclose(objective, history["objective"][-1], rtol=1e-13)
        assert_allclose(result.start, history["objective"][0], rtol=1e-13)
    assert result.largest_stable == 0.02
    pd.testing.assert_index_equal(
        pd.DataFrame(result.curve).columns, pd.Index(["learning_rate", "objective"])
    )


@pytest.mark.parametrize("optimizer", ["gd", "nesterov", "adam"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_suggested_rate_decreases_the_objective(Regressor, optimizer, diabetes):
    X, y = diabetes
    model = Regressor(optimizer=optimizer, standardize=True)
    result = learning_rate_range_test(model, X, y)
    assert isinstance(result, RangeTest)
    assert np.all(np.diff(result.learning_rate) > 0)
    assert result.learning_rate[0] < result.suggestion < result.largest_stable
    assert result.largest_stable < result.learning_rate[-1]
    at = result.learning_rate == result.suggestion
    assert result.objective[at] < 0.2 * result.start
    assert result.objective[-1] > result.start
    again = learning_rate_range_test(model, X, y)
    assert_array_equal(again.objective, result.objective)


def test_estimator_is_not_modified(small):
    X, y = small
    model = MiniBatchGDRegressor(learning_rate="invscaling", eta0=0.3, early_stopping=True)
    params = model.get_params()
    learning_rate_range_test(model, X, y, rates=[0.01])
    assert model.get_params() == params
    assert not hasattr(model, "coef_")


def test_pipeline_transforms_the_data(small):
    X, y = small
    pipeline = make_pipeline(StandardScaler(), SGDRegressor())
    result = learning_rate_range_test(pipeline, X, y)
    alone = learning_rate_range_test(SGDRegressor(), StandardScaler().fit_transform(X), y)
    assert_allclose(result.objective, alone.objective, rtol=1e-13)
    assert not hasattr(pipeline[-1], "coef_")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": []}, "rates must be positive"),
        ({"rates": [0.1, -1]}, "rates must be positive"),
        ({"rates": [0.1, np.inf]}, "rates must be positive"),
        ({"max_iter": 0}, "max_iter must be an int"),
        ({"rates": [1e6, 1e7]}, "increases even at the smallest"),
        ({"y": np.zeros(20)}, "does not increase at any learning rate"),
        ({"y": np.zeros(7)}, "inconsistent numbers of samples"),
        (
            {"estimator": BatchGDRegressor(optimizer="cg")},
            "optimizer must be 'auto' or one of 'gd', .* got 'cg'. This one computes the length of "
            "each step itself: fit it with learning_rate='auto'",
        ),
        ({"estimator": BatchGDRegressor(optimizer=ProximalNewton())}, r"got ProximalNewton\(\)"),
        (
            {"estimator": BatchGDRegressor(alpha=-1)},
            "The .alpha. parameter of BatchGDRegressor must be",
        ),
    ],
)
def test_invalid_input_raises_an_error(changes, message, small):
    X, y = small
    call = {"estimator": BatchGDRegressor(**PLAIN), "X": X, "y": y} | changes
    with pytest.raises(ValueError, match=message):
        learning_rate_range_test(**call)


def test_other_estimators_raise_an_error(small):
    with pytest.raises(TypeError, match="needs a regressor of skgd"):
        learning_rate_range_test(StandardScaler(), *small)


def bisect_largest_stable(make, X, y):
    """Return the largest rate at which fits of five epochs do not end above their start."""

    def is_stable(rate):
        model = make().set_params(learning_rate=rate, max_iter=5, tol=None, record="objective")
        try:
            objective = model.fit(X, y).history_["objective"]
        except ValueError:
            return False
        return bool(objective[-1] <= objective[0])

    low, high = 1e-3, 1e2
    assert is_stable(low)
    assert not is_stable(high)
    while high > 1.05 * low:
        middle = np.sqrt(low * high)
        low, high = (middle, high) if is_stable(middle) else (low, middle)
    return low


@pytest.mark.parametrize("noise", [0.3, 3.0])
@pytest.mark.parametrize("batch_size", [8, 32])
def test_suggestion_for_small_batches_is_near_the_largest_stable_rate(batch_size, noise):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = X @ [1.0, -2.0, 0.5] + noise * rng.normal(size=100)

    def make():
        return MiniBatchGDRegressor(batch_size=batch_size, optimizer="gd", random_state=0)

    stable = bisect_largest_stable(make, X, y)
    result = learning_rate_range_test(make(), X, y)
    assert_allclose(result.largest_stable, stable, rtol=0.1)
    assert result.suggestion <= 0.53 * stable
    # Little noise: half the largest stable rate; otherwise a tenth at least.
    assert result.suggestion >= (0.2 if noise < 1 else 0.05) * stable
    decreases = result.start - result.objective
    safe = result.learning_rate <= 0.51 * result.largest_stable
    at = result.learning_rate == result.suggestion
    assert decreases[at] >= 0.99 * decreases[safe].max()
    assert (decreases[safe & (result.learning_rate > result.suggestion)] < decreases[at]).all()


def test_verbose_prints_a_line_for_each_trial(small, capsys):
    rates = [0.001, 0.1, 1e9]
    result = learning_rate_range_test(BatchGDRegressor(**PLAIN), *small, rates=rates, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    parts = [line.split() for line in lines]
    assert [part[:2] for part in parts] == [["trial", str(number)] for number in (1, 2, 3)]
    assert [float(part[3]) for part in parts] == rates
    assert_allclose([float(part[5]) for part in parts], result.objective, rtol=1e-5)
    learning_rate_range_test(BatchGDRegressor(**PLAIN), *small, rates=rates)
    assert not capsys.readouterr().out
