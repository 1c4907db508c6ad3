"""The method `fit` of BatchGDRegressor and MiniBatchGDRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from skgd.regressors._base import BaseGDRegressor
from skgd.regressors._input import FitInputs

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike


class KeywordGDRegressor(BaseGDRegressor):
    """Base class of the regressors whose optional arguments of `fit` are keyword-only."""

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
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
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; only their ratios matter.
        coef_init : array-like of shape (n_features,) or (n_outputs, n_features), default=None
            Initial coefficients.
        intercept_init : array-like of shape (1,) or (n_outputs,), default=None
            Initial intercept.
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
            If the input or a parameter is invalid, or the descent diverges with an explicit
            learning rate (:class:`~skgd.exceptions.DivergenceError`). A model that was fitted
            before is then not changed.
        """
        inputs = FitInputs(
            X, y, sample_weight, coef_init, intercept_init, X_val, y_val, sample_weight_val, groups,
            offset, offset_val,
        )  # fmt: skip
        return self._run_on_copy(lambda model: model._fit(inputs))
