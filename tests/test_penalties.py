"""Penalties: their values, their proximal steps, and shrinkage spread over many steps."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd import penalties
from skgd.penalties import (
    PENALTIES,
    min_subgradient_norm,
    soft_threshold,
    soft_threshold_cumulative,
)

COEF = np.array([3.0, -4.0, 0.0])  # of l1 norm 7 and squared l2 norm 25


@pytest.mark.parametrize(
    ("penalty", "l1", "l2"),
    [
        (penalties.Penalty(0.5), 0, 0),
        (penalties.L2(0.5), 0, 0.5),
        (penalties.L1(0.5), 0.5, 0),
        (penalties.ElasticNet(0.5, 0.25), 0.125, 0.375),
        (penalties.ElasticNet(0.5, 0.0), 0, 0.5),
        (penalties.ElasticNet(0.5, 1.0), 0.5, 0),
        (penalties.ElasticNet(), 0.15e-4, 0.85e-4),
        (penalties.L2(), 0, 1e-4),
        (penalties.L1(), 1e-4, 0),
    ],
    ids=repr,
)
def test_a_penalty_lowers_to_two_strengths(penalty, l1, l2):
    assert_allclose([penalty.l1, penalty.l2], [l1, l2], rtol=1e-15)
    assert_allclose(penalty.value(COEF), 7 * l1 + 12.5 * l2, rtol=1e-15)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_strengths_are_those_of_the_norms(name):
    penalty = PENALTIES[name](alpha=0.7)
    rng = np.random.default_rng(0)
    for coef in (rng.normal(size=5), rng.normal(size=(2, 5))):
        expected = penalty.l1 * np.abs(coef).sum() + penalty.l2 / 2 * np.square(coef).sum()
        assert_allclose(penalty.value(coef), expected, rtol=1e-14)
        assert isinstance(penalty.value(coef), float)
    assert penalty.value(np.zeros(3)) == 0
    assert PENALTIES[name](alpha=0).value(COEF) == 0


def test_each_coefficient_may_have_strengths_of_its_own():
    l1, l2 = np.array([1.0, 0.0, 5.0]), np.array([0.0, 2.0, 5.0])
    assert penalties.value(COEF, l1, l2) == 3 + 16


@pytest.mark.parametrize("threshold", [0.0, 0.3, 2.0])
def test_shrinking_is_the_proximal_step_of_the_l1_norm(threshold):
    coef = np.linspace(-2.5, 2.5, 21)
    u = np.linspace(-3, 3, 6001)
    objective = (u - coef[:, None]) ** 2 / 2 + threshold * np.abs(u)
    assert_allclose(soft_threshold(coef, threshold), u[objective.argmin(axis=1)], atol=1e-3)


def test_shrinking_reaches_exact_zeros_and_keeps_the_precision():
    coef = np.array([[0.5, -0.2], [-3, 0]], dtype=np.float32)
    shrunk = soft_threshold(coef, np.array([0.25, 0.2], dtype=np.float32))
    assert_array_equal(shrunk, np.array([[0.25, 0], [-2.75, 0]]))
    assert shrunk.dtype == np.float32
    assert_array_equal(soft_threshold(coef, 0.0), coef)


def test_the_distance_is_that_of_the_smallest_subgradient():
    theta, gradient = np.array([2.0, -3.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.5, 2.0, 0.25, -3.0])
    # 0.5 + 1, 0.5 - 1, 2 + 1; at zero up to 1 is held, of -3 there is 2 left.
    assert min_subgradient_norm(theta, gradient, 1.0) == pytest.approx(
        math.sqrt(1.5**2 + 0.5**2 + 3**2 + 2**2)
    )
    assert min_subgradient_norm(theta, gradient, np.zeros(5)) == pytest.approx(
        np.linalg.norm(gradient)
    )


def pay(coef, l1_total, l1_applied):
    """The published algorithm, for one coefficient: return it and its debt paid, after paying."""
    before = coef
    if coef > 0:
        coef = max(0.0, coef - (l1_total + l1_applied))
    elif coef < 0:
        coef = min(0.0, coef + (l1_total - l1_applied))
    return coef, l1_applied + (coef - before)


def test_cumulative_shrinking_is_the_published_algorithm():
    rng = np.random.default_rng(0)
    steps, rates = rng.normal(scale=0.3, size=(200, 4)), rng.uniform(0, 0.1, 200)
    coef, l1_applied, l1_total = np.zeros(4), np.zeros(4), 0.0
    slow = [(0.0, 0.0)] * 4
    kinds = set()
    for step, rate in zip(steps, rates, strict=True):
        l1_total += rate
        slow = [pay(c + s, l1_total, q) for (c, q), s in zip(slow, step, strict=True)]
        moved = coef + step
        coef = soft_threshold_cumulative(moved, np.full(4, l1_total), l1_applied)
        l1_applied += coef - moved
        assert_allclose(np.stack([coef, l1_applied], axis=1), slow, rtol=1e-12, atol=1e-14)
        assert (coef * moved >= 0).all()
        assert (np.abs(coef) <= np.abs(moved)).all()
        assert (np.abs(l1_applied) <= l1_total + 1e-12).all()
        kinds |= set(np.sign(coef))
    assert kinds == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize(
    ("coef", "l1_total", "l1_applied", "shrunk"),
    [
        (1.0, 0.75, 0.0, 0.25),
        (1.0, 0.75, -0.5, 0.75),
        (1.0, 0.75, 0.5, 0.0),
        (-1.0, 0.75, 0.0, -0.25),
        (-1.0, 0.75, 0.5, -0.75),
        (-1.0, 0.75, -0.5, 0.0),
        (0.0, 0.75, 0.5, 0.0),
        (1.0, 0.0, 0.0, 1.0),
    ],
)
def test_what_is_owed_and_not_yet_paid_is_shrunk(coef, l1_total, l1_applied, shrunk):
    arrays = (np.array([number], dtype=np.float32) for number in (coef, l1_total, l1_applied))
    result = soft_threshold_cumulative(*arrays)
    assert result == shrunk
    assert result.dtype == np.float32
