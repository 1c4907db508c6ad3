r"""Plain descent on sparse rows, where an update costs the entries of its rows and not d.

Between two rows that mention a coordinate, its course is known in advance: an l2 penalty multiplies
it by :math:`d_t = \max(0, 1 - \eta_t l_2)` in each update t, an l1 penalty then takes
:math:`\eta_t l_1` off its magnitude until nothing is left, and a centre moves it by a multiple of
:math:`m` (:class:`skgd.data.design.SparseRows`) that is the same number for all coordinates. So the
updates touch stored coordinates only, and each of these is first brought up to date: with
:math:`P_t = \prod_{s<t} d_s` and :math:`V_t = \sum_{s<t} \eta_s / P_{s+1}`, a coordinate that was
:math:`u_\tau` is

.. math:: u_t = \operatorname{sign}(u_\tau)\, P_t
          \max\left(0, \tfrac{|u_\tau|}{P_\tau} + l_1 V_\tau - l_1 V_t\right).

It stays at zero once it is there. What it added meanwhile to the penalty along the way and to the
average of the iterates follows from sums over P and V. A multiple of m does not wait for a
coordinate: it is a number c, and :math:`u = z + c\,m`.

The first update of an epoch, and the next whenever :math:`P_t` has become small, goes over all
coordinates: it also collects what an earlier epoch, or a change of the coefficients, left unpaid.
With a weight decay of :math:`\eta l_2` an update, that is one in about :math:`7 / (\eta l_2)`.

References
----------
B. Carpenter, "Lazy Sparse Stochastic Gradient Descent for Regularized Multinomial Logistic
Regression", 2008.
"""

import numpy as np

from skgd import penalties
from skgd.optimizers import GD
from skgd.solvers.sgd import lazy_triangular, reference
from skgd.solvers.sgd.base import SGDSolver

#: The share of a coordinate that weight decay leaves before all coordinates are brought up to date.
SMALLEST_SHARE = 1e-3

#: Updates after which that is done at the latest; where d is larger, d updates.
STRETCH = 1 << 16

#: Coordinates that are brought up to date together.
SLICE = 1 << 16


class LazySparseSGD(SGDSolver):
    """Gradient descent on sparse rows, whose updates change the stored columns only."""

    @staticmethod
    def applies_to(problem):
        """Return whether columns without an entry in an update change in a way known in advance.

        They do under gradient descent on sparse rows, if all coefficients have the same l2 strength
        (which they have not with `standardize`), and either no shift or no penalty: a coefficient
        that an l1 penalty keeps at zero may leave it in any update of shifted columns.
        """
        design = problem.objective.design
        l1, l2 = problem.objective.l1[:-1], problem.objective.l2[:-1]
        return (
            design.sparse
            and isinstance(problem.optimizer, GD)
            and bool(np.all(l2 == l2[0]))
            and not (design.shift.any() and (l1.any() or l2.any()))
        )

    def run_updates(self, state, learning_rates, order):
        """Run all updates of an epoch, in triangular blocks where the recursion is linear."""
        if lazy_triangular.applies(self.problem):
            try:
                return _run(self.problem, state, order, learning_rates, lazy_triangular.BLOCK)
            except lazy_triangular.SlopeTooLarge:
                pass
        return _run(self.problem, state, order, learning_rates, 1)


def _run(problem, state, order, rates, together):
    """Run an epoch, `together` updates at a time where that can be."""
    course = _Course(problem, state, order, rates)
    moved = reference.Updates(problem, state)
    lazy = None
    edges = course.edges(together)
    rows = np.minimum(edges * problem.batch_size, problem.objective.design.n_rows)
    for batch, number in zip(reference.batches(problem, order, rows), edges, strict=False):
        if number <= course.first or number in course.ends:
            if lazy is not None:
                lazy.finish()
            moved.make(batch, rates[number])
            if number >= course.first:
                stretch = course.stretch(number + 1, course.ends[number])
                lazy = Lazy(moved, stretch, problem.objective.design.shift)
        elif together > 1:
            lazy_triangular.make(lazy, batch)
        else:
            lazy.make(batch, rates[number])
    if lazy is not None:
        lazy.finish()
    return moved.new_state(state), moved.total / problem.objective.design.n_rows


class _Course:
    """What the updates of an epoch do to every coordinate, mentioned or not."""

    def __init__(self, problem, state, order, rates):
        n_rows, size = problem.objective.design.n_rows, problem.batch_size
        norms = reference.row_norms(problem)
        moves = np.ones(len(rates), dtype=bool)
        if norms is not None and problem.row_rule.skips_zero_rows:
            moves = (norms if order is None else norms[order]) > 0
        self.moves = moves
        self.rates = np.where(moves, rates, 0.0)
        self.decays = np.maximum(0.0, 1 - self.rates * float(problem.objective.l2[0]))
        self.rows = np.zeros(len(rates))  # by which the penalty enters the running objective
        if norms is None:
            self.rows[:] = size
            self.rows[-1] = n_rows - size * (len(rates) - 1)
        numbers = state.t + np.cumsum(moves) - 1
        self.averaged = moves & (problem.average > 0) & (problem.average <= numbers)
        self.first = int(np.argmax(moves)) if moves.any() else len(moves)
        self.ends = dict(self.stretches(max(STRETCH, problem.objective.l2.size)))

    def stretches(self, longest):
        """Yield the updates that go over all coordinates, each with the next such update."""
        lost = np.cumsum(-np.log(np.maximum(self.decays, SMALLEST_SHARE**2)))
        start = self.first
        while start < len(lost):
            enough = int(np.searchsorted(lost, lost[start] - np.log(SMALLEST_SHARE)))
            stop = min(max(enough, start + 1), start + longest, len(lost))
            yield start, stop
            start = stop

    def edges(self, together):
        """Return the updates that batches begin with, and their number."""
        parts = [np.arange(self.first)]
        for start, stop in self.ends.items():
            parts += [[start], np.arange(start + 1, stop, together)]
        return np.concatenate([*parts, [len(self.rates)]]).astype(int)

    def stretch(self, start, stop):
        """Return the :class:`_Stretch` of some updates."""
        here = slice(start, stop)
        parts = self.moves, self.rates, self.decays, self.rows, self.averaged
        return _Stretch(*(part[here] for part in parts))


class _Stretch:
    """Products and sums over some updates in a row, from which each coordinate's course follows.

    Parameters
    ----------
    moves : array of shape (m,)
        Whether each update makes a step.
    rates, decays : arrays of shape (m,)
        Learning rate, and what it multiplies a coordinate by.
    rows : array of shape (m,)
        How often the penalty before the update enters the running objective.
    averaged : array of shape (m,)
        Whether the iterate after it enters the average.
    """

    def __init__(self, moves, rates, decays, rows, averaged):
        self.moves, self.rates, self.decays, self.averaged = moves, rates, decays, averaged
        self.share = np.append(1.0, np.cumprod(decays))  # P
        self.rate = _running(rates)
        self.debt = _running(rates / self.share[1:])  # V
        before = np.append(rows, 0.0) * self.share
        self.values = _running(before), _running(before * self.debt)
        before = before * self.share
        self.squares = tuple(_running(before * self.debt**power) for power in range(3))
        after = averaged * self.share[1:]
        self.iterates = _running(after), _running(after * self.debt[1:])


def _running(terms):
    """Return the sums of the first 0, 1, ... terms."""
    return np.append(0.0, np.cumsum(terms))


class Lazy:
    """Parameters on their way over a stretch of updates; one row an output.

    ``theta[:, j]`` is what the coordinate j was after ``seen[j]`` updates, without the centre's
    share ``multiple * shift[j]``.
    """

    def __init__(self, moved, stretch, shift):
        self.moved, self.stretch = moved, stretch
        shape = -1, moved.theta.shape[-1]
        self.theta, self.mean = moved.theta.reshape(shape), moved.mean.reshape(shape)
        self.l1_total, self.l1_applied = (
            moved.l1_total.reshape(shape),
            moved.l1_applied.reshape(shape),
        )
        self.l1, self.l2 = moved.l1[:-1], float(moved.l2[0])
        self.averages = bool(stretch.averaged.any())
        self.changes = moved.has_l1 or moved.has_l2 or self.averages
        self.number = 0
        self.seen = np.zeros(shape[1] - 1, dtype=np.intp)
        self.iterates = np.zeros(self.theta.shape if self.averages else 0)
        self.centred, self.shift = bool(shift.any()), shift
        self.squared_shift = shift @ shift
        self.along = self.theta[:, :-1] @ shift
        self.multiple, self.multiples = np.zeros(len(self.theta)), np.zeros(len(self.theta))

    def make(self, batch, rate):
        """Make one update."""
        k, stretch = self.number, self.stretch
        columns, entries = batch.rows.stored_entries
        here = self.catch_up(columns)
        predictions = self.predictions(columns, entries, here, batch)
        slopes = self.moved.row_factors(predictions, batch, rate)
        if slopes is None:
            slopes = np.zeros(batch.y.shape)
        slopes = slopes.reshape(len(batch.y), -1)
        step = stretch.rates[k] / len(slopes)
        landed = stretch.decays[k] * here - step * (slopes.T @ entries)
        if self.moved.has_l1:
            landed = self.shrunk(columns, landed)
        self.write_back(columns, here, landed, step * slopes.sum(axis=0), 1)
        if stretch.averaged[k]:
            self.iterates[:, columns] += landed
            self.iterates[:, -1] += self.theta[:, -1]
            self.multiples += self.multiple

    def write_back(self, columns, here, landed, fall, count):
        """Move coordinates by `count` updates, whose steps on the intercept add up to ``-fall``."""
        self.number += count
        self.theta[:, columns], self.seen[columns] = landed, self.number
        if self.moved.fit_intercept:
            self.theta[:, -1] -= fall
        if self.centred:
            self.along += (landed - here) @ self.shift[columns]
            self.multiple += fall

    def predictions(self, columns, entries, here, batch):
        """Return the predictions of the rows of a batch."""
        predictions = entries @ here.T + self.theta[:, -1]
        if self.centred:
            along = entries @ self.shift[columns] - self.squared_shift
            predictions = predictions + np.multiply.outer(along, self.multiple) - self.along
        return predictions.reshape(batch.y.shape)

    def catch_up(self, columns):
        """Return coordinates as they are by now, with what they added on the way accounted for."""
        here = self.theta[:, columns]
        if not self.changes:
            return here
        k, stretch, seen = self.number, self.stretch, self.seen[columns]
        sign, whole = np.sign(here), np.abs(here) / stretch.share[seen]
        if not self.moved.has_l1:
            self.accumulate_deferred(columns, sign, whole, 0.0, np.intp(k + 2))
            return stretch.share[k] * sign * whole
        l1 = self.l1[columns]
        whole = whole + l1 * stretch.debt[seen]
        zero_from = np.maximum(np.searchsorted(stretch.debt, whole / l1), seen + 1)
        self.accumulate_deferred(columns, sign, whole, l1, zero_from)
        self.apply_deferred_l1(columns, sign, whole, l1, zero_from)
        left = stretch.share[k] * np.maximum(whole - l1 * stretch.debt[k], 0)
        return np.where(zero_from <= k, 0.0, sign * left)

    def accumulate_deferred(self, columns, sign, whole, l1, zero_from):
        """Add what coordinates were meanwhile to the running objective and to the average."""
        k, stretch, seen = self.number, self.stretch, self.seen[columns]
        stop = np.minimum(zero_from, k + 1)
        if self.moved.has_l1:
            first, second = (sums[stop] - sums[seen] for sums in stretch.values)
            self.moved.total += float(np.sum(l1 * (whole * first - l1 * second)))
        if self.moved.has_l2:
            first, second, third = (sums[stop] - sums[seen] for sums in stretch.squares)
            squares = whole**2 * first - 2 * whole * l1 * second + l1**2 * third
            self.moved.total += 0.5 * self.l2 * float(np.sum(squares))
        if self.averages:
            stop = np.minimum(zero_from - 1, k)
            first, second = (sums[stop] - sums[seen] for sums in stretch.iterates)
            self.iterates[:, columns] += sign * (whole * first - l1 * second)

    def apply_deferred_l1(self, columns, sign, whole, l1, zero_from):
        """Book what coordinates that were not zero have paid of the l1 penalty."""
        k, stretch = self.number, self.stretch
        l1_total = self.l1_total[:, columns]
        l1_applied = -sign * (l1_total + l1 * stretch.rate[k])
        ended = (zero_from <= k) & (sign != 0)
        if ended.any():  # they paid the last time with all that they had left
            last = np.minimum(zero_from, k)
            left = stretch.share[last] * (whole - l1 * stretch.debt[last - 1])
            l1_applied = np.where(
                ended, -sign * (l1_total + l1 * stretch.rate[last - 1] + left), l1_applied
            )
        self.l1_applied[:, columns] = np.where(sign == 0, self.l1_applied[:, columns], l1_applied)

    def shrunk(self, columns, landed):
        """Return coordinates after they have paid what they owe after this update."""
        l1_total = self.l1_total[:, columns] + self.l1[columns] * self.stretch.rate[self.number + 1]
        l1_applied = self.l1_applied[:, columns]
        shrunk = penalties.soft_threshold_cumulative(landed, l1_total, l1_applied)
        self.l1_applied[:, columns] = l1_applied + (shrunk - landed)
        return shrunk

    def finish(self):
        """Bring all coordinates up to date."""
        moved, stretch, d = self.moved, self.stretch, len(self.shift)
        for start in range(0, d if self.changes else 0, SLICE):
            columns = slice(start, min(start + SLICE, d))
            self.theta[:, columns] = self.catch_up(columns)
        if self.centred:
            self.theta[:, :-1] += np.multiply.outer(self.multiple, self.shift)
        if moved.has_l1:
            self.l1_total[:, :-1] += self.l1 * stretch.rate[-1]
        if self.averages:
            self.iterates[:, :-1] += np.multiply.outer(self.multiples, self.shift)
            earlier, number = max(0, moved.t - moved.average_from), stretch.averaged.sum()
            # A stretch may begin before the average does: t counts from its first update.
            self.mean[:] = (earlier * self.mean + self.iterates) / (earlier + number)
        moved.t += int(stretch.moves.sum())
