"""What a descent is given: the objective, and how it is to be minimised."""

from dataclasses import dataclass, replace

import numpy as np

from skgd.objectives import Objective, QuadraticModel
from skgd.optimizers import Optimizer
from skgd.schedules import Schedule
from skgd.step_rules import LineSearch, StepRule

#: Magnitude that the gradients of the loss are clipped to under scikit-learn's schedules, as there:
#: a descent that diverges goes on, and grows no faster. Elsewhere they are not clipped, so that
#: targets of 1e15 can be learned.
MAX_LOSS_GRADIENT = 1e12

#: Learning rates that are computed together: more would not fit into the cache.
RATES_PER_CHUNK = 1 << 14


@dataclass(frozen=True)
class StreamStatistics:
    """Weights of the rows of a stream.

    Parameters
    ----------
    earlier_weight : float
        Total weight of the rows before this call.
    mean_weight : float
        Mean weight of all rows so far.
    unit : float
        What the weights of the objective were divided by.
    """

    earlier_weight: float
    mean_weight: float
    unit: float


@dataclass(frozen=True)
class Problem:
    """What is minimised, and how: fixed during a descent.

    Parameters
    ----------
    objective : Objective or ChunkedObjective
        Data, loss and penalty.
    optimizer : Optimizer
        The update rule.
    schedule : Schedule or StepRule
        The learning rate.
    batch_size : int or None
        Rows in an update; None means the full batch, with exact objective and gradient.
    max_iter : int
        Largest number of epochs of this call.
    planned_epochs : int
        Number of epochs of the whole fit, for schedules that depend on it.
    surrogate : Objective, QuadraticModel or None, default=None
        What full batches evaluate: the objective, or a quadratic model of it, which needs no pass
        over the rows.
    alpha : float, default=0.0
        Strength of the penalty, for schedules that depend on it.
    bounds : tuple, default=(-inf, inf)
        Lower and upper bounds of the coefficients, in the units of the data.
    shuffle : bool, default=False
        Whether each epoch visits the rows in a new random order.
    average : int, default=0
        The update from which on the iterates are averaged; 0 means never.
    record : {"running", "objective", "path"} or None, default="running"
        What the history holds.
    on_divergence : {"raise", "back_off", "continue", "stop"}, default="raise"
        What follows from a divergence: "back_off" lowers the learning rate and repeats the epoch,
        "continue" raises only where numbers are not finite, and "stop" ends the descent at the last
        position that was not above its start.
    streaming : bool, default=False
        Whether the call is one of many that continue each other.
    stream_statistics : StreamStatistics or None, default=None
        Weights of the rows of a stream.
    """

    objective: Objective
    optimizer: Optimizer
    schedule: Schedule | StepRule
    batch_size: int | None
    max_iter: int
    planned_epochs: int
    surrogate: Objective | QuadraticModel | None = None
    alpha: float = 0.0
    bounds: tuple = (-np.inf, np.inf)
    shuffle: bool = False
    average: int = 0
    record: str | None = "running"
    on_divergence: str = "raise"
    streaming: bool = False
    stream_statistics: StreamStatistics | None = None

    @property
    def is_full_batch(self):
        """Whether an update uses all rows."""
        return self.batch_size is None

    @property
    def updates_per_epoch(self):
        """Updates in one pass over the rows."""
        return 1 if self.is_full_batch else self.objective.n_updates(self.batch_size)

    def resolve_schedule(self):
        """Return the function that computes the learning rates of an array of update numbers."""
        return self.schedule.resolve(
            alpha=self.alpha, updates_per_epoch=self.updates_per_epoch, max_iter=self.planned_epochs
        )

    def with_max_iter(self, max_iter):
        """Return the problem of a fit of another number of epochs."""
        return replace(self, max_iter=max_iter, planned_epochs=max_iter)

    def has_same_rates(self, max_iter):
        """Return whether the rates so far are those of a fit of another number of epochs."""
        updates = np.arange(1.0, self.max_iter * self.updates_per_epoch + 1)
        rates, others = (
            p.resolve_schedule()(updates) for p in (self, self.with_max_iter(max_iter))
        )
        return np.array_equal(rates, others)

    @property
    def searches_line(self):
        """Whether a line search determines the learning rate."""
        return isinstance(self.schedule, LineSearch)

    @property
    def row_rule(self):
        """The step rule that chooses the step of each row, or None."""
        rule = self.schedule
        return rule if isinstance(rule, StepRule) and rule.chooses_by_row else None

    @property
    def formula_components(self):
        """The components whose formulas an update evaluates."""
        components = self.objective.loss, self.optimizer, self.row_rule
        return [component for component in components if component is not None]

    @property
    def max_loss_gradient(self):
        """Magnitude that stochastic updates clip the gradients of the loss to."""
        return MAX_LOSS_GRADIENT if self.on_divergence == "continue" else np.inf


@dataclass(frozen=True)
class LazyLearningRates:
    """The learning rates of an epoch, computed where they are indexed.

    Parameters
    ----------
    rate_at : callable
        Returns the rates of an array of update numbers.
    t : int
        Number of the first update.
    multiplier : float
        What the rates are multiplied by.
    number : int
        How many there are.
    """

    rate_at: object
    t: int
    multiplier: float
    number: int

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, _ = index.indices(self.number)
            return self.multiplier * self.rate_at(self.t + np.arange(start, stop))
        return self[index % self.number : index % self.number + 1][0]


def compute_learning_rates(problem, rate_at, state, n_epochs=1):
    """Return the learning rates of the updates of the next epochs, computed chunk by chunk.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    rate_at : callable
        Returns the rates of an array of update numbers.
    state : State
        Where the epochs start.
    n_epochs : int, default=1
        Number of epochs.

    Returns
    -------
    array of shape (n_epochs * updates_per_epoch,)
    """
    rates = np.empty(n_epochs * problem.updates_per_epoch)
    for start in range(0, len(rates), RATES_PER_CHUNK):
        chunk = rates[start : start + RATES_PER_CHUNK]
        first = state.t + start
        chunk[:] = rate_at(np.arange(first, first + len(chunk), dtype=float))
    return rates if state.lr_multiplier == 1 else state.lr_multiplier * rates
