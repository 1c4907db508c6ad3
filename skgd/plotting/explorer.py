"""Exploration of learning rate, momentum, batch size and schedule with sliders in a notebook."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_X_y

from skgd import schedules
from skgd._utils.validation import check_choice, check_integer, check_real
from skgd.optimizers import Momentum
from skgd.plotting._axes import import_pyplot, regressor_index
from skgd.plotting._objective_slice import ObjectiveSlice, get_path
from skgd.plotting._thinning import thin_path
from skgd.plotting.descent_path import DescentPathDisplay, axis_limits
from skgd.regressors import BatchGDRegressor, MiniBatchGDRegressor

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike

#: Maximum number of rows; a fit to more of them takes longer than a redraw may.
MAX_ROWS = 200

#: Maximum number of points that are drawn of a path.
MAX_PATH_POINTS = 300

#: The schedules by their names, as functions of the initial or the largest rate.
SCHEDULES: dict[str, Callable[[float], schedules.Schedule]] = {
    "constant": schedules.Constant,
    "inverse square root": partial(schedules.InverseScaling, power_t=0.5),
    "step decay": schedules.StepDecay,
    "exponential decay": schedules.ExponentialDecay,
    "cosine decay": schedules.CosineDecay,
    "one cycle": lambda rate: schedules.OneCycle(peak=rate),
}


class DescentExplorer:
    """A figure of a fit by mini-batches that is redrawn for other parameters of the fit.

    The left panel has the contours of the objective over two coefficients, and the path of the fit;
    the right panel has the objective after each epoch. Features are standardised, and the target
    of more than one feature is centred. :func:`explore` adds sliders to it.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Training data; of more than 200 rows, 200 are drawn at random.
    y : array-like of shape (n_samples,)
        Target values.
    coefs : pair of int or str, default=None
        The coefficients to show, as in :meth:`DescentPathDisplay.from_estimator`. The others have
        their values at the minimum in the contours, but not along the path.
    max_iter : int, default=20
        Number of epochs, at least 1.
    random_state : int, default=0
        Source of the order of rows.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure.
    model_ : MiniBatchGDRegressor
        The last fit; one that diverged is shown up to there.
    path_line_, objective_line_ : Line2D
        The path and the curve.
    title_ : Text
        Outcome of the last fit.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd.plotting import DescentExplorer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explorer = DescentExplorer(X[["bmi", "s5"]], y)
    >>> explorer.update(learning_rate=0.1, momentum=0.5, batch_size=16).model_.batch_size
    16
    >>> png = explorer.to_png()
    """

    def __init__(
        self,
        X: MatrixLike,
        y: ArrayLike,
        *,
        coefs: tuple[int | str, int | str] | None = None,
        max_iter: int = 20,
        random_state: int = 0,
    ) -> None:
        check_integer("max_iter", max_iter, low=1)
        self.max_iter, self.random_state = max_iter, random_state
        self.X, self.y, row_note = prepare_data(X, y, random_state)
        reference = BatchGDRegressor(penalty=None, record="objective").fit(self.X, self.y)
        self.slice = ObjectiveSlice(reference, self.X, self.y, None, coefs, 0)
        self.minimum = float(self.slice(self.slice.center[None])[0])
        self.start = float(reference.history_["objective"][0])
        names = [str(name) for name in getattr(X, "columns", range(self.X.shape[1]))]
        title = "\n".join(filter(None, [self.slice.note, row_note]))
        self._draw_background([*names, "intercept"], title)
        self.update()

    def _draw_background(self, names, title):
        """Draw what does not depend on the fit, and create the lines that do."""
        import_pyplot()  # or an error that says how to install matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure_ = Figure(figsize=(10, 4.5), layout="constrained")
        canvas = FigureCanvasAgg(self.figure_)
        left, right = self.figure_.subplots(1, 2)
        labels = dict(
            zip(["xlabel", "ylabel"], (names[i] for i in self.slice.indices), strict=True)
        )
        limits = {
            name: axis_limits(name, None, [np.array([0.0, center])], relative_margin=1.0)
            for name, center in zip(["xlim", "ylim"], self.slice.center, strict=True)
        }
        display = DescentPathDisplay(
            self.slice, {"fit": np.zeros((1, 2))}, title=title, **labels, **limits
        )
        display._curve_indices = {"fit": regressor_index(MiniBatchGDRegressor())}
        display.plot(left, colorbar=False, line_kw={"marker": ""})
        left.get_legend().remove()
        left.plot(*self.slice.center, "+", color="white", markersize=12)
        (self.path_line_,), (self._star,) = display.lines_, display._stars
        self._set_up_curve(right)
        moving = [self.path_line_, self._star, self.objective_line_, self.title_]
        for artist in moving:
            artist.set_animated(True)
        canvas.draw()
        self._moving, self._background = moving, canvas.copy_from_bbox(self.figure_.bbox)

    def _set_up_curve(self, ax):
        """Set up the panel of the objective."""
        height = self.start - self.minimum or 1.0
        ax.set(xlabel="epoch", ylabel="objective above the minimum", yscale="log")
        ax.set(xlim=(0, self.max_iter), ylim=(1e-5 * height, 1e2 * height))
        ax.grid(alpha=0.3)
        style = {"color": self.path_line_.get_color(), "marker": "."}
        (self.objective_line_,) = ax.plot([], [], **style)
        self.title_ = ax.set_title(" ", fontsize="medium")

    def update(
        self,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        batch_size: int = 32,
        schedule: str = "constant",
    ) -> Self:
        """Fit with other parameters, and change the lines of the figure.

        Parameters
        ----------
        learning_rate : float, default=0.1
            The initial learning rate, or the largest one of "one cycle"; in (0, inf).
        momentum : float, default=0.0
            The momentum, in [0, 1); 0 is plain gradient descent.
        batch_size : int, default=32
            Number of rows in a batch, at least 1; all rows if there are fewer.
        schedule : str, default="constant"
            One of "constant", "inverse square root", "step decay", "exponential decay",
            "cosine decay" and "one cycle".

        Returns
        -------
        self
        """
        check_real("learning_rate", learning_rate, low=0, closed="neither")
        check_real("momentum", momentum, low=0, high=1)
        check_choice("schedule", schedule, list(SCHEDULES))
        check_integer("batch_size", batch_size, low=1)
        self.model_ = self._fit(
            learning_rate=SCHEDULES[schedule](learning_rate),
            optimizer=Momentum(momentum) if momentum else "gd",
            batch_size=min(batch_size, len(self.y)),
        )
        path = thin_path(get_path(self.model_, self.slice.indices, 0), MAX_PATH_POINTS)
        objective = self.model_.history_["objective"]
        self.path_line_.set_data(path.T)
        self._star.set_data(path[-1:].T)
        above = objective - self.minimum
        self.objective_line_.set_data(np.arange(len(above)), np.where(above > 0, above, np.nan))
        self.title_.set_text(self._describe_fit(objective))
        return self

    def _fit(self, **params):
        """Return a fit, which may diverge."""
        model = MiniBatchGDRegressor(
            penalty=None,
            standardize=False,
            tol=None,
            max_iter=self.max_iter,
            on_divergence="warn",
            record="path",
            random_state=self.random_state,
            **params,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(self.X, self.y)

    def _describe_fit(self, objective):
        """Return the title of the curve."""
        if self.model_.stop_reason_ == "diverged":
            return "diverged: the learning rate is too large"
        reached = (objective[-1] - self.minimum) / (self.start - self.minimum or 1.0)
        return f"after {self.max_iter} epochs: {100 * reached:.3g} % of the initial distance"

    def to_png(self) -> bytes:
        """Return the figure as PNG; only the lines are drawn again.

        Returns
        -------
        bytes
        """
        from PIL import Image

        canvas = self.figure_.canvas
        canvas.restore_region(self._background)
        for artist in self._moving:
            artist.axes.draw_artist(artist)
        buffer = io.BytesIO()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        image.save(buffer, format="png", compress_level=1)
        return buffer.getvalue()


def prepare_data(X, y, random_state):
    """Return standardised features, the target, and a note about the rows."""
    X, y = check_X_y(X, y, dtype=float, y_numeric=True)
    note = ""
    if len(y) > MAX_ROWS:
        rows = np.random.default_rng(random_state).choice(len(y), MAX_ROWS, replace=False)
        X, y, note = X[rows], y[rows], f"{MAX_ROWS} rows drawn at random"
    scale = X.std(axis=0)
    X = (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return X, y - y.mean() if X.shape[1] > 1 else y, note


def explore(
    X: MatrixLike,
    y: ArrayLike,
    *,
    coefs: tuple[int | str, int | str] | None = None,
    max_iter: int = 20,
    random_state: int = 0,
) -> Any:
    """Show a fit by mini-batches with sliders for its parameters, in a notebook.

    The sliders set the learning rate, the momentum, the batch size and the schedule. The figure is
    that of :class:`DescentExplorer`: contours and path of two coefficients, and the objective after
    each epoch. Requires ipywidgets.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Training data; of more than 200 rows, 200 are drawn at random.
    y : array-like of shape (n_samples,)
        Target values.
    coefs : pair of int or str, default=None
        The coefficients to show; by default, the two largest ones at the minimum.
    max_iter : int, default=20
        Number of epochs, at least 1.
    random_state : int, default=0
        Source of the order of rows.

    Returns
    -------
    ipywidgets.VBox
        The sliders and the figure, which a notebook displays.

    Raises
    ------
    ImportError
        If ipywidgets is not installed.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd.plotting import explore
    >>> widget = explore(*load_diabetes(return_X_y=True))
    >>> [child.description for child in widget.children[:-1]]
    ['learning rate', 'momentum', 'batch size', 'schedule']
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError(
            "explore requires ipywidgets, which is not installed: pip install ipywidgets, or "
            "pip install 'skgd[notebook]'. DescentExplorer draws the same figure without sliders."
        ) from error
    explorer = DescentExplorer(X, y, coefs=coefs, max_iter=max_iter, random_state=random_state)
    n_rows = len(explorer.y)
    sizes = [2**k for k in range(int(np.log2(n_rows)) + 1) if 2**k < n_rows] + [n_rows]
    controls = {
        "learning_rate": ipywidgets.FloatLogSlider(value=0.1, min=-4, max=1, step=0.05),
        "momentum": ipywidgets.FloatSlider(value=0.0, min=0, max=0.99, step=0.01),
        "batch_size": ipywidgets.SelectionSlider(value=sizes[len(sizes) // 2], options=sizes),
        "schedule": ipywidgets.Dropdown(value="constant", options=list(SCHEDULES)),
    }
    image = ipywidgets.Image(format="png")

    def redraw(change=None):
        explorer.update(**{name: control.value for name, control in controls.items()})
        image.value = explorer.to_png()

    for name, control in controls.items():
        control.description = name.replace("_", " ")
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), image])
