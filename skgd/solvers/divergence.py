"""Divergence: how it is detected, and what follows from it."""

from typing import NamedTuple

import numpy as np

#: What an automatic learning rate is multiplied by after a divergence.
LR_BACKOFF_FACTOR = 0.25

#: Epochs in a row above the limit that count as a divergence.
DIVERGED_COUNT = 2


class DivergenceMonitor(NamedTuple):
    """Detects an objective that stays far above its start.

    Parameters
    ----------
    reference : float
        Objective at the start of the descent, or of the best constant model if that is larger.
    factor : float, default=1e3
        Multiple of the reference from which on an epoch counts.
    """

    reference: float
    factor: float = 1e3

    @property
    def limit(self):
        """The objective above which an epoch counts; at most the largest finite number."""
        return min(self.factor * self.reference, np.finfo(float).max)

    def count(self, previous, objective):
        """Return the number of epochs in a row above the limit, given that before this epoch."""
        if not np.isfinite(objective):
            return DIVERGED_COUNT
        return previous + 1 if objective > self.limit else 0

    def is_diverged(self, count):
        """Return whether so many epochs in a row above the limit are a divergence."""
        return count >= DIVERGED_COUNT


class DivergedError(ValueError):
    """The descent diverged.

    Parameters
    ----------
    problem : Problem
        What was minimised.
    epoch : int
        The epoch at which the divergence was detected.
    rate : float
        Its learning rate.
    start, value : float
        The objective at the start of the call, and at the divergence.
    """

    def __init__(self, problem, epoch, rate, start, value):
        super().__init__(epoch, rate, start, value)
        self.problem, self.epoch, self.rate = problem, epoch, rate
        self.start, self.value = start, value

    def __reduce__(self):
        return type(self), (self.problem, *self.args)


class DivergenceGuard:
    """Decides what follows from a divergence: an error, a lower rate, or nothing.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    solver : Solver
        What minimises it.
    start : Position
        Where the descent starts.
    start_objective : float
        The objective there.

    Attributes
    ----------
    safe : Position
        The last position that was not above the limit.
    """

    def __init__(self, problem, solver, start, start_objective):
        self.problem, self.solver = problem, solver
        self.start_objective, self.safe = start_objective, start
        constant = problem.objective.intercept_only()
        is_constant = np.array_equal(constant, start.state.theta)
        reference = start_objective if is_constant else solver.objective_at(constant)
        # A call that continues earlier calls is compared with where the first of them started.
        earlier = start.state.reference_objective or abs(start_objective)
        self.monitor = DivergenceMonitor(max(earlier, abs(reference)))

    def check(self, before, after, objective, number, rate):
        """Return whether an epoch is accepted; raise if the problem asks for an error.

        Parameters
        ----------
        before, after : Position
            Before and after the epoch; `after` already has its count of epochs above the limit.
        objective : float
            Objective that the solver reports.
        number : int
            Number of the epoch, from 1.
        rate : float
            Its learning rate.
        """
        if not self.monitor.is_diverged(after.divergence_count):
            return True
        is_finite = bool(np.isfinite(after.state.theta).all())
        if is_finite and self.problem.on_divergence == "continue":
            return True
        self.problem.objective.check_loss_defined((after if is_finite else before).state.theta)
        if self.problem.on_divergence == "back_off":
            return False
        raise DivergedError(self.problem, number, rate, self.start_objective, objective)

    def count(self, before, state, objective):
        """Return the number of epochs in a row above the limit after an epoch."""
        is_finite = np.isfinite(state.theta).all()
        return self.monitor.count(before.divergence_count, objective if is_finite else np.nan)

    def remember_safe(self, before, after):
        """Remember the last position that is not above the limit.

        A running objective describes the beginning of its epoch, not its end.
        """
        if after.divergence_count == 0:
            self.safe = after if self.solver.is_exact else before

    def back_off(self, multiplier):
        """Return the last safe position, with a lower learning rate than `multiplier` gave."""
        state = self.safe.state.replace(
            lr_multiplier=multiplier * LR_BACKOFF_FACTOR, solver_state={}
        )
        return self.safe._replace(
            state=state, workspace=self.solver.init(state), divergence_count=0
        )
