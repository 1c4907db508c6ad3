"""Validation of rows, targets, weights, validation data and initial coefficients."""

import warnings
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import ShuffleSplit
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import validate_data

from skgd._utils.validation import raise_invalid
from skgd.data.chunked import ChunkedData
from skgd.data.conversion import choose_dtype, to_float, unwrap_arrays
from skgd.data.dispatch import check_features, is_chunked_input, is_dask, to_chunked_data
from skgd.data.in_memory import InMemoryData, expand_offset


class FitInputs(NamedTuple):
    """The arguments of `fit`."""

    X: Any
    y: Any
    sample_weight: Any = None
    coef_init: Any = None
    intercept_init: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    groups: Any = None
    offset: Any = None
    offset_val: Any = None


#: Arguments of `validate_data` for rows with targets.
ROW_OPTIONS = {"accept_sparse": "csr", "multi_output": True, "y_numeric": True}


def check_rows(
    estimator, X, y, sample_weight, groups=None, offset=None, *, reset, check_finite=True
):
    """Return the checked rows with positive weight, or None if there are none.

    Parameters
    ----------
    estimator : BaseGDRegressor
        The estimator whose number and names of features are set or checked.
    X, y, sample_weight, groups, offset : array-like
        Arguments of `fit`. :class:`~skgd.data.chunked.ChunkedData` in `X` is returned unchanged.
    reset : bool
        Whether the features are set, as in `fit`, or have to equal those of the last fit.
    check_finite : bool, default=True
        Whether to check that every entry of X is finite. Entries of chunked data are checked when
        they are read.

    Returns
    -------
    InMemoryData, ChunkedData or None
    """
    if isinstance(X, ChunkedData):
        vars(estimator).update(X.to_chunk.feature_attributes)
        return X
    X, y, sample_weight, offset = unwrap_arrays(X, y, sample_weight, offset)
    if is_chunked_input(X):
        check_features(estimator, X, reset)
        y = expand_targets(estimator.loss, ravel_column(estimator, y), X)
        check_sample_weight = partial(check_weights, "sample_weight", sample_weight, X)
        data = to_chunked_data(
            X, y, check_sample_weight, check_offset("offset", offset, np.shape(y), X)
        )
        check_outputs(estimator, ("n", *data.output_shape), reset)
        return data if data.chunk_lengths is None or len(data) else None
    options = {"dtype": choose_dtype(X), "ensure_all_finite": check_finite}
    options["order"] = None if estimator._is_full_batch else "C"
    X, y = validate_data(estimator, X, y, reset=reset, **options, **ROW_OPTIONS)
    X = to_float(X)
    if issparse(y):
        raise TypeError("y is a sparse matrix; pass an array instead: y.toarray().")
    y = expand_targets(estimator.loss, ravel_column(estimator, y))
    check_outputs(estimator, y.shape, reset)
    weights = check_weights("sample_weight", sample_weight, X, X.dtype)
    with np.errstate(over="ignore"):
        y = y.astype(X.dtype, copy=False)
    if not np.isfinite(y).all():
        raise ValueError(f"y has values that are too large for the {X.dtype} of X. Scale y down.")
    if issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    offset = check_offset("offset", offset, y.shape, X)
    data = InMemoryData(X, y, weights, check_groups(groups, X), offset=offset)
    if weights is None or weights.all():
        return data
    return data.select_rows(weights > 0) if weights.any() else None


def ravel_column(estimator, y):
    """Return targets of shape (n, 1) as a vector, with scikit-learn's warning, where it does so."""
    if not estimator._ravels_columns or np.shape(y)[1:] != (1,):
        return y
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y "
        "to (n_samples, ), for example using ravel().",
        DataConversionWarning,
        stacklevel=7,
    )
    if hasattr(y, "iloc"):  # a DataFrame of pandas or Dask
        return y.iloc[:, 0]
    return (y if hasattr(y, "shape") else np.asarray(y))[:, 0]


def check_outputs(estimator, shape, reset):
    """Raise if the number of targets differs from that of the last fit."""
    if not reset and shape[1:] != estimator.coef_.shape[:-1]:
        raise ValueError(
            f"y has shape {shape}, but the model was fitted with coefficients of shape "
            f"{estimator.coef_.shape}. Pass the same number of targets in every call."
        )


def split_validation(estimator, data, inputs, loss):
    """Return the training rows, and the validation rows or None.

    The validation rows are `X_val` and `y_val`, or with `early_stopping` a part of `data`.
    """
    if inputs.X_val is None:
        others = inputs.y_val, inputs.sample_weight_val, inputs.offset_val
        if any(other is not None for other in others):
            raise ValueError("y_val, sample_weight_val and offset_val need X_val, their rows.")
        if not estimator.early_stopping:
            return data, None
        return (hold_out_chunks if data.is_chunked else hold_out_rows)(estimator, data)
    if inputs.y_val is None:
        raise ValueError("X_val needs y_val, its targets.")
    if (inputs.offset is None) != (inputs.offset_val is None):
        raise ValueError(
            "offset and offset_val, the offsets of X and of X_val, have to be passed together."
        )
    X, y, weights, offset = unwrap_arrays(
        inputs.X_val, inputs.y_val, inputs.sample_weight_val, inputs.offset_val
    )
    check_val_weights = partial(check_weights, "sample_weight_val", weights)
    if is_chunked_input(X):
        check_features(estimator, X, reset=False)
        y = expand_targets(estimator.loss, ravel_column(estimator, y), X)
        offset = check_offset("offset_val", offset, np.shape(y), X)
        validation = to_chunked_data(X, y, partial(check_val_weights, X), offset)
    else:
        X, y = validate_data(estimator, X, y, reset=False, dtype=data.dtype, **ROW_OPTIONS)
        y = expand_targets(estimator.loss, ravel_column(estimator, y))
        offset = check_offset("offset_val", offset, y.shape, X)
        validation = InMemoryData(X, y, check_val_weights(X, X.dtype), offset=offset)
    if validation.output_shape != data.output_shape:
        shapes = [(len(part), *part.output_shape) for part in (validation, data)]
        raise ValueError(f"y_val has shape {shapes[0]}; y has shape {shapes[1]}.")
    if not validation.is_chunked:
        check_scorable(validation, "X_val")
    try:
        validation.check_targets(loss)
    except ValueError as error:
        raise type(error)(f"y_val: {error}") from None
    return data, validation


def hold_out_chunks(estimator, data):
    """Return training and validation chunks, drawn at random."""
    if estimator.validation_split is not None:
        constraint = "None where X is read in chunks"
        hint = "Pass validation rows to fit, as X_val and y_val."
        raise_invalid("validation_split", estimator.validation_split, constraint, hint)
    rng = check_random_state(estimator.random_state)
    return data.train_validation_split(estimator.validation_fraction, rng)


def hold_out_rows(estimator, data):
    """Return training and validation rows, by `validation_split` or `validation_fraction`."""
    split, source = estimator.validation_split, "validation_split"
    if split is None:
        fraction = estimator.validation_fraction
        split = ShuffleSplit(1, test_size=fraction, random_state=estimator.random_state)
        source = f"validation_fraction={fraction!r}"
    if hasattr(split, "split") and not isinstance(split, str):
        *_, (train, test) = split.split(data.X, data.y, data.groups)
    else:
        test = find_held_out_rows(split, data)
        train = np.setdiff1d(np.arange(len(data)), test)
    if not len(train):
        raise ValueError(f"{source} leaves no row to train on.")
    # Sorted, so that an epoch without shuffling visits the rows in the order of the input.
    training, validation = data.select_rows(np.sort(train)), data.select_rows(np.sort(test))
    check_scorable(validation, source)
    return training, validation


def find_held_out_rows(split, data):
    """Return the positions in `data` of the rows that `split`, indices or a mask, selects.

    Indices and masks refer to the input of `fit`, from which rows without weight were removed.
    """
    held_out = np.asarray(split)
    row_indices = np.arange(len(data)) if data.row_indices is None else data.row_indices
    n_rows = data.n_input_rows or len(data)
    if held_out.ndim == 1 and held_out.dtype == bool:
        if len(held_out) != n_rows:
            raise_invalid(
                "validation_split", split, f"a mask with an entry for each of the {n_rows} rows"
            )
        return np.flatnonzero(held_out[row_indices])
    if held_out.ndim != 1 or not np.issubdtype(held_out.dtype, np.integer):
        raise_invalid("validation_split", split, "a splitter, an array of row indices, or a mask")
    if held_out.size and not 0 <= held_out.min() <= held_out.max() < n_rows:
        raise_invalid("validation_split", split, f"indices of rows, 0 to {n_rows - 1}")
    return np.flatnonzero(np.isin(row_indices, held_out))


def expand_targets(loss, y, X=None):
    """Return y with a column for each output of a loss that differs among the outputs.

    Parameters
    ----------
    loss : str or Loss
        The loss; y is returned unchanged if all outputs have the same.
    y : array-like of shape (n,)
        Targets.
    X : array-like, default=None
        The rows; with a Dask collection, several outputs are refused.
    """
    n_outputs = getattr(loss, "n_outputs", None)
    if n_outputs is None:
        return y
    if is_dask(X):
        raise ValueError(
            f"loss={loss!r} is not supported for Dask collections. Fit one level at a time."
        )
    if np.ndim(y) != 1:
        raise ValueError(
            f"loss={loss!r} fits {n_outputs} outputs to one target and needs y of shape (n,); got "
            f"{np.shape(y)}. Fit the columns of y one at a time."
        )
    return np.repeat(np.asarray(y)[:, None], n_outputs, axis=1)


def check_groups(groups, X):
    """Return the groups as an array of shape (n,), or None."""
    if groups is None:
        return None
    groups = np.asarray(groups)
    if groups.shape != (X.shape[0],):
        raise ValueError(f"groups has shape {groups.shape}; X has {X.shape[0]} rows.")
    return groups


def check_weights(name, weights, X, dtype):
    """Return the weights as an array of shape (n,), or None; unchecked if `dtype` is None.

    Weights of Dask collections have no dtype yet: they are checked chunk by chunk.
    """
    if weights is None or dtype is None:
        return weights
    if isinstance(weights, Real):
        weights = np.full(X.shape[0], weights)
    weights = check_array(weights, ensure_2d=False, dtype=dtype, input_name=name)
    if weights.shape != (X.shape[0],):
        raise ValueError(
            f"{name} has shape {weights.shape}; X has {X.shape[0]} rows. Pass one number per row."
        )
    if (weights < 0).any():
        raise ValueError(f"{name} must not be negative; got {weights.min():g}.")
    return weights


def check_offset(name, offset, shape, X):
    """Return the offsets as an array of the shape of the targets, or None.

    Offsets beside a Dask collection X are returned unchanged: they are checked chunk by chunk.
    """
    if offset is None or is_dask(X):
        return offset
    dtype = X.dtype if getattr(X, "dtype", None) == np.float32 else float
    offset = check_array(offset, ensure_2d=False, dtype=dtype, input_name=name)
    return expand_offset(name, offset, shape)


def check_initial_values(name, value, shape):
    """Return initial coefficients or intercepts as an array of the given shape, or None."""
    if value is None:
        return None
    value = check_array(np.atleast_1d(value), ensure_2d=False, dtype=float, input_name=name)
    # The coefficients of a single output may be given as a row or as a column.
    is_compatible = value.ndim == 1 or value.shape == shape or len(shape) == 1
    if value.size != int(np.prod(shape)) or not is_compatible:
        expected = shape or (1,)
        raise ValueError(f"{name} has shape {value.shape}, but the model's is {expected}.")
    return value.reshape(shape)


def check_penalty_features(penalty, n_features):
    """Raise if a penalty is for another number of features, or bounds exclude a removed one."""
    for name in ("lower", "upper", "l1", "l2"):
        shape = np.shape(getattr(penalty, name))
        if shape not in ((), (n_features,)):
            parameter = name if name in ("lower", "upper") else "weights"
            raise ValueError(
                f"{parameter} of {penalty!r} has shape {shape}, but X has {n_features} features. "
                "Pass one number per feature, or a single number for all features."
            )
    excludes_zero = np.greater(penalty.lower, 0) | np.less(penalty.upper, 0)
    if np.any(np.isinf(penalty.l1 + penalty.l2) & excludes_zero):
        raise ValueError(
            f"{penalty!r} removes a feature by an infinite weight, but its bounds exclude 0. "
            "Give it a finite weight or other bounds."
        )


def check_within_bounds(coef, penalty):
    """Raise if initial coefficients are not within the bounds of the penalty."""
    lower, upper, _ = np.broadcast_arrays(penalty.lower, penalty.upper, coef)
    for index in np.argwhere((coef < lower) | (coef > upper))[:1]:
        at = tuple(index)
        raise ValueError(
            f"coef_init[{', '.join(map(str, index))}] must be in the range "
            f"[{lower[at]:g}, {upper[at]:g}] with penalty={penalty!r}; got {coef[at]:g}. Pass "
            "coefficients within the bounds, or leave coef_init out."
        )


def check_scorable(validation, source):
    """Raise if there are too few validation rows for a score."""
    if len(validation) < 2:
        raise ValueError(
            f"{source} leaves {len(validation)} row to validate with, and a score needs two. "
            "Pass more rows, or set early_stopping=False."
        )
