"""Rows in blocks lead where the same rows lead one by one."""

from dataclasses import replace

import numpy as np
import pytest

from skgd import losses, optimizers
from skgd.data.design import Design
from skgd.data.scaling import FeatureScaling
from skgd.objectives import Objective
from skgd.schedules import Constant
from skgd.solvers.problem import Problem, State
from skgd.solvers.sgd import reference, triangular


def make_problem(*, l2=0.01, weighted=False, n_outputs=1, average=0, fit_intercept=True, d=4):
    """A task of 300 rows, which are no whole blocks."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, d)), rng.normal(size=(300, n_outputs))
    objective = Objective(
        design=Design(X, FeatureScaling.identity(d), fit_intercept),
        y=y if n_outputs > 1 else y[:, 0],
        weights=rng.random(300) * (rng.random(300) < 0.8) if weighted else None,
        loss=losses.SquaredError(),
        l1=np.zeros(d + 1),
        l2=np.append(np.full(d, l2), 0),
    )
    return Problem(objective, optimizers.GD(), Constant(0.1), 1, 1, 1, average=average)


@pytest.mark.parametrize("l2", [0.0, 0.01, 0.3, 1.9])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    "manner",
    [
        {},
        {"weighted": True, "average": 1},
        {"n_outputs": 3, "average": 70, "weighted": True},
        {"fit_intercept": False, "average": 299},
        {"d": 2000},
    ],
    ids=str,
)
def test_blocks_equal_single_updates(l2, manner, shuffled, monkeypatch):
    monkeypatch.setattr(triangular, "BLOCKS", 3)  # so that there are several chunks
    problem = make_problem(l2=l2, **manner)
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(*problem.objective.y.shape[1:], len(problem.objective.l2)))
    if not problem.objective.design.fit_intercept:
        theta[..., -1] = 0
    order = rng.permutation(300) if shuffled else None
    rates = 0.1 / np.sqrt(np.arange(1.0, 301)) / problem.objective.design.X.shape[1]
    assert triangular.applies(problem, rates)
    state = State.initial(theta, None)
    (ours, value), (theirs, expected) = (
        module.run_epoch(problem, state, order, rates) for module in (triangular, reference)
    )
    assert value == pytest.approx(expected, rel=1e-10)
    assert ours.t == theirs.t
    for name in ("theta", "mean"):
        found = getattr(ours, name)
        assert found.flags.c_contiguous
        np.testing.assert_allclose(found, getattr(theirs, name), rtol=1e-9, atol=1e-10)


def test_chunks_are_limited_by_the_total_decay():
    assert triangular.blocks_together(4, 0.0) == triangular.BLOCKS
    for loss in (5e-3, 1e-2, 0.1, 0.19):
        blocks = triangular.blocks_together(4, loss)
        left = (1 - loss) ** (triangular.BLOCK * np.array([blocks, blocks + 1]))
        assert left[0] >= triangular.SMALLEST_DECAY > left[1]
    assert triangular.blocks_together(4, 0.2) == triangular.blocks_together(4, 1.5) == 0
    problem = make_problem(l2=3.0)
    assert not triangular.applies(problem, np.full(300, 0.1))


def test_blocks_are_declined_where_gradients_would_be_clipped():
    problem = make_problem()
    problem.objective.y[7] = 1e13
    state, rates = State.initial(np.zeros(5), None), np.full(300, 0.01)
    assert (
        triangular.run_epoch(replace(problem, on_divergence="raise"), state, None, rates)
        is not None
    )
    assert triangular.run_epoch(replace(problem, on_divergence="go_on"), state, None, rates) is None
