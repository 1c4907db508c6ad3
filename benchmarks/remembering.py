"""What remembering costs, and how long pictures of a million updates take.

Run ``python benchmarks/remembering.py``; it takes some minutes.
"""

import contextlib
import statistics
import time
from functools import partial

import matplotlib
import numpy as np

from measure import in_turns, machine
from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    EarlyStopping,
    MiniBatchGDRegressor,
    ScheduleDisplay,
    SGDRegressor,
    schedules,
)
from skgd.regressors._callbacks import setup_callbacks

matplotlib.use("Agg")
import matplotlib.pyplot as plt

#: The first round warms up and is not counted. Paths of single rows take long, and need fewer.
ROUNDS, PATH_ROUNDS = 60, 6
UPDATES = 1_000_000


def data(n, d=20, seed=0):
    """Return features and a noisy linear target."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X @ rng.standard_normal(d) + rng.standard_normal(n)


def fits(**params):
    """Return the three regressors with a fixed number of epochs, by name."""
    fixed = {"tol": None, **params}
    return {
        "batch": BatchGDRegressor(optimizer="gd", learning_rate=0.1, max_iter=30, **fixed),
        "batch, huber": BatchGDRegressor(
            "huber", optimizer="gd", learning_rate=0.1, max_iter=10, **fixed
        ),
        "mini-batch": MiniBatchGDRegressor(max_iter=3, random_state=0, **fixed),
        "SGD": SGDRegressor(max_iter=10, random_state=0, **fixed),
    }


def remembering(X, y):
    """Print what each kind of record costs, relative to none."""
    print(f"\nrecord=..., {len(X)} rows of {X.shape[1]} features; seconds, then relative to None")
    kinds = [None, "running", "objective", "path"]
    print(f"{'':14}" + "".join(f"{kind!s:>18}" for kind in kinds))
    for name in fits():
        tasks = {kind: partial(fits(record=kind)[name].fit, X, y) for kind in kinds}
        path = {"path": tasks.pop("path")}
        found = in_turns(tasks, rounds=ROUNDS) | in_turns(path, rounds=PATH_ROUNDS)
        least = found[None][0]
        print(
            f"{name:14}" + "".join(f"{found[k][0]:9.4f} {found[k][0] / least:7.1%} " for k in kinds)
        )


def not_looking_on(X, y):
    """Print what it costs a fit that none are set: that this is found out."""
    model = fits()["SGD"].fit(X, y)

    def found_out():
        for _ in range(1000):
            with setup_callbacks(model, X, y, None):
                pass

    seconds = in_turns({"unset": found_out}, rounds=ROUNDS)["unset"][0]
    print(f"\nno callbacks: {1e3 * seconds:.1f} microseconds a fit")


class Nothing:
    """A callback that does nothing, and asks for nothing."""

    def setup(self, estimator, context):
        """Do nothing."""

    teardown = on_fit_task_begin = on_fit_task_end = setup


def looking_on(X, y):
    """Print what callbacks cost, on few rows, where it shows most."""
    print(f"\ncallbacks, {len(X)} rows of {X.shape[1]} features; microseconds an epoch")
    print(f"{'':14}{'unset':>10}{'one':>10}{'EarlyStopping':>15}")
    for name, model in fits().items():
        watched = fits()[name].set_callbacks(Nothing())
        stopping = fits()[name].set_callbacks(EarlyStopping(lambda m: m.t_, patience=10_000))
        models = {"unset": model, "one": watched, "stop": stopping}
        tasks = {
            kind: partial(model.set_params(max_iter=200).fit, X, y)
            for kind, model in models.items()
        }
        found = in_turns(tasks, rounds=ROUNDS)
        print(f"{name:14}" + "".join(f"{1e6 * found[kind][0] / 200:10.1f}" for kind in found))


def pictures():
    """Print the seconds in which pictures of a million updates are drawn."""
    rng = np.random.default_rng(0)
    epochs = np.arange(UPDATES + 1)
    history = {
        "epoch": epochs,
        "objective": np.exp(-epochs / 1e5) + 0.01 * rng.random(UPDATES + 1),
        "learning_rate": 1 / (1 + epochs),
    }
    path = np.cumsum(rng.standard_normal((UPDATES, 2)), axis=0) / 300
    X, y = data(UPDATES, d=2)
    models = {
        loss: SGDRegressor(loss, max_iter=1, tol=None, random_state=0, record="path").fit(X, y)
        for loss in ("squared_error", "huber")
    }
    bowl = lambda p: p[0] ** 2 + 10 * p[1] ** 2  # noqa: E731
    tasks = {
        "ConvergenceDisplay": lambda: ConvergenceDisplay.from_history(history),
        "ScheduleDisplay": lambda: ScheduleDisplay.from_schedule(
            schedules.CosineDecay(), max_iter=1000, updates_per_epoch=1000
        ),
        "DescentPathDisplay, points": lambda: DescentPathDisplay.from_function(
            bowl, path, gradient=True
        ),
        "DescentPathDisplay, points, 3-D": lambda: DescentPathDisplay.from_function(
            bowl, path, kind="surface"
        ),
    } | {
        f"DescentPathDisplay, {loss}": lambda model=model: DescentPathDisplay.from_estimator(
            model, X, y
        )
        for loss, model in models.items()
    }
    print(f"\npictures of {UPDATES} updates, computed and rendered; seconds")
    for name, draw in tasks.items():
        seconds = []
        for _ in range(4):
            start = time.perf_counter()
            draw().figure_.canvas.draw()
            seconds.append(time.perf_counter() - start)
            plt.close("all")
        print(f"{name:34}{statistics.median(seconds[1:]):8.2f}")


if __name__ == "__main__":
    print(machine())
    remembering(*data(100_000))
    not_looking_on(*data(200))
    with contextlib.suppress(ImportError):  # scikit-learn < 1.9
        looking_on(*data(200))
    pictures()
