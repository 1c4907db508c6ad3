"""The course of fits: objective, validation score, gradient norm and rate over the epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from skgd.plotting._common import axes_or_new, descender, merged, named, style, thinned, wide
from skgd.solvers.history import column

LABELS = {
    "objective": "objective",
    "running_objective": "running objective",
    "validation_score": "validation score (R²)",
    "gradient_norm": "norm of the gradient",
    "learning_rate": "learning rate",
    "time": "time (s)",
}

#: Epochs from which a logarithmic axis shows the beginning better.
MANY_EPOCHS = 100


if TYPE_CHECKING:
    from skgd._utils.typing import Names, Options


class ConvergenceDisplay:
    """The course of one or several fits.

    Make it with :meth:`from_estimator`, or with :meth:`from_history` from the numbers alone.

    Parameters
    ----------
    histories : dict of dicts
        What :attr:`history_` holds, by name of the fit.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The (first) panel.
    axes_ : array of matplotlib Axes
        All panels, one a column.
    figure_ : matplotlib Figure
        The figure.
    lines_ : dict of lists of Line2D
        The curves of each column, in the order of the fits.

    See Also
    --------
    DescentPathDisplay : The way through the space of coefficients.

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
        """Draw what fitted models remember of their course.

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
            If a history has no such column; the error says what would record it.
        """
        models = named(estimator, names)
        histories = {name: descender(model).history_ for name, model in models.items()}
        return cls(histories).plot(ax, columns=columns, **plot_params)

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
        """Draw histories.

        Parameters
        ----------
        history : dict of arrays, DataFrame, or list or dict of these
            Columns of one length, as in ``history_``; without ``epoch``, rows are counted from 0.
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
        several = isinstance(history, (list, tuple)) or (
            isinstance(history, Mapping) and all(map(is_table, history.values()))
        )
        named_tables = named(history if several else [history], names, name_of=lambda table: "fit")
        histories = {
            name: {key: table[key] for key in table} for name, table in named_tables.items()
        }
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
        """Draw the histories.

        Parameters
        ----------
        ax : matplotlib Axes or list of Axes, default=None
            Where to draw, one for each column; the default is a new figure.
        columns : str or list of str, default=None
            What to draw, a panel each: "objective" (of a fit that recorded the running objective
            only, that), "running_objective", "validation_score", "gradient_norm", "learning_rate".
            The default is the objective and, where there are scores and `ax` is not a single one,
            these.
        x : {"epoch", "time"}, default="epoch"
            What the curves run over.
        above : float or "best", default=None
            What is subtracted from objectives, such as their minimum; "best" is the least value of
            all the fits shown. On a logarithmic axis this shows how far there is to go.
        xscale, yscale : {"linear", "log"}, default=None
            Scales of the axes. By default the vertical one is logarithmic for positive columns that
            spread over more than a factor of 20, and the horizontal one for more than 100 epochs;
            it then begins with a linear piece, so that epoch 0 is on it.
        mark_best : bool, default=True
            Whether to mark each fit's best epoch: that of the highest validation score where there
            are scores, and else of the least objective.
        line_kw : dict, default=None
            Further options of matplotlib's ``plot`` for the curves.

        Returns
        -------
        self
        """
        columns = self._columns(columns, alone=ax is not None and not np.iterable(ax))
        self.axes_ = panels(ax, len(columns))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_ = {}
        for panel, name in zip(self.axes_, columns, strict=True):
            curves = self._curves(name, x, above)
            self.lines_[name] = [
                panel.plot(
                    *thinned(curve.x, curve.y),
                    **merged({"label": curve.label, **style(curve.number)}, line_kw),
                )[0]
                for curve in curves
            ]
            scale(panel, name, curves, x, xscale, yscale)
            panel.set(xlabel=LABELS.get(x, x), ylabel=label_of(name, above))
            panel.grid(alpha=0.3)
            if mark_best:
                mark(panel, curves, self.lines_[name], x)
            panel.legend()
        return self

    def _columns(self, columns, alone):
        if isinstance(columns, str):
            return [columns]
        if columns is not None:
            return list(columns)
        scored = any("validation_score" in history for history in self.histories.values())
        return ["objective", "validation_score"] if scored and not alone else ["objective"]

    def _curves(self, name, x, above):
        """Return the curves of a column: of the fits that have it, if any has."""
        fits = [(number, *fit) for number, fit in enumerate(self.histories.items())]
        having = [fit for fit in fits if name != "validation_score" or name in fit[-1]]
        curves = [curve(*fit, name, x) for fit in having or fits]
        if above is None or not name.endswith("objective"):
            return curves
        least = min(np.nanmin(c.y) for c in curves) if above == "best" else above
        # The least itself has no place on a logarithmic axis.
        return [c._replace(y=np.where(c.y > least, c.y - least, np.nan)) for c in curves]


def is_table(thing):
    """Tell a table of columns from a column, which may be an array or a Series."""
    return hasattr(thing, "keys") and not hasattr(thing, "dtype")


class Curve(NamedTuple):
    """One column of one history: number and label of the fit, places, values, best row or None."""

    number: int
    label: str
    x: np.ndarray
    y: np.ndarray
    best: int | None


def curve(number, label, history, name, x):
    """Return the curve of a column; the running objective stands in for one not recorded."""
    if name == "objective" and name not in history and "running_objective" in history:
        name, label = "running_objective", f"{label} (running)"
    values = column(history, name)
    counted = x == "epoch" and x not in history
    places = np.arange(len(values)) if counted else column(history, x)
    return Curve(number, label, places, values, best_row(history))


def best_row(history):
    """Return the row of the best epoch: by validation score, or else by objective."""
    for name, sign in [("validation_score", 1), ("objective", -1), ("running_objective", -1)]:
        if name in history and np.isfinite(history[name]).any():
            return int(np.nanargmax(sign * np.asarray(history[name], dtype=float)))
    return None


def panels(ax, count):
    """Return an array of Axes, one a column."""
    if ax is None:
        return axes_or_new(
            None, nrows=count, sharex=True, squeeze=False, figsize=(6.4, 1.2 + 3 * count)
        )[:, 0]
    given = np.ravel(np.asarray(ax, dtype=object))
    if len(given) != count:
        raise ValueError(
            f"ax has {len(given)} Axes, but there are {count} columns to draw. Give one for each, "
            "or name a single column."
        )
    return given


def label_of(name, above):
    """Return what stands on the vertical axis."""
    label = LABELS.get(name, name)
    if above is None or not name.endswith("objective"):
        return label
    return f"{label} above the least" if above == "best" else f"{label} above {above:.4g}"


def scale(panel, name, curves, x, xscale, yscale):
    """Set the scales of a panel, logarithmic where that shows more."""
    if yscale is None:
        log = name != "validation_score" and wide(np.concatenate([c.y for c in curves]))
        yscale = "log" if log else "linear"
    panel.set_yscale(yscale)
    if xscale is None:
        longest = max(c.x[-1] for c in curves)
        xscale = "log" if x == "epoch" and longest > MANY_EPOCHS else "linear"
    if xscale == "log" and x == "epoch":
        panel.set_xscale("symlog", linthresh=1)  # epoch 0 is on it, too
        panel.set_xlim(left=min(c.x[0] for c in curves))
        panel.xaxis.set_major_formatter("{x:g}")
    else:
        panel.set_xscale(xscale)


def mark(panel, curves, lines, x):
    """Mark the best epoch of each curve."""
    pairs = [
        (shown, line)
        for shown, line in zip(curves, lines, strict=True)
        if shown.best is not None and np.isfinite(shown.y[shown.best])
    ]
    for number, (shown, line) in enumerate(pairs):
        at = shown.x[shown.best]
        label = "best" if len(curves) > 1 else f"best: {LABELS.get(x, x)} {at:.4g}"
        panel.plot(
            at,
            shown.y[shown.best],
            color=line.get_color(),
            label=label if number == 0 else None,  # one entry of the legend for all
            linestyle="none",
            marker="*",
            markeredgecolor="white",
            markersize=13,
            zorder=3,
        )
