"""Saved models: plain state, continued fits, versions, and the size of the file."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import InconsistentVersionWarning

import skgd
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import Quantile
from skgd.optimizers import Adam
from skgd.penalties import Bounds
from skgd.schedules import CosineDecay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

MODELS = [
    BatchGDRegressor("poisson"),
    BatchGDRegressor(Quantile(level=[0.1, 0.9])),
    BatchGDRegressor(optimizer="gd", record="path", max_iter=20),
    MiniBatchGDRegressor(max_iter=3, random_state=0),
    MiniBatchGDRegressor(
        "huber",
        penalty=Bounds(0),
        learning_rate=CosineDecay(eta0=0.1),
        optimizer=Adam(),
        average=True,
        max_iter=3,
        random_state=0,
    ),
    SGDRegressor(early_stopping=True, max_iter=3, random_state=0),
]


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).standard_normal((80, 3))
    return X, np.exp(X @ [0.1, 0.2, 0.3])


class TypeRecorder(pickle.Unpickler):
    """Records the classes and functions that a pickle imports."""

    def __init__(self, *args):
        super().__init__(*args)
        self.names = set()

    def find_class(self, module, name):
        self.names.add(f"{module}.{name}")
        return super().find_class(module, name)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_pickle_names_public_types_only_and_continues_as_the_model(model, rows):
    model = copy.deepcopy(model).fit(*rows)
    model.partial_fit(*rows)
    reader = TypeRecorder(io.BytesIO(pickle.dumps(model)))
    loaded = reader.load()
    ours = {name for name in reader.names if name.startswith("skgd.")}
    assert f"{type(model).__module__}.{type(model).__name__}" in ours
    assert ours <= set(skgd.TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.predict(rows[0]), model.predict(rows[0]))
    for name, column in model.history_.items():
        np.testing.assert_array_equal(loaded.history_[name], column)
    np.testing.assert_array_equal(loaded.partial_fit(*rows).coef_, model.partial_fit(*rows).coef_)


def test_another_version_is_named_in_a_warning(rows, monkeypatch):
    model = BatchGDRegressor().fit(*rows)
    saved = pickle.dumps(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(saved)
    monkeypatch.setattr(skgd, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning, match=r"saved by skgd 0.* loaded by skgd 99\.0"):
        loaded = pickle.loads(saved)
    np.testing.assert_array_equal(loaded.coef_, model.coef_)


def test_without_history_a_saved_model_stays_small(rows):
    model = BatchGDRegressor(optimizer="gd", tol=None, max_iter=1000, record="path").fit(*rows)
    large = len(pickle.dumps(model))
    predictions = model.predict(rows[0])
    assert model.drop_history() is model
    assert model.history_ == {}
    assert not hasattr(model, "path_")
    assert len(pickle.dumps(model)) < min(5000, large / 10)
    np.testing.assert_array_equal(model.predict(rows[0]), predictions)
    assert len(model.partial_fit(*rows).history_["epoch"])


def test_a_state_that_names_other_classes_is_refused(rows):
    model = BatchGDRegressor().fit(*rows)
    state = model.__getstate__()
    state["_fit_state"] = {"class": "os:system", "fields": {}}
    with pytest.raises(ValueError, match="no class of skgd"):
        BatchGDRegressor().__setstate__(state)
