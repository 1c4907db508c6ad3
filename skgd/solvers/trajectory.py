"""The coefficients along a descent, in bounded memory."""

import numpy as np

#: Points that a path keeps at most, and numbers in them all together.
MOST_POINTS, MOST_NUMBERS = 2048, 2**22

#: Points that are kept however many coefficients there are.
FEWEST_POINTS = 16


class Trajectory:
    """Models along a descent: every k-th update, where k doubles whenever the room is used up.

    However long the descent, the points kept are evenly spaced: the start, every k-th update, and
    the last one. They are counted from the first update of the first call.

    Parameters
    ----------
    shape : tuple
        Shape of the coefficients: (d,), or (k, d) for k outputs.
    """

    def __init__(self, shape):
        self.shape = shape
        room = MOST_NUMBERS // max(int(np.prod(shape)), 1)
        self.capacity = min(max(room, FEWEST_POINTS), MOST_POINTS)
        self.stride, self.offset = 1, 0
        self.updates, self.points = [], []
        self.last = None

    def copy(self):
        """Return a path that can be added to without changing this one."""
        twin = Trajectory(self.shape)
        vars(twin).update(vars(self))
        twin.updates, twin.points = list(self.updates), list(self.points)
        return twin

    def begin(self, made, coef, intercept):
        """Take in where a call starts, by whose own count `made` updates came before.

        A warm start counts from zero again; the path goes on.
        """
        if self.last is not None:
            self.offset = self.last[0] - made
        self.add(made, coef, intercept)

    def add(self, made, coef, intercept):
        """Take in the model after `made` updates; it is kept if it is a k-th, or the last."""
        update = self.offset + made
        if self.last is not None and update <= self.last[0]:
            return
        self.last = update, np.append(coef.ravel(), intercept)
        if update % self.stride == 0 or not self.points:
            self.updates.append(update)
            self.points.append(self.last[1])
        if len(self.points) > self.capacity:
            self.thin()

    def thin(self):
        """Double the stride; forget the points between, but not the start."""
        self.stride *= 2
        kept = [i for i, update in enumerate(self.updates) if i == 0 or update % self.stride == 0]
        self.updates = [self.updates[i] for i in kept]
        self.points = [self.points[i] for i in kept]

    def updates_to_next(self, made):
        """Return how many updates after `made` the next one to be kept is."""
        return self.stride - (self.offset + made) % self.stride

    def arrays(self):
        """Return the path as a dict of 1-D arrays: ``update``, and one of each parameter."""
        updates, points = list(self.updates), list(self.points)
        if self.last is not None and self.last[0] > updates[-1]:
            updates.append(self.last[0])
            points.append(self.last[1])
        columns = np.array(points).T
        names = parameter_names(self.shape)
        return {"update": np.array(updates)} | dict(zip(names, columns, strict=True))


def parameter_names(shape):
    """Return names of the parameters: ``coef_0``, …, ``intercept``; ``coef_0_1`` of output 0."""
    names = [f"coef_{'_'.join(map(str, at))}" for at in np.ndindex(*shape)]
    if len(shape) == 1:
        return [*names, "intercept"]
    return names + [f"intercept_{output}" for output in range(shape[0])]
