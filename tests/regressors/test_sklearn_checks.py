"""The estimator checks of scikit-learn."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import SGDRegressor
from tests.helpers.regressors import REGRESSORS


def expected_failed_checks(estimator):
    if not isinstance(estimator, SGDRegressor):
        return {}
    return {  # scikit-learn expects both to fail for its own SGDRegressor
        f"check_sample_weight_equivalence_on_{kind}_data": (
            "A row of weight 2 makes one update, the same row repeated makes two."
        )
        for kind in ("dense", "sparse")
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # as in its own suite
@parametrize_with_checks(
    [Regressor() for Regressor in REGRESSORS], expected_failed_checks=expected_failed_checks
)
def test_estimator_check_of_scikit_learn(estimator, check):
    check(estimator)
