"""Validation curve in shared passes: the scores of scikit-learn's function."""

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.linear_model import Ridge

from skgd import BatchGDRegressor
from skgd.model_selection import validation_curve
from tests.model_selection.test_search import X, Y


@pytest.mark.parametrize("estimator", [BatchGDRegressor(), Ridge()], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cv": model_selection.GroupKFold(3), "groups": np.arange(len(Y)) // 50},
        {"scoring": "neg_mean_absolute_error", "n_jobs": 2, "cv": 3},
    ],
    ids=str,
)
def test_scores_of_a_validation_curve(estimator, options):
    options = {"param_name": "alpha", "param_range": np.array([0.0, 0.1, 1.0])} | options
    ours = validation_curve(estimator, X, Y, **options)
    theirs = model_selection.validation_curve(estimator, X, Y, **options)
    for scores, expected in zip(ours, theirs, strict=True):
        assert scores.shape == expected.shape
        np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-9)


def test_weights_of_a_validation_curve():
    weights = np.arange(len(Y)) % 3.0
    options = {"param_name": "alpha", "param_range": [0.1], "cv": 2}
    params = {"sample_weight": weights}
    _, (scores,) = validation_curve(BatchGDRegressor(), X, Y, params=params, **options)
    search = model_selection.GridSearchCV(BatchGDRegressor(), {"alpha": [0.1]}, cv=2)
    expected = search.fit(X, Y, sample_weight=weights).cv_results_
    np.testing.assert_allclose(scores[1], expected["split1_test_score"][0], rtol=1e-9)
