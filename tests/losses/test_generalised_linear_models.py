"""Fits of deviances with a link, compared with scikit-learn and with optima that SciPy finds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, special
from sklearn import linear_model

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, losses


@pytest.fixture(scope="module")
def rows():
    """Rows of unequal scales, and a linear predictor."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) * [1, 10, 0.1] + [0, 5, 1]
    return X, X @ [0.4, -0.05, 2.0] - 1.5


@pytest.fixture(scope="module")
def fractions(rows):
    """Shares of successes, numbers of trials."""
    rng = np.random.default_rng(1)
    trials = rng.integers(1, 20, size=300)
    return rng.binomial(trials, special.expit(rows[1])) / trials, trials.astype(float)


def binomial_optimum(X, y, weights):
    """Return the coefficients and the intercept that maximise the binomial likelihood."""
    rows = np.column_stack([X, np.ones(len(X))])

    def objective(theta):
        p = rows @ theta
        value = weights @ (np.logaddexp(0, p) - y * p) / weights.sum()
        return value, rows.T @ (weights * (special.expit(p) - y)) / weights.sum()

    def hessian(theta):
        p = rows @ theta
        curvatures = weights * special.expit(p) * special.expit(-p) / weights.sum()
        return (rows.T * curvatures) @ rows

    return optimize.minimize(
        objective,
        np.zeros(4),
        jac=True,
        hess=hessian,
        method="trust-exact",
        options={"gtol": 1e-12},
    ).x


@pytest.mark.parametrize("weighted", [False, True])
def test_binomial_fit_reaches_the_optimum(weighted, rows, fractions):
    (X, _), (y, trials) = rows, fractions
    weights = trials if weighted else np.ones(300)
    model = BatchGDRegressor("binomial").fit(X, y, sample_weight=trials if weighted else None)
    optimum = binomial_optimum(X, y, weights)
    assert_allclose(np.append(model.coef_, model.intercept_), optimum, rtol=1e-7)
    assert_allclose(model.predict(X), special.expit(X @ optimum[:3] + optimum[3]), rtol=1e-7)


def test_binomial_fit_of_shares_equals_logistic_regression_of_single_trials(rows, fractions):
    (X, _), (y, trials) = rows, fractions
    alpha = 0.1
    shares = BatchGDRegressor("binomial", alpha=alpha).fit(X, y, sample_weight=trials)
    outcomes = np.repeat([[1], [0]], 300, axis=1).ravel()
    counts = np.concatenate([y * trials, (1 - y) * trials])
    single = linear_model.LogisticRegression(
        C=1 / (alpha * trials.sum()), tol=1e-12, max_iter=10**4, solver="newton-cholesky"
    ).fit(np.concatenate([X, X]), outcomes, sample_weight=counts)
    assert_allclose(shares.coef_, single.coef_[0], rtol=1e-7)
    assert_allclose(shares.intercept_, single.intercept_, rtol=1e-7)


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_binomial_fit_of_small_batches_reaches_the_optimum(Regressor, rows, fractions):
    (X, _), (y, trials) = rows, fractions
    model = Regressor("binomial", learning_rate="auto", standardize=True, penalty=None, tol=1e-10)
    model.set_params(random_state=0).fit(X, y, sample_weight=trials)
    optimum = binomial_optimum(X, y, trials)
    assert_allclose(np.append(model.coef_, model.intercept_), optimum, rtol=1e-4)


@pytest.mark.parametrize("power", [1.0, 1.2, 1.5, 1.9, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_tweedie_fit_equals_scikit_learn(power, weighted, rows):
    X, p = rows
    rng = np.random.default_rng(2)
    y = rng.gamma(3.0, np.exp(p) / 3)
    if power < 2:
        y *= rng.random(300) < 0.7
    weights = rng.uniform(0.5, 2, 300) if weighted else None
    X = (X - X.mean(axis=0)) / X.std(axis=0)  # scikit-learn's solver needs scaled columns
    ours = BatchGDRegressor(losses.Tweedie(power), alpha=0.01).fit(X, y, sample_weight=weights)
    theirs = linear_model.TweedieRegressor(
        power=power, link="log", alpha=0.01, tol=1e-10, max_iter=10**4
    ).fit(X, y, sample_weight=weights)
    assert ours.converged_
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-5)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)


@pytest.mark.parametrize("loss", ["inverse_gaussian", "tweedie", "binomial"])
@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor])
def test_streams_of_deviances_approach_the_fit_of_all_rows(Regressor, loss, rows):
    X, p = rows
    rng = np.random.default_rng(3)
    y = losses.LOSSES[loss]().inverse_link(p / 2)
    if loss != "binomial":
        y = y * rng.gamma(5.0, 1 / 5, size=300)
    best = BatchGDRegressor(loss).fit(X, y)
    value = best.loss_.value
    constant = value(best.loss_.intercept_only(y), y).mean()
    model = Regressor(loss, learning_rate="auto", standardize=True, penalty=None)
    for _ in range(4):
        for start in range(0, 300, 50):
            model.partial_fit(X[start : start + 50], y[start : start + 50])
    reached, least = (value(X @ m.coef_ + m.intercept_, y).mean() for m in (model, best))
    assert reached - least < 0.1 * (constant - least)
