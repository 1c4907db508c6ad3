"""Convergence curves: objective, validation score, gradient norm and learning rate by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from skgd.plotting._animation import Trace, animate
from skgd.plotting._axes import curve_indices, curve_style, get_axes, has_wide_range
from skgd.plotting._inputs import get_regressor, name_items
from skgd.plotting._thinning import thin_curve
from skgd.solvers.history import column

LABELS = {
    "objective": "objective",
    "running_objective": "running objective",
    "validation_score": "validation score",
    "gradient_norm": "norm of the gradient",
    "learning_rate": "learning rate",
    "time": "time (s)",
}

#: Number of epochs above which the epoch axis is logarithmic by default.
MAX_LINEAR_EPOCHS = 100

#: Style of the stars at the best epochs. Only the first has a label, for one entry in the legend.
BEST_MARKER = {"linestyle": "none", "marker": "*", "markersize": 13, "markeredgecolor": "white"}

if TYPE_CHECKING:
    from skgd._utils.typing import Names, Options


class ConvergenceDisplay:
    """Convergence curves of one or several fits.

    Use :meth:`from_estimator` to create it from fitted models, or :meth:`from_history` from
    histories.

    Parameters
    ----------
    histories : dict of dicts
        The attribute :attr:`history_` of each fit, by name of the fit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The (first) panel.
    axes_ : array of matplotlib Axes
        All panels, one for each column of the histories.
    figure_ : matplotlib Figure
        The figure.
    lines_ : dict of lists of Line2D
        The curves of each column, in the order of the fits.

    See Also
    --------
    DescentPathDisplay : Paths of the coefficients on the objective.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor, ConvergenceDisplay
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressor().fit(X, y)
    >>> display = ConvergenceDisplay.from_estimator(model, columns=["objective", "gradient_norm"])
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['objective', 'norm of the gradient']
    """

    def __init__(self, histories: dict[str, Any]) -> None:
        self.histories = histories
        self._curve_indices: dict[str, int] = {}  # by position unless from_estimator sets them

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        names: Names = None,
        columns: Names = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Plot the histories of fitted models.

        Parameters
        ----------
        estimator : estimator, list or dict of estimators
            Fitted regressors of skgd, or pipelines or searches that end in one. A dict names them.
        names : str or list of str, default=None
            Names for the legend.
        columns : str or list of str, default=None
            See :meth:`plot`.
        ax : matplotlib Axes or list of Axes, default=None
            See :meth:`plot`.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        ValueError
            If a history does not have a column; the message says how to record it.
        """
        estimators = name_items(estimator, names)
        models = {name: get_regressor(fitted) for name, fitted in estimators.items()}
        display = cls({name: model.history_ for name, model in models.items()})
        display._curve_indices = curve_indices(models)
        return display.plot(ax, columns=columns, **plot_params)

    @classmethod
    def from_history(
        cls,
        history: Any,
        *,
        names: Names = None,
        columns: Names = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Plot histories.

        Parameters
        ----------
        history : dict of arrays, DataFrame, or list or dict of these
            Columns of one length, as in ``history_``; without the column ``epoch``, rows are
            numbered from 0.
        names : str or list of str, default=None
            Names for the legend.
        columns : str or list of str, default=None
            See :meth:`plot`.
        ax : matplotlib Axes or list of Axes, default=None
            See :meth:`plot`.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay
        """
        is_collection = isinstance(history, (list, tuple)) or (
            isinstance(history, Mapping) and all(map(is_history, history.values()))
        )
        tables = history if is_collection else [history]
        tables = name_items(tables, names, default_name=lambda table: "fit")
        histories = {name: {key: table[key] for key in table} for name, table in tables.items()}
        return cls(histories).plot(ax, columns=columns, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        columns: Names = None,
        x: str = "epoch",
        above: float | str | None = None,
        xscale: str | None = None,
        yscale: str | None = None,
        mark_best: bool = True,
        line_kw: Options = None,
    ) -> Self:
        """Plot the histories.

        Parameters
        ----------
        ax : matplotlib Axes or list of Axes, default=None
            One Axes for each column; by default, those of a new figure.
        columns : str or list of str, default=None
            The columns to plot, one in each panel: "objective" (or the running objective of fits
            that recorded only that), "running_objective", "validation_score", "gradient_norm",
            "learning_rate". The default is the objective, and also the validation scores if there
            are any and `ax` is not a single Axes.
        x : {"epoch", "time"}, default="epoch"
            The quantity on the horizontal axis.
        above : float or "best", default=None
            Value to subtract from objectives, e.g. their minimum; "best" is the smallest objective
            of all fits. On a logarithmic axis this shows the distance to the minimum.
        xscale, yscale : {"linear", "log"}, default=None
            Scales of the axes. By default the vertical axis is logarithmic for positive columns
            that span more than a factor of 20, and the horizontal axis for more than 100 epochs; it
            is then linear up to epoch 1, so that epoch 0 is included.
        mark_best : bool, default=True
            Whether to mark the best epoch of each fit: the one with the highest validation score
            or, without scores, with the smallest objective.
        line_kw : dict, default=None
            Keyword arguments of matplotlib's ``plot`` for the curves.

        Returns
        -------
        self
        """
        single_panel = ax is not None and not np.iterable(ax)
        columns = self._resolve_columns(columns, single_panel)
        self.axes_ = get_panels(ax, len(columns))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_, self._stars = {}, []
        for panel, name in zip(self.axes_, columns, strict=True):
            curves = self._build_curves(name, x, above)
            lines = []
            for curve in curves:
                style = {"label": curve.label, **curve_style(curve.style_index), **(line_kw or {})}
                lines += panel.plot(*thin_curve(curve.x, curve.y), **style)
            self.lines_[name] = lines
            set_scales(panel, name, curves, x, xscale, yscale)
            panel.set(xlabel=LABELS.get(x, x), ylabel=axis_label(name, above))
            panel.grid(alpha=0.3)
            if mark_best:
                self._stars += mark_best_epochs(panel, curves, lines, x)
            panel.legend()
        return self

    def animate(self, *, n_frames: int = 100, interval: float = 50.0) -> Any:
        """Return an animation of the figure that was plotted last, in which the curves grow.

        All curves are at the same epoch, or time, in each frame; a mark moves with each of them.
        Frames are equally spaced along the horizontal axis. Keep a reference to the animation while
        it is shown.

        Parameters
        ----------
        n_frames : int, default=100
            Number of frames, at least 2.
        interval : float, default=50.0
            Time between two frames in milliseconds.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            It has a figure of its own. ``to_jshtml()`` is for notebooks, and
            ``save("curves.gif", writer="pillow")`` writes a file.

        Examples
        --------
        >>> from skgd import ConvergenceDisplay
        >>> display = ConvergenceDisplay.from_history({"objective": [4.0, 2.0, 1.0]})
        >>> display.animate(n_frames=3).to_jshtml().count("data:image/png")
        3
        """
        clock = self.ax_.xaxis.get_transform().transform
        traces = [
            Trace(line, clock(line.get_xdata()), moving_mark(line))
            for lines in self.lines_.values()
            for line in lines
        ]
        traces += [Trace(star, clock(star.get_xdata())) for star in self._stars]
        return animate(self.figure_, traces, n_frames, interval)

    def _resolve_columns(self, columns, single_panel):
        """Return the names of the columns to plot."""
        if isinstance(columns, str):
            return [columns]
        if columns is not None:
            return list(columns)
        has_scores = any("validation_score" in history for history in self.histories.values())
        if has_scores and not single_panel:
            return ["objective", "validation_score"]
        return ["objective"]

    def _build_curves(self, name, x, above):
        """Return the curves of a column; fits without validation scores are left out."""
        fits = [
            (self._curve_indices.get(name, position), name, history)
            for position, (name, history) in enumerate(self.histories.items())
        ]
        fits_with_column = [fit for fit in fits if name != "validation_score" or name in fit[-1]]
        # If no fit has scores, building the first curve raises the error.
        curves = [build_curve(*fit, name, x) for fit in fits_with_column or fits]
        if above is None or not name.endswith("objective"):
            return curves
        offset = min(np.nanmin(curve.y) for curve in curves) if above == "best" else above
        # Zero cannot be shown on a logarithmic axis.
        return [c._replace(y=np.where(c.y > offset, c.y - offset, np.nan)) for c in curves]


def is_history(value):
    """Return whether a value is a table of columns rather than a column, an array or a Series."""
    return hasattr(value, "keys") and not hasattr(value, "dtype")


class Curve(NamedTuple):
    """A column of a history.

    Parameters
    ----------
    style_index : int
        Index of the curve style of the fit.
    label : str
        Entry in the legend.
    x, y : arrays of shape (n,)
        Epochs or times, and values.
    best : int or None
        Index of the best epoch in `x` and `y`.
    """

    style_index: int
    label: str
    x: np.ndarray
    y: np.ndarray
    best: int | None


def build_curve(style_index, label, history, name, x_name):
    """Return the curve of a column; the running objective replaces an unrecorded objective."""
    if name == "objective" and name not in history and "running_objective" in history:
        name, label = "running_objective", f"{label} (running)"
    y = column(history, name)
    lacks_epochs = x_name == "epoch" and x_name not in history
    x = np.arange(len(y)) if lacks_epochs else column(history, x_name)
    return Curve(style_index, label, x, y, find_best_row(history))


def find_best_row(history):
    """Return the row of the best epoch, by validation score or else by objective; or None."""
    for name, sign in [("validation_score", 1), ("objective", -1), ("running_objective", -1)]:
        if name in history and np.isfinite(history[name]).any():
            return int(np.nanargmax(sign * np.asarray(history[name], dtype=float)))
    return None


def get_panels(ax, n_columns):
    """Return an array of Axes, one for each column."""
    if ax is None:
        figsize = (6.4, 1.2 + 3 * n_columns)
        return get_axes(None, nrows=n_columns, sharex=True, squeeze=False, figsize=figsize)[:, 0]
    panels = np.ravel(np.asarray(ax, dtype=object))
    if len(panels) != n_columns:
        raise ValueError(
            f"ax has {len(panels)} Axes, but there are {n_columns} columns to plot. Pass one Axes "
            "for each column, or choose a single column."
        )
    return panels


def axis_label(name, above):
    """Return the label of the vertical axis."""
    label = LABELS.get(name, name)
    if above is None or not name.endswith("objective"):
        return label
    return f"{label} above the minimum" if above == "best" else f"{label} above {above:.4g}"


def set_scales(panel, name, curves, x, xscale, yscale):
    """Set the scales of a panel; see :meth:`ConvergenceDisplay.plot` for the defaults."""
    if yscale is None:
        values = np.concatenate([curve.y for curve in curves])
        yscale = "log" if name != "validation_score" and has_wide_range(values) else "linear"
    panel.set_yscale(yscale)
    if xscale is None:
        last = max(curve.x[-1] for curve in curves)
        xscale = "log" if x == "epoch" and last > MAX_LINEAR_EPOCHS else "linear"
    if xscale == "log" and x == "epoch":
        panel.set_xscale("symlog", linthresh=1)  # linear up to 1, so that epoch 0 is included
        panel.set_xlim(left=min(curve.x[0] for curve in curves))
        panel.xaxis.set_major_formatter("{x:g}")
    else:
        panel.set_xscale(xscale)


def mark_best_epochs(panel, curves, lines, x):
    """Mark the best epoch of each curve with a star; return the stars."""
    stars = []
    pairs = [
        (curve, line)
        for curve, line in zip(curves, lines, strict=True)
        if curve.best is not None and np.isfinite(curve.y[curve.best])
    ]
    for i, (curve, line) in enumerate(pairs):
        best_x = curve.x[curve.best]
        label = "best" if len(curves) > 1 else f"best: {LABELS.get(x, x)} {best_x:.4g}"
        style = {"color": line.get_color(), "label": None if i else label}
        stars += panel.plot(best_x, curve.y[curve.best], zorder=3, **style, **BEST_MARKER)
    return stars


def moving_mark(line):
    """Return the mark of an animated curve, a point of its colour."""
    from matplotlib.lines import Line2D

    style = {"marker": "o", "color": line.get_color(), "markeredgecolor": "white"}
    return Line2D([], [], markersize=7, zorder=line.get_zorder() + 1, **style)
