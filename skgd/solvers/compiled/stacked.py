"""Updates of many models on the same rows, compiled.

Parameters are laid out feature by model: the loops over the models are the inner ones, and process
several models in one instruction. What differs between models, and sums over features, are in
arrays on the stack, of which LLVM knows that they do not overlap the parameters.
"""

from typing import NamedTuple

import numpy as np

from skgd._utils.component import is_built_in
from skgd.solvers.compiled.component_methods import loss_value, record
from skgd.solvers.compiled.epochs import PerBatch, PerSample, copy_array
from skgd.solvers.compiled.jit import (
    STACK_ITEMS,
    CompiledLoop,
    by_type,
    force_inline,
    is_none,
    jit_function,
    stack_array,
    without_refcount,
)
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
def weighted(models, j, m, x, w):
    """Return what feature j of model m, of value w, adds to the prediction of a row of entry x."""
    return x * ratio_at(models, j, m) * w


@force_inline
def predict_row(rows, i, models, theta, predictions):
    """Compute the predictions of row i by all models."""
    d, n_models = theta.shape[0] - 1, theta.shape[1]
    rest = d % WIDTH
    for m in range(n_models):
        predictions[m] = theta[d, m]
    for j in range(rest):
        x = entry(rows, i, j)
        for m in range(n_models):
            predictions[m] += weighted(models, j, m, x, theta[j, m])
    for j in range(rest, d, WIDTH):
        x = entry(rows, i, j), entry(rows, i, j + 1), entry(rows, i, j + 2), entry(rows, i, j + 3)
        for m in range(n_models):
            predictions[m] += (
                weighted(models, j, m, x[0], theta[j, m])
                + weighted(models, j + 1, m, x[1], theta[j + 1, m])
                + weighted(models, j + 2, m, x[2], theta[j + 2, m])
                + weighted(models, j + 3, m, x[3], theta[j + 3, m])
            )


@by_type
def doubled(formulas, models, j, m, w):
    """Return twice the penalty of feature j of model m of value w, or 0 beside a step rule."""
    if not is_none(formulas.types[2]):
        return lambda formulas, models, j, m, w: 0.0
    return lambda formulas, models, j, m, w: doubled_penalty(penalty_at(models, j, m), m, w)


@force_inline
def sum_penalties(formulas, models, theta, penalties):
    """Compute twice the penalties of all models."""
    for m in range(theta.shape[1]):
        penalties[m] = 0
    for j in range(theta.shape[0] - 1):
        for m in range(theta.shape[1]):
            penalties[m] += doubled(formulas, models, j, m, theta[j, m])


class Step(NamedTuple):
    """An update of all models.

    Parameters
    ----------
    rates, limits : arrays of at least M items
        Learning rates and largest l2 strengths that do not overshoot.
    t : float
        Number of the update.
    """

    rates: np.ndarray
    limits: np.ndarray
    t: float


@force_inline
def update_feature(formulas, models, state, j, m, gradient, step):
    """Update feature j of model m, and return its value."""
    update = Update(step.rates[m], step.limits[m], step.t)
    gradient *= ratio_at(models, j, m)
    w = update_coefficient(formulas, penalty_at(models, j, m), state, j, m, gradient, update)
    state.theta[j, m] = w
    return w


@force_inline
def update_intercepts(formulas, state, gradients, step):
    """Update the intercepts of all models."""
    d, n_models = state.theta.shape[0] - 1, state.theta.shape[1]
    for m in range(n_models):
        update = Update(step.rates[m], step.limits[m], step.t)
        w = apply_optimizer(formulas.optimizer, state, d, m, gradients[m], update)[0]
        state.theta[d, m] = w


@force_inline
def update_and_predict(rows, i, formulas, models, state, previous, step, sums):
    """Update all features by one row, and predict the next: each feature is read once for both.

    Parameters
    ----------
    rows : named tuple
        The rows.
    i : int
        The row to predict.
    formulas, models, state, step : named tuples
        See their classes.
    previous : tuple of arrays of shape (d,) and (M,)
        The row before, and what it is multiplied by in the gradient of each model.
    sums : tuple of arrays of shape (M,)
        Predictions and twice the penalties after the update, which are computed.
    """
    (x, factors), (predictions, penalties) = previous, sums
    d, n_models = state.theta.shape[0] - 1, state.theta.shape[1]
    rest = d % WIDTH
    for m in range(n_models):
        predictions[m] = state.theta[d, m]
        penalties[m] = 0
    for j in range(rest):
        old, new = x[j], entry(rows, i, j)
        for m in range(n_models):
            w = update_feature(formulas, models, state, j, m, old * factors[m], step)
            predictions[m] += weighted(models, j, m, new, w)
            penalties[m] += doubled(formulas, models, j, m, w)
    for j in range(rest, d, WIDTH):
        old = x[j], x[j + 1], x[j + 2], x[j + 3]
        new = entry(rows, i, j), entry(rows, i, j + 1), entry(rows, i, j + 2), entry(rows, i, j + 3)
        for m in range(n_models):
            factor = factors[m]
            w0 = update_feature(formulas, models, state, j, m, old[0] * factor, step)
            w1 = update_feature(formulas, models, state, j + 1, m, old[1] * factor, step)
            w2 = update_feature(formulas, models, state, j + 2, m, old[2] * factor, step)
            w3 = update_feature(formulas, models, state, j + 3, m, old[3] * factor, step)
            predictions[m] += (
                weighted(models, j, m, new[0], w0)
                + weighted(models, j + 1, m, new[1], w1)
                + weighted(models, j + 2, m, new[2], w2)
                + weighted(models, j + 3, m, new[3], w3)
            )
            penalties[m] += (
                doubled(formulas, models, j, m, w0)
                + doubled(formulas, models, j + 1, m, w1)
                + doubled(formulas, models, j + 2, m, w2)
                + doubled(formulas, models, j + 3, m, w3)
            )


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


@force_inline
def set_rates(visits, number, rates, limits):
    """Compute the learning rates of an update, and the l2 strengths that do not overshoot."""
    for m in range(len(visits.factors)):
        rates[m] = visits.curves[number, visits.curve_of_model[m]] * visits.factors[m]
        limits[m] = 1 / rates[m]


@force_inline
def differentiate(data, i, models, formulas, options, predictions, step, sums):
    """Compute the factors of a row in the gradients, and add its losses to the totals.

    Parameters
    ----------
    predictions : array of shape (M,)
        Predictions of row i.
    sums : tuple of arrays of shape (M,)
        The totals, and the factors, which are computed.
    data, i, models, formulas, options, step
        See :func:`update_and_predict` and :func:`run_single_rows`.
    """
    totals, factors = sums
    weight = data.weights[i] if data.weights.size else 1.0
    for m in range(len(totals)):
        target = data.y[i, models.output[m]]
        totals[m] += weight * loss_value(formulas.loss, predictions[m], target)
        factor = row_factor(formulas, options, i, predictions[m], target, step.rates[m])
        factors[m] = weight * factor


@force_inline
def average(options, state, t):
    """Update the average of the iterates after update number t."""
    if 0 < options.average_from <= t:
        update_average(state.averaged_theta, state.theta, t - options.average_from + 1)


def run_single_rows(kind, data, visits, models, formulas, options, state, totals):
    """Run an epoch of updates by single rows, of all models.

    The features are updated when the next row is predicted.

    Parameters
    ----------
    kind : PerSample
        Selects this loop; it is not used.
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
    rows, d, t, i = data.rows, state.theta.shape[0] - 1, visits.t, 0
    rates, limits, predictions = stack_array(), stack_array(), stack_array()
    penalties, factors, intercept_factors = stack_array(), stack_array(), stack_array()
    x, sums, is_pending = np.zeros(d), (predictions, penalties), False
    for number in range(len(visits.curves)):
        i = row_at(rows, data.y, visits.order, number)
        if is_pending:
            step = Step(rates, limits, t)
            update_and_predict(rows, i, formulas, models, state, (x, factors), step, sums)
            average(options, state, t)
            t += 1
        else:
            predict_row(rows, i, models, state.theta, predictions)
            sum_penalties(formulas, models, state.theta, penalties)
        set_rates(visits, number, rates, limits)
        step = Step(rates, limits, t)
        differentiate(data, i, models, formulas, options, predictions, step, (totals, factors))
        is_pending = not is_skipped(formulas, i)
        if is_pending:
            for m in range(len(totals)):
                totals[m] += penalties[m] / 2
                intercept_factors[m] = factors[m] if options.fit_intercept else 0.0
            update_intercepts(formulas, state, intercept_factors, step)
            for j in range(d):
                x[j] = entry(rows, i, j)
    if is_pending:
        step = Step(rates, limits, t)
        update_and_predict(rows, i, formulas, models, state, (x, factors), step, sums)
        average(options, state, t)
        t += 1
    return t


def run_batches(kind, data, visits, models, formulas, options, state, totals):
    """Do what :func:`run_single_rows` does for updates by batches."""
    data, state, models = without_refcount(data), without_refcount(state), without_refcount(models)
    rows, y, theta, t = data.rows, data.y, state.theta, visits.t
    d, n_models = theta.shape[0] - 1, theta.shape[1]
    factors = np.empty((options.batch_size, n_models))
    visited, gradients = np.empty(options.batch_size, np.intp), np.empty((d, n_models))
    rates, limits = stack_array(), stack_array()
    predictions, penalties = stack_array(), stack_array()
    for number in range(len(visits.curves)):
        first = number * options.batch_size
        size = min(options.batch_size, len(y) - first)
        set_rates(visits, number, rates, limits)
        step = Step(rates, limits, t)
        for b in range(size):
            i = visited[b] = row_at(rows, y, visits.order, first + b)
            predict_row(rows, i, models, theta, predictions)
            sums = totals, factors[b]
            differentiate(data, i, models, formulas, options, predictions, step, sums)
        sum_penalties(formulas, models, theta, penalties)
        sum_rows(rows, visited[:size], factors, gradients)
        for j in range(d):
            for m in range(n_models):
                update_feature(formulas, models, state, j, m, gradients[j, m] / size, step)
        for m in range(n_models):
            totals[m] += size * penalties[m] / 2
            predictions[m] = 0.0
            for b in range(size if options.fit_intercept else 0):
                predictions[m] += factors[b, m] / size
        update_intercepts(formulas, state, predictions, step)
        average(options, state, t)
        t += 1
    return t


@by_type
def run_epoch(kind, data, visits, models, formulas, options, state, totals):
    """Run an epoch of all models, by the loop of its kind."""
    return run_single_rows if kind.instance_class is PerSample else run_batches


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


def epochs_loop(kind, data, orders, rates, models, formulas, options, arrays):
    """Run consecutive epochs of all models, and return the number of the next update.

    Parameters
    ----------
    kind : PerSample or PerBatch
        Selects the loop.
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
        t = run_epoch(kind, data, visits, models, formulas, options, state, trace.totals[number])
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
        self.problem, self.kind = problem, PerSample() if problem.batch_size == 1 else PerBatch()
        objective, design = problem.objective, problem.objective.design
        weights = np.empty(0) if objective.weights is None else objective.weights
        y = objective.y.reshape(design.n_rows, -1)
        arrays = y, weights, np.empty((0, y.shape[1]))  # no offsets
        self.data = Data(compiled_rows(design), *map(readonly, arrays))
        n_models = len(objective.l2)
        self.parts = [
            slice(start, min(start + STACK_ITEMS, n_models))
            for start in range(0, n_models, STACK_ITEMS)
        ]
        self.models = [self.select_models(part, scale_ratio) for part in self.parts]
        rule = problem.row_rule
        rule = rule and StepRule(record(rule), readonly(row_norms(problem)))
        self.formulas = Formulas(record(objective.loss), record(problem.optimizer), rule)
        self.options = SGDOptions(
            problem.batch_size,
            design.fit_intercept,
            int(problem.average),
            float(problem.max_loss_gradient),
        )

    def select_models(self, part, scale_ratio):
        """Return the :class:`Models` of a slice of the models."""
        objective = self.problem.objective
        l1, l2, n_outputs = objective.l1[part, :-1], objective.l2[part, :-1], objective.y[0].size
        return Models(
            readonly(pad(np.arange(part.start, part.stop) % n_outputs)),
            by_feature(l1) if objective.l1.any() else None,
            readonly(pad(l2[:, 0])) if (l2 == l2[:, :1]).all() else by_feature(l2),
            None if scale_ratio is None else by_feature(scale_ratio[part]),
        )

    def run_epochs(self, state, learning_rates, orders):
        """Run consecutive epochs; see :class:`skgd.solvers.sgd.stacked.StackedSGD`."""
        if orders is None:
            orders = np.empty((len(learning_rates.curves), 0), dtype=np.intp)
        orders = readonly(orders)
        return join(
            [
                self.run_part(state, learning_rates, orders, part, models)
                for part, models in zip(self.parts, self.models, strict=True)
            ]
        )

    def run_part(self, state, learning_rates, orders, part, models):
        """Run consecutive epochs of a part of the models, and return their trace."""
        curves, curve_of_model, factors = learning_rates
        n_epochs, n_models = len(curves), part.stop - part.start
        rates = tuple(map(readonly, (curves, pad(curve_of_model[part]), pad(factors[part]))))
        stacked = [getattr(state, name) for name in ARRAYS] + [*state.optimizer_state]
        stacked = [np.ascontiguousarray(pad(array[part]).T) for array in stacked]
        arrays = SGDState(*stacked[: len(ARRAYS)], tuple(stacked[len(ARRAYS) :]))
        shape = n_epochs, *arrays.theta.shape
        trace = TraceArrays(np.zeros((n_epochs, shape[-1])), np.empty(shape), np.empty(shape))
        arguments = (
            *(self.kind, self.data, orders, (rates, float(state.t)), models),
            *(self.formulas, self.options, (arrays, trace)),
        )
        is_cached = all(map(is_built_in, self.problem.formula_components))
        t = run_stacked_epochs.compile_for(arguments, cache=is_cached)(*arguments)
        stacked = [array.T[:n_models] for array in stacked]
        changed = dict(zip(ARRAYS, stacked, strict=False))
        changed["optimizer_state"] = tuple(stacked[len(ARRAYS) :])
        return StackedTrace(
            state.replace(**changed, t=int(t)),
            trace.totals[:, :n_models] / self.problem.objective.design.n_rows,
            trace.theta[..., :n_models].swapaxes(1, 2),
            trace.averaged_theta[..., :n_models].swapaxes(1, 2),
        )


def join(traces):
    """Return the :class:`~skgd.solvers.sgd.stacked.StackedTrace` of parts of the models."""
    if len(traces) == 1:
        return traces[0]
    states, *epochs = zip(*traces, strict=True)
    arrays = {name: np.concatenate([getattr(s, name) for s in states]) for name in ARRAYS}
    optimizer_arrays = zip(*(state.optimizer_state for state in states), strict=True)
    optimizer_state = tuple(map(np.concatenate, optimizer_arrays))
    state = states[0].replace(**arrays, optimizer_state=optimizer_state)
    return StackedTrace(state, *(np.concatenate(array, axis=1) for array in epochs))


def pad(array):
    """Return a copy of an array of models, padded with zeros to a multiple of LANES."""
    missing = -len(array) % LANES
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])


def by_feature(array):
    """Return the array of shape (features, models), padded and read-only."""
    return readonly(pad(array).T)
