"""The explorer: what it draws for given parameters, and the sliders that set them."""

import builtins
import io

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd import MiniBatchGDRegressor
from skgd.optimizers import Momentum
from skgd.plotting import REGRESSOR_COLOURS, DescentExplorer, explore
from skgd.schedules import CosineDecay

pytest.importorskip("matplotlib")
from PIL import Image


def two_features(n_rows=40):
    rng = np.random.default_rng(0)
    X = rng.normal([5.0, -3.0], [2.0, 0.5], size=(n_rows, 2))
    return X, X @ [1.0, 4.0] + rng.normal(size=n_rows) + 10


def pixels(explorer):
    return np.asarray(Image.open(io.BytesIO(explorer.to_png()))).astype(int)


def test_lines_are_those_of_a_fit_to_standardised_data():
    X, y = two_features()
    explorer = DescentExplorer(X, y, max_iter=7).update(0.05, 0.5, 8, "cosine decay")
    model = MiniBatchGDRegressor(
        penalty=None,
        learning_rate=CosineDecay(0.05),
        optimizer=Momentum(0.5),
        batch_size=8,
        max_iter=7,
        tol=None,
        standardize=False,
        record="path",
        random_state=0,
    )
    model.fit((X - X.mean(axis=0)) / X.std(axis=0), y - y.mean())
    assert_allclose(explorer.path_line_.get_xdata(), model.path_["coef_0"])
    assert_allclose(explorer.path_line_.get_ydata(), model.path_["coef_1"])
    assert explorer.path_line_.get_color() == REGRESSOR_COLOURS["MiniBatchGDRegressor"]
    Z = np.column_stack([np.ones(40), X])
    residuals = y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]
    above = model.history_["objective"] - np.mean(residuals**2) / 2
    assert_allclose(explorer.objective_line_.get_ydata(), above, rtol=1e-6)
    assert explorer.title_.get_text().startswith("after 7 epochs")


def test_a_redraw_changes_the_lines_only():
    explorer = DescentExplorer(*two_features())
    first = pixels(explorer)
    assert not np.array_equal(pixels(explorer.update(0.001)), first)
    assert_array_equal(pixels(explorer.update()), first)
    labels = slice(-25, None)  # the labels of the horizontal axes, below all lines
    assert_array_equal(pixels(explorer.update(0.5))[labels], first[labels])


@pytest.mark.parametrize("rate", [2.5, 1e6])
def test_a_diverging_fit_is_reported(rate):
    explorer = DescentExplorer(*two_features()).update(learning_rate=rate)
    assert explorer.title_.get_text().startswith("diverged")
    assert len(explorer.path_line_.get_xdata()) > 1
    assert pixels(explorer).std() > 0


def test_panels_say_what_is_shown(diabetes):
    X, y = diabetes
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(10)])
    explorer = DescentExplorer(frame, y, coefs=(2, "intercept"))
    left, right = explorer.figure_.axes
    assert left.get_xlabel() == "f2"
    assert left.get_ylabel() == "intercept"
    assert "two of 10 coefficients" in left.get_title()
    assert "200 rows drawn at random" in left.get_title()
    assert right.get_ylabel() == "objective above the minimum"


def test_one_feature_has_an_intercept():
    X, y = two_features()
    left, _ = DescentExplorer(X[:, :1], y).figure_.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("0", "intercept")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0}, "learning_rate must be"),
        ({"momentum": 1.0}, "momentum must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"schedule": "cosine"}, "schedule must be"),
    ],
)
def test_invalid_parameters_raise_errors(options, message):
    explorer = DescentExplorer(*two_features())
    with pytest.raises(ValueError, match=message):
        explorer.update(**options)


def test_sliders_redraw_the_figure():
    pytest.importorskip("ipywidgets")
    rate, momentum, batch_size, schedule, image = explore(*two_features(), max_iter=3).children
    shown = [image.value]
    for control, value in [(rate, 0.01), (momentum, 0.9), (batch_size, 1), (schedule, "one cycle")]:
        control.value = value
        shown.append(image.value)
    assert len(set(shown)) == 5
    assert batch_size.options == (1, 2, 4, 8, 16, 32, 40)


def test_error_without_ipywidgets_says_what_to_install(monkeypatch):
    original_import = builtins.__import__

    def import_without_ipywidgets(name, *args, **kwargs):
        if name == "ipywidgets":
            raise ImportError(name)
        return original_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_without_ipywidgets)
    with pytest.raises(ImportError, match=r"pip install 'skgd\[notebook\]'"):
        explore(*two_features())
