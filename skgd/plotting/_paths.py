"""Functions of two variables, and paths of points, in the forms that users have them in."""

import inspect
from collections.abc import Mapping

import numpy as np

from skgd.plotting._common import MOST_DRAWN, named


def of_a_point(function):
    """Return a function of a point, also where it takes two numbers."""
    if isinstance(function, np.ufunc):
        separate = function.nin == 2
    else:
        separate = required_arguments(function) == 2
    return (lambda point: function(*point)) if separate else function


def required_arguments(function):
    """Return how many positional arguments a function asks for; 1 if it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return 1
    positional = [p for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]
    return sum(p.default is p.empty for p in positional)


def named_paths(paths, names):
    """Return paths by name: from a mapping, several in a sequence, or a single one."""
    if paths is None:
        return {}
    several = isinstance(paths, (list, tuple)) and not is_table(paths)
    if (not several and not isinstance(paths, Mapping)) or hasattr(paths, "history"):
        paths = [paths]  # a result is a mapping, too
    return named(paths, names, name_of=lambda path: "path")


def is_table(rows):
    """Tell whether a sequence is a single path, a row a point."""
    return len(rows) > 0 and all(np.ndim(row) == 1 for row in rows)


def checked_path(name, path):
    """Return a path as an array of its finite points, or refuse it."""
    if hasattr(path, "history"):
        path = path.history["x"]
    path = np.asarray(path, dtype=float)
    if path.ndim != 2 or path.shape[1] != 2:
        raise ValueError(
            f"{name} has shape {path.shape}; a path has a row a point, of shape (m, 2)."
        )
    path = path[np.isfinite(path).all(axis=1)]
    if not len(path):
        raise ValueError(f"{name} has no finite point.")
    return path


def drawn(path, most=MOST_DRAWN):
    """Return every k-th point of a path, and the last."""
    step = -(-len(path) // most)
    return path if step == 1 else np.vstack([path[:-1:step], path[-1:]])
