"""Implicit centring and scaling, compared with explicit arithmetic on the scaled matrix."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd.data.design import Design
from skgd.data.feature_moments import CHUNK_ROWS, FeatureMoments
from skgd.data.scaling import FeatureScaling


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=[True, False], ids=["intercept", "no_intercept"])
def standardised(request, rng):
    """A design, and its scaled rows with a column of ones for the intercept."""
    X = rng.normal(size=(7, 3)) * [1, 10, 0.1] + [5, 0, -3]
    center, scale = X.mean(axis=0), X.std(axis=0)
    design = Design(X, FeatureScaling(center, scale), fit_intercept=request.param)
    return design, np.column_stack([(X - center) / scale, np.ones(7)])


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_products_equal_those_of_the_scaled_matrix(standardised, outputs, rng):
    design, rows = standardised
    theta, derivatives = rng.normal(size=(*outputs, 4)), rng.normal(size=(7, *outputs))
    assert_allclose(design.predict(theta), rows @ theta.T, rtol=1e-12)
    gradient = derivatives.T @ rows
    gradient[..., -1] *= design.fit_intercept
    assert_allclose(design.gradient(derivatives), gradient, rtol=1e-11, atol=1e-12)


def test_scaled_rows_and_norms_equal_those_of_the_scaled_matrix(standardised):
    design, rows = standardised
    some = np.array([4, 0, 4])
    assert_allclose(design.scaled_rows(some), rows[some, :-1], rtol=1e-12)
    expected = rows if design.fit_intercept else rows[:, :-1]
    assert_allclose(design.squared_norms(), (expected**2).sum(axis=1), rtol=1e-12)


def test_norms_of_many_rows(rng):
    X = rng.normal(size=(CHUNK_ROWS + 3, 2))
    design = Design(X, FeatureScaling.identity(2), fit_intercept=False)
    assert_allclose(design.squared_norms(), (X**2).sum(axis=1), rtol=1e-13)


def test_identity_scaling_returns_views_of_the_rows(rng):
    X = rng.normal(size=(5, 2))
    design = Design(X, FeatureScaling.identity(2), fit_intercept=True)
    assert design.is_unscaled
    assert np.shares_memory(design.scaled_rows(slice(1, 3)), X)


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_scaled_and_original_parameters_describe_the_same_function(outputs, rng):
    X = rng.normal(size=(6, 3)) * [1, 100, 0.01] + [5, 0, -3]
    coef, intercept = rng.normal(size=(*outputs, 3)), rng.normal(size=outputs)
    scaling = FeatureScaling(X.mean(axis=0), X.std(axis=0))
    theta = scaling.to_scaled(coef, intercept, float)
    assert_allclose(Design(X, scaling, True).predict(theta), X @ coef.T + intercept, rtol=1e-11)
    back = scaling.to_original(theta)
    assert_allclose(back[0], coef, rtol=1e-12)
    assert_allclose(back[1], intercept, rtol=1e-10)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_standard_scaling_has_a_unit_metric(fit_intercept, ridge, rng):
    X = rng.normal(size=(50, 3)) * [1, 100, 0.01] + [5, 0, -3]
    scaling = FeatureScaling.standard(FeatureMoments.from_rows(X), fit_intercept, ridge)
    design = Design(X, scaling, fit_intercept)
    scaled = design.scaled_rows(slice(None))
    mean_square = (scaled**2).mean(axis=0) + ridge / scaling.scale**2
    assert_allclose(mean_square, 1, rtol=1e-9)
    if fit_intercept:
        assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 3.0, 0.1, 1e-8, 123456.789])
@pytest.mark.parametrize("n", [1, 10, 1000])
def test_a_constant_column_has_no_variance_and_is_exactly_zero(value, n):
    X = np.full((n, 1), value)
    moments = FeatureMoments.from_rows(X)
    assert_array_equal(moments.variance, 0)
    scaling = FeatureScaling.standard(moments, True, 0.0)
    assert_array_equal(Design(X, scaling, True).scaled_rows(slice(None)), 0)
    theta = scaling.to_scaled([2.0], 1.0, float)
    assert_array_equal(theta, [0, 1 + 2 * moments.mean[0]])  # absorbed by the intercept


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_parts_add_up_to_those_of_all_rows(offset, weighted, rng):
    X = rng.normal(size=(2 * CHUNK_ROWS + 5, 2)) * [1, 3] + offset
    weights = rng.uniform(0.5, 2, size=len(X)) if weighted else np.ones(len(X))
    merged = FeatureMoments.from_rows(X[:10], weights[:10])
    for part in (slice(10, 11), slice(11, CHUNK_ROWS), slice(CHUNK_ROWS, None)):
        merged = merged + FeatureMoments.from_rows(X[part], weights[part])
    exact = (X - offset).astype(np.longdouble)  # exact: the offset is an integer
    mean = np.average(exact, axis=0, weights=weights)
    variance = np.average((exact - mean) ** 2, axis=0, weights=weights)
    for moments in (merged, FeatureMoments.from_rows(X, weights)):
        assert_allclose(moments.mean - offset, mean.astype(float), atol=1e-9)
        assert_allclose(moments.variance, variance.astype(float), rtol=1e-9)
        assert_allclose(moments.total_weight, weights.sum(), rtol=1e-12)


def test_integer_weights_equal_repeated_rows(rng):
    X, weights = rng.normal(size=(6, 2)), np.array([1, 3, 2, 1, 0, 4])
    weighted, repeated = (
        FeatureMoments.from_rows(X, weights),
        FeatureMoments.from_rows(np.repeat(X, weights, axis=0)),
    )
    assert_allclose(weighted.mean, repeated.mean, rtol=1e-13)
    assert_allclose(weighted.variance, repeated.variance, rtol=1e-12)
