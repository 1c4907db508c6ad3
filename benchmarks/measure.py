"""What all benchmarks share: peers measured in one run, in turns, by their medians."""

import os
import platform
import re
import statistics
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import scipy
import sklearn
from threadpoolctl import threadpool_limits

import skgd

#: Threads that BLAS may use, the same for all peers.
THREADS = 1


def in_turns(tasks, rounds, threads=THREADS, clock=time.perf_counter):
    """Return the median seconds and the last result of each task, run in turns.

    Parameters
    ----------
    tasks : dict of callables
        What to measure, by name; each returns what it made.
    rounds : int
        How often each is run. The first round is not counted if there are others: it warms up.
    threads : int or None, default=1
        Threads of BLAS; None leaves it as many as it takes by itself.
    clock : callable, default=time.perf_counter
        Returns seconds. ``time.process_time`` returns those of the processor, which other processes
        on a busy machine change less.

    Returns
    -------
    dict of (float, object)
        Seconds and result by name.
    """
    seconds = {name: [] for name in tasks}
    results = {}
    for _ in range(rounds):
        for name, task in tasks.items():
            with warnings.catch_warnings(), threadpool_limits(threads):
                warnings.simplefilter("ignore")
                start = clock()
                results[name] = task()
                seconds[name].append(clock() - start)
    counted = {name: times[1:] or times for name, times in seconds.items()}
    return {name: (statistics.median(counted[name]), results[name]) for name in tasks}


def machine():
    """Return a line about the machine and the versions."""
    versions = [f"{module.__name__} {module.__version__}" for module in (skgd, sklearn, np, scipy)]
    versions += [f"{name} {version(name)}" for name in ("numba", "torch") if find_spec(name)]
    return (
        f"{processor()}, {os.cpu_count()} cores, {THREADS} BLAS thread, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def processor():
    """Return the name of the processor, where the system tells."""
    cpu = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", cpu.read_text()) if cpu.exists() else []
    return names[0].strip() if names else platform.machine()
