"""An objective without its data."""

from dataclasses import dataclass, replace

import numpy as np

from skgd.data.scaling import FeatureScaling
from skgd.losses import Loss


@dataclass(frozen=True)
class ObjectiveSpec:
    """An objective without its data.

    Parameters
    ----------
    scaling : FeatureScaling
        Centre and scale of the columns.
    fit_intercept : bool
        Whether there is an intercept.
    loss : Loss
        The pointwise loss.
    l1, l2 : arrays of shape (d + 1,)
        Strengths of the penalty.
    """

    scaling: FeatureScaling
    fit_intercept: bool
    loss: Loss
    l1: np.ndarray
    l2: np.ndarray

    @property
    def bare(self):
        """The same without a penalty."""
        return replace(self, l1=np.zeros_like(self.l1), l2=np.zeros_like(self.l2))
