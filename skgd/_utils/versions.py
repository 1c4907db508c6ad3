"""Version information for bug reports."""

import platform
from importlib.metadata import PackageNotFoundError, version

from skgd._utils import numba_support

#: Packages that skgd can use, in the order in which they are printed.
PACKAGES = ["skgd", "numpy", "scipy", "scikit-learn", "numba", "llvmlite", "matplotlib", "dask"]


def show_versions() -> None:
    """Print the versions of skgd, its dependencies and Python, and the executor of the updates.

    The executor is Numba if it is installed, importable and enabled, and NumPy otherwise. Both
    implement the same updates.

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
    """Return a dict of the versions of the packages, of Python and of the platform."""
    packages = {name: _package_version(name) for name in PACKAGES}
    return packages | {"python": platform.python_version(), "machine": platform.platform()}


def executor_name():
    """Return a short description of what executes the updates."""
    if numba_support.has_numba():
        return "Numba: compiled loops"
    return "NumPy (for faster fits install Numba: pip install skgd[fast])"


def _package_version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
