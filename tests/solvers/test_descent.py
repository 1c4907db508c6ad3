"""The descent loop, one seam above the kernels: epochs, states, exits."""

import copy
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.data.second_moments import SecondMoments
from skgd.losses import SquaredError
from skgd.objectives import Objective, QuadraticModel
from skgd.optimizers import GD, ConjugateGradient, Momentum
from skgd.schedules import (
    Adaptive,
    Constant,
    ExponentialDecay,
    FromCallable,
    InverseScaling,
    Join,
    Schedule,
)
from skgd.solvers import choice
from skgd.solvers import descent as engine
from skgd.solvers.descent import LR_BACKOFF_FACTOR, MIN_RELATIVE_LR, _Descent, descend
from skgd.solvers.history import History
from skgd.solvers.problem import DivergedError, Problem, State
from skgd.solvers.problem import StoppingCriteria as Exits  # pytest would collect it
from skgd.solvers.stopping import GradientNorm, NoImprovement, StopReason
from skgd.step_rules import LineSearch


@pytest.fixture
def problem(small):
    X, y = small
    objective = Objective(
        design=Design(X, FeatureScaling.identity(3), True),
        y=y,
        weights=None,
        loss=SquaredError(),
        l1=np.zeros(4),
        l2=np.zeros(4),
    )
    return Problem(
        objective=objective,
        model=objective,
        optimizer=GD(),
        schedule=Constant(0.1),
        batch_size=None,
        max_iter=3,
        planned_epochs=3,
    )


def begin():
    return State.initial(np.zeros(4), np.random.default_rng(0))


def run(problem, state=None, tests=None, **kwargs):
    return descend(problem, state or begin(), tests or Exits(), History(), **kwargs)


@pytest.mark.parametrize(("batch_size", "updates"), [(None, 1), (20, 1), (7, 3), (1, 20)])
def test_updates_are_counted(batch_size, updates, problem):
    problem = replace(problem, batch_size=batch_size)
    assert problem.updates_per_epoch == updates
    outcome = run(problem)
    assert (outcome.state.t, outcome.epochs) == (1 + 3 * updates, 3)
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
    for name in ("theta", "mean", "optimizer_state", "t"):
        assert_array_equal(getattr(halves, name), getattr(whole, name))


def test_the_state_that_is_given_is_not_changed(problem):
    state = begin()
    run(replace(problem, batch_size=7, average=1), state)
    for array in (
        state.theta,
        state.mean,
        *state.optimizer_state,
        state.l1_total,
        state.l1_applied,
    ):
        assert_array_equal(array, 0)
    assert state.t == 1


def test_full_batch_descent_is_the_formula(problem, small):
    rows, theta = np.column_stack([small[0], np.ones(20)]), np.zeros(4)
    for _ in range(3):
        theta = theta - 0.1 * rows.T @ (rows @ theta - small[1]) / 20
    assert_allclose(run(problem).state.theta, theta, rtol=1e-13)


def test_a_small_gradient_ends_it(problem):
    tests = Exits(gradient=GradientNorm(tol=0.5, reference=1.0))
    outcome = run(replace(problem, max_iter=1000), tests=tests)
    assert outcome.reason is StopReason.CONVERGED
    assert outcome.final["gradient_norm"] <= 0.5 < outcome.history.arrays()["gradient_norm"][-2]


def test_a_score_ends_it_and_the_best_is_kept(problem):
    scores = iter([0.0, 1.0, 3.0, 2.0, 2.5, 9.0])
    tests = Exits(
        plateau=NoImprovement(0.0, 2), validate=lambda theta: next(scores), early_stopping=True
    )
    outcome = run(replace(problem, max_iter=10), tests=tests)
    assert (outcome.reason, outcome.epochs) == (StopReason.EARLY_STOPPING, 4)
    assert_array_equal(outcome.state.theta, run(replace(problem, max_iter=2)).state.theta)


def test_a_stall_lowers_an_adaptive_rate(problem):
    problem = replace(problem, schedule=Adaptive(0.1, factor=10, minimum=0.02), max_iter=10)
    tests = Exits(plateau=NoImprovement(1e9, 1))
    outcome = run(replace(problem, batch_size=20), tests=tests)
    assert outcome.reason is StopReason.CONVERGED
    assert_allclose(outcome.history.arrays()["learning_rate"][1:], [0.1, 0.1, 0.01])


@pytest.mark.parametrize("batch_size", [None, 7])
def test_an_explosion_raises(batch_size, problem):
    problem = replace(problem, schedule=Constant(100.0), batch_size=batch_size, max_iter=50)
    with pytest.raises(DivergedError) as error:
        run(problem)
    assert error.value.rate == 100
    assert error.value.value > 1000 * error.value.start


@pytest.mark.parametrize("batch_size", [None, 7])
def test_an_explosion_is_taken_back(batch_size, problem):
    problem = replace(problem, schedule=Constant(5.0), batch_size=batch_size, max_iter=1000)
    outcome = run(replace(problem, on_divergence="back_off"))
    assert outcome.reason is StopReason.MAX_ITER
    assert outcome.state.scale < 1
    assert problem.objective.value(outcome.state.theta) < problem.objective.value(np.zeros(4))


def test_a_full_batch_goes_back_to_where_its_objective_was_fine(problem):
    # The rate is fine at first, and explodes later.
    schedule = Join((Constant(0.1), Constant(1e9)), (4,))
    problem = replace(problem, planned_epochs=9)
    outcome = run(replace(problem, schedule=schedule, max_iter=5, on_divergence="back_off"))
    good = run(replace(problem, max_iter=4)).state
    assert_array_equal(outcome.state.theta, good.theta)
    assert outcome.state.t == good.t


def test_an_explosion_may_go_on(problem):
    problem = replace(problem, schedule=Constant(5.0), max_iter=20, on_divergence="go_on")
    outcome = run(problem)
    assert (outcome.reason, outcome.epochs) == (StopReason.DIVERGED, 20)
    with pytest.raises(DivergedError):
        run(replace(problem, max_iter=10_000))


class Onlooker:
    """Looks on until the second epoch, then raises or asks for an end."""

    def __init__(self, error=None):
        self.error, self.begun, self.seen = error, 0, []

    def begin(self):
        self.begun += 1

    def end(self, row, state):
        if row["epoch"] == 2 and self.error:
            raise self.error
        self.seen.append((row["epoch"], state.t))
        return row["epoch"] == 2


@pytest.mark.parametrize(("batch_size", "updates"), [(None, 1), (7, 3)])
def test_an_onlooker_sees_each_epoch_and_may_end_the_descent(batch_size, updates, problem):
    onlooker = Onlooker()
    outcome = run(replace(problem, max_iter=10, batch_size=batch_size), watch=onlooker)
    assert (outcome.reason, outcome.epochs) == (StopReason.CALLBACK, 2)
    assert onlooker.begun == 2
    assert onlooker.seen == [(1, 1 + updates), (2, 1 + 2 * updates)]


def test_an_interruption_keeps_the_last_whole_epoch(problem):
    outcome = run(replace(problem, max_iter=10), watch=Onlooker(KeyboardInterrupt))
    assert outcome.reason is StopReason.INTERRUPTED
    assert outcome.epochs == 1
    assert len(outcome.history) == outcome.state.t


# Exits, one by one


def descent(problem, tests=None, **params):
    return _Descent(replace(problem, **params), begin(), tests or Exits(), History(), None)


def test_a_divergence_crosses_processes():
    error = pickle.loads(pickle.dumps(DivergedError(3, 0.1, 1.0, 2e9)))
    assert (error.epoch, error.rate, error.start, error.value) == (3, 0.1, 1.0, 2e9)
    assert error.args == (3, 0.1, 1.0, 2e9)


@pytest.mark.parametrize(("value", "far"), [(1.9, False), (2.0, False), (2.1, True), (1e9, True)])
def test_a_stall_above_twice_the_best_constant_is_no_convergence(value, far, problem):
    stalled = descent(problem, batch_size=7)
    stalled.explosion.reference, stalled.last_value = 1.0, value
    assert stalled.ended_diverged(StopReason.CONVERGED) is far
    assert stalled.ended_diverged(StopReason.MAX_ITER) is False
    stalled.tests.gradient = GradientNorm(tol=0.5, reference=1.0)
    assert stalled.ended_diverged(StopReason.CONVERGED) is False


@pytest.mark.parametrize(
    ("streaming", "count", "far"),
    [(False, 0, False), (False, 1, True), (True, 1, False), (True, 2, True)],
)
def test_one_far_epoch_ends_a_fit_and_two_a_stream(streaming, count, far, problem):
    out = descent(problem, streaming=streaming)
    out.explosion.count = count
    assert out.ended_diverged(StopReason.MAX_ITER) is far


def test_an_explosion_is_measured_by_the_larger_of_start_and_best_constant(problem, small):
    constant = np.var(small[1]) / 2
    start = np.mean(small[1] ** 2) / 2
    assert_allclose(descent(problem).explosion.reference, start)
    near = _Descent(
        problem, State.initial(np.array([0, 0, 0, small[1].mean()]), None), Exits(), History(), None
    )
    assert_allclose(near.explosion.reference, constant)
    went_on = replace(begin(), reference=77.0, explosions=1)
    resumed = _Descent(problem, went_on, Exits(), History(), None)
    assert (resumed.explosion.reference, resumed.explosion.count) == (77.0, 1)
    state = descend(problem, went_on, Exits(), History()).state
    assert (state.reference, state.explosions) == (77.0, 0)


def test_targets_out_of_range_are_told_by_their_precision(problem):
    y = np.full(20, 1e200)
    with pytest.raises(
        ValueError, match=r"not finite at the start: .* float64\. Scale them down\.$"
    ):
        run(replace(problem, objective=replace(problem.objective, y=y), batch_size=7))


def test_a_step_back_goes_to_the_last_good_state_at_a_quarter_of_the_rate(problem):
    # One update an epoch: the running objective is that of where it began.
    problem = replace(
        problem, schedule=Constant(1e4), batch_size=20, on_divergence="back_off", max_iter=3
    )
    outcome = run(problem)
    assert outcome.state.scale == LR_BACKOFF_FACTOR
    assert_array_equal(outcome.state.theta, np.zeros(4))
    assert outcome.state.explosions == 0
    remembered = replace(begin(), memory={"of": "before"})
    taken_back = descend(problem, remembered, Exits(), History())
    assert taken_back.state.memory == {}


@pytest.mark.parametrize("batch_size", [None, 20])
def test_numbers_that_are_not_finite_are_an_explosion_at_once(batch_size, problem):
    problem = replace(problem, schedule=Constant(1e250), batch_size=batch_size)
    with pytest.raises(DivergedError) as error:
        run(replace(problem, max_iter=10))
    assert (error.value.epoch, error.value.rate) == (1 if batch_size is None else 2, 1e250)


def test_the_first_of_equal_scores_is_the_best(problem):
    tests = Exits(plateau=NoImprovement(0.0, 9), validate=lambda theta: 1.0, early_stopping=True)
    state = run(problem, tests=tests).state
    assert_array_equal(state.theta, run(replace(problem, max_iter=1)).state.theta)


def test_without_a_plateau_a_score_ends_nothing(problem):
    tests = Exits(validate=lambda theta: -(theta[0] ** 2), early_stopping=True)
    assert run(problem, tests=tests).reason is StopReason.MAX_ITER


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_a_rate_that_died_out_is_a_small_share_of_the_first(scale, problem):
    problem = replace(problem, schedule=InverseScaling(0.5, power_t=1.0))
    dying = _Descent(problem, replace(begin(), scale=scale), Exits(), History(), None)
    edge = MIN_RELATIVE_LR * scale * 0.5
    assert [bool(dying.lr_vanished(rate)) for rate in (0.99 * edge, edge, 1.01 * edge)] == [
        True,
        False,
        False,
    ]
    searching = descent(problem, schedule=LineSearch())
    assert not searching.lr_vanished(0.0)


def test_a_descent_whose_rate_died_out_has_stalled(problem):
    tests = Exits(gradient=GradientNorm(tol=1e-9, reference=1.0, patience=3))
    dying = replace(problem, schedule=ExponentialDecay(0.1, decay=0.5), max_iter=500)
    assert run(dying, tests=tests).reason is StopReason.STALLED


def test_a_small_gradient_is_no_stall_however_small_the_rate(problem):
    tests = Exits(gradient=GradientNorm(tol=1e9, reference=1.0))
    dying = replace(problem, schedule=ExponentialDecay(0.1, decay=1e-3))
    late = run(dying, replace(begin(), t=4), tests)
    assert late.final["learning_rate"] < MIN_RELATIVE_LR * 0.1
    assert late.reason is StopReason.CONVERGED


def expanding(problem):
    """Return a task on second moments that hold few digits, its objective, and its tests."""
    t = np.linspace(0, 1, 200)
    X, y = np.column_stack([t**k for k in range(1, 7)]), np.exp(t)
    design = Design(X, FeatureScaling(X.mean(axis=0), X.std(axis=0)), True)
    objective = Objective(design, y, None, SquaredError(), np.zeros(7), np.zeros(7))
    model = QuadraticModel.from_second_moments(objective, SecondMoments.of(X, y, None))
    reference = objective.min_subgradient_norm(objective.evaluate(objective.intercept_only()))
    tests = Exits(gradient=GradientNorm(tol=1e-13, reference=reference))
    params = dict(objective=objective, model=model, optimizer=ConjugateGradient())
    return replace(
        problem, **params, schedule=LineSearch(), max_iter=3000, planned_epochs=3000
    ), tests


def test_what_an_expansion_calls_small_is_small_on_the_rows(problem):
    problem, tests = expanding(problem)
    state = State.initial(problem.objective.intercept_only(), np.random.default_rng(0))
    outcome = descend(problem, state, tests, History())
    assert outcome.reason.is_success
    # What is told is the gradient on the rows, and no digit of it can be gained.
    told = problem.objective.min_subgradient_norm(problem.objective.evaluate(outcome.state.theta))
    assert_allclose(outcome.final["gradient_norm"], told, rtol=1e-9)
    alone = replace(problem, model=problem.objective)
    on_rows = descend(alone, state, expanding(problem)[1], History())
    best = alone.objective.min_subgradient_norm(alone.objective.evaluate(on_rows.state.theta))
    assert told <= 10 * max(best, 1e-13 * tests.gradient.reference)


def doubtful(problem, small, last):
    """Return a descent on an expansion, whose gradient was `last` times the one here before."""
    expansion = replace(
        QuadraticModel.from_second_moments(problem.objective, SecondMoments.of(*small, None)),
        accurate=False,
    )
    tests = Exits(gradient=GradientNorm(tol=1e-3, reference=1.0, best_value=3.0, flat=7))
    doubt = descent(problem, tests, model=expansion)
    doubt.state = replace(doubt.state, theta=np.array([0.3, -0.2, 0.1, 0.5]), memory={"a": 1})
    norm = problem.objective.min_subgradient_norm(problem.objective.evaluate(doubt.state.theta))
    doubt.expanded_at = last * norm, begin(), "the point before"
    return doubt, norm


def test_without_an_expansion_there_is_nothing_to_confirm(problem):
    assert descent(problem).verify_on_data() is True


@pytest.mark.parametrize("last", [2.0, 2.5, np.inf])
def test_a_gradient_that_at_least_halved_is_followed_from_a_new_expansion(last, problem, small):
    doubt, norm = doubtful(problem, small, last)
    state = doubt.state
    assert doubt.verify_on_data() is False
    assert doubt.expanded_at[:2] == (norm, state)
    assert_array_equal(doubt.expanded_at[2].gradient, doubt.point.gradient)
    assert_array_equal(doubt.problem.model.anchor.theta, state.theta)
    assert_array_equal(doubt.point.gradient, problem.objective.evaluate(state.theta).gradient)
    assert_array_equal(doubt.state.theta, state.theta)
    assert doubt.state.memory == {}
    assert (doubt.tests.gradient.best_value, doubt.tests.gradient.flat) == (np.inf, 0)


@pytest.mark.parametrize("last", [1.0, 1.5])
def test_a_gradient_that_hardly_fell_is_as_small_as_it_gets(last, problem, small):
    doubt, norm = doubtful(problem, small, last)
    state = doubt.state
    assert doubt.verify_on_data() is True
    assert doubt.final == {"gradient_norm": norm}
    assert doubt.state is state


def test_a_gradient_that_rose_leads_back_to_the_point_before(problem, small):
    doubt, norm = doubtful(problem, small, 0.5)
    _, state, point = doubt.expanded_at
    assert doubt.verify_on_data() is True
    assert (doubt.state, doubt.point) == (state, point)
    assert doubt.final == {"gradient_norm": norm / 2}


@pytest.mark.parametrize(("tol", "asked"), [(1e-3, False), (0, True)])
def test_moments_that_are_accurate_need_no_rows_unless_every_digit_counts(
    tol, asked, problem, small
):
    doubt, norm = doubtful(problem, small, 1.0)
    doubt.problem = replace(doubt.problem, model=replace(doubt.problem.model, accurate=True))
    doubt.tests.gradient.tol = tol
    assert doubt.verify_on_data() is True
    assert (doubt.final.get("gradient_norm") == norm) is asked


def test_a_gradient_that_is_small_on_the_rows_too_is_confirmed(problem, small):
    doubt, norm = doubtful(problem, small, np.inf)
    doubt.tests.gradient.tol = 1.01 * norm
    assert doubt.verify_on_data() is True


def test_a_path_goes_on_in_the_next_call(problem):
    problem = replace(problem, batch_size=7, shuffle=True, record="path")
    whole, history = run(replace(problem, max_iter=6)), History()
    state = begin()
    for _ in range(2):
        state = descend(problem, state, Exits(), history).state
    expected, found = whole.history.path.arrays(), history.path.arrays()
    assert_array_equal(found["update"], np.arange(19))
    for name in expected:
        assert_allclose(found[name], expected[name], rtol=1e-12)
    plain = run(replace(problem, max_iter=6, record="objective"))
    assert_allclose(whole.state.theta, plain.state.theta, rtol=1e-13)
    running = [h.history.arrays()["running_objective"] for h in (whole, plain)]
    assert_allclose(*running, rtol=1e-13)


def test_a_path_keeps_every_kth_update_however_the_epochs_fall(problem):
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


def test_what_is_remembered_is_counted_on_from_the_calls_before(problem):
    history = History()
    state = begin()
    for _ in range(2):
        state = descend(problem, state, Exits(), history).state
    columns = history.arrays()
    assert columns["epoch"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.isnan(columns["learning_rate"][0])
    assert (np.diff(columns["time"]) >= 0).all()
    whole = run(replace(problem, max_iter=6)).history.arrays()
    for name in ("objective", "gradient_norm"):
        assert_allclose(columns[name], whole[name], rtol=1e-13)


def test_nothing_is_remembered_where_none_is_asked_for(problem):
    outcome = run(replace(problem, record=None))
    assert outcome.history.arrays() == {}
    assert outcome.final["epoch"] == 3


def test_the_average_is_what_a_row_describes(problem):
    problem = replace(problem, batch_size=7, average=2, record="objective")
    outcome = run(problem)
    assert_allclose(
        outcome.history.arrays()["objective"][-1], problem.objective.value(outcome.state.mean)
    )
    assert_array_equal(outcome.state.model(2), outcome.state.mean)
    assert_array_equal(outcome.state.model(0), outcome.state.theta)
    late = replace(outcome.state, t=5)
    assert_array_equal(late.model(4), late.mean)
    assert_array_equal(late.model(5), late.theta)


def test_preparing_descents_end_early():
    gradient, plateau = GradientNorm(tol=1e-9, reference=1.0), NoImprovement(1e-6, 5)
    Exits(gradient=gradient).loosen(1e-3)
    Exits(plateau=plateau).loosen(1e-3)
    assert (gradient.tol, plateau.tol, plateau.patience) == (1e-3, 1e-3, 1)
    Exits(gradient=gradient, plateau=NoImprovement(1e-2, 5)).loosen(1e-4)
    assert gradient.tol == 1e-3
    Exits().loosen(1e-3)


def test_an_explosion_in_the_last_epoch_tells_all_that_others_do(problem):
    with pytest.raises(DivergedError) as error:
        run(replace(problem, schedule=Constant(1e4), max_iter=1))
    start = problem.objective.value(np.zeros(4))
    landed = -1e4 * problem.objective.evaluate(np.zeros(4)).gradient
    assert error.value.args == (1, 1e4, start, problem.objective.value(landed))


def test_an_explosion_in_the_last_epoch_is_taken_back(problem):
    outcome = run(replace(problem, schedule=Constant(1e4), max_iter=1, on_divergence="back_off"))
    assert_array_equal(outcome.state.theta, np.zeros(4))
    assert outcome.reason is StopReason.MAX_ITER
    assert outcome.state.reference == problem.objective.value(np.zeros(4))


def test_the_best_average_is_the_one_to_report(problem):
    scores = iter([0.0, 1.0, 3.0, 2.0])
    tests = Exits(validate=lambda theta: next(scores), early_stopping=True)
    problem = replace(problem, batch_size=7, average=1)
    best = run(replace(problem, max_iter=2)).state
    outcome = run(problem, tests=tests)
    assert_array_equal(outcome.state.mean, best.mean)
    assert_array_equal(outcome.state.model(1), best.mean)


def test_a_descent_that_gains_no_more_digits_ends_at_its_precision(problem):
    tests = Exits(gradient=GradientNorm(tol=0.0, reference=1.0, patience=3))
    outcome = run(replace(problem, schedule=Constant(1.0), max_iter=100_000), tests=tests)
    assert outcome.reason is StopReason.PRECISION


# Epochs run ahead


class RunAhead:
    """NumPy's epochs, with what compiled ones have besides: several in one call."""

    def __init__(self, run_epoch):
        self.run_epoch, self.counts = run_epoch, []

    def __call__(self, *args):
        return self.run_epoch(*args)

    def run_epochs(self, state, orders, rates):
        self.counts.append(len(rates))
        orders = [None] * len(rates) if orders is None else orders
        states, running = [], []
        for order, row in zip(orders, rates, strict=True):
            state, value = self.run_epoch(state, order, row)
            states.append(state)
            running.append(value)
        finite = np.array([np.isfinite(state.theta).all() for state in states])
        return SimpleNamespace(finite=finite, running=np.array(running), state=states.__getitem__)


def ran_ahead(problem, tests=None, history=None, state=None, **kwargs):
    """Descend with epochs run ahead; return how many each time, and the outcome."""
    problem = replace(problem)
    ahead = RunAhead(None if problem.batch_size is None else choice.executor(problem))
    problem.__dict__["run_epoch"] = ahead
    history = History() if history is None else history
    return ahead.counts, descend(problem, state or begin(), tests or Exits(), history, **kwargs)


@pytest.fixture
def walk(problem, monkeypatch):
    """Stochastic descent, at most 400 epochs of 20 rows and 4 parameters, six run ahead."""
    monkeypatch.setattr(engine, "SPECULATIVE_ENTRIES", 6 * 20 * 4)
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
def test_epochs_that_are_run_ahead_are_those_run_one_by_one(ending, walk):
    changes, plateau = ENDINGS[ending]
    walk = replace(walk, **changes)
    counts, several = ran_ahead(walk, Exits(plateau=copy.copy(plateau)))
    single = run(walk, tests=Exits(plateau=copy.copy(plateau)))
    assert counts[0] == min(6, walk.max_iter)
    assert (several.reason, several.epochs) == (single.reason, single.epochs)
    for name in ("theta", "mean", "optimizer_state", "t", "scale", "explosions", "reference"):
        assert_array_equal(getattr(several.state, name), getattr(single.state, name))
    assert several.state.rng.bit_generator.state == single.state.rng.bit_generator.state
    assert {**several.final, "time": 0} == {**single.final, "time": 0}
    several, single = several.history.arrays(), single.history.arrays()
    assert list(several) == list(single)
    for name in set(several) - {"time"}:
        assert_array_equal(several[name], single[name])
    assert len(several.get("time", [])) == len(single.get("time", []))
    assert np.all(np.diff(several.get("time", [])) >= 0)


@pytest.mark.parametrize("rate", [3.0, 1e3, 1e200])
def test_an_explosion_among_epochs_run_ahead_is_told_as_if_alone(rate, walk):
    walk = replace(walk, schedule=Constant(rate))
    with pytest.raises(DivergedError) as several:
        ran_ahead(walk)
    with pytest.raises(DivergedError) as single:
        run(walk)
    assert str(several.value.args) == str(single.value.args)  # NaN is not itself


def test_the_longer_nothing_is_decided_the_more_epochs_are_run_ahead(walk, monkeypatch):
    counts, outcome = ran_ahead(walk)
    # Six at first, and a quarter of those before when that is more: 4 + 12 // 4 = 7.
    assert counts[:4] == [6, 6, 7, 8]
    assert sum(counts) == outcome.epochs == 400
    monkeypatch.setattr(engine, "MAX_SPECULATIVE_ROWS", 20 * 5)
    assert set(ran_ahead(walk)[0]) == {5}


def test_a_call_that_goes_on_counts_on(walk):
    history = History()
    first = ran_ahead(replace(walk, max_iter=30), history=history)[1]
    ran_ahead(replace(walk, max_iter=20), history=history, state=first.state)
    whole = run(replace(walk, max_iter=50)).history.arrays()
    for name, column in history.arrays().items():
        if name != "time":
            assert_array_equal(column, whole[name])
    assert np.all(np.diff(history.arrays()["time"]) >= 0)


def test_an_epoch_that_ends_nothing_after_all_is_run_once_by_itself(walk):
    # After each stall the rate is lowered, and the next epochs are run ahead again.
    walk = replace(walk, schedule=Adaptive(0.02, minimum=1e-4))
    counts, outcome = ran_ahead(walk, Exits(plateau=NoImprovement(1e9, 2)))
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
def test_schedules_of_the_users_own_are_not_asked_ahead(schedule, walk):
    walk = replace(walk, schedule=schedule, max_iter=5)
    assert ran_ahead(walk)[0] == []
    assert ran_ahead(replace(walk, schedule=Join((Constant(0.01), Constant(0.02)), (2,))))[0]


@pytest.mark.parametrize(
    "changes",
    [{"record": "objective"}, {"record": "path"}, {"batch_size": None}],
    ids=str,
)
def test_epochs_that_are_looked_at_are_not_run_ahead(changes, walk):
    assert ran_ahead(replace(walk, max_iter=5, **changes))[0] == []


def test_epochs_that_are_scored_or_watched_are_not_run_ahead(walk):
    walk = replace(walk, max_iter=5)
    watch = SimpleNamespace(begin=lambda: None, end=lambda row, state: False)
    assert ran_ahead(walk, watch=watch)[0] == []
    assert ran_ahead(walk, Exits(validate=lambda theta: 0.0))[0] == []
    assert ran_ahead(replace(walk, max_iter=1))[0] == []
