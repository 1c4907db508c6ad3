"""Linear models by mini-batch descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skgd.optimizers import SVRG
from skgd.regressors._fit_batches import FitsBatchesByUpdates
from skgd.regressors._keyword_fit import KeywordGDRegressor
from skgd.solvers.problem import StoppingCriteria
from skgd.solvers.stopping import NoImprovement, progress

if TYPE_CHECKING:
    from skgd._utils.typing import RandomState
    from skgd.regressors._typing import LossLike, OptimizerLike, PenaltyLike, RateLike


class MiniBatchGDRegressor(FitsBatchesByUpdates, KeywordGDRegressor):
    r"""Linear model fitted by gradient descent on small batches of rows.

    It minimises the objective of :class:`BatchGDRegressor`, but each update looks at `batch_size`
    rows only: the last batch of an epoch holds the rest. With nothing set an epoch proposes a step,
    which the objective combines with the last few, so that it never rises; ``partial_fit`` descends
    on the second moments of all rows so far, or for other losses than squared error row by row.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        What a prediction costs: "squared_error", "huber", "log_cosh", "absolute_error",
        "quantile", "epsilon_insensitive", "squared_epsilon_insensitive", "poisson", "gamma", or an
        object of :mod:`skgd.losses`, such as ``Quantile(level=0.9)``.
    penalty : {"l2", "l1", "elasticnet"}, None or Penalty, default="l2"
        What the coefficients cost; a name reads `alpha` and `l1_ratio`.
    alpha : float, default=0.0
        Strength of the penalty, in [0, inf).
    l1_ratio : float, default=0.15
        Share of the l1 norm in "elasticnet", in [0, 1].
    fit_intercept : bool, default=True
        Whether to fit an intercept. It is never penalised.
    max_iter : int, default=1000
        Epochs at most.
    tol : float or None, default=1e-4
        The fit has converged when the objective's mean over an epoch has not fallen by `tol` times
        its best value for `n_iter_no_change` epochs, or under "auto", when it is not expected to
        fall by that any more; None means `max_iter` epochs.
    n_iter_no_change : int, default=5
        Epochs without progress that end the fit or lower an "adaptive" rate.
    batch_size : int, default=32
        Rows in an update, at least 1; more than there are means all.
    epsilon : float, default=0.1
        Threshold of the huber and the epsilon-insensitive losses, in units of y.
    learning_rate : float, str, Schedule or callable, default="auto"
        A number is a constant rate; "auto" needs none (:class:`~skgd.optimizers.SVRG`);
        "constant", "invscaling", "optimal",
        "adaptive", "time_decay", "step", "exponential", "polynomial", "cosine" and "one_cycle"
        stand for classes of :mod:`skgd.schedules`, and read `eta0` and `power_t` where these do.
        Further, an object of that module, or any function of the update number (from 1).
    eta0 : float or None, default=None
        First rate of a named schedule; None means 0.01. An error beside rates that do not read it.
    power_t : float or None, default=None
        Exponent of "invscaling"; None means 0.25. An error beside rates that do not read it.
    optimizer : str or Optimizer, default="auto"
        "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", or an object of
        :mod:`skgd.optimizers`; "auto" is "gd", and with an automatic rate variance-reduced.
    standardize : bool, default=True
        Whether to descend in centred coordinates of unit variance. The objective, and so the
        minimiser, stay the same; only the path to it is better conditioned.
    shuffle : bool, default=True
        Whether each epoch visits the rows in a fresh random order.
    average : bool or int, default=False
        Whether to report the mean of the iterates; a number tells the update that it starts from.
        The steps of "auto" are combined already, and their mean is the last.
    early_stopping : bool, default=False
        Whether to stop when the R² on validation rows has not risen by `tol` for
        `n_iter_no_change` epochs; the best model is kept.
    validation_fraction : float, default=0.1
        Share of the rows held out for early stopping where `fit` is given no `X_val`, in (0, 1).
    validation_split : splitter, array-like or None, default=None
        Which rows to hold out instead: the last split of a scikit-learn splitter, such as
        ``TimeSeriesSplit()`` for a series or ``GroupShuffleSplit()`` for groups (given to `fit`),
        or the indices of the rows, or a boolean mask.
    random_state : int, RandomState instance or None, default=None
        Draws the orders of the rows, and the validation rows.
    warm_start : bool, default=False
        Whether `fit` starts from the last coefficients; everything else starts afresh.
    record : {"running", "objective", "path"} or None, default="running"
        What `history_` holds: the objective's mean over each epoch as it went (under "auto" the
        objective after it); also the exact
        objective and gradient norm after it, at the cost of one more pass; with "path" `path_`
        besides; or nothing.
    verbose : bool or int, default=0
        Whether to print a line an epoch.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients in the units of the data.
    intercept_ : array of shape (1,) or (n_outputs,)
        Intercept.
    n_iter_ : int
        Epochs of the last call.
    t_ : int
        1 + updates made.
    converged_ : bool
        Whether the last call ended because there was nothing left to gain.
    stop_reason_ : str
        "converged", "early_stopping", "callback", "max_iter" or "interrupted"; "diverged" where an
        automatic rate found no way down.
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
    BatchGDRegressor : Updates on all rows, exact.
    SGDRegressor : Updates on single rows, as in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import MiniBatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = MiniBatchGDRegressor(random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.52
    """

    def __init__(
        self,
        loss: LossLike = "squared_error",
        *,
        penalty: PenaltyLike = "l2",
        alpha: float = 0.0,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        batch_size: int = 32,
        epsilon: float = 0.1,
        learning_rate: RateLike = "auto",
        eta0: float | None = None,
        power_t: float | None = None,
        optimizer: OptimizerLike = "auto",
        standardize: bool = True,
        shuffle: bool = True,
        average: bool | int = False,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        validation_split: Any = None,
        random_state: RandomState = None,
        warm_start: bool = False,
        record: str | None = "running",
        verbose: bool | int = 0,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.batch_size = batch_size
        self.epsilon = epsilon
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.optimizer = optimizer
        self.standardize = standardize
        self.shuffle = shuffle
        self.average = average
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.random_state = random_state
        self.warm_start = warm_start
        self.record = record
        self.verbose = verbose

    def _batch_size(self, n_rows):
        return min(self.batch_size, n_rows)

    def _tests(self, problem):
        if self.tol is None:
            return StoppingCriteria()
        if isinstance(problem.optimizer, SVRG) and not self.early_stopping:
            return StoppingCriteria(
                plateau=progress(problem.objective, self.tol, self.n_iter_no_change)
            )
        relative = not self.early_stopping
        return StoppingCriteria(
            plateau=NoImprovement(self.tol, self.n_iter_no_change, relative=relative)
        )
