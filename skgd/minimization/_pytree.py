"""Conversion between the argument of a user's function and a flat vector."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from skgd._utils.validation import raise_invalid


class Pytree:
    """Structure of a number, an array, or a list, tuple or dict of arrays stored in one vector.

    Parameters
    ----------
    example : number, array-like, or list, tuple or dict of arrays
        A value with this structure. A list of numbers, or of rows of one length, is an array.
    name : str
        Name of the example in error messages.

    Attributes
    ----------
    container : type
        float, numpy.ndarray, list, tuple or dict.
    keys : list
        Keys of the leaves, which are the arrays in the container, in the order of the vector;
        None for the only leaf of a number or an array.
    subscripts : list of str
        The same as subscripts: ``"['weights']"``, ``"[0]"``, or an empty string.
    shapes : list of tuples of int
        Shapes of the leaves.
    offsets : list of int
        The leaf i is stored in ``vector[offsets[i]:offsets[i + 1]]``.
    size : int
        Length of the vector.
    vector : array of shape (size,)
        The example, flattened.
    is_vector : bool
        Whether a value with this structure is itself an array of shape (size,).
    """

    def __init__(self, example, name="x0"):
        self.container, leaves = split_leaves(example)
        self.keys = list(leaves)
        self.subscripts = ["" if key is None else f"[{key!r}]" for key in leaves]
        named_leaves = zip(self.subscripts, leaves.values(), strict=True)
        arrays = [as_float_array(name + subscript, leaf) for subscript, leaf in named_leaves]
        self.shapes = [array.shape for array in arrays]
        self.offsets = np.cumsum([0] + [array.size for array in arrays]).tolist()
        self.size = self.offsets[-1]
        self.vector = np.concatenate([array.ravel() for array in arrays])
        if not self.size:
            raise_invalid(name, example, "at least one number")
        if not np.isfinite(self.vector).all():
            index = int(np.flatnonzero(~np.isfinite(self.vector))[0])
            hint = f"It is not finite at {self.coordinate_name(index)}."
            raise_invalid(name, float(self.vector[index]), "finite", hint)
        self.is_vector = self.container is np.ndarray and len(self.shapes[0]) == 1

    def unflatten(self, vector):
        """Return a vector in this structure.

        Parameters
        ----------
        vector : array of shape (..., size)
            Its leading axes are kept as leading axes of every leaf.

        Returns
        -------
        number, array, or list, tuple or dict of arrays
        """
        leading = vector.shape[:-1]
        if self.container is float:
            return vector[..., 0][()]
        leaves = [
            vector[..., start:stop].reshape(leading + shape)
            for (start, stop), shape in zip(pairwise(self.offsets), self.shapes, strict=True)
        ]
        if self.container is np.ndarray:
            return leaves[0]
        if self.container is dict:
            return dict(zip(self.keys, leaves, strict=True))
        return self.container(leaves)

    def flatten(self, value, name):
        """Return a value with this structure as a new vector.

        Raises
        ------
        ValueError
            If the value has other keys or shapes; `name` is its name in the message.
        """
        if self.is_vector:
            vector = np.array(value, float)
            if vector.shape != self.vector.shape:
                raise_shape_mismatch(name, vector.shape, self.shapes[0])
            return vector
        if isinstance(value, np.ndarray) and value.shape == (self.size,):
            return np.array(value, dtype=float)  # already flat
        if self.container in (float, np.ndarray):
            leaves = [value]
        elif self.container is dict:
            if not isinstance(value, Mapping) or set(value) != set(self.keys):
                raise_invalid(name, value, f"a dict with the keys {self.keys}")
            leaves = [value[key] for key in self.keys]
        else:
            leaves = list(value)
            if len(leaves) != len(self.shapes):
                raise_invalid(name, value, f"a sequence of {len(self.shapes)} arrays")
        arrays = [np.asarray(leaf, dtype=float) for leaf in leaves]
        for subscript, array, shape in zip(self.subscripts, arrays, self.shapes, strict=True):
            if array.shape != shape:
                raise_shape_mismatch(name + subscript, array.shape, shape)
        return np.concatenate([array.ravel() for array in arrays])

    def coordinate_name(self, index):
        """Return the name of a coordinate of the vector: ``x[2]``, ``x['weights'][0, 3]``."""
        leaf = int(np.searchsorted(self.offsets, index, side="right")) - 1
        indices = np.unravel_index(index - self.offsets[leaf], self.shapes[leaf])
        subscript = str(list(map(int, indices))) if indices else ""
        return f"x{self.subscripts[leaf]}{subscript}"


def split_leaves(example):
    """Return the type of the container, and a dict of its leaves by their keys."""
    if isinstance(example, Mapping):
        return dict, dict(example)
    if isinstance(example, (list, tuple)) and any(np.ndim(leaf) for leaf in example):
        return list if isinstance(example, list) else tuple, dict(enumerate(example))
    return float if np.ndim(example) == 0 else np.ndarray, {None: example}


def as_float_array(name, value):
    """Return a value as an array of floats, or raise an error."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        constraint = "a number, an array, or a list or dict of arrays, all of real numbers"
        raise_invalid(name, value, constraint)


def raise_shape_mismatch(name, shape, expected):
    """Raise the error for an array whose shape differs from that of x."""
    raise ValueError(f"{name} has shape {shape}, but x has shape {expected}; they must be equal.")
