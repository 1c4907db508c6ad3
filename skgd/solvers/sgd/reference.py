"""Per-sample and mini-batch updates, one at a time, for any loss, penalty and optimizer."""

from dataclasses import replace
from itertools import pairwise
from operator import matmul
from typing import NamedTuple

import numpy as np

from skgd import penalties
from skgd.data.design import SparseRows, take_rows
from skgd.data.feature_moments import CHUNK_ROWS
from skgd.solvers.sgd.base import SGDSolver

#: Updates whose losses are evaluated in one call.
LOSS_CHUNK = 128


class Batch(NamedTuple):
    """The rows of an update.

    Parameters
    ----------
    rows : array of shape (m, d), or SparseRows
        Rows in scaled coordinates.
    y : array of shape (m,) or (m, k)
        Targets.
    weights : array of shape (m,) or None
        Weights of the rows, relative to their mean.
    squared_norms : array of shape (m,) or None
        Squared norms of the rows without an intercept, if there is a step rule.
    """

    rows: np.ndarray | SparseRows
    y: np.ndarray
    weights: np.ndarray | None
    squared_norms: np.ndarray | None


def batches(problem, order, edges=None):
    """Yield the rows of an epoch in batches; some thousand rows are scaled at a time.

    Parameters
    ----------
    problem : Problem
        Objective, optimizer and options.
    order : array of shape (n,) or None
        The rows in the order of their visits.
    edges : array, default=None
        First visit of each batch, and n; None means the batches of the updates.
    """
    objective = problem.objective
    norms = row_norms(problem)
    if edges is None:
        n_rows = objective.design.n_rows
        edges = np.append(np.arange(0, n_rows, problem.batch_size), n_rows)
    n_batches = max(1, CHUNK_ROWS // int(np.diff(edges).max()))  # of a chunk
    for first in range(0, len(edges) - 1, n_batches):
        chunk = edges[first : first + n_batches + 1]
        indices = slice(chunk[0], chunk[-1]) if order is None else order[chunk[0] : chunk[-1]]
        rows = objective.design.scaled_rows(indices)
        arrays = [
            array if array is None else take_rows(array, indices)
            for array in (objective.y, objective.weights, norms)
        ]
        for start, stop in pairwise((chunk - chunk[0]).tolist()):
            batch = slice(start, stop)
            arrays_of_batch = [array if array is None else array[batch] for array in arrays]
            yield Batch(rows[batch], *arrays_of_batch)


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
        return updates.new_state(state), updates.total / self.problem.objective.design.n_rows


class Updates:
    """The arrays that the updates of an epoch change, and the update itself."""

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
        # On small arrays np.dot takes half the time of the operator, which sparse rows need.
        self.matmul = matmul if objective.design.sparse else np.dot
        self.coef, self.coef_gradient = self.theta[..., :-1].T, self.gradient[..., :-1]
        self.largest_slope = problem.max_loss_gradient
        self.t = state.t
        self.total = 0.0
        self.pending_losses = []

    def make(self, batch, rate):
        """Make one update."""
        theta, gradient, rows = self.theta, self.gradient, batch.rows
        predictions = self.matmul(rows, self.coef)
        predictions += theta[..., -1]
        factors = self.row_factors(predictions, batch, rate)
        if factors is None:
            return
        if (self.has_l1 or self.has_l2) and self.step_rule is None:
            self.total += len(rows) * penalties.value(theta, self.l1, self.l2)
        self.coef_gradient[...] = self.matmul(factors.T, rows)
        gradient[..., -1] = np.add.reduce(factors, axis=0) if self.fit_intercept else 0
        gradient /= len(rows)
        if self.has_l2:
            # A learning rate too large for the penalty sets a coefficient to zero, not beyond.
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

    def row_factors(self, predictions, batch, rate):
        """Return the factors of the rows in the gradient, or None if the step rule skips the row.

        They are the weighted derivatives of the loss, or what the step rule sets. The losses are
        added to the running objective.
        """
        gradients = self.loss.gradient(predictions, batch.y)
        if self.step_rule is None:
            self.pending_losses.append((predictions, batch.y, batch.weights))
            if len(self.pending_losses) == LOSS_CHUNK:
                self.add_pending_losses()
            bound = self.largest_slope
            if bound < np.inf:
                gradients = np.minimum(np.maximum(gradients, -bound), bound)
            return weighted(gradients, batch.weights)
        losses, squared_norm = self.loss.value(predictions, batch.y), batch.squared_norms[0]
        if squared_norm == 0 and self.step_rule.skips_zero_rows:
            self.total += float(losses.sum())
            return None
        self.total += float(weighted(losses, batch.weights).sum())
        factors = np.sign(gradients) * self.step_rule.step(losses, squared_norm) / rate
        return weighted(factors, batch.weights)

    def add_pending_losses(self):
        """Add the losses of the last updates to the running objective."""
        if not self.pending_losses:
            return
        predictions, y, weights = zip(*self.pending_losses, strict=True)
        losses = self.loss.value(np.concatenate(predictions), np.concatenate(y))
        weights = None if weights[0] is None else np.concatenate(weights)
        self.total += float(weighted(losses, weights).sum())
        self.pending_losses = []

    def new_state(self, state):
        """Return the state after the updates."""
        self.add_pending_losses()
        return replace(
            state,
            theta=self.theta,
            averaged_theta=self.mean,
            optimizer_state=self.optimizer_state,
            l1_total=self.l1_total,
            l1_applied=self.l1_applied,
            t=self.t,
        )


def weighted(values, weights):
    """Return the values of each row times its weight."""
    return values if weights is None else (values.T * weights).T
