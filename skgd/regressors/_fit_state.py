"""The state of a fit: what an estimator carries from one call to the next."""

import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from skgd.data.feature_moments import FeatureMoments
from skgd.data.scaling import FeatureScaling
from skgd.data.whitening import whiten
from skgd.regressors._input import check_start_values
from skgd.solvers.history import History
from skgd.solvers.state import State


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
    outputs = data.output_shape
    warm = estimator.warm_start and hasattr(estimator, "coef_") and coef_init is None
    if estimator.warm_start and hasattr(estimator, "coef_"):
        coef_init = estimator.coef_ if coef_init is None else coef_init
        intercept_init = estimator.intercept_ if intercept_init is None else intercept_init
    names = ("coef_init", "intercept_init") if not warm else ("coef_", "intercept_")
    coef = check_start_values(names[0], coef_init, (*outputs, data.n_features))
    return coef, check_start_values(names[1], intercept_init, outputs)


def init_fit_state(estimator, data, config, start, second_moments=None):
    """Return the state of a fit that begins."""
    coef, intercept = start
    if coef is None:
        coef = np.zeros((*data.output_shape, data.n_features))
        if intercept is None and not config.has_explicit_rate and estimator.fit_intercept:
            intercept = data.intercept_only(config.loss)
    if intercept is None:
        intercept = np.zeros(data.output_shape)
    moments = None
    if estimator.standardize:
        moments = (
            data.compute_feature_moments()
            if second_moments is None
            else second_moments.feature_moments
        )
    scaling = choose_scaling(estimator, data, moments, config)
    theta = scaling.to_scaled(coef, intercept, data.dtype)
    history = History()
    if estimator.warm_start and hasattr(estimator, "_fit_state"):
        history = estimator._fit_state.history.copy()
    state = State.initial(theta, np.random.default_rng(seed_of(estimator.random_state)))
    return FitState(state, scaling, moments, data.total_weight, len(data), history)


def seed_of(random_state):
    """Return the seed of the generator of the row orders."""
    if isinstance(random_state, Integral):
        return first_random_number(int(random_state))
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


@lru_cache
def first_random_number(seed):
    """Return the first number of a RandomState; creating one takes a tenth of a small fit."""
    return np.random.RandomState(seed).randint(np.iinfo(np.int32).max)


def whiten_if_ill_conditioned(estimator, data, config, fit_state, second_moments):
    """Return fit state and second moments, of whitened columns where these are nearly collinear.

    Columns are whitened only without a penalty, which is simple in the original directions only,
    and without an explicit rate or optimizer, which refers to them.
    """
    penalty = config.penalty
    is_explicit = config.has_explicit_rate or config.optimizer is not None
    if (
        second_moments is None
        or data.is_chunked
        or data.dtype != np.float64
        or not estimator.standardize
    ):
        return fit_state, second_moments
    if is_explicit or penalty.l1 or penalty.l2 or second_moments.is_accurate_for(data.dtype):
        return fit_state, second_moments
    whitened = whiten(data, fit_state.scaling, second_moments, estimator.fit_intercept)
    if whitened is None:
        return fit_state, second_moments
    scaling, second_moments = whitened
    theta = fit_state.scaling.reparametrize(fit_state.state.theta, scaling)
    state = fit_state.state.replace(theta=theta)
    return replace(fit_state, scaling=scaling, state=state), second_moments


def resume_fit_state(estimator, data, config):
    """Return the state of a fit that continues where the last call ended."""
    last = estimator._fit_state
    moments = None
    if estimator.standardize:
        moments = data.compute_feature_moments()
        moments = moments if last.moments is None else last.moments + moments
    scaling = choose_scaling(estimator, data, moments, config)
    state = copy.deepcopy(last.state)
    if not (
        np.array_equal(estimator.coef_, last.coef)
        and np.array_equal(estimator.intercept_, last.intercept)
    ):
        coef = check_start_values("coef_", estimator.coef_, last.coef.shape)
        intercept = check_start_values("intercept_", estimator.intercept_, last.coef.shape[:-1])
        theta = scaling.to_scaled(coef, intercept, data.dtype)
        state = state.replace(
            theta=theta,
            averaged_theta=theta.copy(),
            solver_state={},
            reference_objective=0.0,
        )
    else:
        state = state.replace(
            theta=last.scaling.reparametrize(state.theta, scaling),
            averaged_theta=last.scaling.reparametrize(state.averaged_theta, scaling),
        )
    if not config.has_explicit_rate:
        # The last rates were accepted on other rows, and a stream may drift: divergence is measured
        # by the objective on these rows.
        solver_state = {} if estimator._full_batch else state.solver_state
        state = state.replace(solver_state=solver_state, reference_objective=0.0)
    return FitState(
        state,
        scaling,
        moments,
        last.weight + data.total_weight,
        last.rows + len(data),
        last.history.copy(),
    )


def choose_scaling(estimator, data, moments, config):
    """Return the scaling of the features: by their moments, if they are standardised."""
    if moments is None:
        return FeatureScaling.identity(data.n_features)
    curvature = (
        config.loss.gradient_lipschitz if np.isfinite(config.loss.gradient_lipschitz) else 1.0
    )
    return FeatureScaling.standard(moments, estimator.fit_intercept, config.penalty.l2 / curvature)
