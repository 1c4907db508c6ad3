"""NumPy's warnings of floating-point errors."""

import numpy as np


def ignore_overflow():
    """Return a context without NumPy's warnings: overflow is detected from non-finite values."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")
