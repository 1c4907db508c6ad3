"""BatchGDRegressorCV: equal to scikit-learn's classes and to separate fits of each fold."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV, LassoCV, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, TimeSeriesSplit

from skgd import BatchGDRegressor
from skgd.data import memmap
from skgd.model_selection import BatchGDRegressorCV

X, Y = load_diabetes(return_X_y=True, scaled=False)
X, Y = X[:440], Y[:440]  # equal folds
WEIGHTS = np.arange(440) % 4 + 0.5
EXACT = {"tol": 1e-13, "max_iter": 100_000}


def assert_equal_models(ours, theirs):
    """Compare with a fitted class of scikit-learn."""
    for name in ("alpha_", "alphas_", "mse_path_", "intercept_"):
        actual, expected = np.squeeze(getattr(ours, name)), getattr(theirs, name)
        np.testing.assert_allclose(actual, expected, rtol=1e-9)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)


@pytest.mark.parametrize("alphas", [20, [0.1, 1.0, 0.3, 10.0]], ids=str)
@pytest.mark.parametrize("cv", [5, KFold(4, shuffle=True, random_state=0), TimeSeriesSplit(3)])
@pytest.mark.parametrize("positive", [False, True])
def test_l1_penalties_like_lasso_cv(alphas, cv, positive):
    ours = BatchGDRegressorCV(alphas=alphas, l1_ratio=1.0, cv=cv, positive=positive).fit(X, Y)
    theirs = LassoCV(alphas=np.sort(ours.alphas_), cv=cv, positive=positive, **EXACT).fit(X, Y)
    assert_equal_models(ours, theirs)
    assert ours.l1_ratio_ == 1.0
    assert ours.best_score_ == pytest.approx(-theirs.mse_path_.mean(axis=-1).min() / 2)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_elastic_nets_like_elastic_net_cv(weights, fit_intercept):
    params = {"l1_ratio": [0.2, 0.7, 1.0], "fit_intercept": fit_intercept}
    ours = BatchGDRegressorCV(alphas=8, eps=1e-2, **params).fit(X, Y, sample_weight=weights)
    theirs = ElasticNetCV(eps=1e-2, alphas=ours.alphas_[0], **params, **EXACT)
    theirs.fit(X, Y, sample_weight=weights)
    assert ours.alphas_.shape == (3, 8)
    np.testing.assert_allclose(ours.mse_path_[0], theirs.mse_path_[0], rtol=1e-9)
    gradient = (X - fit_intercept * np.average(X, axis=0, weights=weights)).T @ (
        (1.0 if weights is None else weights / weights.mean())
        * (Y - fit_intercept * np.average(Y, weights=weights))
    )
    largest = np.abs(gradient).max() / len(Y) / np.array(params["l1_ratio"])
    np.testing.assert_allclose(ours.alphas_[:, 0], largest, rtol=1e-9)
    np.testing.assert_allclose(ours.alphas_[:, -1], largest / 100, rtol=1e-9)
    given = BatchGDRegressorCV(alphas=ours.alphas_[0], **params).fit(X, Y, sample_weight=weights)
    assert_equal_models(given, theirs)
    assert given.l1_ratio_ == theirs.l1_ratio_


def test_l2_penalties_like_ridge_cv():
    alphas = np.geomspace(1e-3, 10, 9)
    ours = BatchGDRegressorCV(alphas=alphas).fit(X, Y)
    n_train = 0.8 * len(Y)
    theirs = RidgeCV(n_train * alphas, cv=5, scoring="neg_mean_squared_error").fit(X, Y)
    assert n_train * ours.alpha_ == pytest.approx(theirs.alpha_)
    assert 2 * ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-10)
    chosen = BatchGDRegressorCV().fit(X, Y)
    assert chosen.alphas_[0] == pytest.approx(X.var(axis=0).sum())
    assert chosen.alphas_[-1] == pytest.approx(1e-3 * X.var(axis=0).min())
    assert chosen.best_score_ >= ours.best_score_


def separate_losses(model, loss, X, y, weights, splits):
    """Return the losses of test rows after separate fits, and the alphas and ratios of `model`."""
    path = np.empty((len(model.l1_ratio), len(model.alphas), len(splits)))
    for index in np.ndindex(path.shape):
        ratio, alpha = model.l1_ratio[index[0]], sorted(model.alphas)[::-1][index[1]]
        train, test = splits[index[2]]
        fit = BatchGDRegressor(loss, penalty="elasticnet", alpha=alpha, l1_ratio=ratio)
        fit.fit(X[train], y[train], sample_weight=weights[train])
        predictors = X[test] @ fit.coef_.T + (fit.intercept_ if y.ndim > 1 else fit.intercept_[0])
        losses = fit.loss_.value(predictors, y[test]).reshape(len(test), -1).mean(axis=1)
        path[index] = np.average(losses, weights=weights[test])
    return path


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "huber", "poisson"])
@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
def test_other_losses_and_sparse_rows_like_separate_fits(loss, container):
    Xs, y = container((X[:150] - X.mean(axis=0)) / X.std(axis=0)), Y[:150] / 50
    splits = list(KFold(2).split(y))
    model = BatchGDRegressorCV(loss, alphas=[0.01, 0.1], l1_ratio=[0.0, 0.9], cv=splits)
    model.fit(Xs, y, sample_weight=WEIGHTS[:150])
    expected = separate_losses(model, loss, Xs, y, WEIGHTS, splits)
    rtol = 1e-4 if loss == "quantile" else 1e-8  # a loss with kinks
    np.testing.assert_allclose(model.loss_path_, expected, rtol=rtol)
    assert model.best_score_ == -model.loss_path_.mean(axis=-1).min()
    assert hasattr(model, "mse_path_") == (loss == "squared_error")


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (X, np.column_stack([Y, X[:, 2] * Y])),  # several outputs
        (X, X @ np.arange(10.0)),  # no noise: squared errors cancel in second moments
        (np.hstack([X, X[:, :1] + 1e-9 * X[:, 1:2]]), Y),  # collinear features
        (X[:8], Y[:8]),  # fewer rows than features
        (X.astype(np.float32), Y),
    ],
    ids=["outputs", "exact", "collinear", "wide", "float32"],
)
def test_squared_error_like_separate_fits(X, y):
    splits = list(KFold(2).split(y))
    model = BatchGDRegressorCV(alphas=[1e-3, 0.1, 1.0], l1_ratio=[0.0, 0.9], cv=splits).fit(X, y)
    expected = separate_losses(model, "squared_error", X, y, np.ones(len(y)), splits)
    rtol = 1e-9 if X.dtype == np.float64 else 1e-3
    np.testing.assert_allclose(model.loss_path_, expected, rtol=rtol)


def test_best_model_is_fitted_to_all_rows():
    model = BatchGDRegressorCV("huber", alphas=[0.1, 1.0], l1_ratio=1.0, cv=3).fit(X, Y)
    fit = BatchGDRegressor("huber", penalty="l1", alpha=model.alpha_).fit(X, Y)
    np.testing.assert_allclose(model.coef_, fit.coef_, rtol=1e-6, atol=1e-8)
    assert model.score(X, Y) == pytest.approx(fit.score(X, Y))
    assert model.n_iter_ == model.best_estimator_.n_iter_
    assert np.array_equal(model.predict(X), model.best_estimator_.predict(X))


def test_rows_without_weight_groups_and_threads():
    groups, weights = np.arange(440) % 7, (np.arange(440) % 3).astype(float)
    model = BatchGDRegressorCV(alphas=[0.1, 1.0], l1_ratio=1.0, cv=GroupKFold(3), n_jobs=2)
    model.fit(X, Y, sample_weight=weights, groups=groups)
    used = weights > 0
    expected = BatchGDRegressorCV(alphas=[0.1, 1.0], l1_ratio=1.0)
    splits = GroupKFold(3).split(X, Y, groups)
    number = np.cumsum(used) - 1
    expected.cv = [tuple(number[part[used[part]]] for part in split) for split in splits]
    expected.fit(X[used], Y[used], sample_weight=weights[used])
    np.testing.assert_allclose(model.loss_path_, expected.loss_path_, rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "gamma", "poisson"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_largest_l1_strength_leaves_no_coefficient(loss, fit_intercept):
    y = Y / 50
    model = BatchGDRegressorCV(loss, l1_ratio=1.0, alphas=2, eps=0.9, fit_intercept=fit_intercept)
    largest = model.fit(X[:60], y[:60]).alphas_[0]
    for factor, is_empty in ((1.001, True), (0.9, False)):
        fit = BatchGDRegressor(loss, penalty="l1", alpha=factor * largest)
        fit.set_params(fit_intercept=fit_intercept).fit(X[:60], y[:60])
        assert (not np.any(np.abs(fit.coef_) > 1e-9)) == is_empty


# Rows in chunks


def in_chunks(splits, n_rows, n_chunks):
    """Return splits of chunks as splits of rows."""
    chunks = np.array_split(np.arange(n_rows), n_chunks)
    return [tuple(np.concatenate([chunks[i] for i in part]) for part in split) for split in splits]


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("cv", [5, ShuffleSplit(2, random_state=0)], ids=["5", "shuffle"])
def test_memory_maps_are_split_into_chunks(tmp_path, monkeypatch, loss, cv):
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    monkeypatch.setattr(memmap, "CHUNK_BYTES", 44 * 80)
    rows = np.memmap(tmp_path / "X", dtype=float, mode="w+", shape=X.shape)
    rows[:] = (X - X.mean(axis=0)) / X.std(axis=0)
    reads, read_chunk = [], memmap.MemmapData.read_chunk

    def count(self, number):
        reads.append(number)
        return read_chunk(self, number)

    monkeypatch.setattr(memmap.MemmapData, "read_chunk", count)
    params = {"alphas": [0.01, 0.1, 1.0], "l1_ratio": [0.0, 0.5]}
    model = BatchGDRegressorCV(loss, cv=cv, **params).fit(rows, Y / 50, sample_weight=WEIGHTS)
    assert loss == "poisson" or len(reads) == 10  # one pass over the chunks for all folds
    splitter = KFold(5) if cv == 5 else cv
    splits = in_chunks(list(splitter.split(np.arange(10))), len(Y), 10)
    expected = BatchGDRegressorCV(loss, cv=splits, **params)
    expected.fit(np.array(rows), Y / 50, sample_weight=WEIGHTS)
    np.testing.assert_allclose(model.loss_path_, expected.loss_path_, rtol=1e-8)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match=r"X has 10; cv=11 does not divide them"):
        BatchGDRegressorCV(loss, cv=11).fit(rows, Y)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_dask_collections_are_split_into_chunks(loss):
    da = pytest.importorskip("dask.array")
    Xs, y = (X - X.mean(axis=0)) / X.std(axis=0), Y / 50
    params = {"alphas": [0.01, 0.1], "l1_ratio": [0.0, 0.5]}
    model, reads = BatchGDRegressorCV(loss, **params, cv=2), []
    rows = da.from_array(Xs, (110, 10)).map_blocks(lambda X: reads.append(len(X)) or X, meta=Xs[:0])
    model.fit(rows, da.from_array(y, 110))
    assert loss == "poisson" or reads == [110] * 4  # one pass over the chunks for all folds
    splits = in_chunks(list(KFold(2).split(np.arange(4))), len(y), 4)
    expected = BatchGDRegressorCV(loss, cv=splits, **params).fit(Xs, y)
    np.testing.assert_allclose(model.loss_path_, expected.loss_path_, rtol=1e-8)
    predictions = model.predict(da.from_array(Xs, (110, 10))).compute()
    np.testing.assert_allclose(predictions, expected.predict(Xs), rtol=1e-8)


# Bad input


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alphas": 0}, "'alphas' parameter of BatchGDRegressorCV must be an int"),
        ({"alphas": []}, "'alphas' parameter of BatchGDRegressorCV must be a float"),
        ({"alphas": [1.0, -1.0]}, r"'alphas' .* must be a float in the range \[0.0, inf\)"),
        ({"alphas": [1.0, np.nan]}, "'alphas'"),
        ({"l1_ratio": [0.5, 2.0]}, "'l1_ratio' parameter of BatchGDRegressorCV"),
        ({"l1_ratio": []}, "'l1_ratio' parameter of BatchGDRegressorCV"),
        ({"eps": 1.0}, "'eps' parameter of BatchGDRegressorCV"),
        ({"max_iter": 0}, "'max_iter'"),
        ({"loss": "no loss"}, "'loss'"),
        ({"cv": 1}, "k-fold"),
    ],
    ids=str,
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        BatchGDRegressorCV(**params).fit(X, Y)


def test_bad_rows():
    broken = X.copy()
    broken[3, 2] = np.inf
    with pytest.raises(ValueError, match="contains infinity"):
        BatchGDRegressorCV().fit(broken, Y)
    with pytest.raises(ValueError, match="zero for every row"):
        BatchGDRegressorCV().fit(X, Y, sample_weight=np.zeros(len(Y)))
    with pytest.raises(ValueError, match="Poisson needs y >= 0"):
        BatchGDRegressorCV("poisson").fit(X, -Y)


def test_fits_that_do_not_converge_are_reported():
    model = BatchGDRegressorCV("huber", alphas=[0.1], max_iter=1, cv=3)
    with pytest.warns(ConvergenceWarning) as warnings:
        model.fit(X, Y)
    folds, best = (str(warning.message) for warning in warnings)
    assert folds.startswith("Fits to 3 of 3 folds did not converge. BatchGDRegressor")
    assert best.startswith("BatchGDRegressor did not converge in max_iter=1")
