"""Whether Numba can compile the loops."""

import warnings
from functools import cache
from importlib.util import find_spec


@cache
def has_numba():
    """Tell whether Numba is there and switched on (``NUMBA_DISABLE_JIT=1`` switches it off)."""
    if find_spec("numba") is None:
        return False
    try:
        import numba
    except ImportError as error:  # it does not know this NumPy, say
        warnings.warn(
            f"Numba cannot be imported, so that fits run on NumPy: {error}",
            RuntimeWarning,
            stacklevel=3,
        )
        return False
    return not numba.config.DISABLE_JIT
