"""The way down: contours or a surface of a function of two variables, with paths on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skgd._utils.validation import check_choice, check_integer
from skgd.plotting._common import (
    COLOURS,
    axes_or_new,
    descender,
    merged,
    named,
    pyplot,
    rows_of,
)
from skgd.plotting._paths import checked_path, drawn, named_paths, of_a_point
from skgd.plotting._slices import Slice, label, path_of

#: Points up to which a path shows each of its updates.
FEW_POINTS = 60

#: Arrows of the gradient field along each axis, and the share of their distance that they fill.
ARROWS, ARROW_LENGTH = 16, 0.7

#: The lowest contour above the least value, as a share of the whole height.
LOWEST_LEVEL = 1e-4


if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike, Names, Options


class DescentPathDisplay:
    """A function of two variables, and the ways that descents took on it.

    Make it with :meth:`from_estimator` for the objective of a model over two of its coefficients,
    or with :meth:`from_function` for any function.

    Parameters
    ----------
    function : callable
        Takes points of shape (m, 2), returns m values.
    paths : dict of arrays of shape (m, 2)
        Points in the order of the descent, by name.
    xlim, ylim : pair of float
        What is shown.
    xlabel, ylabel, zlabel : str
        Names of the axes.
    title : str
        What else there is to say.
    resolution : int
        Points of the grid along each axis.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The panel.
    figure_ : matplotlib Figure
        The figure.
    surface_ : QuadContourSet or Poly3DCollection
        Filled contours, or the surface.
    arrows_ : Quiver or None
        The gradient field.
    lines_ : list of Line2D
        The paths.

    See Also
    --------
    ConvergenceDisplay : Objective and score over the epochs.

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
        """Draw the objective over two coefficients, and the ways that fits took.

        The objective is that of the first model, with its loss and penalty, and with all other
        parameters held as fitted: only the end of its own path lies on the surface exactly. Losses
        other than squared error are computed on 10,000 of the rows, if there are more.

        Parameters
        ----------
        estimator : estimator, list or dict of estimators
            Regressors of skgd, fitted with ``record="path"``, on the same features, or pipelines or
            searches that end in one.
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The rows that they were fitted to; the (first) pipeline transforms them, and the
            coefficients are those of its last step.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        coefs : pair of int or str, default=None
            Which coefficients to draw: numbers or names of features, or "intercept". By default the
            two of the largest coefficients of the first model, which the title then says; of a
            single feature, its coefficient and the intercept.
        output : int, default=0
            The target whose coefficients are drawn.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        names : str or list of str, default=None
            Names for the legend.
        xlim, ylim : pair of float, default=None
            What is shown; by default the paths and some room around.
        resolution : int, default=81
            Points along each axis at which the objective is computed, at least 2.
        ax : matplotlib Axes, default=None
            Where to draw; the default is a new figure.
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
            If a model has kept no path, has a single parameter, or has other features than the
            first.
        """
        given = named(estimator, names)
        models = {name: descender(model) for name, model in given.items()}
        first, rows = next(iter(models.values())), rows_of(next(iter(given.values())), X)
        for name, model in models.items():
            if model._fit_state.coef.shape != first._fit_state.coef.shape:
                raise ValueError(
                    f"{name} has coefficients of shape {model._fit_state.coef.shape}, and the "
                    f"first model of shape {first._fit_state.coef.shape}. One picture shows one "
                    "space."
                )
        function = Slice(first, rows, y, sample_weight, coefs, output)
        paths = {name: path_of(model, function.pair, output) for name, model in models.items()}
        return cls(
            function,
            {name: drawn(path) for name, path in paths.items()},
            xlim=limits("xlim", xlim, [path[:, 0] for path in paths.values()]),
            ylim=limits("ylim", ylim, [path[:, 1] for path in paths.values()]),
            xlabel=label(first, function.pair[0]),
            ylabel=label(first, function.pair[1]),
            zlabel="objective",
            title=function.note,
            resolution=checked_resolution(resolution),
        ).plot(ax, **plot_params)

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
        """Draw any function of two variables, and paths of points on it.

        Parameters
        ----------
        function : callable
            Takes a point, an array of shape (2,), and returns a number, as for
            ``scipy.optimize.minimize``; or takes two numbers.
        paths : array-like of shape (m, 2), result, or list or dict of these, default=None
            Points in the order of each descent; of a result, those of its ``history["x"]``.
        names : str or list of str, default=None
            Names for the legend.
        xlim, ylim : pair of float, default=None
            What is shown; by default the paths and some room around.
        resolution : int, default=81
            Points along each axis at which the function is called, at least 2.
        ax : matplotlib Axes, default=None
            Where to draw; the default is a new figure.
        **plot_params
            Further parameters of :meth:`plot`.

        Returns
        -------
        DescentPathDisplay

        Raises
        ------
        ValueError
            If a path is not of shape (m, 2), or neither paths nor limits say what to show.

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
        paths = {name: checked_path(name, path) for name, path in named_paths(paths, names).items()}
        function = of_a_point(function)

        def values(points):
            with np.errstate(all="ignore"):
                return np.array([float(function(point)) for point in points])

        return cls(
            values,
            {name: drawn(path) for name, path in paths.items()},
            xlim=limits("xlim", xlim, [path[:, 0] for path in paths.values()]),
            ylim=limits("ylim", ylim, [path[:, 1] for path in paths.values()]),
            resolution=checked_resolution(resolution),
        ).plot(ax, **plot_params)

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
        """Draw the function and the paths.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw, three-dimensional for a surface; the default is a new figure.
        kind : {"contour", "surface"}, default="contour"
            What to draw of the function. Contours stand closer to each other near the least value.
        gradient : bool, default=False
            Whether to draw the downhill direction as arrows of one length; for contours.
        levels : int, default=20
            Number of contours, at least 2.
        cmap : str or Colormap, default="Blues_r"
            Colours of the function.
        colorbar : bool, default=True
            Whether to explain them.
        line_kw : dict, default=None
            Further options of matplotlib's ``plot`` for the paths.

        Returns
        -------
        self
        """
        check_choice("kind", kind, ["contour", "surface"])
        check_integer("levels", levels, low=2)
        if kind == "surface" and gradient:
            raise ValueError("gradient=True draws arrows on contours; it needs kind='contour'.")
        pyplot()
        x, y, z = self.grid()
        bounds = level_bounds(z, levels)
        draw = self._contours if kind == "contour" else self._surface
        draw(ax, x, y, z, bounds, cmap)
        self.figure_ = self.ax_.figure
        self.arrows_ = downhill(self.ax_, x, y, z) if gradient else None
        self.lines_ = [
            self._path(number, name, path, kind, line_kw)
            for number, (name, path) in enumerate(self.paths.items())
        ]
        if colorbar:
            bar = self.figure_.colorbar(
                self.surface_, ax=self.ax_, label=self.zlabel, ticks=told_apart(bounds[::-4])
            )
            bar.ax.yaxis.set_major_formatter("{x:.4g}")
            bar.minorticks_off()
        self.ax_.set(xlabel=self.xlabel, ylabel=self.ylabel, xlim=self.xlim, ylim=self.ylim)
        self.ax_.set_title(self.title, fontsize="medium")
        if self.paths:
            # Of a surface the best place takes long to find.
            self.ax_.legend(loc="best" if kind == "contour" else "upper left")
        return self

    def grid(self) -> tuple[Array, Array, Array]:
        """Return the grid and the values on it: arrays of shape (r,), (r,) and (r, r).

        Returns
        -------
        x, y : arrays of shape (r,)
            Places.
        z : array of shape (r, r)
            Values, ``z[i, j]`` at ``x[j], y[i]``; NaN where the function has none.

        Raises
        ------
        ValueError
            If it has none anywhere.
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

    def _contours(self, ax, x, y, z, bounds, cmap):
        from matplotlib.colors import BoundaryNorm

        self.ax_ = axes_or_new(ax)
        options = {"levels": bounds, "norm": BoundaryNorm(bounds, 256)}
        self.surface_ = self.ax_.contourf(x, y, z, cmap=cmap, extend="max", **options)
        self.ax_.contour(x, y, z, levels=bounds, colors="white", linewidths=0.4, alpha=0.6)

    def _surface(self, ax, x, y, z, bounds, cmap):
        from matplotlib.colors import BoundaryNorm

        self.ax_ = axes_or_new(ax, subplot_kw={"projection": "3d"}, figsize=(7, 5.5))
        if not hasattr(self.ax_, "plot_surface"):
            raise ValueError(
                "kind='surface' needs three-dimensional Axes: "
                "plt.subplots(subplot_kw={'projection': '3d'})."
            )
        self.surface_ = self.ax_.plot_surface(
            *np.meshgrid(x, y),
            z,
            cmap=cmap,
            norm=BoundaryNorm(bounds, 256),
            alpha=0.75,
            rcount=self.resolution,
            ccount=self.resolution,
            linewidth=0,
        )
        self.ax_.set_zlabel(self.zlabel, labelpad=10)

    def _path(self, number, name, path, kind, line_kw):
        """Draw a path, with its start and its end; return its line."""
        from matplotlib.patheffects import Normal, Stroke

        colour = COLOURS[(number + 1) % len(COLOURS)]
        outline = [Stroke(linewidth=3, foreground="white", alpha=0.8), Normal()]
        defaults = {"color": colour, "label": name, "path_effects": outline, "zorder": 10}
        if len(path) <= FEW_POINTS:
            defaults |= {"marker": ".", "markersize": 5}
        options = merged(defaults, line_kw)
        points = path.T if kind == "contour" else [*path.T, self.function(path)]
        (line,) = self.ax_.plot(*points, **options)
        for at, marker in [(0, "o"), (-1, "*")]:
            self.ax_.plot(
                *(values[[at]] for values in points),
                marker,
                color=line.get_color(),
                markeredgecolor="white",
                markersize=7 if at == 0 else 13,
                zorder=11,
            )
        return line


def limits(name, given, values, room=0.15):
    """Return limits of an axis: as given, or around all values."""
    if given is not None:
        low, high = (float(bound) for bound in given)
        if not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"{name} must be a pair (low, high), low < high; got {given!r}.")
        return low, high
    if not values:
        raise ValueError(f"Give {name}, or paths: they tell what to show.")
    values = np.concatenate(values)
    low, high = values.min(), values.max()
    room = room * (high - low) or 0.5 * abs(low) or 1.0
    return float(low - room), float(high + room)


def checked_resolution(resolution):
    """Return the resolution, or refuse it."""
    check_integer("resolution", resolution, low=2)
    return resolution


def level_bounds(z, levels):
    """Return values for contours, closer to each other near the least."""
    low, high = np.nanmin(z), np.nanmax(z)
    height = high - low or abs(low) or 1.0
    return np.append(low, low + height * np.geomspace(LOWEST_LEVEL, 1, levels))


def told_apart(values):
    """Return values of which no two look the same at four digits."""
    return list({f"{value:.4g}": value for value in values}.values())


def downhill(ax, x, y, z):
    """Draw the directions of steepest descent, in the units of the axes, at one length."""
    step = max(1, len(x) // ARROWS)
    inner = slice(step // 2, None, step)
    by_y, by_x = np.gradient(z, y, x)
    u, v = -by_x[inner, inner], -by_y[inner, inner]
    width, height = (x[-1] - x[0]) / len(x) * step, (y[-1] - y[0]) / len(y) * step
    norm = np.hypot(u / width, v / height)
    with np.errstate(invalid="ignore", divide="ignore"):
        u, v = (ARROW_LENGTH * part / norm for part in (u, v))
    return ax.quiver(
        x[inner],
        y[inner],
        u,
        v,
        angles="xy",
        scale_units="xy",
        scale=1,
        pivot="mid",
        color="0.15",
        alpha=0.55,
        width=0.003,
    )
