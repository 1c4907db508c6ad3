"""What all benchmarks share: peers measured in one run, in turns, by their medians."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # one thread each, unless the caller says otherwise

import platform
import statistics
import time
import warnings

import numpy as np
import scipy
import sklearn

import skgd


def in_turns(tasks, rounds):
    """Return the median seconds and the last result of each task, run in turns.

    Parameters
    ----------
    tasks : dict of callables
        What to measure, by name; each returns what it made.
    rounds : int
        How often each is run. The first round is not counted if there are others: it warms up.

    Returns
    -------
    dict of (float, object)
        Seconds and result by name.
    """
    seconds = {name: [] for name in tasks}
    results = {}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results[name] = task()
            seconds[name].append(time.perf_counter() - start)
    counted = {name: times[1:] or times for name, times in seconds.items()}
    return {name: (statistics.median(counted[name]), results[name]) for name in tasks}


def machine():
    """Return a line about the machine and the versions."""
    versions = ", ".join(
        f"{module.__name__} {module.__version__}" for module in (skgd, sklearn, np, scipy)
    )
    threads = os.environ["OMP_NUM_THREADS"]
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {threads} BLAS thread(s), "
        f"Python {platform.python_version()}, {versions}"
    )
