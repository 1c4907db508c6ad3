"""Optimizers of the user's own: any number of state arrays, and errors where they are wrong."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.model_selection import GridSearchCV

import skgd
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, optimizers
from skgd._utils import numba_support
from skgd._utils.validation import InvalidParameterError
from skgd.solvers import choice


@dataclass(frozen=True)
class ScaledMomentum(optimizers.ElementwiseOptimizer):
    """The example of :class:`skgd.optimizers.ElementwiseOptimizer`."""

    beta: float = 0.9
    state_names = ("velocity", "square", "magnitude")

    def update(self, gradient, state, learning_rate, t):
        velocity, square, magnitude = state
        velocity = self.beta * velocity + (1 - self.beta) * gradient
        square = square + gradient**2
        magnitude = np.maximum(self.beta * magnitude, np.abs(gradient))
        rate = learning_rate / (np.sqrt(square) + magnitude + 1e-10)
        return -rate * velocity, rate, (velocity, square, magnitude)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 6)) * (rng.random((120, 6)) < 0.5)
    return X, X @ rng.normal(size=(6, 2)) + 0.1 * rng.normal(size=(120, 2))


PARAMS = {"optimizer": ScaledMomentum(), "learning_rate": 0.5, "random_state": 0, "tol": None}

REGRESSORS = [
    SGDRegressor(max_iter=5, **PARAMS),
    SGDRegressor(max_iter=5, penalty="l1", alpha=0.01, average=200, **PARAMS),
    MiniBatchGDRegressor(max_iter=5, batch_size=7, **PARAMS),
]


def state_of(model):
    return model._fit_state.state.optimizer_state


@pytest.mark.skipif(not numba_support.has_numba(), reason="Numba is not installed")
@pytest.mark.parametrize("rows", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("model", REGRESSORS, ids=["sample", "l1", "batch"])
def test_compiled_updates_are_those_of_numpy(model, outputs, rows, data, monkeypatch):
    X, y = data
    fit = rows(X), y[:, 0] if outputs == 1 else y
    compiled = pickle.loads(pickle.dumps(model)).fit(*fit)
    assert ScaledMomentum not in choice.not_compilable
    monkeypatch.setattr(numba_support, "has_numba", lambda: False)
    numpy = pickle.loads(pickle.dumps(model)).fit(*fit)
    assert_allclose(compiled.coef_, numpy.coef_, rtol=1e-10, atol=1e-10)
    assert len(state_of(numpy)) == 3
    for mine, other in zip(state_of(compiled), state_of(numpy), strict=True):
        assert_allclose(mine, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rows", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("model", REGRESSORS, ids=["sample", "l1", "batch"])
def test_a_descent_resumes_exactly(model, outputs, rows, data):
    X, y = data
    fit = rows(X), y[:, 0] if outputs == 1 else y
    whole = pickle.loads(pickle.dumps(model)).set_params(standardize=False).fit(*fit)
    resumed = pickle.loads(pickle.dumps(model)).set_params(standardize=False)
    for _ in range(5):
        resumed = pickle.loads(pickle.dumps(resumed.partial_fit(*fit)))
    assert_array_equal(resumed.coef_, whole.coef_)
    assert_array_equal(state_of(resumed), state_of(whole))


def test_a_grid_search_reaches_its_hyper_parameters(data):
    X, y = data
    model = SGDRegressor(max_iter=3, **PARAMS)
    search = GridSearchCV(model, {"optimizer__beta": [0.1, 0.9]}, cv=2).fit(X, y[:, 0])
    best = search.best_params_["optimizer__beta"]
    assert search.best_estimator_.optimizer_ == ScaledMomentum(best)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]


def test_full_batches_and_functions_use_it_too(data):
    X, y = data
    model = BatchGDRegressor(**PARAMS, max_iter=2000).fit(X, y)
    expected = np.linalg.lstsq(np.c_[X, np.ones(120)], y, rcond=None)[0][:-1].T
    assert_allclose(model.coef_, expected, atol=1e-3)
    result = skgd.minimize(
        lambda x: x @ x, [1.0, -2.0], optimizer=ScaledMomentum(), learning_rate=0.5, max_iter=2000
    )
    assert_allclose(result.x, 0, atol=1e-4)


class StartsAtOne(ScaledMomentum):
    def init(self, theta):
        return tuple(np.ones_like(theta) for _ in self.state_names)


def test_its_own_initial_state_is_used(data):
    X, y = data
    models = [
        SGDRegressor(**PARAMS | {"optimizer": rule}, max_iter=1).fit(X, y[:, 0])
        for rule in (ScaledMomentum(), StartsAtOne())
    ]
    without, with_ones = (state_of(model)[1] for model in models)
    assert (with_ones > without).all()
    assert not np.array_equal(models[0].coef_, models[1].coef_)


# Another optimizer between calls of partial_fit


def test_another_optimizer_starts_with_its_own_state(data):
    X, y = data
    model = SGDRegressor(optimizer="rmsprop", learning_rate=0.01, random_state=0)
    model.partial_fit(X, y[:, 0])
    for rule, count in [("momentum", 1), ("adam", 2), (ScaledMomentum(), 3), ("gd", 0)]:
        model.set_params(optimizer=rule).partial_fit(X, y[:, 0])
        assert len(state_of(model)) == count
        assert np.isfinite(model.coef_).all()


def test_another_optimizer_with_the_same_state_arrays_goes_on(data):
    X, y = data
    nesterov = optimizers.Nesterov(1 - 1e-9)  # which forgets nothing
    params = {"learning_rate": 1e-9, "standardize": False, "random_state": 0}
    model = SGDRegressor(optimizer="momentum", **params).partial_fit(X, y[:, 0])
    (before,) = state_of(model)
    (after,) = state_of(model.set_params(optimizer=nesterov).partial_fit(X, y[:, 0]))
    (alone,) = state_of(SGDRegressor(optimizer=nesterov, **params).partial_fit(X, y[:, 0]))
    assert_allclose(after, before + alone, rtol=0, atol=1e-4 * np.abs(before).max())


@pytest.mark.parametrize("rules", [("cg", "accelerated"), ("accelerated", "cg")])
def test_another_full_batch_optimizer_starts_anew(rules, data):
    X, y = data
    model = BatchGDRegressor(optimizer=rules[0], learning_rate="line_search", max_iter=3)
    model.partial_fit(X, y).set_params(optimizer=rules[1]).partial_fit(X, y)
    assert np.isfinite(model.coef_).all()


# Errors before the first update


@dataclass(frozen=True)
class FiveArguments(optimizers.ElementwiseOptimizer):
    def update(self, gradient, first, second, rate, t):
        return -rate * gradient, rate, first, second


class TooFewArrays(ScaledMomentum):
    def update(self, gradient, state, learning_rate, t):
        return -learning_rate * gradient, learning_rate, state[:2]


class TooFewNames(ScaledMomentum):
    state_names = ("velocity", "square")


class NoRate(ScaledMomentum):
    def update(self, gradient, state, learning_rate, t):
        return -learning_rate * gradient, state


class NumbersForArrays(ScaledMomentum):
    def update(self, gradient, state, learning_rate, t):
        return -learning_rate * gradient, learning_rate, (0.0, 0.0, 0.0)


class InitOfOneArray(ScaledMomentum):
    def init(self, theta):
        return (np.zeros_like(theta),)


class InitWithoutTheta(ScaledMomentum):
    def init(self):
        return (np.zeros(1),) * 3


WRONG = {
    InitWithoutTheta: r"its init\(theta\) raised TypeError",
    FiveArguments: r"got update\(gradient, first, second, rate, t\)",
    TooFewArrays: "a trial call returned",
    TooFewNames: "a trial call raised ValueError",
    NoRate: "a trial call returned",
    NumbersForArrays: "a trial call returned",
    InitOfOneArray: "its init returned",
}


@pytest.mark.parametrize("rule", WRONG, ids=lambda rule: rule.__name__)
def test_a_wrong_update_is_named_before_it_is_used(rule, data):
    X, y = data
    expected = rf"^{rule.__name__}\.update must have the signature update\(self, gradient, state, "
    expected += rf"learning_rate, t\) and return .* {len(rule.state_names)} arrays.*{WRONG[rule]}"
    params = {"optimizer": rule(), "learning_rate": 0.1}
    for Regressor in (SGDRegressor, MiniBatchGDRegressor, BatchGDRegressor):
        with pytest.raises(InvalidParameterError, match=expected):
            Regressor(**params).fit(X, y)
    with pytest.raises(InvalidParameterError, match=expected):
        skgd.minimize(lambda x: x @ x, [1.0], **params)
