"""What a bug report should say."""

import platform
from importlib.metadata import PackageNotFoundError, version

from skgd._utils import numba_support

#: Packages that a fit may use, in the order in which they are listed.
PACKAGES = ["skgd", "numpy", "scipy", "scikit-learn", "numba", "llvmlite", "matplotlib", "dask"]


def show_versions() -> None:
    """Print the versions that matter, and which executor runs the updates.

    The executor is Numba where it is installed, can be imported and is switched on; else NumPy.
    Both run the same formulas.

    Examples
    --------
    >>> import skgd
    >>> skgd.show_versions()
    skgd          ...
    executor      ...
    """
    for name, number in versions().items():
        print(f"{name:<13} {number}")
    print(f"{'executor':<13} {executor_name()}")


def versions():
    """Return the versions of the packages by name, of Python and of the machine."""
    found = {name: _version(name) for name in PACKAGES}
    return found | {"python": platform.python_version(), "machine": platform.platform()}


def executor_name():
    """Return what runs the updates, in a few words."""
    if numba_support.has_numba():
        return "Numba: compiled loops"
    return "NumPy (pip install skgd[fast] brings Numba, which is faster)"


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
