"""Displays of fits, paths, learning rates and searches; they import matplotlib when they plot."""

from skgd.plotting._axes import COLOURS, REGRESSOR_COLOURS
from skgd.plotting.convergence import ConvergenceDisplay
from skgd.plotting.descent_path import DescentPathDisplay
from skgd.plotting.explorer import DescentExplorer, explore
from skgd.plotting.learning_rate import LearningRateDisplay
from skgd.plotting.schedule import ScheduleDisplay
from skgd.plotting.search import SearchDisplay

__all__ = [
    "COLOURS",
    "REGRESSOR_COLOURS",
    "ConvergenceDisplay",
    "DescentExplorer",
    "DescentPathDisplay",
    "LearningRateDisplay",
    "ScheduleDisplay",
    "SearchDisplay",
    "explore",
]
