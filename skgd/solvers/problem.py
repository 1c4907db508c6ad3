"""What a descent is given, what it carries along, and what comes of it."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from skgd.objectives import Objective, QuadraticModel
from skgd.optimizers import Optimizer, init_optimizer_state
from skgd.schedules import Schedule
from skgd.solvers.choice import executor
from skgd.solvers.history import History
from skgd.solvers.limits import LARGEST_SLOPE
from skgd.solvers.newton_cg import Newton
from skgd.solvers.stopping import GradientNorm, NoImprovement, StopReason
from skgd.step_rules import PassiveAggressive


@dataclass(frozen=True)
class StreamStatistics:
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
class Problem:
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
    planned_epochs: int
    model: Objective | QuadraticModel | None = None
    alpha: float = 0.0
    shuffle: bool = False
    average: int = 0
    record: str | None = "running"
    on_divergence: str = "raise"
    streaming: bool = False
    seen: StreamStatistics | None = None

    @property
    def updates_per_epoch(self):
        """Updates in one pass over the rows."""
        return 1 if self.batch_size is None else self.objective.updates(self.batch_size)

    @property
    def rule(self):
        """The schedule, where it is a rule that chooses each step from its row; else None."""
        return self.schedule if isinstance(self.schedule, PassiveAggressive) else None

    @property
    def formulas(self):
        """The pieces whose formulas are part of what an update does."""
        components = self.objective.loss, self.optimizer, self.rule
        return [component for component in components if component is not None]

    @property
    def largest_slope(self):
        """The magnitude that stochastic updates clip slopes to."""
        return LARGEST_SLOPE if self.on_divergence == "go_on" else np.inf

    @cached_property
    def run_epoch(self):
        """What runs epochs of stochastic updates; see :func:`skgd.solvers.choice.executor`."""
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
    optimizer_state : tuple of arrays
        State of an elementwise optimizer, in the order of `state_names`.
    state_names : tuple of str
        Names of the state arrays of the optimizer that the state belongs to.
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
    l1_total: np.ndarray
    l1_applied: np.ndarray
    rng: np.random.Generator
    optimizer_state: tuple = ()
    state_names: tuple = ()
    t: int = 1
    scale: float = 1.0
    memory: dict = field(default_factory=dict)
    plateau: NoImprovement | None = None
    explosions: int = 0
    reference: float = 0.0
    averaged: bool = False

    @classmethod
    def initial(cls, theta, rng):
        """Return the state of a descent that starts at `theta`."""
        return cls(theta, *(np.zeros_like(theta) for _ in range(3)), rng=rng)

    def for_optimizer(self, optimizer):
        """Return the state with the optimizer's initial state, unless it has one of these names.

        Momentum that goes on as Nesterov's keeps its velocity; Adam that follows it starts anew.
        """
        names, fresh = optimizer.state_names, init_optimizer_state(optimizer, self.theta)
        if self.state_names == names and len(self.optimizer_state) == len(fresh):
            return self
        memory = {name: part for name, part in self.memory.items() if name != "optimizer"}
        return replace(self, optimizer_state=fresh, state_names=names, memory=memory)

    def model(self, average):
        """Return the parameters to report: the average once there is one."""
        return self.mean if self.averaged or 0 < average <= self.t - 1 else self.theta


@dataclass
class StoppingCriteria:
    """What ends a descent.

    Parameters
    ----------
    plateau : Plateau or None
        Stalls of the running objective, or of the validation score; None never stops.
    gradient : GradientNorm or None
        For full batches.
    validate : callable or None
        Takes inner parameters, returns a score.
    early_stopping : bool
        Whether the score decides.
    """

    plateau: NoImprovement | None = None
    gradient: GradientNorm | None = None
    validate: object = None
    early_stopping: bool = False

    def loosen(self, tol):
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


class DivergedError(ValueError):
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
