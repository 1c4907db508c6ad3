"""Callbacks: those of scikit-learn 1.9 and newer, and EarlyStopping."""

import pickle
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import BatchGDRegressor, EarlyStopping, MiniBatchGDRegressor, SGDRegressor
from skgd._utils.validation import InvalidParameterError
from skgd.losses import SquaredError

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]

try:
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError:
    ScoringMonitor = None

needs_callbacks = pytest.mark.skipif(ScoringMonitor is None, reason="scikit-learn < 1.9")


def quick(Regressor, **params):
    defaults = {"tol": None, "max_iter": 6, "learning_rate": 0.05}
    if Regressor is not BatchGDRegressor:
        defaults |= {"random_state": 0}
    return Regressor(**defaults | params)


class Recorder:
    """A callback that records its calls and ends the fit after some epochs."""

    def __init__(self, epochs=None, error=None):
        self.epochs, self.error = epochs, error
        self.events, self.models = [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(f"begin {context.task_name}")
        self.rows = X, y

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.events.append(f"end {context.task_name}")
        self.models.append(fitted_estimator)
        self.metadata = metadata
        if self.error and len(self.models) == 2:
            raise self.error
        return len(self.models) == self.epochs


@needs_callbacks
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_each_epoch_is_a_task(Regressor, small):
    X, y = small
    recorder = Recorder()
    model = quick(Regressor).set_callbacks(recorder).fit(X, y)
    epochs = ["begin epoch", "end epoch"] * 6
    assert recorder.events == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert recorder.rows[0] is X
    assert recorder.metadata == {}
    assert_array_equal(model.coef_, quick(Regressor).fit(X, y).coef_)


@needs_callbacks
@pytest.mark.parametrize("average", [False, 3])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_callback_sees_the_model_after_its_epoch(Regressor, average, small):
    X, y = small
    params = {} if Regressor is BatchGDRegressor else {"average": average}
    recorder = Recorder()
    quick(Regressor, **params).set_callbacks(recorder).fit(X, y, sample_weight=np.ones(len(y)))
    for epochs, seen in enumerate(recorder.models[:-1], 1):
        model = quick(Regressor, **params, max_iter=epochs).fit(X, y)
        assert_allclose(seen.predict(X), model.predict(X), rtol=1e-13)
        assert (seen.t_, len(seen.history_["epoch"])) == (model.t_, epochs + 1)
    assert_array_equal(recorder.models[-1].predict(X), model.predict(X))
    assert_array_equal(recorder.metadata["sample_weight"], 1)


@needs_callbacks
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_callback_ends_the_fit(Regressor, small):
    model = quick(Regressor, tol=1e-9).set_callbacks(Recorder(epochs=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*small)
    assert (model.n_iter_, model.stop_reason_, model.converged_) == (3, "callback", False)
    whole = quick(Regressor, max_iter=3).fit(*small)
    assert_array_equal(model.coef_, whole.coef_)


@needs_callbacks
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_callback_that_raises_leaves_the_model_and_is_torn_down(Regressor, small):
    model = quick(Regressor).fit(*small)
    before = model.coef_.copy()
    recorder = Recorder(error=RuntimeError("no"))
    with pytest.raises(RuntimeError, match="no"):
        model.set_params(learning_rate=0.01).set_callbacks(recorder).fit(*small)
    assert_array_equal(model.coef_, before)
    assert recorder.events[-1] == "teardown"
    assert not any("ctx" in name or "teardown" in name for name in vars(model))


@dataclass(frozen=True)
class UnderstatedCurvature(SquaredError):
    """Squared error with gradient_lipschitz too small: its automatic learning rate is too large."""

    gradient_lipschitz = 0.01
    quadratic = False


@needs_callbacks
def test_a_rejected_epoch_is_not_reported_again(small):
    recorder = Recorder()
    model = (
        BatchGDRegressor(UnderstatedCurvature(), optimizer="gd").set_callbacks(recorder).fit(*small)
    )
    ends = recorder.events.count("end epoch")
    assert recorder.events.count("begin epoch") == ends == len(model.history_["epoch"]) - 1
    assert ends < model.n_iter_


@needs_callbacks
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scores_alone_in_a_pipeline_and_in_a_search(Regressor, n_jobs, small):
    X, y = small
    monitor = ScoringMonitor(scoring="r2")
    alone = quick(Regressor).set_callbacks(monitor).fit(X, y)
    scores = [row["r2"] for row in monitor.get_logs().data if "r2" in row]
    assert len(scores) == 7  # six epochs and the fit
    assert_allclose(scores[-1], alone.score(X, y), rtol=1e-13)

    monitor = ScoringMonitor(scoring="r2")
    pipeline = make_pipeline(StandardScaler(), quick(Regressor).set_callbacks(monitor)).fit(X, y)
    scores = [row["r2"] for row in monitor.get_logs().data]
    assert_allclose(max(scores), pipeline.score(X, y), atol=0.1)
    assert len(scores) == 7

    monitor = ScoringMonitor(scoring="r2")
    pipeline = Pipeline([("scale", StandardScaler()), ("fit", quick(Regressor))])
    pipeline[-1].set_callbacks(monitor)
    GridSearchCV(pipeline, {"fit__alpha": [0.0, 0.1]}, cv=2, n_jobs=n_jobs).fit(X, y)
    assert len(monitor.get_logs().data) == 7 * (2 * 2 + 1)


@needs_callbacks
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_progress_bars(Regressor, small, capsys):
    pytest.importorskip("rich")
    name = Regressor.__name__
    quick(Regressor).set_callbacks(ProgressBar()).fit(*small)
    assert f"{name} - fit" in capsys.readouterr().out
    pipeline = make_pipeline(StandardScaler(), quick(Regressor))
    pipeline.set_callbacks(ProgressBar()).fit(*small)
    shown = capsys.readouterr().out
    assert f"{name} - fit" in shown
    assert "100%" in shown
    search = GridSearchCV(pipeline.set_callbacks(), {f"{name.lower()}__alpha": [0.0, 0.1]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*small)
    assert capsys.readouterr().out.count(f"{name} - fit") == 5


@needs_callbacks
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_partial_fit_calls_no_callbacks(Regressor, small):
    recorder = Recorder()
    quick(Regressor).set_callbacks(recorder).partial_fit(*small)
    assert recorder.events == []


# Early stopping


def scores_by_hand(scores, patience, tol):
    """Return the number of epochs after which EarlyStopping ends a fit."""
    best, stale = -np.inf, 0
    for epoch, score in enumerate(scores, 1):
        stale = 0 if score >= best + tol else stale + 1
        best = max(best, score)
        if stale == patience:
            return epoch
    return len(scores)


@needs_callbacks
@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_early_stopping_by_the_validation_score(Regressor, patience, small):
    X, y = small
    rows = {"X_val": X[:6], "y_val": y[:6]}
    params = {"max_iter": 300, "optimizer": "gd"}
    whole = quick(Regressor, **params).fit(X[6:], y[6:], **rows)
    epochs = scores_by_hand(whole.history_["validation_score"][1:], patience, 1e-3)
    stop = EarlyStopping(patience=patience, tol=1e-3)
    model = quick(Regressor, **params).set_callbacks(stop).fit(X[6:], y[6:], **rows)
    assert 1 < epochs < 300
    assert (model.n_iter_, model.stop_reason_) == (epochs, "callback")
    again = clone(model).fit(X[6:], y[6:], **rows)
    assert again.n_iter_ == epochs  # each fit counts for itself


@needs_callbacks
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_early_stopping_by_a_column_that_falls_or_a_function(Regressor, small):
    X, y = small
    for monitor in ("gradient_norm", lambda model: model.score(X, y)):
        stop = EarlyStopping(monitor, patience=2, tol=0.05)
        model = quick(Regressor, max_iter=2000, record="objective").set_callbacks(stop).fit(X, y)
        assert model.stop_reason_ == "callback"
        assert model.n_iter_ < 2000


@needs_callbacks
def test_early_stopping_in_a_search(small):
    X, y = small
    model = quick(SGDRegressor, max_iter=500).set_callbacks(
        EarlyStopping(lambda fitted: fitted.score(X, y), patience=2)
    )
    search = GridSearchCV(model, {"alpha": [0.0, 1e-3]}, cv=2).fit(X, y)
    assert search.best_estimator_.stop_reason_ == "callback"


@needs_callbacks
def test_early_stopping_names_what_is_missing(small):
    stop = EarlyStopping()
    with pytest.raises(ValueError, match=r"'validation_score'.*X_val"):
        quick(SGDRegressor).set_callbacks(stop).fit(*small)
    with pytest.raises(TypeError, match=r"Pipeline.*pipeline\[-1\]"):
        make_pipeline(StandardScaler(), SGDRegressor()).set_callbacks(stop).fit(*small)
    with pytest.raises(ValueError, match="record='running'"):
        quick(SGDRegressor, record=None).set_callbacks(stop).fit(*small)


@pytest.mark.parametrize(
    "params", [{"monitor": 3}, {"patience": 0}, {"patience": 1.5}, {"tol": -1}, {"tol": np.nan}]
)
def test_invalid_parameters_of_early_stopping(params):
    with pytest.raises(InvalidParameterError, match=next(iter(params))):
        EarlyStopping(**params)


def test_early_stopping_can_be_pickled():
    stop = EarlyStopping("objective", patience=3, tol=0.5)
    assert repr(pickle.loads(pickle.dumps(stop))) == repr(stop)
    assert repr(stop) == "EarlyStopping(monitor='objective', patience=3, tol=0.5)"


@pytest.mark.skipif(ScoringMonitor is not None, reason="scikit-learn >= 1.9")
def test_the_error_without_the_callback_api():
    with pytest.raises(ImportError, match=r"1\.9.*verbose=1"):
        SGDRegressor().set_callbacks(EarlyStopping())
