"""Updates on a few rows each, one after the other: any loss, penalty and elementwise optimizer."""

from dataclasses import replace
from itertools import pairwise
from operator import matmul
from typing import NamedTuple

import numpy as np

from skgd import penalties
from skgd.data.design import SparseRows, take_rows
from skgd.data.feature_moments import CHUNK_ROWS
from skgd.solvers.sgd.base import SGDSolver

#: Updates whose losses are worked out together.
TOGETHER = 128


class Batch(NamedTuple):
    """What one update looks at.

    Parameters
    ----------
    rows : array of shape (m, d), or SparseRows
        Inner rows.
    y : array of shape (m,) or (m, k)
        Targets.
    weights : array of shape (m,) or None
        Factors of the rows.
    squared_norms : array of shape (m,) or None
        Of the rows, without an intercept; where the step rule asks for them.
    """

    rows: np.ndarray | SparseRows
    y: np.ndarray
    weights: np.ndarray | None
    squared_norms: np.ndarray | None


def batches(problem, order, edges=None):
    """Yield the rows of an epoch in batches; some thousand inner rows are formed at a time.

    Parameters
    ----------
    task : Task
        What to descend on, and how.
    order : array of shape (n,) or None
        The rows in the order of their visits.
    edges : array, default=None
        Visits that the batches begin with, and n; None means the batches of the updates.
    """
    objective = problem.objective
    norms = row_norms(problem)
    if edges is None:
        n_rows = objective.design.n_rows
        edges = np.append(np.arange(0, n_rows, problem.batch_size), n_rows)
    together = max(1, CHUNK_ROWS // int(np.diff(edges).max()))
    for first in range(0, len(edges) - 1, together):
        cuts = edges[first : first + together + 1]
        here = slice(cuts[0], cuts[-1]) if order is None else order[cuts[0] : cuts[-1]]
        rows = objective.design.scaled_rows(here)
        parts = [
            part if part is None else take_rows(part, here)
            for part in (objective.y, objective.weights, norms)
        ]
        for start, stop in pairwise((cuts - cuts[0]).tolist()):
            batch = slice(start, stop)
            yield Batch(rows[batch], *[part if part is None else part[batch] for part in parts])


def row_norms(problem):
    """Return the squared norms of the inner rows where the step rule asks for them, else None."""
    if problem.row_rule is None:
        return None
    return problem.objective.design.squared_norms(intercept=False)


class ReferenceSGD(SGDSolver):
    """Updates one after the other, for any loss, penalty and elementwise optimizer."""

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch."""
        updates = Updates(self.problem, state)
        for batch, rate in zip(batches(self.problem, order), learning_rates, strict=True):
            updates.make(batch, rate)
        return updates.finished(state), updates.total / self.problem.objective.design.n_rows


class Updates:
    """The arrays that an epoch's updates move, and the update itself."""

    def __init__(self, problem, state):
        objective = problem.objective
        self.loss, self.optimizer = objective.loss, problem.optimizer
        self.l1, self.l2 = objective.l1, objective.l2
        self.has_l1, self.has_l2 = bool(self.l1.any()), bool(self.l2.any())
        self.step_rule = problem.row_rule
        self.fit_intercept = objective.design.fit_intercept
        self.average_from = int(problem.average)
        self.theta, self.mean = state.theta.copy(), state.averaged_theta.copy()
        self.optimizer_state = state.optimizer_state
        self.l1_total, self.l1_applied = state.l1_total.copy(), state.l1_applied.copy()
        self.gradient = np.empty_like(self.theta)
        # On small arrays it takes half the time of the operator, which sparse rows know.
        self.product = matmul if objective.design.sparse else np.dot
        # Views of the coefficients, which all updates look through.
        self.coef, self.coef_gradient = self.theta[..., :-1].T, self.gradient[..., :-1]
        self.largest_slope = problem.max_loss_gradient
        self.t = state.t
        self.total = 0.0
        self.put_off = []

    def make(self, batch, rate):
        """Make one update."""
        theta, gradient, rows = self.theta, self.gradient, batch.rows
        predictions = self.product(rows, self.coef)
        predictions += theta[..., -1]
        slopes = self.slopes(predictions, batch, rate)
        if slopes is None:
            return
        if (self.has_l1 or self.has_l2) and self.step_rule is None:
            self.total += len(rows) * penalties.value(theta, self.l1, self.l2)
        self.coef_gradient[...] = self.product(slopes.T, rows)
        gradient[..., -1] = np.add.reduce(slopes, axis=0) if self.fit_intercept else 0
        gradient /= len(rows)
        if self.has_l2:
            # A rate too large for the penalty takes a weight to zero, not beyond it.
            gradient += np.minimum(self.l2, 1 / rate) * theta
        step, coordinate_rate, self.optimizer_state = self.optimizer.update(
            gradient, self.optimizer_state, rate, self.t
        )
        theta += step
        if self.has_l1:
            self.l1_total += self.l1 * coordinate_rate
            shrunk = penalties.soft_threshold_cumulative(theta, self.l1_total, self.l1_applied)
            self.l1_applied += shrunk - theta
            theta[...] = shrunk
        if 0 < self.average_from <= self.t:
            self.mean += (theta - self.mean) / (self.t - self.average_from + 1)
        self.t += 1

    def slopes(self, predictions, batch, rate):
        """Take in the predictions; return the weighted slopes, or None for no step at all."""
        slopes = self.loss.gradient(predictions, batch.y)
        if self.step_rule is None:
            self.put_off.append((predictions, batch.y, batch.weights))
            if len(self.put_off) == TOGETHER:
                self.take_in()
            if self.largest_slope < np.inf:
                slopes = np.minimum(np.maximum(slopes, -self.largest_slope), self.largest_slope)
            return weighted(slopes, batch.weights)
        losses, squared_norm = self.loss.value(predictions, batch.y), batch.squared_norms[0]
        if squared_norm == 0 and self.step_rule.skips_zero_rows:
            self.total += float(losses.sum())
            return None
        self.total += float(weighted(losses, batch.weights).sum())
        slopes = np.sign(slopes) * self.step_rule.step(losses, squared_norm) / rate
        return weighted(slopes, batch.weights)

    def take_in(self):
        """Add the losses of updates to the running objective, which nothing else waits for."""
        if not self.put_off:
            return
        predictions, y, weights = zip(*self.put_off, strict=True)
        losses = self.loss.value(np.concatenate(predictions), np.concatenate(y))
        weights = None if weights[0] is None else np.concatenate(weights)
        self.total += float(weighted(losses, weights).sum())
        self.put_off = []

    def finished(self, state):
        """Return the state after the updates made."""
        self.take_in()
        return replace(
            state,
            theta=self.theta,
            averaged_theta=self.mean,
            optimizer_state=self.optimizer_state,
            l1_total=self.l1_total,
            l1_applied=self.l1_applied,
            t=self.t,
        )


def weighted(parts, weights):
    """Return rows of numbers times the factors of the rows."""
    return parts if weights is None else (parts.T * weights).T
