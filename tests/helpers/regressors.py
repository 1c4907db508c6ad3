"""The regressors that tests run over, how they are built, and what fitted ones are compared by."""

import dataclasses

import numpy as np
from numpy.testing import assert_allclose

from skgd import (
    BatchGDRegressor,
    MiniBatchGDRegressor,
    SGDRegressor,
    losses,
    optimizers,
    penalties,
    schedules,
    step_rules,
)

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
STOCHASTIC = [MiniBatchGDRegressor, SGDRegressor]

#: Names of the optimizers that update each coefficient on its own.
ELEMENTWISE = [
    name
    for name, optimizer in optimizers.OPTIMIZERS.items()
    if issubclass(optimizer, optimizers.ElementwiseOptimizer)
]

#: Every public component that has defaults, beside the parameter that takes it.
COMPONENTS = [
    (parameter, component())
    for parameter, module in [
        ("loss", losses),
        ("penalty", penalties),
        ("learning_rate", schedules),
        ("learning_rate", step_rules),
        ("optimizer", optimizers),
    ]
    for component in map(vars(module).get, module.__all__)
    if all(field.default is not dataclasses.MISSING for field in dataclasses.fields(component))
]

#: Parameters that some of the regressors lack.
STOCHASTIC_PARAMETERS = {"average", "batch_size", "random_state", "shuffle"}


def build(Regressor, **params):
    """Return a regressor; parameters of stochastic descent are left out where it has none."""
    known = Regressor().get_params()
    dropped = STOCHASTIC_PARAMETERS - known.keys()
    return Regressor(**{name: value for name, value in params.items() if name not in dropped})


def targets_for(loss, y):
    """Return targets that a loss, given as its name or an object, is defined for, from y > 0."""
    is_named = isinstance(loss, str) and loss == "binomial"
    return y / (1 + y) if is_named or isinstance(loss, losses.Binomial) else y


def few_epochs(Regressor, **params):
    """Return a regressor that runs three epochs at an explicit learning rate."""
    return build(Regressor, **{"learning_rate": 0.05, "max_iter": 3, "tol": None} | params)


def assert_same_model(one, other, rtol=1e-10):
    """Check that two fitted regressors have the same coefficients and intercepts."""
    assert_allclose(one.coef_, other.coef_, rtol=rtol, atol=rtol)
    assert_allclose(one.intercept_, other.intercept_, rtol=rtol, atol=rtol)


def objective(model, X, y, coefficients_of=None):
    """Return the mean loss plus the penalty of a fitted regressor.

    The coefficients are those of `coefficients_of`, by default of the regressor itself.
    """
    source = model if coefficients_of is None else coefficients_of
    p = X @ source.coef_.ravel() + source.intercept_
    return np.mean(model.loss_.value(p, y)) + model.penalty_.value(source.coef_)
