"""The base class of the three regressors."""

from __future__ import annotations

import copy
import warnings
from abc import ABCMeta, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data

from skgd._utils.nested_params import BaseComponentEstimator
from skgd.data import check_features, is_chunked_input, predict_chunked
from skgd.data.design import Design
from skgd.objectives import ObjectiveSpec, QuadraticModel, build
from skgd.regressors._callbacks import CallbackSupportMixin, Monitor, callbacks_of
from skgd.regressors._config import SolverConfig, resolve_config
from skgd.regressors._fit_state import (
    FitState,
    init_fit_state,
    initial_coefficients,
    resume_fit_state,
    whiten_if_ill_conditioned,
)
from skgd.regressors._input import checked_rows, chunked_rows, training_and_validation
from skgd.regressors._messages import convergence_message, divergence_error
from skgd.solvers import automatic
from skgd.solvers.choice import choose_solver
from skgd.solvers.continuation import Stage, run_continuation
from skgd.solvers.divergence import DivergedError
from skgd.solvers.problem import Problem, StreamStatistics
from skgd.solvers.stopping import StopReason, choose_criteria

if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike


@dataclass(frozen=True)
class FitTask:
    """One call of `fit` or `partial_fit`: its checked input.

    Parameters
    ----------
    config : SolverConfig
        The components that were set.
    data : InMemoryData or ChunkedData
        Rows to train on.
    fit_state : FitState
        Where the fit starts.
    is_streaming : bool
        Whether the call is one epoch of `partial_fit`.
    validation : InMemoryData, ChunkedData or None, default=None
        Validation rows.
    second_moments : SecondMoments or None, default=None
        Second moments of the rows, if the descent is on them.
    notifier : CallbackNotifier or None, default=None
        Calls scikit-learn's callbacks.
    """

    config: SolverConfig
    data: Any
    fit_state: FitState
    is_streaming: bool
    validation: Any = None
    second_moments: Any = None
    notifier: Any = None

    @property
    def mean_weight(self):
        """Mean weight of all rows so far."""
        return self.fit_state.weight / self.fit_state.rows


class BaseGDRegressor(
    CallbackSupportMixin,
    MultiOutputMixin,
    RegressorMixin,
    BaseComponentEstimator,
    metaclass=ABCMeta,
):
    """Base class of the three regressors, which differ in the number of rows of an update."""

    coef_: Any
    intercept_: Array
    n_iter_: int
    t_: int
    converged_: bool
    stop_reason_: str
    n_features_in_: int
    feature_names_in_: Array

    _full_batch = False
    _flat_beside_objects = False  # whether flat parameters may stand unread beside objects
    _weights_are_relative = True  # whether only the proportions of the weights matter
    _tol_is_relative = True  # whether `tol` is relative to the objective of stochastic updates
    _shuffles = False  # whether each epoch visits the rows in a new random order
    _average_from = 0  # the update from which the iterates are averaged; 0 means never

    @abstractmethod
    def _batch_size(self, n_rows):
        """Return the rows in an update; None means the full batch."""

    def _on_divergence(self):
        """Return what follows from a divergence under an explicit learning rate."""
        return "raise"

    def partial_fit(
        self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Make one epoch of updates on the given rows, from where the last call ended.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. If all are zero, a warning says that nothing changed.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If the input or a parameter is refused, or the descent diverges; the model stays as it
            was.
        """
        is_first = not hasattr(self, "coef_")
        return self._run_on_copy(lambda model: model._partial_fit(X, y, sample_weight, is_first))

    def predict(self, X: MatrixLike) -> Array:
        """Predict targets.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, of the dtype of the coefficients where X has it too; a Dask array, not yet
            computed, where X is a Dask collection.
        """
        check_is_fitted(self)
        if is_chunked_input(X):
            check_features(self, X, reset=False)
            like = self._fit_state.coef
            return predict_chunked(X, self._predictor(), like.dtype, like.shape[:-1])
        return self._predictions(X)

    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the R² of the predictions, averaged over the outputs.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            At most 1.
        """
        if not is_chunked_input(X):
            return super().score(X, y, sample_weight)
        check_is_fitted(self)
        check_features(self, X, reset=False)
        blocks = chunked_rows(X, y, "sample_weight", sample_weight)
        return blocks.r2_score(self._predictor())

    def _predictor(self):
        """Return what predicts rows of which the features have been checked."""
        twin = copy.copy(self)
        vars(twin).pop("feature_names_in_", None)
        twin._fit_state = replace(self._fit_state, history=None)
        return twin._predictions

    def _predictions(self, X):
        """Return what `predict` does, of rows in memory."""
        rows = validate_data(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False
        )
        products = rows @ self.coef_.T
        if issparse(self.coef_):
            products = products.toarray() if issparse(products) else products
            products = products.reshape(rows.shape[0], *self._fit_state.coef.shape[:-1])
        intercept = self.intercept_[0] if products.ndim == 1 else self.intercept_
        return self.loss_.inverse_link(products + intercept)

    def sparsify(self) -> Self:
        """Convert ``coef_`` to a sparse matrix, which saves memory where most of it is zero.

        Returns
        -------
        self
            The estimator; ``coef_`` is a CSR matrix with one row an output.
        """
        check_is_fitted(self)
        self.coef_ = csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Convert ``coef_`` back to an array; fitting does so by itself.

        Returns
        -------
        self
            The estimator.
        """
        check_is_fitted(self)
        if issparse(self.coef_):
            self.coef_ = self.coef_.toarray().reshape(self._fit_state.coef.shape)
        return self

    @property
    def history_(self) -> dict[str, Array]:
        """Course of the descent: a dict of 1-D arrays of one length.

        Row 0 is the starting point, then one row an epoch for the model after it: ``epoch``,
        ``learning_rate``, ``time`` (seconds), ``objective`` and ``gradient_norm`` or
        ``running_objective``, and ``validation_score`` where there is one. Compiled epochs that run
        in one call have equal shares of its time.
        """
        if not hasattr(self, "_fit_state"):
            raise AttributeError(f"{type(self).__name__} has no history_ before it is fitted")
        return self._fit_state.history.arrays()

    @property
    def path_(self) -> dict[str, Array]:
        """Coefficients along the descent, with ``record="path"``: a dict of equal 1-D arrays.

        ``update`` counts the updates made; ``coef_0``, …, ``intercept`` are the parameters then, in
        the units of the data (``coef_0_1``, ``intercept_0`` of several outputs). The start and the
        last are there, and between them every k-th update, where k doubles as often as the path
        would grow beyond 2048 points (fewer with more than two thousand coefficients).
        """
        if not hasattr(self, "_fit_state") or self._fit_state.history.path is None:
            raise AttributeError(
                f"{type(self).__name__} has no path_. Fit with record='path' to keep it."
            )
        return self._fit_state.history.path.arrays()

    def _run_on_copy(self, fit):
        """Fit a copy, and adopt its attributes only if that succeeds.

        Parameters
        ----------
        fit : callable
            Takes the copy and fits it; returns the reason why the fit ended, or None if nothing was
            learned.
        """
        model = copy.copy(self)
        if hasattr(model, "coef_"):
            model.densify()
        # Overflow is detected from non-finite values, so NumPy's warnings are silenced.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            reason = fit(model)
        if reason is None:
            return self
        is_interrupted = reason is StopReason.INTERRUPTED
        if is_interrupted and model.n_iter_ == 0 and hasattr(self, "coef_"):
            raise KeyboardInterrupt("left the model as it was: no epoch was complete")
        self.__dict__ = vars(model)  # one assignment, so that an interrupt cannot split it
        if is_interrupted:
            raise KeyboardInterrupt(f"stored the model as it was after epoch {self.n_iter_}")
        return self

    def _fit(self, inputs):
        """Fit from the start; return the reason why the fit ended."""
        vars(self).pop("_batches_progress", None)  # of an interrupted fit_batches
        config = resolve_config(self)
        X, y, weights = inputs.X, inputs.y, inputs.sample_weight
        # Second moments show whether the entries are finite, and save a pass over them.
        uses_moments = self._full_batch and config.loss.quadratic and weights is None
        is_checked = self.early_stopping or not uses_moments
        data = checked_rows(self, X, y, weights, inputs.groups, reset=True, finite=is_checked)
        if data is None:
            raise ValueError("sample_weight is zero for every row; fit needs a row with weight.")
        data.check_targets(config.loss)
        training, validation = training_and_validation(self, data, inputs)
        start = initial_coefficients(self, training, inputs.coef_init, inputs.intercept_init)
        moments = self._compute_moments(training, config)
        has_finite_moments = moments is not None and moments.is_finite
        if not (is_checked or data.is_chunked or has_finite_moments):
            assert_all_finite(data.X, estimator_name=type(self).__name__, input_name="X")
        fit_state = init_fit_state(self, training, config, start, moments)
        fit_state, moments = whiten_if_ill_conditioned(self, training, config, fit_state, moments)
        with callbacks_of(self, X, y, weights) as notifier:
            task = FitTask(config, training, fit_state, False, validation, moments, notifier)
            reason = self._descend(task)
            if notifier is not None:
                notifier.finish(vars(self))
        return reason

    def _partial_fit(self, X, y, sample_weight, is_first):
        """Make one epoch of updates; return why it ended, or None if no row has a weight."""
        config = resolve_config(self)
        if is_first and self.early_stopping:
            raise ValueError(
                "early_stopping should be False with partial_fit, since a single epoch cannot be "
                "stopped early. Call fit, or set early_stopping=False and score the model yourself."
            )
        data = checked_rows(self, X, y, sample_weight, None, reset=is_first)
        if data is None:
            warnings.warn(
                "partial_fit got weights that are all zero: nothing was learned from these rows.",
                UserWarning,
                stacklevel=5,
            )
            return None
        is_resumed = not is_first and hasattr(self, "_fit_state")
        if is_resumed:
            data = data.astype(self._fit_state.state.theta.dtype)
        data.check_targets(config.loss)
        if data.is_chunked:
            data.count_rows()
        if is_resumed:
            fit_state = resume_fit_state(self, data, config)
        else:
            start = initial_coefficients(self, data, None, None)
            fit_state = init_fit_state(self, data, config, start)
        return self._descend(FitTask(config, data, fit_state, is_streaming=True))

    def _compute_moments(self, data, config):
        """Return the second moments of the rows where descent on them is cheaper, or None."""
        if self._full_batch and config.loss.quadratic and data.has_cheap_second_moments:
            return data.compute_second_moments()
        if data.is_chunked and (self._full_batch or self.standardize):
            data.compute_feature_moments()  # which also checks that every entry is finite
        elif data.is_chunked:
            data.count_rows()
        return None

    def _descend(self, task):
        """Minimise the objective, store the result, and return why the descent ended."""
        monitor = None
        if self.verbose or task.notifier is not None:
            monitor = Monitor(
                self.verbose, task.notifier, lambda state: self._fitted_attributes(task, state)
            )
        try:
            outcome = run_continuation(
                self._stages(task),
                task.fit_state.state,
                task.fit_state.history,
                monitor,
                max_iter=1 if task.is_streaming else self.max_iter,
            )
        except DivergedError as diverged:
            raise divergence_error(diverged, diverged.problem) from None
        self._store(task, outcome)
        message = convergence_message(self, task.config, outcome)
        if message is not None:
            warnings.warn(message, ConvergenceWarning, stacklevel=6)
        return outcome.reason

    def _stages(self, task):
        """Yield the descents of the fit: one, or one for each smooth approximation of the loss."""
        objective = self._objective(task)
        validate = None
        if task.validation is not None:
            validate = self._validator(task)
        batch_size = self._batch_size(objective.design.n_rows)
        is_partial = task.is_streaming or objective.is_chunked
        losses = [task.config.loss]
        if task.config.loss.has_moreau_envelope():
            sample = objective.on_sample
            losses = automatic.smoothed_losses(task.config, sample, batch_size, is_partial)
        for loss in losses:
            problem = self._problem(task, objective.with_loss(loss), batch_size)
            solver = choose_solver(problem)
            criteria = choose_criteria(
                problem,
                solver,
                self.tol,
                self.n_iter_no_change,
                relative=self._tol_is_relative,
                validate=validate,
                early_stopping=self.early_stopping,
            )
            is_last = loss is losses[-1]
            if not is_last:
                criteria = criteria.loosen(automatic.STAGE_TOL)
            elif len(losses) > 1 and problem.is_full_batch and self.tol and not self.early_stopping:
                criteria = criteria.loosen(automatic.LAST_STAGE_TOL)
            yield Stage(problem, solver, criteria, is_last)

    def _objective(self, task):
        """Return the objective of a fit."""
        scaling, config = task.fit_state.scaling, task.config
        return self._build_objective(
            task.data, scaling, config.loss, config.penalty, task.mean_weight
        )

    def _build_objective(self, data, scaling, loss, penalty, mean_weight):
        """Return the objective of some rows, in scaled parameters."""
        spec = ObjectiveSpec(
            scaling,
            self.fit_intercept,
            loss,
            l1=np.append(penalty.l1 / scaling.scale, 0.0).astype(data.dtype),
            l2=np.append(penalty.l2 / scaling.scale**2, 0.0).astype(data.dtype),
        )
        return build(data, spec, mean_weight if self._weights_are_relative else None)

    def _problem(self, task, objective, batch_size):
        """Return what is minimised, and how."""
        config, surrogate = task.config, objective
        if task.second_moments is not None:
            surrogate = QuadraticModel.from_second_moments(objective, task.second_moments)
        # With second moments alone "auto" needs no rows, and no sample of data in chunks.
        needs_rows = task.second_moments is None or config.optimizer is not None
        seen = objective.on_sample if needs_rows else objective
        if objective.is_chunked and batch_size is not None:
            chosen = automatic.choose_for_updates(config, seen, surrogate, batch_size)
        else:
            streaming = task.is_streaming
            chosen = automatic.choose_components(config, seen, surrogate, batch_size, streaming)
        optimizer, schedule = chosen
        return Problem(
            objective=objective,
            surrogate=surrogate,
            optimizer=optimizer,
            schedule=schedule,
            batch_size=batch_size,
            max_iter=self.max_iter,
            planned_epochs=self.max_iter,
            alpha=config.alpha,
            shuffle=self._shuffles,
            average=self._average_from,
            record=self.record,
            on_divergence=config.on_divergence,
            streaming=task.is_streaming,
            stream_statistics=self._stream_statistics(task),
        )

    def _stream_statistics(self, task):
        """Return the weights of the rows of a stream, None in `fit`."""
        if not task.is_streaming:
            return None
        earlier_weight = max(task.fit_state.weight - task.data.total_weight, 0)
        unit = task.mean_weight if self._weights_are_relative else 1.0
        return StreamStatistics(earlier_weight, task.mean_weight, unit)

    def _validator(self, task):
        """Return the function that scores scaled parameters on the validation rows."""
        scaling, loss = task.fit_state.scaling, task.config.loss

        def score(theta):
            return task.validation.r2_score(
                lambda X: loss.inverse_link(Design(X, scaling, self.fit_intercept).predict(theta))
            )

        return score

    def _store(self, task, outcome):
        """Set the fitted attributes."""
        problem = outcome.problem
        vars(self).update(self._fitted_attributes(task, outcome.state))
        self.schedule_, self.optimizer_ = problem.schedule, problem.optimizer
        objective = outcome.last_row.get("running_objective")
        self._last_epoch = (problem.objective.design.n_rows, objective)
        self.n_iter_ = outcome.n_epochs
        self.stop_reason_ = str(outcome.reason)
        self.converged_ = outcome.reason.is_success

    def _fitted_attributes(self, task, state):
        """Return the fitted attributes at a state, by name."""
        fit_state = task.fit_state
        coef, intercept = fit_state.scaling.to_original(state.model(self._average_from))
        intercept = np.atleast_1d(intercept)
        fit_state = replace(
            fit_state,
            state=state,
            history=fit_state.history.copy(),
            coef=coef.copy(),
            intercept=intercept.copy(),
        )
        return {
            "coef_": coef,
            "intercept_": intercept,
            "t_": state.t,
            "loss_": task.config.loss,
            "penalty_": task.config.penalty,
            "_fit_state": fit_state,
        }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
