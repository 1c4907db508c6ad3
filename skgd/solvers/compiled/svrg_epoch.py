"""What :mod:`skgd.solvers.svrg_epoch` does with arrays, as loops."""

import numpy as np

from skgd.solvers.compiled.jit import Kernel
from skgd.solvers.compiled.rows import (
    accumulate,
    dot,
    entry,
    offset,
    readonly,
    row_at,
    rows_of,
    subtract_shift,
)
from skgd.solvers.svrg_epoch import BLOCK_SIZE


def svrg_epoch(model, order, batch_size, rate):
    """Do what :func:`skgd.solvers.svrg_epoch.svrg_epoch` says."""
    delta = np.zeros((1, len(model.gradient)), model.gradient.dtype)
    steps = (rate * model.free).astype(delta.dtype)
    order = np.empty(0, dtype=np.intp) if order is None else order
    parts = order, model.curvatures, model.gradient, model.l2, steps
    arguments = rows_of(model.design), *map(readonly, parts), delta, int(batch_size)
    kernel = run_one_by_one if batch_size == 1 else run_in_batches
    kernel.compiled(arguments, keep=True)(*arguments)
    return delta[0]


def one_by_one(rows, order, curvatures, gradient, l2, steps, delta, batch_size):
    """Make an update on each dense row."""
    n_rows, d = len(curvatures), delta.shape[1] - 1
    for visit in range(n_rows):
        i = row_at(rows, curvatures, order, visit)
        pull = curvatures[i] * (dot(rows, i, delta, 0) + delta[0, d])
        for j in range(d):
            delta[0, j] -= steps[j] * (gradient[j] + pull * entry(rows, i, j))
        delta[0, d] -= steps[d] * (gradient[d] + pull)
        done = visit + 1
        if done % BLOCK_SIZE == 0 or done == n_rows:
            count = (done - 1) % BLOCK_SIZE + 1
            for j in range(d):
                delta[0, j] /= 1 + count * steps[j] * l2[j]


def in_batches(rows, order, curvatures, gradient, l2, steps, delta, batch_size):
    """Make the updates on batches of rows."""
    n_rows, d = len(curvatures), delta.shape[1] - 1
    scale_gradient = np.zeros_like(delta)
    for first in range(0, n_rows, batch_size):
        stop = min(first + batch_size, n_rows)
        shift = offset(rows, delta, 0) + delta[0, d]
        for visit in range(first, stop):
            i = row_at(rows, curvatures, order, visit)
            pull = curvatures[i] * (dot(rows, i, delta, 0) + shift) / (stop - first)
            pull = delta.dtype.type(pull)
            accumulate(rows, i, pull, scale_gradient, 0)
            scale_gradient[0, d] += pull
        subtract_shift(rows, scale_gradient[0, d], scale_gradient, 0)
        for j in range(d + 1):
            moved = delta[0, j] - steps[j] * (gradient[j] + scale_gradient[0, j])
            delta[0, j] = moved / (1 + steps[j] * l2[j])
            scale_gradient[0, j] = 0


run_one_by_one, run_in_batches = Kernel(one_by_one), Kernel(in_batches)
