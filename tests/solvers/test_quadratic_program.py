"""The active-set method against independent solvers and the conditions of optimality."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import lsq_linear
from sklearn.linear_model import Lasso

from skgd.solvers.quadratic_program import QuadraticProgram


def make_least_squares(seed, n, d, condition=1.0):
    """Return X, y with half the mean squared error as objective, its Hessian and its gradient."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.logspace(0, -np.log10(condition), d)
    X = X @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    y = X @ rng.normal(size=d) + rng.normal(size=n)
    return X, y, X.T @ X / n, -X.T @ y / n


def unbounded(d):
    """Return bounds that bound nothing."""
    return np.full(d, -np.inf), np.full(d, np.inf)


@pytest.mark.parametrize("condition", [1, 100])
@pytest.mark.parametrize("alpha", [1e-3, 0.03, 0.3])
def test_l1_minimiser_is_that_of_coordinate_descent(alpha, condition):
    X, y, hessian, gradient = make_least_squares(0, 80, 12, condition)
    theta, _ = QuadraticProgram(hessian, np.full(12, alpha), *unbounded(12)).minimize(
        gradient, np.zeros(12)
    )
    reference = Lasso(alpha=alpha, fit_intercept=False, tol=1e-14, max_iter=10**6).fit(X, y)
    assert_allclose(theta, reference.coef_, atol=1e-8)
    assert ((theta == 0) == (reference.coef_ == 0)).all()


@pytest.mark.parametrize("seed", range(5))
def test_minimiser_within_bounds_is_that_of_bounded_least_squares(seed):
    X, y, hessian, gradient = make_least_squares(seed, 60, 10)
    lower, upper = np.full(10, -0.5), np.where(np.arange(10) % 2, 0.4, np.inf)
    start = np.clip(np.zeros(10), lower, upper)
    theta, _ = QuadraticProgram(hessian, np.zeros(10), lower, upper).minimize(
        gradient + hessian @ start, start
    )
    assert_allclose(theta, lsq_linear(X, y, (lower, upper), tol=1e-14).x, atol=1e-8)


@given(seed=st.integers(0, 10**6), d=st.integers(1, 12), rank=st.integers(1, 12))
def test_result_meets_the_conditions_of_optimality(seed, d, rank):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, min(rank, d))) @ rng.normal(size=(min(rank, d), d))
    hessian, slope = X.T @ X / 30, X.T @ rng.normal(size=30) / 30
    l1 = rng.random(d) * (rng.random(d) < 0.6) * np.abs(slope).max()
    lower = np.where(rng.random(d) < 0.4, -rng.random(d), -np.inf)
    upper = np.where(rng.random(d) < 0.4, rng.random(d), np.inf)
    start = np.clip(rng.normal(size=d), lower, upper)
    program = QuadraticProgram(hessian, l1, lower, upper)
    theta, decrease = program.minimize(slope + hessian @ start, start)
    gradient = slope + hessian @ theta
    right = gradient + np.where(theta >= 0, l1, -l1)
    left = gradient + np.where(theta > 0, l1, -l1)
    assert decrease >= -1e-12
    assert (lower <= theta).all()
    assert (theta <= upper).all()
    assert (right[theta < upper] >= -1e-8).all()
    assert (left[theta > lower] <= 1e-8).all()


def test_duplicate_columns_share_the_coefficient():
    hessian = np.ones((2, 2))
    theta, decrease = QuadraticProgram(hessian, np.zeros(2), *unbounded(2)).minimize(
        np.array([-3.0, -3.0]), np.zeros(2)
    )
    assert_allclose(theta, [1.5, 1.5])
    assert decrease == pytest.approx(4.5)


def test_a_root_keeps_digits_that_the_hessian_has_lost():
    rng = np.random.default_rng(0)
    rows = np.linalg.qr(rng.normal(size=(50, 3)))[0] * [1, 1e-4, 1e-9]
    rows = rows @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    truth, root = np.array([1.0, 2.0, 3.0]), np.linalg.qr(rows, mode="r")

    def error(source):
        program = QuadraticProgram(rows.T @ rows, np.zeros(3), *unbounded(3), source)
        theta = np.zeros(3)
        for _ in range(2):  # the second step corrects the first
            theta, _ = program.minimize(rows.T @ (rows @ (theta - truth)), theta)
        return np.abs(theta - truth).max()

    assert error(lambda: root) < 1e-5
    assert error(None) > 1e-2


def test_the_root_is_computed_once_and_only_for_an_ill_conditioned_hessian():
    rng, calls = np.random.default_rng(0), []
    rows = rng.normal(size=(50, 6))
    for scale, n_calls in ((1.0, 0), (1e-9, 1)):
        rows[:, 3:] = rows[:, :3] + scale * rng.normal(size=(50, 3))

        def compute_root(root=np.linalg.qr(rows, mode="r")):  # noqa: B008
            calls.append(root)
            return root

        hessian, l1 = rows.T @ rows, np.full(6, 1e-3)
        program = QuadraticProgram(hessian, l1, *unbounded(6), compute_root)
        program.minimize(-rows.T @ rng.normal(size=50), np.zeros(6))
        assert len(calls) == n_calls
