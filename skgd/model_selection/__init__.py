"""Selection of models: searches in shared passes, and a range test of the learning rate."""

from typing import TYPE_CHECKING, Any

from skgd.model_selection._batch_cv import BatchGDRegressorCV
from skgd.model_selection._cross_validate import cross_validate
from skgd.model_selection._curve import validation_curve
from skgd.model_selection._range_test import RangeTest, learning_rate_range_test
from skgd.model_selection._search import GridSearchCV, RandomizedSearchCV

if TYPE_CHECKING:
    from skgd.model_selection._halving import HalvingGridSearchCV, HalvingRandomSearchCV

__all__ = [
    "BatchGDRegressorCV",
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "RandomizedSearchCV",
    "RangeTest",
    "cross_validate",
    "learning_rate_range_test",
    "validation_curve",
]


def __getattr__(name: str) -> Any:
    """Import the searches by successive halving, which are experimental in scikit-learn."""
    if name in ("HalvingGridSearchCV", "HalvingRandomSearchCV"):
        from skgd.model_selection import _halving

        return getattr(_halving, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
