"""Validation of rows, targets, weights, validation data and initial coefficients."""

from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import ShuffleSplit
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import validate_data

from skgd._utils.validation import raise_invalid
from skgd.data.chunked import ChunkedData
from skgd.data.dispatch import check_features, is_chunked_input, to_chunked_data
from skgd.data.in_memory import InMemoryData


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


#: Arguments of `validate_data` for rows with targets.
ROW_OPTIONS = {"accept_sparse": "csr", "multi_output": True, "y_numeric": True}


def check_rows(estimator, X, y, sample_weight, groups=None, *, reset, check_finite=True):
    """Return the checked rows with positive weight, or None if there are none.

    Parameters
    ----------
    estimator : BaseGDRegressor
        The estimator whose number and names of features are set or checked.
    X, y, sample_weight, groups : array-like
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
    if is_chunked_input(X):
        check_features(estimator, X, reset)
        data = to_chunked_data(X, y, partial(check_weights, "sample_weight", sample_weight, X))
        check_outputs(estimator, ("n", *data.output_shape), reset)
        return data if data.chunk_lengths is None or len(data) else None
    options = {"dtype": [np.float64, np.float32], "ensure_all_finite": check_finite}
    options["order"] = None if estimator._is_full_batch else "C"
    X, y = validate_data(estimator, X, y, reset=reset, **options, **ROW_OPTIONS)
    if issparse(y):
        raise TypeError("y is a sparse matrix; pass an array instead: y.toarray().")
    check_outputs(estimator, y.shape, reset)
    weights = check_weights("sample_weight", sample_weight, X, X.dtype)
    with np.errstate(over="ignore"):
        y = y.astype(X.dtype, copy=False)
    if not np.isfinite(y).all():
        raise ValueError(f"y has values that are too large for the {X.dtype} of X. Scale y down.")
    if issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    data = InMemoryData(X, y, weights, check_groups(groups, X))
    if weights is None or weights.all():
        return data
    return data.select_rows(weights > 0) if weights.any() else None


def check_outputs(estimator, shape, reset):
    """Raise if the number of targets differs from that of the last fit."""
    if not reset and shape[1:] != estimator.coef_.shape[:-1]:
        raise ValueError(
            f"y has shape {shape}, but the model was fitted with coefficients of shape "
            f"{estimator.coef_.shape}. Pass the same number of targets in every call."
        )


def split_validation(estimator, data, inputs):
    """Return the training rows, and the validation rows or None.

    The validation rows are `X_val` and `y_val`, or with `early_stopping` a part of `data`.
    """
    if inputs.X_val is None:
        if inputs.y_val is not None or inputs.sample_weight_val is not None:
            raise ValueError("y_val and sample_weight_val need X_val, their rows.")
        if not estimator.early_stopping:
            return data, None
        return (hold_out_chunks if data.is_chunked else hold_out_rows)(estimator, data)
    if inputs.y_val is None:
        raise ValueError("X_val needs y_val, its targets.")
    X, y = inputs.X_val, inputs.y_val
    check_val_weights = partial(check_weights, "sample_weight_val", inputs.sample_weight_val)
    if is_chunked_input(X):
        check_features(estimator, X, reset=False)
        validation = to_chunked_data(X, y, partial(check_val_weights, X))
    else:
        X, y = validate_data(estimator, X, y, reset=False, dtype=data.dtype, **ROW_OPTIONS)
        validation = InMemoryData(X, y, check_val_weights(X, X.dtype))
    if validation.output_shape != data.output_shape:
        shapes = [(len(part), *part.output_shape) for part in (validation, data)]
        raise ValueError(f"y_val has shape {shapes[0]}; y has shape {shapes[1]}.")
    if not validation.is_chunked:
        check_scorable(validation, "X_val")
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
    """Raise if there are too few validation rows for R²."""
    if len(validation) < 2:
        raise ValueError(
            f"{source} leaves {len(validation)} row to validate with, and R² needs two. "
            "Pass more rows, or set early_stopping=False."
        )
