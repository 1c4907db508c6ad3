"""Parameters with the value and gradient of an objective there."""

from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """Parameters with the value and gradient of an objective there.

    Parameters
    ----------
    theta : array
        Scaled parameters.
    value : float
        Value of the objective.
    gradient : array
        Gradient of the smooth part of the objective.
    predictions : array or None
        Predictions of all rows; None if they are not known.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    predictions: np.ndarray | None = None
