"""The state of a fit, which an estimator keeps between calls."""

import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from skgd import penalties
from skgd.data.feature_moments import FeatureMoments
from skgd.data.scaling import FeatureScaling
from skgd.objectives import ObjectiveSpec
from skgd.regressors._input import check_initial_values, check_penalty_features, check_within_bounds
from skgd.solvers.history import History
from skgd.solvers.state import State


@dataclass
class FitState:
    """What an estimator keeps between calls besides its public attributes.

    Parameters
    ----------
    state : State
        State of the descent.
    scaling : FeatureScaling
        Map from the scaled parameters in `state` to the original ones.
    moments : FeatureMoments or None
        Moments of the features of all rows so far, if features are standardised.
    weight : float
        Total weight of all rows so far.
    rows : int
        Number of all rows so far.
    history : History
        Rows of ``history_`` and ``path_``.
    coef, intercept : arrays
        Copies of the fitted attributes. A difference shows that the user has assigned new values.
    """

    state: State
    scaling: FeatureScaling
    moments: FeatureMoments | None
    weight: float
    rows: int
    history: History
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None


def check_initial_coefficients(estimator, data, penalty, coef_init=None, intercept_init=None):
    """Return the initial coefficients and intercept; None stands for the default values.

    Raises if the penalty is for another number of features, or `coef_init` violates its bounds.
    """
    outputs = data.output_shape
    names = "coef_init", "intercept_init"
    check_penalty_features(penalty, data.n_features)
    if estimator.warm_start and hasattr(estimator, "coef_"):
        if coef_init is None:
            coef_init, names = estimator.coef_, ("coef_", "intercept_")
        if intercept_init is None:
            intercept_init = estimator.intercept_
    coef = check_initial_values(names[0], coef_init, (*outputs, data.n_features))
    if coef is not None and names[0] == "coef_init":
        check_within_bounds(coef, penalty)
    return coef, check_initial_values(names[1], intercept_init, outputs)


def init_fit_state(estimator, data, config, start, second_moments=None):
    """Return the state at the start of a fit, from :func:`check_initial_coefficients`."""
    coef, intercept = start
    if coef is None:
        coef = np.zeros((*data.output_shape, data.n_features))
        if intercept is None and not config.has_explicit_rate and estimator.fit_intercept:
            intercept = data.intercept_only(config.loss)
    if intercept is None:
        intercept = np.zeros(data.output_shape)
    moments = None
    if estimator.standardize and second_moments is not None:
        moments = second_moments.feature_moments
    elif estimator.standardize:
        moments = data.compute_feature_moments()
    scaling = choose_scaling(estimator, data, moments, config)
    theta = project(estimator, config, scaling, scaling.to_scaled(coef, intercept, data.dtype))
    history = History()
    if estimator.warm_start and hasattr(estimator, "_fit_state"):
        history = estimator._fit_state.history.copy()
    state = State.initial(theta, np.random.default_rng(draw_seed(estimator.random_state)))
    return FitState(state, scaling, moments, data.total_weight, len(data), history)


def project(estimator, config, scaling, theta):
    """Return the scaled parameters within the bounds of the penalty that are closest to `theta`."""
    if not penalties.has_bounds(config.penalty):
        return theta
    return ObjectiveSpec.from_penalty(
        scaling, estimator.fit_intercept, config.loss, config.penalty, theta.dtype
    ).project(theta)


def draw_seed(random_state):
    """Return the seed of the generator that shuffles the rows."""
    if isinstance(random_state, Integral):
        return draw_first_integer(int(random_state))
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)


@lru_cache
def draw_first_integer(seed):
    """Return the first integer of a RandomState; creating one takes a tenth of a small fit."""
    return np.random.RandomState(seed).randint(np.iinfo(np.int32).max)


def resume_fit_state(estimator, data, config):
    """Return the state of a fit that continues the last call of `fit` or `partial_fit`."""
    last = estimator._fit_state
    check_penalty_features(config.penalty, data.n_features)
    moments = None
    if estimator.standardize:
        moments = data.compute_feature_moments()
        moments = moments if last.moments is None else last.moments + moments
    scaling = choose_scaling(estimator, data, moments, config)
    state = copy.deepcopy(last.state)
    has_last_coef = np.array_equal(estimator.coef_, last.coef)
    if has_last_coef and np.array_equal(estimator.intercept_, last.intercept):
        theta, averaged_theta = (
            project(estimator, config, scaling, last.scaling.reparametrize(part, scaling))
            for part in (state.theta, state.averaged_theta)
        )
        state = state.replace(theta=theta, averaged_theta=averaged_theta)
    else:
        coef = check_initial_values("coef_", estimator.coef_, last.coef.shape)
        intercept = check_initial_values("intercept_", estimator.intercept_, last.coef.shape[:-1])
        theta = scaling.to_scaled(coef, intercept, data.dtype)
        theta = project(estimator, config, scaling, theta)
        state = state.replace(theta=theta, averaged_theta=theta.copy())
        state = state.replace(solver_state={}, reference_objective=0.0)
    if not config.has_explicit_rate:
        # The last rates were accepted on other rows, whose distribution may differ: divergence is
        # measured relative to the objective on these rows.
        solver_state = state.solver_state
        if estimator._is_full_batch:
            solver_state = {k: v for k, v in solver_state.items() if k == "stream_moments"}
        state = state.replace(solver_state=solver_state, reference_objective=0.0)
    weight, n_rows = last.weight + data.total_weight, last.rows + len(data)
    return FitState(state, scaling, moments, weight, n_rows, last.history.copy())


def choose_scaling(estimator, data, moments, config):
    """Return the scaling to unit metric by the moments; the identity if `moments` is None.

    The scale of a feature of infinite penalty strength is infinite, which removes it.
    """
    penalty, lipschitz = config.penalty, config.loss.gradient_lipschitz
    if moments is None:
        scaling = FeatureScaling.identity(data.n_features)
    else:
        ridge = penalty.l2 / lipschitz if np.isfinite(lipschitz) else penalty.l2
        scaling = FeatureScaling.standard(moments, estimator.fit_intercept, ridge)
    is_removed = np.isinf(penalty.l1 + penalty.l2)
    if np.any(is_removed):
        scaling = replace(scaling, scale=np.where(is_removed, np.inf, scaling.scale))
    return scaling
