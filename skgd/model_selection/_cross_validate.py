"""Cross-validation of one estimator whose fits share passes over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import effective_n_jobs, parallel_config
from sklearn import model_selection

from skgd.model_selection._search import GridSearchCV, prepare_shared_search

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike


def cross_validate(
    estimator: Any,
    X: MatrixLike,
    y: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    scoring: Any = None,
    cv: Any = None,
    n_jobs: int | None = None,
    verbose: int = 0,
    params: dict[str, Any] | None = None,
    pre_dispatch: int | str = "2*n_jobs",
    return_train_score: bool = False,
    return_estimator: bool = False,
    return_indices: bool = False,
    error_score: float | str = np.nan,
) -> dict[str, Any]:
    """Evaluate an estimator by cross-validation.

    Parameters and scores are those of :func:`sklearn.model_selection.cross_validate`. The fits to
    the folds share work as those of one candidate of :class:`GridSearchCV`.

    Parameters
    ----------
    estimator : estimator
        Any estimator; fits of those of skgd, and of pipelines that end in one, share work.
    X : array-like or sparse matrix of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets.
    groups : array-like of shape (n_samples,), default=None
        Groups of the rows, for the splitter.
    scoring : str, callable, list, tuple or dict, default=None
        Score or scores of the predictions; None means the `score` method of the estimator.
    cv : int, splitter or iterable, default=None
        Splits of the rows; None means five folds.
    n_jobs : int or None, default=None
        Number of jobs. Shared passes run in threads.
    verbose : int, default=0
        Verbosity, as in scikit-learn.
    params : dict, default=None
        Parameters of the `fit` method of the estimator, such as `sample_weight`; with metadata
        routing also of the scorer and the splitter.
    pre_dispatch : int or str, default="2*n_jobs"
        Number of jobs that are dispatched ahead.
    return_train_score : bool, default=False
        Whether to compute scores of the training rows.
    return_estimator : bool, default=False
        Whether to return the estimators that were fitted to the folds. If so, their fits are
        ordinary ones, which share nothing.
    return_indices : bool, default=False
        Whether to return the training and test indices of the folds.
    error_score : "raise" or number, default=nan
        Score of a fit that fails.

    Returns
    -------
    dict of arrays of shape (n_splits,)
        ``test_score``, ``fit_time``, ``score_time``, and where requested ``train_score``,
        ``estimator`` and ``indices``; with several scores ``test_`` and ``train_`` followed by
        their names.

    Raises
    ------
    ValueError
        If an argument is invalid, or with ``error_score="raise"`` if a fit fails.

    See Also
    --------
    GridSearchCV : Compares several settings of the parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> from skgd.model_selection import cross_validate
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> cross_validate(BatchGDRegressor(), X, y, cv=3)["test_score"].round(2).tolist()
    [0.47, 0.49, 0.51]
    """
    search = None
    if not return_estimator:
        search = GridSearchCV(estimator, {}, scoring=scoring, n_jobs=n_jobs, cv=cv)
        search = prepare_shared_search(search, X, y, params or {})
    options = {
        "groups": groups,
        "scoring": scoring,
        "verbose": verbose,
        "params": params,
        "pre_dispatch": pre_dispatch,
        "return_train_score": return_train_score,
        "return_indices": return_indices,
        "error_score": error_score,
    }
    if search is None:
        options |= {"cv": cv, "n_jobs": n_jobs, "return_estimator": return_estimator}
        return model_selection.cross_validate(estimator, X, y, **options)
    fits = search.estimator.fits
    fits.set_candidates([{}])
    with parallel_config(backend="threading", n_jobs=effective_n_jobs(n_jobs)):
        return model_selection.cross_validate(
            search.estimator, fits.rows, y, cv=search.cv, **options
        )
