"""What "auto" stands for, and which learning rate would have been stable after a divergence.

=========================  =====================================================================
Full batch, squared error  conjugate gradients with exact line search; with an l1 penalty
                           accelerated proximal descent
Full batch, other losses   Newton's method with conjugate gradients; with more than a thousand
                           features accelerated descent at 1 / L, or backtracking where the
                           Lipschitz constant L of the gradient is infinite
Batches of k rows          SVRG with a subspace step (:mod:`skgd.solvers.svrg`)
Streams of small batches   squared error of up to 256 features: conjugate gradients on the second
                           moments of all rows so far; otherwise implicit SGD, averaged
Losses with kinks          the same on Moreau envelopes of decreasing width
Momentum and Nesterov      for batches of k rows 1 / (2 L_k sqrt(epoch)), L_k the expected
                           smoothness; for losses with a bounded gradient, while y is far,
                           spread(y) / (R sqrt(t)), R the largest row norm
Adam and related rules     their published rate, in units of the spread of y
=========================  =====================================================================

An explicit learning rate with ``optimizer="auto"`` means plain gradient descent.
"""

import math

import numpy as np

from skgd import optimizers, schedules, step_rules
from skgd.data.second_moments import MAX_SECOND_MOMENT_FEATURES
from skgd.objectives import expected_smoothness, largest_curvature

#: Widths of the Moreau envelopes of a loss with kinks, in units of the spread of y.
SMOOTHING_WIDTHS = (1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)

#: Relative gradient norm that ends the stages but the last, and the last: the error of the envelope
#: is then larger than what remains to be gained.
STAGE_TOL, LAST_STAGE_TOL = 1e-3, 1e-6

#: Largest number of parameters of which a stream keeps second moments.
MAX_STREAM_PARAMETERS = 257

#: Step of the difference quotient of a gradient that is not Lipschitz continuous.
DIFFERENCE_STEP = 1e-3


def choose_components(config, objective, surrogate, batch_size, streaming=False):
    """Return the optimizer and the schedule of a configuration on given data.

    Parameters
    ----------
    config : SolverConfig
        The components that were set; None stands for "auto".
    objective : Objective
        Data, loss and penalty; of chunked data a sample that is in memory.
    surrogate : Objective or QuadraticModel
        What full batches evaluate.
    batch_size : int or None
        Rows in an update; None means the full batch.
    streaming : bool, default=False
        Whether the rows are only a part of the data.

    Returns
    -------
    optimizer : Optimizer
    schedule : Schedule or StepRule
    """
    if batch_size is not None and config.is_automatic:
        if streaming:
            return choose_for_stream(objective)
        if can_use_svrg(objective.loss):
            return optimizers.SVRG(), step_rules.LineSearch()
    return choose_for_updates(config, objective, surrogate, batch_size)


def choose_for_updates(config, objective, surrogate, batch_size):
    """Return optimizer and schedule where updates follow a rule and rates fixed in advance."""
    optimizer = config.optimizer or choose_optimizer(config, objective, batch_size)
    schedule = config.schedule or choose_schedule(optimizer, objective, surrogate, batch_size)
    return optimizer, schedule


def choose_for_stream(objective):
    """Return optimizer and schedule of a stream of small batches."""
    if objective.loss.quadratic and len(objective.l2) <= MAX_STREAM_PARAMETERS:
        return choose_quadratic_optimizer(objective), step_rules.LineSearch()
    return optimizers.ImplicitSGD(), schedules.Constant(eta0=1.0)


def choose_quadratic_optimizer(objective):
    """Return the optimizer for a quadratic objective."""
    has_l1 = objective.l1.any()
    return optimizers.Accelerated() if has_l1 else optimizers.ConjugateGradient()


def can_use_svrg(loss):
    """Return whether the curvature of a loss is known, as quadratic models of it need."""
    is_bounded = math.isfinite(loss.gradient_lipschitz)
    return loss.has_hessian() or is_bounded or loss.has_moreau_envelope()


def choose_optimizer(config, objective, batch_size):
    """Return what ``optimizer="auto"`` stands for."""
    is_searched = isinstance(config.schedule, step_rules.LineSearch)
    if batch_size is not None or (config.has_explicit_rate and not is_searched):
        return optimizers.GD()
    if objective.loss.quadratic:
        return choose_quadratic_optimizer(objective)
    has_model = objective.loss.has_hessian() and len(objective.l2) <= MAX_SECOND_MOMENT_FEATURES
    return optimizers.NewtonCG() if has_model else optimizers.Accelerated()


def choose_schedule(optimizer, objective, surrogate, batch_size):
    """Return what ``learning_rate="auto"`` stands for."""
    if optimizer.default_rate is not None:
        return schedules.Constant(eta0=optimizer.default_rate * target_spread(objective))
    loss = objective.loss
    if loss.has_moreau_envelope():
        return subgradient_schedule(objective, optimizer)
    if batch_size is None:
        is_smooth = math.isfinite(loss.gradient_lipschitz)
        takes_gradient_steps = isinstance(optimizer, (optimizers.GD, optimizers.Accelerated))
        if optimizer.searches_line or (takes_gradient_steps and not is_smooth):
            return step_rules.LineSearch()
        lipschitz = largest_curvature(surrogate, curvature_bound(objective))
        return schedules.Constant(eta0=1 / nonzero(lipschitz))
    smoothness = expected_smoothness(objective, curvature_bound(objective), batch_size)
    eta0 = momentum_damping(optimizer) / (2 * nonzero(smoothness))
    if loss.lipschitz is not None:
        far = subgradient_schedule(objective, optimizer)
        if far.eta0 > eta0:
            return far
    return schedules.InverseScaling(eta0=eta0, power_t=0.5, per="epoch")


def subgradient_schedule(objective, optimizer):
    """Return the classical rate of subgradient descent, for losses with a bounded gradient.

    The gradient of such a loss does not grow with the residual, so that steps have to be long while
    y is far from the predictions.
    """
    largest_norm = math.sqrt(nonzero(float(objective.design.squared_norms().max())))
    largest_gradient = nonzero(objective.loss.lipschitz) * largest_norm
    eta0 = momentum_damping(optimizer) * target_spread(objective) / largest_gradient
    return schedules.InverseScaling(eta0=eta0, power_t=0.5)


def smoothed_losses(config, objective, batch_size, streaming):
    """Return the losses to minimise one after the other; the last is the result.

    It is the loss itself, but in automatic fits of a loss with kinks. There it is replaced by its
    Moreau envelopes of decreasing width.

    Parameters
    ----------
    config, objective, batch_size
        See :func:`choose_components`.
    streaming : bool
        Whether the rows are only a part of the data, or in chunks.
    """
    loss = objective.loss
    if batch_size is None:
        kinds = type(None), optimizers.Accelerated, optimizers.NewtonCG
        is_automatic = not config.has_explicit_rate and isinstance(config.optimizer, kinds)
    else:
        is_automatic = config.is_automatic and not streaming
    if not (is_automatic and loss.has_moreau_envelope()):
        return [loss]
    spread = target_spread(objective)
    return [loss.moreau_envelope(width * spread) for width in SMOOTHING_WIDTHS]


def momentum_damping(optimizer):
    """Return the factor of a rate that keeps momentum from amplifying its noise."""
    return 1 - getattr(optimizer, "momentum", 0.0)


def curvature_bound(objective):
    """Return a bound on the second derivative of the loss, or an estimate of it.

    Where there is no bound it is twice a difference quotient of the gradient at the best constant
    model. If that is too small, the descent diverges and continues at a lower rate.
    """
    loss = objective.loss
    if math.isfinite(loss.gradient_lipschitz):
        return loss.gradient_lipschitz
    y = objective.y
    constant = np.broadcast_to(loss.intercept_only(y, objective.weights), y.shape)
    above = loss.gradient(constant + DIFFERENCE_STEP, y)
    below = loss.gradient(constant - DIFFERENCE_STEP, y)
    return 2 * nonzero(float(np.max(above - below)) / (2 * DIFFERENCE_STEP))


def target_spread(objective):
    """Return the root mean squared distance of y from its best constant.

    It is the unit of linear predictors. With a log link it is relative to that constant.
    """
    loss, y = objective.loss, objective.y
    mean = loss.inverse_link(loss.intercept_only(y, objective.weights))
    distance = y - mean
    if loss.inverse_link(0.0) != 0.0:
        distance = distance / mean
    return nonzero(float(np.sqrt(np.mean(distance**2))))


def nonzero(number):
    """Return `number`, or 1 where it is zero: constant data are minimised at any rate."""
    return number if number > 0 else 1.0


def advise_on_rate(problem):
    """Return advice after a divergence: the largest stable rate, and what to do."""
    objective, optimizer = problem.objective.on_sample, problem.optimizer
    ways = "Use learning_rate='auto', or a smaller rate"
    if objective.design.is_unscaled:
        ways += ", or standardize=True"
    lipschitz = objective.loss.gradient_lipschitz
    if not (isinstance(optimizer, optimizers.ElementwiseOptimizer) and math.isfinite(lipschitz)):
        return ways + "."
    size = problem.batch_size or objective.design.n_rows
    smoothness = nonzero(expected_smoothness(objective, lipschitz, size))
    stable = optimizer.largest_stable_rate(smoothness)
    if stable is None:
        return ways + "."
    name = type(optimizer).__name__
    return f"The largest stable rate of {name} on this data is about {stable:.4g}. {ways}."
