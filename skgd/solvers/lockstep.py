"""Descents of many models on the same rows, epoch by epoch in step.

The models have the same loss, optimizer, batches and order of rows. Penalties, learning rates,
numbers of epochs and tolerances may differ. A model that has converged or reached its largest
number of epochs leaves. So does one whose objective rises far above its start, without an outcome:
such steps amplify rounding errors, so that the result would not be that of a separate descent.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from skgd.data.scaling import FeatureScaling
from skgd.schedules import Adaptive, Constant, InverseScaling
from skgd.solvers.descent import Outcome, check_start
from skgd.solvers.problem import Problem, compute_learning_rates
from skgd.solvers.sgd.stacked import LearningRates
from skgd.solvers.state import State
from skgd.solvers.stopping import StoppingCriteria, StopReason

#: Multiple of the objective of the start, or of the best constant model, above which a descent is
#: taken for unstable.
MAX_RELATIVE_OBJECTIVE = 2

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
    list of Outcome or None
        None where the descent is unstable.
    """
    # Overflow is detected from non-finite values, so NumPy's warnings are silenced.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        return _Lockstep(descents, choose_solver).run()


class _Lockstep:
    """One call of :func:`descend_together`."""

    def __init__(self, descents, choose_solver):
        self.descents, self.choose_solver = descents, choose_solver
        self.problem = problem = descents[0].problem
        state = descents[0].state
        self.n_outputs = problem.objective.y[0].size
        start = problem.objective.value(state.theta)
        check_start(problem, state, start)
        constant = problem.objective.value(problem.objective.intercept_only())
        self.limit = MAX_RELATIVE_OBJECTIVE * max(abs(start), abs(constant))
        theta = np.concatenate([np.atleast_2d(d.state.theta) for d in descents])
        self.state = State.initial(theta, state.rng).for_optimizer(problem.optimizer)
        self.curves = RateCurves([d.problem for d in descents])
        self.multipliers = [1.0] * len(descents)
        self.criterion_states = [d.criteria.init() for d in descents]
        self.outcomes = [None] * len(descents)

    def run(self):
        """Run all epochs, and return the outcomes."""
        n_epochs, active = 0, list(range(len(self.descents)))
        solver = self.stack_solver(active)
        while active:
            order = solver.draw_order(self.state.rng)
            rates = self.curves.at(self.state, active, self.multipliers, self.n_outputs)
            self.state, objectives = solver.run_updates(self.state, rates, order)
            n_epochs += 1
            is_finite = np.isfinite(self.state.theta).reshape(len(active), -1).all(axis=1)
            objectives = objectives.reshape(len(active), -1).sum(axis=1)
            objectives = np.where(is_finite, objectives, np.nan).tolist()
            reasons = [
                self.end_epoch(model, objective, n_epochs)
                for model, objective in zip(active, objectives, strict=True)
            ]
            if any(reasons):
                for position, model in enumerate(active):
                    if reasons[position]:
                        rows = self.rows_of([position])
                        last = Last(reasons[position], objectives[position], n_epochs)
                        self.outcomes[model] = self.finish(model, rows, last)
                kept = [position for position, reason in enumerate(reasons) if not reason]
                active = [active[position] for position in kept]
                self.state = select_rows(self.state, self.rows_of(kept))
                solver = self.stack_solver(active) if active else None
        return self.outcomes

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

    def end_epoch(self, model, objective, n_epochs):
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

    def finish(self, model, rows, last):
        """Return the outcome of the descent of a model that leaves, or None if it is unstable.

        Parameters
        ----------
        model : int
            The model.
        rows : array
            Rows of the stacked parameters.
        last : Last
            Its last epoch.
        """
        if last.reason is StopReason.DIVERGED:
            return None
        descent = self.descents[model]
        state = select_rows(self.state, rows)
        shape = descent.state.theta.shape
        state = state.replace(
            theta=state.theta.reshape(shape),
            averaged_theta=state.averaged_theta.reshape(shape),
            criterion_states=self.criterion_states[model],
        )
        row = {"running_objective": last.objective, "learning_rate": np.nan}
        return Outcome(
            state, last.reason, last.n_epochs, None, row, descent.problem, descent.criteria
        )


class Last(NamedTuple):
    """The last epoch of a model: why it is the last, its objective and its number."""

    reason: StopReason
    objective: float
    n_epochs: int


def select_rows(state, rows):
    """Return the state of some rows of the stacked parameters."""
    names = "theta", "averaged_theta", "l1_total", "l1_applied"
    optimizer_state = tuple(array[rows] for array in state.optimizer_state)
    arrays = {name: getattr(state, name)[rows] for name in names}
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
        self.rates_at = [
            problem.schedule.resolve(
                alpha=problem.alpha,
                updates_per_epoch=problem.updates_per_epoch,
                max_iter=problem.planned_epochs,
            )
            for problem in self.problems
        ]

    def at(self, state, active, multipliers, n_outputs):
        """Return the :class:`~skgd.solvers.sgd.stacked.LearningRates` of the next epoch.

        Parameters
        ----------
        state : State
            Where the epoch starts.
        active : list of int
            The problems that still run.
        multipliers : list of float
            What the rates of each problem are multiplied by.
        n_outputs : int
            Number of outputs of a model.
        """
        numbers = np.array([self.curve[model] for model in active])
        used, numbers = np.unique(numbers, return_inverse=True)
        curves = np.stack(
            [compute_learning_rates(self.problems[n], self.rates_at[n], state) for n in used],
            axis=1,
        )
        factors = np.array([self.factor[model] * multipliers[model] for model in active])
        return LearningRates(curves, np.repeat(numbers, n_outputs), np.repeat(factors, n_outputs))
