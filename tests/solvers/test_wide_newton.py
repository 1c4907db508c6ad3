"""Newton steps with more features than a dense Hessian is formed for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog, lsq_linear
from scipy.sparse import csr_array
from sklearn.linear_model import Lasso, Ridge

from skgd import BatchGDRegressor
from skgd.penalties import Bounds
from skgd.solvers import wide_newton

N_ROWS, N_FEATURES = 120, 300


@pytest.fixture(autouse=True)
def few_dense_parameters(monkeypatch):
    """Form Hessians of at most 100 parameters, so that small data is wide."""
    for module in ("wide_newton", "proximal_newton", "automatic"):
        monkeypatch.setattr(f"skgd.solvers.{module}.MAX_DENSE_PARAMETERS", 101)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES)) * np.logspace(-1, 1, N_FEATURES)
    X[rng.random(X.shape) < 0.5] = 0
    y = X[:, -8:] @ [1.0, -1.0, 2.0, 0.5, -0.5, 1.0, -2.0, 1.5] + 3 + rng.normal(size=N_ROWS)
    return X, y


@pytest.mark.parametrize("convert", [np.asarray, csr_array])
def test_l2_is_that_of_a_direct_solver(convert, rows):
    X, y = rows
    model = BatchGDRegressor(alpha=0.1).fit(convert(X), y)
    exact = Ridge(alpha=0.1 * N_ROWS, solver="svd").fit(X, y)
    assert model.converged_
    assert_allclose(model.coef_, exact.coef_, atol=1e-8)


@pytest.mark.parametrize("convert", [np.asarray, csr_array])
@pytest.mark.parametrize("alpha", [0.05, 1.0])
def test_l1_is_that_of_coordinate_descent(alpha, convert, rows):
    X, y = rows
    model = BatchGDRegressor(penalty="l1", alpha=alpha).fit(convert(X), y)
    exact = Lasso(alpha=alpha, tol=1e-14, max_iter=10**6).fit(X, y)
    assert model.converged_
    assert_allclose(model.coef_, exact.coef_, atol=1e-7)
    assert ((model.coef_ == 0) == (exact.coef_ == 0)).all()


def test_several_outputs_share_a_working_set(rows):
    X, y = rows
    Y = np.column_stack([y, X[:, 0] - y])
    model = BatchGDRegressor(penalty="l1", alpha=0.5).fit(X, Y)
    for coef, column in zip(model.coef_, Y.T, strict=True):
        exact = Lasso(alpha=0.5, tol=1e-14, max_iter=10**6).fit(X, column)
        assert_allclose(coef, exact.coef_, atol=1e-7)


def test_bounds_are_those_of_bounded_least_squares(rows):
    X, y = rows
    penalty = Bounds(lower=0.0, upper=1.0)
    model = BatchGDRegressor(penalty=penalty, fit_intercept=False).fit(X, y)
    exact = lsq_linear(X, y, (0, 1), tol=1e-14)
    residual = X @ model.coef_ - y
    assert model.converged_
    assert 0.5 * residual @ residual <= exact.cost * (1 + 1e-9)
    assert (model.coef_ >= 0).all()
    assert (model.coef_ <= 1).all()


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_other_losses_meet_the_conditions_of_optimality(penalty, rows):
    X, y = rows
    model = BatchGDRegressor("huber", epsilon=0.5, penalty=penalty, alpha=0.1).fit(X, y)
    derivatives = np.clip(X @ model.coef_ + model.intercept_ - y, -0.5, 0.5) / N_ROWS
    gradient = X.T @ derivatives + model.penalty_.l2 * model.coef_
    at_zero = np.maximum(np.abs(gradient) - model.penalty_.l1, 0)
    at_nonzero = np.abs(gradient + model.penalty_.l1 * np.sign(model.coef_))
    assert model.converged_
    assert abs(derivatives.sum()) < 1e-9
    assert np.where(model.coef_ == 0, at_zero, at_nonzero).max() < 1e-8


def test_absolute_error_with_l1_reaches_the_optimum_of_the_linear_programme(rows):
    X, y = rows
    n, d = X.shape
    model = BatchGDRegressor("absolute_error", penalty="l1", alpha=0.1).fit(X, y)
    objective = np.abs(X @ model.coef_ + model.intercept_ - y).mean()
    objective += 0.1 * np.abs(model.coef_).sum()
    # y = X (u - v) + b + r - s with u, v, r, s >= 0
    costs = np.concatenate([np.full(2 * d, 0.1), [0], np.full(2 * n, 1 / n)])
    equations = np.hstack([X, -X, np.ones((n, 1)), np.eye(n), -np.eye(n)])
    bounds = [(0, None)] * (2 * d) + [(None, None)] + [(0, None)] * (2 * n)
    exact = linprog(costs, A_eq=equations, b_eq=y, bounds=bounds)
    assert model.converged_
    assert objective - exact.fun < 1e-8 * np.abs(y - np.median(y)).mean()


def test_no_dense_hessian_is_larger_than_the_limit(rows, monkeypatch):
    from skgd.data.design import Design

    sizes, weighted_gram = [], Design.weighted_gram

    def record(self, weights):
        sizes.append(self.X.shape[1] + 1)
        return weighted_gram(self, weights)

    monkeypatch.setattr(Design, "weighted_gram", record)
    BatchGDRegressor("huber", penalty="l1", alpha=0.05).fit(*rows)
    assert 1 < max(sizes) <= wide_newton.MAX_DENSE_PARAMETERS
