"""The base class of the three regressors."""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite

from skgd._utils.component import is_built_in
from skgd._utils.floating_point import ignore_overflow
from skgd._utils.nested_params import BaseComponentEstimator
from skgd._utils.threads import single_blas_thread
from skgd.data.d2 import make_scorer
from skgd.data.design import Design
from skgd.data.sampling import choose_evenly_spaced
from skgd.losses._gradient_check import check_loss_gradient
from skgd.objectives import ObjectiveSpec, QuadraticModel, build
from skgd.regressors._callbacks import CallbackSupportMixin, Monitor, setup_callbacks
from skgd.regressors._config import SolverConfig, resolve_config, resolve_loss
from skgd.regressors._fit_state import (
    FitState,
    check_initial_coefficients,
    init_fit_state,
    resume_fit_state,
)
from skgd.regressors._fitted_model import FittedModelMixin, add_offset
from skgd.regressors._input import check_rows, split_validation
from skgd.regressors._messages import convergence_message
from skgd.regressors._shrinkage import shrinkage_message
from skgd.solvers import automatic
from skgd.solvers.choice import choose_solver
from skgd.solvers.continuation import Stage, run_continuation
from skgd.solvers.problem import Problem, StreamStatistics
from skgd.solvers.stopping import StopReason, choose_criteria

if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike


#: Rows on which the gradient of a user-defined loss is compared with its value.
MAX_CHECKED_ROWS = 16


class FitTask(NamedTuple):
    """Checked input of one call of `fit` or `partial_fit`.

    Parameters
    ----------
    config : SolverConfig
        The components that the parameters specify.
    data : InMemoryData or ChunkedData
        Training rows.
    fit_state : FitState
        State at the start.
    is_streaming : bool
        Whether the call is one epoch of `partial_fit`.
    batch_size : int or None
        Rows in an update; None means all.
    validation : InMemoryData, ChunkedData or None, default=None
        Validation rows.
    second_moments : SecondMoments or None, default=None
        Second moments of the training rows, if the objective is computed from them.
    notifier : CallbackNotifier or None, default=None
        Calls scikit-learn's callbacks.
    is_quiet : bool, default=False
        Whether nothing is printed, whatever `verbose` is.
    """

    config: SolverConfig
    data: Any
    fit_state: FitState
    is_streaming: bool
    batch_size: int | None
    validation: Any = None
    second_moments: Any = None
    notifier: Any = None
    is_quiet: bool = False

    @property
    def mean_weight(self):
        """Mean weight of all rows so far."""
        return self.fit_state.weight / self.fit_state.rows


class BaseGDRegressor(CallbackSupportMixin, FittedModelMixin, BaseComponentEstimator, ABC):
    """Base class of the three regressors, which differ in the number of rows per update."""

    n_iter_: int
    t_: int
    converged_: bool
    stop_reason_: str
    n_features_in_: int
    feature_names_in_: Array

    _is_full_batch = False
    _accepts_unused_params = False  # whether `alpha`, `eta0` and `power_t` may have no effect
    _weights_are_relative = True  # whether sample weights are divided by their mean
    _ravels_columns = False  # whether y of shape (n, 1) is a single target, as in scikit-learn
    _tol_is_relative = True  # whether `tol` of stochastic updates is relative to the objective

    @abstractmethod
    def _get_batch_size(self, n_rows):
        """Return the number of rows per update; None means the full batch."""

    @property
    def _average_from(self):
        """Number of the update at which averaging starts; 0 means never."""
        return int(getattr(self, "average", 0))

    def _get_divergence_reaction(self):
        """Return the reaction to a divergence with an explicit learning rate."""
        return "stop" if self.on_divergence == "warn" else "raise"

    def partial_fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        offset: ArrayLike | None = None,
    ) -> Self:
        """Run one epoch of updates on the given rows, starting from the current model.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows. If all are zero, a warning is raised and the model is
            not changed.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Terms that are added to the linear predictors; None means zeros.

        Returns
        -------
        self
            The estimator.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid, or the descent diverges
            (:class:`~skgd.exceptions.DivergenceError`). The model is then not changed.
        """
        return self._run_on_copy(lambda model: model._partial_fit(X, y, sample_weight, offset))

    def _run_on_copy(self, fit):
        """Fit a copy, and take over its attributes only if that succeeds.

        Parameters
        ----------
        fit : callable
            Fits the copy, its only argument. Returns the :class:`StopReason`, or None if the copy
            was not changed.
        """
        model = copy.copy(self)
        if hasattr(model, "coef_"):
            model.densify()
        with ignore_overflow():
            reason = fit(model)
        if reason is None:
            return self
        is_interrupted = reason is StopReason.INTERRUPTED
        if is_interrupted and model.n_iter_ == 0 and hasattr(self, "coef_"):
            raise KeyboardInterrupt("left the model as it was: no epoch was completed")
        self.__dict__ = vars(model)  # one assignment, so that an interrupt cannot split it
        if is_interrupted:
            raise KeyboardInterrupt(f"stored the model as it was after epoch {self.n_iter_}")
        return self

    def _fit(self, inputs):
        """Fit the model, and return the :class:`StopReason`."""
        vars(self).pop("_batches_progress", None)  # a new fit discards an interrupted fit_batches
        config = resolve_config(self)
        X, y, weights, offset = inputs.X, inputs.y, inputs.sample_weight, inputs.offset
        # Non-finite entries make second moments non-finite, which saves a pass over X.
        uses_moments = self._is_full_batch and config.loss.quadratic and weights is None
        is_checked = self.early_stopping or not uses_moments
        rows = self, X, y, weights, inputs.groups, offset
        data = check_rows(*rows, reset=True, check_finite=is_checked)
        if data is None:
            raise ValueError("sample_weight is zero for every row; fit needs a row with weight.")
        data.check_targets(config.loss)
        training, validation = split_validation(self, data, inputs, config.loss)
        initial = inputs.coef_init, inputs.intercept_init
        start = check_initial_coefficients(self, training, config.penalty, *initial)
        uses_full_batch = self._is_full_batch or automatic.prefers_full_batch(config, training)
        if uses_full_batch and not self._is_full_batch:
            config = config._replace(optimizer=None)
        moments = self._compute_moments(training, config, uses_full_batch)
        has_finite_moments = moments is not None and moments.is_finite
        if not (is_checked or data.is_chunked or has_finite_moments):
            assert_all_finite(data.X, estimator_name=type(self).__name__, input_name="X")
        fit_state = init_fit_state(self, training, config, start, moments)
        self._check_user_loss(config.loss, training, fit_state)
        with setup_callbacks(self, X, y, weights) as notifier:
            batch_size = None if uses_full_batch else self._get_batch_size(len(training))
            task = FitTask(
                config, training, fit_state, False, batch_size, validation, moments, notifier
            )
            reason = self._descend(task)
            if notifier is not None:
                notifier.finish(vars(self))
        if reason in (StopReason.CONVERGED, StopReason.PRECISION):
            message = shrinkage_message(self, task)
            if message is not None:
                warnings.warn(message, stacklevel=5)
        return reason

    def _partial_fit(self, X, y, sample_weight, offset, is_quiet=False):
        """Run an epoch of updates; return the :class:`StopReason`, or None if all weights are 0."""
        config = resolve_config(self)
        is_first = not hasattr(self, "coef_")
        if is_first and self.early_stopping:
            raise ValueError(
                "early_stopping should be False with partial_fit, since a single epoch cannot be "
                "stopped early. Call fit, or set early_stopping=False and score the model yourself."
            )
        data = check_rows(self, X, y, sample_weight, offset=offset, reset=is_first)
        if data is None:
            warnings.warn(
                "partial_fit got weights that are all zero: nothing was learned from these rows.",
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
            start = check_initial_coefficients(self, data, config.penalty)
            fit_state = init_fit_state(self, data, config, start)
        if config.loss is not getattr(self, "loss_", None):
            self._check_user_loss(config.loss, data, fit_state)
        batch_size = self._get_batch_size(len(data))
        task = FitTask(config, data, fit_state, True, batch_size, is_quiet=is_quiet)
        return self._descend(task)

    def _check_user_loss(self, loss, data, fit_state):
        """Raise if the gradient of a user-defined loss is not the derivative of its value."""
        if is_built_in(loss):
            return
        rows = data.sample
        rows = rows.select_rows(choose_evenly_spaced(len(rows), MAX_CHECKED_ROWS))
        design = Design(rows.X, fit_state.scaling, self.fit_intercept)
        check_loss_gradient(loss, design.predict(fit_state.state.theta), rows.y)

    def _compute_moments(self, data, config, uses_full_batch):
        """Return the second moments if descent on them is cheaper than on the rows, or None.

        Other moments and numbers of rows that chunked data needs are computed and stored there.
        """
        if uses_full_batch and config.loss.quadratic and data.has_cheap_second_moments:
            return data.compute_second_moments()
        if data.is_chunked and (uses_full_batch or self.standardize):
            data.compute_feature_moments()  # which also checks that every entry is finite
        elif data.is_chunked:
            data.count_rows()
        return None

    def _descend(self, task):
        """Minimise the objective, store the result, and return the :class:`StopReason`."""
        monitor = None
        verbose = self.verbose and not task.is_quiet
        if verbose or task.notifier is not None:
            get_attributes = partial(self._get_fitted_attributes, task)
            monitor = Monitor(verbose, task.notifier, get_attributes)
        max_iter = 1 if task.is_streaming else self.max_iter
        state, history = task.fit_state.state, task.fit_state.history
        outcome = run_continuation(self._build_stages(task), state, history, monitor, max_iter)
        self._store(task, outcome)
        message = convergence_message(self, task.config, outcome)
        if message is not None:
            warnings.warn(message, ConvergenceWarning, stacklevel=6)
        return outcome.reason

    def _build_stages(self, task):
        """Yield the stages of the fit: one, or one per smooth approximation of the loss."""
        config, scaling = task.config, task.fit_state.scaling
        objective = self._build_objective(
            task.data, scaling, config.loss, config.penalty, task.mean_weight
        )
        validate = None if task.validation is None else self._make_validate(task)
        batch_size = task.batch_size
        losses = automatic.choose_losses(config, objective, batch_size, task.is_streaming)
        for number, (loss, tol) in enumerate(losses, start=1):
            is_last = number == len(losses)
            problem = self._build_problem(task, objective.with_loss(loss), batch_size)
            solver = choose_solver(problem)
            choose = partial(
                choose_criteria, problem, solver, relative=self._tol_is_relative, validate=validate
            )
            is_exact = self.tol is not None and not self.early_stopping
            last_tol = max(self.tol, tol) if is_exact else self.tol
            criteria = choose(last_tol, self.n_iter_no_change, early_stopping=self.early_stopping)
            if not is_last:
                stage_criteria = choose(max(self.tol or 0.0, tol), 1, early_stopping=False)
                criteria = criteria + stage_criteria if self.early_stopping else stage_criteria
            yield Stage(problem, solver, criteria, is_last)

    def _build_objective(self, data, scaling, loss, penalty, mean_weight):
        """Return the objective on the given rows, as a function of the scaled parameters."""
        spec = ObjectiveSpec.from_penalty(scaling, self.fit_intercept, loss, penalty, data.dtype)
        return build(data, spec, mean_weight if self._weights_are_relative else None)

    def _build_problem(self, task, objective, batch_size):
        """Return the problem of a stage."""
        config, surrogate, streaming = task.config, objective, task.is_streaming
        if task.second_moments is not None:
            surrogate = QuadraticModel.from_second_moments(objective, task.second_moments)
        # Products with the sample of chunks are small: on busy cores, threads of BLAS take longer.
        uses_sample = objective.is_chunked and batch_size is not None
        with single_blas_thread() if uses_sample else nullcontext():
            optimizer, schedule = automatic.choose_components(
                config, objective, surrogate, batch_size, streaming
            )
        return Problem(
            objective=objective,
            surrogate=surrogate,
            optimizer=optimizer,
            schedule=schedule,
            batch_size=batch_size,
            max_iter=self.max_iter,
            planned_epochs=self.max_iter,
            alpha=config.alpha,
            bounds=(config.penalty.lower, config.penalty.upper),
            shuffle=getattr(self, "shuffle", False),
            average=self._average_from,
            record=self.record,
            on_divergence=config.on_divergence,
            streaming=streaming,
            stream_statistics=self._compute_stream_statistics(task) if streaming else None,
        )

    def _compute_stream_statistics(self, task):
        """Return the weights of the rows of all calls of `partial_fit`."""
        earlier_weight = max(task.fit_state.weight - task.data.total_weight, 0)
        unit = task.mean_weight if self._weights_are_relative else 1.0
        return StreamStatistics(earlier_weight, task.mean_weight, unit)

    def _make_validate(self, task):
        """Return the function that scores scaled parameters on the validation rows."""
        score = make_scorer(self._choose_validation_loss(task.config.loss), task.validation)
        design = partial(Design, scaling=task.fit_state.scaling, fit_intercept=self.fit_intercept)

        def validate(theta):
            return score(lambda X, offset: add_offset(design(X).predict(theta), offset))

        return validate

    def _choose_validation_loss(self, loss):
        """Return the loss that validation scores are computed from."""
        return loss

    def _store(self, task, outcome):
        """Set the fitted attributes."""
        problem = outcome.problem
        vars(self).update(self._get_fitted_attributes(task, outcome.state))
        self.schedule_, self.optimizer_ = problem.schedule, problem.optimizer
        objective = outcome.last_row.get("running_objective")
        self._last_epoch = (problem.objective.design.n_rows, objective)
        self.n_iter_ = outcome.n_epochs
        self.stop_reason_ = str(outcome.reason)
        self.converged_ = outcome.reason.is_success

    def _get_fitted_attributes(self, task, state):
        """Return the fitted attributes by name, for a state of the descent."""
        fit_state, penalty = task.fit_state, task.config.penalty
        model, bounds = state.model(self._average_from), (penalty.lower, penalty.upper)
        coef, intercept = fit_state.scaling.to_original(model, bounds)
        intercept = np.atleast_1d(intercept)
        copies = {"coef": coef.copy(), "intercept": intercept.copy()}
        fit_state = replace(fit_state, state=state, history=fit_state.history.copy(), **copies)
        return {
            "coef_": coef,
            "intercept_": intercept,
            "t_": state.t,
            "loss_": task.config.loss,
            "penalty_": penalty,
            "_fit_state": fit_state,
        }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self._needs_positive_targets()
        return tags

    def _needs_positive_targets(self):
        """Return whether the loss is not defined for negative targets."""
        try:
            loss = resolve_loss(self)
        except ValueError:  # an invalid parameter, which `fit` rejects
            return False
        try:
            loss.check_targets(np.array([-1.0]))
        except ValueError:
            return True
        return False
