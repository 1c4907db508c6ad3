"""Coefficient of determination R² from sums over chunks."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class R2Sums:
    """Sums of squares that determine R²; sums of different chunks can be added.

    Parameters
    ----------
    count : float
        Total weight.
    mean : array of shape () or (k,)
        Mean of the targets.
    total : array of shape () or (k,)
        Sum of squared deviations of the targets from their mean.
    residual : array of shape () or (k,)
        Sum of squared residuals.
    """

    count: float
    mean: np.ndarray
    total: np.ndarray
    residual: np.ndarray

    @classmethod
    def from_chunk(cls, chunk, predict):
        """Return the sums over the rows of an :class:`~skgd.data.InMemoryData`."""
        weights = np.ones(len(chunk)) if chunk.weights is None else chunk.weights.astype(float)
        y, predictions = chunk.y.astype(float), predict(chunk.X)
        mean = weights @ y / weights.sum()
        return cls(weights.sum(), mean, weights @ (y - mean) ** 2, weights @ (y - predictions) ** 2)

    def __add__(self, other):
        count = self.count + other.count
        step = other.mean - self.mean
        return R2Sums(
            count,
            self.mean + other.count / count * step,
            self.total + other.total + self.count * other.count / count * step**2,
            self.residual + other.residual,
        )

    @property
    def score(self):
        """R² averaged over the outputs; minus infinity if it is not finite.

        For constant targets it is 1 if the predictions are exact and 0 otherwise, as in
        scikit-learn.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.residual / self.total
        constant = np.where(self.residual == 0, 0.0, 1.0)
        scores = 1 - np.where(self.total == 0, constant, ratio)
        return float(np.mean(np.where(np.isfinite(scores), scores, -np.inf)))
