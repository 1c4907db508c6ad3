"""SVRG: its stochastic epochs, and the minima that automatic fits by small batches reach."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.linear_model import LinearRegression

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd._utils.numba_support import has_numba
from skgd.data.design import Design
from skgd.data.feature_moments import FeatureMoments
from skgd.data.scaling import FeatureScaling
from skgd.losses import LOSSES
from skgd.optimizers import SVRG
from skgd.solvers.svrg_epoch import BLOCK_SIZE, SVRGModel, svrg_epoch
from tests.helpers.regressors import targets_for

KINKED = [name for name, loss in LOSSES.items() if loss.has_moreau_envelope()]


def regressors(**params):
    """Return both regressors with automatic learning rates."""
    return [
        MiniBatchGDRegressor(random_state=0, **params),
        SGDRegressor(
            learning_rate="auto", standardize=True, random_state=0, **{"penalty": None} | params
        ),
    ]


# Stochastic epochs


def direct(model, order, size, rate):
    """Return the result of the recursion, computed batch by batch from its definition."""
    rows = np.column_stack([model.design.scaled_rows(slice(None)) @ np.eye(4), np.ones(len(order))])
    delta, steps = np.zeros(5), rate * model.free
    batches = [order[k : k + size] for k in range(0, len(order), size)]
    for number, batch in enumerate(batches, start=1):
        pulls = model.curvatures[batch] * (rows[batch] @ delta)
        delta = delta - steps * (model.gradient + pulls @ rows[batch] / len(batch))
        if size > 1:
            delta /= 1 + steps * model.l2
        elif number % BLOCK_SIZE == 0 or number == len(batches):
            delta /= 1 + ((number - 1) % BLOCK_SIZE + 1) * steps * model.l2
    return delta


def some_model(sparse):
    """Return a quadratic model of four scaled columns, one of which is fixed."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((101, 4)) + 1
    if sparse:
        X = csr_array(np.where(rng.random(X.shape) < 0.5, X, 0))
    design = Design(X, FeatureScaling.standard(FeatureMoments.from_rows(X), True, 0.1), True)
    strengths = np.array([0.1, 0.2, 0.3, 0.0, 0.0])
    free = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
    return SVRGModel(design, rng.standard_normal(5) * free, rng.random(101), strengths, free)


@pytest.mark.parametrize(("sparse", "size"), [(False, 1), (False, 32), (True, 32)])
def test_a_stochastic_epoch_follows_its_recursion(sparse, size):
    model = some_model(sparse)
    order = np.random.default_rng(1).permutation(101)
    expected = direct(model, order, size, 0.1)
    assert_allclose(svrg_epoch(model, order, size, 0.1), expected, rtol=1e-10)
    if has_numba():
        from skgd.solvers.compiled.svrg_epoch import svrg_epoch as compiled

        assert_allclose(compiled(model, order, size, 0.1), expected, rtol=1e-10)


# The minimum


def difficult_data(name):
    """Return data on which no fixed rate converges fast."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 6))
    if name == "diabetes":
        return load_diabetes(return_X_y=True, scaled=False)
    if name == "scales":
        X *= np.logspace(-6, 6, 6)
    if name == "offsets":
        X += 1e4
    if name == "correlated":
        X = X * np.logspace(0, -3, 6) @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    if name == "log-normal":
        X = np.exp(2 * X)
    if name == "huge row":
        X[7] *= 1e4
    if name == "wide":
        X = rng.standard_normal((40, 60))
    if name == "constant":
        X[:, 2], X[:, 4] = 3.7, 0
    if name == "duplicated":
        X[:, 3] = 1e3 * X[:, 1]
    if name == "powers":
        X = np.linspace(1, 10, 300)[:, None] ** np.arange(1, 6)
    spread = X.std(axis=0)
    coef = rng.standard_normal(X.shape[1]) / np.where(spread > 0, spread, 1)
    y = (X - X.mean(axis=0)) @ coef
    return X, y + 0.5 * y.std() * rng.standard_normal(len(X))


MEMBERS = [
    "diabetes",
    "scales",
    "offsets",
    "correlated",
    "log-normal",
    "huge row",
    "wide",
    "constant",
    "duplicated",
    "powers",
]


@pytest.mark.parametrize("name", MEMBERS)
def test_automatic_fits_reach_least_squares(name):
    X, y = difficult_data(name)
    units = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    least = np.mean((LinearRegression().fit(units, y).predict(units) - y) ** 2)
    for model in regressors():
        model.fit(X, y)
        assert model.converged_
        assert isinstance(model.optimizer_, SVRG)
        excess = np.mean((model.predict(X) - y) ** 2) - least
        assert excess < 1e-4 * y.var()


@pytest.mark.parametrize("change", [lambda X: 30 * X, lambda X: 1e-3 * X, lambda X: X + 100])
def test_units_and_offsets_change_nothing(change, diabetes):
    X, y = diabetes
    for model in regressors():
        score = model.fit(X, y).score(X, y)
        assert model.fit(change(X), y).score(change(X), y) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_reaches_the_minimum_of_full_batches(loss, small):
    X, y = small[0], targets_for(loss, small[1])
    best = BatchGDRegressor(loss).fit(X, y)
    component = best.loss_
    constant = component.intercept_only(y)
    span = component.value(constant, y).mean()

    def objective(model):
        return component.value(X @ model.coef_ + model.intercept_, y).mean()

    for model in regressors(loss=loss):
        model.fit(X, y)
        nearness = 1e-2 if loss in KINKED else 1e-6
        assert objective(model) < objective(best) + nearness * span


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_penalties_reach_the_minimum_of_full_batches(loss, penalty, small):
    X, y = small
    params = {"loss": loss, "penalty": penalty, "alpha": 0.02, "tol": 1e-9}
    best = BatchGDRegressor(**params | {"tol": 1e-10}).fit(X, y)
    for model in regressors(**params):
        assert_allclose(model.fit(X, y).coef_, best.coef_, rtol=1e-3, atol=1e-5)
        assert_allclose(model.coef_ == 0, best.coef_ == 0)


def test_the_objective_never_increases():
    X, y = difficult_data("log-normal")
    for model in regressors(loss="log_cosh", max_iter=30, tol=None):
        objective = model.fit(X, y).history_["running_objective"]
        assert np.all(np.diff(objective) <= 1e-12 * objective[1:])


def test_outputs_in_different_units_all_reach_the_minimum():
    X, y = load_linnerud(return_X_y=True)
    y = y * [1e-6, 1.0, 1e6]
    best = LinearRegression().fit(X, y)
    for model in regressors():
        assert_allclose(model.fit(X, y).predict(X), best.predict(X), rtol=1e-3)


def test_offsets_without_an_intercept_reach_least_squares():
    X, y = difficult_data("offsets")
    least = np.mean((LinearRegression(fit_intercept=False).fit(X, y).predict(X) - y) ** 2)
    for model in regressors(fit_intercept=False):
        model.fit(X, y)
        assert np.mean((model.predict(X) - y) ** 2) < least + 1e-3 * y.var()


def test_targets_far_above_the_gradient_bound(small):
    X, y = small
    best = LinearRegression().fit(X, y)
    for model in regressors():
        assert_allclose(model.fit(X, 1e150 * y).predict(X), 1e150 * best.predict(X), rtol=1e-3)


def test_sparse_rows_and_single_precision_reach_the_minimum(diabetes):
    X, y = diabetes
    best = LinearRegression().fit(X, y).score(X, y)
    for rows in (csr_array(X), X.astype(np.float32)):
        for model in regressors():
            model.fit(rows, y.astype(rows.dtype))
            assert model.coef_.dtype == rows.dtype
            assert model.score(rows, y) == pytest.approx(best, abs=1e-4)


def test_weights_count_as_repetitions(small, weights):
    X, y = small
    repeated = np.repeat(np.arange(20), weights.astype(int))
    for model in regressors(tol=1e-12):
        expected = model.fit(X[repeated], y[repeated]).coef_.copy()
        assert_allclose(model.fit(X, y, sample_weight=weights).coef_, expected, rtol=1e-5)


def test_a_fit_that_ends_early_warns_of_the_expected_decrease():
    X, y = difficult_data("correlated")
    for model in regressors(max_iter=3):
        with pytest.warns(Warning, match="is expected to decrease by about"):
            model.fit(X, y)
