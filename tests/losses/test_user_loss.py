"""User-defined losses: fits with them, and errors that name them."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import Loss

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]


@dataclass(frozen=True)
class UserLoss(Loss):
    """Half the squared error, as a user would define it."""

    gradient_lipschitz = 1.0

    def value(self, p, y):
        return (p - y) ** 2 / 2

    def gradient(self, p, y):
        return p - y


@dataclass(frozen=True)
class Unbounded(Loss):
    """A smooth loss without gradient_lipschitz and hessian."""

    def value(self, p, y):
        return np.cosh(p - y) - 1

    def gradient(self, p, y):
        return np.sinh(p - y)


@dataclass(frozen=True)
class NanAt7(UserLoss):
    """A loss that is NaN where the target is 7."""

    def value(self, p, y):
        return (p - y) ** 2 / 2 + np.where(y == 7, np.nan, 0)


@dataclass(frozen=True)
class NanForPositive(UserLoss):
    """A loss that is NaN for positive predictions."""

    def value(self, p, y):
        return (p - y) ** 2 / 2 + np.where(p > 0, np.nan, 0)


@dataclass(frozen=True)
class OldProtocol(Loss):
    """A loss with the members of the earlier protocol."""

    curvature = 1.0

    def value(self, p, y):
        return (p - y) ** 2 / 2

    def slope(self, p, y):
        return p - y


@pytest.mark.parametrize("learning_rate", [0.1, "auto"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.filterwarnings("ignore:Numba could not compile OldProtocol:RuntimeWarning")
def test_a_loss_of_the_old_protocol_fails_with_what_to_rename(Regressor, learning_rate, small):
    message = (
        r"^OldProtocol needs a method gradient\(p, y\); rename slope to gradient, curvature to "
        "gradient_lipschitz$"
    )
    with pytest.raises(NotImplementedError, match=message):
        Regressor(OldProtocol(), learning_rate=learning_rate).fit(*small)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_user_loss_gives_the_fit_of_the_built_in_loss(Regressor, small):
    params = {"learning_rate": 0.1, "max_iter": 5, "tol": None}
    if Regressor is not BatchGDRegressor:
        params["shuffle"] = False
    user, built_in = Regressor(UserLoss(), **params).fit(*small), Regressor(**params).fit(*small)
    assert_allclose(user.coef_, built_in.coef_, rtol=1e-9)


def test_automatic_fits_converge_without_hessian(small):
    built_in = BatchGDRegressor().fit(*small)
    assert_allclose(BatchGDRegressor(UserLoss()).fit(*small).coef_, built_in.coef_, rtol=1e-6)


def test_automatic_fits_converge_without_gradient_lipschitz(small):
    X, y = small
    loss = Unbounded()
    batch = BatchGDRegressor(loss).fit(X, y)
    least = loss.value(batch.predict(X), y).mean()
    for step in np.vstack([np.eye(3), -np.eye(3)]):
        perturbed = X @ (batch.coef_ + 1e-3 * step) + batch.intercept_
        assert least < loss.value(perturbed, y).mean()
    # Stopping after five epochs with improvements below 1e-4 is within some percent of the minimum.
    mini = MiniBatchGDRegressor(loss, random_state=0).fit(X, y)
    assert loss.value(mini.predict(X), y).mean() < 1.05 * least


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_an_error_names_a_loss_that_is_nan_and_the_row(Regressor, small):
    X, y = small
    y = np.where(np.arange(len(y)) == 4, 7.0, y)
    model = Regressor(NanAt7(), learning_rate=0.01)
    with pytest.raises(ValueError, match=r"NanAt7\(\) is not a number in row 4 .* target .*7\.0"):
        model.fit(X, y)
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_loss_that_becomes_nan_during_a_fit_leaves_the_model_unchanged(Regressor, small):
    X, y = small
    model = Regressor(learning_rate=0.01, max_iter=2, tol=None).fit(X, y)
    before = model.coef_.copy()
    model.set_params(loss=NanForPositive(), max_iter=50)
    with pytest.raises(ValueError, match=r"NanForPositive\(\) is not a number in row \d+"):
        model.fit(X, y)
    assert_allclose(model.coef_, before, rtol=0)
