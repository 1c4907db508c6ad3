"""Searches by successive halving: the results of scikit-learn's classes, from continued fits."""

import pickle

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn import model_selection
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

import skgd
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor, schedules
from skgd.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV, _paused
from skgd.solvers.descent import DescentLoop
from skgd.solvers.lockstep import LockstepLoop
from tests.helpers.executors import numpy_only
from tests.model_selection.test_search import assert_equal_results, table

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

XS, YS = table()
OPTIONS = {"resource": "max_iter", "max_resources": 12, "factor": 2, "cv": 2}
RATES = np.logspace(-3.5, -1.5, 6)


def mini_batches(loss="squared_error", **params):
    """Return mini-batch descent, which is the same in each fit."""
    return MiniBatchGDRegressor(loss, batch_size=8, random_state=0, **params)


def assert_equal_halving(estimator, grid, X=XS, y=YS, **options):
    """Search with both classes and compare the results; return our search."""
    options = OPTIONS | options
    with numpy_only():
        ours = HalvingGridSearchCV(estimator, grid, **options).fit(X, y)
        theirs = model_selection.HalvingGridSearchCV(estimator, grid, **options).fit(X, y)
    assert_equal_results(ours, theirs)
    assert sorted(set(vars(ours)) - {"shared_"}) == sorted(vars(theirs))
    assert ours.n_resources_ == theirs.n_resources_
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    return ours


@pytest.fixture
def epochs(monkeypatch):
    """Return a list that the number of epochs of each call of `run` is appended to."""
    counts = []

    def count(loop_class):
        run = loop_class.run

        def counted(self):
            before = self.n_epochs
            result = run(self)
            counts.append(self.n_epochs - before)
            return result

        monkeypatch.setattr(loop_class, "run", counted)

    count(DescentLoop)
    count(LockstepLoop)
    return counts


CONTINUED = [
    (mini_batches(tol=None), {"learning_rate": RATES}, "updates"),
    (mini_batches("huber", average=True), {"learning_rate": RATES}, "updates"),
    (
        mini_batches("absolute_error", learning_rate="adaptive", n_iter_no_change=1),
        {"eta0": RATES},
        "updates",
    ),
    (mini_batches(optimizer="adam", penalty="l1", tol=None), {"learning_rate": RATES}, "updates"),
    (
        SGDRegressor("huber", learning_rate="invscaling", random_state=0, tol=None),
        {"eta0": RATES, "alpha": [0.0, 0.1]},
        "updates",
    ),
    (SGDRegressor(shuffle=False, tol=None), {"eta0": RATES}, "epochs"),
    (mini_batches("huber", learning_rate="auto", standardize=False), {"alpha": RATES}, "epochs"),
    (BatchGDRegressor("huber", optimizer="gd"), {"learning_rate": RATES}, "epochs"),
    (BatchGDRegressor("poisson", learning_rate="line_search"), {"alpha": RATES}, "epochs"),
    (BatchGDRegressor("huber", optimizer="accelerated"), {"alpha": RATES}, "epochs"),
]


@pytest.mark.parametrize(("estimator", "grid", "shared"), CONTINUED, ids=str)
def test_continued_fits_equal_separate_ones(estimator, grid, shared):
    search = assert_equal_halving(estimator, grid)
    assert set(search.shared_) == {shared}


@pytest.mark.parametrize(
    ("estimator", "grid", "n_outputs"),
    [(*CONTINUED[0][:2], 2), *((*case[:2], None) for case in CONTINUED[1:5])],
    ids=str,
)
def test_few_fits_that_ran_together_are_continued_one_by_one(
    estimator, grid, n_outputs, monkeypatch
):
    monkeypatch.setattr(_paused, "gains_from_resuming", lambda n_models: n_models > 2)
    y = YS if n_outputs is None else np.column_stack([YS, XS[:, 2] * YS])
    search = assert_equal_halving(estimator, grid, y=y)
    assert set(search.shared_) == {"updates"}


@pytest.mark.usefixtures("on_numpy")
@pytest.mark.parametrize(
    ("estimator", "shared"), [(CONTINUED[0][0], "updates"), (CONTINUED[7][0], "epochs")]
)
def test_no_epoch_is_run_twice(estimator, shared, epochs):
    search = HalvingGridSearchCV(
        estimator.set_params(tol=None), {"learning_rate": RATES}, refit=False, **OPTIONS
    ).fit(XS, YS)
    assert search.n_candidates_ == [6, 3, 2]
    assert search.n_resources_ == [3, 6, 12]
    if shared == "updates":  # all candidates of a fold in one call
        assert sorted(epochs) == [3, 3, 3, 3, 6, 6]
    else:
        assert sorted(epochs) == 18 * [3] + 4 * [6]


@pytest.mark.parametrize("schedule", [schedules.CosineDecay(0.01), schedules.OneCycle(0.01)])
def test_fits_whose_rates_depend_on_the_number_of_epochs_start_anew(schedule, epochs):
    estimator = mini_batches(learning_rate=schedule, tol=None)
    assert_equal_halving(estimator, {"alpha": [0.0, 0.1, 0.2]}, max_resources=4, min_resources=2)
    assert 4 in epochs


def test_moments_of_the_folds_are_computed_once(monkeypatch):
    from skgd.model_selection._fold_moments import FoldMoments

    calls, compute = [], FoldMoments.compute
    monkeypatch.setattr(
        FoldMoments, "compute", lambda self, *args: calls.append(1) or compute(self, *args)
    )
    estimator = BatchGDRegressor(optimizer="gd", tol=None)
    search = assert_equal_halving(estimator, {"learning_rate": RATES})
    assert set(search.shared_) == {"moments"}
    assert len(calls) == 1


def test_a_pipeline_is_continued_by_its_last_step():
    estimator = make_pipeline(PolynomialFeatures(), mini_batches(tol=None))
    grid = {"minibatchgdregressor__learning_rate": RATES[1:], "polynomialfeatures__degree": [1, 2]}
    resource = "minibatchgdregressor__max_iter"
    search = assert_equal_halving(estimator, grid, X=XS[:, :3], resource=resource)
    assert set(search.shared_) == {"updates"}


@pytest.mark.parametrize(
    "options",
    [
        {"resource": "n_samples", "min_resources": 30, "max_resources": 60, "random_state": 0},
        {"resource": "batch_size"},
        {"aggressive_elimination": True, "max_resources": 4, "min_resources": 2},
        {"n_jobs": 2, "scoring": "neg_mean_absolute_error", "return_train_score": False},
        {"cv": model_selection.ShuffleSplit(2, random_state=0)},
    ],
    ids=str,
)
def test_options(options):
    estimator = mini_batches(tol=None, max_iter=4)  # unless it is the resource
    search = assert_equal_halving(estimator, {"learning_rate": RATES}, **options)
    assert set(search.shared_) == {"updates"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_diverging_candidate_does_not_disturb_the_others():
    grid = {"learning_rate": [1e-3, 1e3, 1e-2, 1e-1]}
    search = assert_equal_halving(mini_batches(tol=None), grid, error_score=-9.0)
    assert set(search.shared_) == {"updates", ""}


def test_other_estimators_are_left_to_scikit_learn():
    search = assert_equal_halving(
        Ridge(), {"alpha": [0.1, 1.0]}, resource="n_samples", max_resources=60, random_state=0
    )
    assert set(search.shared_) == {""}


@pytest.mark.parametrize(
    "options",
    [
        {"resource": "no parameter"},
        {"max_resources": "auto"},
        {"cv": model_selection.ShuffleSplit(2)},
    ],
)
def test_invalid_arguments_raise_the_errors_of_scikit_learn(options):
    with pytest.raises(ValueError) as expected:  # noqa: PT011
        model_selection.HalvingGridSearchCV(
            mini_batches(), {"alpha": [0.1]}, **OPTIONS | options
        ).fit(XS, YS)
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        HalvingGridSearchCV(mini_batches(), {"alpha": [0.1]}, **OPTIONS | options).fit(XS, YS)
    assert str(raised.value) == str(expected.value)


def test_randomised_search():
    options = OPTIONS | {"n_candidates": 6, "random_state": 0}
    distributions = {"learning_rate": loguniform(1e-4, 0.1)}
    with numpy_only():
        ours, theirs = (
            module.HalvingRandomSearchCV(mini_batches(tol=None), distributions, **options).fit(
                XS, YS
            )
            for module in (skgd.model_selection, model_selection)
        )
    assert_equal_results(ours, theirs)
    assert set(ours.shared_) == {"updates"}


def test_search_pickles_and_clones():
    search = HalvingGridSearchCV(mini_batches(tol=None), {"alpha": [0.0, 0.1]}, **OPTIONS)
    search.fit(XS, YS)
    restored = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(restored.predict(XS), search.predict(XS))
    assert not hasattr(clone(search), "shared_")
    assert isinstance(HalvingRandomSearchCV(Ridge(), {}), model_selection.HalvingRandomSearchCV)
