"""Epochs of :mod:`skgd.solvers.svrg_epoch` as compiled loops."""

import numpy as np

from skgd.solvers.compiled.jit import CompiledLoop
from skgd.solvers.compiled.rows import (
    accumulate,
    compiled_rows,
    dot,
    entry,
    readonly,
    row_at,
    shift_offset,
    subtract_shift,
)
from skgd.solvers.svrg_epoch import BLOCK_SIZE


def svrg_epoch(model, order, batch_size, rate):
    """Return the change of the parameters in one epoch; see :mod:`skgd.solvers.svrg_epoch`."""
    delta = np.zeros((1, len(model.gradient)), model.gradient.dtype)
    steps = (rate * model.free).astype(delta.dtype)
    order = np.empty(0, dtype=np.intp) if order is None else order
    arrays = order, model.curvatures, model.gradient, model.l2, steps
    arguments = compiled_rows(model.design), *map(readonly, arrays), delta, int(batch_size)
    loop = run_samples if batch_size == 1 else run_batches
    loop.compile_for(arguments, cache=True)(*arguments)
    return delta[0]


def svrg_samples(rows, order, curvatures, gradient, l2, steps, delta, batch_size):
    """Make an update on each dense row.

    The penalty is applied to all updates of a block at once.
    """
    n_rows, d = len(curvatures), delta.shape[1] - 1
    for visit in range(n_rows):
        i = row_at(rows, curvatures, order, visit)
        factor = curvatures[i] * (dot(rows, i, delta, 0) + delta[0, d])
        for j in range(d):
            delta[0, j] -= steps[j] * (gradient[j] + factor * entry(rows, i, j))
        delta[0, d] -= steps[d] * (gradient[d] + factor)
        n_done = visit + 1
        if n_done % BLOCK_SIZE == 0 or n_done == n_rows:
            count = (n_done - 1) % BLOCK_SIZE + 1
            for j in range(d):
                delta[0, j] /= 1 + count * steps[j] * l2[j]


def svrg_batches(rows, order, curvatures, gradient, l2, steps, delta, batch_size):
    """Make an update on each batch of rows."""
    n_rows, d = len(curvatures), delta.shape[1] - 1
    correction = np.zeros_like(delta)  # of the gradient, from the rows of a batch
    for first in range(0, n_rows, batch_size):
        stop = min(first + batch_size, n_rows)
        offset = shift_offset(rows, delta, 0) + delta[0, d]
        for visit in range(first, stop):
            i = row_at(rows, curvatures, order, visit)
            factor = curvatures[i] * (dot(rows, i, delta, 0) + offset) / (stop - first)
            factor = delta.dtype.type(factor)
            accumulate(rows, i, factor, correction, 0)
            correction[0, d] += factor
        subtract_shift(rows, correction[0, d], correction, 0)
        for j in range(d + 1):
            unpenalized = delta[0, j] - steps[j] * (gradient[j] + correction[0, j])
            delta[0, j] = unpenalized / (1 + steps[j] * l2[j])
            correction[0, j] = 0


run_samples, run_batches = CompiledLoop(svrg_samples), CompiledLoop(svrg_batches)
