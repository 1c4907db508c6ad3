"""Searches, clones and pipelines: parameters arrive where they should, and nowhere else."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import LOSSES, Huber
from skgd.optimizers import OPTIMIZERS, Adam, Momentum
from skgd.penalties import PENALTIES, ElasticNet
from skgd.schedules import SCHEDULES, Constant, InverseScaling
from skgd.step_rules import STEP_RULES

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]
#: Every piece there is, by the parameter that takes it.
PIECES = [
    (parameter, component)
    for parameter, registry in [
        ("loss", LOSSES),
        ("penalty", PENALTIES),
        ("learning_rate", SCHEDULES | STEP_RULES),
        ("optimizer", OPTIMIZERS),
    ]
    for component in registry.values()
]


def quick(Regressor, **params):
    defaults = {"tol": None, "max_iter": 3, "optimizer": "gd", "standardize": True}
    if Regressor is not BatchGDRegressor:
        defaults["random_state"] = 0
    return Regressor(**defaults | params)


def rate_of_five(t):
    return 0.05


def search(model, grid, X, y, **options):
    return GridSearchCV(model, grid, cv=3, error_score="raise", **options).fit(X, y)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_rates_of_every_kind(Regressor, small):
    kinds = [0.001, 0.05, 0.2, "auto", "constant", Constant(0.1), InverseScaling(0.1), rate_of_five]
    found = search(quick(Regressor), {"learning_rate": kinds}, *small)
    assert found.best_estimator_.learning_rate in kinds
    scores = found.cv_results_["mean_test_score"]
    assert_allclose(scores[1], scores[-1], rtol=1e-12)  # the number, and the function of it
    assert len(np.unique(scores.round(9))) == len(kinds) - 1
    one = cross_val_score(quick(Regressor, learning_rate=0.05), *small, cv=3).mean()
    assert_allclose(scores[1], one, rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(
    ("base", "grid", "best"),
    [
        ({"learning_rate": "constant"}, {"eta0": [1e-6, 0.2]}, 0.2),
        ({"learning_rate": 0.2}, {"alpha": [1e3, 0.0]}, 0.0),
        ({"learning_rate": Constant(1e-9)}, {"learning_rate__eta0": [1e-6, 0.2]}, 0.2),
        (
            {"learning_rate": 0.005, "optimizer": Momentum(0.3)},
            {"optimizer__momentum": [0.0, 0.5]},
            0.5,
        ),
        (
            {"learning_rate": 0.1, "loss": Huber(7.0)},
            {"loss__epsilon": [1e-6, 5.0]},
            5.0,
        ),
        (
            {"learning_rate": 0.2, "penalty": ElasticNet(7.0)},
            {"penalty__alpha": [1e3, 0.0]},
            0.0,
        ),
    ],
    ids=["eta0", "alpha", "rate", "momentum", "epsilon", "penalty"],
)
def test_a_number_is_searched_and_arrives(Regressor, base, grid, best, small):
    X, y = small
    model = quick(Regressor, **base)
    ((name, _),) = grid.items()
    found = search(model, grid, X, y)
    assert found.best_params_ == {name: best}
    assert found.best_estimator_.get_params()[name] == best
    fitted = {"learning_rate": "schedule_", "optimizer": "optimizer_"}
    holder, _, inner = name.partition("__")
    if holder in fitted and inner:
        assert getattr(getattr(found.best_estimator_, fitted[holder]), inner) == best
    # what was there before is as it was
    assert {key: model.get_params()[key] for key in base} == base


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_objects_and_what_they_hold_in_one_grid(Regressor, small):
    originals = [Constant(0.5), InverseScaling(0.5)]
    grid = {"learning_rate": originals, "learning_rate__eta0": [0.01, 0.1]}
    found = search(quick(Regressor), grid, *small)
    best = found.best_params_
    assert found.best_estimator_.learning_rate == best["learning_rate"].replace(
        eta0=best["learning_rate__eta0"]
    )
    assert originals == [Constant(0.5), InverseScaling(0.5)]
    assert len(np.unique(found.cv_results_["mean_test_score"])) == 4


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_search_through_a_pipeline_in_two_processes(Regressor, small):
    pipeline = make_pipeline(StandardScaler(), quick(Regressor, learning_rate=Constant(0.3)))
    name = f"{Regressor.__name__.lower()}__learning_rate__eta0"
    found = search(pipeline, {name: [1e-6, 0.2]}, *small, n_jobs=2)
    assert found.best_estimator_[-1].learning_rate == Constant(0.2)
    assert pipeline[-1].learning_rate == Constant(0.3)


def test_nested_values_do_not_leak_into_a_shared_object():
    shared = Momentum(0.3)
    one, other = BatchGDRegressor(optimizer=shared), BatchGDRegressor(optimizer=shared)
    one.set_params(optimizer__momentum=0.5)
    assert (one.optimizer, other.optimizer, shared) == (Momentum(0.5), Momentum(0.3), Momentum(0.3))


def test_a_whole_object_is_set_before_what_it_holds():
    model = BatchGDRegressor().set_params(optimizer__beta1=0.5, optimizer=Adam())
    assert model.optimizer == Adam(beta1=0.5)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(("parameter", "component"), PIECES)
def test_every_number_in_a_piece_is_a_parameter(Regressor, parameter, component):
    model = Regressor(**{parameter: component()})
    nested = {f"{parameter}__{name}": value for name, value in component().get_params().items()}
    found = model.get_params()
    assert {name: found[name] for name in nested} == nested
    assert clone(model).get_params() == found
    assert clone(model).set_params(**nested).get_params() == found
    assert pickle.loads(pickle.dumps(model)).get_params() == found


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_parameters_that_do_not_exist(Regressor):
    model = Regressor(optimizer=Momentum(0.3), learning_rate="auto")
    with pytest.raises(ValueError, match=r"Momentum has no parameter 'momentun'.*Did you mean"):
        model.set_params(optimizer__momentun=0.1)
    with pytest.raises(ValueError, match=r"learning_rate='auto' is not a component"):
        model.set_params(learning_rate__eta0=0.1)
    with pytest.raises(ValueError, match=r"not a parameter of|Invalid parameter"):
        model.set_params(learning_rat__eta0=0.1)
    with pytest.raises(ValueError, match="Invalid parameter 'learning_rat'"):
        model.set_params(learning_rat=0.1)
    assert model.optimizer == Momentum(0.3)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_fitted_model_survives_the_pickle(Regressor, small):
    model = quick(Regressor, learning_rate=Constant(0.1)).fit(*small)
    back = pickle.loads(pickle.dumps(model))
    assert_array_equal(back.predict(small[0]), model.predict(small[0]))
    assert back.history_.keys() == model.history_.keys()
    assert not hasattr(clone(model), "coef_")


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_frames_through_a_pipeline(Regressor, output, small):
    X, y = small
    kinds = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
    frame = kinds[output](dict(zip("abc", X.T, strict=True)))
    if not hasattr(StandardScaler().fit(frame), "feature_names_in_"):
        pytest.skip("this scikit-learn reads no names from such frames")
    pipeline = make_pipeline(StandardScaler(), quick(Regressor)).set_output(transform=output)
    pipeline.fit(frame, y)
    assert pipeline[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    plain = make_pipeline(StandardScaler(), quick(Regressor)).fit(X, y)
    assert_allclose(pipeline.predict(frame), plain.predict(X), rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_cross_validation_in_two_processes(Regressor, small):
    predict = partial(cross_val_predict, quick(Regressor), *small, cv=3)
    with threadpool_limits(1):  # as in the processes: how BLAS adds depends on its threads
        assert_array_equal(predict(n_jobs=2), predict())
