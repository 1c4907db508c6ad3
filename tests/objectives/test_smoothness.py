"""Curvature constants, compared with eigenvalues and with all possible batches."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.losses import SquaredError
from skgd.objectives import Objective, expected_smoothness, largest_curvature


def objective(X, *, fit_intercept=False, weights=None, l2=0.0):
    return Objective(
        design=Design(X, FeatureScaling.identity(X.shape[1]), fit_intercept),
        y=np.zeros(len(X)),
        weights=weights,
        loss=SquaredError(),
        l1=np.zeros(X.shape[1] + 1),
        l2=np.append(np.full(X.shape[1], l2), 0.0),
    )


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("bound", [1.0, 2.0])
def test_largest_curvature_is_the_largest_eigenvalue(fit_intercept, l2, weighted, bound):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4)) * [1, 3, 0.1, 1] + 1
    weights = rng.uniform(0.1, 2, size=30) if weighted else np.ones(30)
    rows = np.column_stack([X, np.full(30, float(fit_intercept))])
    hessian = bound * rows.T @ (weights[:, None] * rows) / 30 + np.diag([l2] * 4 + [0])
    curvature = largest_curvature(
        objective(X, fit_intercept=fit_intercept, weights=weights, l2=l2), bound
    )
    assert_allclose(curvature, np.linalg.eigvalsh(hessian)[-1], rtol=1e-4)


def test_a_design_of_zeros_has_zero_curvature():
    assert largest_curvature(objective(np.zeros((4, 2))), 1.0) == 0


def batch_hessian_moments(X, k):
    """Return the mean square and the mean of the Hessians of all batches of k rows."""
    hessians = [X[list(rows)].T @ X[list(rows)] / k for rows in combinations(range(len(X)), k)]
    return np.mean([hessian @ hessian for hessian in hessians], axis=0), np.mean(hessians, axis=0)


@pytest.mark.parametrize("k", range(1, 8))
def test_expected_smoothness_bounds_the_mean_square_of_all_batches(k):
    X = np.random.default_rng(1).normal(size=(7, 3)) * [1, 2, 0.3]
    mean_square, mean = batch_hessian_moments(X, k)
    smoothness = expected_smoothness(objective(X), 1.0, k)
    # E[H_B²] <= L_k E[H_B] is the definition; the power iteration underestimates by up to 1e-5.
    assert np.linalg.eigvalsh(1.0001 * smoothness * mean - mean_square)[0] >= -1e-12


@pytest.mark.parametrize("k", range(1, 6))
def test_expected_smoothness_is_exact_for_orthogonal_rows(k):
    X = np.sqrt(5) * np.eye(5)
    mean_square, mean = batch_hessian_moments(X, k)
    assert_allclose(mean_square, 5 / k * mean, atol=1e-12)
    assert_allclose(expected_smoothness(objective(X), 1.0, k), 5 / k, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_expected_smoothness_runs_from_the_longest_row_to_the_full_batch(fit_intercept, l2):
    X = np.random.default_rng(2).normal(size=(12, 3))
    problem = objective(X, fit_intercept=fit_intercept, l2=l2)
    longest = (X**2).sum(axis=1).max() + fit_intercept + l2
    assert_allclose(expected_smoothness(problem, 1.0, 1), longest, rtol=1e-12)
    assert expected_smoothness(problem, 1.0, 12) == largest_curvature(problem, 1.0)
    sizes = [expected_smoothness(problem, 1.0, k) for k in range(1, 13)]
    assert np.all(np.diff(sizes) < 0)
