"""Scores of a search by one or two parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skgd._utils.validation import is_real_number
from skgd.model_selection._rate_scores import compute_rate_scores
from skgd.plotting._axes import COLOURS, get_axes, has_wide_range

if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike, Names, Options

#: Style of the star at the best candidate.
BEST_MARKER = {"linestyle": "none", "marker": "*", "markersize": 15, "markeredgecolor": "white"}

#: Ratio of the largest to the smallest value from which on an axis is logarithmic.
MIN_LOG_RATIO = 10

#: Multiple of the distance of the median score from the best one at which colours are clipped.
MAX_RELATIVE_SCORE = 3


class SearchDisplay:
    """Cross-validated scores by one or two parameters.

    Use :meth:`from_estimator` to create it from a fitted search, or :meth:`from_rates` to compute
    the scores of gradient descent for all learning rates and numbers of epochs.

    Parameters
    ----------
    values : dict of lists
        The values of one or two parameters of each candidate, by name of the parameter.
    scores : array of shape (n_candidates,)
        Mean score of each candidate.
    spread : array of shape (n_candidates,)
        Standard deviation of its scores over the folds.
    best : int
        Index of the best candidate.
    train_scores, train_spread : array of shape (n_candidates,), default=None
        The same of the training rows.
    score_name : str, default="score"
        Label of the scores.
    connected : bool, default=True
        Whether the candidates differ in these parameters only, so that curves connect them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel.
    figure_ : matplotlib Figure
        The figure.
    line_ : Line2D
        With one parameter: the mean scores.
    mesh_ : QuadMesh or PathCollection
        With two parameters: the heat map, or points where the candidates are no grid.
    best_ : Line2D
        The star at the best candidate.

    See Also
    --------
    LearningRateDisplay : The training objective by learning rate, from short fits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor, SearchDisplay
    >>> from skgd.model_selection import GridSearchCV
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> search = GridSearchCV(BatchGDRegressor(), {"alpha": np.logspace(-4, 1, 11)}).fit(X, y)
    >>> display = SearchDisplay.from_estimator(search)
    >>> display.ax_.get_xlabel(), display.ax_.get_xscale()
    ('alpha', 'log')
    """

    def __init__(
        self,
        values: dict[str, list[Any]],
        scores: Array,
        spread: Array,
        best: int,
        *,
        train_scores: Array | None = None,
        train_spread: Array | None = None,
        score_name: str = "score",
        connected: bool = True,
    ) -> None:
        self.values, self.scores, self.spread = values, scores, spread
        self.best, self.score_name, self.connected = best, score_name, connected
        self.train_scores, self.train_spread = train_scores, train_spread

    @classmethod
    def from_estimator(
        cls,
        search: Any,
        *,
        params: Names = None,
        metric: str | None = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Plot the scores of a fitted search of skgd or scikit-learn.

        Of a search by successive halving, the last iteration of each candidate is plotted, without
        its resource.

        Parameters
        ----------
        search : estimator
            A fitted search.
        params : str or list of one or two str, default=None
            The parameters to plot, by default the first two that vary. Where others vary, too,
            those candidates are plotted whose other parameters have the best values; in a
            randomised search these are too few, and all candidates are plotted.
        metric : str, default=None
            Which of several scores to plot, by default the one that decides about the best
            candidate, or else the first.
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        SearchDisplay

        Raises
        ------
        NotFittedError
            If the search is not fitted.
        ValueError
            If a name is not one of a parameter that varies, or of a score.
        """
        check_is_fitted(search, "cv_results_")
        results, metric = search.cv_results_, choose_metric(search, metric)
        candidates = list_candidates(search)
        scores = results[f"mean_test_{metric}"]
        indices = [index for index, _ in candidates]
        best = indices[int(np.nanargmax(np.where(np.isfinite(scores), scores, -np.inf)[indices]))]
        if (
            metric == choose_metric(search, None)
            and getattr(search, "best_index_", None) in indices
        ):
            best = search.best_index_
        names = choose_parameters([setting for _, setting in candidates], params)
        indices, connected = select_slice(candidates, best, names)
        settings = dict(candidates)
        columns = {
            f"{part}_{kind}": results[f"{statistic}_{part}_{metric}"][indices]
            for part in ("test", "train")
            for kind, statistic in (("scores", "mean"), ("spread", "std"))
            if f"mean_{part}_{metric}" in results
        }
        return cls(
            {name: [settings[index].get(name) for index in indices] for name in names},
            columns["test_scores"],
            columns["test_spread"],
            indices.index(best),
            train_scores=columns.get("train_scores"),
            train_spread=columns.get("train_spread"),
            score_name=describe_score(search, metric),
            connected=connected,
        ).plot(ax, **plot_params)

    @classmethod
    def from_rates(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        *,
        rates: ArrayLike | None = None,
        max_iter: int = 1000,
        cv: Any = None,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Plot the scores of gradient descent by learning rate and number of epochs.

        The scores are those of a grid search over ``learning_rate`` and ``max_iter`` with
        ``optimizer="gd", tol=None``. No descent is run: the parameters after t steps are
        polynomials of the Hessian of the training rows, of which each fold needs one decomposition.

        Parameters
        ----------
        estimator : BatchGDRegressor or Pipeline
            A regressor for squared error without l1 penalty and bounds, or a pipeline that ends in
            one; it is not modified and need not be fitted.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Targets.
        rates : array-like of shape (n_rates,), default=None
            Learning rates, by default 60 up to the largest at which the descents are stable.
        max_iter : int, default=1000
            Largest number of epochs.
        cv : int, splitter or iterable, default=None
            Splits of the rows; None means five folds.
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        **plot_params
            Further parameters of :meth:`plot`. `vmin` is 0 by default, the score of the mean.

        Returns
        -------
        SearchDisplay

        Raises
        ------
        TypeError
            If the estimator is another one.
        ValueError
            If a parameter is invalid, or the descent has no closed form.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skgd import BatchGDRegressor, SearchDisplay
        >>> X, y = load_diabetes(return_X_y=True, scaled=False)
        >>> display = SearchDisplay.from_rates(BatchGDRegressor(), X, y)
        >>> [len(set(values)) for values in display.values.values()]
        [60, 49]
        """
        result = compute_rate_scores(estimator, X, y, rates=rates, max_iter=max_iter, cv=cv)
        with np.errstate(over="ignore", invalid="ignore"):  # of diverged descents
            mean, spread = result.scores.mean(axis=0).ravel(), result.scores.std(axis=0).ravel()
        values = {
            "learning rate": np.repeat(result.learning_rate, len(result.epochs)).tolist(),
            "epochs": np.tile(result.epochs, len(result.learning_rate)).tolist(),
        }
        best = int(np.argmax(np.where(np.isfinite(mean), mean, -np.inf)))
        plot_params = {"vmin": 0.0} | plot_params
        return cls(values, mean, spread, best, score_name="R²").plot(ax, **plot_params)

    def plot(
        self,
        ax: Any = None,
        *,
        cmap: Any = "Blues",
        colorbar: bool = True,
        vmin: float | None = None,
        line_kw: Options = None,
        fill_between_kw: Options = None,
    ) -> Self:
        """Plot the scores.

        With one parameter: the mean scores, with a band of one standard deviation on each side, or
        error bars where other parameters differ, too.
        With two: a heat map, or points where the candidates are no grid. A star marks the best
        candidate. Axes of positive numbers that span more than a decade are logarithmic.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        cmap : str or Colormap, default="Blues"
            The colours of a heat map.
        colorbar : bool, default=True
            Whether to add a colour bar to a heat map.
        vmin : float, default=None
            Score at which the colours of a heat map begin; by default the lowest one, unless it is
            far below the others, as after a diverged fit.
        line_kw : dict, default=None
            Keyword arguments of matplotlib's ``plot`` for the curves.
        fill_between_kw : dict, default=None
            Keyword arguments of matplotlib's ``fill_between`` for the bands.

        Returns
        -------
        self
        """
        self.ax_ = ax = get_axes(ax)
        self.figure_ = ax.figure
        axes = [ParameterAxis.from_values(values) for values in self.values.values()]
        labels = list(self.values)
        if len(axes) == 1:
            self._plot_curves(axes[0], line_kw or {}, fill_between_kw or {})
            labels += [self.score_name]
        else:
            self._plot_colours(axes, cmap, vmin, colorbar)
        for name, axis in zip("xy", axes, strict=False):
            axis.format(getattr(ax, f"{name}axis"))
        ax.set(xlabel=labels[0], ylabel=labels[1])
        above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "frameon": False}
        ax.legend(**above if len(axes) > 1 else {})
        return self

    def _plot_curves(self, axis, line_kw, fill_between_kw):
        """Plot the scores by one parameter."""
        order = np.argsort(axis.positions, kind="stable")
        x = axis.positions[order]
        parts = [("test", self.scores, self.spread, COLOURS[0], "-")]
        if self.train_scores is not None:
            parts.append(("training", self.train_scores, self.train_spread, COLOURS[4], "--"))
        for label, scores, spread, colour, linestyle in parts:
            mean, width = np.asarray(scores, float)[order], np.asarray(spread, float)[order]
            style = {"color": colour, "marker": ".", "label": label}
            if self.connected:
                (line,) = self.ax_.plot(x, mean, **style | {"linestyle": linestyle} | line_kw)
                style = {"color": colour, "alpha": 0.2, "linewidth": 0}
                self.ax_.fill_between(x, mean - width, mean + width, **style | fill_between_kw)
            else:
                style |= {"linestyle": "none", "elinewidth": 0.5}
                line, *_ = self.ax_.errorbar(x, mean, width, **style | line_kw)
            if label == "test":
                self.line_ = line
        self._mark_best(axis.positions[self.best], self.scores[self.best])
        self.ax_.grid(alpha=0.3)

    def _plot_colours(self, axes, cmap, vmin, colorbar):
        """Plot the scores by two parameters."""
        x, y = (axis.positions for axis in axes)
        columns, rows = (np.unique(p, return_inverse=True) for p in (x, y))
        table = np.full((len(rows[0]), len(columns[0])), np.nan)
        table[rows[1], columns[1]] = self.scores
        lowest, highest = colour_limits(self.scores)
        limits = {"vmin": lowest if vmin is None else vmin, "vmax": highest}
        if np.isfinite(table).mean() > 0.5:
            edges = [a.edges(u) for a, (u, _) in zip(axes, (columns, rows), strict=True)]
            self.mesh_ = self.ax_.pcolormesh(*edges, table, cmap=cmap, **limits)
        else:
            style = {"c": self.scores, "cmap": cmap, "edgecolor": "0.5", "zorder": 2}
            self.mesh_ = self.ax_.scatter(x, y, **style, **limits)
            self.ax_.grid(alpha=0.3)
        self._mark_best(x[self.best], y[self.best])
        if colorbar:
            is_clipped = np.nanmin(self.scores) < limits["vmin"]
            extend = "min" if is_clipped else "neither"
            self.figure_.colorbar(self.mesh_, ax=self.ax_, label=self.score_name, extend=extend)

    def _mark_best(self, x, y):
        """Plot a star at the best candidate."""
        label = f"best: {self.scores[self.best]:.4g}"
        style = {"color": COLOURS[1], "label": label, "zorder": 3, "clip_on": False}
        (self.best_,) = self.ax_.plot([x], [y], **BEST_MARKER | style)


class ParameterAxis(NamedTuple):
    """The positions of the values of a parameter on an axis.

    Parameters
    ----------
    positions : array of shape (n,)
        Position of each value.
    scale : {"linear", "log"}
        Scale of the axis.
    labels : list of str or None
        Labels of the positions 0, 1, …; None where the positions are the values.
    """

    positions: np.ndarray
    scale: str
    labels: list | None = None

    @classmethod
    def from_values(cls, values):
        """Return the axis of numbers, or of other values at equal distances."""
        if all(map(is_real_number, values)):
            numbers = np.array(values, dtype=float)
            if has_wide_range(numbers, MIN_LOG_RATIO):
                return cls(numbers, "log")
            if not has_wide_range(np.abs(numbers[numbers != 0]), MIN_LOG_RATIO):
                return cls(numbers, "linear")
            labels = [f"{number:.4g}" for number in np.unique(numbers)]
            return cls(np.unique(numbers, return_inverse=True)[1].astype(float), "linear", labels)
        names = list(map(describe_value, values))
        labels = list(dict.fromkeys(names))
        return cls(np.array([labels.index(name) for name in names], float), "linear", labels)

    def edges(self, positions):
        """Return the edges of cells around sorted positions."""
        points = np.log(positions) if self.scale == "log" else positions
        if len(points) == 1:
            edges = points[0] + np.array([-0.5, 0.5])
        else:
            inner = (points[1:] + points[:-1]) / 2
            edges = [2 * points[0] - inner[0], *inner, 2 * points[-1] - inner[-1]]
        return np.exp(edges) if self.scale == "log" else np.asarray(edges)

    def format(self, axis):
        """Set the scale and the labels of an axis of matplotlib."""
        if self.scale == "log":
            getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        if self.labels is not None:
            axis.set_ticks(range(len(self.labels)), labels=self.labels)


def colour_limits(scores):
    """Return the lowest and highest score of the colours.

    Scores far below the others are clipped: diverged fits would leave one colour for all others.
    """
    finite = np.asarray(scores, float)[np.isfinite(scores)]
    best = finite.max()
    return max(finite.min(), best - MAX_RELATIVE_SCORE * (best - np.median(finite))), best


def describe_value(value):
    """Return the label of a value of a parameter: a name, a number, or the name of its class."""
    if isinstance(value, str) or value is None or is_real_number(value) or isinstance(value, bool):
        return f"{value:.4g}" if is_real_number(value) else str(value)
    text = repr(value)
    return text if len(text) <= 30 else type(value).__name__


def choose_metric(search, metric):
    """Return the suffix of the columns of a score in `cv_results_`."""
    names = [name[10:] for name in search.cv_results_ if name.startswith("mean_test_")]
    if metric is None:
        refit = getattr(search, "refit", None)
        return refit if isinstance(refit, str) and refit in names else names[0]
    if metric not in names:
        raise ValueError(f"metric={metric!r} is no score of the search; it has {', '.join(names)}.")
    return metric


def describe_score(search, metric):
    """Return the label of a score."""
    if metric != "score":
        return metric
    return search.scoring if isinstance(search.scoring, str) else "score"


def list_candidates(search):
    """Return the index and the parameters of each candidate.

    Of those of a search by successive halving, the last iteration is returned, without the
    resource.
    """
    last, resource = {}, getattr(search, "resource", None)
    for index, params in enumerate(search.cv_results_["params"]):
        setting = {name: value for name, value in params.items() if name != resource}
        last[tuple((name, repr(value)) for name, value in setting.items())] = index, setting
    return list(last.values())


def choose_parameters(settings, params):
    """Return the names of the parameters to plot."""
    names = list(dict.fromkeys(name for setting in settings for name in setting))
    varied = [n for n in names if len({repr(s.get(n)) for s in settings}) > 1] or names
    if params is None:
        return varied[:2]
    params = [params] if isinstance(params, str) else list(params)
    if not 1 <= len(params) <= 2 or not set(params) <= set(names):
        raise ValueError(
            f"params={params!r} should be one or two of the parameters of the search: "
            f"{', '.join(names)}."
        )
    return params


def select_slice(candidates, best, names):
    """Return the indices of the candidates to plot, and whether they differ in `names` only.

    These are the ones whose other parameters are those of the best one, or all, where these have a
    single value of some of the parameters.
    """

    def others(setting):
        return {name: repr(value) for name, value in setting.items() if name not in names}

    settings = dict(candidates)
    indices = [i for i, setting in candidates if others(setting) == others(settings[best])]
    values = [{repr(settings[i].get(name)) for i in indices} for name in names]
    if min(map(len, values)) > 1 or len(indices) == len(candidates):
        return indices, True
    return list(settings), False
