"""Displays of fits, paths and learning rates; matplotlib is imported only when one is drawn."""

from skgd.plotting.convergence import ConvergenceDisplay
from skgd.plotting.descent_path import DescentPathDisplay
from skgd.plotting.learning_rate import LearningRateDisplay
from skgd.plotting.schedule import ScheduleDisplay

__all__ = ["ConvergenceDisplay", "DescentPathDisplay", "LearningRateDisplay", "ScheduleDisplay"]
