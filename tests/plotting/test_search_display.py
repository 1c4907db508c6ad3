"""The display of searches: its data, scales and labels, and its error messages."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn import model_selection
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import BatchGDRegressor, SearchDisplay, penalties
from skgd.model_selection import GridSearchCV
from tests.model_selection.test_search import X, Y

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

ALPHAS = np.logspace(-2, 1, 4)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def plot(search, X=X, y=Y, **options):
    """Fit a search, plot and render it, and return the display."""
    display = SearchDisplay.from_estimator(search.fit(X, y), **options)
    display.figure_.canvas.draw()
    return display


def grid_search(grid, estimator=None, cls=model_selection.GridSearchCV, **options):
    """Return an unfitted search with two folds."""
    return cls(estimator or Ridge(), grid, cv=2, **options)


def test_scores_by_one_parameter():
    search = grid_search({"alpha": ALPHAS[::-1]}, return_train_score=True)
    display = plot(search)
    results = search.cv_results_
    assert_array_equal(display.line_.get_xdata(), ALPHAS)
    assert_array_equal(display.line_.get_ydata(), results["mean_test_score"][::-1])
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "alpha"
    assert display.best_.get_xdata() == [search.best_params_["alpha"]]
    assert display.best_.get_ydata() == [search.best_score_]
    _, train_line, _ = display.ax_.lines
    assert_array_equal(train_line.get_ydata(), results["mean_train_score"][::-1])
    band = display.ax_.collections[0].get_paths()[0].vertices
    low = results["mean_test_score"] - results["std_test_score"]
    assert low.min() == band[:, 1].min()


def test_heat_map_over_two_parameters():
    grid = {"alpha": ALPHAS, "fit_intercept": [True, False], "solver": ["cholesky", "svd", "lsqr"]}
    search = grid_search(grid)
    display = plot(search, params=["alpha", "solver"])
    intercept = search.best_params_["fit_intercept"]
    results = search.cv_results_
    table = display.mesh_.get_array().reshape(3, 4)
    for mean, params in zip(results["mean_test_score"], results["params"], strict=True):
        row = ["cholesky", "svd", "lsqr"].index(params["solver"])
        if params["fit_intercept"] == intercept:
            assert table[row, np.argmax(params["alpha"] == ALPHAS)] == mean
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["cholesky", "svd", "lsqr"]
    assert display.best_.get_xdata() == [search.best_params_["alpha"]]
    assert display.best_.get_ydata() == [labels.index(search.best_params_["solver"])]
    edges = display.mesh_.get_coordinates()[0, :, 0]
    assert_allclose(edges, 10 ** np.arange(-2.5, 2, 1))


def test_zero_on_a_wide_range_has_a_place_of_its_own():
    display = plot(grid_search({"alpha": [0.0, 0.01, 1.0, 10.0]}))
    assert display.ax_.get_xscale() == "linear"
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == ["0", "0.01", "1", "10"]


def test_candidates_of_a_randomised_search_are_points():
    distributions = {"alpha": loguniform(1e-3, 1e3), "tol": loguniform(1e-6, 1e-2)}
    search = model_selection.RandomizedSearchCV(Ridge(), distributions, n_iter=6, random_state=0)
    display = plot(search)
    results = search.cv_results_
    points = np.column_stack([results[f"param_{name}"] for name in distributions]).astype(float)
    assert_array_equal(display.mesh_.get_offsets(), points)
    assert_array_equal(display.mesh_.get_array(), results["mean_test_score"])
    line = plot(search, params="alpha").line_
    assert_array_equal(line.get_xdata(), np.sort(points[:, 0]))
    assert line.get_linestyle() == "None"


def test_last_iteration_of_a_search_by_successive_halving():
    search = model_selection.HalvingGridSearchCV(
        BatchGDRegressor(optimizer="gd", tol=None),
        {"learning_rate": [0.01, 0.1, 0.2, 0.4]},
        resource="max_iter",
        max_resources=8,
        factor=2,
    )
    display = plot(search)
    assert sorted(display.values["learning_rate"]) == [0.01, 0.1, 0.2, 0.4]
    assert display.best_.get_ydata() == [search.best_score_]


def test_scores_of_several_metrics():
    scoring = ["r2", "neg_mean_absolute_error"]
    search = grid_search({"alpha": ALPHAS}, scoring=scoring, refit="neg_mean_absolute_error")
    display = plot(search)
    assert display.ax_.get_ylabel() == "neg_mean_absolute_error"
    assert display.best_.get_xdata() == [search.best_params_["alpha"]]
    display = plot(search, metric="r2")
    scores = search.cv_results_["mean_test_r2"]
    assert display.best_.get_ydata() == [scores.max()]
    with pytest.raises(ValueError, match=r"metric='r3' is no score .* r2, neg_mean_absolute_error"):
        plot(search, metric="r3")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_failed_and_diverged_fits_leave_the_colours_of_the_others():
    search = grid_search({"alpha": [*ALPHAS, -1.0], "solver": ["svd", "lsqr"]}, error_score=-1e9)
    display = plot(search)
    low, high = display.mesh_.get_clim()
    assert high == search.best_score_
    assert -1 < low < high
    search.set_params(error_score=np.nan)
    assert plot(search).mesh_.get_clim()[1] == high


def test_invalid_searches_and_parameters():
    with pytest.raises(NotFittedError):
        SearchDisplay.from_estimator(grid_search({}))
    search = grid_search({"alpha": ALPHAS})
    for params in ("beta", ["alpha", "beta"], []):
        with pytest.raises(ValueError, match=r"params=.* parameters of the search: alpha"):
            plot(search, params=params)


@pytest.mark.parametrize(
    "params",
    [{}, {"alpha": 0.3}, {"alpha": 5.0, "standardize": False}, {"fit_intercept": False}],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_scores_by_rate_and_epochs_equal_those_of_a_grid_search(params):
    model = BatchGDRegressor(**params)
    pipeline = make_pipeline(StandardScaler(), model)
    rates = [1e-3, 0.03, 0.3]  # 0.3 exceeds 1 / alpha in one case
    display = SearchDisplay.from_rates(pipeline, X, Y, rates=rates, max_iter=9, cv=2)
    assert display.values["epochs"] == 3 * list(range(1, 10))
    fitted = make_pipeline(StandardScaler(), BatchGDRegressor(**params, optimizer="gd", tol=None))
    names = "batchgdregressor__learning_rate", "batchgdregressor__max_iter"
    grid = dict(zip(names, (rates, range(1, 10)), strict=True))
    expected = grid_search(grid, fitted, cls=GridSearchCV, refit=False).fit(X, Y).cv_results_
    assert_allclose(display.scores, expected["mean_test_score"], rtol=1e-9, atol=1e-9)
    assert_allclose(display.spread, expected["std_test_score"], rtol=1e-7, atol=1e-9)


def test_default_rates_end_where_the_descent_becomes_unstable():
    display = SearchDisplay.from_rates(BatchGDRegressor(), X, Y, max_iter=5)
    largest = max(display.values["learning rate"])
    edge, beyond = (
        SearchDisplay.from_rates(
            BatchGDRegressor(), X, Y, rates=[factor * largest], max_iter=100_000
        ).scores[-1]
        for factor in (0.99, 1.01)
    )
    assert edge > 0.4
    assert not beyond > -1e9


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (Ridge(), TypeError, "should be a BatchGDRegressor"),
        (BatchGDRegressor("huber"), ValueError, "closed form"),
        (BatchGDRegressor(penalty="l1", alpha=0.1), ValueError, "closed form"),
        (BatchGDRegressor(penalty=penalties.Bounds(0)), ValueError, "closed form"),
        (BatchGDRegressor(optimizer="momentum"), ValueError, "optimizer"),
    ],
)
def test_descents_without_a_closed_form(estimator, error, message):
    with pytest.raises(error, match=message):
        SearchDisplay.from_rates(estimator, X, Y)


@pytest.mark.parametrize("rates", [[0.0], [[0.1]], [-1.0]])
def test_invalid_rates(rates):
    with pytest.raises(ValueError, match="rates"):
        SearchDisplay.from_rates(BatchGDRegressor(), X, Y, rates=rates)
    with pytest.raises(ValueError, match="single target"):
        SearchDisplay.from_rates(BatchGDRegressor(), X, np.column_stack([Y, Y]))
