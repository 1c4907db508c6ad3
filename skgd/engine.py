"""The one descent loop: epochs, stopping, divergence, history.

Full-batch, mini-batch and per-sample descent differ in what an epoch is (:mod:`skgd.kernels`); all
that surrounds an epoch stands here once.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter

import numpy as np

from skgd.designs import CHUNK
from skgd.history import History
from skgd.kernels.full_batch import run_update
from skgd.kernels.limits import LARGEST_SLOPE
from skgd.kernels.newton import Newton
from skgd.kernels.stochastic import executor, row_order
from skgd.objectives import Expansion, Objective
from skgd.optimizers import Optimizer, Snapshot
from skgd.path import Path
from skgd.schedules import Adaptive, LineSearch, Schedule
from skgd.stopping import Explosion, GradientTest, Plateau, StopReason

#: What an automatic rate is multiplied by after an explosion.
BACK_OFF = 0.25

#: Share of its first rate below which a schedule, not the objective, keeps a descent from moving.
DEAD = 1e-4


@dataclass(frozen=True)
class Seen:
    """What a stream has seen.

    Parameters
    ----------
    weight : float
        Total weight of the rows before this call.
    mean_weight : float
        Mean weight of all rows so far.
    unit : float
        What the weights of the objective were divided by.
    """

    weight: float
    mean_weight: float
    unit: float


@dataclass(frozen=True)
class Task:
    """What to descend on, and how: fixed during a call.

    Parameters
    ----------
    objective : Objective
        Data, loss and penalty.
    optimizer : Optimizer
        The update rule.
    schedule : Schedule
        The learning rate.
    batch_size : int or None
        Rows in an update; None means the full batch, with exact objective and gradient.
    max_iter : int
        Epochs at most, in this call.
    horizon : int
        Epochs of the whole run, for schedules that ask for it.
    model : Objective, Expansion or None
        What full batches see of the objective: itself, or an expansion of it.
    alpha : float
        Strength of the penalty, for schedules that ask for it.
    shuffle : bool
        Whether each epoch visits the rows in a fresh random order.
    average : int
        The update from which the iterates are averaged; 0 means never.
    record : {"running", "objective", "path"} or None
        What the history holds.
    on_divergence : {"raise", "back_off", "go_on"}
        What an explosion leads to; "go_on" raises only where numbers cease to be finite.
    streaming : bool
        Whether the call is one of many that go on from each other.
    seen : Seen or None
        What the calls before have seen, of a stream.
    """

    objective: Objective
    optimizer: Optimizer
    schedule: Schedule
    batch_size: int | None
    max_iter: int
    horizon: int
    model: Objective | Expansion | None = None
    alpha: float = 0.0
    shuffle: bool = False
    average: int = 0
    record: str | None = "running"
    on_divergence: str = "raise"
    streaming: bool = False
    seen: Seen | None = None

    @property
    def updates_per_epoch(self):
        """Updates in one pass over the rows."""
        return 1 if self.batch_size is None else self.objective.updates(self.batch_size)

    @property
    def largest_slope(self):
        """The magnitude that stochastic updates clip slopes to."""
        return LARGEST_SLOPE if self.on_divergence == "go_on" else np.inf

    @cached_property
    def run_epoch(self):
        """What runs epochs of stochastic updates; see :func:`skgd.kernels.stochastic.executor`."""
        return executor(self)

    @cached_property
    def newton(self):
        """What takes Newton's steps; it knows what the steps before have summed."""
        return Newton(self.objective)


@dataclass
class State:
    """All that descent carries from one update to the next; it pickles, and resumes exactly.

    Parameters
    ----------
    theta : array
        Inner parameters.
    mean : array
        Their running average.
    first, second : arrays
        The optimizer's memory.
    owed, paid : arrays
        Bookkeeping of the cumulative l1 penalty.
    rng : numpy.random.Generator
        Source of the row orders.
    t : int
        1 + updates made.
    scale : float
        What the schedule's rates are multiplied by.
    memory : dict
        What full-batch optimizers remember.
    plateau : Plateau or None
        Progress seen so far.
    explosions : int
        Epochs in a row that ended far above their start.
    reference : float
        The objective that an explosion is measured by, from the call that began the descent.
    averaged : bool
        Whether the update rule itself averages, and the average is the model.
    """

    theta: np.ndarray
    mean: np.ndarray
    first: np.ndarray
    second: np.ndarray
    owed: np.ndarray
    paid: np.ndarray
    rng: np.random.Generator
    t: int = 1
    scale: float = 1.0
    memory: dict = field(default_factory=dict)
    plateau: Plateau | None = None
    explosions: int = 0
    reference: float = 0.0
    averaged: bool = False

    @classmethod
    def at(cls, theta, rng):
        """Return the state of a descent that starts at `theta`."""
        return cls(theta, *(np.zeros_like(theta) for _ in range(5)), rng=rng)

    def model(self, average):
        """Return the parameters to report: the average once there is one."""
        return self.mean if self.averaged or 0 < average <= self.t - 1 else self.theta


@dataclass
class Tests:
    """What ends a descent.

    Parameters
    ----------
    plateau : Plateau or None
        Stalls of the running objective, or of the validation score; None never stops.
    gradient : GradientTest or None
        For full batches.
    validate : callable or None
        Takes inner parameters, returns a score.
    early_stopping : bool
        Whether the score decides.
    """

    plateau: Plateau | None = None
    gradient: GradientTest | None = None
    validate: object = None
    early_stopping: bool = False

    def hurry(self, tol):
        """Let a descent that only prepares another one end early, at this relative distance."""
        if self.gradient is not None:
            self.gradient.tol = max(self.gradient.tol, tol)
        elif self.plateau is not None:
            self.plateau.tol, self.plateau.patience = max(self.plateau.tol, tol), 1


@dataclass
class Outcome:
    """Where a descent ended, and why."""

    state: State
    reason: StopReason
    epochs: int
    history: History
    final: dict


@dataclass(frozen=True)
class Rates:
    """The learning rates of an epoch's updates, worked out where they are asked for.

    Parameters
    ----------
    rate : callable
        The rates at update numbers.
    t : int
        Number of the first update.
    scale : float
        What the rates are multiplied by.
    number : int
        How many there are.
    """

    rate: object
    t: int
    scale: float
    number: int

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, _ = index.indices(self.number)
            return self.scale * self.rate(self.t + np.arange(start, stop))
        return self[index % self.number : index % self.number + 1][0]


class Diverged(ValueError):
    """Descent exploded.

    Parameters
    ----------
    epoch : int
        The epoch that noticed it.
    rate : float
        The learning rate there.
    start, value : float
        The objective before the call, and now.
    """

    def __init__(self, epoch, rate, start, value):
        super().__init__(epoch, rate, start, value)
        self.epoch, self.rate, self.start, self.value = epoch, rate, start, value


def descend(task, state, tests, history, watch=None):
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
        return _Descent(task, state, tests, history, watch).run()


class _Descent:
    """One call of :func:`descend`."""

    def __init__(self, task, state, tests, history, watch):
        self.task, self.state, self.tests = task, state, tests
        self.history, self.watch = history, watch
        self.rates = task.schedule.resolve(
            alpha=task.alpha, updates_per_epoch=task.updates_per_epoch, max_iter=task.horizon
        )
        self.point = task.model.at(state.theta) if task.batch_size is None else None
        self.start = self.point.value if self.point else task.objective.value(state.theta)
        if not np.isfinite(self.start):
            task.objective.check_defined(state.theta)
            raise ValueError(
                "The objective is not finite at the start: targets, weights or starting values are "
                f"too large for {state.theta.dtype}. Scale them down."
            )
        measured = task.objective if task.batch_size else task.model
        constant = abs(measured.value(task.objective.constant()))
        # A call that goes on from others is measured by where the first of them began.
        began = state.reference or abs(self.start)
        self.explosion = Explosion(max(began, constant), count=state.explosions)
        self.path = self.started_path() if task.record == "path" else None
        # The last that was not far above the start; all three are replaced, never changed.
        self.safe = self.state, self.point, self.path
        self.best_score, self.best = -np.inf, None
        self.began = perf_counter() - history.last_time
        self.first_epoch = max(history.last_epoch, 0)
        self.final, self.last_value = {}, self.start
        self.expanded_at = np.inf, self.state, self.point  # the last expansion, and its distance

    def run(self):
        """Run the epochs."""
        if not len(self.history):
            self.remember(0, np.nan, self.start)
        reason, epochs = StopReason.MAX_ITER, 0
        for epochs in range(1, self.task.max_iter + 1):
            whole = self.state, self.point, self.path, self.explosion.count, len(self.history)
            order_state = self.state.rng.bit_generator.state
            try:
                found = self.epoch(epochs)
            except KeyboardInterrupt:
                self.state, self.point, self.path, self.explosion.count, rows = whole
                self.state.rng.bit_generator.state = order_state
                self.history.truncate(rows)
                reason, epochs = StopReason.INTERRUPTED, epochs - 1
                break
            if found is not None:
                reason = found
                break
        if self.best is not None:
            # The model that was scored is the one to report, whether or not it was an average.
            self.state = replace(
                self.state, theta=self.best.theta, mean=self.best.model(self.task.average)
            )
        if self.explosion.count and self.task.on_divergence == "back_off":
            self.state, self.point, self.path = self.safe
        elif reason is not StopReason.INTERRUPTED and self.far_out(reason):
            reason = StopReason.DIVERGED
            if self.task.on_divergence == "raise":
                raise Diverged(epochs, self.final["learning_rate"], self.start, self.last_value)
        self.state = replace(
            self.state, explosions=self.explosion.count, reference=self.explosion.reference
        )
        self.history.path = self.path or self.history.path
        return Outcome(self.state, reason, epochs, self.history, self.final)

    def far_out(self, reason):
        """Tell whether the descent ends far above its start, though no longer than an epoch ago.

        A stall that is worse than the best constant model is no convergence either.
        """
        if reason is StopReason.CONVERGED and self.tests.gradient is None:
            return self.last_value > 2 * self.explosion.reference
        return self.explosion.count >= (2 if self.task.streaming else 1)

    def epoch(self, number):
        """Run one epoch; return a reason to stop, or None."""
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

    def advance(self):
        """Return state, point, path, last rate and objective after one more epoch."""
        task, state = self.task, self.state
        path = self.path and self.path.copy()
        rates = self.table(state)
        if task.batch_size is None:
            state, point, rate = run_update(task, state, self.point, rates[0])
            if path is not None:
                path.add(state.t - 1, *self.in_data_units(state))
            return state, point, path, rate, point.value
        order = self.order() if task.shuffle else None
        if path is None or task.objective.blocked or isinstance(task.optimizer, Snapshot):
            state, running = task.run_epoch(state, order, rates)
            if path is not None:  # the way to a proposal is none of models
                path.add(state.t - 1, *self.in_data_units(state))
        else:
            state, running = self.run_along(path, order, rates)
        return state, None, path, rates[-1], running

    def order(self):
        """Return the order in which the next epoch visits the rows, or blocks and their rows."""
        objective, rng = self.task.objective, self.state.rng
        if objective.blocked:
            return objective.order(rng)
        return row_order(rng, objective.design.n_rows)

    def table(self, state):
        """Return the rates of the next epoch's updates, found in chunks that stay in the cache."""
        if self.task.objective.blocked:
            return Rates(self.rates, state.t, state.scale, self.task.updates_per_epoch)
        table = np.empty(self.task.updates_per_epoch)
        for start in range(0, len(table), CHUNK):
            some = table[start : start + CHUNK]
            some[:] = self.rates(state.t + start + np.arange(len(some)))
        return table if state.scale == 1 else state.scale * table

    def started_path(self):
        """Return the path of the calls before, or a new one, with the start of this one."""
        model = self.in_data_units(self.state)
        path = self.history.path.copy() if self.history.path else Path(model[0].shape)
        path.begin(self.state.t - 1, *model)
        return path

    def in_data_units(self, state):
        """Return the coefficients and the intercept that a state stands for."""
        model = state.model(self.task.average)
        return self.task.objective.design.coordinates.to_data(model)

    def run_along(self, path, order, rates):
        """Do what `run_epoch` does, in stretches that end at the updates that the path keeps."""
        task, state = self.task, self.state
        n_rows, size = task.objective.design.n_rows, task.batch_size
        start, total = 0, 0.0
        while start < len(rates):
            stop = min(start + path.until_next(state.t - 1), len(rates))
            state, running = task.run_epoch(state, order, rates[start:stop], start * size)
            path.add(state.t - 1, *self.in_data_units(state))
            total += running * (min(stop * size, n_rows) - start * size)
            start = stop
        return state, total / n_rows

    def exploded(self, state, value, number, rate):
        """Tell whether an epoch has to be taken back; raise if the task says so."""
        finite = bool(np.isfinite(state.theta).all())
        noticed = self.explosion.noticed(value if finite else np.nan)
        if not noticed or (finite and self.task.on_divergence == "go_on"):
            return False
        self.task.objective.check_defined(state.theta if finite else self.state.theta)
        if self.task.on_divergence != "back_off":
            raise Diverged(number, rate, self.start, value)
        state, self.point, self.path = self.safe
        self.state = replace(state, scale=self.state.scale * BACK_OFF, memory={})
        self.explosion.count = 0
        return True

    def verdict(self, row, value):
        """Return a reason to stop after an epoch, or None."""
        tests, stalled = self.tests, False
        if tests.early_stopping:
            score = row["validation_score"]
            if score > self.best_score:
                self.best_score, self.best = score, self.state
            stalled = tests.plateau is not None and tests.plateau.stalled(-score)
        else:
            if tests.gradient is not None:
                eps = np.finfo(self.state.theta.dtype).eps
                reason = tests.gradient.verdict(value, row["gradient_norm"], eps)
                if reason is StopReason.PRECISION and self.died_out(row["learning_rate"]):
                    return StopReason.STALLED
                if reason is not None and self.confirmed():
                    return reason
            if isinstance(self.task.optimizer, Snapshot):
                value = self.task.run_epoch.values  # of each output
            stalled = tests.plateau is not None and tests.plateau.stalled(value)
        return self.after_stall() if stalled else None

    def confirmed(self):
        """Tell whether a gradient that an expansion calls small is so on the rows, too.

        If it is not, the descent goes on from an expansion around the point at hand, as long as
        that brings it nearer.
        """
        model = self.task.model
        if not isinstance(model, Expansion) or (model.accurate and self.tests.gradient.tol > 0):
            return True
        point = self.task.objective.at(self.state.theta)
        norm, (last, state, where) = self.task.objective.distance(point), self.expanded_at
        if norm > last:  # rounding has led away: the point before was the better one
            self.state, self.point, norm = state, where, last
        if self.tests.gradient.small(norm) or norm > 0.5 * last:
            self.final["gradient_norm"] = norm
            return True
        self.expanded_at = norm, self.state, point
        self.task = replace(self.task, model=model.around(point))
        self.point, self.state = point, replace(self.state, memory={})
        self.tests.gradient.restart()
        return False

    def died_out(self, rate):
        """Tell whether nothing improves because a schedule has let the rate fall to nothing."""
        timed = not isinstance(self.task.schedule, LineSearch)
        return timed and rate < DEAD * self.state.scale * self.rates(np.ones(1))[0]

    def after_stall(self):
        """Lower an adaptive rate, or return the reason to stop."""
        if isinstance(self.task.schedule, Adaptive):
            scale = self.task.schedule.after_stall(self.state.scale)
            if scale is not None:
                self.state = replace(self.state, scale=scale)
                self.tests.plateau.restart()
                return None
        early = self.tests.early_stopping
        return StopReason.EARLY_STOPPING if early else StopReason.CONVERGED

    def remember(self, epoch, rate, value):
        """Put an epoch into the history; return its numbers."""
        task = self.task
        model = self.state.model(task.average)
        row = {"epoch": epoch, "learning_rate": float(rate), "time": perf_counter() - self.began}
        if task.batch_size is None:
            row["objective"] = self.point.value
            row["gradient_norm"] = task.objective.distance(self.point)
        else:
            row["running_objective"] = float(value)
            if task.record in ("objective", "path"):
                point = task.objective.at(model)
                row["objective"], row["gradient_norm"] = point.value, task.objective.distance(point)
        if self.tests.validate is not None:
            row["validation_score"] = self.tests.validate(model)
        self.final = dict(row)
        if task.record is not None:
            self.history.append(**row)
        return row
