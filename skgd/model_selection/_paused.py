"""Descents of a search by successive halving, which its later iterations continue."""

from typing import Any, NamedTuple

from skgd._utils.floating_point import ignore_overflow
from skgd.model_selection._keys import params_key
from skgd.model_selection._rows import FittedModel, try_call
from skgd.solvers.choice import choose_solver, gains_from_resuming
from skgd.solvers.lockstep import LockstepLoop
from skgd.solvers.stopping import StopReason


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


class SingleLoop:
    """A descent by itself.

    Parameters
    ----------
    loop : DescentLoop
        The descent.
    outcome : Outcome
        Where it is.
    """

    def __init__(self, loop, outcome):
        self.loop, self.outcome = loop, outcome

    def resume(self, numbers, max_iter):
        """Continue the descent unless it has ended by itself; return a list of its outcome."""
        if self.outcome.reason is StopReason.MAX_ITER:
            self.outcome = self.loop.resume(max_iter)
        return [self.outcome]


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
        fits = separate_few(fits)
        self.fits, fitted = {}, [None] * len(models)
        for loop, max_iter in {
            (fit.loop, m.max_iter) for fit, m in zip(fits, models, strict=True) if fit
        }:
            members = {i: fit for i, fit in enumerate(fits) if fit and fit.loop is loop}
            with ignore_overflow():
                outcomes = try_call(loop.resume, [f.number for f in members.values()], max_iter)
            for i, fit in members.items():
                outcome = outcomes and outcomes[fit.number]
                if outcome:
                    fitted[i] = FittedModel.from_outcome(models[i], fit.task, outcome)
                    self.add(models[i], fit._replace(problem=outcome.problem))
        return fitted


def separate_few(fits):
    """Return the fits, of which few that run in step are continued by themselves instead.

    Parameters
    ----------
    fits : list of PausedFit or None
        The fits that go on.
    """
    separated = []
    for fit in fits:
        n_models = sum(other is not None and other.loop is fit.loop for other in fits) if fit else 0
        if fit and isinstance(fit.loop, LockstepLoop) and not gains_from_resuming(n_models):
            outcome = fit.loop.outcomes[fit.number]
            if outcome.reason is StopReason.MAX_ITER:
                loop = fit.loop.separate(fit.number, choose_solver)
                fit = fit._replace(loop=SingleLoop(loop, outcome), number=0)
        separated.append(fit)
    return separated


def model_key(model):
    """Return a hashable key of a model, equal for models that differ in `max_iter` alone."""
    params = model.get_params(deep=False)
    del params["max_iter"]
    return type(model).__name__, params_key(params)


def can_resume(fit, max_iter):
    """Return whether the epochs so far are the first ones of a fit of `max_iter` epochs."""
    is_longer = max_iter >= fit.problem.max_iter
    return is_longer and fit.problem.has_same_rates(max_iter)
