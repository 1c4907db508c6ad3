"""Data of the benchmark of exactness: 20 kinds, for losses of any number, of counts and of amounts.

``KINDS`` maps names to `Kind`, ``SIZED`` those of the data on which times are measured;
``make(name, target)`` returns X and y.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Standard deviation of the noise; that of the signal is 1.
NOISE = 0.5


@dataclass(frozen=True)
class Kind:
    """A kind of data.

    Parameters
    ----------
    features : callable
        Takes a random generator and returns X.
    scale : float
        Factor of y.
    noise : callable
        Takes a random generator and a number of rows and returns the errors; None means no noise.
    decimals : int or None
        Decimals to which y is rounded, which causes ties.
    copies : int
        How often each row and its y occur.
    dtype : type
        Precision of X and y.
    """

    features: Callable
    scale: float = 1.0
    noise: Callable | None = np.random.Generator.standard_normal
    decimals: int | None = None
    copies: int = 1
    dtype: type = np.float64


def normal(n, d):
    """Return a function that draws independent normal columns."""
    return lambda rng: rng.standard_normal((n, d))


def condition(n, d, number):
    """Return a function that draws rotated columns of that condition number."""

    def features(rng):
        rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
        return rng.standard_normal((n, d)) * np.geomspace(1, 1 / number, d) @ rotation

    return features


def scaled(rng):
    """Columns between 1e-8 and 1e8."""
    return rng.standard_normal((500, 17)) * np.logspace(-8, 8, 17)


def shifted(rng):
    """Columns with offsets of 1e6 standard deviations."""
    return rng.standard_normal((600, 8)) + 1e6 * np.linspace(-1, 1, 8)


def repeated_columns(rng):
    """Columns that occur twice, one of them in other units."""
    X = rng.standard_normal((500, 8))
    return np.hstack([X, X[:, :3], 1000 * X[:, 3:5]])


def categories(rng):
    """Indicators of two categories of 15 values each, some of them rare."""
    levels = np.minimum(rng.geometric(0.3, (1000, 2)) - 1, 14)
    levels[:30] = np.arange(30)[:, None] % 15
    return np.hstack([np.eye(15)[levels[:, 0]], np.eye(15)[levels[:, 1]]])


def huge_row(rng):
    """One row a thousand times as large as the others."""
    X = rng.standard_normal((500, 8))
    X[17] *= 1000
    return X


def nearly_constant(rng):
    """Columns that vary by 1e-5 of their mean, and a constant one."""
    X = rng.standard_normal((800, 8))
    X[:, :3] = 1 + 1e-5 * X[:, :3]
    X[:, 3] = 3
    return X


def blocks(rng):
    """Six blocks of five columns with correlations of 0.9999."""
    common = np.repeat(rng.standard_normal((1000, 6)), 5, axis=1)
    return common + 0.01 * rng.standard_normal((1000, 30))


def heavy_tails(rng):
    """Log-normal columns."""
    return np.exp(1.5 * rng.standard_normal((1000, 10)))


def powers(rng):
    """Powers of one variable."""
    return np.linspace(1, 10, 300)[:, None] ** np.arange(1, 7)


def few_entries(rng):
    """Columns with 5 % of non-zero entries."""
    return rng.standard_normal((1500, 40)) * (rng.random((1500, 40)) < 0.05)


def student(rng, n):
    """Return errors with heavy tails."""
    return rng.standard_t(1.5, n)


KINDS = {
    "condition-1e1": Kind(condition(2000, 60, 1e1)),
    "condition-1e3": Kind(condition(2000, 20, 1e3)),
    "condition-1e6": Kind(condition(1000, 15, 1e6)),
    "scales-1e8": Kind(scaled),
    "offsets-1e6": Kind(shifted),
    "exact-fit": Kind(condition(300, 20, 1e1), noise=None),
    "y-large": Kind(normal(500, 10), scale=2.0**27),
    "y-small": Kind(normal(500, 10), scale=2.0**-27),
    "wide": Kind(normal(40, 60)),
    "repeated-rows": Kind(normal(200, 10), copies=3),
    "repeated-columns": Kind(repeated_columns),
    "categories": Kind(categories),
    "huge-row": Kind(huge_row),
    "nearly-constant": Kind(nearly_constant),
    "ties": Kind(normal(700, 6), decimals=0),
    "blocks": Kind(blocks),
    "float32": Kind(condition(1000, 15, 1e1), dtype=np.float32),
    "heavy-tails": Kind(heavy_tails, noise=student),
    "powers": Kind(powers),
    "few-entries": Kind(few_entries),
}

#: Rows, features and condition numbers at which times are measured.
SIZES = {"small": (500, 10), "medium": (5000, 50), "large": (20_000, 100)}
PATHS = ((500, 60), (5000, 100))
CONDITIONS = (1e1, 1e3)


def sized(n, d, number):
    """Return the name of the data of a size and a condition number."""
    return f"{n}x{d}-condition-{number:.0e}"


SIZED = {
    sized(n, d, number): Kind(condition(n, d, number))
    for n, d in (*SIZES.values(), *PATHS)
    for number in CONDITIONS
}


def signal(rng, X):
    """Return a linear function to which every direction of the columns contributes alike."""
    centred = X - X.mean(axis=0)
    spread = centred.std(axis=0)
    U, sizes, _ = np.linalg.svd(centred / np.where(spread > 0, spread, 1), full_matrices=False)
    U = U[:, sizes > 1e-8 * sizes[0]]
    values = U @ rng.standard_normal(U.shape[1])
    return values / values.std()


def make(name, target):
    """Return X and y.

    Parameters
    ----------
    name : str
        Kind of data, one of `KINDS` or of `SIZED`.
    target : {"number", "count", "amount"}
        Whether y is any number, a count or positive. Means of the latter two are exponentials.
    """
    kinds = KINDS | SIZED
    kind = kinds[name]
    rng = np.random.default_rng([list(kinds).index(name), len(target)])
    X = kind.features(rng).astype(kind.dtype).astype(float)
    linear = signal(rng, X)
    y = 1 + linear if target == "number" else np.exp(0.5 + 0.5 * np.clip(linear, -3, 3))
    if kind.noise:
        y = NOISES[target](rng, y, kind.noise)
    if kind.decimals is not None:
        y = np.round(y, kind.decimals) + (target == "amount")  # not zero
    X, y = np.tile(X, (kind.copies, 1)), np.tile(kind.scale * y, kind.copies)
    return X.astype(kind.dtype), y.astype(kind.dtype)


#: Functions of a random generator, the noiseless y and the noise of a number.
NOISES = {
    "number": lambda rng, mean, noise: mean + NOISE * noise(rng, len(mean)),
    "count": lambda rng, mean, noise: rng.poisson(mean).astype(float),
    "amount": lambda rng, mean, noise: mean * rng.gamma(2, 0.5, len(mean)),
}
