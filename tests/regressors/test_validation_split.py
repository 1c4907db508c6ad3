"""Which rows an early-stopping fit holds out: for series, groups, and by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import (
    GroupShuffleSplit,
    PredefinedSplit,
    ShuffleSplit,
    TimeSeriesSplit,
)

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

# A few epochs are enough to see which rows were held out.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
N = 24


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, 3))
    return X, X @ [1.0, 2.0, 3.0] + rng.normal(size=N)


def stopping(Regressor, **params):
    """Return a regressor that may stop early."""
    return Regressor(
        learning_rate=0.01, max_iter=8, early_stopping=True, tol=0.0, standardize=False, **params
    )


def fitted_alike(Regressor, split, train, held, rows, groups=None, weights=None):
    """Fit with a split, and with the same rows given as validation data; compare both."""
    X, y = rows
    shuffled = {} if Regressor is BatchGDRegressor else {"shuffle": False}
    one = stopping(Regressor, validation_split=split, **shuffled)
    one.fit(X, y, sample_weight=weights, groups=groups)
    two = stopping(Regressor, **shuffled)
    own = (
        {}
        if weights is None
        else {
            "sample_weight": weights[train],
            "sample_weight_val": weights[held],
        }
    )
    two.fit(X[train], y[train], X_val=X[held], y_val=y[held], **own)
    assert_allclose(one.coef_, two.coef_)
    assert_allclose(one.history_["validation_score"], two.history_["validation_score"])


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_series_is_validated_on_its_end(Regressor, rows):
    split = TimeSeriesSplit(n_splits=5)
    train, held = list(split.split(rows[0]))[-1]
    assert held[-1] == N - 1
    fitted_alike(Regressor, split, train, held, rows)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_groups_stay_together(Regressor, rows):
    groups = np.repeat(np.arange(6), 4)
    split = GroupShuffleSplit(n_splits=1, test_size=0.3, random_state=0)
    train, held = next(split.split(*rows, groups))
    fitted_alike(Regressor, split, np.sort(train), np.sort(held), rows, groups)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("form", ["indices", "mask", "list", "predefined"])
def test_rows_chosen_by_hand(Regressor, form, rows):
    held = np.array([3, 7, 20])
    mask = np.isin(np.arange(N), held)
    forms = {
        "indices": held[::-1],
        "mask": mask,
        "list": held.tolist(),
        "predefined": PredefinedSplit(np.where(mask, 0, -1)),
    }
    fitted_alike(Regressor, forms[form], np.flatnonzero(~mask), held, rows)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_numbers_of_rows_are_those_of_the_input_whatever_the_weights(Regressor, rows):
    held = np.array([3, 7, 20])
    weights = np.ones(N)
    weights[[0, 5, 7]] = 0
    kept = np.flatnonzero(weights)
    train = np.setdiff1d(kept, held)
    fitted_alike(Regressor, held, train, np.intersect1d(held, kept), rows, weights=weights)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_fraction_is_scikit_learns_shuffled_split(Regressor, rows):
    split = ShuffleSplit(n_splits=1, test_size=0.25, random_state=3)
    train, held = next(split.split(rows[0]))
    X, y = rows
    model = stopping(Regressor, validation_fraction=0.25, random_state=3)
    other = stopping(Regressor, validation_split=split, random_state=3)
    assert_allclose(model.fit(X, y).coef_, other.fit(X, y).coef_)
    fitted_alike(Regressor, split, np.sort(train), np.sort(held), rows)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ([0, N], rf"validation_split must be indices of rows, 0 to {N - 1}"),
        ([-1, 2], "indices of rows"),
        (np.ones(N - 1, dtype=bool), f"a mask with an entry for each of the {N} rows"),
        ([0.5, 1.5], "validation_split must be a splitter"),
        ("last", "validation_split must be a splitter"),
        ([4], "R² needs two"),
        (np.arange(N), "leaves no row to train on"),
    ],
)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_rows_that_cannot_be_held_out(Regressor, split, message, rows):
    with pytest.raises(ValueError, match=message):
        stopping(Regressor, validation_split=split).fit(*rows)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_groups_of_another_length(Regressor, rows):
    with pytest.raises(ValueError, match="groups has shape"):
        stopping(Regressor, validation_split=GroupShuffleSplit()).fit(*rows, groups=[1, 2])
