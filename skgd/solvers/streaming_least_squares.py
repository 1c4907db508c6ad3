"""Streams of squared error: descent on the second moments of all rows seen so far.

The moments of a new block of rows are merged into those of the rows before (Chan, Golub and
LeVeque), and conjugate gradients descend on them from where the last call ended. So all rows count
alike, as if they had come at once, in whatever order they come and whatever the columns' scales and
offsets do meanwhile.
"""

from dataclasses import replace

import numpy as np

from skgd.data.second_moments import SecondMoments
from skgd.objectives import QuadraticModel
from skgd.solvers.newton_cg import minimised

#: What the gradient falls to in a call, relative to its beginning.
FORCING = 1e-6

#: The gradient, relative to that of a constant model, that is taken for zero.
ROUNDING = 1e-12


def run_epoch(problem, state):
    """Learn the rows of a task; return the state, and the objective on these rows before."""
    objective, seen = problem.objective, problem.seen
    weights = None if objective.weights is None else objective.weights * seen.unit
    new = SecondMoments.of(objective.design.X, objective.y, weights)
    old = state.memory.get("gram")
    if old is None and seen.weight > 0:
        old = of_model(state.theta, objective.design, new, seen.weight)
    gram = new if old is None else old.merge(new)
    strength = seen.unit / seen.mean_weight  # moments are those of weights whose mean is 1
    whole = replace(objective, l1=objective.l1 * strength, l2=objective.l2 * strength)
    expansion = QuadraticModel.from_second_moments(whole, gram)
    theta = descended(expansion, state.theta).astype(state.theta.dtype, copy=False)
    moved = replace(
        state,
        theta=theta,
        mean=theta,
        memory={"gram": gram},
        t=state.t + problem.updates_per_epoch,
    )
    return moved, objective.value(state.theta)


def descended(expansion, theta):
    """Return where descent from `theta` leads; where rounding is all that is left, `theta`."""
    point = expansion.evaluate(theta)
    norm, scale = (
        expansion.min_subgradient_norm(point),
        expansion.min_subgradient_norm(expansion.anchor),
    )
    if norm <= ROUNDING * scale:
        return theta
    forcing = max(FORCING, ROUNDING * scale / norm)
    found, fall = minimised(expansion.recentre(point), forcing)
    return found if fall > 0 else theta


def of_model(theta, design, like, count):
    """Return the moments of rows that a model fits exactly, for rows that are gone.

    Of these nothing is known but what was learned from them: their columns are taken for
    independent, with the means and variances of other rows.
    """
    coef, intercept = design.scaling.to_original(theta.astype(float))
    covariance = np.diag(np.diag(like.covariance))
    cross = (coef @ covariance).T
    variance = np.sum(coef.T * cross, axis=0)
    return SecondMoments(
        count, like.mean, covariance, coef @ like.mean + intercept, cross, variance
    )
