"""What an estimator carries from one call to the next: how it begins, how it goes on."""

import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from skgd.data.moments import FeatureMoments
from skgd.data.scaling import FeatureScaling
from skgd.data.whitening import whiten
from skgd.regressors._input import checked_start
from skgd.solvers.history import History
from skgd.solvers.problem import State


@dataclass
class FitState:
    """What an estimator carries from one call to the next, beside its public attributes.

    Parameters
    ----------
    state : State
        The descent.
    scaling : FeatureScaling
        What its inner parameters refer to.
    moments : Moments or None
        Of the features seen so far, if they are standardised.
    weight, rows : float
        Total weight and number of the rows seen so far.
    history : History
        The course of the descent.
    coef, intercept : arrays
        The parameters as they were reported, to notice an assignment by the user.
    """

    state: State
    scaling: FeatureScaling
    moments: FeatureMoments | None
    weight: float
    rows: int
    history: History
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None


def initial_coefficients(estimator, data, coef_init, intercept_init):
    """Return the coefficients and the intercept to start from; None stands for the default."""
    outputs = data.outputs
    warm = estimator.warm_start and hasattr(estimator, "coef_") and coef_init is None
    if estimator.warm_start and hasattr(estimator, "coef_"):
        coef_init = estimator.coef_ if coef_init is None else coef_init
        intercept_init = estimator.intercept_ if intercept_init is None else intercept_init
    names = ("coef_init", "intercept_init") if not warm else ("coef_", "intercept_")
    coef = checked_start(names[0], coef_init, (*outputs, data.n_features))
    return coef, checked_start(names[1], intercept_init, outputs)


def init_fit_state(estimator, data, components, start, gram=None):
    """Return what a call carries that begins a new descent."""
    coef, intercept = start
    if coef is None:
        coef = np.zeros((*data.outputs, data.n_features))
        if intercept is None and components.schedule is None and estimator.fit_intercept:
            intercept = data.intercept_only(components.loss)
    if intercept is None:
        intercept = np.zeros(data.outputs)
    moments = None
    if estimator.standardize:
        moments = data.moments() if gram is None else gram.moments
    scaling = coordinates_of(estimator, data, moments, components)
    theta = scaling.to_scaled(coef, intercept, data.dtype)
    history = History()
    if estimator.warm_start and hasattr(estimator, "_fit_state"):
        history = estimator._fit_state.history.copy()
    state = State.initial(theta, np.random.default_rng(seed_of(estimator.random_state)))
    return FitState(state, scaling, moments, data.total_weight, len(data), history)


def seed_of(random_state):
    """Return what the generator of a descent is seeded with."""
    if isinstance(random_state, Integral):
        return first_number(int(random_state))
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


@lru_cache
def first_number(seed):
    """Return the first number of NumPy's older generator, whose making takes a tenth of a fit."""
    return np.random.RandomState(seed).randint(np.iinfo(np.int32).max)


def whiten_if_ill_conditioned(estimator, data, components, fit_state, gram):
    """Return what is carried, and second moments, where descent on these is right to many digits.

    Columns that nearly depend on each other are decorrelated, if nothing stands against it: a
    penalty is simple in the other coordinates only, and an explicit rate or rule is meant for them.
    """
    penalty = components.penalty
    explicit = components.schedule is not None or components.optimizer is not None
    if gram is None or data.is_chunked or data.dtype != np.float64 or not estimator.standardize:
        return fit_state, gram
    if explicit or penalty.l1 or penalty.l2 or gram.accurate(data.dtype):
        return fit_state, gram
    found = whiten(data, fit_state.scaling, gram, estimator.fit_intercept)
    if found is None:
        return fit_state, gram
    scaling, gram = found
    theta = fit_state.scaling.reparametrize(fit_state.state.theta, scaling)
    state = replace(fit_state.state, theta=theta)
    return replace(fit_state, scaling=scaling, state=state), gram


def resume_fit_state(estimator, data, components):
    """Return what a call carries that goes on where the last one ended."""
    last = estimator._fit_state
    moments = None
    if estimator.standardize:
        moments = data.moments()
        moments = moments if last.moments is None else last.moments.merge(moments)
    scaling = coordinates_of(estimator, data, moments, components)
    state = copy.deepcopy(last.state)
    if not (
        np.array_equal(estimator.coef_, last.coef)
        and np.array_equal(estimator.intercept_, last.intercept)
    ):
        coef = checked_start("coef_", estimator.coef_, last.coef.shape)
        intercept = checked_start("intercept_", estimator.intercept_, last.coef.shape[:-1])
        theta = scaling.to_scaled(coef, intercept, data.dtype)
        state = replace(state, theta=theta, mean=theta.copy(), memory={}, reference=0.0)
    else:
        state = replace(
            state,
            theta=last.scaling.reparametrize(state.theta, scaling),
            mean=last.scaling.reparametrize(state.mean, scaling),
        )
    if components.schedule is None:
        # What a search remembers of other rows says nothing about these, and a stream may
        # drift: how far off these rows are is seen from them alone.
        memory = {} if estimator._full_batch else state.memory
        state = replace(state, memory=memory, reference=0.0)
    return FitState(
        state,
        scaling,
        moments,
        last.weight + data.total_weight,
        last.rows + len(data),
        last.history.copy(),
    )


def coordinates_of(estimator, data, moments, components):
    """Return the coordinates to descend in: standard ones by the moments, if there are any."""
    if moments is None:
        return FeatureScaling.identity(data.n_features)
    curvature = (
        components.loss.gradient_lipschitz
        if np.isfinite(components.loss.gradient_lipschitz)
        else 1.0
    )
    return FeatureScaling.standard(
        moments, estimator.fit_intercept, components.penalty.l2 / curvature
    )
