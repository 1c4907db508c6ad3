"""Types in the signatures of public names. Only type checkers import this module."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skgd.losses import Loss
from skgd.optimizers import Optimizer
from skgd.penalties import Penalty
from skgd.schedules import Schedule
from skgd.step_rules import StepRule


class Sparse(Protocol):
    """A sparse matrix or array of SciPy's."""

    def tocsr(self) -> Any:
        """Return it in rows."""
        ...


Array: TypeAlias = NDArray[Any]
Rows: TypeAlias = ArrayLike | Sparse
LossLike: TypeAlias = str | Loss
PenaltyLike: TypeAlias = str | Penalty | None
RateLike: TypeAlias = float | str | Schedule | StepRule | Callable[[Any], Any]
OptimizerLike: TypeAlias = str | Optimizer
RandomState: TypeAlias = int | np.random.RandomState | None
Names: TypeAlias = str | list[str] | None
Options: TypeAlias = dict[str, Any] | None

__all__ = [
    "Array",
    "ArrayLike",
    "LossLike",
    "Names",
    "OptimizerLike",
    "Options",
    "PenaltyLike",
    "RandomState",
    "RateLike",
    "Rows",
    "Sparse",
]
