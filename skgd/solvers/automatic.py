"""Choice of the solver and the learning rate for "auto", and advice after a divergence.

=========================  =====================================================================
Full batch                 proximal Newton; for chunks of rows with more than two thousand features
                           accelerated descent at 1 / L, or backtracking where the Lipschitz
                           constant L of the gradient is infinite
Batches of k rows          SVRG with a subspace step (:mod:`skgd.solvers.svrg`)
Streams of small batches   up to 256 features: Newton's method on the rows of the call and the
                           second moments of the rows before; otherwise implicit SGD, averaged
Losses with kinks          the same on Moreau envelopes of decreasing width
Momentum and Nesterov      for batches of k rows 1 / (2 L_k sqrt(epoch)), L_k the expected
                           smoothness; for losses with a bounded gradient, if this is larger,
                           spread(y) / (R sqrt(t)), R the largest row norm
Adam and related rules     their published rate, in units of the spread of y
=========================  =====================================================================

An explicit learning rate with ``optimizer="auto"`` means plain gradient descent.
"""

import math

import numpy as np

from skgd import optimizers, schedules, step_rules
from skgd.objectives import expected_smoothness, largest_curvature
from skgd.solvers.wide_newton import MAX_DENSE_PARAMETERS

#: Widths of the Moreau envelopes of a loss with kinks for full and for small batches, in units of
#: the mean absolute deviation of y; and the smallest width in units of rounding.
BATCH_WIDTHS = (1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
WIDTH_ROUNDING_UNITS = 256
MINI_BATCH_WIDTHS = (1, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)

#: Smallest tolerance of a stage, relative to the square root of its width. The error of the
#: envelope then exceeds any further decrease of the objective.
STAGE_TOL = 0.03

#: Largest number of parameters for which a stream of small batches keeps second moments.
MAX_STREAM_PARAMETERS = 257

#: Step of difference quotients: of a gradient that is not Lipschitz continuous, of inverse links.
DIFFERENCE_STEP = 1e-3


def choose_components(config, objective, surrogate, batch_size, streaming=False):
    """Return the optimizer and the schedule of a configuration on the given data.

    Parameters
    ----------
    config : SolverConfig
        The components that the parameters specify; None stands for "auto".
    objective : Objective or ChunkedObjective
        Data, loss and penalty.
    surrogate : Objective, ChunkedObjective or QuadraticModel
        The function that full batches evaluate: `objective`, or the quadratic model that equals it.
    batch_size : int or None
        Number of rows per update; None means the full batch.
    streaming : bool, default=False
        Whether the rows are a part of the data only.

    Returns
    -------
    optimizer : Optimizer
    schedule : Schedule or StepRule
    """
    # On second moments, "auto" needs no rows, and so no sample of chunked data.
    needs_rows = surrogate is objective or config.optimizer is not None
    is_chunked, objective = objective.is_chunked, objective.on_sample if needs_rows else objective
    if config.is_automatic and not is_chunked:
        is_chosen = batch_size is not None or config.optimizer is None
        if streaming and is_chosen and can_stream_newton(objective, batch_size):
            return optimizers.StreamingNewton(), step_rules.LineSearch()
        if streaming and batch_size is not None:
            return optimizers.ImplicitSGD(), schedules.Constant(eta0=1.0)
        if batch_size is not None and has_curvature(objective.loss):
            return optimizers.SVRG(), step_rules.LineSearch()
    optimizer = config.optimizer or choose_optimizer(config, objective, batch_size, is_chunked)
    schedule = config.schedule or choose_schedule(optimizer, objective, surrogate, batch_size)
    return optimizer, schedule


def prefers_full_batch(config, data):
    """Return whether an automatic fit by small batches uses full batches instead.

    On chunks of rows a Newton step costs two passes and a few are enough, whereas variance-reduced
    updates need the curvatures of all rows.
    """
    is_wide = data.n_features >= MAX_DENSE_PARAMETERS
    return data.is_chunked and config.is_automatic and not is_wide


def can_stream_newton(objective, batch_size):
    """Return whether second moments of a stream can be kept for the loss and the features."""
    largest = MAX_DENSE_PARAMETERS if batch_size is None else MAX_STREAM_PARAMETERS
    return has_curvature(objective.loss) and len(objective.l2) <= largest


def has_curvature(loss):
    """Return whether quadratic models of the loss, which need its curvature, exist."""
    is_bounded = math.isfinite(loss.gradient_lipschitz)
    return loss.has_hessian() or is_bounded or loss.has_moreau_envelope()


def choose_optimizer(config, objective, batch_size, is_chunked):
    """Return the optimizer for ``optimizer="auto"``."""
    if batch_size is not None or config.has_explicit_rate:
        return optimizers.GD()
    is_too_wide = is_chunked and len(objective.l2) > MAX_DENSE_PARAMETERS
    return optimizers.Accelerated() if is_too_wide else optimizers.ProximalNewton()


def choose_schedule(optimizer, objective, surrogate, batch_size):
    """Return the schedule or step rule for ``learning_rate="auto"``."""
    if optimizer.default_rate is not None:
        return schedules.Constant(eta0=optimizer.default_rate * compute_spread(objective))
    loss = objective.loss
    if loss.has_moreau_envelope():
        return choose_subgradient_schedule(objective, optimizer)
    if batch_size is None:
        is_smooth = math.isfinite(loss.gradient_lipschitz)
        takes_gradient_steps = isinstance(optimizer, (optimizers.GD, optimizers.Accelerated))
        if optimizer.searches_line or (takes_gradient_steps and not is_smooth):
            return step_rules.LineSearch()
        lipschitz = largest_curvature(surrogate, estimate_curvature_bound(objective))
        return schedules.Constant(eta0=1 / replace_zero(lipschitz))
    smoothness = expected_smoothness(objective, estimate_curvature_bound(objective), batch_size)
    eta0 = compute_damping(optimizer) / (2 * replace_zero(smoothness))
    if loss.lipschitz is not None:
        subgradient = choose_subgradient_schedule(objective, optimizer)
        if subgradient.eta0 > eta0:
            return subgradient
    return schedules.InverseScaling(eta0=eta0, power_t=0.5, per="epoch")


def choose_subgradient_schedule(objective, optimizer):
    r"""Return the schedule of subgradient descent, for losses with a bounded gradient.

    It is :math:`(1 - \mu)\, \mathrm{spread}(y) / (K R \sqrt t)` with the momentum :math:`\mu`, the
    Lipschitz constant K of the loss and the largest row norm R. The gradient of such a loss does
    not grow with the residual, so that large residuals require large steps.
    """
    largest_norm = math.sqrt(replace_zero(float(objective.design.squared_norms().max())))
    largest_gradient = replace_zero(objective.loss.lipschitz) * largest_norm
    eta0 = compute_damping(optimizer) * compute_spread(objective) / largest_gradient
    return schedules.InverseScaling(eta0=eta0, power_t=0.5)


def choose_losses(config, objective, batch_size, streaming):
    """Return the losses of the stages of a fit, and the smallest tolerance of each.

    They are the Moreau envelopes of decreasing width of a loss with kinks if the solver is chosen
    automatically, otherwise the loss itself.

    Parameters
    ----------
    config, objective, batch_size, streaming
        See :func:`choose_components`.

    Returns
    -------
    list of (Loss, float)
    """
    loss, is_full_batch = objective.loss, batch_size is None
    if is_full_batch:
        is_newton = isinstance(config.optimizer, (type(None), optimizers.ProximalNewton))
        is_smoothed = is_newton and not config.has_explicit_rate
        is_smoothed &= objective.is_chunked or not streaming  # streams choose their own width
    else:
        is_smoothed = config.is_automatic and not (streaming or objective.is_chunked)
    if not (is_smoothed and loss.has_moreau_envelope()):
        return [(loss, 0.0)]
    widths = BATCH_WIDTHS if is_full_batch else MINI_BATCH_WIDTHS
    unit = mean_absolute_deviation(objective.on_sample)
    smallest = WIDTH_ROUNDING_UNITS * np.finfo(objective.l2.dtype).eps
    return [
        (loss.moreau_envelope(width * unit), STAGE_TOL * math.sqrt(width))
        for width in widths
        if width >= smallest
    ]


def compute_damping(optimizer):
    """Return 1 - momentum, since momentum lengthens steps by 1 / (1 - momentum) in the long run."""
    return 1 - getattr(optimizer, "momentum", 0.0)


def estimate_curvature_bound(objective):
    """Return a bound on the second derivative of the loss, or an estimate of it.

    The estimate, for a second derivative without bound, is twice the largest difference quotient of
    the gradient at the best constant model. If it is too small, the descent diverges and continues
    at a lower rate.
    """
    loss = objective.loss
    if math.isfinite(loss.gradient_lipschitz):
        return loss.gradient_lipschitz
    y, constant = objective.y, objective.constant_predictions()
    above = loss.gradient(constant + DIFFERENCE_STEP, y)
    below = loss.gradient(constant - DIFFERENCE_STEP, y)
    return 2 * replace_zero(float(np.max(above - below)) / (2 * DIFFERENCE_STEP))


def compute_spread(objective):
    """Return the spread of y: its root mean squared distance from the best constant prediction.

    It is the unit of linear predictors: with a link it is divided by the derivative of the inverse
    link at that constant.
    """
    loss, constant = objective.loss, objective.constant_predictions()
    distance = objective.y - loss.inverse_link(constant)
    if loss.has_link():
        above, below = (
            loss.inverse_link(constant + h) for h in (DIFFERENCE_STEP, -DIFFERENCE_STEP)
        )
        distance = distance * (2 * DIFFERENCE_STEP) / (above - below)
    return replace_zero(float(np.sqrt(np.mean(distance**2))))


def mean_absolute_deviation(objective):
    """Return the weighted mean distance of y from the best constant prediction."""
    distance = np.abs(objective.y - objective.loss.inverse_link(objective.constant_predictions()))
    return replace_zero(float(np.mean(np.average(distance, 0, objective.weights))))


def replace_zero(number):
    """Return `number`, or 1 if it is zero: for constant data any learning rate works."""
    return number if number > 0 else 1.0


def estimate_largest_stable_rate(problem):
    """Return an estimate of the largest stable learning rate, or None if there is none."""
    objective, optimizer = problem.objective.on_sample, problem.optimizer
    lipschitz = objective.loss.gradient_lipschitz
    if not (isinstance(optimizer, optimizers.ElementwiseOptimizer) and math.isfinite(lipschitz)):
        return None
    size = problem.batch_size or objective.design.n_rows
    smoothness = replace_zero(expected_smoothness(objective, lipschitz, size))
    return optimizer.largest_stable_rate(smoothness)


def advise_on_rate(problem, largest_stable_rate):
    """Return advice after a divergence: the largest stable learning rate, and remedies."""
    remedies = "Use learning_rate='auto', or a smaller rate"
    if problem.objective.on_sample.design.is_unscaled:
        remedies += ", or standardize=True"
    if largest_stable_rate is None:
        return f"{remedies}."
    name = type(problem.optimizer).__name__
    return (
        f"The largest stable rate of {name} on this data is about {largest_stable_rate:.4g}. "
        f"{remedies}."
    )
