"""Value, gradient and curvature of the objective, compared with each other and with optima."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Lasso, Ridge

from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.losses import LOSSES, SquaredError
from skgd.objectives import Objective
from tests.helpers.regressors import targets_for


def objective(X, y, *, loss=None, weights=None, l1=0.0, l2=0.0, fit_intercept=True, scale=None):
    d = X.shape[1]
    scaling = FeatureScaling.identity(d)
    if scale is not None:
        scaling = FeatureScaling(X.mean(axis=0), np.full(d, scale))
    return Objective(
        design=Design(X, scaling, fit_intercept),
        y=y,
        weights=weights,
        loss=loss or SquaredError(),
        l1=np.append(np.full(d, l1), 0.0),
        l2=np.append(np.full(d, l2), 0.0),
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("outputs", [(), (2,)])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_the_finite_difference_of_the_value(loss, outputs, scale, weighted, small):
    rng = np.random.default_rng(1)
    X, y = small[0], targets_for(loss, small[1])
    y = np.stack([y, y[::-1]], axis=1) if outputs else y
    weights = rng.uniform(0.5, 2, size=len(X)) if weighted else None
    problem = objective(X, y, loss=LOSSES[loss](), weights=weights, l2=0.3, scale=scale)
    theta = 0.3 * rng.normal(size=(*outputs, 4))
    difference = np.empty_like(theta)
    for index in np.ndindex(theta.shape):
        step = np.zeros_like(theta)
        step[index] = 1e-6
        difference[index] = (problem.value(theta + step) - problem.value(theta - step)) / 2e-6
    assert_allclose(problem.evaluate(theta).gradient, difference, rtol=1e-6, atol=1e-8)


def test_value_is_the_formula(small):
    X, y = small
    weights, theta = np.linspace(0, 2, len(X)), np.array([1.0, -2.0, 0.5, 0.3])
    problem = objective(X, y, weights=weights, l1=0.1, l2=0.4)
    coef = theta[:-1]
    expected = np.mean(weights * 0.5 * (X @ coef + 0.3 - y) ** 2)
    expected += 0.1 * np.abs(coef).sum() + 0.2 * coef @ coef
    assert_allclose(problem.value(theta), expected, rtol=1e-14)
    assert problem.evaluate(theta).value == problem.value(theta)


def test_the_gradient_by_an_intercept_that_is_not_fitted_is_zero(small):
    problem = objective(*small, fit_intercept=False)
    assert problem.evaluate(np.ones(4)).gradient[-1] == 0
    assert problem.intercept_only()[-1] == 0


@pytest.mark.parametrize("alpha", [0.01, 0.1])
def test_the_subgradient_norm_is_zero_at_the_optimum_of_lasso(alpha, small):
    X, y = small
    lasso = Lasso(alpha=alpha, tol=1e-14, max_iter=100_000).fit(X, y)
    assert 0 < np.count_nonzero(lasso.coef_) < 3 or alpha == 0.01
    problem = objective(X, y, l1=alpha)
    optimum = np.append(lasso.coef_, lasso.intercept_)
    assert problem.min_subgradient_norm(problem.evaluate(optimum)) < 1e-7
    assert problem.min_subgradient_norm(problem.evaluate(optimum + 0.01)) > 1e-3


def test_the_subgradient_norm_is_zero_at_the_optimum_of_ridge(small):
    X, y = small
    ridge = Ridge(alpha=0.2 * len(X)).fit(X, y)
    problem = objective(X, y, l2=0.2)
    assert (
        problem.min_subgradient_norm(problem.evaluate(np.append(ridge.coef_, ridge.intercept_)))
        < 1e-13
    )


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_directional_curvature_equals_that_of_the_hessian(outputs, small):
    X, y = small
    y = np.stack([y, y], axis=1) if outputs else y
    weights = np.linspace(0.5, 2, len(X))
    problem = objective(X, y, weights=weights, l2=0.3)
    direction = np.random.default_rng(0).normal(size=(*outputs, 4))
    rows = np.column_stack([X, np.ones(len(X))])
    hessian = rows.T @ (weights[:, None] * rows) / len(X) + np.diag([0.3, 0.3, 0.3, 0])
    expected = np.einsum("...i,ij,...j->...", direction, hessian, direction)[..., None]
    assert_allclose(problem.directional_curvature(direction), expected, rtol=1e-12)
