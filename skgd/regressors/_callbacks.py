"""Progress of a fit: printed lines, and scikit-learn's callbacks (from 1.9 on).

scikit-learn's callback API is experimental; only this module and :mod:`skgd.callbacks` use it.
"""

from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from skgd.solvers.history import format_row

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Replacement of scikit-learn's mixin in older versions."""

        def set_callbacks(self, *callbacks: object) -> NoReturn:
            """Raise ImportError.

            Parameters
            ----------
            *callbacks : callback instances
                Ignored.

            Raises
            ------
            ImportError
                Always.
            """
            raise ImportError(
                "set_callbacks needs scikit-learn 1.9 or newer. In older versions, verbose=1 "
                "shows progress and early_stopping=True stops early."
            )

    def with_callbacks(method):
        """Return the method unchanged."""
        return method


@contextmanager
def setup_callbacks(estimator, X, y, sample_weight):
    """Set up the callbacks of a fit, and tear them down at its end, also after an error.

    Parameters
    ----------
    estimator : BaseGDRegressor
        The estimator that is fitted.
    X, y, sample_weight : array-like
        Arguments of `fit`.

    Yields
    ------
    CallbackNotifier or None
        None if the estimator has no callbacks.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        yield None
        return
    try:
        yield CallbackNotifier(estimator, X, y, sample_weight)
    finally:
        _tear_down(estimator)


def remove_callbacks(estimator):
    """Remove the callbacks that a clone shares with its original, and return the clone."""
    if getattr(estimator, "_skl_callbacks", None):
        estimator.set_callbacks()
    return estimator


@with_callbacks
def _tear_down(estimator):
    """Do nothing; the decorator tears down the callbacks."""


class CallbackNotifier:
    """Calls scikit-learn's callbacks during a fit.

    Parameters
    ----------
    estimator : BaseGDRegressor
        The estimator that is fitted.
    X, y, sample_weight : array-like
        Arguments of `fit`.
    """

    def __init__(self, estimator, X, y, sample_weight):
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.fit = estimator._init_callback_context(max_subtasks=estimator.max_iter)
        self.fit.call_on_fit_task_begin(**self.arguments)
        self.epoch = None

    def begin_epoch(self):
        """Call the callbacks at the beginning of an epoch; only once if the epoch is repeated."""
        if self.epoch is None:
            self.epoch = self.fit.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.arguments)

    def end_epoch(self, fitted_attributes):
        """Call the callbacks at the end of an epoch; return whether the fit should end.

        Parameters
        ----------
        fitted_attributes : callable
            Returns the current fitted attributes.
        """
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes=fitted_attributes
        )

    def finish(self, fitted_attributes):
        """Call the callbacks at the end of the fit."""
        self.fit.call_on_fit_task_end(**self.arguments, reconstruction_attributes=fitted_attributes)


class Monitor:
    """Reports progress to the user; the descent loop calls it before and after each epoch.

    Parameters
    ----------
    verbose : bool or int
        Whether to print a line for each epoch.
    notifier : CallbackNotifier or None
        Calls scikit-learn's callbacks.
    fitted_attributes : callable
        Takes the state of the descent and returns the fitted attributes by name.
    """

    def __init__(self, verbose, notifier, fitted_attributes):
        self.verbose, self.notifier = verbose, notifier
        self.fitted_attributes = fitted_attributes

    def begin_epoch(self):
        """Report the beginning of an epoch."""
        if self.notifier is not None:
            self.notifier.begin_epoch()

    def end_epoch(self, row, state):
        """Report an epoch; return whether the descent should end."""
        if self.verbose:
            print(format_row(row))
        if self.notifier is None:
            return False
        return self.notifier.end_epoch(partial(self.fitted_attributes, state))
