"""The one descent loop: epochs, stopping, divergence, history.

Full-batch, mini-batch and per-sample descent differ in what an epoch is (:mod:`skgd.solvers`); all
that surrounds an epoch stands here once.
"""

from dataclasses import replace
from time import perf_counter

import numpy as np

from skgd._utils.component import is_built_in
from skgd.objectives import QuadraticModel
from skgd.optimizers import SVRG
from skgd.schedules import Adaptive, Schedule
from skgd.solvers.choice import row_orders
from skgd.solvers.full_batch import run_update
from skgd.solvers.problem import DivergedError, Outcome, Rates
from skgd.solvers.stopping import DivergenceMonitor, StopReason
from skgd.solvers.trajectory import Trajectory
from skgd.step_rules import LineSearch

#: What an automatic rate is multiplied by after an explosion.
LR_BACKOFF_FACTOR = 0.25

#: Rows or parameters, at most, of epochs that are run in one go.
MAX_SPECULATIVE_ROWS = 1 << 16

#: Entries of rows whose epochs take no longer than the loop around them: so many are run ahead from
#: the beginning.
SPECULATIVE_ENTRIES = 1 << 16

#: Rates that are worked out in one go: more would leave the cache.
CHUNK = 1 << 14

#: Share of its first rate below which a schedule, not the objective, keeps a descent from moving.
MIN_RELATIVE_LR = 1e-4


def descend(problem, state, tests, history, watch=None):
    """Descend until a test ends it or the epochs are used up.

    Parameters
    ----------
    task : Task
        What to descend on, and how.
    state : State
        Where to start. Its arrays are not changed, its generator is.
    tests : Tests
        What ends the descent.
    history : History
        What is appended to.
    watch : Watch or None, default=None
        Is told when an epoch begins, by ``begin()``, and when it is over, by ``end(row, state)``,
        which may ask for an end of the descent.

    Returns
    -------
    Outcome

    Raises
    ------
    Diverged
        If the objective explodes and the task says to raise then.
    """
    # Where a descent leads out of bounds is found out from its numbers, not from their warnings.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        return _Descent(problem, state, tests, history, watch).run()


class _Descent:
    """One call of :func:`descend`."""

    def __init__(self, problem, state, tests, history, watch):
        state = state.for_optimizer(problem.optimizer)
        self.problem, self.state, self.tests = problem, state, tests
        self.history, self.watch = history, watch
        self.rates = problem.schedule.resolve(
            alpha=problem.alpha,
            updates_per_epoch=problem.updates_per_epoch,
            max_iter=problem.planned_epochs,
        )
        self.point = problem.model.evaluate(state.theta) if problem.batch_size is None else None
        self.start = self.point.value if self.point else problem.objective.value(state.theta)
        if not np.isfinite(self.start):
            problem.objective.check_defined(state.theta)
            raise ValueError(
                "The objective is not finite at the start: targets, weights or starting values are "
                f"too large for {state.theta.dtype}. Scale them down."
            )
        measured = problem.objective if problem.batch_size else problem.model
        constant = problem.objective.intercept_only()
        here = np.array_equal(constant, state.theta)
        constant = abs(self.start if here else measured.value(constant))
        # A call that goes on from others is measured by where the first of them began.
        began = state.reference or abs(self.start)
        self.explosion = DivergenceMonitor(max(began, constant), count=state.explosions)
        self.path = self.started_path() if problem.record == "path" else None
        # The last that was not far above the start; all three are replaced, never changed.
        self.safe = self.state, self.point, self.path
        self.best_score, self.best = -np.inf, None
        self.began = perf_counter() - history.last_time
        self.first_epoch = max(history.last_epoch, 0)
        self.final, self.last_value = {}, self.start
        self.run_next_alone = False  # whether the next epoch is known to be one to look at
        self.expanded_at = np.inf, self.state, self.point  # the last expansion, and its distance

    def run(self):
        """Run the epochs."""
        if not len(self.history):
            self.remember(0, np.nan, self.start)
        reason, epochs = None, 0
        while reason is None and epochs < self.problem.max_iter:
            whole = self.state, self.point, self.path, self.explosion.count, len(self.history)
            order_state = self.state.rng.bit_generator.state
            try:
                quiet = self.run_speculative_epochs(epochs)
                if quiet:
                    epochs += quiet
                else:
                    epochs, reason = epochs + 1, self.epoch(epochs + 1)
            except KeyboardInterrupt:
                self.state, self.point, self.path, self.explosion.count, rows = whole
                self.state.rng.bit_generator.state = order_state
                self.history.truncate(rows)
                reason = StopReason.INTERRUPTED
        reason = reason or StopReason.MAX_ITER
        if self.best is not None:
            # The model that was scored is the one to report, whether or not it was an average.
            self.state = replace(
                self.state, theta=self.best.theta, mean=self.best.model(self.problem.average)
            )
        if self.explosion.count and self.problem.on_divergence == "back_off":
            self.state, self.point, self.path = self.safe
        elif reason is not StopReason.INTERRUPTED and self.ended_diverged(reason):
            reason = StopReason.DIVERGED
            if self.problem.on_divergence == "raise":
                raise DivergedError(
                    epochs, self.final["learning_rate"], self.start, self.last_value
                )
        self.state = replace(
            self.state, explosions=self.explosion.count, reference=self.explosion.reference
        )
        self.history.path = self.path or self.history.path
        return Outcome(self.state, reason, epochs, self.history, self.final)

    def ended_diverged(self, reason):
        """Tell whether the descent ends far above its start, though no longer than an epoch ago.

        A stall that is worse than the best constant model is no convergence either.
        """
        if reason is StopReason.CONVERGED and self.tests.gradient is None:
            return self.last_value > 2 * self.explosion.reference
        return self.explosion.count >= (2 if self.problem.streaming else 1)

    def epoch(self, number):
        """Run one epoch; return a reason to stop, or None."""
        self.run_next_alone = False
        if self.watch is not None:
            self.watch.begin()
        state, point, path, rate, value = self.advance()
        if self.exploded(state, value, number, rate):
            return None
        before = self.state, self.point, self.path
        self.state, self.point, self.path, self.last_value = state, point, path, value
        if self.explosion.count == 0:
            # A running objective tells of where the epoch began, and not of where it led.
            self.safe = before if point is None else (state, point, path)
        row = self.remember(self.first_epoch + number, rate, value)
        stop = self.watch is not None and self.watch.end(row, self.state)
        return self.verdict(row, value) or (StopReason.CALLBACK if stop else None)

    def run_speculative_epochs(self, before):
        """Run some epochs in one go, after each of which there is nothing to decide.

        Small fits would else wait for this loop most of the time. Epochs are run ahead; from the
        first on that has to be looked at they are forgotten.

        Parameters
        ----------
        before : int
            Epochs of this call so far.

        Returns
        -------
        int
            How many epochs there were.
        """
        count = self.lookahead(before)
        if count < 2:
            return 0  # a single one is run as well by the loop that looks at it
        began, state, rng = perf_counter(), self.state, self.state.rng
        order_state, n_rows = rng.bit_generator.state, self.problem.objective.design.n_rows
        orders = row_orders(rng, n_rows, count) if self.problem.shuffle else None
        rates = self.table(state, count).reshape(count, -1)
        course = self.problem.run_epoch.run_epochs(state, orders, rates)
        quiet = self.count_nonstopping(course)
        self.run_next_alone = quiet < count
        if self.run_next_alone:  # the orders of the epochs that are forgotten will be drawn again
            rng.bit_generator.state = order_state
            if quiet and self.problem.shuffle:
                row_orders(rng, n_rows, quiet)
        if quiet:
            self.safe = (course.state(quiet - 2) if quiet > 1 else state), None, None
            self.state, self.last_value = course.state(quiet - 1), course.running[quiet - 1]
            self.remember_many(self.first_epoch + before, rates[:quiet, -1], course, began)
        return quiet

    def lookahead(self, before):
        """Return how many epochs to run in one go: the more of them, the longer there was none."""
        problem = self.problem
        looked_at = self.watch is not None or self.tests.validate is not None or self.run_next_alone
        if looked_at or self.explosion.count or problem.record not in ("running", None):
            return 0
        if problem.batch_size is None or not hasattr(problem.run_epoch, "run_epochs"):
            return 0
        if not is_pure_schedule(problem.schedule):
            return 0
        n_rows, width = problem.objective.design.n_rows, self.state.theta.size
        count = max(4 + before // 4, SPECULATIVE_ENTRIES // (n_rows * width))
        return min(
            count, self.problem.max_iter - before, MAX_SPECULATIVE_ROWS // max(n_rows, width)
        )

    def count_nonstopping(self, course):
        """Return how many epochs in a row are nothing to stop for, and take these in."""
        plateau, number = self.tests.plateau, 0
        fine = course.finite & (course.running <= self.explosion.limit)
        for value, is_fine in zip(course.running.tolist(), fine.tolist(), strict=True):
            if not is_fine or (plateau is not None and plateau.would_stall(value)):
                break
            if plateau is not None:
                plateau.stalled(value)
            number += 1
        return number

    def advance(self):
        """Return state, point, path, last rate and objective after one more epoch."""
        problem, state = self.problem, self.state
        path = self.path and self.path.copy()
        rates = self.table(state)
        if problem.batch_size is None:
            state, point, rate = run_update(problem, state, self.point, rates[0])
            if path is not None:
                path.add(state.t - 1, *self.in_data_units(state))
            return state, point, path, rate, point.value
        order = self.order() if problem.shuffle else None
        if path is None or problem.objective.is_chunked or isinstance(problem.optimizer, SVRG):
            state, running = problem.run_epoch(state, order, rates)
            if path is not None:  # the way to a proposal is none of models
                path.add(state.t - 1, *self.in_data_units(state))
        else:
            state, running = self.run_along(path, order, rates)
        return state, None, path, rates[-1], running

    def order(self):
        """Return the order in which the next epoch visits the rows, or blocks and their rows."""
        objective, rng = self.problem.objective, self.state.rng
        if objective.is_chunked:
            return objective.order(rng)
        return row_orders(rng, objective.design.n_rows)[0]

    def table(self, state, epochs=1):
        """Return the rates of the next epochs' updates, found in chunks that stay in the cache."""
        if self.problem.objective.is_chunked:
            return Rates(self.rates, state.t, state.scale, self.problem.updates_per_epoch)
        table = np.empty(epochs * self.problem.updates_per_epoch)
        for start in range(0, len(table), CHUNK):
            some = table[start : start + CHUNK]
            first = state.t + start
            some[:] = self.rates(np.arange(first, first + len(some), dtype=float))
        return table if state.scale == 1 else state.scale * table

    def started_path(self):
        """Return the path of the calls before, or a new one, with the start of this one."""
        model = self.in_data_units(self.state)
        path = self.history.path.copy() if self.history.path else Trajectory(model[0].shape)
        path.begin(self.state.t - 1, *model)
        return path

    def in_data_units(self, state):
        """Return the coefficients and the intercept that a state stands for."""
        model = state.model(self.problem.average)
        return self.problem.objective.design.scaling.to_original(model)

    def run_along(self, path, order, rates):
        """Do what `run_epoch` does, in stretches that end at the updates that the path keeps."""
        problem, state = self.problem, self.state
        n_rows, size = problem.objective.design.n_rows, problem.batch_size
        start, total = 0, 0.0
        while start < len(rates):
            stop = min(start + path.updates_to_next(state.t - 1), len(rates))
            state, running = problem.run_epoch(state, order, rates[start:stop], start * size)
            path.add(state.t - 1, *self.in_data_units(state))
            total += running * (min(stop * size, n_rows) - start * size)
            start = stop
        return state, total / n_rows

    def exploded(self, state, value, number, rate):
        """Tell whether an epoch has to be taken back; raise if the task says so."""
        finite = bool(np.isfinite(state.theta).all())
        noticed = self.explosion.noticed(value if finite else np.nan)
        if not noticed or (finite and self.problem.on_divergence == "go_on"):
            return False
        self.problem.objective.check_defined(state.theta if finite else self.state.theta)
        if self.problem.on_divergence != "back_off":
            raise DivergedError(number, rate, self.start, value)
        state, self.point, self.path = self.safe
        self.state = replace(state, scale=self.state.scale * LR_BACKOFF_FACTOR, memory={})
        self.explosion.count = 0
        return True

    def verdict(self, row, value):
        """Return a reason to stop after an epoch, or None."""
        tests = self.tests
        if tests.early_stopping:
            score = row["validation_score"]
            if score > self.best_score:
                self.best_score, self.best = score, self.state
            stalled = tests.plateau is not None and tests.plateau.stalled(-score)
        else:
            if tests.gradient is not None:
                eps = np.finfo(self.state.theta.dtype).eps
                reason = tests.gradient.verdict(value, row["gradient_norm"], eps)
                if reason is StopReason.PRECISION and self.lr_vanished(row["learning_rate"]):
                    return StopReason.STALLED
                if reason is not None and self.verify_on_data():
                    return reason
            if isinstance(self.problem.optimizer, SVRG):
                value = self.problem.run_epoch.values  # of each output
            stalled = tests.plateau is not None and tests.plateau.stalled(value)
        return self.after_stall() if stalled else None

    def verify_on_data(self):
        """Tell whether a gradient that an expansion calls small is so on the rows, too.

        If it is not, the descent goes on from an expansion around the point at hand, as long as
        that brings it nearer.
        """
        model = self.problem.model
        if not isinstance(model, QuadraticModel) or (
            model.accurate and self.tests.gradient.tol > 0
        ):
            return True
        point = self.problem.objective.evaluate(self.state.theta)
        norm, (last, state, where) = (
            self.problem.objective.min_subgradient_norm(point),
            self.expanded_at,
        )
        if norm > last:  # rounding has led away: the point before was the better one
            self.state, self.point, norm = state, where, last
        if self.tests.gradient.small(norm) or norm > 0.5 * last:
            self.final["gradient_norm"] = norm
            return True
        self.expanded_at = norm, self.state, point
        self.problem = replace(self.problem, model=model.recentre(point))
        self.point, self.state = point, replace(self.state, memory={})
        self.tests.gradient.restart()
        return False

    def lr_vanished(self, rate):
        """Tell whether nothing improves because a schedule has let the rate fall to nothing."""
        timed = not isinstance(self.problem.schedule, LineSearch)
        return timed and rate < MIN_RELATIVE_LR * self.state.scale * self.rates(np.ones(1))[0]

    def after_stall(self):
        """Lower an adaptive rate, or return the reason to stop."""
        if isinstance(self.problem.schedule, Adaptive):
            scale = self.problem.schedule.after_stall(self.state.scale)
            if scale is not None:
                self.state = replace(self.state, scale=scale)
                self.tests.plateau.restart()
                return None
        early = self.tests.early_stopping
        return StopReason.EARLY_STOPPING if early else StopReason.CONVERGED

    def remember(self, epoch, rate, value):
        """Put an epoch into the history; return its numbers."""
        problem = self.problem
        model = self.state.model(problem.average)
        row = {"epoch": epoch, "learning_rate": float(rate), "time": perf_counter() - self.began}
        if problem.batch_size is None:
            row["objective"] = self.point.value
            row["gradient_norm"] = problem.objective.min_subgradient_norm(self.point)
        else:
            row["running_objective"] = float(value)
            if problem.record in ("objective", "path"):
                point = problem.objective.evaluate(model)
                row["objective"], row["gradient_norm"] = (
                    point.value,
                    problem.objective.min_subgradient_norm(point),
                )
        if self.tests.validate is not None:
            row["validation_score"] = self.tests.validate(model)
        self.final = dict(row)
        if problem.record is not None:
            self.history.append(**row)
        return row

    def remember_many(self, before, rates, course, began):
        """Put epochs that ran in one go into the history: each took its share of the time."""
        share = (perf_counter() - began) / len(rates)
        times = began - self.began + share * np.arange(1, len(rates) + 1)
        rows = {
            "epoch": list(range(before + 1, before + len(rates) + 1)),
            "learning_rate": rates.tolist(),
            "time": times.tolist(),
            "running_objective": course.running[: len(rates)].tolist(),
        }
        self.final = {name: column[-1] for name, column in rows.items()}
        if self.problem.record is not None:
            self.history.extend(rows)


def is_pure_schedule(schedule):
    """Tell whether rates can be asked for ahead of time: no code of the user's own notices it."""
    for value in vars(schedule).values():
        for part in value if isinstance(value, tuple) else (value,):
            if callable(part) or (isinstance(part, Schedule) and not is_pure_schedule(part)):
                return False
    return is_built_in(schedule)
