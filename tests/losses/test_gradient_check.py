"""User-defined losses whose gradient is not the derivative of their value are rejected."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skgd import losses
from skgd._utils.validation import InvalidParameterError
from skgd.data import memmap
from skgd.losses import LOSSES, Loss
from skgd.losses._gradient_check import check_loss_gradient
from tests.helpers.regressors import REGRESSORS, few_epochs

KINKED = [losses.EpsilonInsensitive(0.7), losses.AbsoluteError(), losses.Quantile(0.2)]
OBJECTS = [cls() for cls in LOSSES.values()] + KINKED
OBJECTS += [losses.Huber(1.3), losses.SquaredEpsilonInsensitive(0.7), losses.Quantile(0.999)]
OBJECTS += [loss.moreau_envelope(width) for loss in KINKED for width in (1e-6, 1.0, 1e6)]


@dataclass(frozen=True)
class Custom(Loss):
    """A loss of two functions."""

    value_function: Any
    gradient_function: Any

    def value(self, p, y):
        return self.value_function(p, y)

    def gradient(self, p, y):
        return self.gradient_function(p, y)


def scaled(loss, factor):
    """Return a loss whose gradient is multiplied by a factor."""
    return Custom(loss.value, lambda p, y: factor * loss.gradient(p, y))


def starts(loss, scale, offset, seed, n_rows=16):
    """Return targets, and predictions where a fit could start: zero, the best constant, others."""
    rng = np.random.default_rng(seed)
    y = scale * (np.abs(rng.normal(size=n_rows)) + 0.1 + offset)
    constant = np.full(n_rows, loss.intercept_only(y))
    noise = rng.normal(size=n_rows) * (1 if loss.has_link() else scale)
    return y, (np.zeros(n_rows), constant, constant + noise)


@given(
    loss=st.sampled_from(OBJECTS),
    exponent=st.floats(-8, 8),
    offset=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    dtype=st.sampled_from([np.float32, np.float64]),
    n_rows=st.integers(1, 16),
    seed=st.integers(0, 2**32 - 1),
)
def test_correct_losses_are_never_rejected(loss, exponent, offset, dtype, n_rows, seed):
    y, predictions = starts(loss, 10.0**exponent, offset, seed, n_rows)
    for p in predictions:
        check_loss_gradient(loss, p.astype(dtype), y.astype(dtype))


@given(
    loss=st.sampled_from(OBJECTS),
    exponent=st.floats(-8, 8),
    offset=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    factor=st.sampled_from([-1.0, -0.1, 0.0, 0.5, 2.0, 100.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_wrong_signs_and_factors_are_found_wherever_a_fit_starts(
    loss, exponent, offset, factor, seed
):
    y, predictions = starts(loss, 10.0**exponent, offset, seed)
    for p in predictions:
        with pytest.raises(InvalidParameterError, match="gradient is the derivative of its value"):
            check_loss_gradient(scaled(loss, factor), p, y)


#: Correct losses: of inaccurate values, constant on parts, not convex, or undefined somewhere.
CORRECT = {
    "expanded square": Custom(lambda p, y: p**2 / 2 - p * y, lambda p, y: p - y),
    "pseudo-Huber of width 1": Custom(
        lambda p, y: np.sqrt(1 + (p - y) ** 2) - 1, lambda p, y: (p - y) / np.sqrt(1 + (p - y) ** 2)
    ),
    "pseudo-Huber of width 1000": Custom(
        lambda p, y: 1e6 * (np.sqrt(1 + ((p - y) / 1e3) ** 2) - 1),
        lambda p, y: (p - y) / np.sqrt(1 + ((p - y) / 1e3) ** 2),
    ),
    "log cosh that overflows": Custom(
        lambda p, y: np.log(np.cosh(p - y)), lambda p, y: np.tanh(p - y)
    ),
    "Cauchy": Custom(
        lambda p, y: np.log1p((p - y) ** 2), lambda p, y: 2 * (p - y) / (1 + (p - y) ** 2)
    ),
    "capped absolute error": Custom(
        lambda p, y: np.minimum(np.abs(p - y), 1.0),
        lambda p, y: np.sign(p - y) * (np.abs(p - y) < 1),
    ),
    "Poisson with identity link": Custom(lambda p, y: p - y * np.log(p), lambda p, y: 1 - y / p),
    "value in single precision": Custom(
        lambda p, y: ((p - y) ** 2 / 2).astype(np.float32), lambda p, y: p - y
    ),
    "value rounded to a unit": Custom(lambda p, y: np.round((p - y) ** 2 / 2), lambda p, y: p - y),
    "constant": Custom(lambda p, y: 0.0, lambda p, y: 0.0),
    "linear with an integer gradient": Custom(lambda p, y: 3 * p, lambda p, y: 3),
    "quartic": Custom(lambda p, y: (p - y) ** 4 / 4, lambda p, y: (p - y) ** 3),
    "many kinks": Custom(
        lambda p, y: sum(np.abs(p - y - 0.05 * k) for k in range(-5, 6)),
        lambda p, y: sum(np.sign(p - y - 0.05 * k) for k in range(-5, 6)),
    ),
}


@given(
    name=st.sampled_from(list(CORRECT)),
    exponent=st.floats(-8, 8),
    offset=st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_correct_losses_with_inaccurate_values_are_not_rejected(name, exponent, offset, seed):
    y, predictions = starts(losses.SquaredError(), 10.0**exponent, offset, seed)
    for p in predictions:
        check_loss_gradient(CORRECT[name], p, y)


@dataclass(frozen=True)
class InnerSignWrong(losses.Huber):
    """A Huber loss whose gradient has the wrong sign for small errors only."""

    def gradient(self, p, y):
        r = p - y
        return np.where(np.abs(r) <= self.epsilon, -r, super().gradient(p, y))


WRONG = {
    "derivative with respect to the target": scaled(losses.LogCosh(), -1.0),
    "square without the half": Custom(lambda p, y: (p - y) ** 2, lambda p, y: p - y),
    "of another loss": Custom(losses.Huber(0.5).value, losses.SquaredError().gradient),
    "without the inverse link": Custom(losses.Poisson().value, lambda p, y: 1 - y * np.exp(-p)),
    "of the other quantile": Custom(losses.Quantile(0.9).value, losses.Quantile(0.1).gradient),
    "in one part": InnerSignWrong(1.0),
    "of the absolute value": Custom(losses.Huber(1.0).value, lambda p, y: np.abs(p - y)),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_wrong_gradients_are_found(name):
    y, predictions = starts(losses.Poisson(), 1.0, 0.0, seed=0)
    for p in predictions:
        with pytest.raises(InvalidParameterError, match="derivative of its value"):
            check_loss_gradient(WRONG[name], p, y)


def test_the_error_names_the_loss_and_what_is_wrong():
    message = (
        r"^loss must be a loss whose gradient is the derivative of its value with respect to the "
        r"prediction; got Custom\(.*\)\. For the prediction (.*) and the target 2, gradient "
        r"returns (.*), but the value changes by (.*) per unit of the prediction\."
    )
    p, y = np.array([5.0]), np.array([2.0])
    with pytest.raises(InvalidParameterError, match=message + " It has the wrong sign.$") as caught:
        check_loss_gradient(scaled(losses.SquaredError(), -1.0), p, y)
    groups = re.match(message, str(caught.value)).groups()
    at, gradient, slope = map(float, groups)
    assert gradient == pytest.approx(2 - at)
    assert slope == pytest.approx(at - 2)
    with pytest.raises(InvalidParameterError, match=message + "$"):
        check_loss_gradient(scaled(losses.SquaredError(), 2.0), p, y)


# In fits


@dataclass(frozen=True)
class WrongSign(Loss):
    """Half the squared error, with the gradient of the other sign."""

    gradient_lipschitz = 1.0

    def value(self, p, y):
        return (p - y) ** 2 / 2

    def gradient(self, p, y):
        return y - p


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("rate", [0.05, "auto"])
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_every_fit_rejects_a_wrong_loss_and_keeps_the_model(Regressor, n_outputs, rate, small):
    X, y = small
    y = y if n_outputs == 1 else np.c_[y, y]
    model = few_epochs(Regressor, learning_rate=rate).fit(X, y)
    before = model.coef_.copy()
    model.set_params(loss=WrongSign())
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=r"got WrongSign\(\)\. .* wrong sign"):
            method(X, y)
        np.testing.assert_array_equal(model.coef_, before)
    with pytest.raises(ValueError, match="wrong sign"):
        model.fit_batches([(X[:10], y[:10]), (X[10:], y[10:])])


@pytest.mark.usefixtures("on_numpy")
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_stream_checks_its_loss_in_the_first_call_only(Regressor, small):
    calls = []

    @dataclass(frozen=True)
    class Counted(losses.SquaredError):
        def value(self, p, y):
            calls.append(np.size(p))
            return super().value(p, y)

    model = few_epochs(Regressor, loss=Counted())
    model.partial_fit(*small)
    assert max(calls) > 10_000
    calls.clear()
    model.partial_fit(*small)
    assert max(calls) <= 20


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_chunks_are_checked_as_well(Regressor, small, tmp_path, monkeypatch):
    monkeypatch.setattr(memmap, "MIN_CHUNKED_BYTES", 0)
    np.save(tmp_path / "X.npy", small[0])
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="wrong sign"):
        few_epochs(Regressor, loss=WrongSign()).fit(X, small[1])
    few_epochs(Regressor, loss=losses.SquaredError()).fit(X, small[1])
