"""What looks on while a model descends: printed lines, and scikit-learn's callbacks (from 1.9 on).

scikit-learn's callback API is experimental. All that skgd knows of it stands here.
"""

from contextlib import contextmanager
from functools import partial
from typing import NoReturn

from skgd.solvers.history import line

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin where there is none."""

        def set_callbacks(self, *callbacks: object) -> NoReturn:
            """Refuse callbacks.

            Parameters
            ----------
            *callbacks : callback instances
                What scikit-learn 1.9 would call.

            Raises
            ------
            ImportError
                Always.
            """
            raise ImportError(
                "set_callbacks needs scikit-learn 1.9 or newer. Below, verbose=1 shows progress "
                "and early_stopping=True stops early."
            )

    def with_callbacks(method):
        """Return the method as it is."""
        return method


@contextmanager
def callbacks_of(estimator, X, y, sample_weight):
    """Set up the callbacks of a fit, if any, and tear them down, however it ends.

    Parameters
    ----------
    estimator : BaseGDRegressor
        What is fitted.
    X, y, sample_weight : array-like
        What `fit` was given.

    Yields
    ------
    Progress or None
        None where no callbacks are set.
    """
    if not getattr(estimator, "_skl_callbacks", None):
        yield None
        return
    try:
        yield Progress(estimator, X, y, sample_weight)
    finally:
        _tear_down(estimator)


def without_callbacks(estimator):
    """Take off the callbacks that a clone shares with its original; return the clone."""
    if getattr(estimator, "_skl_callbacks", None):
        estimator.set_callbacks()
    return estimator


@with_callbacks
def _tear_down(estimator):
    """Do nothing; on leaving, scikit-learn tears down the callbacks of the fit."""


class Progress:
    """Tells scikit-learn's callbacks how a fit goes on.

    Parameters
    ----------
    estimator : BaseGDRegressor
        What is fitted.
    X, y, sample_weight : array-like
        What `fit` was given.
    """

    def __init__(self, estimator, X, y, sample_weight):
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.said = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.fit = estimator._init_callback_context(max_subtasks=estimator.max_iter)
        self.fit.call_on_fit_task_begin(**self.said)
        self.epoch = None

    def begin(self):
        """Tell that an epoch begins; one that was taken back has begun already."""
        if self.epoch is None:
            self.epoch = self.fit.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.said)

    def end(self, attributes):
        """Tell that an epoch is over; return whether a callback asks for an end.

        Parameters
        ----------
        attributes : callable
            Returns the fitted attributes as they are now.
        """
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(**self.said, reconstruction_attributes=attributes)

    def finish(self, attributes):
        """Tell that the fit is over."""
        self.fit.call_on_fit_task_end(**self.said, reconstruction_attributes=attributes)


class Monitor:
    """What the engine tells about its epochs.

    Parameters
    ----------
    verbose : bool or int
        Whether to print a line an epoch.
    progress : Progress or None
        Callbacks.
    attributes : callable
        Takes a state, returns the fitted attributes that it stands for.
    """

    def __init__(self, verbose, progress, attributes):
        self.verbose, self.progress, self.attributes = verbose, progress, attributes

    def begin(self):
        """Take in that an epoch begins."""
        if self.progress is not None:
            self.progress.begin()

    def end(self, row, state):
        """Take in the numbers and the state after an epoch; return whether to stop."""
        if self.verbose:
            print(line(row))
        return self.progress is not None and self.progress.end(partial(self.attributes, state))
