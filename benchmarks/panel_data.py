"""Data sets on which nothing may have to be tuned: real ones, and synthetic ones meant to hurt.

``PANEL`` maps names to functions without arguments that return X and y.
"""

import numpy as np
from scipy.sparse import random_array
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)


def columns_against_one(load, target):
    """Return the columns of a data set of scikit-learn's, of which one is what is predicted."""
    X = load().data
    return np.delete(X, target, axis=1), X[:, target]


def target_of(X, seed=1, noise=0.5):
    """Return a linear target to which every column contributes alike, with noise."""
    rng = np.random.default_rng(seed)
    spread = X.std(axis=0)
    coef = rng.standard_normal(X.shape[1]) / np.where(spread > 0, spread, 1)
    y = (X - X.mean(axis=0)) @ coef
    return y + noise * y.std() * rng.standard_normal(len(X))


def normal(n, d, seed=0):
    """Return independent normal columns."""
    return np.random.default_rng(seed).standard_normal((n, d))


def scales():
    """Columns between 1e-6 and 1e6."""
    X = normal(1000, 12) * np.logspace(-6, 6, 12)
    return X, target_of(X)


def offsets():
    """Columns with offsets of 1e4 spreads, and a target with one."""
    X = normal(1000, 8) + 1e4 * np.linspace(-1, 1, 8)
    return X, target_of(X) + 1e4


def scales_and_offsets():
    """Both at once."""
    X = (normal(2000, 10) + 1e3) * np.logspace(-6, 6, 10)
    return X, target_of(X)


def correlated(condition=1e6):
    """Rotated columns whose covariance has a condition of 1e6."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((15, 15)))[0]
    factors = normal(2000, 15) * np.sqrt(np.logspace(0, -np.log10(condition), 15))
    X = factors @ rotation
    y = factors @ (rng.standard_normal(15) / factors.std(axis=0))
    return X, y + 0.5 * y.std() * rng.standard_normal(len(y))


def log_normal():
    """Columns with heavy tails."""
    X = np.exp(1.5 * normal(2000, 10))
    return X, target_of(X)


def heavy_noise():
    """A target with outliers: Student's t of two degrees of freedom."""
    X = normal(2000, 10)
    return X, target_of(X, noise=0) + 3 * np.random.default_rng(2).standard_t(2, 2000)


def one_huge_row():
    """A row a thousand times the others."""
    X = normal(500, 5)
    y = target_of(X)
    X[17] *= 1e3
    y[17] *= 1e3
    return X, y


def wide():
    """Fewer rows than columns."""
    X = normal(60, 200)
    return X, target_of(X)


def one_hot():
    """Indicators of two categories of 30 values each, some rare, with their redundancy."""
    rng = np.random.default_rng(0)
    levels = np.minimum(rng.geometric(0.15, (3000, 2)) - 1, 29)
    X = np.concatenate([np.eye(30)[levels[:, 0]], np.eye(30)[levels[:, 1]]], axis=1)
    X = X[:, X.any(axis=0)]
    return X, X @ rng.standard_normal(X.shape[1]) + rng.standard_normal(3000)


def duplicated():
    """Columns that stand there twice, in other units, and nearly constant ones."""
    X = normal(1000, 5)
    nearly = 1 + 1e-5 * normal(1000, 2, seed=3)
    return np.concatenate([X, 1e3 * X[:, :3], nearly, np.ones((1000, 1))], axis=1), target_of(X)


def tiny():
    """Twenty rows."""
    X = normal(20, 5) * [1, 10, 100, 1e3, 1e4]
    return X, target_of(X)


def polynomial(degree=5):
    """Raw powers of one variable."""
    x = np.linspace(1, 10, 300)
    X = x[:, None] ** np.arange(1, degree + 1)
    return X, np.sin(x) + 0.1 * normal(300, 1)[:, 0]


def sorted_rows():
    """Rows in the order of y, a thousand of each kind."""
    X = normal(3000, 6)
    X[:, 0] *= 100
    y = target_of(X)
    order = np.argsort(y)
    return X[order], y[order]


def large():
    """Many rows in units of their own."""
    X = normal(50_000, 20) * np.logspace(-2, 2, 20) + 5
    return X, target_of(X)


def sparse():
    """Sparse rows of wild column scales."""
    X = random_array((3000, 100), density=0.05, rng=np.random.default_rng(0), format="csr")
    X = (X * np.logspace(-3, 3, 100)).tocsr()
    rng = np.random.default_rng(1)
    y = X @ (rng.standard_normal(100) / np.logspace(-3, 3, 100))
    return X, y + 0.3 * y.std() * rng.standard_normal(3000)


PANEL = {
    "diabetes": lambda: load_diabetes(return_X_y=True, scaled=False),
    "linnerud": lambda: (load_linnerud().data, load_linnerud().target[:, 0]),
    "iris": lambda: columns_against_one(load_iris, 3),
    "wine": lambda: columns_against_one(load_wine, 0),
    "breast cancer": lambda: columns_against_one(load_breast_cancer, 29),
    "digits": lambda: load_digits(return_X_y=True),
    "scales": scales,
    "offsets": offsets,
    "scales, offsets": scales_and_offsets,
    "correlated 1e6": correlated,
    "log-normal": log_normal,
    "heavy noise": heavy_noise,
    "one huge row": one_huge_row,
    "n < d": wide,
    "one-hot": one_hot,
    "duplicated": duplicated,
    "n = 20": tiny,
    "polynomial": polynomial,
    "sorted": sorted_rows,
    "large": large,
    "sparse": sparse,
}
