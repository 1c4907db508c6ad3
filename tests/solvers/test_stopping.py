"""How fits end: converged, stopped early, out of epochs or diverged; and their messages."""

import re
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import LOSSES, SquaredError
from skgd.optimizers import GD, OPTIMIZERS, ElementwiseOptimizer, Momentum, Nesterov
from skgd.schedules import Constant
from skgd.solvers.divergence import DivergenceMonitor
from skgd.solvers.stopping import GradientNorm, Measurement, NoImprovement, StopReason
from tests.helpers.regressors import targets_for

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
STABLE = [rule() for rule in OPTIMIZERS.values() if issubclass(rule, ElementwiseOptimizer)]
STABLE = [rule for rule in STABLE if rule.largest_stable_rate(1.0) is not None]


def fixed(Regressor, **params):
    """Return plain descent at a fixed rate in the data's own coordinates."""
    defaults = {"optimizer": "gd", "standardize": False, "tol": None, "penalty": "l2", "alpha": 0.0}
    if Regressor is not BatchGDRegressor:
        defaults["shuffle"] = False
    return Regressor(**defaults | params)


def largest_eigenvalue(X, alpha=0.0):
    rows = np.column_stack([X, np.ones(len(X))])
    ridge = np.diag([alpha] * X.shape[1] + [0.0])
    return np.linalg.eigvalsh(rows.T @ rows / len(X) + ridge)[-1]


def is_steep(loss):
    """Return whether gradients grow with the error, so that a rate can be too high to hold.

    The loss has to grow on both sides; the inverse Gaussian one is bounded on one.
    """
    is_unbounded = min(loss.value(p, 1.0) for p in (-100.0, 100.0)) > 10
    return is_unbounded and max(abs(loss.gradient(p, 1.0)) for p in (-100.0, 100.0)) > 10


def stable_rate_in(text):
    return float(re.search(r"stable rate .* about ([\d.]+)\. ", text)[1])


# Divergence


@pytest.mark.parametrize("optimizer", STABLE, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_the_largest_stable_rate_is_where_descent_begins_to_diverge(optimizer, alpha, small):
    X, y = small
    rate = optimizer.largest_stable_rate(largest_eigenvalue(X, alpha))
    model = fixed(BatchGDRegressor, optimizer=optimizer, alpha=alpha, max_iter=5000)
    calm = clone(model).set_params(learning_rate=0.98 * rate).fit(X, y)
    assert calm.history_["objective"][-1] < calm.history_["objective"][0]
    with pytest.raises(ValueError, match="diverged"):
        clone(model).set_params(learning_rate=1.02 * rate).fit(X, y)


@pytest.mark.parametrize(
    ("optimizer", "factor"),
    [(GD(), 2), (Momentum(0.5), 3), (Momentum(0.9), 3.8), (Nesterov(0.9), 3.8 / 2.8)],
    ids=["gd", "momentum_0.5", "momentum_0.9", "nesterov"],
)
@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("rate", [50.0, Constant(50.0), lambda t: 50.0, "constant"])
def test_the_error_names_epoch_rate_stable_rate_and_remedies(rate, alpha, optimizer, factor, small):
    X, y = small
    model = fixed(BatchGDRegressor, optimizer=optimizer, alpha=alpha, learning_rate=rate)
    if rate == "constant":
        model.set_params(eta0=50.0)
    with pytest.raises(ValueError, match="diverged") as error:
        model.fit(X, y)
    text = str(error.value)
    assert 1 <= int(re.search(r"at epoch (\d+) with learning rate 50\b", text)[1]) <= 10
    stable = factor / largest_eigenvalue(X, alpha)
    assert_allclose(stable_rate_in(text), stable, rtol=1e-3)
    assert "learning_rate='auto'" in text
    assert "standardize=True" in text


def test_the_error_of_standardised_descent_does_not_advise_standardize(small):
    with pytest.raises(ValueError, match="diverged") as error:
        fixed(BatchGDRegressor, standardize=True, learning_rate=50.0).fit(*small)
    assert "standardize=True" not in str(error.value)


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if is_steep(loss())])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_rate_that_is_far_too_high_raises_whatever_the_loss(Regressor, loss, small):
    X, y = small[0], targets_for(loss, small[1])
    model = fixed(Regressor, loss=loss, learning_rate=1e6, max_iter=20)
    with pytest.raises(ValueError, match=r"diverged at epoch .*learning_rate='auto'"):
        model.fit(X, y)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_the_stable_rate_of_small_batches(k, small):
    X, y = small
    model = fixed(MiniBatchGDRegressor, batch_size=k, learning_rate=30.0)
    with pytest.raises(ValueError, match="diverged") as error:
        model.fit(X, y)
    longest = (X**2).sum(axis=1).max() + 1
    n = len(X)
    smoothness = n * (k - 1) / (k * (n - 1)) * largest_eigenvalue(X)
    smoothness += (n - k) / (k * (n - 1)) * longest
    assert_allclose(stable_rate_in(str(error.value)), 2 / smoothness, rtol=1e-3)


@pytest.mark.parametrize("name", ["constant", "invscaling", "adaptive"])
def test_scikit_learns_schedules_warn_and_keep_the_model(name, small):
    X, y = small
    model = SGDRegressor(learning_rate=name, shuffle=False, max_iter=5, tol=None, eta0=0.01)
    with pytest.warns(ConvergenceWarning, match=r"diverged.*stable rate.*learning_rate='auto'"):
        model.fit(30 * X, y)
    assert (model.converged_, model.stop_reason_) == (False, "diverged")
    assert model.n_iter_ == 5
    assert np.isfinite(model.coef_).all()


def test_scikit_learns_schedules_raise_where_numbers_are_not_finite(small):
    X, y = small
    model = SGDRegressor(learning_rate="constant", shuffle=False, tol=None)
    with pytest.raises(ValueError, match=r"under-/overflow occurred at epoch #\d"):
        model.set_params(eta0=1e300).fit(1e100 * X, y)


@pytest.mark.parametrize("rate", [0.01, Constant(0.01), lambda t: 0.01])
def test_other_rates_of_sgd_raise(rate, small):
    X, y = small
    with pytest.raises(ValueError, match=r"diverged at epoch \d+ with learning rate 0.01"):
        SGDRegressor(learning_rate=rate, shuffle=False).fit(30 * X, y)


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_automatic_rates_never_diverge(Regressor, loss, standardize, small):
    X, y = small[0], targets_for(loss, small[1])
    model = Regressor(loss, learning_rate="auto", penalty=None, max_iter=10, tol=None)
    model.set_params(standardize=standardize, record="objective")
    if Regressor is not BatchGDRegressor:
        model.set_params(random_state=0)
    for change in (1000 * X, X + 100, X * [1, 1e5, 1e-5]):
        fitted = clone(model).fit(change, y)
        assert fitted.stop_reason_ == "max_iter"
        assert np.isfinite(fitted.coef_).all()
        objective = fitted.history_["objective"]
        if standardize:  # from the best constant, down
            assert objective[-1] < objective[0]


@dataclass(frozen=True)
class UnderstatedCurvature(SquaredError):
    """Squared error that claims a hundredth of its curvature: its automatic rate is too high."""

    gradient_lipschitz = 0.01
    quadratic = False


def test_an_automatic_rate_that_diverges_is_lowered(small):
    model = BatchGDRegressor(UnderstatedCurvature(), optimizer="gd", penalty=None).fit(*small)
    assert_allclose(model.coef_, BatchGDRegressor(penalty=None).fit(*small).coef_, rtol=1e-6)
    rates = model.history_["learning_rate"][1:]
    assert model.converged_
    assert rates[-1] < rates[0]


# Convergence


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
def test_full_batches_converge_with_default_parameters(loss, penalty, small):
    X, y = small[0], targets_for(loss, small[1])
    model = BatchGDRegressor(loss, penalty=penalty, alpha=0.05 if penalty else 0.0).fit(X, y)
    assert model.converged_
    assert model.stop_reason_ in ("converged", "precision")
    assert 0 < model.n_iter_ < model.max_iter


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_convergence_does_not_depend_on_the_unit_of_y(unit, small):
    X, y = small
    fits = []
    for Regressor in (BatchGDRegressor, partial(MiniBatchGDRegressor, random_state=0)):
        plain, scaled = Regressor().fit(X, y), Regressor().fit(X, unit * y)
        fits.append((plain.n_iter_, scaled.n_iter_))
        assert_allclose(scaled.coef_, unit * plain.coef_, rtol=1e-6)
    assert all(abs(one - other) <= 2 for one, other in fits)


def test_the_gradient_is_small_against_that_of_the_best_constant(small):
    model = BatchGDRegressor(optimizer="gd", learning_rate=0.5, tol=1e-3).fit(*small)
    norms = model.history_["gradient_norm"]
    constant = BatchGDRegressor(max_iter=1, tol=None).fit(*small).history_["gradient_norm"][0]
    assert norms[-1] <= 1e-3 * constant < norms[-2]


@pytest.mark.parametrize(
    "params",
    [{}, {"optimizer": "gd", "learning_rate": 0.5}, {"optimizer": "accelerated"}],
    ids=["auto", "gd", "accelerated"],
)
def test_full_batches_with_tol_zero_continue_until_nothing_improves(params, small):
    X, y = small
    exact = np.linalg.lstsq(np.column_stack([X, np.ones(20)]), y, rcond=None)[0]
    model = BatchGDRegressor(tol=0, **params).fit(X, y)
    assert model.stop_reason_ in ("converged", "precision")
    assert_allclose(model.coef_, exact[:3], rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_tol_none_runs_all_epochs_without_a_warning(Regressor, small):
    model = Regressor(tol=None, max_iter=70).fit(*small)
    assert model.n_iter_ == 70
    assert (model.stop_reason_, model.converged_) == ("max_iter", False)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_max_iter_without_convergence_warns(Regressor, small):
    model = Regressor(learning_rate=1e-4, max_iter=3, tol=1e-9)
    with pytest.warns(ConvergenceWarning, match="did not converge in max_iter=3 epochs") as seen:
        model.fit(*small)
    assert seen[0].filename == __file__  # it points at the line of the user
    assert str(seen[0].message).startswith(Regressor.__name__)
    assert (model.stop_reason_, model.converged_, model.n_iter_) == ("max_iter", False, 3)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_partial_fit_does_not_warn(Regressor, small):
    model = Regressor(learning_rate=1e-4).partial_fit(*small)
    assert model.n_iter_ == 1


def test_minibatch_stops_when_progress_is_small_against_the_objective(small):
    model = MiniBatchGDRegressor(random_state=0, tol=1e-2, n_iter_no_change=3).fit(*small)
    assert model.stop_reason_ == "converged"
    assert 3 < model.n_iter_ < 1000


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_an_adaptive_rate_decreases_with_each_stall_and_then_ends_the_fit(Regressor, small):
    model = Regressor(learning_rate="adaptive", eta0=0.1, random_state=0, n_iter_no_change=2)
    model.fit(*small)
    assert model.converged_
    rates = model.history_["learning_rate"][1:]
    falls = rates[1:] / rates[:-1]
    assert_allclose(np.unique(falls.round(12)), [0.2, 1])
    assert rates[-1] <= 1e-6 < 5 * rates[-1]


# Early stopping


def overshooting(Regressor, **params):
    """Return a regressor, and data whose validation score first rises and then falls."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = X @ [3.0, -2.0, 1.0]
    X_val = rng.normal(size=(10, 3))
    y_val = 0.4 * X_val @ [3.0, -2.0, 1.0]  # best on the way from zero to the solution
    rate = {BatchGDRegressor: 0.1, MiniBatchGDRegressor: 0.05, SGDRegressor: 0.003}[Regressor]
    model = fixed(Regressor, early_stopping=True, tol=0.0, n_iter_no_change=4, **params)
    model.set_params(learning_rate=rate, fit_intercept=False)
    return model, (X, y), {"X_val": X_val, "y_val": y_val}


@pytest.mark.parametrize("average", [False, True, 3, 30, 300])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_the_best_model_is_returned(Regressor, average, small):
    if Regressor is BatchGDRegressor:
        model, data, validation = overshooting(Regressor, record="path")
    else:
        model, data, validation = overshooting(Regressor, record="path", average=average)
    model.fit(*data, **validation)
    history = model.history_
    best = np.argmax(history["validation_score"])
    assert 0 < best < len(history["epoch"]) - 1
    assert (model.stop_reason_, model.converged_) == ("early_stopping", True)
    score = r2_score(validation["y_val"], model.predict(validation["X_val"]))
    assert_allclose(score, history["validation_score"][best], rtol=1e-12)
    path = model.path_
    (row,) = np.flatnonzero(path["update"] == best * (path["update"][-1] / history["epoch"][-1]))
    assert_allclose(model.coef_, [path[f"coef_{j}"][row] for j in range(3)], rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_early_stopping_ends_n_iter_no_change_epochs_after_the_best(Regressor):
    model, data, validation = overshooting(Regressor)
    model.fit(*data, **validation)
    assert model.n_iter_ == np.argmax(model.history_["validation_score"]) + 4


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_rows_are_held_out_by_scikit_learns_split(Regressor, weighted, diabetes):
    X, y = diabetes[0][:120], diabetes[1][:120]
    weights = np.linspace(0.1, 2, 120) if weighted else None
    model = Regressor(
        learning_rate=0.01,
        standardize=True,
        early_stopping=True,
        random_state=3,
        validation_fraction=0.2,
        max_iter=30,
        tol=None,
    ).fit(X, y, sample_weight=weights)
    split = ShuffleSplit(n_splits=1, test_size=0.2, random_state=3)
    train, held = next(split.split(X))
    held_weights = None if weights is None else weights[held]
    score = r2_score(y[held], model.predict(X[held]), sample_weight=held_weights)
    assert_allclose(score, model.history_["validation_score"].max(), rtol=1e-10)
    updates = {BatchGDRegressor: 1, MiniBatchGDRegressor: 3, SGDRegressor: 96}[Regressor]
    assert len(train) == 96
    assert model.t_ == 1 + updates * model.n_iter_  # rows held out make no updates


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_partial_fit_after_early_stopping_continues_from_the_best_model(Regressor):
    model, data, validation = overshooting(Regressor)
    model.fit(*data, **validation)
    restored = model.coef_.copy()
    start = fixed(Regressor, learning_rate=model.learning_rate, fit_intercept=False, max_iter=1)
    start.fit(*data, coef_init=restored)
    model.set_params(early_stopping=False).partial_fit(*data)
    assert_allclose(model.coef_, start.coef_, rtol=1e-12)


# The criteria by themselves


def reasons_of(criterion, measurements):
    """Return the reason to stop after each of some epochs."""
    state, reasons = criterion.init(), []
    for measurement in measurements:
        state = criterion.update(state, measurement)
        reasons.append(criterion.reason(state))
    return reasons


@pytest.mark.parametrize(
    ("relative", "values", "verdicts"),
    [
        (False, [10, 9, 8.6, 8.3, 8.1, 7.0], [0, 0, 0, 1, 1, 0]),
        (False, [10, 9.9, 5, 4.9, 4.8], [0, 0, 0, 0, 1]),
        (True, [10, 4, 2.5, 2.2], [0, 0, 1, 1]),
        (True, [1e-9, 4e-10, 3.9e-10, 3.8e-10], [0, 0, 0, 1]),
    ],
)
def test_no_improvement(relative, values, verdicts):
    patience = 1 if verdicts == [0, 0, 1, 1] else 2
    criterion = NoImprovement(tol=0.5, patience=patience, relative=relative)
    expected = [StopReason.CONVERGED if verdict else None for verdict in verdicts]
    assert reasons_of(criterion, [Measurement(value) for value in values]) == expected
    # A score should increase where an objective should decrease.
    scored = NoImprovement(0.5, patience, relative, monitor="validation_score")
    expected = [StopReason.EARLY_STOPPING if verdict else None for verdict in verdicts]
    scores = [Measurement(np.nan, validation_score=-value) for value in values]
    assert reasons_of(scored, scores) == expected


def test_an_objective_of_nan_counts_as_an_improvement():
    criterion = NoImprovement(tol=0.1, patience=1)
    assert reasons_of(criterion, [Measurement(np.nan)]) == [None]


def test_gradient_norm():
    criterion = GradientNorm(tol=1e-3, reference=10.0)
    measurements = [Measurement(5.0, gradient_norm=1.0), Measurement(4.0, gradient_norm=0.01)]
    assert reasons_of(criterion, measurements) == [None, StopReason.CONVERGED]
    flat = GradientNorm(tol=0, reference=10.0, patience=3)
    reasons = reasons_of(flat, [Measurement(1.0, gradient_norm=1e-9)] * 5)
    assert reasons == [None, None, None, StopReason.PRECISION, StopReason.PRECISION]


def test_divergence_is_detected_at_the_second_epoch_or_at_once():
    monitor = DivergenceMonitor(reference=2.0)
    count, verdicts = 0, []
    for objective in (2001, 1999, 2001, 2001):
        count = monitor.count(count, objective)
        verdicts.append(monitor.is_diverged(count))
    assert verdicts == [False, False, False, True]
    assert monitor.is_diverged(monitor.count(0, np.inf))
    assert monitor.is_diverged(monitor.count(0, np.nan))


@pytest.mark.parametrize("reason", StopReason)
def test_success_means_that_no_improvement_was_to_be_expected(reason):
    assert reason.is_success == (reason in ("converged", "precision", "early_stopping"))


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_the_stop_reason_is_a_plain_string(Regressor, small):
    model = Regressor(tol=None, max_iter=2).fit(*small)
    assert type(model.stop_reason_) is str
    assert isinstance(model.converged_, bool)


@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor])
def test_defaults_converge_on_real_data_without_a_warning(Regressor, diabetes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Regressor().fit(*diabetes)
    assert model.converged_
    assert model.score(*diabetes) > 0.51
    assert_array_equal(np.isfinite(model.coef_), True)
