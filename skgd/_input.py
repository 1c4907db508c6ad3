"""Checked input: rows, targets, weights, and the values to start from."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from sklearn.utils import check_array


@dataclass
class Data:
    """Checked input: rows, targets, weights (None: all 1), of one dtype."""

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None

    def rows(self, mask):
        """Return the rows where `mask` is true."""
        weights = None if self.weights is None else self.weights[mask]
        return Data(self.X[mask], self.y[mask], weights)

    @property
    def total_weight(self):
        """Total weight of the rows."""
        return float(len(self.X) if self.weights is None else self.weights.sum(dtype=float))


def checked_weights(name, weights, X):
    """Return weights as an array of the dtype of X, or None where none are given."""
    if weights is None:
        return None
    if isinstance(weights, Real):
        weights = np.full(len(X), weights)
    weights = check_array(weights, ensure_2d=False, dtype=X.dtype, input_name=name)
    if weights.shape != (len(X),):
        raise ValueError(
            f"{name} has shape {weights.shape}; X has {len(X)} rows: give one number each."
        )
    if (weights < 0).any():
        raise ValueError(f"{name} must not be negative; got {weights.min()!r}.")
    return weights


def checked_start(name, value, shape):
    """Return a starting value as an array of the given shape, or None where none is given."""
    if value is None:
        return None
    value = check_array(np.atleast_1d(value), ensure_2d=False, dtype=float, input_name=name)
    if value.size != int(np.prod(shape)) or (value.ndim > 1 and value.shape != shape):
        raise ValueError(f"{name} has shape {value.shape}, but the model's is {shape}.")
    return value.reshape(shape)


def check_scorable(validation, source):
    """Refuse validation rows that have no R²."""
    if len(validation.X) < 2:
        raise ValueError(
            f"{source} leaves {len(validation.X)} row to validate with, and R² needs two. "
            "Give more rows, or set early_stopping=False."
        )
