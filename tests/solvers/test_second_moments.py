"""Descent on second moments takes the steps that descent on the rows takes."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from skgd import BatchGDRegressor
from skgd.data import second_moments
from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.data.second_moments import SecondMoments
from skgd.losses import SquaredError
from skgd.objectives import Objective, QuadraticModel
from skgd.optimizers import GD, OPTIMIZERS, BatchOptimizer, ConjugateGradient
from skgd.schedules import Constant
from skgd.solvers.choice import choose_solver
from skgd.solvers.problem import Problem
from skgd.solvers.state import State
from skgd.step_rules import LineSearch

PENALTIES = {"none": (0.0, 0.0), "l2": (0.0, 0.5), "l1": (0.3, 0.0), "elasticnet": (0.2, 0.4)}

#: Rules that a rate is given to, and those that search for it.
RULES = {
    **{name: (rule(), Constant(0.1)) for name, rule in OPTIMIZERS.items()},
    "cg": (ConjugateGradient(), LineSearch()),
    "steepest": (GD(), LineSearch()),
}


def objective_of(X, y, weights, penalty, standardised):
    """Return an objective in data's own units or in standardised ones."""
    size = X.shape[1] + 1
    scaling = FeatureScaling.identity(size - 1)
    if standardised:
        scaling = FeatureScaling(X.mean(axis=0), X.std(axis=0))
    l1, l2 = (np.append(np.full(size - 1, strength), 0.0) for strength in PENALTIES[penalty])
    return Objective(Design(X, scaling, True), y, weights, SquaredError(), l1, l2)


def iterates(objective, surrogate, rule, steps):
    """Return parameters, value and gradient after each step of the chosen solver."""
    optimizer, schedule = rule
    problem = Problem(objective, optimizer, schedule, None, steps, steps, surrogate=surrogate)
    # Not at the best constant, where Adam and related rules take the sign of a zero gradient.
    state = State.initial(objective.intercept_only() + 0.3, np.random.default_rng(0))
    state = state.for_optimizer(optimizer)
    solver = choose_solver(problem)
    workspace, results = solver.init(state), []
    for _ in range(steps):
        state, workspace, info = solver.run_epoch(state, workspace, np.array([0.1]))
        assert info.objective == workspace.point.value
        results.append((state.theta, workspace.point.value, workspace.point.gradient))
    return results


@pytest.mark.parametrize("standardised", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("outputs", [(), (3,)])
@pytest.mark.parametrize(
    ("rule", "penalty"),
    [
        (rule, penalty)
        for rule, penalty in product(RULES, PENALTIES)
        if not (rule == "cg" and PENALTIES[penalty][0])
    ],
)
def test_iterates_on_moments_are_those_on_rows(rule, penalty, outputs, weighted, standardised):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) / 3 + [1.0, -1.0, 0.5, 0.0]
    y = (X @ rng.normal(size=(4, *outputs))) + rng.normal(size=(60, *outputs)) + 2
    weights = rng.integers(1, 4, 60).astype(float) if weighted else None
    if weighted:
        weights /= weights.mean()
    objective = objective_of(X, y, weights, penalty, standardised)
    model = QuadraticModel.from_second_moments(objective, SecondMoments.from_rows(X, y, weights))
    on_rows = iterates(objective, objective, RULES[rule], 8)
    on_moments = iterates(objective, model, RULES[rule], 8)
    for row, moment in zip(on_rows, on_moments, strict=True):
        for one, other in zip(row, moment, strict=True):
            assert_allclose(other, one, rtol=1e-9, atol=1e-8)


def test_every_rule_of_full_batches_is_tried():
    tried = {type(optimizer) for optimizer, _ in RULES.values()}
    known = {rule for rule in OPTIMIZERS.values() if issubclass(rule, BatchOptimizer)}
    assert known <= tried


@pytest.mark.parametrize("outputs", [(), (2,)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [1, 3, 100])
def test_moments_are_numpys_whatever_the_parts_and_threads(d, weighted, outputs, monkeypatch):
    rng = np.random.default_rng(d)
    X, y = rng.normal(size=(5001, d)) + 1e3, rng.normal(size=(5001, *outputs))
    weights = rng.integers(1, 4, size=5001) if weighted else None
    monkeypatch.setattr(second_moments, "MIN_PARALLEL_SIZE", 1)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(SecondMoments.from_rows_in_parallel(X, y, weights))
    together = np.column_stack([X, y])
    covariance = np.atleast_2d(np.cov(together.T, bias=True, fweights=weights))
    parts = covariance[:d, :d], covariance[:d, d:].reshape(d, *outputs)
    for made in found:
        assert_allclose(made.mean, np.average(X, axis=0, weights=weights), rtol=1e-13)
        assert_allclose(made.y_mean, np.average(y, axis=0, weights=weights), atol=1e-14)
        assert_allclose(made.covariance, parts[0], rtol=1e-9, atol=1e-11)
        assert_allclose(made.cross, parts[1], atol=1e-11)
        assert_array_equal(made.covariance, found[0].covariance)  # to the bit
        assert_array_equal(made.cross, found[0].cross)


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_centred_whatever_their_order_in_memory(order):
    rng = np.random.default_rng(0)
    X, y = np.asarray(rng.normal(size=(2048 + 77, 7)), order=order), rng.normal(size=2125)
    assert_allclose(
        SecondMoments.from_rows(X, y).covariance, np.cov(X.T, bias=True), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_threads_say_nothing_of_numbers_out_of_bounds(bad, monkeypatch):
    monkeypatch.setattr(second_moments, "MIN_PARALLEL_SIZE", 1)
    X, y = np.random.default_rng(0).normal(size=(2000, 3)), np.zeros(2000)
    X[1500, 1] = bad
    with threadpool_limits(2):
        with np.errstate(all="ignore"):  # of this thread
            assert not SecondMoments.from_rows_in_parallel(X, y).is_finite
        if not np.isfinite(bad):
            with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
                BatchGDRegressor().fit(X, y)
