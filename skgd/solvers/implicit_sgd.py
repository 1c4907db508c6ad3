r"""Streams without a rate to set: implicit steps on single rows, and an average that starts anew.

An implicit step takes its slope from where it lands,

.. math:: \theta' = \theta - \eta\, \ell'(\tilde x^\top \theta', y)\, \tilde x,

so that no rate, no heavy row and no drift of the columns makes it overshoot. The rate is
:math:`\eta = 1 / (R\, \kappa \sqrt{1 + t / (10 (d + 1))})` with R the mean of the rows' squared
norms weighted by themselves, and :math:`\kappa` the geometric mean of the loss's curvature, slope
over distance. What is reported is an average of the iterates, in which later ones weigh more. If it
predicts the rows to come much worse than the iterates do, the stream has moved on, and the average
starts anew.

The loop over rows is written once, for Python and for Numba.

References
----------
P. Toulis, E. M. Airoldi, "Asymptotic and Finite-Sample Properties of Estimators Based on Stochastic
Gradients", 2017.
"""

from dataclasses import replace

import numpy as np

from skgd.data.design import SparseRows

#: Dense rows that are formed together.
ROWS = 64

#: Halvings of the interval in which the slope of an implicit step is looked for.
HALVINGS = 40

#: In units of d + 1: rows after which the rate has begun to fall, and the longest norm that counts.
LONG = 10

#: How fast old losses are forgotten, and how much worse than the iterates an average may be.
KEPT, WORSE = 0.99, 1.5

#: Rows that an average has at least before it is judged.
YOUNG = 32

#: Over what slopes are compared where there is no distance to compare them with; what a distance of
#: zero is replaced by.
NEARBY, TINY = 1e-3, 1e-300

#: What is remembered of an output: updates, those in the average; sums of norms and of their
#: squares, of logarithms of curvatures, and their count; recent losses of average and iterates.
T, AVERAGED, NORMS, SQUARES, BENDS, COUNT, OF_MEAN, OF_ITERATES = range(8)


def run_epoch(walk, problem, state, rates):
    """Learn the rows one after the other, as they stand; see :func:`walker`.

    Returns
    -------
    state : State
    running_objective : float
        Mean over the rows of the objective before each of them.
    """
    objective, shape = problem.objective, state.theta.shape
    design, n_rows = objective.design, objective.design.n_rows
    theta = np.array(state.theta, dtype=float).reshape(-1, shape[-1])
    mean = np.array(state.mean if state.averaged else state.theta, dtype=float).reshape(theta.shape)
    notes = state.memory.get("notes")
    if notes is None:
        notes = np.zeros((len(theta), 8))
        notes[:, :2] = (
            problem.seen.weight / problem.seen.mean_weight
        )  # rows that an earlier fit has seen
    notes, total = notes.copy(), 0.0
    y = objective.y.reshape(n_rows, -1).astype(float)
    weights = np.ones(n_rows) if objective.weights is None else objective.weights.astype(float)
    strengths = objective.l1.astype(float), objective.l2.astype(float)
    logarithmic = bool(objective.loss.inverse_link(0.0) != 0)
    for start in range(0, n_rows, ROWS):
        here = slice(start, min(start + ROWS, n_rows))
        rows = dense_rows(design, here)
        for k in range(len(theta)):
            row_wise = rows, np.ascontiguousarray(y[here, k]), weights[here]
            moved = theta[k], mean[k], notes[k]
            total += walk(objective.loss, *row_wise, *strengths, *moved, logarithmic, rates[0])
    dtype = state.theta.dtype
    state = replace(
        state,
        theta=theta.reshape(shape).astype(dtype),
        mean=mean.reshape(shape).astype(dtype),
        averaged=True,
        memory={"notes": notes},
        t=state.t + problem.updates_per_epoch,
    )
    return state, total / n_rows


def dense_rows(design, here):
    """Return some inner rows with their intercept, at float64."""
    block = design.scaled_rows(here)
    rows = np.empty((len(block), len(design.scaling.scale) + 1))
    rows[:, :-1] = block.toarray() if isinstance(block, SparseRows) else block
    rows[:, -1] = design.fit_intercept
    return rows


def walker(value, slope):
    """Return the loop over rows, made of two functions of loss, prediction and target.

    The loop changes `theta`, `mean` and `notes` (of one output), and returns the sum of the
    objectives before the steps.
    """

    def walk(loss, rows, y, weights, l1, l2, theta, mean, notes, logarithmic, scale):
        total, size = 0.0, len(theta)
        for i in range(len(rows)):
            x = rows[i]
            p = np.dot(x, theta)
            before, norm = value(loss, p, y[i]), np.dot(x, x)
            total += weights[i] * before + np.sum(l1 * np.abs(theta) + 0.5 * l2 * theta * theta)
            notes[OF_ITERATES] = KEPT * notes[OF_ITERATES] + before
            notes[OF_MEAN] = KEPT * notes[OF_MEAN] + value(loss, np.dot(x, mean), y[i])
            if notes[AVERAGED] > YOUNG and notes[OF_MEAN] > WORSE * notes[OF_ITERATES]:
                notes[AVERAGED] = notes[OF_MEAN] = notes[OF_ITERATES] = 0

            most = slope(loss, p, y[i])
            if logarithmic:
                bend = slope(loss, p + NEARBY, y[i]) - slope(loss, p - NEARBY, y[i])
                bend /= 2 * NEARBY
            else:
                bend = abs(most) / max(abs(p - y[i]), TINY)
            if bend > 0:
                notes[BENDS] += np.log(bend)
                notes[COUNT] += 1
            counted = min(norm, LONG * size)
            notes[NORMS] += counted
            notes[SQUARES] += counted * counted
            length = max(float(size), notes[SQUARES] / max(notes[NORMS], TINY))
            length *= np.exp(notes[BENDS] / max(notes[COUNT], 1.0))
            rate = scale / (length * np.sqrt(1 + notes[T] / (LONG * size)))

            reach = rate * weights[i]
            low, high = 0.0, 1.0  # the share of the slope here that is left where the step lands
            for _ in range(HALVINGS):
                share = 0.5 * (low + high)
                left = slope(loss, p - reach * norm * share * most, y[i])
                if left * most > share * most * most:
                    low = share
                else:
                    high = share
            step = reach * 0.5 * (low + high) * most
            part = min(1.0, 4 / (notes[AVERAGED] + 4))
            for j in range(size):
                landed = (theta[j] - step * x[j]) / (1 + rate * l2[j])
                theta[j] = np.sign(landed) * max(abs(landed) - rate * l1[j], 0.0)
                mean[j] += part * (theta[j] - mean[j])
            notes[T] += 1
            notes[AVERAGED] += 1
        return total

    return walk
