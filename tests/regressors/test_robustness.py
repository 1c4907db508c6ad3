"""Data and learning rates that once gave wrong models without a warning."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import LOSSES
from skgd.optimizers import Momentum
from skgd.solvers.descent import DescentLoop
from skgd.solvers.recorder import Recorder
from skgd.solvers.speculative_epochs import SpeculativeEpochs
from tests.helpers.regressors import ELEMENTWISE, REGRESSORS, STOCHASTIC, build


@pytest.fixture(scope="module")
def linear():
    """Rows of four features and a nearly linear target."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    return X, X @ [1.0, -2.0, 3.0, 0.5] + 2 + 0.1 * rng.normal(size=60)


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("value", [1e8, 1e10, 1.7e9 + 0.123, 1.7e18])
def test_large_constant_column_changes_nothing(value, loss, linear):
    X, y = linear
    plain = BatchGDRegressor(loss).fit(X, y)
    with_column = BatchGDRegressor(loss).fit(np.column_stack([X, np.full(60, value)]), y)
    assert_allclose(with_column.coef_, [*plain.coef_, 0], rtol=1e-6)
    assert with_column.converged_


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_automatic_full_batch_learns_from_a_stream(rows):
    rng = np.random.default_rng(1)
    model = BatchGDRegressor()
    for _ in range(300):
        X = rng.normal(size=(rows, 4))
        model.partial_fit(X, X @ [1.0, -2.0, 3.0, 0.5] + 2)
    assert_allclose(model.coef_, [1, -2, 3, 0.5], rtol=1e-3)


@pytest.mark.parametrize("rate", [1.8, 2.05])
def test_slow_divergence_is_not_convergence(rate, linear):
    with pytest.raises(ValueError, match="Descent diverged"):
        MiniBatchGDRegressor(learning_rate=rate, batch_size=60, random_state=0).fit(*linear)


def test_stop_far_above_the_start_warns_under_scikit_learn_schedules(linear):
    X, y = linear
    model = SGDRegressor(learning_rate="constant", eta0=0.45, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, y)
    assert model.stop_reason_ == "diverged"
    assert not model.converged_


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_divergence_over_many_calls_is_detected(Regressor, linear):
    model = build(Regressor, learning_rate=2.5, standardize=True, batch_size=60)

    def stream():
        for _ in range(60):
            model.partial_fit(*linear)

    with pytest.raises(ValueError, match="Descent diverged"):
        stream()


def test_divergence_in_the_last_epoch_is_detected(linear):
    model = BatchGDRegressor(learning_rate=1e6, optimizer="gd", max_iter=1, tol=None)
    with pytest.raises(ValueError, match="Descent diverged at epoch 1"):
        model.fit(*linear)


@pytest.mark.parametrize("loss", ["huber", "log_cosh", "absolute_error"])
@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_losses_with_bounded_gradient_converge_for_distant_targets(loss, unit, linear):
    X, y = linear
    model = MiniBatchGDRegressor(loss, random_state=0).fit(X, unit * y)
    assert model.score(X, unit * y) > 0.998


@pytest.mark.parametrize("rate", ["auto", 0.05])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_targets_of_any_magnitude_are_learned(Regressor, rate, linear):
    X, y = linear
    for unit in (1e15, 1e100):
        model = build(Regressor, learning_rate=rate, standardize=True, random_state=0)
        model.fit(X, unit * y)
        assert model.score(X, unit * y) > 0.99


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_one_epoch_of_a_stream_is_not_convergence(Regressor, linear):
    X, y = linear
    model = Regressor(learning_rate=0.001)
    for row, target in zip(X, y, strict=True):
        model.partial_fit(row[None], [target])
    assert model.stop_reason_ == "max_iter"


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_targets_too_large_for_the_precision_are_rejected(Regressor, linear):
    X, y = linear
    with pytest.raises(ValueError, match="y has values that are too large for the float32 of X"):
        Regressor().fit(X.astype(np.float32), 1e50 * y)
    with pytest.raises(ValueError, match="The objective is not finite at the start"):
        Regressor().fit(X, 1e200 * y)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_zero_weights_in_the_first_call_leave_the_estimator_unfitted(Regressor, linear):
    model = Regressor()
    with pytest.warns(UserWarning, match="nothing was learned"):
        model.partial_fit(*linear, sample_weight=np.zeros(60))
    assert vars(model) == vars(Regressor())


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_interrupt_before_the_first_epoch_keeps_the_fitted_model(Regressor, linear, monkeypatch):
    model = Regressor(learning_rate=0.01, max_iter=3, tol=None, standardize=True).fit(*linear)
    coef = model.coef_.copy()

    def interrupted(self, *args):
        raise KeyboardInterrupt

    monkeypatch.setattr(DescentLoop, "advance", interrupted)
    monkeypatch.setattr(SpeculativeEpochs, "count_epochs", interrupted)
    with pytest.raises(KeyboardInterrupt, match="left the model as it was"):
        model.fit(*linear)
    assert_allclose(model.coef_, coef, rtol=0)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_interrupt_before_an_epoch_is_recorded_reverts_it(Regressor, linear, monkeypatch):
    X, y = linear
    params = {"learning_rate": 0.01, "tol": None, "standardize": True, "record": "objective"}
    params["random_state"] = 0
    whole = build(Regressor, max_iter=2, **params).fit(X, y)
    record = Recorder.record

    def interrupted(self, state, info, n_epochs, learning_rate):
        if n_epochs == 3:
            raise KeyboardInterrupt
        return record(self, state, info, n_epochs, learning_rate)

    monkeypatch.setattr(Recorder, "record", interrupted)
    model = build(Regressor, max_iter=10, **params)
    with pytest.raises(KeyboardInterrupt, match="after epoch 2"):
        model.fit(X, y)
    assert_allclose(model.coef_, whole.coef_, rtol=0)
    assert model.t_ == whole.t_
    assert len(model.history_["epoch"]) == 3


@pytest.mark.parametrize("Regressor", STOCHASTIC)
def test_numpy_booleans_are_accepted(Regressor, linear):
    model = Regressor(average=np.True_, verbose=np.False_, learning_rate=0.01, tol=None, max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*linear)


def test_vanishing_steps_are_not_convergence(linear):
    model = BatchGDRegressor(learning_rate="step", eta0=0.01)
    with pytest.warns(ConvergenceWarning, match="stalled far from the minimum"):
        model.fit(*linear)
    assert model.stop_reason_ == "stalled"
    assert not model.converged_


@pytest.mark.parametrize("Regressor", STOCHASTIC)
@pytest.mark.parametrize(
    ("params", "allowed"),
    [
        ({"optimizer": "cg"}, "'auto' or one of 'gd', 'momentum'"),
        ({"learning_rate": "line_search"}, "a schedule that needs no line search"),
    ],
)
def test_error_for_full_batch_components_lists_what_is_allowed(Regressor, params, allowed, linear):
    with pytest.raises(ValueError, match=allowed):
        Regressor(**params).fit(*linear)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ELEMENTWISE)
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_automatic_rate_descends_for_every_optimizer(Regressor, optimizer, loss, linear):
    X, y = linear
    if LOSSES[loss]().inverse_link(0.0):  # in the domain of the loss
        y = LOSSES[loss]().inverse_link(y / 2 if loss == "binomial" else y / 4)
    params = dict(loss=loss, optimizer=optimizer, learning_rate="auto", penalty=None)
    model = Regressor(**params, standardize=True)
    model.set_params(max_iter=min(model.max_iter, 2000))
    best = BatchGDRegressor(loss, penalty=None).fit(X, y)
    loss_ = best.loss_

    def objective(p):
        return np.mean(loss_.value(p, y))

    at_first = objective(loss_.intercept_only(y))
    if Regressor is SGDRegressor:  # its tolerance is absolute, and some objectives are small
        model.set_params(tol=1e-3 * min(1, at_first))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    reached, least = (objective(X @ m.coef_ + m.intercept_) for m in (model, best))
    assert reached - least < 0.2 * (at_first - least)


@pytest.mark.parametrize(("loss", "lipschitz"), [("absolute_error", 1.0), ("huber", 0.1)])
@pytest.mark.parametrize(("optimizer", "share"), [("nesterov", 0.1), (Momentum(0.5), 0.5)])
@pytest.mark.usefixtures("on_numpy")
def test_automatic_rate_of_losses_with_bounded_gradient_matches_the_spread_of_y(
    optimizer, share, loss, lipschitz
):
    X, y = np.array([[3.0], [4.0], [0.0], [1.0]]), np.array([1e3, 3e3, 2e3, 2e3])
    model = SGDRegressor(
        loss, optimizer=optimizer, learning_rate="auto", fit_intercept=False, max_iter=5
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    # The distances from the median are 1000, 1000, 0 and 0, and the largest norm of a row is 4.
    # Momentum multiplies the length of a step by 1 / (1 - momentum): ten, or two.
    assert model.schedule_.eta0 == pytest.approx(share * np.sqrt(2e6 / 4) / (4 * lipschitz))
    assert model.schedule_.power_t == 0.5


@pytest.mark.parametrize("unit", [1e-150, 1e16, 1e150])
@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor])
def test_coefficients_do_not_depend_on_the_unit_of_the_weights(Regressor, unit, linear):
    X, y = linear
    weights = np.random.default_rng(0).random(len(y))
    model = build(Regressor, random_state=0)
    expected = clone(model).fit(X, y, sample_weight=weights)
    model.fit(X, y, sample_weight=unit * weights)
    assert_allclose(model.coef_, expected.coef_, rtol=1e-7)


def test_automatic_rates_fit_features_whose_squared_predictions_overflow(linear):
    X, y = linear
    model = SGDRegressor(learning_rate="auto", penalty=None, random_state=0).fit(1e140 * X, y)
    assert model.score(1e140 * X, y) > 0.9  # the gradient of the intercept is below rounding
