"""The fits of the candidates of a search to its folds, and what they share.

Candidates whose pipelines differ in the last step only form a *group*. In each fold, the steps
before the last are fitted once for a group, and its models by the shared passes that support them
(:data:`PASSES`). All other fits are ordinary calls of `fit`.
"""

import copy
import logging
import warnings
from collections import defaultdict
from functools import cached_property, partial
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array, get_tags

from skgd.data.conversion import choose_dtype, to_float
from skgd.data.d2 import make_scorer
from skgd.data.dispatch import is_chunked_input
from skgd.data.in_memory import InMemoryData
from skgd.model_selection import _epochs, _moments, _updates
from skgd.model_selection._candidate import CachedRows
from skgd.model_selection._fold_moments import FoldMoments
from skgd.model_selection._keys import params_key
from skgd.model_selection._paused import PausedFits
from skgd.model_selection._rows import (
    FittedModel,
    TrainingRows,
    as_slice,
    multiply_rows,
    same_rows,
    take_rows,
)
from skgd.regressors import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.regressors._input import check_rows, check_weights

logger = logging.getLogger(__name__)

#: The estimators whose fits can be shared. Subclasses may fit or predict in another way.
ESTIMATORS = (BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor)

#: Modules of the shared passes, by the name of what is shared.
PASSES = {"moments": _moments, "updates": _updates, "epochs": _epochs}

#: What a fit can share, from the least to the most.
SHARING = ["", "transformers", "epochs", "moments", "updates"]

#: Largest rounding error of a score that is computed from second moments.
MAX_SCORE_ROUNDING = 1e-10


def can_share(estimator, X):
    """Return whether the fits of an estimator to X may share work."""
    is_indexable = issparse(X) or isinstance(X, (np.ndarray, list)) or hasattr(X, "iloc")
    is_in_memory = is_indexable and not is_chunked_input(X)
    return is_in_memory and split_pipeline(estimator) is not None


def split_pipeline(estimator):
    """Return the steps before the last, or None, and the last, a regressor of skgd.

    Return None if the estimator is something else.
    """
    prefix = None
    if type(estimator) is Pipeline:
        is_plain = estimator.memory is None and not estimator.verbose
        if not is_plain or getattr(estimator, "transform_input", None) is not None:
            return None
        prefix = estimator[:-1] if len(estimator.steps) > 1 else None
        estimator = estimator.steps[-1][1]
    if type(estimator) not in ESTIMATORS or getattr(estimator, "_skl_callbacks", None):
        return None
    return prefix, estimator


class Candidate(NamedTuple):
    """The estimator with the parameters of a candidate, taken apart where its fits can share work.

    Parameters
    ----------
    estimator : estimator
        The unfitted estimator.
    prefix : Pipeline or None
        The steps before the last.
    model : BaseGDRegressor or None
        The last step; None if nothing can be shared.
    group : tuple or None
        Equal for candidates with equal prefixes.
    """

    estimator: Any
    prefix: Any = None
    model: Any = None
    group: Any = None


def make_candidate(estimator, params):
    """Return the :class:`Candidate` of an unfitted estimator and parameters to set."""
    # Parameters of skgd's estimators are replaced, never changed, so that a copy is a clone.
    estimator = copy.copy(estimator) if type(estimator) in ESTIMATORS else clone(estimator)
    estimator.set_params(**clone(params, safe=False))
    parts = split_pipeline(estimator)
    if parts is None:
        return Candidate(estimator)
    prefix, model = parts
    if prefix is None:
        return Candidate(estimator, None, model, ())
    settings = prefix.get_params()
    if any(name.endswith("random_state") and settings[name] is None for name in settings):
        return Candidate(estimator)  # each fit of the transformers has a result of its own
    last = estimator.steps[-1][0]
    others = {name: value for name, value in params.items() if name.partition("__")[0] != last}
    return Candidate(estimator, prefix, model, params_key(others))


class SharedFits:
    """The fits of all candidates of a search to all folds.

    Parameters
    ----------
    estimator : estimator
        The estimator of the search.
    X, y, sample_weight : array-like
        The rows of the search, their targets and weights.
    resource : str or None, default=None
        The parameter that a search by successive halving increases.
    """

    def __init__(self, estimator, X, y, sample_weight=None, resource=None):
        self.estimator, self.X, self.y, self.sample_weight = estimator, X, y, sample_weight
        prefix = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
        self.can_continue = resource == f"{prefix}max_iter"
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        self.rows = CachedRows(np.arange(n_rows), n_rows)
        is_selectable = isinstance(y, (np.ndarray, list)) or hasattr(y, "iloc")
        self.targets = CachedRows(y, n_rows) if is_selectable else y
        self.keys, self.candidates, self.folds, self.shared = [], {}, [], []

    def set_candidates(self, candidates):
        """Set the parameters of the candidates that are evaluated next."""
        self.keys = list(map(params_key, candidates))
        estimator = clone(self.estimator)
        self.candidates = {
            key: make_candidate(estimator, params)
            for key, params in zip(self.keys, candidates, strict=True)
        }

    def set_splits(self, splits):
        """Set the splits on which the candidates are evaluated.

        If the training rows are those of the last splits, the moments and paused fits are kept.
        """
        rows, last = self.rows, self.folds
        self.folds = [Fold(self, rows[train], rows[test]) for train, test in splits]
        pairs = list(zip(self.folds, last, strict=False))
        if len(pairs) == len(self.folds) and all(same_rows(f.train, o.train) for f, o in pairs):
            for fold, other in pairs:
                fold.train, fold.paused = other.train, other.paused
                if same_rows(fold.test, other.test):
                    fold.test = other.test
        else:
            tests = [fold.test for fold in self.folds]
            self.moments = FoldMoments([fold.train for fold in self.folds], tests)

    @cached_property
    def tags(self):
        """Tags of the estimator."""
        return get_tags(self.estimator)

    @cached_property
    def checked(self):
        """All rows as :class:`~skgd.data.InMemoryData`, checked as by a fit to them."""
        _, model = split_pipeline(self.estimator)
        return check_rows(clone(model), self.X, self.y, None, reset=True)

    def fit(self, params, rows, y, fit_params):
        """Return a fitted candidate, with a method `predict` that is given row numbers.

        Parameters
        ----------
        params : dict
            Parameters of the candidate.
        rows : array
            Numbers of the rows.
        y : array-like
            Their targets.
        fit_params : dict
            Other arguments of `fit`.
        """
        key, is_whole = params_key(params), rows is self.rows
        if key in self.candidates and not is_whole:
            fold = next((fold for fold in self.folds if same_rows(rows, fold.train)), None)
            fitted = fold and fold.fit(key, y, fit_params)
            if fitted:
                return fitted
        estimator = clone(self.estimator).set_params(**params)
        X, y = (self.X, self.y) if is_whole else (take_rows(self.X, rows), y)
        return OrdinaryFit(estimator.fit(X, y, **fit_params), self.X)

    def describe(self):
        """Return what the fits of each candidate of the last evaluation have shared, as a list."""
        return [min((f.describe(key) for f in self.folds), key=SHARING.index) for key in self.keys]


class OrdinaryFit:
    """A model fitted by its own method, whose `predict` is given row numbers."""

    def __init__(self, model, X):
        self.model, self.X = model, X

    def predict(self, rows):
        """Return the predictions for rows."""
        return self.model.predict(take_rows(self.X, rows))

    def score(self, rows, y, sample_weight=None):
        """Return the score for rows."""
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.model.score(take_rows(self.X, rows), y, **options)


class Fold:
    """The fits of all candidates to the training rows of one split.

    Parameters
    ----------
    fits : SharedFits
        The fits to all folds.
    train, test : array
        Row numbers.
    """

    def __init__(self, fits, train, test):
        self.fits, self.train, self.test = fits, train, test
        self.groups, self.paused, self.lock = {}, {}, Lock()

    def fit(self, key, y, fit_params):
        """Return what a shared pass has fitted for a candidate, or None."""
        group = self.fits.candidates[key].group
        if group is None:
            return None
        with self.lock:
            if group not in self.groups:
                members = {k: c for k, c in self.fits.candidates.items() if c.group == group}
                self.groups[group] = GroupFit(self, members, y, fit_params)
        return self.groups[group].result(key)

    def describe(self, key):
        """Return what the fit of a candidate has shared."""
        group = self.groups.get(self.fits.candidates[key].group)
        return "" if group is None else group.sharing.get(key, "")


class GroupFit:
    """The fits of candidates with equal prefixes to one fold.

    Parameters
    ----------
    fold : Fold
        The fold.
    members : dict of Candidate
        The candidates by key.
    y : array-like
        Targets of the fold.
    fit_params : dict
        Other arguments of `fit`.

    Attributes
    ----------
    fitted : dict
        A :class:`FittedModel`, a fitted estimator or an error by key of a candidate.
    sharing : dict
        What its fit has shared.
    """

    def __init__(self, fold, members, y, fit_params):
        self.fold, self.members = fold, members
        self.fitted, self.sharing, self.lock = {}, {}, Lock()
        self.predictions, self.scores = {}, {}
        self.prefix = next(iter(members.values())).prefix
        try:
            prefix_params, last_params = self.split_params(fit_params)
            X = None
            if self.prefix is not None:
                X = take_rows(fold.fits.X, fold.train)
                self.prefix = clone(self.prefix)
                X = self.prefix.fit_transform(X, y, **prefix_params)
        except Exception:
            return  # each candidate raises it in an ordinary fit
        if last_params.keys() <= {"sample_weight"}:
            self.run_passes(X, y, last_params.get("sample_weight"))
        if self.prefix is not None and len(members) > 1:
            self.fit_others(X, y, last_params)

    def split_params(self, fit_params):
        """Return the arguments of `fit` of the steps before the last, and of the last."""
        if self.prefix is None:
            return {}, fit_params
        if fit_params and get_config()["enable_metadata_routing"]:
            raise ValueError("Routed metadata is left to the pipeline.")
        last = next(iter(self.members.values())).estimator.steps[-1][0]
        for_last = {name for name in fit_params if name.partition("__")[0] == last}
        return (
            {name: value for name, value in fit_params.items() if name not in for_last},
            {name.partition("__")[2]: fit_params[name] for name in for_last},
        )

    def run_passes(self, X, y, sample_weight):
        """Fit the models that a shared pass supports."""
        for name, shared_pass in PASSES.items():
            keys = [key for key in self.members if key not in self.fitted]
            try:
                rows = self.training_rows(X, y, sample_weight)
                models = [self.members[key].model for key in keys]
                fitted = shared_pass.fit_models(models, rows)
            except Exception:  # ordinary fits decide what is an error
                logger.debug("The shared pass of %s failed.", name, exc_info=True)
                continue
            for key, model in zip(keys, fitted, strict=True):
                if model is not None:
                    self.fitted[key], self.sharing[key] = model, name

    def training_rows(self, X, y, sample_weight):
        """Return the checked :class:`TrainingRows`; X is None if the rows are not transformed."""
        fits, index, moments, paused = self.fold.fits, self.fold.train, None, None
        if fits.can_continue:
            group = next(iter(self.members.values())).group
            paused = self.fold.paused.setdefault(group, defaultdict(PausedFits))
        if X is None:
            data = fits.checked
            y = data.y[index]
            moments = partial(fits.moments.of_fold, index, data, fits.sample_weight)
        else:
            model = clone(next(iter(self.members.values())).model)
            data = check_rows(model, X, y, None, reset=True)
            y, index = data.y, np.arange(len(data))
        weights = check_weights("sample_weight", sample_weight, y, data.dtype)
        if weights is not None and not weights.all():
            has_weight = weights > 0
            index, y, weights = index[has_weight], y[has_weight], weights[has_weight]
        return TrainingRows(data.X, as_slice(index), y, weights, moments, paused)

    def fit_others(self, X, y, last_params):
        """Fit the other models to the transformed rows, one by one."""
        for key, candidate in self.members.items():
            if key in self.fitted:
                continue
            try:
                self.fitted[key] = clone(candidate.model).fit(X, y, **last_params)
            except Exception as error:
                self.fitted[key] = error
            self.sharing[key] = "transformers"

    def result(self, key):
        """Return the fit of a candidate, or None; raise its error, or issue its warning."""
        fitted = self.fitted.get(key)
        if isinstance(fitted, Exception):
            raise fitted
        if isinstance(fitted, FittedModel) and fitted.message:
            warnings.warn(fitted.message, ConvergenceWarning, stacklevel=2)
        return None if fitted is None else SharedFit(self, key)

    def predict(self, rows):
        """Return the predictions of all models for rows, by key of the candidate."""
        name = self.find_rows(rows)
        if name is None:
            return self.compute_predictions(rows)
        with self.lock:
            if name not in self.predictions:
                self.predictions[name] = self.compute_predictions(rows)
            return self.predictions[name]

    def r2_by_moments(self, rows):
        """Return the R² of models for rows by key, where second moments determine it accurately."""
        name = self.find_rows(rows) if self.prefix is None else None
        known = None if name is None else getattr(self.fold, name)
        moments = self.fold.fits.moments.of_rows(known)
        if moments is None:
            return {}
        with self.lock:
            if name not in self.scores:
                shared = {k: f for k, f in self.fitted.items() if isinstance(f, FittedModel)}
                self.scores[name] = r2_together(shared, moments)
            return self.scores[name]

    def find_rows(self, rows):
        """Return "test" or "train", whichever rows of the fold the given ones are, or None."""
        names = "test", "train"
        return next((name for name in names if same_rows(rows, getattr(self.fold, name))), None)

    def transform(self, rows):
        """Return the transformed rows."""
        if self.prefix is None:
            return self.fold.fits.checked.X[as_slice(rows)]
        return self.prefix.transform(take_rows(self.fold.fits.X, rows))

    def compute_predictions(self, rows):
        """Return the predictions of all models for rows, by key of the candidate."""
        X = self.transform(rows)
        shared = {key: f for key, f in self.fitted.items() if isinstance(f, FittedModel)}
        predictions = predict_together(shared, X) if shared else {}
        for key, fitted in self.fitted.items():
            if key not in shared and not isinstance(fitted, Exception):
                predictions[key] = fitted.predict(X)
        return predictions


def predict_together(models, X):
    """Return the predictions of linear models for rows by key, from one product.

    Parameters
    ----------
    models : dict of FittedModel
        The models by key.
    X : array-like or sparse matrix of shape (n, d)
        Rows.
    """
    X = to_float(check_array(X, accept_sparse="csr", dtype=choose_dtype(X)))
    coefs = np.array([model.coef for model in models.values()])
    return {
        key: model.loss.predict(product.T + model.intercept)
        for (key, model), product in zip(models.items(), multiply_rows(X, coefs), strict=True)
    }


def r2_together(models, moments):
    """Return the R² of linear models by key, from the second moments of rows; None if inaccurate.

    Parameters
    ----------
    models : dict of FittedModel
        The models by key.
    moments : SecondMoments
        Moments of the rows.
    """
    if not models:
        return {}
    coefs = np.array([model.coef for model in models.values()])
    intercepts = np.array([model.intercept for model in models.values()])
    errors, rounding = moments.mean_squared_errors(coefs, intercepts)
    variance = moments.y_variance
    is_accurate = np.all(rounding <= MAX_SCORE_ROUNDING * variance, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.mean(1 - errors / variance, axis=-1)
    return {
        key: float(score) if ok else None
        for key, score, ok in zip(models, scores, is_accurate, strict=True)
    }


class SharedFit:
    """The fit of one candidate in a group, whose `predict` is given row numbers."""

    def __init__(self, group, key):
        self.group, self.key = group, key

    def predict(self, rows):
        """Return the predictions for rows."""
        return self.group.predict(rows)[self.key]

    def score(self, rows, y, sample_weight=None):
        """Return the score of the model for rows: R², or D² where its loss has a link."""
        model = self.group.fitted[self.key]
        is_shared = isinstance(model, FittedModel)
        loss = model.loss if is_shared else model.loss_
        if not loss.has_link():
            score = self.group.r2_by_moments(rows).get(self.key) if sample_weight is None else None
            if score is not None:
                return score
            return r2_score(y, self.predict(rows), sample_weight=sample_weight)
        X = self.group.transform(rows)
        if not is_shared:
            return model.score(X, y, sample_weight)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        score = make_scorer(loss, InMemoryData(X, np.asarray(y), weights))
        return score(lambda X, offset: X @ model.coef.T + model.intercept)
