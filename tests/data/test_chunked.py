"""Memory maps: fits equal those in memory, chunks are released, errors name the chunk."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.data import chunked, in_memory, map_reduce, memmap
from skgd.data.dispatch import is_chunked_input
from skgd.data.memmap import MemmapData
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
EPOCHS = [
    SGDRegressor(**UNSHUFFLED, eta0=1e-3),
    SGDRegressor("huber", penalty="l1", average=True, **UNSHUFFLED),
    SGDRegressor(learning_rate="pa1", loss="epsilon_insensitive", eta0=0.1, **UNSHUFFLED),
    MiniBatchGDRegressor(learning_rate=0.01, batch_size=8, **UNSHUFFLED),
    MiniBatchGDRegressor(learning_rate=0.01, batch_size=8, optimizer="adam", **UNSHUFFLED),
]


@pytest.fixture
def small_chunks(monkeypatch):
    """Read every memory map in chunks of 2 kB."""
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    monkeypatch.setattr(memmap, "CHUNK_BYTES", 2048)


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


@pytest.mark.parametrize("model", BATCH + EPOCHS, ids=repr)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_on_a_memory_map_equals_the_fit_in_memory(model, rows, tmp_path, small_chunks):
    X, y = rows
    in_memory_model, mapped_model = clone(model).fit(X, y), clone(model).fit(mapped(X, tmp_path), y)
    np.testing.assert_allclose(mapped_model.coef_, in_memory_model.coef_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        mapped_model.intercept_, in_memory_model.intercept_, rtol=1e-9, atol=1e-9
    )
    assert mapped_model.n_features_in_ == 4


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
def test_chunks_too_wide_for_second_moments_are_fitted_by_passes_over_rows(
    model, rows, tmp_path, small_chunks, monkeypatch
):
    X, y = rows
    for module in (chunked, in_memory):
        monkeypatch.setattr(module, "MAX_SECOND_MOMENT_FEATURES", 3)
    in_memory_model, mapped_model = clone(model).fit(X, y), clone(model).fit(mapped(X, tmp_path), y)
    np.testing.assert_allclose(mapped_model.coef_, in_memory_model.coef_, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("outputs", [(), (2,)])
def test_weighted_fits_and_several_outputs_equal_those_in_memory(
    rows, tmp_path, small_chunks, outputs
):
    X, y = rows
    y = np.stack([y, -3 * y], axis=1) if outputs else y
    weights = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    weights[:150] = 0  # chunks without weight
    for model in (BatchGDRegressor(), SGDRegressor(shuffle=False, max_iter=2, tol=None)):
        in_memory_model = clone(model).fit(X, y, sample_weight=weights)
        mapped_model = clone(model).fit(mapped(X, tmp_path), y, sample_weight=weights)
        np.testing.assert_allclose(mapped_model.coef_, in_memory_model.coef_, rtol=1e-9)
        expected = mapped_model.score(X, y, sample_weight=weights)
        assert mapped_model.score(mapped(X, tmp_path), y, sample_weight=weights) == pytest.approx(
            expected
        )
        np.testing.assert_array_equal(
            mapped_model.predict(mapped(X, tmp_path)), mapped_model.predict(X)
        )


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_dtype_and_order_is_read(rows, tmp_path, small_chunks, dtype, order):
    X = np.asarray(np.abs(rows[0]) * 10 > 15 if dtype is bool else np.abs(rows[0]) * 10)
    X = np.asarray(X.astype(dtype), order=order)
    y = rows[1].astype(np.float32 if dtype == np.float32 else float)
    in_memory_model, mapped_model = (
        BatchGDRegressor().fit(X, y),
        BatchGDRegressor().fit(mapped(X, tmp_path), y),
    )
    assert mapped_model.coef_.dtype == (np.float32 if dtype == np.float32 else float)
    assert mapped_model.predict(mapped(X, tmp_path)).dtype == mapped_model.coef_.dtype
    np.testing.assert_allclose(mapped_model.coef_, in_memory_model.coef_, rtol=1e-4, atol=1e-4)


def test_changes_of_a_private_map_are_seen_and_kept(rows, tmp_path, small_chunks):
    X = mapped(rows[0], tmp_path, mode="c")
    X[:, 0] = 7.0
    model = BatchGDRegressor().fit(X, rows[1])
    assert model.coef_[0] == 0
    assert (X[:, 0] == 7.0).all()


def test_small_maps_and_arrays_in_memory_are_not_chunked(rows, tmp_path):
    assert not is_chunked_input(mapped(rows[0], tmp_path))
    assert not is_chunked_input(rows[0])
    assert not is_chunked_input(rows[0].tolist())


def test_views_of_a_large_map_are_chunked(rows, tmp_path, small_chunks):
    X = mapped(rows[0], tmp_path)
    for view in (X[10:], X[::2], np.asarray(X)[:, 1:], X[::-1]):
        assert is_chunked_input(view)
        y = np.arange(len(view), dtype=float)
        model, expected = BatchGDRegressor().fit(view, y), BatchGDRegressor().fit(view.copy(), y)
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory use from /proc")
def test_pages_of_processed_chunks_are_released(tmp_path, small_chunks, monkeypatch):
    monkeypatch.setattr(memmap, "CHUNK_BYTES", 2**20)
    X = mapped(np.ones((2**19, 8)), tmp_path)  # 32 MB
    data = MemmapData(X, np.ones(len(X)), None)
    peak = max(data.map_reduce(lambda chunk: [chunk.X.sum() * 0 + file_backed_bytes()]))
    assert peak - file_backed_bytes() < 8 * 2**20


def file_backed_bytes():
    """Return the resident bytes of this process that are backed by files."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssFile:\s+(\d+)", status)[1]) * 1024


def test_an_epoch_processes_every_row_once_with_chunks_in_random_order(
    rows, tmp_path, small_chunks
):
    X, _ = rows
    spec = ObjectiveSpec(FeatureScaling.identity(4), True, SquaredError(), np.zeros(5), np.zeros(5))
    objective = ChunkedObjective(MemmapData(X, np.arange(500.0), None), spec)
    order = objective.shuffle_chunks(np.random.default_rng(0))
    numbers = [number for number, _ in order]
    assert sorted(numbers) == list(range(len(objective.data.chunk_lengths)))
    assert numbers != sorted(numbers)
    assert len({seed for _, seed in order}) == len(order)
    seen = objective.data.fold(lambda chunk, state, step: [*state, *chunk.y], [], order)
    assert sorted(seen) == list(range(500))


@pytest.mark.parametrize("model", [SGDRegressor(), MiniBatchGDRegressor()], ids=repr)
def test_shuffling_within_chunks_reaches_the_same_score(model, rows, tmp_path, small_chunks):
    X, y = (rows[0] - rows[0].mean(axis=0)) / rows[0].std(axis=0), rows[1]
    model.set_params(random_state=0)
    in_memory_model, mapped_model = clone(model).fit(X, y), clone(model).fit(mapped(X, tmp_path), y)
    again = clone(model).fit(mapped(X, tmp_path), y)
    assert mapped_model.score(X, y) == pytest.approx(in_memory_model.score(X, y), abs=2e-3)
    np.testing.assert_array_equal(again.coef_, mapped_model.coef_)


@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor()], ids=repr)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nonfinite_entry_is_refused_with_chunk_and_row(model, bad, rows, tmp_path, small_chunks):
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
def test_targets_outside_the_domain_of_the_loss_are_refused(
    model, target, message, rows, tmp_path, small_chunks
):
    y = rows[1].copy()
    y[200] = target
    with pytest.raises(ValueError, match=message):
        model.fit(mapped(rows[0], tmp_path), y)
    assert not hasattr(model, "coef_")


def test_targets_beyond_the_dtype_of_the_rows_are_refused(rows, tmp_path, small_chunks):
    y = rows[1].copy()
    y[200] = 1e300
    X = mapped(rows[0].astype(np.float32), tmp_path)
    with pytest.raises(ValueError, match="finite as float32"):
        BatchGDRegressor().fit(X, y)


def test_early_stopping_holds_out_chunks(rows, tmp_path, small_chunks, monkeypatch):
    X, y = rows
    model = MiniBatchGDRegressor(early_stopping=True, random_state=0).fit(mapped(X, tmp_path), y)
    assert model.stop_reason_ == "early_stopping"
    assert np.isfinite(model.history_["validation_score"]).all()
    with pytest.raises(ValueError, match="validation_split"):
        model.set_params(validation_split=[1]).fit(mapped(X, tmp_path), y)
    monkeypatch.setattr(memmap, "CHUNK_BYTES", 2**20)
    with pytest.raises(ValueError, match="only one chunk"):
        model.set_params(validation_split=None).fit(mapped(X, tmp_path), y)


def test_validation_rows_may_be_a_map(rows, tmp_path, small_chunks):
    X, y = rows
    model = BatchGDRegressor().fit(X, y, X_val=mapped(X, tmp_path), y_val=y)
    assert model.history_["validation_score"][-1] == pytest.approx(model.score(X, y))


def test_partial_fit_on_a_map_equals_partial_fit_in_memory(rows, tmp_path, small_chunks):
    X, y = rows
    in_memory_model = SGDRegressor(shuffle=False, eta0=1e-4).partial_fit(X, y).partial_fit(X, y)
    mapped_model = SGDRegressor(shuffle=False, eta0=1e-4).partial_fit(mapped(X, tmp_path), y)
    mapped_model.partial_fit(mapped(X, tmp_path), y)
    np.testing.assert_allclose(mapped_model.coef_, in_memory_model.coef_, rtol=1e-9)


def test_the_path_has_a_row_per_epoch(rows, tmp_path, small_chunks):
    model = SGDRegressor(record="path", max_iter=3, tol=None, eta0=1e-4, random_state=0)
    model.fit(mapped(rows[0], tmp_path), rows[1])
    assert model.path_["update"].tolist() == [0, 500, 1000, 1500]
    assert model.path_["coef_0"][-1] == model.coef_[0]


# Moments


@pytest.mark.parametrize("outputs", [(), (2,)])
@pytest.mark.parametrize("weighted", [False, True])
def test_second_moments_of_parts_add_up_to_those_of_all_rows(outputs, weighted):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 5)) + 1e6, rng.standard_normal((300, *outputs)) - 1e3
    weights = rng.random(300) if weighted else None
    parts = [slice(0, 7), slice(7, 200), slice(200, 300)]
    total = map_reduce.add_results(
        [SecondMoments.from_rows(X[p], y[p], weights[p] if weighted else None) for p in parts]
    )
    columns = np.column_stack([X, y])
    expected = np.cov(columns.T, aweights=weights, ddof=0)
    np.testing.assert_allclose(total.covariance, expected[:5, :5], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(total.cross.reshape(5, -1), expected[:5, 5:], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(total.mean, np.average(X, axis=0, weights=weights))


def test_float32_products_are_accurate_enough_for_float32_coefficients():
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((50_000, 10)) + np.arange(10) * 100).astype(np.float32)
    y = (X @ rng.standard_normal(10) + rng.standard_normal(50_000)).astype(np.float32)
    moments = MemmapData(X, y, None).compute_second_moments()
    assert moments.rounding > 1e-8  # formed at float32
    assert moments.is_accurate_for(np.float32)
    exact = SecondMoments.from_rows(X.astype(float), y.astype(float))
    coef = np.linalg.solve(moments.covariance, moments.cross)
    np.testing.assert_allclose(coef, np.linalg.solve(exact.covariance, exact.cross), atol=2e-6)


def test_products_of_nearly_collinear_float32_features_are_formed_at_float64(
    tmp_path, small_chunks
):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 5))
    X[:, 1] = X[:, 0] + 1e-3 * X[:, 1]  # condition of the correlations 4e6
    X, y = X.astype(np.float32), X.sum(axis=1).astype(np.float32)
    data = MemmapData(mapped(X, tmp_path), y, None)
    assert data.compute_second_moments().rounding < 1e-15
    expected = LinearRegression().fit(X.astype(float), y)
    model = BatchGDRegressor().fit(mapped(X, tmp_path), y)
    assert model.score(X, y) == pytest.approx(expected.score(X, y), abs=1e-9)


def test_products_that_overflow_float32_are_formed_at_float64(tmp_path, small_chunks):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((300, 3)) * 1e25).astype(np.float32)
    y = rng.standard_normal(300).astype(np.float32)
    model = BatchGDRegressor().fit(mapped(X, tmp_path), y)
    expected = BatchGDRegressor().fit(X.astype(float), y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-3)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "poisson"])
@pytest.mark.parametrize("penalty", [None, "l2", "l1"])
@pytest.mark.usefixtures("small_chunks")
def test_automatic_small_batches_reach_on_chunks_what_full_batches_reach_in_memory(
    loss, penalty, rows, tmp_path
):
    X, y = rows
    params = {"penalty": penalty, "alpha": 0.01 if penalty else 0.0, "tol": 1e-10}
    expected = BatchGDRegressor(loss, **params).fit(X, y)
    for model in (
        MiniBatchGDRegressor(loss, **params),
        SGDRegressor(loss, learning_rate="auto", standardize=True, **params),
    ):
        model.fit(mapped(X, tmp_path), y)
        assert model.converged_
        np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=1e-6)
        objective = model.history_["objective"]
        if loss != "absolute_error":  # whose smooth approximations increase with each stage
            assert (np.diff(objective) <= 4e-16 * objective[0]).all()


@pytest.mark.usefixtures("small_chunks")
def test_a_newton_step_on_chunks_takes_two_passes(rows, tmp_path, monkeypatch):
    X, y = rows
    passes, map_reduce = [], MemmapData.map_reduce

    def count(self, function, *args):
        passes.append(args[3].__name__ if len(args) > 3 else function.__name__)
        return map_reduce(self, function, *args)

    monkeypatch.setattr(MemmapData, "map_reduce", count)
    model = BatchGDRegressor("huber", epsilon=1.0).fit(mapped(X, tmp_path), y)
    assert passes.count("hessians_at") == model.n_iter_ + 1  # one before the first step
    # Only the first step, from the constant model, needs a line search.
    assert passes[-2 * (model.n_iter_ - 1) :] == ["gradient_and_value", "hessians_at"] * (
        model.n_iter_ - 1
    )
    passes.clear()
    assert BatchGDRegressor().fit(mapped(X, tmp_path), y).n_iter_ == len(passes) == 1
