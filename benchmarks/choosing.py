"""When gradient descent, and when not: scikit-learn's exact models and ours on the same questions.

Run ``python benchmarks/choosing.py``, which takes a minute or two, or with words that a question's
name contains, such as ``python benchmarks/choosing.py large lasso``. The objectives reached stand
beside the times, as shares of what the best constant model leaves.
"""

import sys
import warnings

import numpy as np
from sklearn import linear_model
from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from measure import in_turns, machine
from skgd import BatchGDRegressor, MiniBatchGDRegressor, losses

#: The first round warms up and is not counted.
ROUNDS = 4

ALPHA = 0.1
EPSILON = 0.5


def rows(n, d, seed=0):
    """Return features in units of their own, and a noisy linear target."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-2, 2, d) + rng.uniform(-10, 10, d)
    return X, (X - X.mean(axis=0)) @ (rng.standard_normal(d) / X.std(axis=0)) + rng.standard_normal(
        n
    )


def squared(n, d):
    """Return peers of squared error on n rows of d features."""
    X, y = load_diabetes(return_X_y=True, scaled=False) if n == 442 else rows(n, d)
    models = {
        "LinearRegression": linear_model.LinearRegression(),
        "Ridge, alpha=0": linear_model.Ridge(alpha=0.0, solver="cholesky"),
        "BatchGDRegressor": BatchGDRegressor(),
        "MiniBatchGDRegressor": MiniBatchGDRegressor(random_state=0),
        "scaler, SGDRegressor (sklearn)": make_pipeline(
            StandardScaler(), linear_model.SGDRegressor(penalty=None, random_state=0)
        ),
    }
    return X, y, losses.SquaredError(), 0.0, models


def lasso(n, d):
    """Return peers under an l1 penalty."""
    X, y = rows(n, d)
    X /= X.std(axis=0)
    models = {
        "Lasso": linear_model.Lasso(alpha=ALPHA, tol=1e-6),
        "BatchGDRegressor": BatchGDRegressor(penalty="l1", alpha=ALPHA),
    }
    return X, y, losses.SquaredError(), ALPHA, models


def quantile(n, d):
    """Return peers of a quantile."""
    X, y = rows(n, d)
    models = {
        "QuantileRegressor": linear_model.QuantileRegressor(quantile=0.9, alpha=0.0),
        "BatchGDRegressor": BatchGDRegressor(losses.Quantile(0.9)),
    }
    return X, y, losses.Quantile(0.9), 0.0, models


def poisson(n, d):
    """Return peers of counts."""
    X, y = rows(n, d)
    y = np.random.default_rng(1).poisson(np.exp((y - y.mean()) / y.std()))
    models = {
        "scaler, PoissonRegressor": make_pipeline(
            StandardScaler(), linear_model.PoissonRegressor(alpha=0.0, tol=1e-6, max_iter=1000)
        ),
        "BatchGDRegressor": BatchGDRegressor("poisson"),
    }
    return X, y.astype(float), losses.Poisson(), 0.0, models


def objective(model, X, y, loss, alpha):
    """Return mean loss and penalty of a fitted model."""
    prediction = model.predict(X)
    raw = np.log(prediction) if isinstance(loss, losses.Poisson) else prediction
    penalty = alpha * np.abs(model.coef_).sum() if alpha else 0.0
    return np.mean(loss.value(raw, y)) + penalty


def report(title, X, y, loss, alpha, models):
    """Print times and objectives of the peers on one question."""
    found = in_turns({name: lambda m=m: m.fit(X, y) for name, m in models.items()}, rounds=ROUNDS)
    reached = {name: objective(model, X, y, loss, alpha) for name, (_, model) in found.items()}
    least = min(reached.values())
    print(f"\n{title}: {X.shape[0]} rows, {X.shape[1]} features")
    for name, (seconds, _) in found.items():
        above = (reached[name] - least) / np.mean(loss.value(loss.intercept_only(y), y))
        print(f"  {name:31} {1e3 * seconds:10.1f} ms   above the best {above:8.1e}")


QUESTIONS = {
    "squared error, small": lambda: squared(442, 10),
    "squared error, medium": lambda: squared(10_000, 20),
    "squared error, large": lambda: squared(100_000, 100),
    "squared error, many features": lambda: squared(3_000, 1_500),
    "squared error, few rows": lambda: squared(200, 5_000),
    "lasso": lambda: lasso(20_000, 100),
    "quantile": lambda: quantile(5_000, 20),
    "counts": lambda: poisson(100_000, 50),
}


def main():
    """Print the table, or its parts whose names contain the words given."""
    print(machine())
    warnings.simplefilter("ignore")
    for title, question in QUESTIONS.items():
        if any(word in title for word in sys.argv[1:] or [""]):
            report(title, *question())


if __name__ == "__main__":
    main()
