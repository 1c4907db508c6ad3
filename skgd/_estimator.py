"""What the three regressors share: checking input, assembling a task, keeping what came of it."""

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
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skgd import automatic
from skgd._callbacks import CallbackSupportMixin, Watch, callbacks_of
from skgd._doc_links import LinkedToDocs
from skgd._holder import HoldsPieces
from skgd._input import blocked_rows, checked_rows, checked_start, training_and_validation
from skgd._parameters import plan
from skgd.blocks import Frame, check_features, is_blocked, predict_blocks
from skgd.designs import Coordinates, Design, Moments
from skgd.engine import Diverged, Seen, State, Task, descend
from skgd.history import History
from skgd.objectives import Expansion
from skgd.schedules import Adaptive
from skgd.stopping import Progress, StopReason

if TYPE_CHECKING:
    from skgd._typing import Array, ArrayLike, Rows


@dataclass
class Carried:
    """What an estimator carries from one call to the next, beside its public attributes.

    Parameters
    ----------
    state : State
        The descent.
    coordinates : Coordinates
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
    coordinates: Coordinates
    moments: Moments | None
    weight: float
    rows: int
    history: History
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None


class BaseGDRegressor(
    CallbackSupportMixin,
    LinkedToDocs,
    MultiOutputMixin,
    RegressorMixin,
    HoldsPieces,
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
    def _tests(self, task):
        """Return what ends a fit."""

    @abstractmethod
    def _on_divergence(self, chosen):
        """Return what an explosion leads to; `chosen` is a schedule, None if it was "auto"."""

    def partial_fit(self, X: Rows, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
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

    def predict(self, X: Rows) -> Array:
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
        if is_blocked(X):
            check_features(self, X, reset=False)
            like = self._carried.coef
            return predict_blocks(X, self._predictor(), like.dtype, like.shape[:-1])
        return self._predictions(X)

    def score(self, X: Rows, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
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
        if not is_blocked(X):
            return super().score(X, y, sample_weight)
        check_is_fitted(self)
        check_features(self, X, reset=False)
        blocks = blocked_rows(X, y, "sample_weight", sample_weight)
        return blocks.r2(self._predictor())

    def _predictor(self):
        """Return what predicts rows of which the features have been checked."""
        twin = copy.copy(self)
        vars(twin).pop("feature_names_in_", None)
        twin._carried = replace(self._carried, history=None)
        return twin._predictions

    def _predictions(self, X):
        """Return what `predict` does, of rows in memory."""
        rows = validate_data(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=False
        )
        products = rows @ self.coef_.T
        if issparse(self.coef_):
            products = products.toarray() if issparse(products) else products
            products = products.reshape(rows.shape[0], *self._carried.coef.shape[:-1])
        intercept = self.intercept_[0] if products.ndim == 1 else self.intercept_
        return self.loss_.mean(products + intercept)

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
            self.coef_ = self.coef_.toarray().reshape(self._carried.coef.shape)
        return self

    @property
    def history_(self) -> dict[str, Array]:
        """Course of the descent: a dict of 1-D arrays of one length.

        Row 0 is the starting point, then one row an epoch for the model after it: ``epoch``,
        ``learning_rate``, ``time`` (seconds), ``objective`` and ``gradient_norm`` or
        ``running_objective``, and ``validation_score`` where there is one.
        """
        if not hasattr(self, "_carried"):
            raise AttributeError(f"{type(self).__name__} has no history_ before it is fitted")
        return self._carried.history.arrays()

    @property
    def path_(self) -> dict[str, Array]:
        """Coefficients along the descent, with ``record="path"``: a dict of equal 1-D arrays.

        ``update`` counts the updates made; ``coef_0``, …, ``intercept`` are the parameters then, in
        the units of the data (``coef_0_1``, ``intercept_0`` of several outputs). The start and the
        last are there, and between them every k-th update, where k doubles as often as the path
        would grow beyond 2048 points (fewer with more than two thousand coefficients).
        """
        if not hasattr(self, "_carried") or self._carried.history.path is None:
            raise AttributeError(
                f"{type(self).__name__} has no path_. Fit with record='path' to keep it."
            )
        return self._carried.history.path.arrays()

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
        pieces = plan(self)
        data = checked_rows(self, X, y, sample_weight, groups, reset=True)
        if data is None:
            raise ValueError("sample_weight is zero for every row; fit needs a row with weight.")
        data.check_targets(pieces.loss)
        training, validation = training_and_validation(self, data, *validation_rows)
        start = self._start(training, *start)
        gram = self._gram(training, pieces)
        carried = self._fresh(training, pieces, start, gram)
        with callbacks_of(self, X, y, sample_weight) as progress:
            reason = self._descend(
                pieces, training, validation, carried, self.max_iter, gram, progress
            )
            if progress is not None:
                progress.finish(vars(self))
        return reason

    def _partial_fit(self, X, y, sample_weight, first):
        pieces = plan(self)
        if first and self.early_stopping:
            raise ValueError(
                "partial_fit does not support early_stopping=True: one epoch cannot be stopped "
                "early. Call fit, or set early_stopping=False and score the model yourself."
            )
        data = checked_rows(self, X, y, sample_weight, None, reset=first)
        if data is None:
            warnings.warn(
                "partial_fit got weights that are all zero: nothing was learned from these rows.",
                UserWarning,
                stacklevel=4,
            )
            return None
        if not first and hasattr(self, "_carried"):
            data = data.astype(self._carried.state.theta.dtype)
        data.check_targets(pieces.loss)
        if data.blocked:
            data.count()
        if first or not hasattr(self, "_carried"):
            carried = self._fresh(data, pieces, self._start(data, None, None))
        else:
            carried = self._continued(data, pieces)
        return self._descend(pieces, data, None, carried)

    def _start(self, data, coef_init, intercept_init):
        """Return the coefficients and the intercept to start from; None stands for the default."""
        outputs = data.outputs
        warm = self.warm_start and hasattr(self, "coef_") and coef_init is None
        if self.warm_start and hasattr(self, "coef_"):
            coef_init = self.coef_ if coef_init is None else coef_init
            intercept_init = self.intercept_ if intercept_init is None else intercept_init
        names = ("coef_init", "intercept_init") if not warm else ("coef_", "intercept_")
        coef = checked_start(names[0], coef_init, (*outputs, data.n_features))
        return coef, checked_start(names[1], intercept_init, outputs)

    # Assembly

    def _gram(self, data, pieces):
        """Return the second moments of the rows where descending on them is cheaper, or None."""
        if self._full_batch and pieces.loss.quadratic and data.gram_pays:
            return data.gram()
        if data.blocked and (self._full_batch or self.standardize):
            data.moments()  # and every entry has been looked at
        elif data.blocked:
            data.count()
        return None

    def _fresh(self, data, pieces, start, gram=None):
        """Return what a call carries that begins a new descent."""
        coef, intercept = start
        if coef is None:
            coef = np.zeros((*data.outputs, data.n_features))
            if intercept is None and pieces.schedule is None and self.fit_intercept:
                intercept = data.constant(pieces.loss)
        if intercept is None:
            intercept = np.zeros(data.outputs)
        moments = None
        if self.standardize:
            moments = data.moments() if gram is None else gram.moments
        coordinates = self._coordinates(data, moments, pieces)
        theta = coordinates.to_inner(coef, intercept, data.dtype)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        history = History()
        if self.warm_start and hasattr(self, "_carried"):
            history = self._carried.history.copy()
        state = State.at(theta, np.random.default_rng(seed))
        return Carried(state, coordinates, moments, data.total_weight, len(data), history)

    def _continued(self, data, pieces):
        """Return what a call carries that goes on where the last one ended."""
        last = self._carried
        moments = None
        if self.standardize:
            moments = data.moments()
            moments = moments if last.moments is None else last.moments.merged(moments)
        coordinates = self._coordinates(data, moments, pieces)
        state = copy.deepcopy(last.state)
        if not (
            np.array_equal(self.coef_, last.coef)
            and np.array_equal(self.intercept_, last.intercept)
        ):
            coef = checked_start("coef_", self.coef_, last.coef.shape)
            intercept = checked_start("intercept_", self.intercept_, last.coef.shape[:-1])
            theta = coordinates.to_inner(coef, intercept, data.dtype)
            state = replace(state, theta=theta, mean=theta.copy(), memory={}, reference=0.0)
        else:
            state = replace(
                state,
                theta=last.coordinates.moved(state.theta, coordinates),
                mean=last.coordinates.moved(state.mean, coordinates),
            )
        if pieces.schedule is None:
            # What a search remembers of other rows says nothing about these, and a stream may
            # drift: how far off these rows are is seen from them alone.
            memory = {} if self._full_batch else state.memory
            state = replace(state, memory=memory, reference=0.0)
        return Carried(
            state,
            coordinates,
            moments,
            last.weight + data.total_weight,
            last.rows + len(data),
            last.history.copy(),
        )

    def _coordinates(self, data, moments, pieces):
        if moments is None:
            return Coordinates.identity(data.n_features)
        curvature = pieces.loss.curvature if np.isfinite(pieces.loss.curvature) else 1.0
        return Coordinates.standard(moments, self.fit_intercept, pieces.penalty.l2 / curvature)

    def _objective(self, data, coordinates, loss, penalty, mean_weight):
        frame = Frame(
            coordinates,
            self.fit_intercept,
            loss,
            l1=np.append(penalty.l1 / coordinates.scale, 0.0).astype(data.dtype),
            l2=np.append(penalty.l2 / coordinates.scale**2, 0.0).astype(data.dtype),
        )
        return data.objective(frame, mean_weight if self._weights_are_relative else None)

    # Descent

    def _descend(self, pieces, data, validation, carried, max_iter=None, gram=None, progress=None):
        """Descend, keep the outcome, and return why it ended; one epoch if `max_iter` is None."""
        validate = None
        if validation is not None:
            validate = self._validator(validation, carried.coordinates, pieces.loss)
        watch = None
        if self.verbose or progress is not None:
            watch = Watch(
                self.verbose, progress, lambda state: self._fitted(carried, state, pieces)
            )
        left, epochs = max_iter or 1, 0
        mean_weight = carried.weight / carried.rows
        whole = self._objective(data, carried.coordinates, pieces.loss, pieces.penalty, mean_weight)
        streaming = max_iter is None
        stages = [whole]
        if hasattr(pieces.loss, "smoothed"):
            batch_size = self._batch_size(whole.design.n_rows)
            part = streaming or whole.blocked
            found = automatic.stages(pieces, whole.sample, batch_size, part)
            stages = [whole.under(stage.loss) for stage in found]
        for objective in stages:
            model = objective if gram is None else Expansion.of_gram(objective, gram)
            task = self._task(pieces, objective, model, left, streaming)
            if streaming:
                before = max(carried.weight - data.total_weight, 0)
                unit = mean_weight if self._weights_are_relative else 1.0
                task = replace(task, seen=Seen(before, mean_weight, unit))
            tests = self._tests(task)
            tests.plateau = copy.copy(carried.state.plateau) or tests.plateau
            if max_iter is None and not isinstance(task.schedule, Adaptive):
                tests.plateau = None  # one epoch on these rows shows no convergence
            tests.early_stopping = self.early_stopping and validation is not None
            tests.validate = validate
            if objective is not stages[-1]:
                tests.hurry(automatic.STAGE_TOL)
            try:
                outcome = descend(task, carried.state, tests, carried.history, watch)
            except Diverged as diverged:
                raise self._explained(diverged, task) from None
            carried.state = replace(outcome.state, plateau=tests.plateau)
            epochs, left = epochs + outcome.epochs, left - outcome.epochs
            if objective is not stages[-1]:
                carried.state.plateau = None
            if left <= 0 or outcome.reason not in (StopReason.CONVERGED, StopReason.PRECISION):
                break
        self._keep(carried, outcome, task, pieces)
        self.n_iter_ = epochs
        self._warn(outcome, task, pieces, tests)
        return outcome.reason

    def _task(self, pieces, objective, model, max_iter, streaming):
        batch_size = self._batch_size(objective.design.n_rows)
        # What descends on moments alone chooses by them; blocks need not be looked into.
        moments = isinstance(model, Expansion) and pieces.optimizer is None
        seen = objective if moments else objective.sample
        if objective.blocked and batch_size is not None:
            chosen = automatic.choose_for_walks(pieces, seen, model, batch_size)
        else:
            chosen = automatic.choose(pieces, seen, model, batch_size, streaming)
        optimizer, schedule = chosen
        return Task(
            objective=objective,
            model=model,
            optimizer=optimizer,
            schedule=schedule,
            batch_size=batch_size,
            max_iter=max_iter,
            horizon=self.max_iter,
            alpha=pieces.alpha,
            shuffle=getattr(self, "shuffle", False),
            average=int(getattr(self, "average", 0)),
            record=self.record,
            on_divergence=self._on_divergence(pieces.schedule),
            streaming=streaming,
        )

    def _validator(self, validation, coordinates, loss):
        def score(theta):
            return validation.r2(
                lambda X: loss.mean(Design(X, coordinates, self.fit_intercept).predict(theta))
            )

        return score

    def _keep(self, carried, outcome, task, pieces):
        """Set the fitted attributes."""
        vars(self).update(self._fitted(carried, carried.state, pieces))
        self.schedule_, self.optimizer_ = task.schedule, task.optimizer
        self._last_epoch = (task.objective.design.n_rows, outcome.final.get("running_objective"))
        self.stop_reason_ = str(outcome.reason)
        self.converged_ = outcome.reason.is_success

    def _fitted(self, carried, state, pieces):
        """Return the fitted attributes that a state stands for."""
        theta = state.model(int(getattr(self, "average", 0)))
        coef, intercept = carried.coordinates.to_data(theta)
        intercept = np.atleast_1d(intercept)
        carried = replace(
            carried,
            state=state,
            history=carried.history.copy(),
            coef=coef.copy(),
            intercept=intercept.copy(),
        )
        return {
            "coef_": coef,
            "intercept_": intercept,
            "t_": state.t,
            "loss_": pieces.loss,
            "penalty_": pieces.penalty,
            "_carried": carried,
        }

    def _warn(self, outcome, task, pieces, tests):
        """Warn of a fit that did not arrive."""
        if outcome.reason is StopReason.DIVERGED:
            message = (
                f"{type(self).__name__} diverged: its objective ended far above that of the start. "
                f"{automatic.advice(task)}"
            )
        elif outcome.reason is StopReason.MAX_ITER and self.tol is not None and not task.streaming:
            rate = "." if pieces.schedule is None else ", or use learning_rate='auto'."
            message = (
                f"{type(self).__name__} did not converge in max_iter={self.max_iter} epochs"
                f"{distance_left(outcome, tests)}. Increase max_iter or tol{rate}"
            )
        elif outcome.reason is StopReason.STALLED:
            message = (
                f"{type(self).__name__} stalled far from the minimum"
                f"{distance_left(outcome, tests)}: its steps have become too short to change the "
                "objective. Use a learning rate that falls more slowly, or learning_rate='auto'."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=6)

    def _explained(self, diverged, task):
        """Return the error that tells a user about a divergence."""
        if task.on_divergence == "go_on":
            start = f"Floating-point under-/overflow occurred at epoch #{diverged.epoch}."
        else:
            start = (
                f"Descent diverged at epoch {diverged.epoch} with learning rate "
                f"{diverged.rate:.4g}: the objective went from {diverged.start:.4g} to "
                f"{diverged.value:.4g}."
            )
        return ValueError(f"{start} {automatic.advice(task)} Scaling the features helps, too.")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def distance_left(outcome, tests):
    """Return how far from the minimum a descent ended, in brackets, as far as that is known."""
    if tests.gradient is not None and "gradient_norm" in outcome.final:
        norm = outcome.final["gradient_norm"]
        share = norm / tests.gradient.reference if tests.gradient.reference > 0 else 0
        return (
            f": the gradient norm is {norm:.3g}, {share:.1e} of that of the best constant model, "
            f"and tol={tests.gradient.tol:g} is asked for"
        )
    if isinstance(tests.plateau, Progress) and np.isfinite(tests.plateau.left):
        left, value = tests.plateau.left, float(np.sum(tests.plateau.best))
        return f": its objective, {value:.4g}, is expected to fall by about {left:.2g} more"
    if tests.plateau is not None and not tests.early_stopping:
        return f": its objective, {float(np.sum(tests.plateau.best)):.4g}, is still falling"
    return ""
