"""Animations: where lines and marks are in each frame, and that the last frame is the figure."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgd import BatchGDRegressor, ConvergenceDisplay, DescentPathDisplay, SGDRegressor

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.animation import AbstractMovieWriter  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


class EndWriter(AbstractMovieWriter):
    """Records the last points of all lines in each frame."""

    def setup(self, fig, outfile, dpi=None):
        self.figure, self.ends = fig, []

    def grab_frame(self, **savefig_kwargs):
        (ax,) = self.figure.axes
        points = [line.get_xydata() for line in ax.lines]
        self.ends.append([p[-1] if len(p) else (np.nan, np.nan) for p in points])

    def finish(self):
        pass


def save_ends(animation):
    """Return the last points of all lines by frame, of shape (n_frames, n_lines, 2)."""
    writer = EndWriter()
    animation.save("", writer=writer)
    return np.array(writer.ends)


def in_figure(ax, points):
    """Return points as fractions of the figure."""
    pixels = ax.transData.transform(points)
    return pixels / ax.figure.canvas.get_width_height()


def bowl(p):
    return p[0] ** 2 + p[1] ** 2


def test_line_and_mark_move_along_the_path():
    path = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]]
    display = DescentPathDisplay.from_function(bowl, path)
    ends = save_ends(display.animate(n_frames=5))
    expected = in_figure(display.ax_, [[0, 0], [2, 0], [4, 0], [4, 2], [4, 4]])
    start = np.broadcast_to(expected[0], (5, 2))
    assert_allclose(ends, np.stack([expected, expected, start], axis=1), atol=1e-12)


def test_paths_of_functions_are_at_the_same_step():
    paths = {"long": 0.5 ** np.arange(9)[:, None] * [4.0, 4.0], "short": [[4.0, 4.0], [0.0, 0.0]]}
    display = DescentPathDisplay.from_function(bowl, paths)
    ends = save_ends(display.animate(n_frames=9))
    expected = in_figure(display.ax_, [[4, 4], *[[0, 0]] * 8])
    assert_allclose(ends[:, 2], expected, atol=1e-12)
    assert_allclose(ends[:, 0], in_figure(display.ax_, paths["long"]), atol=1e-12)


def test_frames_of_long_descents_are_dense_at_the_start():
    path = np.linspace([7999.0, 1.0], [0.0, 0.0], 8000)  # of which every second point is drawn
    display = DescentPathDisplay.from_function(bowl, path)
    x = save_ends(display.animate(n_frames=4))[:, 0, 0]
    expected = in_figure(display.ax_, [[7999 - step, 0] for step in (0, 19, 399, 7999)])[:, 0]
    assert_allclose(x, expected, rtol=1e-4)  # interpolated between steps on the logarithmic scale


def test_fits_are_at_the_same_epoch(small):
    common = {"learning_rate": 0.05, "max_iter": 6, "tol": None, "record": "path"}
    models = [BatchGDRegressor(**common), SGDRegressor(**common, random_state=0)]
    for model in models:
        model.fit(*small)
    display = DescentPathDisplay.from_estimator(models, *small, coefs=(0, 1))
    ends = save_ends(display.animate(n_frames=7))
    for line, model in enumerate(models):
        row = slice(None, None, (len(model.path_["update"]) - 1) // 6)
        coefs = np.column_stack([model.path_["coef_0"], model.path_["coef_1"]])[row]
        assert_allclose(ends[:, 2 * line], in_figure(display.ax_, coefs), atol=1e-9)


def test_curves_are_at_the_same_epoch_and_the_star_appears_when_it_is_reached():
    histories = {"a": {"objective": [8.0, 4, 1, 2, 3]}, "b": {"objective": [9.0, 3.0, 1.5]}}
    display = ConvergenceDisplay.from_history(histories)
    ends = save_ends(display.animate(n_frames=5))
    a, b = (
        in_figure(display.ax_, list(enumerate(history["objective"])))
        for history in histories.values()
    )
    assert_allclose(ends[:, 0], a, atol=1e-12)
    assert_allclose(ends[:, 1], a, atol=1e-12)
    assert_allclose(ends[:, 2], np.vstack([b, b[[-1]], b[[-1]]]), atol=1e-12)
    nan = [np.nan, np.nan]
    assert_allclose(ends[:, 4], [nan, nan, a[2], a[2], a[2]], atol=1e-12)


def test_points_that_are_not_finite_leave_a_gap():
    display = ConvergenceDisplay.from_history({"objective": [4.0, 2.0, np.inf, 1.0]}, names="a")
    y = save_ends(display.animate(n_frames=4))[:, 0, 1]
    assert np.isfinite(y).tolist() == [True, True, False, True]


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba")
    return np.frombuffer(buffer.getvalue(), np.uint8).astype(int)


@pytest.mark.parametrize(("kind", "projection"), [("contour", None), ("surface", "3d")])
def test_last_frame_is_the_figure_which_is_not_changed(kind, projection):
    path = [[4.0, -3.0], [2.0, -2.0], [3.0, 1.0], [0.5, 0.5]]
    ax = plt.figure(figsize=(4, 3)).add_subplot(projection=projection)
    options = {"ax": ax, "kind": kind, "resolution": 9, "colorbar": False}
    display = DescentPathDisplay.from_function(bowl, path, **options)
    before = pixels(display.figure_)
    save_ends(display.animate(n_frames=2))
    assert plt.gcf() is not display.figure_
    assert np.mean(np.abs(pixels(plt.gcf()) - before) > 30) < 1e-4
    assert np.array_equal(pixels(display.figure_), before)


def test_animation_raises_an_error_for_invalid_parameters():
    display = DescentPathDisplay.from_function(bowl, [[1.0, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="n_frames must be"):
        display.animate(n_frames=1)
    with pytest.raises(ValueError, match="interval must be"):
        display.animate(interval=0)
    display = DescentPathDisplay.from_function(bowl, xlim=(-1, 1), ylim=(-1, 1))
    with pytest.raises(ValueError, match="no paths to animate"):
        display.animate()
