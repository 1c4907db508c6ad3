"""Validation curve whose fits share passes over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skgd.model_selection._search import GridSearchCV

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike


def validation_curve(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike | None,
    *,
    param_name: str,
    param_range: Any,
    groups: ArrayLike | None = None,
    cv: Any = None,
    scoring: Any = None,
    n_jobs: int | None = None,
    pre_dispatch: int | str = "all",
    verbose: int = 0,
    error_score: float | str = np.nan,
    params: dict[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return training and test scores for varying values of a parameter.

    The scores are those of :func:`sklearn.model_selection.validation_curve`. Fits share work as in
    :class:`GridSearchCV`.

    Parameters
    ----------
    estimator : estimator
        Any estimator; fits of those of skgd, and of pipelines that end in one, share work.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or None
        Targets.
    param_name : str
        Name of the parameter.
    param_range : array-like of shape (n_values,)
        Its values.
    groups : array-like of shape (n_samples,), default=None
        Groups of the rows, for the splitter.
    cv : int, splitter or iterable, default=None
        Splits of the rows; None means five folds.
    scoring : str or callable, default=None
        Score of the predictions; None means the `score` method of the estimator.
    n_jobs : int or None, default=None
        Number of jobs. Shared passes run in threads.
    pre_dispatch : int or str, default="all"
        Number of jobs that are dispatched ahead.
    verbose : int, default=0
        Verbosity, as in :class:`GridSearchCV`.
    error_score : "raise" or number, default=nan
        Score of a fit that fails.
    params : dict, default=None
        Other parameters of the `fit` method of the estimator, such as `sample_weight`.

    Returns
    -------
    train_scores : array of shape (n_values, n_splits)
        Scores of the training rows.
    test_scores : array of shape (n_values, n_splits)
        Scores of the test rows.

    Raises
    ------
    ValueError
        If an argument is invalid, or with ``error_score="raise"`` if a fit fails.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> from skgd.model_selection import validation_curve
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> train_scores, test_scores = validation_curve(
    ...     BatchGDRegressor(), X, y, param_name="alpha", param_range=[0.0, 0.1, 1.0], cv=5
    ... )
    >>> test_scores.mean(axis=1).round(2).tolist()
    [0.48, 0.47, 0.45]
    """
    fit_params = dict(params or {})
    if groups is not None:
        fit_params["groups"] = groups
    grid = [{param_name: [value]} for value in param_range]
    search = GridSearchCV(
        estimator,
        grid,
        scoring=scoring,
        n_jobs=n_jobs,
        refit=False,
        cv=cv,
        verbose=verbose,
        pre_dispatch=pre_dispatch,
        error_score=error_score,
        return_train_score=True,
    )
    results = search.fit(X, y, **fit_params).cv_results_
    splits = range(search.n_splits_)
    train, test = (
        np.column_stack([results[f"split{split}_{part}_score"] for split in splits])
        for part in ("train", "test")
    )
    return train, test
