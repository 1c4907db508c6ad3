r"""Streams without a learning rate to set: implicit SGD with a weighted average.

An implicit step evaluates the gradient of the loss at the parameters that it leads to,

.. math:: \theta' = \theta - \eta\, \ell'(\tilde x^\top \theta', y)\, \tilde x,

so that it cannot overshoot, however large the rate and the row are (Toulis and Airoldi, 2017). The
rate is :math:`\eta = 1 / (R\, \kappa \sqrt{1 + t / (10 (d + 1))})` with R the mean of the squared
norms of the rows, weighted by themselves, and :math:`\kappa` the geometric mean of the curvature of
the loss, its gradient over its residual. The model is an average of the iterates, with larger
weights for later ones. The average is restarted when its recent losses, each taken before the
update, are much larger than those of the iterates: the distribution of the rows has then changed.

The loop over rows is written once, for Python and for Numba.

References
----------
P. Toulis, E. M. Airoldi, "Asymptotic and Finite-Sample Properties of Estimators Based on Stochastic
Gradients", 2017.
"""

import numpy as np

from skgd._utils import numba_support
from skgd._utils.component import is_built_in
from skgd.data.design import SparseRows
from skgd.solvers.base import EpochInfo, Solver

#: Rows that are made dense together.
ROWS_PER_CHUNK = 64

#: Bisections that find the gradient of an implicit step.
N_BISECTIONS = 40

#: Multiples of d + 1: updates after which the rate decreases, and the largest squared norm that
#: enters R.
DELAY = 10

#: Factor by which earlier losses are discounted, and the largest ratio of the recent losses of the
#: average and of the iterates.
LOSS_DISCOUNT, MAX_LOSS_RATIO = 0.99, 1.5

#: Number of iterates that the average has before it may be restarted.
MIN_AVERAGED = 32

#: Step of the difference quotient of the gradient, and the least number to divide by.
DIFFERENCE_STEP, MIN_DIVISOR = 1e-3, 1e-300

#: Columns of the running statistics of an output: updates, and those in the average; sums of the
#: squared norms and of their squares, and of the logarithms of the curvatures, and the number of
#: these; discounted losses of the average and of the iterates.
N_UPDATES, N_AVERAGED, NORMS, SQUARED_NORMS, LOG_CURVATURES, N_CURVATURES = range(6)
AVERAGE_LOSS, ITERATE_LOSS = 6, 7


class ImplicitSGDSolver(Solver):
    """Implicit steps on single rows, and a weighted average of the iterates."""

    def __init__(self, problem):
        super().__init__(problem)
        loss = problem.objective.loss.select_output(0)
        self.learn_rows = make_row_loop(type(loss).value, type(loss).gradient)
        if numba_support.has_numba() and is_built_in(loss):
            from skgd.solvers.compiled.implicit_sgd import learn_rows

            self.learn_rows = learn_rows

    def run_epoch(self, state, workspace, learning_rates, order=None):
        """Learn the rows one after the other, in the order in which they are stored."""
        objective, shape = self.problem.objective, state.theta.shape
        n_rows = objective.design.n_rows
        theta = np.array(state.theta, dtype=float).reshape(-1, shape[-1])
        average = state.averaged_theta if state.reports_average else state.theta
        average = np.array(average, dtype=float).reshape(theta.shape)
        statistics = self.running_statistics(state, len(theta))
        y = objective.y.reshape(n_rows, -1).astype(float)
        weights = np.ones(n_rows) if objective.weights is None else objective.weights.astype(float)
        offset = np.zeros_like(y)
        if objective.offset is not None:
            offset[:] = objective.offset.reshape(y.shape)
        penalty = objective.l1, objective.l2, objective.lower, objective.upper
        penalty = tuple(array.astype(float) for array in penalty)
        has_link, total = objective.loss.has_link(), 0.0
        for start in range(0, n_rows, ROWS_PER_CHUNK):
            chunk = slice(start, min(start + ROWS_PER_CHUNK, n_rows))
            rows = dense_rows(objective.design, chunk)
            for k in range(len(theta)):
                targets = np.stack([y[chunk, k], offset[chunk, k]])
                output = theta[k], average[k], statistics[k]
                total += self.learn_rows(
                    objective.loss.select_output(k), rows, targets, weights[chunk], penalty,
                    output, has_link, learning_rates[0],
                )  # fmt: skip
        dtype = state.theta.dtype
        state = state.replace(
            theta=theta.reshape(shape).astype(dtype),
            averaged_theta=average.reshape(shape).astype(dtype),
            reports_average=True,
            solver_state={"implicit_sgd": statistics},
            t=state.t + self.problem.updates_per_epoch,
        )
        return state, workspace, EpochInfo(total / n_rows)

    def running_statistics(self, state, n_outputs):
        """Return a copy of the running statistics, or those after an earlier fit."""
        saved = state.solver_state.get("implicit_sgd")
        if saved is not None:
            return saved.copy()
        earlier = self.problem.stream_statistics
        statistics = np.zeros((n_outputs, 8))
        statistics[:, [N_UPDATES, N_AVERAGED]] = earlier.earlier_weight / earlier.mean_weight
        return statistics


def dense_rows(design, chunk):
    """Return scaled rows, and a column of ones for the intercept, as float64."""
    scaled = design.scaled_rows(chunk)
    rows = np.empty((len(scaled), len(design.scaling.scale) + 1))
    rows[:, :-1] = scaled.toarray() if isinstance(scaled, SparseRows) else scaled
    rows[:, -1] = design.fit_intercept
    return rows


def make_row_loop(value, gradient):
    """Return the loop over rows, made of two functions of loss, prediction and target.

    The loop takes the targets and the offsets of one output as `targets`; the l1 and l2 strengths
    and the bounds as `penalty`; and as `output` the parameters, their average and the running
    statistics, which it changes. It returns the sum of the objectives before the updates.
    """

    def learn_rows(loss, rows, targets, weights, penalty, output, has_link, multiplier):
        (l1, l2, lower, upper), (theta, average, stats) = penalty, output
        total, size = 0.0, len(theta)
        for i in range(len(rows)):
            x, target, offset = rows[i], targets[0, i], targets[1, i]
            p, norm = np.dot(x, theta) + offset, np.dot(x, x)
            row_loss = value(loss, p, target)
            total += weights[i] * row_loss + np.sum(l1 * np.abs(theta) + 0.5 * l2 * theta * theta)
            average_loss = value(loss, np.dot(x, average) + offset, target)
            stats[ITERATE_LOSS] = LOSS_DISCOUNT * stats[ITERATE_LOSS] + row_loss
            stats[AVERAGE_LOSS] = LOSS_DISCOUNT * stats[AVERAGE_LOSS] + average_loss
            is_worse = stats[AVERAGE_LOSS] > MAX_LOSS_RATIO * stats[ITERATE_LOSS]
            if stats[N_AVERAGED] > MIN_AVERAGED and is_worse:
                stats[N_AVERAGED] = stats[AVERAGE_LOSS] = stats[ITERATE_LOSS] = 0

            slope = gradient(loss, p, target)
            if has_link:
                above = gradient(loss, p + DIFFERENCE_STEP, target)
                below = gradient(loss, p - DIFFERENCE_STEP, target)
                curvature = (above - below) / (2 * DIFFERENCE_STEP)
            else:
                curvature = abs(slope) / max(abs(p - target), MIN_DIVISOR)
            if curvature > 0:
                stats[LOG_CURVATURES] += np.log(curvature)
                stats[N_CURVATURES] += 1
            clipped_norm = min(norm, DELAY * size)
            stats[NORMS] += clipped_norm
            stats[SQUARED_NORMS] += clipped_norm * clipped_norm
            mean_norm = max(float(size), stats[SQUARED_NORMS] / max(stats[NORMS], MIN_DIVISOR))
            lipschitz = mean_norm * np.exp(stats[LOG_CURVATURES] / max(stats[N_CURVATURES], 1.0))
            rate = multiplier / (lipschitz * np.sqrt(1 + stats[N_UPDATES] / (DELAY * size)))

            low, high = 0.0, 1.0  # bounds of the gradient after the step, relative to `slope`
            for _ in range(N_BISECTIONS):
                share = 0.5 * (low + high)
                after = gradient(loss, p - rate * weights[i] * norm * share * slope, target)
                if after * slope > share * slope * slope:
                    low = share
                else:
                    high = share
            step = rate * weights[i] * 0.5 * (low + high) * slope
            share = min(1.0, 4 / (stats[N_AVERAGED] + 4))
            for j in range(size):
                coef = (theta[j] - step * x[j]) / (1 + rate * l2[j])
                coef = np.sign(coef) * max(abs(coef) - rate * l1[j], 0.0)
                theta[j] = min(max(coef, lower[j]), upper[j])
                average[j] += share * (theta[j] - average[j])
            stats[N_UPDATES] += 1
            stats[N_AVERAGED] += 1
        return total

    return learn_rows
