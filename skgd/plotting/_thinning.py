"""Reduction of long curves and paths to a number of points that is quick to draw."""

import numpy as np

#: Maximum number of points that are drawn of a curve or path; more are not visible.
MAX_POINTS = 4000

#: Number of points at the start of a long curve that are always drawn, and number of points at
#: logarithmically spaced positions, for logarithmic axes.
N_INITIAL_POINTS = N_LOG_SPACED_POINTS = 100


def thin_curve(x, y, max_points=MAX_POINTS):
    """Return points of a curve that look like all of them.

    These are the points with the smallest and the largest value among each group of consecutive
    points. Since groups of one size are wide at the start of a logarithmic axis, the first points
    and some at logarithmically spaced positions are included. NaN is never the smallest or largest
    value of a group unless all of its values are NaN.

    Parameters
    ----------
    x, y : arrays of shape (n,)
        The curve.
    max_points : int
        The number of points, up to a few hundred, above which a curve is thinned.

    Returns
    -------
    x, y : arrays of shape (m,)
    """
    if len(x) <= max_points:
        return x, y
    group_size = -(-2 * len(x) // (max_points - N_INITIAL_POINTS - N_LOG_SPACED_POINTS))
    end = len(x) // group_size * group_size
    starts = np.arange(0, end, group_size)
    smallest, largest = (
        starts + np.nan_to_num(sign * y[:end], nan=np.inf).reshape(-1, group_size).argmin(axis=1)
        for sign in (1, -1)
    )
    log_spaced = np.unique(np.geomspace(1, len(x), N_LOG_SPACED_POINTS).astype(int)) - 1
    indices = [np.arange(N_INITIAL_POINTS), log_spaced, smallest, largest, [len(x) - 1]]
    kept = np.unique(np.concatenate(indices))
    return x[kept], y[kept]


def thin_path(path, max_points=MAX_POINTS):
    """Return every k-th point of a path, or number of a curve, and the last one."""
    k = -(-len(path) // max_points)
    return path if k == 1 else np.concatenate([path[:-1:k], path[-1:]])
