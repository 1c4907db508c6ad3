"""When a fit has converged, stalled or exploded."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class StopReason(StrEnum):
    """Why a fit ended."""

    CONVERGED = "converged"
    PRECISION = "precision"
    STALLED = "stalled"
    EARLY_STOPPING = "early_stopping"
    CALLBACK = "callback"
    MAX_ITER = "max_iter"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"

    @property
    def is_success(self):
        """Whether the fit ended because there was nothing left to gain."""
        return self in (StopReason.CONVERGED, StopReason.PRECISION, StopReason.EARLY_STOPPING)


@dataclass
class Plateau:
    """Counts epochs in a row in which a value that should fall did not fall by `tol`.

    Parameters
    ----------
    tol : float
        The fall that counts as an improvement, absolute or relative to the best value.
    patience : int
        Epochs without an improvement that make a stall.
    relative : bool
        How `tol` is read.
    """

    tol: float
    patience: int
    relative: bool = False
    best: float = np.inf
    count: int = 0

    def stalled(self, value):
        """Take in the value of an epoch; tell whether it was one too many without improvement."""
        if self.relative:
            improved = not value >= self.best - self.tol * abs(self.best)
        else:
            improved = not value > self.best - self.tol
        self.count = 0 if improved else self.count + 1
        self.best = min(self.best, value)
        return self.count >= self.patience

    def restart(self):
        """Begin to count anew, with the best value kept."""
        self.count = 0


@dataclass
class GradientTest:
    """Ends a full-batch descent: a small gradient, or nothing left to gain in floating point.

    Parameters
    ----------
    tol : float
        The gradient norm that is small enough, relative to `reference`.
    reference : float
        The gradient norm of the best constant model.
    unit : float
        Its objective, which the rounding of an objective is relative to.
    """

    tol: float
    reference: float
    unit: float = 0.0
    best_value: float = np.inf
    best_norm: float = np.inf
    flat: int = 0
    patience: int = 20

    def verdict(self, value, norm, eps):
        """Take in objective and gradient norm of an update; return a reason to stop, or None."""
        if self.small(norm):
            return StopReason.CONVERGED
        level = abs(value - self.best_value) <= 4 * eps * max(abs(self.best_value), self.unit)
        self.flat = self.flat + 1 if level and norm >= self.best_norm else 0
        self.best_value = min(self.best_value, value)
        self.best_norm = min(self.best_norm, norm)
        return StopReason.PRECISION if self.flat >= self.patience else None

    def small(self, norm):
        """Tell whether a gradient norm is small enough."""
        return norm <= self.tol * self.reference

    def restart(self):
        """Begin anew to look for progress."""
        self.best_value = self.best_norm = np.inf
        self.flat = 0


@dataclass
class Explosion:
    """Notices an objective that has left its start behind, twice in a row.

    Parameters
    ----------
    reference : float
        The objective before the call, or of the best constant model if that is larger.
    """

    reference: float
    factor: float = 1e3
    count: int = 0

    def noticed(self, value):
        """Take in the objective of an epoch; tell whether descent has exploded."""
        if not np.isfinite(value):
            return True
        self.count = self.count + 1 if value > self.factor * self.reference else 0
        return self.count >= 2
