"""Penalties: values, proximal operators and the cumulative l1 penalty."""

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
def test_strengths_of_the_norms(penalty, l1, l2):
    assert_allclose([penalty.l1, penalty.l2], [l1, l2], rtol=1e-15)
    assert_allclose(penalty.value(COEF), 7 * l1 + 12.5 * l2, rtol=1e-15)


@pytest.mark.parametrize("name", PENALTIES)
def test_values_are_those_of_the_norms(name):
    penalty = PENALTIES[name](alpha=0.7)
    rng = np.random.default_rng(0)
    for coef in (rng.normal(size=5), rng.normal(size=(2, 5))):
        expected = penalty.l1 * np.abs(coef).sum() + penalty.l2 / 2 * np.square(coef).sum()
        assert_allclose(penalty.value(coef), expected, rtol=1e-14)
        assert isinstance(penalty.value(coef), float)
    assert penalty.value(np.zeros(3)) == 0
    assert PENALTIES[name](alpha=0).value(COEF) == 0


def test_strengths_may_differ_between_coefficients():
    l1, l2 = np.array([1.0, 0.0, 5.0]), np.array([0.0, 2.0, 5.0])
    assert penalties.value(COEF, l1, l2) == 3 + 16


@pytest.mark.parametrize("threshold", [0.0, 0.3, 2.0])
def test_soft_threshold_is_the_proximal_operator_of_the_l1_norm(threshold):
    coef = np.linspace(-2.5, 2.5, 21)
    u = np.linspace(-3, 3, 6001)
    objective = (u - coef[:, None]) ** 2 / 2 + threshold * np.abs(u)
    assert_allclose(soft_threshold(coef, threshold), u[objective.argmin(axis=1)], atol=1e-3)


def test_soft_threshold_gives_exact_zeros_and_keeps_the_dtype():
    coef = np.array([[0.5, -0.2], [-3, 0]], dtype=np.float32)
    shrunk = soft_threshold(coef, np.array([0.25, 0.2], dtype=np.float32))
    assert_array_equal(shrunk, np.array([[0.25, 0], [-2.75, 0]]))
    assert shrunk.dtype == np.float32
    assert_array_equal(soft_threshold(coef, 0.0), coef)


def test_min_subgradient_norm():
    theta, gradient = np.array([2.0, -3.0, 1.0, 0.0, 0.0]), np.array([0.5, 0.5, 2.0, 0.25, -3.0])
    # 0.5 + 1, 0.5 - 1, 2 + 1; at zero the subgradients of 0.25 include 0, those of -3 end at -2.
    assert min_subgradient_norm(theta, gradient, 1.0) == pytest.approx(
        math.sqrt(1.5**2 + 0.5**2 + 3**2 + 2**2)
    )
    assert min_subgradient_norm(theta, gradient, np.zeros(5)) == pytest.approx(
        np.linalg.norm(gradient)
    )


def apply_penalty(coef, l1_total, l1_applied):
    """APPLYPENALTY of Tsuruoka et al. for one coefficient; returns it and q."""
    before = coef
    if coef > 0:
        coef = max(0.0, coef - (l1_total + l1_applied))
    elif coef < 0:
        coef = min(0.0, coef + (l1_total - l1_applied))
    return coef, l1_applied + (coef - before)


def test_soft_threshold_cumulative_is_the_published_algorithm():
    rng = np.random.default_rng(0)
    steps, rates = rng.normal(scale=0.3, size=(200, 4)), rng.uniform(0, 0.1, 200)
    coef, l1_applied, l1_total = np.zeros(4), np.zeros(4), 0.0
    reference = [(0.0, 0.0)] * 4
    signs = set()
    for step, rate in zip(steps, rates, strict=True):
        l1_total += rate
        reference = [
            apply_penalty(c + s, l1_total, q) for (c, q), s in zip(reference, step, strict=True)
        ]
        updated = coef + step
        coef = soft_threshold_cumulative(updated, np.full(4, l1_total), l1_applied)
        l1_applied += coef - updated
        assert_allclose(np.stack([coef, l1_applied], axis=1), reference, rtol=1e-12, atol=1e-14)
        assert (coef * updated >= 0).all()
        assert (np.abs(coef) <= np.abs(updated)).all()
        assert (np.abs(l1_applied) <= l1_total + 1e-12).all()
        signs |= set(np.sign(coef))
    assert signs == {-1.0, 0.0, 1.0}


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
def test_soft_threshold_cumulative_worked_by_hand(coef, l1_total, l1_applied, shrunk):
    arrays = (np.array([number], dtype=np.float32) for number in (coef, l1_total, l1_applied))
    result = soft_threshold_cumulative(*arrays)
    assert result == shrunk
    assert result.dtype == np.float32
