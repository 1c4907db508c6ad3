"""Cross-validated scores of gradient descent for many learning rates and numbers of epochs."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import check_array, indexable

from skgd._utils.validation import check_integer, raise_invalid
from skgd.model_selection._rows import start_fit, take_rows
from skgd.model_selection._shared_fits import split_pipeline
from skgd.objectives import QuadraticModel
from skgd.optimizers import GD
from skgd.regressors import BatchGDRegressor
from skgd.regressors._config import resolve_config
from skgd.regressors._input import check_rows

#: Number of learning rates, and largest number of different numbers of epochs.
N_VALUES = 60


class RateScores(NamedTuple):
    """R² of the test rows by learning rate, number of epochs and fold.

    Parameters
    ----------
    learning_rate : array of shape (n_rates,)
        The rates.
    epochs : array of shape (n_epochs,)
        The numbers of epochs.
    scores : array of shape (n_folds, n_rates, n_epochs)
        The scores.
    """

    learning_rate: np.ndarray
    epochs: np.ndarray
    scores: np.ndarray


def compute_rate_scores(estimator, X, y, *, rates=None, max_iter=1000, cv=None):
    r"""Return the scores of full-batch gradient descent, from one decomposition a fold.

    The parameters after t steps of length :math:`\eta` are
    :math:`\theta_0 - V q_t(\Lambda) V^\top g`, where g is the gradient at the start,
    :math:`V \Lambda V^\top` the Hessian, and :math:`q_t(\lambda) = (1 - (1 - \eta \lambda)^t) /
    \lambda`.

    Parameters
    ----------
    estimator : estimator
        A ``BatchGDRegressor`` for squared error, or a pipeline that ends in one.
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        Targets.
    rates : array-like of shape (n_rates,) or None, default=None
        Learning rates; None means a range up to the largest at which the descents of all folds
        are stable.
    max_iter : int, default=1000
        Largest number of epochs.
    cv : int, splitter or iterable, default=None
        Splits of the rows.
    """
    check_integer("max_iter", max_iter, low=1)
    prefix, model = check_estimator(estimator)
    X, y = indexable(X, y)
    folds = [
        FoldDescent.from_split(prefix, model, X, np.asarray(y), train, test)
        for train, test in check_cv(cv, y).split(X, y)
    ]
    if rates is None:
        largest = min(fold.largest_stable_rate for fold in folds)
        rates = np.geomspace(1e-3 * largest, largest, N_VALUES)
    rates = check_array(rates, ensure_2d=False, dtype=float, input_name="rates")
    if rates.ndim != 1 or not (rates > 0).all():
        raise_invalid("rates", rates, "a one-dimensional array of positive numbers")
    epochs = np.unique(np.geomspace(1, max_iter, N_VALUES).round().astype(int))
    with np.errstate(over="ignore", invalid="ignore"):  # above the largest stable rate
        scores = np.array([fold.scores(rates, epochs) for fold in folds])
    return RateScores(rates, epochs, scores)


def check_estimator(estimator):
    """Return the steps before the last and the last, set to gradient descent; raise if invalid."""
    prefix, model = split_pipeline(estimator) or (None, None)
    if type(model) is not BatchGDRegressor:
        raise TypeError(
            "estimator should be a BatchGDRegressor, or a pipeline that ends in one; got "
            f"{type(estimator).__name__}."
        )
    config = resolve_config(model)
    is_smooth = not np.any(config.penalty.l1) and np.all(np.isinf(config.penalty.upper))
    if not (config.loss.quadratic and is_smooth and np.all(np.isinf(config.penalty.lower))):
        raise ValueError(
            "The descent has a closed form for loss='squared_error' and penalty='l2' or None only; "
            f"got loss={model.loss!r}, penalty={model.penalty!r}. Search over learning_rate and "
            "max_iter by GridSearchCV instead."
        )
    if not isinstance(config.optimizer, (type(None), GD)):
        raise_invalid("optimizer", model.optimizer, "'auto' or 'gd'", "Others have no closed form.")
    params = {"optimizer": "gd", "learning_rate": 1.0, "early_stopping": False}
    return prefix, clone(model).set_params(**params)


class FoldDescent(NamedTuple):
    """Gradient descent on the training rows of a fold, and the errors on its test rows.

    Parameters
    ----------
    theta : array of shape (d + 1,)
        Scaled parameters at the start.
    gradient : array of shape (d + 1,)
        Gradient of the objective there.
    hessian : array of shape (d + 1, d + 1)
        Its Hessian.
    l2 : array of shape (d + 1,)
        Strength of the l2 penalty of each parameter.
    value : float
        Mean squared error of the start on the test rows.
    test_gradient : array of shape (d + 1,)
        Gradient of half this error.
    test_hessian : array of shape (d + 1, d + 1)
        Its Hessian.
    variance : float
        Variance of the targets of the test rows.
    """

    theta: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    l2: np.ndarray
    value: float
    test_gradient: np.ndarray
    test_hessian: np.ndarray
    variance: float

    @classmethod
    def from_split(cls, prefix, model, X, y, train, test):
        """Return the descent of a fold; `prefix` are the steps before the model, or None."""
        rows, test_rows = take_rows(X, train), take_rows(X, test)
        if prefix is not None:
            prefix = clone(prefix)
            rows, test_rows = prefix.fit_transform(rows, y[train]), prefix.transform(test_rows)
        data, config = check_rows(model, rows, y[train], None, reset=True), resolve_config(model)
        if data.y.ndim > 1:
            raise ValueError(f"y should have a single target, got shape {y.shape}.")
        model, task = start_fit(model, config, data, None)
        (stage,) = model._build_stages(task)
        moments = data.compute_second_moments()
        start = task.fit_state.state.theta
        quadratic = QuadraticModel.from_second_moments(stage.problem.objective, moments)
        test_data = check_rows(clone(model), test_rows, y[test], None, reset=True)
        design = replace(stage.problem.objective.design, X=test_data.X)
        scaled, errors = design.predict(np.eye(len(start))), design.predict(start) - test_data.y
        n_rows = len(errors)
        return cls(
            start,
            quadratic.evaluate(start).gradient,
            quadratic.hessian,
            quadratic.l2,
            errors @ errors / n_rows,
            errors @ scaled / n_rows,
            scaled.T @ scaled / n_rows,
            test_data.y.var(),
        )

    @property
    def largest_stable_rate(self):
        """The rate above which the descent diverges."""
        return 2 / np.linalg.eigvalsh(self.hessian)[-1]

    def decompose(self, excess):
        """Return eigenvalues and, in the eigenbasis, the gradients and the Hessian of the errors.

        Parameters
        ----------
        excess : array of shape (d + 1,)
            Strength of the l2 penalty that steps leave out.
        """
        values, vectors = np.linalg.eigh(self.hessian - np.diag(excess))
        gradient = (self.gradient - excess * self.theta) @ vectors
        test_hessian = vectors.T @ self.test_hessian @ vectors
        return values.clip(0), gradient, self.test_gradient @ vectors, test_hessian

    def scores(self, rates, epochs):
        """Return the R² of the test rows by rate and number of epochs."""
        scores, excess = [], None
        for rate in rates:
            # As in GradientDescent.step: no step changes the sign of a coefficient.
            last, excess = excess, self.l2 - np.minimum(self.l2, 1 / rate)
            if not np.array_equal(excess, last):
                values, gradient, test_gradient, test_hessian = self.decompose(excess)
            steps = -sum_steps(rate, values, epochs) * gradient
            quadratic = np.einsum("ti,ij,tj->t", steps, test_hessian, steps, optimize=True)
            error = self.value + 2 * steps @ test_gradient + quadratic
            scores.append(1 - error / self.variance)
        return scores


def sum_steps(rate, values, epochs):
    r"""Return :math:`(1 - (1 - \eta \lambda)^t) / \lambda`, by number of epochs and eigenvalue.

    Parameters
    ----------
    rate : float
        The learning rate :math:`\eta`.
    values : array of shape (d,)
        The eigenvalues :math:`\lambda`.
    epochs : array of shape (n_epochs,)
        The numbers of epochs t.
    """
    epochs, shrinkage = epochs[:, None], rate * values
    small = -np.expm1(epochs * np.log1p(-np.minimum(shrinkage, 0.5)))
    share = np.where(shrinkage < 0.5, small, 1 - (1 - shrinkage) ** epochs)
    is_flat = values < np.finfo(float).tiny
    return np.where(is_flat, rate * epochs, share / np.where(is_flat, 1, values))
