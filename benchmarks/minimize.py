"""What an iteration of skgd.minimize costs above the user's function, beside SciPy's.

Run ``python benchmarks/minimize.py``; it takes about 15 seconds. Each descent is made once, and
then again with a function that only looks up the answers: what remains is the descent itself, and
about 0.1 us a call. ``us/start`` is a descent of one iteration, ``us/it`` what each further one
adds; ``ms`` is the whole, with the function itself. Times are those of the processor in this
thread, so that a busy machine does not count.
"""

import time

import numpy as np
import scipy.optimize
from threadpoolctl import threadpool_limits

import skgd
from measure import THREADS, machine

#: The first round warms up and is not counted.
ROUNDS, REPEATS = 8, 5

#: Iterations at most.
STEPS = 2000


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
    """Return the processor's time that a task takes, the mean of some in a row."""
    start = time.thread_time()
    for _ in range(REPEATS):
        task()
    return (time.thread_time() - start) / REPEATS


def answers_of(descent):
    """Return what function and gradient answer to a descent, in order, and what it finds."""
    values, gradients = [], []

    def fun(x):
        values.append(float(rosen(x)))
        return values[-1]

    def jac(x):
        gradients.append(rosen_gradient(x))
        return gradients[-1]

    return values, gradients, descent(fun, jac)


def again(descent, values, gradients):
    """Descend once more, on answers that are known."""
    value, gradient = iter(values).__next__, iter(gradients).__next__
    return descent(lambda x: value(), lambda x: gradient())


def descents():
    """Return functions that descend, given function, gradient and iterations at most, by name."""
    start = np.full(10, -1.2)
    ours = {
        "default": {},
        "3 pairs": {"optimizer": skgd.optimizers.LBFGS(pairs=3)},
        "10 pairs": {"optimizer": skgd.optimizers.LBFGS(pairs=10)},
        "line search, cg": {"optimizer": "cg"},
        "line search, gd": {"optimizer": "gd"},
        "rate 0.001, gd": {"learning_rate": 0.001},
        "rate 0.0001, momentum": {"learning_rate": 1e-4, "optimizer": "momentum"},
        "rate 0.001, adam": {"learning_rate": 1e-3, "optimizer": "adam"},
    }
    theirs = ("CG", "BFGS", "L-BFGS-B")
    return {
        f"skgd {name}": lambda fun, jac, limit, options=options: skgd.minimize(
            fun, start, jac=jac, max_iter=limit, **options
        )
        for name, options in ours.items()
    } | {
        f"SciPy {method}": lambda fun, jac, limit, method=method: scipy.optimize.minimize(
            fun, start, jac=jac, method=method, options={"gtol": 1e-10, "maxiter": limit}
        )
        for method in theirs
    }


def costs_of(descent):
    """Return a function that measures a descent once, and the result of the descent.

    Measured are microseconds to start, microseconds of each further iteration, and milliseconds of
    the whole with the function itself.
    """
    first = answers_of(lambda fun, jac: descent(fun, jac, 1))
    whole = answers_of(lambda fun, jac: descent(fun, jac, STEPS))
    nit = whole[2].nit

    def measure():
        start = seconds(lambda: again(lambda fun, jac: descent(fun, jac, 1), *first[:2]))
        total = seconds(lambda: again(lambda fun, jac: descent(fun, jac, STEPS), *whole[:2]))
        real = seconds(lambda: descent(rosen, rosen_gradient, STEPS))
        return start * 1e6, (total - start) / (nit - 1) * 1e6, real * 1e3

    return measure, whole[2]


def main():
    """Print the table."""
    tasks = {name: costs_of(descent) for name, descent in descents().items()}
    costs = {name: [] for name in tasks}
    with threadpool_limits(THREADS):
        for _ in range(ROUNDS):
            for name, (measure, _) in tasks.items():
                costs[name].append(measure())
    print(machine())
    columns = f"{'us/start':>9} {'us/it':>7} {'nit':>6} {'nfev':>6} {'njev':>6} {'ms':>7}  value"
    print(f"{'Rosenbrock, 10 dimensions':28} {columns}")
    for name, (_, result) in tasks.items():
        start, each, whole = np.median(costs[name][1:], axis=0)
        print(
            f"{name:28} {start:9.0f} {each:7.1f} {result.nit:6} {result.nfev:6} {result.njev:6} "
            f"{whole:7.2f}  {result.fun:.1e}"
        )


if __name__ == "__main__":
    main()
