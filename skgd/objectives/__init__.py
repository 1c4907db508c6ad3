"""Objectives of linear models: value, gradient and curvature on rows in memory or in blocks."""

from skgd.objectives.chunked import BlockedObjective, build
from skgd.objectives.empirical_risk import Objective
from skgd.objectives.point import Point
from skgd.objectives.quadratic_model import Expansion
from skgd.objectives.smoothness import expected_smoothness, largest_curvature
from skgd.objectives.spec import Frame

__all__ = [
    "BlockedObjective",
    "Expansion",
    "Frame",
    "Objective",
    "Point",
    "build",
    "expected_smoothness",
    "largest_curvature",
]
