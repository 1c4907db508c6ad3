"""Axes, colours, curve styles and scales; the only module that imports pyplot."""

from itertools import count

import numpy as np

from skgd.regressors import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

#: The colour-blind-safe palette of Okabe and Ito, with grey instead of black, which dark styles
#: have as background. The blues are last: contours are blue.
COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#7F7F7F", "#E69F00", "#0072B2", "#56B4E9")
LINE_STYLES = ("-", "--", "-.", ":")

#: Each regressor has one colour, in every Display and on every page of the documentation.
REGRESSORS = (BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor)
REGRESSOR_COLOURS = {cls.__name__: COLOURS[i] for i, cls in enumerate(REGRESSORS)}


def import_pyplot():
    """Return ``matplotlib.pyplot``, or raise an error that says how to install matplotlib."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plotting requires matplotlib, which is not installed: pip install matplotlib, or "
            "pip install 'skgd[plot]'. The data are available in history_ and path_."
        ) from error
    return plt


def get_axes(ax, **subplots_kw):
    """Return `ax`, or the Axes of a new figure if it is None."""
    if ax is None:
        _, ax = import_pyplot().subplots(layout="constrained", **subplots_kw)
    return ax


def curve_style(index):
    """Return the colour and line style of a curve by its index; the first 28 differ."""
    style, colour = divmod(index, len(COLOURS))
    return {"color": COLOURS[colour], "linestyle": LINE_STYLES[style % len(LINE_STYLES)]}


def regressor_index(model):
    """Return the index of the curve style of a regressor."""
    return next(i for i, regressor in enumerate(REGRESSORS) if isinstance(model, regressor))


def curve_indices(models):
    """Return the index of the curve style of each fit, by name.

    The first fit of each regressor has the colour of that regressor. Further fits of the same
    regressor have colours that belong to no regressor.
    """
    others, indices = count(len(REGRESSORS)), {}
    for name, model in models.items():
        index = regressor_index(model)
        indices[name] = next(others) if index in indices.values() else index
    return indices


def has_wide_range(values, ratio=20.0):
    """Return whether the finite values are positive and span more than the given ratio."""
    finite = values[np.isfinite(values)]
    return finite.size > 0 and finite.min() > 0 and finite.max() > ratio * finite.min()
