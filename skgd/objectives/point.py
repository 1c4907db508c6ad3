"""A point of the parameter space with what is known there."""

from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """A point with all that is known there.

    Parameters
    ----------
    theta : array
        The inner parameters.
    value : float
        The objective.
    gradient : array
        Gradient of its smooth part.
    predictions : array or None
        Predictions of all rows, where they are at hand.
    """

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    predictions: np.ndarray | None = None
