"""Fits over an iterable of batches, which can be interrupted and resumed."""

import copy
import os
import pickle
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skgd.data.iterable import BatchSource, IterableData
from skgd.data.map_reduce import call_for_chunk
from skgd.regressors._config import resolve_config
from skgd.regressors._fit_state import draw_seed
from skgd.regressors._input import FitInputs, check_rows
from skgd.solvers.history import format_row
from skgd.solvers.stopping import NoImprovement, NoImprovementState, StopReason

#: End of a warning.
STALLED_MESSAGE = (
    "and ended above the objective of its start. Use learning_rate='auto', or a smaller rate."
)


@dataclass
class BatchesProgress:
    """Progress of a fit over batches; it can be pickled.

    Parameters
    ----------
    seed : int
        Seed of the random orders of the batches.
    stopping_state : NoImprovementState, default=NoImprovementState()
        State of the stopping criterion.
    epoch : int
        Number of complete epochs.
    n_visited : int
        Number of batches visited in the current epoch.
    objective_sum : float
        Sum of the objectives of the rows visited in the current epoch, before their updates.
    n_rows : int
        Number of these rows.
    """

    seed: int
    stopping_state: NoImprovementState = field(default_factory=NoImprovementState)
    epoch: int = 0
    n_visited: int = 0
    objective_sum: float = 0.0
    n_rows: int = 0


class FitsBatches:
    """Mixin with `fit_batches`; the subclasses implement `_run_batches`."""

    def fit_batches(
        self,
        batches: Iterable[Any] | Callable[[], Iterable[Any]],
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
    ) -> Self:
        """Fit the model to data that comes in batches, such as row groups of a Parquet file.

        Only one batch is in memory at a time. :class:`BatchGDRegressor` computes sums over the
        batches: for squared error second moments, in one pass; for other losses objective and
        gradient, in one pass per evaluation. The other two regressors run an epoch of updates on
        each batch, for up to `max_iter` passes, and `history_` has a row per batch. With
        `shuffle`, the batches of a list or another ``collections.abc.Sequence`` are visited in a
        new random order in each pass, and the rows of every batch are shuffled.

        Parameters
        ----------
        batches : iterable, or function that returns an iterator
            Batches ``(X, y)``, ``(X, y, sample_weight)`` or ``(X, y, sample_weight, offset)``. An
            iterator, such as a generator, can be read only once and suffices for a single pass. For
            an endless stream see ``partial_fit``.
        checkpoint : str or path, default=None
            File to which the estimator is pickled after every batch.
        resume : bool, default=False
            Whether to continue a fit of the same batches that was interrupted by an error, by
            KeyboardInterrupt, or by a crash after which the checkpoint was loaded. The result is
            that of an uninterrupted fit.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            If a batch is invalid; the error names the batch, and the model is unchanged since the
            batch before it. If an iterator would have to be read a second time.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skgd import BatchGDRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> batches = [(X[:200], y[:200]), (X[200:], y[200:])]
        >>> round(BatchGDRegressor().fit_batches(batches).score(X, y), 4)
        0.5177
        """
        source = BatchSource(batches)
        progress = getattr(self, "_batches_progress", None)
        if resume and progress is None:
            raise ValueError(
                "resume=True needs an interrupted fit_batches, and this estimator has none. "
                "Load its checkpoint, or set resume=False."
            )
        self._run_batches(source, progress if resume else None, checkpoint)
        vars(self).pop("_batches_progress", None)
        save_checkpoint(self, checkpoint)
        return self

    def _run_batches(self, source, progress, checkpoint):
        """Fit from the start, or from the progress of an interrupted fit."""
        raise NotImplementedError

    def _save_progress(self, progress, checkpoint):
        """Store the progress in the estimator, and the estimator in the checkpoint."""
        self._batches_progress = progress
        save_checkpoint(self, checkpoint)


class FitsBatchesByMoments(FitsBatches):
    """Mixin for regressors that need no more than sums over the batches."""

    def _run_batches(self, source, progress, checkpoint):
        resolve_config(self)
        save = partial(self._save_progress, checkpoint=checkpoint)
        data = IterableData(source, BatchReader(self), progress, save)
        self._run_on_copy(lambda model: model._fit(FitInputs(data, None)))


class FitsBatchesByUpdates(FitsBatches):
    """Mixin for regressors that run an epoch of updates on each batch."""

    def _run_batches(self, source, progress, checkpoint):
        resolve_config(self)
        if self.early_stopping:
            raise ValueError(
                "fit_batches does not support early_stopping=True, since it holds no rows out. Set "
                "early_stopping=False, and score the model yourself."
            )
        if source.is_single_pass and self.max_iter > 1:
            raise ValueError(
                f"batches can be read only once, but max_iter={self.max_iter}. Pass a list or a "
                "function that returns a new iterator, set max_iter=1, or use partial_fit."
            )
        if progress is None:
            progress = BatchesProgress(draw_seed(self.random_state))
            model = self if self.warm_start else copy_unfitted(self)
        else:
            model, progress = self, copy.deepcopy(progress)
        reason = self._run_epochs(source, model, progress, checkpoint)
        self.n_iter_ = progress.epoch + (reason is StopReason.DIVERGED)
        self.stop_reason_, self.converged_ = str(reason), reason.is_success
        messages = {StopReason.STALLED: STALLED_MESSAGE}
        if self.tol is not None:
            messages[StopReason.MAX_ITER] = (
                f"in max_iter={self.max_iter} epochs. Increase max_iter or tol."
            )
        if reason in messages:
            message = f"{type(self).__name__} did not converge {messages[reason]}"
            warnings.warn(message, ConvergenceWarning, stacklevel=4)

    def _run_epochs(self, source, model, progress, checkpoint):
        """Run epochs until the objective stops decreasing; return the :class:`StopReason`."""
        criterion, start = None, perf_counter()
        if self.tol is not None:
            criterion = NoImprovement(self.tol, self.n_iter_no_change, self._tol_is_relative)
        while progress.epoch < self.max_iter:
            model = self._run_epoch(source, model, progress, checkpoint)
            if model._has_stopped_diverged():
                return StopReason.DIVERGED
            objective = progress.objective_sum / progress.n_rows
            progress.epoch, progress.n_visited = progress.epoch + 1, 0
            progress.objective_sum, progress.n_rows = 0.0, 0
            if self.verbose:
                row = {"epoch": progress.epoch, "running_objective": objective}
                print(format_row(row | {"time": perf_counter() - start}))
            if criterion is not None:
                state = criterion.update_value(progress.stopping_state, objective)
                progress.stopping_state = state
                if criterion.is_met(state):
                    # The largest objective of the start and of best constants of the batches.
                    is_low = objective <= self._fit_state.state.reference_objective
                    return StopReason.CONVERGED if is_low else StopReason.STALLED
        return StopReason.MAX_ITER

    def _has_stopped_diverged(self):
        """Return whether the last batch was undone by a divergence."""
        is_diverged = getattr(self, "stop_reason_", None) == StopReason.DIVERGED
        return is_diverged and self.on_divergence == "warn"

    def _run_epoch(self, source, model, progress, checkpoint):
        """Fit the remaining batches of an epoch; return the model for the next one.

        The fitted attributes of `self` are replaced after the first valid batch, so that an invalid
        first batch leaves an earlier fit unchanged.
        """
        order = None
        if source.is_indexable and self.shuffle:
            rng = np.random.default_rng([progress.seed, progress.epoch])
            order = rng.permutation(len(source.batches)).tolist()
        for number, batch in source.iterate(order, progress.n_visited):
            vars(model).pop("_last_epoch", None)
            call_for_chunk(partial_fit_batch, number, model, batch)
            n_rows, objective = getattr(model, "_last_epoch", (0, 0.0))
            progress.n_visited, progress.n_rows = progress.n_visited + 1, progress.n_rows + n_rows
            progress.objective_sum += n_rows * objective
            if model is not self:
                vars(self).clear()
                vars(self).update(vars(model))
                model = self
            self._save_progress(copy.deepcopy(progress), checkpoint)
            if self._has_stopped_diverged():
                break
        if not progress.n_visited:
            raise ValueError(f"batches is empty in epoch {progress.epoch + 1}.")
        return model


class BatchReader:
    """Converts batches to checked rows of the features and the dtype of the first batch."""

    def __init__(self, estimator):
        self.estimator, self.dtype = copy_unfitted(estimator), None

    def __call__(self, batch):
        """Return the rows with positive weight, or None if there are none."""
        X, y, weights, offset = unpack_batch(batch)
        data = check_rows(self.estimator, X, y, weights, offset=offset, reset=self.dtype is None)
        if data is None:
            return None
        if self.dtype is None:
            self.dtype = data.dtype
            # The number of targets of later batches is checked against the shape of coef_.
            self.estimator.coef_ = np.zeros((*data.output_shape, data.n_features))
        return data.astype(self.dtype)

    @property
    def feature_attributes(self):
        """The attributes `n_features_in_` and `feature_names_in_`, where they are set."""
        return {key: value for key, value in vars(self.estimator).items() if key.endswith("_in_")}


def copy_unfitted(estimator):
    """Return a copy of an estimator without fitted attributes."""
    model = copy.copy(estimator)
    for name in list(vars(model)):
        if name.endswith("_") or name == "_fit_state":
            delattr(model, name)
    return model


def partial_fit_batch(model, batch):
    """Run an epoch of updates on a batch, and print nothing."""
    X, y, weights, offset = unpack_batch(batch)
    model._run_on_copy(lambda twin: twin._partial_fit(X, y, weights, offset, is_quiet=True))


def unpack_batch(batch):
    """Return X, y, the weights and the offset of a batch; the last two are None where missing."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3, 4):
        raise ValueError(
            f"It is {type(batch).__name__}; it must be (X, y), (X, y, sample_weight) or "
            "(X, y, sample_weight, offset)."
        )
    if hasattr(batch[0], "shape") and batch[0].shape[:1] == (0,):
        raise ValueError("It has no rows. Leave empty batches out.")
    return (*batch, None, None)[:4]


def save_checkpoint(estimator, path):
    """Pickle an estimator, unless `path` is None; the file is complete at any time."""
    if path is None:
        return
    temporary = f"{os.fspath(path)}.part"
    with open(temporary, "wb") as file:
        pickle.dump(estimator, file)
    os.replace(temporary, path)
