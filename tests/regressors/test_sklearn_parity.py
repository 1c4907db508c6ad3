"""SGDRegressor agrees with scikit-learn's in parameters, errors and (contract 2) fitted models.

Without shuffling both give the same models. Under an l1 penalty, however, scikit-learn computes two
quantities incorrectly: the average, and the penalty in the stopping criterion (points 10 and 12 of
"Coming from scikit-learn"). There the expected values are computed from scikit-learn's iterates,
one update at a time.
"""

import inspect
from itertools import product

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import linear_model
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from skgd import SGDRegressor

BOTH = [SGDRegressor, linear_model.SGDRegressor]

#: Older versions accept some invalid parameters, and omit the penalty from the stopping criterion.
RECENT = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9)


# Interface


def parameters(function):
    """Return names, kinds and defaults, without annotations, of which scikit-learn has none."""
    return [p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values()]


def test_constructor_begins_with_the_parameters_of_scikit_learn():
    ours, theirs = map(parameters, BOTH)
    assert ours[: len(theirs)] == theirs


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
def test_methods_accept_the_arguments_of_scikit_learn(method):
    ours, theirs = (parameters(getattr(cls, method)) for cls in BOTH)
    assert ours[: len(theirs)] == theirs
    assert all(further.kind is further.KEYWORD_ONLY for further in ours[len(theirs) :])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_public_attributes_of_scikit_learn_exist(small):
    X, y = small
    X = pd.DataFrame(X, columns=["a", "b", "c"])
    ours, theirs = (cls(max_iter=3).fit(X, y) for cls in BOTH)
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public - set(dir(ours)) <= {
        "loss_functions",
        "C",
    }  # implementation details of scikit-learn
    fitted = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert fitted >= {"coef_", "intercept_", "n_iter_", "t_", "n_features_in_"}
    for name in fitted:
        assert np.shape(getattr(ours, name)) == np.shape(getattr(theirs, name))
    assert_array_equal(ours.feature_names_in_, theirs.feature_names_in_)
    assert get_tags(ours).input_tags.sparse


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sparsify_and_densify(small):
    X, y = small
    for cls in BOTH:
        model = cls(penalty="l1", alpha=0.3, max_iter=3, shuffle=False).fit(X, y)
        coef, predictions = model.coef_, model.predict(X)
        assert model.sparsify() is model
        assert model.coef_.format == "csr"
        assert_allclose(model.predict(X), predictions, rtol=1e-14)
        assert model.densify() is model
        assert_array_equal(np.ravel(model.coef_), coef)


# Errors

SWITCHED = ["fit_intercept", "shuffle", "early_stopping", "warm_start"]
INVALID_PARAMETERS = [
    *product(["loss", "penalty", "learning_rate"], ["other", True, ["l2"]]),
    *product(["loss", "learning_rate"], [None]),
    *product(SWITCHED, ["yes", 1, None]),
    *product(["alpha", "epsilon"], [-1e-3, "0.1", None, np.nan, np.inf]),
    *product(["l1_ratio"], [-0.1, 1.1, "x", np.nan]),
    *product(["max_iter", "n_iter_no_change"], [0, -3, 1.5, "x", None]),
    *product(["tol"], [-1e-3, "x", np.nan, np.inf]),
    *product(["verbose"], [-1, 1.5, "x", None]),
    *product(["random_state"], [-1, 2**32, 1.5, "x", np.random.default_rng(0), np.random]),
    *product(["eta0"], [0, -1, "x", None, np.nan, np.inf]),
    *product(["power_t"], ["x", None, np.nan, np.inf]),
    *product(["validation_fraction"], [0.0, 1.0, -0.1, "x", None]),
    *product(["average"], [0, -1, 1.5, "x", None]),
]


def assert_same_error(call, match=None):
    """Check that both classes raise, and that the error of skgd is caught by the same handlers."""
    with pytest.raises((ValueError, TypeError, AttributeError), match=match) as ours:
        call(SGDRegressor)
    theirs = None
    try:
        call(linear_model.SGDRegressor)
    except Exception as error:
        theirs = error
    assert theirs is not None or not RECENT
    for kind in (ValueError, TypeError, AttributeError, NotFittedError):
        assert isinstance(ours.value, kind) or not isinstance(theirs, kind)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("name", "value"), INVALID_PARAMETERS)
def test_invalid_parameters_raise_as_in_scikit_learn(name, value, method, small):
    assert_same_error(lambda cls: getattr(cls(**{name: value}), method)(*small), match=name)


def invalid_calls(X, y):
    """Return calls that both classes reject."""
    nan, weights = np.where(np.arange(X.size).reshape(X.shape) == 7, np.nan, X), np.ones(len(X))

    def fitted_model(cls):
        return cls(max_iter=3, tol=None).fit(X, y)

    return {
        "optimal without alpha": lambda cls: cls(learning_rate="optimal", alpha=0).fit(X, y),
        "pa1 with another loss": lambda cls: cls(learning_rate="pa1").fit(X, y),
        "pa2 with another loss": lambda cls: cls("huber", learning_rate="pa2").fit(X, y),
        "elasticnet without l1_ratio": lambda cls: cls(penalty="elasticnet", l1_ratio=None).fit(
            X, y
        ),
        "partial_fit with early_stopping": lambda cls: cls(early_stopping=True).partial_fit(X, y),
        "weights all zero": lambda cls: cls().fit(X, y, sample_weight=0 * weights),
        "weights too few": lambda cls: cls().fit(X, y, sample_weight=weights[1:]),
        "weights in a column": lambda cls: cls().fit(X, y, sample_weight=weights[:, None]),
        "weights nan": lambda cls: cls().fit(X, y, sample_weight=weights * np.nan),
        "coef_init too long": lambda cls: cls().fit(X, y, coef_init=np.ones(4)),
        "coef_init of words": lambda cls: cls().fit(X, y, coef_init=["a", "b", "c"]),
        "intercept_init too long": lambda cls: cls().fit(X, y, intercept_init=np.ones(2)),
        "intercept_init in two dimensions": lambda cls: cls().fit(X, y, None, np.ones((1, 1))),
        "warm_start with fewer features": lambda cls: (
            fitted_model(cls).set_params(warm_start=True).fit(X[:, :2], y)
        ),
        "nan": lambda cls: cls().fit(nan, y),
        "infinity": lambda cls: cls().fit(X, y * np.inf),
        "rows in one dimension": lambda cls: cls().fit(y, y),
        "rows in three dimensions": lambda cls: cls().fit(X[None], y),
        "targets too few": lambda cls: cls().fit(X, y[1:]),
        "no rows": lambda cls: cls().fit(X[:0], y[:0]),
        "no columns": lambda cls: cls().fit(X[:, :0], y),
        "complex rows": lambda cls: cls().fit(X + 1j, y),
        "complex targets": lambda cls: cls().fit(X, y + 1j),
        "words": lambda cls: cls().fit(np.full(X.shape, "a"), y),
        "words for targets": lambda cls: cls().fit(X, ["a"] * len(y)),
        "targets None": lambda cls: cls().fit(X, None),
        "no targets": lambda cls: cls().fit(X),
        "targets in three dimensions": lambda cls: cls().fit(X, y.reshape(-1, 2, 2)),
        "sparse targets": lambda cls: cls().fit(X, sparse.csr_array(y[:, None])),
        "sparse nan": lambda cls: cls().fit(sparse.csr_array(nan), y),
        "predict before fit": lambda cls: cls().predict(X),
        "score before fit": lambda cls: cls().score(X, y),
        "sparsify before fit": lambda cls: cls().sparsify(),
        "densify before fit": lambda cls: cls().densify(),
        "predict with fewer features": lambda cls: fitted_model(cls).predict(X[:, :2]),
        "predict one row": lambda cls: fitted_model(cls).predict(X[0]),
        "predict nan": lambda cls: fitted_model(cls).predict(nan),
        "predict nothing": lambda cls: fitted_model(cls).predict(X[:0]),
        "partial_fit with fewer features": lambda cls: fitted_model(cls).partial_fit(X[:, :2], y),
        "unknown parameter": lambda cls: cls(other=1),
        "unknown parameter set": lambda cls: cls().set_params(other=1),
        "unknown nested parameter set": lambda cls: cls().set_params(other__x=1),
        "penalty by position": lambda cls: cls("huber", "l2"),
        "validation of one row": lambda cls: cls(early_stopping=True).fit(X[:1], y[:1]),
        "overflow": lambda cls: cls(learning_rate="constant", eta0=1e300).fit(X, y),
    }


@pytest.mark.parametrize("name", invalid_calls(np.ones((4, 3)), np.ones(4)))
def test_invalid_calls_raise_as_in_scikit_learn(name, small):
    assert_same_error(invalid_calls(*small)[name])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("start", [np.ones((1, 3)), np.ones((3, 1)), [1, 1, 1]])
def test_initial_coefficients_of_any_shape_are_accepted(start, small):
    ours, theirs = (
        cls(shuffle=False, max_iter=2).fit(*small, coef_init=np.array(start), intercept_init=2)
        for cls in BOTH
    )
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-12)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-12)


# Models

EPSILON, ALPHA, L1_RATIO, TOL = 0.2, 0.1, 0.4, 0.02
LOSSES = {  # as functions of the distance from the target
    "squared_error": lambda r: r**2 / 2,
    "huber": lambda r: np.where(r <= EPSILON, r**2 / 2, EPSILON * (r - EPSILON / 2)),
    "epsilon_insensitive": lambda r: np.maximum(r - EPSILON, 0),
    "squared_epsilon_insensitive": lambda r: np.maximum(r - EPSILON, 0) ** 2,
}
L1_SHARE = {None: 0, "l2": 0, "l1": 1, "elasticnet": L1_RATIO}
RATES = [*product(LOSSES, ["constant", "invscaling", "optimal", "adaptive"])]
RATES += product(["epsilon_insensitive"], ["pa1", "pa2"])
SHAPES = {"n>32": (35, 3), "n<d": (7, 11), "constant_column": (12, 4), "zero_column": (12, 4)}


@pytest.fixture(scope="module")
def differences(request):
    """Differences of all configurations; the largest is printed at the end."""
    differences = []
    yield differences
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(
            f"\n{len(differences)} fits compared with scikit-learn {sklearn.__version__}: ", end=""
        )
        print(f"the largest difference is {max(differences, default=0):.1e}")


@pytest.fixture(scope="module", params=SHAPES)
def rows(request):
    """Rows of several shapes, with a row of zeros if they are few; targets; weights."""
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


def iterates(X, y, weights, params):
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


def stopping_epoch(path, X, y, params):
    """Return the epoch in which the objective with the penalty of the iterates stops improving."""
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
    """Return scikit-learn's model or, where a path of iterates is given, that computed from it."""
    average, epochs = params["average"], params["max_iter"]
    if path is None or not (average or params["tol"]):
        return fitted(linear_model.SGDRegressor, X, y, weights, params)
    epochs = stopping_epoch(path, X, y, params) if params["tol"] else epochs
    path = path[: epochs * len(X)]
    if params["learning_rate"] == "pa1":  # PA-I makes no update on a row of zeros
        path = path[np.tile(X.any(axis=1), epochs)]
    return path[average - 1 :].mean(axis=0) if average else path[-1], epochs


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few epochs
@pytest.mark.parametrize("penalty", L1_SHARE)
@pytest.mark.parametrize(("loss", "rate"), RATES)
def test_models_equal_those_of_scikit_learn(loss, rate, penalty, rows, differences):
    known = linear_model.SGDRegressor._parameter_constraints["learning_rate"][0]
    if not known.is_satisfied_by(rate):
        pytest.skip("this scikit-learn has no such learning_rate")
    X, y, sample_weight = rows
    for weighted, fit_intercept in product([False, True], [True, False]):
        weights = sample_weight if weighted else np.ones(len(X))
        params = {"loss": loss, "penalty": penalty, "learning_rate": rate, "eta0": 0.05}
        params |= {"epsilon": EPSILON, "alpha": ALPHA, "l1_ratio": L1_RATIO}
        params |= {"fit_intercept": fit_intercept, "n_iter_no_change": 1}
        params |= {"max_iter": max(3, 60 // len(X)), "tol": None if weighted else TOL}
        plain = params | {"tol": None}
        for epochs in range(1, params["max_iter"] + 1):  # no fit diverges, so all are comparable
            prefix = fitted(linear_model.SGDRegressor, X, y, weights, plain | {"max_iter": epochs})
            assert np.abs(prefix[0]).max() < 1e6
        path = None
        if L1_SHARE[penalty]:
            path = iterates(X, y, weights, params)
            if rate == "adaptive":  # the path is computed with a constant rate
                params["tol"] = None
        elif penalty and not RECENT:
            params["tol"] = None
        for average in (False, True, len(X) + 3):
            params["average"] = average
            ours = fitted(SGDRegressor, X, y, weights if weighted else None, params)
            theirs = expected(X, y, weights, params, path)
            size = max(1, np.abs(theirs[0]).max())
            differences.append(np.abs(ours[0] - theirs[0]).max() / size)
            assert differences[-1] <= 1e-9
            assert ours[1] == theirs[1]


def test_number_of_configurations():
    assert len(RATES) * len(L1_SHARE) * len(SHAPES) * 12 >= 2000
