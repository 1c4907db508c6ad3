"""scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

# scikit-learn declares the same two for its own SGDRegressor. The checks compare a row of weight 2
# with the row given twice. One long step is not two short ones, and the rows come in another order.
STOCHASTIC = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a weighted step is not a repeated step"
    for kind in ("dense", "sparse")
}


def expected_failed_checks(estimator):
    return {} if isinstance(estimator, BatchGDRegressor) else STOCHASTIC


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # as in its own suite
@parametrize_with_checks(
    [BatchGDRegressor(), MiniBatchGDRegressor(), SGDRegressor()],
    expected_failed_checks=expected_failed_checks,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
