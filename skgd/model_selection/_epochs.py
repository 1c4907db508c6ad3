"""Fits in a search by successive halving over epochs, each of which continues by itself."""

import numpy as np

from skgd._utils.floating_point import ignore_overflow
from skgd.model_selection._paused import PausedFit, SingleLoop
from skgd.model_selection._rows import FittedModel, is_reproducible, start_fit, try_call
from skgd.model_selection._updates import FoldData
from skgd.regressors._config import resolve_config
from skgd.solvers.descent import DescentLoop
from skgd.solvers.history import History


def fit_models(models, rows):
    """Fit models by themselves, or continue their fits of an earlier iteration.

    Parameters
    ----------
    models : list of BaseGDRegressor
        Unfitted models.
    rows : TrainingRows
        The rows.

    Returns
    -------
    list of FittedModel or None
        None where fits are not continued.
    """
    if rows.paused is None:
        return [None] * len(models)
    paused = rows.paused["epochs"]
    fitted = paused.resume(models)
    configs = [try_call(resolve_config, model) for model in models]
    numbers = [i for i, m in enumerate(models) if fitted[i] is None and is_supported(m, configs[i])]
    data = FoldData(rows.X[rows.index], rows.y, rows.weights) if numbers else None
    for i in numbers:
        fit = try_call(start, models[i], configs[i], data)
        if fit is not None:
            paused.add(models[i], fit)
            fitted[i] = FittedModel.from_outcome(models[i], fit.task, fit.loop.outcome)
    return fitted


def is_supported(model, config):
    """Return whether the fit of a model can be continued, and issues no warning of its penalty."""
    if not is_reproducible(model, config) or (model._is_full_batch and config.loss.quadratic):
        return False
    defaults = type(model)()
    has_default_penalty = model.penalty == defaults.penalty and model.alpha == defaults.alpha
    may_warn = model.standardize and has_default_penalty and np.any(config.penalty.l2)
    return config.has_explicit_rate or not may_warn


def start(model, config, data):
    """Fit a model, and return its :class:`PausedFit`, or None if it has several stages."""
    model, task = start_fit(model, config, data, model._get_batch_size(len(data)))
    stage = next(model._build_stages(task))
    if not stage.is_last:
        return None
    state = task.fit_state.state
    with ignore_overflow():
        loop = DescentLoop(stage.problem, stage.solver, state, stage.criteria, History())
        return PausedFit(SingleLoop(loop, loop.run()), 0, task, stage.problem)
