"""The manner of `fit` that full-batch and mini-batch descent share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from skgd.regressors._base import BaseGDRegressor

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike


class KeywordGDRegressor(BaseGDRegressor):
    """What the regressors that scikit-learn lacks have in common: our own manner of `fit`."""

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
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative; only their proportions matter.
        coef_init : array-like of shape (n_features,) or (n_outputs, n_features), default=None
            Coefficients to start from.
        intercept_init : array-like of shape (1,) or (n_outputs,), default=None
            Intercept to start from.
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
            If the input or a parameter is refused, or an explicit learning rate makes the descent
            diverge; an already fitted model stays as it was.
        """
        return self._attempt(
            "_fit",
            X,
            y,
            sample_weight=sample_weight,
            start=(coef_init, intercept_init),
            validation_rows=(X_val, y_val, sample_weight_val),
            groups=groups,
        )

    def _on_divergence(self, chosen):
        return "back_off" if chosen is None else "raise"
