"""Memory maps: the same answers in blocks as in memory, in bounded memory."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.data import MemmapData, chunked, is_chunked_input, memmap, second_moments
from skgd.data.scaling import FeatureScaling
from skgd.data.second_moments import SecondMoments
from skgd.losses import Loss, SquaredError
from skgd.objectives import ChunkedObjective, ObjectiveSpec

BATCH = [
    BatchGDRegressor(),
    BatchGDRegressor(alpha=0.1, fit_intercept=False),
    BatchGDRegressor(penalty="l1", alpha=0.05),
    BatchGDRegressor("huber"),
    BatchGDRegressor("poisson", penalty="l1", alpha=0.01),
    BatchGDRegressor("absolute_error", tol=1e-6),
    BatchGDRegressor(learning_rate=0.1, optimizer="adam", max_iter=20, tol=None),
    BatchGDRegressor(learning_rate=1e-3, standardize=False, max_iter=20, tol=None),
]
UNSHUFFLED = {"shuffle": False, "max_iter": 3, "tol": None}
WALKS = [
    SGDRegressor(**UNSHUFFLED, eta0=1e-3),
    SGDRegressor("huber", penalty="l1", average=True, **UNSHUFFLED),
    SGDRegressor(learning_rate="pa1", loss="epsilon_insensitive", eta0=0.1, **UNSHUFFLED),
    MiniBatchGDRegressor(learning_rate=0.01, batch_size=8, **UNSHUFFLED),
    MiniBatchGDRegressor(learning_rate=0.01, batch_size=8, optimizer="adam", **UNSHUFFLED),
]


@pytest.fixture
def in_blocks(monkeypatch):
    """Make every memory map a large one, of blocks of 2 kB."""
    monkeypatch.setattr(memmap, "LARGE_MAP", 0)
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 2048)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 4)) * [1, 3, 0.5, 2] + [0, 10, -1, 0]
    y = np.abs(X @ [1.0, -2, 0.5, 3] + 60 + rng.standard_normal(500))
    return X, y


def mapped(X, path, mode="r"):
    """Return a memory map of X."""
    np.save(path / "X.npy", X)
    return np.load(path / "X.npy", mmap_mode=mode)


@pytest.mark.parametrize("model", BATCH + WALKS, ids=repr)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_memory_map_gives_the_fit_of_its_rows_in_memory(model, rows, tmp_path, in_blocks):
    X, y = rows
    inside, outside = clone(model).fit(X, y), clone(model).fit(mapped(X, tmp_path), y)
    np.testing.assert_allclose(outside.coef_, inside.coef_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(outside.intercept_, inside.intercept_, rtol=1e-9, atol=1e-9)
    assert outside.n_features_in_ == 4


@pytest.mark.parametrize(
    "model",
    [
        BatchGDRegressor(),
        BatchGDRegressor(penalty="l1", alpha=0.05),
        BatchGDRegressor(optimizer="gd", max_iter=5, tol=None),
        BatchGDRegressor("huber", optimizer="momentum", max_iter=5, tol=None),
    ],
    ids=repr,
)
def test_blocks_too_wide_for_second_moments_are_descended_on_by_rows(
    model, rows, tmp_path, in_blocks, monkeypatch
):
    X, y = rows
    for module in (chunked, second_moments):
        monkeypatch.setattr(module, "MAX_SECOND_MOMENT_FEATURES", 3)
    inside, outside = clone(model).fit(X, y), clone(model).fit(mapped(X, tmp_path), y)
    np.testing.assert_allclose(outside.coef_, inside.coef_, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_weights_and_outputs_are_those_of_rows_in_memory(rows, tmp_path, in_blocks, outputs):
    X, y = rows
    y = np.stack([y, -3 * y], axis=1) if outputs else y
    weights = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    weights[:150] = 0  # whole blocks without weight
    for model in (BatchGDRegressor(), SGDRegressor(shuffle=False, max_iter=2, tol=None)):
        inside = clone(model).fit(X, y, sample_weight=weights)
        outside = clone(model).fit(mapped(X, tmp_path), y, sample_weight=weights)
        np.testing.assert_allclose(outside.coef_, inside.coef_, rtol=1e-9)
        together = outside.score(X, y, sample_weight=weights)
        assert outside.score(mapped(X, tmp_path), y, sample_weight=weights) == pytest.approx(
            together
        )
        np.testing.assert_array_equal(outside.predict(mapped(X, tmp_path)), outside.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_dtype_and_order_is_read(rows, tmp_path, in_blocks, dtype, order):
    X = np.asarray(np.abs(rows[0]) * 10 > 15 if dtype is bool else np.abs(rows[0]) * 10)
    X = np.asarray(X.astype(dtype), order=order)
    y = rows[1].astype(np.float32 if dtype == np.float32 else float)
    inside, outside = BatchGDRegressor().fit(X, y), BatchGDRegressor().fit(mapped(X, tmp_path), y)
    assert outside.coef_.dtype == (np.float32 if dtype == np.float32 else float)
    assert outside.predict(mapped(X, tmp_path)).dtype == outside.coef_.dtype
    np.testing.assert_allclose(outside.coef_, inside.coef_, rtol=1e-4, atol=1e-4)


def test_changes_of_a_private_map_are_seen_and_kept(rows, tmp_path, in_blocks):
    X = mapped(rows[0], tmp_path, mode="c")
    X[:, 0] = 7.0
    model = BatchGDRegressor().fit(X, rows[1])
    assert model.coef_[0] == 0
    assert (X[:, 0] == 7.0).all()


def test_small_maps_and_arrays_in_memory_are_no_blocks(rows, tmp_path):
    assert not is_chunked_input(mapped(rows[0], tmp_path))
    assert not is_chunked_input(rows[0])
    assert not is_chunked_input(rows[0].tolist())


def test_views_of_a_large_map_are_blocks(rows, tmp_path, in_blocks):
    X = mapped(rows[0], tmp_path)
    for view in (X[10:], X[::2], np.asarray(X)[:, 1:], X[::-1]):
        assert is_chunked_input(view)
        y = np.arange(len(view), dtype=float)
        found, expected = BatchGDRegressor().fit(view, y), BatchGDRegressor().fit(view.copy(), y)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-9)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory")
def test_blocks_that_were_read_do_not_stay_in_memory(tmp_path, in_blocks, monkeypatch):
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 2**20)
    X = mapped(np.ones((2**19, 8)), tmp_path)  # 32 MB
    blocks = MemmapData(X, np.ones(len(X)), None)
    most = max(blocks.map_reduce(lambda block: [block.X.sum() * 0 + pages_of_files()]))
    assert most - pages_of_files() < 8 * 2**20


def pages_of_files():
    """Return the bytes of files that are mapped into this process."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssFile:\s+(\d+)", status)[1]) * 1024


def test_an_epoch_visits_every_row_once_by_blocks_in_random_order(rows, tmp_path, in_blocks):
    X, _ = rows
    frame = ObjectiveSpec(
        FeatureScaling.identity(4), True, SquaredError(), np.zeros(5), np.zeros(5)
    )
    objective = ChunkedObjective(MemmapData(X, np.arange(500.0), None), frame)
    order = objective.order(np.random.default_rng(0))
    numbers = [number for number, _ in order]
    assert sorted(numbers) == list(range(len(objective.blocks.lengths)))
    assert numbers != sorted(numbers)
    assert len({seed for _, seed in order}) == len(order)
    seen = objective.blocks.fold(lambda block, state, step: [*state, *block.y], [], order)
    assert sorted(seen) == list(range(500))


@pytest.mark.parametrize("model", [SGDRegressor(), MiniBatchGDRegressor()], ids=repr)
def test_blockwise_shuffling_reaches_what_shuffling_reaches(model, rows, tmp_path, in_blocks):
    X, y = (rows[0] - rows[0].mean(axis=0)) / rows[0].std(axis=0), rows[1]
    model.set_params(random_state=0)
    inside, outside = clone(model).fit(X, y), clone(model).fit(mapped(X, tmp_path), y)
    again = clone(model).fit(mapped(X, tmp_path), y)
    assert outside.score(X, y) == pytest.approx(inside.score(X, y), abs=2e-3)
    np.testing.assert_array_equal(again.coef_, outside.coef_)


@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor()], ids=repr)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_entry_that_is_no_number_is_refused_by_block_and_row(
    model, bad, rows, tmp_path, in_blocks
):
    X, y = rows
    model = clone(model).fit(X, y)
    before = model.coef_.copy()
    X = X.copy()
    X[200, 2] = bad
    with pytest.raises(ValueError, match=r"Chunk 3 of the data: X has (nan|inf) in row 8 "):
        model.fit(mapped(X, tmp_path), y)
    np.testing.assert_array_equal(model.coef_, before)


@dataclass(frozen=True)
class Broken(Loss):
    """A loss that is not a number where the target is 7."""

    def value(self, p, y):
        return np.where(y == 7, np.nan, np.abs(p - y))

    def gradient(self, p, y):
        return np.sign(p - y)


@pytest.mark.parametrize(
    ("model", "target", "message"),
    [
        (BatchGDRegressor("poisson"), -1.0, r"Poisson needs y >= 0 .*y\[200\]=-1"),
        (SGDRegressor("gamma"), 0.0, r"Gamma needs y > 0 .*y\[200\]=0"),
        (BatchGDRegressor(Broken()), 7.0, "Chunk 3 of the data: .*not a number in row 8 "),
    ],
    ids=repr,
)
def test_targets_that_a_loss_does_not_take_are_refused(
    model, target, message, rows, tmp_path, in_blocks
):
    y = rows[1].copy()
    y[200] = target
    with pytest.raises(ValueError, match=message):
        model.fit(mapped(rows[0], tmp_path), y)
    assert not hasattr(model, "coef_")


def test_targets_beyond_the_dtype_of_the_rows_are_refused(rows, tmp_path, in_blocks):
    y = rows[1].copy()
    y[200] = 1e300
    X = mapped(rows[0].astype(np.float32), tmp_path)
    with pytest.raises(ValueError, match="finite as float32"):
        BatchGDRegressor().fit(X, y)


def test_early_stopping_holds_out_blocks(rows, tmp_path, in_blocks, monkeypatch):
    X, y = rows
    model = MiniBatchGDRegressor(early_stopping=True, random_state=0).fit(mapped(X, tmp_path), y)
    assert model.stop_reason_ == "early_stopping"
    assert np.isfinite(model.history_["validation_score"]).all()
    with pytest.raises(ValueError, match="validation_split"):
        model.set_params(validation_split=[1]).fit(mapped(X, tmp_path), y)
    monkeypatch.setattr(memmap, "BLOCK_BYTES", 2**20)
    with pytest.raises(ValueError, match="one block only"):
        model.set_params(validation_split=None).fit(mapped(X, tmp_path), y)


def test_validation_rows_may_be_a_map(rows, tmp_path, in_blocks):
    X, y = rows
    model = BatchGDRegressor().fit(X, y, X_val=mapped(X, tmp_path), y_val=y)
    assert model.history_["validation_score"][-1] == pytest.approx(model.score(X, y))


def test_partial_fit_on_a_map_is_that_of_its_rows(rows, tmp_path, in_blocks):
    X, y = rows
    inside = SGDRegressor(shuffle=False, eta0=1e-4).partial_fit(X, y).partial_fit(X, y)
    outside = SGDRegressor(shuffle=False, eta0=1e-4).partial_fit(mapped(X, tmp_path), y)
    outside.partial_fit(mapped(X, tmp_path), y)
    np.testing.assert_allclose(outside.coef_, inside.coef_, rtol=1e-9)


def test_the_path_of_blocks_has_the_ends_of_the_epochs(rows, tmp_path, in_blocks):
    model = SGDRegressor(record="path", max_iter=3, tol=None, eta0=1e-4, random_state=0)
    model.fit(mapped(rows[0], tmp_path), rows[1])
    assert model.path_["update"].tolist() == [0, 500, 1000, 1500]
    assert model.path_["coef_0"][-1] == model.coef_[0]


# Moments


@pytest.mark.parametrize("outputs", [(), (2,)])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_parts_add_up_to_those_of_all_rows(outputs, weighted):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 5)) + 1e6, rng.standard_normal((300, *outputs)) - 1e3
    weights = rng.random(300) if weighted else None
    parts = [slice(0, 7), slice(7, 200), slice(200, 300)]
    found = chunked.summed(
        [SecondMoments.of(X[p], y[p], weights[p] if weighted else None) for p in parts]
    )
    together = np.column_stack([X, y])
    expected = np.cov(together.T, aweights=weights, ddof=0)
    np.testing.assert_allclose(found.covariance, expected[:5, :5], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.cross.reshape(5, -1), expected[:5, 5:], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.mean, np.average(X, axis=0, weights=weights))


def test_float32_products_are_as_exact_as_float32_coefficients_show():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((50_000, 10)) + np.arange(10) * 100).astype(np.float32)
    y = (X @ rng.standard_normal(10) + rng.standard_normal(50_000)).astype(np.float32)
    blocks = MemmapData(X, y, None)
    gram = blocks.gram()
    assert gram.rounding > 1e-8  # formed at float32
    assert gram.accurate(np.float32)
    exact = SecondMoments.of(X.astype(float), y.astype(float))
    coef = np.linalg.solve(gram.covariance, gram.cross)
    np.testing.assert_allclose(coef, np.linalg.solve(exact.covariance, exact.cross), atol=2e-6)


def test_nearly_dependent_float32_columns_get_products_at_float64(tmp_path, in_blocks):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 5))
    X[:, 1] = X[:, 0] + 1e-3 * X[:, 1]  # condition of the correlations 4e6
    X, y = X.astype(np.float32), X.sum(axis=1).astype(np.float32)
    blocks = MemmapData(mapped(X, tmp_path), y, None)
    assert blocks.gram().rounding < 1e-15
    expected = LinearRegression().fit(X.astype(float), y)
    found = BatchGDRegressor().fit(mapped(X, tmp_path), y)
    assert found.score(X, y) == pytest.approx(expected.score(X, y), abs=1e-9)


def test_products_that_overflow_float32_are_formed_at_float64(tmp_path, in_blocks):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((300, 3)) * 1e25).astype(np.float32)
    y = rng.standard_normal(300).astype(np.float32)
    found = BatchGDRegressor().fit(mapped(X, tmp_path), y)
    expected = BatchGDRegressor().fit(X.astype(float), y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-3)
