r"""SGD on sparse rows by lazy updates: an update costs the stored entries of its rows, not d.

Between two updates with a stored entry in a column, the changes of its coefficient are known in
advance. In each update t, an l2 penalty multiplies it by :math:`d_t = \max(0, 1 - \eta_t l_2)`, an
l1 penalty reduces its magnitude by :math:`\eta_t l_1` to zero at least, and an implicit shift
:math:`m` of the rows (:class:`skgd.data.design.SparseRows`) adds a multiple of m that is the same
for all coefficients. So an update changes stored columns only, after their deferred updates have
been applied. With the decay product :math:`P_t = \prod_{s<t} d_s` and the cumulative penalty
:math:`V_t = \sum_{s<t} \eta_s / P_{s+1}`, a coefficient :math:`u_\tau` becomes

.. math:: u_t = \operatorname{sign}(u_\tau)\, P_t
          \max\left(0, \tfrac{|u_\tau|}{P_\tau} + l_1 V_\tau - l_1 V_t\right).

A coefficient that is zero stays zero. The terms of the deferred updates in the running objective
and in the averaged parameters follow from cumulative sums of P and V. Multiples of m are not
deferred: their sum is one number c, and the coefficients are :math:`u = z + c\,m`.

The first update of an epoch changes all coefficients, which also applies the l1 penalty that is
still due after an earlier epoch or a change of the coefficients. So does the next one whenever
:math:`P_t` has become small. With a weight decay of :math:`\eta l_2` per update, this is one update
in about :math:`7 / (\eta l_2)`.

References
----------
B. Carpenter, "Lazy Sparse Stochastic Gradient Descent for Regularized Multinomial Logistic
Regression", 2008.
"""

from itertools import islice
from typing import NamedTuple

import numpy as np

from skgd import penalties
from skgd.optimizers import GD
from skgd.solvers.sgd import lazy_triangular, reference
from skgd.solvers.sgd.base import MIN_DECAY_PRODUCT, SGDSolver
from skgd.solvers.sgd.triangular import is_linear

#: Largest number of updates between two full updates, unless d is larger, which is then the limit.
MAX_INTERVAL_UPDATES = 1 << 16

#: Number of columns whose deferred updates are applied in one step after an interval.
CATCH_UP_COLUMNS = 1 << 16


class LazySparseSGD(SGDSolver):
    """Gradient descent on sparse rows, whose updates change the stored columns only."""

    @staticmethod
    def applies_to(problem):
        """Return whether columns without an entry in an update change in a way known in advance.

        This requires gradient descent on sparse rows, the same l2 strength for all coefficients
        (with `standardize` they differ), and either no shift or neither penalty nor bounds: with a
        shift, any update may move a coefficient that an l1 penalty keeps at zero. A penalty moves
        coefficients towards 0, which the bounds must not exclude then.
        """
        objective, design = problem.objective, problem.objective.design
        l2 = objective.l2[:-1]
        has_penalty = objective.l1.any() or l2.any()
        excludes_zero = np.any((objective.lower > 0) | (objective.upper < 0))
        return (
            design.sparse
            and isinstance(problem.optimizer, GD)
            and bool(np.all(l2 == l2[0]))
            and not (design.shift.any() and (has_penalty or objective.has_bounds))
            and not (has_penalty and excludes_zero)
        )

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch, in triangular blocks if the recursion is linear."""
        factors = compute_factors(self.problem, state, learning_rates, order)
        block_size = lazy_triangular.BLOCK_SIZE if is_linear(self.problem) else 1
        result = _run_updates(self.problem, state, factors, order, block_size)
        return result or _run_updates(self.problem, state, factors, order, 1)


def _run_updates(problem, state, factors, order, block_size):
    """Run all updates of an epoch, in blocks of `block_size` updates between full updates.

    Return None if a block is not linear, because a gradient would be clipped.
    """
    design = problem.objective.design
    n_skipped, intervals = split_epoch(factors, max(MAX_INTERVAL_UPDATES, design.X.shape[1]))
    edges = [np.arange(n_skipped)]
    for start, stop in intervals:
        edges += [[start], np.arange(start + 1, stop, block_size)]
    edges = np.concatenate([*edges, [len(factors.rates)]]).astype(int)
    row_edges = np.minimum(edges * problem.batch_size, design.n_rows)
    batches = reference.iterate_batches(problem, order, row_edges)
    iterate = reference.Iterate(problem, state)
    for batch in islice(batches, n_skipped):
        iterate.update(batch, 0.0)
    update = LazyIterate.update if block_size == 1 else lazy_triangular.update_block
    for start, stop in intervals:
        iterate.update(next(batches), factors.rates[start])
        lazy = LazyIterate(iterate, factors.select(start + 1, stop), design.shift)
        for batch in islice(batches, len(range(start + 1, stop, block_size))):
            if not update(lazy, batch):
                return None
        lazy.finish()
    return iterate.finish()


class UpdateFactors(NamedTuple):
    """Factors of consecutive updates, which are the same for all columns.

    Parameters
    ----------
    is_step : array of shape (m,)
        Whether the update is made; a step rule may skip rows of zeros.
    rates : array of shape (m,)
        Learning rate; 0 if the update is skipped.
    decays : array of shape (m,)
        Factor that the l2 penalty multiplies a coefficient by.
    penalty_rows : array of shape (m,)
        Number of rows by which the penalty before the update enters the running objective.
    is_averaged : array of shape (m,)
        Whether the iterate after the update enters the average.
    """

    is_step: np.ndarray
    rates: np.ndarray
    decays: np.ndarray
    penalty_rows: np.ndarray
    is_averaged: np.ndarray

    def select(self, start, stop):
        """Return the factors of the updates from `start` to `stop`."""
        return UpdateFactors(*(array[start:stop] for array in self))


def compute_factors(problem, state, rates, order):
    """Return the :class:`UpdateFactors` of an epoch."""
    is_step, penalty_rows = np.ones(len(rates), dtype=bool), np.zeros(len(rates))
    if problem.row_rule is None:
        penalty_rows[:] = problem.batch_size
        penalty_rows[-1] = problem.objective.design.n_rows - penalty_rows[:-1].sum()
    elif problem.row_rule.skips_zero_rows:
        norms = reference.row_norms(problem)
        is_step = (norms if order is None else norms[order]) > 0
    rates = np.where(is_step, rates, 0.0)
    decays = np.maximum(0.0, 1 - rates * float(problem.objective.l2[0]))
    numbers = state.t + np.cumsum(is_step) - 1
    is_averaged = is_step & (problem.average > 0) & (problem.average <= numbers)
    return UpdateFactors(is_step, rates, decays, penalty_rows, is_averaged)


def split_epoch(factors, max_length):
    """Split an epoch into intervals, each of which begins with a full update.

    Parameters
    ----------
    factors : UpdateFactors
        Factors of the updates of the epoch.
    max_length : int
        Largest number of updates in an interval.

    Returns
    -------
    n_skipped : int
        Number of skipped updates before the first interval.
    intervals : list of tuples (int, int)
        First update of each interval, and of the next one.
    """
    n_updates, is_step = len(factors.rates), factors.is_step
    log_decays = np.cumsum(-np.log(np.maximum(factors.decays, MIN_DECAY_PRODUCT**2)))
    start = n_skipped = int(np.argmax(is_step)) if is_step.any() else n_updates
    intervals = []
    while start < n_updates:
        limit = np.searchsorted(log_decays, log_decays[start] - np.log(MIN_DECAY_PRODUCT))
        stop = min(max(int(limit), start + 1), start + max_length, n_updates)
        intervals.append((start, stop))
        start = stop
    return n_skipped, intervals


class IntervalSums:
    """Cumulative sums over the updates of an interval, of shape (m + 1,) or longer.

    Parameters
    ----------
    factors : UpdateFactors
        Factors of the m updates.

    Attributes
    ----------
    decay, rate, penalty : arrays of shape (m + 1,)
        Decay product P, sum of the learning rates, and cumulative penalty V before each update.
    l1_objective, l2_objective : tuples of arrays of shape (m + 2,)
        Sums of P, P V, and of P², P² V, P² V² before the updates, for the running objective.
    average : tuple of arrays of shape (m + 1,)
        Sums of P and P V after the averaged updates.
    """

    def __init__(self, factors):
        self.decay = np.append(1.0, np.cumprod(factors.decays))
        self.rate = _sum_before(factors.rates)
        self.penalty = _sum_before(factors.rates / self.decay[1:])
        terms = np.append(factors.penalty_rows, 0.0) * self.decay
        self.l1_objective = _sum_before(terms), _sum_before(terms * self.penalty)
        terms = terms * self.decay
        self.l2_objective = tuple(_sum_before(terms * self.penalty**power) for power in range(3))
        terms = factors.is_averaged * self.decay[1:]
        self.average = _sum_before(terms), _sum_before(terms * self.penalty[1:])


def _sum_before(terms):
    """Return the sums of the first 0, 1, ... terms."""
    return np.append(0.0, np.cumsum(terms))


class LazyIterate:
    """Parameters during the lazy updates of an interval; one row for each output.

    Parameters
    ----------
    iterate : Iterate
        The iterate after a full update; it is changed in place.
    factors : UpdateFactors
        Factors of the updates of the interval.
    shift : array of shape (d,)
        Shift m of the rows.

    Attributes
    ----------
    n_updates : int
        Number of updates of the interval so far.
    last_updates : array of shape (d,)
        ``theta[:, j]`` is coefficient j after the first ``last_updates[j]`` updates, without
        ``shift_multiple * shift[j]``.
    theta_sum : array of shape (k, d + 1)
        Sum of the iterates that enter the average, except the deferred terms.
    shift_multiple, shift_multiple_sum : arrays of shape (k,)
        Multiple c of the shift in the coefficients, and its sum over the averaged iterates.
    theta_shift_products : array of shape (k,)
        Product of ``theta[:, :-1]`` and the shift.
    """

    def __init__(self, iterate, factors, shift):
        self.iterate, self.factors, self.sums = iterate, factors, IntervalSums(factors)
        self.theta, self.l1_total, self.l1_applied = map(
            np.atleast_2d, (iterate.theta, iterate.l1_total, iterate.l1_applied)
        )
        self.l1, self.l2 = iterate.l1[:-1], float(iterate.l2[0])
        self.lower, self.upper = (bound[:-1] for bound in iterate.bounds)
        self.has_average = bool(factors.is_averaged.any())
        self.has_deferred = iterate.has_l1 or iterate.has_l2 or self.has_average
        self.n_updates, self.last_updates = 0, np.zeros(len(shift), dtype=np.intp)
        self.theta_sum = np.zeros(self.theta.shape if self.has_average else 0)
        self.shift, self.is_shifted, self.squared_shift = shift, bool(shift.any()), shift @ shift
        self.theta_shift_products = self.theta[:, :-1] @ shift
        self.shift_multiple, self.shift_multiple_sum = np.zeros((2, len(self.theta)))

    def update(self, batch):
        """Make one update, and return True, as the update of a block does."""
        k, iterate = self.n_updates, self.iterate
        rate = self.factors.rates[k]
        columns, entries = batch.rows.stored_entries
        coef = self.catch_up(columns)
        predictions = self.predict(columns, entries, coef, batch)
        derivatives = iterate.differentiate_loss(predictions, batch, rate)
        if derivatives is None:
            derivatives = np.zeros(batch.y.shape)
        derivatives = derivatives.reshape(len(batch.y), -1)
        step = rate / len(derivatives)
        new_coef = self.factors.decays[k] * coef - step * (derivatives.T @ entries)
        if iterate.has_l1:
            new_coef = self.apply_l1(columns, new_coef)
        if iterate.has_bounds:
            new_coef = np.clip(new_coef, self.lower[columns], self.upper[columns])
        self.write_back(columns, coef, new_coef, step * derivatives.sum(axis=0), 1)
        if self.factors.is_averaged[k]:
            self.theta_sum[:, columns] += new_coef
            self.theta_sum[:, -1] += self.theta[:, -1]
            self.shift_multiple_sum += self.shift_multiple
        return True

    def write_back(self, columns, coef, new_coef, fall, count):
        """Store coefficients after `count` updates, which lower the intercept by `fall`."""
        self.n_updates += count
        self.theta[:, columns], self.last_updates[columns] = new_coef, self.n_updates
        if self.iterate.fit_intercept:
            self.theta[:, -1] -= fall
        if self.is_shifted:
            self.theta_shift_products += (new_coef - coef) @ self.shift[columns]
            self.shift_multiple += fall

    def predict(self, columns, entries, coef, batch):
        """Return the predictions of the rows of a batch."""
        predictions = entries @ coef.T + self.theta[:, -1]
        if self.is_shifted:
            products = entries @ self.shift[columns] - self.squared_shift
            predictions = predictions + np.multiply.outer(products, self.shift_multiple)
            predictions -= self.theta_shift_products
        predictions = predictions.reshape(batch.y.shape)
        return predictions if batch.offset is None else predictions + batch.offset

    def catch_up(self, columns):
        """Apply the deferred updates of columns; return their coefficients."""
        coef = self.theta[:, columns]
        if not self.has_deferred:
            return coef
        k, sums, last = self.n_updates, self.sums, self.last_updates[columns]
        sign, scaled = np.sign(coef), np.abs(coef) / sums.decay[last]
        if not self.iterate.has_l1:
            self.accumulate_deferred(columns, sign, scaled, 0.0, np.intp(k + 2))
            return sums.decay[k] * sign * scaled
        l1 = self.l1[columns]
        scaled = scaled + l1 * sums.penalty[last]
        zero_from = np.maximum(np.searchsorted(sums.penalty, scaled / l1), last + 1)
        self.accumulate_deferred(columns, sign, scaled, l1, zero_from)
        self.apply_deferred_l1(columns, sign, scaled, l1, zero_from)
        magnitude = sums.decay[k] * np.maximum(scaled - l1 * sums.penalty[k], 0)
        return np.where(zero_from <= k, 0.0, sign * magnitude)

    def accumulate_deferred(self, columns, sign, scaled, l1, zero_from):
        r"""Add the deferred terms of columns to the running objective and to the average.

        Parameters
        ----------
        columns : array or slice
            The columns.
        sign : array of shape (k, m)
            Signs of their coefficients.
        scaled : array of shape (k, m)
            :math:`|u_\tau| / P_\tau + l_1 V_\tau`.
        l1 : array of shape (m,) or float
            Strengths of the l1 penalty.
        zero_from : array of shape (k, m) or int
            Number of updates after which the coefficients are zero.
        """
        k, iterate, last = self.n_updates, self.iterate, self.last_updates[columns]
        stop = np.minimum(zero_from, k + 1)
        if iterate.has_l1:
            first, second = (sums[stop] - sums[last] for sums in self.sums.l1_objective)
            iterate.objective_sum += float(np.sum(l1 * (scaled * first - l1 * second)))
        if iterate.has_l2:
            first, second, third = (sums[stop] - sums[last] for sums in self.sums.l2_objective)
            squares = scaled**2 * first - 2 * scaled * l1 * second + l1**2 * third
            iterate.objective_sum += 0.5 * self.l2 * float(np.sum(squares))
        if self.has_average:
            stop = np.minimum(zero_from - 1, k)
            first, second = (sums[stop] - sums[last] for sums in self.sums.average)
            self.theta_sum[:, columns] += sign * (scaled * first - l1 * second)

    def apply_deferred_l1(self, columns, sign, scaled, l1, zero_from):
        """Set `l1_applied` of columns that were not zero; see `accumulate_deferred`."""
        k, sums = self.n_updates, self.sums
        # A coefficient that becomes zero gets less than the penalty of its last update.
        is_zero = zero_from <= k
        last = np.minimum(zero_from, k)
        remainder = sums.decay[last] * (scaled - l1 * sums.penalty[last - 1])
        applied = np.where(is_zero, l1 * sums.rate[last - 1] + remainder, l1 * sums.rate[k])
        l1_applied = -sign * (self.l1_total[:, columns] + applied)
        self.l1_applied[:, columns] = np.where(sign == 0, self.l1_applied[:, columns], l1_applied)

    def apply_l1(self, columns, coef):
        """Return coefficients after the cumulative l1 penalty of this update."""
        rate = self.sums.rate[self.n_updates + 1]
        l1_total = self.l1_total[:, columns] + self.l1[columns] * rate
        l1_applied = self.l1_applied[:, columns]
        shrunk = penalties.soft_threshold_cumulative(coef, l1_total, l1_applied)
        self.l1_applied[:, columns] = l1_applied + (shrunk - coef)
        return shrunk

    def finish(self):
        """Apply the deferred updates of all columns, and update the average."""
        iterate, d = self.iterate, len(self.shift)
        for start in range(0, d if self.has_deferred else 0, CATCH_UP_COLUMNS):
            columns = slice(start, min(start + CATCH_UP_COLUMNS, d))
            self.theta[:, columns] = self.catch_up(columns)
        if self.is_shifted:
            self.theta[:, :-1] += np.multiply.outer(self.shift_multiple, self.shift)
        if iterate.has_l1:
            self.l1_total[:, :-1] += self.l1 * self.sums.rate[-1]
        if self.has_average:
            self.theta_sum[:, :-1] += np.multiply.outer(self.shift_multiple_sum, self.shift)
            theta_sum = self.theta_sum.reshape(iterate.theta.shape)
            iterate.add_to_average(theta_sum, self.factors.is_averaged.sum())
        iterate.t += int(self.factors.is_step.sum())
