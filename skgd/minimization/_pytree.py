"""Between what a user's function takes, numbers and arrays in any arrangement, and one vector."""

from collections.abc import Mapping
from numbers import Real

import numpy as np

from skgd._utils.validation import raise_invalid


class Pytree:
    """How a number, an array, or a list or dict of arrays lies in one vector.

    Parameters
    ----------
    example : number, array-like, or list, tuple or dict of arrays
        What is laid out. A list of numbers, or of rows of one length, is an array.
    name : str
        What errors call it.
    """

    def __init__(self, example, name="x0"):
        self.kind, parts = flatten(example)
        self.names = list(parts)
        arrays = [as_floats(f"{name}{key}", part) for key, part in parts.items()]
        self.shapes = [array.shape for array in arrays]
        self.edges = np.cumsum([0] + [array.size for array in arrays]).tolist()
        self.size = self.edges[-1]
        self.start = np.concatenate([array.ravel() for array in arrays])
        if not self.size:
            raise_invalid(name, example, "at least one number")
        if not np.isfinite(self.start).all():
            at = int(np.flatnonzero(~np.isfinite(self.start))[0])
            raise_invalid(name, float(self.start[at]), "finite", f"It is not at {self.place(at)}.")
        #: Whether the vector is itself what a function takes.
        self.plain = self.kind is np.ndarray and len(self.shapes[0]) == 1

    def unpack(self, flat):
        """Return a vector, or an array of vectors, in the arrangement; leading axes stay."""
        lead = flat.shape[:-1]
        if self.kind is float:
            return flat[..., 0][()]
        parts = [
            flat[..., start:stop].reshape(lead + shape)
            for start, stop, shape in zip(self.edges[:-1], self.edges[1:], self.shapes, strict=True)
        ]
        if self.kind is np.ndarray:
            return parts[0]
        if self.kind is dict:
            return {name[0]: part for name, part in zip(self.names, parts, strict=True)}
        return self.kind(parts)

    def pack(self, value, name):
        """Return an arrangement as one new vector, or refuse it, named, if its shapes differ."""
        if self.plain:
            flat = np.array(value, float)
            if flat.shape != self.start.shape:
                raise_shape(name, flat.shape, self.shapes[0])
            return flat
        if isinstance(value, np.ndarray) and value.shape == (self.size,):
            return np.array(value, dtype=float)  # already one vector
        if self.kind in (float, np.ndarray):
            parts = [value]
        elif self.kind is dict:
            if not isinstance(value, Mapping) or set(value) != {key[0] for key in self.names}:
                raise_invalid(name, value, f"a dict with the keys {[key[0] for key in self.names]}")
            parts = [value[key[0]] for key in self.names]
        else:
            parts = list(value)
            if len(parts) != len(self.shapes):
                raise_invalid(name, value, f"a sequence of {len(self.shapes)} arrays")
        arrays = [np.asarray(part, dtype=float) for part in parts]
        for key, array, shape in zip(self.names, arrays, self.shapes, strict=True):
            if array.shape != shape:
                raise_shape(f"{name}{key}", array.shape, shape)
        return np.concatenate([array.ravel() for array in arrays])

    def place(self, index):
        """Return what users call an entry of the vector: ``[2]``, ``['weights'][0, 3]``."""
        part = int(np.searchsorted(self.edges, index, side="right")) - 1
        at = np.unravel_index(index - self.edges[part], self.shapes[part])
        inside = f"[{', '.join(map(str, map(int, at)))}]" if at else ""
        return f"x{self.names[part]}{inside}"


class Key(tuple):
    """The key of a part, which prints as one writes it: nothing, ``[0]`` or ``['weights']``."""

    def __str__(self):
        return f"[{self[0]!r}]" if self else ""

    __format__ = lambda self, spec: str(self)  # noqa: E731 - the same, in f-strings


def flatten(example):
    """Return the kind of an arrangement, and its parts by their keys."""
    if isinstance(example, Mapping):
        return dict, {Key([key]): part for key, part in example.items()}
    if isinstance(example, (list, tuple)) and any(np.ndim(part) for part in example):
        kind = list if isinstance(example, list) else tuple
        return kind, {Key([number]): part for number, part in enumerate(example)}
    kind = float if isinstance(example, Real) or np.ndim(example) == 0 else np.ndarray
    return kind, {Key(): example}


def as_floats(name, value):
    """Return an array of floats, or refuse what is none."""
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise_invalid(
            name, value, "a number, an array, or a list or dict of arrays, all of real numbers"
        )


def raise_shape(name, got, expected):
    """Refuse an array whose shape is not that of x."""
    raise ValueError(f"{name} has shape {got}, but x has shape {expected}; they must be the same.")
