"""Which data is looked at in blocks, and as what."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from skgd.data.memmap import MemmapData, is_large_map, predict_mapped


def is_chunked_input(X):
    """Tell whether X is better not taken into memory: a large memory map, or of Dask."""
    return is_dask(X) or is_large_map(X)


def is_dask(X):
    """Tell whether X is a Dask collection, without an import of Dask."""
    return hasattr(X, "__dask_graph__")


def chunk(X, y, checked_weights):
    """Return rows that `is_chunked_input` as blocks.

    Parameters
    ----------
    X, y : arrays or Dask collections
        Rows and targets.
    checked_weights : callable
        Returns weights of the rows at a given dtype, or None, for X in memory maps; for Dask
        collections it returns them as they were given, if the dtype is None.
    """
    if is_dask(X):
        from skgd.data.dask_collection import dask_blocks

        return dask_blocks(X, y, checked_weights(None))
    y = check_array(y, ensure_2d=False, dtype=[np.float64, np.float32], input_name="y")
    check_consistent_length(X, y)
    dtype = X.dtype if X.dtype == np.float32 else np.dtype(float)
    return MemmapData(X, y, checked_weights(dtype))


def check_features(estimator, X, reset):
    """Set or check the number and the names of the features."""
    named = X._meta if is_dask(X) and hasattr(X, "columns") else X
    validate_data(estimator, named, skip_check_array=True, reset=reset)


def predict_chunked(X, predict, dtype, outputs):
    """Return what `predict` makes of each block: together, or lazily where X is of Dask."""
    if is_dask(X):
        from skgd.data.dask_collection import predict_dask

        return predict_dask(X, predict, dtype, outputs)
    return predict_mapped(X, predict)
