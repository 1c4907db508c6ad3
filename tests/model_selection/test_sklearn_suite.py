"""scikit-learn's own tests of its searches, with the classes of skgd in place of its own."""

import pytest
from sklearn.model_selection.tests import test_search as suite

from skgd.model_selection import GridSearchCV, RandomizedSearchCV

#: Tests that are not run, with the reason.
EXCLUDED = {
    "test_custom_run_search": "compares all attributes with a class that lacks shared_",
    "test_array_api_search_cv_classifier": "needs packages that the tests do not install",
}

suite.GridSearchCV, suite.RandomizedSearchCV = GridSearchCV, RandomizedSearchCV

globals().update(
    (name, function)
    for name, function in vars(suite).items()
    if name.startswith("test_") and name not in EXCLUDED
)

pytestmark = pytest.mark.filterwarnings("default")
