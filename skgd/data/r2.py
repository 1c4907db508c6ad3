"""Coefficient of determination R² from sums over chunks."""

from typing import NamedTuple

import numpy as np

from skgd.data.feature_moments import FeatureMoments


class R2Sums(NamedTuple):
    """Sums of squares that determine R²; sums of different chunks can be added.

    Parameters
    ----------
    targets : FeatureMoments
        Sums of the squared deviations of the k targets from their means.
    residual : array of shape (k,)
        Sums of the squared residuals.
    """

    targets: FeatureMoments
    residual: np.ndarray

    @classmethod
    def from_chunk(cls, chunk, predict):
        """Return the sums over the rows of an :class:`InMemoryData`."""
        y = chunk.y.astype(float).reshape(len(chunk), -1)
        errors = y - predict(chunk.X, chunk.offset).reshape(y.shape)
        weights = np.ones(len(y)) if chunk.weights is None else chunk.weights.astype(float)
        return cls(FeatureMoments.from_rows(y, weights), weights @ errors**2)

    def __add__(self, other):
        return R2Sums(self.targets + other.targets, self.residual + other.residual)

    @property
    def score(self):
        """R² averaged over the outputs; minus infinity if it is not finite.

        For constant targets it is 1 if the predictions are exact and 0 otherwise, as in
        scikit-learn.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.residual / self.targets.deviations
        constant = np.where(self.residual == 0, 0.0, 1.0)
        scores = 1 - np.where(self.targets.deviations == 0, constant, ratio)
        return float(np.mean(np.where(np.isfinite(scores), scores, -np.inf)))
