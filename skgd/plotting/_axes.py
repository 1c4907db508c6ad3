"""Axes, curve styles and scales; the only module that imports pyplot."""

import numpy as np

#: The colour-blind-safe palette of Okabe and Ito.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")


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


def has_wide_range(values, ratio=20.0):
    """Return whether the finite values are positive and span more than the given ratio."""
    finite = values[np.isfinite(values)]
    return finite.size > 0 and finite.min() > 0 and finite.max() > ratio * finite.min()
