"""The descent loop around the solvers: epochs, states, stopping and divergence."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.data.second_moments import SecondMoments
from skgd.exceptions import DivergenceError
from skgd.losses import SquaredError
from skgd.objectives import Objective, QuadraticModel
from skgd.optimizers import ConjugateGradient, Momentum
from skgd.schedules import (
    Adaptive,
    Constant,
    ExponentialDecay,
    FromCallable,
    InverseScaling,
    Join,
    Schedule,
)
from skgd.solvers import speculative_epochs
from skgd.solvers.base import Solver
from skgd.solvers.choice import choose_solver
from skgd.solvers.descent import MIN_RELATIVE_LR, DescentLoop, descend
from skgd.solvers.divergence import LR_BACKOFF_FACTOR, DivergenceMonitor
from skgd.solvers.history import History
from skgd.solvers.speculative_epochs import SpeculativeEpochs
from skgd.solvers.state import State
from skgd.solvers.stopping import GradientNorm, NoImprovement, StoppingCriteria, StopReason
from skgd.step_rules import LineSearch
from tests.helpers.problems import make_problem


@pytest.fixture
def problem(small):
    return make_problem(*small, max_iter=3)


def initial_state():
    return State.initial(np.zeros(4), np.random.default_rng(0))


def constant_state(problem):
    """Return the state at the best constant model, above which no descent counts as converged."""
    return State.initial(problem.objective.intercept_only(), np.random.default_rng(0))


def run(problem, state=None, criteria=None, history=None, **kwargs):
    state, criteria = state or initial_state(), criteria or StoppingCriteria()
    history = History() if history is None else history
    return descend(problem, choose_solver(problem), state, criteria, history, **kwargs)


@pytest.mark.parametrize(("batch_size", "updates"), [(None, 1), (20, 1), (7, 3), (1, 20)])
def test_updates_are_counted(batch_size, updates, problem):
    problem = replace(problem, batch_size=batch_size)
    assert problem.updates_per_epoch == updates
    outcome = run(problem)
    assert (outcome.state.t, outcome.n_epochs) == (1 + 3 * updates, 3)
    assert outcome.reason is StopReason.MAX_ITER


@pytest.mark.parametrize("batch_size", [None, 7, 1])
@pytest.mark.parametrize("shuffle", [False, True])
def test_two_calls_are_one_longer_call(batch_size, shuffle, problem):
    problem = replace(
        problem, batch_size=batch_size, shuffle=shuffle, optimizer=Momentum(0.5), average=2
    )
    problem = replace(problem, schedule=InverseScaling(0.05))
    whole = run(replace(problem, max_iter=4)).state
    halves = run(replace(problem, max_iter=2), run(replace(problem, max_iter=2)).state).state
    for name in ("theta", "averaged_theta", "optimizer_state", "t"):
        assert_array_equal(getattr(halves, name), getattr(whole, name))


def test_the_initial_state_is_not_changed(problem):
    state = initial_state()
    run(replace(problem, batch_size=7, average=1), state)
    for array in (
        state.theta,
        state.averaged_theta,
        *state.optimizer_state,
        state.l1_total,
        state.l1_applied,
    ):
        assert_array_equal(array, 0)
    assert state.t == 1


def test_full_batch_descent_follows_its_formula(problem, small):
    rows, theta = np.column_stack([small[0], np.ones(20)]), np.zeros(4)
    for _ in range(3):
        theta = theta - 0.1 * rows.T @ (rows @ theta - small[1]) / 20
    assert_allclose(run(problem).state.theta, theta, rtol=1e-13)


def test_a_small_gradient_ends_the_descent(problem):
    criteria = StoppingCriteria((GradientNorm(tol=0.5, reference=1.0),))
    outcome = run(replace(problem, max_iter=1000), criteria=criteria)
    assert outcome.reason is StopReason.CONVERGED
    assert outcome.last_row["gradient_norm"] <= 0.5 < outcome.history.arrays()["gradient_norm"][-2]


def test_a_score_ends_the_descent_and_the_best_model_is_kept(problem):
    scores = iter([0.0, 1.0, 3.0, 2.0, 2.5, 9.0])
    criterion = NoImprovement(0.0, 2, monitor="validation_score")
    criteria = StoppingCriteria((criterion,), lambda theta: next(scores), early_stopping=True)
    outcome = run(replace(problem, max_iter=10), constant_state(problem), criteria)
    assert (outcome.reason, outcome.n_epochs) == (StopReason.EARLY_STOPPING, 4)
    best = run(replace(problem, max_iter=2), constant_state(problem)).state
    assert_array_equal(outcome.state.theta, best.theta)


def test_a_stall_lowers_an_adaptive_rate(problem):
    problem = replace(problem, schedule=Adaptive(0.1, factor=10, minimum=0.02), max_iter=10)
    criteria = StoppingCriteria((NoImprovement(1e9, 1),))
    outcome = run(replace(problem, batch_size=20), criteria=criteria)
    assert outcome.reason is StopReason.CONVERGED
    assert_allclose(outcome.history.arrays()["learning_rate"][1:], [0.1, 0.1, 0.01])


@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_divergence_raises(batch_size, problem):
    problem = replace(problem, schedule=Constant(100.0), batch_size=batch_size, max_iter=50)
    with pytest.raises(DivergenceError) as error:
        run(problem)
    assert error.value.learning_rate == 100
    objectives = error.value.history["objective" if batch_size is None else "running_objective"]
    assert objectives[-1] > 1000 * problem.objective.value(np.zeros(4))


@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_divergence_is_backed_off_from(batch_size, problem):
    problem = replace(problem, schedule=Constant(5.0), batch_size=batch_size, max_iter=1000)
    outcome = run(replace(problem, on_divergence="back_off"))
    assert outcome.reason is StopReason.MAX_ITER
    assert outcome.state.lr_multiplier < 1
    assert problem.objective.value(outcome.state.theta) < problem.objective.value(np.zeros(4))


def test_a_full_batch_backs_off_to_the_last_safe_state(problem):
    # The rate is stable at first, and diverges later.
    schedule = Join((Constant(0.1), Constant(1e9)), (4,))
    problem = replace(problem, planned_epochs=9)
    outcome = run(replace(problem, schedule=schedule, max_iter=5, on_divergence="back_off"))
    good = run(replace(problem, max_iter=4)).state
    assert_array_equal(outcome.state.theta, good.theta)
    assert outcome.state.t == good.t


def test_a_divergence_may_continue(problem):
    problem = replace(problem, schedule=Constant(5.0), max_iter=20, on_divergence="continue")
    outcome = run(problem)
    assert (outcome.reason, outcome.n_epochs) == (StopReason.DIVERGED, 20)
    with pytest.raises(DivergenceError):
        run(replace(problem, max_iter=10_000))


class StoppingMonitor:
    """Monitor that raises or asks for an end after the second epoch."""

    def __init__(self, error=None):
        self.error, self.n_begun, self.ended = error, 0, []

    def begin_epoch(self):
        self.n_begun += 1

    def end_epoch(self, row, state):
        if row["epoch"] == 2 and self.error:
            raise self.error
        self.ended.append((row["epoch"], state.t))
        return row["epoch"] == 2


@pytest.mark.parametrize(("batch_size", "updates"), [(None, 1), (7, 3)])
def test_a_monitor_sees_each_epoch_and_may_end_the_descent(batch_size, updates, problem):
    monitor = StoppingMonitor()
    outcome = run(replace(problem, max_iter=10, batch_size=batch_size), monitor=monitor)
    assert (outcome.reason, outcome.n_epochs) == (StopReason.CALLBACK, 2)
    assert monitor.n_begun == 2
    assert monitor.ended == [(1, 1 + updates), (2, 1 + 2 * updates)]


def test_an_interruption_keeps_the_last_whole_epoch(problem):
    outcome = run(replace(problem, max_iter=10), monitor=StoppingMonitor(KeyboardInterrupt))
    assert outcome.reason is StopReason.INTERRUPTED
    assert outcome.n_epochs == 1
    assert len(outcome.history) == outcome.state.t


# Stopping and divergence, one decision at a time


def start_descent(problem, criteria=None, state=None, **params):
    """Return a descent before its first epoch."""
    problem, criteria = replace(problem, **params), criteria or StoppingCriteria()
    state = state or initial_state()
    return DescentLoop(problem, choose_solver(problem), state, criteria, History(), None)


@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize(
    ("constant", "reason"),
    [(1.0, "converged"), (0.992, "converged"), (0.98, "stalled"), (0.4, "diverged")],
)
def test_the_end_of_a_descent_is_compared_with_the_best_constant(
    constant, reason, batch_size, problem
):
    start = problem.objective.value(np.zeros(4))
    descent = start_descent(problem, batch_size=batch_size, on_divergence="back_off")
    descent.recorder.last_row = {"learning_rate": 1.0}
    descent.guard.constant = constant * start
    descent.guard.monitor = DivergenceMonitor(max(constant, 0.49) * start)
    assert descent.examine_end(StopReason.CONVERGED, 1, False) == reason
    assert descent.examine_end(StopReason.MAX_ITER, 1, False) is StopReason.MAX_ITER
    assert (descent.message is None) is (reason == "converged")


@pytest.mark.parametrize(
    ("streaming", "count", "far"),
    [(False, 0, False), (False, 1, True), (True, 1, False), (True, 2, True)],
)
def test_one_epoch_above_the_limit_ends_a_fit_and_two_a_stream(streaming, count, far, problem):
    descent = start_descent(problem, streaming=streaming, on_divergence="continue")
    descent.recorder.last_row = {"learning_rate": 1.0}
    descent.here = descent.here._replace(divergence_count=count)
    reason = descent.examine_end(StopReason.MAX_ITER, 1, False)
    assert (reason is StopReason.DIVERGED) is far


def test_divergence_is_measured_by_the_larger_of_start_and_best_constant(problem, small):
    constant = np.var(small[1]) / 2
    start = np.mean(small[1] ** 2) / 2
    assert_allclose(start_descent(problem).guard.monitor.reference, start)
    near = State.initial(np.array([0, 0, 0, small[1].mean()]), None)
    assert_allclose(start_descent(problem, state=near).guard.monitor.reference, constant)
    earlier = replace(initial_state(), reference_objective=77.0, divergence_count=1)
    resumed = start_descent(problem, state=earlier)
    assert (resumed.guard.monitor.reference, resumed.here.divergence_count) == (77.0, 1)
    state = run(problem, earlier).state
    assert (state.reference_objective, state.divergence_count) == (77.0, 0)


def test_targets_out_of_range_are_refused_with_their_precision(problem):
    y = np.full(20, 1e200)
    with pytest.raises(
        ValueError, match=r"not finite at the start: .* float64\. Scale them down\.$"
    ):
        run(replace(problem, objective=replace(problem.objective, y=y), batch_size=7))


def test_backing_off_goes_to_the_last_safe_state_at_a_quarter_of_the_rate(problem):
    # With one update an epoch, the running objective is that before the epoch.
    problem = replace(
        problem, schedule=Constant(1e4), batch_size=20, on_divergence="back_off", max_iter=3
    )
    outcome = run(problem)
    assert outcome.state.lr_multiplier == LR_BACKOFF_FACTOR
    assert_array_equal(outcome.state.theta, np.zeros(4))
    assert outcome.state.divergence_count == 0
    earlier = replace(initial_state(), solver_state={"of": "before"})
    assert run(problem, earlier).state.solver_state == {}


@pytest.mark.parametrize("batch_size", [None, 20])
def test_numbers_that_are_not_finite_are_a_divergence_at_once(batch_size, problem):
    problem = replace(problem, schedule=Constant(1e250), batch_size=batch_size)
    with pytest.raises(DivergenceError) as error:
        run(replace(problem, max_iter=10))
    assert error.value.epoch == (1 if batch_size is None else 2)
    assert error.value.learning_rate == 1e250


def test_the_first_of_equal_scores_is_the_best(problem):
    criterion = NoImprovement(0.0, 9, monitor="validation_score")
    criteria = StoppingCriteria((criterion,), lambda theta: 1.0, early_stopping=True)
    state = run(problem, criteria=criteria).state
    assert_array_equal(state.theta, run(replace(problem, max_iter=1)).state.theta)


def test_without_a_criterion_a_score_ends_nothing(problem):
    criteria = StoppingCriteria(validate=lambda theta: -(theta[0] ** 2), early_stopping=True)
    assert run(problem, criteria=criteria).reason is StopReason.MAX_ITER


@pytest.mark.parametrize("multiplier", [1.0, 0.1])
def test_a_vanished_rate_is_a_small_share_of_the_first(multiplier, problem):
    schedule = InverseScaling(0.5, power_t=1.0)
    state = replace(initial_state(), lr_multiplier=multiplier)
    descent = start_descent(problem, state=state, schedule=schedule)
    edge = MIN_RELATIVE_LR * multiplier * 0.5
    assert [bool(descent.lr_vanished(rate)) for rate in (0.99 * edge, edge, 1.01 * edge)] == [
        True,
        False,
        False,
    ]
    assert not start_descent(problem, schedule=LineSearch()).lr_vanished(0.0)


def test_a_descent_whose_rate_vanished_has_stalled(problem):
    criteria = StoppingCriteria((GradientNorm(tol=1e-9, reference=1.0, patience=3),))
    decaying = replace(problem, schedule=ExponentialDecay(0.1, decay=0.5), max_iter=500)
    assert run(decaying, criteria=criteria).reason is StopReason.STALLED


def test_a_small_gradient_is_no_stall_however_small_the_rate(problem):
    criteria = StoppingCriteria((GradientNorm(tol=1e9, reference=1.0),))
    decaying = replace(problem, schedule=ExponentialDecay(0.1, decay=1e-3))
    late = run(decaying, replace(constant_state(problem), t=4), criteria)
    assert late.last_row["learning_rate"] < MIN_RELATIVE_LR * 0.1
    assert late.reason is StopReason.CONVERGED


def imprecise_problem(problem):
    """Return a problem on second moments that hold few digits, and its stopping criteria."""
    t = np.linspace(0, 1, 200)
    X, y = np.column_stack([t**k for k in range(1, 7)]), np.exp(t)
    design = Design(X, FeatureScaling(X.mean(axis=0), X.std(axis=0)), True)
    objective = Objective(design, y, None, SquaredError(), np.zeros(7), np.zeros(7))
    surrogate = QuadraticModel.from_second_moments(objective, SecondMoments.from_rows(X, y, None))
    reference = objective.min_subgradient_norm(objective.evaluate(objective.intercept_only()))
    criteria = StoppingCriteria((GradientNorm(tol=1e-13, reference=reference),))
    params = dict(objective=objective, surrogate=surrogate, optimizer=ConjugateGradient())
    params |= dict(schedule=LineSearch(), max_iter=3000, planned_epochs=3000)
    return replace(problem, **params), criteria


def test_a_gradient_that_is_small_on_a_model_is_small_on_the_rows(problem):
    problem, criteria = imprecise_problem(problem)
    state = State.initial(problem.objective.intercept_only(), np.random.default_rng(0))
    outcome = run(problem, state, criteria)
    assert outcome.reason.is_success
    # The reported gradient is that on the rows, and it cannot be decreased by a digit.
    norm = problem.objective.min_subgradient_norm(problem.objective.evaluate(outcome.state.theta))
    assert_allclose(outcome.last_row["gradient_norm"], norm, rtol=1e-9)
    on_rows = run(replace(problem, surrogate=problem.objective), state, criteria)
    best = problem.objective.min_subgradient_norm(problem.objective.evaluate(on_rows.state.theta))
    assert norm <= 10 * max(best, 1e-13 * criteria.criteria[0].reference)


def test_the_trajectory_continues_in_the_next_call(problem):
    problem = replace(problem, batch_size=7, shuffle=True, record="path")
    whole, history = run(replace(problem, max_iter=6)), History()
    state = initial_state()
    for _ in range(2):
        state = run(problem, state, history=history).state
    expected, found = whole.history.path.arrays(), history.path.arrays()
    assert_array_equal(found["update"], np.arange(19))
    for name in expected:
        assert_allclose(found[name], expected[name], rtol=1e-12)
    plain = run(replace(problem, max_iter=6, record="objective"))
    assert_allclose(whole.state.theta, plain.state.theta, rtol=1e-13)
    running = [h.history.arrays()["running_objective"] for h in (whole, plain)]
    assert_allclose(*running, rtol=1e-13)


def test_the_trajectory_keeps_every_kth_update_across_epochs(problem):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1501, 3))
    design = Design(X, FeatureScaling.identity(3), True)
    objective = replace(problem.objective, design=design, y=X[:, 0] + rng.normal(size=1501))
    problem = replace(
        problem, objective=objective, batch_size=1, record="path", schedule=Constant(0.01)
    )
    outcome = run(replace(problem, max_iter=3))
    updates = outcome.history.path.arrays()["update"]
    assert_array_equal(updates[:-1], np.arange(0, 4503, 4))
    assert updates[-1] == 4503
    plain = run(replace(problem, max_iter=3, record="objective"))
    for name in ("running_objective", "objective"):
        found, expected = (h.history.arrays()[name] for h in (outcome, plain))
        assert_allclose(found, expected, rtol=1e-12)


def test_the_history_continues_that_of_earlier_calls(problem):
    history = History()
    state = initial_state()
    for _ in range(2):
        state = run(problem, state, history=history).state
    columns = history.arrays()
    assert columns["epoch"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.isnan(columns["learning_rate"][0])
    assert (np.diff(columns["time"]) >= 0).all()
    whole = run(replace(problem, max_iter=6)).history.arrays()
    for name in ("objective", "gradient_norm"):
        assert_allclose(columns[name], whole[name], rtol=1e-13)


def test_record_none_records_nothing(problem):
    outcome = run(replace(problem, record=None))
    assert outcome.history.arrays() == {}
    assert outcome.last_row["epoch"] == 3


def test_a_row_of_the_history_describes_the_average(problem):
    problem = replace(problem, batch_size=7, average=2, record="objective")
    outcome = run(problem)
    assert_allclose(
        outcome.history.arrays()["objective"][-1],
        problem.objective.value(outcome.state.averaged_theta),
    )
    assert_array_equal(outcome.state.model(2), outcome.state.averaged_theta)
    assert_array_equal(outcome.state.model(0), outcome.state.theta)
    late = replace(outcome.state, t=5)
    assert_array_equal(late.model(4), late.averaged_theta)
    assert_array_equal(late.model(5), late.theta)


def test_a_divergence_in_the_last_epoch_raises_the_same_error(problem):
    with pytest.raises(DivergenceError) as error:
        run(replace(problem, schedule=Constant(1e4), max_iter=1))
    start = problem.objective.value(np.zeros(4))
    landed = -1e4 * problem.objective.evaluate(np.zeros(4)).gradient
    assert (error.value.epoch, error.value.learning_rate) == (1, 1e4)
    objectives = [start, problem.objective.value(landed)]
    assert_array_equal(error.value.history["objective"], objectives)


def test_a_divergence_in_the_last_epoch_is_backed_off_from(problem):
    outcome = run(replace(problem, schedule=Constant(1e4), max_iter=1, on_divergence="back_off"))
    assert_array_equal(outcome.state.theta, np.zeros(4))
    assert outcome.reason is StopReason.MAX_ITER
    assert outcome.state.reference_objective == problem.objective.value(np.zeros(4))


def test_the_best_average_is_returned(problem):
    scores = iter([0.0, 1.0, 3.0, 2.0])
    criteria = StoppingCriteria(validate=lambda theta: next(scores), early_stopping=True)
    problem = replace(problem, batch_size=7, average=1)
    best = run(replace(problem, max_iter=2)).state
    outcome = run(problem, criteria=criteria)
    assert_array_equal(outcome.state.averaged_theta, best.averaged_theta)
    assert_array_equal(outcome.state.model(1), best.averaged_theta)


def test_a_descent_that_cannot_improve_in_floating_point_ends(problem):
    criteria = StoppingCriteria((GradientNorm(tol=0.0, reference=1.0, patience=3),))
    outcome = run(replace(problem, schedule=Constant(1.0), max_iter=100_000), criteria=criteria)
    assert outcome.reason is StopReason.PRECISION


# Speculative epochs


class RunAheadSolver(Solver):
    """Adds `run_epochs`, which compiled solvers have, to any solver; records the counts."""

    can_run_ahead = True

    def __init__(self, solver):
        super().__init__(solver.problem)
        self.solver, self.counts = solver, []
        self.is_exact, self.can_split_epochs = solver.is_exact, solver.can_split_epochs

    def init(self, state):
        return self.solver.init(state)

    def draw_order(self, rng):
        return self.solver.draw_order(rng)

    def run_epoch(self, *args):
        return self.solver.run_epoch(*args)

    def run_epochs(self, state, orders, rates):
        self.counts.append(len(rates))
        orders = [None] * len(rates) if orders is None else orders
        states, objectives = [], []
        for order, row in zip(orders, rates, strict=True):
            state, _, info = self.solver.run_epoch(state, None, row, order)
            states.append(state)
            objectives.append(info.objective)
        is_finite = np.array([np.isfinite(state.theta).all() for state in states])
        return SimpleNamespace(
            is_finite=is_finite, objectives=np.array(objectives), state=states.__getitem__
        )


def run_ahead(problem, criteria=None, history=None, state=None, **kwargs):
    """Descend with speculative epochs; return how many each time, and the outcome."""
    solver = RunAheadSolver(choose_solver(problem))
    history = History() if history is None else history
    state, criteria = state or initial_state(), criteria or StoppingCriteria()
    return solver.counts, descend(problem, solver, state, criteria, history, **kwargs)


@pytest.fixture
def stochastic(problem, monkeypatch):
    """Stochastic descent, at most 400 epochs of 20 rows and 4 parameters, six run ahead."""
    monkeypatch.setattr(speculative_epochs, "SPECULATIVE_ENTRIES", 6 * 20 * 4)
    return replace(
        problem,
        batch_size=1,
        shuffle=True,
        max_iter=400,
        planned_epochs=400,
        schedule=InverseScaling(0.05),
    )


ENDINGS = {
    "max_iter": ({"max_iter": 50}, None),
    "few": ({"max_iter": 7}, None),
    "plateau": ({}, NoImprovement(1e-3, 5)),
    "plateau at once": ({}, NoImprovement(1e9, 2)),
    "relative plateau": ({}, NoImprovement(1e-2, 3, relative=True)),
    "lower rates": ({"schedule": Adaptive(0.02, minimum=1e-3)}, NoImprovement(1e-2, 2)),
    "in order": ({"shuffle": False, "batch_size": 7}, NoImprovement(1e-4, 5)),
    "no record": ({"record": None}, NoImprovement(1e-3, 5)),
    "average": ({"average": 30, "optimizer": Momentum(0.5)}, NoImprovement(1e-3, 5)),
    "back off": (
        {"schedule": Constant(3.0), "on_divergence": "back_off", "max_iter": 60},
        NoImprovement(1e-3, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_speculative_epochs_equal_single_epochs(ending, stochastic):
    changes, criterion = ENDINGS[ending]
    problem = replace(stochastic, **changes)
    criteria = StoppingCriteria(() if criterion is None else (criterion,))
    counts, several = run_ahead(problem, criteria)
    single = run(problem, criteria=criteria, monitor=SilentMonitor())
    assert counts[0] == min(6, problem.max_iter)
    assert (several.reason, several.n_epochs) == (single.reason, single.n_epochs)
    assert several.state.criterion_states == single.state.criterion_states
    for name in ("theta", "averaged_theta", "optimizer_state", "t", "lr_multiplier"):
        assert_array_equal(getattr(several.state, name), getattr(single.state, name))
    for name in ("divergence_count", "reference_objective"):
        assert getattr(several.state, name) == getattr(single.state, name)
    assert several.state.rng.bit_generator.state == single.state.rng.bit_generator.state
    assert {**several.last_row, "time": 0} == {**single.last_row, "time": 0}
    several, single = several.history.arrays(), single.history.arrays()
    assert list(several) == list(single)
    for name in set(several) - {"time"}:
        assert_array_equal(several[name], single[name])
    assert len(several.get("time", [])) == len(single.get("time", []))
    assert np.all(np.diff(several.get("time", [])) >= 0)


class SilentMonitor:
    """Monitor that asks for nothing; its epochs are run one by one."""

    def begin_epoch(self):
        pass

    def end_epoch(self, row, state):
        return False


@pytest.mark.parametrize("rate", [3.0, 1e3, 1e200])
def test_a_divergence_among_speculative_epochs_raises_the_same_error(rate, stochastic):
    stochastic = replace(stochastic, schedule=Constant(rate))
    with pytest.raises(DivergenceError) as several:
        run_ahead(stochastic)
    with pytest.raises(DivergenceError) as single:
        run(stochastic)
    assert str(several.value.args) == str(single.value.args)  # NaN is not itself


def test_the_number_of_speculative_epochs_grows_with_the_number_completed(stochastic, monkeypatch):
    counts, outcome = run_ahead(stochastic)
    # Six at first, and a quarter of those before when that is more: 4 + 12 // 4 = 7.
    assert counts[:4] == [6, 6, 7, 8]
    assert sum(counts) == outcome.n_epochs == 400
    monkeypatch.setattr(speculative_epochs, "MAX_SPECULATIVE_ROWS", 20 * 5)
    assert set(run_ahead(stochastic)[0]) == {5}


def test_a_later_call_continues_the_counts(stochastic):
    history = History()
    first = run_ahead(replace(stochastic, max_iter=30), history=history)[1]
    run_ahead(replace(stochastic, max_iter=20), history=history, state=first.state)
    whole = run(replace(stochastic, max_iter=50)).history.arrays()
    for name, column in history.arrays().items():
        if name != "time":
            assert_array_equal(column, whole[name])
    assert np.all(np.diff(history.arrays()["time"]) >= 0)


def test_an_epoch_after_which_the_rate_is_lowered_is_run_alone_once(stochastic):
    # After each stall the rate is lowered, and the next epochs are run ahead again.
    stochastic = replace(stochastic, schedule=Adaptive(0.02, minimum=1e-4))
    counts, outcome = run_ahead(stochastic, StoppingCriteria((NoImprovement(1e9, 2),)))
    rates = outcome.history.arrays()["learning_rate"][1:]
    assert len(counts) == len(np.unique(rates)) > 2


class OwnSchedule(Schedule):
    def rate(self, t, fit_info):
        return 0.01 + 0 * t


@pytest.mark.parametrize(
    "schedule",
    [
        FromCallable(lambda t: 0.01),
        OwnSchedule(),
        Join((Constant(0.01), FromCallable(lambda t: 0.01)), (2,)),
        Join((OwnSchedule(), Constant(0.01)), (2,)),
    ],
    ids=["function", "class", "function inside", "class inside"],
)
def test_schedules_of_users_are_not_evaluated_ahead(schedule, stochastic):
    stochastic = replace(stochastic, schedule=schedule, max_iter=5)
    assert run_ahead(stochastic)[0] == []
    assert run_ahead(replace(stochastic, schedule=Join((Constant(0.01), Constant(0.02)), (2,))))[0]


@pytest.mark.parametrize("record", ["objective", "path"])
def test_epochs_that_are_recorded_exactly_are_not_run_ahead(record, stochastic):
    assert run_ahead(replace(stochastic, max_iter=5, record=record))[0] == []


def test_full_batches_are_not_run_ahead(stochastic):
    problem = replace(stochastic, max_iter=5, batch_size=None)
    solver = choose_solver(problem)
    assert solver.can_run_ahead is False
    assert not SpeculativeEpochs(problem, solver, StoppingCriteria(), False).is_possible
    with_gradient = StoppingCriteria((GradientNorm(tol=1e-9, reference=1.0),))
    assert run_ahead(problem, with_gradient)[0] == []


def test_epochs_that_are_scored_or_monitored_are_not_run_ahead(stochastic):
    problem = replace(stochastic, max_iter=5)
    assert run_ahead(problem, monitor=SilentMonitor())[0] == []
    assert run_ahead(problem, StoppingCriteria(validate=lambda theta: 0.0))[0] == []
    assert run_ahead(replace(problem, max_iter=1))[0] == []
