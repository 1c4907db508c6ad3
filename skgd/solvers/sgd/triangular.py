r"""Exact per-sample descent on squared error, many rows at a time.

Consecutive updates :math:`w \leftarrow d_k w - c_k r_k x_k` with decays :math:`d_k`, weighted rates
:math:`c_k` and residuals :math:`r_k = x_k^\top w_k + b_k - y_k` are one linear recursion. In
:math:`v = (w / D_k, b)` with :math:`D_k = \prod_{j<k} d_j` nothing decays:

.. math:: r_k = s_k^\top v_k - y_k, \quad v_{k+1} = v_k - r_k u_k, \qquad
          s_k = (D_k x_k, 1), \quad u_k = (c_k x_k / D_{k+1}, c_k)

The residuals of a block of rows solve a unit lower triangular system,

.. math:: r_k + \sum_{j<k} s_k^\top u_j\, r_j = s_k^\top v_0 - y_k

and give v at its end. The systems of all blocks of a chunk come from one batched product, so that
no Python loop runs over rows.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import get_blas_funcs

from skgd.data.design import take_rows
from skgd.optimizers import GD
from skgd.solvers.sgd.base import SGDSolver
from skgd.solvers.sgd.reference import ReferenceSGD

#: Rows in a block; blocks, and numbers in their rows, that are formed together at most.
BLOCK, BLOCKS, NUMBERS = 32, 64, 1 << 17

#: The decay over a chunk that is still divided by; where a block has a stronger one, epochs go row
#: by row.
SMALLEST_DECAY = 1e-3


class TriangularSGD(SGDSolver):
    """Per-sample updates on squared error, solved block by block.

    Where the weight decay or a gradient of the loss is so large that the recursion is not linear,
    the epoch is run by :class:`~skgd.solvers.sgd.reference.ReferenceSGD`.
    """

    @staticmethod
    def applies_to(problem):
        """Return whether the updates are a linear recursion."""
        objective = problem.objective
        l2 = objective.l2[:-1]
        return (
            problem.batch_size == 1
            and not objective.design.sparse
            and objective.loss.quadratic
            and isinstance(problem.optimizer, GD)
            and problem.row_rule is None
            and not objective.l1.any()
            and bool(np.all(l2 == l2[0]))
        )

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch."""
        l2 = self.problem.objective.l2[:-1]
        if blocks_together(len(l2), float(learning_rates.max()) * float(l2[0])):
            result = run_blocks(self.problem, state, order, learning_rates)
            if result is not None:
                return result
        return ReferenceSGD(self.problem).run_updates(state, learning_rates, order)


def blocks_together(d, share):
    """Return the blocks of a chunk of d features, where each row takes this share of the weights.

    So many that they stay in the cache and keep enough of the weights; none if a single block would
    not do that.
    """
    if share >= 1:
        return 0
    most = min(BLOCKS, max(1, NUMBERS // (BLOCK * d)))
    lost, bearable = -BLOCK * np.log1p(-share), -np.log(SMALLEST_DECAY)
    return most if most * lost <= bearable else int(bearable / lost)


def run_blocks(problem, state, order, rates):
    """Run all updates of an epoch; return None where a gradient of the loss would be clipped."""
    objective, n_rows = problem.objective, problem.objective.design.n_rows
    targets = objective.y.reshape(n_rows, -1)
    share = float(rates.max()) * float(objective.l2[0])
    together = BLOCK * blocks_together(objective.design.X.shape[1], share)
    walk = _Walk(problem, state)
    for start in range(0, n_rows, together):
        stop = min(start + together, n_rows)
        here = slice(start, stop) if order is None else order[start:stop]
        weights = 1.0 if objective.weights is None else take_rows(objective.weights, here)
        rows, wanted = objective.design.scaled_rows(here), take_rows(targets, here)
        walk.over(rows, wanted, weights, rates[start:stop])
        if not walk.largest < problem.max_loss_gradient:
            return None
    theta, mean = (
        np.ascontiguousarray(part.T).reshape(state.theta.shape) for part in (walk.theta, walk.mean)
    )
    return replace(state, theta=theta, averaged_theta=mean, t=walk.t), walk.total / n_rows


class _Walk:
    """Parameters on their way over the chunks of an epoch; one column of `theta` an output."""

    def __init__(self, problem, state):
        objective = problem.objective
        width = state.theta.shape[-1]
        self.theta = state.theta.reshape(-1, width).T.copy()
        self.mean = state.averaged_theta.reshape(-1, width).T.copy()
        self.t, self.average = state.t, int(problem.average)
        self.strength = float(objective.l2[0])
        self.fit_intercept = float(objective.design.fit_intercept)
        self.solve = get_blas_funcs("trsm", (self.theta,))
        self.total, self.largest = 0.0, 0.0

    def over(self, rows, targets, weights, rates):
        """Walk over the rows of a chunk.

        Parameters
        ----------
        rows : array of shape (size, d)
            Inner rows.
        targets : array of shape (size, k)
            Their targets.
        weights : array of shape (size,) or float
            Their factors.
        rates : array of shape (size,)
            The learning rates of their updates.
        """
        size, dtype = len(rows), self.theta.dtype
        logs = np.log1p(-self.strength * rates)
        after = np.exp(np.cumsum(logs))
        before, steps = after * np.exp(-logs), rates * weights
        heads, pulls, shifts = (
            _blocks(part.astype(dtype))[:, :, None]
            for part in (before, steps / after, self.fit_intercept * steps)
        )
        rows, targets = _blocks(rows), _blocks(targets)
        gram = rows @ rows.transpose(0, 2, 1)
        lengths = gram.diagonal(axis1=1, axis2=2)[:, :, None].copy()
        gram *= heads * pulls.transpose(0, 2, 1)
        gram += shifts.transpose(0, 2, 1)
        starts, residuals = self.solved(rows, targets, gram, heads, pulls, shifts)
        self.largest = float(np.max(np.abs(residuals)))
        weights = _blocks(np.broadcast_to(weights, size))[:, :, None]
        total = np.sum(weights * residuals**2, dtype=float)
        scale_gradient, moved = pulls * residuals, shifts * residuals
        if self.strength:
            intercepts = starts[:, -1:] - (np.cumsum(moved, axis=1) - moved)
            along = (residuals + targets - intercepts) / _blocks(before, 1)[:, :, None]
            changes = scale_gradient * (
                scale_gradient * lengths - 2 * along
            )  # of the squared norm of w / D
            changes = np.cumsum(changes, axis=1, dtype=float) - changes
            norms = np.sum(starts[:, :-1] ** 2, axis=1)[:, None] + changes
            total += self.strength * np.sum(_blocks(before**2)[:, :, None] * norms)
        self.total += 0.5 * float(total)
        if 0 < self.average < self.t + size:
            self.average_over(starts, rows, scale_gradient, moved, after)
        self.theta[:-1] *= dtype.type(after[-1])
        self.t += size

    def solved(self, rows, targets, systems, heads, pulls, shifts):
        """Walk from block to block; return v before each of them, and the residuals."""
        coef, intercept = self.theta[:-1], self.theta[-1]
        starts = np.empty((len(rows), *self.theta.shape), self.theta.dtype)
        residuals = np.empty_like(targets)
        blocks = zip(rows, targets, systems, heads, pulls, shifts, strict=True)
        for k, (block, wanted, system, head, share, shift) in enumerate(blocks):
            starts[k] = self.theta
            right = np.dot(block, coef)  # on small arrays quicker than the operator
            right *= head
            right += intercept
            right -= wanted
            # In BLAS's order of columns, the lower triangle is the upper one of the transpose.
            found = residuals[k] = self.solve(1.0, system.T, right, trans_a=1, diag=1)
            coef -= np.dot(block.T, share * found)
            intercept -= np.dot(shift.T, found)[0]
        return starts, residuals

    def average_over(self, starts, rows, scale_gradient, moved, after):
        """Take the iterates of a chunk into the mean, once averaging has begun.

        Parameters
        ----------
        starts, rows : arrays
            As in `solved`.
        pulled, moved : arrays of shape (blocks, BLOCK, k)
            Multiples of the rows, and numbers, that w / D and the intercept were lowered by.
        after : array of shape (size,)
            D after each row.
        """
        taken = np.zeros(len(after))
        first = max(0, self.average - self.t)
        taken[first:] = 1
        sums = np.empty(self.theta.shape)
        shares = _blocks(taken * after)
        sums[:-1] = np.tensordot(shares.sum(axis=1), starts[:, :-1], axes=1)
        sums[:-1] -= np.tensordot(rows, _from_here_on(shares) * scale_gradient, [(0, 1)] * 2)
        shares = _blocks(taken)
        sums[-1] = shares.sum(axis=1) @ starts[:, -1]
        sums[-1] -= np.sum(_from_here_on(shares) * moved, axis=(0, 1))
        earlier = max(0, self.t + first - self.average)
        mean = (earlier * self.mean + sums) / (earlier + taken.sum())
        self.mean = mean.astype(self.mean.dtype)


def _from_here_on(shares):
    """Return sums of shares from each row of a block to its last, of shape (blocks, BLOCK, 1)."""
    return np.cumsum(shares[:, ::-1], axis=1)[:, ::-1, None]


def _blocks(rows, filling=0):
    """Return rows, and more that fill the last block, as an array of shape (blocks, BLOCK, ...)."""
    missing = -len(rows) % BLOCK
    if missing:
        rows = np.concatenate([rows, np.full((missing, *rows.shape[1:]), filling, rows.dtype)])
    return rows.reshape(-1, BLOCK, *rows.shape[1:])
