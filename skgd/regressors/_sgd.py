"""Linear models by per-sample descent, as scikit-learn's SGDRegressor fits them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

from skgd.optimizers import SVRG
from skgd.regressors._base import BaseGDRegressor
from skgd.regressors._fit_batches import FitsBatchesByUpdates
from skgd.solvers.problem import StoppingCriteria
from skgd.solvers.stopping import NoImprovement, progress

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike, RandomState
    from skgd.regressors._typing import LossLike, OptimizerLike, PenaltyLike, RateLike


class SGDRegressor(FitsBatchesByUpdates, BaseGDRegressor):
    r"""Linear model fitted by stochastic gradient descent, one row at a time.

    It takes the parameters of scikit-learn's ``SGDRegressor`` with their defaults and, without
    shuffling, finds the same coefficients; it adds further losses, optimizers and schedules,
    implicit standardisation, validation data and a history. It minimises

    .. math:: F(w, b) = \frac1n \sum_i s_i\, \ell(x_i^\top w + b, y_i) + \alpha R(w)

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        What a prediction costs: "squared_error", "huber", "log_cosh", "absolute_error",
        "quantile", "epsilon_insensitive", "squared_epsilon_insensitive", "poisson", "gamma", or an
        object of :mod:`skgd.losses`, such as ``Quantile(level=0.9)``.
    penalty : {"l2", "l1", "elasticnet"}, None or Penalty, default="l2"
        What the coefficients cost; a name reads `alpha` and `l1_ratio`.
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf).
    l1_ratio : float, default=0.15
        Share of the l1 norm in "elasticnet", in [0, 1].
    fit_intercept : bool, default=True
        Whether to fit an intercept. It is never penalised.
    max_iter : int, default=1000
        Epochs at most.
    tol : float or None, default=1e-3
        The fit has converged when the objective's mean over an epoch has not fallen by `tol` (in
        its own units) for `n_iter_no_change` epochs, or under "auto", when it is not expected to
        fall by `tol` times its value any more; None means `max_iter` epochs.
    shuffle : bool, default=True
        Whether each epoch visits the rows in a fresh random order.
    verbose : bool or int, default=0
        Whether to print a line an epoch.
    epsilon : float, default=0.1
        Threshold of the huber and the epsilon-insensitive losses, in units of y.
    random_state : int, RandomState instance or None, default=None
        Draws the orders of the rows, and the validation rows.
    learning_rate : float, str, Schedule or callable, default="invscaling"
        "constant", "invscaling", "optimal", "adaptive", "pa1" and "pa2" are scikit-learn's, and
        read `eta0` and `power_t`. Further, a number (a constant rate), an object of
        :mod:`skgd.schedules`, any function of the update number (from 1), or "auto", which needs no
        rate (:class:`~skgd.optimizers.SVRG`).
    eta0 : float, default=0.01
        First rate of a named schedule, in (0, inf).
    power_t : float, default=0.25
        Exponent of "invscaling"; negative values are deprecated, as in scikit-learn.
    early_stopping : bool, default=False
        Whether to stop when the R² on validation rows has not risen by `tol` for
        `n_iter_no_change` epochs; the best model is kept.
    validation_fraction : float, default=0.1
        Share of the rows held out for early stopping where `fit` is given no `X_val`, in (0, 1).
    n_iter_no_change : int, default=5
        Epochs without progress that end the fit or lower an "adaptive" rate.
    warm_start : bool, default=False
        Whether `fit` starts from the last coefficients; everything else starts afresh.
    average : bool or int, default=False
        Whether to report the mean of the iterates; a number tells the update that it starts from.
    optimizer : str or Optimizer, default="gd"
        "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", or an object of
        :mod:`skgd.optimizers`.
    standardize : bool, default=False
        Whether to descend in centred coordinates of unit variance. The objective, and so the
        minimiser, stay the same; only the path to it is better conditioned.
    validation_split : splitter, array-like or None, default=None
        Which rows early stopping holds out, instead of a share: the last split of a scikit-learn
        splitter, such as ``TimeSeriesSplit()`` for a series or ``GroupShuffleSplit()`` for groups
        (given to `fit`), or the indices of the rows, or a boolean mask.
    record : {"running", "objective", "path"} or None, default="running"
        What `history_` holds: the objective's mean over each epoch as it went; also the exact
        objective and gradient norm after it, at the cost of one more pass; with "path" `path_`
        besides; or nothing.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
    intercept_ : array of shape (1,) or (n_outputs,)
        Intercept.
    n_iter_ : int
        Epochs of the last call.
    t_ : int
        1 + updates made.
    converged_ : bool
        Whether the last call ended because there was nothing left to gain.
    stop_reason_ : str
        "converged", "early_stopping", "callback", "max_iter", "diverged" or "interrupted".
    history_ : dict of arrays
        The course of the descent, a row an epoch.
    path_ : dict of arrays
        The coefficients along the way, with ``record="path"``.
    loss_, penalty_, schedule_, optimizer_ : objects
        The pieces that the parameters stood for.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of str
        Names of the features, if X had any.

    See Also
    --------
    MiniBatchGDRegressor : Updates on a few rows at a time.
    sklearn.linear_model.SGDRegressor : The model for comparison.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import SGDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), SGDRegressor(random_state=0)).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.51
    """

    _flat_beside_objects = True
    _weights_are_relative = False
    _tol_is_relative = False

    def __init__(
        self,
        loss: LossLike = "squared_error",
        *,
        penalty: PenaltyLike = "l2",
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: bool | int = 0,
        epsilon: float = 0.1,
        random_state: RandomState = None,
        learning_rate: RateLike = "invscaling",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int = False,
        optimizer: OptimizerLike = "gd",
        standardize: bool = False,
        validation_split: Any = None,
        record: str | None = "running",
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average
        self.optimizer = optimizer
        self.standardize = standardize
        self.validation_split = validation_split
        self.record = record

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows. Memory maps of 256 MB or more, and the blocks of Dask arrays and DataFrames, are
            never brought together in memory. Sparse ones are read as CSR and never made dense; an
            update by plain descent then costs the entries of its rows, but for an l2 penalty with
            `standardize`, an l1 penalty with `standardize` and an intercept, and other optimizers,
            which move all features.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        coef_init : array-like of shape (n_features,) or (n_outputs, n_features), default=None
            Coefficients to start from.
        intercept_init : array-like of shape (1,) or (n_outputs,), default=None
            Intercept to start from.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative; they multiply the rows' updates.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows, whose R² is recorded and, with `early_stopping`, decides.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for a `validation_split` that keeps groups together.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input or a parameter is refused, or the descent diverges; an already fitted model
            stays as it was. Under scikit-learn's named schedules a descent that grows without limit
            raises only when its numbers cease to be finite, and otherwise ends in a
            ``ConvergenceWarning``.
        """
        self._attempt(
            "_fit",
            X,
            y,
            sample_weight=sample_weight,
            start=(coef_init, intercept_init),
            validation_rows=(X_val, y_val, sample_weight_val),
            groups=groups,
        )
        if self.power_t < 0:
            warnings.warn(
                "Negative values for `power_t` are deprecated in version 1.8 and will raise an "
                "error in 1.10. Use values in the range [0.0, inf) instead. These are versions of "
                "scikit-learn, which SGDRegressor follows; for a learning rate that grows, set "
                f"learning_rate=InverseScaling({self.eta0!r}, {self.power_t!r}).",
                FutureWarning,
                stacklevel=2,
            )
        return self

    def _batch_size(self, n_rows):
        return 1

    def _on_divergence(self, chosen):
        if chosen is None:
            return "back_off"
        return "go_on" if isinstance(self.learning_rate, str) else "raise"

    def _tests(self, problem):
        if self.tol is None:
            return StoppingCriteria()
        if isinstance(problem.optimizer, SVRG) and not self.early_stopping:
            return StoppingCriteria(
                plateau=progress(problem.objective, self.tol, self.n_iter_no_change)
            )
        return StoppingCriteria(plateau=NoImprovement(self.tol, self.n_iter_no_change))
