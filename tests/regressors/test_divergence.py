"""Divergence: the public error, ``on_divergence="warn"``, and fits that end above their start."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV

import skgd.model_selection
from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    MiniBatchGDRegressor,
    SGDRegressor,
    exceptions,
)
from skgd.exceptions import DivergenceError

# Compiled loops run the same descent; tests/solvers/compiled compares a divergence there.
pytestmark = pytest.mark.usefixtures("on_numpy")

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2)) * [1.0, 2.0]
    return X, X @ [1.0, -0.5] + 0.1 * rng.normal(size=60) + 1


def fit_quietly(model, *args, method="fit", **kwargs):
    """Return a model fitted with ``on_divergence="warn"``, which has to warn once."""
    with pytest.warns(
        ConvergenceWarning, match=r"diverged at epoch .*learning_rate='auto'"
    ) as seen:
        getattr(model, method)(*args, **kwargs)
    assert len(seen) == 1
    return model


# The error


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_divergence_raises_a_public_error(Regressor, data):
    with pytest.raises(DivergenceError, match="Descent diverged") as raised:
        Regressor(learning_rate=3.0, record="path", max_iter=50).fit(*data)
    error = raised.value
    assert isinstance(error, ValueError)
    assert error.learning_rate == 3.0
    assert 0 < error.largest_stable_rate < 3.0
    assert f"about {error.largest_stable_rate:.4g}" in str(error)
    assert f"at epoch {error.epoch} " in str(error)
    objective = error.history["objective"]
    assert len(objective) in (error.epoch, error.epoch + 1)  # the last if it is finite
    assert not np.isfinite(objective[-1]) or objective[-1] > objective[0]
    assert np.isfinite(error.path["coef_0"]).all()
    assert np.abs(error.path["coef_0"][-1]) > np.abs(error.path["coef_0"][0])


def test_the_error_survives_pickling(data):
    with pytest.raises(DivergenceError) as raised:
        BatchGDRegressor(learning_rate=3.0, record="path").fit(*data)
    error = raised.value
    twin = pickle.loads(pickle.dumps(error))
    assert type(twin) is DivergenceError
    assert str(twin) == str(error)
    for name in ("epoch", "learning_rate", "largest_stable_rate"):
        assert getattr(twin, name) == getattr(error, name)
    assert_array_equal(twin.history["objective"], error.history["objective"])
    assert_array_equal(twin.path["coef_1"], error.path["coef_1"])


def test_the_largest_stable_rate_is_none_where_it_is_unknown(data):
    with pytest.raises(DivergenceError) as raised:
        BatchGDRegressor(learning_rate=1e9, optimizer="adam", record=None).fit(*data)
    assert raised.value.largest_stable_rate is None
    assert (raised.value.history, raised.value.path) == ({}, None)


def test_an_overflow_under_a_schedule_of_scikit_learn_is_a_divergence(data):
    X, y = data
    with pytest.raises(DivergenceError, match="overflow occurred at epoch #1") as raised:
        SGDRegressor(learning_rate="constant", eta0=1e300).fit(X, y)
    assert (raised.value.epoch, raised.value.learning_rate) == (1, 1e300)


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_the_error_of_a_batch_has_the_attributes(Regressor, data):
    X, y = data
    model = Regressor(learning_rate=1e3, max_iter=9)
    with pytest.raises(DivergenceError, match=r"^Chunk \d+ of the data: .*diverged") as raised:
        model.fit_batches([(X[:30], y[:30]), (X[30:], y[30:])])
    assert raised.value.learning_rate == 1e3
    assert raised.value.largest_stable_rate < 1e3


def test_the_module_is_part_of_the_package():
    assert skgd.exceptions is exceptions
    assert exceptions.__all__ == ["DivergenceError"]


# on_divergence="warn"


CASES = {
    "array": {},
    "sparse": {"convert": csr_matrix},
    "path": {"record": "path"},
    "nothing recorded": {"record": None},
    "overflow": {"learning_rate": 1e200},
    "average": {"average": True},
    "early stopping": {"early_stopping": True, "random_state": 0},
    "plain": {"standardize": False},
}


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("n_outputs", [None, 2])
@pytest.mark.parametrize("case", CASES)
def test_a_warning_keeps_the_last_good_model(case, n_outputs, Regressor, data):
    X, y = data
    y = y if n_outputs is None else np.column_stack([y, -y])
    params = {"learning_rate": 3.0, "max_iter": 50, "on_divergence": "warn"} | CASES[case]
    convert = params.pop("convert", np.asarray)
    if "average" in params and Regressor is BatchGDRegressor:
        return
    model = fit_quietly(Regressor(**params), convert(X), y)
    assert (model.converged_, model.stop_reason_) == (False, "diverged")
    assert 1 <= model.n_iter_ < 50
    error = np.mean((model.predict(X) - y) ** 2)
    assert error <= 1.001 * np.mean(y**2)
    assert np.isfinite(model.coef_).all()


def test_the_model_that_is_kept_is_that_of_the_last_epoch_below_the_start(data):
    # The rate is stable for four updates, and far too large then.
    params = {"learning_rate": lambda t: np.where(t < 5, 0.1, 50.0), "tol": None}
    good = BatchGDRegressor(**params, max_iter=4).fit(*data)
    model = fit_quietly(BatchGDRegressor(**params, on_divergence="warn"), *data)
    assert_array_equal(model.coef_, good.coef_)
    assert model.t_ == good.t_ == 5
    assert model.history_["objective"][-1] > 1000 * model.history_["objective"][0]


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_stream_keeps_the_model_of_the_call_before(Regressor, data):
    X, y = data
    model = Regressor(learning_rate=0.01, on_divergence="warn", random_state=0).partial_fit(X, y)
    before = clone(model).set_params(learning_rate=0.01).partial_fit(X, y).coef_
    model.set_params(learning_rate=1e5)
    for _ in range(2):
        fit_quietly(model, X, y, method="partial_fit")
        assert_allclose(model.coef_, before, rtol=1e-12)
        assert (model.converged_, model.stop_reason_) == (False, "diverged")
    model.set_params(learning_rate=0.01).partial_fit(X, y)
    assert model.stop_reason_ == "max_iter"


def test_a_stream_learns_a_batch_on_another_level():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2))
    y = X @ [1.0, 2.0]
    model = SGDRegressor(learning_rate=0.05, on_divergence="warn").partial_fit(X, y)
    model.partial_fit(X, y + 1000)
    assert model.stop_reason_ == "max_iter"
    assert 900 < model.intercept_[0] < 1100


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_batches_end_at_a_divergence(Regressor, data):
    X, y = data
    batches = [(X[:30], y[:30]), (X[30:], y[30:])]
    model = Regressor(learning_rate=1e3, max_iter=9, on_divergence="warn")
    fit_quietly(model, batches, method="fit_batches")
    assert (model.converged_, model.stop_reason_, model.n_iter_) == (False, "diverged", 1)
    assert np.isfinite(model.coef_).all()
    assert not hasattr(model, "_batches_progress")


@pytest.mark.parametrize("schedule", ["constant", "invscaling"])
def test_warn_replaces_the_error_of_an_overflow(schedule, data):
    model = SGDRegressor(learning_rate=schedule, eta0=1e300, on_divergence="warn")
    assert np.isfinite(fit_quietly(model, *data).coef_).all()


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_fits_that_do_not_diverge_do_not_depend_on_the_parameter(Regressor, data):
    fits = [
        Regressor(learning_rate=0.02, on_divergence=reaction, max_iter=2000, random_state=0).fit(
            *data
        )
        for reaction in ("raise", "warn")
    ]
    assert fits[0].stop_reason_ == fits[1].stop_reason_ != "diverged"
    assert_array_equal(fits[0].coef_, fits[1].coef_)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_other_reactions_are_rejected(Regressor, data):
    with pytest.raises(ValueError, match=r"'on_divergence' parameter .* 'raise'"):
        Regressor(on_divergence="ignore").fit(*data)


# Searches


@pytest.mark.parametrize("reaction", ["raise", "warn"])
@pytest.mark.parametrize(
    "Search", [GridSearchCV, skgd.model_selection.GridSearchCV, HalvingRandomSearchCV]
)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_searches_run_to_their_end(Regressor, Search, reaction, data):
    rates = {"learning_rate": [0.001, 0.05, 1e4]}
    params = {"random_state": 0} if Search is HalvingRandomSearchCV else {}
    if params:
        params |= {"n_candidates": 3, "min_resources": 30}
    search = Search(Regressor(on_divergence=reaction, max_iter=20), rates, cv=3, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.simplefilter("ignore", UserWarning)  # some scores are NaN
        search.fit(*data)
    results = search.cv_results_
    is_far = np.array(results["param_learning_rate"] == 1e4)
    assert search.best_params_["learning_rate"] == 0.05
    assert np.isnan(results["mean_test_score"][is_far]).all() == (reaction == "raise")


# Pictures


@pytest.mark.parametrize("Regressor", [BatchGDRegressor, SGDRegressor])
def test_three_rates_are_drawn_in_one_call(Regressor, data):
    pytest.importorskip("matplotlib")
    X, y = data
    rates = {"slow": 0.002, "good": 0.05, "diverging": 3.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        models = {
            name: Regressor(
                learning_rate=rate, record="path", on_divergence="warn", max_iter=15, tol=None
            ).fit(X, y)
            for name, rate in rates.items()
        }
    assert models["diverging"].stop_reason_ == "diverged"
    display = ConvergenceDisplay.from_estimator(models)
    assert (
        display.lines_["objective"][2].get_ydata()[-1]
        > display.lines_["objective"][2].get_ydata()[0]
    )
    path = DescentPathDisplay.from_estimator(models, X, y)
    good = path.lines_[1].get_xdata()
    width = path.xlim[1] - path.xlim[0]
    assert np.ptp(path.lines_[2].get_xdata()) > width  # it leaves the picture
    assert np.ptp(good) > width / 20  # and the others can be seen


# A fit that ends above its start has not converged


@pytest.fixture(scope="module")
def steep():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    return X, X @ rng.normal(size=5) + 0.3 * rng.normal(size=200)


def outcomes(Regressor, loss, optimizer, data):
    """Yield stop reason, final objective and objective of the start at increasing rates."""
    for rate in (0.1, 1.0, 3.0, 10.0, 30.0):
        model = Regressor(
            loss=loss, learning_rate=rate, optimizer=optimizer, alpha=0, random_state=0,
            max_iter=60, record="objective", on_divergence="warn",
        )  # fmt: skip
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            model.fit(*data)
        yield model, [str(warning.message) for warning in seen]


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam"])
@pytest.mark.parametrize("loss", ["huber", "log_cosh"])
@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_no_fit_converges_above_its_start(Regressor, loss, optimizer, steep):
    for model, messages in outcomes(Regressor, loss, optimizer, steep):
        objective = model.history_["objective"]
        assert model.converged_ is (not messages)
        if model.converged_:
            assert objective[-1] < objective[0]
        if model.stop_reason_ == "stalled":
            assert "above that of the best constant model" in messages[0]
            assert "learning_rate='auto'" in messages[0]


def test_a_fit_that_ends_too_early_is_told_so(steep):
    X, y = steep
    model = SGDRegressor(learning_rate=1e-5, tol=1e-2, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"a larger rate, or a smaller tol\.$"):
        model.fit(X, y + 10)
    assert (model.converged_, model.stop_reason_) == (False, "stalled")


def converged_without_warning(model, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.fit(*args, **kwargs).converged_


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
@pytest.mark.parametrize(
    "case",
    ["noise", "constant", "weights", "offset", "warm start", "bounds", "average", "no intercept"],
)
def test_no_false_alarm(case, Regressor, steep):
    X, y = steep
    model = Regressor(learning_rate=0.01, random_state=0, tol=1e-3)
    kwargs = {}
    if case == "noise":
        y = np.random.default_rng(1).normal(size=len(y))
    elif case == "constant":
        y = np.full(len(y), 5.0)
    elif case == "weights":
        kwargs["sample_weight"] = 10 ** np.random.default_rng(1).uniform(-3, 0, size=len(y))
    elif case == "offset":
        kwargs["offset"] = 100 * X[:, 0]
        y = y + kwargs["offset"]
    elif case == "warm start":
        model.set_params(warm_start=True).fit(X, y)
    elif case == "bounds":
        model.set_params(penalty=skgd.penalties.Bounds(lower=5.0))
    elif case == "average":
        model.set_params(average=True)
    else:
        model.set_params(fit_intercept=False)
    assert converged_without_warning(model, X, y, **kwargs)
