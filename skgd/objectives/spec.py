"""Specification of an objective, without data."""

from dataclasses import dataclass, replace

import numpy as np

from skgd.data.scaling import FeatureScaling
from skgd.losses import Loss


@dataclass(frozen=True)
class ObjectiveSpec:
    """Specification of an objective, without data.

    Parameters
    ----------
    scaling : FeatureScaling
        Centre and scale of the features.
    fit_intercept : bool
        Whether there is an intercept.
    loss : Loss
        Pointwise loss.
    l1, l2 : arrays of shape (d + 1,)
        Penalty strengths of the scaled parameters, zero for the intercept.
    """

    scaling: FeatureScaling
    fit_intercept: bool
    loss: Loss
    l1: np.ndarray
    l2: np.ndarray

    @property
    def without_penalty(self):
        """The specification with penalty strengths of zero."""
        return replace(self, l1=np.zeros_like(self.l1), l2=np.zeros_like(self.l2))
