"""Trajectory of a descent: the coefficients after some of its updates, in bounded memory."""

import numpy as np

#: Largest number of points of a trajectory, and of coefficients in all of them together.
MAX_POINTS, MAX_COEFFICIENTS = 2048, 2**22

#: Smallest capacity in points, however many coefficients there are.
MIN_CAPACITY = 16


class Trajectory:
    """Models of a descent after every k-th update, where k doubles when the capacity is exceeded.

    However long the descent, the points are evenly spaced: the start, every k-th update, and the
    last one. Updates are counted from the first update of the first call.

    Parameters
    ----------
    shape : tuple
        Shape of the coefficients: (d,), or (k, d) for k outputs.

    Attributes
    ----------
    stride : int
        k.
    offset : int
        Number of updates before the first one of the current descent.
    updates, points : lists
        Number of updates, and the parameters after them, of each point.
    last : tuple of (int, array) or None
        The last point, also if it is no k-th update.
    """

    def __init__(self, shape):
        self.shape = shape
        capacity = MAX_COEFFICIENTS // max(int(np.prod(shape)), 1)
        self.capacity = min(max(capacity, MIN_CAPACITY), MAX_POINTS)
        self.stride, self.offset = 1, 0
        self.updates, self.points = [], []
        self.last = None

    def copy(self):
        """Return a copy; points added to it do not change this trajectory."""
        copied = Trajectory(self.shape)
        vars(copied).update(vars(self))
        copied.updates, copied.points = list(self.updates), list(self.points)
        return copied

    def begin(self, n_updates, coef, intercept):
        """Add the model that a call starts with, after `n_updates` updates of its descent.

        A warm start counts its updates from zero; the trajectory continues its own count.
        """
        if self.last is not None:
            self.offset = self.last[0] - n_updates
        self.add(n_updates, coef, intercept)

    def add(self, n_updates, coef, intercept):
        """Add the model after `n_updates` updates of the current descent, unless it overflowed."""
        update, point = self.offset + n_updates, np.append(coef.ravel(), intercept)
        if (self.last is not None and update <= self.last[0]) or not np.isfinite(point).all():
            return
        self.last = update, point
        if update % self.stride == 0 or not self.points:
            self.updates.append(update)
            self.points.append(self.last[1])
        if len(self.points) > self.capacity:
            self.thin()

    def thin(self):
        """Double the stride; remove the points between, except the start."""
        self.stride *= 2
        index = [i for i, update in enumerate(self.updates) if i == 0 or update % self.stride == 0]
        self.updates = [self.updates[i] for i in index]
        self.points = [self.points[i] for i in index]

    def updates_to_next(self, n_updates):
        """Return the number of updates from `n_updates` to the next point."""
        return self.stride - (self.offset + n_updates) % self.stride

    def arrays(self):
        """Return a dict of 1-D arrays: ``update``, and one array for each parameter."""
        updates, points = list(self.updates), list(self.points)
        if self.last is not None and self.last[0] > updates[-1]:
            updates.append(self.last[0])
            points.append(self.last[1])
        columns = np.array(points).T
        names = parameter_names(self.shape)
        return {"update": np.array(updates)} | dict(zip(names, columns, strict=True))


def parameter_names(shape):
    """Return the parameter names: ``coef_0``, …, ``intercept``; ``coef_0_1``, … for k outputs."""
    names = [f"coef_{'_'.join(map(str, index))}" for index in np.ndindex(*shape)]
    if len(shape) == 1:
        return [*names, "intercept"]
    return names + [f"intercept_{output}" for output in range(shape[0])]
