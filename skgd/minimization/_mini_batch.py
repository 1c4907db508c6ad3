"""Mini-batch descent on a finite sum, which returns the best point at the end of an epoch."""

import math

from skgd.minimization._steps import build_rate_function
from skgd.minimization._termination import TerminationReason
from skgd.objectives import Point
from skgd.optimizers import init_optimizer_state

#: Factor of the learning rate after an epoch without an improvement.
RATE_REDUCTION = 0.9


def descend_by_batches(function, start, batches, rule, options, monitor):
    """Descend along the gradients of mini-batches.

    The learning rate is multiplied by `RATE_REDUCTION` after each epoch that does not lower the
    best value so far, and reset after one that does.

    Parameters
    ----------
    function : ScalarFunction
        The mean or sum over all rows.
    start : array of shape (n,)
        The starting point.
    batches : MiniBatches
        The function on parts of the rows.
    rule : UpdateRule
        Optimizer and schedule.
    options : MinimizeOptions
        Limits and tolerances.
    monitor : Monitor
        Records the point at the end of every epoch and runs the callback.

    Returns
    -------
    best : Point
        The point with the lowest value among the start and the ends of epochs.
    nit : int
        Number of epochs.
    reason : TerminationReason
    """
    value = function.value(start)
    monitor.record(Point(start, value, None), math.nan, math.nan)
    if value == math.inf:
        return Point(start, value, None), 0, TerminationReason.INVALID_START
    rate_at = build_rate_function(rule.learning_rate, options.max_iter, batches.n_batches)
    x, best, best_value = start, start, value
    state = init_optimizer_state(rule.optimizer, start)
    multiplier, t, stagnant_epochs, epoch = 1.0, 0, 0, 0
    reason = TerminationReason.MAX_ITER
    while reason is TerminationReason.MAX_ITER and epoch < options.max_iter:
        epoch += 1
        for batch in batches.iterate_epoch():
            t += 1
            rate = multiplier * rate_at(t)
            gradient = batch.gradient(x, None)
            if gradient is None:
                function.failure = batch.failure
                break
            step, _, state = rule.optimizer.update(gradient, state, rate, t)
            x = x + step
        value = function.value(x) if gradient is not None else math.inf
        if value == math.inf:
            reason = TerminationReason.DIVERGED
            break
        if value < best_value:
            best, best_value, multiplier, stagnant_epochs = x, value, 1.0, 0
        else:
            multiplier, stagnant_epochs = multiplier * RATE_REDUCTION, stagnant_epochs + 1
        end = Point(x, value, None)
        monitor.record(end, math.nan, rate)
        if monitor.run_callback(end):
            reason = TerminationReason.CALLBACK
        elif stagnant_epochs >= options.patience:
            reason = TerminationReason.PATIENCE
    function.njev += batches.function.njev
    function.nfev += batches.function.nfev
    return Point(best, best_value, function.gradient(best, best_value)), epoch, reason


class MiniBatches:
    """The function on mini-batches of the rows of its arguments.

    Parameters
    ----------
    function : ScalarFunction
        The function; its arguments are replaced by the rows of each batch.
    arrays : tuple of arrays
        The arguments, with a row for each term of the sum.
    batch_size : int
        Number of rows in a batch.
    rng : RandomState or None
        Source of a random order of the rows in each epoch; None keeps their order.

    Attributes
    ----------
    n_batches : int
        Number of batches in an epoch.
    """

    def __init__(self, function, arrays, batch_size, rng):
        self.function, self.arrays, self.rng = function, arrays, rng
        self.n_rows, self.batch_size = len(arrays[0]), batch_size
        self.n_batches = -(-self.n_rows // batch_size)

    def iterate_epoch(self):
        """Yield the function on each batch of an epoch."""
        arrays = self.arrays
        if self.rng is not None:
            order = self.rng.permutation(self.n_rows)
            arrays = [array[order] for array in arrays]
        for start in range(0, self.n_rows, self.batch_size):
            rows = slice(start, start + self.batch_size)
            self.function.args = tuple(array[rows] for array in arrays)
            yield self.function
