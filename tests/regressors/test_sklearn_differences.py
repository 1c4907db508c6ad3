"""Deliberate differences from scikit-learn's SGDRegressor, numbered as in the user guide.

Each test checks the property for skgd, and that scikit-learn's regressor lacks it.
"""

import copy
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDRegressor as Theirs
from sklearn.model_selection import ShuffleSplit

from skgd import SGDRegressor as Ours


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    return X, X @ [1.0, 2.0, 3.0, 0.0, 0.0] + rng.normal(size=200)


def pair(**params):
    """Return both estimators, with a fixed number of epochs in the order of the rows."""
    params = {"shuffle": False, "tol": None, "max_iter": 6} | params
    return Ours(**params), Theirs(**params)


def is_same_model(one, other):
    """Return whether two fits gave the same model."""
    return np.allclose(one.coef_, other.coef_, rtol=1e-9, atol=1e-12) and np.allclose(
        one.intercept_, other.intercept_, rtol=1e-9, atol=1e-12
    )


# 1. Early stopping scores the model it returns


class RecordingSGD(Theirs):
    """Scikit-learn's regressor, which records the scores that it stops by."""

    scores: list

    def score(self, *args):
        self.scores.append(super().score(*args))
        return self.scores[-1]


def test_early_stopping_scores_the_returned_model(data, monkeypatch):
    X, y = data
    monkeypatch.setattr(RecordingSGD, "scores", [], raising=False)
    params = {"early_stopping": True, "alpha": 0.1, "learning_rate": "constant", "random_state": 0}
    ours, theirs = pair(**params, max_iter=20)
    _, held = next(ShuffleSplit(test_size=0.1, random_state=0).split(X))
    ours.fit(X, y)
    scores = ours.history_["validation_score"]
    assert scores.max() == pytest.approx(ours.score(X[held], y[held]), abs=1e-12)
    assert scores[-1] > 0.8
    RecordingSGD(**theirs.get_params()).fit(X, y)
    assert RecordingSGD.scores[-1] < -100
    assert theirs.fit(X, y).score(X[held], y[held]) > 0.8


def test_early_stopping_returns_the_best_model(data, monkeypatch):
    X, y = data
    monkeypatch.setattr(RecordingSGD, "scores", [], raising=False)
    params = {"early_stopping": True, "penalty": None, "learning_rate": "constant", "eta0": 0.1}
    ours, theirs = pair(**params, random_state=0, max_iter=10, shuffle=True)
    _, held = next(ShuffleSplit(test_size=0.1, random_state=0).split(X))
    best = ours.fit(X, y).history_["validation_score"].max()
    assert ours.score(X[held], y[held]) == pytest.approx(best, abs=1e-12)
    theirs = RecordingSGD(**theirs.get_params()).fit(X, y)
    best = max(RecordingSGD.scores)
    assert theirs.score(X[held], y[held]) < best - 1e-3


# 2. Fresh shuffles


def orders(model, n_rows, n_epochs):
    """Return the order of the rows in each epoch, read from the coefficients.

    Row i is the i-th unit vector and its target is distant, so that update t adds 1 / t to
    coefficient i only.
    """
    model = clone(model).set_params(loss="epsilon_insensitive", epsilon=0.0, penalty=None)
    model.set_params(fit_intercept=False, learning_rate="invscaling", eta0=1.0, power_t=1.0)
    X, y, path = np.eye(n_rows), np.full(n_rows, 1e3), [np.zeros(n_rows)]
    for epochs in range(1, n_epochs + 1):
        path.append(model.set_params(max_iter=epochs, tol=None).fit(X, y).coef_)
    return np.argsort(-np.diff(path, axis=0))


def test_helper_reads_the_order_from_the_coefficients():
    for Regressor in (Ours, Theirs):
        assert_array_equal(orders(Regressor(shuffle=False), 4, 2), [[0, 1, 2, 3]] * 2)


def test_every_epoch_has_a_new_order():
    ours, theirs = (orders(Regressor(random_state=1), 10, 24) for Regressor in (Ours, Theirs))
    assert_array_equal(np.sort(ours), np.tile(np.arange(10), (24, 1)))
    assert len(np.unique(ours, axis=0)) == 24
    assert len(np.unique(theirs, axis=0)) < 24


def test_every_row_changes_its_position():
    ours, theirs = (orders(Regressor(random_state=42), 50, 5) for Regressor in (Ours, Theirs))
    assert np.ptp(ours, axis=0).all()
    assert not np.ptp(theirs, axis=0).all()


def test_seed_gives_the_same_order_on_every_platform():
    expected = [[2, 1, 0, 4, 7, 6, 5, 3], [7, 5, 3, 1, 6, 0, 4, 2]]
    assert_array_equal(orders(Ours(random_state=0), 8, 2), expected)
    assert_array_equal(orders(Ours(random_state=np.int64(0)), 8, 2), expected)
    assert not np.array_equal(orders(Ours(random_state=1), 8, 2), expected)


@pytest.mark.parametrize("Regressor", [Ours, Theirs])
def test_generator_continues_from_fit_to_fit(Regressor, data):
    seeded = Regressor(random_state=0, max_iter=2, tol=None).fit(*data).coef_
    model = Regressor(random_state=np.random.RandomState(0), max_iter=2, tol=None)
    assert_array_equal(model.fit(*data).coef_, seeded)
    assert not np.array_equal(model.fit(*data).coef_, seeded)


@pytest.mark.parametrize("Regressor", [Ours, Theirs])
def test_none_uses_the_global_generator_of_numpy(Regressor, data):
    found = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        found += [Regressor(max_iter=2, tol=None).fit(*data).coef_ for _ in range(2)]
    assert_array_equal(found[:2], found[2:])
    assert not np.array_equal(*found[:2])


@pytest.mark.parametrize("seed", [0, np.random.RandomState(0), None])
def test_partial_fit_continues_the_sequence_of_orders(seed, data):
    if seed is None:
        np.random.seed(0)  # noqa: NPY002
    parts = Ours(random_state=copy.deepcopy(seed))
    for _ in range(4):
        parts.partial_fit(*data)
    if seed is None:
        np.random.seed(0)  # noqa: NPY002
    whole = Ours(random_state=copy.deepcopy(seed), max_iter=4, tol=None).fit(*data)
    assert_array_equal(parts.coef_, whole.coef_)


def test_held_out_rows_equal_those_of_shuffle_split(data):
    X, y = data
    for seed in (3, np.random.RandomState(3)):
        split = ShuffleSplit(test_size=0.2, random_state=copy.deepcopy(seed))
        _, held = next(split.split(X))
        params = {"early_stopping": True, "random_state": seed, "validation_fraction": 0.2}
        ours = pair(**params)[0].fit(X, y)
        best = ours.history_["validation_score"].max()
        assert ours.score(X[held], y[held]) == pytest.approx(best, abs=1e-12)


# 3. Arguments are never written to


def test_initial_coefficients_are_not_written_to(data):
    for model, kept in zip(pair(), (True, False), strict=True):
        coef_init = np.zeros(5)
        model.fit(*data, coef_init=coef_init)
        assert (not coef_init.any()) is kept


def test_explicit_start_overrides_warm_start(data):
    for model, counts in zip(pair(warm_start=True), (True, False), strict=True):
        start = {"coef_init": np.full(5, 3.0), "intercept_init": np.ones(1)}
        cold = clone(model).fit(*data, **{name: value.copy() for name, value in start.items()})
        assert is_same_model(model.fit(*data).fit(*data, **start), cold) is counts


# 4. No silent divergence


@pytest.mark.parametrize("change", [lambda X: 30 * X, lambda X: X + 10, lambda X: X + 100])
def test_divergence_warns_or_raises(change, data):
    X, y = change(data[0]), data[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = Theirs(random_state=0).fit(X, y)
    assert theirs.score(X, y) < -100
    with pytest.warns(ConvergenceWarning, match=r"diverged.*largest stable rate"):
        ours = Ours(random_state=0).fit(X, y)
    assert (ours.converged_, ours.stop_reason_) == (False, "diverged")
    with pytest.raises(ValueError, match=r"diverged at epoch .* largest stable rate"):
        Ours(random_state=0, learning_rate=0.01).fit(X, y)


# 5. Weights


def test_stopping_criterion_is_weighted(data):
    """A weight of 1/4 equals half the row with half its target: same objective, same iterates."""
    X, y = data
    params = {"tol": 1e-4, "max_iter": 1000, "eta0": 0.1, "fit_intercept": False}
    for model, one in zip(pair(**params), (True, False), strict=True):
        weighted = clone(model).fit(X, y, sample_weight=np.full(200, 0.25))
        scaled = clone(model).fit(X / 2, y / 2)
        assert (weighted.n_iter_ == scaled.n_iter_) is one
        assert is_same_model(weighted, scaled) is one


def test_zero_weight_equals_dropping_the_row(data):
    X, y = data
    kept = np.arange(200) % 10 == 0
    for model, one in zip(pair(alpha=0.1, penalty="l2", max_iter=50), (True, False), strict=True):
        weighted = clone(model).fit(X, y, sample_weight=kept.astype(float))
        dropped = clone(model).fit(X[kept], y[kept])
        assert is_same_model(weighted, dropped) is one
        assert (weighted.t_ == dropped.t_) is one


def test_weights_that_are_all_zero_change_nothing(data):
    model = Ours(tol=None, max_iter=3, random_state=0).fit(*data)
    before = pickle.loads(pickle.dumps(model))
    with pytest.warns(UserWarning, match="all zero: nothing was learned"):
        model.partial_fit(*data, sample_weight=np.zeros(200))
    assert model.t_ == before.t_
    for further in (model, before):  # the state of the generator is unchanged, too
        further.partial_fit(*data)
    assert_array_equal(model.coef_, before.coef_)


# 6. Sparse equals dense


def test_sparse_fit_equals_dense_fit(data):
    X, y = data[0], data[1] + 10
    for model, one in zip(pair(max_iter=20), (True, False), strict=True):
        assert is_same_model(clone(model).fit(X, y), clone(model).fit(csr_matrix(X), y)) is one


# 7. float32 stays float32


def test_float32_is_preserved(data):
    X, y = (array.astype(np.float32) for array in data)
    for model, kept in zip(pair(), (True, False), strict=True):
        model.fit(X, y)
        assert model.coef_.dtype == np.float32
        assert (model.intercept_.dtype == np.float32) is kept
        assert (model.predict(X).dtype == np.float32) is kept


# 8. Resuming is exact


@pytest.mark.parametrize(
    "params",
    [
        {"penalty": "l1", "alpha": 0.3},
        {"penalty": "elasticnet", "alpha": 0.5, "l1_ratio": 0.5},
        {"learning_rate": "adaptive", "eta0": 0.05, "tol": 1e-3, "n_iter_no_change": 1},
    ],
    ids=["l1", "elasticnet", "adaptive"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_epochs_of_fit_equal_calls_of_partial_fit(params, data):
    for model, one in zip(pair(**params), (True, False), strict=True):
        whole, parts = clone(model).fit(*data), clone(model)
        for _ in range(whole.n_iter_):
            parts.partial_fit(*data)
        assert whole.n_iter_ == 6
        assert is_same_model(whole, parts) is one


# 9. `t_` counts updates


def test_t_counts_updates(data):
    for model, rows in zip(pair(early_stopping=True, random_state=0), (180, 200), strict=True):
        assert model.fit(*data).t_ == 1 + 6 * rows


# 10. The running objective is that of the iterates


def test_running_objective_is_that_of_the_iterates(data):
    X, y = data[0][:20], data[1][:20]
    ours, theirs = pair(penalty="l1", alpha=2.0, eta0=0.05, max_iter=1)
    models = [(np.zeros(5), 0.0)]
    for rows in range(1, 20):
        model = clone(theirs).fit(X[:rows], y[:rows])
        models.append((model.coef_, model.intercept_[0]))
    costs = [
        (x @ w + b - target) ** 2 / 2 + 2 * np.abs(w).sum()
        for (w, b), x, target in zip(models, X, y, strict=True)
    ]
    found = ours.fit(X, y).history_["running_objective"][1]
    assert_allclose(found, np.mean(costs), rtol=1e-12)


def test_fit_stops_by_the_running_objective(data):
    X, y = data[0][:20], data[1][:20]
    ours, theirs = pair(penalty="l1", alpha=2.0, eta0=0.05, tol=1e-3, max_iter=200)
    ours.fit(X, y)
    objective = ours.history_["running_objective"][1:]
    risen = objective[1:] > np.minimum.accumulate(objective)[:-1] - 1e-3
    assert risen[-5:].all()
    assert not any(risen[k : k + 5].all() for k in range(len(risen) - 5))
    assert theirs.fit(X, y).n_iter_ != ours.n_iter_ < 200


# 11. Several outputs


def test_several_outputs_are_fitted(data):
    X, y = data
    targets = np.column_stack([y, X[:, 0] - 1, 5 - y])
    ours, theirs = pair()
    with pytest.raises(ValueError, match="1d array"):
        theirs.fit(X, targets)
    together = clone(ours).fit(X, targets)
    assert (together.coef_.shape, together.intercept_.shape) == ((3, 5), (3,))
    for k in range(3):
        alone = clone(ours).fit(X, targets[:, k])
        assert_allclose(together.coef_[k], alone.coef_, rtol=1e-12)
        assert_allclose(together.intercept_[k], alone.intercept_[0], rtol=1e-12)


# 12. Averaging


@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_average_is_the_mean_of_the_iterates(penalty, data):
    X, y = data[0][:60], data[1][:60]
    params = {"penalty": penalty, "alpha": 0.2, "l1_ratio": 0.5, "max_iter": 1}
    ours, theirs = pair(**params, learning_rate="constant")
    path = [clone(theirs).fit(X[:rows], y[:rows]).coef_ for rows in range(1, 61)]
    for model, one in zip((ours, theirs), (True, False), strict=True):
        coef = model.set_params(average=True).fit(X, y).coef_
        assert np.allclose(coef, np.mean(path, axis=0), rtol=1e-12) is one
