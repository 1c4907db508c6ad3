"""What several libraries make of data as it comes: R² with no rate, no scaler and no penalty set.

Run ``python benchmarks/peers.py``. It takes whichever of River, Vowpal Wabbit and PyTorch are
installed (``pip install river vowpalwabbit torch``), and says which are missing. Each fits a linear
model to the same rows by gradient descent, in as many passes, at the library's default rate. The
time is that of the first data set. Behind a ``StandardScaler``, as its users know, scikit-learn's
does well: the last row. Warnings that a library gave stand at the end of its row.
"""

import time
import warnings
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from sklearn import linear_model
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

import skgd
from measure import machine

PASSES = 50

#: Fits of which the fastest counts.
ROUNDS = 4


def data():
    """Return questions by name: well-scaled rows, the same moved and stretched, real ones."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1000, 5))
    y = X @ [1.0, 2.0, 3.0, 0.0, 0.0] + rng.standard_normal(1000)
    return {
        "X": (X, y),
        "X + 100": (X + 100, y),
        "30 X": (30 * X, y),
        "X / 1000": (X / 1000, y),
        "diabetes": load_diabetes(return_X_y=True, scaled=False),
    }


def exact(X, y):
    """Return the predictions of the exact solution."""
    return linear_model.LinearRegression().fit(X, y).predict(X)


def ours(name, **params):
    """Return a function that fits a regressor of skgd and returns its predictions."""
    return lambda X, y: getattr(skgd, name)(**params).fit(X, y).predict(X)


def scikit_learn(X, y):
    """Return the predictions of scikit-learn's SGDRegressor."""
    model = linear_model.SGDRegressor(penalty=None, max_iter=PASSES, tol=None, random_state=0)
    return model.fit(X, y).predict(X)


def river(X, y):
    """Return the predictions of River's linear regression."""
    from river.linear_model import LinearRegression

    model = LinearRegression()
    rows = [dict(enumerate(row)) for row in X.tolist()]
    for _ in range(PASSES):
        for row, target in zip(rows, y.tolist(), strict=True):
            model.learn_one(row, target)
    return np.array([model.predict_one(row) for row in rows])


def vowpal_wabbit(X, y):
    """Return the predictions of Vowpal Wabbit's scikit-learn class."""
    from vowpalwabbit.sklearn import VWRegressor

    return VWRegressor(passes=PASSES, quiet=True).fit(X, y).predict(X)


def torch(X, y):
    """Return the predictions of a linear layer, in batches of 32 at the default rate of its SGD."""
    import torch

    torch.manual_seed(0)
    rows, targets = (torch.tensor(array.tolist()) for array in (X, y))
    model = torch.nn.Linear(X.shape[1], 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)  # what newer versions default to
    for _ in range(PASSES):
        for batch in torch.randperm(len(rows)).split(32):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(rows[batch])[:, 0], targets[batch]).backward()
            optimizer.step()
    return np.array(model(rows)[:, 0].tolist())


PEERS = {
    "exact solution": (exact, "scikit-learn"),
    "BatchGDRegressor": (ours("BatchGDRegressor"), "skgd"),
    "MiniBatchGDRegressor": (
        ours("MiniBatchGDRegressor", max_iter=PASSES, tol=None, random_state=0),
        "skgd",
    ),
    "SGDRegressor": (
        ours(
            "SGDRegressor",
            learning_rate="auto",
            standardize=True,
            penalty=None,
            max_iter=PASSES,
            tol=None,
            random_state=0,
        ),
        "skgd",
    ),
    "SGDRegressor (scikit-learn)": (scikit_learn, "scikit-learn"),
    "River": (river, "river"),
    "Vowpal Wabbit": (vowpal_wabbit, "vowpalwabbit"),
    "PyTorch": (torch, "torch"),
    "StandardScaler, SGDRegressor": (
        lambda X, y: scikit_learn(StandardScaler().fit_transform(X), y),
        "scikit-learn",
    ),
}


def score(fit, X, y):
    """Return R² as a word or a number, and the kinds of what was raised or warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            predictions = np.asarray(fit(X, y), dtype=float)
        except (ValueError, OverflowError) as error:
            return type(error).__name__, set()
    told = {warning.category.__name__ for warning in caught}
    if not np.isfinite(predictions).all():
        return "not finite", told
    r2 = r2_score(y, predictions)
    return (f"{r2:.3f}" if r2 > -100 else f"{r2:.0e}"), told


def milliseconds(fit, X, y):
    """Return the time of the fastest of some fits and predictions."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit(X, y)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main():
    """Print the table."""
    questions = data()
    print(f"{machine()}\nR² on the rows fitted, {PASSES} passes, nothing else set\n")
    print(f"{'':30}" + "".join(f"{name:>12}" for name in questions) + f"{'time':>12}")
    for name, (fit, package) in PEERS.items():
        try:
            title = name if package in ("skgd", "scikit-learn") else f"{name} {version(package)}"
        except PackageNotFoundError:
            print(f"{name:30}  not installed: pip install {package}")
            continue
        found = [score(fit, X, y) for X, y in questions.values()]
        spent = f"{milliseconds(fit, *questions['X']):9.1f} ms"
        told = sorted(set().union(*(told for _, told in found)))
        print(f"{title:30}" + "".join(f"{r2:>12}" for r2, _ in found), spent, *told)


if __name__ == "__main__":
    main()
