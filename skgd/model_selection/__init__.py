"""Selection of the learning rate."""

from skgd.model_selection._range_test import RangeTest, learning_rate_range_test
from skgd.model_selection._search import GridSearchCV, RandomizedSearchCV

__all__ = ["GridSearchCV", "RandomizedSearchCV", "RangeTest", "learning_rate_range_test"]
