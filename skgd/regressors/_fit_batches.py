"""Fits over an iterable of batches, which can be interrupted and resumed."""

import copy
import os
import pickle
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skgd.data import IterableData, Source, named
from skgd.regressors._config import resolve_config
from skgd.regressors._fit_state import seed_of
from skgd.regressors._input import FitInputs, checked_rows
from skgd.solvers.stopping import NoImprovement, NoImprovementState, StopReason


@dataclass
class BatchesProgress:
    """How far a fit over batches is; it pickles.

    Parameters
    ----------
    seed : int
        Seed of the random orders of the batches.
    stopping_state : NoImprovementState, default=NoImprovementState()
        State of the stopping criterion.
    epoch, n_visited : int
        Complete epochs, and batches visited since.
    objective_sum : float
        Sum of the objectives of the rows visited in this epoch, before their updates.
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

        Only one batch is in memory at a time. :class:`BatchGDRegressor` sums over the batches what
        it needs to know of them (for squared error second moments, in one pass); the other two
        make an epoch of updates on each batch, for up to `max_iter` passes, and `history_` has a
        row a batch. With `shuffle`, the batches of a list or another
        ``collections.abc.Sequence`` are visited in a new random order in each pass, and the rows of
        every batch are shuffled.

        Parameters
        ----------
        batches : iterable, or function that returns an iterator
            Of ``(X, y)`` or ``(X, y, sample_weight)``. What can be read only once, such as a
            generator, will do where one pass is enough; for an endless stream see
            ``partial_fit``.
        checkpoint : str or path, default=None
            File that the estimator is pickled to after every batch.
        resume : bool, default=False
            Whether to go on where the fit of these batches ended that was broken off: by an error,
            by an interrupt, or by a crash from which a checkpoint was loaded. The result is that of
            an uninterrupted fit.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            If a batch is refused; the error says which one, and the model is as it was before that
            batch. If batches that can be read only once would have to be read again.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skgd import BatchGDRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> batches = [(X[:200], y[:200]), (X[200:], y[200:])]
        >>> round(BatchGDRegressor().fit_batches(batches).score(X, y), 4)
        0.5177
        """
        source = Source(batches)
        progress = getattr(self, "_batches_progress", None)
        if resume and progress is None:
            raise ValueError(
                "resume=True needs an interrupted fit_batches, and this estimator has none. "
                "Load its checkpoint, or set resume=False."
            )
        self._run_batches(source, progress if resume else None, checkpoint)
        vars(self).pop("_batches_progress", None)
        if checkpoint is not None:
            save(self, checkpoint)
        return self

    def _run_batches(self, source, progress, checkpoint):
        """Fit, from the beginning or from where a fit was interrupted."""
        raise NotImplementedError

    def _save_progress(self, progress, checkpoint):
        """Keep how far a fit is, in the estimator and in the checkpoint."""
        self._batches_progress = progress
        if checkpoint is not None:
            save(self, checkpoint)


class FitsBatchesByMoments(FitsBatches):
    """Mixin for regressors that need sums over the batches only."""

    def _run_batches(self, source, progress, checkpoint):
        resolve_config(self)
        chunks = IterableData(
            source, Reader(self), progress, lambda state: self._save_progress(state, checkpoint)
        )
        self._run_on_copy(lambda model: model._fit(FitInputs(chunks, None)))


class FitsBatchesByUpdates(FitsBatches):
    """Mixin for regressors that make an epoch of updates on each batch."""

    _tol_is_relative = True

    def _run_batches(self, source, progress, checkpoint):
        resolve_config(self)
        if self.early_stopping:
            raise ValueError(
                "fit_batches does not support early_stopping=True: it holds no rows out. Set it to "
                "False, and score the model yourself."
            )
        if source.once and self.max_iter > 1:
            raise ValueError(
                f"batches can be read only once, and max_iter={self.max_iter} asks for more "
                "epochs. Give a list or a function that returns a new iterator, set max_iter=1, "
                "or use partial_fit."
            )
        if progress is None:
            progress = BatchesProgress(seed_of(self.random_state))
            model = self if self.warm_start else unfitted(self)
        else:
            model, progress = self, copy.deepcopy(progress)
        reason = self._run_epochs(source, model, progress, checkpoint)
        self.n_iter_ = progress.epoch
        self.stop_reason_, self.converged_ = str(reason), reason.is_success
        if reason is StopReason.MAX_ITER and self.tol is not None:
            warnings.warn(
                f"{type(self).__name__} did not converge in max_iter={self.max_iter} epochs. "
                "Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _run_epochs(self, source, model, progress, checkpoint):
        """Run epochs until the objective stops decreasing; return the reason to stop."""
        criterion = None
        if self.tol is not None:
            criterion = NoImprovement(self.tol, self.n_iter_no_change, self._tol_is_relative)
        while progress.epoch < self.max_iter:
            model = self._run_epoch_over(source, model, progress, checkpoint)
            objective = progress.objective_sum / progress.n_rows
            progress.epoch, progress.n_visited = progress.epoch + 1, 0
            progress.objective_sum, progress.n_rows = 0.0, 0
            if criterion is not None:
                state = criterion.update_value(progress.stopping_state, objective)
                progress.stopping_state = state
                if criterion.is_met(state):
                    return StopReason.CONVERGED
        return StopReason.MAX_ITER

    def _run_epoch_over(self, source, model, progress, checkpoint):
        """Visit the remaining batches of an epoch; return the model to continue with."""
        order = None
        if source.numbered and self.shuffle:
            rng = np.random.default_rng([progress.seed, progress.epoch])
            order = rng.permutation(len(source.batches)).tolist()
        for number, item in source.visits(order, progress.n_visited):
            vars(model).pop("_last_epoch", None)
            named(epoch_on, number, model, item)
            n_rows, objective = getattr(model, "_last_epoch", (0, 0.0))
            progress.n_visited, progress.n_rows = progress.n_visited + 1, progress.n_rows + n_rows
            progress.objective_sum += n_rows * objective
            if model is not self:
                vars(self).clear()
                vars(self).update(vars(model))
                model = self
            self._save_progress(copy.deepcopy(progress), checkpoint)
        if not progress.n_visited:
            raise ValueError(f"batches gave no batch in epoch {progress.epoch + 1}.")
        return model


class Reader:
    """Makes checked rows of batches; the first one says what the others have to be like."""

    def __init__(self, estimator):
        self.twin, self.dtype = unfitted(estimator), None

    def __call__(self, item):
        """Return the rows that have a weight, or None if there are none."""
        X, y, weights = unpacked(item)
        data = checked_rows(self.twin, X, y, weights, None, reset=self.dtype is None)
        if data is None:
            return None
        if self.dtype is None:
            self.dtype = data.dtype
            self.twin.coef_ = np.zeros((*data.outputs, data.n_features))  # what y is checked by
        return data.astype(self.dtype)

    @property
    def names(self):
        """The attributes that tell of the features."""
        return {name: part for name, part in vars(self.twin).items() if name.endswith("_in_")}


def unfitted(estimator):
    """Return a copy of an estimator without what it was fitted to."""
    twin = copy.copy(estimator)
    for name in list(vars(twin)):
        if name.endswith("_") or name == "_fit_state":
            delattr(twin, name)
    return twin


def epoch_on(model, batch):
    """Make an epoch of updates on a batch."""
    X, y, weights = unpacked(batch)
    model.partial_fit(X, y, sample_weight=weights)


def unpacked(batch):
    """Return X, y and the weights or None of a batch."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        raise ValueError(
            f"It is {type(batch).__name__}; it must be (X, y) or (X, y, sample_weight)."
        )
    if hasattr(batch[0], "shape") and batch[0].shape[:1] == (0,):
        raise ValueError("It has no rows. Leave empty blocks out.")
    return (*batch, None)[:3]


def save(estimator, path):
    """Pickle an estimator to a file that is whole at any time."""
    part = f"{os.fspath(path)}.part"
    with open(part, "wb") as file:
        pickle.dump(estimator, file)
    os.replace(part, path)
