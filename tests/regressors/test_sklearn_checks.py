"""scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor


def expected_failed_checks(estimator):
    if not isinstance(estimator, SGDRegressor):
        return {}
    return {  # scikit-learn declares both for its own SGDRegressor, too
        f"check_sample_weight_equivalence_on_{kind}_data": (
            "A row of weight 2 is one long step, the same row given twice is two short ones."
        )
        for kind in ("dense", "sparse")
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # as in its own suite
@parametrize_with_checks(
    [BatchGDRegressor(), MiniBatchGDRegressor(), SGDRegressor()],
    expected_failed_checks=expected_failed_checks,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
