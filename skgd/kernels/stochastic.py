"""One epoch of updates, each on a few rows: the NumPy executor."""

from skgd.kernels import blocked, lazy, updates


def run_epoch(task, state, order, rates):
    """Return the state after one pass over the rows, and the objective's mean along the way.

    Parameters
    ----------
    task : Task
        What to descend on, and how.
    state : State
        Where to start; it is not changed.
    order : array of shape (n,) or None
        The rows in the order of their visits; None means as they stand.
    rates : array
        The learning rate of each update.

    Returns
    -------
    state : State
        Where the updates led.
    running_objective : float
        Mean over the rows of the objective just before each row's update.
    """
    if lazy.applies(task):
        return lazy.run_epoch(task, state, order, rates)
    done = blocked.run_epoch(task, state, order, rates) if blocked.applies(task, rates) else None
    return done or updates.run_epoch(task, state, order, rates)
