"""Sums of weighted outer squares of rows, updated where the weights have changed."""

from dataclasses import dataclass, replace

import numpy as np

#: Change of a row's factor that changes sums, relative to it or to the mean factor.
MIN_WEIGHT_CHANGE = 0.02


@dataclass(frozen=True)
class IncrementalHessian:
    """A sum of the outer squares of rows, with the factors that they had in it.

    Parameters
    ----------
    factors : array of shape (n,)
        Not negative.
    squares : array of shape (d + 1, d + 1)
        The sum.
    """

    factors: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, design, factors):
        """Return the sum over all rows."""
        return cls(factors, design.weighted_gram(factors))

    def update(self, design, factors):
        """Return the sum for other factors, in which those that have hardly changed are the old.

        Where losses bend little or much and nothing in between, few rows change near the minimum.
        """
        change = factors - self.factors
        unit = np.maximum(np.maximum(factors, self.factors), factors.mean())
        noticed = np.abs(change) > MIN_WEIGHT_CHANGE * unit
        much = noticed.mean() > 0.25 or factors.sum() < 0.1 * self.factors.sum()
        if much:
            return IncrementalHessian.of(design, factors)
        squares = self.squares.copy()
        for sign in (1, -1):
            rows = np.flatnonzero(noticed & (sign * change > 0))
            if len(rows):
                some = replace(design, X=design.X[rows])
                squares += sign * some.weighted_gram(np.abs(change[rows]))
        return IncrementalHessian(np.where(noticed, factors, self.factors), squares)
