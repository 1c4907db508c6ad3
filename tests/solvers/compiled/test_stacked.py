"""Compiled updates of many models: equal to those in NumPy."""

import numpy as np
import pytest

pytest.importorskip("numba")

from skgd import MiniBatchGDRegressor, SGDRegressor
from skgd._utils import numba_support
from skgd.model_selection import GridSearchCV
from tests.helpers.executors import numpy_only
from tests.model_selection.test_search import table

if not numba_support.has_numba():
    pytest.skip("Numba is switched off", allow_module_level=True)


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (SGDRegressor(max_iter=4), {"eta0": [1e-3, 3e-3], "alpha": [0.0, 0.1]}),
        (SGDRegressor(average=7, max_iter=4), {"eta0": np.logspace(-4, -2, 70)}),
        (
            MiniBatchGDRegressor(
                "huber",
                penalty="elasticnet",
                optimizer="adam",
                learning_rate="constant",
                batch_size=6,
                average=True,
                max_iter=4,
            ),
            {"eta0": [1e-3, 1e-2], "alpha": [0.0, 0.1]},
        ),
        (
            SGDRegressor("epsilon_insensitive", learning_rate="pa1", eta0=0.01, max_iter=4),
            {"alpha": [0.0, 0.1]},
        ),
    ],
    ids=["per sample", "more models than in one loop", "batches, all options", "step rule"],
)
def test_compiled_updates_of_many_models_equal_those_in_numpy(estimator, grid):
    X, y = table()
    weights = None
    if isinstance(estimator, MiniBatchGDRegressor):
        y, weights = np.column_stack([y, y**2]), np.arange(len(y)) % 3.0
    estimator.set_params(random_state=0, tol=None)
    search = GridSearchCV(estimator, grid, cv=2, refit=False, return_train_score=True)
    compiled = search.fit(X, y, sample_weight=weights).cv_results_
    assert set(search.shared_) == {"updates"}
    with numpy_only():
        expected = search.fit(X, y, sample_weight=weights).cv_results_
    for name in ("split0_test_score", "split1_test_score", "split0_train_score"):
        np.testing.assert_allclose(compiled[name], expected[name], rtol=1e-9, atol=1e-9)
