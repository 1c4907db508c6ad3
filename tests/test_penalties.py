"""Penalties: values, proximal operators and the cumulative l1 penalty."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd import penalties
from skgd._utils.validation import InvalidParameterError
from skgd.penalties import (
    L1,
    L2,
    PENALTIES,
    Bounds,
    ElasticNet,
    min_subgradient_norm,
    proximal_operator,
    sign_bounds,
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


def test_min_subgradient_norm_at_bounds():
    # A subgradient of one sign moves a coefficient inwards at the lower bound, outwards at the
    # upper one; equal bounds leave no move.
    lower, upper = np.array([1.0, 0, 0, -1, -2, 3]), np.array([2.0, 5, 0, 4, 0, 3])
    theta = np.array([1.0, 0, 0, 4, 0, 3])
    for gradient, expected in [
        ([-0.5, -0.5, -9, -0.5, -3, -9], math.sqrt(0.5**2 + 0.5**2)),
        ([0.5, 0.5, 9, 0.5, 3, 9], math.sqrt(0.5**2 + 3**2)),
    ]:
        norm = min_subgradient_norm(theta, np.array(gradient), 0.0, lower, upper)
        assert norm == pytest.approx(expected)
    # With l1 = 1 the slopes at 0 are g - 1 to the left and g + 1 to the right.
    for gradient, expected in [(-3.0, 2.0), (-0.5, 0.0), (3.0, 0.0)]:
        assert min_subgradient_norm(np.zeros(1), np.array([gradient]), 1.0, 0.0, 5.0) == expected
        assert min_subgradient_norm(np.zeros(1), np.array([-gradient]), 1.0, -5.0, 0.0) == expected


def test_proximal_operator_minimises_within_the_bounds():
    coef, u = np.linspace(-2.5, 2.5, 21), np.linspace(-3, 3, 6001)
    for lower, upper in [
        (0.0, np.inf),
        (-0.5, 0.7),
        (0.4, 1.0),
        (-np.inf, -0.2),
        (-np.inf, np.inf),
    ]:
        objective = (u - coef[:, None]) ** 2 / 2 + 0.3 * np.abs(u)
        objective[:, (u < lower) | (u > upper)] = np.inf
        minimum = u[objective.argmin(axis=1)]
        assert_allclose(proximal_operator(coef, 0.3, lower, upper), minimum, atol=1e-3)


def test_sign_bounds_are_those_that_exclude_zero():
    lower, upper = np.array([0.0, 0.1, -2, -1, -np.inf]), np.array([1.0, 0.2, -1, 1, 0])
    found = sign_bounds(lower, upper)
    assert_array_equal(
        found, [[-np.inf, 0.1, -2, -np.inf, -np.inf], [np.inf, 0.2, -1, np.inf, np.inf]]
    )


# Factors of the strength, and bounds


def test_weights_are_factors_of_the_strengths():
    penalty = ElasticNet(0.5, 0.25, weights=np.array([0, 1, 4.0]))
    assert_array_equal(penalty.l1, [0, 0.125, 0.5])
    assert_array_equal(penalty.l2, [0, 0.375, 1.5])
    assert penalty.value([3.0, -4.0, 0.0]) == 4 * 0.125 + 16 * 0.375 / 2
    assert ElasticNet(0.5, weights=2.0).value(COEF) == ElasticNet(1.0).value(COEF)
    assert_array_equal(L1(0.5, weights=[1, 2]).l1, [0.5, 1])
    assert_array_equal(L2(0.5, weights=[1, 2]).l2, [0.5, 1])


@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("kind", [L1, L2, ElasticNet])
def test_an_infinite_weight_has_an_infinite_strength_whatever_alpha(kind, alpha):
    penalty = kind(alpha, weights=[1, np.inf])
    assert np.isinf(penalty.l1 + penalty.l2)[1]
    assert np.isfinite(penalty.l1 + penalty.l2)[0] if np.ndim(penalty.l1) else True
    assert penalty.value([0.0, 1e-9]) == np.inf
    assert penalty.value([3.0, 0.0]) == kind(alpha).value([3.0])
    assert penalty.value([[3.0, 0.0], [1.0, 0.0]]) == kind(alpha).value([3.0, 1.0])


def test_bounds_have_the_penalty_of_their_own():
    penalty = Bounds([0, -1], 2, L1(0.5, weights=[1, 0]))
    assert_array_equal(penalty.l1, [0.5, 0])
    assert (penalty.l2, penalty.alpha) == (0.0, 0.5)
    assert (penalty.lower, penalty.upper) == ((0.0, -1.0), 2.0)
    assert penalty.value([1.0, 1.0]) == 0.5
    assert penalty.value([[0.0, -1.0], [2.0, 2.0]]) == 1.0
    assert penalty.value([-1e-9, 1.0]) == penalty.value([1.0, 2.1]) == np.inf
    assert (Bounds().alpha, Bounds().l1, Bounds().l2, Bounds().value(COEF)) == (0, 0, 0, 0)
    assert list(Bounds().get_params()) == ["lower", "upper", "penalty"]


NOT_NUMBERS = [np.nan, [0.0, np.nan], "1", None, [], [[1.0]], [[1.0], [1.0, 2.0]], 1j, True]


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
@pytest.mark.parametrize(
    ("kind", "name"), [(L1, "weights"), (L2, "weights"), (Bounds, "lower"), (Bounds, "upper")]
)
def test_values_per_feature_are_checked(kind, name, value):
    with pytest.raises(InvalidParameterError, match=f"^{name} must be a float or an array of "):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L1(weights=[1, -1]), r"weights must be .* in \[0, inf\]; got \[1, -1\]"),
        (lambda: L2(weights=-1e-9), r"weights must be .* in \[0, inf\]; got -1e-09"),
        (lambda: ElasticNet(weights=-np.inf), r"weights must be .* in \[0, inf\]; got -inf"),
        (lambda: Bounds(2, 1), r"lower must be at most upper=1; got 2"),
        (lambda: Bounds([0, 3], [1, 2]), r"lower must be at most upper=2 for feature 1; got 3"),
        (lambda: Bounds(0, [1, -2]), r"lower must be at most upper=-2 for feature 1; got 0"),
        (lambda: Bounds([0], [1, 2]), r"lower and upper must have one .*; got 1 and 2 numbers"),
        (lambda: Bounds(np.inf), r"lower must be a float or floats other than inf; got inf"),
        (
            lambda: Bounds(upper=[1, -np.inf]),
            r"upper must be a float or floats other than -inf; got \[1, ",
        ),
        (lambda: Bounds(penalty=Bounds(0)), r"penalty must be None or .* without bounds"),
        (lambda: Bounds(penalty="l1"), r"penalty must be None or .*; got 'l1'"),
        (lambda: Bounds(penalty=L1), r"penalty must be None or .*; got <class"),
    ],
)
def test_invalid_bounds_and_weights_are_errors(make, message):
    with pytest.raises(InvalidParameterError, match=f"^{message}"):
        make()


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
