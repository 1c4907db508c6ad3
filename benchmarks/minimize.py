"""What an iteration of skgd.minimize costs above the user's function, beside SciPy's.

Run ``python benchmarks/minimize.py``; it takes about ten seconds. The calls that a descent makes of
the function and its gradient are made again on their own, and their time is taken off. Times are
those of the processor in this thread, so that a busy machine does not count.
"""

import statistics
import time

import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

import skgd
from measure import THREADS, machine

#: The first round warms up and is not counted.
ROUNDS = 12


def rosen(x):
    """Return Rosenbrock's function, with few calls of NumPy."""
    head, bend = 1 - x[:-1], x[1:] - x[:-1] ** 2
    return head.dot(head) + 100 * bend.dot(bend)


def rosen_gradient(x):
    """Return its gradient."""
    bend = 200 * (x[1:] - x[:-1] ** 2)
    gradient = np.zeros_like(x)
    gradient[1:] = bend
    gradient[:-1] -= 2 * bend * x[:-1] + 2 * (1 - x[:-1])
    return gradient


def seconds(task):
    """Return the processor's time, and what the task made."""
    with threadpool_limits(THREADS):
        start = time.thread_time()
        made = task()
        return time.thread_time() - start, made


def calls_of(descent):
    """Return the points at which a descent calls the function, and the gradient."""
    values, gradients = [], []

    def fun(x):
        values.append(x.copy())
        return rosen(x)

    def jac(x):
        gradients.append(x.copy())
        return rosen_gradient(x)

    descent(fun, jac)
    return values, gradients


def replay(values, gradients):
    """Call function and gradient at points."""
    for x in values:
        rosen(x)
    for x in gradients:
        rosen_gradient(x)


def main():
    """Print the table."""
    start = np.full(10, -1.2)
    ours = {
        "default": {},
        "line search, gd": {"optimizer": "gd", "max_iter": 1000},
        "rate 0.001, gd": {"learning_rate": 0.001, "max_iter": 2000},
        "rate 0.0001, momentum": {"learning_rate": 1e-4, "optimizer": "momentum", "max_iter": 2000},
        "rate 0.001, adam": {"learning_rate": 1e-3, "optimizer": "adam", "max_iter": 2000},
    }
    descents = {
        f"skgd {name}": lambda fun, jac, options=options: skgd.minimize(
            fun, start, jac=jac, **options
        )
        for name, options in ours.items()
    } | {
        f"SciPy {method}": lambda fun, jac, method=method: scipy.optimize.minimize(
            fun, start, jac=jac, method=method, options={"gtol": 1e-10}
        )
        for method in ("CG", "BFGS", "L-BFGS-B")
    }
    calls = {name: calls_of(descent) for name, descent in descents.items()}
    above = {name: [] for name in descents}
    results = {}
    for _ in range(ROUNDS):
        for name, descent in descents.items():
            total, results[name] = seconds(lambda descent=descent: descent(rosen, rosen_gradient))
            own, _ = seconds(lambda name=name: replay(*calls[name]))
            above[name].append((total - own) / results[name].nit * 1e6)
    print(machine())
    columns = f"{'us/it':>7} {'least':>7} {'nit':>6} {'nfev':>6} {'njev':>6}  value"
    print(f"{'Rosenbrock, 10 dimensions':28} {columns}")
    for name, result in results.items():
        spent, least = statistics.median(above[name][1:]), min(above[name][1:])
        print(
            f"{name:28} {spent:7.1f} {least:7.1f} {result.nit:6} {result.nfev:6} {result.njev:6}  "
            f"{result.fun:.1e}"
        )


if __name__ == "__main__":
    main()
