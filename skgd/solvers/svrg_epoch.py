r"""Stochastic descent on a quadratic model of the objective: one pass over the rows.

The model around a snapshot with gradient g is

.. math:: m(\delta) = g^\top \delta + \frac{1}{2n} \sum_i c_i (\tilde x_i^\top \delta)^2
          + \tfrac12 \delta^\top \mathrm{diag}(l_2)\, \delta

and an update on the rows of a batch B is the variance-reduced step

.. math:: \delta \leftarrow \delta - \eta \Bigl( g + \frac{1}{|B|} \sum_{i \in B}
          c_i \tilde x_i \tilde x_i^\top \delta \Bigr)

followed by :math:`\delta \leftarrow \delta / (1 + \eta\, l_2)`; after updates on single rows that
is done for a block of them at once. The recursion is the same for every loss: all that a row
contributes is its curvature c.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import get_blas_funcs

from skgd.data.design import Design
from skgd.data.feature_moments import CHUNK_ROWS

#: Single rows whose updates are solved for together.
BLOCK = 32


class Model(NamedTuple):
    """A quadratic model of the objective of one output.

    Parameters
    ----------
    design : Design
        The rows.
    gradient : array of shape (d + 1,)
        g.
    curvatures : array of shape (n,)
        c.
    l2 : array of shape (d + 1,)
        Curvature of the penalty.
    free : array of shape (d + 1,)
        1 where a parameter moves, 0 where it is held.
    """

    design: Design
    gradient: np.ndarray
    curvatures: np.ndarray
    l2: np.ndarray
    free: np.ndarray


def svrg_epoch(model, order, batch_size, rate):
    """Return where one epoch of updates on a model leads from 0.

    Parameters
    ----------
    model : Model
        What to descend on.
    order : array of shape (n,) or None
        The rows in the order of their visits.
    batch_size : int
        Rows in an update; single rows must be dense.
    rate : float
        The learning rate.

    Returns
    -------
    array of shape (d + 1,)
    """
    n_rows = model.design.n_rows
    move = one_by_one if batch_size == 1 else in_batches
    delta = np.zeros_like(model.gradient)
    steps = (rate * model.free).astype(delta.dtype)
    together = max(1, CHUNK_ROWS // batch_size) * batch_size
    for start in range(0, n_rows, together):
        stop = min(start + together, n_rows)
        here = slice(start, stop) if order is None else order[start:stop]
        move(
            delta, model.design.scaled_rows(here), model.curvatures[here], model, steps, batch_size
        )
    return delta


def in_batches(delta, rows, curvatures, model, steps, batch_size):
    """Make the updates on some rows."""
    drift, decay = steps * model.gradient, 1 + steps * model.l2
    for start in range(0, len(rows), batch_size):
        batch = slice(start, start + batch_size)
        part = rows[batch]
        pulls = curvatures[batch] * (part @ delta[:-1] + delta[-1]) / len(part)
        delta -= drift
        delta[:-1] -= steps[:-1] * (pulls @ part)
        delta[-1] -= steps[-1] * pulls.sum()
        delta /= decay


def one_by_one(delta, rows, curvatures, model, steps, batch_size):
    """Make an update on each of some rows; those of a block solve a triangular system."""
    drift = steps * model.gradient
    solve = get_blas_funcs("trsv", (delta,))
    drifts = rows @ drift[:-1] + drift[-1]
    scaled = rows * steps[:-1]
    for start in range(0, len(rows), BLOCK):
        here = slice(start, start + BLOCK)
        part, weights = rows[here], curvatures[here]
        count = len(part)
        system = (scaled[here] @ part.T + steps[-1]) * weights
        before = np.arange(count, dtype=delta.dtype)
        right = part @ delta[:-1] + delta[-1] - before * drifts[here]
        # Reads the lower triangle only, and 1 on the diagonal.
        pulls = weights * solve(system.T, right, lower=0, trans=1, diag=1)
        delta -= count * drift
        delta[:-1] -= pulls @ scaled[here]
        delta[-1] -= steps[-1] * pulls.sum()
        delta /= 1 + count * steps * model.l2
