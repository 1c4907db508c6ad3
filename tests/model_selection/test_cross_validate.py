"""Cross-validation in shared passes: the results of scikit-learn's function."""

from inspect import signature

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import model_selection
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd.model_selection
from skgd import BatchGDRegressor, MiniBatchGDRegressor
from skgd.model_selection import _moments, cross_validate
from tests.model_selection.test_search import X, Y

RIDGE = BatchGDRegressor(alpha=0.1)


def assert_equal_scores(estimator, X=X, y=Y, **options):
    """Compare our results with those of scikit-learn, and return ours."""
    ours = cross_validate(estimator, X, y, **options)
    theirs = model_selection.cross_validate(estimator, X, y, **options)
    assert list(ours) == list(theirs)
    for name, column in theirs.items():
        if name.startswith(("test_", "train_")):
            assert ours[name].dtype == column.dtype
            np.testing.assert_allclose(ours[name], column, rtol=1e-9, atol=1e-9)
    return ours


@pytest.mark.parametrize("name", ["cross_validate", "validation_curve"])
def test_parameters_are_those_of_scikit_learn(name):
    ours, theirs = (
        {key: (p.kind, p.default) for key, p in signature(getattr(m, name)).parameters.items()}
        for m in (skgd.model_selection, model_selection)
    )
    theirs.pop("fit_params", None)  # deprecated
    assert repr(ours) == repr(theirs)  # nan differs from nan


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cv": model_selection.GroupKFold(3), "groups": np.arange(len(Y)) // 50},
        {"scoring": ["r2", "neg_mean_absolute_error"], "return_train_score": True, "n_jobs": 2},
        {"scoring": {"a": make_scorer(mean_absolute_error)}, "cv": 3, "pre_dispatch": 1},
        {"params": {"sample_weight": np.arange(len(Y)) % 3.0}, "cv": 3},
        {"cv": list(model_selection.TimeSeriesSplit(3).split(X)), "return_indices": True},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "estimator",
    [
        RIDGE,
        make_pipeline(StandardScaler(), RIDGE),
        MiniBatchGDRegressor(max_iter=3, tol=None, random_state=0),
        Ridge(),
    ],
    ids=["moments", "pipeline", "mini-batches", "scikit-learn"],
)
def test_scores(estimator, options):
    if hasattr(estimator, "steps") and "params" in options:
        weights = options["params"]["sample_weight"]
        options = options | {"params": {"batchgdregressor__sample_weight": weights}}
    scores = assert_equal_scores(estimator, **options)
    if "return_indices" in options:
        for part, number in (("train", 0), ("test", 1)):
            for rows, split in zip(scores["indices"][part], options["cv"], strict=True):
                np.testing.assert_array_equal(rows, split[number])


def test_one_pass_over_the_rows_serves_all_folds(monkeypatch):
    n_models, fit_models = [], _moments.fit_models

    def count(models, rows):
        fitted = fit_models(models, rows)
        n_models.append(sum(model is not None for model in fitted))
        return fitted

    monkeypatch.setattr(_moments, "fit_models", count)
    cross_validate(RIDGE, X, Y, cv=4)
    assert n_models == [1] * 4


def test_returned_estimators_are_fitted_to_their_folds():
    frame = pd.DataFrame(X, columns=list("abcdefghij"))
    results = cross_validate(RIDGE, frame, Y, cv=2, return_estimator=True, return_indices=True)
    for model, train in zip(results["estimator"], results["indices"]["train"], strict=True):
        expected = BatchGDRegressor(alpha=0.1).fit(frame.iloc[train], Y[train])
        np.testing.assert_array_equal(model.coef_, expected.coef_)


def test_routed_metadata():
    weights = np.arange(len(Y)) % 3.0
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = BatchGDRegressor().set_fit_request(sample_weight=True, groups=False)
        estimator.set_score_request(sample_weight=False)
        params = {"sample_weight": weights, "groups": np.arange(len(Y)) // 50}
        assert_equal_scores(estimator, cv=model_selection.GroupKFold(3), params=params)


def test_failing_fits_get_the_error_score():
    rows = X.copy()
    rows[0, 0] = np.nan
    splits = [(np.arange(200), np.arange(200, 400)), (np.arange(200, 400), np.arange(1, 200))]
    with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 2"):
        scores = cross_validate(RIDGE, rows, Y, cv=splits, error_score=-7.0)["test_score"]
    assert scores[0] == -7
    assert scores[1] > 0


@pytest.mark.parametrize("options", [{"cv": 1}, {"scoring": "no score"}, {"n_jobs": "many"}])
def test_invalid_arguments_raise_the_errors_of_scikit_learn(options):
    with pytest.raises((ValueError, TypeError)) as expected:
        model_selection.cross_validate(RIDGE, X, Y, **options)
    with pytest.raises(type(expected.value)) as raised:
        cross_validate(RIDGE, X, Y, **options)
    assert str(raised.value) == str(expected.value)
