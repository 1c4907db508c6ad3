"""Limits of the threads of BLAS, which are a property of the process."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier, Event

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from skgd import BatchGDRegressor, MiniBatchGDRegressor
from skgd._utils import threads
from skgd._utils.threads import map_reduce_in_threads, single_blas_thread
from skgd.losses import SquaredError


def blas_threads():
    """Return the numbers of threads of the BLAS libraries that threadpoolctl knows; {1} if none."""
    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    return {info["num_threads"] for info in libraries} or {1}


@pytest.fixture(autouse=True)
def before():
    """Check that BLAS has as many threads after the test as before; return the number."""
    before = blas_threads()
    yield before
    assert blas_threads() == before


def test_blocks_may_be_nested(before):
    for _ in range(2):
        with single_blas_thread():
            with single_blas_thread():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_an_error_restores_the_threads(before):
    def fail():
        assert blas_threads() == {1}
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError), single_blas_thread():
            fail()
        assert blas_threads() == before


def test_blocks_that_overlap_in_two_threads_restore_the_threads(before):
    """The first block ends before the second."""
    first_begun, second_begun, first_ended = Event(), Event(), Event()

    def first():
        with single_blas_thread():
            assert blas_threads() == {1}
            first_begun.set()
            assert second_begun.wait(10)
        first_ended.set()

    def second():
        assert first_begun.wait(10)
        with single_blas_thread():
            assert blas_threads() == {1}
            second_begun.set()
            assert first_ended.wait(10)

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(first), pool.submit(second)]:
            future.result()
        assert blas_threads() == before
        with single_blas_thread():  # the two threads are still alive
            assert blas_threads() == {1}


def test_concurrent_sums_restore_the_threads(monkeypatch, before):
    # All of them see several threads of BLAS before the first one limits it.
    monkeypatch.setattr(threads, "count_blas_threads", lambda: 2)
    barrier = Barrier(8)

    def work(number):
        barrier.wait(10)
        return map_reduce_in_threads(lambda item: item**2, range(20 + number), sum)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            assert list(pool.map(work, range(8))) == [
                sum(item**2 for item in range(20 + number)) for number in range(8)
            ]
            assert blas_threads() == before


def test_concurrent_fits_of_large_data_restore_the_threads(before):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50_000, 20))
    y = X @ rng.normal(size=20) + rng.normal(size=50_000)
    expected = BatchGDRegressor().fit(X, y).coef_
    with ThreadPoolExecutor(8) as pool:
        fits = list(pool.map(lambda _: BatchGDRegressor().fit(X, y), range(16)))
    assert blas_threads() == before
    for fit in fits:
        np.testing.assert_allclose(fit.coef_, expected, rtol=1e-9)


# Dask

seen = []


@dataclass(frozen=True)
class Watched(SquaredError):
    """Squared error that records the threads of BLAS whenever its gradient is computed."""

    quadratic = False

    def gradient(self, p, y):
        seen.append(blas_threads())
        return super().gradient(p, y)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor])
def test_chunks_of_dask_use_one_thread_of_blas_each(Regressor, method, scheduler, on_numpy, before):
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = X @ [1.0, 2.0, 3.0]
    model = Regressor(Watched(), learning_rate=0.1, max_iter=2, tol=None)
    if Regressor is MiniBatchGDRegressor:
        model.set_params(batch_size=100)
    dX, dy = da.from_array(X, chunks=100), da.from_array(y, chunks=100)
    with dask.config.set(scheduler=scheduler):
        getattr(model, method)(dX, dy)
        count = len(seen)
        seen.clear()
        getattr(model, method)(dX, dy)
        # Only the check of the loss at the start of `fit` is no task.
        assert count >= len(seen) >= 4
        assert seen.count({1}) >= len(seen) - 2
        predictions = model.predict(dX)
        assert blas_threads() == before
        np.testing.assert_allclose(predictions.compute(), model.predict(X), rtol=1e-12)


def test_an_error_in_a_chunk_of_dask_restores_the_threads(before):
    da = pytest.importorskip("dask.array")
    X, y = np.ones((400, 3)), np.ones(400)
    X[250] = np.nan
    with pytest.raises(ValueError, match="Chunk 2"):
        BatchGDRegressor().fit(da.from_array(X, chunks=100), da.from_array(y, chunks=100))
    assert blas_threads() == before
