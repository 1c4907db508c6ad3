"""When a fit has converged, stalled or exploded."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

#: What a fall of zero is replaced by where something is divided by it.
TINY = np.finfo(float).tiny

#: A gradient that is smaller than so many units of rounding of the first is rounding itself.
ROUNDING = 1024


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
class NoImprovement:
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

    def improved(self, value):
        """Tell whether a value is an improvement."""
        if self.relative:
            return not value >= self.best - self.tol * abs(self.best)
        return not value > self.best - self.tol

    def would_stall(self, value):
        """Tell what :meth:`stalled` would, and take nothing in."""
        return self.count + 1 >= self.patience and not self.improved(value)

    def stalled(self, value):
        """Take in the value of an epoch; tell whether it was one too many without improvement."""
        self.count = 0 if self.improved(value) else self.count + 1
        self.best = min(self.best, value)
        return self.count >= self.patience

    def restart(self):
        """Begin to count anew, with the best value kept."""
        self.count = 0


@dataclass
class Progress:
    """Counts epochs in a row after which hardly any fall of the objective is to be expected.

    Falls are expected to go on as a geometric series, with the ratio of the last two.

    Parameters
    ----------
    tol : float
        The fall that does not matter, relative to the objective.
    patience : int
        Epochs in a row that end the descent.
    unit : float or array
        The objective of the best constant model, of each output: a millionth of it is the smallest
        objective that `tol` is relative to.
    """

    tol: float
    patience: int
    unit: float
    best: float = np.inf
    fall: float = np.inf
    left: float = np.nan
    count: int = 0

    def stalled(self, value):
        """Take in the objective, of each output; tell whether the descent has ended."""
        fall = np.maximum(self.best - value, 0)
        # Before there are two falls, any fall may be to come.
        ratio = np.where(np.isfinite(self.fall), fall / np.maximum(self.fall, TINY), 0.97)
        ratio = np.clip(ratio, 0.1, 0.97)
        expected = fall * ratio / (1 - ratio)
        arrived = np.all(expected <= self.tol * np.maximum(np.abs(value), 1e-6 * self.unit))
        self.count = self.count + 1 if arrived else 0
        self.best, self.fall = np.minimum(self.best, value), fall
        self.left = float(np.sum(expected))
        return self.count >= self.patience


def progress(objective, tol, patience):
    """Return the test of the objectives that its outputs have at snapshots."""
    unit = [part.value(part.intercept_only()) for part in objective.split_outputs()]
    return Progress(tol, patience, np.abs(unit))


@dataclass
class GradientNorm:
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
    first_norm: float = np.inf
    flat: int = 0
    patience: int = 20

    def verdict(self, value, norm, eps):
        """Take in objective and gradient norm of an update; return a reason to stop, or None."""
        if self.small(norm):
            return StopReason.CONVERGED
        if self.best_norm == np.inf:
            self.first_norm = norm
        level = abs(value - self.best_value) <= 4 * eps * max(abs(self.best_value), self.unit)
        # What follows a gradient that is rounding is by chance.
        lost = norm <= ROUNDING * eps * self.first_norm
        self.flat = self.flat + 1 if lost or (level and norm >= self.best_norm) else 0
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
class DivergenceMonitor:
    """Notices an objective that has left its start behind, twice in a row.

    Parameters
    ----------
    reference : float
        The objective before the call, or of the best constant model if that is larger.
    """

    reference: float
    factor: float = 1e3
    count: int = 0

    @property
    def limit(self):
        """The objective above which the start is left behind; the largest number at most."""
        return min(self.factor * self.reference, np.finfo(float).max)

    def noticed(self, value):
        """Take in the objective of an epoch; tell whether descent has exploded."""
        if not np.isfinite(value):
            return True
        self.count = self.count + 1 if value > self.limit else 0
        return self.count >= 2
