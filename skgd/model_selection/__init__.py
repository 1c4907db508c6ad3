"""Selection of the learning rate."""

from skgd.model_selection._range_test import RangeTest, learning_rate_range_test

__all__ = ["RangeTest", "learning_rate_range_test"]
