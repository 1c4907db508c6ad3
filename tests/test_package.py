"""The package as users import it."""

import subprocess
import sys

import numpy as np
import pytest

import skgd

STANDARD = sys.stdlib_module_names
PIECES = ["losses", "penalties", "schedules", "optimizers"]


def test_import_loads_no_optional_package():
    program = (
        "import sys, sklearn.linear_model; before = set(sys.modules); import skgd; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(loaded.stdout.split()) <= {"skgd", "numpy", "scipy", "sklearn", *STANDARD}


DEFAULTS = """
import pickle, skgd
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
X, y = load_diabetes(return_X_y=True)
for kind in skgd.BatchGDRegressor, skgd.MiniBatchGDRegressor, skgd.SGDRegressor:
    model = pickle.loads(pickle.dumps(kind().fit(scale(X), y)))
    print(model.partial_fit(scale(X), y).score(scale(X), y), repr(model), model._repr_html_()[:0])
"""


def test_defaults_warn_of_nothing():
    """Not even where Python is told to make every warning an error, also while modules load."""
    program = [sys.executable, "-W", "error", "-c", DEFAULTS]
    ran = subprocess.run(program, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(float(line.split()[0]) > 0.5 for line in ran.stdout.splitlines())


def test_names_at_the_top():
    assert {"BatchGDRegressor", "MiniBatchGDRegressor", "SGDRegressor", *PIECES} <= set(
        skgd.__all__
    )
    assert all(hasattr(skgd, name) for name in skgd.__all__)


@pytest.mark.parametrize("module", PIECES)
def test_every_registered_piece_is_public(module):
    module = getattr(skgd, module)
    registry = getattr(module, module.__name__.rpartition(".")[2].upper())
    assert {component.__name__ for component in registry.values()} <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("active", [True, False])
def test_versions_name_the_executor(active, monkeypatch, capsys):
    monkeypatch.setattr("skgd._utils.numba_support.has_numba", lambda: active)
    skgd.show_versions()
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["skgd"]
    assert lines["numpy"] == np.__version__
    assert lines["executor"].startswith("Numba" if active else "NumPy")
