"""Random orders of the rows."""

import numpy as np

from skgd._utils import numba_support

#: Number of rows from which on a compiled loop shuffles faster than NumPy.
MIN_COMPILED_SHUFFLE = 1024


def draw_row_orders(rng, n_rows, count=1):
    """Return what ``rng.permutation(n_rows)`` returns in `count` calls.

    Where Numba is available, a compiled loop draws the same orders and leaves the generator in the
    same state.

    Returns
    -------
    array of shape (count, n_rows)
    """
    if n_rows * count < MIN_COMPILED_SHUFFLE or not numba_support.has_numba():
        return np.array([rng.permutation(n_rows) for _ in range(count)])
    from skgd.solvers.compiled.shuffle import shuffled

    return shuffled(rng, n_rows, count)
