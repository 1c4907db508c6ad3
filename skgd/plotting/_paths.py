"""Validation of functions of two variables and of paths of points in the plane."""

import inspect
from collections.abc import Mapping

import numpy as np

from skgd.plotting._inputs import name_items


def as_point_function(function):
    """Return a function of a point, from a function of a point or of two numbers."""
    is_ufunc = isinstance(function, np.ufunc)
    n_arguments = function.nin if is_ufunc else count_required_arguments(function)
    return (lambda point: function(*point)) if n_arguments == 2 else function


def count_required_arguments(function):
    """Return the number of required positional arguments; 1 if there is no signature."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return 1
    positional = [p for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
    return sum(p.default is p.empty for p in positional)


def name_paths(paths, names):
    """Return a dict of paths by their names, from a mapping, a sequence of paths or a single one.

    A result of :func:`~skgd.minimize`, though a mapping, is a single path.
    """
    if paths is None:
        return {}
    is_sequence = isinstance(paths, (list, tuple)) and not is_sequence_of_points(paths)
    if (not is_sequence and not isinstance(paths, Mapping)) or hasattr(paths, "history"):
        paths = [paths]
    return name_items(paths, names, default_name=lambda path: "path")


def is_sequence_of_points(sequence):
    """Return whether a sequence is a single path."""
    return len(sequence) > 0 and all(np.ndim(point) == 1 for point in sequence)


def check_path(name, path):
    """Return the finite points of a path, of shape (m, 2), or raise an error."""
    if hasattr(path, "history"):
        path = path.history["x"]
    path = np.asarray(path, dtype=float)
    if path.ndim != 2 or path.shape[1] != 2:
        raise ValueError(
            f"{name} has shape {path.shape}; a path of m points must have shape (m, 2)."
        )
    path = path[np.isfinite(path).all(axis=1)]
    if not len(path):
        raise ValueError(f"{name} has no finite point.")
    return path
