"""Detection of Numba."""

import warnings
from functools import cache
from importlib.util import find_spec


@cache
def has_numba():
    """Return whether Numba is installed and enabled (``NUMBA_DISABLE_JIT=1`` disables it)."""
    if find_spec("numba") is None:
        return False
    try:
        import numba
    except ImportError as error:  # for example because it does not support this NumPy version
        message = f"Numba is installed but cannot be imported, so fits use NumPy: {error}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)
        return False
    return not numba.config.DISABLE_JIT
