"""From the constructor's parameters to pieces: checks, defaults, and what does not go together."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from numbers import Integral, Real

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

#: What ``eta0`` and ``power_t`` stand for where they may be left out.
DEFAULT_ETA0, DEFAULT_POWER_T = 0.01, 0.25


@dataclass(frozen=True)
class SolverConfig:
    """The pieces that the parameters ask for; None stands for "auto"."""

    loss: losses.Loss
    penalty: penalties.Penalty
    schedule: schedules.Schedule | None
    optimizer: optimizers.Optimizer | None
    alpha: float


def plan(estimator):
    """Return the configuration that an estimator's parameters specify.

    Errors are worded as scikit-learn's: "The 'alpha' parameter of SGDRegressor must be ...".
    """
    with parameters_of(type(estimator).__name__):
        return resolve_parameters(estimator)


def resolve_parameters(estimator):
    """Return the pieces that an estimator's parameters ask for, or refuse them."""
    check_simple_parameters(estimator)
    penalty = resolve_penalty(estimator)
    made = SolverConfig(
        loss=resolve_component(
            "loss", estimator.loss, losses.LOSSES, losses.Loss, epsilon=estimator.epsilon
        ),
        penalty=penalty,
        schedule=resolve_schedule(estimator),
        optimizer=resolve_optimizer(estimator),
        alpha=penalty.alpha
        if isinstance(estimator.penalty, penalties.Penalty)
        else estimator.alpha,
    )
    check_together(estimator, made)
    return made


def check_simple_parameters(estimator):
    """Check every parameter that is a plain number, switch or word."""
    params = {name: getattr(estimator, name) for name in parameter_names(type(estimator))}
    check_real("alpha", params["alpha"], low=0)
    check_real("l1_ratio", params["l1_ratio"], low=0, high=1, closed="both", allow_none=True)
    check_integer("max_iter", params["max_iter"], low=1)
    check_real("tol", params["tol"], low=0, allow_none=True)
    check_real("epsilon", params["epsilon"], low=0)
    check_integer("n_iter_no_change", params["n_iter_no_change"], low=1)
    check_real(
        "validation_fraction", params["validation_fraction"], low=0, high=1, closed="neither"
    )
    optional = not estimator._flat_beside_objects
    check_real("eta0", params["eta0"], low=0, closed="neither", allow_none=optional)
    check_real("power_t", params["power_t"], allow_none=optional)
    for name in ("fit_intercept", "early_stopping", "warm_start", "standardize"):
        check_bool(name, params[name])
    check_choice("record", params["record"], [None, "running", "objective", "path"])
    check_verbose(params["verbose"])
    check_random_state(params["random_state"])
    if "shuffle" in params:
        check_bool("shuffle", params["shuffle"])
    if "average" in params:
        check_average(params["average"])
    if "batch_size" in params:
        check_integer("batch_size", params["batch_size"], low=1)


@cache
def parameter_names(kind):
    """Return the names of an estimator's parameters, which scikit-learn finds by inspection."""
    return kind._get_param_names()


def check_verbose(value):
    """Check that `value` is a boolean or a verbosity level."""
    if not (isinstance(value, BOOLS) or is_integer(value, 0)):
        raise_invalid("verbose", value, f"an int in the range [0, inf), {BOOL_CONSTRAINT}")


def check_average(value):
    """Check that `value` is a boolean or the number of an update."""
    if not (isinstance(value, BOOLS) or is_integer(value, 1)):
        raise_invalid("average", value, f"an int in the range (0, inf) or {BOOL_CONSTRAINT}")


def check_random_state(value):
    """Check that `value` is a seed, a RandomState or None."""
    seed = isinstance(value, Integral) and 0 <= value < 2**32
    if not (value is None or seed or isinstance(value, np.random.RandomState)):
        raise_invalid(
            "random_state",
            value,
            f"an int in the range [0, {2**32 - 1}], "
            "an instance of 'numpy.random.mtrand.RandomState' or None",
        )


def resolve_penalty(estimator):
    """Return the penalty; flat parameters feed a name only."""
    if estimator.penalty is None:
        return penalties.L2(alpha=0.0)
    if isinstance(estimator.penalty, penalties.Penalty) and not estimator._flat_beside_objects:
        default = type(estimator)().alpha
        if estimator.alpha != default:
            raise_invalid(
                "alpha",
                estimator.alpha,
                f"left at {default!r} beside penalty={estimator.penalty!r}",
                "Set the strength in the penalty, or by penalty__alpha.",
            )
    if estimator.penalty == "elasticnet" and estimator.l1_ratio is None:
        raise InvalidParameterError(
            "l1_ratio must be set when penalty is 'elasticnet', to a float in the range [0.0, 1.0]."
        )
    return resolve_component(
        "penalty",
        estimator.penalty,
        penalties.PENALTIES,
        penalties.Penalty,
        alternatives="None",
        alpha=estimator.alpha,
        l1_ratio=estimator.l1_ratio,
    )


def resolve_schedule(estimator):
    """Return the schedule, or None for "auto"."""
    rate = estimator.learning_rate
    if not estimator._flat_beside_objects:
        refuse_unread(estimator, "eta0")
        refuse_unread(estimator, "power_t")
    return schedule_of(
        rate,
        DEFAULT_ETA0 if estimator.eta0 is None else estimator.eta0,
        DEFAULT_POWER_T if estimator.power_t is None else estimator.power_t,
    )


def schedule_of(rate, eta0=DEFAULT_ETA0, power_t=DEFAULT_POWER_T):
    """Return the schedule that a learning rate stands for, or None for "auto"."""
    if isinstance(rate, str) and rate == "auto":
        return None
    if isinstance(rate, Real) and not isinstance(rate, bool):
        check_real("learning_rate", rate, low=0, closed="neither")
        return schedules.Constant(eta0=rate)
    if isinstance(rate, Callable) and not isinstance(
        rate, (schedules.Schedule, step_rules.StepRule, type)
    ):
        return schedules.FromCallable(rate)
    return resolve_component(
        "learning_rate",
        rate,
        {"auto": None, **schedules.SCHEDULES, **step_rules.STEP_RULES},
        (schedules.Schedule, step_rules.StepRule),
        alternatives="a positive float, a function of the update number",
        eta0=eta0,
        power_t=power_t,
    )


def refuse_unread(estimator, name):
    """Refuse a flat parameter that the chosen learning rate would ignore."""
    value = getattr(estimator, name)
    rate = estimator.learning_rate
    readers = [
        known
        for known, component in {**schedules.SCHEDULES, **step_rules.STEP_RULES}.items()
        if name in fields_of(component)
    ]
    if value is not None and not (isinstance(rate, str) and rate in readers):
        listing = ", ".join(map(repr, readers))
        raise_invalid(
            name,
            value,
            f"left at None beside learning_rate={rate!r}, which does not read it",
            f"It is read by learning_rate={listing}.",
        )


def fields_of(component):
    """Return the names of a piece's parameters."""
    return [field.name for field in fields(component)]


def resolve_optimizer(estimator):
    """Return the optimizer, or None for "auto"."""
    if isinstance(estimator.optimizer, str) and estimator.optimizer == "auto":
        return None
    return resolve_component(
        "optimizer",
        estimator.optimizer,
        {"auto": None, **optimizers.OPTIMIZERS},
        optimizers.Optimizer,
    )


def check_together(estimator, made):
    """Refuse pieces that do not go together."""
    schedule, optimizer = made.schedule, made.optimizer
    if isinstance(schedule, schedules.Optimal) and made.alpha <= 0:
        schedule.resolve(alpha=made.alpha)([1])
    if isinstance(schedule, step_rules.PassiveAggressive):
        check_passive_aggressive(estimator, made)
    if isinstance(schedule, step_rules.LineSearch):
        if not estimator._full_batch:
            raise_invalid(
                "learning_rate",
                estimator.learning_rate,
                "'auto', a number, a function, or a schedule that needs no line search",
                "A line search looks at all rows; it is for BatchGDRegressor.",
            )
        if not isinstance(optimizer, (type(None), optimizers.GD, optimizers.BatchOptimizer)):
            raise_invalid(
                "optimizer",
                estimator.optimizer,
                "'auto', 'gd', 'cg', 'accelerated' or 'newton_cg' beside "
                "learning_rate='line_search'",
            )
    check_serves(estimator, optimizer)
    if isinstance(optimizer, optimizers.SEARCHING):
        check_searching(estimator, made)
    if isinstance(optimizer, optimizers.ConjugateGradient):
        if made.penalty.l1 > 0:
            raise InvalidParameterError(
                "optimizer='cg' needs a smooth objective and cannot be used with an l1 penalty; "
                f"got penalty={estimator.penalty!r}. Use optimizer='auto' or 'accelerated'."
            )
        if made.loss.has_moreau_envelope():
            raise InvalidParameterError(
                "optimizer='cg' needs a smooth objective, and "
                f"loss={estimator.loss!r} has kinks. Use optimizer='auto' or 'accelerated'."
            )


def check_serves(estimator, optimizer):
    """Refuse an optimizer that batches of this size cannot have."""
    names = list(optimizers.OPTIMIZERS) if estimator._full_batch else elementwise_names()
    kinds = tuple(optimizers.OPTIMIZERS[name] for name in names)
    if isinstance(optimizer, (type(None), optimizers.ElementwiseOptimizer, *kinds)):
        return
    hint = "A rule of your own derives from optimizers.ElementwiseOptimizer."
    if isinstance(optimizer, tuple(optimizers.OPTIMIZERS.values())):
        hint = "This one needs all rows at once; it is for BatchGDRegressor."
    if isinstance(optimizer, optimizers.LBFGS):
        hint = "This one descends on functions; it is for skgd.minimize."
    if isinstance(optimizer, optimizers.CHOSEN):
        hint = "Fits by small batches choose this one by optimizer='auto', learning_rate='auto'."
    listing = ", ".join(map(repr, names))
    raise_invalid("optimizer", estimator.optimizer, f"'auto' or one of {listing} here", hint)


def elementwise_names():
    """Return the names of the optimizers that serve batches of every size."""
    kind = optimizers.ElementwiseOptimizer
    return [name for name, rule in optimizers.OPTIMIZERS.items() if issubclass(rule, kind)]


def check_searching(estimator, made):
    """Refuse a rate for an optimizer that finds its own."""
    if not isinstance(made.schedule, (type(None), step_rules.LineSearch)):
        raise_invalid(
            "learning_rate",
            estimator.learning_rate,
            f"'auto' or 'line_search' beside optimizer={estimator.optimizer!r}, which searches "
            "along its lines",
        )
    if isinstance(made.optimizer, optimizers.NewtonCG) and not made.loss.has_hessian():
        moreau_envelope = made.schedule is None and made.loss.has_moreau_envelope()
        if not moreau_envelope:
            raise_invalid(
                "optimizer",
                estimator.optimizer,
                f"'auto' or 'accelerated' beside loss={estimator.loss!r}",
                "Newton's method needs a loss with a method hessian(p, y).",
            )


def check_passive_aggressive(estimator, made):
    """Refuse pa1 and pa2 where their step rules make no sense."""
    if not isinstance(made.loss, losses.EpsilonInsensitive):
        raise InvalidParameterError(
            f"Learning rate {estimator.learning_rate!r} only works with loss "
            f"'epsilon_insensitive'. Got loss={estimator.loss!r} instead."
        )
    if not isinstance(made.optimizer, (optimizers.GD, type(None))):
        raise_invalid("optimizer", estimator.optimizer, "'gd' beside learning_rate='pa1' or 'pa2'")
    if estimator._full_batch or getattr(estimator, "batch_size", 1) != 1:
        raise_invalid(
            "learning_rate",
            estimator.learning_rate,
            "'auto', a number, a function, or a schedule that is no step rule",
            "pa1 and pa2 choose a step for each row; use SGDRegressor, or batch_size=1.",
        )
