"""Accuracy of full-batch fits on the NIST reference problems and on raw powers of a variable."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skgd import BatchGDRegressor
from tests.helpers.certified import PROBLEMS

#: Guaranteed number of correct digits of the least accurate coefficient. How many more are correct
#: depends on the rounding of BLAS. The powers of Filip, rounded to float64, have a solution that
#: agrees with the certified one to 7.6 digits only.
DIGITS = 6


def solved(X, y, fit_intercept):
    """Return the exact least-squares solution for rationals, by Gauss-Jordan elimination."""
    rows = [[Fraction(1)] * fit_intercept + list(row) for row in X]
    width = range(len(rows[0]))
    system = [
        [sum(row[i] * row[j] for row in rows) for j in width]
        + [sum(row[i] * target for row, target in zip(rows, y, strict=True))]
        for i in width
    ]
    for i in width:
        system[i] = [entry / system[i][i] for entry in system[i]]
        for k in width:
            if k != i:
                factor = system[k][i]
                system[k] = [a - factor * b for a, b in zip(system[k], system[i], strict=True)]
    return np.array([float(row[-1]) for row in system])


def digits(model, coef):
    """Return how many digits of the least accurate coefficient are correct."""
    fitted = np.append(model.intercept_, model.coef_)[-len(coef) :]
    return -np.log10(max(np.abs(fitted / coef - 1).max(), 1e-16))


@pytest.mark.parametrize("name", PROBLEMS)
def test_data_have_the_certified_solution(name):
    problem = PROBLEMS[name]
    exact = solved(problem.features(Fraction), problem.targets(Fraction), problem.fit_intercept)
    np.testing.assert_allclose(exact, problem.coef, rtol=1e-14)


@pytest.mark.parametrize("tol", [0, 1e-10])
@pytest.mark.parametrize("name", PROBLEMS)
def test_certified_coefficients_are_reached(name, tol):
    problem = PROBLEMS[name]
    X, y = problem.numbers()
    model = BatchGDRegressor(tol=tol, fit_intercept=problem.fit_intercept)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X, y)
    assert digits(model, np.array(problem.coef)) >= DIGITS


@pytest.mark.parametrize(("degree", "least"), [(5, 8), (6, 8), (7, 7), (8, 6)])
def test_polynomial_in_raw_powers_is_fitted_to_many_digits(degree, least):
    X = np.linspace(1, 10, 100)[:, None] ** np.arange(1, degree + 1)
    y = X.sum(axis=1) + 1
    for tol in (0, 1e-10):
        assert digits(BatchGDRegressor(tol=tol).fit(X, y), np.ones(degree + 1)) >= least


def test_weighted_multi_output_fit_is_as_accurate():
    problem = PROBLEMS["Wampler3"]
    X, y = problem.numbers()
    weights = np.arange(1, 22) % 4
    model = BatchGDRegressor().fit(X, np.column_stack([y, -2 * y]), sample_weight=weights)
    rows = np.repeat(np.arange(21), weights)
    exact = solved(
        problem.features(Fraction)[rows], problem.targets(Fraction)[rows], fit_intercept=True
    )
    np.testing.assert_allclose(np.append(model.intercept_[0], model.coef_[0]), exact, rtol=1e-7)
    np.testing.assert_allclose(model.coef_[1], -2 * model.coef_[0], rtol=1e-7)


def test_warm_start_and_partial_fit_continue_from_the_coefficients():
    X, y = (
        part.astype(float) for part in (PROBLEMS["Filip"].features(), PROBLEMS["Filip"].targets())
    )
    model = BatchGDRegressor(warm_start=True, record="path").fit(X, y)
    before = model.predict(X)
    again = model.fit(X, y)
    assert again.n_iter_ <= 3
    np.testing.assert_allclose(again.predict(X), before, atol=1e-8)
    np.testing.assert_allclose(again.path_["coef_3"][-1], again.coef_[3])
    np.testing.assert_allclose(again.partial_fit(X, y).predict(X), before, atol=1e-4)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_collinear_columns_do_not_change_predictions(offset):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)) + offset
    y = X @ [1.0, 2.0, 3.0, 4.0] + rng.standard_normal(300)
    twice = np.column_stack([X, X[:, 0] / 3, X @ [0.5, 0.5, 0.0, 0.0], np.ones(300)])
    model = BatchGDRegressor().fit(twice, y)
    single = BatchGDRegressor().fit(X, y)
    np.testing.assert_allclose(model.predict(twice), single.predict(X), atol=1e-6)
    assert np.abs(model.coef_).max() < 10
