"""The package as users import it."""

import subprocess
import sys

import pytest

import skgd

PIECES = ["losses", "penalties", "schedules", "optimizers"]


def test_import_loads_no_optional_package():
    optional = ["numba", "matplotlib", "dask", "distributed", "torch", "rich", "pandas", "polars"]
    program = f"import sys, skgd; print(*[name for name in {optional} if name in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


def test_names_at_the_top():
    assert {"BatchGDRegressor", "MiniBatchGDRegressor", "SGDRegressor", *PIECES} <= set(
        skgd.__all__
    )
    assert all(hasattr(skgd, name) for name in skgd.__all__)


@pytest.mark.parametrize("module", PIECES)
def test_every_registered_piece_is_public(module):
    module = getattr(skgd, module)
    registry = getattr(module, module.__name__.rpartition(".")[2].upper())
    assert {piece.__name__ for piece in registry.values()} <= set(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)
