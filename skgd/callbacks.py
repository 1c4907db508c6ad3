"""Callbacks for scikit-learn's ``set_callbacks``, beside those that scikit-learn brings."""

from collections.abc import Callable
from typing import Any

from skgd._utils.validation import check_integer, check_real, raise_invalid
from skgd.solvers.history import column
from skgd.solvers.stopping import NoImprovement


class EarlyStopping:
    """Callback that ends a fit once a value has not improved for some epochs.

    Set it by ``estimator.set_callbacks(EarlyStopping())``, which needs scikit-learn 1.9 or newer.
    In a pipeline or a search it belongs on the regressor itself; each fit counts for itself. The
    model stays as it is when the fit ends, with ``stop_reason_ == "callback"``; to get back the
    best one, use the parameter ``early_stopping=True`` of the regressors.

    Parameters
    ----------
    monitor : str or callable, default="validation_score"
        A column of ``history_``, or a function of the model so far that returns a score, the higher
        the better. Of the columns "validation_score" should rise and all others fall.
    patience : int, default=5
        Epochs in a row without an improvement that end the fit, at least 1.
    tol : float, default=1e-4
        The least improvement that counts, in [0, inf): of a score as it is, of any other column
        relative to the best value so far. With 0 an equal value will do.

    See Also
    --------
    sklearn.callback.ProgressBar : Shows how far a fit is.
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

    def __init__(
        self,
        monitor: str | Callable[[Any], float] = "validation_score",
        *,
        patience: int = 5,
        tol: float = 1e-4,
    ) -> None:
        if not (isinstance(monitor, str) or callable(monitor)):
            raise_invalid("monitor", monitor, "a column of history_, or a function of the model")
        check_integer("patience", patience, low=1)
        check_real("tol", tol, low=0)
        self.monitor, self.patience, self.tol = monitor, patience, tol
        self._plateaus: dict[Any, NoImprovement] = {}  # of the fits under way

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(monitor={self.monitor!r}, patience={self.patience!r}, "
            f"tol={self.tol!r})"
        )

    @property
    def _rises(self) -> bool:
        return callable(self.monitor) or self.monitor == "validation_score"

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin to count for a fit.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        context : sklearn.callback.CallbackContext
            The fit.

        Raises
        ------
        TypeError
            If the estimator keeps no history.
        """
        if not hasattr(type(estimator), "history_"):
            raise TypeError(
                f"EarlyStopping cannot stop {type(estimator).__name__}, which has no epochs. Set "
                "it on the regressor inside, as in pipeline[-1].set_callbacks(EarlyStopping())."
            )
        self._plateaus[estimator] = NoImprovement(self.tol, self.patience, relative=not self._rises)

    def teardown(self, estimator: Any, context: Any) -> None:
        """Forget a fit that is over.

        Parameters
        ----------
        estimator : estimator
            What was fitted.
        context : sklearn.callback.CallbackContext
            The fit.
        """
        self._plateaus.pop(estimator, None)

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        context : sklearn.callback.CallbackContext
            The fit, or an epoch of it.
        """

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> bool:
        """Tell whether the fit should end, after an epoch.

        Parameters
        ----------
        estimator : estimator
            What is fitted.
        context : sklearn.callback.CallbackContext
            The fit, or an epoch of it.
        fitted_estimator : estimator
            The model so far.

        Returns
        -------
        bool
        """
        if context.max_subtasks != 0:  # the fit itself
            return False
        if callable(self.monitor):
            value = self.monitor(fitted_estimator)
        else:
            value = column(fitted_estimator.history_, self.monitor)[-1]
        return self._plateaus[estimator].stalled(-value if self._rises else value)
