"""Descent on a finite sum: passes over rows in small batches, and the best point so far."""

import math

from skgd.minimization._steps import Rates
from skgd.minimization._termination import TerminationReason
from skgd.objectives import Point
from skgd.optimizers import init_optimizer_state

#: What the rate is multiplied by after a pass without an improvement.
SLOWER = 0.9


def descend_by_batches(function, start, data, rule, limits, watch):
    """Descend on batches of rows; return the best point, the number of passes, and why it ended.

    After a pass that has not led to a lower value than all before, the rate is multiplied by 0.9;
    after one that has, it is what it was at the start.

    Parameters
    ----------
    function : Function
        The cost on all rows.
    start : array of shape (n,)
        Where to start.
    data : Batches
        The rows.
    rule : Rule
        Optimizer and schedule.
    limits : Limits
        When to end.
    watch : Watch
        Is told of the point after every pass; may ask for an end.

    Returns
    -------
    best : Point
    nit : int
    ending : Ending
    """
    value = function.value(start)
    watch.sees(Point(start, value, None), math.nan, math.nan)
    if value == math.inf:
        return Point(start, value, None), 0, TerminationReason.NO_START
    rates = Rates(rule.schedule, limits.max_iter, data.per_pass)
    x, best, best_value = start, start, value
    state = init_optimizer_state(rule.optimizer, start)
    scale, t, idle, number = 1.0, 0, 0, 0
    ending = TerminationReason.MAX_ITER
    while ending is TerminationReason.MAX_ITER and number < limits.max_iter:
        number += 1
        for batch in data.in_order():
            t += 1
            rate = scale * rates.at(t)
            gradient = batch.gradient(x, None)
            if gradient is None:
                function.failure = batch.failure
                break
            step, _, state = rule.optimizer.update(gradient, state, rate, t)
            x = x + step
        value = function.value(x) if gradient is not None else math.inf
        if value == math.inf:
            ending = TerminationReason.DIVERGED
            break
        if value < best_value:
            best, best_value, scale, idle = x, value, 1.0, 0
        else:
            scale, idle = scale * SLOWER, idle + 1
        if watch.sees(Point(x, value, None), math.nan, rate):
            ending = TerminationReason.CALLBACK
        elif idle >= limits.patience:
            ending = TerminationReason.PATIENCE
    function.njev += data.function.njev
    function.nfev += data.function.nfev
    return Point(best, best_value, function.gradient(best, best_value)), number, ending


class Batches:
    """Arrays of data, cut by rows.

    Parameters
    ----------
    function : Function
        The cost; its arguments are replaced by those of each batch.
    arrays : tuple of arrays
        With a row for each term of the sum.
    batch_size : int
        Rows in a batch.
    rng : RandomState or None
        Source of the orders; None keeps the order of the rows.
    """

    def __init__(self, function, arrays, batch_size, rng):
        self.function, self.arrays, self.rng = function, arrays, rng
        self.n_rows, self.batch_size = len(arrays[0]), batch_size
        self.per_pass = -(-self.n_rows // batch_size)

    def in_order(self):
        """Yield the function on each batch of a pass."""
        arrays = self.arrays
        if self.rng is not None:
            order = self.rng.permutation(self.n_rows)
            arrays = [array[order] for array in arrays]
        for start in range(0, self.n_rows, self.batch_size):
            rows = slice(start, start + self.batch_size)
            self.function.args = tuple(array[rows] for array in arrays)
            yield self.function
