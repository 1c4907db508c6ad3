"""Objectives of linear models: value, gradient and curvature on data in memory or in chunks."""

from skgd.objectives.build import build
from skgd.objectives.chunked import ChunkedObjective
from skgd.objectives.empirical_risk import Objective
from skgd.objectives.point import Point
from skgd.objectives.quadratic_model import QuadraticModel
from skgd.objectives.smoothness import expected_smoothness, largest_curvature
from skgd.objectives.spec import ObjectiveSpec

__all__ = [
    "ChunkedObjective",
    "Objective",
    "ObjectiveSpec",
    "Point",
    "QuadraticModel",
    "build",
    "expected_smoothness",
    "largest_curvature",
]
