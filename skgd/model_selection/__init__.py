"""Selection of models: searches in shared passes, and a range test of the learning rate."""

from skgd.model_selection._cross_validate import cross_validate
from skgd.model_selection._curve import validation_curve
from skgd.model_selection._range_test import RangeTest, learning_rate_range_test
from skgd.model_selection._search import GridSearchCV, RandomizedSearchCV

__all__ = [
    "GridSearchCV",
    "RandomizedSearchCV",
    "RangeTest",
    "cross_validate",
    "learning_rate_range_test",
    "validation_curve",
]
