"""Linear models fitted by per-sample gradient descent, as by scikit-learn's SGDRegressor."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

from skgd._utils.own_methods import own_public_methods
from skgd.losses import EpsilonInsensitive, Huber, SquaredEpsilonInsensitive, SquaredError
from skgd.regressors._base import BaseGDRegressor
from skgd.regressors._fit_batches import FitsBatchesByUpdates
from skgd.regressors._input import FitInputs

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike, RandomState
    from skgd.regressors._typing import LossLike, OptimizerLike, PenaltyLike, RateLike


#: Losses of scikit-learn's SGDRegressor.
SKLEARN_LOSSES = (SquaredError, Huber, EpsilonInsensitive, SquaredEpsilonInsensitive)


@own_public_methods
class SGDRegressor(FitsBatchesByUpdates, BaseGDRegressor):
    r"""Linear model fitted by stochastic gradient descent, one row at a time.

    It has the parameters and defaults of scikit-learn's ``SGDRegressor`` and, without shuffling,
    yields the same coefficients. In addition it offers more losses, optimizers and schedules,
    implicit standardisation, validation data and a history. It minimises

    .. math:: F(w, b) = \frac1n \sum_i s_i\, \ell(x_i^\top w + b, y_i) + \alpha R(w)

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
    alpha : float, default=0.0001
        Strength of the penalty, in [0, inf). The default, scikit-learn's, is too strong for
        features in small units. With ``learning_rate="auto"`` and `standardize`, `fit` warns of
        that.
    l1_ratio : float, default=0.15
        Mixing parameter of "elasticnet", in [0, 1]: 0 is the l2 penalty, 1 the l1 penalty.
    fit_intercept : bool, default=True
        Whether to fit an intercept, which is not penalised.
    max_iter : int, default=1000
        Maximum number of epochs.
    tol : float or None, default=1e-3
        Tolerance of the stopping criterion: the fit has converged when the mean objective over an
        epoch has not decreased by at least `tol`, in absolute terms, for `n_iter_no_change`
        consecutive epochs. With "auto", it has converged when no decrease by `tol` times its value
        is expected in further epochs. With None, the fit ends after `max_iter` epochs.
    shuffle : bool, default=True
        Whether to shuffle the rows before each epoch.
    verbose : bool or int, default=0
        Whether to print a line per epoch.
    epsilon : float, default=0.1
        Threshold of the Huber and the epsilon-insensitive losses, in units of y.
    random_state : int, RandomState instance or None, default=None
        Seed or generator for shuffling and for the choice of the validation rows.
    learning_rate : float, str, Schedule or callable, default="invscaling"
        Learning rate:

        - "constant", "invscaling", "optimal", "adaptive", "pa1" or "pa2": as in scikit-learn, with
          `eta0` and `power_t`;
        - a number: constant learning rate;
        - an object of :mod:`skgd.schedules`, or a function of the update number 1, 2, …;
        - "auto": a solver without learning rate (:class:`~skgd.optimizers.SVRG`).
    eta0 : float, default=0.01
        Initial learning rate of a named schedule, in (0, inf).
    power_t : float, default=0.25
        Exponent of "invscaling"; negative values are deprecated, as in scikit-learn.
    early_stopping : bool, default=False
        Whether to end the fit when the score of validation rows has not increased by at least
        `tol` for `n_iter_no_change` consecutive epochs. The model with the best score is kept. The
        score is R² for the losses of scikit-learn's class, "squared_error", "huber",
        "epsilon_insensitive" and "squared_epsilon_insensitive", and D², the fraction of the loss
        that is explained, for all others.
    validation_fraction : float, default=0.1
        Proportion of the rows held out for early stopping if `X_val` is not passed to `fit`, in
        (0, 1).
    n_iter_no_change : int, default=5
        Number of consecutive epochs without improvement after which the fit ends, or after which
        "adaptive" reduces the learning rate.
    warm_start : bool, default=False
        Whether `fit` starts from the last coefficients. No other state is reused.
    average : bool or int, default=False
        Whether to report the mean of the iterates. An integer is the number of the update at which
        averaging starts.
    optimizer : str or Optimizer, default="gd"
        Optimizer: "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "amsgrad",
        "adabelief", "lion", or an object of :mod:`skgd.optimizers`.
    standardize : bool, default=False
        Whether to run the descent on features centred and scaled to unit variance. This improves
        the conditioning; objective and minimiser are the same.
    positive : bool, default=False
        Whether the coefficients, but not the intercept, are constrained to be at least 0. Other
        bounds are set by ``penalty=Bounds(lower, upper)`` (:class:`~skgd.penalties.Bounds`).
    validation_split : splitter, array-like or None, default=None
        Rows to hold out for early stopping, instead of a random sample: a scikit-learn splitter,
        such as ``TimeSeriesSplit()``, or ``GroupShuffleSplit()`` for `groups` passed to `fit`, of
        which the last split is used; an array of row indices; or a boolean mask.
    record : {"running", "objective", "path"} or None, default="running"
        Content of `history_`. With "running": the mean objective over each epoch, evaluated during
        the updates. With "objective": also the objective and the norm of the gradient after each
        epoch, which takes another pass over the rows. With "path": also the iterates, in `path_`.
        With None: none of these.
    quantile : float, default=0.5
        Level of ``loss="quantile"``: the fraction of targets below the prediction, in (0, 1).
    on_divergence : {"raise", "warn"} or None, default=None
        Reaction to a divergence with an explicit learning rate: raise a
        :class:`~skgd.exceptions.DivergenceError`, or warn and keep the model of the last epoch
        whose objective did not exceed that of the start. `history_` and `path_` then extend to the
        divergence. None means "raise", except with scikit-learn's named schedules: as there, the
        fit then continues and raises only if numbers overflow. A ``ConvergenceWarning`` at the end
        reports the divergence.

    Attributes
    ----------
    coef_ : array of shape (n_features,) or (n_outputs, n_features)
        Coefficients.
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
        "max_iter", "diverged" or "interrupted".
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
    MiniBatchGDRegressor : Updates on small batches of rows.
    sklearn.linear_model.SGDRegressor : The estimator whose parameters and defaults it has.

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

    _accepts_unused_params = True
    _ravels_columns = True
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
        positive: bool = False,
        validation_split: Any = None,
        record: str | None = "running",
        quantile: float = 0.5,
        on_divergence: str | None = None,
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
        self.positive = positive
        self.validation_split = validation_split
        self.record = record
        self.quantile = quantile
        self.on_divergence = on_divergence

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
        offset: ArrayLike | None = None,
        offset_val: ArrayLike | None = None,
    ) -> Self:
        r"""Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows. Memory maps of 256 MB or more, Dask arrays and Dask DataFrames are processed in
            chunks and never loaded as a whole. Sparse matrices are converted to CSR format and
            never to dense arrays. An update by plain gradient descent then takes time proportional
            to the number of stored entries of its rows, except with an l2 penalty and
            `standardize` or different weights, with an l1 penalty or bounds, `standardize` and an
            intercept, with a penalty and bounds that exclude 0, and with other optimizers, which
            change all coefficients in each update.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_outputs)
            Targets. A single column is ravelled, with a ``DataConversionWarning``.
        coef_init : array-like of shape (n_features,) or (n_outputs, n_features), default=None
            Initial coefficients.
        intercept_init : array-like of shape (1,) or (n_outputs,), default=None
            Initial intercept.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, by which the updates are multiplied.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation rows, targets and weights. Their score is recorded in `history_` and, with
            `early_stopping`, determines when the fit ends.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a `validation_split` that does not divide groups.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Terms :math:`o_i` that are added to the linear predictors, which are
            :math:`x_i^\top w + b + o_i`; None means zeros. With a logarithmic link, the offset of
            counts is the logarithm of their exposure. It has to be passed to `predict`, too.
        offset_val : array-like, default=None
            Offsets of the validation rows `X_val`.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid, or the descent diverges. A model that was fitted
            before is then not changed. See `on_divergence`.
        """
        inputs = FitInputs(
            X, y, sample_weight, coef_init, intercept_init, X_val, y_val, sample_weight_val, groups,
            offset, offset_val,
        )  # fmt: skip
        self._run_on_copy(lambda model: model._fit(inputs))
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

    def _get_batch_size(self, n_rows):
        return 1

    def _choose_validation_loss(self, loss):
        # scikit-learn's SGDRegressor scores its four losses by R².
        return SquaredError() if isinstance(loss, SKLEARN_LOSSES) else loss

    def _get_divergence_reaction(self):
        # scikit-learn's SGDRegressor continues after a divergence.
        if self.on_divergence is None and isinstance(self.learning_rate, str):
            return "continue"
        return super()._get_divergence_reaction()
