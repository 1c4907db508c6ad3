"""Import of the package, its public names, its warnings and `show_versions`."""

import subprocess
import sys

import numpy as np
import pytest

import skgd

STANDARD_LIBRARY = sys.stdlib_module_names
COMPONENT_MODULES = ["losses", "penalties", "schedules", "optimizers"]


def test_import_loads_no_optional_package():
    program = (
        "import sys, sklearn.linear_model; before = set(sys.modules); import skgd; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert set(process.stdout.split()) <= {"skgd", "numpy", "scipy", "sklearn", *STANDARD_LIBRARY}


DEFAULT_MODELS = """
import pickle, skgd
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
X, y = load_diabetes(return_X_y=True)
for kind in skgd.BatchGDRegressor, skgd.MiniBatchGDRegressor, skgd.SGDRegressor:
    model = pickle.loads(pickle.dumps(kind().fit(scale(X), y)))
    print(model.partial_fit(scale(X), y).score(scale(X), y), repr(model), model._repr_html_()[:0])
"""


def test_default_models_emit_no_warnings():
    """Run in a new process with `-W error`, so that warnings during import are errors too."""
    command = [sys.executable, "-W", "error", "-c", DEFAULT_MODELS]
    process = subprocess.run(command, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    assert all(float(line.split()[0]) > 0.5 for line in process.stdout.splitlines())


def test_top_level_names_exist():
    assert {"BatchGDRegressor", "MiniBatchGDRegressor", "SGDRegressor", *COMPONENT_MODULES} <= set(
        skgd.__all__
    )
    assert all(hasattr(skgd, name) for name in skgd.__all__)


@pytest.mark.parametrize("module", COMPONENT_MODULES)
def test_every_registered_component_is_public(module):
    module = getattr(skgd, module)
    registry = getattr(module, module.__name__.rpartition(".")[2].upper())
    assert {component.__name__ for component in registry.values()} <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("has_numba", [True, False])
def test_show_versions_names_the_executor(has_numba, monkeypatch, capsys):
    monkeypatch.setattr("skgd._utils.numba_support.has_numba", lambda: has_numba)
    skgd.show_versions()
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["skgd"]
    assert lines["numpy"] == np.__version__
    assert lines["executor"].startswith("Numba" if has_numba else "NumPy")
