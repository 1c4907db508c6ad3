"""Gradient-descent regressors in scikit-learn's manner: batch, mini-batch and stochastic."""

from skgd import losses, optimizers, penalties, schedules
from skgd.regressors import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

__version__ = "0.1.0.dev0"

__all__ = [
    "BatchGDRegressor",
    "MiniBatchGDRegressor",
    "SGDRegressor",
    "losses",
    "optimizers",
    "penalties",
    "schedules",
]
