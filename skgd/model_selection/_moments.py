"""Full-batch fits of squared error whose objective is computed from second moments."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skgd.data.in_memory import InMemoryData
from skgd.data.second_moments import reciprocal_condition
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
    configs = [try_call(resolve_config, m) if is_supported(m) else None for m in models]
    used = [config is not None and config.loss.quadratic for config in configs]
    X = rows.X
    if not any(used) or issparse(X) or X.dtype != np.float64:
        return [None] * len(models)
    data = InMemoryData(UnreadRows((len(rows), X.shape[1]), X.dtype), rows.y, rows.weights)
    moments = rows.second_moments() if data.has_cheap_second_moments else None
    if moments is None or not (moments.is_finite and moments.is_accurate_for(X.dtype)):
        return [None] * len(models)
    fits = [
        try_call(prepare, model, config, data, moments) if is_used else None
        for model, config, is_used in zip(models, configs, used, strict=True)
    ]
    return [try_call(run, fit) if fit and fit.is_well_conditioned else None for fit in fits]


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
