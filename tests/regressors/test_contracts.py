"""The contracts of the design on random tables; `make hunt` tries many more of them."""

import functools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, losses, schedules
from tests.helpers.executors import numpy_only
from tests.helpers.regressors import ELEMENTWISE, REGRESSORS, objective, targets_for
from tests.helpers.tables import tables

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:R.2 score is not well-defined"),
]

#: Optimizers whose steps are linear in the gradients. The others divide by gradients, which may be
#: rounding errors, so that the results of equivalent fits differ by more than rounding.
LINEAR = ["gd", "momentum", "nesterov"]
regressors = st.sampled_from(REGRESSORS)


@pytest.fixture(scope="module", autouse=True)
def on_numpy():
    """Run on NumPy; tests/solvers/compiled compares compiled loops with it."""
    with numpy_only():
        yield


@st.composite
def models(
    draw, Regressor=None, penalties=(None, "l2", "l1", "elasticnet"), optimizer_names=LINEAR
):
    """Draw a regressor that runs a few epochs at a low explicit learning rate."""
    Regressor = Regressor or draw(regressors)
    params = {
        "loss": draw(st.sampled_from(list(losses.LOSSES))),
        "penalty": draw(st.sampled_from(penalties)),
        "alpha": draw(st.sampled_from([0.0, 0.01, 1.0])),
        "optimizer": draw(st.sampled_from(optimizer_names)),
        "learning_rate": draw(
            st.sampled_from([1e-3, schedules.CosineDecay(0.002), schedules.Adaptive(0.002)])
        ),
        "standardize": draw(st.booleans()),
        "fit_intercept": draw(st.booleans()),
        "max_iter": draw(st.integers(1, 4)),
        "tol": None,
    }
    if Regressor is not BatchGDRegressor:
        params["shuffle"] = draw(st.booleans())
        params["average"] = draw(st.sampled_from([False, True, 3]))
        params["random_state"] = draw(st.integers(0, 9))
    if Regressor is MiniBatchGDRegressor:
        params["batch_size"] = draw(st.integers(1, 13))
    return Regressor(**params)


def assert_same_model(one, other, tol=1e-9):
    """Assert that two models made equally many updates and agree up to rounding.

    The parameters may differ by `tol` times the largest of them, or times 1 if that is larger.
    """
    scale = max(1.0, np.abs(other.coef_).max(), np.abs(other.intercept_).max())
    assert_allclose(one.coef_, other.coef_, rtol=0, atol=tol * scale)
    assert_allclose(one.intercept_, other.intercept_, rtol=0, atol=tol * scale)
    assert one.t_ == other.t_


def rejects_divergence(test):
    """Reject tables whose rows are too long for the explicit learning rate that was drawn."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        try:
            test(*args, **kwargs)
        except ValueError as error:
            assume("diverged" not in str(error))
            raise

    return run


# 2: scikit-learn's SGDRegressor


@given(
    table=tables(),
    loss=st.sampled_from(
        ["squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"]
    ),
    penalty=st.sampled_from([None, "l2", "l1", "elasticnet"]),
    rate=st.sampled_from(["constant", "invscaling", "optimal", "adaptive"]),
    weighted=st.booleans(),
)
def test_unshuffled_sgd_equals_scikit_learn(table, loss, penalty, rate, weighted):
    X, y, weights = table
    params = dict(loss=loss, penalty=penalty, learning_rate=rate, alpha=0.01, eta0=0.005)
    params |= {"shuffle": False, "max_iter": 3, "tol": None}
    theirs = linear_model.SGDRegressor(**params).fit(
        X, y, sample_weight=weights if weighted else None
    )
    assume(np.abs(theirs.coef_).max() < 1e6 and np.abs(theirs.intercept_).max() < 1e6)
    ours = SGDRegressor(**params).fit(X, y, sample_weight=weights if weighted else None)
    # skgd drops rows of weight zero; scikit-learn counts them as updates.
    if not weighted or (weights > 0).all():
        assert_same_model(ours, theirs)


# 3: the regressors among themselves


@given(table=tables(), model=models(BatchGDRegressor, penalties=(None, "l2")))
@rejects_divergence
def test_one_batch_of_all_rows_equals_full_batch(table, model):
    X, y, _ = table
    y = targets_for(model.loss, y)
    params = model.get_params(deep=False)
    twin = MiniBatchGDRegressor(**params).set_params(batch_size=len(y), shuffle=False)
    assert_same_model(twin.fit(X, y), model.fit(X, y))


@given(table=tables(), model=models(SGDRegressor))
@rejects_divergence
def test_batches_of_one_row_equal_sgd(table, model):
    X, y, _ = table
    y = targets_for(model.loss, y)
    params = model.get_params(deep=False)
    # Parameters of named schedules, and their default reaction to a divergence, are left out.
    left_out = "eta0", "power_t", "on_divergence"
    params = {name: value for name, value in params.items() if name not in left_out}
    twin = MiniBatchGDRegressor(**params).set_params(batch_size=1)
    assert_same_model(twin.fit(X, y), model.fit(X, y))


# 4: resuming


@given(table=tables(), model=models(optimizer_names=ELEMENTWISE))
@rejects_divergence
def test_epochs_equal_calls_of_partial_fit(table, model):
    X, y, _ = table
    y = targets_for(model.loss, y)
    whole, parts = clone(model).fit(X, y), clone(model)
    for _ in range(model.max_iter):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X, y)))
    assert_same_model(parts, whole)


# 5: weights


@given(table=tables(), model=models(optimizer_names=ELEMENTWISE))
@rejects_divergence
def test_zero_weight_equals_dropping_the_row(table, model):
    X, y, weights = table
    y = targets_for(model.loss, y)
    kept = weights > 0
    weighted = clone(model).fit(X, y, sample_weight=weights)
    assert_same_model(weighted, model.fit(X[kept], y[kept], sample_weight=weights[kept]), tol=1e-12)


@given(table=tables(), model=models(BatchGDRegressor))
@rejects_divergence
def test_integer_weights_equal_repeated_rows(table, model):
    X, y, weights = table
    y = targets_for(model.loss, y)
    repeats = weights.astype(int)
    weighted = clone(model).fit(X, y, sample_weight=weights)
    assert_same_model(weighted, model.fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats)))


@given(table=tables(), data=st.data(), unit=st.sampled_from([1e-150, 1e-9, 1e9, 1e150]))
@rejects_divergence
def test_a_common_factor_of_the_weights_does_not_change_the_model(table, data, unit):
    """The full-batch and the mini-batch regressor divide the weights by their mean."""
    model = data.draw(models(data.draw(st.sampled_from([BatchGDRegressor, MiniBatchGDRegressor]))))
    X, y, weights = table
    y = targets_for(model.loss, y)
    scaled = clone(model).fit(X, y, sample_weight=unit * weights)
    assert_same_model(scaled, model.fit(X, y, sample_weight=weights))


# 6: kinds of input


@given(
    table=tables(),
    model=models(),
    kind=st.sampled_from(
        [csr_array, pd.DataFrame, np.asfortranarray, np.ndarray.tolist, lambda X: X[::-1][::-1]]
    ),
)
@rejects_divergence
def test_input_container_does_not_change_the_model(table, model, kind):
    X, y, weights = table
    y = targets_for(model.loss, y)
    plain = clone(model).fit(X, y, sample_weight=weights)
    converted = clone(model).fit(kind(X), y, sample_weight=weights)
    assert_same_model(converted, plain)
    assert_allclose(converted.predict(kind(X)), plain.predict(X), rtol=1e-7, atol=1e-9)


@given(table=tables(), model=models())
@rejects_divergence
def test_float32_agrees_with_float64_within_its_precision(table, model):
    X, y, _ = table
    y = targets_for(model.loss, y)
    single = clone(model).fit(X.astype(np.float32), y.astype(np.float32))
    assert single.coef_.dtype == single.intercept_.dtype == np.float32
    assert_same_model(single, model.fit(X, y), tol=2e-3)


# 7: minima


@given(table=tables(exponents=(-3, 0, 3)), alpha=st.sampled_from([0.0, 0.1]), data=st.data())
def test_objective_is_at_most_that_of_scikit_learn(table, alpha, data):
    X, y, _ = table
    penalty, peer = data.draw(
        st.sampled_from(
            [
                ("l2", linear_model.Ridge(alpha * len(y), solver="svd") if alpha else None),
                ("l1", linear_model.Lasso(alpha, tol=1e-12, max_iter=100_000) if alpha else None),
            ]
        )
    )
    model = BatchGDRegressor(penalty=penalty, alpha=alpha).fit(X, y)
    peer = clone(peer or linear_model.LinearRegression()).fit(X, y)
    least = np.mean((y - X @ peer.coef_ - peer.intercept_) ** 2) / 2
    least += model.penalty_.value(peer.coef_)
    assert objective(model, X, y) <= least * (1 + 1e-8) + 1e-12 * np.mean(y**2)


@given(
    table=tables(),
    loss=st.sampled_from(list(losses.LOSSES)),
    penalty=st.sampled_from([None, "l2", "l1"]),
    seed=st.integers(0, 9),
)
def test_no_perturbation_lowers_the_objective(table, loss, penalty, seed):
    X, y = table[0], targets_for(loss, table[1])
    model = BatchGDRegressor(loss, penalty=penalty, alpha=0.1).fit(X, y)
    assume(model.converged_)
    reached, rng = objective(model, X, y), np.random.default_rng(seed)
    for size in (1e-3, 1e-1, 1.0):
        perturbed = clone(model)
        perturbed.coef_ = model.coef_ + size * rng.normal(size=model.coef_.shape)
        perturbed.intercept_ = model.intercept_ + size * rng.normal()
        with np.errstate(over="ignore"):
            assert objective(model, X, y, perturbed) >= reached * (1 - 1e-6) - 2e-4


# Units


@given(
    table=tables(exponents=(0,), least_rows=2),
    x_unit=st.integers(-490, 490),
    y_unit=st.integers(-490, 490),
    Regressor=regressors,
    loss=st.sampled_from(["squared_error", "absolute_error"]),
)
@example((np.eye(2), np.array([1.0, 2]), np.ones(2)), 490, -490, BatchGDRegressor, "squared_error")
def test_predictions_are_equivariant_to_units(table, x_unit, y_unit, Regressor, loss):
    X, y, _ = table
    params = {} if Regressor is BatchGDRegressor else {"random_state": 0, "max_iter": 20}
    model = Regressor(loss, standardize=True, learning_rate="auto", penalty=None, **params)
    if Regressor is SGDRegressor:
        model.set_params(tol=None)  # scikit-learn's is in units of y
    expected = clone(model).fit(X, y).predict(X)
    # Scaling by powers of two is exact unless numbers or their squares overflow or underflow.
    scaled = model.fit(X * 2.0**x_unit, y * 2.0**y_unit).predict(X * 2.0**x_unit)
    assert_allclose(scaled * 2.0**-y_unit, expected, rtol=0, atol=1e-6 * np.abs(y).max())


def has_link(loss):
    """Return whether predictions of a class of losses are not the linear predictors."""
    return loss().inverse_link(0.0) != 0


@given(
    table=tables(exponents=(-150, -30, 0, 30, 150)),
    y_unit=st.sampled_from([1e-150, 1e-30, 1.0, 1e30, 1e150]),
    Regressor=regressors,
    loss=st.sampled_from([name for name, loss in losses.LOSSES.items() if not has_link(loss)]),
    standardize=st.booleans(),
)
def test_automatic_fits_are_finite_for_data_of_any_scale(
    table, y_unit, Regressor, loss, standardize
):
    """No warning but of convergence and of the default penalty, whatever the units of X and y."""
    X, y, _ = table
    params = {"max_iter": 10, "random_state": 0}
    model = Regressor(loss, standardize=standardize, learning_rate="auto", **params)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The default penalty")
        model.fit(X, y * y_unit)
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.predict(X)).all()


# 8: gradients


numbers = st.floats(-1e150, 1e150)


@given(
    loss=st.sampled_from(
        [loss() for name, loss in losses.LOSSES.items() if name != "inverse_gaussian"]  # not convex
    ),
    p=numbers,
    q=numbers,
    y=numbers,
)
def test_loss_lies_above_its_tangents(loss, p, q, y):
    if isinstance(loss, (losses.Poisson, losses.Gamma, losses.Tweedie)):
        p, q, y = p % 50 - 25, q % 50 - 25, abs(y) % 1e9 + 1e-9
    elif isinstance(loss, losses.Binomial):
        y = abs(y) % 1
    value, gradient = loss.value(np.array([p, q]), np.array([y, y])), loss.gradient(p, y)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient)
    assert (value >= 0).all()
    magnitude = (
        abs(gradient * (q - p))
        + value.sum()
        + abs(loss.gradient(q, y)) * (abs(p) + abs(q) + abs(y))
    )
    assert value[1] >= value[0] + gradient * (q - p) - 1e-9 * magnitude
