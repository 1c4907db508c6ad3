"""Grid search and randomised search whose fits share passes over the data."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from joblib import effective_n_jobs, parallel_config
from sklearn import get_config, model_selection
from sklearn.metrics import check_scoring, make_scorer, r2_score
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from skgd.model_selection._candidate import CandidateModel, SplitterOnData
from skgd.model_selection._shared_fits import SharedFits, can_share

if TYPE_CHECKING:
    from skgd._utils.typing import ArrayLike, MatrixLike

#: The class of the scorers that `make_scorer` returns: they use nothing but predictions.
SCORER_CLASS = type(make_scorer(r2_score))


class SharedSearchMixin:
    """Shares the work of the fits of a search of scikit-learn.

    scikit-learn's own code runs the search. It is given an estimator that fits nothing but looks up
    the model that was fitted in a shared pass, and the numbers of the rows in place of the rows.
    """

    estimator: Any
    scoring: Any
    n_jobs: Any
    verbose: int
    cv_results_: dict[str, Any]
    shared_: np.ndarray

    @property
    def n_features_in_(self) -> int:
        """Number of features that the best candidate was fitted to."""
        return super().n_features_in_  # type: ignore[misc]

    def fit(self, X: MatrixLike, y: ArrayLike | None = None, **params: Any) -> Self:
        """Evaluate all candidates, and fit the best one to all rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            Parameters of the `fit` method of the estimator, of the scorer and of the splitter, as
            in scikit-learn: `sample_weight`, `groups`, ….

        Returns
        -------
        self
            The fitted search.

        Raises
        ------
        ValueError
            If an argument or parameter is invalid, or with ``error_score="raise"`` if a fit fails.
        """
        search = prepare_shared_search(self, X, y, params)
        if search is None:
            super().fit(X, y, **params)  # type: ignore[misc]
            return self._set_shared([])
        fits = search.estimator.fits
        with parallel_config(backend="threading", n_jobs=effective_n_jobs(self.n_jobs)):
            search._fit_to_row_numbers(fits.rows, fits.targets, params)
        attributes = fitted_attributes(search)
        if "best_estimator_" in attributes:
            attributes["best_estimator_"] = search.best_estimator_.fitted_.model
        if self.scoring is None:
            attributes["scorer_"] = check_scoring(self.estimator)
        if hasattr(search, "_checked_cv_orig"):
            attributes["_checked_cv_orig"] = search.cv.splitter
        if hasattr(search, "_n_samples_orig"):
            attributes["_n_samples_orig"] = search._n_samples_orig
        self.__dict__.update(attributes)
        return self._set_shared(fits.shared)

    def _set_shared(self, shared):
        """Set the attribute `shared_`, and return the search."""
        n_candidates = len(self.cv_results_["params"])
        shared = shared if len(shared) == n_candidates else [""] * n_candidates
        self.shared_ = np.array(shared, dtype=object)
        if self.verbose > 0:
            n_shared = np.count_nonzero(self.shared_)
            print(f"{n_shared} of {n_candidates} candidates were fitted in shared passes")
        return self

    def _fit_to_row_numbers(self, rows, y, params):
        """Run the `fit` method of scikit-learn's class."""
        super().fit(rows, y, **params)

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        """Run scikit-learn's search; the candidates of each call are known before its first fit."""
        fits = getattr(self.estimator, "fits", None)

        def evaluate(candidate_params, *args, **kwargs):
            candidates = list(candidate_params)
            fits.set_candidates(candidates)
            if args and not isinstance(args[0], SplitterOnData):  # a sample of the rows of a fold
                args = SplitterOnData(args[0], fits), *args[1:]
            results = evaluate_candidates(candidates, *args, **kwargs)
            fits.shared += fits.describe()
            return results

        is_shared = isinstance(self.estimator, CandidateModel)
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate if is_shared else evaluate_candidates, **context)


def prepare_shared_search(search, X, y, params):
    """Return a copy of a search that is ready for shared passes, or None if it cannot share any.

    Errors in the arguments are left to scikit-learn.
    """
    resource = getattr(search, "resource", None)
    try:
        is_shared = (
            y is not None
            and (resource in (None, "n_samples") or resource in search.estimator.get_params())
            and effective_n_jobs(search.n_jobs) > 0
            and not get_config()["array_api_dispatch"]
            and uses_predictions_only(search.scoring)
            and not getattr(search, "_skl_callbacks", None)
            and can_share(search.estimator, X)
        )
        if not is_shared:
            return None
        X, y = indexable(X, y)
        splitter = check_cv(search.cv, y)
    except Exception:  # raised again by scikit-learn's own search
        return None
    fits = SharedFits(search.estimator, X, y, params.get("sample_weight"), resource)
    shared = copy.copy(search)
    for name in fitted_attributes(search):
        delattr(shared, name)
    shared.estimator = CandidateModel(search.estimator, fits)
    shared.cv = SplitterOnData(splitter, fits)
    return shared


def uses_predictions_only(scoring):
    """Return whether scorers need nothing of a model but its predictions."""
    if scoring is None or isinstance(scoring, (str, SCORER_CLASS)):
        return True
    if isinstance(scoring, dict):
        return all(uses_predictions_only(one) for one in scoring.values())
    return isinstance(scoring, (list, tuple, set)) and all(isinstance(one, str) for one in scoring)


def fitted_attributes(search):
    """Return the public fitted attributes of a search by name."""
    return {
        name: value
        for name, value in vars(search).items()
        if name.endswith("_") and not name.startswith("_")
    }


class GridSearchCV(SharedSearchMixin, model_selection.GridSearchCV):
    """Grid search by cross-validation whose fits share passes over the data.

    A subclass of scikit-learn's class with the same parameters, methods and results. Where the
    estimator is a regressor of skgd, or a pipeline that ends in one, its fits share work, and no
    fold is copied. Everything else is left to scikit-learn.

    Parameters
    ----------
    estimator : estimator
        Any estimator; fits of those of skgd, and of pipelines that end in one, share work.
    param_grid : dict or list of dicts
        Values of the parameters to try.
    scoring : str, callable, list, tuple or dict, default=None
        Score or scores of the predictions; None means the `score` method of the estimator. A
        function other than a scorer of :func:`sklearn.metrics.make_scorer` may use more of a model
        than its predictions, so that nothing is shared.
    n_jobs : int or None, default=None
        Number of jobs. Shared passes run in threads.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all rows; with several scores the name of the one that
        decides, or a function of `cv_results_` that returns the index of the best candidate.
    cv : int, splitter or iterable, default=None
        Splits of the rows; None means five folds.
    verbose : int, default=0
        Verbosity, as in scikit-learn. From 1 on, the number of candidates that were fitted in
        shared passes is printed, too.
    pre_dispatch : int or str, default="2*n_jobs"
        Number of jobs that are dispatched ahead.
    error_score : "raise" or number, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=False
        Whether to compute scores of the training rows.

    Attributes
    ----------
    shared_ : array of str of shape (n_candidates,)
        What the fits of each candidate have shared: "moments" (the second moments of the folds),
        "updates" (all models of a fold are updated by each row), "transformers" (the steps of a
        pipeline before the last), or "" for ordinary fits.
    cv_results_ : dict of arrays
        Scores and times of the candidates. The fit that is the first of a fold to need a shared
        pass includes its time.
    best_estimator_, best_score_, best_params_, best_index_ : objects
        The best candidate. `best_estimator_` is fitted to all rows by its own method.
    scorer_, n_splits_, refit_time_, multimetric_ : objects
        As in scikit-learn.
    n_features_in_ : int
        Number of features, if the best candidate was fitted to all rows.
    feature_names_in_ : array of str
        Names of the features, if X had any.

    See Also
    --------
    RandomizedSearchCV : Candidates drawn at random.
    sklearn.model_selection.GridSearchCV : The class whose results it has.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> from skgd.model_selection import GridSearchCV
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> search = GridSearchCV(BatchGDRegressor(), {"alpha": [0.0, 0.01, 0.1, 1.0]}).fit(X, y)
    >>> search.best_params_, round(float(search.best_score_), 3)
    ({'alpha': 0.0}, 0.482)
    >>> search.shared_
    array(['moments', 'moments', 'moments', 'moments'], dtype=object)
    """


class RandomizedSearchCV(SharedSearchMixin, model_selection.RandomizedSearchCV):
    """Randomised search by cross-validation whose fits share passes over the data.

    A subclass of scikit-learn's class with the same parameters, methods and results; see
    :class:`GridSearchCV`.

    Parameters
    ----------
    estimator : estimator
        Any estimator; fits of those of skgd, and of pipelines that end in one, share work.
    param_distributions : dict or list of dicts
        Lists or distributions of the parameters to draw.
    n_iter : int, default=10
        Number of candidates.
    scoring : str, callable, list, tuple or dict, default=None
        Score or scores of the predictions; None means the `score` method of the estimator. A
        function other than a scorer of :func:`sklearn.metrics.make_scorer` may use more of a model
        than its predictions, so that nothing is shared.
    n_jobs : int or None, default=None
        Number of jobs. Shared passes run in threads.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all rows; with several scores the name of the one that
        decides, or a function of `cv_results_` that returns the index of the best candidate.
    cv : int, splitter or iterable, default=None
        Splits of the rows; None means five folds.
    verbose : int, default=0
        Verbosity, as in scikit-learn. From 1 on, the number of candidates that were fitted in
        shared passes is printed, too.
    pre_dispatch : int or str, default="2*n_jobs"
        Number of jobs that are dispatched ahead.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the candidates.
    error_score : "raise" or number, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=False
        Whether to compute scores of the training rows.

    Attributes
    ----------
    shared_ : array of str of shape (n_candidates,)
        What the fits of each candidate have shared: "moments" (the second moments of the folds),
        "updates" (all models of a fold are updated by each row), "transformers" (the steps of a
        pipeline before the last), or "" for ordinary fits.
    cv_results_ : dict of arrays
        Scores and times of the candidates. The fit that is the first of a fold to need a shared
        pass includes its time.
    best_estimator_, best_score_, best_params_, best_index_ : objects
        The best candidate. `best_estimator_` is fitted to all rows by its own method.
    scorer_, n_splits_, refit_time_, multimetric_ : objects
        As in scikit-learn.
    n_features_in_ : int
        Number of features, if the best candidate was fitted to all rows.
    feature_names_in_ : array of str
        Names of the features, if X had any.

    See Also
    --------
    GridSearchCV : All combinations of given values.
    sklearn.model_selection.RandomizedSearchCV : The class whose results it has.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import BatchGDRegressor
    >>> from skgd.model_selection import RandomizedSearchCV
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> distributions = {"alpha": loguniform(1e-3, 10.0)}
    >>> search = RandomizedSearchCV(BatchGDRegressor(), distributions, random_state=0).fit(X, y)
    >>> round(float(search.best_score_), 3), search.shared_[0]
    (0.474, 'moments')
    """
