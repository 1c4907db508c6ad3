"""Fits by stochastic updates: all models of a fold are updated together by each row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skgd import penalties
from skgd.data.in_memory import InMemoryData
from skgd.model_selection._paused import PausedFit
from skgd.model_selection._rows import FittedModel, is_reproducible, start_fit, try_call
from skgd.regressors._base import FitTask
from skgd.regressors._config import resolve_config
from skgd.solvers.choice import choose_stacked_solver, gains_from_stacking
from skgd.solvers.lockstep import Descent, descend_together
from skgd.solvers.sgd.stacked import StackedSGD
from skgd.solvers.stopping import choose_criteria


class FoldData(InMemoryData):
    """Rows of a fold, whose moments are computed once for all models."""

    def compute_feature_moments(self):
        """Return the :class:`~skgd.data.feature_moments.FeatureMoments`."""
        if "_feature_moments" not in vars(self):
            self._feature_moments = super().compute_feature_moments()
        return self._feature_moments


@dataclass(frozen=True)
class UpdateFit:
    """A fit that is ready to descend.

    Parameters
    ----------
    model : BaseGDRegressor
        The unfitted model.
    task : FitTask
        Its checked input.
    descent : Descent
        What it minimises, and from where.
    key : tuple
        Equal for fits that can run in step.
    """

    model: Any
    task: FitTask
    descent: Descent
    key: tuple


def fit_models(models, rows):
    """Fit models to the same rows, each of which updates all models together.

    Parameters
    ----------
    models : list of BaseGDRegressor
        Unfitted models.
    rows : TrainingRows
        The rows.

    Returns
    -------
    list of FittedModel or None
        None for models that share their updates with no other, and for unstable descents.
    """
    fitted = [None] * len(models)
    if issparse(rows.X) or rows.X.dtype != np.float64:
        return fitted
    paused = None if rows.paused is None else rows.paused["updates"]
    if paused is not None:
        fitted = paused.resume(models)
    configs = [
        try_call(resolve_config, model) if fitted[i] is None else None
        for i, model in enumerate(models)
    ]
    numbers = [i for i, model in enumerate(models) if is_supported(model, configs[i])]
    if len(numbers) < 2:
        return fitted
    data = FoldData(np.ascontiguousarray(rows.X[rows.index]), rows.y, rows.weights)
    fits = {i: try_call(prepare, models[i], configs[i], data) for i in numbers}
    fits = {i: fit for i, fit in fits.items() if fit is not None}
    while fits:
        key = next(iter(fits.values())).key
        group = {i: fit for i, fit in fits.items() if fit.key == key}
        fits = {i: fit for i, fit in fits.items() if i not in group}
        descents = [fit.descent for fit in group.values()]
        problem = descents[0].problem
        # With a single batch, the first gradient of the intercept is nothing but rounding, which
        # some optimizers divide by its size.
        if len(group) > 1 and problem.updates_per_epoch > 1 and gains_from_stacking(problem):
            loop = descend_together(descents, choose_stacked_solver)
            for number, (i, fit) in enumerate(group.items()):
                outcome = loop.outcomes[number]
                if outcome is not None:
                    fitted[i] = FittedModel.from_outcome(fit.model, fit.task, outcome)
                    if paused is not None:
                        paused.add(models[i], PausedFit(loop, number, fit.task, outcome.problem))
    return fitted


def is_supported(model, config):
    """Return whether a model is fitted by updates that others can share."""
    return (
        is_reproducible(model, config)
        and not (model._is_full_batch or config.is_automatic)
        and config.loss.n_outputs is None
        and not penalties.has_bounds(config.penalty)
    )


def prepare(model, config, data):
    """Return the :class:`UpdateFit` of a model."""
    batch_size = model._get_batch_size(len(data))
    model, task = start_fit(model, config, data, batch_size)
    fit_state = task.fit_state
    objective = model._build_objective(
        data, fit_state.scaling, config.loss, config.penalty, task.mean_weight
    )
    problem = model._build_problem(task, objective, batch_size)
    criteria = choose_criteria(
        problem,
        StackedSGD,
        model.tol,
        model.n_iter_no_change,
        relative=model._tol_is_relative,
        validate=None,
        early_stopping=False,
    )
    key = (
        *(config.loss, problem.optimizer, problem.row_rule, problem.batch_size, problem.shuffle),
        *(problem.average, problem.on_divergence, model._weights_are_relative),
        *(model.fit_intercept, model.standardize, model.random_state),
    )
    return UpdateFit(model, task, Descent(problem, fit_state.state, criteria), key)
