"""One test per package of the user guide's page "With other tools"; each is skipped without it."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.losses import Quantile

# Other packages warn of their own deprecations.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def rows():
    """Training rows, test rows, training targets and test targets, in raw units."""
    return train_test_split(*load_diabetes(return_X_y=True, scaled=False), random_state=0)


@pytest.fixture
def synchronous():
    """Dask's synchronous scheduler."""
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler="synchronous"):
        yield


def test_optuna(rows):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X_train, X_val, y_train, y_val = rows

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-4, 10.0, log=True)
        model = MiniBatchGDRegressor(learning_rate=rate, random_state=0)
        for epoch in range(5):
            model.partial_fit(X_train, y_train)
            trial.report(model.score(X_val, y_val), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return model.score(X_val, y_val)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    for rate in (0.1, 5.0):
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective, n_trials=10, catch=(ValueError,))
    states = [trial.state.name for trial in study.trials]
    assert len(states) == 10
    assert states[1] == "FAIL"  # it diverges
    assert study.best_value > 0.2


def test_bayes_search_cv_of_scikit_optimize(rows):
    skopt = pytest.importorskip("skopt")
    search = skopt.BayesSearchCV(
        BatchGDRegressor(),
        {"alpha": skopt.space.Real(1e-4, 1e2, prior="log-uniform"), "penalty": ["l1", "l2"]},
        n_iter=4,
        cv=3,
        random_state=0,
    )
    assert search.fit(rows[0], rows[2]).score(rows[1], rows[3]) > 0.2


def test_bayes_search_cv_over_rates_that_diverge(rows):
    skopt = pytest.importorskip("skopt")
    search = skopt.BayesSearchCV(
        MiniBatchGDRegressor(on_divergence="warn", random_state=0),
        {"learning_rate": [1e-2, 1e2, 1e4]},
        n_iter=3,
        cv=3,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        search.fit(rows[0], rows[2])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["learning_rate"] == 1e-2


def models(X, y):
    """Return one fitted model of each kind of state that a file has to hold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            BatchGDRegressor("poisson").fit(X, y),
            BatchGDRegressor(Quantile(level=[0.1, 0.9]), record="path").fit(X, y),
            MiniBatchGDRegressor(max_iter=3, optimizer="adam", learning_rate=0.1).fit(X, y),
            SGDRegressor(learning_rate="auto", standardize=True, average=True).fit(X, y),
        ]


def test_skops_trusts_public_types_only(rows):
    skops = pytest.importorskip("skops.io")
    for model in models(rows[0], rows[2]):
        saved = skops.dumps(make_pipeline(StandardScaler(), model))
        assert set(skops.get_untrusted_types(data=saved)) <= set(skgd.TRUSTED_TYPES)
        loaded = skops.loads(saved, trusted=skgd.TRUSTED_TYPES)[-1]
        np.testing.assert_array_equal(loaded.predict(rows[1]), model.predict(rows[1]))
        for name, column in model.history_.items():
            np.testing.assert_array_equal(loaded.history_[name], column)
        loaded.partial_fit(rows[0], rows[2])
        np.testing.assert_array_equal(loaded.coef_, model.partial_fit(rows[0], rows[2]).coef_)


def test_mlflow(rows, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy", reason="mlflow-skinny has no store")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    model = BatchGDRegressor("poisson").fit(rows[0], rows[2])
    with mlflow.start_run():
        for epoch, objective in enumerate(model.history_["objective"]):
            mlflow.log_metric("objective", objective, step=epoch)
        info = mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            skops_trusted_types=skgd.TRUSTED_TYPES,
        )
    loaded = mlflow.sklearn.load_model(info.model_uri)
    np.testing.assert_array_equal(loaded.predict(rows[1]), model.predict(rows[1]))


def test_shap(rows):
    shap = pytest.importorskip("shap")
    model = BatchGDRegressor().fit(rows[0], rows[2])
    background = shap.maskers.Independent(rows[0], max_samples=len(rows[0]))
    values = shap.LinearExplainer(model, background)(rows[1]).values
    expected = (rows[1] - rows[0].mean(axis=0)) * model.coef_
    np.testing.assert_allclose(values, expected, atol=1e-8)


def test_mapie_conformal_intervals(rows):
    regression = pytest.importorskip("mapie.regression")
    X_fit, X_conform, y_fit, y_conform = train_test_split(rows[0], rows[2], random_state=0)
    split = regression.SplitConformalRegressor(
        BatchGDRegressor().fit(X_fit, y_fit), confidence_level=0.8, prefit=True
    )
    _, intervals = split.conformalize(X_conform, y_conform).predict_interval(rows[1])
    coverage = np.mean((intervals[:, 0, 0] <= rows[3]) & (rows[3] <= intervals[:, 1, 0]))
    assert 0.65 < coverage < 0.95
    # Quantile regression: the lower, the upper and the median model.
    levels = [BatchGDRegressor("quantile", quantile=q).fit(X_fit, y_fit) for q in (0.1, 0.9, 0.5)]
    quantiles = regression.ConformalizedQuantileRegressor(
        levels, confidence_level=0.8, prefit=True
    ).conformalize(X_conform, y_conform)
    _, intervals = quantiles.predict_interval(rows[1])
    coverage = np.mean((intervals[:, 0, 0] <= rows[3]) & (rows[3] <= intervals[:, 1, 0]))
    assert 0.65 < coverage < 0.95


@pytest.fixture(scope="module")
def series():
    """A monthly series with a trend and a season."""
    pd = pytest.importorskip("pandas")
    months = np.arange(72)
    values = 10 + 0.1 * months + np.sin(2 * np.pi * months / 12)
    return pd.Series(values, index=pd.period_range("2015-01", periods=72, freq="M"), name="y")


def test_sktime(series):
    compose = pytest.importorskip("sktime.forecasting.compose")
    forecaster = compose.make_reduction(BatchGDRegressor(), window_length=13)
    predictions = forecaster.fit(series[:60]).predict(fh=np.arange(1, 13))
    np.testing.assert_allclose(predictions, series[60:], atol=0.05)


def test_skforecast(series):
    recursive = pytest.importorskip("skforecast.recursive")
    forecaster = recursive.ForecasterRecursive(estimator=BatchGDRegressor(), lags=13)
    months = series.index.to_timestamp()
    forecaster.fit(series[:60].set_axis(months[:60]).asfreq("MS"))
    np.testing.assert_allclose(forecaster.predict(steps=12), series[60:], atol=0.05)


def test_dask_ml(rows, synchronous):
    pytest.importorskip("dask_ml")
    from dask_ml.wrappers import Incremental, ParallelPostFit

    da = pytest.importorskip("dask.array")
    X, y = da.from_array(rows[0], chunks=(100, 10)), da.from_array(rows[2], chunks=100)
    predictor = ParallelPostFit(BatchGDRegressor()).fit(rows[0], rows[2])
    expected = BatchGDRegressor().fit(rows[0], rows[2]).predict(rows[0])
    np.testing.assert_allclose(predictor.predict(X), expected)
    incremental = Incremental(MiniBatchGDRegressor(random_state=0)).fit(X, y)
    assert incremental.estimator_.score(rows[0], rows[2]) > 0.3


def test_feature_engine(rows):
    selection = pytest.importorskip("feature_engine.selection")
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rows[0], columns=[f"x{j}" for j in range(10)])
    selector = selection.RecursiveFeatureElimination(
        BatchGDRegressor(), scoring="r2", cv=3, threshold=0.005
    )
    selected = selector.fit(X, pd.Series(rows[2])).transform(X)
    assert {"x2", "x3"} <= set(selected.columns)  # body mass index, blood pressure
    assert len(selected.columns) < 10


def test_skore(rows):
    skore = pytest.importorskip("skore")
    report = skore.EstimatorReport(
        BatchGDRegressor(), X_train=rows[0], y_train=rows[2], X_test=rows[1], y_test=rows[3]
    )
    model = BatchGDRegressor().fit(rows[0], rows[2])
    assert report.metrics.r2() == pytest.approx(model.score(rows[1], rows[3]))
