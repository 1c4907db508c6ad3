"""Divergence: how it is detected, and what follows from it."""

from typing import NamedTuple

import numpy as np

from skgd.exceptions import DivergenceError
from skgd.solvers.automatic import advise_on_rate, estimate_largest_stable_rate

#: What an automatic learning rate is multiplied by after a divergence.
LR_BACKOFF_FACTOR = 0.25

#: Multiple of the reference above which the end of a descent is a divergence, however it ended.
MAX_RELATIVE_END = 2

#: Distance above the objective of the best constant model, relative to it, up to which the end of a
#: descent may be convergence: the noise of stochastic updates where the features explain nothing.
MAX_END_EXCESS = 0.01

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


def convergence_limit(constant, start, tol):
    """Return the largest objective at which a descent may have converged.

    Parameters
    ----------
    constant : float
        Objective of the best constant model.
    start : float
        Objective at the start.
    tol : float
        Absolute tolerance of the objective.
    """
    rounding = np.finfo(np.float32).eps * abs(start)
    return constant + MAX_END_EXCESS * abs(constant) + rounding + tol


def divergence_error(problem, epoch, rate, start, value, *, overflows=False):
    """Return the error that describes a divergence.

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
    overflows : bool, default=False
        Whether the error is about numbers that are not finite, in the words of scikit-learn.
    """
    description = (
        f"Descent diverged at epoch {epoch} with learning rate {rate:.4g}: the objective went from "
        f"{start:.4g} to {value:.4g}."
    )
    if overflows:
        description = f"Floating-point under-/overflow occurred at epoch #{epoch}."
    stable = estimate_largest_stable_rate(problem)
    advice = advise_on_rate(problem, stable)
    return DivergenceError(
        f"{description} {advice} Scaling the features also helps.",
        epoch=epoch,
        learning_rate=float(rate),
        largest_stable_rate=stable,
    )


def describe_stall(problem, start, value):
    """Return the text of the warning after a descent that ended above the best constant model.

    Parameters
    ----------
    problem : Problem
        What was minimised.
    start, value : float
        The objective at the start and at the end.
    """
    advice = "Use learning_rate='auto', a larger rate, or a smaller tol."
    if value > start:
        advice = advise_on_rate(problem, estimate_largest_stable_rate(problem))
    return (
        f"The fit ended at an objective of {value:.4g}, above that of the best constant model. "
        f"{advice}"
    )


class DivergenceGuard:
    """Decides whether an epoch is a divergence, and remembers where to go back to.

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
        The last position whose objective was not far above the reference; not above it at all if it
        is the model that a divergence leaves.
    """

    def __init__(self, problem, solver, start, start_objective):
        self.problem, self.solver = problem, solver
        self.start_objective, self.safe = start_objective, start
        constant = problem.objective.intercept_only()
        is_constant = np.array_equal(constant, start.state.theta)
        self.constant = start_objective if is_constant else solver.objective_at(constant)
        # A call that continues earlier calls is compared with where the first of them started.
        earlier = start.state.reference_objective or abs(start_objective)
        self.monitor = DivergenceMonitor(max(earlier, abs(self.constant)))

    @property
    def safe_limit(self):
        """The largest objective of a safe position."""
        is_kept = self.problem.on_divergence == "stop"
        return self.monitor.reference if is_kept else self.monitor.limit

    def convergence_limit(self, tol):
        """Return the largest objective at which a descent may have converged; see there.

        It is infinite if bounds exclude the best constant model.
        """
        lower, upper = self.problem.bounds
        if not np.all(np.less_equal(lower, 0) & np.greater_equal(upper, 0)):
            return np.inf
        return convergence_limit(self.constant, self.start_objective, tol)

    def is_diverged(self, before, after):
        """Return whether an epoch is a divergence that the problem reacts to.

        Raises if the loss is not defined for the predictions.

        Parameters
        ----------
        before, after : Position
            Before and after the epoch; `after` already has its count of epochs above the limit.
        """
        if self.problem.streaming and self.problem.on_divergence == "stop":
            # A single call decides, since the model that it leaves is the next one's safe start.
            if after.divergence_count and self.solver.objective_at(after.state.theta) <= (
                self.start_objective
            ):
                return False
            return after.divergence_count > 0
        if not self.monitor.is_diverged(after.divergence_count):
            return False
        is_finite = bool(np.isfinite(after.state.theta).all())
        if is_finite and self.problem.on_divergence == "continue":
            return False
        self.problem.objective.check_loss_defined((after if is_finite else before).state.theta)
        return True

    def count(self, before, state, objective):
        """Return the number of epochs in a row above the limit after an epoch."""
        is_finite = np.isfinite(state.theta).all()
        return self.monitor.count(before.divergence_count, objective if is_finite else np.nan)

    def remember_safe(self, before, after, objective):
        """Remember the last safe position.

        A running objective describes the beginning of its epoch, not its end.
        """
        if after.divergence_count == 0 and objective <= self.safe_limit:
            self.safe = after if self.solver.is_exact else before

    def back_off(self, multiplier):
        """Return the last safe position, with a lower learning rate than `multiplier` gave."""
        state = self.safe.state.replace(
            lr_multiplier=multiplier * LR_BACKOFF_FACTOR, solver_state={}
        )
        return self.safe._replace(
            state=state, workspace=self.solver.init(state), divergence_count=0
        )
