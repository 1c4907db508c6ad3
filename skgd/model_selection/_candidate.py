"""What scikit-learn's search is given in place of estimator, rows and splitter."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from skgd.model_selection._rows import take_rows


class CachedRows:
    """Rows of which a selection is made once, though a search repeats it for every candidate.

    They are indexed as a pandas Series, by `iloc` and `take`, the first that scikit-learn looks
    for: each of its other checks takes as long as the selection.

    Parameters
    ----------
    rows : array-like
        Row numbers, or targets.
    n_rows : int
        How many there are.
    """

    def __init__(self, rows, n_rows):
        self.rows, self.shape, self.selections = rows, (n_rows,), {}

    def __len__(self):
        return self.shape[0]

    @property
    def iloc(self):
        """The rows themselves, which are indexed by position."""
        return self

    def take(self, index, axis=0):
        """Return the rows at an array of numbers."""
        return self[index]

    def __getitem__(self, index):
        if id(index) not in self.selections:
            numbers = np.arange(len(self))[index]
            self.selections[id(index)] = index, take_rows(self.rows, numbers)
        return self.selections[id(index)][1]


class CandidateModel(RegressorMixin, BaseEstimator):
    """An estimator whose X are row numbers and whose models were fitted in a shared pass.

    Parameters
    ----------
    estimator : estimator
        The estimator of the search.
    fits : SharedFits
        Where models are looked up.
    """

    def __init__(self, estimator, fits):
        self.estimator, self.fits = estimator, fits
        self.params = {}

    def __sklearn_clone__(self):
        return CandidateModel(self.estimator, self.fits)

    def get_params(self, deep=True):
        """Return the parameters of the estimator."""
        return self.estimator.get_params(deep)

    def set_params(self, **params):
        """Set the parameters of the candidate."""
        self.params = params
        return self

    def fit(self, rows, y, **fit_params):
        """Look up the model fitted to these rows."""
        self.fitted_ = self.fits.fit(self.params, rows, y, fit_params)
        return self

    def predict(self, rows):
        """Return the predictions of the model for these rows."""
        return self.fitted_.predict(rows)

    def score(self, rows, y, sample_weight=None):
        """Return the score of the model for these rows."""
        return self.fitted_.score(rows, y, sample_weight)

    def get_metadata_routing(self):
        """Return the metadata routing of the estimator."""
        return self.estimator.get_metadata_routing()

    @property
    def _metadata_request(self):
        """The requests of the estimator, which scorers of scikit-learn 1.6 copy."""
        return self.estimator._metadata_request

    def __sklearn_tags__(self):
        return self.fits.tags

    @property
    def feature_names_in_(self):
        """Names of the features of the fitted estimator, if it has them."""
        return self.fitted_.model.feature_names_in_


class SplitterOnData:
    """A splitter that is given row numbers and splits the rows.

    Parameters
    ----------
    splitter : splitter
        What splits the rows.
    fits : SharedFits
        Has the rows, and is told the splits.
    """

    def __init__(self, splitter, fits):
        self.splitter, self.fits = splitter, fits

    def __getattr__(self, name):
        if name == "splitter":  # not set yet: the object is being unpickled
            raise AttributeError(name)
        return getattr(self.splitter, name)

    def __repr__(self):
        return repr(self.splitter)

    def split(self, rows, y=None, **params):
        """Return the splits of the rows."""
        splits = list(self.splitter.split(self.fits.X, self.fits.y, **params))
        numbers = np.arange(len(self.fits.rows))  # instead of masks
        splits = [(numbers[train], numbers[test]) for train, test in splits]
        self.fits.set_splits(splits)
        return splits

    def get_n_splits(self, rows=None, y=None, **params):
        """Return the number of splits."""
        return self.splitter.get_n_splits(self.fits.X, self.fits.y, **params)
