"""What "auto" stands for, and what a rate that exploded should have been.

========================  =====================================================================
Batch, squared error      conjugate gradients with exact line search; with an l1 penalty
                          accelerated proximal descent
Batch, other losses       Newton's method with conjugate gradients; with more than a thousand
                          features accelerated descent at 1 / L, or backtracking where the
                          curvature L is unbounded
Batches of k rows         variance-reduced descent around snapshots, whose steps the objective
                          combines (:mod:`skgd.solvers.svrg`)
Streams of small batches  squared error of up to 256 features: conjugate gradients on the second
                          moments of all rows so far; else implicit steps on single rows, averaged
Losses with kinks         the same on smoothed losses of shrinking width
Momentum and Nesterov     for batches of k rows 1 / (2 L_k sqrt(epoch)), L_k the expected
                          smoothness; for losses of bounded slope while y is far,
                          spread(y) / (R sqrt(t)), R the largest row norm
Adam and its kin          their published rate, in units of the spread of y
========================  =====================================================================

An explicit rate beside ``optimizer="auto"`` means plain gradient descent.
"""

import math
from dataclasses import replace

import numpy as np

from skgd import optimizers, schedules, step_rules
from skgd.data.second_moments import MAX_SECOND_MOMENT_FEATURES
from skgd.objectives import expected_smoothness, largest_curvature

#: Widths over which the kinks of a loss are rounded, in units of the spread of y.
SMOOTHING_WIDTHS = (1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)

#: Parameters up to which a stream keeps second moments.
LARGEST_STREAM = 257

#: Relative gradient norm at which one such width gives way to the next.
STAGE_TOL = 1e-3

#: The same at the last width: the rounding of the kinks has cost more than is left to gain.
LAST_STAGE_TOL = 1e-6


def choose(plan, objective, model, batch_size, streaming=False):
    """Return the optimizer and the schedule that a plan stands for on given data.

    Parameters
    ----------
    plan : Plan
        The pieces asked for.
    objective : Objective
        Data, loss and penalty.
    model : Objective or Expansion
        What full batches see of it.
    batch_size : int or None
        Rows in an update; None means the full batch.
    streaming : bool, default=False
        Whether the rows are a part of what there is to see.

    Returns
    -------
    optimizer : Optimizer
    schedule : Schedule
    """
    if streaming and hands_off(plan, batch_size):
        return choose_for_stream(objective)
    if snapshots_serve(plan, objective, batch_size):
        return optimizers.SVRG(), step_rules.LineSearch()
    return choose_for_walks(plan, objective, model, batch_size)


def choose_for_walks(plan, objective, model, batch_size):
    """Return what a plan stands for where an epoch is a walk: a rule and rates, fixed before it."""
    optimizer = plan.optimizer or choose_optimizer(plan, objective, batch_size)
    return optimizer, plan.schedule or choose_schedule(optimizer, objective, model, batch_size)


def choose_for_stream(objective):
    """Return the optimizer and the schedule of a stream of small batches."""
    if objective.loss.quadratic and len(objective.l2) <= LARGEST_STREAM:
        return choose_optimizer_of_quadratic(objective), step_rules.LineSearch()
    return optimizers.ImplicitSGD(), schedules.Constant(eta0=1.0)


def choose_optimizer_of_quadratic(objective):
    """Return what descends on second moments."""
    smooth = not objective.l1.any()
    return optimizers.ConjugateGradient() if smooth else optimizers.Accelerated()


def snapshots_serve(plan, objective, batch_size):
    """Tell whether small batches descend around snapshots: the loss has to say how it bends."""
    loss = objective.loss
    known = (
        loss.has_hessian() or math.isfinite(loss.gradient_lipschitz) or loss.has_moreau_envelope()
    )
    return known and hands_off(plan, batch_size)


def hands_off(plan, batch_size):
    """Tell whether the updates of small batches are ours to choose: no rate and no rule is set."""
    plain = isinstance(plan.optimizer, (type(None), optimizers.GD))
    return batch_size is not None and plan.schedule is None and plain


def choose_optimizer(plan, objective, batch_size):
    """Return what ``optimizer="auto"`` stands for."""
    explicit = plan.schedule is not None and not isinstance(plan.schedule, step_rules.LineSearch)
    if explicit or batch_size is not None:
        return optimizers.GD()
    if objective.loss.quadratic:
        return choose_optimizer_of_quadratic(objective)
    modelled = objective.loss.has_hessian() and len(objective.l2) <= MAX_SECOND_MOMENT_FEATURES
    return optimizers.NewtonCG() if modelled else optimizers.Accelerated()


def choose_schedule(optimizer, objective, model, batch_size):
    """Return what ``learning_rate="auto"`` stands for."""
    if getattr(optimizer, "default_rate", None) is not None:
        return schedules.Constant(eta0=optimizer.default_rate * spread(objective))
    if objective.loss.has_moreau_envelope():
        return bounded_schedule(objective, optimizer)
    if batch_size is None:
        searching = isinstance(optimizer, optimizers.SEARCHING)
        plain = isinstance(optimizer, (optimizers.GD, optimizers.Accelerated))
        if searching or (plain and not math.isfinite(objective.loss.gradient_lipschitz)):
            return step_rules.LineSearch()
        return schedules.Constant(eta0=1 / positive(largest_curvature(model, bound(objective))))
    smoothness = positive(expected_smoothness(objective, bound(objective), batch_size))
    eta0 = damping(optimizer) / (2 * smoothness)
    if objective.loss.lipschitz is not None:
        far = bounded_schedule(objective, optimizer)
        if far.eta0 > eta0:
            return far
    return schedules.InverseScaling(eta0=eta0, power_t=0.5, per="epoch")


def bounded_schedule(objective, optimizer):
    """Return the classical rate of subgradient descent, for losses of bounded slope.

    However far y is, such a loss pulls with its steepest slope only, and steps have to be long.
    """
    pull = positive(objective.loss.lipschitz)
    pull *= math.sqrt(positive(float(objective.design.squared_norms().max())))
    eta0 = damping(optimizer) * spread(objective) / pull
    return schedules.InverseScaling(eta0=eta0, power_t=0.5)


def stages(plan, objective, batch_size, streaming):
    """Return the objectives to descend on, one after the other.

    It is the given one, but for an automatic fit of a loss with kinks, which are rounded at first
    over a wide range and then over narrower ones.
    """
    automatic = plan.schedule is None and isinstance(
        plan.optimizer, (type(None), optimizers.Accelerated, optimizers.NewtonCG)
    )
    if batch_size is not None:
        automatic = snapshots_serve(plan, objective, batch_size) and not streaming
    if not (automatic and objective.loss.has_moreau_envelope()):
        return [objective]
    unit = spread(objective)
    return [
        replace(objective, loss=objective.loss.moreau_envelope(width * unit))
        for width in SMOOTHING_WIDTHS
    ]


def damping(optimizer):
    """Return by how much a rate has to shrink for momentum not to magnify its noise."""
    return 1 - getattr(optimizer, "momentum", 0.0)


def bound(objective):
    """Return a bound on the second derivative of the loss; where there is none, its local value.

    The local value is a difference quotient around the best constant model, doubled; if that is
    too little, descent explodes and backs off.
    """
    curvature = objective.loss.gradient_lipschitz
    if math.isfinite(curvature):
        return curvature
    constant = np.broadcast_to(
        objective.loss.intercept_only(objective.y, objective.weights), objective.y.shape
    )
    step = 1e-3
    rise = objective.loss.gradient(constant + step, objective.y)
    rise = rise - objective.loss.gradient(constant - step, objective.y)
    return 2 * positive(float(np.max(rise)) / (2 * step))


def spread(objective):
    """Return the typical distance of y from its best constant: a unit for linear predictors.

    Behind a logarithmic link it is the distance relative to that constant.
    """
    loss, y = objective.loss, objective.y
    constant = loss.intercept_only(y, objective.weights)
    distance = y - loss.inverse_link(constant)
    if loss.inverse_link(0.0) != 0.0:
        distance = distance / loss.inverse_link(constant)
    return positive(float(np.sqrt(np.mean(distance**2))))


def positive(number):
    """Return `number`, or 1 where it is zero: constant data is at its minimum at any rate."""
    return number if number > 0 else 1.0


def advice(problem):
    """Return what to say about a rate that exploded: the largest stable one, and the ways out."""
    objective, optimizer = problem.objective.sample, problem.optimizer
    ways = "Use learning_rate='auto', or a smaller rate"
    if objective.design.plain:
        ways += ", or standardize=True"
    known = isinstance(optimizer, optimizers.ElementwiseOptimizer) and math.isfinite(
        objective.loss.gradient_lipschitz
    )
    if not known:
        return ways + "."
    size = problem.batch_size or objective.design.n_rows
    smoothness = positive(expected_smoothness(objective, objective.loss.gradient_lipschitz, size))
    stable = optimizer.largest_stable_rate(smoothness)
    if stable is None:
        return ways + "."
    name = type(optimizer).__name__
    return f"The largest stable rate of {name} on this data is about {stable:.4g}. {ways}."
