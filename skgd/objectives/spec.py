"""Specification of an objective, without data."""

from dataclasses import dataclass, replace

import numpy as np

from skgd import penalties
from skgd.data.scaling import FeatureScaling
from skgd.losses import Loss
from skgd.objectives.penalized import Penalized


@dataclass(frozen=True)
class ObjectiveSpec(Penalized):
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
    lower, upper : arrays of shape (d + 1,) or None, default=None
        Bounds of the scaled parameters, infinite for the intercept; None means no bounds.
    """

    scaling: FeatureScaling
    fit_intercept: bool
    loss: Loss
    l1: np.ndarray
    l2: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None

    @classmethod
    def from_penalty(cls, scaling, fit_intercept, loss, penalty, dtype):
        """Return the specification with a penalty on the original coefficients.

        Parameters
        ----------
        scaling, fit_intercept, loss
            See the class.
        penalty : Penalty
            Strengths and bounds in the units of the data.
        dtype : dtype
            Type of the strengths and bounds.
        """
        scale = scaling.scale

        def append(values, fill):
            return np.append(values, fill).astype(dtype)

        # Coefficients of infinite scale or strength do not enter the model.
        l1, l2 = (np.where(np.isinf(part), 0.0, part) for part in (penalty.l1, penalty.l2))
        l1, l2, bounds = append(l1 / scale, 0.0), append(l2 / scale**2, 0.0), ()
        if penalties.has_bounds(penalty):
            is_used = np.isfinite(scale) & np.isfinite(penalty.l1 + penalty.l2)
            scale = np.where(is_used, scale, 1.0)
            bounds = tuple(
                append(np.where(is_used, bound * scale, fill), fill)
                for bound, fill in ((penalty.lower, -np.inf), (penalty.upper, np.inf))
            )
        return cls(scaling, fit_intercept, loss, l1, l2, *bounds)

    @property
    def without_penalty(self):
        """The specification with penalty strengths of zero and without bounds."""
        zero = np.zeros_like(self.l2)
        return replace(self, l1=zero, l2=zero, lower=None, upper=None)
