"""Pipelines and searches route validation data and sample weights to `fit`."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers.regressors import REGRESSORS, few_epochs

five_epochs = partial(few_epochs, learning_rate=0.1, max_iter=5, standardize=True)


@pytest.fixture(autouse=True)
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def split():
    """Training and validation rows, in raw units."""
    rng = np.random.default_rng(0)
    X = rng.normal(50, 20, size=(60, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=60)
    return X[:40], y[:40], X[40:], y[40:]


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_pipeline_transforms_the_validation_data(Regressor, split):
    X, y, X_val, y_val = split
    model = five_epochs(Regressor).set_fit_request(X_val=True, y_val=True)
    steps = [("scale", StandardScaler()), ("descent", model)]
    pipeline = Pipeline(steps, transform_input=["X_val"]).fit(X, y, X_val=X_val, y_val=y_val)
    score = pipeline.named_steps["descent"].history_["validation_score"][-1]
    assert score == pytest.approx(pipeline.score(X_val, y_val))


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_without_transform_input_validation_data_are_not_transformed(Regressor, split):
    X, y, X_val, y_val = split
    model = five_epochs(Regressor).set_fit_request(X_val=True, y_val=True)
    pipeline = Pipeline([("scale", StandardScaler()), ("descent", model)])
    pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    score = pipeline.named_steps["descent"].history_["validation_score"][-1]
    untransformed = pipeline.named_steps["descent"].score(X_val, y_val)
    assert score == pytest.approx(untransformed)
    assert score < pipeline.score(X_val, y_val) - 0.5


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_weights_are_routed_and_sliced(Regressor, split):
    X, y, *_ = split
    weights = np.linspace(0.1, 2, len(y))
    model = (
        five_epochs(Regressor, shuffle=False)
        .set_fit_request(sample_weight=True)
        .set_score_request(sample_weight=False)
    )
    folds = KFold(4)
    result = cross_validate(
        model, X, y, cv=folds, params={"sample_weight": weights}, return_estimator=True
    )
    for (train, _), fitted in zip(folds.split(X), result["estimator"], strict=True):
        alone = clone(model).fit(X[train], y[train], sample_weight=weights[train])
        assert_allclose(fitted.coef_, alone.coef_)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_search_passes_on_validation_data_of_another_length(Regressor, split):
    X, y, X_val, y_val = split
    model = five_epochs(Regressor).set_fit_request(X_val=True, y_val=True)
    search = GridSearchCV(model, {"alpha": [0.0, 0.1]}, cv=2).fit(X, y, X_val=X_val, y_val=y_val)
    best = search.best_estimator_
    assert best.history_["validation_score"][-1] == pytest.approx(best.score(X_val, y_val))


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_search_slices_validation_data_as_long_as_the_training_data(Regressor, split):
    """scikit-learn slices every routed array that has as many rows as X; the user guide warns."""
    X, y, X_val, y_val = split
    rows = np.concatenate([X_val, X_val]), np.concatenate([y_val, y_val])
    lengths = []

    class Recording(Regressor):
        def fit(self, X, y, *, X_val=None, y_val=None):
            lengths.append(len(X_val))
            return super().fit(X, y, X_val=X_val, y_val=y_val)

    model = five_epochs(Regressor)
    recording = Recording(**model.get_params(deep=False)).set_fit_request(X_val=True, y_val=True)
    GridSearchCV(recording, {"alpha": [0.0]}, cv=2).fit(X, y, X_val=rows[0], y_val=rows[1])
    assert lengths == [20, 20, 40]


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_score_uses_the_validation_weights(Regressor, split):
    X, y, X_val, y_val = split
    weights = np.linspace(0.1, 2, len(y_val))
    model = five_epochs(Regressor).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights)
    expected = model.score(X_val, y_val, sample_weight=weights)
    assert model.history_["validation_score"][-1] == pytest.approx(expected)
