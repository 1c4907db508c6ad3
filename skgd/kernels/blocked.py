r"""Exact per-sample descent on squared error, many rows at a time.

Consecutive updates :math:`w \leftarrow d_k w - c_k r_k x_k` with decays :math:`d_k`, weighted rates
:math:`c_k` and residuals :math:`r_k = x_k^\top w_k + b_k - y_k` are one linear recursion. The
residuals of a block of rows solve a unit lower triangular system,

.. math:: r_k + \sum_{j<k} c_j \left( \frac{D_k}{D_{j+1}}\, x_k^\top x_j + 1 \right) r_j
          = D_k\, x_k^\top w_0 + b_0 - y_k,
          \qquad D_k = \prod_{j<k} d_j

and give the weights at its end. The Gram matrices of all blocks of a chunk come from one batched
product, so that no Python loop runs over rows.
"""

from dataclasses import replace

import numpy as np
from scipy.linalg import get_blas_funcs

from skgd.optimizers import GD
from skgd.schedules import PassiveAggressive

#: Rows in a block, and blocks that are formed together.
BLOCK, BLOCKS = 32, 64

#: The decay over a block that is still divided by; with stronger ones epochs go row by row.
SMALLEST_DECAY = 1e-3


def applies(task, rates):
    """Tell whether an epoch's updates are such a recursion."""
    objective = task.objective
    l2 = objective.l2[:-1]
    return (
        task.batch_size == 1
        and not objective.design.sparse
        and objective.loss.quadratic
        and isinstance(task.optimizer, GD)
        and not isinstance(task.schedule, PassiveAggressive)
        and not objective.l1.any()
        and bool(np.all(l2 == l2[0]))
        and max(0.0, 1 - float(rates.max()) * float(l2[0])) ** BLOCK > SMALLEST_DECAY
    )


def run_epoch(task, state, order, rates):
    """Do what :func:`skgd.kernels.stochastic.run_epoch` does, and agree with it up to rounding.

    Where a residual is so large that its slope would be clipped, return None.
    """
    objective, n_rows = task.objective, task.objective.design.n_rows
    walk = _Walk(task, state)
    targets = objective.y.reshape(n_rows, -1)
    for start in range(0, n_rows, BLOCK * BLOCKS):
        stop = min(start + BLOCK * BLOCKS, n_rows)
        here = slice(start, stop) if order is None else order[start:stop]
        weights = np.ones(stop - start) if objective.weights is None else objective.weights[here]
        walk.over(objective.design.block(here), targets[here], weights, rates[start:stop])
        if not walk.largest < task.largest_slope:
            return None
    shape = state.theta.shape
    theta = np.concatenate([walk.coef, walk.intercept[:, None]], axis=1).reshape(shape)
    state = replace(state, theta=theta, mean=walk.mean.reshape(shape), t=walk.t)
    return state, walk.total / n_rows


class _Walk:
    """Parameters on their way over the blocks of an epoch; one row of `coef` an output."""

    def __init__(self, task, state):
        objective = task.objective
        theta = state.theta.reshape(-1, state.theta.shape[-1])
        self.coef, self.intercept = theta[:, :-1].copy(), theta[:, -1].copy()
        self.mean = state.mean.reshape(theta.shape).copy()
        self.t, self.average = state.t, int(task.average)
        self.strength = float(objective.l2[0])
        self.fit_intercept = float(objective.design.fit_intercept)
        self.solve = get_blas_funcs("trsm", (theta,))
        self.total, self.largest = 0.0, 0.0

    def over(self, rows, targets, weights, rates):
        """Walk over the rows of a chunk."""
        size, dtype = len(rows), rows.dtype
        rows, targets = _blocks(rows), _blocks(targets)
        weights, steps = _blocks(weights), _blocks(rates * weights)
        logs = np.cumsum(_blocks(np.log1p(-self.strength * rates)), axis=1)  # of D_1 ... D_B
        before = np.exp(logs - _blocks(np.log1p(-self.strength * rates)))  # D_0 ... D_{B-1}
        after = np.exp(logs)
        gram = rows @ rows.transpose(0, 2, 1)
        system = gram * (before[:, :, None] / after[:, None, :]) if self.strength else gram
        system = np.tril((system + self.fit_intercept) * steps[:, None, :], -1)
        system[:, range(BLOCK), range(BLOCK)] = 1
        system = system.astype(dtype, copy=False)
        residuals = np.empty_like(targets)
        moves = np.empty_like(targets)
        norms, starts = [], []
        heads, steps = before.astype(dtype)[:, :, None], steps.astype(dtype)[:, :, None]
        tails = (after[:, -1:] / after).astype(dtype)[:, :, None]
        for k in range(len(rows)):
            norms.append((self.coef**2).sum(axis=1))
            starts.append(self.intercept.copy())
            right = heads[k] * (rows[k] @ self.coef.T) + (self.intercept - targets[k])
            residuals[k] = self.solve(1.0, system[k].T, right, trans_a=1, diag=1)
            moves[k] = steps[k] * residuals[k]
            count = min(BLOCK, size - k * BLOCK)
            if 0 < self.average < self.t + count:
                self.average_over(rows[k], moves[k], before[k], after[k], count)
            self.coef = after[k, -1].astype(dtype) * self.coef - (tails[k] * moves[k]).T @ rows[k]
            self.intercept = self.intercept - self.fit_intercept * moves[k].sum(axis=0)
            self.t += count
        self.largest = float(np.max(np.abs(residuals)))
        self.total += float(0.5 * np.sum(weights[:, :, None] * residuals**2, dtype=float))
        if self.strength:
            diagonal = np.einsum("bkk->bk", gram)
            along = residuals + targets  # x_k.w_k + b_k
            shift = self.fit_intercept * (np.cumsum(moves, axis=1) - moves)
            along = along - (np.stack(starts)[:, None, :] - shift)
            decays = (after / before)[:, :, None]
            change = moves * (moves * diagonal[:, :, None] - 2 * decays * along)
            change = np.cumsum(change / after[:, :, None] ** 2, axis=1, dtype=float)
            change = np.concatenate([np.zeros_like(change[:, :1]), change[:, :-1]], axis=1)
            squares = before[:, :, None] ** 2 * (np.stack(norms)[:, None, :] + change)
            squares = squares.reshape(-1, squares.shape[-1])[:size]
            self.total += 0.5 * self.strength * float(squares.sum())

    def average_over(self, rows, moves, before, after, count):
        """Take the iterates of a block into the mean, once averaging has begun."""
        first = max(0, self.average - self.t)
        taken = np.zeros(BLOCK)
        taken[first:count] = 1
        earlier = max(0, self.t + first - self.average)
        number = taken.sum()
        later = np.cumsum((taken * after)[::-1])[::-1]  # over the iterates from each row on
        coef = (taken @ after) * self.coef - (moves * (later / after)[:, None]).T @ rows
        later = np.cumsum(taken[::-1])[::-1]
        intercept = number * self.intercept - self.fit_intercept * later @ moves
        sums = np.concatenate([coef, intercept[:, None]], axis=1)
        self.mean = ((earlier * self.mean + sums) / (earlier + number)).astype(self.mean.dtype)


def _blocks(rows):
    """Return rows, padded with zeros, as an array of shape (blocks, BLOCK, ...)."""
    missing = -len(rows) % BLOCK
    if missing:
        rows = np.concatenate([rows, np.zeros((missing, *rows.shape[1:]), rows.dtype)])
    return rows.reshape(-1, BLOCK, *rows.shape[1:])
