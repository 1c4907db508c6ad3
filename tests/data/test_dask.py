"""Dask collections: fits equal those in memory, and no result is larger than a chunk."""

import os

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")
distributed = pytest.importorskip("distributed")

MODELS = [
    BatchGDRegressor(),
    BatchGDRegressor(penalty="l1", alpha=0.05),
    BatchGDRegressor("huber", tol=1e-12),
    BatchGDRegressor(learning_rate=0.1, optimizer="gd", max_iter=3, tol=None),
    SGDRegressor(shuffle=False, eta0=1e-3, max_iter=2, tol=None),
    MiniBatchGDRegressor(learning_rate=0.01, batch_size=25, shuffle=False, max_iter=2, tol=None),
]
#: Has no compiled loop, which every worker would have to compile.
UNCOMPILED = SGDRegressor(
    "epsilon_insensitive", learning_rate="pa1", eta0=0.1, max_iter=2, shuffle=False, tol=None
)
NAMES = list("abcd")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 4)) * [1, 3, 0.5, 2] + [0, 10, -1, 0]
    y = X @ [1.0, -2, 0.5, 3] + 5 + rng.standard_normal(400)
    return X, y, rng.integers(0, 3, 400).astype(float)


@pytest.fixture(scope="module")
def cluster():
    """Two workers in processes of their own."""
    with (
        dask.config.set({"distributed.admin.log-format": "%(message)s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


@pytest.fixture
def synchronous():
    """Dask's synchronous scheduler."""
    with dask.config.set(scheduler="synchronous"):
        yield


def to_frames(X, y, weights):
    """Return X, y and weights as columns of one Dask DataFrame."""
    frame = pd.DataFrame(X, columns=NAMES).assign(y=y, weights=weights)
    frame = dd.from_pandas(frame, npartitions=4)
    return frame[NAMES], frame["y"], frame["weights"]


KINDS = {
    "arrays": lambda *parts: [da.from_array(part, chunks=100) for part in parts],
    "other chunks": lambda X, *others: [
        da.from_array(X, chunks=(100, 3)),
        *(da.from_array(other, chunks=70) for other in others),
    ],
    "frames": to_frames,
    "targets in memory": lambda X, y, weights: [da.from_array(X, chunks=100), y, weights],
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_fit_equals_the_fit_in_memory(model, kind, rows, synchronous):
    X, y, weights = rows
    if isinstance(model, MiniBatchGDRegressor):
        weights = weights * 0 + 1  # rows of weight zero are removed, which changes the batches
    in_memory_model = clone(model).fit(X, y, sample_weight=weights)
    dask_X, dask_y, dask_weights = KINDS[kind](X, y, weights)
    dask_model = clone(model).fit(dask_X, dask_y, sample_weight=dask_weights)
    np.testing.assert_allclose(dask_model.coef_, in_memory_model.coef_, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        dask_model.intercept_, in_memory_model.intercept_, rtol=1e-9, atol=1e-9
    )
    assert dask_model.n_features_in_ == 4
    assert getattr(dask_model, "feature_names_in_", NAMES) == pytest.approx(NAMES)
    predictions = dask_model.predict(dask_X)
    assert dask.is_dask_collection(predictions)
    np.testing.assert_allclose(predictions.compute(), in_memory_model.predict(X), rtol=1e-8)
    score = dask_model.score(dask_X, dask_y, sample_weight=dask_weights)
    assert score == pytest.approx(in_memory_model.score(X, y, sample_weight=weights))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor(max_iter=2)], ids=repr)
def test_several_targets_and_float32(model, rows, synchronous):
    X = rows[0].astype(np.float32)
    y = np.stack([rows[1], -rows[1]], axis=1).astype(np.float32)
    dask_X, dask_y = da.from_array(X, chunks=100), da.from_array(y, chunks=(100, 1))
    model = clone(model).set_params(random_state=0).fit(dask_X, dask_y)
    assert model.coef_.shape == (2, 4)
    assert model.coef_.dtype == model.predict(dask_X).dtype == np.float32
    assert model.predict(dask_X).compute().dtype == np.float32
    assert model.predict(dask_X).shape == (400, 2)
    assert model.score(dask_X, dask_y) == pytest.approx(model.score(X, y), abs=1e-5)


def test_shuffled_epochs_reach_the_score_in_memory(rows, synchronous):
    X, y, _ = rows
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    for model in (SGDRegressor(random_state=0), MiniBatchGDRegressor(random_state=0)):
        fitted = clone(model).fit(da.from_array(X, chunks=100), y)
        assert fitted.score(X, y) == pytest.approx(
            LinearRegression().fit(X, y).score(X, y), abs=1e-3
        )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [*MODELS, MiniBatchGDRegressor(max_iter=2)], ids=repr)
def test_no_result_is_larger_than_a_chunk(model, rows, synchronous):
    sizes = []

    def note(key, result, graph, state, worker):
        sizes.append(getattr(result, "nbytes", 0))

    chunks = [dask.delayed(rows[0][i : i + 20].copy)() for i in range(0, 400, 20)]
    X = da.concatenate([da.from_delayed(chunk, (20, 4), dtype=float) for chunk in chunks])
    y = da.from_array(rows[1], chunks=20)
    with dask.callbacks.Callback(posttask=note):
        clone(model).fit(X, y).score(X, y)
    assert 0 < max(size for size in sizes if size != rows[1].nbytes) <= 20 * 4 * 8


def test_early_stopping_and_validation_rows(rows, synchronous):
    X, y, _ = rows
    dask_X = da.from_array(X, chunks=50)
    model = BatchGDRegressor(early_stopping=True, random_state=0).fit(dask_X, y)
    assert model.stop_reason_ == "early_stopping"
    model = BatchGDRegressor().fit(X, y, X_val=dask_X, y_val=y)
    assert model.history_["validation_score"][-1] == pytest.approx(model.score(X, y))


# Refusals


@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor()], ids=repr)
@pytest.mark.parametrize(
    ("modify", "message"),
    [
        (lambda X, y: (X[X[:, 0] > 0], y), r"unknown chunks.*X.compute_chunk_sizes\(\)"),
        (lambda X, y: (X, y[y > 0]), r"unknown chunks.*y.compute_chunk_sizes\(\)"),
        (lambda X, y: (X, y[:30]), "y has 30 rows; X has 400"),
        (lambda X, y: (da.where(X > 17, np.nan, X), y), r"Chunk \d of the data: X has nan in row"),
        (lambda X, y: (X, da.where(y > 2, np.nan, y)), r"Chunk \d of the data: .*y contains NaN"),
        (lambda X, y: (X.to_dask_dataframe(), y), "partitions"),
        (lambda X, y: (X.to_dask_dataframe(), y.compute()), "column of the same DataFrame"),
        (lambda X, y: (X[:, 0], y), "1 dimensions"),
        (lambda X, y: (X, y.reshape(-1, 1, 1)), "y has 3 dimensions; it must have 1 or 2"),
    ],
)
def test_invalid_collections_are_refused_with_advice(model, modify, message, rows, synchronous):
    X, y, _ = rows
    X, y = da.from_array(X, chunks=100), da.from_array(y, chunks=100)
    model = clone(model).fit(X, y)
    before = model.coef_.copy()
    X, y = modify(X, y)
    if message == "partitions":
        y = y.rechunk(150)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    np.testing.assert_array_equal(model.coef_, before)


def test_an_empty_partition_and_other_columns_are_refused_by_number(rows, synchronous):
    frame = pd.DataFrame(rows[0], columns=NAMES).assign(y=rows[1], number=range(400))
    frame = dd.from_pandas(frame, npartitions=4)
    frame = frame[frame["number"] >= 100]
    with pytest.raises(ValueError, match=r"Chunk 0 of the data: It has no rows. .*repartition"):
        BatchGDRegressor().fit(frame[NAMES], frame["y"])
    parts = [dask.delayed(rows[0][:100]), dask.delayed(rows[0][:100, :3])]
    X = da.concatenate([da.from_delayed(part, (100, 4), dtype=float) for part in parts])
    with pytest.raises(ValueError, match=r"Chunk 1 of the data: X has 3 features"):
        BatchGDRegressor().fit(X, rows[1][:200])


@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor(max_iter=2)], ids=repr)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(400), "sample_weight is zero for every row"),
        (np.append(np.ones(399), -1), r"Chunk 3 of the data: sample_weight .* none of them neg"),
        (np.ones((400, 2)), r"Chunk \d of the data: sample_weight must be one number a row"),
        (np.ones(399), "sample_weight has 399 rows; X has 400"),
        (np.append(np.ones(399), np.nan), r"Chunk 3 of the data: .*sample_weight contains NaN"),
    ],
)
def test_invalid_weights_are_refused(model, weights, message, rows, synchronous):
    X, y = da.from_array(rows[0], chunks=100), da.from_array(rows[1], chunks=100)
    for kind in (np.asarray, lambda array: da.from_array(array, chunks=100)):
        if kind is not np.asarray and len(weights) < 400:
            continue  # the same check and message as for arrays
        with pytest.raises(ValueError, match=message):
            clone(model).fit(X, y, sample_weight=kind(weights))


def test_chunks_with_unequal_numbers_of_rows_are_refused_by_number(rows, synchronous):
    X, y = da.from_array(rows[0], chunks=100), rows[1]
    parts = [dask.delayed(y[:100]), dask.delayed(y[:50])]  # whose metadata declares 100 rows
    y = da.concatenate([da.from_delayed(part, (100,), dtype=float) for part in parts])
    with pytest.raises(ValueError, match=r"Chunk 1 of the data: y has 50 rows; X has 100. Rech"):
        BatchGDRegressor().fit(X[:200], y)


# On workers


def test_a_fit_on_two_workers_equals_the_fit_in_memory(rows, cluster):
    X, y, _ = rows
    dask_X, dask_y = (da.from_array(part, chunks=100).persist() for part in (X, y))
    for model in (BatchGDRegressor(), UNCOMPILED):
        in_memory_model, dask_model = clone(model).fit(X, y), clone(model).fit(dask_X, dask_y)
        np.testing.assert_allclose(dask_model.coef_, in_memory_model.coef_, rtol=1e-9)
        np.testing.assert_allclose(
            dask_model.predict(dask_X).compute(), in_memory_model.predict(X), rtol=1e-9
        )


@pytest.mark.parametrize("model", [BatchGDRegressor(), UNCOMPILED], ids=repr)
def test_a_fit_survives_the_death_of_a_worker(model, rows, cluster, tmp_path):
    X, y, _ = rows
    died = str(tmp_path / f"died-{type(model).__name__}")

    def read(block, block_info=None):
        """Return a chunk; the first worker that reads the third chunk exits."""
        if block_info[0]["chunk-location"][0] == 2:
            try:
                os.close(os.open(died, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return block
            os._exit(1)
        return block

    dask_X = da.from_array(X, chunks=(100, 4)).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    fitted = clone(model).fit(dask_X, y)
    assert os.path.exists(died)
    np.testing.assert_allclose(fitted.coef_, clone(model).fit(X, y).coef_, rtol=1e-9)


def test_a_grid_search_runs_on_workers(rows, cluster):
    X, y, _ = rows
    search = GridSearchCV(BatchGDRegressor(), {"alpha": [0.0, 1.0]}, cv=2)
    local = clone(search).fit(X, y)
    with joblib.parallel_config("dask"):
        distributed_search = clone(search).fit(X, y)
    assert distributed_search.best_params_ == local.best_params_
    np.testing.assert_allclose(
        distributed_search.cv_results_["mean_test_score"], local.cv_results_["mean_test_score"]
    )
