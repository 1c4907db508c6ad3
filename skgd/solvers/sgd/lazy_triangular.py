"""Exact per-sample descent on squared error and sparse rows, many rows at a time.

The same as :mod:`skgd.solvers.sgd.triangular`, within
:class:`skgd.solvers.sgd.lazy_sparse.Lazy`: the residuals of a block of updates solve a triangular
system, and only the columns that its rows mention are moved.
"""

import numpy as np
from scipy.linalg import get_blas_funcs

#: Rows in a block.
BLOCK = 128


class SlopeTooLarge(ArithmeticError):
    """A slope would have to be clipped, which is not linear."""


def applies(problem):
    """Tell whether the updates of a lazy epoch are a linear recursion."""
    objective = problem.objective
    return (
        problem.batch_size == 1
        and objective.loss.quadratic
        and problem.row_rule is None
        and not objective.l1.any()
    )


def make(lazy, batch):
    """Make an update on each row of a batch.

    Raises
    ------
    SlopeTooLarge
        If one of them has to be clipped.
    """
    k, stretch, count = lazy.number, lazy.stretch, len(batch.y)
    if count == 1:
        lazy.make(batch, stretch.rates[k])
        return
    columns, entries = batch.rows.stored_entries
    start = lazy.catch_up(columns)
    weights = np.ones(count) if batch.weights is None else batch.weights
    intercept, fit_intercept = lazy.theta[:, -1].copy(), float(lazy.moved.fit_intercept)
    shares = stretch.share[k : k + count + 1] / stretch.share[k]
    before, after = shares[:-1], shares[1:]
    steps = stretch.rates[k : k + count] * weights
    y = batch.y.reshape(count, -1)
    along = lazy.predictions(columns, entries, start, batch).reshape(y.shape) - intercept
    turned = entries.T
    gram = (entries @ turned).toarray()
    if lazy.centred:
        near = entries @ lazy.shift[columns]
        gram += lazy.squared_shift - near[:, None] - near
    residuals = _residuals(
        (gram * (before[:, None] / after) + fit_intercept) * steps,
        before[:, None] * along + intercept - y,
        lazy.moved.largest_slope,
    )
    moves = steps[:, None] * residuals
    lazy.moved.total += 0.5 * float(np.sum(weights[:, None] * residuals**2))
    earlier = np.cumsum(moves, axis=0) - moves
    if lazy.moved.has_l2:
        along = residuals + y - intercept + fit_intercept * earlier
        change = moves * (np.diag(gram)[:, None] * moves - 2 * (after / before)[:, None] * along)
        change = np.cumsum(change / after[:, None] ** 2, axis=0)[:-1].sum(axis=1)
        squares = before[1:] ** 2 * (np.sum(start**2) + change)  # `catch_up` saw to the first row
        lazy.moved.total += 0.5 * lazy.l2 * float(squares.sum())
    taken = stretch.averaged[k : k + count]
    if taken.any():
        later = np.cumsum((taken * after)[::-1])[::-1] / after
        lazy.iterates[:, columns] += (taken @ after) * start - (turned @ (later[:, None] * moves)).T
        later, number = np.cumsum(taken[::-1])[::-1] @ moves, taken.sum()
        lazy.iterates[:, -1] += number * intercept - fit_intercept * later
        lazy.multiples += number * lazy.multiple + later
    landed = after[-1] * start - (turned @ ((after[-1] / after)[:, None] * moves)).T
    lazy.write_back(columns, start, landed, moves.sum(axis=0), count)


def _residuals(system, right, largest):
    """Solve the system, of which only what is below the diagonal counts; the diagonal is 1."""
    solve = get_blas_funcs("trsm", (system, right))
    residuals = solve(1.0, system.T, right, trans_a=1, diag=1)
    if not np.max(np.abs(residuals)) < largest:
        raise SlopeTooLarge
    return residuals
