"""Types of the regressors' parameters. Only type checkers import this module."""

from collections.abc import Callable
from typing import Any, TypeAlias

from skgd.losses import Loss
from skgd.optimizers import Optimizer
from skgd.penalties import Penalty
from skgd.schedules import Schedule
from skgd.step_rules import StepRule

LossLike: TypeAlias = str | Loss
PenaltyLike: TypeAlias = str | Penalty | None
RateLike: TypeAlias = float | str | Schedule | StepRule | Callable[[Any], Any]
OptimizerLike: TypeAlias = str | Optimizer

__all__ = ["LossLike", "OptimizerLike", "PenaltyLike", "RateLike"]
