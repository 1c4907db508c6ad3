"""Automatic fits of streams: batches of rows through partial_fit."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd._utils.numba_support import has_numba
from skgd.losses import AbsoluteError, Gamma, Huber, LogCosh, Poisson, Quantile
from skgd.optimizers import StreamingNewton
from skgd.solvers.implicit_sgd import make_row_loop


def regressors(**params):
    """Return both regressors with automatic learning rates."""
    given = {"learning_rate": "auto", "standardize": True, "penalty": None, "random_state": 0}
    return [MiniBatchGDRegressor(**given | params), SGDRegressor(**given | params)]


def rows_of(kind, n=600):
    """Return the rows of a stream whose columns are hard to learn from."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 5))
    if kind == "scales":
        X = (X + 3) * np.logspace(-6, 6, 5)
    if kind == "offsets":
        X += 1e4
    if kind == "drifting offsets":
        X += np.linspace(0, 1e3, n)[:, None]
    if kind == "drifting scales":
        X *= np.logspace(-3, 3, n)[:, None]
    if kind == "correlated":
        X = X * np.logspace(0, -3, 5) @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    coef = rng.standard_normal(5) / X.std(axis=0)
    y = (X - X.mean(axis=0)) @ coef + 7
    y += 0.3 * y.std() * rng.standard_normal(n)
    if kind == "sorted":
        order = np.argsort(y)
        X, y = X[order], y[order]
    return X, y


KINDS = ["scales", "offsets", "drifting offsets", "drifting scales", "correlated", "sorted"]


def learn(model, X, y, passes=1, size=50, weights=None):
    """Call partial_fit on the rows, batch by batch."""
    for _ in range(passes):
        for start in range(0, len(y), size):
            here = slice(start, start + size)
            model.partial_fit(X[here], y[here], None if weights is None else weights[here])
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_one_pass_of_squared_error_is_least_squares_on_all_rows(kind):
    X, y = rows_of(kind)
    least = np.mean((LinearRegression().fit(X, y).predict(X) - y) ** 2)
    for model in regressors():
        learn(model, X, y)
        assert np.mean((model.predict(X) - y) ** 2) < least + 1e-6 * y.var()


def test_penalties_and_weights_count_as_in_a_fit_of_all_rows():
    X, y = rows_of("plain")
    weights = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    total = weights.sum()
    for model in regressors(penalty="l2", alpha=0.1):
        relative = isinstance(model, MiniBatchGDRegressor)
        ridge = Ridge(alpha=0.1 * (total if relative else len(y))).fit(X, y, weights)
        assert_allclose(learn(model, X, y, weights=weights).coef_, ridge.coef_, rtol=1e-5)
    lasso = ElasticNet(alpha=0.3, l1_ratio=0.5).fit(X, y)
    for model in regressors(penalty="elasticnet", alpha=0.3, l1_ratio=0.5):
        assert_allclose(learn(model, X, y, passes=2).coef_, lasso.coef_, rtol=1e-3)


def test_several_outputs_and_sparse_rows_give_least_squares():
    X, y = rows_of("plain")
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.4, X, 0)
    targets = np.column_stack([y, 1e6 * X[:, 0] - y])
    best = LinearRegression().fit(X, targets)
    for rows in (X, csr_array(X)):
        for model in regressors():
            assert_allclose(learn(model, rows, targets).coef_, best.coef_, rtol=1e-5)


def test_a_stream_continues_a_fit_and_assigned_coefficients():
    X, y = rows_of("plain", 3000)
    for model in regressors():
        model.fit(X, y)
        before = model.coef_.copy()
        model.partial_fit(X[:10], -y[:10])  # ten rows weigh no more than ten of 3010
        assert_allclose(model.coef_, before, rtol=0, atol=0.05)
        model.coef_ = before + 1
        model.partial_fit(X[:10], y[:10])
        assert_allclose(model.coef_, before + 1, rtol=0, atol=0.05)


def test_a_stream_resumes_exactly():
    X, y = rows_of("plain")
    for loss in ("squared_error", "huber"):
        for model in regressors(loss=loss):
            whole = learn(model, X, y).coef_.copy()
            parts = pickle.loads(pickle.dumps(learn(regressors(loss=loss)[0], X[:300], y[:300])))
            assert_allclose(learn(parts, X[300:], y[300:]).coef_, whole, rtol=1e-12)


OTHER_LOSSES = [Huber(1.0), Huber(1e-3), LogCosh(), AbsoluteError(), Quantile(0.8)]


def excess_of(model, X, y):
    """Return the loss of a model above that of a fit of all rows, in units of the best constant."""
    loss = model.loss
    best = BatchGDRegressor(loss).fit(X, y)
    values = [loss.value(fitted.predict(X), y).mean() for fitted in (model, best)]
    return (values[0] - values[1]) / loss.value(loss.intercept_only(y), y).mean()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sorted"])
@pytest.mark.parametrize("loss", OTHER_LOSSES)
def test_one_pass_of_other_losses_is_nearly_the_fit_of_all_rows(loss, kind):
    X, y = rows_of(kind)
    y = y / y.std()
    for model in [*regressors(loss=loss), BatchGDRegressor(loss)]:
        learn(model, X, y)
        assert isinstance(model.optimizer_, StreamingNewton)
        assert excess_of(model, X, y) < 0.05


@pytest.mark.parametrize("loss", [Huber(0.5), AbsoluteError()])
def test_a_column_that_is_constant_at_first_is_learned_later(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 3))
    X[:2000, 2] = 0
    y = X @ [1.0, -2.0, 5.0] + 0.1 * rng.standard_normal(4000)
    for model in [*regressors(loss=loss), BatchGDRegressor(loss)]:
        assert_allclose(learn(model, X, y).coef_, [1, -2, 5], atol=0.05)


def test_heavy_tails_do_not_hide_the_signal():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 3))
    y = X @ [1.0, -2.0, 3.0] + 0.3 * rng.standard_t(1, 4000)
    for loss in (Huber(0.5), AbsoluteError()):
        for model in [*regressors(loss=loss), BatchGDRegressor(loss)]:
            assert_allclose(learn(model, X, y).coef_, [1, -2, 3], atol=0.05)


@pytest.mark.parametrize("loss", [Poisson(), Gamma()])
def test_counts_and_positive_targets_are_learned_in_one_pass(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 3))
    mean = np.exp(X @ [0.3, -0.5, 0.2] + 1)
    y = (
        rng.poisson(mean).astype(float)
        if isinstance(loss, Poisson)
        else mean * rng.gamma(2, size=3000)
    )
    for size in (10, 200):
        for model in [*regressors(loss=loss), BatchGDRegressor(loss)]:
            fitted = learn(model, X, y, size=size)
            best = BatchGDRegressor(loss).fit(X, y)
            assert_allclose(fitted.coef_, best.coef_, atol=0.03)


def test_outliers_hardly_change_a_robust_stream():
    X, y = rows_of("plain")
    best = LinearRegression().fit(X, y).score(X, y)
    far = np.where(np.arange(len(y)) % 100 == 50, -1e9, y)
    for model in regressors(loss=Huber(1.0)):
        assert learn(model, X, far, passes=2).score(X, y) > best - 0.02


@pytest.mark.skipif(not has_numba(), reason="Numba is not there")
def test_the_compiled_row_loop_equals_the_python_loop():
    from skgd.solvers.compiled.implicit_sgd import learn_rows

    loss, results = Huber(0.5), []
    for loop in (learn_rows, make_row_loop(Huber.value, Huber.gradient)):
        theta, average, statistics = np.zeros(4), np.zeros(4), np.zeros(8)
        rng = np.random.default_rng(0)
        rows, y, weights = rng.standard_normal((64, 4)), rng.standard_normal(64), rng.random(64)
        bounds = np.array([-np.inf, 0, -0.1, -np.inf]), np.array([np.inf, np.inf, 0.1, np.inf])
        penalty = np.array([0.1, 0, 0, 0]), np.array([0.1, 0.1, 0, 0]), *bounds
        arrays, targets = (theta, average, statistics), np.stack([y, 0.1 * rng.random(64)])
        total = loop(loss, rows, targets, weights, penalty, arrays, False, 1.0)
        results.append(np.concatenate([[total], *arrays]))
    assert_allclose(*results, rtol=1e-10)
