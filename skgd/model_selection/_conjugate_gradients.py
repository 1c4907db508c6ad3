"""Conjugate gradients on many quadratic models whose Hessians differ in scales and l2 strengths.

Each step of all models takes two products of one matrix with the stacked directions, instead of two
products of a vector for each model.
"""

import numpy as np

from skgd.objectives import Point
from skgd.optimizers import ConjugateGradient
from skgd.penalties import min_subgradient_norm
from skgd.solvers.descent import Outcome
from skgd.solvers.line_search import exact_rate
from skgd.solvers.stopping import Measurement, StopReason


class StackedQuadraticModel:
    r"""Quadratic models of m problems with the Hessians :math:`S_i H S_i + D_i`.

    Parameters
    ----------
    hessian : array of shape (d + 1, d + 1)
        The matrix H.
    models : list of QuadraticModel
        The models, without l1 term.
    """

    def __init__(self, hessian, models):
        self.hessian = hessian
        n_outputs = models[0].anchor.theta.ndim - 1
        scales = np.array([np.append(m.objective.design.scaling.scale, 1.0) for m in models])
        strengths = np.array([model.l2 for model in models])
        shape = (len(models), *[1] * n_outputs, len(hessian))
        self.inverse_scale, self.l2 = (1 / scales).reshape(shape), strengths.reshape(shape)
        self.theta = np.array([model.anchor.theta for model in models])
        self.gradient = np.array([model.anchor.gradient for model in models])
        self.value = np.array([model.anchor.value for model in models])

    def product(self, vectors):
        """Return the Hessians times a vector of each model."""
        scaled = (vectors * self.inverse_scale) @ self.hessian
        return scaled * self.inverse_scale + self.l2 * vectors

    def evaluate(self, theta):
        """Return the :class:`~skgd.objectives.Point` of all models; its value has shape (m,)."""
        delta = theta - self.theta
        change = self.product(delta)
        increase = ((self.gradient + 0.5 * change) * delta).reshape(len(theta), -1).sum(axis=1)
        return Point(theta, self.value + increase, self.gradient + change)

    def directional_curvature(self, direction):
        """Return the second derivatives along a direction of each model."""
        return np.sum(direction * self.product(direction), axis=-1, keepdims=True)


def applies_to(stage):
    """Return whether a stage runs conjugate gradients that need no verification on the rows."""
    problem = stage.problem
    return (
        isinstance(problem.optimizer, ConjugateGradient)
        and problem.searches_line
        and problem.surrogate.is_accurate
        and not problem.surrogate.l1.any()
        and all(criterion.tol > 0 for criterion in stage.criteria.criteria)
    )


def descend_together(hessian, stages, states):
    """Minimise quadratic models by the steps that separate descents take, all in step.

    Parameters
    ----------
    hessian : array of shape (d + 1, d + 1)
        Hessian of half the mean squared error in the coordinates of the data, centred as the
        features of the models are.
    stages : list of Stage
        The descents.
    states : list of State
        Where they start.

    Returns
    -------
    list of Outcome or None
        None where a value is not finite.
    """
    model = StackedQuadraticModel(hessian, [stage.problem.surrogate for stage in stages])
    point = model.evaluate(np.array([state.theta for state in states]))
    optimizer, optimizer_state = ConjugateGradient(), ()
    criterion_states = [stage.criteria.init() for stage in stages]
    outcomes, active, n_epochs = [None] * len(stages), set(range(len(stages))), 0
    while active:
        direction, optimizer_state = optimizer.direction(
            point.theta, point.gradient, optimizer_state
        )
        step = exact_rate(model, point, direction) * direction
        point, n_epochs = model.evaluate(point.theta + step), n_epochs + 1
        for i in list(active):
            norm = min_subgradient_norm(point.theta[i], point.gradient[i], 0.0)
            measurement = Measurement(float(point.value[i]), gradient_norm=norm)
            criteria = stages[i].criteria
            criterion_states[i] = criteria.update(criterion_states[i], measurement)
            reason = find_reason(criteria, criterion_states[i])
            if reason is None and n_epochs == stages[i].problem.max_iter:
                reason = StopReason.MAX_ITER
            is_finite = np.isfinite(measurement.objective)
            if is_finite and reason is None:
                continue
            active.remove(i)
            if is_finite:
                state = states[i].replace(
                    theta=point.theta[i], criterion_states=criterion_states[i]
                )
                row = {"gradient_norm": norm}
                outcomes[i] = Outcome(
                    state, reason, n_epochs, None, row, stages[i].problem, criteria
                )
    return outcomes


def find_reason(criteria, states):
    """Return the first reason to stop, or None."""
    pairs = zip(criteria.criteria, states, strict=True)
    return next(filter(None, (criterion.reason(state) for criterion, state in pairs)), None)
