"""Second moments of folds, merged from those of parts of the rows."""

import numpy as np
import pytest
from sklearn import model_selection

from skgd.data.in_memory import InMemoryData
from skgd.data.second_moments import SecondMoments
from skgd.model_selection._fold_moments import FoldMoments, sum_subsets

RNG = np.random.default_rng(0)
X, Y = RNG.normal(loc=100.0, size=(200, 3)), RNG.normal(size=200)
WEIGHTS = np.arange(200) % 4.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "splitter",
    [
        model_selection.KFold(5),
        model_selection.KFold(7, shuffle=True, random_state=0),
        model_selection.TimeSeriesSplit(4),
        model_selection.ShuffleSplit(3, random_state=0),
        model_selection.RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
    ],
    ids=str,
)
def test_merged_moments_are_those_of_the_rows(splitter, weighted):
    trains = [train for train, _ in splitter.split(X)]
    moments = FoldMoments(trains)
    for train in trains:
        weights = WEIGHTS[train] if weighted else None
        positive = train if weights is None else train[weights > 0]
        merged = moments.of_fold(
            train,
            InMemoryData(X, Y, None),
            WEIGHTS if weighted else None,
            None if weights is None else weights[weights > 0],
        )
        direct = SecondMoments.from_rows(
            X[positive], Y[positive], WEIGHTS[positive] if weighted else None
        )
        assert merged.n_rows == direct.n_rows
        for name in ("total_weight", "mean", "covariance", "y_mean", "cross", "y_variance"):
            np.testing.assert_allclose(getattr(merged, name), getattr(direct, name), 1e-12, 1e-13)


@pytest.mark.parametrize(
    "trains",
    [[np.array([0, 0, 1, 2]), np.arange(200)], [RNG.permutation(200)[:100] for _ in range(12)]],
    ids=["repeated rows", "many parts"],
)
def test_moments_are_not_merged_without_a_gain(trains):
    moments = FoldMoments(trains)
    assert moments.of_fold(trains[0], InMemoryData(X, Y, None), None, None) is None


def test_moments_are_not_merged_for_other_weights_than_those_of_all_rows():
    trains = [np.arange(100), np.arange(100, 200)]
    data, other = InMemoryData(X, Y, None), np.ones(100)
    assert FoldMoments(trains).of_fold(trains[0], data, WEIGHTS, other) is None
    assert FoldMoments(trains).of_fold(trains[0], data, None, other) is None


def test_sums_of_subsets():
    terms = [1, 2, None, 8, 16]
    is_member = RNG.integers(0, 2, size=(40, 5)).astype(bool)
    is_member[:, 0] = True
    values = np.array([1, 2, 0, 8, 16])
    assert sum_subsets(terms, is_member) == (is_member @ values).tolist()
