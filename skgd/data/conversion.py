"""Arrays and tables of other libraries as input that scikit-learn's checks accept."""

import sys

import numpy as np
from sklearn import get_config

#: Names of pandas' dtypes of single precision whose values can be missing.
NULLABLE_FLOAT32 = {"Float32", "float[pyarrow]"}


def unwrap_arrays(*arrays):
    """Return the arrays inside xarray's objects, and arrays of the array API as NumPy arrays.

    Parameters
    ----------
    *arrays : array-like or None
        An ``xarray.DataArray`` is replaced by its NumPy or Dask array. With scikit-learn's
        ``array_api_dispatch=True`` arrays of other libraries are converted to NumPy arrays, since
        scikit-learn's checks would pass them on. Everything else is returned unchanged.

    Returns
    -------
    list
        The arrays.
    """
    # A library that is not imported has no objects.
    polars, xarray = sys.modules.get("polars"), sys.modules.get("xarray")
    if polars is not None and any(isinstance(part, polars.LazyFrame) for part in arrays):
        raise TypeError("A LazyFrame of Polars has no rows yet; pass frame.collect() instead.")
    if xarray is not None:
        arrays = [part.data if isinstance(part, xarray.DataArray) else part for part in arrays]
    if get_config()["array_api_dispatch"]:
        arrays = [to_numpy(part) if is_foreign_array(part) else part for part in arrays]
    return list(arrays)


def is_foreign_array(array):
    """Return whether an object is an array of the array API, or a tensor, and not NumPy's."""
    torch = sys.modules.get("torch")
    is_array = hasattr(array, "__array_namespace__") or (
        torch is not None and isinstance(array, torch.Tensor)
    )
    return is_array and not isinstance(array, (np.ndarray, np.generic))


def to_numpy(array):
    """Return an array of another library as a NumPy array; raise TypeError if that fails."""
    try:
        return np.asarray(array)
    except Exception as error:  # of the other library: on another device, or with gradients
        kind = f"{type(array).__module__.partition('.')[0]}.{type(array).__name__}"
        raise TypeError(
            f"The {kind} cannot be converted to a NumPy array, with which skgd computes: {error} "
            "Convert it before, for example by tensor.detach().cpu().numpy() in PyTorch or "
            "cupy.asnumpy(array) in CuPy."
        ) from error


def choose_dtype(X):
    """Return the `dtype` for scikit-learn's checks of X, whose result :func:`to_float` completes.

    scikit-learn converts tables, which have a dtype per column, to the first of several dtypes, and
    with "numeric" to the common dtype of their columns, so that float32 is retained; but columns
    that can hold missing values (pandas.NA) to float64. "numeric" refuses arrays of text.
    """
    if set(map(str, getattr(X, "dtypes", [None]))) <= NULLABLE_FLOAT32:
        return np.float32
    kind = getattr(getattr(X, "dtype", None), "kind", None)
    return "numeric" if kind is None or kind in "SU" else [np.float64, np.float32]


def to_float(X):
    """Return a checked matrix at float32 or float64."""
    return X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)
