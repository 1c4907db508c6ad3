"""Contracts of the three regressors: among themselves, and with scikit-learn."""

import operator
import pickle
from dataclasses import replace
from functools import partial
from itertools import product
from types import NoneType

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import linear_model, svm
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd._utils.component import Component
from skgd.losses import LOSSES, EpsilonInsensitive, Huber, Quantile, SquaredError
from skgd.optimizers import (
    OPTIMIZERS,
    SVRG,
    BatchOptimizer,
    ConjugateGradient,
    Momentum,
    Nesterov,
    ProximalNewton,
)
from skgd.penalties import PENALTIES, ElasticNet
from skgd.schedules import SCHEDULES, Constant, Schedule
from skgd.step_rules import STEP_RULES, LineSearch, PassiveAggressive, StepRule
from tests.helpers.executors import COMPILED_PAIRS, OTHER_LOSSES, compiled_if
from tests.helpers.regressors import (
    ELEMENTWISE,
    REGRESSORS,
    STOCHASTIC,
    assert_same_model,
    few_epochs,
    objective,
    targets_for,
)

RATES = SCHEDULES | STEP_RULES

SMOOTH = [None, *(name for name, penalty in PENALTIES.items() if penalty(alpha=1.0).l1 == 0)]
#: Schedules that give a rate for each update, whatever the batch, beside a plain function of t.
TIMED = {name: schedule() for name, schedule in SCHEDULES.items()} | {
    "callable": partial(operator.truediv, 0.1)
}


def gentle(component):
    """Return a component with parameters for the small data: a low rate, little momentum."""
    if not isinstance(component, Component):
        return component
    known = component.get_params()
    return replace(
        component, **{name: 0.02 for name in ("eta0", "t0", "momentum") if name in known}
    )


def fit_from_start(model, X, y):
    """Fit from coefficients at which the gradients of all losses have both signs."""
    loss = LOSSES.get(model.loss, type(model.loss))()
    return model.fit(
        X, y, coef_init=[0.1, -0.2, 0.15], intercept_init=[loss.intercept_only(y) + 0.01]
    )


def are_compatible(Regressor, loss, penalty, schedule, optimizer):
    """Return whether the components may be combined."""
    if isinstance(schedule, SCHEDULES["optimal"]):
        # Its rates are of order 1 / alpha, which is too high for optimizers with normalised steps.
        linear = (OPTIMIZERS["gd"], OPTIMIZERS["momentum"], OPTIMIZERS["nesterov"])
        return penalty is not None and isinstance(optimizer, linear)
    full_batch = Regressor is BatchGDRegressor
    if isinstance(optimizer, BatchOptimizer) and not full_batch:
        return False
    if isinstance(optimizer, ConjugateGradient):
        smooth = loss.has_moreau_envelope() is False and (penalty is None or penalty.l1 == 0)
        return smooth and isinstance(schedule, LineSearch)
    if isinstance(optimizer, ProximalNewton):
        return isinstance(schedule, LineSearch)
    if isinstance(schedule, PassiveAggressive):
        plain = OPTIMIZERS["gd"]
        return (
            Regressor is SGDRegressor
            and type(loss) is EpsilonInsensitive
            and (type(optimizer) is plain)
        )
    if isinstance(schedule, LineSearch):
        return full_batch and isinstance(optimizer, (OPTIMIZERS["gd"], BatchOptimizer))
    return True


gd_regressor = partial(
    few_epochs,
    optimizer="gd",
    penalty="l2",
    alpha=0.0,
    standardize=False,
    shuffle=False,
    batch_size=6,
)


def rotated_switches(Regressor, number):
    """Return settings of averaging, shuffling and standardising, in rotation by number."""
    if Regressor is BatchGDRegressor:
        return {"standardize": bool(number % 2)}
    average, shuffle, standardize = list(product([False, 4], [False, True], [False, True]))[
        5 * number % 8
    ]
    return {
        "average": average,
        "shuffle": shuffle,
        "standardize": standardize,
        "random_state": 0,
        **({"batch_size": 3} if Regressor is MiniBatchGDRegressor else {}),
    }


def tolerance(loss):
    """Return the relative accuracy of automatic fits; kinks are smoothed over a width of 1e-4."""
    return 1e-4 if LOSSES[loss].has_moreau_envelope() else 1e-6


def is_same_fit(one, other, rtol=1e-12):
    """Return whether two fits agree in model, number of updates and history, up to rounding."""

    def close(a, b):
        return np.allclose(a, b, rtol=0, atol=rtol * np.nanmax(np.abs(b)), equal_nan=True)

    first, second = one.history_, other.history_
    return (
        one.t_ == other.t_
        and close(one.coef_, other.coef_)
        and close(one.intercept_, other.intercept_)
        and first.keys() == second.keys()
        and all(close(first[name], second[name]) for name in first if name != "time")
    )


# Contract 4: k epochs are k calls of partial_fit

#: Losses that run compiled here, where the state matters: tests/solvers/compiled has all formulas.
COMPILED_LOSSES = {"squared_error", "huber", *OTHER_LOSSES[:2]}


@pytest.mark.parametrize("schedule", [*RATES, "callable"])
@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_epochs_of_fit_equal_calls_of_partial_fit(Regressor, loss_name, schedule, small):
    X, y = small[0][:8], targets_for(loss_name, small[1][:8])
    rate = TIMED["callable"] if schedule == "callable" else gentle(RATES[schedule]())
    loss = LOSSES[loss_name]()
    alpha = 4.0 if schedule == "optimal" else 0.3  # a high alpha gives "optimal" low rates
    penalties = [None, *(penalty(alpha=alpha) for penalty in PENALTIES.values())]
    different = []
    # Every second penalty is tested, and one setting of the switches, both in rotation, so that any
    # two values of all these parameters meet.
    offset = list(LOSSES).index(loss_name) + [*RATES, "callable"].index(schedule)
    for number, (name, penalty) in enumerate(product(OPTIMIZERS, penalties), start=offset):
        optimizer = gentle(OPTIMIZERS[name]())
        if number % 2 or not are_compatible(Regressor, loss, penalty, rate, optimizer):
            continue
        model = gd_regressor(
            Regressor,
            loss=loss,
            penalty=penalty,
            alpha=Regressor().alpha,
            learning_rate=rate,
            optimizer=optimizer,
            max_iter=2,
            **rotated_switches(Regressor, number // 2),
        )
        is_sampled = (loss_name, name) in COMPILED_PAIRS and loss_name in COMPILED_LOSSES
        with compiled_if(is_sampled and type(penalty) in (NoneType, ElasticNet)):
            whole, parts = clone(model).fit(X, y), clone(model)
            for _ in range(2):
                parts = pickle.loads(pickle.dumps(parts.partial_fit(X, y)))
        # Moments that are merged from parts differ from those of all rows by rounding.
        if not is_same_fit(whole, parts, rtol=1e-9 if model.standardize else 1e-12):
            different.append(whole)
    assert not different


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_partial_fit_keeps_a_reduced_adaptive_rate(Regressor, small):
    X, y = small
    tol = {BatchGDRegressor: 0.9, MiniBatchGDRegressor: 1.0, SGDRegressor: 1e9}[Regressor]
    model = gd_regressor(
        Regressor, learning_rate="adaptive", eta0=0.01, tol=tol, n_iter_no_change=1, max_iter=4
    )
    with pytest.warns(Warning, match="did not converge"):
        whole = clone(model).fit(X, y + 50)
    parts = model
    for _ in range(4):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X, y + 50)))
    assert whole.history_["learning_rate"][-1] < 0.01
    assert is_same_fit(whole, parts)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_partial_fit_starts_from_assigned_coefficients(Regressor, small):
    X, y = small
    assigned = gd_regressor(Regressor).fit(X, y)
    assigned.coef_, assigned.intercept_ = np.array([1.0, 2.0, 3.0]), np.array([4.0])
    assigned.partial_fit(X, y)
    expected = gd_regressor(Regressor, max_iter=1)
    expected.fit(X, y, coef_init=[1.0, 2.0, 3.0], intercept_init=[4.0])
    assert_same_model(assigned, expected, rtol=1e-13)


# Contract 3: one descent for all batch sizes


@pytest.mark.parametrize("penalty", SMOOTH)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ELEMENTWISE)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_one_batch_of_all_rows_equals_full_batch(optimizer, loss, penalty, small):
    X, y = small[0], targets_for(loss, small[1])
    params = {"loss": loss, "penalty": penalty, "alpha": 0.5, "standardize": True}
    params |= {"learning_rate": 0.02, "optimizer": gentle(OPTIMIZERS[optimizer]())}
    batch = fit_from_start(gd_regressor(BatchGDRegressor, **params), X, y)
    mini = fit_from_start(
        gd_regressor(MiniBatchGDRegressor, batch_size=20, shuffle=True, **params), X, y
    )
    assert_same_model(mini, batch)


@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", ELEMENTWISE)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_batches_of_one_row_equal_sgd(optimizer, loss, penalty, small):
    X, y = small[0], targets_for(loss, small[1])
    params = {"loss": loss, "penalty": penalty, "alpha": 0.5, "random_state": 0, "average": 30}
    params |= {"learning_rate": 0.02, "optimizer": gentle(OPTIMIZERS[optimizer]())}
    params |= {"shuffle": True, "max_iter": 2}
    sgd = fit_from_start(gd_regressor(SGDRegressor, **params), X, y)
    mini = fit_from_start(gd_regressor(MiniBatchGDRegressor, batch_size=1, **params), X, y)
    assert_same_model(mini, sgd)
    assert mini.t_ == sgd.t_ == 41


@pytest.mark.parametrize("schedule", TIMED)
def test_schedules_mean_the_same_at_every_batch_size(schedule, small):
    params = {"learning_rate": gentle(TIMED[schedule]), "alpha": 4.0, "average": False}
    mini = gd_regressor(MiniBatchGDRegressor, **params)
    del params["average"]
    batch = gd_regressor(BatchGDRegressor, **params).fit(*small)
    assert_same_model(clone(mini).set_params(batch_size=20).fit(*small), batch)
    sgd = gd_regressor(SGDRegressor, **params).fit(*small)
    assert_same_model(clone(mini).set_params(batch_size=1).fit(*small), sgd)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"loss": Huber(epsilon=1e9)}, {"loss": "squared_error"}),
        ({"penalty": "elasticnet", "l1_ratio": 0.0}, {"penalty": "l2"}),
        ({"penalty": "elasticnet", "l1_ratio": 1.0}, {"penalty": "l1"}),
        ({"penalty": "l1", "alpha": 0.0}, {"penalty": None}),
        ({"optimizer": Momentum(momentum=0.0)}, {"optimizer": "gd"}),
        ({"optimizer": Nesterov(momentum=0.0)}, {"optimizer": "gd"}),
        ({"learning_rate": 0.05}, {"learning_rate": Constant(eta0=0.05)}),
        ({"learning_rate": 0.05}, {"learning_rate": "constant", "eta0": 0.05}),
        ({"learning_rate": 0.05}, {"learning_rate": "invscaling", "eta0": 0.05, "power_t": 0.0}),
        ({"learning_rate": 0.05}, {"learning_rate": lambda t: 0.05}),
    ],
    ids=lambda params: "-".join(params),
)
def test_equivalent_parameters_give_the_same_model(Regressor, one, other, small):
    base = {"alpha": 0.1}
    assert_same_model(
        gd_regressor(Regressor, **base | one).fit(*small),
        gd_regressor(Regressor, **base | other).fit(*small),
        rtol=1e-12,
    )


def test_batch_size_is_capped_at_the_number_of_rows(small):
    capped = gd_regressor(MiniBatchGDRegressor, batch_size=1000).fit(*small)
    assert_same_model(capped, gd_regressor(MiniBatchGDRegressor, batch_size=20).fit(*small), rtol=0)
    assert capped.t_ == 4


# Contract 5: weights


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_zero_weight_equals_dropping_the_row(Regressor, standardize, loss, small, weights):
    X, y = small[0], targets_for(loss, small[1])
    model = gd_regressor(Regressor, loss=loss, standardize=standardize, alpha=0.1)
    kept = weights > 0
    weighted = clone(model).fit(X, y, sample_weight=weights)
    dropped = clone(model).fit(X[kept], y[kept], sample_weight=weights[kept])
    assert_same_model(weighted, dropped, rtol=0)
    assert weighted.t_ == dropped.t_


@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rate", ["auto", 0.05])
def test_integer_weights_equal_repeated_rows(rate, loss, penalty, small, weights):
    X, y = small[0], targets_for(loss, small[1])
    tol = 1e-10 if rate == "auto" else None
    alpha = 0.01 if loss == "binomial" else 0.1  # at 0.1 the l1 penalty leaves no coefficient
    model = BatchGDRegressor(loss, penalty=penalty, alpha=alpha, learning_rate=rate, tol=tol)
    model.set_params(max_iter=10_000 if rate == "auto" else 5)
    repeats = weights.astype(int)
    weighted = clone(model).fit(X, y, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    assert_same_model(weighted, repeated, rtol=tolerance(loss) if rate == "auto" else 1e-11)


@pytest.mark.parametrize("rate", ["auto", 0.05])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor])
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_scaling_all_weights_changes_nothing(Regressor, loss, rate, small, weights):
    X, y = small[0], targets_for(loss, small[1])
    model = gd_regressor(Regressor, loss=loss, learning_rate=rate, alpha=0.1, max_iter=5)
    model.set_params(optimizer="auto", standardize=True)
    fits = [clone(model).fit(X, y, sample_weight=c * weights) for c in (1, 1e3, 1e-3)]
    assert_same_model(fits[1], fits[0])
    assert_same_model(fits[2], fits[0])
    ones = clone(model).fit(X, y, sample_weight=np.full(20, 7.0))
    assert_same_model(ones, clone(model).fit(X, y))


@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor])
def test_scaling_all_weights_changes_nothing_in_partial_fit(Regressor, small, weights):
    X, y = small
    one, other = (gd_regressor(Regressor, standardize=True, alpha=0.1) for _ in range(2))
    for rows in (slice(0, 12), slice(12, 20)):
        one.partial_fit(X[rows], y[rows], weights[rows])
        other.partial_fit(X[rows], y[rows], 50 * weights[rows])
    assert_same_model(one, other)


def test_weights_multiply_stochastic_updates(small):
    halved = gd_regressor(SGDRegressor).fit(*small, sample_weight=np.full(20, 0.5))
    assert_same_model(
        halved, gd_regressor(SGDRegressor, learning_rate=0.025).fit(*small), rtol=1e-13
    )


# Contract 6: kinds of input


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(
    "kind",
    [
        pd.DataFrame,
        partial(pl.DataFrame, schema=["a", "b", "c"]),
        np.ndarray.tolist,
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    ],
    ids=["pandas", "polars", "list", "fortran", "strided"],
)
def test_input_container_does_not_change_the_model(kind, Regressor, standardize, small):
    X, y = small
    model = gd_regressor(Regressor, standardize=standardize)
    converted = clone(model).fit(kind(X), y)
    plain = clone(model).fit(X, y)
    assert_same_model(converted, plain, rtol=1e-13)
    assert_allclose(converted.predict(kind(X)), plain.predict(X), rtol=1e-13)


@pytest.mark.parametrize("as_frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_feature_names_are_stored(Regressor, as_frame, small):
    X, y = small
    frame = as_frame({name: X[:, j] for j, name in enumerate("abc")})
    if not hasattr(StandardScaler().fit(frame), "feature_names_in_"):
        pytest.skip("this scikit-learn reads no names from such frames")
    model = gd_regressor(Regressor).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c"]])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_float32_is_preserved(Regressor, standardize, loss, small):
    double_X, double_y = small[0], targets_for(loss, small[1])
    X, y = double_X.astype(np.float32), double_y.astype(np.float32)
    model = gd_regressor(Regressor, loss=loss, standardize=standardize, alpha=0.1)
    single = clone(model).fit(X, y)
    double = clone(model).fit(double_X, double_y)
    assert single.coef_.dtype == single.intercept_.dtype == single.predict(X).dtype == np.float32
    assert_same_model(single, double, rtol=1e-5)
    assert double.coef_.dtype == double.intercept_.dtype == np.float64


def test_automatic_fit_in_float32(diabetes):
    X, y = (array.astype(np.float32) for array in diabetes)
    for Regressor in (BatchGDRegressor, partial(MiniBatchGDRegressor, random_state=0)):
        single, double = Regressor().fit(X, y), Regressor().fit(*diabetes)
        assert single.coef_.dtype == np.float32
        assert_allclose(single.predict(X), double.predict(diabetes[0]), rtol=1e-3)


def test_input_arrays_are_never_written_to(small):
    X, y = small  # they are not writeable
    start, sample_weight = np.ones(3), np.ones(20)
    for array in (start, sample_weight):
        array.flags.writeable = False
    for Regressor in REGRESSORS:
        gd_regressor(Regressor).fit(X, y, coef_init=start, sample_weight=sample_weight)


# Contract 7: minima


def test_defaults_equal_linear_regression_on_unscaled_data(diabetes):
    ours, theirs = BatchGDRegressor().fit(*diabetes), linear_model.LinearRegression().fit(*diabetes)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-8)
    assert ours.converged_


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_weighted_fit_equals_linear_regression(fit_intercept, diabetes):
    weights = np.random.default_rng(0).uniform(0, 3, size=len(diabetes[1]))
    ours = BatchGDRegressor(fit_intercept=fit_intercept)
    theirs = linear_model.LinearRegression(fit_intercept=fit_intercept)
    ours.fit(*diabetes, sample_weight=weights)
    theirs.fit(*diabetes, sample_weight=weights)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-7, atol=1e-12)


@pytest.fixture(scope="session")
def wide(diabetes):
    """Every fourth row of the real data, in units in which penalties are comparable."""
    X, y = diabetes[0][::4], diabetes[1][::4]
    return (X - X.mean(axis=0)) / X.std(axis=0) + 1, y


@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize(
    ("penalty", "l1_ratio", "peer"),
    [
        ("l2", 0.15, lambda alpha, n: linear_model.Ridge(alpha=alpha * n)),
        ("l1", 0.15, lambda alpha, n: linear_model.Lasso(alpha=alpha, tol=1e-12, max_iter=10**5)),
        (
            "elasticnet",
            0.3,
            lambda alpha, n: linear_model.ElasticNet(
                alpha=alpha, l1_ratio=0.3, tol=1e-12, max_iter=10**5
            ),
        ),
    ],
    ids=["l2", "l1", "elasticnet"],
)
@pytest.mark.parametrize("standardize", [True, False])
def test_penalised_least_squares_equals_ridge_lasso_and_elastic_net(
    standardize, penalty, l1_ratio, peer, alpha, wide
):
    X, y = wide
    ours = BatchGDRegressor(
        penalty=penalty, alpha=alpha, l1_ratio=l1_ratio, standardize=standardize
    ).fit(X, y)
    theirs = peer(alpha, len(X)).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-6)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-6)
    assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


PEERS = {
    "squared_error": lambda X, y, alpha: (
        BatchGDRegressor(alpha=alpha),
        linear_model.Ridge(alpha=alpha * len(X)),
    ),
    "epsilon_insensitive": lambda X, y, alpha: (
        BatchGDRegressor("epsilon_insensitive", epsilon=5.0, alpha=alpha, fit_intercept=False),
        svm.LinearSVR(
            epsilon=5.0, C=1 / (alpha * len(X)), fit_intercept=False, tol=1e-9, max_iter=10**6
        ),
    ),
    "squared_epsilon_insensitive": lambda X, y, alpha: (
        BatchGDRegressor(
            "squared_epsilon_insensitive", epsilon=5.0, alpha=alpha, fit_intercept=False
        ),
        svm.LinearSVR(
            loss="squared_epsilon_insensitive",
            dual=True,
            epsilon=5.0,
            C=1 / (alpha * len(X)),
            fit_intercept=False,
            tol=1e-9,
            max_iter=10**6,
        ),
    ),
    "absolute_error": lambda X, y, alpha: (
        BatchGDRegressor("absolute_error", penalty="l1", alpha=alpha),
        linear_model.QuantileRegressor(alpha=alpha / 2),  # its loss is half the absolute error
    ),
    "quantile": lambda X, y, alpha: (
        BatchGDRegressor(LOSSES["quantile"](0.8), penalty="l1", alpha=alpha),
        linear_model.QuantileRegressor(quantile=0.8, alpha=alpha),
    ),
    "poisson": lambda X, y, alpha: (
        BatchGDRegressor("poisson", alpha=alpha),
        linear_model.PoissonRegressor(alpha=alpha, tol=1e-10, max_iter=10**4),
    ),
    "gamma": lambda X, y, alpha: (
        BatchGDRegressor("gamma", alpha=alpha),
        linear_model.GammaRegressor(alpha=alpha, tol=1e-10, max_iter=10**4),
    ),
    "tweedie": lambda X, y, alpha: (
        BatchGDRegressor("tweedie", alpha=alpha),
        linear_model.TweedieRegressor(
            power=1.5, link="log", alpha=alpha, tol=1e-10, max_iter=10**4
        ),
    ),
    "inverse_gaussian": lambda X, y, alpha: (
        BatchGDRegressor("inverse_gaussian", alpha=alpha),
        linear_model.TweedieRegressor(power=3, link="log", alpha=alpha, tol=1e-10, max_iter=10**4),
    ),
}


@pytest.mark.parametrize("alpha", [0.01, 1.0])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss in PEERS])
def test_objective_equals_that_of_the_scikit_learn_regressor(loss, alpha, wide):
    X, y = wide
    ours, theirs = (model.fit(X, y) for model in PEERS[loss](X, y, alpha))
    rtol = 1e-5 if ours.loss_.has_moreau_envelope() else 1e-8
    assert_allclose(objective(ours, X, y), objective(ours, X, y, coefficients_of=theirs), rtol=rtol)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_objective_equals_that_of_huber_regressor(alpha, wide):
    X, y = wide
    n = len(X)
    theirs = linear_model.HuberRegressor(epsilon=1.35, alpha=alpha, tol=1e-10, max_iter=10**4)
    theirs.fit(X, y)
    # HuberRegressor minimises n sigma + (2 / sigma) sum_i huber(r_i) + alpha w², also over sigma.
    sigma = theirs.scale_
    ours = BatchGDRegressor("huber", epsilon=1.35 * sigma, alpha=alpha * sigma / n).fit(X, y)
    assert_allclose(objective(ours, X, y), objective(ours, X, y, coefficients_of=theirs), rtol=1e-7)
    assert objective(ours, X, y) <= objective(ours, X, y, coefficients_of=theirs) * (1 + 1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", [None, "l2", "elasticnet"])
def test_no_small_perturbation_lowers_the_objective(loss, penalty, small):
    X, y = small[0], targets_for(loss, small[1])
    model = BatchGDRegressor(LOSSES[loss](), penalty=penalty, alpha=0.05).fit(X, y)
    start = objective(model, X, y)
    perturbed = clone(model).fit(X, y)
    for step in 0.01 * np.random.default_rng(0).normal(size=(100, 4)):
        perturbed.coef_, perturbed.intercept_ = model.coef_ + step[:3], model.intercept_ + step[3]
        assert objective(model, X, y, coefficients_of=perturbed) >= start * (1 - 1e-6)


def test_sgd_defaults_equal_scikit_learn():
    ours, theirs = SGDRegressor().get_params(), linear_model.SGDRegressor().get_params()
    shared = ours.keys() & theirs.keys()
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
    assert theirs.keys() <= ours.keys()


@pytest.mark.parametrize("rate", ["pa1", "pa2"])
def test_passive_aggressive_steps_on_a_row_of_zeros_equal_scikit_learn(rate, small):
    X, y = np.vstack([small[0][:5], np.zeros(3)]), np.append(small[1][:5], 9.0)
    params = {"loss": "epsilon_insensitive", "learning_rate": rate, "eta0": 1.0, "penalty": None}
    theirs = linear_model.SGDRegressor(shuffle=False, max_iter=2, tol=None)
    if rate not in theirs._parameter_constraints["learning_rate"][0].options:
        pytest.skip("this scikit-learn has no such learning_rate")
    theirs.set_params(**params).fit(X, y)
    ours = SGDRegressor(shuffle=False, max_iter=2, tol=None, **params).fit(X, y)
    assert_same_model(ours, theirs)


# Textbook descent


def test_full_batch_equals_the_textbook_loop(small):
    X, y = small
    rows, theta = np.column_stack([X, np.ones(20)]), np.zeros(4)
    for _ in range(50):
        theta = theta - 0.1 * rows.T @ (rows @ theta - y) / 20
    model = BatchGDRegressor(
        learning_rate=0.1, optimizer="gd", standardize=False, max_iter=50, tol=None
    ).fit(X, y)
    assert_allclose(model.coef_, theta[:3], rtol=1e-12)
    assert_allclose(model.intercept_, theta[3:], rtol=1e-12)


def test_sgd_equals_the_textbook_loop(small):
    X, y = small
    theta = np.zeros(4)
    for _ in range(3):
        for row, target in zip(np.column_stack([X, np.ones(20)]), y, strict=True):
            theta = theta - 0.1 * (row @ theta - target) * row
    model = gd_regressor(SGDRegressor, learning_rate=0.1).fit(X, y)
    assert_allclose(np.append(model.coef_, model.intercept_), theta, rtol=1e-11)


# Standardised descent


@pytest.mark.parametrize("optimizer", ELEMENTWISE)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_standardize_equals_descent_on_standardised_columns(Regressor, loss, optimizer, small):
    X, y = small[0], targets_for(loss, small[1])
    center, scale = X.mean(axis=0), X.std(axis=0)
    model = gd_regressor(Regressor, loss=loss, learning_rate=0.02)
    model.set_params(optimizer=gentle(OPTIMIZERS[optimizer]()))
    before = fit_from_start(clone(model), (X - center) / scale, y)
    start = {"coef_init": [0.1, -0.2, 0.15] / scale}
    start["intercept_init"] = LOSSES[loss]().intercept_only(y) + 0.01 - start["coef_init"] @ center
    inside = model.set_params(standardize=True).fit(X, y, **start)
    assert_allclose(inside.coef_, before.coef_ / scale, rtol=1e-9)
    assert_allclose(inside.intercept_, before.intercept_ - inside.coef_ @ center, rtol=1e-9)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", LOSSES)
def test_standardize_does_not_change_the_minimum(loss, penalty, small):
    X, y = small[0], targets_for(loss, small[1])
    model = BatchGDRegressor(loss, penalty=penalty, alpha=0.05)
    inside, outside = clone(model).fit(X, y), model.set_params(standardize=False).fit(X, y)
    assert_allclose(objective(inside, X, y), objective(outside, X, y), rtol=1e-8)


@pytest.mark.parametrize(
    "change",
    [lambda X: 30 * X, lambda X: 0.001 * X, lambda X: X + 100, lambda X: -X * [1, 1e-6, 1e6]],
    ids=["times_30", "times_0.001", "plus_100", "mixed_units"],
)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_units_and_offsets_of_features_do_not_change_the_fit(Regressor, change, small):
    X, y = small
    model = Regressor(penalty=None, standardize=True)
    if Regressor is not BatchGDRegressor:
        model.set_params(random_state=0)
    if Regressor is SGDRegressor:
        model.set_params(eta0=0.1, max_iter=10, tol=None)
    plain = clone(model).fit(X, y).score(X, y)
    assert plain > 0.5
    assert_allclose(clone(model).fit(change(X), y).score(change(X), y), plain, rtol=1e-7)


@pytest.mark.parametrize("constant", [0.0, 3.0, 0.1, 1e6])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_constant_column_gets_a_zero_coefficient(Regressor, constant, small):
    X, y = small
    more = np.column_stack([X, np.full(20, constant)])
    model = gd_regressor(Regressor, standardize=True, alpha=0.1)
    with_column, without = clone(model).fit(more, y), clone(model).fit(X, y)
    assert_allclose(with_column.coef_[-1], 0, atol=1e-20)
    assert_allclose(with_column.predict(more), without.predict(X), rtol=1e-10)


@pytest.mark.parametrize("optimizer", ELEMENTWISE)
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_updated_moments_do_not_change_predictions(Regressor, optimizer, small):
    X, y = small
    model = gd_regressor(
        Regressor, optimizer=optimizer, standardize=True, learning_rate=Constant(eta0=0.05)
    ).fit(X, y)
    before = model.predict(X)
    model.set_params(learning_rate=1e-15).partial_fit(100 * X - 300, y)
    assert_allclose(model.predict(X), before, rtol=1e-6)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_stream_in_mixed_units_is_learned(Regressor):
    rng = np.random.default_rng(0)
    model = gd_regressor(Regressor, standardize=True, learning_rate=0.05)
    chunks = {BatchGDRegressor: 200, MiniBatchGDRegressor: 60, SGDRegressor: 30}
    for _ in range(chunks[Regressor]):
        X = rng.normal(size=(20, 3)) * [1, 1000, 0.001] + [100, -3000, 0]
        y = X @ [1, 0.001, 1000] + 7
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.99


# Fitted attributes


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_shapes_and_counts_of_fitted_attributes(Regressor, small):
    X, y = small
    updates = {BatchGDRegressor: 1, MiniBatchGDRegressor: 4, SGDRegressor: 20}[Regressor]
    one = gd_regressor(Regressor).fit(X, y)
    assert (one.coef_.shape, one.intercept_.shape, one.predict(X).shape) == ((3,), (1,), (20,))
    assert (one.n_iter_, one.t_, one.n_features_in_) == (3, 1 + 3 * updates, 3)
    one.partial_fit(X, y)
    assert (one.n_iter_, one.t_) == (1, 1 + 4 * updates)
    columns = gd_regressor(Regressor).fit(X, np.c_[y, y])
    assert (columns.coef_.shape, columns.intercept_.shape) == ((2, 3), (2,))
    assert columns.predict(X).shape == (20, 2)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_quantile_is_the_level_of_the_named_loss_only(Regressor, small):
    named = gd_regressor(Regressor, loss="quantile", quantile=0.9).fit(*small)
    expected = gd_regressor(Regressor, loss=Quantile(0.9)).fit(*small)
    assert named.loss_ == Quantile(0.9)
    assert_allclose(named.coef_, expected.coef_, rtol=1e-15)
    other = gd_regressor(Regressor, loss=Quantile(0.2), quantile=0.9).fit(*small)
    assert other.loss_ == Quantile(0.2)
    median = gd_regressor(Regressor, loss="quantile").fit(*small)
    assert median.loss_ == Quantile(0.5)
    assert gd_regressor(Regressor, quantile=0.9).fit(*small).loss_ == SquaredError()


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_fitted_attributes_hold_the_resolved_components(Regressor, small):
    model = gd_regressor(Regressor, loss="huber", epsilon=0.3, penalty="l1", alpha=0.2)
    model.set_params(learning_rate="constant", eta0=0.04).fit(*small)
    assert model.loss_ == Huber(0.3)
    assert model.penalty_ == PENALTIES["l1"](0.2)
    assert model.schedule_ == Constant(0.04)
    assert model.optimizer_ == OPTIMIZERS["gd"]()
    model.set_params(learning_rate="auto", eta0=Regressor().eta0, optimizer="auto").fit(*small)
    assert isinstance(model.schedule_, (Schedule, StepRule))
    kinds = tuple(OPTIMIZERS.values()) if Regressor is BatchGDRegressor else SVRG
    assert isinstance(model.optimizer_, kinds)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_without_an_intercept_it_is_zero(Regressor, small):
    model = gd_regressor(Regressor, fit_intercept=False, standardize=True).fit(*small)
    assert_array_equal(model.intercept_, [0])
    assert_allclose(model.predict(np.zeros((1, 3))), [0])


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_warm_start_keeps_coefficients_but_no_optimizer_state(Regressor, small):
    warm = gd_regressor(Regressor, optimizer="momentum", warm_start=True).fit(*small)
    start = {"coef_init": warm.coef_, "intercept_init": warm.intercept_}
    cold = gd_regressor(Regressor, optimizer="momentum").fit(*small, **start)
    assert_same_model(warm.fit(*small), cold, rtol=1e-13)
    assert warm.t_ == cold.t_


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_explicit_start_overrides_warm_start(Regressor, small):
    start = {"coef_init": np.ones(3), "intercept_init": [2.0]}
    warm = gd_regressor(Regressor, warm_start=True).fit(*small).fit(*small, **start)
    assert_same_model(warm, gd_regressor(Regressor).fit(*small, **start), rtol=0)


@pytest.mark.parametrize("Regressor", STOCHASTIC)
def test_average_is_the_mean_of_the_iterates(Regressor, small):
    X, y = small
    model = gd_regressor(Regressor, average=3)
    if Regressor is MiniBatchGDRegressor:
        model.set_params(batch_size=20)
    else:
        X, y = X[:1], y[:1]
    iterates = [clone(model).set_params(average=False, max_iter=k).fit(X, y) for k in range(1, 6)]
    averaged = model.set_params(max_iter=5).fit(X, y)
    late = iterates[2:]
    assert_allclose(averaged.coef_, np.mean([m.coef_ for m in late], axis=0), rtol=1e-13)
    assert_allclose(averaged.intercept_, np.mean([m.intercept_ for m in late], axis=0), rtol=1e-13)
    begun = clone(model).set_params(max_iter=2).fit(X, y)
    assert_same_model(begun, iterates[1], rtol=0)


@pytest.mark.parametrize("Regressor", STOCHASTIC)
def test_shuffling_is_reproducible_by_seed(Regressor, small):
    model = gd_regressor(Regressor, shuffle=True, random_state=0)
    assert_same_model(clone(model).fit(*small), clone(model).fit(*small), rtol=0)
    other = clone(model).set_params(random_state=1).fit(*small)
    assert not np.allclose(other.coef_, model.fit(*small).coef_, rtol=1e-6)


def test_every_epoch_has_a_new_order(small):
    X, y = small
    model = gd_regressor(SGDRegressor, shuffle=True, random_state=42, record="path", max_iter=100)
    ends = model.fit(X, y).path_["coef_0"][:: len(y)]
    steps = np.diff(ends[40:])  # the iterates fluctuate about the minimum
    assert len(np.unique(steps.round(12))) == len(steps)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_l1_penalty_gives_exact_zeros(Regressor, small):
    X, y = small
    model = gd_regressor(Regressor, penalty="l1", alpha=0.3, max_iter=20).fit(X, y)
    assert np.any(model.coef_ == 0)
    assert np.any(gd_regressor(Regressor, max_iter=20).fit(X, y).coef_ != 0)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_print_is_short_before_and_after_a_fit(Regressor, small):
    model = Regressor()
    assert repr(model) == f"{Regressor.__name__}()"
    assert repr(model.fit(*small)) == f"{Regressor.__name__}()"
    assert repr(Regressor(alpha=0.5)) == f"{Regressor.__name__}(alpha=0.5)"
