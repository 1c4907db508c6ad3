"""A fit of several outputs equals separate fits of each."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import logit
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.data import memmap
from skgd.losses import LOSSES
from tests.helpers.regressors import ELEMENTWISE, REGRESSORS, few_epochs, targets_for

four_epochs = partial(few_epochs, learning_rate=0.02, max_iter=4, random_state=0)


@pytest.fixture(scope="module")
def targets(small):
    """Three targets for the rows of `small`, all positive."""
    _, y = small
    return np.column_stack([y, 2 + np.cos(5 * y), y[::-1] ** 2 + 0.1])


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("penalty", [None, "l2", "elasticnet"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_multi_output_fit_equals_separate_fits(
    Regressor, loss, penalty, standardize, small, targets, weights
):
    X, targets = small[0], targets_for(loss, targets)
    model = four_epochs(Regressor, loss=loss, penalty=penalty, alpha=0.1, standardize=standardize)
    together = clone(model).fit(X, targets, sample_weight=weights)
    assert together.coef_.shape == (3, 3)
    assert together.intercept_.shape == (3,)
    for k in range(3):
        alone = clone(model).fit(X, targets[:, k], sample_weight=weights)
        assert_allclose(together.coef_[k], alone.coef_, rtol=1e-10, atol=1e-12)
        assert_allclose(together.intercept_[k], alone.intercept_[0], rtol=1e-10, atol=1e-12)
        assert_allclose(together.predict(X)[:, k], alone.predict(X), rtol=1e-10)


@pytest.mark.parametrize("optimizer", ELEMENTWISE)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_optimizer_state_is_separate_for_each_output(Regressor, optimizer, small, targets):
    X, _ = small
    model = four_epochs(Regressor, optimizer=optimizer, average=5)
    together = clone(model).fit(X, targets)
    alone = [clone(model).fit(X, target).coef_ for target in targets.T]
    assert_allclose(together.coef_, alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_partial_fit_equals_fit_for_several_outputs(Regressor, small, targets):
    X, _ = small
    model = four_epochs(Regressor, standardize=False, shuffle=False)
    parts = clone(model)
    for _ in range(4):
        parts.partial_fit(X, targets)
    assert_allclose(parts.coef_, clone(model).fit(X, targets).coef_, rtol=1e-10)
    with pytest.raises(ValueError, match="y has shape"):
        parts.partial_fit(X, targets[:, 0])


@pytest.mark.parametrize("Regressor", [BatchGDRegressor, MiniBatchGDRegressor])
def test_single_column_target_keeps_two_dimensions(Regressor, small):
    X, y = small
    model = four_epochs(Regressor).fit(X, y[:, None])
    assert model.coef_.shape == (1, 3)
    assert model.intercept_.shape == (1,)
    assert model.predict(X).shape == (20, 1)


COLUMNS = {
    "array": lambda y: y[:, None],
    "list": lambda y: y[:, None].tolist(),
    "frame": lambda y: pd.DataFrame({"y": y}),
}


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_sgd_ravels_a_single_column_as_scikit_learn(method, kind, small):
    X, y = small
    params = {"shuffle": False, "max_iter": 3, "tol": None}
    column = COLUMNS[kind](y)
    shapes = []
    for Regressor in (SGDRegressor, linear_model.SGDRegressor):
        expected = getattr(Regressor(**params), method)(X, y)
        with pytest.warns(DataConversionWarning, match="A column-vector y was passed") as caught:
            model = getattr(Regressor(**params), method)(X, column)
        assert_allclose(model.coef_, expected.coef_, rtol=1e-15)
        assert model.score(X, column) == pytest.approx(expected.score(X, y))
        shapes.append((len(caught), model.coef_.shape, model.predict(X).shape))
        if Regressor is SGDRegressor:
            assert caught[0].filename == __file__
    assert shapes[0] == shapes[1] == (1, (3,), (20,))


@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_sgd_ravels_a_single_column_of_other_data(small, tmp_path, monkeypatch):
    X, y = small
    model = SGDRegressor("poisson", shuffle=False, max_iter=3, tol=None)
    expected = clone(model).fit(X, y, X_val=X, y_val=y)
    column = y[:, None]
    validated = clone(model).fit(X, column, X_val=X, y_val=column)
    for key in ("running_objective", "validation_score"):
        assert_allclose(validated.history_[key], expected.history_[key])
    assert validated.score(X, column) == pytest.approx(expected.score(X, y))

    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    da = pytest.importorskip("dask.array")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame(np.c_[X, y], columns=list("abcy")), npartitions=1)
    for rows, targets in [
        (mapped, column),
        (mapped, column.tolist()),
        (da.from_array(X, chunks=20), da.from_array(column, chunks=20)),
        (da.from_array(X, chunks=20), column),
        (frame[list("abc")], frame[["y"]]),
    ]:
        fitted = clone(model).fit(rows, targets)
        assert_allclose(fitted.coef_, expected.coef_, rtol=1e-12)
        assert fitted.score(rows, targets) == pytest.approx(expected.score(X, y))

    batches = [(X[:10], column[:10]), (X[10:], column[10:])]
    fitted = clone(model).fit_batches(batches)
    expected = clone(model).fit_batches([(rows, targets[:, 0]) for rows, targets in batches])
    assert_allclose(fitted.coef_, expected.coef_, rtol=1e-15)
    assert fitted.coef_.shape == (3,)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_objective_in_the_history_is_the_sum_over_outputs(Regressor, small, targets):
    X, _ = small
    model = four_epochs(Regressor, penalty=None, record="objective").fit(X, targets)
    expected = 0.5 * ((model.predict(X) - targets) ** 2).sum(axis=1).mean()
    assert model.history_["objective"][-1] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_path_has_columns_for_the_coefficients_of_every_output(Regressor, small, targets):
    X, _ = small
    model = four_epochs(Regressor, record="path").fit(X, targets)
    assert model.path_["coef_2_1"][-1] == pytest.approx(model.coef_[2, 1], rel=1e-12)
    assert model.path_["intercept_0"][-1] == pytest.approx(model.intercept_[0], rel=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_early_stopping_scores_all_outputs(Regressor, small, targets):
    X, _ = small
    model = four_epochs(Regressor, early_stopping=True, tol=0.0, max_iter=30)
    model.fit(X, targets, X_val=X, y_val=targets)
    assert model.history_["validation_score"].max() == pytest.approx(model.score(X, targets))


@pytest.mark.parametrize("loss", LOSSES)
def test_automatic_full_batch_fit_reaches_the_minimum_of_each_output(loss, small, targets):
    X, targets = small[0], targets_for(loss, targets)
    together = BatchGDRegressor(loss=loss).fit(X, targets)
    value = LOSSES[loss]().value
    link = {0: np.asarray, 0.5: logit, 1: np.log}[LOSSES[loss]().inverse_link(0.0)]
    for k, target in enumerate(targets.T):
        alone = BatchGDRegressor(loss=loss).fit(X, target)
        objectives = [
            np.mean(value(link(predictions), target))
            for predictions in (together.predict(X)[:, k], alone.predict(X))
        ]
        assert objectives[0] == pytest.approx(objectives[1], rel=1e-4, abs=1e-10)
