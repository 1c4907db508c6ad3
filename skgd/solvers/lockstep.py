"""Descents of many models on the same rows, epoch by epoch in step.

The models have the same loss, optimizer, batches and order of rows. Penalties, learning rates,
numbers of epochs and tolerances may differ. A model that has converged or reached its largest
number of epochs leaves. So does one whose objective rises far above its start, without an outcome:
such steps amplify rounding errors, so that the result would not be that of a separate descent.
"""

from copy import deepcopy
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from skgd._utils.floating_point import ignore_overflow
from skgd.data.scaling import FeatureScaling
from skgd.schedules import Adaptive, Constant, InverseScaling
from skgd.solvers.descent import Best, DescentLoop, Outcome, check_start
from skgd.solvers.divergence import convergence_limit, describe_stall
from skgd.solvers.history import History
from skgd.solvers.problem import Problem, compute_learning_rates
from skgd.solvers.row_order import draw_row_orders
from skgd.solvers.sgd.stacked import LearningRates
from skgd.solvers.speculative_epochs import MAX_SPECULATIVE_ROWS
from skgd.solvers.state import State
from skgd.solvers.stopping import StoppingCriteria, StopReason

#: Multiple of the objective of the start, or of the best constant model, above which a descent is
#: taken for unstable.
MAX_RELATIVE_OBJECTIVE = 2

#: Arrays of a state that have a row for each model.
ROW_NAMES = "theta", "averaged_theta", "l1_total", "l1_applied"

#: Schedules whose rates are proportional to their parameter `eta0`.
PROPORTIONAL = Adaptive, Constant, InverseScaling


class Descent(NamedTuple):
    """A descent that is ready to start.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    state : State
        Where it starts.
    criteria : StoppingCriteria
        At most one criterion, on the objective.
    """

    problem: Problem
    state: State
    criteria: StoppingCriteria


def descend_together(descents, choose_solver):
    """Run descents in step.

    Parameters
    ----------
    descents : list of Descent
        They start at the same predictions, with generators in the same state.
    choose_solver : callable
        Takes a stacked problem and the ratios of scales, and returns the solver of its epochs.

    Returns
    -------
    LockstepLoop
        It has the list of outcomes, which are None where the descent is unstable.
    """
    with ignore_overflow():
        loop = LockstepLoop(descents, choose_solver)
        loop.run()
    return loop


class LockstepLoop:
    """One call of :func:`descend_together`, whose parameters it has; :meth:`resume` continues it.

    Attributes
    ----------
    outcomes : list of Outcome or None
        None where the descent is unstable.
    n_epochs : int
        Number of epochs so far.
    active : list of int
        The models that ran in the last epoch.
    state : State
        Has their parameters as rows.
    """

    def __init__(self, descents, choose_solver):
        self.descents, self.choose_solver = descents, choose_solver
        self.problem = problem = descents[0].problem
        state = descents[0].state
        self.n_outputs = problem.objective.y[0].size
        start = problem.objective.value(state.theta)
        check_start(problem, state, start)
        constant = problem.objective.value(problem.objective.intercept_only())
        self.limit = MAX_RELATIVE_OBJECTIVE * max(abs(start), abs(constant))
        self.start, self.constant = start, constant
        theta = np.concatenate([np.atleast_2d(d.state.theta) for d in descents])
        self.state = State.initial(theta, state.rng).for_optimizer(problem.optimizer)
        self.curves = RateCurves([d.problem for d in descents])
        self.multipliers = [1.0] * len(descents)
        self.criterion_states = [d.criteria.init() for d in descents]
        self.outcomes = [None] * len(descents)
        self.n_epochs, self.active = 0, list(range(len(descents)))

    def run(self):
        """Run all epochs, and return the outcomes."""
        kept = range(len(self.active))
        while len(kept):
            self.select(kept)
            active, solver = self.active, self.stack_solver(self.active)
            kept = range(len(active))
            while len(kept) == len(active):
                count = self.count_epochs(solver, active, self.n_epochs)
                trace = self.run_epochs(solver, active, count)
                for number in range(count):
                    self.n_epochs += 1
                    kept = self.end_epoch(active, kept, trace, number, self.n_epochs)
                self.state = trace.state
        return self.outcomes

    def resume(self, models, max_iter):
        """Continue some of the models up to a larger number of epochs, and leave the others.

        Models whose descents have ended earlier keep their outcomes. The results are those of
        separate descents if :meth:`Problem.has_same_rates` holds.
        """
        self.descents = [
            descent._replace(problem=descent.problem.with_max_iter(max_iter))
            for descent in self.descents
        ]
        self.curves = RateCurves([descent.problem for descent in self.descents])
        if max_iter <= self.n_epochs:
            return self.outcomes
        is_paused = [o is not None and o.reason is StopReason.MAX_ITER for o in self.outcomes]
        self.select([p for p, m in enumerate(self.active) if m in models and is_paused[m]])
        return self.run()

    def separate(self, model, choose_solver):
        """Return the :class:`~skgd.solvers.descent.DescentLoop` of a model that is in `active`."""
        problem, start, criteria = self.descents[model]
        state = select_rows(self.state, self.rows_of([self.active.index(model)]))
        shape = start.theta.shape
        state = state.replace(
            **{name: getattr(state, name).reshape(shape) for name in ROW_NAMES},
            optimizer_state=tuple(array.reshape(shape) for array in state.optimizer_state),
            rng=deepcopy(state.rng),
            lr_multiplier=self.multipliers[model],
            reference_objective=self.limit / MAX_RELATIVE_OBJECTIVE,
        )
        loop = DescentLoop(problem, choose_solver(problem), state, criteria, History())
        loop.n_epochs = self.n_epochs
        loop.here = loop.here._replace(criterion_states=self.criterion_states[model])
        return loop

    def select(self, positions):
        """Let only the models at some positions of `active` continue."""
        self.state = select_rows(self.state, self.rows_of(positions))
        self.active = [self.active[position] for position in positions]

    def count_epochs(self, solver, active, n_epochs):
        """Return how many epochs to run in one call; a model ignores those after it has left."""
        problems = [self.descents[model].problem for model in active]
        can_run_ahead = solver.can_run_ahead and self.problem.row_rule is None
        if not can_run_ahead or any(p.schedule.reacts_to_stalls for p in problems):
            return 1
        most = max(1, MAX_SPECULATIVE_ROWS // self.problem.objective.design.n_rows)
        return min(4 + n_epochs // 4, most, max(p.max_iter for p in problems) - n_epochs)

    def run_epochs(self, solver, active, count):
        """Return the :class:`~skgd.solvers.sgd.stacked.StackedTrace` of the next epochs."""
        n_rows, orders = self.problem.objective.design.n_rows, None
        if self.problem.shuffle:
            orders = draw_row_orders(self.state.rng, n_rows, count)
        rates = self.curves.at(self.state, active, self.multipliers, self.n_outputs, count)
        return solver.run_epochs(self.state, rates, orders)

    def end_epoch(self, active, kept, trace, number, n_epochs):
        """Store the outcomes of models that leave after an epoch; return the positions of others.

        Parameters
        ----------
        active : list of int
            The models of the trace.
        kept : sequence of int
            Positions in `active` of the models that have not left.
        trace : StackedTrace
            The epochs.
        number : int
            Number of the epoch in the trace.
        n_epochs : int
            Number of epochs of the descents.
        """
        is_finite = np.isfinite(trace.theta[number]).reshape(len(active), -1).all(axis=1)
        objectives = trace.objectives[number].reshape(len(active), -1).sum(axis=1)
        objectives = np.where(is_finite, objectives, np.nan).tolist()
        still_kept = []
        for position in kept:
            model, objective = active[position], objectives[position]
            reason = self.find_reason(model, objective, n_epochs)
            if reason is None:
                still_kept.append(position)
            elif reason is not StopReason.DIVERGED:
                rows, shape = self.rows_of([position]), self.descents[model].state.theta.shape
                problem = self.descents[model].problem
                state = self.state.replace(
                    theta=trace.theta[number, rows].reshape(shape),
                    averaged_theta=trace.averaged_theta[number, rows].reshape(shape),
                    criterion_states=self.criterion_states[model],
                    t=trace.state.t - (len(trace.theta) - 1 - number) * problem.updates_per_epoch,
                )
                self.outcomes[model] = self.build_outcome(model, state, reason, n_epochs, objective)
        return still_kept

    def build_outcome(self, model, state, reason, n_epochs, objective):
        """Return the outcome of a model; None if its end is far above its start."""
        problem, criteria = self.descents[model].problem, self.descents[model].criteria
        row, message = {"running_objective": objective}, None
        if reason is StopReason.CONVERGED:
            value = problem.objective.value(state.model(problem.average))
            if not value <= self.limit:
                return None
            if value > convergence_limit(self.constant, self.start, criteria.absolute_tol):
                reason, message = StopReason.STALLED, describe_stall(problem, self.start, value)
        return Outcome(state, reason, n_epochs, None, row, problem, criteria, Best(), message)

    def rows_of(self, positions):
        """Return the rows of the stacked parameters of active models, by their positions."""
        starts = self.n_outputs * np.array(positions, dtype=int)
        return (starts[:, None] + np.arange(self.n_outputs)).ravel()

    def stack_solver(self, active):
        """Return the solver of the epochs of the active models."""
        objectives = [self.descents[model].problem.objective for model in active]
        scales = np.array([objective.design.scaling.scale for objective in objectives])
        design, scale = objectives[0].design, scales.min(axis=0)
        ratio = None
        if not (scales == scale).all():
            ratio = np.where(np.isfinite(scales), scale / scales, 0.0)
            ratio = np.repeat(ratio, self.n_outputs, axis=0).astype(objectives[0].y.dtype)
        scaling = FeatureScaling(design.scaling.center, scale)
        stacked = replace(
            objectives[0],
            design=replace(design, scaling=scaling),
            l1=np.repeat([objective.l1 for objective in objectives], self.n_outputs, axis=0),
            l2=np.repeat([objective.l2 for objective in objectives], self.n_outputs, axis=0),
        )
        return self.choose_solver(replace(self.problem, objective=stacked), ratio)

    def find_reason(self, model, objective, n_epochs):
        """Return the reason for which a model leaves after an epoch, or None."""
        problem, criteria = self.descents[model].problem, self.descents[model].criteria
        if not objective <= self.limit:
            return StopReason.DIVERGED
        if criteria.criteria:
            (criterion,), (state,) = criteria.criteria, self.criterion_states[model]
            state = criterion.update_value(state, objective)
            if criterion.is_met(state):
                multiplier = problem.schedule.after_stall(self.multipliers[model])
                if multiplier is None:
                    self.criterion_states[model] = (state,)
                    return StopReason.CONVERGED
                self.multipliers[model], state = multiplier, criterion.reset(state)
            self.criterion_states[model] = (state,)
        return StopReason.MAX_ITER if n_epochs == problem.max_iter else None


def select_rows(state, rows):
    """Return the state of some rows of the stacked parameters."""
    optimizer_state = tuple(array[rows] for array in state.optimizer_state)
    arrays = {name: getattr(state, name)[rows] for name in ROW_NAMES}
    return state.replace(**arrays, optimizer_state=optimizer_state)


class RateCurves:
    """The learning rates of many problems, of which those that are proportional share a curve.

    Parameters
    ----------
    problems : list of Problem
        The problems.
    """

    def __init__(self, problems):
        self.problems, keys = [], []
        self.curve, self.factor = [], []
        for problem in problems:
            schedule, eta0 = problem.schedule, 1.0
            key = schedule, problem.alpha, problem.planned_epochs
            if isinstance(schedule, PROPORTIONAL):
                eta0 = schedule.eta0
                key = replace(schedule, eta0=1.0)
            if key not in keys:
                keys.append(key)
                self.problems.append(problem)
            number = keys.index(key)
            self.curve.append(number)
            first = self.problems[number].schedule
            self.factor.append(eta0 / first.eta0 if isinstance(schedule, PROPORTIONAL) else 1.0)
        self.rates_at = [problem.resolve_schedule() for problem in self.problems]

    def at(self, state, active, multipliers, n_outputs, count):
        """Return the :class:`~skgd.solvers.sgd.stacked.LearningRates` of the next epochs.

        Parameters
        ----------
        state : State
            Where the epochs start.
        active : list of int
            The problems that still run.
        multipliers : list of float
            What the rates of each problem are multiplied by.
        n_outputs : int
            Number of outputs of a model.
        count : int
            Number of epochs.
        """
        numbers = np.array([self.curve[model] for model in active])
        used, numbers = np.unique(numbers, return_inverse=True)
        curves = [
            compute_learning_rates(self.problems[n], self.rates_at[n], state, count) for n in used
        ]
        curves = np.stack(curves, axis=1).reshape(count, -1, len(used))
        factors = np.array([self.factor[model] * multipliers[model] for model in active])
        return LearningRates(curves, np.repeat(numbers, n_outputs), np.repeat(factors, n_outputs))
