"""What a fitted model does: predictions, scores, its history, and its saved state."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn import get_config
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted, validate_data

from skgd._utils.saving import check_version, current_version, from_plain, to_plain
from skgd.data.conversion import choose_dtype, to_float, unwrap_arrays
from skgd.data.d2 import make_scorer
from skgd.data.dispatch import check_features, is_chunked_input, predict_chunked
from skgd.losses import SquaredError
from skgd.regressors._input import check_offset, check_rows, expand_targets
from skgd.solvers.history import History

if TYPE_CHECKING:
    from skgd._utils.typing import Array, ArrayLike, MatrixLike


class FittedModelMixin(MultiOutputMixin, RegressorMixin):
    """Methods of the regressors that need a fitted linear model, whatever fitted it."""

    coef_: Any
    intercept_: Array
    loss_: Any
    _fit_state: Any

    def predict(self, X: MatrixLike, *, offset: ArrayLike | None = None) -> Array:
        """Predict targets.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Terms that are added to the linear predictors; None means zeros.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Predictions. Their dtype is float32 if the coefficients and X are float32. For a Dask
            collection the result is a Dask array, which has not been computed.
        """
        check_is_fitted(self)
        X, offset = unwrap_arrays(X, offset)
        if is_chunked_input(X):
            check_features(self, X, reset=False)
            predict, like = self._get_chunk_model()._predictions, self._fit_state.coef
            offset = self._check_offset(offset, X)
            return predict_chunked(X, predict, like.dtype, like.shape[:-1], offset)
        return self._predictions(X, offset)

    def score(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        offset: ArrayLike | None = None,
    ) -> float:
        r"""Return the R² of the predictions; for losses with a link, D².

        Losses with a link function are those of generalised linear models, such as "poisson". Their
        score is the explained fraction of the deviance, as that of scikit-learn's
        ``PoissonRegressor``:

        .. math:: D^2 = 1 - \frac{\sum_i s_i\, \ell(p_i, y_i)}{\sum_i s_i\, \ell(c + o_i, y_i)}

        with the linear predictor :math:`c` of the best constant model and the offsets :math:`o_i`.
        For other losses, whose predictions have the units of y, it is R², which is the same for
        squared error. Validation scores of all losses are D². Scores are averaged over the outputs.

        Parameters
        ----------
        X : array-like, sparse matrix or Dask collection of shape (n_samples, n_features)
            Rows.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Terms that are added to the linear predictors; None means zeros.

        Returns
        -------
        float
            R² or D², at most 1.
        """
        check_is_fitted(self)
        X, y, sample_weight, offset = unwrap_arrays(X, y, sample_weight, offset)
        if not (self.loss_.has_link() or is_chunked_input(X)):
            predictions = self.predict(X, offset=offset)
            y = expand_targets(self.loss_, y)
            return r2_score(y, predictions, sample_weight=sample_weight)
        model = copy.copy(self).densify()
        data = check_rows(model, X, y, sample_weight, offset=offset, reset=False)
        if data is None:
            raise ValueError("sample_weight is zero for every row; score needs a row with weight.")
        loss = self.loss_ if self.loss_.has_link() else SquaredError()
        data.check_targets(loss)
        return make_scorer(loss, data)(self._get_chunk_model()._linear_predictors)

    def _get_chunk_model(self):
        """Return a copy for chunks, whose feature names are not checked again."""
        model = copy.copy(self)
        vars(model).pop("feature_names_in_", None)
        model._fit_state = replace(self._fit_state, history=None)
        return model

    def _check_offset(self, offset, X):
        """Return the checked offsets of rows to predict, or None."""
        shape = (X.shape[0], *self._fit_state.coef.shape[:-1])
        return check_offset("offset", offset, shape, X)

    def _predictions(self, X, offset=None):
        """Return the predictions of rows in memory."""
        return self.loss_.predict(self._linear_predictors(X, offset))

    def _linear_predictors(self, X, offset=None):
        """Return the linear predictors of rows in memory."""
        rows = validate_data(self, X, accept_sparse="csr", dtype=choose_dtype(X), reset=False)
        rows = to_float(rows)
        products = rows @ self.coef_.T
        if issparse(self.coef_):
            products = products.toarray() if issparse(products) else products
            products = products.reshape(rows.shape[0], *self._fit_state.coef.shape[:-1])
        intercept = self.intercept_[0] if products.ndim == 1 else self.intercept_
        products = products + intercept
        if offset is not None:
            offset = self._check_offset(offset, rows).astype(products.dtype, copy=False)
        return add_offset(products, offset)

    def sparsify(self) -> Self:
        """Convert ``coef_`` to a sparse matrix, which saves memory if most coefficients are zero.

        Returns
        -------
        self
            The estimator; ``coef_`` is a CSR matrix with one row per output, or a CSR array with
            ``sklearn.set_config(sparse_interface="sparray")``.
        """
        check_is_fitted(self)
        coef = np.atleast_2d(self.coef_)
        # scikit-learn before 1.9 has no such setting.
        is_array = get_config().get("sparse_interface") == "sparray"
        self.coef_ = csr_array(coef) if is_array else csr_matrix(coef)
        return self

    def densify(self) -> Self:
        """Convert ``coef_`` back to a dense array; `fit` and `partial_fit` do so, too.

        Returns
        -------
        self
            The estimator.
        """
        check_is_fitted(self)
        if issparse(self.coef_):
            self.coef_ = self.coef_.toarray().reshape(self._fit_state.coef.shape)
        return self

    @property
    def history_(self) -> dict[str, Array]:
        """History of the fit: a dict of 1-D arrays of equal length.

        Row 0 describes the initial model, row k the model after epoch k: ``epoch``,
        ``learning_rate``, ``time`` (seconds), ``objective`` and ``gradient_norm`` or
        ``running_objective``, and ``validation_score`` if there are validation rows. Compiled
        epochs that run in one call have equal shares of its time.
        """
        if not hasattr(self, "_fit_state"):
            raise AttributeError(f"{type(self).__name__} has no history_ before it is fitted")
        return self._fit_state.history.arrays()

    @property
    def path_(self) -> dict[str, Array]:
        """Iterates of the fit, with ``record="path"``: a dict of 1-D arrays of equal length.

        ``update`` is the number of updates made; ``coef_0``, …, ``intercept`` are the parameters
        after them, in the units of the data (``coef_0_1``, ``intercept_0`` with several outputs).
        The first and the last iterate are kept, and between them every k-th one. k doubles whenever
        the path would exceed 2048 points (fewer with more than two thousand coefficients).
        """
        if not hasattr(self, "_fit_state") or self._fit_state.history.path is None:
            raise AttributeError(
                f"{type(self).__name__} has no path_. Fit with record='path' to keep it."
            )
        return self._fit_state.history.path.arrays()

    def drop_history(self) -> Self:
        """Remove the recorded history and iterates, so that a saved model is small.

        ``history_`` is empty afterwards. ``record=None`` records nothing in the first place.

        Returns
        -------
        self
            The estimator.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd import SGDRegressor
        >>> model = SGDRegressor(random_state=0).fit(np.arange(4.0)[:, None], np.arange(4.0))
        >>> model.drop_history().history_
        {}
        """
        check_is_fitted(self)
        self._fit_state = replace(self._fit_state, history=History())
        return self

    def __copy__(self):
        model = object.__new__(type(self))
        vars(model).update(vars(self))
        return model

    def __getstate__(self):
        state = {
            name: to_plain(value) if name.startswith("_") else value
            for name, value in super().__getstate__().items()
        }
        return {**state, "_skgd_version": current_version()}

    def __setstate__(self, state):
        state = dict(state)
        check_version(type(self).__name__, state.pop("_skgd_version", "unknown"))
        super().__setstate__(
            {k: from_plain(v) if k.startswith("_") else v for k, v in state.items()}
        )


def add_offset(linear_predictors, offset):
    """Return the linear predictors plus the offset, unless it is None."""
    return linear_predictors if offset is None else linear_predictors + offset
