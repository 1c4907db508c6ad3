"""Validation of the constructor's parameters, and the components that they specify."""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from skgd import losses, optimizers, penalties, schedules, step_rules
from skgd._utils.component import resolve_component
from skgd._utils.validation import (
    BOOL_CONSTRAINT,
    BOOLS,
    InvalidParameterError,
    check_bool,
    check_choice,
    check_integer,
    check_real,
    is_integer,
    parameters_of,
    raise_invalid,
)

#: Values that None stands for in ``eta0`` and ``power_t``.
DEFAULT_ETA0, DEFAULT_POWER_T = 0.01, 0.25

#: Schedules and step rules by the names that ``learning_rate`` accepts.
LEARNING_RATES = {**schedules.SCHEDULES, **step_rules.STEP_RULES}


class SolverConfig(NamedTuple):
    """The components that the parameters of an estimator specify.

    Parameters
    ----------
    loss : Loss
    penalty : Penalty
    schedule : Schedule, StepRule or None
        None stands for "auto".
    optimizer : Optimizer or None
        None stands for "auto".
    alpha : float
        Strength of the penalty.
    on_divergence : {"raise", "back_off", "continue", "stop"}
        Reaction to a divergence; see :class:`~skgd.solvers.problem.Problem`.
    """

    loss: losses.Loss
    penalty: penalties.Penalty
    schedule: schedules.Schedule | step_rules.StepRule | None
    optimizer: optimizers.Optimizer | None
    alpha: float
    on_divergence: str

    @property
    def has_explicit_rate(self):
        """Whether the learning rate is not "auto"."""
        return self.schedule is not None

    @property
    def is_automatic(self):
        """Whether a solver without a learning rate may replace stochastic updates."""
        is_plain = isinstance(self.optimizer, (type(None), optimizers.GD))
        return is_plain and not self.has_explicit_rate


def resolve_config(estimator):
    """Return the :class:`SolverConfig` that the parameters of an estimator specify.

    Errors are worded as in scikit-learn: "The 'alpha' parameter of SGDRegressor must be ...".
    """
    with parameters_of(type(estimator).__name__):
        check_plain_parameters(estimator)
        penalty = resolve_penalty(estimator)
        if estimator.positive:
            penalty = constrain_to_positive(penalty)
        if not estimator._accepts_unused_params:
            check_is_used(estimator, "eta0")
            check_is_used(estimator, "power_t")
        schedule = parse_learning_rate(estimator.learning_rate, estimator.eta0, estimator.power_t)
        has_penalty_object = isinstance(estimator.penalty, penalties.Penalty)
        config = SolverConfig(
            loss=resolve_loss(estimator),
            penalty=penalty,
            schedule=schedule,
            optimizer=resolve_optimizer(estimator),
            alpha=penalty.alpha if has_penalty_object else estimator.alpha,
            on_divergence="back_off" if schedule is None else estimator._get_divergence_reaction(),
        )
        check_compatibility(estimator, config)
    return config


def check_bool_or_integer(name, value, *, low, integers):
    """Check that `value` is a boolean or an integer of at least `low`.

    `integers` describes the allowed integers in the error message.
    """
    if not (isinstance(value, BOOLS) or is_integer(value, low)):
        raise_invalid(name, value, f"an int in the range {integers} {BOOL_CONSTRAINT}")


def check_seed(name, value):
    """Check that `value` is a seed, a RandomState or None."""
    is_seed = isinstance(value, Integral) and 0 <= value < 2**32
    if not (value is None or is_seed or isinstance(value, np.random.RandomState)):
        random_state = "an instance of 'numpy.random.mtrand.RandomState'"
        raise_invalid(name, value, f"an int in the range [0, {2**32 - 1}], {random_state} or None")


#: Checks of the parameters that are no components, by name.
CHECKS = {
    "alpha": partial(check_real, low=0),
    "l1_ratio": partial(check_real, low=0, high=1, closed="both", allow_none=True),
    "max_iter": partial(check_integer, low=1),
    "tol": partial(check_real, low=0, allow_none=True),
    "epsilon": partial(check_real, low=0),
    "quantile": partial(check_real, low=0, high=1, closed="neither"),
    "n_iter_no_change": partial(check_integer, low=1),
    "validation_fraction": partial(check_real, low=0, high=1, closed="neither"),
    "fit_intercept": check_bool,
    "positive": check_bool,
    "early_stopping": check_bool,
    "warm_start": check_bool,
    "standardize": check_bool,
    "shuffle": check_bool,
    "batch_size": partial(check_integer, low=1),
    "record": partial(check_choice, choices=[None, "running", "objective", "path"]),
    "random_state": check_seed,
    "verbose": partial(check_bool_or_integer, low=0, integers="[0, inf),"),
    "average": partial(check_bool_or_integer, low=1, integers="(0, inf) or"),
}


def check_plain_parameters(estimator):
    """Check every parameter that is a number, a boolean or one of a few names."""
    for name, check in CHECKS.items():
        if hasattr(estimator, name):
            check(name, getattr(estimator, name))
    choices = ["raise", "warn", *([None] if estimator._accepts_unused_params else [])]
    check_choice("on_divergence", estimator.on_divergence, choices)
    allow_none = not estimator._accepts_unused_params
    check_real("eta0", estimator.eta0, low=0, closed="neither", allow_none=allow_none)
    check_real("power_t", estimator.power_t, allow_none=allow_none)


def resolve_loss(estimator):
    """Return the loss; `epsilon` and `quantile` apply to a loss given by name only."""
    params = {"epsilon": estimator.epsilon, "level": estimator.quantile}
    return resolve_component("loss", estimator.loss, losses.LOSSES, losses.Loss, **params)


def resolve_penalty(estimator):
    """Return the penalty; `alpha` and `l1_ratio` apply to a penalty given by name only."""
    penalty = estimator.penalty
    if penalty is None:
        return penalties.L2(alpha=0.0)
    if isinstance(penalty, penalties.Penalty) and not estimator._accepts_unused_params:
        default = type(estimator)().alpha
        if estimator.alpha != default:
            constraint = f"left at {default!r} with penalty={penalty!r}"
            hint = "Set the strength in the penalty, or by penalty__alpha."
            raise_invalid("alpha", estimator.alpha, constraint, hint)
    if penalty == "elasticnet" and estimator.l1_ratio is None:
        raise InvalidParameterError(
            "l1_ratio must be set when penalty is 'elasticnet', to a float in the range [0.0, 1.0]."
        )
    params = {"alpha": estimator.alpha, "l1_ratio": estimator.l1_ratio}
    return resolve_component(
        "penalty", penalty, penalties.PENALTIES, penalties.Penalty, alternatives="None", **params
    )


def constrain_to_positive(penalty):
    """Return the penalty with lower bounds of at least 0."""
    lower = np.maximum(penalty.lower, 0)
    if np.any(lower > penalty.upper):
        raise_invalid(
            "positive", True, f"False with penalty={penalty!r}", "It has negative upper bounds."
        )
    if isinstance(penalty, penalties.Bounds):
        return penalty.replace(lower=lower)
    return penalties.Bounds(lower, penalty=penalty)


def check_is_used(estimator, name):
    """Raise if the parameter `name` is set and the learning rate does not use it."""
    value, rate = getattr(estimator, name), estimator.learning_rate
    users = [key for key, cls in LEARNING_RATES.items() if name in cls.__dataclass_fields__]
    if value is not None and not (isinstance(rate, str) and rate in users):
        constraint = f"left at None with learning_rate={rate!r}, which does not use it"
        hint = f"It is used with learning_rate={', '.join(map(repr, users))}."
        raise_invalid(name, value, constraint, hint)


def parse_learning_rate(learning_rate, eta0=None, power_t=None):
    """Return the schedule or step rule of a learning rate, or None for "auto".

    `eta0` and `power_t` apply to a schedule given by name only; None stands for their defaults.
    """
    kinds = (schedules.Schedule, step_rules.StepRule)
    if isinstance(learning_rate, str) and learning_rate == "auto":
        return None
    if isinstance(learning_rate, Real) and not isinstance(learning_rate, bool):
        check_real("learning_rate", learning_rate, low=0, closed="neither")
        return schedules.Constant(eta0=learning_rate)
    if isinstance(learning_rate, Callable) and not isinstance(learning_rate, (*kinds, type)):
        return schedules.FromCallable(learning_rate)
    return resolve_component(
        "learning_rate",
        learning_rate,
        {"auto": None, **LEARNING_RATES},
        kinds,
        alternatives="a positive float, a function of the update number",
        eta0=DEFAULT_ETA0 if eta0 is None else eta0,
        power_t=DEFAULT_POWER_T if power_t is None else power_t,
    )


def resolve_optimizer(estimator):
    """Return the optimizer, or None for "auto"."""
    optimizer = estimator.optimizer
    if isinstance(optimizer, str) and optimizer == "auto":
        return None
    names = {"auto": None, **optimizers.OPTIMIZERS}
    return resolve_component("optimizer", optimizer, names, optimizers.Optimizer)


def check_compatibility(estimator, config):
    """Raise if components cannot be combined, or not with the batch size of the estimator."""
    schedule, optimizer = config.schedule, config.optimizer
    if isinstance(schedule, schedules.Optimal) and config.alpha <= 0:
        schedule.resolve(alpha=config.alpha)([1])  # raises
    if isinstance(schedule, step_rules.PassiveAggressive):
        check_passive_aggressive(estimator, config)
    if isinstance(schedule, step_rules.LineSearch):
        if not estimator._is_full_batch:
            constraint = "'auto', a number, a function, or a schedule that needs no line search"
            hint = "A line search evaluates the objective on all rows; use BatchGDRegressor."
            raise_invalid("learning_rate", estimator.learning_rate, constraint, hint)
        if not isinstance(optimizer, (type(None), optimizers.GD, optimizers.BatchOptimizer)):
            names = "'auto', 'gd', 'cg', 'accelerated' or 'proximal_newton'"
            constraint = f"{names} with learning_rate='line_search'"
            raise_invalid("optimizer", estimator.optimizer, constraint)
    if optimizer is not None:
        check_batch_size(estimator, optimizer)
        optimizers.check_update(optimizer)
        if optimizer.searches_line:
            check_line_search_optimizer(estimator, config)


def check_batch_size(estimator, optimizer):
    """Raise if the optimizer does not support the batch size of the estimator."""
    names = list_elementwise_optimizers()
    if estimator._is_full_batch:
        names = list(optimizers.OPTIMIZERS)
    supported = tuple(optimizers.OPTIMIZERS[name] for name in names)
    if isinstance(optimizer, (optimizers.ElementwiseOptimizer, *supported)):
        return
    hint = "A user-defined optimizer has to derive from optimizers.ElementwiseOptimizer."
    if isinstance(optimizer, tuple(optimizers.OPTIMIZERS.values())):
        hint = "This optimizer needs the full batch; use BatchGDRegressor."
    if isinstance(optimizer, optimizers.LBFGS):
        hint = "This optimizer minimises functions; use skgd.minimize."
    if isinstance(optimizer, optimizers.CHOSEN):
        hint = "Fits by small batches use it if optimizer='auto' and learning_rate='auto'."
    options = ", ".join(map(repr, names))
    raise_invalid("optimizer", estimator.optimizer, f"'auto' or one of {options} here", hint)


def list_elementwise_optimizers():
    """Return the names of the optimizers that support batches of every size."""
    kind = optimizers.ElementwiseOptimizer
    return [name for name, cls in optimizers.OPTIMIZERS.items() if issubclass(cls, kind)]


def check_line_search_optimizer(estimator, config):
    """Check rate, loss and penalty of an optimizer that determines its steps by a line search."""
    if not isinstance(config.schedule, (type(None), step_rules.LineSearch)):
        reason = "which determines its steps by a line search"
        constraint = f"'auto' or 'line_search' with optimizer={estimator.optimizer!r}, {reason}"
        raise_invalid("learning_rate", estimator.learning_rate, constraint)
    if isinstance(config.optimizer, optimizers.ProximalNewton):
        return
    obstacle = ""
    if np.any(config.penalty.l1):
        obstacle = f"an l1 penalty; got penalty={estimator.penalty!r}"
    elif penalties.has_bounds(config.penalty):
        obstacle = f"bounds on the coefficients; got penalty={config.penalty!r}"
    elif config.loss.has_moreau_envelope():
        obstacle = f"loss={estimator.loss!r}, which has kinks"
    if obstacle:
        raise InvalidParameterError(
            f"optimizer='cg' needs a smooth objective and cannot be used with {obstacle}. Use "
            "optimizer='auto' or 'proximal_newton'."
        )


def check_passive_aggressive(estimator, config):
    """Raise if the step rules pa1 and pa2 are not defined for the other parameters."""
    if not isinstance(config.loss, losses.EpsilonInsensitive):
        raise InvalidParameterError(
            f"Learning rate {estimator.learning_rate!r} only works with loss "
            f"'epsilon_insensitive'. Got loss={estimator.loss!r} instead."
        )
    if not isinstance(config.optimizer, (optimizers.GD, type(None))):
        raise_invalid("optimizer", estimator.optimizer, "'gd' with learning_rate='pa1' or 'pa2'")
    if estimator._is_full_batch or getattr(estimator, "batch_size", 1) != 1:
        constraint = "'auto', a number, a function, or a schedule that is no step rule"
        hint = "pa1 and pa2 choose a step for each row; use SGDRegressor, or batch_size=1."
        raise_invalid("learning_rate", estimator.learning_rate, constraint, hint)
