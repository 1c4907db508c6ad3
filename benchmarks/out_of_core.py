"""A memory map larger than one likes to hold: time and memory of fits that read it in blocks.

Run ``python benchmarks/out_of_core.py [rows] [directory]``; 30,000,000 rows of 100 float32
features are 12 GB. The file is made first and deleted at the end. The peer is the least that any
solver has to do: to read the file once and form XᵀX by BLAS, chunk by chunk; once with BLAS's own
threads, once with a thread for each half of the file, and the faster counts. Each measurement is a
process of its own, so that its peak memory is its own; they take turns, and all find the file in
the same cache.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

FEATURES, CHUNK, ROUNDS = 100, 16_384, 3


def make(path, rows):
    """Write features and targets."""
    rng = np.random.default_rng(0)
    coef = rng.standard_normal(FEATURES, dtype=np.float32)
    X = np.lib.format.open_memmap(path / "X.npy", "w+", np.float32, (rows, FEATURES))
    y = np.empty(rows, np.float32)
    for start in range(0, rows, 2**17):
        part = rng.standard_normal((min(2**17, rows - start), FEATURES), dtype=np.float32)
        y[start : start + len(part)] = part @ coef + rng.standard_normal(len(part))
        X[start : start + len(part)] = part + 3
    X.flush()
    np.save(path / "y.npy", y)


def products(X, y):
    """Form XᵀX chunk by chunk."""
    squares = np.zeros((FEATURES, FEATURES))
    for start in range(0, len(X), CHUNK):
        chunk = X[start : start + CHUNK]
        squares += chunk.T @ chunk
    return squares


def products_by_threads(X, y):
    """Form XᵀX chunk by chunk, in a thread for each half of the rows."""
    halves = np.array_split(np.arange(0, len(X), CHUNK), os.cpu_count())

    def half(starts):
        last = min(starts[-1] + CHUNK, len(X))
        return products(X[starts[0] : last], y)

    with threadpool_limits(1), ThreadPoolExecutor() as pool:
        return sum(pool.map(half, halves))


def exact(X, y):
    """Return the least-squares coefficients from products at float64."""
    squares, start = np.zeros((FEATURES + 2,) * 2), 0
    for start in range(0, len(X), CHUNK):
        part = X[start : start + CHUNK].astype(float) - 3
        part = np.column_stack([part, y[start : start + CHUNK], np.ones(len(part))])
        squares += part.T @ part
    squares /= squares[-1, -1]
    squares[:-1, :-1] -= np.outer(squares[-1, :-1], squares[-1, :-1])
    return np.linalg.solve(squares[:-2, :-2], squares[:-2, -2])


def batch(X, y):
    """Fit by moments."""
    from skgd import BatchGDRegressor

    return BatchGDRegressor().fit(X, y).coef_


def epoch(X, y):
    """Make one epoch of single-row updates, the second: the first call compiles."""
    from skgd import SGDRegressor

    warnings.simplefilter("ignore")
    model = SGDRegressor(max_iter=1, tol=None, eta0=1e-4, random_state=0)
    model.fit(X[:1000], y[:1000])
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


def epoch_in_memory(X, y):
    """Make the same epoch on a million rows in memory."""
    rows = min(len(X), 10**6)
    return epoch(np.array(X[:rows]), np.array(y[:rows])) * len(X) / rows


TASKS = {
    task.__name__: task
    for task in (products, products_by_threads, batch, epoch, epoch_in_memory, exact)
}


def child(task, path):
    """Measure one task in this process: print seconds and megabytes of peak memory."""
    import skgd  # noqa: F401  what an interpreter needs does not count

    X = np.load(path / "X.npy", mmap_mode="r")
    y = np.load(path / "y.npy", mmap_mode="r")
    before, start = peak(), time.perf_counter()
    result = TASKS[task](X, y)
    seconds = time.perf_counter() - start
    seconds = result if isinstance(result, float) else seconds
    print(seconds, (peak() - before) / 2**20)
    np.save(path / f"{task}.npy", result)


def peak():
    """Return the peak memory of this process so far, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def measured(task, path):
    """Return seconds and megabytes of a task in a process of its own."""
    command = [sys.executable, __file__, "--child", task, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(part) for part in done.stdout.split()]


def main(rows, directory):
    """Make the file, measure, print."""
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        path = Path(folder)
        make(path, rows)
        print(f"{rows} rows of {FEATURES} float32 features, {rows * FEATURES * 4 / 1e9:.1f} GB,")
        print(f"{os.cpu_count()} cores; median of {ROUNDS} processes in turns")
        found = {name: [] for name in TASKS if name != "exact"}
        for _ in range(ROUNDS):
            for name in found:
                found[name].append(measured(name, path))
                print(f"  {name:20} {found[name][-1][0]:8.2f} s {found[name][-1][1]:8.0f} MB")
        middle = {name: statistics.median(s for s, _ in runs) for name, runs in found.items()}
        memory = {name: max(mb for _, mb in runs) for name, runs in found.items()}
        measured("exact", path)
        off = np.abs(np.load(path / "batch.npy") - np.load(path / "exact.npy")).max()
        peer = min(middle["products"], middle["products_by_threads"])
        print(f"BatchGDRegressor / products: {middle['batch'] / peer:.2f} (<= 1.3)")
        print(f"  peak memory {memory['batch']:.0f} MB (< 1000); coefficients off by {off:.1e}")
        per_row = {name: middle[name] / rows * 1e9 for name in ("epoch", "epoch_in_memory")}
        print(
            f"SGD epoch: {per_row['epoch']:.0f} ns a row, in memory "
            f"{per_row['epoch_in_memory']:.0f}: "
            f"{per_row['epoch'] / per_row['epoch_in_memory']:.2f} (<= 2); "
            f"peak memory {memory['epoch']:.0f} MB"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]))
    else:
        parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
        parser.add_argument("rows", nargs="?", type=int, default=3_000_000)
        parser.add_argument("directory", nargs="?", default=None)
        options = parser.parse_args()
        main(options.rows, options.directory)
