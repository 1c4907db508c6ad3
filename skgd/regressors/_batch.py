"""Linear models by full-batch descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skgd.regressors._fit_batches import FitsBatchesByMoments
from skgd.regressors._keyword_fit import KeywordGDRegressor
from skgd.schedules import Adaptive
from skgd.solvers.problem import StoppingCriteria
from skgd.solvers.stopping import GradientNorm, NoImprovement

if TYPE_CHECKING:
    from skgd._utils.typing import RandomState
    from skgd.regressors._typing import LossLike, OptimizerLike, PenaltyLike, RateLike


class BatchGDRegressor(FitsBatchesByMoments, KeywordGDRegressor):
    r"""Linear model fitted by full-batch gradient descent.

    It minimises

    .. math:: F(w, b) = \frac1n \sum_i \frac{s_i}{\bar s}\, \ell(x_i^\top w + b, y_i) + \alpha R(w)

    where :math:`\ell` is the loss, :math:`R` the penalty and :math:`s_i` the weight of row i; every
    update looks at all rows. With nothing set it needs no tuning: features are standardised
    implicitly, squared error is minimised by conjugate gradients, other losses by Newton's method
    on top of them, and coefficients are reported in the units of the data. Textbook gradient
    descent is ``BatchGDRegressor(learning_rate=0.1, optimizer="gd", standardize=False)``.

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
    max_iter : int, default=10000
        Updates at most.
    tol : float or None, default=1e-10
        The fit has converged when the norm of the gradient is at most `tol` times that of the best
        constant model; 1e-6 times is enough where kinks of the loss are rounded, which costs more
        than is left to gain then. With 0 it goes on until nothing improves in floating point; with
        None for `max_iter` updates.
    n_iter_no_change : int, default=5
        Updates without progress that end an early-stopping fit or lower an "adaptive" rate.
    epsilon : float, default=0.1
        Threshold of the huber and the epsilon-insensitive losses, in units of y.
    learning_rate : float, str, Schedule or callable, default="auto"
        A number is a constant rate. "auto" follows the curvature of the objective, "line_search"
        the objective along each step. "constant", "invscaling", "optimal", "adaptive",
        "time_decay", "step", "exponential", "polynomial", "cosine" and "one_cycle" stand for
        classes of :mod:`skgd.schedules`, and read `eta0` and `power_t` where these do. Further, an
        object of that module, or any function of the update number (from 1).
    eta0 : float or None, default=None
        First rate of a named schedule; None means 0.01. An error beside rates that do not read it.
    power_t : float or None, default=None
        Exponent of "invscaling"; None means 0.25. An error beside rates that do not read it.
    optimizer : str or Optimizer, default="auto"
        "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "cg", "newton_cg",
        "accelerated", or an object of :mod:`skgd.optimizers`. "auto" is "gd" beside an explicit
        rate, and else one of the last three, by loss and penalty.
    standardize : bool, default=True
        Whether to descend in centred coordinates of unit variance. The objective, and so the
        minimiser, stay the same; only the path to it is better conditioned.
    early_stopping : bool, default=False
        Whether to stop when the R² on validation rows has not risen by `tol` for
        `n_iter_no_change` updates; the best model is kept.
    validation_fraction : float, default=0.1
        Share of the rows held out for early stopping where `fit` is given no `X_val`, in (0, 1).
    validation_split : splitter, array-like or None, default=None
        Which rows to hold out instead: the last split of a scikit-learn splitter, such as
        ``TimeSeriesSplit()`` for a series or ``GroupShuffleSplit()`` for groups (given to `fit`),
        or the indices of the rows, or a boolean mask.
    random_state : int, RandomState instance or None, default=None
        Draws the validation rows.
    warm_start : bool, default=False
        Whether `fit` starts from the last coefficients; everything else starts afresh.
    record : {"running", "objective", "path"} or None, default="running"
        What `history_` holds: for full batches the objective and the norm of the gradient at any
        rate; with "path" there is `path_` besides, with None nothing.
    verbose : bool or int, default=0
        Whether to print a line an update.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients in the units of the data.
    intercept_ : array of shape (1,) or (n_outputs,)
        Intercept.
    n_iter_ : int
        Updates made by the last call.
    t_ : int
        1 + updates made.
    converged_ : bool
        Whether the last call ended because there was nothing left to gain.
    stop_reason_ : str
        "converged", "precision" (nothing improves in floating point), "stalled" (the steps have
        died out), "early_stopping", "callback", "max_iter" or "interrupted".
    history_ : dict of arrays
        The course of the descent, a row an update.
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
    sklearn.linear_model.LinearRegression : The same minimum of squared error by a direct solver.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressor().fit(X, y)
    >>> round(model.score(X, y), 4), model.converged_
    (0.5177, True)
    """

    _full_batch = True

    def __init__(
        self,
        loss: LossLike = "squared_error",
        *,
        penalty: PenaltyLike = "l2",
        alpha: float = 0.0,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 10_000,
        tol: float | None = 1e-10,
        n_iter_no_change: int = 5,
        epsilon: float = 0.1,
        learning_rate: RateLike = "auto",
        eta0: float | None = None,
        power_t: float | None = None,
        optimizer: OptimizerLike = "auto",
        standardize: bool = True,
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
        self.epsilon = epsilon
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.optimizer = optimizer
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.random_state = random_state
        self.warm_start = warm_start
        self.record = record
        self.verbose = verbose

    def _batch_size(self, n_rows):
        return None

    def _tests(self, problem):
        if self.tol is None:
            return StoppingCriteria()
        if self.early_stopping:
            return StoppingCriteria(plateau=NoImprovement(self.tol, self.n_iter_no_change))
        constant = problem.model.evaluate(problem.objective.intercept_only())
        gradient = GradientNorm(
            self.tol, problem.model.min_subgradient_norm(constant), abs(constant.value)
        )
        if not isinstance(problem.schedule, Adaptive):
            return StoppingCriteria(gradient=gradient)
        stalls = NoImprovement(self.tol, self.n_iter_no_change, relative=True)
        return StoppingCriteria(plateau=stalls, gradient=gradient)
