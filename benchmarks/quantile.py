"""A quantile fit on 20,000 rows of 20 features, beside scikit-learn's QuantileRegressor.

Run ``python benchmarks/quantile.py``; it takes a few minutes, nearly all of them for the peer.
"""

import numpy as np
from sklearn.linear_model import QuantileRegressor

from measure import in_turns, machine
from skgd import BatchGDRegressor
from skgd.losses import Quantile

LEVELS = (0.5, 0.9)

#: The first round warms up and is not counted.
ROUNDS = 3


def data(n=20_000, d=20, seed=0):
    """Return features in units of their own, and a target with heavy tails."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-2, 2, d)
    return X, X @ (rng.standard_normal(d) / X.std(axis=0)) + rng.standard_t(2, n)


def report(level, X, y):
    """Print times, their ratio and the objectives reached at one level."""
    tasks = {
        "theirs": lambda: QuantileRegressor(quantile=level, alpha=0.0).fit(X, y),
        "ours": lambda: BatchGDRegressor(loss=Quantile(level)).fit(X, y),
    }
    found = in_turns(tasks, rounds=ROUNDS)
    (theirs, peer), (ours, model) = found["theirs"], found["ours"]
    objectives = [Quantile(level).value(fit.predict(X), y).mean() for fit in (peer, model)]
    print(
        f"{level:5}  {theirs:10.2f} s  {ours:6.2f} s  {theirs / ours:6.1f}  "
        f"{objectives[0]:.8f} {objectives[1]:.8f}"
    )


def main():
    """Print the table."""
    X, y = data()
    print(machine())
    print(f"{'level':>5}  {'scikit-learn':>12}  {'skgd':>8}  {'ratio':>6}  objectives")
    for level in LEVELS:
        report(level, X, y)


if __name__ == "__main__":
    main()
