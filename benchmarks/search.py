"""Grid searches in shared passes, compared with scikit-learn's.

Each case is run with scikit-learn's search and estimator, with scikit-learn's search and skgd's
estimator, and with skgd's search; those of penalties also with the classes of both packages that
choose a penalty. The case `large` prints times in units of one fit of skgd to all rows. Scores are
printed beside the times: estimators of both packages shuffle with different generators, so that
scores of stochastic descents agree roughly only.

Run ``python benchmarks/search.py`` for all cases, or ``python benchmarks/search.py CASE ...``. With
``--cpu`` times are those of the processor. With ``NUMBA_DISABLE_JIT=1`` skgd runs on NumPy alone.
"""

import sys
import time

import numpy as np
from sklearn import linear_model, model_selection
from sklearn.datasets import load_diabetes
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from measure import in_turns, machine
from skgd.model_selection import BatchGDRegressorCV, GridSearchCV, HalvingGridSearchCV

ROUNDS = 3


def table(n_rows, n_features):
    """Return random features, and targets with noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, X @ rng.normal(size=n_features) + 3 * rng.normal(size=n_rows)


def diabetes():
    """Per-sample descent on few rows: 20 rates by 5 folds."""
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    grid, params = {"eta0": np.logspace(-3.5, -1.5, 20)}, {"random_state": 0}
    theirs, ours = linear_model.SGDRegressor(**params), skgd.SGDRegressor(**params)
    return X, y, searches(theirs, grid, ours, grid)


def sgd():
    """Per-sample descent: 50 rates by 5 folds, 20 epochs on 20,000 rows and 20 columns."""
    grid = {"eta0": np.logspace(-4, -2, 50)}
    params = {"max_iter": 20, "tol": None, "random_state": 0}
    theirs, ours = linear_model.SGDRegressor(**params), skgd.SGDRegressor(**params)
    return *table(20_000, 20), searches(theirs, grid, ours, grid)


def mini_batch():
    """Mini-batches of 32: 30 rates by 5 folds, 10 epochs on 20,000 rows and 20 columns."""
    rates = np.logspace(-4, -2, 30)
    params = {"solver": "sgd", "momentum": 0, "alpha": 0, "batch_size": 32, "random_state": 0}
    theirs = MLPRegressor(hidden_layer_sizes=(), max_iter=10, n_iter_no_change=10, **params)
    ours = skgd.MiniBatchGDRegressor(max_iter=10, tol=None, learning_rate=0.1, random_state=0)
    grids = {"learning_rate_init": rates}, {"learning_rate": rates}
    return *table(20_000, 20), searches(theirs, grids[0], ours, grids[1])


def l2():
    """Full batches: 50 strengths of an l2 penalty by 5 folds, 100,000 rows and 100 columns."""
    X, y = table(100_000, 100)
    alphas, n_train = np.logspace(-4, 2, 50), 0.8 * len(y)
    ridge = {"alpha": n_train * alphas}
    tasks = searches(linear_model.Ridge(), ridge, skgd.BatchGDRegressor(), {"alpha": alphas})
    tasks["RidgeCV"] = lambda X, y: linear_model.RidgeCV(ridge["alpha"]).fit(X, y)
    tasks["BatchGDRegressorCV"] = lambda X, y: BatchGDRegressorCV(alphas=alphas).fit(X, y)
    return X, y, tasks


def l1():
    """Full batches: 50 strengths of an l1 penalty by 5 folds, 100,000 rows and 100 columns."""
    X, y = table(100_000, 100)
    return X, y, penalty_paths(linear_model.LassoCV, [1.0], np.logspace(-3, 0, 50))


def elastic_net():
    """Full batches: 50 strengths by 5 ratios by 5 folds, 100,000 rows and 100 columns."""
    X, y = table(100_000, 100)
    ratios = [0.1, 0.5, 0.7, 0.9, 1.0]
    return X, y, penalty_paths(linear_model.ElasticNetCV, ratios, np.logspace(-3, 0, 50))


def penalty_paths(theirs, ratios, alphas):
    """Return the searches over l1 ratios and strengths by name."""
    grid = {"alpha": alphas, "l1_ratio": ratios}
    params = {} if theirs is linear_model.LassoCV else {"l1_ratio": ratios}
    ours = skgd.BatchGDRegressor(penalty="elasticnet")
    cross_validated = BatchGDRegressorCV(alphas=alphas, l1_ratio=ratios)
    return {
        theirs.__name__: lambda X, y: theirs(alphas=alphas, cv=5, **params).fit(X, y),
        "skgd": lambda X, y: GridSearchCV(ours, grid, cv=5).fit(X, y),
        "BatchGDRegressorCV": lambda X, y: cross_validated.fit(X, y),
    }


def large():
    """Full batches: 50 strengths of an l2 penalty by 5 folds, 1,000,000 rows and 100 columns."""
    X, y = table(1_000_000, 100)
    alphas, fit = np.logspace(-4, 2, 50), skgd.BatchGDRegressor()
    return (
        X,
        y,
        {
            "skgd": lambda X, y: fit.fit(X, y),
            "GridSearchCV": lambda X, y: GridSearchCV(fit, {"alpha": alphas}, cv=5).fit(X, y),
            "BatchGDRegressorCV": lambda X, y: BatchGDRegressorCV(alphas=alphas).fit(X, y),
        },
    )


def pipeline():
    """A pipeline with a scaler: 20 strengths by 5 folds, 20,000 rows and 50 columns."""
    X, y = table(20_000, 50)
    alphas = np.logspace(-3, 2, 20)
    theirs = make_pipeline(StandardScaler(), linear_model.Ridge())
    ours = make_pipeline(StandardScaler(), skgd.BatchGDRegressor())
    grids = {"ridge__alpha": 0.8 * len(y) * alphas}, {"batchgdregressor__alpha": alphas}
    return X, y, searches(theirs, grids[0], ours, grids[1])


def poisson():
    """Full batches of Poisson loss: 20 strengths by 5 folds, 100,000 rows and 50 columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100_000, 50))
    y = rng.poisson(np.exp(0.1 * X @ rng.normal(size=50))).astype(float)
    alphas = np.logspace(-4, 1, 20)
    theirs = make_pipeline(StandardScaler(), linear_model.PoissonRegressor())
    ours = skgd.BatchGDRegressor("poisson")
    return X, y, searches(theirs, {"poissonregressor__alpha": alphas}, ours, {"alpha": alphas})


def halving():
    """Successive halving over 3 to 81 epochs: 27 rates by 5 folds, 20,000 rows and 20 columns."""
    grid = {"eta0": np.logspace(-4, -2, 27)}
    options = {"resource": "max_iter", "min_resources": 3, "max_resources": 81}
    params = {"tol": None, "random_state": 0}
    theirs, ours = linear_model.SGDRegressor(**params), skgd.SGDRegressor(**params)
    classes = model_selection.HalvingGridSearchCV, HalvingGridSearchCV
    return *table(20_000, 20), searches(theirs, grid, ours, grid, classes, **options)


ALL = diabetes, sgd, mini_batch, l2, l1, elastic_net, large, pipeline, poisson, halving
CASES = {case.__name__: case for case in ALL}


def searches(theirs, their_grid, ours, our_grid, classes=None, **options):
    """Return the searches to compare by name; `classes` are those of scikit-learn and skgd."""
    search, shared_search = classes or (model_selection.GridSearchCV, GridSearchCV)
    options["cv"] = 5
    return {
        "scikit-learn": lambda X, y: search(theirs, their_grid, **options).fit(X, y),
        "scikit-learn's search, skgd": lambda X, y: search(ours, our_grid, **options).fit(X, y),
        "skgd": lambda X, y: shared_search(ours, our_grid, **options).fit(X, y),
    }


def run(case, clock):
    """Print times, ratios and scores of a case."""
    X, y, tasks = case()
    print(f"\n{case.__name__}: {case.__doc__}")
    results = in_turns(
        {name: lambda t=task: t(X, y) for name, task in tasks.items()}, ROUNDS, clock=clock
    )
    fastest = results["skgd"][0]
    for name, (seconds, search) in results.items():
        score = r2_of(search, y)
        shared = "".join(f", shared: {kind or 'nothing'}" for kind in set(shared_of(search)))
        print(
            f"  {name:30s} {seconds:8.3f} s, {seconds / fastest:7.1f} times ours, "
            f"best score {score:.9f}{shared}"
        )


def r2_of(search, y):
    """Return the best R² of a search; that of a mean squared error refers to the variance of y."""
    if hasattr(search, "mse_path_"):
        errors = search.mse_path_.reshape(-1, search.mse_path_.shape[-1])
        return 1 - errors.mean(axis=1).min() / y.var()
    return getattr(search, "best_score_", np.nan)


def shared_of(search):
    """Return what the fits of a search have shared."""
    return getattr(search, "shared_", [])


if __name__ == "__main__":
    print(machine())
    clock = time.process_time if "--cpu" in sys.argv else time.perf_counter
    for name in [name for name in sys.argv[1:] if name != "--cpu"] or CASES:
        run(CASES[name], clock)
