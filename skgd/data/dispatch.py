"""Choice of the chunked data class by the type of X: memory map or Dask collection."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import validate_data

from skgd.data.memmap import MemmapData, is_large_memmap, predict_memmap


def is_chunked_input(X):
    """Return whether X is processed in chunks: a large memory map or a Dask collection.

    X has passed :func:`~skgd.data.conversion.unwrap_arrays`.
    """
    return is_dask(X) or is_large_memmap(X)


def is_dask(X):
    """Return whether X is a Dask collection, without importing Dask."""
    return hasattr(X, "__dask_graph__")


def to_chunked_data(X, y, check_weights, offset=None):
    """Return X, for which :func:`is_chunked_input` holds, and y as chunked data.

    Parameters
    ----------
    X, y : arrays or Dask collections
        Rows and targets.
    check_weights : callable
        ``check_weights(dtype)`` returns the weights of the rows at a dtype, or None. For Dask
        collections the dtype is None, and the weights are returned as given.
    offset : array or Dask collection, default=None
        Terms that are added to the linear predictors, checked unless it is a Dask collection.
    """
    if is_dask(X):
        from skgd.data.dask_collection import to_dask_data

        return to_dask_data(X, y, check_weights(None), offset)
    y = check_array(y, ensure_2d=False, dtype=[np.float64, np.float32], input_name="y")
    check_consistent_length(X, y)
    dtype = X.dtype if X.dtype == np.float32 else np.dtype(float)
    return MemmapData(X, y, check_weights(dtype), offset=offset)


def check_features(estimator, X, reset):
    """Set or check the number and the names of the features of an estimator."""
    with_names = X._meta if is_dask(X) and hasattr(X, "columns") else X
    validate_data(estimator, with_names, skip_check_array=True, reset=reset)


def predict_chunked(X, predict, dtype, output_shape, offset=None):
    """Return ``predict(X, offset)`` for all rows: an array, or a lazy Dask array where X is one."""
    if is_dask(X):
        from skgd.data.dask_collection import predict_dask

        return predict_dask(X, predict, dtype, output_shape, offset)
    return predict_memmap(X, predict, offset)
