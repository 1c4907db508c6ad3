"""`validation_split` chooses the rows that an early-stopping fit holds out."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import (
    GroupShuffleSplit,
    PredefinedSplit,
    ShuffleSplit,
    TimeSeriesSplit,
)

from tests.helpers.regressors import REGRESSORS, few_epochs

# A few epochs show which rows were held out.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

#: A regressor that may stop early.
stopping = partial(
    few_epochs, learning_rate=0.01, max_iter=8, early_stopping=True, tol=0.0, standardize=False
)
N = 24


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, 3))
    return X, X @ [1.0, 2.0, 3.0] + rng.normal(size=N)


def assert_same_fits(Regressor, split, train, held, rows, groups=None, weights=None):
    """Compare a fit with a split to a fit that gets the same rows as validation data."""
    X, y = rows
    one = stopping(Regressor, validation_split=split, shuffle=False)
    one.fit(X, y, sample_weight=weights, groups=groups)
    two = stopping(Regressor, shuffle=False)
    weights_of_parts = (
        {}
        if weights is None
        else {"sample_weight": weights[train], "sample_weight_val": weights[held]}
    )
    two.fit(X[train], y[train], X_val=X[held], y_val=y[held], **weights_of_parts)
    assert_allclose(one.coef_, two.coef_)
    assert_allclose(one.history_["validation_score"], two.history_["validation_score"])


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_time_series_split_holds_out_the_last_rows(Regressor, rows):
    split = TimeSeriesSplit(n_splits=5)
    train, held = list(split.split(rows[0]))[-1]
    assert held[-1] == N - 1
    assert_same_fits(Regressor, split, train, held, rows)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_group_split_keeps_groups_together(Regressor, rows):
    groups = np.repeat(np.arange(6), 4)
    split = GroupShuffleSplit(n_splits=1, test_size=0.3, random_state=0)
    train, held = next(split.split(*rows, groups))
    assert_same_fits(Regressor, split, np.sort(train), np.sort(held), rows, groups)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("form", ["indices", "mask", "list", "predefined"])
def test_explicit_rows_are_held_out(Regressor, form, rows):
    held = np.array([3, 7, 20])
    mask = np.isin(np.arange(N), held)
    forms = {
        "indices": held[::-1],
        "mask": mask,
        "list": held.tolist(),
        "predefined": PredefinedSplit(np.where(mask, 0, -1)),
    }
    assert_same_fits(Regressor, forms[form], np.flatnonzero(~mask), held, rows)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_row_numbers_count_rows_of_zero_weight(Regressor, rows):
    held = np.array([3, 7, 20])
    weights = np.ones(N)
    weights[[0, 5, 7]] = 0
    kept = np.flatnonzero(weights)
    train = np.setdiff1d(kept, held)
    assert_same_fits(Regressor, held, train, np.intersect1d(held, kept), rows, weights=weights)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_fraction_equals_shuffle_split(Regressor, rows):
    split = ShuffleSplit(n_splits=1, test_size=0.25, random_state=3)
    train, held = next(split.split(rows[0]))
    X, y = rows
    model = stopping(Regressor, validation_fraction=0.25, random_state=3)
    other = stopping(Regressor, validation_split=split, random_state=3)
    assert_allclose(model.fit(X, y).coef_, other.fit(X, y).coef_)
    assert_same_fits(Regressor, split, np.sort(train), np.sort(held), rows)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ([0, N], rf"validation_split must be indices of rows, 0 to {N - 1}"),
        ([-1, 2], "indices of rows"),
        (np.ones(N - 1, dtype=bool), f"a mask with an entry for each of the {N} rows"),
        ([0.5, 1.5], "validation_split must be a splitter"),
        ("last", "validation_split must be a splitter"),
        ([4], "score needs two"),
        (np.arange(N), "leaves no row to train on"),
    ],
)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_invalid_split_is_rejected(Regressor, split, message, rows):
    with pytest.raises(ValueError, match=message):
        stopping(Regressor, validation_split=split).fit(*rows)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_groups_of_another_length_are_rejected(Regressor, rows):
    with pytest.raises(ValueError, match="groups has shape"):
        stopping(Regressor, validation_split=GroupShuffleSplit()).fit(*rows, groups=[1, 2])
