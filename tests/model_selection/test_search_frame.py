"""Searches in shared passes: every option of scikit-learn's searches, and what falls back."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_matrix
from scipy.stats import loguniform
from sklearn import model_selection
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer, max_error, mean_absolute_error
from sklearn.model_selection import GroupKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.model_selection import GridSearchCV, RandomizedSearchCV
from tests.model_selection.test_search import (
    ALPHAS,
    X,
    Y,
    assert_equal_results,
    assert_equal_searches,
    table,
)

GRID = {"alpha": ALPHAS}
RIDGE = BatchGDRegressor()


def pipeline(last=RIDGE):
    """Return a pipeline that ends in a regressor."""
    return make_pipeline(StandardScaler(), PolynomialFeatures(1), last)


# Options of the search


@pytest.mark.parametrize(
    "options",
    [
        {"scoring": "neg_mean_absolute_error", "return_train_score": True},
        {"scoring": ["r2", "neg_mean_squared_error"], "refit": "r2"},
        {
            "scoring": ["r2", "neg_median_absolute_error"],
            "refit": False,
            "return_train_score": True,
        },
        {"scoring": {"a": "r2", "b": make_scorer(mean_absolute_error)}, "refit": "a"},
        {"scoring": make_scorer(max_error, greater_is_better=False)},
        {"refit": lambda results: 2},
        {"refit": False},
        {"n_jobs": 2},
        {"cv": TimeSeriesSplit(3), "n_jobs": 2},
        {"cv": model_selection.ShuffleSplit(2, random_state=np.random.RandomState(3))},
    ],
)
@pytest.mark.parametrize("estimator", [RIDGE, pipeline()], ids=["regressor", "pipeline"])
def test_options_of_the_search(estimator, options):
    grid = GRID if estimator is RIDGE else {"batchgdregressor__alpha": ALPHAS}
    ours = GridSearchCV(estimator, grid, **clone_options(options)).fit(X, Y)
    theirs = model_selection.GridSearchCV(estimator, grid, **clone_options(options)).fit(X, Y)
    assert_equal_results(ours, theirs)
    assert set(ours.shared_) == {"moments"}
    assert type(getattr(ours, "best_estimator_", estimator)) is type(estimator)
    assert repr(ours.scorer_) == repr(theirs.scorer_)


def clone_options(options):
    """Return a copy of options, with generators in the same state."""
    return {name: clone(value, safe=False) for name, value in options.items()}


def test_splits_from_a_generator_and_by_groups():
    groups = np.arange(len(Y)) // 50
    assert_equal_searches(RIDGE, GRID, cv=GroupKFold(3), fit_params={"groups": groups})
    for cls in (GridSearchCV, model_selection.GridSearchCV):
        search = cls(RIDGE, GRID, cv=TimeSeriesSplit(3).split(X)).fit(X, Y)
        assert search.n_splits_ == 3


def test_routed_sample_weights_and_groups():
    weights, groups = np.arange(len(Y)) % 3.0, np.arange(len(Y)) // 50
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = BatchGDRegressor().set_fit_request(sample_weight=True, groups=False)
        scorer = make_scorer(mean_absolute_error).set_score_request(sample_weight="other_weight")
        fit_params = {"sample_weight": weights, "groups": groups, "other_weight": weights + 1}
        search = assert_equal_searches(
            estimator, GRID, cv=GroupKFold(3), scoring=scorer, fit_params=fit_params, refit=False
        )
    assert set(search.shared_) == {"moments"}


def test_randomized_search_draws_the_same_candidates():
    distributions = {"alpha": loguniform(1e-3, 1.0)}
    for seed in (0, np.random.RandomState(1)):
        options = {"n_iter": 4, "random_state": seed}
        ours = RandomizedSearchCV(RIDGE, distributions, **clone_options(options)).fit(X, Y)
        theirs = model_selection.RandomizedSearchCV(RIDGE, distributions, **options).fit(X, Y)
        assert_equal_results(ours, theirs)


def test_dataframes_lists_and_features():
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    search = assert_equal_searches(RIDGE, GRID, X=frame, y=pd.Series(Y), cv=2)
    assert search.feature_names_in_.tolist() == frame.columns.tolist()
    assert search.n_features_in_ == X.shape[1]
    assert_equal_searches(RIDGE, GRID, X=X.tolist(), y=Y.tolist(), cv=2)
    assert_equal_searches(pipeline().set_output(transform="pandas"), {}, X=frame, cv=2)
    assert set(search.shared_) == {"moments"}


def test_search_pickles_clones_and_shows_as_html():
    search = GridSearchCV(RIDGE, GRID, cv=2).fit(X, Y)
    restored = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(restored.predict(X), search.predict(X))
    assert not hasattr(clone(search), "shared_")
    assert "BatchGDRegressor" in search._repr_html_()
    assert search.estimator is RIDGE
    assert search.cv == 2


def test_nested_cross_validation():
    scores = model_selection.cross_val_score(GridSearchCV(RIDGE, GRID, cv=2), X, Y, cv=2)
    expected = model_selection.cross_val_score(
        model_selection.GridSearchCV(RIDGE, GRID, cv=2), X, Y, cv=2
    )
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-9)


def test_verbose_output_counts_the_shared_candidates(capsys):
    GridSearchCV(RIDGE, GRID, cv=2, verbose=1).fit(X, Y)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "Fitting 2 folds for each of 4 candidates, totalling 8 fits"
    assert printed[1] == "4 of 4 candidates were fitted in shared passes"


# Pipelines


class CountingScaler(StandardScaler):
    """Counts its fits."""

    n_fits = 0

    def fit(self, X, y=None, sample_weight=None):
        type(self).n_fits += 1
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    ("last", "grid", "shared"),
    [
        (RIDGE, {"alpha": [0.01, 0.1, 1.0]}, "moments"),
        (MiniBatchGDRegressor(max_iter=3, random_state=0), {"alpha": ALPHAS}, "transformers"),
        (SGDRegressor("huber", max_iter=3, random_state=0), {"eta0": [0.01, 0.02]}, "updates"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_transformers_are_fitted_once_for_each_fold_and_setting(last, grid, shared):
    Xs, y = table()
    last = clone(last).set_params(tol=None) if shared != "moments" else last
    estimator = make_pipeline(CountingScaler(), last)
    name = estimator.steps[-1][0]
    grid = {f"{name}__{key}": values for key, values in grid.items()}
    grid["countingscaler__with_std"] = [True, False]
    options = {"cv": 2, "return_train_score": True}
    search = assert_equal_searches(estimator, grid, X=Xs, y=y, **options)
    assert set(search.shared_) == {shared}
    CountingScaler.n_fits = 0
    GridSearchCV(estimator, grid, refit=False, **options).fit(Xs, y)
    assert CountingScaler.n_fits == 4  # two folds, two settings


def test_weights_of_the_steps_of_a_pipeline():
    weights = np.arange(len(Y)) % 3.0
    names = "standardscaler__sample_weight", "batchgdregressor__sample_weight"
    search = assert_equal_searches(
        pipeline(), {"batchgdregressor__alpha": ALPHAS}, fit_params=dict.fromkeys(names, weights)
    )
    assert set(search.shared_) == {"moments"}


def test_a_step_may_be_replaced():
    grid = {"batchgdregressor": [BatchGDRegressor(alpha=0.1), Ridge(), BatchGDRegressor("huber")]}
    search = assert_equal_searches(make_pipeline(StandardScaler(), BatchGDRegressor()), grid, cv=2)
    assert search.shared_.tolist() == ["moments", "", "transformers"]


# What falls back


@pytest.mark.parametrize(
    ("estimator", "grid", "options"),
    [
        (Ridge(), GRID, {}),
        (TransformedTargetRegressor(RIDGE), {"regressor__alpha": ALPHAS}, {}),
        (pipeline().set_params(memory="cache"), {"batchgdregressor__alpha": ALPHAS}, {}),
        (type("Own", (BatchGDRegressor,), {})(), GRID, {}),
        (RIDGE, GRID, {"scoring": lambda model, X, y: -np.abs(model.coef_).sum()}),
        (BatchGDRegressor("huber", max_iter=20), GRID, {}),
        (BatchGDRegressor(early_stopping=True, random_state=0), GRID, {}),
        (
            make_pipeline(GaussianRandomProjection(2, random_state=None), Ridge()),
            {"gaussianrandomprojection__random_state": [0, 1]},
            {},
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_ordinary_fits(estimator, grid, options, tmp_path):
    if getattr(estimator, "memory", None):
        estimator.set_params(memory=str(tmp_path))
    search = assert_equal_searches(estimator, grid, cv=2, **options)
    assert search.shared_.tolist() == [""] * len(search.cv_results_["params"])


def test_sparse_and_single_precision_rows_have_ordinary_fits():
    Xs, y = table()
    for rows in (csr_matrix(Xs), Xs.astype(np.float32)):
        search = assert_equal_searches(RIDGE, GRID, X=rows, y=y, cv=2)
        assert set(search.shared_) == {""}


def test_nonlinear_transformers_without_a_seed_are_fitted_for_each_candidate():
    estimator = make_pipeline(GaussianRandomProjection(3), BatchGDRegressor())
    search = GridSearchCV(estimator, {"batchgdregressor__alpha": ALPHAS}, cv=2).fit(X, Y)
    assert set(search.shared_) == {""}


# Errors


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ({"scoring": "no score"}, {}),
        ({"cv": "no splitter"}, {}),
        ({"n_jobs": "many"}, {}),
        ({"scoring": ["r2", "explained_variance"]}, {}),
        ({}, {"sample_weight": np.ones(3)}),
        ({"cv": 1}, {}),
    ],
)
def test_invalid_arguments_raise_the_errors_of_scikit_learn(options, params):
    with pytest.raises((ValueError, TypeError)) as expected:
        model_selection.GridSearchCV(RIDGE, GRID, error_score="raise", **options).fit(
            X, Y, **params
        )
    with pytest.raises(type(expected.value)) as raised:
        GridSearchCV(RIDGE, GRID, error_score="raise", **options).fit(X, Y, **params)
    assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("grid", [{"no": [1]}, {"alpha": [-1.0]}, {"loss": ["no loss"]}])
def test_invalid_candidates(grid):
    for cls in (model_selection.GridSearchCV, GridSearchCV):
        with pytest.raises(ValueError, match=r"no|alpha"):
            cls(RIDGE, grid, error_score="raise").fit(X, Y)


def test_an_invalid_candidate_gets_the_error_score():
    with pytest.warns((FitFailedWarning, UserWarning)):
        search = assert_equal_searches(RIDGE, {"alpha": [0.1, -1.0]}, cv=2)
    assert search.shared_.tolist() == ["moments", ""]


def test_missing_values_fail_in_their_folds_only():
    rows = X.copy()
    rows[0, 0] = np.nan
    options = {"cv": model_selection.KFold(2), "refit": False, "error_score": -7.0}
    with pytest.warns((FitFailedWarning, UserWarning)):
        search = assert_equal_searches(RIDGE, GRID, X=rows, **options)
    assert set(search.shared_) == {""}


def test_a_failing_transformer_raises_in_each_candidate():
    def fail(X):
        raise ArithmeticError("failed on purpose")

    estimator = make_pipeline(FunctionTransformer(fail), BatchGDRegressor())
    grid = {"batchgdregressor__alpha": [0.0, 1.0]}
    for cls in (model_selection.GridSearchCV, GridSearchCV):
        with pytest.raises(ArithmeticError, match="on purpose"):
            cls(estimator, grid, error_score="raise").fit(X, Y)


def test_convergence_warnings_are_issued():
    estimator = BatchGDRegressor(optimizer="cg", max_iter=2)
    with pytest.warns(UserWarning, match="BatchGDRegressor did not converge in max_iter=2") as ours:
        GridSearchCV(estimator, GRID, cv=2).fit(X, Y)
    with pytest.warns(UserWarning, match="did not converge") as theirs:
        model_selection.GridSearchCV(estimator, GRID, cv=2).fit(X, Y)
    assert len(ours) == len(theirs)
