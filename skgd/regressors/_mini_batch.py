"""Linear models fitted by mini-batch gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skgd._utils.own_methods import own_public_methods
from skgd.regressors._fit_batches import FitsBatchesByUpdates
from skgd.regressors._keyword_fit import KeywordGDRegressor

if TYPE_CHECKING:
    from skgd._utils.typing import RandomState
    from skgd.regressors._typing import LossLike, OptimizerLike, PenaltyLike, RateLike


@own_public_methods
class MiniBatchGDRegressor(FitsBatchesByUpdates, KeywordGDRegressor):
    r"""Linear model fitted by gradient descent on small batches of rows.

    It minimises the objective of :class:`BatchGDRegressor`, but each update uses `batch_size` rows
    only; the last batch of an epoch may be smaller. With the default parameters, epochs of
    variance-reduced updates (SVRG) are combined by minimisation over the span of the last steps and
    by backtracking, so that the objective never increases. ``partial_fit`` then uses Newton's
    method on its rows and on the second moments of all rows before, or averaged implicit SGD with
    more than 256 features.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        Loss function: "squared_error", "huber", "log_cosh", "absolute_error", "quantile",
        "epsilon_insensitive", "squared_epsilon_insensitive", "poisson", "gamma",
        "inverse_gaussian", "tweedie", "binomial", or an object of :mod:`skgd.losses`, such as
        ``Quantile(level=0.9)``.
    penalty : {"l2", "l1", "elasticnet"}, None or Penalty, default="l2"
        Penalty on the coefficients. A name uses `alpha` and `l1_ratio`; an object of
        :mod:`skgd.penalties` has parameters of its own, such as bounds on the coefficients; None
        means no penalty.
    alpha : float, default=0.0
        Strength of the penalty, in [0, inf).
    l1_ratio : float, default=0.15
        Mixing parameter of "elasticnet", in [0, 1]: 0 is the l2 penalty, 1 the l1 penalty.
    fit_intercept : bool, default=True
        Whether to fit an intercept, which is not penalised.
    positive : bool, default=False
        Whether the coefficients, but not the intercept, are constrained to be at least 0. Other
        bounds are set by ``penalty=Bounds(lower, upper)`` (:class:`~skgd.penalties.Bounds`).
    max_iter : int, default=1000
        Maximum number of epochs.
    tol : float or None, default=1e-4
        Tolerance of the stopping criterion: the fit has converged when the mean objective over an
        epoch has not decreased by at least `tol` times its best value for `n_iter_no_change`
        consecutive epochs. With "auto", it has converged when no such decrease is expected in
        further epochs. With None, the fit ends after `max_iter` epochs.
    n_iter_no_change : int, default=5
        Number of consecutive epochs without improvement after which the fit ends, or after which
        "adaptive" reduces the learning rate.
    batch_size : int, default=32
        Number of rows per update, at least 1. Values above the number of rows mean all rows.
    epsilon : float, default=0.1
        Threshold of the Huber and the epsilon-insensitive losses, in units of y.
    learning_rate : float, str, Schedule or callable, default="auto"
        Learning rate:

        - a number: constant learning rate;
        - "auto": a solver without learning rate (:class:`~skgd.optimizers.SVRG`);
        - "constant", "invscaling", "optimal", "adaptive", "time_decay", "step", "exponential",
          "polynomial", "cosine" or "one_cycle": a schedule of :mod:`skgd.schedules`, with `eta0`
          and `power_t` where it has these parameters;
        - an object of :mod:`skgd.schedules`, or a function of the update number 1, 2, ….
    eta0 : float or None, default=None
        Initial learning rate of a named schedule; None means 0.01. It must be None for learning
        rates that do not use it.
    power_t : float or None, default=None
        Exponent of "invscaling"; None means 0.25. It must be None for learning rates that do not
        use it.
    optimizer : str or Optimizer, default="auto"
        Optimizer: "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "amsgrad",
        "adabelief", "lion", or an object of :mod:`skgd.optimizers`. "auto" is "gd" for an explicit
        learning rate, otherwise :class:`~skgd.optimizers.SVRG`.
    standardize : bool, default=True
        Whether to run the descent on features centred and scaled to unit variance. This improves
        the conditioning; objective and minimiser are the same.
    shuffle : bool, default=True
        Whether to shuffle the rows before each epoch.
    average : bool or int, default=False
        Whether to report the mean of the iterates. An integer is the number of the update at which
        averaging starts. With "auto" the last iterate is reported, since its steps are combined.
    early_stopping : bool, default=False
        Whether to end the fit when the score of validation rows has not increased by at least
        `tol` for `n_iter_no_change` consecutive epochs. The model with the best score is kept. The
        score is D², the fraction of the loss that is explained; R² for squared error.
    validation_fraction : float, default=0.1
        Proportion of the rows held out for early stopping if `X_val` is not passed to `fit`, in
        (0, 1).
    validation_split : splitter, array-like or None, default=None
        Rows to hold out for early stopping, instead of a random sample: a scikit-learn splitter,
        such as ``TimeSeriesSplit()``, or ``GroupShuffleSplit()`` for `groups` passed to `fit`, of
        which the last split is used; an array of row indices; or a boolean mask.
    random_state : int, RandomState instance or None, default=None
        Seed or generator for shuffling and for the choice of the validation rows.
    warm_start : bool, default=False
        Whether `fit` starts from the last coefficients. No other state is reused.
    record : {"running", "objective", "path"} or None, default="running"
        Content of `history_`. With "running": the mean objective over each epoch, evaluated during
        the updates (with "auto" the objective after the epoch). With "objective": also the
        objective and the norm of the gradient after each epoch, which takes another pass over the
        rows. With "path": also the iterates, in `path_`. With None: none of these.
    verbose : bool or int, default=0
        Whether to print a line per epoch.
    quantile : float, default=0.5
        Level of ``loss="quantile"``: the fraction of targets below the prediction, in (0, 1).
    on_divergence : {"raise", "warn"}, default="raise"
        Reaction to a divergence with an explicit learning rate: raise a
        :class:`~skgd.exceptions.DivergenceError`, or warn and keep the model of the last epoch
        whose objective did not exceed that of the start. `history_` and `path_` then extend to the
        divergence.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients in the units of the data.
    intercept_ : array of shape (1,) or (n_outputs,)
        Intercept.
    n_iter_ : int
        Number of epochs in the last call.
    t_ : int
        1 + number of updates made.
    converged_ : bool
        Whether the last call met its stopping criterion.
    stop_reason_ : str
        "converged", "stalled" (above the best constant model), "early_stopping", "callback",
        "max_iter", "interrupted" or "diverged" (with ``on_divergence="warn"``, or if no automatic
        learning rate decreased the objective).
    history_ : dict of arrays
        History of the fit, with a row per epoch.
    path_ : dict of arrays
        Iterates of the fit, with ``record="path"``.
    loss_, penalty_, schedule_, optimizer_ : objects
        The components that the parameters specify.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of str
        Names of the features, if X had any.

    See Also
    --------
    BatchGDRegressor : Updates on all rows, with exact gradients.
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
        positive: bool = False,
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
        quantile: float = 0.5,
        on_divergence: str = "raise",
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.positive = positive
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
        self.quantile = quantile
        self.on_divergence = on_divergence

    def _get_batch_size(self, n_rows):
        return min(self.batch_size, n_rows)
