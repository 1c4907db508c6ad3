"""Searches in shared passes: their results equal those of scikit-learn's classes."""

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.model_selection import GridSearchCV
from tests.helpers.executors import numpy_only

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
            np.testing.assert_allclose(results[name], column, rtol=1e-9, atol=1e-9)
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


SPLITTERS = [
    3,
    model_selection.KFold(4, shuffle=True, random_state=0),
    model_selection.TimeSeriesSplit(4),
    model_selection.ShuffleSplit(3, random_state=0),
    model_selection.RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
    [(np.arange(300), np.arange(300, 442)), (np.arange(100, 442), np.arange(100))],
    [(np.arange(442) % 300, np.arange(300, 442)), (np.arange(442) > 99, np.arange(442) < 100)],
]


@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_l2_penalties_by_fold_moments(cv, weighted):
    fit_params = {"sample_weight": np.arange(len(Y)) % 4.0} if weighted else {}
    search = assert_equal_searches(
        BatchGDRegressor(), {"alpha": ALPHAS}, cv=cv, fit_params=fit_params
    )
    assert set(search.shared_) == {"moments"}


@pytest.mark.parametrize(
    ("params", "grid"),
    [
        ({"penalty": "l1"}, {"alpha": [0.1, 1.0]}),
        ({"penalty": "elasticnet"}, {"alpha": [0.1, 1.0], "l1_ratio": [0.0, 0.5, 1.0]}),
        ({"optimizer": "cg", "tol": 1e-3}, {"alpha": [0.1, 1.0]}),
        ({"optimizer": "gd", "max_iter": 50, "tol": None}, {"learning_rate": [0.01, 0.1]}),
        ({"optimizer": "momentum", "max_iter": 50, "tol": None}, {"learning_rate": [0.01, 0.1]}),
        ({"learning_rate": "line_search"}, {"alpha": ALPHAS}),
        ({"max_iter": 3}, {"alpha": ALPHAS}),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:BatchGDRegressor did not converge")
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_full_batches_of_squared_error_by_fold_moments(params, grid, n_outputs):
    y = Y if n_outputs is None else np.column_stack([Y, X[:, 2] * Y])
    search = assert_equal_searches(BatchGDRegressor(**params), grid, y=y, cv=3)
    assert set(search.shared_) == {"moments"}


def test_default_scores_of_test_and_training_rows_need_no_predictions(monkeypatch):
    monkeypatch.setattr("skgd.model_selection._shared_fits.predict_together", None)
    search = GridSearchCV(BatchGDRegressor(), {"alpha": ALPHAS}, return_train_score=True)
    monkeypatch.setattr(BatchGDRegressor, "fit", lambda self, X, y: self)  # the best candidate
    assert np.isfinite(search.fit(X, Y).cv_results_["mean_train_score"]).all()


def test_scores_whose_digits_cancel_in_second_moments():
    y = X @ np.arange(10.0) * (1 + 1e-9)
    search = assert_equal_searches(BatchGDRegressor(), {"alpha": [0.0, 1e-12, 1e-3]}, y=y)
    assert set(search.shared_) == {"moments"}


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_features_of_different_scales(penalty):
    scaled = X * np.geomspace(1e-4, 1e4, X.shape[1])
    grid = {"alpha": np.geomspace(1e-8, 10, 7)}
    search = assert_equal_searches(BatchGDRegressor(penalty=penalty), grid, X=scaled)
    assert set(search.shared_) == {"moments"}


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_nearly_collinear_features(penalty):
    noise = np.random.default_rng(0).normal(size=(len(X), 1))
    collinear = np.hstack([X, X[:, :1] + 0.1 * noise])  # condition number 1e5
    grid = {"alpha": [0.0, *np.geomspace(1e-12, 1, 7)]}
    search = assert_equal_searches(BatchGDRegressor(penalty=penalty), grid, X=collinear)
    assert set(search.shared_) == {"moments"}


@pytest.fixture
def without_numba():
    """Run on NumPy, also where Numba is installed."""
    with numpy_only():
        yield


@pytest.mark.parametrize("standardize", [False, True])
def test_fold_moments_without_an_intercept(standardize):
    estimator = BatchGDRegressor(fit_intercept=False, standardize=standardize)
    search = assert_equal_searches(estimator, {"alpha": ALPHAS}, X=table()[0], y=table()[1], cv=2)
    assert set(search.shared_) == {"moments"}


@pytest.mark.parametrize(
    "params", [{"optimizer": "adam", "max_iter": 9}, {"optimizer": "cg", "standardize": False}]
)
@pytest.mark.filterwarnings("ignore:BatchGDRegressor did not converge")
def test_fits_that_depend_on_rounding_are_ordinary_ones(params):
    search = assert_equal_searches(BatchGDRegressor(**params), {"alpha": [0.0, 0.01]}, cv=2)
    assert set(search.shared_) == {""}


def table(n_rows=70):
    """Return standardised features and targets of some rows."""
    rows = np.random.default_rng(0).permutation(len(X))[:n_rows]
    return StandardScaler().fit_transform(X[rows]), Y[rows] / Y.std()


LOSSES = [
    "absolute_error",
    "epsilon_insensitive",
    "gamma",
    "huber",
    "log_cosh",
    "poisson",
    "quantile",
    "squared_epsilon_insensitive",
    "squared_error",
]
OPTIMIZERS = [
    *("adabelief", "adagrad", "adam", "amsgrad", "gd", "lion", "momentum", "nesterov", "rmsprop")
]


def assert_shared_updates(estimator, grid, **options):
    """Compare a search of short fits on few rows, whose updates are shared, with scikit-learn's."""
    Xs, y = table()
    estimator.set_params(tol=options.pop("tol", None), random_state=0)
    options = {"cv": 2, "y": y} | options
    search = assert_equal_searches(estimator, grid, X=Xs, **options)
    assert set(search.shared_) == {"updates"}
    return search


RATES = {"eta0": [0.001, 0.003]}


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch_size", [4, 7])
def test_updates_of_every_loss(loss, batch_size):
    params = {"learning_rate": "invscaling", "max_iter": 4, "batch_size": batch_size}
    assert_shared_updates(MiniBatchGDRegressor(loss, **params), RATES | {"alpha": [0.0, 0.1]})


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet", None])
def test_updates_of_every_optimizer_and_penalty(optimizer, penalty):
    params = {"optimizer": optimizer, "penalty": penalty, "max_iter": 4, "standardize": False}
    estimator = MiniBatchGDRegressor(learning_rate="constant", batch_size=16, **params)
    assert_shared_updates(estimator, RATES | {"alpha": [0.0, 0.1]})


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize(
    "learning_rate",
    [
        *("constant", "invscaling", "adaptive", "time_decay", "step", "exponential", "polynomial"),
        *("cosine", "one_cycle", "optimal"),
    ],
)
@pytest.mark.parametrize("average", [False, True, 20])
def test_updates_of_every_schedule(learning_rate, average):
    params = {"average": average, "max_iter": 5, "learning_rate": learning_rate, "batch_size": 9}
    grid = {"alpha": [0.05, 0.1], "optimizer": ["gd"]}
    if learning_rate in ("constant", "invscaling", "adaptive"):
        grid |= RATES
    assert_shared_updates(MiniBatchGDRegressor("huber", **params), grid)


@pytest.mark.usefixtures("without_numba")
@pytest.mark.filterwarnings("ignore:SGDRegressor did not converge")
def test_updates_of_single_rows_stop_at_their_own_epochs():
    grid = {"eta0": [1e-4, 1e-3, 1e-2], "max_iter": [3, 30], "tol": [None, 1e-3, 1e-2]}
    estimator = SGDRegressor("huber", learning_rate="adaptive")
    Xs, y = table()
    search = assert_equal_searches(estimator.set_params(random_state=0), grid, X=Xs, y=y, cv=2)
    assert set(search.shared_) == {"updates"}


@pytest.mark.usefixtures("without_numba")
@pytest.mark.parametrize(
    "params",
    [
        {"shuffle": False},
        {"fit_intercept": False},
        {"standardize": False},
        {"optimizer": "adam", "learning_rate": "auto"},
        {"penalty": "l1"},
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [None, 2])
def test_updates_with_other_parameters(params, weighted, n_outputs):
    params = {"learning_rate": "constant", "eta0": 0.002, "max_iter": 4, "batch_size": 8} | params
    if params["learning_rate"] == "auto":
        del params["eta0"]
    fit_params = {"sample_weight": np.arange(70) % 3.0} if weighted else {}
    y = table()[1]
    y = y if n_outputs is None else np.column_stack([y, y**2])
    grid = {"alpha": [0.0, 0.05, 0.5]}
    assert_shared_updates(MiniBatchGDRegressor(**params), grid, y=y, fit_params=fit_params)


@pytest.mark.usefixtures("without_numba")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_diverging_candidate_gets_the_error_score_and_disturbs_no_other():
    Xs, y = table()
    params = {"learning_rate": "constant", "random_state": 0, "max_iter": 20, "tol": None}
    params["batch_size"] = 8
    estimator, grid = MiniBatchGDRegressor(**params), {"eta0": [1e-3, 1e3, 1e-2]}
    search = assert_equal_searches(estimator, grid, X=Xs, y=y, cv=2)
    assert search.shared_.tolist() == ["updates", "", "updates"]
