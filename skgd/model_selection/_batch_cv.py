"""Full-batch regression whose penalty is chosen by cross-validation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import check_cv
from sklearn.utils import assert_all_finite, indexable
from sklearn.utils.validation import check_is_fitted

from skgd._utils.nested_params import BaseComponentEstimator
from skgd._utils.validation import check_integer, check_real, parameters_of
from skgd.model_selection._penalty_path import (
    compute_moments,
    cross_validate_path,
    curvature_range,
    largest_gradient,
)
from skgd.model_selection._rows import fit_to_data
from skgd.regressors import BatchGDRegressor
from skgd.regressors._config import resolve_config
from skgd.regressors._input import check_rows

if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike
    from skgd.regressors._typing import LossLike

#: Number of strengths that are chosen from the data.
DEFAULT_N_ALPHAS = 100

#: Largest strength if no coefficient depends on it.
TINY_ALPHA = np.finfo(float).resolution


class BatchGDRegressorCV(MultiOutputMixin, RegressorMixin, BaseComponentEstimator):
    r"""Full-batch regression whose penalty is chosen by cross-validation.

    The penalty is the elastic net :math:`\alpha (\rho \lVert w \rVert_1 + \tfrac{1 - \rho}{2}
    \lVert w \rVert^2)` with the ratio :math:`\rho`. The strength :math:`\alpha` and the ratio are
    those of the least mean loss of the test rows of the folds, and :class:`~skgd.BatchGDRegressor`
    is fitted to all rows with them.

    For squared error on dense rows, one pass over the rows computes the second moments of all
    folds, from which all models and the errors of their test rows follow. For other losses, each
    fit of a fold starts from the solution for the next larger strength.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        Loss function of :class:`~skgd.BatchGDRegressor`. It also measures the error of test rows.
    alphas : int, array-like of shape (n_alphas,) or None, default=None
        Strengths to try, or how many are chosen from the data; None means 100. With an l1 term
        they decrease from the strength that leaves no coefficient to `eps` times that, in equal
        ratios (from about that strength, where the best constant prediction is approximated). With
        ratio 0 there is no such strength: they decrease from the sum of the second derivatives of
        the loss by the coefficients, at the best constant model, to `eps` times the smallest of
        them. For squared error these are the variances of the features.
    l1_ratio : float or list of floats, default=0.0
        Ratios to try, in [0, 1]: 0 is the l2 penalty, 1 the l1 penalty.
    eps : float, default=1e-3
        Where the strengths are chosen from the data, the ratio of the smallest to the largest; see
        `alphas` for `l1_ratio` 0.
    cv : int, splitter or iterable, default=None
        Splits of the rows; None means five folds. Rows in chunks (large memory maps, Dask
        collections) are split into whole chunks: a splitter then divides the numbers of the chunks.
    fit_intercept : bool, default=True
        Whether to fit an intercept, which is not penalised.
    positive : bool, default=False
        Whether the coefficients are constrained to be at least 0.
    max_iter : int, default=10000
        Maximum number of updates of a fit.
    tol : float or None, default=1e-10
        Tolerance of the fits.
    epsilon : float, default=0.1
        Threshold of the Huber and the epsilon-insensitive losses.
    quantile : float, default=0.5
        Level of ``loss="quantile"``.
    n_jobs : int or None, default=None
        Number of threads, over the folds.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        The strength and the ratio that were chosen.
    alphas_ : array of shape (n_alphas,) or (n_l1_ratio, n_alphas)
        The strengths, in decreasing order; for each ratio if `l1_ratio` is a list and they are
        chosen from the data.
    loss_path_ : array of shape (n_alphas, n_folds) or (n_l1_ratio, n_alphas, n_folds)
        Mean loss of the test rows, without the penalty; the first axis is there if `l1_ratio` is a
        list. With several outputs it is the mean over them.
    mse_path_ : array of the shape of `loss_path_`
        Mean squared error of the test rows, for squared error only: twice the loss.
    best_score_ : float
        Minus the mean over the folds of the loss at `alpha_` and `l1_ratio_`.
    coef_, intercept_ : arrays
        Coefficients and intercept of the fit to all rows.
    n_iter_ : int
        Its number of updates.
    best_estimator_ : BatchGDRegressor
        The model fitted to all rows.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array of str
        Names of the features, if X had any.

    See Also
    --------
    skgd.BatchGDRegressor : The model that is fitted.
    GridSearchCV : Searches over any parameters, with any scores.
    sklearn.linear_model.ElasticNetCV : The class whose conventions it follows.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd.model_selection import BatchGDRegressorCV
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = BatchGDRegressorCV(alphas=[0.01, 0.1, 1.0], l1_ratio=[0.5, 1.0]).fit(X, y)
    >>> model.alpha_, model.l1_ratio_, model.mse_path_.shape
    (0.01, 1.0, (2, 3, 5))
    """

    _is_full_batch = True
    _ravels_columns = False

    alpha_: float
    l1_ratio_: float
    alphas_: Array
    loss_path_: Array
    best_score_: float
    best_estimator_: BatchGDRegressor
    coef_: Any
    intercept_: Array
    n_iter_: int
    n_features_in_: int
    feature_names_in_: Array

    def __init__(
        self,
        loss: LossLike = "squared_error",
        *,
        alphas: int | ArrayLike | None = None,
        l1_ratio: float | list[float] = 0.0,
        eps: float = 1e-3,
        cv: Any = None,
        fit_intercept: bool = True,
        positive: bool = False,
        max_iter: int = 10_000,
        tol: float | None = 1e-10,
        epsilon: float = 0.1,
        quantile: float = 0.5,
        n_jobs: int | None = None,
    ) -> None:
        self.loss = loss
        self.alphas = alphas
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.positive = positive
        self.max_iter = max_iter
        self.tol = tol
        self.epsilon = epsilon
        self.quantile = quantile
        self.n_jobs = n_jobs

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Choose the penalty, and fit the model to all rows.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows. Memory maps of 256 MB or more and Dask collections are processed in chunks.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, in fits and in the losses of test rows.
        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for the splitter.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid.
        """
        ratios = self._check_path_parameters()
        config = resolve_config(self._make_regressor())
        uses_moments = config.loss.quadratic
        data = check_rows(self, X, y, sample_weight, reset=True, check_finite=not uses_moments)
        if data is None:
            raise ValueError("sample_weight is zero for every row; fit needs a row with weight.")
        data.check_targets(config.loss)
        splits, moments = self._split(data, X, y, groups), None
        if uses_moments and data.has_cheap_second_moments:
            moments = compute_moments(data, splits)
        if not (data.is_chunked or (moments is not None and moments.total.is_finite)):
            assert_all_finite(data.X, estimator_name=type(self).__name__, input_name="X")
        strengths = [self._choose_alphas(data, config.loss, ratio, moments) for ratio in ratios]
        losses = self._cross_validate(strengths, ratios, data, splits, moments)
        return self._select(strengths, ratios, losses, data, moments and moments.total)

    def _select(self, strengths, ratios, losses, data, moments):
        """Set the fitted attributes: select the penalty of least loss, and fit it to all rows."""
        mean_losses = losses.mean(axis=-1)
        best = np.unravel_index(np.argmin(mean_losses), mean_losses.shape)
        self.alpha_, self.l1_ratio_ = float(strengths[best[0]][best[1]]), float(ratios[best[0]])
        self.best_score_ = -float(mean_losses[best])
        is_single = np.ndim(self.l1_ratio) == 0
        self.loss_path_ = losses[0] if is_single else losses
        self.alphas_ = np.array(strengths[0] if is_single or self._has_given_alphas else strengths)
        model = self._make_regressor(self.alpha_, self.l1_ratio_)
        names = "n_features_in_", "feature_names_in_"
        vars(model).update({name: getattr(self, name) for name in names if hasattr(self, name)})
        self.best_estimator_ = fit_to_data(model, data, moments)
        self.coef_, self.intercept_ = self.best_estimator_.coef_, self.best_estimator_.intercept_
        self.n_iter_ = self.best_estimator_.n_iter_
        return self

    def predict(self, X: MatrixLike) -> Array:
        """Predict targets.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Predictions; for a Dask collection a Dask array, which has not been computed.
        """
        check_is_fitted(self)
        return self.best_estimator_.predict(X)

    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the R² of the predictions; for losses with a link, D².

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            The score of :meth:`skgd.BatchGDRegressor.score`.
        """
        check_is_fitted(self)
        return self.best_estimator_.score(X, y, sample_weight)

    @property
    def mse_path_(self) -> Array:
        """Mean squared errors of the test rows."""
        check_is_fitted(self)
        if not self.best_estimator_.loss_.quadratic:
            raise AttributeError(
                f"{type(self).__name__} has mse_path_ with loss='squared_error' only; see "
                "loss_path_ for other losses."
            )
        return 2 * self.loss_path_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self._make_regressor()._needs_positive_targets()
        return tags

    def _make_regressor(self, alpha=0.0, l1_ratio=0.0):
        """Return the unfitted model for a penalty."""
        names = "fit_intercept", "positive", "max_iter", "tol", "epsilon", "quantile"
        params = {name: getattr(self, name) for name in names}
        params |= {"penalty": "elasticnet", "alpha": float(alpha), "l1_ratio": float(l1_ratio)}
        return BatchGDRegressor(self.loss, **params)

    def _check_path_parameters(self):
        """Check the parameters of the path; return the ratios."""
        ratios = np.atleast_1d(np.asarray(self.l1_ratio, dtype=object)).tolist()
        with parameters_of(type(self).__name__):
            for ratio in ratios or [None]:
                check_real("l1_ratio", ratio, low=0, high=1, closed="both")
            check_real("eps", self.eps, low=0, high=1, closed="neither")
            if self._has_given_alphas:
                for alpha in np.asarray(self.alphas).tolist() or [None]:
                    check_real("alphas", alpha, low=0)
            elif self.alphas is not None:
                check_integer("alphas", self.alphas, low=1)
        return ratios

    @property
    def _has_given_alphas(self):
        """Whether `alphas` has the strengths themselves."""
        return np.ndim(self.alphas) == 1

    def _split(self, data, X, y, groups):
        """Return the training and test rows of each fold, as positions in the data."""
        splitter = check_cv(self.cv)
        if data.is_chunked:
            n_chunks = data.n_chunks
            try:
                return list(splitter.split(np.arange(n_chunks)))
            except ValueError as error:
                raise ValueError(
                    f"Folds of data in chunks are made of whole chunks, and X has {n_chunks}; "
                    f"cv={self.cv!r} does not divide them. {error}"
                ) from None
        X, y, groups = indexable(X, y, groups)
        splits = list(splitter.split(X, y, groups))
        all_rows = np.arange(data.n_input_rows or len(data))
        splits = [tuple(all_rows[part] for part in split) for split in splits]
        if data.row_indices is None:
            return splits
        position = np.full(len(all_rows), -1)  # rows without weight are not in the data
        position[data.row_indices] = np.arange(len(data))
        splits = [tuple(position[part] for part in split) for split in splits]
        return [tuple(part[part >= 0] for part in split) for split in splits]

    def _choose_alphas(self, data, loss, l1_ratio, moments):
        """Return the strengths for a ratio, in decreasing order."""
        if self._has_given_alphas:
            return np.sort(np.asarray(self.alphas, dtype=float))[::-1]
        n_alphas = self.alphas or DEFAULT_N_ALPHAS
        if l1_ratio == 0:
            smallest, largest = curvature_range(data, loss, self.fit_intercept)
            smallest = self.eps * max(smallest, TINY_ALPHA)
            return np.geomspace(max(largest, TINY_ALPHA), smallest, n_alphas)
        if moments is not None and self.fit_intercept:
            largest = np.max(np.abs(moments.total.cross), initial=0.0) / l1_ratio
        else:
            largest = largest_gradient(data, loss, self.fit_intercept) / l1_ratio
        largest = max(largest, TINY_ALPHA)
        return np.geomspace(largest, self.eps * largest, n_alphas)

    def _cross_validate(self, strengths, ratios, data, splits, moments):
        """Return the losses of the test rows; warn if fits did not converge."""
        paths = [
            [resolve_config(self._make_regressor(alpha, ratio)) for alpha in alphas]
            for alphas, ratio in zip(strengths, ratios, strict=True)
        ]
        model = self._make_regressor()
        model.record = None
        if moments is not None and not has_exact_paths(data, moments):
            moments = None
        losses, messages = cross_validate_path(model, paths, data, splits, moments, self.n_jobs)
        if messages:
            message = f"Fits to {len(messages)} of {len(splits)} folds did not converge. "
            warnings.warn(message + messages[0], ConvergenceWarning, stacklevel=3)
        return losses


def has_exact_paths(data, moments):
    """Return whether the minimisers that follow from second moments need no correction."""
    return all(m.is_finite and m.is_accurate_for(data.dtype) for m in moments.trains)
