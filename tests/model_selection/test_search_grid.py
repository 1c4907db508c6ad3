"""A random sample of all combinations of what a search can be given."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn import model_selection
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from tests.helpers.executors import numpy_only
from tests.model_selection.test_search import LOSSES, OPTIMIZERS, assert_equal_searches, table

N_SEARCHES = 320

CHOICES = {
    "estimator": [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor],
    "loss": [*LOSSES, *["squared_error"] * 4],
    "penalty": ["l1", "l2", "elasticnet", None],
    "learning_rate": ["constant", "invscaling", "adaptive", "auto"],
    "optimizer": [*OPTIMIZERS, *["gd"] * 4],
    "grid": [
        {"alpha": [0.0, 0.1, 1.0]},
        {"eta0": [0.001, 0.003]},
        {"alpha": [0.1, 0.3], "max_iter": [2, 3]},
        {"n_iter_no_change": [2, 3], "eta0": [0.002, 0.001]},
    ],
    "steps": [(), (), (StandardScaler(),), (MinMaxScaler(), PCA(3, random_state=0))],
    "cv": [
        2,
        model_selection.KFold(3, shuffle=True, random_state=0),
        model_selection.TimeSeriesSplit(2),
        model_selection.ShuffleSplit(2, random_state=0),
        model_selection.GroupKFold(2),
    ],
    "scoring": [None, "neg_mean_squared_error", ["r2", "neg_mean_absolute_error"]],
    "return_train_score": [False, True],
    "is_weighted": [False, True],
    "n_outputs": [None, None, 2],
    "container": [np.asarray, np.asarray, np.asfortranarray, pd.DataFrame, csr_matrix],
    "n_jobs": [None, None, 2],
    "fit_intercept": [True, True, False],
    "standardize": [False, True],
    "average": [False, False, True],
}


def draw(seed):
    """Return one of the choices of each kind."""
    rng = np.random.default_rng(seed)
    return {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}


def make_estimator(choice):
    """Return an estimator and the grid of a search."""
    cls, grid = choice["estimator"], dict(choice["grid"])
    names = "loss", "penalty", "optimizer", "fit_intercept", "standardize", "learning_rate"
    params = {name: choice[name] for name in names}
    params |= {"max_iter": 3, "tol": 1e-3, "random_state": 0}
    if cls is not BatchGDRegressor:
        params["average"] = choice["average"]
    if cls is MiniBatchGDRegressor:
        params["batch_size"] = 7
    has_named_rate = params["learning_rate"] in ("constant", "invscaling", "adaptive")
    if has_named_rate:
        params["eta0"] = 0.002
    elif "eta0" in grid:
        del grid["eta0"]
        grid["alpha"] = [0.2, 0.4]
    last = cls(**params)
    steps = choice["steps"] if choice["container"] is not csr_matrix else ()
    if not steps:
        return last, grid
    estimator = make_pipeline(*steps, last)
    return estimator, {f"{estimator.steps[-1][0]}__{name}": v for name, v in grid.items()}


@pytest.mark.parametrize("seed", range(N_SEARCHES))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_search_equals_that_of_scikit_learn(seed):
    choice = draw(seed)
    estimator, grid = make_estimator(choice)
    X, y = table(40)
    X = choice["container"](X)
    if isinstance(X, pd.DataFrame):
        X = X.add_prefix("x")
    y = y if choice["n_outputs"] is None else np.column_stack([y, y**2])
    scoring = choice["scoring"]
    fit_params = {}
    if isinstance(choice["cv"], model_selection.GroupKFold):
        fit_params["groups"] = np.arange(40) // 5
    if choice["is_weighted"]:
        name = "sample_weight"
        if hasattr(estimator, "steps"):
            name = f"{estimator.steps[-1][0]}__{name}"
        fit_params[name] = np.arange(40) % 3.0
    options = {name: choice[name] for name in ("cv", "return_train_score", "n_jobs")}
    with numpy_only():
        assert_equal_searches(
            estimator,
            grid,
            X=X,
            y=y,
            fit_params=fit_params,
            scoring=scoring,
            refit="r2" if isinstance(scoring, list) else True,
            **options,
        )
