"""One epoch of updates, each on a few rows: the NumPy executor."""

from dataclasses import replace

import numpy as np

from skgd import penalties
from skgd.designs import CHUNK
from skgd.kernels import blocked
from skgd.kernels.limits import LARGEST_SLOPE
from skgd.schedules import PassiveAggressive


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
    done = blocked.run_epoch(task, state, order, rates) if blocked.applies(task, rates) else None
    return done or run_updates(task, state, order, rates)


def run_updates(task, state, order, rates):
    """Make the updates of an epoch one after the other."""
    objective, size = task.objective, task.batch_size
    y, weights = objective.y, objective.weights
    n_rows = objective.design.n_rows
    chunk = size * max(1, CHUNK // size)
    updates = _Updates(task, state)
    number = 0
    for start in range(0, n_rows, chunk):
        here = slice(start, start + chunk) if order is None else order[start : start + chunk]
        rows, targets = objective.design.block(here), y[here]
        factors = None if weights is None else weights[here]
        for first in range(0, len(targets), size):
            batch = slice(first, first + size)
            factor = None if factors is None else factors[batch]
            updates.make(rows[batch], targets[batch], factor, rates[number])
            number += 1
    return updates.finished(state), updates.total / n_rows


class _Updates:
    """The arrays that an epoch's updates move, and the update itself."""

    def __init__(self, task, state):
        objective = task.objective
        self.loss, self.optimizer = objective.loss, task.optimizer
        self.l1, self.l2 = objective.l1, objective.l2
        self.has_l1, self.has_l2 = bool(self.l1.any()), bool(self.l2.any())
        passive = isinstance(task.schedule, PassiveAggressive)
        self.step_rule = task.schedule if passive else None
        self.fit_intercept = objective.design.fit_intercept
        self.average_from = int(task.average)
        self.theta, self.mean = state.theta.copy(), state.mean.copy()
        self.first, self.second = state.first, state.second
        self.owed, self.paid = state.owed.copy(), state.paid.copy()
        self.gradient = np.empty_like(self.theta)
        self.t = state.t
        self.total = 0.0

    def make(self, rows, y, weights, rate):
        """Make one update on a batch of inner rows."""
        theta, gradient = self.theta, self.gradient
        predictions = rows @ theta[..., :-1].T + theta[..., -1]
        losses = self.loss.value(predictions, y)
        slopes = self.loss.slope(predictions, y)
        if self.step_rule is None:
            slopes = np.minimum(np.maximum(slopes, -LARGEST_SLOPE), LARGEST_SLOPE)
        else:
            squared_norm = np.vdot(rows, rows)
            if squared_norm == 0 and rows.size:
                self.total += float(losses.sum())
                return  # no direction to move in
            slopes = np.sign(slopes) * self.step_rule.step(losses, squared_norm) / rate
        if weights is not None:
            losses = (losses.T * weights).T
            slopes = (slopes.T * weights).T
        self.total += float(losses.sum())
        if (self.has_l1 or self.has_l2) and self.step_rule is None:
            self.total += len(rows) * penalties.value(theta, self.l1, self.l2)
        gradient[..., :-1] = slopes.T @ rows
        gradient[..., -1] = slopes.sum(axis=0) if self.fit_intercept else 0
        gradient /= len(rows)
        if self.has_l2:
            # A rate too large for the penalty takes a weight to zero, not beyond it.
            gradient += np.minimum(self.l2, 1 / rate) * theta
        step, own_rate, self.first, self.second = self.optimizer.update(
            gradient, self.first, self.second, rate, self.t
        )
        theta += step
        if self.has_l1:
            self.owed += self.l1 * own_rate
            shrunk = penalties.shrink_cumulatively(theta, self.owed, self.paid)
            self.paid += shrunk - theta
            theta[...] = shrunk
        if 0 < self.average_from <= self.t:
            self.mean += (theta - self.mean) / (self.t - self.average_from + 1)
        self.t += 1

    def finished(self, state):
        """Return the state after the updates made."""
        return replace(
            state,
            theta=self.theta,
            mean=self.mean,
            first=self.first,
            second=self.second,
            owed=self.owed,
            paid=self.paid,
            t=self.t,
        )
