"""The triangular solver of blocks of rows gives what updates row by row give."""

from dataclasses import replace

import numpy as np
import pytest

from skgd.solvers.sgd import triangular
from skgd.solvers.sgd.reference import ReferenceSGD
from skgd.solvers.sgd.triangular import TriangularSGD
from skgd.solvers.state import State
from tests.helpers import problems


def make_problem(*, n_outputs=1, weighted=False, d=4, **options):
    """Return a problem of 300 rows, which is not a multiple of the block size."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, d)), rng.normal(size=(300, n_outputs))
    weights = rng.random(300) * (rng.random(300) < 0.8) if weighted else None
    y = y if n_outputs > 1 else y[:, 0]
    options = {"l2": 0.01, "weights": weights, "batch_size": 1} | options
    return problems.make_problem(X, y, **options)


@pytest.mark.parametrize("l2", [0.0, 0.01, 0.3, 1.9])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weighted": True, "average": 1},
        {"n_outputs": 3, "average": 70, "weighted": True},
        {"fit_intercept": False, "average": 299},
        {"d": 2000},
    ],
    ids=str,
)
def test_blocks_of_rows_equal_updates_row_by_row(l2, options, shuffled, monkeypatch):
    monkeypatch.setattr(triangular, "MAX_CHUNK_BLOCKS", 3)  # so that there are several chunks
    problem = make_problem(l2=l2, **options)
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(*problem.objective.y.shape[1:], len(problem.objective.l2)))
    if not problem.objective.design.fit_intercept:
        theta[..., -1] = 0
    order = rng.permutation(300) if shuffled else None
    rates = 0.1 / np.sqrt(np.arange(1.0, 301)) / problem.objective.design.X.shape[1]
    assert TriangularSGD.applies_to(problem)
    state = State.initial(theta, None)
    assert triangular.run_blocks(problem, state, order, rates) is not None
    (ours, _, info), (theirs, _, expected) = (
        solver(problem).run_epoch(state, None, rates, order)
        for solver in (TriangularSGD, ReferenceSGD)
    )
    assert info.objective == pytest.approx(expected.objective, rel=1e-10)
    assert ours.t == theirs.t
    for name in ("theta", "averaged_theta"):
        array = getattr(ours, name)
        assert array.flags.c_contiguous
        np.testing.assert_allclose(array, getattr(theirs, name), rtol=1e-9, atol=1e-10)


def test_the_decay_over_a_chunk_is_bounded():
    assert triangular.count_chunk_blocks(4, 0.0) == triangular.MAX_CHUNK_BLOCKS
    for loss in (5e-3, 1e-2, 0.1, 0.19):
        blocks = triangular.count_chunk_blocks(4, loss)
        left = (1 - loss) ** (triangular.BLOCK_SIZE * np.array([blocks, blocks + 1]))
        assert left[0] >= triangular.MIN_DECAY_PRODUCT > left[1]
    assert triangular.count_chunk_blocks(4, 0.2) == triangular.count_chunk_blocks(4, 1.5) == 0


def test_a_decay_too_strong_for_one_block_is_run_row_by_row():
    problem, state = make_problem(l2=3.0), State.initial(np.zeros(5), None)
    rates = np.full(300, 0.1)
    assert triangular.run_blocks(problem, state, None, rates) is None
    expected, *_ = ReferenceSGD(problem).run_epoch(state, None, rates)
    result, *_ = TriangularSGD(problem).run_epoch(state, None, rates)
    np.testing.assert_array_equal(result.theta, expected.theta)


def test_residuals_that_would_be_clipped_are_run_row_by_row():
    problem = make_problem()
    problem.objective.y[7] = 1e13
    state, rates = State.initial(np.zeros(5), None), np.full(300, 0.01)
    clipped = replace(problem, on_divergence="continue")
    assert triangular.run_blocks(problem, state, None, rates) is not None
    assert triangular.run_blocks(clipped, state, None, rates) is None
    result, _, info = TriangularSGD(clipped).run_epoch(state, None, rates)
    expected, _, expected_info = ReferenceSGD(clipped).run_epoch(state, None, rates)
    np.testing.assert_array_equal(result.theta, expected.theta)
    assert info.objective == expected_info.objective
