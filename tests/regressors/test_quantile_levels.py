"""Several quantile levels in one fit: each is an output with a loss of its own."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.linear_model import QuantileRegressor
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score
from sklearn.model_selection import GridSearchCV

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.data import memmap
from skgd.losses import AbsoluteError, Quantile
from tests.helpers.regressors import ELEMENTWISE, REGRESSORS, build, few_epochs

LEVELS = [0.1, 0.5, 0.9]


@pytest.fixture(scope="module")
def rows():
    """Rows with noise whose spread depends on the first feature."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    return X, X @ [1.0, -2.0, 0.5] + (1 + np.abs(X[:, 0])) * rng.standard_normal(400)


def separate(model, X, y, **fit_params):
    """Return the fits of the single levels."""
    return [
        clone(model).set_params(loss=Quantile(level)).fit(X, y, **fit_params)
        for level in model.loss.level
    ]


def assert_same_outputs(together, alone, rtol=1e-10):
    """Check that the outputs of one model are those of others."""
    assert_allclose(together.coef_, [m.coef_ for m in alone], rtol=rtol, atol=rtol)
    assert_allclose(together.intercept_, [m.intercept_[0] for m in alone], rtol=rtol, atol=rtol)


# The fit


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("penalty", [None, "l2", "elasticnet"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_epochs_of_several_levels_are_those_of_single_ones(
    Regressor, standardize, penalty, sparse, small, weights
):
    X, y = csr_array(np.where(small[0] > 0, small[0], 0)) if sparse else small[0], small[1]
    model = few_epochs(Regressor, loss=Quantile(LEVELS), penalty=penalty, alpha=0.1)
    model.set_params(standardize=standardize)
    if Regressor is not BatchGDRegressor:
        model.set_params(random_state=0, average=5)
    together = clone(model).fit(X, y, sample_weight=weights)
    assert together.coef_.shape == (3, 3)
    assert together.intercept_.shape == (3,)
    assert together.predict(X).shape == (20, 3)
    assert_same_outputs(together, separate(model, X, y, sample_weight=weights))


@pytest.mark.parametrize("optimizer", ELEMENTWISE)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_every_optimizer_has_a_state_for_each_level(Regressor, optimizer, small):
    X, y = small
    model = few_epochs(Regressor, loss=Quantile(LEVELS), optimizer=optimizer, shuffle=False)
    # Where all residuals have one sign, gradients on centred columns are rounding errors.
    model.set_params(standardize=False)
    whole, parts = clone(model).fit(X, y), clone(model)
    assert_same_outputs(whole, separate(model, X, y))
    for _ in range(3):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(X, y)))
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-12)
    assert parts.t_ == whole.t_


def test_the_objective_is_the_sum_over_the_levels(small):
    X, y = small
    for Regressor in REGRESSORS:
        model = few_epochs(Regressor, loss=Quantile(LEVELS), shuffle=False, record="objective")
        model.set_params(penalty=None)
        together, alone = clone(model).fit(X, y), separate(model, X, y)
        for name in {"objective", "running_objective"} & together.history_.keys():
            expected = sum(m.history_[name] for m in alone)
            assert_allclose(together.history_[name][1:], expected[1:], rtol=1e-12)


@pytest.mark.parametrize("penalty", [None, "l1"])
def test_automatic_full_batch_fit_reaches_the_optimum_of_each_level(penalty, rows):
    X, y = rows
    alpha = 0.05 if penalty else 0.0
    model = BatchGDRegressor(Quantile(LEVELS), penalty=penalty, alpha=alpha).fit(X, y)
    assert model.converged_
    for k, level in enumerate(LEVELS):
        theirs = QuantileRegressor(quantile=level, alpha=alpha).fit(X, y)
        least = mean_pinball_loss(y, theirs.predict(X), alpha=level)
        least += alpha * np.abs(theirs.coef_).sum()
        reached = mean_pinball_loss(y, model.predict(X)[:, k], alpha=level)
        reached += alpha * np.abs(model.coef_[k]).sum()
        assert least - 1e-9 <= reached <= least * (1 + 1e-5)
    coverage = np.mean(y[:, None] <= model.predict(X), axis=0)
    if penalty is None:
        assert_allclose(coverage, LEVELS, atol=(X.shape[1] + 1) / len(y))


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_automatic_fit_of_small_batches_reaches_the_optimum_of_each_level(Regressor, rows):
    X, y = rows
    model = Regressor(
        Quantile(LEVELS), learning_rate="auto", standardize=True, penalty=None, random_state=0
    ).fit(X, y)
    for k, level in enumerate(LEVELS):
        best = BatchGDRegressor(Quantile(level)).fit(X, y)
        least = mean_pinball_loss(y, best.predict(X), alpha=level)
        assert mean_pinball_loss(y, model.predict(X)[:, k], alpha=level) < 1.01 * least


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_streams_learn_several_levels(Regressor, rows):
    X, y = rows
    model = build(Regressor, loss=Quantile(LEVELS), learning_rate="auto", standardize=True)
    model.set_params(penalty=None)
    alone = [clone(model).set_params(loss=Quantile(level)) for level in LEVELS]
    for start in range(0, 400, 100):
        part = slice(start, start + 100)
        model.partial_fit(X[part], y[part])
        for one in alone:
            one.partial_fit(X[part], y[part])
    assert model.coef_.shape == (3, 3)
    if Regressor is not BatchGDRegressor:  # implicit steps are separate for each output
        assert_same_outputs(model, alone)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_one_level_in_a_list_is_an_output(Regressor, small):
    X, y = small
    model = few_epochs(Regressor, loss=Quantile([0.3]), shuffle=False)
    fitted = clone(model).fit(X, y)
    assert fitted.coef_.shape == (1, 3)
    assert fitted.predict(X).shape == (20, 1)
    assert_same_outputs(fitted, separate(model, X, y))


def test_single_precision_offsets_and_validation_rows(small):
    X, y = (part.astype(np.float32) for part in small)
    offset = np.linspace(-1, 1, 20)
    for Regressor in REGRESSORS:
        model = few_epochs(Regressor, loss=Quantile(LEVELS), shuffle=False)
        single = clone(model).fit(X, y, offset=offset)
        assert single.coef_.dtype == single.predict(X).dtype == np.float32
        double = clone(model).fit(*small, offset=offset)
        assert_allclose(single.coef_, double.coef_, rtol=1e-4, atol=1e-5)
        assert_same_outputs(double, separate(model, *small, offset=offset))
        validated = clone(model).fit(*small, X_val=small[0], y_val=small[1])
        predictions = validated.predict(small[0]).T
        explained = [
            d2_pinball_score(small[1], p, alpha=level)
            for level, p in zip(LEVELS, predictions, strict=True)
        ]
        score = validated.history_["validation_score"][-1]
        assert score == pytest.approx(np.mean(explained))


def test_the_score_is_the_mean_r2_of_the_levels(rows):
    X, y = rows
    model = BatchGDRegressor(Quantile(LEVELS)).fit(X, y)
    expected = np.mean([r2_score(y, column) for column in model.predict(X).T])
    assert model.score(X, y) == pytest.approx(expected, rel=1e-12)


# Crossing


@pytest.fixture(scope="module")
def crossing():
    """Few rows, so that the lines of near levels cross."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(30, 2))
    return X, rng.standard_normal(30) * (1 + X[:, 0] ** 2), 3 * rng.normal(size=(200, 2))


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_non_crossing_sorts_the_predictions(Regressor, crossing, tmp_path, monkeypatch):
    X, y, new = crossing
    model = few_epochs(Regressor, loss=Quantile([0.4, 0.5, 0.6]), shuffle=False, max_iter=20)
    plain = clone(model).fit(X, y)
    model.set_params(loss__non_crossing=True)
    rearranged = model.fit(X, y)
    assert_array_equal(rearranged.coef_, plain.coef_)
    predictions = plain.predict(new)
    assert (np.diff(predictions, axis=1) < 0).any()
    assert_array_equal(rearranged.predict(new), np.sort(predictions, axis=1))
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    np.save(tmp_path / "new.npy", new)
    mapped = np.load(tmp_path / "new.npy", mmap_mode="r")
    assert_allclose(rearranged.predict(mapped), rearranged.predict(new), rtol=1e-12)


def test_rearranged_predictions_have_no_larger_loss(crossing):
    X, y, _ = crossing
    levels = np.linspace(0.1, 0.9, 9)
    model = BatchGDRegressor(Quantile(levels)).fit(X, y)
    crossed = model.predict(X)
    sorted_ = BatchGDRegressor(Quantile(levels, non_crossing=True)).fit(X, y).predict(X)
    assert (np.diff(crossed, axis=1) < 0).any()
    loss = Quantile(levels)
    totals = [loss.value(p, y[:, None]).sum() for p in (sorted_, crossed)]
    assert totals[0] < totals[1]


# The loss


def test_the_loss_of_several_levels_is_that_of_each():
    rng = np.random.default_rng(0)
    p, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    loss, singles = Quantile(LEVELS), [Quantile(level) for level in LEVELS]
    assert loss.n_outputs == 3
    assert Quantile(0.3).n_outputs is None
    assert Quantile(0.3).select_output(0) == Quantile(0.3)
    assert AbsoluteError().n_outputs is None
    for name in ("value", "gradient"):
        together = getattr(loss, name)(p, y[:, None])
        for k, single in enumerate(singles):
            assert_array_equal(together[:, k], getattr(single, name)(p[:, k], y))
            assert loss.select_output(k) == single
    envelope = loss.moreau_envelope(0.3)
    for name in ("value", "gradient", "hessian"):
        together = getattr(envelope, name)(p, y[:, None])
        for k, single in enumerate(singles):
            expected = getattr(single.moreau_envelope(0.3), name)(p[:, k], y)
            assert_array_equal(together[:, k], expected)
            assert envelope.select_output(k) == single.moreau_envelope(0.3)
    weights = rng.uniform(0.5, 2, 50)
    expected = [single.intercept_only(y, weights) for single in singles]
    for targets in (y, np.repeat(y[:, None], 3, axis=1)):
        assert_array_equal(loss.intercept_only(targets, weights), expected)
        assert_array_equal(envelope.intercept_only(targets, weights), expected)


def test_levels_are_immutable_comparable_and_printed():
    for levels in (LEVELS, tuple(LEVELS), np.array(LEVELS), np.array(LEVELS, dtype=object)):
        loss = Quantile(levels)
        assert loss.level == (0.1, 0.5, 0.9)
        assert loss == Quantile(LEVELS) != Quantile(0.5)
        assert hash(loss) == hash(Quantile(LEVELS))
        assert pickle.loads(pickle.dumps(loss)) == clone(loss) == loss
    assert repr(Quantile(LEVELS)) == "Quantile(level=(0.1, 0.5, 0.9), non_crossing=False)"
    assert eval(repr(Quantile(LEVELS))) == Quantile(LEVELS)
    assert Quantile(0.5).replace(level=[0.2, 0.3]) == Quantile((0.2, 0.3))


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_search_over_the_levels(Regressor, small):
    X, y = small
    model = few_epochs(Regressor, loss=Quantile(0.5), shuffle=False)
    grid = {"loss__level": [[0.45, 0.55], [0.01, 0.02]], "loss__non_crossing": [True]}
    search = GridSearchCV(model, grid, cv=2).fit(X, y)
    assert search.best_estimator_.loss_ == Quantile(search.best_params_["loss__level"], True)
    assert search.predict(X).shape == (20, 2)


@pytest.mark.parametrize(
    "level",
    [
        [],
        (),
        [0.5, 0.1],
        [0.1, 0.1],
        [0.0, 0.5],
        [0.5, 1.0],
        [0.5, np.nan],
        [0.5, None],
        [[0.1, 0.5]],
        ["0.1", "0.5"],
        [True],
    ],
)
def test_invalid_levels_are_refused(level):
    message = r"^level must be a float in the range \(0.0, 1.0\), or an increasing sequence of such"
    with pytest.raises(ValueError, match=message):
        Quantile(level)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_two_dimensional_targets_are_refused_and_the_model_is_unchanged(Regressor, small):
    X, y = small
    model = few_epochs(Regressor, loss=Quantile(LEVELS), shuffle=False).fit(X, y)
    before = model.coef_.copy()
    message = r"fits 3 outputs to one target and needs y of shape \(n,\); got \(20, 2\)"
    for call in (model.fit, model.partial_fit, model.score):
        with pytest.raises(ValueError, match=message):
            call(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, X_val=X, y_val=np.column_stack([y, y]))
    assert_array_equal(model.coef_, before)
    with pytest.raises(ValueError, match="Pass the same number of targets"):
        model.set_params(loss=Quantile([0.1, 0.9])).partial_fit(X, y)


# Data in chunks


def test_memory_maps_and_batches_take_several_levels(rows, tmp_path, monkeypatch):
    X, y = rows
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    monkeypatch.setattr(memmap, "CHUNK_BYTES", 24 * 100)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    model = BatchGDRegressor(Quantile(LEVELS), tol=1e-6)
    expected = clone(model).fit(X, y)
    loss = Quantile(LEVELS)
    least = loss.value(expected.predict(X), y[:, None]).mean()
    batches = [(X[:200], y[:200]), (X[200:], y[200:])]
    for fitted in (clone(model).fit(mapped, y), clone(model).fit_batches(batches)):
        assert loss.value(fitted.predict(X), y[:, None]).mean() < least * (1 + 1e-4)
    assert expected.score(mapped, y) == pytest.approx(expected.score(X, y))
    updates = few_epochs(MiniBatchGDRegressor, loss=loss, shuffle=False, batch_size=50)
    updates.set_params(standardize=False)
    in_memory = clone(updates).fit(X, y)
    assert_allclose(clone(updates).fit(mapped, y).coef_, in_memory.coef_, rtol=1e-9)
    assert_allclose(clone(updates).fit_batches(batches).coef_, in_memory.coef_, rtol=1e-9)


def test_dask_collections_are_refused(rows):
    da = pytest.importorskip("dask.array")
    X, y = da.from_array(rows[0], chunks=(100, 3)), rows[1]
    with pytest.raises(ValueError, match=r"not supported for Dask collections\. Fit one level"):
        BatchGDRegressor(Quantile(LEVELS)).fit(X, y)
