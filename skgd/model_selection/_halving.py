"""Searches by successive halving whose fits share passes and continue those of earlier iterations.

Importing this module enables the experimental searches of scikit-learn.
"""

from sklearn.experimental import enable_halving_search_cv  # noqa: F401, I001
from sklearn import model_selection

from skgd.model_selection._search import SharedSearchMixin


class HalvingGridSearchCV(SharedSearchMixin, model_selection.HalvingGridSearchCV):
    """Search over a grid by successive halving, whose fits are continued.

    A subclass of scikit-learn's experimental class with the same parameters, methods and results.
    Fits share work as in :class:`GridSearchCV`. With ``resource="max_iter"``, or the `max_iter` of
    the last step of a pipeline, the fits of the candidates that go on are continued from where they
    ended in the last iteration, and their scores are those of separate fits. Where the learning
    rates depend on `max_iter`, fits start anew.

    Parameters
    ----------
    estimator : estimator
        Any estimator; fits of those of skgd, and of pipelines that end in one, share work.
    param_grid : dict or list of dicts
        Values of the parameters to try.
    factor : float, default=3
        In each iteration, the best ``1 / factor`` of the candidates go on, with `factor` times the
        resources.
    resource : str, default="n_samples"
        What increases: the number of rows, or a parameter of the estimator.
    max_resources : int or "auto", default="auto"
        Largest amount of the resource; "auto" means all rows, and is not allowed for a parameter.
    min_resources : int, "exhaust" or "smallest", default="exhaust"
        Amount of the first iteration. "exhaust" lets the last iteration use as much as possible.
    aggressive_elimination : bool, default=False
        Whether to repeat the first iteration until few enough candidates are left.
    cv : int, splitter or iterable, default=5
        Splits of the rows, the same in each call.
    scoring : str or callable, default=None
        Score of the predictions; None means the `score` method of the estimator.
    refit : bool, default=True
        Whether to fit the best candidate to all rows.
    error_score : "raise" or number, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=True
        Whether to compute scores of the training rows.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the samples of the rows.
    n_jobs : int or None, default=None
        Number of jobs. Shared passes run in threads.
    verbose : int, default=0
        Verbosity, as in scikit-learn.

    Attributes
    ----------
    shared_ : array of str of shape (n_fits,)
        What the fits of each candidate of each iteration have shared, as in :class:`GridSearchCV`,
        or "epochs": fits by themselves that the next iteration continues.
    cv_results_ : dict of arrays
        Scores and times of the candidates of all iterations.
    n_resources_, n_candidates_ : list of int
        Resources and candidates of each iteration.
    n_remaining_candidates_, n_iterations_, n_possible_iterations_, n_required_iterations_ : int
        As in scikit-learn.
    min_resources_, max_resources_ : int
        Smallest and largest amount of the resource.
    best_estimator_, best_score_, best_params_, best_index_ : objects
        The best candidate of the last iteration.
    scorer_, n_splits_, refit_time_, multimetric_ : objects
        As in scikit-learn.
    n_features_in_ : int
        Number of features, if the best candidate was fitted to all rows.
    feature_names_in_ : array of str
        Names of the features, if X had any.

    See Also
    --------
    HalvingRandomSearchCV : Candidates drawn at random.
    sklearn.model_selection.HalvingGridSearchCV : The class whose results it has.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import MiniBatchGDRegressor
    >>> from skgd.model_selection import HalvingGridSearchCV
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> search = HalvingGridSearchCV(
    ...     MiniBatchGDRegressor(tol=None, random_state=0),
    ...     {"learning_rate": np.logspace(-4, -1, 9)},
    ...     resource="max_iter",
    ...     max_resources=36,
    ... ).fit(X, y)
    >>> search.n_candidates_, search.n_resources_
    ([9, 3, 1], [4, 12, 36])
    >>> search.shared_[0]
    'updates'
    """


class HalvingRandomSearchCV(SharedSearchMixin, model_selection.HalvingRandomSearchCV):
    """Randomised search by successive halving, whose fits are continued.

    A subclass of scikit-learn's experimental class with the same parameters, methods and results.
    Fits share work as in :class:`GridSearchCV`. With ``resource="max_iter"``, or the `max_iter` of
    the last step of a pipeline, the fits of the candidates that go on are continued from where they
    ended in the last iteration, and their scores are those of separate fits. Where the learning
    rates depend on `max_iter`, fits start anew.

    Parameters
    ----------
    estimator : estimator
        Any estimator; fits of those of skgd, and of pipelines that end in one, share work.
    param_distributions : dict or list of dicts
        Lists or distributions of the parameters to draw.
    n_candidates : int or "exhaust", default="exhaust"
        Number of candidates of the first iteration. "exhaust" lets the last iteration use as much
        of the resource as possible.
    factor : float, default=3
        In each iteration, the best ``1 / factor`` of the candidates go on, with `factor` times the
        resources.
    resource : str, default="n_samples"
        What increases: the number of rows, or a parameter of the estimator.
    max_resources : int or "auto", default="auto"
        Largest amount of the resource; "auto" means all rows, and is not allowed for a parameter.
    min_resources : int, "exhaust" or "smallest", default="smallest"
        Amount of the first iteration. "exhaust" lets the last iteration use as much as possible.
    aggressive_elimination : bool, default=False
        Whether to repeat the first iteration until few enough candidates are left.
    cv : int, splitter or iterable, default=5
        Splits of the rows, the same in each call.
    scoring : str or callable, default=None
        Score of the predictions; None means the `score` method of the estimator.
    refit : bool, default=True
        Whether to fit the best candidate to all rows.
    error_score : "raise" or number, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=True
        Whether to compute scores of the training rows.
    random_state : int, RandomState instance or None, default=None
        Seed or generator of the samples of the rows, and of the candidates.
    n_jobs : int or None, default=None
        Number of jobs. Shared passes run in threads.
    verbose : int, default=0
        Verbosity, as in scikit-learn.

    Attributes
    ----------
    shared_ : array of str of shape (n_fits,)
        What the fits of each candidate of each iteration have shared, as in :class:`GridSearchCV`,
        or "epochs": fits by themselves that the next iteration continues.
    cv_results_ : dict of arrays
        Scores and times of the candidates of all iterations.
    n_resources_, n_candidates_ : list of int
        Resources and candidates of each iteration.
    n_remaining_candidates_, n_iterations_, n_possible_iterations_, n_required_iterations_ : int
        As in scikit-learn.
    min_resources_, max_resources_ : int
        Smallest and largest amount of the resource.
    best_estimator_, best_score_, best_params_, best_index_ : objects
        The best candidate of the last iteration.
    scorer_, n_splits_, refit_time_, multimetric_ : objects
        As in scikit-learn.
    n_features_in_ : int
        Number of features, if the best candidate was fitted to all rows.
    feature_names_in_ : array of str
        Names of the features, if X had any.

    See Also
    --------
    HalvingGridSearchCV : All combinations of given values.
    sklearn.model_selection.HalvingRandomSearchCV : The class whose results it has.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import MiniBatchGDRegressor
    >>> from skgd.model_selection import HalvingRandomSearchCV
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> search = HalvingRandomSearchCV(
    ...     MiniBatchGDRegressor(tol=None, random_state=0),
    ...     {"learning_rate": loguniform(1e-4, 0.1)},
    ...     resource="max_iter",
    ...     max_resources=36,
    ...     min_resources=4,
    ...     random_state=0,
    ... ).fit(X, y)
    >>> search.n_candidates_, search.n_resources_
    ([9, 3, 1], [4, 12, 36])
    >>> search.shared_[0]
    'updates'
    """
