"""Grid searches, clones, pickles and pipelines set the parameters they are given and no others."""

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

from skgd import BatchGDRegressor
from skgd.losses import Huber
from skgd.optimizers import Adam, Momentum
from skgd.penalties import ElasticNet
from skgd.schedules import Constant, InverseScaling
from tests.helpers.regressors import COMPONENTS, REGRESSORS, build

#: A regressor that runs three epochs.
three_epochs = partial(
    build, tol=None, max_iter=3, optimizer="gd", standardize=True, random_state=0
)


def constant_rate(t):
    return 0.05


def search(model, grid, X, y, **options):
    return GridSearchCV(model, grid, cv=3, error_score="raise", **options).fit(X, y)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_search_over_learning_rates_of_every_kind(Regressor, small):
    kinds = [
        0.001,
        0.05,
        0.2,
        "auto",
        "constant",
        Constant(0.1),
        InverseScaling(0.1),
        constant_rate,
    ]
    result = search(three_epochs(Regressor), {"learning_rate": kinds}, *small)
    assert result.best_estimator_.learning_rate in kinds
    scores = result.cv_results_["mean_test_score"]
    assert_allclose(scores[1], scores[-1], rtol=1e-12)  # a number, and a function that returns it
    assert len(np.unique(scores.round(9))) == len(kinds) - 1
    one = cross_val_score(three_epochs(Regressor, learning_rate=0.05), *small, cv=3).mean()
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
        ({"learning_rate": 0.1, "loss": Huber(7.0)}, {"loss__epsilon": [1e-6, 5.0]}, 5.0),
        ({"learning_rate": 0.2, "penalty": ElasticNet(7.0)}, {"penalty__alpha": [1e3, 0.0]}, 0.0),
    ],
    ids=["eta0", "alpha", "rate", "momentum", "epsilon", "penalty"],
)
def test_searched_number_reaches_the_fitted_component(Regressor, base, grid, best, small):
    X, y = small
    model = three_epochs(Regressor, **base)
    ((name, _),) = grid.items()
    result = search(model, grid, X, y)
    assert result.best_params_ == {name: best}
    assert result.best_estimator_.get_params()[name] == best
    fitted = {"learning_rate": "schedule_", "optimizer": "optimizer_"}
    holder, _, inner = name.partition("__")
    if holder in fitted and inner:
        assert getattr(getattr(result.best_estimator_, fitted[holder]), inner) == best
    # the search does not change its estimator
    assert {key: model.get_params()[key] for key in base} == base


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_grid_of_components_and_their_parameters(Regressor, small):
    originals = [Constant(0.5), InverseScaling(0.5)]
    grid = {"learning_rate": originals, "learning_rate__eta0": [0.01, 0.1]}
    result = search(three_epochs(Regressor), grid, *small)
    best = result.best_params_
    assert result.best_estimator_.learning_rate == best["learning_rate"].replace(
        eta0=best["learning_rate__eta0"]
    )
    assert originals == [Constant(0.5), InverseScaling(0.5)]
    assert len(np.unique(result.cv_results_["mean_test_score"])) == 4


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_search_through_a_pipeline_in_two_processes(Regressor, small):
    pipeline = make_pipeline(StandardScaler(), three_epochs(Regressor, learning_rate=Constant(0.3)))
    name = f"{Regressor.__name__.lower()}__learning_rate__eta0"
    result = search(pipeline, {name: [1e-6, 0.2]}, *small, n_jobs=2)
    assert result.best_estimator_[-1].learning_rate == Constant(0.2)
    assert pipeline[-1].learning_rate == Constant(0.3)


def test_nested_parameters_do_not_change_a_shared_component():
    shared = Momentum(0.3)
    one, other = BatchGDRegressor(optimizer=shared), BatchGDRegressor(optimizer=shared)
    one.set_params(optimizer__momentum=0.5)
    assert (one.optimizer, other.optimizer, shared) == (Momentum(0.5), Momentum(0.3), Momentum(0.3))


def test_component_is_set_before_its_parameters():
    model = BatchGDRegressor().set_params(optimizer__beta1=0.5, optimizer=Adam())
    assert model.optimizer == Adam(beta1=0.5)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize(("parameter", "component"), COMPONENTS)
def test_every_field_of_a_component_is_a_nested_parameter(Regressor, parameter, component):
    model = Regressor(**{parameter: component})
    nested = {f"{parameter}__{name}": value for name, value in component.get_params().items()}
    params = model.get_params()
    assert {name: params[name] for name in nested} == nested
    assert clone(model).get_params() == params
    assert clone(model).set_params(**nested).get_params() == params
    assert pickle.loads(pickle.dumps(model)).get_params() == params


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_unknown_parameters_are_rejected(Regressor):
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
def test_fitted_model_can_be_pickled(Regressor, small):
    model = three_epochs(Regressor, learning_rate=Constant(0.1)).fit(*small)
    restored = pickle.loads(pickle.dumps(model))
    assert_array_equal(restored.predict(small[0]), model.predict(small[0]))
    assert restored.history_.keys() == model.history_.keys()
    assert not hasattr(clone(model), "coef_")


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_data_frames_through_a_pipeline(Regressor, output, small):
    X, y = small
    kinds = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
    frame = kinds[output](dict(zip("abc", X.T, strict=True)))
    if not hasattr(StandardScaler().fit(frame), "feature_names_in_"):
        pytest.skip("this scikit-learn reads no names from such frames")
    pipeline = make_pipeline(StandardScaler(), three_epochs(Regressor)).set_output(transform=output)
    pipeline.fit(frame, y)
    assert pipeline[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    plain = make_pipeline(StandardScaler(), three_epochs(Regressor)).fit(X, y)
    assert_allclose(pipeline.predict(frame), plain.predict(X), rtol=1e-12)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_cross_validation_in_two_processes(Regressor, small):
    predict = partial(cross_val_predict, three_epochs(Regressor), *small, cv=3)
    with threadpool_limits(1):  # as in the processes: how BLAS adds depends on its threads
        assert_array_equal(predict(n_jobs=2), predict())
