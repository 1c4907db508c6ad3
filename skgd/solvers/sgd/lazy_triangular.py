"""Exact per-sample SGD on squared error and sparse rows, block by block.

As in :mod:`skgd.solvers.sgd.triangular`, the residuals of a block of updates are the solution of a
triangular system; a block changes only the stored columns of its rows, as in
:class:`skgd.solvers.sgd.lazy_sparse.LazyIterate`.
"""

import numpy as np
from scipy.linalg import get_blas_funcs

from skgd.solvers.sgd.triangular import BlockFactors

#: Rows in a block.
BLOCK_SIZE = 128


def update_block(lazy, batch):
    """Make one update on each row of a batch.

    Parameters
    ----------
    lazy : LazyIterate
        What is updated, in place.
    batch : Batch
        The rows of the block.

    Returns
    -------
    bool
        False if a gradient of the loss would be clipped, so that the recursion is not linear; the
        updates are not made then.
    """
    count, y = len(batch.y), batch.y.reshape(len(batch.y), -1)
    if count == 1:
        return lazy.update(batch)
    columns, entries = batch.rows.stored_entries
    coef, intercept = lazy.catch_up(columns), lazy.theta[:, -1].copy()
    products = lazy.predict(columns, entries, coef, batch).reshape(y.shape) - intercept
    factors = _block_factors(lazy, batch)
    transposed = entries.T
    gram = (entries @ transposed).toarray()
    if lazy.is_shifted:
        shift_products = entries @ lazy.shift[columns]
        gram += lazy.squared_shift - shift_products[:, None] - shift_products
    systems, squared_norms = factors.build_systems(gram)
    right = factors.before * products + intercept - y
    solve_triangular = get_blas_funcs("trsm", (systems, right))
    residuals = solve_triangular(1.0, systems.T, right, trans_a=1, diag=1)
    if not np.max(np.abs(residuals)) < lazy.iterate.max_loss_gradient:
        return False
    lazy.iterate.objective_sum += factors.sum_objectives(
        residuals, y - intercept, np.sum(coef**2, axis=1), squared_norms, lazy.l2
    )
    moves = factors.steps * residuals
    is_averaged = lazy.factors.is_averaged[lazy.n_updates : lazy.n_updates + count, None]
    if is_averaged.any():
        coef_factors, intercept_factors = factors.average_factors(is_averaged)
        changes = transposed @ (coef_factors * moves / factors.after)
        lazy.theta_sum[:, columns] += coef_factors[0] * coef - changes.T
        fall, number = np.sum(intercept_factors * moves, axis=0), intercept_factors[0]
        lazy.theta_sum[:, -1] += number * intercept - factors.fit_intercept * fall
        lazy.shift_multiple_sum += number * lazy.shift_multiple + fall
    new_coef = factors.after[-1] * (coef - (transposed @ (moves / factors.after)).T)
    lazy.write_back(columns, coef, new_coef, moves.sum(axis=0), count)
    return True


def _block_factors(lazy, batch):
    """Return the :class:`BlockFactors` of the next updates."""
    k, count = lazy.n_updates, len(batch.y)
    weights = np.ones((count, 1)) if batch.weights is None else batch.weights[:, None]
    steps = lazy.factors.rates[k : k + count, None] * weights
    decays = lazy.sums.decay[k : k + count + 1, None] / lazy.sums.decay[k]
    is_counted = np.arange(count)[:, None] > 0  # catch_up adds the penalty before the first update
    fit_intercept = lazy.iterate.fit_intercept
    return BlockFactors(weights, steps, decays[:-1], decays[1:], is_counted, fit_intercept)
