"""Callbacks for the callback API of scikit-learn 1.9 and newer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from skgd._utils.validation import check_integer, check_real, raise_invalid
from skgd.solvers.history import column
from skgd.solvers.stopping import NoImprovement


@dataclass(eq=False)
class EarlyStopping:
    """Callback that ends a fit when a monitored value has stopped improving.

    Register it with ``estimator.set_callbacks(EarlyStopping())``, which requires scikit-learn 1.9
    or newer. In a pipeline or a search, register it on the regressor itself; every fit counts its
    own epochs. The model of the last epoch is kept, and ``stop_reason_`` is "callback". To keep the
    best model instead, use the parameter ``early_stopping=True`` of the regressors.

    Parameters
    ----------
    monitor : str or callable, default="validation_score"
        A column of ``history_``, or a function of the fitted model that returns a score, where
        higher is better. Of the columns, "validation_score" should increase and all others should
        decrease.
    patience : int, default=5
        Number of consecutive epochs without an improvement after which the fit ends, at least 1.
    tol : float, default=1e-4
        Minimum improvement, in [0, inf): absolute for scores, relative to the best value so far for
        all other columns. With 0, a value equal to the best one counts as an improvement.

    See Also
    --------
    sklearn.callback.ProgressBar : Displays the progress of a fit.
    sklearn.callback.ScoringMonitor : Records a score after every epoch.

    Examples
    --------
    >>> from skgd import EarlyStopping
    >>> EarlyStopping(patience=3)
    EarlyStopping(monitor='validation_score', patience=3, tol=0.0001)

    With scikit-learn 1.9 or newer::

        model = MiniBatchGDRegressor().set_callbacks(EarlyStopping(patience=3))
        model.fit(X, y, X_val=X_val, y_val=y_val)
    """

    monitor: str | Callable[[Any], float] = "validation_score"
    patience: int = field(default=5, kw_only=True)
    tol: float = field(default=1e-4, kw_only=True)

    def __post_init__(self) -> None:
        if not (isinstance(self.monitor, str) or callable(self.monitor)):
            constraint = "a column of history_ or a function of the model"
            raise_invalid("monitor", self.monitor, constraint)
        check_integer("patience", self.patience, low=1)
        check_real("tol", self.tol, low=0)
        self._criteria: dict[Any, NoImprovement] = {}  # by the estimators that are being fitted
        self._states: dict[Any, Any] = {}

    @property
    def _higher_is_better(self) -> bool:
        return callable(self.monitor) or self.monitor == "validation_score"

    def setup(self, estimator: Any, context: Any) -> None:
        """Start monitoring a fit.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Context of the fit.

        Raises
        ------
        TypeError
            If the estimator has no ``history_``.
        """
        if not hasattr(type(estimator), "history_"):
            raise TypeError(
                f"EarlyStopping cannot stop {type(estimator).__name__}, which is not fitted in "
                "epochs. Register it on the regressor within, for example with "
                "pipeline[-1].set_callbacks(EarlyStopping())."
            )
        criterion = NoImprovement(self.tol, self.patience, relative=not self._higher_is_better)
        self._criteria[estimator], self._states[estimator] = criterion, criterion.init()

    def teardown(self, estimator: Any, context: Any) -> None:
        """Stop monitoring a fit.

        Parameters
        ----------
        estimator : estimator
            The estimator that was fitted.
        context : sklearn.callback.CallbackContext
            Context of the fit.
        """
        self._criteria.pop(estimator, None)
        self._states.pop(estimator, None)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing; part of the callback protocol.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Context of the fit or of one of its epochs.
        """

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> bool:
        """Return whether the fit should end after an epoch.

        Parameters
        ----------
        estimator : estimator
            The estimator that is fitted.
        context : sklearn.callback.CallbackContext
            Context of the fit or of one of its epochs.
        fitted_estimator : estimator
            The model after the epoch.

        Returns
        -------
        bool
            Whether `patience` consecutive epochs have brought no improvement.
        """
        if context.max_subtasks != 0:  # the end of the fit, not of an epoch
            return False
        if callable(self.monitor):
            value = self.monitor(fitted_estimator)
        else:
            value = column(fitted_estimator.history_, self.monitor)[-1]
        criterion, value = self._criteria[estimator], -value if self._higher_is_better else value
        state = self._states[estimator] = criterion.update_value(self._states[estimator], value)
        return criterion.is_met(state)
