r"""Exact per-sample SGD on squared error, block by block.

Consecutive updates :math:`w \leftarrow d_k w - c_k r_k x_k` with decays :math:`d_k`, weighted rates
:math:`c_k` and residuals :math:`r_k = x_k^\top w_k + b_k - y_k` are one linear recursion. In
:math:`v = (w / D_k, b)` with :math:`D_k = \prod_{j<k} d_j` there is no decay:

.. math:: r_k = s_k^\top v_k - y_k, \quad v_{k+1} = v_k - r_k u_k, \qquad
          s_k = (D_k x_k, 1), \quad u_k = (c_k x_k / D_{k+1}, c_k)

The residuals of a block of rows are the solution of a unit lower triangular system,

.. math:: r_k + \sum_{j<k} s_k^\top u_j\, r_j = s_k^\top v_0 - y_k

and determine v after the block. The systems of all blocks of a chunk are computed by one batched
matrix product, so that no Python loop runs over rows.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import get_blas_funcs

from skgd.data.design import take_rows
from skgd.optimizers import GD
from skgd.solvers.sgd.base import MIN_DECAY_PRODUCT, SGDSolver
from skgd.solvers.sgd.reference import Iterate, ReferenceSGD

#: Rows in a block.
BLOCK_SIZE = 32

#: Largest number of blocks in a chunk, and of entries of its rows: a chunk stays in the cache.
MAX_CHUNK_BLOCKS, MAX_CHUNK_ENTRIES = 64, 1 << 17


class TriangularSGD(SGDSolver):
    """Per-sample updates on squared error, solved block by block.

    :class:`~skgd.solvers.sgd.reference.ReferenceSGD` runs the epoch if the recursion is not linear,
    because the weight decay is too strong or a gradient of the loss is clipped.
    """

    @staticmethod
    def applies_to(problem):
        """Return whether the updates are a linear recursion with one decay, on dense rows."""
        l2 = problem.objective.l2[:-1]
        return (
            not problem.objective.design.sparse
            and isinstance(problem.optimizer, GD)
            and bool(np.all(l2 == l2[0]))
            and is_linear(problem)
        )

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch."""
        result = run_blocks(self.problem, state, order, learning_rates)
        return result or ReferenceSGD(self.problem).run_updates(state, learning_rates, order)


def is_linear(problem):
    """Return whether gradient descent on a problem is a linear recursion from row to row."""
    objective = problem.objective
    is_smooth = objective.loss.quadratic and objective.has_smooth_penalty
    return problem.batch_size == 1 and problem.row_rule is None and is_smooth


def count_chunk_blocks(d, max_decay):
    """Return the number of blocks in a chunk.

    It is the largest number for which a chunk stays in the cache and the product of its decays is
    at least ``MIN_DECAY_PRODUCT``; 0 if a single block has a smaller product.

    Parameters
    ----------
    d : int
        Number of features.
    max_decay : float
        Largest product of learning rate and l2 strength.
    """
    if max_decay >= 1:
        return 0
    limit = min(MAX_CHUNK_BLOCKS, max(1, MAX_CHUNK_ENTRIES // (BLOCK_SIZE * d)))
    block_decay, max_total = -BLOCK_SIZE * np.log1p(-max_decay), -np.log(MIN_DECAY_PRODUCT)
    return limit if limit * block_decay <= max_total else int(max_total / block_decay)


def run_blocks(problem, state, order, rates):
    """Run all updates of an epoch.

    Returns
    -------
    tuple of (State, float) or None
        The state after the epoch, and the mean objective before the updates. None if the weight
        decay is too strong for a block, or if a gradient of the loss is clipped.
    """
    objective, n_rows = problem.objective, problem.objective.design.n_rows
    max_decay = float(rates.max()) * float(objective.l2[0])
    chunk_size = BLOCK_SIZE * count_chunk_blocks(objective.design.X.shape[1], max_decay)
    if chunk_size == 0:
        return None
    all_targets, blocks = objective.y.reshape(n_rows, -1), BlockIterate(Iterate(problem, state))
    for start in range(0, n_rows, chunk_size):
        stop = min(start + chunk_size, n_rows)
        index = slice(start, stop) if order is None else order[start:stop]
        rows, targets = objective.design.scaled_rows(index), take_rows(all_targets, index)
        no_weights = objective.weights is None
        weights = np.ones(stop - start) if no_weights else take_rows(objective.weights, index)
        if not blocks.update(rows, targets, weights, rates[start:stop]):
            return None
    return blocks.iterate.finish()


class BlockFactors(NamedTuple):
    """Factors of the updates on the rows of one block, or of several blocks of m rows.

    Parameters
    ----------
    weights : array of shape (..., m, 1)
        Weights of the rows.
    steps : array of shape (..., m, 1)
        Weighted learning rates :math:`c_k`.
    before, after : arrays of shape (..., m, 1)
        Decay products :math:`D_k` and :math:`D_{k+1}`.
    penalty_counts : array of shape (..., m, 1)
        1 where the penalty before the update enters the running objective, else 0.
    fit_intercept : bool
        Whether the intercept is fitted.
    """

    weights: np.ndarray
    steps: np.ndarray
    before: np.ndarray
    after: np.ndarray
    penalty_counts: np.ndarray
    fit_intercept: bool

    def build_systems(self, gram):
        """Overwrite products of rows by the systems; return them and the rows' squared norms.

        Parameters
        ----------
        gram : array of shape (..., m, m)
            Products of the rows.

        Returns
        -------
        systems : array of shape (..., m, m)
            Only the entries below the diagonal count; the diagonal is 1.
        squared_norms : array of shape (..., m, 1)
        """
        squared_norms = gram.diagonal(axis1=-2, axis2=-1)[..., None].copy()
        gram *= self.before * (self.steps / self.after).swapaxes(-1, -2)
        gram += self.fit_intercept * self.steps.swapaxes(-1, -2)
        return gram, squared_norms

    def sum_objectives(self, residuals, centered_targets, coef_norms, squared_norms, l2):
        r"""Return the sum of the objectives before the updates.

        The squared norm of :math:`w / D` changes by
        :math:`a_k (a_k \lVert x_k \rVert^2 - 2 x_k^\top w_k / D_k)` with
        :math:`a_k = c_k r_k / D_{k+1}`.

        Parameters
        ----------
        residuals : array of shape (..., m, k)
            Residuals before the updates.
        centered_targets : array of shape (..., m, k)
            Targets minus the intercept before the block.
        coef_norms : array of shape (..., 1, k)
            Squared norms of :math:`w / D` before the block.
        squared_norms : array of shape (..., m, 1)
            Squared norms of the rows.
        l2 : float
            Strength of the l2 penalty.
        """
        total = np.sum(self.weights * residuals**2, dtype=float)
        if l2:
            moves = self.steps * residuals
            scaled_moves = moves / self.after
            intercept_changes = self.fit_intercept * _sum_before(moves)
            products = (residuals + centered_targets + intercept_changes) / self.before
            changes = scaled_moves * (scaled_moves * squared_norms - 2 * products)
            coef_norms = coef_norms + _sum_before(changes)
            total += l2 * np.sum(self.penalty_counts * self.before**2 * coef_norms)
        return 0.5 * float(total)

    def average_factors(self, is_averaged):
        r"""Return :math:`\sum_{k \ge j} a_k D_{k+1}` and :math:`\sum_{k \ge j} a_k` for each row j.

        These are the multiples of the change of v by row j in the sum of the iterates
        :math:`w_{k+1}` and :math:`b_{k+1}` of the block with :math:`a_k = 1`.

        Parameters
        ----------
        is_averaged : array of shape (..., m, 1)
            1 where the iterate after the update enters the average, else 0.
        """
        return tuple(
            np.cumsum(terms[..., ::-1, :], axis=-2)[..., ::-1, :]
            for terms in (is_averaged * self.after, is_averaged)
        )


def _sum_before(terms):
    """Return the sum of the terms before each row of a block."""
    return np.cumsum(terms, axis=-2, dtype=float) - terms


class BlockIterate:
    """Parameters during an epoch, of shape (d + 1, k) for k outputs.

    Parameters
    ----------
    iterate : Iterate
        What is changed in place.
    """

    def __init__(self, iterate):
        self.iterate, self.theta = iterate, np.atleast_2d(iterate.theta).T
        self.l2 = float(iterate.l2[0])

    def update(self, rows, targets, weights, rates):
        """Make the updates on the rows of a chunk.

        Parameters
        ----------
        rows : array of shape (m, d)
            Scaled rows.
        targets : array of shape (m, k)
            Their targets.
        weights : array of shape (m,)
            Their weights.
        rates : array of shape (m,)
            Learning rates of their updates.

        Returns
        -------
        bool
            Whether no gradient of the loss was clipped; otherwise the parameters are invalid.
        """
        n_rows, dtype, iterate = len(rows), self.theta.dtype, self.iterate
        weights, rates, is_row, rows, targets = map(
            _split, (weights[:, None], rates[:, None], np.ones((n_rows, 1)), rows, targets)
        )
        decays = 1 - self.l2 * rates
        after = np.cumprod(decays).reshape(decays.shape)
        arrays = weights, rates * weights, after / decays, after, is_row
        factors = BlockFactors(*(array.astype(dtype) for array in arrays), iterate.fit_intercept)
        systems, squared_norms = factors.build_systems(rows @ rows.transpose(0, 2, 1))
        starts, residuals = self.solve(rows, targets, systems, factors)
        coef_norms = np.sum(starts[:, :-1] ** 2, axis=1, keepdims=True)
        iterate.objective_sum += factors.sum_objectives(
            residuals, targets - starts[:, -1:], coef_norms, squared_norms, self.l2
        )
        if 0 < iterate.average_from < iterate.t + n_rows:
            numbers = iterate.t + np.arange(is_row.size).reshape(is_row.shape)
            is_averaged = is_row * (numbers >= iterate.average_from)
            self.average(starts, rows, residuals, factors, is_averaged)
        self.theta[:-1] *= factors.after[-1, -1]
        iterate.t += n_rows
        return bool(np.max(np.abs(residuals)) < iterate.max_loss_gradient)

    def solve(self, rows, targets, systems, factors):
        """Solve block after block; return v before each of them, and the residuals."""
        solve_triangular = get_blas_funcs("trsm", (self.theta,))
        coef, intercept = self.theta[:-1], self.theta[-1]
        starts = np.empty((len(rows), *self.theta.shape), self.theta.dtype)
        residuals = np.empty_like(targets)
        coef_steps = factors.steps / factors.after
        intercept_steps = factors.fit_intercept * factors.steps
        for b, block in enumerate(rows):
            starts[b] = self.theta
            right = np.dot(block, coef)  # faster than the operator on small arrays
            right *= factors.before[b]
            right += intercept
            right -= targets[b]
            # In BLAS's column-major order, the lower triangle is the upper one of the transpose.
            residual = residuals[b] = solve_triangular(1.0, systems[b].T, right, trans_a=1, diag=1)
            coef -= np.dot(block.T, coef_steps[b] * residual)
            intercept -= np.dot(intercept_steps[b].T, residual)[0]
        return starts, residuals

    def average(self, starts, rows, residuals, factors, is_averaged):
        """Add the iterates of a chunk to the average.

        Parameters
        ----------
        starts : array of shape (n_blocks, d + 1, k)
            v before each block.
        rows, residuals, factors
            Rows, residuals and factors of the blocks.
        is_averaged : array of shape (n_blocks, BLOCK_SIZE, 1)
            1 where the iterate after the update enters the average, else 0.
        """
        coef_factors, intercept_factors = factors.average_factors(is_averaged)
        moves = factors.steps * residuals
        sums = np.empty(self.theta.shape)
        sums[:-1] = np.tensordot(coef_factors[:, 0, 0], starts[:, :-1], axes=1)
        sums[:-1] -= np.tensordot(rows, coef_factors * moves / factors.after, [(0, 1)] * 2)
        sums[-1] = intercept_factors[:, 0, 0] @ starts[:, -1]
        sums[-1] -= factors.fit_intercept * np.sum(intercept_factors * moves, axis=(0, 1))
        theta_sum = sums.T.reshape(self.iterate.theta.shape)
        self.iterate.add_to_average(theta_sum, is_averaged.sum())


def _split(rows):
    """Return rows, padded with zeros, as an array of shape (n_blocks, BLOCK_SIZE, ...)."""
    n_missing = -len(rows) % BLOCK_SIZE
    if n_missing:
        rows = np.concatenate([rows, np.zeros((n_missing, *rows.shape[1:]), rows.dtype)])
    return rows.reshape(-1, BLOCK_SIZE, *rows.shape[1:])
