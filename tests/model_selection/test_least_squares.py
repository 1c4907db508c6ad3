"""Minimisers of a squared error for many penalties, and its values, from second moments."""

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.metrics import mean_squared_error

from skgd.data.second_moments import SecondMoments
from skgd.model_selection._least_squares import PenalizedLeastSquares
from skgd.penalties import L1, L2, Bounds
from skgd.penalties import ElasticNet as ElasticNetPenalty

RNG = np.random.default_rng(0)
N, D = 300, 8
X = RNG.normal(loc=3.0, size=(N, D)) * np.geomspace(0.1, 10, D)
X[:, 3] = 7.0  # constant
Y = X @ (RNG.normal(size=D) / X.std(axis=0).clip(1e-3)) * np.isfinite(X[:, 0]) + RNG.normal(size=N)
TARGETS = {1: Y, 2: np.column_stack([Y, X[:, 1] * Y])}


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("n_outputs", TARGETS)
@pytest.mark.parametrize("n_strengths", [1, 4])
def test_l2_penalties(n_outputs, fit_intercept, n_strengths):
    y, alphas = TARGETS[n_outputs], np.geomspace(1e-3, 10, n_strengths)
    problem = PenalizedLeastSquares(SecondMoments.from_rows(X, y), fit_intercept)
    coefs, intercepts = problem.minimize([L2(alpha) for alpha in alphas])
    for alpha, coef, intercept in zip(alphas, coefs, intercepts, strict=True):
        ridge = Ridge(N * alpha, fit_intercept=fit_intercept, solver="svd").fit(X, y)
        np.testing.assert_allclose(X @ coef.T + intercept, ridge.predict(X), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_l1_penalties_in_any_order(positive, fit_intercept):
    moments = SecondMoments.from_rows(X, Y)
    strengths = RNG.permutation(
        [(alpha, ratio) for alpha in np.geomspace(1e-3, 3, 5) for ratio in (0.3, 1.0)]
    )
    penalties = [ElasticNetPenalty(alpha, l1_ratio=ratio) for alpha, ratio in strengths]
    if positive:
        penalties = [Bounds(lower=0.0, penalty=penalty) for penalty in penalties]
    coefs, intercepts = PenalizedLeastSquares(moments, fit_intercept).minimize(penalties)
    for (alpha, ratio), coef, intercept in zip(strengths, coefs, intercepts, strict=True):
        model = ElasticNet(
            alpha, l1_ratio=ratio, fit_intercept=fit_intercept, positive=positive, tol=1e-13,
            max_iter=100_000,
        ).fit(X, Y)  # fmt: skip
        np.testing.assert_allclose(coef, model.coef_, rtol=1e-6, atol=1e-7)
        assert intercept == pytest.approx(model.intercept_, rel=1e-6, abs=1e-6)


def test_strengths_of_features_and_mixed_penalties():
    moments = SecondMoments.from_rows(X, Y)
    weights = np.geomspace(0.1, 3, D)
    penalties = [L1(0.1), L2(0.1, weights=weights), L2(0.2), L2(0.1), L1(1.0, weights=weights)]
    coefs, _ = PenalizedLeastSquares(moments, True).minimize(penalties)
    for penalty, coef in zip(penalties, coefs, strict=True):
        gradient = (X - X.mean(axis=0)).T @ (X @ coef - Y - np.mean(X @ coef - Y)) / N
        gradient += penalty.l2 * coef
        l1 = np.broadcast_to(penalty.l1, D)
        is_zero = (coef == 0) & (l1 > 0)
        np.testing.assert_allclose((gradient + l1 * np.sign(coef))[~is_zero], 0, atol=1e-10)
        assert np.all(np.abs(gradient[is_zero]) <= l1[is_zero] + 1e-10)


@pytest.mark.parametrize("noise", [1.0, 1e-3, 0.0])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_mean_squared_errors_and_the_bounds_on_their_rounding(noise, n_outputs):
    coefs = RNG.normal(size=(5, n_outputs, D))
    y = X @ coefs[0].T + 1e4 + noise * RNG.normal(size=(N, n_outputs))
    y = y if n_outputs > 1 else y[:, 0]
    coefs, intercepts = coefs.reshape(5, *y.shape[1:], D), np.full((5, *y.shape[1:]), 1e4)
    moments = SecondMoments.from_rows(X, y)
    errors, bounds = moments.mean_squared_errors(coefs, intercepts)
    for coef, intercept, error, bound in zip(coefs, intercepts, errors, bounds, strict=True):
        direct = mean_squared_error(y, X @ coef.T + intercept, multioutput="raw_values")
        assert np.all(np.abs(error - direct) <= bound)
        if noise == 1.0:
            assert np.all(bound <= 1e-10 * direct)
        elif noise == 0.0 and coef is coefs[0]:
            assert np.all(bound >= direct)
