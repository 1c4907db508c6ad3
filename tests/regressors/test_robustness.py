"""Data and rates that once led a fit astray without a word."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd._utils import numba_support
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS, Momentum
from skgd.solvers.descent import _Descent
from skgd.solvers.lookahead import Lookahead
from skgd.solvers.recorder import Recorder

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]


@pytest.fixture(scope="module")
def linear():
    """Rows of four features and a nearly linear target."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    return X, X @ [1.0, -2.0, 3.0, 0.5] + 2 + 0.1 * rng.normal(size=60)


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("value", [1e8, 1e10, 1.7e9 + 0.123, 1.7e18])
def test_a_large_constant_column_changes_nothing(value, loss, linear):
    X, y = linear
    plain = BatchGDRegressor(loss).fit(X, y)
    with_column = BatchGDRegressor(loss).fit(np.column_stack([X, np.full(60, value)]), y)
    assert_allclose(with_column.coef_, [*plain.coef_, 0], rtol=1e-6)
    assert with_column.converged_


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_an_automatic_batch_learns_from_a_stream(rows):
    rng = np.random.default_rng(1)
    model = BatchGDRegressor()
    for _ in range(300):
        X = rng.normal(size=(rows, 4))
        model.partial_fit(X, X @ [1.0, -2.0, 3.0, 0.5] + 2)
    assert_allclose(model.coef_, [1, -2, 3, 0.5], rtol=1e-3)


@pytest.mark.parametrize("rate", [1.8, 2.05])
def test_a_divergence_too_slow_to_explode_is_no_convergence(rate, linear):
    with pytest.raises(ValueError, match="Descent diverged"):
        MiniBatchGDRegressor(learning_rate=rate, batch_size=60, random_state=0).fit(*linear)


def test_a_stall_far_above_the_start_warns_under_scikit_learns_schedules(linear):
    X, y = linear
    model = SGDRegressor(learning_rate="constant", eta0=0.45, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert not model.converged_


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_divergence_over_many_calls_is_noticed(Regressor, linear):
    model = Regressor(learning_rate=2.5, standardize=True)
    if Regressor is MiniBatchGDRegressor:
        model.set_params(batch_size=60)

    def stream():
        for _ in range(60):
            model.partial_fit(*linear)

    with pytest.raises(ValueError, match="Descent diverged"):
        stream()


def test_an_explosion_in_the_last_epoch_is_noticed(linear):
    model = BatchGDRegressor(learning_rate=1e6, optimizer="gd", max_iter=1, tol=None)
    with pytest.raises(ValueError, match="Descent diverged at epoch 1"):
        model.fit(*linear)


@pytest.mark.parametrize("loss", ["huber", "log_cosh", "absolute_error"])
@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_losses_of_bounded_slope_arrive_however_far_y_is(loss, unit, linear):
    X, y = linear
    model = MiniBatchGDRegressor(loss, random_state=0).fit(X, unit * y)
    assert model.score(X, unit * y) > 0.998


@pytest.mark.parametrize("rate", ["auto", 0.05])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_targets_of_any_size_are_learned(Regressor, rate, linear):
    X, y = linear
    params = {} if Regressor is BatchGDRegressor else {"random_state": 0}
    for unit in (1e15, 1e100):
        model = Regressor(learning_rate=rate, standardize=True, **params).fit(X, unit * y)
        assert model.score(X, unit * y) > 0.99


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_one_epoch_of_a_stream_is_no_convergence(Regressor, linear):
    X, y = linear
    model = Regressor(learning_rate=0.001)
    for row, target in zip(X, y, strict=True):
        model.partial_fit(row[None], [target])
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_targets_too_large_for_the_precision_are_refused(Regressor, linear):
    X, y = linear
    with pytest.raises(ValueError, match="y has values that are too large for the float32 of X"):
        Regressor().fit(X.astype(np.float32), 1e50 * y)
    with pytest.raises(ValueError, match="The objective is not finite at the start"):
        Regressor().fit(X, 1e200 * y)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_weights_of_zero_in_the_first_call_leave_the_estimator_unfitted(Regressor, linear):
    model = Regressor()
    with pytest.warns(UserWarning, match="nothing was learned"):
        model.partial_fit(*linear, sample_weight=np.zeros(60))
    assert vars(model) == vars(Regressor())


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_an_interrupt_before_the_first_epoch_keeps_the_fitted_model(Regressor, linear, monkeypatch):
    model = Regressor(learning_rate=0.01, max_iter=3, tol=None, standardize=True).fit(*linear)
    coef = model.coef_.copy()

    def interrupted(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_Descent, "advance", interrupted)
    monkeypatch.setattr(Lookahead, "count_epochs", interrupted)
    with pytest.raises(KeyboardInterrupt, match="left the model as it was"):
        model.fit(*linear)
    assert_allclose(model.coef_, coef, rtol=0)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_an_interrupt_after_the_updates_takes_them_back(Regressor, linear, monkeypatch):
    X, y = linear
    params = {"learning_rate": 0.01, "tol": None, "standardize": True, "record": "objective"}
    if Regressor is not BatchGDRegressor:
        params["random_state"] = 0
    whole = Regressor(max_iter=2, **params).fit(X, y)
    record = Recorder.record

    def interrupted(self, state, info, n_epochs, learning_rate):
        if n_epochs == 3:
            raise KeyboardInterrupt
        return record(self, state, info, n_epochs, learning_rate)

    monkeypatch.setattr(Recorder, "record", interrupted)
    model = Regressor(max_iter=10, **params)
    with pytest.raises(KeyboardInterrupt, match="after epoch 2"):
        model.fit(X, y)
    assert_allclose(model.coef_, whole.coef_, rtol=0)
    assert model.t_ == whole.t_
    assert len(model.history_["epoch"]) == 3


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_numpys_booleans_are_booleans(Regressor, linear):
    model = Regressor(average=np.True_, verbose=np.False_, learning_rate=0.01, tol=None, max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*linear)


def test_steps_that_died_out_are_no_convergence(linear):
    model = BatchGDRegressor(learning_rate="step", eta0=0.01)
    with pytest.warns(ConvergenceWarning, match="stalled far from the minimum"):
        model.fit(*linear)
    assert model.stop_reason_ == "stalled"
    assert not model.converged_


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
@pytest.mark.parametrize(
    ("params", "allowed"),
    [
        ({"optimizer": "cg"}, "'auto' or one of 'gd', 'momentum'"),
        ({"learning_rate": "line_search"}, "a schedule that needs no line search"),
    ],
)
def test_what_needs_full_batches_is_refused_with_what_is_allowed(
    Regressor, params, allowed, linear
):
    with pytest.raises(ValueError, match=allowed):
        Regressor(**params).fit(*linear)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", [n for n, o in OPTIMIZERS.items() if hasattr(o, "update")])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_every_rule_has_an_automatic_rate_that_descends(
    Regressor, optimizer, loss, linear, monkeypatch
):
    # Compiled loops do the same (tests/solvers/compiled), and take minutes to compile.
    monkeypatch.setattr(numba_support, "has_numba", lambda: False)
    X, y = linear
    y = np.exp(y / 4) if LOSSES[loss]().inverse_link(0.0) else y  # behind a logarithm
    given = dict(loss=loss, optimizer=optimizer, learning_rate="auto", penalty=None)
    model = Regressor(**given, standardize=True)
    model.set_params(max_iter=min(model.max_iter, 2000))
    best = BatchGDRegressor(loss, penalty=None).fit(X, y)
    made = best.loss_

    def objective(p):
        return np.mean(made.value(p, y))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    reached, least = (objective(X @ m.coef_ + m.intercept_) for m in (model, best))
    at_first = objective(made.intercept_only(y))
    assert reached - least < 0.2 * (at_first - least)


@pytest.mark.parametrize(("loss", "lipschitz"), [("absolute_error", 1.0), ("huber", 0.1)])
@pytest.mark.parametrize(("optimizer", "share"), [("nesterov", 0.1), (Momentum(0.5), 0.5)])
def test_where_the_slope_is_bounded_the_first_step_is_as_long_as_the_way(
    optimizer, share, loss, lipschitz
):
    X, y = np.array([[3.0], [4.0], [0.0], [1.0]]), np.array([1e3, 3e3, 2e3, 2e3])
    model = SGDRegressor(
        loss, optimizer=optimizer, learning_rate="auto", fit_intercept=False, max_iter=5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    # Distances from the median are 1000, 1000, 0, 0; the longest row is 4. Momentum makes one step
    # one of ten, or of two.
    assert model.schedule_.eta0 == pytest.approx(share * np.sqrt(2e6 / 4) / (4 * lipschitz))
    assert model.schedule_.power_t == 0.5
