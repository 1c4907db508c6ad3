"""SGDRegressor warns of a default penalty that hides most of the signal."""

import re
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, penalties
from skgd.data import memmap
from skgd.losses import LOSSES
from tests.helpers.regressors import build, targets_for

AUTO = {"learning_rate": "auto", "standardize": True, "random_state": 0}


def warned(model, X, y, **kwargs):
    """Return the texts of the warnings of a fit that are about the penalty."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, **kwargs)
    caught = [warning for warning in caught if "default penalty" in str(warning.message)]
    assert all(warning.category is UserWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return [str(warning.message) for warning in caught]


def numbers(message):
    """Return the factor of the coefficients and both fractions of the loss in a warning."""
    found = re.search(r"to (\S+) times .* explains (\S+)% .* explain (\S+)% without", message)
    factor, explained, possible = map(float, found.groups())
    return factor, explained / 100, possible / 100


@pytest.mark.parametrize("convert", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_the_warning_says_what_ridge_and_least_squares_say(convert, diabetes):
    X, y = diabetes[0] * 1e-4, diabetes[1]
    (message,) = warned(SGDRegressor(**AUTO), convert(X), y)
    factor, explained, possible = numbers(message)
    ridge = Ridge(alpha=1e-4 * len(y)).fit(X, y)
    exact = LinearRegression().fit(X, y)
    assert explained == pytest.approx(ridge.score(X, y), abs=2e-3)
    assert possible == pytest.approx(exact.score(X, y), abs=2e-3)
    sizes = [np.linalg.norm(model.coef_ * X.std(axis=0)) for model in (ridge, exact)]
    # The correlated columns of the data make the size of the exact solution converge last.
    assert factor == pytest.approx(sizes[0] / sizes[1], rel=0.2)


@pytest.mark.parametrize(
    "params",
    [
        {"penalty": None},
        {"alpha": 1.0001e-4},
        {"penalty": "l1"},
        {"penalty": penalties.L2(1e-4)},
        {"learning_rate": "invscaling"},
        {"learning_rate": 0.01},
        {"standardize": False},
        {"early_stopping": True},
        {"max_iter": 1},
    ],
    ids=str,
)
def test_no_warning_of_penalties_that_were_chosen_and_of_other_fits(params, diabetes):
    X, y = diabetes[0] * 1e-4, diabetes[1]
    assert not warned(SGDRegressor(**AUTO | params), X, y)


@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor])
def test_no_warning_of_regressors_without_a_default_penalty(Regressor, diabetes):
    assert not warned(build(Regressor, **AUTO), diabetes[0] * 1e-4, diabetes[1])


@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_warning_where_the_penalty_is_weak(loss, scale, diabetes):
    X, y = diabetes
    X = scale * (X - X.mean(axis=0)) / X.std(axis=0)
    y = targets_for(loss, y / 100) if LOSSES[loss].has_link() else y
    assert not warned(SGDRegressor(loss, epsilon=10.0, **AUTO), X, y)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_warns_of_small_units(loss, diabetes):
    X, y = diabetes
    y = targets_for(loss, y / 100) if LOSSES[loss].has_link() else y
    (message,) = warned(SGDRegressor(loss, epsilon=10.0, **AUTO), 1e-5 * X, y)
    factor, explained, possible = numbers(message)
    assert factor < 0.1
    assert explained < 0.05
    assert possible > 0.2


def test_a_single_feature_in_small_units_is_enough():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2)) * [1.0, 1e-4]
    y = X @ [1.0, 2e4] + rng.normal(size=500)
    (message,) = warned(SGDRegressor(**AUTO), X, y)
    _, explained, possible = numbers(message)
    assert explained == pytest.approx(1 / 6, abs=0.05)
    assert possible == pytest.approx(5 / 6, abs=0.05)


def test_no_warning_where_there_is_no_signal():
    rng = np.random.default_rng(0)
    X, y = 1e-6 * rng.normal(size=(3000, 3)), rng.normal(size=3000)
    assert not warned(SGDRegressor(**AUTO), X, y)


def test_no_warning_of_more_features_than_rows_in_ordinary_units():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 40)), rng.normal(size=20)
    assert not warned(SGDRegressor(**AUTO), X, y)


def test_no_warning_of_constant_data(diabetes):
    X, y = diabetes
    assert not warned(SGDRegressor(**AUTO), np.ones_like(X), y)
    assert not warned(SGDRegressor(**AUTO), 1e-4 * X, np.ones_like(y))


def test_small_weights_and_several_outputs_are_taken_into_account(diabetes):
    X, y = diabetes
    assert not warned(SGDRegressor(**AUTO), X, y)
    assert warned(SGDRegressor(**AUTO), X, y, sample_weight=np.full(len(y), 1e-9))
    (message,) = warned(SGDRegressor(**AUTO), 1e-4 * X, np.c_[y, -2 * y])
    _, _, possible = numbers(message)
    assert possible == pytest.approx(0.518, abs=2e-3)


def test_the_examination_draws_nothing_from_the_generator_of_the_user(diabetes):
    X, y = diabetes[0] * 1e-4, diabetes[1]
    generators = [np.random.RandomState(0) for _ in range(2)]
    for generator, penalty in zip(generators, ["l2", penalties.L2(1e-4)], strict=True):
        warned(SGDRegressor(penalty=penalty, **AUTO | {"random_state": generator}), X, y)
    assert generators[0].randint(2**31) == generators[1].randint(2**31)


def test_a_memory_map_warns_as_well(diabetes, tmp_path, monkeypatch):
    X, y = diabetes[0] * 1e-4, diabetes[1]
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    np.save(tmp_path / "X.npy", X)
    model = SGDRegressor(**AUTO)
    (message,) = warned(model, np.load(tmp_path / "X.npy", mmap_mode="r"), y)
    assert numbers(message)[1] == pytest.approx(r2_score(y, model.predict(X)), abs=2e-3)
