"""Compiled loops agree with NumPy, for every component and every kind of rows."""

import os
import shutil
import subprocess
import sys
import tracemalloc
import warnings
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

pytest.importorskip("numba")

from skgd import MiniBatchGDRegressor, SGDRegressor, losses, optimizers
from skgd._utils import numba_support
from skgd.data.scaling import FeatureScaling
from skgd.schedules import Constant, Join
from skgd.solvers import choice, row_order
from skgd.solvers.compiled.solver import CompiledSGD
from skgd.solvers.recorder import Recorder
from skgd.solvers.speculative_epochs import SpeculativeEpochs
from skgd.solvers.state import State
from skgd.step_rules import PassiveAggressive1, PassiveAggressive2
from tests.helpers import problems, regressors
from tests.helpers.executors import numpy_only

if not numba_support.has_numba():
    pytest.skip("Numba is switched off", allow_module_level=True)

ARRAYS = ["theta", "averaged_theta", "l1_total", "l1_applied"]


def make_problem(
    *,
    kind="dense",
    standard=False,
    weighted=False,
    has_offset=False,
    n_outputs=None,
    fit_intercept=True,
    dtype=np.float64,
    d=7,
    **options,
):
    """Return a problem of 50 rows and d columns; some entries are zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, d)) * (rng.random((50, d)) < 0.6) / np.sqrt(d / 7)
    y = rng.gamma(2.0, size=(50, n_outputs) if n_outputs else 50)
    y = regressors.targets_for(options.get("loss"), y)
    center, scale = np.zeros(d), np.ones(d)
    if standard:
        center, scale = X.mean(axis=0) * fit_intercept, X.std(axis=0)
        scale[3] = np.inf  # a constant column
    weights = rng.random(50).astype(dtype) if weighted else None
    X = csr_array(X.astype(dtype)) if kind == "sparse" else X.astype(dtype)
    options = {"batch_size": 1, "l2": 0.01, "schedule": Constant(0.02)} | options
    scaling = FeatureScaling(center, scale)
    if has_offset:
        options["offset"] = rng.normal(size=y.shape).astype(dtype)
    return problems.make_problem(
        X, y.astype(dtype), weights=weights, scaling=scaling, fit_intercept=fit_intercept, **options
    )


def check_equal(problem, tolerance=1e-10, shuffled=True):
    """Check that two epochs give the same states and objectives on NumPy and on Numba."""
    rng = np.random.default_rng(1)
    shape = (*problem.objective.y.shape[1:], problem.objective.l2.size)
    start = rng.normal(size=shape).astype(problem.objective.y.dtype) * 0.1
    if not problem.objective.design.fit_intercept:
        start[..., -1] = 0
    start = problem.objective.project(start)
    states = [State.initial(start.copy(), None).for_optimizer(problem.optimizer) for _ in range(2)]
    solvers = choice.numpy_sgd(problem), CompiledSGD(problem)
    for epoch in range(2):
        order = rng.permutation(50) if shuffled else None
        rates = 0.02 / (1 + epoch + np.arange(problem.updates_per_epoch)) ** 0.3
        with np.errstate(all="ignore"):  # as the descent loop does
            results = [
                solver.run_epoch(state, None, rates, order)
                for solver, state in zip(solvers, states, strict=True)
            ]
        states = [state for state, _, _ in results]
        objectives = [info.objective for _, _, info in results]
        np.testing.assert_allclose(*objectives, rtol=tolerance)
        assert states[0].t == states[1].t
        theirs, ours = map(arrays_of, states)
        for (name, numpy_array), compiled_array in zip(theirs.items(), ours.values(), strict=True):
            assert compiled_array.dtype == numpy_array.dtype
            np.testing.assert_allclose(
                compiled_array, numpy_array, rtol=tolerance, atol=tolerance, err_msg=name
            )


def arrays_of(state):
    """Return the arrays of a state by their names, the optimizer's included."""
    arrays = {name: getattr(state, name) for name in ARRAYS}
    return arrays | dict(zip(state.state_names, state.optimizer_state, strict=True))


LOSSES = [loss() for loss in losses.LOSSES.values()]
ELEMENTWISE = [optimizers.OPTIMIZERS[name]() for name in regressors.ELEMENTWISE]


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_every_loss(loss, kind):
    for batch_size in (1, 8):
        check_equal(make_problem(loss=loss, kind=kind, batch_size=batch_size))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("optimizer", ELEMENTWISE, ids=str)
def test_every_optimizer(optimizer, kind):
    for batch_size in (1, 8):
        for l1 in (0.0, 0.3):
            check_equal(
                make_problem(
                    optimizer=optimizer, kind=kind, batch_size=batch_size, l1=l1, average=20
                )
            )


#: Settings that the pairs of loss and optimizer are tested with, in rotation.
PAIR_SETTINGS = [
    dict(kind=kind, batch_size=batch_size, standard=standard, l1=l1, dtype=dtype)
    for (kind, batch_size), standard, l1, dtype in product(
        [("dense", 1), ("dense", 8), ("sparse", 8)],
        [False, True],
        [0.0, 0.3],
        [np.float64, np.float32],
    )
]


@pytest.mark.parametrize("optimizer", ELEMENTWISE, ids=str)
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_every_pair_of_loss_and_optimizer(loss, optimizer):
    # Both factors are prime to the number of settings: each loss and each optimizer is tested with
    # as many different settings as it is in pairs.
    number = 7 * LOSSES.index(loss) + 5 * ELEMENTWISE.index(optimizer)
    settings = PAIR_SETTINGS[number % len(PAIR_SETTINGS)]
    tolerance = 1e-10 if settings["dtype"] is np.float64 else 2e-4
    check_equal(make_problem(loss=loss, optimizer=optimizer, **settings), tolerance=tolerance)


@pytest.mark.parametrize("loss", [losses.Poisson(), losses.Binomial()], ids=str)
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_offsets_are_added_to_predictions(loss, kind, batch_size):
    problem = dict(loss=loss, kind=kind, batch_size=batch_size, has_offset=True)
    check_equal(make_problem(**problem, average=9))
    check_equal(make_problem(**problem, n_outputs=3, l1=0.3, standard=True), shuffled=False)
    check_equal(make_problem(**problem, dtype=np.float32), tolerance=2e-4)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("loss", [losses.Quantile([0.1, 0.5, 0.9])], ids=["levels"])
def test_several_quantile_levels(loss, kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    X = csr_array(X) if kind == "sparse" else X
    params = {"loss": loss, "random_state": 0, "max_iter": 3, "tol": None}
    models = [
        MiniBatchGDRegressor(learning_rate=0.05, optimizer="adam", average=5, **params),
        SGDRegressor(penalty="l1", alpha=0.01, **params),
        SGDRegressor(learning_rate="auto", **params),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "Numba could not compile"
        warnings.simplefilter("ignore", ConvergenceWarning)
        for model in models:
            compiled = clone(model).fit(X, y).partial_fit(X, y)
            with numpy_only():
                on_numpy = clone(model).fit(X, y).partial_fit(X, y)
            np.testing.assert_allclose(compiled.coef_, on_numpy.coef_, rtol=1e-8)
            np.testing.assert_allclose(compiled.intercept_, on_numpy.intercept_, rtol=1e-8)
    assert type(losses.Quantile()) not in choice.not_compilable


@pytest.mark.parametrize("rule", [PassiveAggressive1, PassiveAggressive2])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_step_rules_see_the_offsets(rule, kind):
    loss = losses.EpsilonInsensitive(0.3)
    check_equal(make_problem(loss=loss, kind=kind, has_offset=True, schedule=rule(0.3), l2=0.0))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("batch_size", [1, 8, 50])
@pytest.mark.parametrize("standard", [False, True])
@pytest.mark.parametrize("l1", [0.0, 0.3])
def test_every_setting(kind, batch_size, standard, l1):
    problem = dict(kind=kind, batch_size=batch_size, standard=standard, l1=l1)
    check_equal(make_problem(**problem, weighted=True, average=1), shuffled=False)
    check_equal(make_problem(**problem, n_outputs=3, average=9))
    check_equal(make_problem(**problem, fit_intercept=False, l2=0.0))
    check_equal(make_problem(**problem, l2=1e4))


#: Bounds of seven coefficients; the second ones exclude 0 for some of them.
BOUNDS = [
    (0.0, np.inf),
    (np.array([-0.1, 0, -0.05, -np.inf, -np.inf, 0, -0.02]), 0.08),
    (np.array([-0.1, 0, 0.05, -np.inf, -np.inf, 0.02, 0.01]), np.array([0.08] * 6 + [0.01])),
]


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("bounds", BOUNDS, ids=["positive", "box", "without zero"])
def test_bounds(bounds, kind):
    weights = np.array([0, 1, 2, 0.5, 1, 1, 0, 1])  # one for the intercept, which has no strength
    for batch_size, l1 in ((1, 0.05 * weights), (8, 0.0)):
        settings = dict(kind=kind, batch_size=batch_size, l1=l1, bounds=bounds)
        for l2 in (0.0, 0.01):
            check_equal(make_problem(**settings, l2=l2, n_outputs=2, average=9))
    check_equal(make_problem(**settings, optimizer=optimizers.Adam(), standard=True))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("rule", [PassiveAggressive1(0.3), PassiveAggressive2(0.3)], ids=str)
def test_every_step_rule(rule, kind):
    problem = dict(kind=kind, schedule=rule, loss=losses.EpsilonInsensitive(0.1))
    problem |= {"weighted": True, "average": 20}
    for l1 in (0.0, 0.1):
        for zeros in (False, True):
            made = make_problem(**problem, l1=l1, n_outputs=2)
            if zeros:  # PA-I passes over such rows
                X = made.objective.design.X
                first = slice(X.indptr[0], X.indptr[9]) if kind == "sparse" else slice(9)
                (X.data if kind == "sparse" else X)[first] = 0
            check_equal(made)
    # under another rule than plain descent, sparse rows are not touched lazily
    check_equal(make_problem(**problem, optimizer=optimizers.Momentum()))


@pytest.mark.parametrize("standard", [False, True])
def test_rows_that_are_longer_than_a_vector_register(standard):
    problem = dict(d=70, standard=standard, loss=losses.Huber())
    check_equal(
        make_problem(**problem, weighted=True, n_outputs=3, fit_intercept=False), shuffled=False
    )
    check_equal(make_problem(**problem, l1=0.3, dtype=np.float32), tolerance=2e-4)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_single_precision(kind, batch_size):
    check_equal(make_problem(kind=kind, batch_size=batch_size, dtype=np.float32), tolerance=2e-4)


def test_gradients_are_clipped_as_in_numpy():
    state = State.initial(np.full(8, 1e13), None)
    landed = []
    for on_divergence in ("continue", "raise"):  # clipped, free
        problem = replace(make_problem(batch_size=8), on_divergence=on_divergence)
        rates = np.full(problem.updates_per_epoch, 1e-3)
        theirs, _, _ = choice.numpy_sgd(problem).run_epoch(state, None, rates)
        ours, _, _ = CompiledSGD(problem).run_epoch(state, None, rates)
        np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-10)
        landed.append(ours.theta)
    assert np.all(landed[0] > landed[1])


def test_initial_state_is_not_changed():
    problem = make_problem(average=1)
    state = State.initial(np.zeros(8), None)
    CompiledSGD(problem).run_epoch(state, None, np.full(50, 0.1))
    assert not state.theta.any()
    assert not state.averaged_theta.any()


@dataclass(frozen=True)
class Huber(losses.Loss):
    """Half the squared error, under the name of a loss of the package."""

    epsilon: float = 0.1

    def value(self, p, y):
        return 0.5 * (p - y) ** 2

    def gradient(self, p, y):
        return p - y


def test_a_loss_of_the_user_is_compiled_and_not_mistaken_for_a_built_in_one():
    check_equal(make_problem(loss=losses.Huber()))
    check_equal(make_problem(loss=Huber()))

    @dataclass(frozen=True)
    class Huber2(losses.Loss):
        epsilon: float = 0.1

        def value(self, p, y):
            return np.abs(p - y)

        def gradient(self, p, y):
            return np.sign(p - y)

    Huber2.__name__ = Huber2.__qualname__ = "Huber"
    check_equal(make_problem(loss=Huber2()))


@dataclass(frozen=True)
class Unusual(losses.Loss):
    """A loss that Numba cannot compile."""

    def value(self, p, y):
        return np.asarray([*map(abs, np.atleast_1d(p - y))]).reshape(np.shape(p - y))

    def gradient(self, p, y):
        return np.vectorize(lambda r: float(np.sign(r)))(p - y)


def test_loss_that_numba_cannot_compile_runs_on_numpy_after_one_warning():
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = MiniBatchGDRegressor(loss=Unusual(), learning_rate=0.1, max_iter=3, tol=None)
    with pytest.warns(RuntimeWarning, match="could not compile Unusual"):
        model.fit(X, X[:, 0])
    model.fit(X, X[:, 0])  # warnings are errors: it comes once
    same = MiniBatchGDRegressor(loss="absolute_error", learning_rate=0.1, max_iter=3, tol=None)
    # batch orders differ without a seed; the loss is the same one
    seeded = model.set_params(random_state=0).fit(X, X[:, 0])
    np.testing.assert_allclose(seeded.coef_, same.set_params(random_state=0).fit(X, X[:, 0]).coef_)


def test_memory_layout_of_the_rows_changes_nothing(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    expected = SGDRegressor(random_state=0, max_iter=3, tol=None).fit(X, y).coef_
    readonly = X.copy()
    readonly.flags.writeable = False
    path = tmp_path / "X.npy"
    np.save(path, X)
    for rows in (
        readonly,
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        np.load(path, "r"),
    ):
        model = SGDRegressor(random_state=0, max_iter=3, tol=None).fit(rows, y)
        np.testing.assert_allclose(model.coef_, expected, rtol=1e-12)


# Row orders


@pytest.mark.parametrize("drawn", [0, 1])
def test_shuffles_and_generator_state_equal_numpy(drawn):
    theirs, ours = np.random.default_rng(7), np.random.default_rng(7)
    for rng in (theirs, ours):
        rng.integers(5, size=drawn, dtype=np.uint32)  # half a word is left over
    for n_rows in (row_order.MIN_COMPILED_SHUFFLE, 5000, 70_001):
        np.testing.assert_array_equal(
            row_order.draw_row_orders(ours, n_rows)[0], theirs.permutation(n_rows)
        )
        assert ours.bit_generator.state == theirs.bit_generator.state


def test_orders_of_other_generators_equal_numpy():
    ours, theirs = (np.random.Generator(np.random.MT19937(3)) for _ in range(2))
    np.testing.assert_array_equal(
        row_order.draw_row_orders(ours, 5000)[0], theirs.permutation(5000)
    )


def test_numpy_and_numba_visit_the_rows_in_the_same_order(monkeypatch):
    X = np.random.default_rng(0).normal(size=(5000, 2))
    params = {"max_iter": 2, "tol": None, "random_state": 0}
    compiled = SGDRegressor(**params).fit(X, X[:, 0])
    with numpy_only():
        regressors.assert_same_model(compiled, SGDRegressor(**params).fit(X, X[:, 0]))


# Memory


@pytest.mark.parametrize("batch_size", [1, 32])
def test_fit_does_not_copy_the_rows(batch_size):
    X, y = np.ones((20_000, 100)), np.ones(20_000)
    model = MiniBatchGDRegressor(
        batch_size=batch_size, learning_rate=1e-3, standardize=False, max_iter=2, tol=None
    ).fit(X[:100], y[:100])
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    chunk, numbers_a_row = 4096, 8
    assert peak < 8 * (chunk * 100 + numbers_a_row * len(X)) < X.nbytes / 2


# Machine code on disk

PROGRAM = """
import numpy as np, skgd, sys
from skgd.solvers.compiled import epochs
X = np.random.default_rng(0).normal(size=(30, 2))
model = skgd.SGDRegressor(loss="huber", max_iter=2, tol=None, shuffle=False).fit(X, X[:, 0])
dispatcher = epochs.run_epochs.dispatchers.get(True)
print(*model.coef_, sum(dispatcher.stats.cache_hits.values()) if dispatcher else "none")
"""


def run_program(package, cache, home=None):
    """Run the program with a package and a cache; return its coefficients and its cache hits."""
    env = os.environ | {"PYTHONPATH": str(package), "PYTHONWARNINGS": "error"}
    env |= {"NUMBA_CACHE_DIR": str(cache)} if cache else {}
    env |= {"HOME": str(home), "XDG_CACHE_HOME": str(home)} if home else {}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=package)
    assert not done.returncode, done.stderr
    *coef, hits = done.stdout.split()
    return [float(number) for number in coef], hits


@pytest.fixture
def package(tmp_path):
    """A copy of the package, whose formulas may be edited."""
    root = os.path.dirname(os.path.dirname(choice.__file__))
    copy = tmp_path / "here"
    shutil.copytree(root, copy / "skgd", ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_machine_code_is_cached_and_never_stale(package, tmp_path):
    cache = tmp_path / "cache"
    first, hits = run_program(package, cache)
    assert hits == "0"
    assert run_program(package, cache) == (first, "1")

    # an edited formula, in the same place, as another version installed there would have
    source = package / "skgd" / "losses" / "_smooth.py"
    text = source.read_text()
    clipped = "np.minimum(np.maximum(p - y, -self.epsilon), self.epsilon)"
    assert clipped in text
    source.write_text(text.replace(clipped, f"2 * {clipped}"))
    edited, hits = run_program(package, cache)
    assert hits == "0"
    assert abs(edited[0]) > 1.5 * abs(first[0])
    source.write_text(text)  # and the first version again: its code is still there
    assert run_program(package, cache) == (first, "1")

    for index in cache.rglob("*.nbi"):
        index.write_bytes(b"damaged")
    assert run_program(package, cache)[0] == first


@pytest.mark.skipif(sys.platform == "win32", reason="folders without permissions")
def test_fit_works_without_a_writable_cache(package, tmp_path):
    blocked = tmp_path / "file"  # also root cannot make a folder below a file
    blocked.write_text("")
    assert run_program(package, blocked / "cache")[0] == run_program(package, tmp_path / "c")[0]


# Speculative epochs

SETTINGS = [
    {},
    {"tol": None, "max_iter": 70},
    {"tol": 1e-2, "shuffle": False},
    {"learning_rate": "adaptive", "eta0": 0.02},
    {"learning_rate": "constant", "eta0": 0.3},  # diverges, and is backed off from
    {"learning_rate": Join((Constant(0.01), Constant(0.5)), (4,)), "on_divergence": "warn"},
    {"penalty": "l1", "alpha": 0.05, "average": 30},
    {"optimizer": "adam", "eta0": 0.05, "record": None},
]


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_speculative_epochs_equal_single_epochs(params, monkeypatch):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(80, 6))
    y = X @ rng.normal(size=6) + 0.1 * rng.normal(size=80)

    def fitted():
        model = SGDRegressor(random_state=0, **params)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model.fit(X, y).partial_fit(X, y)  # which goes on with the orders that come next
            except ValueError as diverged:
                return str(diverged), None
        return model, {name: part for name, part in model.history_.items() if name != "time"}

    several, columns = fitted()
    counts, count_epochs = [], SpeculativeEpochs.count_epochs

    def one_by_one(*args):
        counts.append(count_epochs(*args))
        return 0

    monkeypatch.setattr(SpeculativeEpochs, "count_epochs", one_by_one)
    single, single_columns = fitted()
    assert max(counts) > 1
    if columns is None:
        assert several == single
        return
    np.testing.assert_array_equal(several.coef_, single.coef_)
    assert (several.stop_reason_, several.n_iter_, several.t_) == (
        single.stop_reason_, single.n_iter_, single.t_,
    )  # fmt: skip
    assert list(columns) == list(single_columns)
    for name, column in columns.items():
        np.testing.assert_array_equal(column, single_columns[name])


def test_an_interrupt_discards_all_epochs_of_one_speculative_call(monkeypatch):
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(80, 6)), rng.normal(size=80)
    record_together = Recorder.record_together

    def interrupted(self, trace, n_before, *args):
        if n_before:
            raise KeyboardInterrupt
        return record_together(self, trace, n_before, *args)

    monkeypatch.setattr(Recorder, "record_together", interrupted)
    model = SGDRegressor(random_state=0, tol=None, max_iter=500)
    with pytest.raises(KeyboardInterrupt, match="stored the model"):
        model.fit(X, y)
    assert 1 < model.n_iter_ < 500
    assert len(model.history_["epoch"]) == 1 + model.n_iter_
    whole = SGDRegressor(random_state=0, tol=None, max_iter=model.n_iter_).fit(X, y)
    np.testing.assert_array_equal(model.coef_, whole.coef_)
    np.testing.assert_array_equal(model.partial_fit(X, y).coef_, whole.partial_fit(X, y).coef_)
