"""Checks that the entries of X are finite."""

import numpy as np


def check_all_finite(X):
    """Raise ValueError if an entry of X is infinite or NaN; name the first one."""
    sparse = hasattr(X, "indptr")
    entries = X.data if sparse else X
    positions = np.argwhere(~np.isfinite(entries))
    if not len(positions):
        return
    first = tuple(map(int, positions[0]))
    row = int(np.searchsorted(X.indptr, first[0], side="right") - 1) if sparse else first[0]
    raise ValueError(
        f"X has {entries[first]} in row {row} of the chunk. Every entry must be a finite number: "
        "remove such rows, or impute the missing values."
    )


def check_finite_by_sum(X):
    """Raise ValueError as :func:`check_all_finite`, which is called only if the sum is not finite.

    A finite sum proves that every entry is finite, and needs no temporary array.
    """
    if not np.isfinite(X.sum(dtype=X.dtype)):
        check_all_finite(X)
