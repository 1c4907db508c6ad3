"""Bounds on the coefficients and factors of the penalty per feature, in all regressors."""

import pickle
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import lsq_linear, minimize
from sklearn import linear_model
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.optimizers import OPTIMIZERS, BatchOptimizer
from skgd.penalties import L1, L2, Bounds, ElasticNet
from tests.helpers.regressors import ELEMENTWISE, REGRESSORS, STOCHASTIC, build, objective

#: Parameters of fits that reach the minimum.
EXACT = {
    BatchGDRegressor: {"tol": 1e-12, "max_iter": 50_000},
    MiniBatchGDRegressor: {"tol": 1e-9, "random_state": 0},
    SGDRegressor: {"tol": 1e-9, "random_state": 0, "learning_rate": "auto"},
}
INF = np.inf


@pytest.fixture(scope="module")
def data():
    """Rows of unlike scales and offsets, and targets whose coefficients have both signs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) * [1, 10, 0.1, 1, 5, 1] + [
        0,
        9,
        1,
        0,
        5,
        0,
    ]
    y = X @ [0.5, -0.1, 3, -1, 0.2, 0.1] + rng.normal(size=200)
    X.flags.writeable = y.flags.writeable = False
    return X, y


def exact(Regressor, **params):
    """Return a regressor that reaches the minimum."""
    return Regressor(**EXACT[Regressor] | params)


def bounded_least_squares(X, y, lower, upper, l2=0.0):
    """Return the coefficients and the intercept by SciPy; the intercept is not bounded."""
    rows, targets = X - X.mean(axis=0), y - y.mean()
    rows = np.concatenate([rows, np.sqrt(l2 * len(X)) * np.eye(X.shape[1])])
    targets = np.concatenate([targets, np.zeros(X.shape[1])])
    coef = lsq_linear(rows, targets, (lower, upper), method="bvls", tol=1e-15).x
    return coef, y.mean() - X.mean(axis=0) @ coef


BOXES = [
    (0.0, INF),
    (-INF, 0.0),
    (-0.3, 0.2),
    ([-1, 0, 0.5, -INF, -0.1, 0], [0, 1, INF, 0, 0, 0.1]),
]


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("bounds", BOXES, ids=str)
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_least_squares_within_bounds_is_that_of_scipy(Regressor, bounds, standardize, data):
    X, y = data
    if not standardize:  # raw columns are left to the solvers that standardise
        X = (X - X.mean(axis=0)) / X.std(axis=0)
    for l2 in (0.0, 0.1):
        penalty = Bounds(*bounds, penalty=L2(l2))
        model = exact(Regressor, penalty=penalty, standardize=standardize)
        if Regressor is not SGDRegressor:
            model.set_params(alpha=0.0)
        model.fit(X, y)
        coef, intercept = bounded_least_squares(X, y, *bounds, l2)
        assert_allclose(model.coef_, coef, atol=1e-5)
        assert_allclose(model.intercept_, intercept, atol=1e-4)
        assert_array_equal(model.coef_[np.isin(coef, bounds)], coef[np.isin(coef, bounds)])


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_positive_coefficients_are_those_of_sklearn(Regressor, data):
    X, y = data
    n, fit = len(y), {"max_iter": 100_000, "tol": 1e-12, "positive": True}
    pairs = [
        (linear_model.LinearRegression(positive=True), L2(0.0)),
        (linear_model.Ridge(alpha=0.1 * n, positive=True, tol=1e-12), L2(0.1)),
        (linear_model.Lasso(alpha=0.1, **fit), L1(0.1)),
        (linear_model.ElasticNet(alpha=0.1, l1_ratio=0.4, **fit), ElasticNet(0.1, l1_ratio=0.4)),
    ]
    for peer, penalty in pairs:
        peer.fit(X, y)
        model = exact(Regressor, penalty=penalty, positive=True, standardize=True).fit(X, y)
        assert_allclose(model.coef_, peer.coef_, atol=1e-5)
        assert_allclose(model.intercept_, peer.intercept_, atol=1e-4)
        assert_array_equal(model.coef_ == 0, peer.coef_ == 0)
        assert (model.coef_ >= 0).all()
        assert (model.coef_ == 0).any()


@pytest.mark.parametrize("loss", ["huber", "poisson", "gamma", "quantile", "log_cosh"])
def test_other_losses_within_bounds_have_the_minimum_of_scipy(loss, data):
    X, y = data[0] / data[0].std(axis=0), np.exp(data[1] / data[1].std())
    model = BatchGDRegressor(loss, penalty=Bounds(-0.1, 0.2, L2(0.01))).fit(X, y)

    def function(theta):
        value = np.mean(model.loss_.value(X @ theta[:-1] + theta[-1], y))
        return value + 0.005 * theta[:-1] @ theta[:-1]

    found = np.append(model.coef_, model.intercept_)
    reference = minimize(
        function, found, method="L-BFGS-B", bounds=[(-0.1, 0.2)] * 6 + [(None, None)],
        options={"ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    assert function(found) <= reference.fun + 1e-5 * reference.fun
    assert ((model.coef_ >= -0.1) & (model.coef_ <= 0.2)).all()
    assert np.isin(model.coef_, [-0.1, 0.2]).any()


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_each_output_has_the_bounds_and_sparse_rows_too(Regressor, data):
    X, y = data
    Y = np.column_stack([y, -y])
    for rows in (X, sparse.csr_array(X)):
        model = exact(Regressor, positive=True, standardize=True).fit(rows, Y)
        if Regressor is SGDRegressor:
            model.set_params(penalty=None).fit(rows, Y)
        for output in range(2):
            coef, intercept = bounded_least_squares(X, Y[:, output], 0, INF)
            assert_allclose(model.coef_[output], coef, atol=1e-5)
            assert_allclose(model.intercept_[output], intercept, atol=1e-4)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_float32_is_preserved(Regressor, data):
    X, y = data
    penalty = Bounds(-0.3, 0.2)
    model = Regressor(penalty=penalty, standardize=True, learning_rate="auto")
    model.fit(X.astype(np.float32), y.astype(np.float32))
    coef, _ = bounded_least_squares(X, y, -0.3, 0.2)
    assert model.coef_.dtype == np.float32
    assert_allclose(model.coef_, coef, atol=0.01)
    assert (np.isin(coef, [-0.3, 0.2])).any()
    assert ((model.coef_ >= np.float32(-0.3)) & (model.coef_ <= np.float32(0.2))).all()


RULES = [
    *((Regressor, name) for Regressor in STOCHASTIC for name in [*ELEMENTWISE, "auto"]),
    *((BatchGDRegressor, name) for name in OPTIMIZERS if name in ELEMENTWISE),
    *((BatchGDRegressor, name) for name in ("accelerated", "proximal_newton", "auto")),
]


@pytest.mark.parametrize("rows", ["dense", "sparse"])
@pytest.mark.parametrize(("Regressor", "optimizer"), RULES)
@pytest.mark.usefixtures("on_numpy")
def test_every_iterate_is_within_the_bounds(Regressor, optimizer, rows, data):
    X, y = data[0][:40], data[1][:40]
    rate = 0.02 if optimizer in ELEMENTWISE else "auto"
    lower, upper = [-0.01, 0, 0.003, -INF, -INF, -0.2], [0.02, INF, 0.5, -0.01, 0, 0.1]
    for penalty, standardize in [(None, False), (L1(0.01), True), (ElasticNet(0.01), False)]:
        scale = 1 if standardize else X.std(axis=0)
        model = build(
            Regressor, penalty=Bounds(lower, upper, penalty), optimizer=optimizer, max_iter=4,
            learning_rate=rate, standardize=standardize, record="path", tol=None, random_state=0,
        )  # fmt: skip
        model.fit(sparse.csr_array(X / scale) if rows == "sparse" else X / scale, y)
        path = np.stack([model.path_[f"coef_{j}"] for j in range(6)], axis=1)
        assert len(path) > 2
        assert ((path >= lower) & (path <= upper)).all()
        assert (path[-1] != path[0]).any()


@pytest.mark.parametrize("Regressor", STOCHASTIC)
@pytest.mark.usefixtures("on_numpy")
def test_stochastic_updates_converge_to_the_bounded_minimum(Regressor):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = X @ [1, -1, 0.05, 2, 0] + 0.1 * rng.normal(size=400)
    reference = linear_model.Lasso(alpha=0.1, positive=True, tol=1e-12).fit(X, y)
    model = Regressor(
        penalty=L1(0.1),
        positive=True,
        optimizer="gd",
        learning_rate="invscaling",
        eta0=0.02 if Regressor is SGDRegressor else 0.3,
        power_t=0.5,
        max_iter=40,
        tol=None,
        standardize=False,
        random_state=0,
    ).fit(X, y)
    assert_allclose(model.coef_, reference.coef_, atol=0.02)
    # The noise of single rows does not move these coefficients away from zero.
    assert_array_equal(model.coef_ == 0, reference.coef_ == 0)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("learning_rate", ["auto", 0.01])
@pytest.mark.usefixtures("on_numpy")
def test_positive_is_a_lower_bound_of_zero(Regressor, learning_rate, data):
    X, y = data
    fit = partial(
        build, Regressor, learning_rate=learning_rate, random_state=0, max_iter=5, tol=None,
        standardize=True,
    )  # fmt: skip
    one = fit(positive=True, penalty=L1(0.1)).fit(X, y)
    for penalty in (Bounds(0, INF, L1(0.1)), Bounds([0.0] * 6, penalty=L1(0.1))):
        other = fit(penalty=penalty).fit(X, y)
        assert_array_equal(one.coef_, other.coef_)
        assert_array_equal(one.intercept_, other.intercept_)
    assert one.penalty_ == Bounds(0, INF, L1(0.1))
    box = fit(positive=True, penalty=Bounds([-1] * 6, 0.1)).fit(X, y)
    assert box.penalty_ == Bounds([0] * 6, 0.1)


# Factors of the strength


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_factors_of_the_strength_are_scales_of_the_columns(Regressor, data):
    X, y = data
    factors = np.array([1, 0.5, 2, 0.25, 1, 4])
    lasso = linear_model.Lasso(alpha=0.2, tol=1e-13, max_iter=100_000).fit(X / factors, y)
    ridge = linear_model.Ridge(alpha=0.2 * len(y), tol=1e-13).fit(X / np.sqrt(factors), y)
    pairs = (
        (L1(0.2, weights=factors), lasso.coef_ / factors, lasso.intercept_),
        (L2(0.2, weights=factors), ridge.coef_ / np.sqrt(factors), ridge.intercept_),
    )
    for penalty, coef, intercept in pairs:
        model = exact(Regressor, penalty=penalty, standardize=True).fit(X, y)
        assert_allclose(model.coef_, coef, atol=1e-5)
        assert_allclose(model.intercept_, intercept, atol=1e-4)
    for penalty in (L1(0.2), L2(0.2), ElasticNet(0.2)):
        alpha = penalty.alpha
        equal = penalty.replace(alpha=alpha / 4, weights=[4] * 6)  # powers of two are exact
        models = [exact(Regressor, penalty=p, standardize=True).fit(X, y) for p in (penalty, equal)]
        assert_array_equal(models[0].coef_, models[1].coef_)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("kind", [L1, L2, ElasticNet])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_features_without_penalty_and_features_that_are_removed(Regressor, kind, standardize, data):
    X, y = (data[0] - data[0].mean(axis=0)) / data[0].std(axis=0), data[1]
    weights = np.array([1, 0, INF, 1, INF, 2])
    kept = np.isfinite(weights)
    for rate in ("auto", 0.01):
        params = {"standardize": standardize, "learning_rate": rate}
        params |= {} if rate == "auto" else {"max_iter": 4, "tol": None}
        model = exact(Regressor, penalty=kind(0.2, weights=weights), **params).fit(X, y)
        smaller = exact(Regressor, penalty=kind(0.2, weights=weights[kept]), **params)
        smaller.fit(X[:, kept], y)
        assert_array_equal(model.coef_[~kept], 0)
        assert_allclose(model.coef_[kept], smaller.coef_, rtol=1e-6)
        assert_allclose(model.intercept_, smaller.intercept_, rtol=1e-6)
    strong = exact(Regressor, penalty=kind(1e6, weights=[1, 0, 1, 1, 1, 1])).fit(X, y)
    unpenalized = linear_model.LinearRegression().fit(X[:, [1]], y)
    assert_allclose(strong.coef_[1], unpenalized.coef_, rtol=1e-3)


def test_removed_features_of_a_warm_start_are_zero(data):
    X, y = data
    model = BatchGDRegressor(warm_start=True).fit(X, y)
    model.set_params(penalty=L1(0.0, weights=[INF, 1, 1, 1, 1, 1])).fit(X, y)
    assert model.coef_[0] == 0
    assert_allclose(model.coef_[1:], BatchGDRegressor().fit(X[:, 1:], y).coef_, rtol=1e-6)


# Data that arrives in parts


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("Regressor", STOCHASTIC)
@pytest.mark.usefixtures("on_numpy")
def test_streams_stay_within_the_bounds(Regressor, loss, data):
    X, y = (data[0] - data[0].mean(axis=0)) / data[0].std(axis=0), data[1]
    model = Regressor(loss, penalty=Bounds(-0.3, 0.2), learning_rate="auto", standardize=False)
    for start in range(0, 200, 20):
        model.partial_fit(X[start : start + 20], y[start : start + 20])
        assert ((model.coef_ >= -0.3) & (model.coef_ <= 0.2)).all()
    if loss == "squared_error":
        assert np.isin(model.coef_, [-0.3, 0.2]).any()
        assert_allclose(model.coef_, bounded_least_squares(X, y, -0.3, 0.2)[0], atol=1e-3)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_batches_of_an_iterable(Regressor, data):
    X, y = data
    batches = [(X[:90], y[:90]), (X[90:], y[90:])]
    params = {} if Regressor is BatchGDRegressor else {"learning_rate": 0.001, "max_iter": 3}
    params |= {"tol": 1e-10 if Regressor is BatchGDRegressor else None, "standardize": True}
    model = Regressor(positive=True, **params).fit_batches(batches)
    assert (model.coef_ >= 0).all()
    assert (model.coef_ > 0).any()
    if Regressor is BatchGDRegressor:
        assert_allclose(model.coef_, bounded_least_squares(X, y, 0, INF)[0], atol=1e-5)
    with pytest.raises(ValueError, match=r"lower of Bounds\(.*X has 6 features"):
        Regressor(penalty=Bounds([0, 0])).fit_batches(batches)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_bounds_may_change_between_calls(Regressor, data):
    X, y = (data[0] - data[0].mean(axis=0)) / data[0].std(axis=0), data[1]
    model = build(
        Regressor, learning_rate=0.01, average=True, warm_start=True, max_iter=5, tol=None
    )
    model.fit(X, y)
    assert (model.coef_ < 0).any()
    assert (model.set_params(positive=True).partial_fit(X, y).coef_ >= 0).all()
    model.set_params(positive=False).fit(X, y)
    model.coef_ = -np.ones(6)
    assert (model.set_params(positive=True).partial_fit(X, y).coef_ >= 0).all()
    model.set_params(positive=False).fit(X, y)
    assert (model.set_params(penalty=Bounds(0.1, 0.2)).fit(X, y).coef_ >= 0.1).all()


# Columns without spread


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_constant_columns_have_coefficients_within_the_bounds(Regressor, standardize, data):
    X, y = (data[0] - data[0].mean(axis=0)) / data[0].std(axis=0), data[1]
    X[:, 2], X[:, 3] = 7.0, 0.0
    penalty = Bounds(0.1, 0.4)
    model = exact(Regressor, penalty=penalty, standardize=standardize).fit(X, y)
    assert ((model.coef_ >= 0.1) & (model.coef_ <= 0.4)).all()
    others = [0, 1, 4, 5]
    coef, intercept = bounded_least_squares(X[:, others], y, 0.1, 0.4)
    assert_allclose(model.predict(X), X[:, others] @ coef + intercept, atol=1e-4)


def test_bounds_that_are_equal_fix_coefficients(data):
    X, y = data
    model = BatchGDRegressor(penalty=Bounds([0.5, *[-INF] * 5], [0.5, *[INF] * 5])).fit(X, y)
    rest = linear_model.LinearRegression().fit(X[:, 1:], y - 0.5 * X[:, 0])
    assert model.coef_[0] == 0.5
    assert_allclose(model.coef_[1:], rest.coef_, rtol=1e-6)
    assert_allclose(model.intercept_, rest.intercept_, rtol=1e-6)


# Parameters


def test_parameters_of_the_bounds_can_be_searched_cloned_and_pickled(data):
    X, y = data
    model = BatchGDRegressor(penalty=Bounds(np.zeros(6), INF, L1(0.1, weights=np.arange(6))))
    for copied in (clone(model), pickle.loads(pickle.dumps(model))):
        assert copied.get_params() == model.get_params()
        assert_array_equal(copied.fit(X, y).coef_, model.fit(X, y).coef_)
    model.set_params(penalty__lower=-1, penalty__penalty__alpha=0.5)
    assert model.penalty == Bounds(-1, INF, L1(0.5, weights=range(6)))
    search = GridSearchCV(
        BatchGDRegressor(penalty=Bounds()), {"penalty__lower": [-INF, 0.0, np.zeros(6)]}
    ).fit(X, y)
    assert search.best_params_ == {"penalty__lower": -INF}


def objective_at(model, X, y, coef):
    """Return the objective of a fitted model at other coefficients."""
    moved = clone(model)
    moved.coef_, moved.intercept_ = coef, np.mean(y - X @ coef)
    return objective(model, X, y, moved)


def test_the_minimum_has_no_better_neighbour_within_the_bounds(data):
    X, y = data
    penalty = Bounds(-0.3, 0.2, ElasticNet(0.1, weights=[1, 0, 2, 1, 1, 1]))
    model = BatchGDRegressor(penalty=penalty).fit(X, y)
    best = objective_at(model, X, y, model.coef_)
    for change in np.concatenate([np.eye(6), -np.eye(6)]) * 1e-3:
        coef = np.clip(model.coef_ + change, -0.3, 0.2)
        assert objective_at(model, X, y, coef) >= best


# Bad input


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(
    ("params", "fit_params", "message"),
    [
        ({"penalty": Bounds([0, 0, 0])}, {}, r"lower of Bounds\(.*\(3,\), but X has 6 features"),
        ({"penalty": Bounds(upper=[1])}, {}, r"upper of Bounds\(.*\(1,\), but X has 6 features"),
        ({"penalty": L1(weights=[1, 2])}, {}, r"weights of L1\(.*\(2,\), but X has 6 features"),
        ({"penalty": L2(weights=[1] * 7)}, {}, r"weights of L2\(.*\(7,\), but X has 6 features"),
        (
            {"penalty": Bounds(1, penalty=L2(weights=[1, 1, 1, 1, 1, INF]))},
            {},
            r"removes a feature by an infinite weight, but its bounds exclude 0",
        ),
        (
            {"positive": True},
            {"coef_init": [0, 0, -1, 0, 0, 0]},
            r"coef_init\[2\] must be in the range \[0, inf\].*; got -1\.",
        ),
        (
            {"penalty": Bounds(upper=2)},
            {"coef_init": [0, 3, 0, 0, 0, 0]},
            r"coef_init\[1\] must be in the range \[-inf, 2\].*; got 3\.",
        ),
        ({"positive": 1}, {}, "The 'positive' parameter of .* must be an instance of 'bool'"),
        ({"positive": None}, {}, "The 'positive' parameter of .* must be an instance of 'bool'"),
        (
            {"positive": True, "penalty": Bounds(upper=-1)},
            {},
            r"The 'positive' parameter of .* must be False with penalty=Bounds\(.*Got True",
        ),
    ],
)
def test_bad_input_is_an_error_and_leaves_the_model(Regressor, params, fit_params, message, data):
    X, y = data
    model = Regressor(standardize=True).fit(X, y)
    coef = model.coef_.copy()
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, y, **fit_params)
    assert_array_equal(model.coef_, coef)
    if not fit_params:
        with pytest.raises(ValueError, match=message):
            model.partial_fit(X, y)
        assert_array_equal(model.coef_, coef)


@pytest.mark.parametrize("penalty", [Bounds(0), Bounds(upper=[1] * 6, penalty=L2(1.0))])
def test_conjugate_gradients_cannot_respect_bounds(penalty, data):
    with pytest.raises(ValueError, match=r"optimizer='cg' .* bounds on the coefficients; got pen"):
        BatchGDRegressor(penalty=penalty, optimizer="cg").fit(*data)
    with pytest.raises(ValueError, match=r"optimizer='cg' needs a smooth objective"):
        BatchGDRegressor(positive=True, optimizer="cg").fit(*data)


def test_batch_optimizers_are_tested():
    names = {name for name, cls in OPTIMIZERS.items() if issubclass(cls, BatchOptimizer)}
    assert names == {"accelerated", "cg", "proximal_newton"}
