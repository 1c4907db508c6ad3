"""Offsets: terms with the fixed coefficient 1 in the linear predictor."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy import optimize, special
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, PoissonRegressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, losses
from skgd.data import memmap
from skgd.losses import LOSSES, intercept_with_offset
from tests.helpers.regressors import (
    REGRESSORS,
    assert_same_model,
    build,
    few_epochs,
    objective,
    targets_for,
)

#: Losses with a link, and one with kinks, of which none depends on p - y alone or has a fixed
#: second derivative.
NAMES = ["poisson", "gamma", "inverse_gaussian", "tweedie", "binomial", "quantile", "huber"]


@pytest.fixture(scope="module")
def rows():
    """Rows of unequal scales, and offsets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)) * [1, 10, 0.1] + [0, 5, 1]
    return X, rng.normal(size=120)


@pytest.fixture(scope="module")
def exposures(rows):
    """Exposures, and counts that are proportional to them."""
    rng = np.random.default_rng(1)
    exposure = rng.uniform(0.2, 5, size=120)
    return exposure, rng.poisson(exposure * np.exp(rows[0] @ [0.3, -0.05, 1.0])).astype(float)


def automatic(Regressor, loss="squared_error", **params):
    """Return a regressor with an automatic learning rate and a low tolerance."""
    known = {"learning_rate": "auto", "standardize": True, "penalty": None, "tol": 1e-10}
    return build(Regressor, loss=loss, **known | {"random_state": 0} | params)


def parameters(model):
    """Return the coefficients and the intercept in one array."""
    return np.append(model.coef_, model.intercept_)


def maximum_likelihood(log_partition, mean, variance, X, y, offset, alpha=0.0):
    """Return the minimiser of a canonical generalised linear model, by a trust-region method."""
    rows = np.column_stack([X, np.ones(len(X))])
    penalty = alpha * np.append(np.ones(X.shape[1]), 0)

    def value_and_gradient(theta):
        p = rows @ theta + offset
        value = np.mean(log_partition(p) - y * p) + penalty @ theta**2 / 2
        return value, rows.T @ (mean(p) - y) / len(X) + penalty * theta

    def hessian(theta):
        return (rows.T * variance(rows @ theta + offset)) @ rows / len(X) + np.diag(penalty)

    start = np.zeros(X.shape[1] + 1)
    options = {"gtol": 1e-13}
    return optimize.minimize(
        value_and_gradient, start, jac=True, hess=hessian, method="trust-exact", options=options
    ).x


def poisson_optimum(*arguments):
    return maximum_likelihood(np.exp, np.exp, np.exp, *arguments)


def binomial_optimum(*arguments):
    def variance(p):
        return special.expit(p) * special.expit(-p)

    return maximum_likelihood(lambda p: np.logaddexp(0, p), special.expit, variance, *arguments)


# Optima


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_poisson_fit_with_offset_reaches_the_optimum(alpha, rows, exposures):
    (X, _), (exposure, counts) = rows, exposures
    offset = np.log(exposure)
    optimum = poisson_optimum(X, counts, offset, alpha)
    model = BatchGDRegressor("poisson", alpha=alpha).fit(X, counts, offset=offset)
    assert_allclose(parameters(model), optimum, rtol=1e-7)
    expected = exposure * np.exp(X @ optimum[:3] + optimum[3])
    assert_allclose(model.predict(X, offset=offset), expected, rtol=1e-7)
    assert_allclose(model.predict(X), expected / exposure, rtol=1e-7)
    mean_value = losses.Poisson().value(np.log(expected), counts).mean()
    penalty = alpha * np.sum(optimum[:3] ** 2) / 2
    assert_allclose(model.history_["objective"][-1], mean_value + penalty, rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_binomial_fit_with_offset_reaches_the_optimum(Regressor, rows):
    X, offset = rows
    y = np.random.default_rng(2).binomial(9, special.expit(X @ [0.5, -0.05, 1.0] + offset)) / 9
    optimum = binomial_optimum(X, y, offset)
    model = automatic(Regressor, "binomial").fit(X, y, offset=offset)
    assert_allclose(
        parameters(model), optimum, rtol=1e-6 if Regressor is BatchGDRegressor else 1e-4
    )
    expected = special.expit(X @ model.coef_ + model.intercept_ + offset)
    assert_allclose(model.predict(X, offset=offset), expected, rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_exposure_by_weights_equals_exposure_by_offset(Regressor, rows, exposures):
    (X, _), (exposure, counts) = rows, exposures
    by_offset = automatic(Regressor, "poisson").fit(X, counts, offset=np.log(exposure))
    by_weights = automatic(Regressor, "poisson").fit(X, counts / exposure, sample_weight=exposure)
    assert_same_model(by_offset, by_weights, rtol=1e-4)
    # With an intercept the sum of the predicted counts is that of the counts.
    for total in (
        by_offset.predict(X, offset=np.log(exposure)).sum(),
        exposure @ by_weights.predict(X),
    ):
        assert total == pytest.approx(counts.sum(), rel=1e-6)
    if Regressor is BatchGDRegressor:
        assert_same_model(by_offset, by_weights, rtol=1e-8)
        theirs = PoissonRegressor(alpha=0, tol=1e-12, max_iter=10**4, solver="newton-cholesky")
        theirs.fit(X, counts / exposure, sample_weight=exposure)
        assert_same_model(by_offset, theirs, rtol=1e-6)
        objectives = [m.history_["objective"][-1] for m in (by_offset, by_weights)]
        # That of the weights is relative to their mean.
        assert objectives[0] == pytest.approx(exposure.mean() * objectives[1], rel=1e-10)


@pytest.mark.parametrize("power", [1.5, 3.0])
def test_tweedie_offset_equals_the_transformed_targets_and_weights(power, rows):
    X, offset = rows
    y = np.random.default_rng(3).gamma(2.0, np.exp(X @ [0.3, -0.02, 0.5] + offset))
    model = BatchGDRegressor(losses.Tweedie(power))
    with_offset = clone(model).fit(X, y, offset=offset)
    transformed = model.fit(X, y * np.exp(-offset), sample_weight=np.exp((2 - power) * offset))
    assert_same_model(with_offset, transformed, rtol=1e-7)


# Equivalent fits


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("rate", ["auto", 0.01])
@pytest.mark.parametrize("loss", [name for name in LOSSES if LOSSES[name]().inverse_link(0) == 0])
def test_an_offset_without_a_link_is_a_shift_of_the_targets(Regressor, rate, loss, rows):
    X, offset = rows
    y = X @ [1.0, 0.1, 3.0] + np.sin(np.arange(120.0)) + offset
    model = automatic(Regressor, loss, learning_rate=rate, max_iter=30, tol=None)
    with_offset = clone(model).fit(X, y, offset=offset)
    shifted = model.fit(X, y - offset)
    if rate == "auto" and with_offset.loss_.has_moreau_envelope():
        # Any point between two targets is a median: widths of the smoothing may differ.
        objectives = [objective(m, X, y - offset) for m in (with_offset, shifted)]
        assert_allclose(*objectives, rtol=1e-5)
    else:
        assert_same_model(with_offset, shifted, rtol=1e-6)
    predictions = with_offset.predict(X, offset=offset)
    assert_allclose(predictions, with_offset.predict(X) + offset, rtol=1e-12, atol=1e-12)


def test_squared_error_with_offset_is_least_squares(rows):
    X, offset = rows
    y = X @ [1.0, 0.1, 3.0] + np.sin(np.arange(120.0)) + offset
    model = BatchGDRegressor().fit(X, y, offset=offset)
    assert_same_model(model, LinearRegression().fit(X, y - offset), rtol=1e-9)
    assert model.score(X, y, offset=offset) == r2_score(y, model.predict(X) + offset)


@pytest.mark.parametrize("loss", NAMES)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_constant_offset_changes_the_intercept_only(Regressor, loss, small):
    X, y = small[0], targets_for(loss, small[1])
    model = few_epochs(Regressor, loss=loss, shuffle=False)
    start = {"coef_init": [0.1, -0.2, 0.15]}
    plain = clone(model).fit(X, y, intercept_init=[0.7], **start)
    shifted = model.fit(X, y, intercept_init=[0.2], offset=np.full(20, 0.5), **start)
    assert_allclose(shifted.coef_, plain.coef_, rtol=1e-9)
    assert_allclose(shifted.intercept_, plain.intercept_ - 0.5, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ["poisson", "binomial", "quantile"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_sparse_rows_give_the_fit_of_dense_rows(Regressor, standardize, loss, small):
    X, y = np.where(small[0] > 0.2, small[0], 0), targets_for(loss, small[1])
    offset = np.linspace(-1, 1, 20)
    model = few_epochs(Regressor, loss=loss, standardize=standardize, random_state=0)
    dense = clone(model).fit(X, y, offset=offset)
    sparse = model.fit(csr_array(X), y, offset=offset)
    assert_same_model(sparse, dense)
    assert_allclose(sparse.predict(csr_array(X), offset=offset), dense.predict(X, offset=offset))


@pytest.mark.parametrize("batch_size", [1, 6])
@pytest.mark.parametrize("loss", ["poisson", "binomial"])
def test_epochs_with_offset_are_the_textbook_loop(loss, batch_size, small):
    X, y = small[0], targets_for(loss, small[1])
    offset, mean = np.linspace(-1, 1, 20), LOSSES[loss]().inverse_link
    rows, theta = np.column_stack([X, np.ones(20)]), np.zeros(4)
    objectives = []
    for _ in range(3):
        total = 0.0
        for start in range(0, 20, batch_size):
            batch = slice(start, start + batch_size)
            p = rows[batch] @ theta + offset[batch]
            total += LOSSES[loss]().value(p, y[batch]).sum()
            theta = theta - 0.05 * rows[batch].T @ (mean(p) - y[batch]) / len(p)
        objectives.append(total / 20)
    Regressor = SGDRegressor if batch_size == 1 else MiniBatchGDRegressor
    model = few_epochs(Regressor, loss=loss, penalty=None, shuffle=False, batch_size=batch_size)
    model.set_params(standardize=False).fit(X, y, offset=offset)
    assert_allclose(parameters(model), theta, rtol=1e-11)
    assert_allclose(model.history_["running_objective"][1:], objectives, rtol=1e-11)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_one_offset_a_row_or_one_a_target(Regressor, small):
    X, y = small
    targets, offset = np.column_stack([y, y[::-1]]), np.linspace(-1, 1, 20)
    model = few_epochs(Regressor, loss="poisson", shuffle=False)
    one = clone(model).fit(X, targets, offset=offset)
    each = clone(model).fit(X, targets, offset=np.column_stack([offset, 2 * offset]))
    assert_same_model(one, clone(model).fit(X, targets, offset=offset[:, None]), rtol=0)
    for k, model_k in enumerate([one, each]):
        alone = clone(model).fit(X, targets[:, k], offset=(1 + k) * offset)
        assert_allclose(model_k.coef_[k], alone.coef_, rtol=1e-10)
    predictions = each.predict(X, offset=np.column_stack([offset, 2 * offset]))
    assert_allclose(predictions[:, 1], np.exp(2 * offset) * each.predict(X)[:, 1], rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_float32_is_preserved(Regressor, small):
    X, y = (part.astype(np.float32) for part in small)
    model = automatic(Regressor, "poisson", tol=1e-5, max_iter=100)
    for offset in (np.linspace(-1, 1, 20), np.linspace(-1, 1, 20).astype(np.float32)):
        single = clone(model).fit(X, y, offset=offset)
        double = clone(model).fit(*small, offset=offset.astype(float))
        assert single.coef_.dtype == single.predict(X, offset=offset).dtype == np.float32
        assert_same_model(single, double, rtol=1e-3)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_offsets_follow_the_rows_that_are_dropped_and_held_out(Regressor, small, weights):
    X, y = small
    offset, kept = np.linspace(-1, 1, 20), weights > 0
    model = few_epochs(Regressor, loss="poisson", shuffle=False)
    weighted = clone(model).fit(X, y, sample_weight=weights, offset=offset)
    dropped = clone(model).fit(X[kept], y[kept], sample_weight=weights[kept], offset=offset[kept])
    assert_same_model(weighted, dropped, rtol=0)
    held_out = np.array([3, 7, 11, 19])
    training = np.setdiff1d(np.arange(20), held_out)
    model.set_params(early_stopping=True, validation_split=held_out, tol=0.0, max_iter=4)
    with pytest.warns(Warning, match="did not converge"):
        stopped = clone(model).fit(X, y, offset=offset)
    model.set_params(early_stopping=False, validation_split=None, tol=None)
    validation = {"X_val": X[held_out], "y_val": y[held_out], "offset_val": offset[held_out]}
    explicit = model.fit(X[training], y[training], offset=offset[training], **validation)
    scores = [m.history_["validation_score"][-1] for m in (stopped, explicit)]
    assert scores[0] == scores[1]
    score = explicit.score(X[held_out], y[held_out], offset=offset[held_out])
    assert scores[1] == pytest.approx(score, rel=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "binomial", "huber"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_streams_take_offsets(Regressor, loss, rows):
    X, offset = rows
    y = LOSSES[loss]().inverse_link(X @ [0.3, -0.02, 0.5] + offset)
    model = automatic(Regressor, loss)
    for _ in range(5):
        for start in range(0, 120, 40):
            part = slice(start, start + 40)
            model.partial_fit(X[part], y[part], offset=offset[part])
    # The targets are those of a model without noise, in units of the linear predictor.
    p = X @ model.coef_ + model.intercept_
    assert np.std(p - X @ [0.3, -0.02, 0.5]) < 0.2 * np.std(X @ [0.3, -0.02, 0.5])


@pytest.mark.parametrize("loss", [*NAMES, "squared_error", "absolute_error", "log_cosh"])
def test_the_best_constant_with_offsets(loss):
    component, rng = LOSSES[loss](), np.random.default_rng(4)
    y = targets_for(loss, rng.gamma(2.0, size=(31, 2)))
    offset, weights = rng.normal(size=(31, 2)), rng.uniform(0.5, 2, size=31)
    constants = intercept_with_offset(component, y, weights, offset)
    for k, constant in enumerate(constants):

        def value(c, k=k):
            return np.average(component.value(c + offset[:, k], y[:, k]), weights=weights)

        least = min(value(constant + step) for step in np.linspace(-0.1, 0.1, 201))
        assert value(constant) <= least + 1e-15
        alone = intercept_with_offset(component, y[:, k], weights, offset[:, k])
        assert alone == pytest.approx(constant, rel=1e-12)
    assert intercept_with_offset(component, y[:, 0]) == component.intercept_only(y[:, 0])


def test_the_best_constant_of_targets_without_a_finite_one():
    offset = np.linspace(-1, 1, 5)
    for loss, y in [("poisson", np.zeros(5)), ("binomial", np.zeros(5)), ("binomial", np.ones(5))]:
        assert np.isfinite(intercept_with_offset(LOSSES[loss](), y, None, offset))


# Data in chunks


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_memory_maps_and_batches_equal_rows_in_memory(
    Regressor, loss, rows, exposures, tmp_path, monkeypatch
):
    (X, _), (exposure, counts) = rows, exposures
    X, offset = X / [1, 10, 1], np.log(exposure)
    if Regressor is BatchGDRegressor:
        model = automatic(Regressor, loss)
    else:
        model = few_epochs(Regressor, loss=loss, shuffle=False, batch_size=20, learning_rate=0.01)
    expected = clone(model).fit(X, counts, offset=offset)
    if Regressor is BatchGDRegressor:
        parts = [slice(0, 60), slice(60, 120)]
        batches = [(X[part], counts[part], None, offset[part]) for part in parts]
        assert_same_model(clone(model).fit_batches(batches), expected, rtol=1e-6)
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    monkeypatch.setattr(memmap, "CHUNK_BYTES", 960)  # 40 rows
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    chunked = clone(model).fit(mapped, counts, offset=offset)
    assert_same_model(chunked, expected, rtol=1e-6)
    assert_allclose(chunked.predict(mapped, offset=offset), chunked.predict(X, offset=offset))
    score = chunked.score(mapped, counts, offset=offset)
    assert score == pytest.approx(chunked.score(X, counts, offset=offset))
    validated = clone(model).set_params(max_iter=2, tol=None)
    validated.fit(mapped, counts, offset=offset, X_val=mapped, y_val=counts, offset_val=offset)
    assert validated.history_["validation_score"][-1] == pytest.approx(
        validated.score(X, counts, offset=offset)
    )
    for wrong, message in [(offset[:-1], "offset has shape"), (offset + np.inf, "infinity")]:
        with pytest.raises(ValueError, match=message):
            clone(model).fit(mapped, counts, offset=wrong)


def test_batches_of_small_updates_take_offsets(rows, exposures):
    (X, _), (exposure, counts) = rows, exposures
    offset = np.log(exposure)
    batches = [(X[:60], counts[:60], None, offset[:60]), (X[60:], counts[60:], None, offset[60:])]
    model = few_epochs(MiniBatchGDRegressor, loss="poisson", shuffle=False, standardize=False)
    model.set_params(learning_rate=1e-3, batch_size=20)
    expected = clone(model).fit(X, counts, offset=offset)
    assert_same_model(model.fit_batches(batches), expected)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_dask_collections_equal_rows_in_memory(loss, rows, exposures):
    da = pytest.importorskip("dask.array")
    (X, _), (exposure, counts) = rows, exposures
    offset = np.log(exposure)
    model = BatchGDRegressor(loss)
    expected = clone(model).fit(X, counts, offset=offset)
    lazy = da.from_array(X, chunks=(40, 3))
    columns = [counts, da.from_array(counts, chunks=30)], [offset, da.from_array(offset, chunks=40)]
    for y, o in zip(*columns, strict=True):
        fitted = clone(model).fit(lazy, y, offset=o)
        assert_same_model(fitted, expected, rtol=1e-6)
        predictions = fitted.predict(lazy, offset=o)
        assert isinstance(predictions, da.Array)
        assert_allclose(predictions.compute(), fitted.predict(X, offset=offset), rtol=1e-12)
        score = fitted.score(X, counts, offset=offset)
        assert fitted.score(lazy, y, offset=o) == pytest.approx(score)
    with pytest.raises(ValueError, match="offset has 119 rows; X has 120"):
        clone(model).fit(lazy, counts, offset=offset[:-1])
    with pytest.raises(ValueError, match=r"Chunk 2 .*offset contains NaN"):
        clone(model).fit(lazy, counts, offset=np.append(offset[:-1], np.nan))
    targets = da.from_array(np.column_stack([counts, counts + 1]), chunks=(40, 2))
    several = clone(model).fit(lazy, targets, offset=offset)
    assert_allclose(several.coef_[0], expected.coef_, rtol=1e-6)
    predictions = several.predict(lazy, offset=offset).compute()
    assert_allclose(predictions, several.predict(X, offset=offset), rtol=1e-12)


# Errors


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (np.zeros(19), r"offset has shape \(19,\), but the targets have shape \(20,\)"),
        (
            np.zeros((20, 2)),
            r"offset has shape \(20, 2\), but .* \(20,\)\. Pass one number per row",
        ),
        (np.append(np.zeros(19), np.nan), "offset contains NaN"),
        (np.append(np.zeros(19), np.inf), "offset contains infinity"),
        (["a"] * 20, "could not convert string to float"),
    ],
)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_invalid_offsets_are_refused_and_the_model_is_unchanged(Regressor, offset, message, small):
    X, y = small
    model = few_epochs(Regressor, loss="poisson").fit(X, y)
    before = model.coef_.copy()
    for call in (model.fit, model.partial_fit, model.score):
        with pytest.raises(ValueError, match=message):
            call(X, y, offset=offset)
    with pytest.raises(ValueError, match=message):
        model.predict(X, offset=offset)
    assert_allclose(model.coef_, before, rtol=0)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_rows_need_offsets_where_training_rows_have_them(Regressor, small):
    X, y = small
    model, zeros = few_epochs(Regressor, loss="poisson"), np.zeros(20)
    for params in ({"offset": zeros}, {"offset_val": zeros}):
        with pytest.raises(ValueError, match=r"offset and offset_val, .*passed together"):
            model.fit(X, y, X_val=X, y_val=y, **params)
    with pytest.raises(ValueError, match="offset_val need X_val"):
        model.fit(X, y, offset=zeros, offset_val=zeros)
    with pytest.raises(ValueError, match="offset_val has shape"):
        model.fit(X, y, X_val=X, y_val=y, offset=zeros, offset_val=zeros[1:])


# Metadata routing


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_offsets_are_routed_through_pipelines_and_searches(Regressor, rows, exposures):
    (X, _), (exposure, counts) = rows, exposures
    offset, folds = np.log(exposure), KFold(3)
    is_old = parse_version(sklearn.__version__) < parse_version("1.7")
    with config_context(enable_metadata_routing=True):
        model = few_epochs(Regressor, loss="poisson", shuffle=False, random_state=0)
        model.set_fit_request(offset=True).set_score_request(offset=True)
        model.set_predict_request(offset=True).set_params(learning_rate=0.01)
        pipeline = make_pipeline(StandardScaler(), model)
        fitted = clone(pipeline).fit(X, counts, offset=offset)
        scaled = StandardScaler().fit_transform(X)
        alone = clone(model).fit(scaled, counts, offset=offset)
        assert_same_model(fitted[-1], alone, rtol=0)
        predictions = fitted.predict(X, offset=offset)
        assert_allclose(predictions, alone.predict(scaled, offset=offset), rtol=0)

        params = {"offset": offset}
        result = cross_validate(pipeline, X, counts, cv=folds, params=params, return_estimator=True)
        for (train, test), estimator, score in zip(
            folds.split(X), result["estimator"], result["test_score"], strict=True
        ):
            part = clone(pipeline).fit(X[train], counts[train], offset=offset[train])
            assert_same_model(estimator[-1], part[-1], rtol=0)
            if not is_old:  # scikit-learn 1.6 does not route offsets to the score of a pipeline
                assert score == part.score(X[test], counts[test], offset=offset[test])

        name = f"{Regressor.__name__.lower()}__alpha"
        search = GridSearchCV(pipeline, {name: [0.01, 10.0]}, cv=folds)
        search.fit(X, counts, offset=offset)
        assert search.best_params_ == {name: 0.01}
        if not is_old:
            best = search.best_estimator_.score(X, counts, offset=offset)
            assert search.score(X, counts, offset=offset) == best


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_without_routing_a_search_passes_offsets_to_fit_only(Regressor, rows, exposures):
    (X, _), (exposure, counts) = rows, exposures
    model = few_epochs(Regressor, loss="poisson", shuffle=False, random_state=0)
    model.set_params(learning_rate=1e-3, standardize=True)
    offset, folds = np.log(exposure), KFold(2)
    search = GridSearchCV(model, {"max_iter": [3]}, cv=folds).fit(X, counts, offset=offset)
    scores = [
        clone(model).fit(X[train], counts[train], offset=offset[train]).score(X[test], counts[test])
        for train, test in folds.split(X)
    ]
    assert search.best_score_ == pytest.approx(np.mean(scores))
