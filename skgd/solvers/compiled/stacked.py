"""Updates of many models on the same rows, compiled.

Parameters are laid out feature by model: the loops over the models are the inner ones, and process
several models in one instruction.
"""

from typing import NamedTuple

import numpy as np

from skgd._utils.component import is_built_in
from skgd.solvers.compiled.component_methods import loss_value, record
from skgd.solvers.compiled.epochs import copy_array
from skgd.solvers.compiled.jit import CompiledLoop, by_type, is_none, jit_function, without_refcount
from skgd.solvers.compiled.rows import compiled_rows, entry, readonly, row_at
from skgd.solvers.compiled.sgd_loops import (
    Data,
    Formulas,
    Penalty,
    SGDOptions,
    SGDState,
    StepRule,
    Update,
    apply_optimizer,
    doubled_penalty,
    has_step_rule,
    is_skipped,
    row_factor,
    update_average,
    update_coefficient,
)
from skgd.solvers.sgd.reference import row_norms
from skgd.solvers.sgd.stacked import StackedTrace

#: Arrays of a state, beside the optimizer's.
ARRAYS = SGDState._fields[:-1]

#: Features that are processed together in sums: the array of sums is then read and written once
#: for all of them. Updates are made feature by feature, because LLVM compares the addresses of no
#: more than a few arrays to vectorise a loop.
WIDTH = 4

#: The number of models is padded to a multiple of this number, since the rest of a vectorised loop
#: runs one by one.
LANES = 8


class Models(NamedTuple):
    """What differs between M models; with several outputs, each output counts as a model.

    Parameters
    ----------
    output : array of shape (M,)
        Column of the targets.
    l1 : array of shape (d, M) or None
        Strengths of the l1 norm; None if all are zero.
    l2 : array of shape (d, M) or (M,)
        Strengths of half the squared l2 norm, for each feature or for all.
    scale_ratio : array of shape (d, M) or None
        What the scaled features are multiplied by; None means 1.
    """

    output: np.ndarray
    l1: np.ndarray | None
    l2: np.ndarray
    scale_ratio: np.ndarray | None


class StackedVisits(NamedTuple):
    """The updates of an epoch.

    Parameters
    ----------
    order : array
        The rows in the order of their visits; of length 0 for the order in which they are stored.
    curves : array of shape (n_updates, n_curves)
        Learning rates that several models share up to a factor.
    curve_of_model : array of shape (M,)
        The curve of each model.
    factors : array of shape (M,)
        What it is multiplied by.
    t : float
        Number of the first update, from 1.
    """

    order: np.ndarray
    curves: np.ndarray
    curve_of_model: np.ndarray
    factors: np.ndarray
    t: float


@by_type
def penalty_at(models, j, m):
    """Return the penalty of feature j of model m."""
    has_l1 = not is_none(models.types[1])
    if models.types[2].ndim == 2:
        if has_l1:
            return lambda models, j, m: Penalty(models.l1[j, m], models.l2[j, m], None, None)
        return lambda models, j, m: Penalty(None, models.l2[j, m], None, None)
    if has_l1:
        return lambda models, j, m: Penalty(models.l1[j, m], models.l2[m], None, None)
    return lambda models, j, m: Penalty(None, models.l2[m], None, None)


@by_type
def ratio_at(models, j, m):
    """Return what the scaled feature j is multiplied by for model m."""
    if is_none(models.types[3]):
        return lambda models, j, m: 1.0
    return lambda models, j, m: models.scale_ratio[j, m]


@jit_function
def weighted(models, j, m, x, theta):
    """Return the contribution of feature j, whose entry is x, to the prediction of model m."""
    return x * ratio_at(models, j, m) * theta[j, m]


@jit_function
def predict_row(rows, i, models, theta, predictions):
    """Compute the predictions of row i by all models."""
    d = theta.shape[0] - 1
    rest = d % WIDTH
    for m in range(len(predictions)):
        predictions[m] = theta[d, m]
    for j in range(rest):
        x = entry(rows, i, j)
        for m in range(len(predictions)):
            predictions[m] += weighted(models, j, m, x, theta)
    for j in range(rest, d, WIDTH):
        x = entry(rows, i, j), entry(rows, i, j + 1), entry(rows, i, j + 2), entry(rows, i, j + 3)
        for m in range(len(predictions)):
            predictions[m] += (
                weighted(models, j, m, x[0], theta)
                + weighted(models, j + 1, m, x[1], theta)
                + weighted(models, j + 2, m, x[2], theta)
                + weighted(models, j + 3, m, x[3], theta)
            )


@jit_function
def doubled(models, j, m, theta):
    """Return twice the penalty of feature j of model m."""
    return doubled_penalty(penalty_at(models, j, m), m, theta[j, m])


@jit_function
def add_penalties(models, theta, penalties):
    """Add twice the penalties of all models to an array of shape (M,)."""
    d = theta.shape[0] - 1
    rest = d % WIDTH
    for j in range(rest):
        for m in range(len(penalties)):
            penalties[m] += doubled(models, j, m, theta)
    for j in range(rest, d, WIDTH):
        for m in range(len(penalties)):
            penalties[m] += (
                doubled(models, j, m, theta)
                + doubled(models, j + 1, m, theta)
                + doubled(models, j + 2, m, theta)
                + doubled(models, j + 3, m, theta)
            )


@jit_function
def update_features(formulas, models, state, gradients, step):
    """Update all features of all models.

    Parameters
    ----------
    gradients : array of shape (d, M), or (1, M) in updates by a single row
        The gradients, or what the entries of the row are multiplied by.
    """
    theta, rates, limits = state.theta, step.rates, step.limits
    is_single = len(step.x) > 0
    for j in range(theta.shape[0] - 1):
        x, row = (step.x[j], 0) if is_single else (1.0, j)
        for m in range(len(rates)):
            gradient = x * gradients[row, m] * ratio_at(models, j, m)
            update = Update(rates[m], limits[m], step.t)
            penalty = penalty_at(models, j, m)
            theta[j, m] = update_coefficient(formulas, penalty, state, j, m, gradient, update)


class Step(NamedTuple):
    """One update of all models.

    Parameters
    ----------
    x : array of shape (d,)
        The scaled row in updates by a single row; of length 0 in others.
    rates, limits : arrays of shape (M,)
        Learning rates and largest l2 strengths that do not overshoot.
    t : float
        Number of the update.
    """

    x: np.ndarray
    rates: np.ndarray
    limits: np.ndarray
    t: float


@jit_function
def sum_rows(rows, visited, factors, gradients):
    """Compute the sum of rows times their factors of shape (b, M), an array of shape (d, M)."""
    for j in range(gradients.shape[0]):
        for m in range(gradients.shape[1]):
            gradients[j, m] = 0
        rest = len(visited) % WIDTH
        for b in range(rest):
            x = entry(rows, visited[b], j)
            for m in range(gradients.shape[1]):
                gradients[j, m] += x * factors[b, m]
        for b in range(rest, len(visited), WIDTH):
            x0, x1 = entry(rows, visited[b], j), entry(rows, visited[b + 1], j)
            x2, x3 = entry(rows, visited[b + 2], j), entry(rows, visited[b + 3], j)
            for m in range(gradients.shape[1]):
                gradients[j, m] += (
                    x0 * factors[b, m]
                    + x1 * factors[b + 1, m]
                    + x2 * factors[b + 2, m]
                    + x3 * factors[b + 3, m]
                )


@jit_function
def stacked_epoch(data, visits, models, formulas, options, state, totals):
    """Run an epoch of all models.

    Parameters
    ----------
    data, visits, models, formulas, options : named tuples
        See their classes.
    state : SGDState of arrays of shape (d + 1, M)
        Is changed.
    totals : array of shape (M,)
        The sums of the objectives just before the updates, which are added to it.

    Returns
    -------
    float
        Number of the next update.
    """
    data, state, models = without_refcount(data), without_refcount(state), without_refcount(models)
    rows, y, weights, theta = data.rows, data.y, data.weights, state.theta
    order, t, n_rows = visits.order, visits.t, len(y)
    d, n_models = theta.shape[0] - 1, theta.shape[1]
    factors = np.empty((options.batch_size, n_models))
    visited = np.empty(options.batch_size, np.intp)
    is_single = options.batch_size == 1
    gradients, x = np.empty((0 if is_single else d, n_models)), np.empty(d if is_single else 0)
    predictions, penalties = np.empty(n_models), np.empty(n_models)
    rates, limits = np.empty(n_models), np.empty(n_models)
    for number in range(len(visits.curves)):
        first = number * options.batch_size
        size = min(options.batch_size, n_rows - first)
        for m in range(n_models):
            rates[m] = visits.curves[number, visits.curve_of_model[m]] * visits.factors[m]
            limits[m] = 1 / rates[m]
            penalties[m] = 0
        for b in range(size):
            i = visited[b] = row_at(rows, y, order, first + b)
            weight = weights[i] if weights.size else 1.0
            predict_row(rows, i, models, theta, predictions)
            for m in range(n_models):
                target = y[i, models.output[m]]
                totals[m] += weight * loss_value(formulas.loss, predictions[m], target)
                factor = row_factor(formulas, options, i, predictions[m], target, rates[m])
                factors[b, m] = weight * factor / size
        if is_skipped(formulas, visited[0]):
            continue
        step = without_refcount(Step(x, rates, limits, t))
        if not has_step_rule(formulas):
            add_penalties(models, theta, penalties)
        if is_single:
            for j in range(d):
                x[j] = entry(rows, visited[0], j)
            update_features(formulas, models, state, factors, step)
        else:
            sum_rows(rows, visited[:size], factors, gradients)
            update_features(formulas, models, state, gradients, step)
        for m in range(n_models):
            gradient = 0.0
            for b in range(size if options.fit_intercept else 0):
                gradient += factors[b, m]
            totals[m] += size * penalties[m] / 2
            update = Update(rates[m], limits[m], t)
            theta[d, m] = apply_optimizer(formulas.optimizer, state, d, m, gradient, update)[0]
        if 0 < options.average_from <= t:
            update_average(state.averaged_theta, theta, t - options.average_from + 1)
        t += 1
    return t


class TraceArrays(NamedTuple):
    """Arrays that results are written to, epoch by epoch.

    Parameters
    ----------
    totals : array of shape (n_epochs, M)
        Sums of the objectives just before the updates.
    theta, averaged_theta : arrays of shape (n_epochs, d + 1, M)
        Parameters after each epoch, and their averages.
    """

    totals: np.ndarray
    theta: np.ndarray
    averaged_theta: np.ndarray


def epochs_loop(data, orders, rates, models, formulas, options, arrays):
    """Run consecutive epochs of all models, and return the number of the next update.

    Parameters
    ----------
    orders : array of shape (n_epochs, n_rows) or (n_epochs, 0)
        The rows in the order of their visits, or of length 0 for that in which they are stored.
    rates : tuple of (LearningRates, float)
        Learning rates, and the number of the first update.
    arrays : tuple of (SGDState, TraceArrays)
        The state, which is changed, and the results.
    data, models, formulas, options : named tuples
        See their classes.
    """
    (curves, curve_of_model, factors), t = rates
    state, trace = arrays
    for number in range(len(curves)):
        visits = StackedVisits(orders[number], curves[number], curve_of_model, factors, t)
        totals = trace.totals[number]
        t = stacked_epoch(data, visits, models, formulas, options, state, totals)
        copy_array(trace.theta, number, state.theta)
        copy_array(trace.averaged_theta, number, state.averaged_theta)
    return t


run_stacked_epochs = CompiledLoop(epochs_loop)


class CompiledStackedSGD:
    """Updates of many models by a compiled loop.

    Parameters
    ----------
    problem : Problem
        What is minimised; the strengths of its penalties have shape (M, d + 1).
    scale_ratio : array of shape (M, d) or None, default=None
        What the scaled features of the problem are multiplied by for each model; None means 1.
    """

    can_run_ahead = True
    reports_output_objectives = False

    def __init__(self, problem, scale_ratio=None):
        self.problem = problem
        objective, design = problem.objective, problem.objective.design
        weights = np.empty(0) if objective.weights is None else objective.weights
        y = objective.y.reshape(design.n_rows, -1)
        self.n_models, l2 = len(objective.l2), objective.l2[:, :-1]
        arrays = y, weights, np.empty((0, y.shape[1]))  # no offsets
        self.data = Data(compiled_rows(design), *map(readonly, arrays))
        self.models = Models(
            readonly(np.arange(len(self.pad(l2))) % y.shape[1]),
            self.transpose(objective.l1[:, :-1]) if objective.l1.any() else None,
            readonly(self.pad(l2[:, 0])) if (l2 == l2[:, :1]).all() else self.transpose(l2),
            None if scale_ratio is None else self.transpose(scale_ratio),
        )
        rule = problem.row_rule
        rule = rule and StepRule(record(rule), readonly(row_norms(problem)))
        self.formulas = Formulas(record(objective.loss), record(problem.optimizer), rule)
        self.options = SGDOptions(
            problem.batch_size,
            design.fit_intercept,
            int(problem.average),
            float(problem.max_loss_gradient),
        )

    def pad(self, array):
        """Return a copy of an array of all models, padded with zeros to a multiple of LANES."""
        missing = -self.n_models % LANES
        return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])

    def transpose(self, array):
        """Return the array of shape (features, models), padded and read-only."""
        return readonly(self.pad(array).T)

    def run_epochs(self, state, learning_rates, orders):
        """Run consecutive epochs; see :class:`skgd.solvers.sgd.stacked.StackedSGD`."""
        curves, curve_of_model, factors = learning_rates
        n_epochs = len(curves)
        orders = np.empty((n_epochs, 0), dtype=np.intp) if orders is None else orders
        rates = tuple(map(readonly, (curves, self.pad(curve_of_model), self.pad(factors))))
        stacked = [getattr(state, name) for name in ARRAYS] + [*state.optimizer_state]
        stacked = [np.ascontiguousarray(self.pad(array).T) for array in stacked]
        arrays = SGDState(*stacked[: len(ARRAYS)], tuple(stacked[len(ARRAYS) :]))
        shape = n_epochs, *arrays.theta.shape
        trace = TraceArrays(np.zeros((n_epochs, shape[-1])), np.empty(shape), np.empty(shape))
        arguments = (
            *(self.data, readonly(orders), (rates, float(state.t)), self.models),
            *(self.formulas, self.options, (arrays, trace)),
        )
        is_cached = all(map(is_built_in, self.problem.formula_components))
        t = run_stacked_epochs.compile_for(arguments, cache=is_cached)(*arguments)
        n_models, n_rows = self.n_models, self.problem.objective.design.n_rows
        stacked = [array.T[:n_models] for array in stacked]
        changed = dict(zip(ARRAYS, stacked, strict=False))
        changed["optimizer_state"] = tuple(stacked[len(ARRAYS) :])
        return StackedTrace(
            state.replace(**changed, t=int(t)),
            trace.totals[:, :n_models] / n_rows,
            trace.theta[..., :n_models].swapaxes(1, 2),
            trace.averaged_theta[..., :n_models].swapaxes(1, 2),
        )
