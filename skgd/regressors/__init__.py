"""The three regressors: linear models fitted by full-batch, mini-batch and per-sample descent."""

from skgd.regressors._batch import BatchGDRegressor
from skgd.regressors._mini_batch import MiniBatchGDRegressor
from skgd.regressors._sgd import SGDRegressor

__all__ = ["BatchGDRegressor", "MiniBatchGDRegressor", "SGDRegressor"]
