"""Whole fits beside scikit-learn's and PyTorch's, with Numba and without it.

Run ``python benchmarks/speed.py``, or with words that a row's name contains, such as
``python benchmarks/speed.py "d = 100" CSR``. A ratio is the peer's time over ours. Peer and both
executors run in turns in one process, on the same data, for the same epochs; the objective that
each of them reached stands beside its time.
"""

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from measure import in_turns, machine
from skgd._utils import numba_support

try:
    import torch
except ImportError:
    torch = None

#: How often each fit is run; the first does not count.
ROUNDS = 6


@dataclass
class Row:
    """A comparison: the same problem, given to a peer and to us.

    Parameters
    ----------
    name : str
        The case.
    data : callable
        Returns X and y.
    peer, ours : callables
        Take X and y, return a fitted model.
    objective : callable
        Takes X, y and a model; what the fit minimises, or another number to compare.
    peer_name : str
        Whose fit it is.
    """

    name: str
    data: object
    peer: object
    ours: object
    objective: object = field(default=None)
    peer_name: str = "scikit-learn"


@contextmanager
def numpy_only():
    """Let fits run as if Numba was not installed."""
    compiles, numba_support.has_numba = numba_support.has_numba, lambda: False
    try:
        yield
    finally:
        numba_support.has_numba = compiles


def dense(n, d, dtype=float):
    """Return rows of normal features, and noisy linear targets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = X @ rng.normal(size=d) / np.sqrt(d) + 0.1 * rng.normal(size=n)
    return X.astype(dtype), y.astype(dtype)


def stored(n, d, per_row):
    """Return sparse rows with the same number of entries each, and targets."""
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, d, size=(n, per_row)), axis=1)
    entries = rng.normal(size=n * per_row)
    X = sparse.csr_matrix(
        (entries, columns.ravel(), np.arange(0, n * per_row + 1, per_row)), (n, d)
    )
    X.sum_duplicates()
    return X, X @ rng.normal(size=d) / np.sqrt(per_row) + 0.1 * rng.normal(size=n)


def objective_of(alpha, l1_ratio, X, y, model):
    """Return half the mean squared error plus the penalty."""
    coef = np.ravel(model.coef_).astype(float)
    penalty = alpha * (l1_ratio * np.abs(coef).sum() + (1 - l1_ratio) * coef @ coef / 2)
    return np.mean((X @ coef + np.ravel(model.intercept_)[0] - y) ** 2) / 2 + penalty


def fit(model, X, y):
    return clone(model).fit(X, y)


def sgd_row(name, data, epochs, penalty="l2"):
    params = dict(penalty=penalty, max_iter=epochs, tol=None, random_state=0, eta0=0.001)
    return Row(
        name,
        data,
        partial(fit, linear_model.SGDRegressor(**params)),
        partial(fit, skgd.SGDRegressor(**params)),
        partial(objective_of, 1e-4, float(penalty == "l1")),
    )


def rule_row(name, data):
    """A step rule, which chooses each step from its row."""
    params = dict(
        loss="epsilon_insensitive",
        learning_rate="pa1",
        eta0=0.01,
        max_iter=5,
        tol=None,
        random_state=0,
    )
    return Row(
        name,
        data,
        partial(fit, linear_model.SGDRegressor(**params)),
        partial(fit, skgd.SGDRegressor(**params)),
        lambda X, y, model: np.mean(np.maximum(np.abs(model.predict(X) - y) - model.epsilon, 0)),
    )


def mini_batch_row(size, peer, peer_name, epochs=3):
    ours = skgd.MiniBatchGDRegressor(
        batch_size=size,
        learning_rate=0.01,
        standardize=False,
        max_iter=epochs,
        tol=None,
        random_state=0,
    )
    return Row(
        f"mini-batch of {size}, d = 20",
        partial(dense, 50_000, 20),
        partial(peer, size, epochs),
        partial(fit, ours),
        partial(objective_of, 0.0, 0.0),
        peer_name,
    )


def multilayer(size, epochs, X, y):
    """A linear model by MLPRegressor, which has no other way to mini-batches."""
    model = MLPRegressor(
        hidden_layer_sizes=(),
        solver="sgd",
        batch_size=size,
        learning_rate_init=0.01,
        momentum=0.0,
        alpha=0.0,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs + 1,
        random_state=0,
    ).fit(X, y)
    model.coef_, model.intercept_ = model.coefs_[0], model.intercepts_[0]
    return model


@dataclass
class Linear:
    """What a loop of one's own leads to."""

    coef_: np.ndarray
    intercept_: np.ndarray
    n_iter_: int


def torch_loop(size, epochs, X, y):
    """The loop that people write."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    layer = torch.nn.Linear(X.shape[1], 1, dtype=inputs.dtype)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(size):
            optimizer.zero_grad()
            loss = 0.5 * torch.nn.functional.mse_loss(layer(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
    weight, bias = (part.detach().numpy() for part in (layer.weight, layer.bias))
    return Linear(weight, bias, epochs)


def search(model, X, y):
    """Twenty rates by five folds."""
    pipe = make_pipeline(StandardScaler(), model)
    name = pipe.steps[-1][0]
    return GridSearchCV(pipe, {f"{name}__eta0": np.geomspace(1e-4, 0.05, 20)}, cv=5).fit(X, y)


def search_row():
    params = dict(max_iter=1000, tol=1e-3, random_state=0)
    return Row(
        "GridSearchCV on diabetes, 20 rates × 5 folds",
        partial(load_diabetes, return_X_y=True),
        partial(search, linear_model.SGDRegressor(**params)),
        partial(search, skgd.SGDRegressor(**params)),
        lambda X, y, model: model.best_score_,
    )


def tiny_row():
    params = dict(max_iter=5, tol=None, random_state=0)
    return Row(
        "20 rows, d = 3: what a fit costs",
        partial(dense, 20, 3),
        lambda X, y: [fit(linear_model.SGDRegressor(**params), X, y) for _ in range(50)][-1],
        lambda X, y: [fit(skgd.SGDRegressor(**params), X, y) for _ in range(50)][-1],
        partial(objective_of, 1e-4, 0.0),
    )


SIZES = {5: 200_000, 20: 100_000, 100: 50_000, 1000: 20_000}

ROWS = [
    *(sgd_row(f"SGD, d = {d}", partial(dense, n, d), 5) for d, n in SIZES.items()),
    *(
        sgd_row(f"SGD, float32, d = {d}", partial(dense, SIZES[d], d, np.float32), 5)
        for d in (100, 1000)
    ),
    *(sgd_row(f"SGD, l1, d = {d}", partial(dense, SIZES[d], d), 5, "l1") for d in (20, 100)),
    *(
        sgd_row(f"SGD, CSR, {penalty}", partial(stored, 100_000, 20_000, 50), 5, penalty)
        for penalty in ("l2", "l1")
    ),
    rule_row("SGD, pa1, d = 20", partial(dense, SIZES[20], 20)),
    rule_row("SGD, pa1, CSR", partial(stored, 100_000, 20_000, 50)),
    *(mini_batch_row(size, multilayer, "MLPRegressor") for size in (32, 256)),
    *(mini_batch_row(size, torch_loop, "PyTorch") for size in (32, 256)),
    search_row(),
    tiny_row(),
]


def without_numba(run, X, y):
    with numpy_only():
        return run(X, y)


def measured(row):
    """Return the cells of a row."""
    X, y = row.data()
    tasks = {"peer": partial(row.peer, X, y)}
    if numba_support.has_numba():
        tasks["numba"] = partial(row.ours, X, y)
    found = in_turns(tasks, ROUNDS)
    # Some of these take a hundred times as long: once is enough to see it.
    found |= in_turns({"numpy": partial(without_numba, row.ours, X, y)}, 1)
    cells = [f"{row.name}", row.peer_name, f"{1e3 * found['peer'][0]:.1f}"]
    for name in ("numba", "numpy"):
        cells += (
            [f"{1e3 * found[name][0]:.1f}", f"{found['peer'][0] / found[name][0]:.2f}"]
            if name in found
            else ["–", "–"]
        )
    cells.append(" / ".join(f"{row.objective(X, y, model):.5g}" for _, model in found.values()))
    cells.append(" / ".join(str(getattr(model, "n_iter_", "–")) for _, model in found.values()))
    return cells


def bandwidth():
    """Compare an epoch with reading its rows once, in the order in which they stand."""
    X, y = dense(SIZES[1000], 1000)
    weights = np.ones(1000)

    def epochs(number):
        params = dict(max_iter=number, tol=None, random_state=0, eta0=0.001)
        return skgd.SGDRegressor(**params).fit(X, y)

    found = in_turns(
        {"read": lambda: X @ weights, "one": partial(epochs, 1), "six": partial(epochs, 6)}, ROUNDS
    )
    read, one, six = (found[name][0] for name in ("read", "one", "six"))
    epoch = (six - one) / 5
    print(
        f"streaming, d = 1000: reading {X.nbytes / read / 1e9:.1f} GB/s, an epoch in random order "
        f"{X.nbytes / epoch / 1e9:.1f} GB/s, {read / epoch:.0%} of it"
    )


if __name__ == "__main__":
    print(machine())
    for row in ROWS:
        if all(word not in row.name + row.peer_name for word in sys.argv[1:] or [""]):
            continue
        if row.peer_name == "PyTorch" and torch is None:
            print(f"{row.name} | PyTorch | not installed", flush=True)
            continue
        print(" | ".join(measured(row)), flush=True)
    if numba_support.has_numba() and any(word in "streaming" for word in sys.argv[1:] or [""]):
        bandwidth()
