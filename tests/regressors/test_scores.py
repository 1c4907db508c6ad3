"""Scores: D² of validation rows by every loss, and `score`."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn import metrics
from sklearn.linear_model import PoissonRegressor, QuantileRegressor

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, losses
from skgd.data import memmap
from skgd.data.d2 import best_constant
from skgd.data.in_memory import InMemoryData
from skgd.losses import LOSSES, Loss, SquaredError
from skgd.schedules import InverseScaling
from tests.helpers.regressors import REGRESSORS, few_epochs, targets_for

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OBJECTS = [cls() for cls in LOSSES.values()]
OBJECTS += [losses.Huber(2.0), losses.EpsilonInsensitive(1.5), losses.SquaredEpsilonInsensitive(2)]
OBJECTS += [losses.Quantile(0.9), losses.Quantile(0.9).moreau_envelope(0.3)]
every_loss = pytest.mark.parametrize("loss", OBJECTS, ids=repr)


@dataclass(frozen=True)
class Shifted(Loss):
    """Absolute error minus 100: its sums are negative."""

    lipschitz = 1.0

    def value(self, p, y):
        return np.abs(p - y) - 100.0

    def gradient(self, p, y):
        return np.sign(p - y)


@pytest.fixture(scope="module")
def rows():
    """Rows with positive, skewed targets and whole weights, some of them zero."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 3))
    y = np.exp(0.3 * X @ [1.0, -1.0, 0.5] + 0.5 * rng.normal(size=60))
    return X, y, rng.integers(0, 4, 60).astype(float)


def linear_predictors(model, X):
    return X @ model.coef_.T + model.intercept_


# Best constants


@every_loss
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_no_constant_has_a_lower_loss(loss, scale, rows):
    _, y, weights = rows
    y = targets_for(loss, np.stack([scale * y, scale * y[::-1] ** 2], axis=1))
    for row_weights in (None, weights):
        constants = best_constant(loss, InMemoryData(y, y, row_weights))
        for column, constant in zip(y.T, constants, strict=True):

            def objective(c, column=column, row_weights=row_weights):
                values = loss.value(np.full_like(column, c), column)
                return np.average(values, weights=row_weights)

            unit = 1.0 if loss.has_link() else np.ptp(column)
            bounds = constant - unit, constant + unit
            other = minimize_scalar(objective, bounds=bounds, method="bounded")
            rounding = 1e-15 if loss.has_link() else 0.0  # of a deviance of order 1
            assert objective(constant) <= other.fun * (1 + 1e-14) + rounding


def test_the_constant_of_a_wide_huber_loss_is_the_mean_and_not_the_median(rows):
    _, y, weights = rows
    constant = best_constant(losses.Huber(1e6), InMemoryData(y, y, weights))
    assert_allclose(constant, np.average(y, weights=weights), rtol=1e-12)


def test_the_constant_of_counts_that_are_all_zero_has_no_loss():
    y = np.zeros(5)
    constant = best_constant(losses.Poisson(), InMemoryData(y, y, None))
    assert losses.Poisson().value(constant, 0.0) < 1e-300


def test_the_constant_of_equal_targets_is_their_value():
    y = np.full(5, 0.1)
    for loss in (losses.Huber(), losses.LogCosh(), Shifted()):
        assert_allclose(best_constant(loss, InMemoryData(y, y, None)), 0.1, rtol=1e-15)


# Validation scores


REFERENCES = {
    losses.SquaredError(): metrics.r2_score,
    losses.AbsoluteError(): metrics.d2_absolute_error_score,
    losses.Quantile(): metrics.d2_absolute_error_score,
    losses.Quantile(0.9): lambda y, p, **kw: metrics.d2_pinball_score(y, p, alpha=0.9, **kw),
    losses.Poisson(): lambda y, p, **kw: metrics.d2_tweedie_score(y, np.exp(p), power=1, **kw),
    losses.Gamma(): lambda y, p, **kw: metrics.d2_tweedie_score(y, np.exp(p), power=2, **kw),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", REFERENCES, ids=repr)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_scores_are_those_of_scikit_learn(Regressor, loss, weighted, rows):
    X, y, weights = rows
    weights = weights if weighted else None
    model = few_epochs(Regressor, loss=loss, standardize=True)
    model.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)
    expected = REFERENCES[loss](y, linear_predictors(model, X), sample_weight=weights)
    assert model.history_["validation_score"][-1] == pytest.approx(expected, rel=1e-11)


@every_loss
def test_validation_scores_of_every_loss_are_the_explained_fraction(loss, rows):
    X, y, weights = rows
    y = targets_for(loss, 3 * y)  # beyond every insensitive interval
    model = few_epochs(BatchGDRegressor, loss=loss, learning_rate=0.01)
    model.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights)

    def mean_loss(p):
        return np.average(loss.value(np.broadcast_to(p, y.shape), y), weights=weights)

    null = minimize_scalar(mean_loss, bounds=(-2, y.max()), method="bounded", options={"xatol": 0})
    expected = 1 - mean_loss(linear_predictors(model, X)) / null.fun
    assert model.history_["validation_score"][-1] == pytest.approx(expected, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_scores_are_averaged_over_the_outputs(Regressor, rows):
    X, y, _ = rows
    Y = np.stack([y, 3 * y[::-1]], axis=1)
    model = few_epochs(Regressor, loss="poisson", learning_rate=0.01).fit(X, Y, X_val=X, y_val=Y)
    pairs = zip(Y.T, model.predict(X).T, strict=True)
    scores = [metrics.d2_tweedie_score(*pair, power=1) for pair in pairs]
    assert model.history_["validation_score"][-1] == pytest.approx(np.mean(scores))


@pytest.mark.parametrize("name", ["huber", "epsilon_insensitive", "squared_epsilon_insensitive"])
def test_validation_scores_of_scikit_learns_losses_are_r2_in_sgd_only(name, rows):
    X, y, _ = rows
    for Regressor in REGRESSORS:
        model = few_epochs(Regressor, loss=name).fit(X, y, X_val=X, y_val=y)
        is_r2 = model.history_["validation_score"][-1] == pytest.approx(model.score(X, y))
        assert is_r2 == (Regressor is SGDRegressor)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_loss_with_negative_values_ranks_models_as_the_same_loss_without_offset(Regressor, rows):
    X, y, _ = rows
    params = {"early_stopping": True, "max_iter": 40, "learning_rate": 0.3, "random_state": 0}
    shifted, plain = (
        few_epochs(Regressor, loss=loss, **params).fit(X, y)
        for loss in (Shifted(), losses.AbsoluteError())
    )
    best = np.argmax(plain.history_["validation_score"])
    assert best > 1
    assert np.argmax(shifted.history_["validation_score"]) == best
    assert_allclose(shifted.coef_, plain.coef_)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_targets_outside_the_domain_are_rejected(Regressor, rows):
    X, y, _ = rows
    model = few_epochs(Regressor, loss="gamma")
    with pytest.raises(ValueError, match=r"^y_val: Gamma needs y > 0 in every row; got y\[0\]=-"):
        model.fit(X, y, X_val=X, y_val=-y)
    assert not hasattr(model, "coef_")


# Early stopping of losses other than squared error


@pytest.fixture(scope="module")
def heteroscedastic():
    """Rows whose noise grows with the first feature, and the exact fit of their 0.9 quantile."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 10, size=(2000, 3))
    y = X @ [1.0, 2.0, 0.0] + (0.2 + X[:, 0]) * rng.normal(size=2000)
    exact = QuantileRegressor(quantile=0.9, alpha=0, solver="highs").fit(X, y)
    return X, y, metrics.mean_pinball_loss(y, exact.predict(X), alpha=0.9)


@pytest.mark.parametrize(
    "params", [{}, {"learning_rate": InverseScaling(0.5)}, {"tol": None, "max_iter": 80}]
)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_early_stopping_of_a_quantile_has_its_coverage(Regressor, params, heteroscedastic):
    X, y, least = heteroscedastic
    params = {"learning_rate": "auto", "standardize": True, "random_state": 0} | params
    model = Regressor(losses.Quantile(0.9), penalty=None, early_stopping=True, **params).fit(X, y)
    assert abs(np.mean(y <= model.predict(X)) - 0.9) < 0.025
    assert metrics.mean_pinball_loss(y, model.predict(X), alpha=0.9) < 1.03 * least
    assert model.stop_reason_ == ("max_iter" if params.get("tol", 0) is None else "early_stopping")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_the_best_model_of_all_smoothing_widths_is_kept(Regressor, heteroscedastic):
    X, y, _ = heteroscedastic
    X_val, y_val = X[:30], y[:30]  # few, so that the score is best long before the end
    model = Regressor("quantile", learning_rate="auto", standardize=True, early_stopping=True)
    model.set_params(penalty=None, tol=1e-9, random_state=0)
    model.fit(X[30:], y[30:], X_val=X_val, y_val=y_val)
    scores = model.history_["validation_score"]
    assert 0 < np.argmax(scores[1:]) + 1 < model.n_iter_
    expected = metrics.d2_absolute_error_score(y_val, model.predict(X_val))
    assert expected == pytest.approx(scores[1:].max(), rel=1e-9)
    assert model.n_iter_ - (np.argmax(scores[1:]) + 1) <= model.n_iter_no_change


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_fit_without_tolerance_reaches_the_smallest_width(Regressor, heteroscedastic):
    X, y, least = heteroscedastic
    model = Regressor(losses.Quantile(0.9), learning_rate="auto", standardize=True, penalty=None)
    model.set_params(tol=None, max_iter=80, random_state=0).fit(X, y)
    assert (model.n_iter_, model.stop_reason_) == (80, "max_iter")
    assert metrics.mean_pinball_loss(y, model.predict(X), alpha=0.9) < 1.005 * least


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_fit_that_ends_at_an_intermediate_width_has_not_converged(Regressor, heteroscedastic):
    X, y, _ = heteroscedastic
    model = Regressor("absolute_error", learning_rate="auto", standardize=True, random_state=0)
    for max_iter in range(1, 9):
        model.set_params(max_iter=max_iter).fit(X, y)
        assert (model.converged_, model.stop_reason_) == (False, "max_iter")


# score


@pytest.mark.parametrize("weighted", [False, True])
def test_score_of_poisson_is_that_of_poisson_regressor(weighted, rows):
    X, y, weights = rows
    weights = weights if weighted else None
    reference = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000)
    reference.fit(X, y, sample_weight=weights)
    model = BatchGDRegressor("poisson").fit(X, y, sample_weight=weights)
    expected = reference.score(X, y, sample_weight=weights)
    assert model.score(X, y, sample_weight=weights) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("loss", [losses.Poisson(), losses.Gamma()], ids=repr)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_score_of_losses_with_a_link_is_d2(Regressor, loss, rows):
    X, y, weights = rows
    model = few_epochs(Regressor, loss=loss).fit(X, y)
    expected = REFERENCES[loss](y, linear_predictors(model, X), sample_weight=weights)
    for matrix in (X, csr_matrix(X), X.astype(np.float32)):
        score = model.score(matrix, y, sample_weight=weights)
        assert score == pytest.approx(expected, rel=1e-6)
    assert model.sparsify().score(X, y, sample_weight=weights) == pytest.approx(expected)


@pytest.mark.parametrize("name", [name for name, cls in LOSSES.items() if not cls.has_link()])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_score_of_other_losses_is_r2(Regressor, name, rows):
    X, y, weights = rows
    model = few_epochs(Regressor, loss=name).fit(X, y)
    expected = metrics.r2_score(y, model.predict(X), sample_weight=weights)
    assert model.score(X, y, sample_weight=weights) == pytest.approx(expected)


def test_score_of_a_user_loss_with_a_link_is_d2(rows):
    X, y, _ = rows

    @dataclass(frozen=True)
    class LogSquaredError(Loss):
        """Squared error of the logarithm; predictions have the units of y."""

        gradient_lipschitz = 1.0

        def value(self, p, y):
            return (p - np.log(y)) ** 2 / 2

        def gradient(self, p, y):
            return p - np.log(y)

        def intercept_only(self, y, weights=None):
            return np.average(np.log(y), axis=0, weights=weights)

        def inverse_link(self, p):
            return np.exp(p)

    model = BatchGDRegressor(LogSquaredError()).fit(X, y)
    expected = metrics.r2_score(np.log(y), np.log(model.predict(X)))
    assert model.score(X, y) == pytest.approx(expected)


def test_score_of_targets_without_any_loss_left_is_one_or_zero(rows):
    X, _, _ = rows
    model = BatchGDRegressor("gamma").fit(X, np.full(60, 3.0))
    model.coef_[:], model.intercept_[:] = 0.0, np.log(3.0)
    assert model.score(X, np.full(60, 3.0)) == 1.0
    model.intercept_[:] = 0.0
    assert model.score(X, np.full(60, 3.0)) == 0.0


def test_score_rejects_what_the_loss_is_not_defined_for(rows):
    X, y, _ = rows
    model = few_epochs(BatchGDRegressor, loss="poisson").fit(X, y)
    with pytest.raises(ValueError, match="Poisson needs y >= 0"):
        model.score(X, -y)
    with pytest.raises(ValueError, match="sample_weight is zero for every row"):
        model.score(X, y, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match="2 features"):
        model.score(X[:, :2], y)
    with pytest.raises(ValueError, match="y has shape"):
        model.score(X, np.c_[y, y])


# Data in chunks


@pytest.fixture
def in_chunks(rows, tmp_path, monkeypatch):
    """The rows as a memory map that is read in chunks of eight rows."""
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    monkeypatch.setattr(memmap, "CHUNK_BYTES", 192)
    np.save(tmp_path / "X.npy", rows[0])
    return np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("loss", [*REFERENCES, losses.Huber(2.0)], ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_a_memory_map_are_those_in_memory(loss, weighted, rows, in_chunks):
    X, y, weights = rows
    weights = weights if weighted else None
    model = few_epochs(BatchGDRegressor, loss=loss)
    expected = model.fit(X, y, X_val=X, y_val=y, sample_weight_val=weights).history_
    score = model.score(X, y, sample_weight=weights)
    model.fit(X, y, X_val=in_chunks, y_val=y, sample_weight_val=weights)
    assert_allclose(model.history_["validation_score"], expected["validation_score"], rtol=1e-9)
    assert model.score(in_chunks, y, sample_weight=weights) == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("loss", [losses.Poisson(), losses.Gamma(), SquaredError()], ids=repr)
def test_scores_of_chunks_by_the_mean_need_no_sample(loss, rows, in_chunks, monkeypatch):
    monkeypatch.setattr(memmap.MemmapData, "read_sample", None)
    X, y, weights = rows
    model = few_epochs(BatchGDRegressor, loss=loss).fit(X, y)
    expected = model.score(X, y, sample_weight=weights)
    assert model.score(in_chunks, y, sample_weight=weights) == pytest.approx(expected, rel=1e-9)


def test_scores_of_a_dask_array_are_those_in_memory(rows):
    da = pytest.importorskip("dask.array")
    X, y, weights = rows
    columns = [da.from_array(array, chunks=13) for array in (X, y, weights)]
    model = few_epochs(MiniBatchGDRegressor, loss="gamma").fit(X, y)
    expected = model.score(X, y, sample_weight=weights)
    score = model.score(*columns[:2], sample_weight=columns[2])
    assert score == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match=r"Chunk \d of the data: Gamma needs y > 0"):
        model.score(columns[0], -columns[1])
