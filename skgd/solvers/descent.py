"""The descent loop: epochs, stopping, divergence, history.

Full-batch, mini-batch and per-sample descent differ in the solver that runs an epoch
(:mod:`skgd.solvers.base`); everything around an epoch is here.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from skgd._utils.floating_point import ignore_overflow
from skgd.solvers.divergence import (
    MAX_RELATIVE_END,
    DivergenceGuard,
    describe_stall,
    divergence_error,
)
from skgd.solvers.history import History
from skgd.solvers.problem import Problem
from skgd.solvers.recorder import Recorder
from skgd.solvers.speculative_epochs import SpeculativeEpochs
from skgd.solvers.state import State
from skgd.solvers.stopping import Measurement, StoppingCriteria, StopReason
from skgd.solvers.trajectory import Trajectory
from skgd.step_rules import StepRule

#: Share of the first learning rate below which a schedule, and not the objective, ends the descent.
MIN_RELATIVE_LR = 1e-4


class Position(NamedTuple):
    """Where a descent is between two epochs; it is replaced, never changed.

    Parameters
    ----------
    state : State
        Parameters, and what later calls continue with.
    workspace : object
        What the solver needs in later epochs.
    trajectory : Trajectory or None
        The coefficients so far, if they are recorded.
    criterion_states : tuple
        States of the stopping criteria.
    divergence_count : int
        Epochs in a row with an objective far above its start.
    run_next_alone : bool, default=False
        Whether the next epoch may end the descent, so that it must not be run speculatively.
    """

    state: State
    workspace: Any
    trajectory: Trajectory | None
    criterion_states: tuple
    divergence_count: int
    run_next_alone: bool = False


class Best(NamedTuple):
    """The best validation score so far, and the state that has it.

    Parameters
    ----------
    score : float, default=-inf
        The score.
    state : State or None, default=None
        The state; None before the first score.
    """

    score: float = -np.inf
    state: State | None = None


@dataclass(frozen=True)
class Outcome:
    """Where a descent ended, and why.

    Parameters
    ----------
    state : State
        The state at the end.
    reason : StopReason
        Why it ended.
    n_epochs : int
        Number of epochs.
    history : History
        The history, to which the epochs were appended.
    last_row : dict
        Numbers of the last epoch.
    problem : Problem
        What was minimised.
    criteria : StoppingCriteria
        What could have ended it.
    best : Best
        The best validation score, with early stopping.
    message : str or None, default=None
        Why the end is no convergence, where its objective shows that.
    """

    state: State
    reason: StopReason
    n_epochs: int
    history: History
    last_row: dict
    problem: Problem
    criteria: StoppingCriteria
    best: Best
    message: str | None = None


def descend(problem, solver, state, criteria, history, monitor=None, best=None):
    """Run epochs until a criterion is met or the largest number of epochs is reached.

    Parameters
    ----------
    problem : Problem
        What is minimised, and how.
    solver : Solver
        What runs the epochs.
    state : State
        Where to start. Its arrays are not changed, its generator is.
    criteria : StoppingCriteria
        What ends the descent.
    history : History
        What is appended to.
    monitor : Monitor or None, default=None
        Its ``begin_epoch()`` is called before each epoch, and ``end_epoch(row, state)`` after it,
        which returns whether the descent should end.
    best : Best or None, default=None
        Best validation score of the descents that this one continues.

    Returns
    -------
    Outcome

    Raises
    ------
    DivergenceError
        If the objective diverges and the problem asks for an error then.
    """
    with ignore_overflow():
        return DescentLoop(problem, solver, state, criteria, history, monitor, best).run()


class DescentLoop:
    """One call of :func:`descend`, whose parameters it has; :meth:`resume` continues it."""

    def __init__(self, problem, solver, state, criteria, history, monitor=None, best=None):
        self.solver, self.criteria = solver, criteria
        self.monitor, self.best, self.n_epochs = monitor, best or Best(), 0
        self.set_problem(problem)
        self.recorder = Recorder(problem, solver, criteria.validate, history)
        state = state.for_optimizer(problem.optimizer)
        workspace = solver.init(state)
        self.start = solver.describe(state, workspace)
        check_start(problem, state, self.start.objective)
        self.here = Position(
            state,
            workspace,
            self.recorder.start_trajectory(state),
            criteria.init(state.criterion_states),
            state.divergence_count,
        )
        self.guard = DivergenceGuard(problem, solver, self.here, self.start.objective)
        self.last_objective = self.start.objective
        self.message = None

    def run(self):
        """Run the epochs and return the :class:`Outcome`."""
        if not len(self.recorder.history):
            self.recorder.record(self.here.state, self.start, 0, np.nan)
        reason = None
        while reason is None and self.n_epochs < self.problem.max_iter:
            before = self.here, len(self.recorder.history)
            rng_state = self.here.state.rng.bit_generator.state
            try:
                n_ahead = self.run_speculative_epochs(self.n_epochs)
                if not n_ahead:
                    reason = self.run_epoch(self.n_epochs + 1)
                self.n_epochs += n_ahead or 1
            except KeyboardInterrupt:
                self.here, n_rows = before
                self.here.state.rng.bit_generator.state = rng_state
                self.recorder.history.truncate(n_rows)
                reason = StopReason.INTERRUPTED
        return self.finish(reason or StopReason.MAX_ITER, self.n_epochs)

    def set_problem(self, problem):
        """Set what is minimised, and what depends on its schedule and its number of epochs."""
        self.problem = problem
        self.rate_at = problem.resolve_schedule()
        has_monitor = self.monitor is not None
        self.speculative = SpeculativeEpochs(problem, self.solver, self.criteria, has_monitor)

    def resume(self, max_iter):
        """Continue a descent that ended at its largest number of epochs up to a larger one.

        The result is that of a separate descent if :meth:`Problem.has_same_rates` holds.
        """
        self.set_problem(self.problem.with_max_iter(max_iter))
        return self.run()

    def run_speculative_epochs(self, n_epochs):
        """Run several epochs that end nothing in one call; return how many there were."""
        count = self.speculative.count_epochs(self.here, n_epochs)
        if count < 2:
            return 0
        start = perf_counter()
        limit = self.guard.safe_limit
        after, previous, trace, rates = self.speculative.run(self.here, self.rate_at, limit, count)
        self.here = after
        if len(rates):
            self.last_objective = trace.objectives[len(rates) - 1]
            self.guard.remember_safe(previous, after, self.last_objective)
            self.recorder.record_together(trace, n_epochs, rates, start)
        return len(rates)

    def run_epoch(self, number):
        """Run one epoch; return a reason to stop, or None."""
        if self.monitor is not None:
            self.monitor.begin_epoch()
        before = self.here._replace(run_next_alone=False)
        after, info, rate = self.advance(before)
        if self.guard.is_diverged(before, after):
            if self.problem.on_divergence == "back_off":
                safe = self.guard.back_off(before.state.lr_multiplier)
                self.here = safe._replace(criterion_states=before.criterion_states)
                return None
            if np.isfinite(after.state.theta).all():
                self.recorder.record(after.state, info, number, rate)
            self.here = after
            return self.end_diverged(number, rate, info.objective)
        self.guard.remember_safe(before, after, info.objective)
        self.here, self.last_objective = after, info.objective
        row = self.recorder.record(after.state, info, number, rate)
        is_requested = self.monitor is not None and self.monitor.end_epoch(row, after.state)
        return self.check_criteria(info, row) or (StopReason.CALLBACK if is_requested else None)

    def advance(self, here):
        """Return the position after one more epoch, its info, and its last learning rate."""
        state, trajectory = here.state, here.trajectory
        rates = self.solver.compute_learning_rates(self.rate_at, state)
        order = self.solver.draw_order(state.rng)
        if trajectory is None:
            state, workspace, info = self.solver.run_epoch(state, here.workspace, rates, order)
        else:
            trajectory = trajectory.copy()
            state, workspace, info = self.run_recorded(here, trajectory, rates, order)
        count = self.guard.count(here, state, info.objective)
        after = Position(state, workspace, trajectory, here.criterion_states, count)
        rate = rates[-1] if info.learning_rate is None else info.learning_rate
        return after, info, rate

    def run_recorded(self, here, trajectory, rates, order):
        """Run one epoch in parts that end at the updates that the trajectory records."""
        if not self.solver.can_split_epochs:
            state, workspace, info = self.solver.run_epoch(here.state, here.workspace, rates, order)
            self.recorder.add_to_trajectory(trajectory, state)
            return state, workspace, info
        n_rows, size = self.problem.objective.design.n_rows, self.problem.batch_size
        state, workspace, start, total = here.state, here.workspace, 0, 0.0
        while start < len(rates):
            stop = min(start + trajectory.updates_to_next(state.t - 1), len(rates))
            state, workspace, info = self.solver.run_epoch(
                state, workspace, rates[start:stop], order, start * size
            )
            self.recorder.add_to_trajectory(trajectory, state)
            total += info.objective * (min(stop * size, n_rows) - start * size)
            start = stop
        return state, workspace, info._replace(objective=total / n_rows)

    def check_criteria(self, info, row):
        """Update the stopping criteria with an epoch; return a reason to stop, or None."""
        score = row.get("validation_score")
        if self.criteria.early_stopping and score > self.best.score:
            self.best = Best(score, self.here.state)
        eps = np.finfo(self.here.state.theta.dtype).eps
        measurement = Measurement(
            info.objective,
            info.output_objectives,
            info.gradient_norm,
            info.newton_decrement,
            score,
            eps,
        )
        states = self.criteria.update(self.here.criterion_states, measurement)
        self.here = self.here._replace(criterion_states=states)
        for index, criterion in enumerate(self.criteria.criteria):
            reason = criterion.reason(states[index])
            if reason is None:
                continue
            if reason is StopReason.PRECISION and self.lr_vanished(row["learning_rate"]):
                return StopReason.STALLED
            if not (criterion.is_stall and self.lower_learning_rate(index)):
                return reason
        return None

    def lower_learning_rate(self, index):
        """Lower the rate of a schedule that reacts to stalls; return whether it did."""
        state = self.here.state
        multiplier = self.problem.schedule.after_stall(state.lr_multiplier)
        if multiplier is None:
            return False
        self.here = self.here._replace(state=state.replace(lr_multiplier=multiplier))
        self.reset_criterion(index)
        return True

    def reset_criterion(self, index):
        """Let a criterion look for progress anew."""
        states = list(self.here.criterion_states)
        states[index] = self.criteria.criteria[index].reset(states[index])
        self.here = self.here._replace(criterion_states=tuple(states))

    def lr_vanished(self, rate):
        """Return whether nothing improves because the schedule's rate has become too small."""
        if isinstance(self.problem.schedule, StepRule):
            return False
        first_rate = self.here.state.lr_multiplier * self.rate_at(np.ones(1))[0]
        return rate < MIN_RELATIVE_LR * first_rate

    def end_diverged(self, number, rate, value):
        """Return the reason to stop after a divergence, or raise if the problem asks for it.

        Parameters
        ----------
        number : int
            Number of the last epoch.
        rate : float
            Its learning rate.
        value : float
            Its objective.
        """
        reaction, here = self.problem.on_divergence, self.here
        overflows = reaction == "continue" and not np.isfinite(here.state.theta).all()
        error = divergence_error(
            self.problem, number, rate, self.start.objective, value, overflows=overflows
        )
        if reaction == "raise" or overflows:
            error.history = self.recorder.history.arrays()
            error.path = here.trajectory and here.trajectory.arrays()
            raise error
        self.message = str(error)
        if reaction == "stop":
            self.message += " The model is that of the last epoch that was not above the start."
            self.here = self.guard.safe._replace(trajectory=here.trajectory)
        return StopReason.DIVERGED

    def finish(self, reason, n_epochs):
        """Return the outcome, or raise if the descent has diverged and the problem asks for it."""
        divergence_count = self.here.divergence_count
        if divergence_count and self.problem.on_divergence == "back_off":
            self.here = self.guard.safe
        else:
            has_best = self.best.state is not None and reason is not StopReason.DIVERGED
            if has_best:
                self.here = self.here._replace(state=self.best_model(self.here.state))
            reason = self.examine_end(reason, n_epochs, has_best)
            divergence_count = self.here.divergence_count
        state = self.here.state.replace(
            criterion_states=self.here.criterion_states,
            divergence_count=divergence_count,
            reference_objective=self.guard.monitor.reference,
        )
        history, last_row = self.recorder.history, self.recorder.last_row
        history.path = self.here.trajectory or history.path
        best, problem, criteria = self.best, self.problem, self.criteria
        return Outcome(
            state, reason, n_epochs, history, last_row, problem, criteria, best, self.message
        )

    def examine_end(self, reason, n_epochs, has_best):
        """Return the reason to stop after a look at the objective of the model that is returned.

        A descent that ends above the best constant model has not converged.
        """
        if reason in (StopReason.INTERRUPTED, StopReason.DIVERGED):
            return reason
        value, rate = self.last_objective, self.recorder.last_row.get("learning_rate", np.nan)
        if not reason.is_success or self.problem.streaming:
            is_far = self.here.divergence_count >= (2 if self.problem.streaming else 1)
            return self.end_diverged(n_epochs, rate, value) if is_far else reason
        if has_best or not self.solver.is_exact:
            value = self.solver.objective_at(self.here.state.model(self.problem.average))
        if not value <= MAX_RELATIVE_END * self.guard.monitor.reference:
            return self.end_diverged(n_epochs, rate, value)
        if value <= self.guard.convergence_limit(self.criteria.absolute_tol):
            return reason
        self.message = describe_stall(self.problem, self.start.objective, value)
        return StopReason.STALLED

    def best_model(self, state):
        """Return a state with the parameters of the best score, averaged or not."""
        best = self.best.state
        return state.replace(theta=best.theta, averaged_theta=best.model(self.problem.average))


def check_start(problem, state, objective):
    """Raise if the objective is not finite at the start."""
    if not np.isfinite(objective):
        problem.objective.check_loss_defined(state.theta)
        raise ValueError(
            "The objective is not finite at the start: targets, weights or starting values are too "
            f"large for {state.theta.dtype}. Scale them down."
        )
