"""Searches in shared passes: their results equal those of scikit-learn's classes."""

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import load_diabetes

from skgd import BatchGDRegressor
from skgd.model_selection import GridSearchCV

X, Y = load_diabetes(return_X_y=True, scaled=False)
ALPHAS = [0.0, 0.01, 0.1, 1.0]


def assert_equal_results(ours, theirs):
    """Assert that the results of two searches are equal, except for the times."""
    results, expected = ours.cv_results_, theirs.cv_results_
    assert list(results) == list(expected)
    assert results["params"] == expected["params"]
    for name, column in expected.items():
        if name == "params" or "_time" in name:
            continue
        assert results[name].dtype == column.dtype
        if name.startswith("param_"):
            assert np.array_equal(results[name].mask, column.mask)
            assert results[name].tolist() == column.tolist()
        else:
            np.testing.assert_allclose(results[name], column, rtol=0, atol=1e-9)
    for name in ["best_params_", "best_index_", "n_splits_", "multimetric_"]:
        assert getattr(ours, name, None) == getattr(theirs, name, None)


def assert_equal_searches(estimator, grid, X=X, y=Y, fit_params=None, **options):
    """Search with both classes, compare the results and the refitted models; return our search."""
    fit_params = fit_params or {}
    ours = GridSearchCV(estimator, grid, **options).fit(X, y, **fit_params)
    theirs = model_selection.GridSearchCV(estimator, grid, **options).fit(X, y, **fit_params)
    assert_equal_results(ours, theirs)
    assert sorted(set(vars(ours)) - {"shared_"}) == sorted(vars(theirs))
    if ours.refit:
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        assert ours.score(X, y) == theirs.score(X, y)
    return ours


@pytest.mark.parametrize(
    "cv",
    [
        3,
        model_selection.KFold(4, shuffle=True, random_state=0),
        model_selection.TimeSeriesSplit(4),
        model_selection.ShuffleSplit(3, random_state=0),
        model_selection.RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
        [(np.arange(300), np.arange(300, 442)), (np.arange(100, 442), np.arange(100))],
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_l2_penalties_by_fold_moments(cv, weighted):
    fit_params = {"sample_weight": np.arange(len(Y)) % 4.0} if weighted else {}
    search = assert_equal_searches(
        BatchGDRegressor(), {"alpha": ALPHAS}, cv=cv, fit_params=fit_params
    )
    assert set(search.shared_) == {"moments"}
