"""Fault injection: random parameters, interrupts at any line, threads, processes, memory."""

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
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from tests.helpers.executors import numpy_only
from tests.helpers.regressors import COMPONENTS, REGRESSORS, build, targets_for

#: The files of the package, to select its memory allocations.
PACKAGE = str(Path(skgd.__file__).parent / "*")

# Every constructor parameter


class Unrelated:
    """An object that no parameter accepts."""

    def __repr__(self):
        return "Unrelated()"


VALUES = st.one_of(
    st.sampled_from(
        [None, True, False, np.nan, np.inf, -np.inf, -1, 0, 1, 2, 10**30, 0.5, -0.5, 1e-300, 1e300]
    ),
    st.sampled_from(["", "auto", "l2", "huber", "adam", "path", "constant", "Auto ", "1"]),
    st.sampled_from([[], [1], (), {}, set(), b"l2", np.array(1.0), np.array([0.1]), np.ones(20)]),
    st.sampled_from(
        [Unrelated(), Unrelated, object(), len, abs, lambda: 1, lambda t: None, lambda t: "a"]
    ),
    st.sampled_from([component for _, component in COMPONENTS]),
    st.sampled_from([type(component) for _, component in COMPONENTS]),
    st.sampled_from([np.float32(0.5), np.int64(3), np.bool_(True), np.str_("l1")]),
    st.floats(allow_nan=True),
    st.integers(-(2**70), 2**70),
    st.text(max_size=3),
    st.complex_numbers(),
)
SETTINGS = {
    cls: st.dictionaries(
        st.sampled_from(sorted(set(cls().get_params(deep=False)) - {"verbose"})),
        VALUES,
        min_size=1,
        max_size=3,
    ).filter(lambda params: not isinstance(params.get("max_iter"), int) or params["max_iter"] < 20)
    for cls in REGRESSORS
}


@pytest.mark.parametrize("Regressor", REGRESSORS)
@given(data=st.data())
def test_random_parameter_is_accepted_or_named_in_the_error(Regressor, data):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), np.exp(rng.normal(size=20))
    params = data.draw(SETTINGS[Regressor])
    model = Regressor(max_iter=5).set_params(**params)
    with warnings.catch_warnings(), numpy_only():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert_accepted_or_rejected(model, X, targets_for(model.loss, y))


def assert_accepted_or_rejected(model, X, y):
    """Check that a fit succeeds, or that it raises, names a parameter and sets no attribute."""
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
def test_every_component_is_accepted_or_named_in_the_error(Regressor, rate, small):
    X, y = small
    for parameter, component in COMPONENTS:
        params = {"learning_rate": rate} | {parameter: component}
        model = Regressor(max_iter=5).set_params(**params)
        assert_accepted_or_rejected(model, X, targets_for(component, np.exp(y)))


# Interrupts


def interrupted(call, line):
    """Run a call and raise KeyboardInterrupt before the package executes its `line`-th line.

    Returns whether the call reached that line.
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
def test_interrupt_at_any_line_leaves_a_consistent_model(method, Regressor, small, on_numpy):
    params = {"learning_rate": 0.05, "tol": None, "max_iter": 4, "standardize": True}
    params |= {"record": "path", "random_state": 0, "batch_size": 7}
    start = build(Regressor, **params).fit(*small)
    wholes = []
    for epochs in range(5 if method == "fit" else 2):
        whole = pickle.loads(pickle.dumps(start))
        if epochs:
            getattr(whole.set_params(max_iter=epochs), method)(*small)
        wholes.append((whole.t_, whole.coef_, whole.path_["update"], len(whole.history_["epoch"])))
    # Every line of the single update of partial_fit with a full batch is tried. The other calls run
    # the same lines many times, of which a random sample is tried.
    largest_step = {BatchGDRegressor: 2 if method == "partial_fit" else 150, SGDRegressor: 1500}
    largest_step = largest_step.get(Regressor, 300)
    rng, line = np.random.default_rng(0), 0
    while True:
        model = pickle.loads(pickle.dumps(start))
        was_interrupted = interrupted(lambda model=model: getattr(model, method)(*small), line)
        state = model.t_, model.coef_, model.path_["update"], len(model.history_["epoch"])
        assert any(
            all(np.array_equal(a, b) for a, b in zip(state, whole, strict=True)) for whole in wholes
        ), line
        assert_array_equal(model.predict(small[0]), model.predict(small[0]))
        if not was_interrupted:
            break
        line += int(rng.integers(1, largest_step))


# Threads and processes


def test_concurrent_fits_in_threads_equal_sequential_fits(small):
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


def test_threads_share_a_fitted_model(small):
    X, y = small
    model = SGDRegressor(random_state=0, max_iter=5, tol=None).fit(X, y)
    expected = model.predict(X)
    with ThreadPoolExecutor(8) as pool:
        for predictions in pool.map(lambda _: model.predict(X), range(100)):
            assert_array_equal(predictions, expected)


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


def test_processes_agree_with_and_without_numba():
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
    ("Regressor", "record"), [*((cls, None) for cls in REGRESSORS), (SGDRegressor, "path")]
)
def test_partial_fit_does_not_leak_memory(Regressor, record, small, on_numpy):
    X, y = small[0][:6], small[1][:6]
    model = Regressor(learning_rate=0.001, record=record, standardize=True)
    calls = 400 if os.environ.get("HYPOTHESIS_PROFILE") == "hunt" else 100
    tracemalloc.start()  # before the caches fill: their replacements would count as growth
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
    # A number of a history column takes 32 bytes and its slot in the list 8. The path is thinned to
    # at most 2048 points.
    recorded = calls * 40 * len(model.history_) + 2048 * 300 if record else 0
    assert sizes[2] - sizes[1] < 10_000 + recorded


def test_every_parameter_is_fuzzed():
    for cls in REGRESSORS:
        assert set(inspect.signature(cls).parameters) == set(cls().get_params(deep=False))
