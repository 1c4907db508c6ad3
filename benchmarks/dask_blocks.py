"""Dask on two workers: a fit by sums over blocks, and two ways to walk over them.

Run ``python benchmarks/dask_blocks.py [rows]``, or with ``--threads`` to compare fits on Dask's
threads of this process with fits in memory. The peer of the batch fit is ``dask.array``
computing XᵀX alone, on the same persisted blocks. Walking the blocks one after the other, as the
regressors do, is measured beside averaging the workers' models after every epoch.
"""

import argparse
import statistics
import sys
import time
import warnings
from functools import partial

import dask
import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster, wait

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

FEATURES, BLOCKS, ROUNDS, EPOCHS = 100, 16, 5, 5


def collections(rows, condition=1.0):
    """Return persisted features and targets; the features get scales over that range."""
    state = da.random.RandomState(0)
    scales = np.logspace(0, -np.log10(condition), FEATURES)
    X = state.standard_normal((rows, FEATURES), chunks=(rows // BLOCKS, FEATURES)) * scales
    coef = np.random.default_rng(0).standard_normal(FEATURES)
    y = X @ coef + state.standard_normal(rows, chunks=rows // BLOCKS) + 3
    X, y = dask.persist(X, y)
    wait([X, y])
    return X, y


def timed(function):
    """Return the seconds a function takes, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def batch(rows):
    """Print the batch fit beside XᵀX."""
    X, y = collections(rows)
    tasks = {"XᵀX": lambda: (X.T @ X).compute(), "fit": lambda: BatchGDRegressor().fit(X, y)}
    found = {name: [] for name in tasks}
    for _ in range(ROUNDS + 1):
        for name, task in tasks.items():
            seconds, result = timed(task)
            found[name].append(seconds)
    inside = BatchGDRegressor().fit(X.compute(), y.compute())
    off = np.abs(result.coef_ - inside.coef_).max()
    middle = {name: statistics.median(seconds[1:]) for name, seconds in found.items()}
    print(f"{rows} rows of {FEATURES} float64 features in {BLOCKS} blocks, two workers")
    print(f"  XᵀX {middle['XᵀX']:.2f} s, BatchGDRegressor {middle['fit']:.2f} s:", end=" ")
    print(f"{middle['fit'] / middle['XᵀX']:.2f} (<= 1.5)")
    print(f"  coefficients off those of the fit in memory by {off:.1e} (<= 1e-9)")


def model():
    """Return the regressor whose epochs are compared."""
    return SGDRegressor(eta0=0.01, max_iter=EPOCHS, tol=None, random_state=0)


def walked(X, y):
    """Fit as the regressor does: its state travels from block to block."""
    return model().fit(X, y)


def averaged(X, y):
    """Fit by averaging: each worker makes an epoch on its half of the blocks."""
    halves = np.array_split(np.arange(BLOCKS), 2)
    parts = list(zip(X.to_delayed().ravel(), y.to_delayed().ravel(), strict=True))

    def epoch(own, blocks):
        for rows, targets in blocks:
            own.partial_fit(rows, targets)
        return own

    models = [model() for _ in halves]
    for _ in range(EPOCHS):
        models = dask.compute(
            *(
                dask.delayed(epoch)(own, [parts[i] for i in half])
                for own, half in zip(models, halves, strict=True)
            )
        )
        coef = np.mean([own.coef_ for own in models], axis=0)
        intercept = np.mean([own.intercept_ for own in models], axis=0)
        for own in models:
            own.coef_, own.intercept_ = coef.copy(), intercept.copy()
    return models[0]


def walks(rows):
    """Print the two ways to go over blocks, by the objective that they reach."""
    print(f"SGD, {EPOCHS} epochs, {rows} rows: seconds, and R² short of the best")
    for condition in (1.0, 30.0):
        X, y = collections(rows, condition)
        best = BatchGDRegressor().fit(X, y).score(X, y)
        for name, fit in {"walk": walked, "average": averaged}.items():
            fit(X, y)  # compiles
            seconds, fitted = timed(partial(fit, X, y))
            short = best - fitted.score(X, y)
            print(f"  scales over {condition:4.0f}: {name:8} {seconds:6.2f} s  {short:.2e}")


def threads(rows):
    """Print the time of fits in memory and on blocks in Dask's threads."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, FEATURES // 2))
    y = X @ rng.standard_normal(FEATURES // 2) + rng.standard_normal(rows) + 5
    blocks = [da.from_array(part, chunks=(rows // BLOCKS, *part.shape[1:])) for part in (X, y)]
    models = [
        BatchGDRegressor(),
        BatchGDRegressor("huber", max_iter=5, tol=None),
        MiniBatchGDRegressor(max_iter=3, tol=None),
    ]
    print(f"{rows} rows of {FEATURES // 2} float64 features, in memory and in {BLOCKS} blocks")
    for model in models:
        for name, data in {"memory": (X, y), "Dask": blocks}.items():
            model.fit(*data)  # compiles
            cpu = time.process_time()
            seconds, _ = timed(partial(model.fit, *data))
            cpu = time.process_time() - cpu
            print(f"  {model!s:55} {name:6} {seconds:6.2f} s, CPU {cpu:6.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="?", type=int, default=800_000)
    parser.add_argument("--threads", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.threads:
        threads(options.rows // 2)
        sys.exit()
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        batch(options.rows)
        walks(options.rows // 2)
