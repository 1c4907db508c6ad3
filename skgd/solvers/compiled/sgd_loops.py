"""Per-sample and mini-batch updates as loops.

They do what :mod:`skgd.solvers.sgd.reference` does with arrays.
"""

from typing import NamedTuple

import numpy as np
from numba import types

from skgd.solvers.compiled.component_methods import (
    loss_gradient,
    loss_value,
    optimizer_update,
    soft_threshold,
    step_length,
)
from skgd.solvers.compiled.jit import by_type, is_none, jit_function, without_refcount
from skgd.solvers.compiled.rows import accumulate, dot, entry, row_at, shift_offset, subtract_shift


class Data(NamedTuple):
    """Rows in scaled coordinates and their targets, of shape (n, k).

    Weights, of shape (n,), and offsets, of shape (n, k), have length 0 if there are none.
    """

    rows: tuple
    y: np.ndarray
    weights: np.ndarray
    offset: np.ndarray


@jit_function
def offset_at(data, i, o):
    """Return the term that is added to the linear predictor of output o for row i."""
    return data.offset[i, o] if data.offset.size else data.y.dtype.type(0)


class Visits(NamedTuple):
    """The updates of an epoch.

    Parameters
    ----------
    order : array
        The rows in the order of their visits; of length 0 for the order in which they are stored.
    rates : array of shape (m,)
        Learning rate of each update.
    first : int
        Number of the first visit.
    t : float
        Number of the first update, from 1.
    """

    order: np.ndarray
    rates: np.ndarray
    first: int
    t: float


class StepRule(NamedTuple):
    """Record of a rule that sets the step on each row, and the squared norms of the rows."""

    record: tuple
    squared_norms: np.ndarray


class Formulas(NamedTuple):
    """Records of loss and optimizer, and a step rule or None."""

    loss: tuple
    optimizer: tuple
    step_rule: StepRule | None


class Penalty(NamedTuple):
    """Strengths and bounds: one of each coefficient, or a number if all are equal.

    None stands for no l1 penalty, and for no bounds.
    """

    l1: float | np.ndarray | None
    l2: float | np.ndarray
    lower: float | np.ndarray | None
    upper: float | np.ndarray | None


class SGDState(NamedTuple):
    """Arrays that updates change, each of shape (k, d + 1); the optimizer's are a tuple."""

    theta: np.ndarray
    averaged_theta: np.ndarray
    l1_total: np.ndarray
    l1_applied: np.ndarray
    optimizer_state: tuple


class SGDOptions(NamedTuple):
    """Options of an epoch.

    Parameters
    ----------
    batch_size : int
        Rows in an update.
    fit_intercept : bool
        Whether the intercept is updated.
    average_from : int
        The update from which the iterates are averaged; 0 means never.
    max_gradient : float
        Magnitude to which derivatives of the loss are clipped.
    """

    batch_size: int
    fit_intercept: bool
    average_from: int
    max_gradient: float


class Update(NamedTuple):
    """Learning rate of an update, the largest l2 strength that does not overshoot, and number."""

    rate: float
    max_l2: float
    t: float


@by_type
def strength_at(strengths, j):
    """Return the strength of a penalty, or the bound, of coefficient j."""
    if isinstance(strengths, types.Array):
        return lambda strengths, j: strengths[j]
    return lambda strengths, j: strengths


@by_type
def doubled_penalty(penalty, j, w):
    """Return twice the penalty of coefficient j of value w, ``2 * l1 * |w| + l2 * w**2``."""
    if is_none(penalty.types[0]):
        return lambda penalty, j, w: strength_at(penalty.l2, j) * (w * w)
    return lambda penalty, j, w: (
        2 * strength_at(penalty.l1, j) * abs(w) + strength_at(penalty.l2, j) * (w * w)
    )


def _apply_cumulative_l1(penalty, state, o, j, w, coordinate_rate):
    w = keep_sign(penalty, j, w)
    l1_total = state.l1_total[o, j] + strength_at(penalty.l1, j) * coordinate_rate
    l1_applied = state.l1_applied[o, j]
    shrunk = soft_threshold(w, l1_total, l1_applied)
    state.l1_total[o, j] = l1_total
    state.l1_applied[o, j] = l1_applied + (shrunk - w)
    return shrunk


@by_type
def apply_l1(penalty, state, o, j, w, coordinate_rate):
    """Return coefficient j of output o after the l1 penalty, given its value w before."""
    if is_none(penalty.types[0]):
        return lambda penalty, state, o, j, w, coordinate_rate: w
    return _apply_cumulative_l1


def _project(penalty, j, w):
    return min(max(w, strength_at(penalty.lower, j)), strength_at(penalty.upper, j))


def has_bounds(penalty):
    """Return whether there are bounds, for the types of a penalty's fields."""
    return not is_none(penalty.types[2])


@by_type
def project(penalty, j, w):
    """Return the value within the bounds of coefficient j that is closest to w."""
    return _project if has_bounds(penalty) else lambda penalty, j, w: w


def _project_if_zero_is_excluded(penalty, j, w):
    if strength_at(penalty.lower, j) > 0 or strength_at(penalty.upper, j) < 0:
        return project(penalty, j, w)
    return w


@by_type
def keep_sign(penalty, j, w):
    """Project on the bounds if they exclude 0; see :func:`skgd.penalties.sign_bounds`."""
    return _project_if_zero_is_excluded if has_bounds(penalty) else lambda penalty, j, w: w


def state_reader(count):
    """Return the function that reads the first `count` state arrays."""
    if count == 0:
        return lambda arrays, o, j: ()
    if count == 1:
        return lambda arrays, o, j: (arrays[0][o, j],)
    read_others, last = jit_function(state_reader(count - 1)), count - 1
    return lambda arrays, o, j: read_others(arrays, o, j) + (arrays[last][o, j],)  # noqa: RUF005


@by_type
def read_state(arrays, o, j):
    """Return the optimizer's state of a coordinate, a tuple of numbers."""
    return state_reader(len(arrays))


def state_writer(count):
    """Return the function that writes the first `count` state arrays."""
    if count == 0:
        return lambda arrays, o, j, state: None
    write_others, last = jit_function(state_writer(count - 1)), count - 1

    def write(arrays, o, j, state):
        if last > 0:
            write_others(arrays, o, j, state)
        arrays[last][o, j] = state[last]

    return write


@by_type
def write_state(arrays, o, j, state):
    """Store the optimizer's state of a coordinate."""
    return state_writer(len(arrays))


@jit_function
def apply_optimizer(optimizer, state, o, j, gradient, update):
    """Return a coordinate after the optimizer's step, and its learning rate."""
    coordinate_state = read_state(state.optimizer_state, o, j)
    step, coordinate_rate, coordinate_state = optimizer_update(
        optimizer, gradient, coordinate_state, update.rate, update.t
    )
    write_state(state.optimizer_state, o, j, coordinate_state)
    return state.theta[o, j] + step, coordinate_rate


@jit_function
def update_coefficient(formulas, penalty, state, o, j, gradient, update):
    """Return a coefficient after an update, penalties and bounds included.

    Parameters
    ----------
    formulas, penalty, state, update : named tuples
        See their classes.
    o, j : int
        Output and coefficient.
    gradient : float
        Derivative of the loss.
    """
    decay = min(strength_at(penalty.l2, j), update.max_l2) * state.theta[o, j]
    w, coordinate_rate = apply_optimizer(formulas.optimizer, state, o, j, gradient + decay, update)
    return project(penalty, j, apply_l1(penalty, state, o, j, w, coordinate_rate))


@jit_function
def update_average(mean, theta, count):
    """Update the running average of the iterates, of which `theta` is number `count`."""
    share = theta.dtype.type(1 / count)
    for o in range(theta.shape[0]):
        for j in range(theta.shape[1]):
            mean[o, j] += (theta[o, j] - mean[o, j]) * share


def _clipped_gradient(formulas, options, i, p, y, rate):
    """Return the derivative of the loss at a prediction, clipped."""
    gradient = loss_gradient(formulas.loss, p, y)
    return min(max(gradient, -options.max_gradient), options.max_gradient)


@by_type
def has_step_rule(formulas):
    """Return whether a rule sets the steps; the running objective then omits the penalties."""
    has_rule = not is_none(formulas.types[2])
    return lambda formulas: has_rule


def _factor_by_rule(formulas, options, i, p, y, rate):
    """Return the factor that makes the step of the rule at the learning rate."""
    rule = formulas.step_rule
    length = step_length(rule.record, loss_value(formulas.loss, p, y), rule.squared_norms[i])
    return np.sign(loss_gradient(formulas.loss, p, y)) * length / rate


@by_type
def row_factor(formulas, options, i, p, y, rate):
    """Return the factor of row i in the gradient: the loss's derivative, or what the rule sets."""
    return _clipped_gradient if is_none(formulas.types[2]) else _factor_by_rule


@by_type
def is_skipped(formulas, i):
    """Return whether row i makes no update at all."""
    rule = formulas.types[2]
    if is_none(rule) or not rule.types[0].instance_class.component.skips_zero_rows:
        return lambda formulas, i: False
    return lambda formulas, i: formulas.step_rule.squared_norms[i] == 0


def per_sample(kind, data, visits, formulas, penalty, options, state):
    """Make an update on each of some dense rows.

    Parameters
    ----------
    kind : named tuple
        Selects this loop; it is not used.
    data, visits, formulas, penalty, options, state : named tuples
        See their classes; the arrays of `state` are changed.

    Returns
    -------
    total : float
        Sum of the objectives just before the updates.
    t : float
        Number of the next update.
    """
    data, state = without_refcount(data), without_refcount(state)
    rows, y, weights, theta = data.rows, data.y, data.weights, state.theta
    order, rates, t = visits.order, visits.rates, visits.t
    n_outputs, d = theta.shape[0], theta.shape[1] - 1
    total = 0.0
    for number in range(len(rates)):
        i = row_at(rows, y, order, visits.first + number)
        update = Update(theta.dtype.type(rates[number]), theta.dtype.type(1 / rates[number]), t)
        if is_skipped(formulas, i):
            for o in range(n_outputs):
                total += loss_value(formulas.loss, theta[o, d] + offset_at(data, i, o), y[i, o])
            continue
        weight = weights[i] if weights.size else theta.dtype.type(1)
        for o in range(n_outputs):
            product, penalty_sum = theta.dtype.type(0), theta.dtype.type(0)
            for j in range(d):
                product += entry(rows, i, j) * theta[o, j]
                penalty_sum += doubled_penalty(penalty, j, theta[o, j])
            p = product + theta[o, d] + offset_at(data, i, o)
            total += weight * loss_value(formulas.loss, p, y[i, o])
            if not has_step_rule(formulas):
                total += penalty_sum / 2
            factor = weight * row_factor(formulas, options, i, p, y[i, o], rates[number])
            factor = theta.dtype.type(factor)
            for j in range(d):
                gradient = factor * entry(rows, i, j)
                theta[o, j] = update_coefficient(formulas, penalty, state, o, j, gradient, update)
            factor = factor if options.fit_intercept else theta.dtype.type(0)
            theta[o, d] = apply_optimizer(formulas.optimizer, state, o, d, factor, update)[0]
        if 0 < options.average_from <= t:
            update_average(state.averaged_theta, theta, t - options.average_from + 1)
        t += 1
    return total, t


def per_batch(kind, data, visits, formulas, penalty, options, state):
    """Do what :func:`per_sample` does for rows of any kind and batches of any size."""
    data, state = without_refcount(data), without_refcount(state)
    rows, y, weights, theta = data.rows, data.y, data.weights, state.theta
    order, rates, t = visits.order, visits.rates, visits.t
    n_outputs, d, n_rows = theta.shape[0], theta.shape[1] - 1, len(y)
    gradient = np.empty((n_outputs, d + 1), theta.dtype)
    constants = np.empty(n_outputs, theta.dtype)  # the terms that all rows share
    for o in range(n_outputs):
        for j in range(d + 1):
            gradient[o, j] = 0
    total = 0.0
    for number in range(len(rates)):
        first = visits.first + number * options.batch_size
        stop = min(first + options.batch_size, n_rows)
        share = theta.dtype.type(1 / (stop - first))
        update = Update(theta.dtype.type(rates[number]), theta.dtype.type(1 / rates[number]), t)
        for o in range(n_outputs):
            constants[o] = shift_offset(rows, theta, o) + theta[o, d]
        if has_step_rule(formulas):  # only with batches of one row
            i = order[first] if order.size else first
            if is_skipped(formulas, i):
                for o in range(n_outputs):
                    p = dot(rows, i, theta, o) + constants[o] + offset_at(data, i, o)
                    total += loss_value(formulas.loss, p, y[i, o])
                continue
        for visit in range(first, stop):
            i = row_at(rows, y, order, visit)
            weight = weights[i] if weights.size else theta.dtype.type(1)
            loss = theta.dtype.type(0)
            for o in range(n_outputs):
                p = dot(rows, i, theta, o) + constants[o] + offset_at(data, i, o)
                loss += loss_value(formulas.loss, p, y[i, o])
                factor = row_factor(formulas, options, i, p, y[i, o], rates[number])
                factor = theta.dtype.type(weight * factor * share)
                accumulate(rows, i, factor, gradient, o)
                gradient[o, d] += factor
            total += weight * loss
        for o in range(n_outputs):
            subtract_shift(rows, gradient[o, d], gradient, o)
            penalty_sum = theta.dtype.type(0)
            for j in range(d):
                penalty_sum += doubled_penalty(penalty, j, theta[o, j])
                theta[o, j] = update_coefficient(
                    formulas, penalty, state, o, j, gradient[o, j], update
                )
                gradient[o, j] = 0
            if not has_step_rule(formulas):
                total += (stop - first) * penalty_sum / 2
            factor = gradient[o, d] if options.fit_intercept else theta.dtype.type(0)
            theta[o, d] = apply_optimizer(formulas.optimizer, state, o, d, factor, update)[0]
            gradient[o, d] = 0
        if 0 < options.average_from <= t:
            update_average(state.averaged_theta, theta, t - options.average_from + 1)
        t += 1
    return total, t
