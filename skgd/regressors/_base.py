"""What the three regressors share: checking input, assembling a task, keeping what came of it."""

from __future__ import annotations

import copy
import warnings
from abc import ABCMeta, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data

from skgd._utils.doc_links import LinkedToDocs
from skgd._utils.nested_params import BaseComponentEstimator
from skgd.data import check_features, is_chunked_input, predict_chunked
from skgd.data.design import Design
from skgd.objectives import ObjectiveSpec, QuadraticModel, build
from skgd.regressors._callbacks import CallbackSupportMixin, Monitor, callbacks_of
from skgd.regressors._config import plan
from skgd.regressors._fit_state import (
    init_fit_state,
    initial_coefficients,
    resume_fit_state,
    whiten_if_ill_conditioned,
)
from skgd.regressors._input import checked_rows, chunked_rows, training_and_validation
from skgd.regressors._messages import convergence_message, divergence_error
from skgd.schedules import Adaptive
from skgd.solvers import automatic
from skgd.solvers.descent import descend
from skgd.solvers.problem import DivergedError, Problem, StreamStatistics
from skgd.solvers.stopping import StopReason

if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike


class BaseGDRegressor(
    CallbackSupportMixin,
    LinkedToDocs,
    MultiOutputMixin,
    RegressorMixin,
    BaseComponentEstimator,
    metaclass=ABCMeta,
):
    """Base of the three regressors; each says how many rows an update has, and what ends a fit."""

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

    @abstractmethod
    def _batch_size(self, n_rows):
        """Return the rows in an update; None means the full batch."""

    @abstractmethod
    def _tests(self, problem):
        """Return what ends a fit."""

    @abstractmethod
    def _on_divergence(self, chosen):
        """Return what an explosion leads to; `chosen` is a schedule, None if it was "auto"."""

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
        first = not hasattr(self, "coef_")
        return self._attempt("_partial_fit", X, y, sample_weight=sample_weight, first=first)

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
        return blocks.r2(self._predictor())

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

    def _attempt(self, method, *args, **kwargs):
        """Run a fitting method on a copy, and keep what came of it only if it succeeds."""
        twin = copy.copy(self)
        if hasattr(twin, "coef_"):
            twin.densify()
        # Numbers out of bounds are found out from themselves, already where a task is assembled.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            reason = getattr(twin, method)(*args, **kwargs)
        if reason is None:
            return self
        if reason is StopReason.INTERRUPTED and twin.n_iter_ == 0 and hasattr(self, "coef_"):
            raise KeyboardInterrupt("left the model as it was: no epoch was complete")
        self.__dict__ = vars(twin)  # at once: an interrupt finds either all or nothing
        if reason is StopReason.INTERRUPTED:
            raise KeyboardInterrupt(f"stored the model as it was after epoch {self.n_iter_}")
        return self

    def _fit(self, X, y, sample_weight, start, validation_rows, groups):
        vars(self).pop("_run", None)  # of a fit_batches that was broken off
        components = plan(self)
        # Second moments show whether entries are finite, and save a look at every one.
        finite = not (self._full_batch and components.loss.quadratic and sample_weight is None)
        finite |= self.early_stopping
        data = checked_rows(self, X, y, sample_weight, groups, reset=True, finite=finite)
        if data is None:
            raise ValueError("sample_weight is zero for every row; fit needs a row with weight.")
        data.check_targets(components.loss)
        training, validation = training_and_validation(self, data, *validation_rows)
        start = initial_coefficients(self, training, *start)
        gram = self._gram(training, components)
        if not (finite or data.is_chunked or (gram is not None and gram.finite)):
            assert_all_finite(data.X, estimator_name=type(self).__name__, input_name="X")
        fit_state = init_fit_state(self, training, components, start, gram)
        fit_state, gram = whiten_if_ill_conditioned(self, training, components, fit_state, gram)
        with callbacks_of(self, X, y, sample_weight) as progress:
            reason = self._descend(
                components, training, validation, fit_state, self.max_iter, gram, progress
            )
            if progress is not None:
                progress.finish(vars(self))
        return reason

    def _partial_fit(self, X, y, sample_weight, first):
        components = plan(self)
        if first and self.early_stopping:
            raise ValueError(
                "early_stopping should be False with partial_fit, since a single epoch cannot be "
                "stopped early. Call fit, or set early_stopping=False and score the model yourself."
            )
        data = checked_rows(self, X, y, sample_weight, None, reset=first)
        if data is None:
            warnings.warn(
                "partial_fit got weights that are all zero: nothing was learned from these rows.",
                UserWarning,
                stacklevel=4,
            )
            return None
        if not first and hasattr(self, "_fit_state"):
            data = data.astype(self._fit_state.state.theta.dtype)
        data.check_targets(components.loss)
        if data.is_chunked:
            data.count()
        if first or not hasattr(self, "_fit_state"):
            fit_state = init_fit_state(
                self, data, components, initial_coefficients(self, data, None, None)
            )
        else:
            fit_state = resume_fit_state(self, data, components)
        return self._descend(components, data, None, fit_state)

    # Assembly

    def _gram(self, data, components):
        """Return the second moments of the rows where descending on them is cheaper, or None."""
        if self._full_batch and components.loss.quadratic and data.prefers_second_moments:
            return data.gram()
        if data.is_chunked and (self._full_batch or self.standardize):
            data.moments()  # and every entry has been looked at
        elif data.is_chunked:
            data.count()
        return None

    def _objective(self, data, scaling, loss, penalty, mean_weight):
        frame = ObjectiveSpec(
            scaling,
            self.fit_intercept,
            loss,
            l1=np.append(penalty.l1 / scaling.scale, 0.0).astype(data.dtype),
            l2=np.append(penalty.l2 / scaling.scale**2, 0.0).astype(data.dtype),
        )
        return build(data, frame, mean_weight if self._weights_are_relative else None)

    # Descent

    def _descend(
        self, components, data, validation, fit_state, max_iter=None, gram=None, progress=None
    ):
        """Descend, keep the outcome, and return why it ended; one epoch if `max_iter` is None."""
        validate = None
        if validation is not None:
            validate = self._validator(validation, fit_state.scaling, components.loss)
        watch = None
        if self.verbose or progress is not None:
            watch = Monitor(
                self.verbose, progress, lambda state: self._fitted(fit_state, state, components)
            )
        left, epochs = max_iter or 1, 0
        mean_weight = fit_state.weight / fit_state.rows
        whole = self._objective(
            data, fit_state.scaling, components.loss, components.penalty, mean_weight
        )
        streaming = max_iter is None
        stages = [whole]
        if components.loss.has_moreau_envelope():
            batch_size = self._batch_size(whole.design.n_rows)
            part = streaming or whole.is_chunked
            found = automatic.stages(components, whole.sample, batch_size, part)
            stages = [whole.with_loss(stage.loss) for stage in found]
        for objective in stages:
            model = (
                objective if gram is None else QuadraticModel.from_second_moments(objective, gram)
            )
            problem = self._task(components, objective, model, left, streaming)
            if streaming:
                before = max(fit_state.weight - data.total_weight, 0)
                unit = mean_weight if self._weights_are_relative else 1.0
                problem = replace(problem, seen=StreamStatistics(before, mean_weight, unit))
            tests = self._tests(problem)
            tests.plateau = copy.copy(fit_state.state.plateau) or tests.plateau
            if max_iter is None and not isinstance(problem.schedule, Adaptive):
                tests.plateau = None  # one epoch on these rows shows no convergence
            tests.early_stopping = self.early_stopping and validation is not None
            tests.validate = validate
            if objective is not stages[-1]:
                tests.loosen(automatic.STAGE_TOL)
            elif len(stages) > 1 and tests.gradient is not None and self.tol:
                tests.loosen(automatic.LAST_STAGE_TOL)
            try:
                outcome = descend(problem, fit_state.state, tests, fit_state.history, watch)
            except DivergedError as diverged:
                raise divergence_error(diverged, problem) from None
            fit_state.state = replace(outcome.state, plateau=tests.plateau)
            epochs, left = epochs + outcome.epochs, left - outcome.epochs
            if objective is not stages[-1]:
                fit_state.state.plateau = None
            if left <= 0 or outcome.reason not in (StopReason.CONVERGED, StopReason.PRECISION):
                break
        self._keep(fit_state, outcome, problem, components)
        self.n_iter_ = epochs
        message = convergence_message(self, outcome, problem, components, tests)
        if message is not None:
            warnings.warn(message, ConvergenceWarning, stacklevel=5)
        return outcome.reason

    def _task(self, components, objective, model, max_iter, streaming):
        batch_size = self._batch_size(objective.design.n_rows)
        # What descends on moments alone chooses by them; blocks need not be looked into.
        moments = isinstance(model, QuadraticModel) and components.optimizer is None
        seen = objective if moments else objective.sample
        if objective.is_chunked and batch_size is not None:
            chosen = automatic.choose_for_walks(components, seen, model, batch_size)
        else:
            chosen = automatic.choose(components, seen, model, batch_size, streaming)
        optimizer, schedule = chosen
        return Problem(
            objective=objective,
            model=model,
            optimizer=optimizer,
            schedule=schedule,
            batch_size=batch_size,
            max_iter=max_iter,
            planned_epochs=self.max_iter,
            alpha=components.alpha,
            shuffle=getattr(self, "shuffle", False),
            average=int(getattr(self, "average", 0)),
            record=self.record,
            on_divergence=self._on_divergence(components.schedule),
            streaming=streaming,
        )

    def _validator(self, validation, scaling, loss):
        def score(theta):
            return validation.r2(
                lambda X: loss.inverse_link(Design(X, scaling, self.fit_intercept).predict(theta))
            )

        return score

    def _keep(self, fit_state, outcome, problem, components):
        """Set the fitted attributes."""
        vars(self).update(self._fitted(fit_state, fit_state.state, components))
        self.schedule_, self.optimizer_ = problem.schedule, problem.optimizer
        self._last_epoch = (problem.objective.design.n_rows, outcome.final.get("running_objective"))
        self.stop_reason_ = str(outcome.reason)
        self.converged_ = outcome.reason.is_success

    def _fitted(self, fit_state, state, components):
        """Return the fitted attributes that a state stands for."""
        theta = state.model(int(getattr(self, "average", 0)))
        coef, intercept = fit_state.scaling.to_original(theta)
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
            "loss_": components.loss,
            "penalty_": components.penalty,
            "_fit_state": fit_state,
        }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
