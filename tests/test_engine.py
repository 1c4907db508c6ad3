"""The descent loop, one seam above the kernels: epochs, states, exits."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd.designs import Coordinates, Design
from skgd.engine import Diverged, State, Task, descend
from skgd.engine import Tests as Exits  # pytest would collect it
from skgd.history import History
from skgd.losses import SquaredError
from skgd.objectives import Objective
from skgd.optimizers import GD, Momentum
from skgd.schedules import Adaptive, Constant, InverseScaling
from skgd.stopping import GradientTest, Plateau, StopReason


@pytest.fixture
def task(small):
    X, y = small
    objective = Objective(
        design=Design(X, Coordinates.identity(3), True),
        y=y,
        weights=None,
        loss=SquaredError(),
        l1=np.zeros(4),
        l2=np.zeros(4),
    )
    return Task(
        objective=objective,
        model=objective,
        optimizer=GD(),
        schedule=Constant(0.1),
        batch_size=None,
        max_iter=3,
        horizon=3,
    )


def begin():
    return State.at(np.zeros(4), np.random.default_rng(0))


def run(task, state=None, tests=None, **kwargs):
    return descend(task, state or begin(), tests or Exits(), History(), **kwargs)


@pytest.mark.parametrize(("batch_size", "updates"), [(None, 1), (20, 1), (7, 3), (1, 20)])
def test_updates_are_counted(batch_size, updates, task):
    task = replace(task, batch_size=batch_size)
    assert task.updates_per_epoch == updates
    outcome = run(task)
    assert (outcome.state.t, outcome.epochs) == (1 + 3 * updates, 3)
    assert outcome.reason is StopReason.MAX_ITER


@pytest.mark.parametrize("batch_size", [None, 7, 1])
@pytest.mark.parametrize("shuffle", [False, True])
def test_two_calls_are_one_longer_call(batch_size, shuffle, task):
    task = replace(task, batch_size=batch_size, shuffle=shuffle, optimizer=Momentum(0.5), average=2)
    task = replace(task, schedule=InverseScaling(0.05))
    whole = run(replace(task, max_iter=4)).state
    halves = run(replace(task, max_iter=2), run(replace(task, max_iter=2)).state).state
    for name in ("theta", "mean", "first", "t"):
        assert_array_equal(getattr(halves, name), getattr(whole, name))


def test_the_state_that_is_given_is_not_changed(task):
    state = begin()
    run(replace(task, batch_size=7, average=1), state)
    for array in (state.theta, state.mean, state.first, state.second, state.owed, state.paid):
        assert_array_equal(array, 0)
    assert state.t == 1


def test_full_batch_descent_is_the_formula(task, small):
    rows, theta = np.column_stack([small[0], np.ones(20)]), np.zeros(4)
    for _ in range(3):
        theta = theta - 0.1 * rows.T @ (rows @ theta - small[1]) / 20
    assert_allclose(run(task).state.theta, theta, rtol=1e-13)


def test_a_small_gradient_ends_it(task):
    tests = Exits(gradient=GradientTest(tol=0.5, reference=1.0))
    outcome = run(replace(task, max_iter=1000), tests=tests)
    assert outcome.reason is StopReason.CONVERGED
    assert outcome.final["gradient_norm"] <= 0.5 < outcome.history.arrays()["gradient_norm"][-2]


def test_a_score_ends_it_and_the_best_is_kept(task):
    scores = iter([0.0, 1.0, 3.0, 2.0, 2.5, 9.0])
    tests = Exits(plateau=Plateau(0.0, 2), validate=lambda theta: next(scores), early_stopping=True)
    outcome = run(replace(task, max_iter=10), tests=tests)
    assert (outcome.reason, outcome.epochs) == (StopReason.EARLY_STOPPING, 4)
    assert_array_equal(outcome.state.theta, run(replace(task, max_iter=2)).state.theta)


def test_a_stall_lowers_an_adaptive_rate(task):
    task = replace(task, schedule=Adaptive(0.1, factor=10, minimum=0.02), max_iter=10)
    tests = Exits(plateau=Plateau(1e9, 1))
    outcome = run(replace(task, batch_size=20), tests=tests)
    assert outcome.reason is StopReason.CONVERGED
    assert_allclose(outcome.history.arrays()["learning_rate"][1:], [0.1, 0.1, 0.01])


@pytest.mark.parametrize("batch_size", [None, 7])
def test_an_explosion_raises(batch_size, task):
    task = replace(task, schedule=Constant(100.0), batch_size=batch_size, max_iter=50)
    with pytest.raises(Diverged) as error:
        run(task)
    assert error.value.rate == 100
    assert error.value.value > 1000 * error.value.start


@pytest.mark.parametrize("batch_size", [None, 7])
def test_an_explosion_is_taken_back(batch_size, task):
    task = replace(task, schedule=Constant(5.0), batch_size=batch_size, max_iter=1000)
    outcome = run(replace(task, on_divergence="back_off"))
    assert outcome.reason is StopReason.MAX_ITER
    assert outcome.state.scale < 1
    assert task.objective.value(outcome.state.theta) < task.objective.value(np.zeros(4))


def test_an_explosion_may_go_on(task):
    task = replace(task, schedule=Constant(5.0), max_iter=20, on_divergence="go_on")
    outcome = run(task)
    assert (outcome.reason, outcome.epochs) == (StopReason.DIVERGED, 20)
    with pytest.raises(Diverged):
        run(replace(task, max_iter=10_000))


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
def test_an_onlooker_sees_each_epoch_and_may_end_the_descent(batch_size, updates, task):
    onlooker = Onlooker()
    outcome = run(replace(task, max_iter=10, batch_size=batch_size), watch=onlooker)
    assert (outcome.reason, outcome.epochs) == (StopReason.CALLBACK, 2)
    assert onlooker.begun == 2
    assert onlooker.seen == [(1, 1 + updates), (2, 1 + 2 * updates)]


def test_an_interruption_keeps_the_last_whole_epoch(task):
    outcome = run(replace(task, max_iter=10), watch=Onlooker(KeyboardInterrupt))
    assert outcome.reason is StopReason.INTERRUPTED
    assert len(outcome.history) == outcome.state.t
