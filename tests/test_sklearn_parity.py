"""Contract 2: without shuffling, SGDRegressor finds what scikit-learn's finds.

Under an l1 penalty two numbers of scikit-learn's are not what they are meant to be: its average,
and the penalty in its stop test (points 10 and 12 of "Coming from scikit-learn"). There the values
to expect are formed from the models that its own fits go through, one update after the other.
"""

from itertools import product

import numpy as np
import pytest
import sklearn
from sklearn import linear_model

from skgd import SGDRegressor

EPSILON, ALPHA, L1_RATIO, TOL = 0.2, 0.1, 0.4, 0.02
LOSSES = {  # of a distance from the target
    "squared_error": lambda r: r**2 / 2,
    "huber": lambda r: np.where(r <= EPSILON, r**2 / 2, EPSILON * (r - EPSILON / 2)),
    "epsilon_insensitive": lambda r: np.maximum(r - EPSILON, 0),
    "squared_epsilon_insensitive": lambda r: np.maximum(r - EPSILON, 0) ** 2,
}
L1_SHARE = {None: 0, "l2": 0, "l1": 1, "elasticnet": L1_RATIO}
RATES = [*product(LOSSES, ["constant", "invscaling", "optimal", "adaptive"])]
RATES += product(["epsilon_insensitive"], ["pa1", "pa2"])
SHAPES = {"n>32": (35, 3), "n<d": (7, 11), "constant_column": (12, 4), "zero_column": (12, 4)}
SWITCHES = list(product([False, True], [True, False], ["off", "on", "late"]))

KNOWN_RATES = linear_model.SGDRegressor._parameter_constraints["learning_rate"][0].options
#: Before 1.9 scikit-learn's stop test left the penalty out.
STOPS_BY_OBJECTIVE = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)


@pytest.fixture(scope="module")
def differences(request):
    """Differences of all configurations; the largest is printed when they are through."""
    found = []
    yield found
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{len(found)} fits beside scikit-learn {sklearn.__version__}: ", end="")
        print(f"the largest difference is {max(found, default=0):.1e}")


@pytest.fixture(scope="module", params=SHAPES)
def rows(request):
    """Rows of some shape, one of them zero if they are few; targets; weights."""
    rng = np.random.default_rng(0)
    n, d = SHAPES[request.param]
    X = rng.normal(0.2, 0.4, size=(n, d))
    X[3] *= n > 32
    X[:, 1] = {"zero_column": 0, "constant_column": 0.7}.get(request.param, X[:, 1])
    y = X @ rng.normal(size=d) + 0.7 + 0.3 * rng.normal(size=n)
    return X, y, rng.uniform(0.3, 2, size=n)


def fitted(Regressor, X, y, weights, params):
    """Return coefficients and intercept in one array, and the number of epochs."""
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):  # faster
        model = Regressor(shuffle=False, **params).fit(X, y, sample_weight=weights)
    return np.append(model.coef_, model.intercept_), model.n_iter_


def visited(X, y, weights, params):
    """Return scikit-learn's parameters after each update."""
    epochs = params["max_iter"]
    X, y, weights = np.tile(X, (epochs, 1)), np.tile(y, epochs), np.tile(weights, epochs)
    params = params | {"max_iter": 1, "tol": None}
    return np.array(
        [
            fitted(linear_model.SGDRegressor, X[:t], y[:t], weights[:t], params)[0]
            for t in range(1, len(X) + 1)
        ]
    )


def stop(path, X, y, params):
    """Return the epoch in which the objective stalls, if its penalty is that of the model."""
    epochs, l1 = params["max_iter"], L1_SHARE[params["penalty"]]
    before = np.vstack([np.zeros(path.shape[1]), path[:-1]])
    w, b = before[:, :-1], before[:, -1]
    distances = np.abs((np.tile(X, (epochs, 1)) * w).sum(axis=1) + b - np.tile(y, epochs))
    objective = LOSSES[params["loss"]](distances)
    if not params["learning_rate"].startswith("pa"):
        objective += ALPHA * ((1 - l1) / 2 * (w**2) + l1 * np.abs(w)).sum(axis=1)
    objective = objective.reshape(epochs, -1).mean(axis=1)
    stalled = objective[1:] > np.minimum.accumulate(objective)[:-1] - params["tol"]
    return 2 + int(np.argmax(stalled)) if stalled.any() else epochs


def expected(X, y, weights, params, path):
    """Return what scikit-learn finds or, where a path is given, what that leads to."""
    average, epochs = params["average"], params["max_iter"]
    if path is None or not (average or params["tol"]):
        return fitted(linear_model.SGDRegressor, X, y, weights, params)
    epochs = stop(path, X, y, params) if params["tol"] else epochs
    path = path[: epochs * len(X)]
    if params["learning_rate"] == "pa1":  # a row of zeros makes no update
        path = path[np.tile(X.any(axis=1), epochs)]
    return path[average - 1 :].mean(axis=0) if average else path[-1], epochs


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few epochs
@pytest.mark.parametrize("penalty", L1_SHARE)
@pytest.mark.parametrize(("loss", "rate"), RATES)
def test_scikit_learns_models_are_found(loss, rate, penalty, rows, differences):
    if rate not in KNOWN_RATES:
        pytest.skip("this scikit-learn has no such learning_rate")
    X, y, sample_weight = rows
    for weighted, fit_intercept in product([False, True], [True, False]):
        weights = sample_weight if weighted else np.ones(len(X))
        params = {"loss": loss, "penalty": penalty, "learning_rate": rate, "eta0": 0.05}
        params |= {"epsilon": EPSILON, "alpha": ALPHA, "l1_ratio": L1_RATIO}
        params |= {"fit_intercept": fit_intercept, "n_iter_no_change": 1}
        params |= {"max_iter": max(3, 60 // len(X)), "tol": None if weighted else TOL}
        plain = params | {"tol": None}
        for epochs in range(1, params["max_iter"] + 1):  # all can be compared with: none explodes
            course = fitted(linear_model.SGDRegressor, X, y, weights, plain | {"max_iter": epochs})
            assert np.abs(course[0]).max() < 1e6
        path = None
        if L1_SHARE[penalty]:
            path = visited(X, y, weights, params)
            if rate == "adaptive":  # a path has one rate
                params["tol"] = None
        elif penalty and not STOPS_BY_OBJECTIVE:
            params["tol"] = None
        for average in (False, True, len(X) + 3):
            params["average"] = average
            found = fitted(SGDRegressor, X, y, weights if weighted else None, params)
            known = expected(X, y, weights, params, path)
            size = max(1, np.abs(known[0]).max())
            differences.append(np.abs(found[0] - known[0]).max() / size)
            assert differences[-1] <= 1e-9
            assert found[1] == known[1]


def test_the_grid_is_large():
    assert len(RATES) * len(L1_SHARE) * len(SHAPES) * 12 >= 2000
