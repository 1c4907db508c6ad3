"""Keys by which candidates and models are recognised."""

import numpy as np
from joblib import hash as hash_object

#: Types of parameters that are compared by their value.
PLAIN_TYPES = (type(None), bool, int, float, str)


def params_key(params):
    """Return a hashable key of parameters, equal for equal ones only."""
    return tuple(sorted((name, *value_key(value)) for name, value in params.items()))


def value_key(value):
    """Return a hashable key of a value; what cannot be compared equals nothing else."""
    if type(value) in PLAIN_TYPES or isinstance(value, np.generic):
        return type(value).__name__, repr(value)
    try:
        return "hash", hash_object(value)
    except Exception:
        return "id", str(id(value))
