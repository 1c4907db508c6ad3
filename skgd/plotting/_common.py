"""What all Displays share: matplotlib on demand, colours, what to draw of very long curves."""

from collections.abc import Mapping

import numpy as np
from sklearn.utils.validation import check_is_fitted

#: Okabe and Ito's colours, which the colour-blind tell apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")

#: Points of a curve that are drawn at most; more would not be seen.
MOST_DRAWN = 4000


def pyplot():
    """Return ``matplotlib.pyplot``, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as missing:
        raise ImportError(
            "Drawing needs matplotlib, which is not installed: pip install matplotlib, or "
            "pip install 'skgd[plot]'. The numbers are in history_ and path_."
        ) from missing
    return plt


def axes_or_new(ax, **subplots):
    """Return `ax`, or the Axes of a new figure."""
    if ax is None:
        _, ax = pyplot().subplots(layout="constrained", **subplots)
    return ax


def style(number):
    """Return colour and line style of the curve of that number; 28 differ."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINE_STYLES[number // len(COLOURS) % len(LINE_STYLES)],
    }


def merged(defaults, given):
    """Return the options of a drawing call: what the user gave goes before our defaults."""
    return defaults | (given or {})


def named(things, names=None, name_of=lambda thing: type(thing).__name__):
    """Return things by name: from a mapping, a sequence with names or without, or a single one.

    Parameters
    ----------
    things : mapping, list, tuple or object
        What to name.
    names : str or list of str, default=None
        Their names; by default what `name_of` says, numbered where several share it.
    name_of : callable, default=name of the class
        Names a thing.

    Returns
    -------
    dict
    """
    if isinstance(things, Mapping):
        return dict(things)
    things = list(things) if isinstance(things, (list, tuple)) else [things]
    if names is None:
        kinds = [name_of(thing) for thing in things]
        names = [
            kind if kinds.count(kind) == 1 else f"{kind} {kinds[: i + 1].count(kind)}"
            for i, kind in enumerate(kinds)
        ]
    names = [names] if isinstance(names, str) else list(names)
    if len(names) != len(things):
        raise ValueError(f"names has {len(names)} entries; there are {len(things)} to name.")
    return dict(zip(names, things, strict=True))


def descender(estimator):
    """Return the fitted regressor of skgd in an estimator, a pipeline or a search."""
    inner = estimator
    while True:
        if hasattr(inner, "best_estimator_"):
            inner = inner.best_estimator_
        elif hasattr(inner, "steps"):
            inner = inner.steps[-1][1]
        else:
            break
    if not hasattr(type(inner), "history_"):
        raise TypeError(
            f"A Display needs a regressor of skgd, or a pipeline or search that ends in one; got "
            f"{type(estimator).__name__}."
        )
    check_is_fitted(inner)
    return inner


def rows_of(estimator, X):
    """Return rows as the regressor in an estimator, a pipeline or a search sees them."""
    if hasattr(estimator, "best_estimator_"):
        return rows_of(estimator.best_estimator_, X)
    if hasattr(estimator, "steps"):
        rows = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
        return rows_of(estimator.steps[-1][1], rows)
    return X


def thinned(x, y, most=MOST_DRAWN):
    """Return points of a curve that look like all: least and largest value of each stretch.

    The stretches are even in number of points, on top of which the first hundred points stay, for
    axes that are logarithmic.
    """
    if len(x) <= most:
        return x, y
    size = -(-2 * len(x) // (most - 200))
    whole = len(x) // size * size
    stretches = np.nan_to_num(y[:whole], nan=np.inf).reshape(-1, size)
    starts = np.arange(0, whole, size)
    least = starts + stretches.argmin(axis=1)
    largest = starts + np.nan_to_num(y[:whole], nan=-np.inf).reshape(-1, size).argmax(axis=1)
    early = np.unique(np.geomspace(1, len(x), 100).astype(int)) - 1
    kept = np.unique(np.concatenate([np.arange(100), early, least, largest, [len(x) - 1]]))
    return x[kept], y[kept]


def wide(values, ratio=20.0):
    """Tell whether positive values spread so far that a logarithmic axis shows more."""
    finite = values[np.isfinite(values)]
    return finite.size > 0 and finite.min() > 0 and finite.max() > ratio * finite.min()
