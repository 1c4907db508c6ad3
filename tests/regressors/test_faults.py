"""Hunting for faults: senseless parameters, Ctrl-C anywhere, threads, processes, memory."""

import dataclasses
import gc
import inspect
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import skgd
from skgd import (
    BatchGDRegressor,
    MiniBatchGDRegressor,
    SGDRegressor,
    losses,
    optimizers,
    penalties,
    schedules,
)
from skgd._utils import numba_support

#: The files of the package, for what is traced in them.
PACKAGE = str(Path(skgd.__file__).parent / "*")

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]


@pytest.fixture
def on_numpy(monkeypatch):
    """Run on NumPy."""
    monkeypatch.setattr(numba_support, "has_numba", lambda: False)


# Every constructor parameter


class Odd:
    """An object that is nothing that a parameter could be."""

    def __repr__(self):
        return "Odd()"


#: Every public piece that has a default, beside the parameter that takes its kind.
PIECES = [
    (parameter, component())
    for parameter, module in {
        "loss": losses,
        "penalty": penalties,
        "learning_rate": schedules,
        "optimizer": optimizers,
    }.items()
    for component in map(vars(module).get, module.__all__)
    if all(field.default is not dataclasses.MISSING for field in dataclasses.fields(component))
]

SENSELESS = st.one_of(
    st.sampled_from(
        [None, True, False, np.nan, np.inf, -np.inf, -1, 0, 1, 2, 10**30, 0.5, -0.5, 1e-300, 1e300]
    ),
    st.sampled_from(["", "auto", "l2", "huber", "adam", "path", "constant", "Auto ", "1"]),
    st.sampled_from([[], [1], (), {}, set(), b"l2", np.array(1.0), np.array([0.1]), np.ones(20)]),
    st.sampled_from([Odd(), Odd, object(), len, abs, lambda: 1, lambda t: None, lambda t: "a"]),
    st.sampled_from([made for _, made in PIECES]),
    st.sampled_from([type(made) for _, made in PIECES]),
    st.sampled_from([np.float32(0.5), np.int64(3), np.bool_(True), np.str_("l1")]),
    st.floats(allow_nan=True),
    st.integers(-(2**70), 2**70),
    st.text(max_size=3),
    st.complex_numbers(),
)
SETTINGS = {
    cls: st.dictionaries(
        st.sampled_from(sorted(set(cls().get_params(deep=False)) - {"verbose"})),
        SENSELESS,
        min_size=1,
        max_size=3,
    ).filter(lambda params: not isinstance(params.get("max_iter"), int) or params["max_iter"] < 20)
    for cls in REGRESSORS
}


@pytest.mark.parametrize("Regressor", REGRESSORS)
@given(data=st.data())
def test_a_senseless_parameter_is_refused_by_name_or_serves(Regressor, data):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), np.exp(rng.normal(size=20))
    params = data.draw(SETTINGS[Regressor])
    model = Regressor(max_iter=5).set_params(**params)
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_support, "has_numba", lambda: False)
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert_serves_or_is_refused(model, X, y)


def assert_serves_or_is_refused(model, X, y):
    """Check that a fit succeeds, or that its error names a parameter and nothing was learned."""
    try:
        model.fit(X, y)
    except (ValueError, TypeError, NotImplementedError) as error:
        message = str(error)
        known = [*model.get_params(deep=False), "Descent diverged", "overflow", "needs a method"]
        assert any(name in message for name in known), message
        assert not hasattr(model, "coef_")
    else:
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.predict(X)).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("rate", ["auto", 0.01])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_every_piece_serves_or_is_refused_by_name(Regressor, rate, small):
    X, y = small
    for parameter, made in PIECES:
        params = {"learning_rate": rate} | {parameter: made}
        assert_serves_or_is_refused(Regressor(max_iter=5).set_params(**params), X, np.exp(y))


# Ctrl-C


def interrupted(call, line):
    """Run a call; raise KeyboardInterrupt where the package runs that line, counted from 0.

    Returns whether it came so far.
    """
    root, left, before = str(Path(skgd.__file__).parent), [line], sys.gettrace()

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(root):
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == -1:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return left[0] < 0


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_interrupt_anywhere_leaves_a_whole_model(method, Regressor, small, on_numpy):
    params = {"learning_rate": 0.05, "tol": None, "max_iter": 4, "standardize": True}
    params["record"] = "path"
    if Regressor is not BatchGDRegressor:
        params |= {"random_state": 0}
    if Regressor is MiniBatchGDRegressor:
        params["batch_size"] = 7
    start = Regressor(**params).fit(*small)
    wholes = []
    for epochs in range(5 if method == "fit" else 2):
        whole = pickle.loads(pickle.dumps(start))
        if epochs:
            getattr(whole.set_params(max_iter=epochs), method)(*small)
        wholes.append((whole.t_, whole.coef_, whole.path_["update"], len(whole.history_["epoch"])))
    # Of a full batch's single update every line is tried; of others, whose lines repeat, some.
    longest = {BatchGDRegressor: 2 if method == "partial_fit" else 150, SGDRegressor: 1500}
    longest = longest.get(Regressor, 300)
    rng, line = np.random.default_rng(0), 0
    while True:
        model = pickle.loads(pickle.dumps(start))
        came = interrupted(lambda model=model: getattr(model, method)(*small), line)
        found = model.t_, model.coef_, model.path_["update"], len(model.history_["epoch"])
        assert any(
            all(np.array_equal(a, b) for a, b in zip(found, whole, strict=True)) for whole in wholes
        ), line
        assert_array_equal(model.predict(small[0]), model.predict(small[0]))
        if not came:
            break
        line += int(rng.integers(1, longest))


# Threads and processes


def test_threads_fit_at_once(small):
    X, y = small
    models = [
        cls(loss, optimizer=rule, learning_rate=0.01, max_iter=20, tol=None, **params)
        for cls, params in [
            (BatchGDRegressor, {}),
            (MiniBatchGDRegressor, {"random_state": 0, "batch_size": 4}),
            (SGDRegressor, {"random_state": 0}),
        ]
        for loss in ("squared_error", "huber")
        for rule in ("gd", "adam")
    ]
    with ThreadPoolExecutor(8) as pool:
        fitted = list(pool.map(lambda model: clone(model).fit(X, y), models * 4))
    alone = [model.fit(X, y) for model in models]
    for number, model in enumerate(fitted):
        assert_array_equal(model.coef_, alone[number % len(models)].coef_)


def test_threads_may_share_a_fitted_model(small):
    X, y = small
    model = SGDRegressor(random_state=0, max_iter=5, tol=None).fit(X, y)
    expected = model.predict(X)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: model.predict(X), range(100)):
            assert_array_equal(found, expected)


PROGRAM = """
import json, sys
import numpy as np
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
rng = np.random.default_rng(0)
X, y = rng.normal(size=(200, 5)), rng.normal(size=200)
print(json.dumps([
    cls(max_iter=10, tol=None, **params).fit(X, y).coef_.tolist()
    for cls, params in [
        (BatchGDRegressor, {}),
        (MiniBatchGDRegressor, {"random_state": 0, "learning_rate": 0.1}),
        (SGDRegressor, {"random_state": 0, "penalty": "elasticnet"}),
    ]
]))
"""


def test_processes_find_the_same_with_numba_and_without():
    def run(**changes):
        environment = os.environ | changes
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True
        )

    running = [run(), run(PYTHONHASHSEED="7"), run(NUMBA_DISABLE_JIT="1")]
    one, other, plain = (json.loads(process.communicate()[0]) for process in running)
    assert one == other
    assert_allclose(one, plain, rtol=1e-10)


# Memory


@pytest.mark.parametrize(
    ("Regressor", "record"),
    [*((cls, None) for cls in REGRESSORS), (SGDRegressor, "path")],
)
def test_many_calls_leave_no_more_than_they_record(Regressor, record, small, on_numpy):
    X, y = small[0][:6], small[1][:6]
    model = Regressor(learning_rate=0.001, record=record, standardize=True)
    calls = 400 if os.environ.get("HYPOTHESIS_PROFILE") == "hunt" else 100
    tracemalloc.start()  # before the caches fill: what takes an untraced place would seem to grow
    try:
        sizes = []
        for _ in range(3):
            for _ in range(calls):
                model.partial_fit(X, y)
            gc.collect()
            ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, PACKAGE)])
            sizes.append(sum(trace.size for trace in ours.traces))
    finally:
        tracemalloc.stop()
    # A number of a column takes 32 bytes, and its place 8; points of the path are bounded.
    recorded = calls * 40 * len(model.history_) + 2048 * 300 if record else 0
    assert sizes[2] - sizes[1] < 10_000 + recorded


def test_every_parameter_is_fuzzed():
    for cls in REGRESSORS:
        assert set(inspect.signature(cls).parameters) == set(cls().get_params(deep=False))
