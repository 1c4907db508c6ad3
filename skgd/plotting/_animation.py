"""Animations of the lines of a figure."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from skgd._utils.validation import check_integer, check_real
from skgd.plotting._axes import import_pyplot


class Trace(NamedTuple):
    """A line that is drawn point by point.

    Parameters
    ----------
    line : Line2D
        The complete line.
    times : array of shape (m,)
        When each of its points is reached, in increasing order.
    mark : Line2D or None
        The mark that moves with the end of the line.
    """

    line: Any
    times: np.ndarray
    mark: Any = None


def animate(figure, traces, n_frames, interval):
    """Return an animation of lines over an image of everything else in a figure.

    Contours, axes and labels are drawn only once, as an image. The figure itself is not changed.

    Parameters
    ----------
    figure : matplotlib Figure
        The complete figure.
    traces : list of Trace
        The lines to animate.
    n_frames : int
        Number of frames.
    interval : float
        Time between two frames in milliseconds.

    Returns
    -------
    matplotlib.animation.FuncAnimation
    """
    check_integer("n_frames", n_frames, low=2)
    check_real("interval", interval, low=0, closed="neither")
    plt = import_pyplot()
    from matplotlib.animation import FuncAnimation

    figure = figure.canvas.figure  # the whole one, of a part of a figure
    image = draw_without(figure, [line for t in traces for line in (t.line, t.mark) if line])
    canvas = plt.figure(figsize=figure.get_size_inches(), dpi=figure.dpi)
    ax = canvas.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.add_artist(make_background(image))
    lines = [AnimatedLine(ax, trace) for trace in traces]
    times = np.concatenate([trace.times for trace in traces])
    frame_times = np.linspace(times.min(), times.max(), n_frames)

    def draw_frame(time):
        return [artist for line in lines for artist in line.draw_until(time)]

    return FuncAnimation(canvas, draw_frame, frames=frame_times, interval=interval, blit=True)


def draw_without(figure, artists):
    """Return a figure as an RGBA image without some of its artists."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = figure.canvas
    agg = FigureCanvasAgg(figure)
    was_visible = [artist.get_visible() for artist in artists]
    try:
        for artist in artists:
            artist.set_visible(False)
        agg.draw()
        return np.array(agg.buffer_rgba())
    finally:
        for artist, visible in zip(artists, was_visible, strict=True):
            artist.set_visible(visible)
        figure.set_canvas(canvas)


def make_background(image):
    """Return an artist that covers a figure with an image, which is resized once for each size."""
    from matplotlib.artist import Artist
    from PIL import Image

    @lru_cache(maxsize=2)
    def resize_image(width, height):
        resized = Image.fromarray(image).resize((int(width), int(height)))
        return np.array(resized)[::-1]  # rows from bottom to top, as renderers expect

    class Background(Artist):
        def draw(self, renderer):
            image = resize_image(*renderer.get_canvas_width_height())
            renderer.draw_image(renderer.new_gc(), 0, 0, image)

    return Background()


class AnimatedLine:
    """A copy of a line, on Axes that cover a whole figure, of which a part is drawn.

    Parameters
    ----------
    ax : matplotlib Axes
        The Axes, from (0, 0) to (1, 1).
    trace : Trace
        The line in the original figure, which was drawn.
    """

    def __init__(self, ax, trace):
        self.times = trace.times
        self.points = figure_coordinates(trace.line)
        box = trace.line.axes.get_position()
        self.line = copy_line(ax, trace.line, box)
        self.mark = copy_line(ax, trace.mark, box) if trace.mark is not None else None

    def draw_until(self, time):
        """Draw the points that are reached, and a part of the next segment; return the artists."""
        n_reached = np.searchsorted(self.times, time, side="right")
        shown = self.points[:n_reached]
        if n_reached:
            end = [np.interp(time, self.times, coordinate) for coordinate in self.points.T]
            shown = np.vstack([shown, end])
        self.line.set_data(shown.T)
        if self.mark is None:
            return [self.line]
        self.mark.set_data(shown[-1:].T)
        return [self.line, self.mark]


def figure_coordinates(line):
    """Return the points of a line, of shape (m, 2), as fractions of its figure."""
    ax, points = line.axes, np.array(line.get_data(), dtype=float)
    if hasattr(line, "get_data_3d"):
        from mpl_toolkits.mplot3d.proj3d import proj_transform

        points = np.array(proj_transform(*line.get_data_3d(), ax.get_proj())[:2], dtype=float)
    return (ax.transData - ax.figure.canvas.figure.transFigure).transform(points.T)


def copy_line(ax, line, box):
    """Return a line without points, in the style of another, and clipped to a box."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    copied = Line2D([], [])
    copied.update_from(line)
    copied.set_transform(ax.transData)
    ax.add_line(copied)
    copied.set_clip_path(Rectangle(box.p0, box.width, box.height, transform=ax.transData))
    return copied
