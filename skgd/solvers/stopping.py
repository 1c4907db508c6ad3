"""Stopping criteria: immutable configuration, and a state that each update replaces.

A criterion has the methods of :class:`StoppingCriterion`. To add one, write its class here and let
:func:`choose_criteria` use it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from skgd import penalties

#: Replaces a decrease of zero where it is divided by.
MIN_DECREASE = np.finfo(float).tiny

#: A Newton decrement of fewer units of rounding is rounding error.
DECREMENT_ROUNDING_UNITS = 8

#: Distance from the minimum, relative to the objective of the best constant model, at which a
#: descent that cannot be improved in floating point counts as successful.
MAX_RELATIVE_EXCESS = 1e-9

#: A gradient norm of fewer units of rounding of the first gradient norm is rounding error.
GRADIENT_ROUNDING_UNITS = 1024


class StopReason(StrEnum):
    """Why a fit ended."""

    CONVERGED = "converged"
    PRECISION = "precision"
    STALLED = "stalled"
    EARLY_STOPPING = "early_stopping"
    CALLBACK = "callback"
    MAX_ITER = "max_iter"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"

    @property
    def is_success(self):
        """Whether the fit ended because no further improvement was to be expected."""
        return self in (StopReason.CONVERGED, StopReason.PRECISION, StopReason.EARLY_STOPPING)


class Measurement(NamedTuple):
    """What the stopping criteria know of an epoch.

    Parameters
    ----------
    objective : float
        Objective that the solver reports.
    output_objectives : array of shape (k,) or None, default=None
        Objective of each output, where the solver knows it.
    gradient_norm : float or None, default=None
        Norm of the smallest subgradient after the epoch, where the solver knows it.
    newton_decrement : float or None, default=None
        Norm of the gradient in the metric of the inverse Hessian, where the solver knows it.
    validation_score : float or None, default=None
        Score on the validation rows, where there are some.
    eps : float, default=float64's
        Machine epsilon of the parameters.
    """

    objective: float
    output_objectives: Any = None
    gradient_norm: float | None = None
    newton_decrement: float | None = None
    validation_score: float | None = None
    eps: float = float(np.finfo(float).eps)


class StoppingCriterion(ABC):
    """Base class of the stopping criteria.

    A criterion is a frozen dataclass. What it remembers between epochs is a state that `init`
    returns and `update` replaces.
    """

    #: Whether a lower learning rate may help where the criterion is met.
    is_stall = False
    #: Whether a later call that continues the descent continues with the state, too.
    is_resumed = True
    #: Whether the next stage of a continuation continues with the state, too.
    spans_stages = False
    #: Absolute tolerance of the objective.
    absolute_tol = 0.0

    @abstractmethod
    def init(self):
        """Return the state before the first epoch."""

    @abstractmethod
    def update(self, state, measurement):
        """Return the state after an epoch with this :class:`Measurement`."""

    @abstractmethod
    def reason(self, state):
        """Return the :class:`StopReason` if the criterion is met, else None."""

    def reset(self, state):
        """Return the state to continue with after the learning rate or the model has changed."""
        return self.init()

    def describe(self, state, last_row):
        """Return how far from the minimum the descent is, as part of a warning, or nothing.

        Parameters
        ----------
        state : object
            The state after the last epoch.
        last_row : dict
            Numbers of the last epoch, as in the history.
        """
        return ""


class NoImprovementState(NamedTuple):
    """Best value so far, and the number of epochs in a row without an improvement."""

    best: float = np.inf
    n_epochs: int = 0


@dataclass(frozen=True)
class NoImprovement(StoppingCriterion):
    """Stop after `patience` epochs in a row in which a value did not improve by `tol`.

    Parameters
    ----------
    tol : float
        Smallest decrease that counts as an improvement, absolute or relative to the best value.
    patience : int
        Number of epochs in a row without an improvement.
    relative : bool, default=False
        Whether `tol` is relative.
    monitor : {"objective", "validation_score"}, default="objective"
        The value: the objective should decrease, the score increase.
    """

    tol: float
    patience: int
    relative: bool = False
    monitor: str = "objective"

    is_stall = True

    @property
    def absolute_tol(self):
        """The absolute tolerance of the objective."""
        return 0.0 if self.relative or self.monitor == "validation_score" else self.tol

    @property
    def spans_stages(self):
        """Whether the value can be compared between stages: the score can, objectives cannot."""
        return self.monitor == "validation_score"

    def init(self):
        """Return the state before the first epoch."""
        return NoImprovementState()

    def update(self, state, measurement):
        """Return the state after an epoch."""
        if self.monitor == "validation_score":
            return self.update_value(state, -measurement.validation_score)
        return self.update_value(state, measurement.objective)

    def update_value(self, state, value):
        """Return the state after an epoch with a value that should decrease."""
        best, count = state
        threshold = best - (self.tol * abs(best) if self.relative else self.tol)
        # An infinite best value and a relative tolerance give NaN, which any value improves on.
        fails = value >= threshold if self.relative else value > threshold
        return NoImprovementState(min(best, value), count + 1 if fails else 0)

    def is_met(self, state):
        """Return whether the value has not improved for too long."""
        return state.n_epochs >= self.patience

    def reason(self, state):
        """Return the reason to stop, or None."""
        if not self.is_met(state):
            return None
        is_score = self.monitor == "validation_score"
        return StopReason.EARLY_STOPPING if is_score else StopReason.CONVERGED

    def reset(self, state):
        """Return the state with the count at zero; the best value is kept."""
        return state._replace(n_epochs=0)

    def describe(self, state, last_row):
        """Return the best objective, which still decreases."""
        if self.monitor == "validation_score":
            return ""
        return f": its objective, {state.best:.4g}, is still decreasing"


class ExpectedDecreaseState(NamedTuple):
    """Best objectives, their last decrease, the decrease still expected, and a count of epochs."""

    best: Any = np.inf
    decrease: Any = np.inf
    remaining: float = np.nan
    n_epochs: int = 0


@dataclass(frozen=True)
class ExpectedDecrease(StoppingCriterion):
    r"""Stop when the objective is not expected to decrease noticeably any more.

    The decreases :math:`\Delta_t` are taken for a geometric series with the ratio :math:`\rho =
    \Delta_t / \Delta_{t-1}` of the last two, clipped to [0.1, 0.97], so that
    :math:`\Delta_t \rho / (1 - \rho)` is still to be expected.

    Parameters
    ----------
    tol : float
        Expected decrease that is small enough, relative to the objective.
    patience : int
        Number of epochs in a row with so small an expected decrease.
    scale : float or array of shape (k,)
        Objective of the best constant model of each output; `tol` is relative to at least a
        millionth of it.
    """

    tol: float
    patience: int
    scale: Any

    is_stall = True

    def init(self):
        """Return the state before the first epoch."""
        return ExpectedDecreaseState()

    def update(self, state, measurement):
        """Return the state after an epoch."""
        objectives = measurement.output_objectives
        decrease = np.maximum(state.best - objectives, 0)
        # Before there are two decreases the ratio is not known, and taken for the largest.
        last = np.maximum(state.decrease, MIN_DECREASE)
        ratio = np.clip(np.where(np.isfinite(state.decrease), decrease / last, 0.97), 0.1, 0.97)
        remaining = decrease * ratio / (1 - ratio)
        is_small = remaining <= self.tol * np.maximum(np.abs(objectives), 1e-6 * self.scale)
        return ExpectedDecreaseState(
            np.minimum(state.best, objectives),
            decrease,
            float(np.sum(remaining)),
            state.n_epochs + 1 if np.all(is_small) else 0,
        )

    def reason(self, state):
        """Return the reason to stop, or None."""
        return StopReason.CONVERGED if state.n_epochs >= self.patience else None

    def describe(self, state, last_row):
        """Return the best objective, and the decrease that is still expected."""
        best = float(np.sum(state.best))
        if not np.isfinite(state.remaining):
            return f": its objective, {best:.4g}, is still decreasing"
        remaining = state.remaining
        return f": its objective, {best:.4g}, is expected to decrease by about {remaining:.2g} more"


class GradientNormState(NamedTuple):
    """Last, first and smallest gradient norm, lowest objective, and updates without progress."""

    norm: float = np.inf
    first_norm: float = np.inf
    best_norm: float = np.inf
    best_objective: float = np.inf
    n_epochs: int = 0


@dataclass(frozen=True)
class GradientNorm(StoppingCriterion):
    """Stop when the gradient is small, or nothing improves in floating point.

    Parameters
    ----------
    tol : float
        Gradient norm that is small enough, relative to `reference`.
    reference : float
        Gradient norm of the best constant model.
    scale : float, default=0.0
        Objective of the best constant model, to which the rounding of an objective is relative.
    patience : int, default=20
        Number of updates in a row without progress that end the descent.
    """

    tol: float
    reference: float
    scale: float = 0.0
    patience: int = 20

    is_resumed = False

    def init(self):
        """Return the state before the first update."""
        return GradientNormState()

    def update(self, state, measurement):
        """Return the state after an update."""
        objective, norm, eps = measurement.objective, measurement.gradient_norm, measurement.eps
        first_norm = norm if np.isinf(state.best_norm) else state.first_norm
        change = abs(objective - state.best_objective)
        is_level = change <= 4 * eps * max(abs(state.best_objective), self.scale)
        is_rounding = norm <= GRADIENT_ROUNDING_UNITS * eps * first_norm
        is_stuck = is_rounding or (is_level and norm >= state.best_norm)
        return GradientNormState(
            norm,
            first_norm,
            min(state.best_norm, norm),
            min(state.best_objective, objective),
            state.n_epochs + 1 if is_stuck else 0,
        )

    def reason(self, state):
        """Return the reason to stop, or None."""
        if self.is_small(state.norm):
            return StopReason.CONVERGED
        return StopReason.PRECISION if state.n_epochs >= self.patience else None

    def is_small(self, norm):
        """Return whether a gradient norm is small enough."""
        return norm <= self.tol * self.reference

    def reset(self, state):
        """Return the state that looks for progress anew; the first gradient norm is kept."""
        return GradientNormState(first_norm=state.first_norm)

    def describe(self, state, last_row):
        """Return the gradient norm, relative to that of the best constant model."""
        norm = last_row["gradient_norm"]
        share = norm / self.reference if self.reference > 0 else 0
        return (
            f": the gradient norm is {norm:.3g}, {share:.1e} times that of the best constant "
            f"model, and tol={self.tol:g}"
        )


class NewtonDecrementState(NamedTuple):
    """Last decrement, lowest objective, steps in a row without progress, and machine epsilon."""

    decrement: float = np.inf
    best_objective: float = np.inf
    n_epochs: int = 0
    eps: float = 0.0


@dataclass(frozen=True)
class NewtonDecrement(StoppingCriterion):
    r"""Stop when the Newton decrement is small, or the objective no longer decreases.

    The Newton decrement :math:`\lambda` is the norm of the gradient in the metric of the inverse
    Hessian. The quadratic model predicts that the objective is :math:`\lambda^2 / 2` above its
    minimum.

    Parameters
    ----------
    tol : float
        Decrement that is small enough, relative to :math:`\sqrt{2 F}`.
    scale : float
        Objective F of the best constant model.
    patience : int, default=3
        Number of steps in a row without progress that end the descent.

    References
    ----------
    S. Boyd, L. Vandenberghe, "Convex Optimization", 2004, section 9.5.
    """

    tol: float
    scale: float
    patience: int = 3

    is_resumed = False

    def init(self):
        """Return the state before the first step."""
        return NewtonDecrementState()

    def update(self, state, measurement):
        """Return the state after a step."""
        objective, eps = measurement.objective, measurement.eps
        threshold = state.best_objective - 4 * eps * abs(objective)
        n_epochs = 0 if objective < threshold else state.n_epochs + 1
        best = min(state.best_objective, objective)
        return NewtonDecrementState(measurement.newton_decrement, best, n_epochs, eps)

    def reason(self, state):
        """Return the reason to stop, or None."""
        excess, rounding = self.relative_excess(state), DECREMENT_ROUNDING_UNITS * state.eps
        if excess <= self.tol**2:
            return StopReason.CONVERGED
        if excess <= rounding**2:
            return StopReason.PRECISION
        if state.n_epochs < self.patience:
            return None
        is_small = excess <= max(MAX_RELATIVE_EXCESS, rounding)
        return StopReason.PRECISION if is_small else StopReason.STALLED

    def relative_excess(self, state):
        """Return the predicted distance from the minimum, relative to `scale`."""
        return 0.5 * state.decrement**2 / max(self.scale, MIN_DECREASE)

    def describe(self, state, last_row):
        """Return the predicted distance from the minimum."""
        return (
            f": its objective, {state.best_objective:.4g}, is about {state.decrement**2 / 2:.2g} "
            f"above the minimum, {self.relative_excess(state):.1e} times that of the best constant "
            "model"
        )


@dataclass(frozen=True)
class StoppingCriteria:
    """All criteria of a descent; the first that is met ends it.

    Parameters
    ----------
    criteria : tuple of StoppingCriterion, default=()
        In the order in which they are looked at.
    validate : callable or None, default=None
        Takes scaled parameters and returns the score on the validation rows.
    early_stopping : bool, default=False
        Whether the best score decides which parameters are kept.
    """

    criteria: tuple[StoppingCriterion, ...] = ()
    validate: Any = None
    early_stopping: bool = False

    def init(self, saved=()):
        """Return the states of the criteria; the first ones are those saved, where they fit."""
        states = tuple(criterion.init() for criterion in self.criteria)
        if [*map(type, saved)] != [*map(type, states[: len(saved)])]:
            return states
        triples = zip(self.criteria, saved, states, strict=False)
        resumed = (old if criterion.is_resumed else new for criterion, old, new in triples)
        return (*resumed, *states[len(saved) :])

    def update(self, states, measurement):
        """Return the states after an epoch."""
        pairs = zip(self.criteria, states, strict=True)
        return tuple(criterion.update(state, measurement) for criterion, state in pairs)

    def select_resumed(self, states):
        """Return the states that the next stage of a continuation continues with."""
        pairs = zip(self.criteria, states, strict=True)
        return tuple(state for criterion, state in pairs if criterion.spans_stages)

    def __add__(self, other):
        """Return the criteria of both, with the validation of `self`."""
        return replace(self, criteria=self.criteria + other.criteria)

    @property
    def absolute_tol(self):
        """The largest absolute tolerance of the objective."""
        return max((criterion.absolute_tol for criterion in self.criteria), default=0.0)

    @property
    def monitors_objective_only(self):
        """Whether nothing but the reported objective decides."""
        kinds = [isinstance(criterion, NoImprovement) for criterion in self.criteria]
        return self.validate is None and all(kinds) and len(kinds) <= 1

    def count_nonstopping(self, states, objectives):
        """Return how many epochs in a row with these objectives end nothing, and the states then.

        Only where :attr:`monitors_objective_only`.
        """
        if not self.criteria:
            return len(objectives), states
        (criterion,), (state,), count = self.criteria, states, 0
        for objective in objectives:
            after = criterion.update_value(state, objective)
            if criterion.is_met(after):
                break
            state, count = after, count + 1
        return count, (state,)


def choose_criteria(problem, solver, tol, patience, *, relative, validate, early_stopping):
    """Return the stopping criteria of a descent.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    solver : Solver
        What minimises it.
    tol : float or None
        Tolerance; None means that only the number of epochs ends the descent.
    patience : int
        Number of epochs without an improvement that end it.
    relative : bool
        Whether `tol` is relative to the objective of stochastic updates.
    validate : callable or None
        Takes scaled parameters and returns the score on the validation rows.
    early_stopping : bool
        Whether the score decides.

    Returns
    -------
    StoppingCriteria
    """
    monitor = "objective" if validate is None else "validation_score"
    if tol is None:
        criteria = ()
    elif early_stopping:
        criteria = (NoImprovement(tol, patience, monitor=monitor),)
    elif problem.is_full_batch:
        criteria = (full_batch_criterion(problem, solver, tol),)
        if problem.schedule.reacts_to_stalls:
            criteria += (NoImprovement(tol, patience, relative=True),)
    elif solver.reports_output_objectives:
        parts = problem.objective.split_outputs()
        scale = np.abs([part.value(part.intercept_only()) for part in parts])
        criteria = (ExpectedDecrease(tol, patience, scale),)
    else:
        criteria = (NoImprovement(tol, patience, relative),)
    if problem.streaming and not problem.schedule.reacts_to_stalls:
        criteria = ()  # one epoch on a part of the data shows no convergence
    return StoppingCriteria(criteria, validate, early_stopping and validate is not None)


def full_batch_criterion(problem, solver, tol):
    """Return the criterion on the distance from the minimum, relative to the best constant model.

    It is on the Newton decrement where the solver knows it, else on the gradient norm. The bounds
    are ignored in that of the constant model, which may be the minimum, or violate them.
    """
    constant = problem.surrogate.evaluate(problem.objective.intercept_only())
    scale = abs(constant.value)
    if solver.reports_newton_decrement:
        return NewtonDecrement(tol, scale)
    l1 = problem.objective.l1
    reference = penalties.min_subgradient_norm(constant.theta, constant.gradient, l1)
    return GradientNorm(tol, reference, scale)
