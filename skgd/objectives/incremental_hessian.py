"""Weighted sums of outer products of rows, updated for the rows whose weights have changed."""

from dataclasses import dataclass, replace

import numpy as np

#: Change of a weight below which the old one is kept, relative to the larger of the weight before,
#: the weight after and the mean weight.
MIN_WEIGHT_CHANGE = 0.02

#: Fraction of changed rows above which all rows are summed again.
MAX_CHANGED_FRACTION = 0.25

#: Ratio of new to old total weight below which all rows are summed again: the difference of large
#: sums would leave their rounding errors.
MIN_TOTAL_RATIO = 0.1


@dataclass(frozen=True)
class IncrementalHessian:
    r"""The sum :math:`\sum_i w_i (\tilde x_i, 1) (\tilde x_i, 1)^\top`, with its weights.

    Parameters
    ----------
    weights : array of shape (n,)
        Weights :math:`w_i \ge 0` of the rows.
    hessian : array of shape (d + 1, d + 1)
        The sum.
    """

    weights: np.ndarray
    hessian: np.ndarray

    @classmethod
    def from_design(cls, design, weights):
        """Return the sum over all rows of a design."""
        return cls(weights, design.weighted_gram(weights))

    def update(self, design, weights):
        """Return the sum for other weights; weights that hardly changed keep their old value.

        For losses whose curvature is zero except near a kink, few weights change close to the
        minimum.
        """
        change = weights - self.weights
        unit = np.maximum(np.maximum(weights, self.weights), weights.mean())
        is_changed = np.abs(change) > MIN_WEIGHT_CHANGE * unit
        many_changed = is_changed.mean() > MAX_CHANGED_FRACTION
        if many_changed or weights.sum() < MIN_TOTAL_RATIO * self.weights.sum():
            return IncrementalHessian.from_design(design, weights)
        hessian = self.hessian.copy()
        for sign in (1, -1):
            rows = np.flatnonzero(is_changed & (sign * change > 0))
            if len(rows):
                changed = replace(design, X=design.X[rows])
                hessian += sign * changed.weighted_gram(np.abs(change[rows]))
        return IncrementalHessian(np.where(is_changed, weights, self.weights), hessian)
