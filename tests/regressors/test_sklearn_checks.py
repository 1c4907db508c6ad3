"""The estimator checks of scikit-learn."""

import pytest
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skgd import BatchGDRegressor, SGDRegressor, losses
from skgd.losses import LOSSES
from skgd.model_selection import BatchGDRegressorCV
from tests.helpers.regressors import REGRESSORS, STOCHASTIC


def expected_failed_checks(estimator):
    failed = {}
    if isinstance(estimator, SGDRegressor):  # scikit-learn expects both to fail for its own
        failed = {
            f"check_sample_weight_equivalence_on_{kind}_data": (
                "A row of weight 2 makes one update, the same row repeated makes two."
            )
            for kind in ("dense", "sparse")
        }
    if get_tags(estimator).target_tags.positive_only:
        failed["check_regressor_multioutput"] = "The check ignores the tag `positive_only`."
    return failed


#: Estimators with other losses. Few epochs keep the time of the tests short.
OTHERS = [
    BatchGDRegressor(loss, max_iter=100)
    for loss in LOSSES
    if loss not in ("squared_error", "binomial")  # the targets of the checks are no fractions
]
OTHERS += [
    Regressor(loss, learning_rate="auto", standardize=True, max_iter=10)
    for Regressor in STOCHASTIC
    for loss in ("poisson", "gamma")
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # as in its own suite
@parametrize_with_checks(
    [*(Regressor() for Regressor in REGRESSORS), *OTHERS, BatchGDRegressorCV(alphas=3)],
    expected_failed_checks=expected_failed_checks,
)
def test_estimator_check_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_tag_of_positive_targets_follows_the_loss():
    class Shifted(losses.Poisson):
        """Defined for targets of at least -2."""

        def check_targets(self, y):
            super().check_targets(y + 2)

    for Regressor in REGRESSORS:
        for loss in LOSSES:
            tags = get_tags(Regressor(loss)).target_tags
            assert tags.positive_only == LOSSES[loss]().has_link()
        assert get_tags(Regressor(losses.Gamma())).target_tags.positive_only
        assert not get_tags(Regressor(Shifted())).target_tags.positive_only
        assert not get_tags(Regressor("no loss")).target_tags.positive_only
