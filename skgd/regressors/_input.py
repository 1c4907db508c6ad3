"""Checked input: rows, targets, weights, rows to validate with, values to start from."""

from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import ShuffleSplit
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import validate_data

from skgd._utils.validation import raise_invalid
from skgd.data import ChunkedData, InMemoryData, check_features, chunk, is_chunked_input


def checked_rows(estimator, X, y, sample_weight, groups, reset, finite=True):
    """Return the checked rows that have a weight, or None if there are none.

    With `finite` false the caller finds out whether the entries of X are finite. The rows are
    :class:`~skgd.data.InMemoryData`, or :class:`~skgd.data.ChunkedData` where X is not to be taken
    into memory; what is wrong with single entries of X is then found when they are read.
    """
    if isinstance(X, ChunkedData):
        vars(estimator).update(X.checked.names)
        return X
    if is_chunked_input(X):
        check_features(estimator, X, reset)
        blocks = chunked_rows(X, y, "sample_weight", sample_weight)
        check_outputs(estimator, ("n", *blocks.outputs), reset)
        return blocks if blocks.lengths is None or len(blocks) else None
    X, y = validate_data(
        estimator,
        X,
        y,
        reset=reset,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        order=None if estimator._full_batch else "C",
        ensure_all_finite=finite,
        multi_output=True,
        y_numeric=True,
    )
    if issparse(y):
        raise TypeError("y is a sparse matrix; give an array instead: y.toarray().")
    check_outputs(estimator, y.shape, reset)
    weights = checked_weights("sample_weight", sample_weight, X)
    with np.errstate(over="ignore"):
        y = y.astype(X.dtype, copy=False)
    if not np.isfinite(y).all():
        raise ValueError(f"y has values that are too large for the {X.dtype} of X. Scale y down.")
    data = InMemoryData(canonical(X), y, weights, checked_groups(groups, X))
    if weights is None or weights.all():
        return data
    return data.select_rows(weights > 0) if weights.any() else None


def chunked_rows(X, y, name, weights):
    """Return rows that are not to be taken into memory, as blocks."""

    def checked(dtype):
        return weights if dtype is None else checked_weights(name, weights, X, dtype)

    return chunk(X, y, checked)


def check_outputs(estimator, shape, reset):
    """Refuse targets of another number than those the model was fitted with."""
    if not reset and shape[1:] != estimator.coef_.shape[:-1]:
        raise ValueError(
            f"y has shape {shape}, but the model was fitted with coefficients of shape "
            f"{estimator.coef_.shape}. Give the same number of targets in every call."
        )


def canonical(X):
    """Return X, or a copy of it without double entries if it is a sparse matrix that has some."""
    if issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X


def training_and_validation(estimator, data, X_val, y_val, sample_weight_val):
    """Return rows to train on, and rows to validate with or None."""
    if X_val is None:
        if y_val is not None or sample_weight_val is not None:
            raise ValueError("y_val and sample_weight_val need X_val beside them.")
        if not estimator.early_stopping:
            return data, None
        return (held_out_blocks if data.is_chunked else held_out)(estimator, data)
    if y_val is None:
        raise ValueError("X_val needs y_val, its targets, beside it.")
    if is_chunked_input(X_val):
        check_features(estimator, X_val, reset=False)
        validation = chunked_rows(X_val, y_val, "sample_weight_val", sample_weight_val)
        check_val_outputs(validation, data)
        return data, validation
    X_val, y_val = validate_data(
        estimator,
        X_val,
        y_val,
        reset=False,
        accept_sparse="csr",
        dtype=data.dtype,
        multi_output=True,
        y_numeric=True,
    )
    validation = InMemoryData(
        X_val, y_val, checked_weights("sample_weight_val", sample_weight_val, X_val)
    )
    check_val_outputs(validation, data)
    check_scorable(validation, "X_val")
    return data, validation


def check_val_outputs(validation, data):
    """Refuse validation rows with another number of targets."""
    if validation.outputs != data.outputs:
        shapes = [(len(part), *part.outputs) for part in (validation, data)]
        raise ValueError(f"y_val has shape {shapes[0]}; y has shape {shapes[1]}.")


def held_out_blocks(estimator, blocks):
    """Return blocks to train on, and blocks held out to validate with."""
    if estimator.validation_split is not None:
        raise_invalid(
            "validation_split",
            estimator.validation_split,
            "None where X is read in blocks",
            "Give fit the validation rows, as X_val and y_val.",
        )
    rng = check_random_state(estimator.random_state)
    return blocks.held_out(estimator.validation_fraction, rng)


def held_out(estimator, data):
    """Return rows to train on, and rows held out to validate with."""
    split = estimator.validation_split
    if split is None:
        split = ShuffleSplit(
            n_splits=1,
            test_size=estimator.validation_fraction,
            random_state=estimator.random_state,
        )
        source = f"validation_fraction={estimator.validation_fraction!r}"
    else:
        source = "validation_split"
    if hasattr(split, "split") and not isinstance(split, str):
        *_, (train, test) = split.split(data.X, data.y, data.groups)
    else:
        test = chosen_rows(split, data)
        train = np.setdiff1d(np.arange(len(data)), test)
    if not len(train):
        raise ValueError(f"{source} leaves no row to train on.")
    # In the order in which they stand, so that an unshuffled epoch visits them as they came.
    training, validation = data.select_rows(np.sort(train)), data.select_rows(np.sort(test))
    check_scorable(validation, source)
    return training, validation


def chosen_rows(split, data):
    """Return which of the rows an array of indices, or a mask, holds out."""
    chosen = np.asarray(split)
    numbers = np.arange(len(data)) if data.numbers is None else data.numbers
    total = data.total or len(data)
    if chosen.ndim == 1 and chosen.dtype == bool:
        if len(chosen) != total:
            raise_invalid(
                "validation_split", split, f"a mask with an entry for each of the {total} rows"
            )
        return np.flatnonzero(chosen[numbers])
    if chosen.ndim != 1 or not np.issubdtype(chosen.dtype, np.integer):
        raise_invalid("validation_split", split, "a splitter, an array of row indices, or a mask")
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < total:
        raise_invalid("validation_split", split, f"indices of rows, 0 to {total - 1}")
    return np.flatnonzero(np.isin(numbers, chosen))


def checked_groups(groups, X):
    """Return groups as an array with an entry for each row, or None where none are given."""
    if groups is None:
        return None
    groups = np.asarray(groups)
    if groups.shape != (X.shape[0],):
        raise ValueError(f"groups has shape {groups.shape}; X has {X.shape[0]} rows.")
    return groups


def checked_weights(name, weights, X, dtype=None):
    """Return weights as an array of the dtype of X, or None where none are given."""
    if weights is None:
        return None
    if isinstance(weights, Real):
        weights = np.full(X.shape[0], weights)
    weights = check_array(weights, ensure_2d=False, dtype=dtype or X.dtype, input_name=name)
    if weights.shape != (X.shape[0],):
        raise ValueError(
            f"{name} has shape {weights.shape}; X has {X.shape[0]} rows: give one number each."
        )
    if (weights < 0).any():
        raise ValueError(f"{name} must not be negative; got {weights.min():g}.")
    return weights


def checked_start(name, value, shape):
    """Return a starting value as an array of the given shape, or None where none is given."""
    if value is None:
        return None
    value = check_array(np.atleast_1d(value), ensure_2d=False, dtype=float, input_name=name)
    exact = value.ndim == 1 or value.shape == shape or len(shape) == 1  # a row or a column will do
    if value.size != int(np.prod(shape)) or not exact:
        expected = shape or (1,)
        raise ValueError(f"{name} has shape {value.shape}, but the model's is {expected}.")
    return value.reshape(shape)


def check_scorable(validation, source):
    """Refuse validation rows that have no R²."""
    if len(validation) < 2:
        raise ValueError(
            f"{source} leaves {len(validation)} row to validate with, and R² needs two. "
            "Give more rows, or set early_stopping=False."
        )
