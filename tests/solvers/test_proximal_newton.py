"""Newton's steps: what they reuse of earlier ones, and where the first one comes from."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from scipy.sparse import csr_array
from sklearn.linear_model import QuantileRegressor

from skgd import BatchGDRegressor
from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.losses import LOSSES, Huber, Quantile
from skgd.objectives import Objective
from skgd.objectives.incremental_hessian import IncrementalHessian
from skgd.optimizers import ProximalNewton
from skgd.solvers.problem import Problem
from skgd.solvers.proximal_newton import ProximalNewtonSolver, subsample_step
from skgd.solvers.state import State
from skgd.step_rules import LineSearch
from tests.helpers.regressors import targets_for


@pytest.fixture
def design(rng):
    X = rng.normal(size=(3000, 4)) * [1, 2, 3, 4] + 5
    return Design(X, FeatureScaling(X.mean(axis=0), X.std(axis=0)), True)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def scaled_rows(design):
    """Return the scaled rows, with the column of the intercept."""
    rows = (design.X - design.scaling.center) / design.scaling.scale
    return np.column_stack([rows, np.full(len(rows), design.fit_intercept)])


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_sum_of_weighted_gram_is_that_of_all_rows(fit_intercept, design, rng):
    design, factors = replace(design, fit_intercept=fit_intercept), rng.random(3000)
    rows = scaled_rows(design)
    assert_allclose(design.weighted_gram(factors), (factors[:, None] * rows).T @ rows, atol=1e-9)


@pytest.mark.parametrize("changed", [0, 300, 2000])
def test_a_moved_sum_has_the_new_factors_where_they_changed(changed, design, rng):
    factors = 0.5 + rng.random(3000)
    new = factors * (1 + 0.001 * rng.random(3000))
    new[:changed] = 3 * rng.random(changed)
    moved = IncrementalHessian.from_design(design, factors).update(design, new)
    exact, rows = IncrementalHessian.from_design(design, moved.weights).hessian, scaled_rows(design)
    assert_allclose(moved.hessian, exact, atol=1e-9)
    assert_allclose(moved.hessian, (new[:, None] * rows).T @ rows, rtol=0.02, atol=5)
    assert np.abs(moved.weights - new).max() <= 0.02 * max(new.max(), new.mean())
    assert (moved.weights[changed:] == new[changed:]).all() == (changed == 2000)


def test_factors_that_fall_by_much_make_a_new_sum(design):
    moved = IncrementalHessian.from_design(design, np.ones(3000)).update(
        design, np.full(3000, 0.05)
    )
    assert (moved.weights == 0.05).all()


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if LOSSES[loss].has_hessian()])
def test_the_first_step_from_a_constant_comes_from_a_sample(loss, rng):
    X = rng.normal(size=(9000, 3))
    y = targets_for(loss, np.exp(X @ [0.3, -0.2, 0.1] + 0.1 * rng.normal(size=9000)))
    model = BatchGDRegressor(loss).fit(X, y)
    falls = model.history_["objective"]
    assert model.converged_
    assert falls[1] - falls[-1] < 0.05 * (falls[0] - falls[-1])
    slow = BatchGDRegressor(loss, optimizer="accelerated").fit(X, y)
    assert_allclose(model.coef_, slow.coef_, rtol=1e-5)


def test_a_misleading_subsample_is_rejected(rng):
    X = rng.normal(size=(9000, 3))
    y = X @ [1.0, 2.0, 3.0]
    left_out = np.setdiff1d(np.arange(9000), np.random.default_rng(0).choice(9000, 1000, False))
    y[left_out] *= -1
    objective = Objective(
        Design(X, FeatureScaling.identity(3), True), y, None, Huber(1.0), np.zeros(4), np.zeros(4)
    )
    start = objective.evaluate(objective.intercept_only())
    assert subsample_step(objective, start) is None
    problem = Problem(objective, ProximalNewton(), LineSearch(), None, 1, 1, surrogate=objective)
    solver, state = ProximalNewtonSolver(problem), State.initial(start.theta, rng)
    _, workspace, info = solver.run_epoch(state, solver.init(state), np.ones(1))
    assert workspace.point.value == info.objective < start.value
    assert workspace.step.hessians is not None


def huber_objective(X):
    """Return the mean Huber loss of the first column as target, without a penalty."""
    design, no_penalty = Design(X, FeatureScaling.identity(3), True), np.zeros(4)
    return Objective(design, X[:, 0], None, Huber(), no_penalty, no_penalty)


def test_few_rows_have_no_subsample(rng):
    X = rng.normal(size=(7000, 3))
    objective = huber_objective(X)
    assert objective.random_subsample(20) is None
    assert subsample_step(objective, objective.evaluate(objective.intercept_only())) is None


def test_a_start_that_is_not_constant_takes_no_subsample(rng):
    X = rng.normal(size=(9000, 3))
    objective = huber_objective(X)
    assert objective.random_subsample(20) is not None
    assert subsample_step(objective, objective.evaluate(np.ones(4))) is None


@pytest.mark.parametrize("alpha", [0.0, 0.02])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_quantile_fits_reach_the_optimum_of_the_linear_programme(level, alpha, rng):
    X = rng.normal(size=(600, 10)) * np.logspace(-3, 3, 10)
    y = X @ (rng.normal(size=10) / np.logspace(-3, 3, 10)) + 3 * rng.standard_t(2, 600)
    exact = QuantileRegressor(quantile=level, alpha=alpha).fit(X, y)
    model = BatchGDRegressor(Quantile(level), penalty="l1", alpha=alpha).fit(X, y)

    def objective(coef, intercept):
        return Quantile(level).value(X @ coef + intercept, y).mean() + alpha * abs(coef).sum()

    scale = objective(np.zeros(10), np.quantile(y, level))
    excess = objective(model.coef_, model.intercept_) - objective(exact.coef_, exact.intercept_)
    assert excess <= 1e-8 * scale
    assert model.converged_
    assert model.n_iter_ < 100


def test_the_root_of_a_weighted_gram_is_its_square_root(design, rng):
    weights = rng.random(3000)
    root = design.weighted_root(weights)
    assert root.shape == (5, 5)
    assert_allclose(root.T @ root, design.weighted_gram(weights), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("condition", [1e1, 1e3, 1e6])
def test_ill_conditioned_columns_are_no_obstacle(condition, penalty, rng):
    left, right = (np.linalg.qr(rng.normal(size=shape))[0] for shape in [(300, 8), (8, 8)])
    X = left * np.logspace(0, -np.log10(condition), 8) @ right.T * 300
    y = X @ rng.normal(size=8) + rng.normal(size=300)
    model = BatchGDRegressor("huber", epsilon=1.0, penalty=penalty, alpha=1e-3).fit(X, y)
    assert model.converged_
    assert model.n_iter_ < 15
    # The smallest subgradient at the result, computed from its definition.
    residuals = X @ model.coef_ + model.intercept_ - y
    strengths = model.penalty_.l1, model.penalty_.l2
    gradient = X.T @ np.clip(residuals, -1, 1) / 300 + strengths[1] * model.coef_
    at_zero = np.maximum(np.abs(gradient) - strengths[0], 0)
    at_nonzero = np.abs(gradient + strengths[0] * np.sign(model.coef_))
    assert np.where(model.coef_ == 0, at_zero, at_nonzero).max() < 1e-9 * np.abs(X).mean()


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_indicators_that_sum_to_the_intercept_stay_bounded(level, rng):
    n, d = 300, 8
    X = np.eye(d)[rng.integers(d, size=n)]
    y = X @ np.arange(1.0, d + 1) + rng.normal(size=n)
    model = BatchGDRegressor(Quantile(level), positive=True, alpha=0.0).fit(X, y)
    # y = X w + b + r - s with w, r, s >= 0
    costs = np.concatenate([np.zeros(d + 1), np.full(n, level / n), np.full(n, (1 - level) / n)])
    equations = np.hstack([X, np.ones((n, 1)), np.eye(n), -np.eye(n)])
    bounds = [(0, None)] * d + [(None, None)] + [(0, None)] * (2 * n)
    exact = linprog(costs, A_eq=equations, b_eq=y, bounds=bounds)
    excess = Quantile(level).value(model.predict(X), y).mean() - exact.fun
    assert model.converged_
    assert excess <= 1e-8 * Quantile(level).value(np.quantile(y, level), y).mean()
    assert np.abs(model.coef_).max() < 1e3


@pytest.mark.parametrize("penalty", [None, "l1"])
def test_the_constant_hessian_of_squared_error_is_computed_once(penalty, rng, monkeypatch):
    sums, weighted_gram = [], Design.weighted_gram

    def count(self, weights):
        sums.append(len(weights))
        return weighted_gram(self, weights)

    monkeypatch.setattr(Design, "weighted_gram", count)
    X = csr_array(rng.normal(size=(200, 5)))  # sparse rows have no cheap second moments
    model = BatchGDRegressor(penalty=penalty, alpha=0.1 if penalty else 0.0)
    assert model.fit(X, rng.normal(size=200)).converged_
    assert sums == [200]
