"""Reference SGD: one update after the other, for any loss, penalty and elementwise optimizer."""

from itertools import pairwise
from operator import matmul
from typing import NamedTuple

import numpy as np

from skgd import penalties
from skgd.data.design import SparseRows, take_rows
from skgd.data.feature_moments import CHUNK_ROWS
from skgd.solvers.sgd.base import SGDSolver

#: Updates whose losses are evaluated in one call.
MAX_PENDING_LOSSES = 128


class Batch(NamedTuple):
    """Data of one update.

    Parameters
    ----------
    rows : array of shape (m, d), or SparseRows
        Scaled rows.
    y : array of shape (m,) or (m, k)
        Targets.
    weights : array of shape (m,) or None
        Weights of the rows.
    offset : array of shape (m,) or (m, k), or None
        Terms that are added to the linear predictors.
    squared_norms : array of shape (m,) or None
        Squared norms of the rows, without an intercept; only if a step rule needs them.
    """

    rows: np.ndarray | SparseRows
    y: np.ndarray
    weights: np.ndarray | None
    offset: np.ndarray | None
    squared_norms: np.ndarray | None


def iterate_batches(problem, order, edges=None):
    """Yield the rows of an epoch in batches; about ``CHUNK_ROWS`` rows are scaled at a time.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    order : array of shape (n,) or None
        The rows in the order of their visits; None means the order in which they are stored.
    edges : array, default=None
        Positions in `order` of the first rows of the batches, and n; None means batches of
        ``batch_size`` rows.
    """
    objective, n_rows = problem.objective, problem.objective.design.n_rows
    arrays = objective.y, objective.weights, objective.offset, row_norms(problem)
    if edges is None:
        edges = np.append(np.arange(0, n_rows, problem.batch_size), n_rows)
    chunk_batches = max(1, CHUNK_ROWS // int(np.diff(edges).max()))
    for first in range(0, len(edges) - 1, chunk_batches):
        cuts = edges[first : first + chunk_batches + 1]
        index = slice(cuts[0], cuts[-1]) if order is None else order[cuts[0] : cuts[-1]]
        rows = objective.design.scaled_rows(index)
        columns = [array if array is None else take_rows(array, index) for array in arrays]
        for start, stop in pairwise((cuts - cuts[0]).tolist()):
            yield Batch(rows[start:stop], *[c if c is None else c[start:stop] for c in columns])


def row_norms(problem):
    """Return the squared norms of the rows if a step rule needs them, else None."""
    if problem.row_rule is None:
        return None
    return problem.objective.design.squared_norms(intercept=False)


class ReferenceSGD(SGDSolver):
    """Updates one after the other, for any loss, penalty and elementwise optimizer."""

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch."""
        iterate = Iterate(self.problem, state)
        batches = iterate_batches(self.problem, order)
        for batch, rate in zip(batches, learning_rates, strict=True):
            iterate.update(batch, rate)
        return iterate.finish()


class Iterate:
    """Parameters and state of the optimizer during an epoch; updates change them in place.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    state : State
        Where the epoch starts; it is not changed.

    Attributes
    ----------
    objective_sum : float
        Sum over the rows of the objective before their update, except the pending losses.
    """

    def __init__(self, problem, state):
        objective = problem.objective
        self.problem, self.state, self.t = problem, state, state.t
        self.loss, self.step_rule = objective.loss, problem.row_rule
        self.l1, self.l2 = objective.l1, objective.l2
        self.has_l1, self.has_l2 = bool(self.l1.any()), bool(self.l2.any())
        self.has_bounds, self.bounds = objective.has_bounds, (objective.lower, objective.upper)
        self.keeps_signs = bool(np.any((objective.lower > 0) | (objective.upper < 0)))
        self.fit_intercept = objective.design.fit_intercept
        self.max_loss_gradient = problem.max_loss_gradient
        self.average_from = int(problem.average)
        self.theta, self.averaged_theta = state.theta.copy(), state.averaged_theta.copy()
        self.optimizer_state = state.optimizer_state
        self.l1_total, self.l1_applied = state.l1_total.copy(), state.l1_applied.copy()
        self.gradient = np.empty_like(self.theta)
        # np.dot takes half the time of the operator on small arrays; SparseRows has the operator.
        self.product = matmul if objective.design.sparse else np.dot
        # Views that are the same in all updates.
        self.coef, self.coef_gradient = self.theta[..., :-1].T, self.gradient[..., :-1]
        self.objective_sum, self.pending_losses = 0.0, []

    def update(self, batch, rate):
        """Make one update."""
        theta, gradient, rows = self.theta, self.gradient, batch.rows
        predictions = self.predict(rows)
        if batch.offset is not None:
            predictions += batch.offset
        derivatives = self.differentiate_loss(predictions, batch, rate)
        if derivatives is None:
            return
        if (self.has_l1 or self.has_l2) and self.step_rule is None:
            self.objective_sum += len(rows) * self.penalty()
        self.coef_gradient[...] = self.differentiate(derivatives, rows)
        gradient[..., -1] = np.add.reduce(derivatives, axis=0) if self.fit_intercept else 0
        gradient /= len(rows)
        if self.has_l2:
            # Weight decay shrinks a coefficient to zero at most; it never changes its sign.
            gradient += np.minimum(self.l2, 1 / rate) * theta
        step, coordinate_rate, self.optimizer_state = self.problem.optimizer.update(
            gradient, self.optimizer_state, rate, self.t
        )
        theta += step
        if self.has_l1:
            if self.keeps_signs:
                np.clip(theta, *penalties.sign_bounds(*self.bounds), out=theta)
            self.l1_total += self.l1 * coordinate_rate
            shrunk = penalties.soft_threshold_cumulative(theta, self.l1_total, self.l1_applied)
            self.l1_applied += shrunk - theta
            theta[...] = shrunk
        if self.has_bounds:
            np.clip(theta, *self.bounds, out=theta)
        if 0 < self.average_from <= self.t:
            self.averaged_theta += (theta - self.averaged_theta) / (self.t - self.average_from + 1)
        self.t += 1

    def predict(self, rows):
        """Return the linear predictions of scaled rows."""
        predictions = self.product(rows, self.coef)
        predictions += self.theta[..., -1]
        return predictions

    def differentiate(self, derivatives, rows):
        """Return the sum of scaled rows times the derivatives of their losses."""
        return self.product(derivatives.T, rows)

    def penalty(self):
        """Return the penalty."""
        return penalties.value(self.theta, self.l1, self.l2)

    def total(self, losses):
        """Return the sum of the losses of rows."""
        return float(losses.sum())

    def differentiate_loss(self, predictions, batch, rate):
        """Return the weighted derivatives of the loss, and add the loss to the objective.

        A step rule replaces the derivatives by those whose step at this rate is the rule's. None
        means that the rule skips the row: there is no update.
        """
        derivatives = self.loss.gradient(predictions, batch.y)
        if self.step_rule is None:
            self.pending_losses.append((predictions, batch.y, batch.weights))
            if len(self.pending_losses) == MAX_PENDING_LOSSES:
                self.add_pending_losses()
            bound = self.max_loss_gradient
            if bound < np.inf:
                derivatives = np.minimum(np.maximum(derivatives, -bound), bound)
            return multiply_rows(derivatives, batch.weights)
        losses, squared_norm = self.loss.value(predictions, batch.y), batch.squared_norms[0]
        if squared_norm == 0 and self.step_rule.skips_zero_rows:
            self.objective_sum += self.total(losses)
            return None
        self.objective_sum += self.total(multiply_rows(losses, batch.weights))
        derivatives = np.sign(derivatives) * self.step_rule.step(losses, squared_norm) / rate
        return multiply_rows(derivatives, batch.weights)

    def add_pending_losses(self):
        """Evaluate the losses of the updates since the last call, and add them to the objective."""
        if self.pending_losses:
            predictions, y, weights = zip(*self.pending_losses, strict=True)
            losses = self.loss.value(np.concatenate(predictions), np.concatenate(y))
            weights = None if weights[0] is None else np.concatenate(weights)
            self.objective_sum += self.total(multiply_rows(losses, weights))
            self.pending_losses = []

    def add_to_average(self, theta_sum, count):
        """Add the sum of `count` iterates, shaped like theta, to the average before update t."""
        n_earlier, averaged = max(0, self.t - self.average_from), self.averaged_theta
        averaged[...] = (n_earlier * averaged + theta_sum) / (n_earlier + count)

    def finish(self):
        """Return the state after the updates, and the mean of the objectives before them."""
        self.add_pending_losses()
        names = "averaged_theta", "l1_applied", "l1_total", "optimizer_state", "t", "theta"
        state = self.state.replace(**{name: getattr(self, name) for name in names})
        return state, self.objective_sum / self.problem.objective.design.n_rows


def multiply_rows(values, weights):
    """Return values of rows times the weights of the rows; None means weights of 1."""
    return values if weights is None else (values.T * weights).T
