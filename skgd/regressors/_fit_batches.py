"""Fits of data that comes in batches: epochs over an iterable, broken off and taken up again."""

import copy
import os
import pickle
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skgd.data import BatchSource, IterableData, call_for_chunk
from skgd.regressors._config import plan
from skgd.regressors._fit_state import seed_of
from skgd.regressors._input import checked_rows
from skgd.solvers.stopping import NoImprovement, StopReason


@dataclass
class Run:
    """Where epochs over batches are; it pickles.

    Parameters
    ----------
    seed : int
        Of the orders of the batches.
    plateau : Plateau or None
        Progress seen so far.
    epoch, visited : int
        Whole epochs made, and batches visited since.
    total, rows : float
        Sum of the objectives before the updates of this epoch, and the rows it is over.
    """

    seed: int
    plateau: NoImprovement | None
    epoch: int = 0
    visited: int = 0
    total: float = 0.0
    rows: int = 0


class FitsBatches:
    """What lets a regressor fit batches; the regressors say how."""

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
        source = BatchSource(batches)
        run = getattr(self, "_run", None)
        if resume and run is None:
            raise ValueError(
                "resume=True needs a fit_batches that was broken off, and this estimator has none. "
                "Load its checkpoint, or set resume=False."
            )
        self._run_batches(source, run if resume else None, checkpoint)
        vars(self).pop("_run", None)
        if checkpoint is not None:
            save(self, checkpoint)
        return self

    def _run_batches(self, source, run, checkpoint):
        """Fit, from the beginning or from where `run` was broken off."""
        raise NotImplementedError

    def _noted(self, run, checkpoint):
        """Remember where a fit is, and write it down."""
        self._run = run
        if checkpoint is not None:
            save(self, checkpoint)


class FitsBatchesByMoments(FitsBatches):
    """Batches of which only sums are needed."""

    def _run_batches(self, source, run, checkpoint):
        plan(self)
        blocks = IterableData(
            source, Reader(self), run, lambda progress: self._noted(progress, checkpoint)
        )
        nothing = {"start": (None, None), "validation_rows": (None, None, None), "groups": None}
        self._attempt("_fit", blocks, None, sample_weight=None, **nothing)


class FitsBatchesByUpdates(FitsBatches):
    """Batches that are walked over, an epoch of updates on each."""

    _tol_is_relative = True

    def _run_batches(self, source, run, checkpoint):
        plan(self)
        if self.early_stopping:
            raise ValueError(
                "fit_batches does not support early_stopping=True: it holds no rows out. Set it to "
                "False, and score the model yourself."
            )
        if source.is_single_pass and self.max_iter > 1:
            raise ValueError(
                f"batches can be read only once, and max_iter={self.max_iter} asks for more "
                "epochs. Give a list or a function that returns a new iterator, set max_iter=1, "
                "or use partial_fit."
            )
        if run is None:
            seed = seed_of(self.random_state)
            plateau = None
            if self.tol is not None:
                plateau = NoImprovement(self.tol, self.n_iter_no_change, self._tol_is_relative)
            run = Run(seed, plateau)
            model = self if self.warm_start else unfitted(self)
        else:
            model, run = self, copy.deepcopy(run)
        reason = StopReason.MAX_ITER
        while run.epoch < self.max_iter:
            model = self._epoch_over(source, model, run, checkpoint)
            stalled = run.plateau is not None and run.plateau.stalled(run.total / run.rows)
            run.epoch, run.visited, run.total, run.rows = run.epoch + 1, 0, 0.0, 0
            if stalled:
                reason = StopReason.CONVERGED
                break
        self.n_iter_ = run.epoch
        self.stop_reason_, self.converged_ = str(reason), reason.is_success
        if reason is StopReason.MAX_ITER and run.plateau is not None:
            warnings.warn(
                f"{type(self).__name__} did not converge in max_iter={self.max_iter} epochs. "
                "Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _epoch_over(self, source, model, run, checkpoint):
        """Visit the batches of an epoch that are left; return the model that goes on."""
        order = None
        if source.is_indexable and self.shuffle:
            rng = np.random.default_rng([run.seed, run.epoch])
            order = rng.permutation(len(source.batches)).tolist()
        for number, item in source.iterate(order, run.visited):
            vars(model).pop("_last_epoch", None)
            call_for_chunk(epoch_on, number, model, item)
            rows, running = getattr(model, "_last_epoch", (0, 0.0))
            run.visited, run.rows = run.visited + 1, run.rows + rows
            run.total += rows * running
            if model is not self:
                vars(self).clear()
                vars(self).update(vars(model))
                model = self
            self._noted(copy.deepcopy(run), checkpoint)
        if not run.visited:
            raise ValueError(f"batches is empty in epoch {run.epoch + 1}.")
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
            # The targets of later batches are checked against the shape of coef_.
            self.twin.coef_ = np.zeros((*data.output_shape, data.n_features))
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
        raise ValueError("It has no rows. Leave empty batches out.")
    return (*batch, None)[:3]


def save(estimator, path):
    """Pickle an estimator to a file that is whole at any time."""
    part = f"{os.fspath(path)}.part"
    with open(part, "wb") as file:
        pickle.dump(estimator, file)
    os.replace(part, path)
