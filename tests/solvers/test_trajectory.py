"""The coefficients along a descent: their number, their spacing and their values."""

import pickle
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import SquaredError
from skgd.solvers import trajectory as module
from skgd.solvers.trajectory import Trajectory, parameter_names

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
STOCHASTIC = [MiniBatchGDRegressor, SGDRegressor]
PARAMETERS = ["coef_0", "coef_1", "coef_2", "intercept"]


def quick(Regressor, **params):
    defaults = {"tol": None, "max_iter": 4, "learning_rate": 0.05, "penalty": None}
    defaults["record"] = "path"
    if Regressor is not BatchGDRegressor:
        defaults |= {"random_state": 0}
    if Regressor is MiniBatchGDRegressor:
        defaults |= {"batch_size": 6}
    return Regressor(**defaults | params)


def points(model):
    path = model.path_
    return np.stack([path[name] for name in list(path)[1:]], axis=1)


def long_path(updates, shape=(2,)):
    path = Trajectory(shape)
    path.begin(0, np.zeros(shape), np.zeros(shape[:-1]))
    for update in range(1, updates + 1):
        path.add(update, np.full(shape, float(update)), np.full(shape[:-1], -1.0 * update))
    return path


@pytest.mark.parametrize("updates", [0, 1, 7, 2047, 2048, 2049, 20_000])
def test_kept_points_are_evenly_spaced_from_the_start_to_the_last(updates):
    path = long_path(updates)
    arrays = path.arrays()
    kept = arrays["update"]
    assert (kept[0], kept[-1]) == (0, updates)
    assert len(kept) <= module.MAX_POINTS + 1
    assert set(np.diff(kept)[:-1]) <= {path.stride}
    assert path.stride == 1 or len(kept) > module.MAX_POINTS // 2
    assert_array_equal(arrays["coef_1"], kept)
    assert_array_equal(arrays["intercept"], -kept)


def test_a_large_model_keeps_fewer_points():
    path = long_path(1000, shape=(module.MAX_COEFFICIENTS // 100,))
    assert 50 < len(path.points) <= 100
    assert Trajectory((module.MAX_COEFFICIENTS * 10,)).capacity == module.MIN_CAPACITY


@pytest.mark.parametrize("average", [False, 5])
@pytest.mark.parametrize("Regressor", STOCHASTIC)
def test_every_update_is_the_model_after_it(Regressor, average, small):
    X, y = small
    size = getattr(quick(Regressor), "batch_size", 1)
    params = {"shuffle": False, "average": average, "standardize": False, "max_iter": 1}
    model = quick(Regressor, **params).fit(X, y)
    path = model.path_
    assert list(path) == ["update", *PARAMETERS]
    assert path["update"].tolist() == list(range(-(-len(y) // size) + 1))
    for update, point in enumerate(points(model)):
        if update == 0:
            assert_array_equal(point, 0)
            continue
        rows = slice(0, update * size)
        after = quick(Regressor, **params).fit(X[rows], y[rows])
        assert_allclose(point, [*after.coef_, *after.intercept_], rtol=1e-12)


def test_every_update_of_a_batch_by_hand(small):
    X, y = small
    model = quick(BatchGDRegressor, standardize=False).fit(X, y)
    theta, rows = np.zeros(4), np.column_stack([X, np.ones(len(y))])
    for point in points(model):
        assert_allclose(point, theta, rtol=1e-12, atol=1e-15)
        theta = theta - 0.05 * rows.T @ (rows @ theta - y) / len(y)


@pytest.mark.parametrize("most", [8, 2048])
@pytest.mark.parametrize("convert", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("penalty", [None, "l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_recording_changes_nothing(Regressor, loss, penalty, convert, most, small, monkeypatch):
    monkeypatch.setattr(module, "MAX_POINTS", most)
    X, y = small
    params = {"loss": loss, "penalty": penalty, "alpha": 0.01}
    kept = quick(Regressor, **params).fit(convert(X), y, sample_weight=np.arange(1.0, 21))
    plain = quick(Regressor, **params, record="objective")
    plain.fit(convert(X), y, sample_weight=np.arange(1.0, 21))
    assert_allclose(kept.coef_, plain.coef_, rtol=1e-11, atol=1e-14)
    assert kept.t_ == plain.t_
    for name, column in plain.history_.items():
        if name != "time":
            assert_allclose(kept.history_[name], column, rtol=1e-10, err_msg=name)
    path = kept.path_
    assert len(path["update"]) <= most + 1
    assert path["update"][-1] == kept.t_ - 1
    assert_allclose(points(kept)[-1], [*kept.coef_, *kept.intercept_], rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_the_path_is_in_the_units_of_the_data(Regressor, diabetes):
    X, y = diabetes
    model = quick(Regressor, standardize=True, learning_rate=0.01).fit(X, y)
    assert_allclose(points(model)[-1], [*model.coef_, *model.intercept_], rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("again", ["partial_fit", "warm_start"])
def test_further_calls_continue_the_trajectory(Regressor, again, small):
    X, y = small
    model = quick(Regressor, warm_start=again == "warm_start").fit(X, y)
    before = model.path_
    made = before["update"][-1]
    if again == "partial_fit":
        model.partial_fit(X, y).partial_fit(X, y)
    else:
        model.set_params(max_iter=2).fit(X, y)
    path = model.path_
    assert_array_equal(path["update"], np.arange(made * 1.5 + 1))
    for name, column in before.items():
        assert_array_equal(path[name][: len(column)], column)
        assert len(column) == made + 1  # what was handed out before is not touched
    assert_allclose(points(model)[-1], [*model.coef_, *model.intercept_], rtol=1e-12)
    assert_array_equal(quick(Regressor).fit(X, y).fit(X, y).path_["update"], before["update"])


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_names_of_several_outputs(Regressor, small):
    X, y = small
    model = quick(Regressor).fit(X, np.column_stack([y, 2 * y]))
    names = ["coef_0_0", "coef_0_1", "coef_0_2", "coef_1_0", "coef_1_1", "coef_1_2"]
    names += ["intercept_0", "intercept_1"]
    assert list(model.path_) == ["update", *names]
    assert parameter_names((2, 3)) == names
    assert_allclose(points(model)[-1], [*model.coef_.ravel(), *model.intercept_], rtol=1e-12)


@dataclass(frozen=True)
class UnderstatedCurvature(SquaredError):
    """Squared error that claims a hundredth of its curvature: its automatic rate is too high."""

    gradient_lipschitz = 0.01
    quadratic = False


def test_backing_off_removes_points_of_the_trajectory(small):
    X, y = small
    model = BatchGDRegressor(UnderstatedCurvature(), optimizer="gd", record="path").fit(X, y)
    rates = model.history_["learning_rate"][1:]
    assert rates[-1] < rates[0]
    updates = model.path_["update"]
    assert np.all(np.diff(updates) == 1)
    assert updates[-1] == model.t_ - 1
    assert_allclose(points(model)[-1], [*model.coef_, *model.intercept_], rtol=1e-12)


def test_an_interrupted_fit_keeps_the_path_of_its_whole_epochs(small):
    calls = []

    def rate(t):
        calls.append(t)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return np.full(np.shape(t), 0.05)

    model = quick(SGDRegressor, learning_rate=rate)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*small)
    assert model.path_["update"][-1] == model.t_ - 1 == 20 * model.n_iter_ > 0


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_without_a_path_the_error_says_how_to_get_one(Regressor, small):
    for model in (quick(Regressor), quick(Regressor, record="running").fit(*small)):
        with pytest.raises(AttributeError, match="record='path'"):
            getattr(model, "path_")  # noqa: B009
    assert not hasattr(quick(Regressor, record=None).fit(*small), "path_")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_data_frame_and_pickle(Regressor, small):
    model = quick(Regressor).fit(*small)
    frame = pd.DataFrame(model.path_)
    assert len(frame) == model.t_
    back = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(pd.DataFrame(back.path_), frame)
