"""Training rows of folds, and the models fitted to them in shared passes."""

import copy
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skgd._utils.component import is_built_in
from skgd._utils.threads import map_reduce_in_threads
from skgd.data.in_memory import InMemoryData
from skgd.data.map_reduce import add_results
from skgd.data.second_moments import MIN_PARALLEL_SIZE, SecondMoments
from skgd.regressors._base import FitTask
from skgd.regressors._config import resolve_config
from skgd.regressors._fit_state import check_initial_coefficients, init_fit_state
from skgd.regressors._messages import convergence_message
from skgd.solvers.speculative_epochs import is_pure_schedule


def take_rows(X, index):
    """Return the rows of an array, sparse matrix, DataFrame, Series or list at an array of numbers.

    Consecutive rows of an array are a view.
    """
    if hasattr(X, "iloc"):
        return X.iloc[index]
    if isinstance(X, list):
        return [X[i] for i in index]
    return X[as_slice(index)]


def multiply_rows(X, coefs):
    """Return the products of rows and the coefficients of many models.

    Those of a model are consecutive in memory, as scores and losses read them.

    Parameters
    ----------
    X : array or sparse matrix of shape (n, d)
        Rows.
    coefs : array of shape (m, d) or (m, k, d)
        Coefficients of m models.

    Returns
    -------
    array of shape (m, n) or (m, k, n)
    """
    matrix = coefs.reshape(-1, coefs.shape[-1])
    products = (X @ matrix.T).T if issparse(X) else matrix @ X.T
    return products.reshape(*coefs.shape[:-1], -1)


def as_slice(index):
    """Return the slice that selects the same rows as an array of numbers, or the array."""
    if isinstance(index, slice) or not len(index):
        return index
    first, last = int(index[0]), int(index[-1])
    if last - first + 1 == len(index) and (np.diff(index) == 1).all():
        return slice(first, last + 1)
    return index


def same_rows(left, right):
    """Return whether two arrays of row numbers are equal; a few entries are compared first."""
    if left is right:
        return True
    if len(left) != len(right) or not len(left):
        return len(left) == len(right)
    sample = slice(None, None, 1 + len(left) // 16)
    return np.array_equal(left[sample], right[sample]) and np.array_equal(left, right)


def try_call(function, *args):
    """Return the result of a function, or None if it raises; ordinary fits raise it again."""
    try:
        return function(*args)
    except Exception:
        return None


def sum_second_moments(X, y, weights, index):
    """Return the second moments of some rows of X, computed chunk by chunk.

    Parameters
    ----------
    X : array of shape (n, d)
        Rows.
    y : array of shape (m,) or (m, k)
        Targets of the rows at `index`.
    weights : array of shape (m,) or None
        Their weights.
    index : array of shape (m,) or slice
        The rows.
    """
    index = np.arange(len(X))[index]
    n_chunks = max(1, -(-len(index) * X.shape[1] // MIN_PARALLEL_SIZE))
    edges = np.linspace(0, len(index), n_chunks + 1).astype(int)

    def from_chunk(number):
        chunk = slice(edges[number], edges[number + 1])
        chunk_weights = None if weights is None else weights[chunk]
        return SecondMoments.from_rows(X[as_slice(index[chunk])], y[chunk], chunk_weights)

    return map_reduce_in_threads(from_chunk, range(n_chunks), add_results)


@dataclass(frozen=True)
class TrainingRows:
    """Checked training rows of a fold; they are copied only where :meth:`select` is called.

    Parameters
    ----------
    X : array or CSR matrix of shape (n, d)
        Rows, of which some are in the fold.
    index : slice or array
        The rows of the fold that have positive weight.
    y : array of shape (m,) or (m, k)
        Their targets.
    weights : array of shape (m,) or None
        Their weights.
    find_moments : callable or None
        Takes the weights and returns the second moments, merged from those of parts of the folds.
    paused : dict of PausedFits or None, default=None
        Fits that later iterations of a search may continue, by the name of the shared pass.
    """

    X: Any
    index: Any
    y: np.ndarray
    weights: np.ndarray | None
    find_moments: Any = None
    paused: Any = None

    def __len__(self):
        return len(self.y)

    def select(self):
        """Return the rows as :class:`~skgd.data.InMemoryData`."""
        return InMemoryData(self.X[self.index], self.y, self.weights)

    def second_moments(self):
        """Return the :class:`~skgd.data.SecondMoments` of the rows."""
        if self.find_moments is not None:
            moments = self.find_moments(self.weights)
            if moments is not None:
                return moments
        return sum_second_moments(self.X, self.y, self.weights, self.index)


class FittedModel(NamedTuple):
    """A model fitted in a shared pass.

    Parameters
    ----------
    coef : array of shape (d,) or (k, d)
        Coefficients in the units of the data.
    intercept : array of shape () or (k,)
        Intercept.
    loss : Loss
        Maps linear predictors to predictions.
    message : str or None, default=None
        Text of the warning that the fit did not converge.
    """

    coef: np.ndarray
    intercept: np.ndarray
    loss: Any
    message: str | None = None

    @classmethod
    def from_outcome(cls, model, task, outcome):
        """Return the model at the end of a descent, in the units of the data."""
        theta = outcome.state.model(model._average_from)
        coef, intercept = task.fit_state.scaling.to_original(theta)
        return cls(
            coef, intercept, task.config.loss, convergence_message(model, task.config, outcome)
        )


def is_reproducible(model, config):
    """Return whether the descent of a fit is all that matters, and any fit of the model equals it.

    Parameters
    ----------
    model : BaseGDRegressor
        The unfitted model.
    config : SolverConfig or None
        Its components; None if they are invalid.
    """
    if config is None or model.early_stopping or model.verbose:
        return False
    schedule = config.schedule
    components = config.loss, schedule, config.optimizer
    return (
        (model._is_full_batch or not model.shuffle or isinstance(model.random_state, Integral))
        and not (model._accepts_unused_params and model.power_t < 0)  # fit would warn of it
        and all(component is None or is_built_in(component) for component in components)
        and (schedule is None or is_pure_schedule(schedule))
    )


def start_fit(model, config, data, batch_size, second_moments=None):
    """Return a copy of an unfitted model that records nothing, and the :class:`FitTask` of a fit.

    Parameters
    ----------
    model : BaseGDRegressor
        The unfitted model.
    config : SolverConfig
        Its components.
    data : InMemoryData
        Training rows.
    batch_size : int or None
        Rows in an update; None means all.
    second_moments : SecondMoments or None, default=None
        Second moments of the rows, if the objective is computed from them.
    """
    model = copy.copy(model)
    model.record = None
    data.check_targets(config.loss)
    start = check_initial_coefficients(model, data, config.penalty)
    fit_state = init_fit_state(model, data, config, start, second_moments)
    task = FitTask(config, data, fit_state, False, batch_size, second_moments=second_moments)
    return model, task


def fit_to_data(model, data, second_moments=None):
    """Return a model after a full-batch fit to checked rows.

    Parameters
    ----------
    model : BatchGDRegressor
        The unfitted model, which is changed.
    data : InMemoryData or ChunkedData
        The rows.
    second_moments : SecondMoments or None, default=None
        Their second moments, if the objective is computed from them.
    """
    config = resolve_config(model)
    start = check_initial_coefficients(model, data, config.penalty)
    fit_state = init_fit_state(model, data, config, start, second_moments)
    model._descend(FitTask(config, data, fit_state, False, None, second_moments=second_moments))
    return model
