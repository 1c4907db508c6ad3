"""Every solver and every stopping criterion follows its protocol."""

import copy
import importlib
import pkgutil
from dataclasses import FrozenInstanceError, is_dataclass, replace
from inspect import isabstract

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array

from skgd import losses, optimizers, solvers
from skgd._utils.numba_support import has_numba
from skgd.data.memmap import MemmapData
from skgd.data.second_moments import SecondMoments
from skgd.objectives import ObjectiveSpec, QuadraticModel, build
from skgd.schedules import Constant
from skgd.solvers.base import EpochInfo, Solver
from skgd.solvers.choice import choose_solver
from skgd.solvers.full_batch import AcceleratedDescent, GradientDescent, LineSearchDescent
from skgd.solvers.implicit_sgd import ImplicitSGDSolver
from skgd.solvers.problem import StreamStatistics
from skgd.solvers.proximal_newton import ProximalNewtonSolver
from skgd.solvers.sgd.base import SGDSolver
from skgd.solvers.sgd.chunked import ChunkedSGD
from skgd.solvers.sgd.lazy_sparse import LazySparseSGD
from skgd.solvers.sgd.reference import ReferenceSGD
from skgd.solvers.sgd.separate_outputs import SeparateOutputs
from skgd.solvers.sgd.triangular import TriangularSGD
from skgd.solvers.state import State
from skgd.solvers.stopping import (
    ExpectedDecrease,
    GradientNorm,
    Measurement,
    NewtonDecrement,
    NoImprovement,
    StoppingCriteria,
    StoppingCriterion,
    StopReason,
)
from skgd.solvers.streaming_newton import StreamingNewtonSolver
from skgd.solvers.svrg import SVRGSolver
from skgd.step_rules import LineSearch
from tests.helpers import problems

N_ROWS, N_FEATURES = 40, 3


def make_problem(
    optimizer=None, schedule=None, *, sparse=False, n_outputs=None, on_moments=False, **params
):
    """Return a problem of 40 rows and 3 features."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, N_FEATURES)) * (rng.random((N_ROWS, N_FEATURES)) < 0.7)
    y = X @ rng.normal(size=(N_FEATURES, n_outputs or 1)) + rng.normal(size=(N_ROWS, 1))
    y = y if n_outputs else y[:, 0]
    fixed = {"schedule": schedule or Constant(0.05), "l2": 0.01, "max_iter": 9, "shuffle": True}
    rows = csr_array(X) if sparse else X
    problem = problems.make_problem(rows, y, optimizer=optimizer, **fixed | params)
    if on_moments:
        moments = SecondMoments.from_rows(X, y, None)
        surrogate = QuadraticModel.from_second_moments(problem.objective, moments)
        problem = replace(problem, surrogate=surrogate)
    return problem


def make_stream(**params):
    """Return the problem of one call of a stream."""
    statistics = StreamStatistics(0.0, 1.0, 1.0)
    return make_problem(batch_size=4, streaming=True, stream_statistics=statistics, **params)


def make_chunked_problem():
    """Return a problem over data in four chunks."""
    problem = make_problem(batch_size=4)
    objective, edges = problem.objective, np.array([[0, 10], [10, 20], [20, 30], [30, 40]])
    data = MemmapData(objective.design.X, objective.y, None, edges)
    spec = ObjectiveSpec(objective.design.scaling, True, objective.loss, objective.l1, objective.l2)
    objective = build(data, spec, 1.0)
    return replace(problem, objective=objective, surrogate=objective)


HUBER = losses.Huber(0.5)

#: Problems of each solver, by class and a description.
PROBLEMS = {
    "gradient descent": (GradientDescent, make_problem),
    "gradient descent with momentum": (
        GradientDescent,
        lambda: make_problem(optimizers.Momentum(0.5), n_outputs=2),
    ),
    "line search": (LineSearchDescent, lambda: make_problem(schedule=LineSearch(), loss=HUBER)),
    "proximal line search": (
        LineSearchDescent,
        lambda: make_problem(schedule=LineSearch(), loss=HUBER, l1=0.1),
    ),
    "conjugate gradients": (
        LineSearchDescent,
        lambda: make_problem(optimizers.ConjugateGradient(), LineSearch()),
    ),
    "conjugate gradients on second moments": (
        LineSearchDescent,
        lambda: make_problem(optimizers.ConjugateGradient(), LineSearch(), on_moments=True),
    ),
    "accelerated": (AcceleratedDescent, lambda: make_problem(optimizers.Accelerated(), l1=0.1)),
    "accelerated line search": (
        AcceleratedDescent,
        lambda: make_problem(optimizers.Accelerated(), LineSearch(), loss=HUBER),
    ),
    "proximal Newton": (
        ProximalNewtonSolver,
        lambda: make_problem(optimizers.ProximalNewton(), LineSearch(), loss=HUBER, l1=0.1),
    ),
    "proximal Newton on second moments": (
        ProximalNewtonSolver,
        lambda: make_problem(optimizers.ProximalNewton(), LineSearch(), on_moments=True),
    ),
    "SVRG": (
        SVRGSolver,
        lambda: make_problem(optimizers.Snapshot(), LineSearch(), loss=HUBER, batch_size=4),
    ),
    "SVRG, two outputs": (
        SVRGSolver,
        lambda: make_problem(
            optimizers.Snapshot(), LineSearch(), loss=HUBER, batch_size=1, n_outputs=2, l1=0.1
        ),
    ),
    "reference": (
        ReferenceSGD,
        lambda: make_problem(
            optimizers.Adam(), Constant(0.01), loss=HUBER, batch_size=7, average=5, l1=0.1
        ),
    ),
    "triangular": (TriangularSGD, lambda: make_problem(batch_size=1, average=5)),
    "lazy sparse": (
        LazySparseSGD,
        lambda: make_problem(loss=HUBER, batch_size=3, sparse=True, average=5, l1=0.1),
    ),
    "lazy sparse, triangular": (LazySparseSGD, lambda: make_problem(batch_size=1, sparse=True)),
    "levels of a quantile loss": (
        SeparateOutputs,
        lambda: make_problem(loss=losses.Quantile([0.2, 0.8]), batch_size=3, n_outputs=2),
    ),
    "chunked": (ChunkedSGD, make_chunked_problem),
    "streaming Newton": (
        StreamingNewtonSolver,
        lambda: make_stream(optimizer=optimizers.StreamingNewton(), schedule=LineSearch()),
    ),
    "implicit SGD": (
        ImplicitSGDSolver,
        lambda: make_stream(optimizer=optimizers.Implicit(), schedule=Constant(1.0), loss=HUBER),
    ),
}

if has_numba():
    from skgd.solvers.compiled.solver import CompiledSGD

    PROBLEMS |= {
        "compiled": (CompiledSGD, PROBLEMS["reference"][1]),
        "compiled, sparse": (CompiledSGD, PROBLEMS["lazy sparse"][1]),
    }

on_every_problem = pytest.mark.parametrize("name", PROBLEMS)


def make_solver(name):
    """Return a solver of a class on its problem."""
    kind, make = PROBLEMS[name]
    problem = make()
    if issubclass(kind, SGDSolver) and kind is not SeparateOutputs:  # other choices with Numba
        return kind(problem)
    solver = choose_solver(problem)
    assert type(solver) is kind
    return solver


def start_at(problem, fill, seed):
    """Return a state to start from."""
    objective = problem.objective
    shape = (*objective.intercept_only().shape[:-1], N_FEATURES + 1)
    state = State.initial(np.full(shape, fill), np.random.default_rng(seed))
    return state.for_optimizer(problem.optimizer)


def run_epoch(solver, state, workspace):
    """Run one epoch as the descent loop does."""
    problem = solver.problem
    rate_at = problem.schedule.resolve(
        alpha=0.0, updates_per_epoch=problem.updates_per_epoch, max_iter=9
    )
    rates = solver.compute_learning_rates(rate_at, state)
    return solver.run_epoch(state, workspace, rates, solver.draw_order(state.rng))


def assert_equal(one, other):
    """Check that two results of epochs are equal to the last bit."""
    if isinstance(one, np.ndarray):
        assert_array_equal(one, other)
    elif isinstance(one, np.random.Generator):
        assert one.bit_generator.state == other.bit_generator.state
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        assert_equal(list(one.values()), list(other.values()))
    elif isinstance(one, (tuple, list)):
        assert type(one) is type(other)
        assert len(one) == len(other)
        for part, other_part in zip(one, other, strict=True):
            assert_equal(part, other_part)
    elif is_dataclass(one):
        assert type(one) is type(other)
        assert_equal(vars(one), vars(other))
    else:
        assert_array_equal(one, other)  # NaN equals NaN


def subclasses(base):
    """Return all subclasses of a class of this library, after an import of all solvers."""
    for module in pkgutil.walk_packages(solvers.__path__, "skgd.solvers."):
        if ".compiled" not in module.name or has_numba():
            importlib.import_module(module.name)
    found, stack = set(), [base]
    while stack:
        children = stack.pop().__subclasses__()
        stack += children
        found |= {child for child in children if child.__module__.startswith("skgd.")}
    return found


def test_every_concrete_solver_is_tried():
    # Another test module may have imported the compiled solver where Numba is switched off.
    concrete = {kind for kind in subclasses(Solver) if not isabstract(kind)}
    concrete = {kind for kind in concrete if has_numba() or "compiled" not in kind.__module__}
    assert concrete == {kind for kind, _ in PROBLEMS.values()}


@pytest.mark.parametrize(
    "name", ["is_exact", "reports_output_objectives", "can_split_epochs", "can_run_ahead"]
)
def test_capabilities_are_class_attributes(name):
    for kind in {Solver} | subclasses(Solver):
        assert type(getattr(kind, name)) is bool
    for kind in subclasses(Solver):
        assert hasattr(kind, "run_epochs") == kind.can_run_ahead


@on_every_problem
def test_instances_have_the_capabilities_of_their_class(name):
    solver = make_solver(name)
    assert not set(vars(solver)) & set(vars(Solver))


@on_every_problem
def test_an_epoch_returns_what_the_protocol_says(name):
    solver = make_solver(name)
    problem = solver.problem
    state = start_at(problem, 0.1, 0)
    workspace = solver.init(state)
    start = solver.describe(state, workspace)
    assert start.objective == pytest.approx(solver.objective_at(state.theta))
    after, workspace, info = run_epoch(solver, state, workspace)
    assert isinstance(after, State)
    assert isinstance(info, EpochInfo)
    assert after.t == state.t + problem.updates_per_epoch
    assert after.rng is state.rng
    assert after.theta.dtype == state.theta.dtype
    assert np.isfinite(info.objective)
    if solver.is_exact:
        assert info.objective == pytest.approx(problem.objective.value(after.theta))
        point = problem.objective.evaluate(after.theta)
        norm = problem.objective.min_subgradient_norm(point)
        assert info.gradient_norm == pytest.approx(norm, abs=1e-12)
    assert (info.output_objectives is not None) == solver.reports_output_objectives
    if solver.reports_output_objectives:
        assert sum(info.output_objectives) == pytest.approx(problem.objective.value(after.theta))


@on_every_problem
def test_an_epoch_changes_neither_its_state_nor_the_solver(name):
    solver = make_solver(name)
    attributes = dict(vars(solver))
    state = start_at(solver.problem, 0.1, 0)
    workspace = solver.init(state)
    for _ in range(3):
        kept = copy.deepcopy(state)
        order = solver.draw_order(kept.rng)
        state.rng.bit_generator.state = kept.rng.bit_generator.state
        rates = np.full(solver.problem.updates_per_epoch, 0.01)
        if isinstance(solver, ChunkedSGD):
            rates = solver.compute_learning_rates(lambda t: 0.01 + 0 * t, state)
        after, workspace, _ = solver.run_epoch(state, workspace, rates, order)
        assert_equal(state, kept)
        state = after
    assert vars(solver).keys() == attributes.keys()
    assert all(vars(solver)[key] is value for key, value in attributes.items())


@on_every_problem
def test_one_solver_runs_two_descents_alternately(name):
    """What later epochs need is in the workspace, so that descents do not disturb each other."""
    shared = make_solver(name)
    starts = [(0.1, 0), (-0.7, 1)]
    states = [start_at(shared.problem, *start) for start in starts]
    workspaces = [shared.init(state) for state in states]
    results = [[], []]
    for _ in range(4):
        for k in range(2):
            states[k], workspaces[k], info = run_epoch(shared, states[k], workspaces[k])
            results[k].append((copy.deepcopy(states[k]), info))
    for start, expected in zip(starts, results, strict=True):
        alone = make_solver(name)
        state = start_at(alone.problem, *start)
        workspace = alone.init(state)
        for after, info in expected:
            state, workspace, own_info = run_epoch(alone, state, workspace)
            assert_equal(own_info, info)
            assert_equal(state, after)


@pytest.mark.parametrize(
    "name", [name for name, (kind, _) in PROBLEMS.items() if kind.can_split_epochs]
)
def test_an_epoch_in_parts_is_the_whole_epoch(name):
    solver = make_solver(name)
    problem = solver.problem
    n_updates, size = problem.updates_per_epoch, problem.batch_size
    rates = np.full(n_updates, 0.01)
    state = start_at(problem, 0.1, 0)
    order = solver.draw_order(state.rng)
    whole, _, info = solver.run_epoch(state, None, rates, order)
    total = 0.0
    for start, stop in ((0, 2), (2, n_updates)):
        state, _, part = solver.run_epoch(state, None, rates[start:stop], order, start * size)
        total += part.objective * (min(stop * size, N_ROWS) - start * size)
    assert total / N_ROWS == pytest.approx(info.objective)
    np.testing.assert_allclose(state.theta, whole.theta, rtol=1e-10)
    np.testing.assert_allclose(state.averaged_theta, whole.averaged_theta, rtol=1e-10)
    assert state.t == whole.t


# Stopping criteria

silenced = np.errstate(invalid="ignore", divide="ignore", over="ignore")  # as in `descend`

CRITERIA = [
    NoImprovement(1e-3, 2),
    NoImprovement(1e-3, 2, relative=True),
    NoImprovement(1e-3, 2, monitor="validation_score"),
    ExpectedDecrease(1e-3, 2, np.array([1.0, 2.0])),
    GradientNorm(1e-3, 1.0, 1.0, patience=2),
    NewtonDecrement(1e-3, 1.0, patience=2),
]

#: Epochs that improve, then hardly improve, and end with a small gradient.
MEASUREMENTS = [
    Measurement(value, np.array([value / 3, 2 * value / 3]), norm, norm, 1 - value)
    for value, norm in [(1.0, 1.0), (0.5, 0.5), (0.4, 0.6), (0.4, 0.6), (0.4, 0.6), (0.4, 1e-9)]
]


def test_every_stopping_criterion_is_tried():
    assert {type(criterion) for criterion in CRITERIA} == subclasses(StoppingCriterion)


@silenced
@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_stopping_criteria_are_pure(criterion):
    configuration, state = copy.deepcopy(criterion), criterion.init()
    assert_equal(criterion.init(), state)
    reasons = []
    for measurement in MEASUREMENTS:
        kept, kept_measurement = copy.deepcopy(state), copy.deepcopy(measurement)
        after = criterion.update(state, measurement)
        assert after is not state
        assert_equal(state, kept)
        assert_equal(measurement, kept_measurement)
        assert_equal(criterion.update(state, measurement), after)
        kept = copy.deepcopy(after)
        reasons.append(criterion.reason(after))
        assert criterion.reason(after) is reasons[-1]
        assert type(criterion.reset(after)) is type(after)
        assert criterion.reason(criterion.reset(after)) is None
        criterion.describe(after, {"gradient_norm": measurement.gradient_norm})
        assert_equal(after, kept)
        state = after
    assert reasons[0] is None
    assert isinstance(reasons[-1], StopReason)
    assert_equal(criterion, configuration)


@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_stopping_criteria_are_frozen(criterion):
    with pytest.raises(FrozenInstanceError):
        criterion.tol = 0.0
    state = criterion.init()
    with pytest.raises(AttributeError):
        state.n_epochs = 3
    assert type(criterion.is_stall) is bool


@silenced
def test_several_criteria_are_updated_together():
    criteria = StoppingCriteria(tuple(CRITERIA))
    states = criteria.init()
    kept = copy.deepcopy(states)
    after = criteria.update(states, MEASUREMENTS[0])
    assert_equal(states, kept)
    for criterion, state, expected in zip(CRITERIA, states, after, strict=True):
        assert_equal(criterion.update(state, MEASUREMENTS[0]), expected)


def test_states_of_an_earlier_call_are_kept_only_where_they_fit():
    criterion, other = NoImprovement(1e-3, 2), ExpectedDecrease(1e-3, 2, 1.0)
    saved = (criterion.update(criterion.init(), MEASUREMENTS[0]),)
    assert StoppingCriteria((criterion,)).init(saved) == saved
    assert StoppingCriteria((other,)).init(saved) == (other.init(),)
    assert StoppingCriteria((criterion,)).init() == (criterion.init(),)
    assert StoppingCriteria().init(saved) == ()


def test_the_gradient_norm_is_not_compared_with_those_of_earlier_calls():
    gradient, plateau = GradientNorm(1e-3, 1.0), NoImprovement(1e-3, 2, relative=True)
    criteria = StoppingCriteria((gradient, plateau))
    saved = criteria.update(criteria.init(), MEASUREMENTS[0])
    assert criteria.init(saved) == (gradient.init(), saved[1])
