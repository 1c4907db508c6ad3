"""Losses of test rows for a path of penalties, by second moments or by warm-started fits."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skgd.data.scaling import FeatureScaling
from skgd.model_selection._fold_moments import FoldMoments
from skgd.model_selection._least_squares import PenalizedLeastSquares
from skgd.model_selection._rows import as_slice, multiply_rows, sum_second_moments
from skgd.objectives import ObjectiveSpec, build
from skgd.penalties import L2
from skgd.regressors._base import FitTask
from skgd.regressors._fit_state import init_fit_state
from skgd.regressors._messages import convergence_message
from skgd.solvers.continuation import run_continuation
from skgd.solvers.history import History

#: Largest relative rounding error of a loss that is computed from second moments: the larger of the
#: first number and the second times the machine epsilon of the rows.
MAX_ROUNDING, MAX_ROUNDING_EPS = 1e-9, 64

#: Replaces a mean absolute deviation of zero where it is divided by.
TINY_DEVIATION = np.finfo(float).tiny

#: Predictions that are computed at once.
PREDICTIONS_PER_CHUNK = 1 << 20


class PathMoments(NamedTuple):
    """Second moments of the training rows and the test rows of each fold, and of all rows."""

    trains: list
    tests: list
    total: Any


@np.errstate(over="ignore", invalid="ignore")
def compute_moments(data, splits):
    """Return the :class:`PathMoments` from one pass over the rows.

    Parameters
    ----------
    data : InMemoryData or ChunkedData
        The rows.
    splits : list of (array, array)
        Numbers of the training and test rows; of chunks, if the data is chunked.
    """
    trains, tests = ([split[i] for split in splits] for i in (0, 1))
    n_rows = data.n_chunks if data.is_chunked else len(data)
    folds = FoldMoments([*trains, np.arange(n_rows)], tests)
    if data.is_chunked:
        subsets = []

        def from_part(numbers):
            subsets.append((numbers, data.subset(numbers)))
            return subsets[-1][1].compute_second_moments()

        merged = folds.merge(n_rows, from_part)
        data.copy_counts(subsets)
    else:
        merged = folds.compute(data, data.weights)
    for number, rows in enumerate([*folds.trains, *tests]):
        if merged[number] is None:
            merged[number] = moments_of(data, rows)
    n_folds = len(splits)
    total = merged[n_folds]
    if data.is_chunked:
        data.store_moments(total)
    return PathMoments(merged[:n_folds], merged[n_folds + 1 :], total)


def moments_of(data, rows):
    """Return the second moments of some rows or chunks."""
    if data.is_chunked:
        return data.subset(rows).compute_second_moments()
    weights = None if data.weights is None else data.weights[rows]
    return sum_second_moments(data.X, data.y[rows], weights, as_slice(rows))


def select(data, rows):
    """Return some rows, views where they are consecutive, or some chunks."""
    return data.subset(rows) if data.is_chunked else data.select_rows(as_slice(rows))


def fold_losses(model, paths, data, split, moments):
    """Return the mean losses of the test rows of a fold, and the text of a warning or None.

    Parameters
    ----------
    model : BatchGDRegressor
        The unfitted model.
    paths : list of lists of SolverConfig
        Its components, by decreasing strength of the penalty within each list.
    data : InMemoryData or ChunkedData
        All rows.
    split : (array, array)
        Numbers of the training and test rows, or chunks.
    moments : (SecondMoments, SecondMoments) or None
        Second moments of both, if the losses are computed from them.

    Returns
    -------
    losses : array of shape (n_paths * n_strengths,)
    message : str or None
    """
    train, test = split
    loss, message = paths[0][0].loss, None
    if moments is not None:
        problem = PenalizedLeastSquares(moments[0], model.fit_intercept)
        coefs, intercepts = problem.minimize([config.penalty for path in paths for config in path])
        errors, rounding = moments[1].mean_squared_errors(coefs, intercepts)
        tolerance = max(MAX_ROUNDING, MAX_ROUNDING_EPS * np.finfo(data.dtype).eps)
        if np.all(rounding <= tolerance * errors):
            return errors.mean(axis=-1) / 2, None
    else:
        rows = select(data, train)
        fitted = [fit_path(model, path, rows) for path in paths]
        coefs, intercepts = (np.concatenate([part[i] for part in fitted]) for i in (0, 1))
        message = next((part[2] for part in fitted if part[2]), None)
    return mean_losses(select(data, test), loss, coefs, intercepts), message


def fit_path(model, path, data):
    """Return the coefficients and intercepts of fits, each of which starts where the last ended.

    Parameters
    ----------
    model : BatchGDRegressor
        The unfitted model.
    path : list of SolverConfig
        Its components for each fit.
    data : InMemoryData or ChunkedData
        Training rows.

    Returns
    -------
    coefs : array of shape (n_fits, d) or (n_fits, k, d)
    intercepts : array of shape (n_fits,) or (n_fits, k)
    message : str or None
        The first warning that a fit did not converge.
    """
    if data.is_chunked:
        data.compute_feature_moments()  # which also checks that every entry is finite
    start, models, message = (None, None), [], None
    for config in path:
        task = FitTask(config, data, init_fit_state(model, data, config, start), False, None)
        stages, state = model._build_stages(task), task.fit_state.state
        outcome = run_continuation(stages, state, History(), None, model.max_iter)
        bounds = config.penalty.lower, config.penalty.upper
        start = task.fit_state.scaling.to_original(outcome.state.theta, bounds)
        models.append(start)
        message = message or convergence_message(model, config, outcome)
    coefs, intercepts = (np.array([part[i] for part in models]) for i in (0, 1))
    return coefs, intercepts, message


def mean_losses(data, loss, coefs, intercepts):
    """Return the weighted mean losses of linear models, averaged over the outputs."""
    total = data.map_reduce(sum_losses, loss, coefs, intercepts)
    return total / data.total_weight


def sum_losses(data, loss, coefs, intercepts):
    """Return the weighted sums of the losses of the rows in memory, one for each model."""
    sums = np.zeros(len(coefs))
    n_rows = max(1, PREDICTIONS_PER_CHUNK // int(np.prod(coefs.shape[:-1])))
    for first in range(0, len(data), n_rows):
        rows = data.slice_rows(slice(first, first + n_rows))
        for number, product in enumerate(multiply_rows(rows.X, coefs)):
            losses = loss.value(product.T + intercepts[number], rows.y)
            losses = losses.reshape(len(losses), -1).mean(axis=1, dtype=float)
            sums[number] += losses.sum() if rows.weights is None else rows.weights @ losses
    return sums


def cross_validate_path(model, paths, data, splits, moments=None, n_jobs=None):
    """Return the mean losses of the test rows of each fold, and the texts of warnings.

    Parameters
    ----------
    model, paths, data
        As for :func:`fold_losses`.
    splits : list of (array, array)
        Numbers of the training and test rows, or chunks, of each fold.
    moments : PathMoments or None, default=None
        Second moments of the folds, if the losses are computed from them.
    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    losses : array of shape (n_paths, n_strengths, n_folds)
    messages : list of str
    """
    pairs = [None] * len(splits)
    if moments is not None:
        pairs = list(zip(moments.trains, moments.tests, strict=True))
    compute = delayed(partial(fold_losses, model, paths, data))
    results = Parallel(n_jobs=n_jobs, prefer="threads")(
        compute(*fold) for fold in zip(splits, pairs, strict=True)
    )
    losses = np.stack([losses for losses, _ in results], axis=-1)
    messages = [message for _, message in results if message]
    return losses.reshape(len(paths), -1, len(splits)), messages


def largest_gradient(data, loss, fit_intercept):
    """Return the largest absolute derivative by a coefficient at the best constant model.

    It is the strength from which on an l1 penalty leaves no coefficient.
    """
    scaling = FeatureScaling.standard(data.compute_feature_moments(), fit_intercept, 0.0)
    penalty, dtype = L2(alpha=0.0), data.dtype
    spec = ObjectiveSpec.from_penalty(scaling, fit_intercept, loss, penalty, dtype)
    objective = build(data, spec, data.total_weight / len(data))
    gradient = objective.evaluate(objective.intercept_only()).gradient[..., :-1]
    varies = np.isfinite(scaling.scale)
    return np.max(np.abs(gradient[..., varies] * scaling.scale[varies]), initial=0.0)


def sample_curvature(sample, loss):
    """Return the mean second derivative of a loss at the best constant model of some rows.

    That of a loss with kinks is the one of a squared error whose gradients have the same size.
    """
    constant = np.broadcast_to(sample.intercept_only(loss), sample.y.shape)
    if not loss.has_moreau_envelope():
        return np.mean(loss.hessian(constant, sample.y))
    deviation = np.mean(np.abs(sample.y - constant))
    return np.mean(np.abs(loss.gradient(constant, sample.y))) / max(deviation, TINY_DEVIATION)


def curvature_range(data, loss, fit_intercept):
    """Return the smallest positive entry of the diagonal of a Hessian, and the sum of the diagonal.

    The Hessian is that of the best constant model; the sum bounds its eigenvalues.
    """
    moments = data.compute_feature_moments()
    curvature = loss.gradient_lipschitz if loss.quadratic else sample_curvature(data.sample, loss)
    diagonal = curvature * (moments.variance if fit_intercept else moments.mean_square)
    total = np.sum(diagonal)
    return np.min(diagonal[diagonal > 0], initial=total), total
