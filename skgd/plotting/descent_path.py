"""Contours or a surface of a function of two variables, with paths of descents."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skgd._utils.validation import check_choice, check_integer
from skgd.plotting._animation import Trace, animate
from skgd.plotting._axes import curve_indices, curve_style, get_axes, import_pyplot
from skgd.plotting._inputs import get_regressor, name_items, transform_data
from skgd.plotting._objective_slice import ObjectiveSlice, axis_label, get_path, path_epochs
from skgd.plotting._paths import as_point_function, check_path, name_paths
from skgd.plotting._thinning import thin_path

#: Maximum number of points of a path that has a marker at each of them.
MAX_MARKERS = 60

#: Number of arrows along each axis, and their length relative to the distance between them.
N_ARROWS, ARROW_LENGTH = 16, 0.7

#: Number of epochs or steps above which the frames of an animation are spaced logarithmically.
MAX_LINEAR_TIME = 100

#: Height of the lowest contour above the minimum, relative to the range of the values.
LOWEST_LEVEL = 1e-4

if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike, Names, Options


class DescentPathDisplay:
    """A function of two variables, and paths of descents on it.

    Use :meth:`from_estimator` to create it from the objective of a model as a function of two of
    its coefficients, or :meth:`from_function` from any function.

    Parameters
    ----------
    function : callable
        Takes an array of points of shape (m, 2), returns their values, of shape (m,).
    paths : dict of arrays of shape (m, 2)
        Points in the order of the descent, by name.
    xlim, ylim : pair of float
        Limits of the axes.
    xlabel, ylabel, zlabel : str
        Labels of the axes.
    title : str
        Title of the panel.
    resolution : int
        Number of grid points along each axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel.
    figure_ : matplotlib Figure
        The figure.
    surface_ : QuadContourSet or Poly3DCollection
        Filled contours, or the surface.
    arrows_ : Quiver or None
        The directions of steepest descent.
    lines_ : list of Line2D
        The paths.

    See Also
    --------
    ConvergenceDisplay : Objective and validation score by epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor, DescentPathDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = BatchGDRegressor(record="path").fit(X[["bmi", "bp"]], y)
    >>> display = DescentPathDisplay.from_estimator(model, X[["bmi", "bp"]], y)
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('coefficient of bmi', 'coefficient of bp')
    """

    def __init__(
        self,
        function: Callable[..., Any],
        paths: dict[str, Any],
        *,
        xlim: tuple[float, float],
        ylim: tuple[float, float],
        xlabel: str = "x",
        ylabel: str = "y",
        zlabel: str = "f(x, y)",
        title: str = "",
        resolution: int = 81,
    ) -> None:
        self.function, self.paths = function, paths
        self.xlim, self.ylim = xlim, ylim
        self.xlabel, self.ylabel, self.zlabel, self.title = xlabel, ylabel, zlabel, title
        self.resolution = resolution
        self._curve_indices: dict[str, int] = {}  # by position unless from_estimator sets them
        self._times: dict[str, Array] = {}  # epochs or steps; numbers of the points if missing

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: MatrixLike,
        y: ArrayLike,
        *,
        coefs: tuple[int | str, int | str] | None = None,
        output: int = 0,
        sample_weight: ArrayLike | None = None,
        names: Names = None,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        resolution: int = 81,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Plot the objective as a function of two coefficients, and the paths of fits.

        The objective is that of the first model, with its loss and penalty; all other parameters
        have their fitted values, so only the end of its own path lies exactly on the surface.
        Losses other than the squared error are computed on at most 10,000 randomly drawn rows.

        Parameters
        ----------
        estimator : estimator, list or dict of estimators
            Regressors of skgd, fitted with ``record="path"``, on the same features, or pipelines or
            searches that end in one.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The training data. The first estimator, if it is a pipeline, transforms them; the
            coefficients are those of its last step.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Target values.
        coefs : pair of int or str, default=None
            The coefficients to plot: numbers or names of features, or "intercept". The default is
            the two coefficients of the first model that are largest in absolute value; the title
            says so. With a single feature, it is its coefficient and the intercept.
        output : int, default=0
            The target whose coefficients are plotted.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.
        names : str or list of str, default=None
            Names for the legend.
        xlim, ylim : pair of float, default=None
            Limits of the axes; by default, those of the paths with a margin.
        resolution : int, default=81
            Number of grid points along each axis, at least 2.
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        DescentPathDisplay

        Raises
        ------
        NotFittedError
            If a model is not fitted.
        ValueError
            If a model has no recorded path, only one parameter, or coefficients of another shape
            than the first model.
        """
        estimators = name_items(estimator, names)
        models = {name: get_regressor(fitted) for name, fitted in estimators.items()}
        first = next(iter(models.values()))
        X = transform_data(next(iter(estimators.values())), X)
        for name, model in models.items():
            if model._fit_state.coef.shape != first._fit_state.coef.shape:
                raise ValueError(
                    f"{name} has coefficients of shape {model._fit_state.coef.shape}, but the "
                    f"first model has shape {first._fit_state.coef.shape}; they must be equal."
                )
        function = ObjectiveSlice(first, X, y, sample_weight, coefs, output)
        paths = {name: get_path(model, function.indices, output) for name, model in models.items()}
        near = [
            paths[name] if model.stop_reason_ != "diverged" else select_near(function, paths[name])
            for name, model in models.items()
        ]
        xlim, ylim = (
            axis_limits(name, limits, [path[:, axis] for path in near])
            for axis, (name, limits) in enumerate([("xlim", xlim), ("ylim", ylim)])
        )
        times = {name: path_epochs(model) for name, model in models.items()}
        xlabel, ylabel = (axis_label(first, index) for index in function.indices)
        labels = {"xlabel": xlabel, "ylabel": ylabel, "zlabel": "objective", "title": function.note}
        display = cls._from_paths(function, paths, times, xlim, ylim, resolution, **labels)
        display._curve_indices = curve_indices(models)
        return display.plot(ax, **plot_params)

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        paths: Any = None,
        *,
        names: Names = None,
        xlim: tuple[float, float] | None = None,
        ylim: tuple[float, float] | None = None,
        resolution: int = 81,
        ax: Any = None,
        **plot_params: Any,
    ) -> Self:
        """Plot any function of two variables, and paths of points.

        Parameters
        ----------
        function : callable
            Takes a point, an array of shape (2,), and returns a number, as for
            ``scipy.optimize.minimize``; or takes two numbers.
        paths : array-like of shape (m, 2), result, or list or dict of these, default=None
            Points in the order of each descent; a result of :func:`minimize` contributes its
            ``history["x"]``.
        names : str or list of str, default=None
            Names for the legend.
        xlim, ylim : pair of float, default=None
            Limits of the axes; by default, those of the paths with a margin.
        resolution : int, default=81
            Number of grid points along each axis, at least 2.
        ax : matplotlib Axes, default=None
            The Axes to plot on; by default, those of a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        DescentPathDisplay

        Raises
        ------
        ValueError
            If a path is not of shape (m, 2), or neither paths nor limits are given.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd import DescentPathDisplay
        >>> path = 0.8 ** np.arange(20)[:, None] * [1.0, 0.5]
        >>> bowl = lambda p: p[0] ** 2 + 4 * p[1] ** 2
        >>> display = DescentPathDisplay.from_function(bowl, path, names="descent")
        >>> len(display.lines_[0].get_xdata())
        20
        """
        paths = {name: check_path(name, path) for name, path in name_paths(paths, names).items()}
        function = as_point_function(function)

        def values(points):
            with np.errstate(all="ignore"):
                return np.array([float(function(point)) for point in points])

        steps = {name: np.arange(len(path)) for name, path in paths.items()}
        display = cls._from_paths(values, paths, steps, xlim, ylim, resolution)
        return display.plot(ax, **plot_params)

    @classmethod
    def _from_paths(cls, function, paths, times, xlim, ylim, resolution, **labels):
        """Return the Display of complete paths; limits that are None follow from the paths."""
        check_integer("resolution", resolution, low=2)
        xlim = axis_limits("xlim", xlim, [path[:, 0] for path in paths.values()])
        ylim = axis_limits("ylim", ylim, [path[:, 1] for path in paths.values()])
        paths = {name: thin_path(path) for name, path in paths.items()}
        display = cls(function, paths, xlim=xlim, ylim=ylim, resolution=resolution, **labels)
        display._times = {name: thin_path(time) for name, time in times.items()}
        return display

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "contour",
        gradient: bool = False,
        levels: int = 20,
        cmap: Any = "Blues_r",
        colorbar: bool = True,
        line_kw: Options = None,
    ) -> Self:
        """Plot the function and the paths.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            The Axes to plot on, three-dimensional for a surface; by default, those of a new figure.
        kind : {"contour", "surface"}, default="contour"
            Type of the plot. The levels of the contours are closer to each other near the minimum.
        gradient : bool, default=False
            Whether to plot arrows of equal length in the directions of steepest descent; only for
            contours.
        levels : int, default=20
            Number of contours, at least 2.
        cmap : str or Colormap, default="Blues_r"
            Colour map of the function.
        colorbar : bool, default=True
            Whether to add a colour bar.
        line_kw : dict, default=None
            Keyword arguments of matplotlib's ``plot`` for the paths.

        Returns
        -------
        self
        """
        check_choice("kind", kind, ["contour", "surface"])
        check_integer("levels", levels, low=2)
        if kind == "surface" and gradient:
            raise ValueError("gradient=True requires kind='contour'.")
        import_pyplot()  # fail before the function is evaluated
        from matplotlib.colors import BoundaryNorm

        x, y, z = self.grid()
        bounds = contour_levels(z, levels)
        plot_values = self._plot_contours if kind == "contour" else self._plot_surface
        plot_values(ax, x, y, z, cmap=cmap, norm=BoundaryNorm(bounds, 256))
        self.figure_ = self.ax_.figure
        self.arrows_ = plot_descent_directions(self.ax_, x, y, z) if gradient else None
        self._starts: list[Any] = []
        self._stars: list[Any] = []
        self.lines_ = [
            self._plot_path(self._curve_indices.get(name, position), name, path, kind, line_kw)
            for position, (name, path) in enumerate(self.paths.items())
        ]
        if colorbar:
            ticks = remove_equal_labels(bounds[::-4])
            # The third axis has the label already, and needs room for it beside the bar.
            style = {"label": self.zlabel} if kind == "contour" else {"pad": 0.15, "shrink": 0.7}
            bar = self.figure_.colorbar(self.surface_, ax=self.ax_, ticks=ticks, **style)
            bar.ax.yaxis.set_major_formatter("{x:.4g}")
            bar.minorticks_off()
        self.ax_.set(xlabel=self.xlabel, ylabel=self.ylabel, xlim=self.xlim, ylim=self.ylim)
        self.ax_.set_title(self.title, fontsize="medium")
        if self.paths:
            # Finding the best location takes long for a surface.
            self.ax_.legend(loc="best" if kind == "contour" else "upper left")
        return self

    def animate(self, *, n_frames: int = 100, interval: float = 50.0) -> Any:
        """Return an animation of the figure that was plotted last, in which the paths grow.

        All fits are at the same epoch in each frame, and all paths of points at the same step; the
        star moves with the end of the path. Frames are equally spaced in time or, for more than 100
        epochs or steps, in its logarithm. Keep a reference to the animation while it is shown.

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
            ``save("path.gif", writer="pillow")`` writes a file.

        Raises
        ------
        ValueError
            If there are no paths.

        Examples
        --------
        >>> from skgd import DescentPathDisplay
        >>> path = [[4.0, 2.0], [2.0, 1.0], [1.0, 0.5]]
        >>> display = DescentPathDisplay.from_function(lambda x, y: x**2 + y**2, path)
        >>> display.animate(n_frames=3).to_jshtml().count("data:image/png")
        3
        """
        if not self.paths:
            raise ValueError("There are no paths to animate.")
        times = [self._times.get(name, np.arange(len(path))) for name, path in self.paths.items()]
        if max(time[-1] for time in times) > MAX_LINEAR_TIME:
            times = [np.log1p(time) for time in times]
        traces = [*map(Trace, self.lines_, times, self._stars)]
        traces += [Trace(start, time[:1]) for start, time in zip(self._starts, times, strict=True)]
        return animate(self.figure_, traces, n_frames, interval)

    def grid(self) -> tuple[Array, Array, Array]:
        """Return the grid and the values on it.

        Returns
        -------
        x, y : arrays of shape (resolution,)
            Coordinates of the grid lines.
        z : array of shape (resolution, resolution)
            Values, ``z[i, j]`` at ``x[j], y[i]``; NaN where the function is not finite.

        Raises
        ------
        ValueError
            If the function is not finite at any grid point.
        """
        x = np.linspace(self.xlim[0], self.xlim[1], self.resolution)
        y = np.linspace(self.ylim[0], self.ylim[1], self.resolution)
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        z = np.asarray(self.function(points), dtype=float).reshape(len(y), len(x))
        z = np.where(np.isfinite(z), z, np.nan)
        if np.isnan(z).all():
            raise ValueError(
                f"The function has no finite value for x in {self.xlim} and y in {self.ylim}."
            )
        return x, y, z

    def _plot_contours(self, ax, x, y, z, cmap, norm):
        self.ax_ = get_axes(ax)
        levels = norm.boundaries
        self.surface_ = self.ax_.contourf(x, y, z, levels, cmap=cmap, norm=norm, extend="max")
        self.ax_.contour(x, y, z, levels, colors="white", linewidths=0.4, alpha=0.6)

    def _plot_surface(self, ax, x, y, z, cmap, norm):
        self.ax_ = get_axes(ax, subplot_kw={"projection": "3d"}, figsize=(7, 5.5))
        if not hasattr(self.ax_, "plot_surface"):
            raise ValueError(
                "kind='surface' requires three-dimensional Axes: "
                "plt.subplots(subplot_kw={'projection': '3d'})."
            )
        style = {"cmap": cmap, "norm": norm, "alpha": 0.75, "linewidth": 0}
        every_point = {"rcount": self.resolution, "ccount": self.resolution}
        self.surface_ = self.ax_.plot_surface(*np.meshgrid(x, y), z, **style, **every_point)
        self.ax_.set_zlabel(self.zlabel, labelpad=10)

    def _plot_path(self, index, name, path, kind, line_kw):
        """Plot a path, its start as a circle and its end as a star; return the line."""
        from matplotlib.patheffects import Normal, Stroke

        outline = [Stroke(linewidth=3, foreground="white", alpha=0.8), Normal()]
        defaults = curve_style(index) | {"label": name, "path_effects": outline, "zorder": 10}
        if len(path) <= MAX_MARKERS:
            defaults |= {"marker": ".", "markersize": 5}
        points = path.T if kind == "contour" else [*path.T, self.function(path)]
        (line,) = self.ax_.plot(*points, **(defaults | (line_kw or {})))
        style = {"color": line.get_color(), "markeredgecolor": "white", "zorder": 11}
        start, end = ([coordinates[[i]] for coordinates in points] for i in (0, -1))
        self._starts += self.ax_.plot(*start, "o", markersize=7, **style)
        self._stars += self.ax_.plot(*end, "*", markersize=13, **style)
        return line


def select_near(function, path):
    """Return the points of a diverging path whose objective is at most twice that of its start."""
    with np.errstate(all="ignore"):
        values = function(path)
    return path[values <= 2 * values[0]]


def axis_limits(name, limits, coordinates, relative_margin=0.15):
    """Return the limits of an axis: those given, or those of all coordinates with a margin."""
    if limits is not None:
        low, high = (float(limit) for limit in limits)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"{name} must be a pair (low, high), low < high; got {limits!r}.")
        return low, high
    if not coordinates:
        raise ValueError(f"{name} is required if there are no paths.")
    coordinates = np.concatenate(coordinates)
    low, high = coordinates.min(), coordinates.max()
    margin = relative_margin * (high - low) or 0.5 * abs(low) or 1.0
    return float(low - margin), float(high + margin)


def contour_levels(z, levels):
    """Return the minimum and values above it at geometrically increasing distances."""
    low, high = np.nanmin(z), np.nanmax(z)
    height = high - low or abs(low) or 1.0
    return np.append(low, low + height * np.geomspace(LOWEST_LEVEL, 1, levels))


def remove_equal_labels(ticks):
    """Return ticks whose labels, of four digits, differ."""
    return list({f"{tick:.4g}": tick for tick in ticks}.values())


def plot_descent_directions(ax, x, y, z):
    """Plot the directions of steepest descent as arrows of equal length, in units of the axes."""
    step = max(1, len(x) // N_ARROWS)
    every = slice(step // 2, None, step)
    dz_dy, dz_dx = np.gradient(z, y, x)
    u, v = -dz_dx[every, every], -dz_dy[every, every]
    width, height = (x[-1] - x[0]) / len(x) * step, (y[-1] - y[0]) / len(y) * step
    norm = np.hypot(u / width, v / height)
    with np.errstate(invalid="ignore", divide="ignore"):
        u, v = (ARROW_LENGTH * component / norm for component in (u, v))
    data_units = {"angles": "xy", "scale_units": "xy", "scale": 1}
    style = {"pivot": "mid", "color": "0.15", "alpha": 0.55, "width": 0.003}
    return ax.quiver(x[every], y[every], u, v, **data_units, **style)
