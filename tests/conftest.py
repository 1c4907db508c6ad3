"""Fixtures that many tests share."""

import os

import numpy as np
import pytest
from hypothesis import settings
from sklearn.datasets import load_diabetes

from tests.helpers.executors import compiled_if_sampled, numpy_only

# `make test` draws the same examples each time, `make hunt` many new ones.
settings.register_profile("quick", max_examples=30, deadline=None, derandomize=True, database=None)
settings.register_profile("hunt", max_examples=1500, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def small():
    """A few rows: uncentred columns of unequal spread, targets that every loss accepts (> 0)."""
    rng = np.random.default_rng(0)
    X = rng.normal(loc=[0.3, -0.2, 0.1], scale=[0.5, 0.3, 0.4], size=(20, 3))
    y = np.exp(X @ [0.8, -0.5, 0.3] + 0.2 * rng.normal(size=20))
    X.flags.writeable = y.flags.writeable = False
    return X, y


@pytest.fixture(scope="session")
def weights():
    """Whole weights for the rows of `small`, some of them zero."""
    return np.tile([0.0, 1.0, 2.0, 3.0, 1.0], 4)


@pytest.fixture(scope="session")
def diabetes():
    """Real data in raw units: columns between 1 and 300."""
    return load_diabetes(return_X_y=True, scaled=False)


@pytest.fixture
def on_numpy():
    """Run on NumPy, also where Numba is installed."""
    with numpy_only():
        yield


@pytest.fixture
def compile_sampled_pairs(request):
    """Run compiled loops for some pairs of the test's parameters `loss` and `optimizer` only."""
    params = request.node.callspec.params
    names = {name: params[name] for name in ("loss", "optimizer") if name in params}
    with compiled_if_sampled(**names):
        yield
