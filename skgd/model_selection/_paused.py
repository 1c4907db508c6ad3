"""Descents of a search by successive halving, which its later iterations continue."""

from typing import Any, NamedTuple

import numpy as np

from skgd.model_selection._keys import params_key
from skgd.model_selection._rows import FittedModel, try_call


class PausedFit(NamedTuple):
    """A fit that has ended at its largest number of epochs, or before.

    Parameters
    ----------
    loop : object
        What `resume(numbers, max_iter)` continues; returns the outcomes of all its models.
    number : int
        Number of the model in the loop.
    task : FitTask
        The input of the fit.
    problem : Problem
        What is minimised.
    """

    loop: Any
    number: int
    task: Any
    problem: Any


class PausedFits:
    """The fits of models to the training rows of a fold that later iterations may continue."""

    def __init__(self):
        self.fits = {}

    def add(self, model, fit):
        """Add the :class:`PausedFit` of a model."""
        self.fits[model_key(model)] = fit

    def resume(self, models):
        """Continue the fits of the models up to their `max_iter`, and forget all others.

        Parameters
        ----------
        models : list of BaseGDRegressor
            Unfitted models.

        Returns
        -------
        list of FittedModel or None
            None for models that have no fit, whose learning rates depend on the number of epochs,
            or whose descent is unstable.
        """
        fits = [self.fits.get(model_key(model)) for model in models]
        fits = [
            fit if fit and try_call(can_resume, fit, model.max_iter) else None
            for fit, model in zip(fits, models, strict=True)
        ]
        self.fits, fitted = {}, [None] * len(models)
        for loop, max_iter in {
            (fit.loop, m.max_iter) for fit, m in zip(fits, models, strict=True) if fit
        }:
            members = {i: fit for i, fit in enumerate(fits) if fit and fit.loop is loop}
            with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
                outcomes = try_call(loop.resume, [f.number for f in members.values()], max_iter)
            for i, fit in members.items():
                outcome = outcomes and outcomes[fit.number]
                if outcome:
                    fitted[i] = FittedModel.from_outcome(models[i], fit.task, outcome)
                    self.add(models[i], fit._replace(problem=outcome.problem))
        return fitted


def model_key(model):
    """Return a hashable key of a model, equal for models that differ in `max_iter` alone."""
    params = model.get_params(deep=False)
    del params["max_iter"]
    return type(model).__name__, params_key(params)


def can_resume(fit, max_iter):
    """Return whether the epochs so far are the first ones of a fit of `max_iter` epochs."""
    is_longer = max_iter >= fit.problem.max_iter
    return is_longer and fit.problem.has_same_rates(max_iter)
