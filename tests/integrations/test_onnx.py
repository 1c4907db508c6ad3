"""Predictions of models converted by skl2onnx, run by onnxruntime, equal ours."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import LOSSES, Loss, Quantile

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module", autouse=True)
def converters():
    skgd.onnx.register_converters()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 4)) * [1, 2, 0.5, 1] + [5, 0, 0, -1]
    return X, rng.uniform(0.1, 0.9, 200) + 0.05 * X[:, 0] ** 2 / (1 + X[:, 0] ** 2)


def predict_by_onnx(model, X):
    """Return the predictions of a converted model by onnxruntime."""
    converted = skl2onnx.to_onnx(model, X[:1]).SerializeToString()
    session = onnxruntime.InferenceSession(converted, providers=["CPUExecutionProvider"])
    (predictions,) = session.run(None, {session.get_inputs()[0].name: X})
    return predictions


def check_predictions(model, X):
    """Check the predictions of the converted model, and return ours, at double precision."""
    expected = model.predict(X.astype(float))
    predictions = predict_by_onnx(model, X)
    assert predictions.dtype == X.dtype
    np.testing.assert_allclose(predictions, expected.reshape(len(X), -1), rtol=1e-6)
    return expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss, dtype, rows):
    X = rows[0].astype(dtype)
    model = BatchGDRegressor(loss, max_iter=20).fit(X, rows[1])
    predictions = check_predictions(model, X)
    products = X @ model.coef_ + model.intercept_
    is_linear = np.allclose(predictions, products, rtol=1e-4)
    assert is_linear is not model.loss_.has_link()  # else the test would miss the link
    check_predictions(model, 10 * X)  # tails of the links


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor])
def test_several_outputs_in_every_regressor(cls, dtype, rows):
    X, y = rows[0].astype(dtype), np.stack([rows[1], rows[1] ** 2], axis=1)
    model = cls("poisson", learning_rate="auto", standardize=True, random_state=0).fit(X, y)
    check_predictions(model, X)
    check_predictions(model.sparsify(), X)


@pytest.mark.parametrize("non_crossing", [False, True])
def test_quantile_levels(non_crossing, rows):
    loss = Quantile(level=[0.45, 0.5, 0.55], non_crossing=non_crossing)
    model = BatchGDRegressor(loss).fit(*rows)
    far = 100 * rows[0]
    assert (np.diff(check_predictions(model, far)) < 0).any() is not np.bool_(non_crossing)


def test_a_pipeline(rows):
    model = make_pipeline(StandardScaler(), SGDRegressor("gamma", random_state=0)).fit(*rows)
    check_predictions(model, rows[0])


@dataclass(frozen=True)
class Squared(Loss):
    """A loss with a link of its own."""

    quadratic, gradient_lipschitz = True, 1.0

    def value(self, p, y):
        return (p - y) ** 2 / 2

    def gradient(self, p, y):
        return p - y

    def inverse_link(self, p):
        return 2 * p


def test_a_link_of_the_user_is_refused(rows):
    model = BatchGDRegressor(Squared()).fit(*rows)
    with pytest.raises(NotImplementedError, match="cannot be converted"):
        predict_by_onnx(model, rows[0])
