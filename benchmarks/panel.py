"""What is reached with nothing set, on a panel of hostile data sets, beside scikit-learn.

Run ``python benchmarks/panel.py``; it takes some minutes. Excess is the mean squared error less
that of least squares, in units of the variance of y.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.linalg import lstsq
from scipy.sparse import issparse
from sklearn import linear_model
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.append(str(Path(__file__).parents[1]))

from measure import in_turns, machine
from panel_data import PANEL
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import Huber
from tests.helpers.certified import PROBLEMS

#: First rates of scikit-learn's grid.
RATES = np.logspace(-5, 0, 10)

#: Epochs that scikit-learn's fits may take, and rows of the panel's members at most in streams.
EPOCHS, STREAMED = 100, 2000


def mini():
    """Return the mini-batch regressor as it is."""
    return MiniBatchGDRegressor(random_state=0)


def single():
    """Return the per-sample regressor without a rate."""
    return SGDRegressor(learning_rate="auto", standardize=True, penalty=None, random_state=0)


def least_squares(X, y):
    """Return the exact predictions, and whether the columns are independent."""
    rows = X.toarray() if issparse(X) else X
    rows = rows - rows.mean(axis=0)
    spread = rows.std(axis=0)
    rows = rows / np.where(spread > 0, spread, 1)
    coef, _, rank, _ = lstsq(rows, y - y.mean(), cond=1e-13)
    return rows @ coef + y.mean(), rank == X.shape[1]


def error(model, X, y):
    """Return the mean squared error."""
    return np.mean((model.predict(X) - y) ** 2)


def excess(model, X, y, least):
    """Return the excess of a model."""
    return (error(model, X, y) - least) / y.var()


def streamed(model, X, y, passes=20):
    """Give a model the rows, block by block."""
    for _ in range(passes):
        for start in range(0, len(y), 50):
            model.partial_fit(X[start : start + 50], y[start : start + 50])
    return model


def accuracy(name, X, y):
    """Print what is reached on a member."""
    best, full_rank = least_squares(X, y)
    least = np.mean((best - y) ** 2)
    batch = BatchGDRegressor().fit(X, y)
    off = np.abs(batch.predict(X) - best).max() / y.std()
    fits = [fit().fit(X, y) for fit in (mini, single)]
    few = slice(0, STREAMED)
    least_few = np.mean((least_squares(X[few], y[few])[0] - y[few]) ** 2)
    stream = excess(streamed(mini(), X[few], y[few]), X[few], y[few], least_few)
    note = "" if full_rank else "  (columns depend on each other)"
    figures = [excess(fit, X, y, least) for fit in fits]
    epochs = [fit.n_iter_ for fit in fits]
    print(
        f"{name:16} {off:9.1e} {excess(batch, X, y, least):9.1e}   {figures[0]:9.1e} {epochs[0]:4d}"
        f"   {figures[1]:9.1e} {epochs[1]:4d}   {stream:9.1e}{note}",
        flush=True,
    )


def until_near(make, X, y, bound):
    """Return epochs and seconds of the shortest fit that is within the bound, or infinity."""
    for epochs in [*range(1, 11), 15, 20, 30, 50, EPOCHS]:
        model = make(epochs)
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
        if error(model, X, y) <= bound:
            return epochs, seconds
    return np.inf, np.inf


def race(name, X, y):
    """Print epochs and seconds until within 1 % of the least objective."""
    least = np.mean((least_squares(X, y)[0] - y) ** 2)
    bound = 1.01 * least + 1e-12 * y.var()

    def theirs(rate):
        return lambda epochs: make_pipeline(
            StandardScaler(with_mean=not issparse(X)),
            linear_model.SGDRegressor(
                penalty=None, eta0=rate, max_iter=epochs, tol=None, random_state=0
            ),
        )

    peer = min(until_near(theirs(rate), X, y, bound) for rate in RATES)
    rivals = {
        "mini-batch": lambda epochs: mini().set_params(max_iter=epochs, tol=None),
        "single rows": lambda epochs: single().set_params(max_iter=epochs, tol=None),
    }
    line = f"{name:16} {peer[0]:5} {1e3 * peer[1]:9.1f} ms"
    for make in rivals.values():
        make(1).fit(X, y)  # compiles
        epochs, seconds = until_near(make, X, y, bound)
        lost = "  " if seconds <= peer[1] else " *"
        line += f"   {epochs:5} {1e3 * seconds:9.1f} ms{lost}"
    print(line, flush=True)


def units():
    """Print the score on diabetes data in other units."""
    X, y = PANEL["diabetes"]()
    for change, rows in {"X": X, "30 X": 30 * X, "X / 1000": X / 1000, "X + 100": X + 100}.items():
        scores = [fit().fit(rows, y).score(rows, y) for fit in (mini, single)]
        print(f"{change:10} {scores[0]:.6f} {scores[1]:.6f}")


def digits():
    """Print the correct digits of certified problems and of raw powers."""
    raw = np.linspace(1, 10, 100)[:, None] ** np.arange(1, 9)
    tasks = {
        name: (*problem.numbers(), np.array(problem.coef), problem.fit_intercept)
        for name, problem in PROBLEMS.items()
    } | {
        f"degree {degree}, raw": (
            raw[:, :degree],
            raw[:, :degree].sum(axis=1) + 1,
            np.ones(degree + 1),
            True,
        )
        for degree in (5, 6, 7, 8)
    }
    for name, (X, y, coef, fit_intercept) in tasks.items():
        correct = []
        for model in (
            BatchGDRegressor(tol=0, fit_intercept=fit_intercept),
            BatchGDRegressor(fit_intercept=fit_intercept),
            linear_model.LinearRegression(fit_intercept=fit_intercept),
        ):
            model.fit(X, y)
            found = np.append(model.intercept_, model.coef_)[-len(coef) :]
            correct.append(-np.log10(max(np.abs(found / coef - 1).max(), 1e-16)))
        print(f"{name:16} {correct[0]:5.1f} {correct[1]:5.1f} {correct[2]:5.1f}")


def speed(n, threads, d=100, rounds=6):
    """Print the time of batch fits beside scikit-learn's, and how far they are apart."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) * np.logspace(-2, 2, d) + 1
    y = X @ (rng.standard_normal(d) / X.std(axis=0)) + rng.standard_normal(n)
    found = in_turns(
        {
            "BatchGDRegressor": lambda: BatchGDRegressor().fit(X, y),
            "Ridge(cholesky)": lambda: linear_model.Ridge(1e-9, solver="cholesky").fit(X, y),
            "LinearRegression": lambda: linear_model.LinearRegression().fit(X, y),
        },
        rounds,
        threads,
    )
    ours, model = found["BatchGDRegressor"]
    best = found["LinearRegression"][1].predict(X)
    off = np.abs(model.predict(X) - best).max() / y.std()
    print(f"n={n:,}, d={d}, {threads or 'all'} BLAS threads: off by {off:.1e} spreads")
    for name, (seconds, _) in found.items():
        print(f"  {name:18} {seconds:8.3f} s  {seconds / ours:6.2f}")


def robust(n, d, rounds=4):
    """Print the time of Huber fits beside scikit-learn's, and the objectives."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    y = X @ rng.standard_normal(d) + rng.standard_t(2, n)
    peer = linear_model.HuberRegressor(alpha=0.0, max_iter=1000).fit(X, y)
    loss = Huber(1.35 * peer.scale_)
    found = in_turns(
        {
            "HuberRegressor": lambda: linear_model.HuberRegressor(alpha=0.0, max_iter=1000).fit(
                X, y
            ),
            "BatchGDRegressor": lambda: BatchGDRegressor(loss).fit(X, y),
        },
        rounds,
    )
    print(f"n={n:,}, d={d}")
    for name, (seconds, model) in found.items():
        ratio = found["HuberRegressor"][0] / seconds
        objective = loss.value(model.predict(X), y).mean()
        print(f"  {name:18} {seconds:8.3f} s  {ratio:6.2f}  objective {objective:.8f}")


def main(sizes):
    """Print all tables."""
    warnings.simplefilter("ignore")
    print(machine())
    print(
        "\nbatch: largest error of a prediction in spreads of y, excess; mini-batch, single rows:"
    )
    print("excess and epochs; a stream of blocks of 50 rows, 20 passes: excess")
    members = {name: make() for name, make in PANEL.items()}
    for name, (X, y) in members.items():
        accuracy(name, X, y)
    print("\nR² on the diabetes data in other units, mini-batch and single rows")
    units()
    print("\ncorrect digits of the worst coefficient, NIST's problems and raw powers:")
    print("BatchGDRegressor(tol=0), BatchGDRegressor(), LinearRegression()")
    digits()
    print("\nbatch fits; the last column is the time in units of ours")
    for n in sizes:
        for threads in (1, None):
            speed(n, threads)
    print("\nHuber fits; the last but one column is the speed in units of theirs")
    for n, d in [(20_000, 20), (20_000, 100), (100_000, 100)]:
        robust(n, d)
    print("\nuntil within 1 % of the least error: scikit-learn's SGDRegressor behind a scaler,")
    print("best of 10 rates; mini-batch; single rows (* is slower)")
    for name, (X, y) in members.items():
        race(name, X, y)


if __name__ == "__main__":
    main([int(float(size)) for size in sys.argv[1:]] or [100_000])
