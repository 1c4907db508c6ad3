"""Updates on a few rows each, as loops: what :mod:`skgd.solvers.sgd.reference` does with arrays."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from skgd.solvers.compiled.formulas import gradient, length, soft_threshold, update, value
from skgd.solvers.compiled.jit import PART, inline, without_refcount
from skgd.solvers.compiled.rows import accumulate, dot, entry, offset, row_at, subtract_shift


class Targets(NamedTuple):
    """What belongs to each row; arrays of length 0 stand for what is not there."""

    y: np.ndarray
    weights: np.ndarray


class Rule(NamedTuple):
    """The record of a rule that chooses each step from its row, and the rows' squared norms."""

    record: tuple
    norms: np.ndarray


class Formulas(NamedTuple):
    """Records of loss and optimizer; a step rule, or None where slopes and rates are the steps."""

    loss: tuple
    optimizer: tuple
    rule: Rule | None


class Penalty(NamedTuple):
    """Strengths: a number, or one a coefficient where these differ; None for no l1 penalty."""

    l1: float | np.ndarray | None
    l2: float | np.ndarray


class SGDState(NamedTuple):
    """Arrays that updates change, each of shape (k, d + 1); the optimizer's are a tuple."""

    theta: np.ndarray
    averaged_theta: np.ndarray
    l1_total: np.ndarray
    l1_applied: np.ndarray
    optimizer_state: tuple


class SGDOptions(NamedTuple):
    """How an epoch runs."""

    batch_size: int
    fit_intercept: bool
    average: int
    largest_slope: float


def strength(penalty, j):
    """Return the strength for a coefficient."""


@overload(strength, jit_options=PART)
def _strength(penalty, j):
    if isinstance(penalty, types.Array):
        return lambda penalty, j: penalty[j]
    return lambda penalty, j: penalty


def size(penalty, j, w):
    """Return the penalty of a coefficient."""


@overload(size, jit_options=PART)
def _size(penalty, j, w):
    if isinstance(penalty.types[0], types.NoneType):
        return lambda penalty, j, w: strength(penalty.l2, j) * (w * w)
    return lambda penalty, j, w: (
        2 * strength(penalty.l1, j) * abs(w) + strength(penalty.l2, j) * (w * w)
    )


def shrunk(penalty, walk, o, j, landed, own_rate):
    """Return a coefficient after it has paid what it owes of an l1 penalty."""


@inline
def _pay(penalty, walk, o, j, landed, own_rate):
    l1_total = walk.l1_total[o, j] + strength(penalty.l1, j) * own_rate
    l1_applied = walk.l1_applied[o, j]
    left = soft_threshold(landed, l1_total, l1_applied)
    walk.l1_total[o, j] = l1_total
    walk.l1_applied[o, j] = l1_applied + (left - landed)
    return left


@overload(shrunk, jit_options=PART)
def _shrunk(penalty, walk, o, j, landed, own_rate):
    if isinstance(penalty.types[0], types.NoneType):
        return lambda penalty, walk, o, j, landed, own_rate: landed
    return lambda penalty, walk, o, j, landed, own_rate: _pay(penalty, walk, o, j, landed, own_rate)


def read_state(arrays, o, j):
    """Return the optimizer's state of a coordinate, a tuple of numbers."""


@cache
def state_reader(count):
    """Return the compiled function that reads the first `count` state arrays."""
    if count == 0:
        return inline(lambda arrays, o, j: ())
    read_others, last = state_reader(count - 1), count - 1
    return inline(lambda arrays, o, j: read_others(arrays, o, j) + (arrays[last][o, j],))  # noqa: RUF005


@overload(read_state, jit_options=PART)
def _read_state(arrays, o, j):
    read = state_reader(len(arrays))
    return lambda arrays, o, j: read(arrays, o, j)


def write_state(arrays, o, j, state):
    """Store the optimizer's state of a coordinate."""


@cache
def state_writer(count):
    """Return the compiled function that writes the first `count` state arrays."""
    if count == 0:
        return inline(lambda arrays, o, j, state: None)
    write_others, last = state_writer(count - 1), count - 1

    def write(arrays, o, j, state):
        write_others(arrays, o, j, state)
        arrays[last][o, j] = state[last]

    return inline(write)


@overload(write_state, jit_options=PART)
def _write_state(arrays, o, j, state):
    write = state_writer(len(arrays))
    return lambda arrays, o, j, state: write(arrays, o, j, state)


@inline
def moved(optimizer, walk, o, j, gradient, rate, t):
    """Return where a smooth step takes a coordinate, and its own rate."""
    state = read_state(walk.optimizer_state, o, j)
    change, own_rate, state = update(optimizer, gradient, state, rate, t)
    write_state(walk.optimizer_state, o, j, state)
    return walk.theta[o, j] + change, own_rate


@inline
def stepped(components, penalty, walk, o, j, gradient, limit, rate, t):
    """Return where an update takes a coordinate, penalties included.

    Parameters
    ----------
    gradient : float
        The derivative of the loss.
    limit : float
        The strongest l2 penalty that does not overshoot.
    """
    decay = min(strength(penalty.l2, j), limit) * walk.theta[o, j]
    landed, own_rate = moved(components.optimizer, walk, o, j, gradient + decay, rate, t)
    return shrunk(penalty, walk, o, j, landed, own_rate)


@inline
def take_into_mean(walk, number):
    """Take the iterate into the mean, as the one with this number."""
    share = walk.theta.dtype.type(1 / number)
    for o in range(walk.theta.shape[0]):
        for j in range(walk.theta.shape[1]):
            walk.averaged_theta[o, j] += (walk.theta[o, j] - walk.averaged_theta[o, j]) * share


@inline
def slope_of(components, manner, p, y):
    """Return the slope at a prediction, within bounds."""
    return min(max(gradient(components.loss, p, y), -manner.largest_slope), manner.largest_slope)


def has_rule(components):
    """Tell whether a rule chooses the steps; the running objective is without penalties then."""


@overload(has_rule, jit_options=PART)
def _has_rule(components):
    found = not isinstance(components.types[2], types.NoneType)
    return lambda components: found


def pull(components, manner, i, p, y, rate):
    """Return the slope that makes the step of row i, by a rule or by the loss."""


@inline
def _pull_by_rule(components, manner, i, p, y, rate):
    steps = length(components.rule.record, value(components.loss, p, y), components.rule.norms[i])
    return np.sign(gradient(components.loss, p, y)) * steps / rate


@overload(pull, jit_options=PART)
def _pull(components, manner, i, p, y, rate):
    if isinstance(components.types[2], types.NoneType):
        return lambda components, manner, i, p, y, rate: slope_of(components, manner, p, y)
    return lambda components, manner, i, p, y, rate: _pull_by_rule(
        components, manner, i, p, y, rate
    )


def passed_over(components, i):
    """Tell whether row i makes no update at all."""


@overload(passed_over, jit_options=PART)
def _passed_over(components, i):
    rule = components.types[2]
    if (
        isinstance(rule, types.NoneType)
        or not rule.types[0].instance_class.component.skips_zero_rows
    ):
        return lambda components, i: False
    return lambda components, i: components.rule.norms[i] == 0


def per_sample(kind, rows, targets, order, rates, components, penalty, walk, manner, start, t):
    """Run some updates on one dense row each.

    Parameters
    ----------
    kind : record
        What this loop is found by; it is not looked at.
    rows, targets, pieces, penalty, walk, manner : records
        See their classes; `walk` is changed.
    order : array
        The rows in the order of their visits; of length 0 for the order in which they stand.
    rates : array
        The learning rates of these updates.
    start : int
        The visit that comes first.
    t : float
        The number of the first update.

    Returns
    -------
    total : float
        Sum of the objectives just before the updates.
    t : int
        The number of the next update.
    """
    rows, targets, walk = without_refcount(rows), without_refcount(targets), without_refcount(walk)
    theta, y, weights = walk.theta, targets.y, targets.weights
    n_outputs, d = theta.shape[0], theta.shape[1] - 1
    total = 0.0
    for number in range(len(rates)):
        visit = start + number
        i = row_at(rows, y, order, visit)
        rate = theta.dtype.type(rates[number])
        limit = theta.dtype.type(1 / rates[number])
        if passed_over(components, i):
            for o in range(n_outputs):
                total += value(components.loss, theta[o, d], y[i, o])
            continue
        weight = weights[i] if weights.size else theta.dtype.type(1)
        for o in range(n_outputs):
            product, doubled = theta.dtype.type(0), theta.dtype.type(0)
            for j in range(d):
                product += entry(rows, i, j) * theta[o, j]
                doubled += size(penalty, j, theta[o, j])
            p = product + theta[o, d]
            total += weight * value(components.loss, p, y[i, o])
            if not has_rule(components):
                total += doubled / 2
            g = theta.dtype.type(weight * pull(components, manner, i, p, y[i, o], rates[number]))
            for j in range(d):
                gradient = g * entry(rows, i, j)
                theta[o, j] = stepped(components, penalty, walk, o, j, gradient, limit, rate, t)
            g = g if manner.fit_intercept else theta.dtype.type(0)
            theta[o, d] = moved(components.optimizer, walk, o, d, g, rate, t)[0]
        if 0 < manner.average <= t:
            take_into_mean(walk, t - manner.average + 1)
        t += 1
    return total, t


def per_long_sample(kind, rows, targets, order, rates, components, penalty, walk, manner, start, t):
    """Do what :func:`per_sample` does without a step rule, in one pass over the coefficients.

    They are moved and meet the coming row in one. The sum that this ends with is waited for, so
    that only long rows gain.
    """
    rows, targets, walk = without_refcount(rows), without_refcount(targets), without_refcount(walk)
    theta, y, weights = walk.theta, targets.y, targets.weights
    n_outputs, d = theta.shape[0], theta.shape[1] - 1
    # What the coming row meets: its products, and twice the penalties.
    products, doubled = np.empty(n_outputs, theta.dtype), np.empty(n_outputs, theta.dtype)
    i = row_at(rows, y, order, start)
    for o in range(n_outputs):
        products[o], doubled[o] = dot(rows, i, theta, o), theta.dtype.type(0)
        for j in range(d):
            doubled[o] += size(penalty, j, theta[o, j])
    total, last = 0.0, start + len(rates) - 1
    for number in range(len(rates)):
        coming = row_at(rows, y, order, min(start + number + 1, last))
        rate = theta.dtype.type(rates[number])
        limit = theta.dtype.type(1 / rates[number])
        weight = weights[i] if weights.size else theta.dtype.type(1)
        for o in range(n_outputs):
            p = products[o] + theta[o, d]
            total += weight * value(components.loss, p, y[i, o]) + doubled[o] / 2
            g = theta.dtype.type(weight * slope_of(components, manner, p, y[i, o]))
            product, twice = theta.dtype.type(0), theta.dtype.type(0)
            for j in range(d):
                gradient = g * entry(rows, i, j)
                w = stepped(components, penalty, walk, o, j, gradient, limit, rate, t)
                theta[o, j] = w
                product += entry(rows, coming, j) * w
                twice += size(penalty, j, w)
            products[o], doubled[o] = product, twice
            g = g if manner.fit_intercept else theta.dtype.type(0)
            theta[o, d] = moved(components.optimizer, walk, o, d, g, rate, t)[0]
        if 0 < manner.average <= t:
            take_into_mean(walk, t - manner.average + 1)
        t += 1
        i = coming
    return total, t


def per_batch(kind, rows, targets, order, rates, components, penalty, walk, manner, start, t):
    """Do what :func:`per_sample` does, for rows of any kind and any number of them in an update.

    `start` is the first visit of the first batch.
    """
    rows, targets, walk = without_refcount(rows), without_refcount(targets), without_refcount(walk)
    theta, y, weights = walk.theta, targets.y, targets.weights
    n_outputs, d, n_rows = theta.shape[0], theta.shape[1] - 1, len(targets.y)
    gradient, offsets = np.empty((n_outputs, d + 1), theta.dtype), np.empty(n_outputs, theta.dtype)
    for o in range(n_outputs):
        for j in range(d + 1):
            gradient[o, j] = 0
    total = 0.0
    for number in range(len(rates)):
        first = start + number * manner.batch_size
        stop = min(first + manner.batch_size, n_rows)
        limit, share = theta.dtype.type(1 / rates[number]), theta.dtype.type(1 / (stop - first))
        rate = theta.dtype.type(rates[number])
        for o in range(n_outputs):
            offsets[o] = offset(rows, theta, o) + theta[o, d]
        if has_rule(components):  # of single rows
            i = order[first] if order.size else first
            if passed_over(components, i):
                for o in range(n_outputs):
                    total += value(components.loss, dot(rows, i, theta, o) + offsets[o], y[i, o])
                continue
        for visit in range(first, stop):
            i = row_at(rows, y, order, visit)
            weight = weights[i] if weights.size else theta.dtype.type(1)
            loss = theta.dtype.type(0)
            for o in range(n_outputs):
                p = dot(rows, i, theta, o) + offsets[o]
                loss += value(components.loss, p, y[i, o])
                found = pull(components, manner, i, p, y[i, o], rates[number])
                g = theta.dtype.type(weight * found * share)
                accumulate(rows, i, g, gradient, o)
                gradient[o, d] += g
            total += weight * loss
        for o in range(n_outputs):
            subtract_shift(rows, gradient[o, d], gradient, o)
            doubled = theta.dtype.type(0)
            for j in range(d):
                doubled += size(penalty, j, theta[o, j])
                theta[o, j] = stepped(
                    components, penalty, walk, o, j, gradient[o, j], limit, rate, t
                )
                gradient[o, j] = 0
            if not has_rule(components):
                total += (stop - first) * doubled / 2
            g = gradient[o, d] if manner.fit_intercept else theta.dtype.type(0)
            theta[o, d] = moved(components.optimizer, walk, o, d, g, rate, t)[0]
            gradient[o, d] = 0
        if 0 < manner.average <= t:
            take_into_mean(walk, t - manner.average + 1)
        t += 1
    return total, t
