r"""One SVRG epoch on a quadratic model of the objective, in NumPy.

The model around a snapshot with gradient g is

.. math:: m(\delta) = g^\top \delta + \frac{1}{2n} \sum_i c_i (\tilde x_i^\top \delta)^2
          + \tfrac12 \delta^\top \mathrm{diag}(l_2)\, \delta

and an update on the rows of a batch B is the variance-reduced step

.. math:: \delta \leftarrow \delta - \eta \Bigl( g + \frac{1}{|B|} \sum_{i \in B}
          c_i \tilde x_i \tilde x_i^\top \delta \Bigr)

followed by :math:`\delta \leftarrow \delta / (1 + \eta\, l_2)`. For updates on single rows, this
division is applied once per block. The recursion is the same for every loss, which enters only
through the curvatures c of the rows.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import get_blas_funcs

from skgd.data.design import Design
from skgd.data.feature_moments import CHUNK_ROWS

#: Number of updates on single rows that one triangular system determines.
BLOCK_SIZE = 32


class SVRGModel(NamedTuple):
    """A quadratic model of the objective of one output.

    Parameters
    ----------
    design : Design
        The rows.
    gradient : array of shape (d + 1,)
        Gradient g at the snapshot.
    curvatures : array of shape (n,)
        Curvatures c of the losses of the rows.
    l2 : array of shape (d + 1,)
        Strengths of the l2 penalty.
    free : array of shape (d + 1,)
        1 where a parameter is updated, 0 where it is fixed.
    """

    design: Design
    gradient: np.ndarray
    curvatures: np.ndarray
    l2: np.ndarray
    free: np.ndarray


def svrg_epoch(model, order, batch_size, rate):
    """Return delta after one epoch of updates from 0.

    Parameters
    ----------
    model : SVRGModel
        What is minimised.
    order : array of shape (n,) or None
        The rows in the order of their visits; None means the order in which they are stored.
    batch_size : int
        Number of rows in an update. With 1, the rows must be dense.
    rate : float
        The learning rate.

    Returns
    -------
    array of shape (d + 1,)
    """
    n_rows = model.design.n_rows
    update = update_by_row if batch_size == 1 else update_by_batch
    delta = np.zeros_like(model.gradient)
    steps = (rate * model.free).astype(delta.dtype)
    chunk_size = max(1, CHUNK_ROWS // batch_size) * batch_size
    for start in range(0, n_rows, chunk_size):
        stop = min(start + chunk_size, n_rows)
        index = slice(start, stop) if order is None else order[start:stop]
        rows = model.design.scaled_rows(index)
        update(delta, rows, model.curvatures[index], model, steps, batch_size)
    return delta


def update_by_batch(delta, rows, curvatures, model, steps, batch_size):
    """Update delta in place, on one batch of the rows after the other."""
    drift, decay = steps * model.gradient, 1 + steps * model.l2
    for start in range(0, len(rows), batch_size):
        index = slice(start, start + batch_size)
        batch = rows[index]
        derivatives = curvatures[index] * (batch @ delta[:-1] + delta[-1]) / len(batch)
        delta -= drift
        delta[:-1] -= steps[:-1] * (derivatives @ batch)
        delta[-1] -= steps[-1] * derivatives.sum()
        delta /= decay


def update_by_row(delta, rows, curvatures, model, steps, batch_size):
    """Update delta in place, on one row after the other; each block solves a triangular system."""
    drift = steps * model.gradient
    solve_triangular = get_blas_funcs("trsv", (delta,))
    drift_predictions = rows @ drift[:-1] + drift[-1]
    scaled_rows = rows * steps[:-1]
    for start in range(0, len(rows), BLOCK_SIZE):
        index = slice(start, start + BLOCK_SIZE)
        block, weights = rows[index], curvatures[index]
        count = len(block)
        system = (scaled_rows[index] @ block.T + steps[-1]) * weights
        n_before = np.arange(count, dtype=delta.dtype)
        right = block @ delta[:-1] + delta[-1] - n_before * drift_predictions[index]
        # Only the entries below the diagonal count; the diagonal is 1.
        derivatives = weights * solve_triangular(system.T, right, lower=0, trans=1, diag=1)
        delta -= count * drift
        delta[:-1] -= derivatives @ scaled_rows[index]
        delta[-1] -= steps[-1] * derivatives.sum()
        delta /= 1 + count * steps * model.l2
