"""A user's own loss: found by no registry, and named when it breaks."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import Loss

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]


@dataclass(frozen=True)
class Own(Loss):
    """Half the squared error, written anew."""

    gradient_lipschitz = 1.0

    def value(self, p, y):
        return (p - y) ** 2 / 2

    def gradient(self, p, y):
        return p - y


@dataclass(frozen=True)
class Unbounded(Loss):
    """A smooth loss that gives no curvature."""

    def value(self, p, y):
        return np.cosh(p - y) - 1

    def gradient(self, p, y):
        return np.sinh(p - y)


@dataclass(frozen=True)
class Broken(Own):
    """A loss that is not a number where the target is 7."""

    def value(self, p, y):
        return (p - y) ** 2 / 2 + np.where(y == 7, np.nan, 0)


@dataclass(frozen=True)
class BreaksLater(Own):
    """A loss that is not a number once a prediction is positive."""

    def value(self, p, y):
        return (p - y) ** 2 / 2 + np.where(p > 0, np.nan, 0)


@dataclass(frozen=True)
class OldProtocol(Loss):
    """A loss with the names of methods that the protocol had before."""

    curvature = 1.0

    def value(self, p, y):
        return (p - y) ** 2 / 2

    def slope(self, p, y):
        return p - y


@pytest.mark.parametrize("learning_rate", [0.1, "auto"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.filterwarnings("ignore:Numba could not compile OldProtocol:RuntimeWarning")
def test_a_loss_of_the_old_protocol_is_told_what_to_rename(Regressor, learning_rate, small):
    message = (
        r"^OldProtocol needs a method gradient\(p, y\); rename slope to gradient, curvature to "
        "gradient_lipschitz$"
    )
    with pytest.raises(NotImplementedError, match=message):
        Regressor(OldProtocol(), learning_rate=learning_rate).fit(*small)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_an_own_loss_is_as_good_as_ours(Regressor, small):
    params = {"learning_rate": 0.1, "max_iter": 5, "tol": None}
    if Regressor is not BatchGDRegressor:
        params["shuffle"] = False
    own, ours = Regressor(Own(), **params).fit(*small), Regressor(**params).fit(*small)
    assert_allclose(own.coef_, ours.coef_, rtol=1e-9)


def test_an_automatic_fit_arrives_without_a_weight(small):
    ours = BatchGDRegressor().fit(*small)
    assert_allclose(BatchGDRegressor(Own()).fit(*small).coef_, ours.coef_, rtol=1e-6)


def test_an_automatic_fit_arrives_without_a_curvature(small):
    X, y = small
    loss = Unbounded()
    batch = BatchGDRegressor(loss).fit(X, y)
    least = loss.value(batch.predict(X), y).mean()
    for step in np.vstack([np.eye(3), -np.eye(3)]):
        moved = X @ (batch.coef_ + 1e-3 * step) + batch.intercept_
        assert least < loss.value(moved, y).mean()
    # A stop at 1e-4 an epoch, five epochs in a row, is within some percent of the minimum.
    mini = MiniBatchGDRegressor(loss, random_state=0).fit(X, y)
    assert loss.value(mini.predict(X), y).mean() < 1.05 * least


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_loss_that_is_not_a_number_is_named_with_its_row(Regressor, small):
    X, y = small
    y = np.where(np.arange(len(y)) == 4, 7.0, y)
    model = Regressor(Broken(), learning_rate=0.01)
    with pytest.raises(ValueError, match=r"Broken\(\) is not a number in row 4 .* target .*7\.0"):
        model.fit(X, y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_loss_that_breaks_on_the_way_leaves_the_model_as_it_was(Regressor, small):
    X, y = small
    model = Regressor(learning_rate=0.01, max_iter=2, tol=None).fit(X, y)
    before = model.coef_.copy()
    model.set_params(loss=BreaksLater(), max_iter=50)
    with pytest.raises(ValueError, match=r"BreaksLater\(\) is not a number in row \d+"):
        model.fit(X, y)
    assert_allclose(model.coef_, before, rtol=0)
