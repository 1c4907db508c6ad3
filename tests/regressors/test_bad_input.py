"""Invalid input is named in the error, raises before any work, and leaves a fitted model as is."""

import operator
import pickle
import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import Huber, SquaredError
from skgd.optimizers import Momentum
from skgd.penalties import L2
from skgd.schedules import Constant, InverseScaling
from tests.helpers.regressors import REGRESSORS, STOCHASTIC, few_epochs

#: Regressors that reject every parameter without effect. SGDRegressor accepts those that
#: scikit-learn accepts.
STRICT = [BatchGDRegressor, MiniBatchGDRegressor]

standardized = partial(few_epochs, standardize=True)


def fail(t):
    """Fail where a descent asks for its learning rate, which it must not begin to."""
    raise AssertionError("the descent began")


def assert_rejected(model, method, *args, match, **kwargs):
    """Check that a call raises and changes nothing in the model."""
    before = pickle.dumps(vars(model))
    with pytest.raises((ValueError, TypeError), match=match):
        getattr(model, method)(*args, **kwargs)
    assert pickle.dumps(vars(model)) == before


def assert_parameter_rejected(Regressor, small, match, **params):
    """Check that an unfitted and a fitted model reject a parameter."""
    rate = {} if "learning_rate" in params or "eta0" in params else {"learning_rate": fail}
    assert_rejected(
        clone(standardized(Regressor)).set_params(**rate | params), "fit", *small, match=match
    )
    fitted = standardized(Regressor).fit(*small).set_params(**rate | params)
    for method in ("fit", "partial_fit"):
        assert_rejected(fitted, method, *small, match=match)


def intro(Regressor, name):
    """Return how an error for an invalid parameter begins, as in scikit-learn."""
    return f"The '{name}' parameter of {Regressor.__name__} must be"


# Parameters

INVALID = {
    "alpha": [-1, np.nan, np.inf, "1", None, True],
    "l1_ratio": [-0.1, 1.1, np.nan, "1"],
    "max_iter": [0, -1, 1.5, "10", None],
    "tol": [-1e-3, np.nan, "1"],
    "epsilon": [-0.1, np.nan, None],
    "quantile": [0.0, 1.0, 90, np.nan, None],
    "n_iter_no_change": [0, 2.5],
    "validation_fraction": [0.0, 1.0, -0.5, "1"],
    "eta0": [0.0, -1, np.inf, "1"],
    "power_t": [np.nan, "1"],
    "learning_rate": [0.0, -0.1, np.nan, np.inf, True, None, [0.1], Constant],
    "fit_intercept": [1, "yes", None],
    "standardize": [1, "yes", None],
    "early_stopping": ["yes", 1, None],
    "warm_start": ["yes", 1, None],
    "record": ["everything", 1, True],
    "verbose": [-1, "yes", None],
    "loss": [None, 1, SquaredError],
    "penalty": [1, L2],
    "optimizer": [None, 0.9, Momentum],
    "shuffle": ["yes", None],
    "average": [-1, 1.5, "yes", None],
    "batch_size": [0, -1, 2.5, None, "all"],
}


@pytest.mark.parametrize(
    ("Regressor", "name", "value"),
    [
        (Regressor, name, value)
        for Regressor in REGRESSORS
        for name, values in INVALID.items()
        for value in values
        if name in Regressor().get_params()
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_invalid_value_is_named_in_the_error(Regressor, name, value, small):
    params = {name: value}
    if name == "eta0":
        params["learning_rate"] = "constant"
    if name == "power_t":
        params["learning_rate"] = "invscaling"
    match = f"^{intro(Regressor, name)} .+\\. Got {re.escape(repr(value))} instead\\."
    assert_parameter_rejected(Regressor, small, match, **params)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(
    ("name", "typo", "meant"),
    [
        ("loss", "squared-error", "squared_error"),
        ("loss", "hubert", "huber"),
        ("penalty", "L2", "l2"),
        ("penalty", "elastic_net", "elasticnet"),
        ("learning_rate", "inv_scaling", "invscaling"),
        ("learning_rate", "Auto", "auto"),
        ("optimizer", "ADAM", "adam"),
        ("optimizer", "nestrov", "nesterov"),
        ("record", "objektive", "objective"),
    ],
)
def test_the_error_for_an_unknown_name_suggests_the_closest(Regressor, name, typo, meant, small):
    match = (
        rf"^{intro(Regressor, name)} .*'{meant}'.*\. Got '{typo}' instead\. "
        rf"Did you mean '{meant}'\?$"
    )
    assert_parameter_rejected(Regressor, small, match, **{name: typo})


@pytest.mark.parametrize("Regressor", STRICT)
@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"eta0": 0.1, "learning_rate": "auto"}, "learning_rate='auto'"),
        ({"eta0": 0.1, "learning_rate": 0.1}, "learning_rate=0.1"),
        ({"eta0": 0.1, "learning_rate": Constant()}, "learning_rate=Constant"),
        ({"power_t": 0.1, "learning_rate": "constant"}, "learning_rate='constant'"),
        ({"power_t": 0.1, "learning_rate": InverseScaling()}, "learning_rate=InverseScaling"),
        ({"alpha": 0.1, "penalty": L2(0.2)}, r"penalty=L2\(alpha=0.2\)"),
    ],
    ids=lambda params: "-".join(params) if isinstance(params, dict) else "",
)
def test_a_parameter_without_effect_is_rejected(Regressor, params, match, small):
    match = f"^{intro(Regressor, next(iter(params)))} left at .*{match}"
    assert_parameter_rejected(Regressor, small, match, **params)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(
    ("params", "match"),
    [
        (
            {"learning_rate": "optimal", "alpha": 0.0},
            "^alpha must be > 0 .*'optimal'.* Got alpha=0",
        ),
        (
            {"learning_rate": "pa1"},
            "^Learning rate 'pa1'.* 'epsilon_insensitive'.* Got loss='squared_error'",
        ),
        (
            {"penalty": "elasticnet", "l1_ratio": None},
            "^l1_ratio must be set when penalty is 'elasticnet'",
        ),
    ],
    ids=["optimal", "pa1", "elasticnet"],
)
def test_incompatible_components_are_rejected(Regressor, params, match, small):
    assert_parameter_rejected(Regressor, small, match, **params)


@pytest.mark.parametrize("Regressor", STOCHASTIC)
@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": "line_search"},
        {"optimizer": "cg", "learning_rate": "auto"},
        {"optimizer": "accelerated", "learning_rate": "auto"},
    ],
    ids=["line_search", "cg", "accelerated"],
)
def test_full_batch_rules_are_rejected_by_stochastic_regressors(Regressor, params, small):
    ((name, value), *_) = params.items()
    assert_parameter_rejected(
        Regressor, small, f"^{intro(Regressor, name)} .*{value}.*BatchGDRegressor", **params
    )


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"optimizer": "cg", "penalty": "l1", "alpha": 0.1}, "'cg'.* l1 penalty"),
        ({"optimizer": "cg", "loss": "epsilon_insensitive"}, "'cg'.* kinks"),
        (
            {"optimizer": "cg", "learning_rate": 0.1},
            "^The 'learning_rate' .* must be .*\\. Got 0.1 instead",
        ),
        (
            {"optimizer": "adam", "learning_rate": "line_search"},
            "^The 'optimizer' .* must be .* Got 'adam' instead",
        ),
    ],
    ids=["l1", "kinks", "rate", "search"],
)
def test_cg_and_line_search_reject_other_objectives_rates_and_optimizers(params, match, small):
    assert_parameter_rejected(BatchGDRegressor, small, match, **{"learning_rate": "auto"} | params)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(
    ("function", "update"),
    [
        (partial(operator.mul, 0), 1),
        (partial(operator.mul, np.nan), 1),
        (partial(operator.sub, 3), 3),  # 2, 1, 0
        (operator.neg, 1),
    ],
    ids=["zero", "nan", "falls_to_zero", "negative"],
)
def test_invalid_rate_of_a_callable_names_the_update(Regressor, function, update, small):
    model = standardized(Regressor, max_iter=5).fit(*small).set_params(learning_rate=function)
    assert_rejected(model, "fit", *small, match=rf"positive and finite; got .* t={update}\.")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_error_in_a_callable_schedule_propagates(Regressor, small):
    def broken(t):
        raise ZeroDivisionError("user error")

    model = standardized(Regressor).fit(*small).set_params(learning_rate=broken)
    before = pickle.dumps(model.coef_)
    with pytest.raises(ZeroDivisionError, match="user error"):
        model.partial_fit(*small)
    assert pickle.dumps(model.coef_) == before


# Data


def with_entry(array, value):
    """Return a copy of the array whose entry or row 3 is the value."""
    array = np.array(array)
    array[3] = value
    return array


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_data_are_rejected(Regressor, bad, small):
    X, y = small
    ones = np.ones(20)
    fitted = standardized(Regressor).fit(X, y).set_params(learning_rate=fail)
    for method in ("fit", "partial_fit"):
        assert_rejected(fitted, method, with_entry(X, bad), y, match="Input X contains")
        assert_rejected(fitted, method, X, with_entry(y, bad), match="Input y contains")
        assert_rejected(
            fitted,
            method,
            X,
            y,
            sample_weight=with_entry(ones, bad),
            match="sample_weight contains",
        )
    assert_rejected(fitted, "predict", with_entry(X, bad), match="Input X contains")
    assert_rejected(
        fitted, "fit", X, y, X_val=with_entry(X, bad), y_val=y, match="X_val|Input X contains"
    )
    assert_rejected(fitted, "fit", X, y, coef_init=[bad, 0, 0], match="coef_init contains")
    assert_rejected(fitted, "fit", X, y, intercept_init=[bad], match="intercept_init contains")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_inconsistent_shapes_are_rejected(Regressor, small):
    X, y = small
    fitted = standardized(Regressor).fit(X, y).set_params(learning_rate=fail)
    assert_rejected(fitted, "fit", X[0], y, match="2D array")
    assert_rejected(fitted, "fit", X[:0], y[:0], match="0 sample")
    assert_rejected(fitted, "fit", X[:, :0], y, match="0 feature")
    assert_rejected(fitted, "fit", X[:5], y, match="inconsistent numbers of samples")
    assert_rejected(fitted, "fit", X, None, match="y")
    assert_rejected(fitted, "fit", X, np.array(["a"] * 20), match="a")
    for short in (np.ones(19), np.ones((20, 1))):
        assert_rejected(fitted, "fit", X, y, sample_weight=short, match="sample_weight|weight")
    assert_rejected(
        fitted, "fit", X, y, sample_weight=-np.ones(20), match="sample_weight must not be negative"
    )
    assert_rejected(fitted, "fit", X, y, coef_init=[1, 2], match=r"coef_init has shape \(2,\)")
    assert_rejected(fitted, "fit", X, y, intercept_init=[1, 2], match="intercept_init has shape")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_inconsistent_validation_data_are_rejected(Regressor, small):
    X, y = small
    fitted = standardized(Regressor).fit(X, y).set_params(learning_rate=fail)
    assert_rejected(fitted, "fit", X, y, X_val=X, match="X_val needs y_val")
    assert_rejected(fitted, "fit", X, y, y_val=y, match="need X_val")
    assert_rejected(fitted, "fit", X, y, X_val=X[:, :2], y_val=y, match="2 features")
    assert_rejected(fitted, "fit", X, y, X_val=X[:1], y_val=y[:1], match="score needs two")
    assert_rejected(
        fitted, "fit", X, y, X_val=X, y_val=np.c_[y, y], match=r"y_val has shape \(20, 2"
    )
    fitted.set_params(early_stopping=True)
    assert_rejected(fitted, "fit", X[:3], y[:3], match="validation_fraction=0.1 .*score needs two")


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_features_must_not_change_between_calls(Regressor, small):
    X, y = small
    fitted = standardized(Regressor).fit(pd.DataFrame(X, columns=list("abc")), y)
    fitted.set_params(learning_rate=fail)
    for method in ("partial_fit", "predict"):
        rest = (y,) if method == "partial_fit" else ()
        assert_rejected(fitted, method, X[:, :2], *rest, match="2 features.* 3 features")
        assert_rejected(
            fitted, method, pd.DataFrame(X, columns=list("abd")), *rest, match="feature names"
        )
        assert_rejected(
            fitted, method, pd.DataFrame(X, columns=list("bac")), *rest, match="feature names"
        )
    assert_rejected(fitted, "partial_fit", X, np.c_[y, y], match=r"y has shape \(20, 2\)")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_fit_rejects_weights_that_are_all_zero_and_partial_fit_warns(Regressor, small):
    X, y = small
    zeros = np.zeros(20)
    fitted = standardized(Regressor).fit(X, y).set_params(learning_rate=fail)
    assert_rejected(fitted, "fit", X, y, sample_weight=zeros, match="sample_weight is zero")
    before = pickle.dumps(vars(fitted))
    with pytest.warns(UserWarning, match="weights that are all zero"):
        fitted.partial_fit(X, y, zeros)
    assert pickle.dumps(vars(fitted)) == before


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_partial_fit_rejects_early_stopping(Regressor, small):
    model = Regressor(early_stopping=True)
    assert_rejected(model, "partial_fit", *small, match="early_stopping")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_failed_first_call_leaves_the_estimator_unfitted(Regressor, small):
    X, y = small
    model = standardized(Regressor)
    assert_rejected(model, "fit", X, with_entry(y, np.nan), match="Input y contains")
    assert_rejected(model, "partial_fit", X, with_entry(y, np.nan), match="Input y contains")
    assert_rejected(model, "predict", X, match="not fitted")
    with pytest.raises(AttributeError, match="history_"):
        model.history_  # noqa: B018


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_divergence_leaves_the_fitted_model_unchanged(Regressor, small):
    fitted = standardized(Regressor, max_iter=100, standardize=False, batch_size=5).fit(*small)
    fitted.set_params(learning_rate=1e6)
    assert_rejected(fitted, "fit", *small, match="diverged at epoch")
    fitted.set_params(learning_rate=1e200)
    for method in ("fit", "partial_fit"):
        assert_rejected(fitted, method, *small, match="diverged at epoch")


# Degenerate but valid data


@pytest.mark.filterwarnings("ignore:R.2 score is not well-defined")
@pytest.mark.parametrize("loss", ["squared_error", "huber", "epsilon_insensitive"])
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_constant_targets_are_fitted(Regressor, standardize, loss, small):
    X, _ = small
    model = Regressor(loss, standardize=standardize)
    if Regressor is SGDRegressor:
        model.set_params(learning_rate="auto")
    model.fit(X, np.full(20, 7.0))
    assert model.converged_
    assert_allclose(model.predict(X), 7, atol=0.2)  # within the epsilon tube


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("rate", ["auto", 0.05])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_single_row_is_fitted(Regressor, rate, standardize):
    X, y = np.array([[1.0, -2.0, 0.0]]), np.array([5.0])
    model = Regressor(learning_rate=rate, standardize=standardize, alpha=0.0).fit(X, y)
    assert_allclose(model.predict(X), y, rtol=0.05)
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.partial_fit(X, y).coef_).all()


# Interruption


@dataclass(frozen=True)
class Interrupted(Huber):
    """A loss whose gradient is interrupted after `limit` calls."""

    calls = 0
    limit = 10**9

    def gradient(self, p, y):
        type(self).calls += 1
        if self.calls > self.limit:
            raise KeyboardInterrupt
        return super().gradient(p, y)


@pytest.mark.filterwarnings("ignore:Numba could not compile Interrupted")
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_interrupted_fit_keeps_the_last_complete_epoch(Regressor, shuffle, small, monkeypatch):
    X, y = small
    params = {"max_iter": 10, "learning_rate": 0.02, "shuffle": shuffle, "random_state": 0}
    model = standardized(Regressor, loss=Interrupted(1.0), **params)
    monkeypatch.setattr(Interrupted, "calls", 0)
    clone(model).set_params(max_iter=4).fit(X, y)
    per_epoch = Interrupted.calls
    clone(model).set_params(max_iter=5).fit(X, y)
    per_epoch = Interrupted.calls - 2 * per_epoch  # calls in the fifth epoch

    monkeypatch.setattr(Interrupted, "calls", 0)
    clone(model).set_params(max_iter=4).fit(X, y)
    monkeypatch.setattr(Interrupted, "limit", Interrupted.calls + per_epoch // 2)
    monkeypatch.setattr(Interrupted, "calls", 0)
    stopped = clone(model)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, y)
    monkeypatch.setattr(Interrupted, "limit", 10**9)

    whole = clone(model).set_params(max_iter=4).fit(X, y)
    assert_array_equal(stopped.coef_, whole.coef_)
    assert_array_equal(stopped.intercept_, whole.intercept_)
    assert (stopped.n_iter_, stopped.t_) == (4, whole.t_)
    assert (stopped.stop_reason_, stopped.converged_) == ("interrupted", False)
    assert stopped.history_["epoch"].tolist() == [0, 1, 2, 3, 4]
    # further epochs are those of an uninterrupted fit
    assert_allclose(
        stopped.partial_fit(X, y).coef_, whole.set_params(max_iter=5).fit(X, y).coef_, rtol=1e-12
    )


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_interrupt_in_the_schedule_keeps_the_last_complete_epoch(Regressor, small):
    X, y = small
    epoch = {BatchGDRegressor: 1, MiniBatchGDRegressor: 1, SGDRegressor: 20}[Regressor]

    def interrupted(t):
        if np.max(t) > 3 * epoch:
            raise KeyboardInterrupt
        return 0.02

    model = standardized(Regressor, max_iter=10, learning_rate=interrupted, shuffle=False)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    whole = clone(model).set_params(max_iter=3, learning_rate=0.02).fit(X, y)
    assert_array_equal(model.coef_, whole.coef_)
    assert model.n_iter_ == 3
