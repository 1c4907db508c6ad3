"""Full-batch fits of squared error whose objective is computed from second moments.

Fits by the automatic optimizer, whose first step is exact, are minimised together
(:mod:`skgd.model_selection._least_squares`). The others descend one by one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skgd.data.in_memory import InMemoryData
from skgd.data.second_moments import reciprocal_condition
from skgd.model_selection._least_squares import PenalizedLeastSquares
from skgd.model_selection._rows import FittedModel, start_fit, try_call
from skgd.optimizers import GD, Accelerated, ConjugateGradient, Momentum, Nesterov, ProximalNewton
from skgd.regressors._base import FitTask
from skgd.regressors._config import resolve_config
from skgd.solvers.continuation import Stage
from skgd.solvers.descent import descend
from skgd.solvers.history import History

#: Smallest reciprocal condition number of a Hessian, in the coordinates of the descent. Below it,
#: rounding and the tolerance of the descent change scores by more than 1e-10.
MIN_RECIPROCAL_CONDITION = 1e-4

#: Optimizers whose steps are linear in the gradient. Others divide the gradient by its size, also
#: where it is nothing but rounding, which differs from moments to moments.
LINEAR = Accelerated, ConjugateGradient, GD, Momentum, Nesterov, ProximalNewton

#: Number of steps within which a descent whose first step is exact has converged.
MIN_STEPS = 10


class UnreadRows:
    """Stands for rows that no computation reads, since their second moments are known."""

    ndim = 2

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype


@dataclass(frozen=True)
class QuadraticFit:
    """A fit that is ready to descend.

    Parameters
    ----------
    model : BatchGDRegressor
        The unfitted model.
    task : FitTask
        Its checked input.
    stage : Stage
        Its only descent.
    """

    model: Any
    task: FitTask
    stage: Stage

    @property
    def is_well_conditioned(self):
        """Whether rounding does not matter to the result."""
        problem = self.stage.problem
        if not isinstance(problem.optimizer, LINEAR):
            return False
        hessian = problem.surrogate.hessian
        used = np.diag(hessian) > 0
        return reciprocal_condition(hessian[np.ix_(used, used)]) >= MIN_RECIPROCAL_CONDITION


def fit_models(models, rows):
    """Fit models to the same rows by their second moments, which are computed once.

    Parameters
    ----------
    models : list of BaseGDRegressor
        Unfitted models.
    rows : TrainingRows
        The rows.

    Returns
    -------
    list of FittedModel or None
        None where an ordinary fit would use the rows themselves, or would fail.
    """
    configs = [try_call(resolve_once, m) if is_supported(m) else None for m in models]
    used = [config is not None and config.loss.quadratic for config in configs]
    X = rows.X
    if not any(used) or issparse(X) or X.dtype != np.float64:
        return [None] * len(models)
    data = InMemoryData(UnreadRows((len(rows), X.shape[1]), X.dtype), rows.y, rows.weights)
    moments = rows.second_moments() if data.has_cheap_second_moments else None
    if moments is None or not (moments.is_finite and moments.is_accurate_for(X.dtype)):
        return [None] * len(models)
    fitted = fit_exactly(models, configs, moments)
    for number, (model, config) in enumerate(zip(models, configs, strict=True)):
        if used[number] and fitted[number] is None:
            fit = try_call(prepare, model, config, data, moments)
            is_shared = fit is not None and fit.is_well_conditioned
            fitted[number] = try_call(run, fit) if is_shared else None
    return fitted


def fit_exactly(models, configs, moments):
    """Return the models that a single step fits, as :class:`FittedModel`; None for the others.

    Parameters
    ----------
    models : list of BatchGDRegressor
        Unfitted models.
    configs : list of SolverConfig or None
        Their components.
    moments : SecondMoments
        Moments of the rows.
    """
    fitted, numbers_of = [None] * len(models), {}
    for number, (model, config) in enumerate(zip(models, configs, strict=True)):
        if config is not None and has_exact_steps(model, config, moments):
            numbers_of.setdefault(bool(model.fit_intercept), []).append(number)
    for fit_intercept, numbers in numbers_of.items():
        problem = PenalizedLeastSquares(moments, fit_intercept)
        solutions = problem.minimize([configs[number].penalty for number in numbers])
        for number, coef, intercept in zip(numbers, *solutions, strict=True):
            fitted[number] = FittedModel(coef, intercept, configs[number].loss)
    return fitted


def has_exact_steps(model, config, moments):
    """Return whether the first step of a fit ends at the minimum, which it may start from zero."""
    penalty, n_features = config.penalty, len(moments.mean)
    is_automatic = config.optimizer is None and not config.has_explicit_rate
    is_newton = is_automatic or isinstance(config.optimizer, ProximalNewton)
    if not (config.loss.quadratic and is_newton and model.max_iter >= MIN_STEPS):
        return False
    is_finite = np.isfinite(moments.y_variance).all() and np.isfinite(penalty.l1 + penalty.l2).all()
    contains_zero = np.all(np.less_equal(penalty.lower, 0) & np.greater_equal(penalty.upper, 0))
    parts = penalty.l1, penalty.l2, penalty.lower, penalty.upper
    has_shape = all(np.shape(part) in ((), (n_features,)) for part in parts)
    return bool(is_finite and contains_zero and has_shape)


def resolve_once(model):
    """Return the components of the model of a candidate, which is the same in all folds."""
    if not hasattr(model, "_config"):
        model._config = resolve_config(model)
    return model._config


def is_supported(model):
    """Return whether a model may be fitted by second moments, if its loss is quadratic."""
    return model._is_full_batch and not (model.early_stopping or model.verbose)


def prepare(model, config, data, moments):
    """Return the :class:`QuadraticFit` of a model."""
    model, task = start_fit(model, config, data, None, moments)
    (stage,) = model._build_stages(task)
    return QuadraticFit(model, task, stage)


def run(fit):
    """Return the fitted model; raise DivergenceError if the descent diverges."""
    stage, state = fit.stage, fit.task.fit_state.state
    outcome = descend(stage.problem, stage.solver, state, stage.criteria, History())
    return FittedModel.from_outcome(fit.model, fit.task, outcome)
