"""Newton's method, whose quadratic models descent itself minimises."""

import numpy as np

from skgd.objectives import QuadraticModel, largest_curvature
from skgd.optimizers import Accelerated, ConjugateGradient
from skgd.solvers.line_search import exact_rate, proximal_step

#: The model is minimised until its gradient has fallen by this factor, or for so many steps.
FORCING, INNER_STEPS = 1e-3, 300

#: Rows of a sample for each parameter; the fall of its gradient, or the steps, that end a leap.
SAMPLE, LEAP, LEAP_STEPS = 20, 1e-2, 20

#: Share of the decrease that the model promises which is enough, and halvings at most.
ENOUGH, HALVINGS = 1e-4, 40


class Newton:
    """Newton's method during a descent.

    Parameters
    ----------
    objective : Objective
        What is minimised.
    """

    def __init__(self, objective):
        self.objective = objective
        self.known = None

    def step(self, point):
        """Return the point that a step leads to, and the share of the step that was taken.

        Each output has a model of its own: their Hessians differ.
        """
        return self.leap(point) or self.modelled_step(point)

    def leap(self, point):
        """Return the point that Newton's method has found on a sample, if that is worth while.

        Steps from a constant model are long, and short of what they promise: they need no models of
        all rows.
        """
        objective = self.objective
        subsample = None if point.theta[..., :-1].any() else objective.random_subsample(SAMPLE)
        if subsample is None:
            return None
        rest, start = Newton(subsample), subsample.evaluate(point.theta)
        here, enough = start, LEAP * subsample.min_subgradient_norm(start)
        for _ in range(LEAP_STEPS):
            here = rest.modelled_step(here)[0]
            if subsample.min_subgradient_norm(here) <= enough:
                break
        there = objective.restrict_to_line(point, here.theta - point.theta).evaluate(1.0)
        worth = point.value - there.value >= 0.5 * (start.value - here.value)
        return (there, 1.0) if worth else None

    def modelled_step(self, point):
        """Return the point that a step on quadratic models leads to, and the share of it."""
        objective = self.objective
        hessians, self.known = objective.hessians(point, self.known)
        if point.theta.ndim == 1:
            target, promised = minimised(model_of(objective, point, hessians), FORCING)
        else:
            found = [
                minimised(model_of(objective, output(point, k), hessians[k]), FORCING)
                for k in range(len(point.theta))
            ]
            target, promised = np.stack([theta for theta, _ in found]), sum(f for _, f in found)
        return damped(objective, point, target - point.theta, promised)


def output(point, k):
    """Return the point of output k alone; its value is not needed."""
    return point._replace(theta=point.theta[k], gradient=point.gradient[k], value=0.0)


def model_of(objective, point, hess):
    """Return the quadratic model of the objective around `point`, given the Hessian of the loss."""
    hess = hess + np.diag(objective.l2)
    return QuadraticModel(objective, point, hess.astype(point.theta.dtype))


def minimised(model, forcing):
    """Return where the gradient of a model has fallen by a factor, and how far the model falls."""
    start = point = model.evaluate(model.anchor.theta)
    enough = forcing * model.min_subgradient_norm(start)
    step = accelerated_steps(model) if model.l1.any() else conjugate_steps(model)
    for _ in range(INNER_STEPS):
        point = model.evaluate(step(point))
        if model.min_subgradient_norm(point) <= enough:
            break
    return point.theta, start.value - point.value


def conjugate_steps(model):
    """Return the function that takes a step of conjugate gradients."""
    optimizer, memory = ConjugateGradient(), {}

    def step(point):
        direction = optimizer.direction(point.theta, point.gradient, memory)
        return point.theta + exact_rate(model, point, direction) * direction

    return step


def accelerated_steps(model):
    """Return the function that takes an accelerated proximal step."""
    optimizer, memory = Accelerated(), {}
    rate = 1 / max(largest_curvature(model, 1.0), np.finfo(float).tiny)

    def step(point):
        landed = proximal_step(model, point, rate)
        return optimizer.extrapolate(point.theta, landed, memory)

    return step


def damped(objective, point, step, promised):
    """Return a point along `step` at which the objective falls as promised, and its share."""
    rounding = 4 * np.finfo(step.dtype).eps * abs(point.value)
    share, ray = 1.0, objective.restrict_to_line(point, step)
    for _ in range(HALVINGS):
        if ray.value(share) <= point.value - ENOUGH * share * promised + rounding:
            return ray.evaluate(share), share
        share /= 2
    return point, 0.0
