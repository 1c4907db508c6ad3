"""Losses against finite differences, their definitions and published formulas."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from sklearn import metrics

from skgd import losses
from skgd.losses import LOSSES, Loss, MoreauEnvelope
from tests.helpers.regressors import targets_for

KINKED = [losses.EpsilonInsensitive(0.7), losses.AbsoluteError(), losses.Quantile(0.2)]
ENVELOPES = [loss.moreau_envelope(width) for loss in KINKED for width in (0.3, 1.0)]
LOSS_OBJECTS = [cls() for cls in LOSSES.values()]
LOSS_OBJECTS += [losses.Huber(1.3), losses.SquaredEpsilonInsensitive(0.7), losses.Quantile(0.9)]
LOSS_OBJECTS += [losses.Tweedie(power) for power in (1.0, 1.1, 2.0, 2.5, 3.0)]
LOSS_OBJECTS += [loss for loss in KINKED if loss not in LOSS_OBJECTS] + ENVELOPES

#: Losses whose link is not the identity.
WITH_LINK = [loss for loss in LOSS_OBJECTS if loss.inverse_link(0.0) != 0]

every_loss = pytest.mark.parametrize("loss", LOSS_OBJECTS, ids=repr)


def pairs(loss, count=200):
    """Return predictions and targets valid for all losses, with no residual near a kink."""
    rng = np.random.default_rng(0)
    p, y = rng.uniform(-3, 3, count), targets_for(loss, rng.uniform(0.1, 4, count))
    edges = [0, getattr(loss, "epsilon", 0)]
    if isinstance(loss, MoreauEnvelope):
        edges += [edges[1] + loss.width * loss.upper, edges[1] - loss.width * loss.lower]
    distances = np.abs(np.abs(p - y)[:, None] - edges).min(axis=1)
    return p[distances > 1e-3], y[distances > 1e-3]


def quotients(loss, y=1.0):
    """Return difference quotients of the gradient on a fine grid."""
    p = np.linspace(-20, 20, 80_001)
    return np.diff(loss.gradient(p, np.full_like(p, y))) / np.diff(p)


# Properties


@every_loss
def test_gradient_is_the_finite_difference_of_the_value(loss):
    p, y = pairs(loss)
    assert len(p) > 150
    difference = (loss.value(p + 1e-5, y) - loss.value(p - 1e-5, y)) / 2e-5
    assert_allclose(loss.gradient(p, y), difference, rtol=1e-7, atol=1e-8)


@every_loss
def test_value_is_never_negative_and_zero_where_prediction_is_perfect(loss):
    p, y = pairs(loss)
    assert (loss.value(p, y) >= 0).all()
    perfect = y
    if loss in WITH_LINK:
        perfect = special.logit(y) if isinstance(loss, losses.Binomial) else np.log(y)
    assert_allclose(loss.inverse_link(perfect), y, rtol=1e-15)
    assert_allclose(loss.value(perfect, y), 0, atol=1e-15)
    assert_allclose(loss.gradient(perfect, y), 0, atol=2e-15)


@every_loss
def test_gradient_is_monotone_and_gradient_lipschitz_is_its_lipschitz_constant(loss):
    rise = quotients(loss)
    is_convex = not (loss == losses.InverseGaussian() or getattr(loss, "power", 0) > 2)
    assert (rise.min() >= -1e-9) == is_convex
    if math.isfinite(loss.gradient_lipschitz):
        assert_allclose(rise.max(), loss.gradient_lipschitz, rtol=1e-3)
    else:
        assert rise.max() > 500


@every_loss
def test_quadratic_losses_have_a_constant_second_derivative(loss):
    assert loss.quadratic == (np.ptp(quotients(loss)) < 1e-9)


@every_loss
def test_hessian_is_positive_and_at_least_the_second_derivative(loss):
    if not loss.has_hessian():
        assert loss.has_moreau_envelope()
        return
    p, y = pairs(loss)
    second = (loss.gradient(p + 1e-5, y) - loss.gradient(p - 1e-5, y)) / 2e-5
    hessian = loss.hessian(p, y)
    assert (hessian > 0).all()
    assert (hessian >= second - 1e-6).all()
    assert (hessian <= max(1, loss.gradient_lipschitz) * 1.000001).all()


@every_loss
def test_single_precision_stays_single_and_agrees_with_double(loss):
    p, y = (array.astype(np.float32) for array in pairs(loss))
    methods = [loss.value, loss.gradient] + [loss.hessian] * loss.has_hessian()
    for method in methods:
        single = method(p, y)
        assert single.dtype == np.float32
        assert_allclose(single, method(p.astype(float), y.astype(float)), rtol=1e-4, atol=1e-6)
    assert loss.inverse_link(p).dtype == np.float32


@every_loss
def test_scalars_and_2d_arrays_give_the_same_values(loss):
    p, y = pairs(loss)
    methods = [loss.value, loss.gradient] + [loss.hessian] * loss.has_hessian()
    for method in methods:
        expected = method(p, y)
        one_by_one = [method(*pair) for pair in zip(p.tolist(), y.tolist(), strict=True)]
        assert_allclose(one_by_one, expected, rtol=1e-13, atol=1e-15)
        table = method(p[:100].reshape(50, 2), y[:100].reshape(50, 2))
        assert_allclose(table, expected[:100].reshape(50, 2), rtol=1e-13, atol=1e-15)


@every_loss
def test_intercept_only_of_integer_weights_is_that_of_repeated_rows(loss):
    rng = np.random.default_rng(1)
    y, weights = targets_for(loss, rng.gamma(2, size=(30, 2))), rng.integers(0, 4, size=30)
    expected = loss.intercept_only(np.repeat(y, weights, axis=0))
    assert expected.shape == (2,)
    assert_allclose(loss.intercept_only(y, weights.astype(float)), expected, rtol=1e-12)
    assert_allclose(loss.intercept_only(y[:, 1], weights.astype(float)), expected[1], rtol=1e-12)
    assert_allclose(loss.intercept_only(y), loss.intercept_only(y, np.full(30, 0.1)), rtol=1e-12)


@pytest.mark.parametrize(
    "loss", [losses.SquaredError(), *WITH_LINK, *KINKED[1:], losses.Quantile(0.9)], ids=repr
)
def test_intercept_only_is_the_best_constant(loss):
    y = targets_for(loss, np.random.default_rng(2).gamma(2, size=31))
    constant = loss.intercept_only(y)
    shifted = constant + np.linspace(-0.5, 0.5, 101)
    objective = loss.value(shifted[:, None], y).mean(axis=1)
    assert objective.min() >= loss.value(constant, y).mean() - 1e-15


@every_loss
def test_intercept_only_of_equal_targets_predicts_them(loss):
    y = targets_for(loss, np.full(5, 2.5))
    assert_allclose(loss.inverse_link(loss.intercept_only(y)), y[0], rtol=1e-15)


# Published formulas


def half_tweedie_deviance(power):
    """Return half of scikit-learn's mean Tweedie deviance, for targets and log means."""
    return lambda y, p: metrics.mean_tweedie_deviance(y, np.exp(p), power=power) / 2


def bernoulli_divergence(y, mean):
    """Return the Kullback-Leibler divergence of two Bernoulli distributions."""
    return special.rel_entr(y, mean) + special.rel_entr(1 - y, 1 - mean)


@pytest.mark.parametrize(
    ("loss", "oracle"),
    [
        (losses.SquaredError(), lambda y, p: metrics.mean_squared_error(y, p) / 2),
        (losses.AbsoluteError(), metrics.mean_absolute_error),
        (losses.Quantile(0.2), lambda y, p: metrics.mean_pinball_loss(y, p, alpha=0.2)),
        (losses.Quantile(), lambda y, p: metrics.mean_absolute_error(y, p) / 2),
        (losses.Huber(0.4), lambda y, p: special.huber(0.4, p - y).mean()),
        (losses.LogCosh(), lambda y, p: np.log(np.cosh(p - y)).mean()),
        (losses.Poisson(), lambda y, p: metrics.mean_poisson_deviance(y, np.exp(p)) / 2),
        (losses.Gamma(), lambda y, p: metrics.mean_gamma_deviance(y, np.exp(p)) / 2),
        *[(losses.Tweedie(power), half_tweedie_deviance(power)) for power in (1.0, 1.5, 2.0, 2.5)],
        (losses.Tweedie(3.0), half_tweedie_deviance(3)),
        (losses.InverseGaussian(), half_tweedie_deviance(3)),
        (losses.Binomial(), lambda y, p: bernoulli_divergence(y, special.expit(p)).mean()),
    ],
    ids=lambda part: repr(part) if isinstance(part, losses.Loss) else "",
)
def test_mean_value_is_the_published_metric(loss, oracle):
    p, y = pairs(loss)
    assert_allclose(loss.value(p, y).mean(), oracle(y, p), rtol=1e-13)


def test_binomial_loss_of_zeros_and_ones_is_the_log_loss():
    p, y = np.linspace(-5, 5, 41), np.arange(41) % 2
    expected = metrics.log_loss(y, special.expit(p))
    assert_allclose(losses.Binomial().value(p, y.astype(float)).mean(), expected, rtol=1e-13)
    p = np.array([-700.0, -40.0, 40.0, 700.0])
    assert_allclose(losses.Binomial().value(p, 0.0), -special.log_expit(-p), rtol=1e-15)
    assert_allclose(losses.Binomial().value(p, 1.0), -special.log_expit(p), rtol=1e-15)


@pytest.mark.parametrize("power", [1.0, 1.2, 1.9])
def test_tweedie_deviance_of_a_zero_target(power):
    p, y = np.linspace(-3, 3, 7), np.zeros(7)
    values = [half_tweedie_deviance(power)(y[:1], q) for q in p[:, None]]
    assert_allclose(losses.Tweedie(power).value(p, y), values, rtol=1e-13)
    assert_allclose(losses.Tweedie(power).gradient(p, y), np.exp((2 - power) * p), rtol=1e-15)


@pytest.mark.parametrize(
    ("power", "loss"),
    [(1.0, losses.Poisson()), (2.0, losses.Gamma()), (3.0, losses.InverseGaussian())],
)
def test_tweedie_losses_of_whole_powers_are_those_of_their_names(power, loss):
    p, y = pairs(loss)
    tweedie = losses.Tweedie(power)
    for name in ("value", "gradient", "hessian"):
        ours, theirs = getattr(tweedie, name)(p, y), getattr(loss, name)(p, y)
        assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)
    # The formula is continuous in the power.
    near = losses.Tweedie(power + (1e-8 if power < 2 else -1e-8))
    assert_allclose(near.value(p, y), loss.value(p, y), rtol=1e-6)


@pytest.mark.parametrize("power", [0.0, 0.5, 0.999, 3.001, -1.0, np.nan])
def test_powers_without_a_convex_or_usual_deviance_are_refused(power):
    with pytest.raises(ValueError, match=r"^power must be a float in the range \[1.0, 3.0\]"):
        losses.Tweedie(power)


@pytest.mark.parametrize(
    ("loss", "residual", "value", "gradient"),
    [
        (losses.SquaredError(), -3, 4.5, -3),
        (losses.Huber(), 1.1, 0.105, 0.1),
        (losses.Huber(1.0), -3, 2.5, -1),
        (losses.Huber(1.0), 0.5, 0.125, 0.5),
        (losses.Huber(0.0), 2, 0, 0),
        (losses.EpsilonInsensitive(), 1.1, 1, 1),
        (losses.EpsilonInsensitive(0.5), -2, 1.5, -1),
        (losses.EpsilonInsensitive(0.5), 0.5, 0, 0),
        (losses.EpsilonInsensitive(0.0), 0, 0, 0),
        (losses.SquaredEpsilonInsensitive(), 1.1, 1, 2),
        (losses.SquaredEpsilonInsensitive(0.5), -2, 2.25, -3),
        (losses.SquaredEpsilonInsensitive(0.5), 0.5, 0, 0),
        (losses.AbsoluteError(), -2, 2, -1),
        (losses.AbsoluteError(), 0, 0, 0),
        (losses.Quantile(0.75), -2, 1.5, -0.75),
        (losses.Quantile(0.75), 2, 0.5, 0.25),
        (losses.Quantile(0.75), 0, 0, 0),
        (losses.LogCosh(), -1, 0.4337808304830271, -0.7615941559557649),
    ],
)
def test_values_worked_by_hand(loss, residual, value, gradient):
    assert_allclose(loss.value(residual + 4.0, 4.0), value, rtol=1e-14, atol=1e-16)
    assert_allclose(loss.gradient(residual + 4.0, 4.0), gradient, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize(
    ("loss", "residual", "hessian"),
    [
        (losses.SquaredError(), -3, 1),
        (losses.Huber(0.5), 0.5, 1),
        (losses.Huber(0.5), -2, 0.03 * 0.5 / 2),  # 3 % of the curvature of the majorizer
        (losses.SquaredEpsilonInsensitive(0.5), -0.7, 2),
        (losses.SquaredEpsilonInsensitive(0.5), 0.3, 0.06),
        (losses.LogCosh(), 0.5, 1 - np.tanh(0.5) ** 2),
        (losses.LogCosh(), -30, 0.001),
        (losses.Quantile(0.75).moreau_envelope(0.1), 0.02, 10),  # curved up to 0.25 * 0.1
        (losses.Quantile(0.75).moreau_envelope(0.1), -0.07, 10),  # and down to -0.75 * 0.1
        (losses.Quantile(0.75).moreau_envelope(0.1), 0.026, 10),  # at most 1 / width
        (losses.Quantile(0.75).moreau_envelope(0.1), -0.4, 0.15 * (0.25 + 0.75) / 0.16),
        (losses.Quantile(0.75).moreau_envelope(0.1), 2, 0.15 * (0.25 + 0.75) / 4),
        (losses.EpsilonInsensitive(1.0).moreau_envelope(0.1), 0, 0.15 * 2),
        (losses.EpsilonInsensitive(1.0).moreau_envelope(0.1), 1.05, 10),
        (losses.EpsilonInsensitive(1.0).moreau_envelope(0.1), -3, 0.15 * (1 / 16 + 1 / 4)),
        (losses.EpsilonInsensitive(1.0).moreau_envelope(4.0), 1.05, 0.25),
        (losses.EpsilonInsensitive(1.0).moreau_envelope(4.0), 2.0, 0.25),
        (losses.EpsilonInsensitive(1.0).moreau_envelope(4.0), -4.5, 0.25),
    ],
    ids=repr,
)
def test_hessians_worked_by_hand(loss, residual, hessian):
    assert_allclose(loss.hessian(residual + 4.0, 4.0), hessian, rtol=1e-9)
    assert_allclose(loss.hessian(np.array([residual]), np.zeros(1)), [hessian], rtol=1e-9)


def test_hessian_of_the_inverse_gaussian_loss_has_a_lower_bound():
    p, y = np.array([0.0, 0.0, 100.0]), np.array([4.0, 0.5, 4.0])
    assert_allclose(losses.InverseGaussian().hessian(p, y), [7, 0.03, 0.03 * np.exp(-100)])


def test_hessian_of_the_binomial_loss_is_the_variance_of_the_mean():
    p = np.array([-700.0, -30.0, -1.0, 0.0, 2.0, 700.0])
    expected = special.expit(p) * special.expit(-p)
    assert_allclose(losses.Binomial().hessian(p, 0.3), expected, rtol=1e-14)


def test_log_cosh_is_exact_on_both_sides_of_the_change_of_its_formula():
    r = np.array([0.999, 1.0, 1.5, 1.999, 2.5])
    assert_allclose(losses.LogCosh().value(r, 0), np.log(np.cosh(r)), rtol=1e-14)


# Extremes


@pytest.mark.parametrize("residual", [1e300, -1e300])
@pytest.mark.parametrize(
    "loss", [losses.LogCosh(), losses.Huber(), losses.Binomial(), *KINKED, *ENVELOPES], ids=repr
)
def test_losses_that_grow_linearly_do_not_overflow(loss, residual):
    if residual < 0 and loss == losses.Binomial():
        assert loss.value(residual, 0.0) == loss.gradient(residual, 0.0) == 0
        residual = -residual
    with np.errstate(over="raise", invalid="raise"):
        per_unit = loss.value(residual, 0.0) / abs(residual)
        assert_allclose(per_unit, abs(loss.gradient(residual, 0.0)), rtol=1e-12)


@pytest.mark.parametrize("r", [1e-12, 1e-7, 1e-4])
def test_log_cosh_is_accurate_near_zero(r):
    assert_allclose(losses.LogCosh().value(r, 0.0), r**2 / 2 - r**4 / 12, rtol=1e-14)


def test_log_cosh_of_large_residuals_is_their_size_minus_log_2():
    assert_allclose(losses.LogCosh().value(-700.0, 20.0), 720 - math.log(2), rtol=1e-15)


@pytest.mark.parametrize(
    ("loss", "power"),
    [
        (losses.Poisson(), 1),
        (losses.Gamma(), 2),
        (losses.InverseGaussian(), 3),
        (losses.Tweedie(1.5), 1.5),
        (losses.Tweedie(2.5), 2.5),
    ],
)
def test_deviances_are_accurate_for_large_targets(loss, power):
    u = 2.0**-20
    expected = u**2 / 2 * 1e12 ** (2 - power)
    assert_allclose(loss.value(math.log(1e12) + u, 1e12), expected, rtol=1e-5)


@pytest.mark.parametrize("y", [0.1, 0.3, 0.5, 0.9])
def test_binomial_loss_of_accurate_predictions_loses_no_digits(y):
    u = np.array([-1e-3, -1e-5, 1e-5, 1e-3])
    # The Taylor series of the divergence; its third cumulant is y (1 - y) (1 - 2 y).
    expected = y * (1 - y) * (u**2 / 2 + (1 - 2 * y) * u**3 / 6)
    assert_allclose(losses.Binomial().value(special.logit(y) + u, y), expected, rtol=1e-6)


def test_the_gradient_of_rare_events_is_accurate():
    p = np.array([-700.0, -40.0, -20.0])
    assert_allclose(losses.Binomial().gradient(p, 0.0), special.expit(p), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_poisson_loss_of_a_zero_count_is_the_mean(dtype):
    p = np.array([-40, -5, 0, 1, 60], dtype=dtype)
    value = losses.Poisson().value(p, np.zeros_like(p))
    assert value.dtype == dtype
    assert_allclose(value, np.exp(p), rtol=1e-4, atol=1e-7)


def test_intercept_only_of_zero_counts_is_finite():
    assert_allclose(losses.Poisson().intercept_only(np.zeros(10)), math.log(0.05), rtol=1e-15)
    y = np.array([[0, 1e-9], [0, 3e-9]])
    assert_allclose(losses.Poisson().intercept_only(y), np.log([0.25, 2e-9]), rtol=1e-15)
    assert_allclose(losses.Tweedie().intercept_only(y), np.log([0.25, 2e-9]), rtol=1e-15)


def test_intercept_only_of_equal_classes_is_finite():
    y = np.array([[0.0, 1.0, 0.01], [0.0, 1.0, 0.0]])
    expected = special.logit([0.25, 0.75, 0.005])
    assert_allclose(losses.Binomial().intercept_only(y), expected, rtol=1e-14)


# Targets


@pytest.mark.parametrize(
    ("loss", "domain", "invalid"),
    [
        (losses.Poisson(), "y >= 0", -1e-9),
        (losses.Gamma(), "y > 0", 0.0),
        (losses.InverseGaussian(), "y > 0", 0.0),
        (losses.Tweedie(1.9), "y >= 0 for a power below 2", -1e-9),
        (losses.Tweedie(2.0), "y > 0 for a power from 2 on", 0.0),
        (losses.Binomial(), "a fraction 0 <= y <= 1", 1.000001),
        (losses.Binomial(), "a fraction 0 <= y <= 1", -1e-9),
    ],
    ids=repr,
)
def test_targets_outside_the_domain_are_named_with_their_row(loss, domain, invalid):
    message = rf"^{type(loss).__name__} needs {domain} in every row; got y\[2\]={invalid:g}\.$"
    with pytest.raises(ValueError, match=message):
        loss.check_targets(np.array([1.0, 1e-300, invalid, -5.0]))
    with pytest.raises(ValueError, match=rf"got y\[1, 0\]={invalid:g}\.$"):
        loss.check_targets(np.array([[1.0, 0.5], [invalid, 0.5]]))
    with pytest.raises(ValueError, match=r"got y\[0\]=nan\.$"):
        loss.check_targets(np.array([math.nan]))


@every_loss
def test_targets_inside_the_domain_pass(loss):
    y = np.array([1e-300, 1.0])
    if loss != losses.Binomial():
        y = np.append(y, 1e300)
    if not isinstance(loss, losses.Gamma | losses.InverseGaussian) and not is_positive(loss):
        y = np.append(y, 0.0)
    if loss not in WITH_LINK:
        y = np.append(y, -1.0)
    loss.check_targets(y)


def is_positive(loss):
    """Return whether a loss is a Tweedie deviance of positive targets only."""
    return isinstance(loss, losses.Tweedie) and loss.power >= 2


# Kinks


@pytest.mark.parametrize("loss", [cls() for cls in LOSSES.values()], ids=repr)
def test_losses_with_kinks_have_a_moreau_envelope(loss):
    rise = np.abs(np.diff(loss.gradient(np.linspace(-2, 2, 100_001), 1.0)))
    assert loss.has_moreau_envelope() == (rise.max() > 0.1)


@pytest.mark.parametrize("width", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("loss", KINKED, ids=repr)
def test_moreau_envelope_is_that_of_its_definition(loss, width):
    r = np.linspace(-4, 4, 41)
    u = np.linspace(-7, 7, 14_001)
    envelope = np.min(loss.value(u, 0.0) + (r[:, None] - u) ** 2 / (2 * width), axis=1)
    # The grid misses the minimum by at most half its spacing.
    assert_allclose(loss.moreau_envelope(width).value(r, 0.0), envelope, atol=0.0005**2 / width)


@pytest.mark.parametrize("width", [1e-6, 1e-2, 1.0])
@pytest.mark.parametrize("loss", KINKED, ids=repr)
def test_distance_of_the_moreau_envelope_is_proportional_to_the_width(loss, width):
    r = np.linspace(-4, 4, 801)
    gap = loss.value(r, 0.0) - loss.moreau_envelope(width).value(r, 0.0)
    lipschitz = np.abs(loss.gradient(r, 0.0)).max()
    assert gap.min() >= -1e-15
    assert_allclose(gap.max(), width / 2 * lipschitz**2, rtol=1e-6)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.75, 0.9])
def test_weighted_quantiles_are_those_of_repeated_rows(level):
    rng = np.random.default_rng(3)
    y, weights = rng.normal(size=41), rng.integers(0, 5, size=41)
    repeated = np.repeat(y, weights)
    expected = np.quantile(repeated, level, method="inverted_cdf")
    assert losses.weighted_quantile(y, level, weights.astype(float)) == expected
    assert losses.weighted_quantile(repeated, level) == expected
    for loss in (losses.Quantile(level), losses.Quantile(level).moreau_envelope(0.1)):
        assert loss.intercept_only(repeated) == expected


def test_a_level_that_is_reached_exactly_gives_the_lower_target_for_scaled_weights():
    y = np.arange(10.0)
    for weights in (None, np.full(10, 1.0), np.full(10, 0.1), np.full(10, 1e-7)):
        quantiles = [losses.weighted_quantile(y, level, weights) for level in (0.1, 0.3, 0.5, 0.7)]
        assert quantiles == [0, 2, 4, 6]


def test_weights_are_accumulated_in_double_precision():
    # In float32, 1e8 + 1 == 1e8.
    weights = np.append(np.float32(1e8), np.ones(200, dtype=np.float32))
    y = np.arange(201.0)
    level = 1 - 50 / weights.sum(dtype=float)
    assert losses.weighted_quantile(y, level, weights) == 150


# User-defined losses


def test_missing_methods_are_named():
    class Mine(Loss):
        pass

    with pytest.raises(NotImplementedError, match=r"^Mine needs a method value\(p, y\)$"):
        Mine().value(1.0, 1.0)
    with pytest.raises(NotImplementedError, match=r"^Mine needs a method gradient\(p, y\)$"):
        Mine().gradient(1.0, 1.0)
    assert Mine().gradient_lipschitz == math.inf
    assert_array_equal(Mine().inverse_link(np.array([1.0, 2.0])), [1.0, 2.0])
