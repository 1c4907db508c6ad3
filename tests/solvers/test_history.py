"""The columns and rows of history_, and the calls that append to it."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.solvers.history import History

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
STOCHASTIC = [MiniBatchGDRegressor, SGDRegressor]
ALWAYS = ["epoch", "learning_rate", "time"]


def quick(Regressor, **params):
    defaults = {"tol": None, "max_iter": 4, "learning_rate": 0.05, "penalty": None}
    if Regressor is not BatchGDRegressor:
        defaults |= {"random_state": 0}
    if Regressor is MiniBatchGDRegressor:
        defaults |= {"batch_size": 6}
    return Regressor(**defaults | params)


def exact(model, X, y):
    """Return objective and gradient norm, in the data's own coordinates."""
    r = X @ model.coef_ + model.intercept_ - y
    gradient = np.append(X.T @ r, r.sum()) / len(y)
    return np.mean(r**2) / 2, np.linalg.norm(gradient)


@pytest.mark.parametrize(
    ("Regressor", "record", "columns"),
    [
        (BatchGDRegressor, "running", ["objective", "gradient_norm"]),
        (BatchGDRegressor, "objective", ["objective", "gradient_norm"]),
        (BatchGDRegressor, "path", ["objective", "gradient_norm"]),
        *(
            (Regressor, record, ["running_objective", *columns])
            for Regressor in STOCHASTIC
            for record, columns in [
                ("running", []),
                ("objective", ["objective", "gradient_norm"]),
                ("path", ["objective", "gradient_norm"]),
            ]
        ),
    ],
)
def test_columns(Regressor, record, columns, small):
    history = quick(Regressor, record=record).fit(*small).history_
    assert list(history) == [*ALWAYS, *columns]
    assert {column.shape for column in history.values()} == {(5,)}
    frame = pd.DataFrame(history)
    assert frame["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(frame["learning_rate"][0])
    assert (frame["learning_rate"][1:] == 0.05).all()
    assert frame["time"].is_monotonic_increasing
    assert frame.iloc[1:].notna().all(axis=None)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_nothing_is_recorded_on_request(Regressor, small):
    X, y = small
    silent = quick(Regressor, record=None).fit(X, y)
    assert silent.history_ == {}
    assert_array_equal(silent.coef_, quick(Regressor).fit(X, y).coef_)
    assert silent.partial_fit(X, y).history_ == {}
    assert quick(Regressor, record=None).fit(X, y, X_val=X, y_val=y).history_ == {}


@pytest.mark.parametrize("average", [False, 5])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_rows_describe_the_models_after_their_epochs(Regressor, average, small):
    X, y = small
    params = {"record": "objective", "standardize": False}
    if Regressor is not BatchGDRegressor:
        params["average"] = average
    start = {"coef_init": [1.0, 2.0, 3.0], "intercept_init": [4.0]}
    history = quick(Regressor, **params).fit(X, y, **start).history_
    for epochs in range(1, 5):
        model = quick(Regressor, **params | {"max_iter": epochs}).fit(X, y, **start)
        objective, norm = exact(model, X, y)
        assert_allclose(history["objective"][epochs], objective, rtol=1e-12)
        assert_allclose(history["gradient_norm"][epochs], norm, rtol=1e-10)


def test_the_running_objective_is_the_mean_over_the_updates(small):
    X, y = small
    model = quick(SGDRegressor, shuffle=False, standardize=False, max_iter=2).fit(X, y)
    coef, intercept, running = np.zeros(3), 0.0, []
    for _ in range(2):
        seen = []
        for row, target in zip(X, y, strict=True):
            r = row @ coef + intercept - target
            seen.append(r**2 / 2)
            coef, intercept = coef - 0.05 * r * row, intercept - 0.05 * r
        running.append(np.mean(seen))
    assert_allclose(model.history_["running_objective"][1:], running, rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("again", ["partial_fit", "warm_start"])
def test_further_calls_append(Regressor, again, small):
    X, y = small
    model = quick(Regressor, warm_start=again == "warm_start").fit(X, y)
    kept = model.history_
    if again == "partial_fit":
        model.partial_fit(X, y).partial_fit(X, y)
    else:
        model.set_params(max_iter=2).fit(X, y)
    history = model.history_
    assert history["epoch"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert {len(column) for column in history.values()} == {7}
    assert np.all(np.diff(history["time"]) >= 0)
    for name, column in kept.items():
        assert_array_equal(history[name][:5], column)
        assert len(column) == 5  # what was handed out before is not touched


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_cold_fit_begins_a_new_history(Regressor, small):
    model = quick(Regressor).fit(*small).fit(*small)
    assert model.history_["epoch"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_writing_to_the_history_does_not_change_it(Regressor, small):
    model = quick(Regressor).fit(*small)
    model.history_["epoch"][:] = -1
    assert model.history_["epoch"][-1] == 4


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_rows_are_recorded_without_any_effect(Regressor, small):
    X, y = small
    plain = quick(Regressor).fit(X[:15], y[:15])
    weights = np.arange(5.0)
    validation = {"X_val": X[15:], "y_val": y[15:], "sample_weight_val": weights}
    watched = quick(Regressor).fit(X[:15], y[:15], **validation)
    assert_array_equal(watched.coef_, plain.coef_)
    scores = watched.history_["validation_score"]
    assert scores.shape == (5,)
    assert_allclose(scores[-1], watched.score(X[15:], y[15:], weights), rtol=1e-12)
    assert "validation_score" not in plain.history_
    assert watched.n_iter_ == 4


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_later_column_is_filled_with_nan(Regressor, small):
    X, y = small
    model = quick(Regressor).fit(X, y, X_val=X, y_val=y).partial_fit(X, y)
    scores = model.history_["validation_score"]
    assert np.isnan(scores[-1])
    assert np.isfinite(scores[:-1]).all()


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_verbose_prints_a_line_an_epoch(Regressor, small, capsys):
    quick(Regressor).fit(*small)
    assert capsys.readouterr().out == ""
    model = quick(Regressor, verbose=1).fit(*small)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(re.match(rf"epoch +{k} .*objective \d", text) for k, text in enumerate(lines, 1))
    assert all(re.search(r"rate 0.05 +time \d+\.\d\d s$", text) for text in lines)
    model.partial_fit(*small)
    assert re.match(r"epoch +5 ", capsys.readouterr().out)


def test_history_rows_of_different_columns():
    history = History()
    history.append(epoch=0, a=1.0)
    history.append(epoch=1, b=2.0)
    arrays = history.arrays()
    assert_array_equal(arrays["a"], [1, np.nan])
    assert_array_equal(arrays["b"], [np.nan, 2])
    twin = history.copy()
    twin.append(epoch=2)
    assert (len(history), len(twin), twin.last_epoch) == (2, 3, 2)
