"""fit_batches: equality with fits of all rows, checkpoints and resuming, invalid batches."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

FULL_BATCH = [BatchGDRegressor(), BatchGDRegressor("huber", alpha=0.1)]
SGD = [
    MiniBatchGDRegressor(learning_rate=0.05, max_iter=4, random_state=0),
    MiniBatchGDRegressor(max_iter=3, optimizer="adam", random_state=0),
    SGDRegressor(max_iter=4, average=True, random_state=0),
    SGDRegressor(max_iter=4, shuffle=False),
]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)) * [1, 2, 0.5, 1] + [0, 1, -1, 0]
    weights = rng.integers(0, 3, 300).astype(float)
    weights[100:120] = 0  # a batch without weight
    return X, X @ [1.0, -2, 0.5, 3] + 5 + rng.standard_normal(300), weights


@pytest.fixture(scope="module")
def batches(rows):
    return [tuple(part[start : start + 20] for part in rows) for start in range(0, 300, 20)]


class FailingList(list):
    """Batches that raise OSError after a number of reads."""

    def __init__(self, batches, left):
        super().__init__(batches)
        self.left = left

    def __getitem__(self, number):
        self.left -= 1
        if self.left < 0:
            raise OSError("the disk is gone")
        return super().__getitem__(number)

    def __iter__(self):
        return (self[number] for number in range(len(self)))


@pytest.mark.filterwarnings("ignore:partial_fit got weights")
@pytest.mark.parametrize("model", FULL_BATCH, ids=repr)
def test_full_batch_fit_of_batches_equals_fit_of_all_rows(model, rows, batches):
    X, y, weights = rows
    fitted = clone(model).fit_batches(batches)
    expected = clone(model).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-9)
    np.testing.assert_allclose(fitted.intercept_, expected.intercept_, rtol=1e-9)
    assert fitted.stop_reason_ == "converged"


@pytest.mark.filterwarnings("ignore:partial_fit got weights")
def test_unshuffled_sgd_equals_successive_calls_of_partial_fit(batches):
    model = SGDRegressor(max_iter=2, shuffle=False, tol=None)
    expected = clone(model)
    for _ in range(2):
        for X, y, weights in batches:
            expected.partial_fit(X, y, sample_weight=weights)
    fitted = model.fit_batches(batches)
    np.testing.assert_array_equal(fitted.coef_, expected.coef_)
    assert fitted.n_iter_ == 2
    assert fitted.t_ == expected.t_


@pytest.mark.filterwarnings("ignore:partial_fit got weights")
@pytest.mark.parametrize("left", [1, 7, 15, 40])
@pytest.mark.parametrize("model", FULL_BATCH + SGD, ids=repr)
def test_resuming_from_a_checkpoint_is_exact(model, left, batches, tmp_path):
    whole, path = clone(model).fit_batches(batches), tmp_path / "model.pkl"
    try:
        clone(model).fit_batches(FailingList(batches, left), checkpoint=path)
    except OSError:
        resumed = pickle.loads(path.read_bytes()).fit_batches(batches, resume=True)
    else:
        resumed = pickle.loads(path.read_bytes())
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)
    np.testing.assert_array_equal(resumed.intercept_, whole.intercept_)
    assert (resumed.n_iter_, resumed.stop_reason_) == (whole.n_iter_, whole.stop_reason_)


INVALID = {
    "other columns": (lambda X, y: (X[:, :3], y), "3 features"),
    "not a number": (lambda X, y: (np.where(X > 1, np.nan, X), y), "NaN"),
    "infinite": (lambda X, y: (np.where(X > 1, np.inf, X), y), "infinity"),
    "empty": (lambda X, y: (X[:0], y[:0]), "no rows. Leave empty batches out"),
    "ragged": (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
    "two targets": (lambda X, y: (X, np.stack([y, y], axis=1)), "number of targets"),
    "no pair": (lambda X, y: X, r"must be \(X, y\)"),
    "NaN in y": (lambda X, y: (X, y * np.nan), "y contains NaN"),
}


@pytest.mark.filterwarnings("ignore:partial_fit got weights")
@pytest.mark.parametrize("model", [BatchGDRegressor(), MiniBatchGDRegressor(), SGDRegressor()])
@pytest.mark.parametrize("name", INVALID)
def test_invalid_batch_is_named_and_leaves_the_model_unchanged(model, name, batches):
    invalidate, message = INVALID[name]
    invalid = [*batches[:2], invalidate(*batches[2][:2]), *batches[3:]]
    model = clone(model)
    if hasattr(model, "shuffle"):
        model.shuffle = False
        before = clone(model).set_params(max_iter=1).fit_batches(batches[:2]).coef_
    else:
        before = model.fit_batches(batches[5:]).coef_.copy()
    with pytest.raises(ValueError, match=f"Chunk 2 of the data.*{message}"):
        model.fit_batches(invalid)
    np.testing.assert_array_equal(model.coef_, before)
    assert np.isfinite(model.predict(batches[0][0])).all()


@pytest.mark.parametrize("model", [MiniBatchGDRegressor(), SGDRegressor()], ids=repr)
def test_one_shot_iterator_is_rejected_unread_for_several_epochs(model, batches):
    once = iter(batches)
    with pytest.raises(ValueError, match=r"read only once.*max_iter=1"):
        model.fit_batches(once)
    assert len(list(once)) == len(batches)


@pytest.mark.filterwarnings("ignore:partial_fit got weights")
def test_one_shot_iterator_suffices_for_one_pass(batches):
    full_batch = BatchGDRegressor().fit_batches(iter(batches))
    np.testing.assert_array_equal(full_batch.coef_, BatchGDRegressor().fit_batches(batches).coef_)
    sgd = SGDRegressor(max_iter=1, shuffle=False, tol=None)
    expected = clone(sgd).fit_batches(batches)
    np.testing.assert_array_equal(sgd.fit_batches(iter(batches)).coef_, expected.coef_)
    with pytest.raises(ValueError, match="read only once"):
        BatchGDRegressor("huber").fit_batches(iter(batches))


@pytest.mark.parametrize("model", [BatchGDRegressor("huber"), SGDRegressor(shuffle=False)])
def test_callable_that_returns_iterators_is_called_every_epoch(model, batches):
    kept = [batch for batch in batches if batch[2].any()]
    fitted = clone(model).fit_batches(lambda: iter(kept))
    np.testing.assert_array_equal(fitted.coef_, clone(model).fit_batches(kept).coef_)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        (3, TypeError, "must be an iterable"),
        ([], ValueError, "is empty"),
        (lambda: iter(()), ValueError, "is empty"),
    ],
)
@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor()], ids=repr)
def test_missing_batches_are_rejected(model, batches, error, message):
    with pytest.raises(error, match=message):
        model.fit_batches(batches)


def test_batches_that_change_between_passes_are_rejected(batches):
    passes = iter([batches[:5], batches[:3], batches[:3]])
    with pytest.raises(ValueError, match="gave 5 of them, and a later one 3"):
        BatchGDRegressor("huber").fit_batches(lambda: iter(next(passes)))


@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor()], ids=repr)
def test_resume_needs_an_interrupted_fit(model, batches):
    with pytest.raises(ValueError, match="interrupted fit_batches"):
        model.fit_batches(batches, resume=True)
    model.fit_batches(batches[:3])
    with pytest.raises(ValueError, match="interrupted fit_batches"):
        model.fit_batches(batches[:3], resume=True)


@pytest.mark.parametrize("model", [BatchGDRegressor(), SGDRegressor()], ids=repr)
def test_early_stopping_is_rejected(model, batches):
    with pytest.raises(ValueError, match="early_stopping"):
        model.set_params(early_stopping=True).fit_batches(batches)


def test_lack_of_improvement_stops_the_fit(batches):
    kept = [batch[:2] for batch in batches]
    model = MiniBatchGDRegressor(learning_rate=0.05, random_state=0, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit_batches(kept)
    assert model.converged_
    assert 1 < model.n_iter_ < 100
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model.set_params(max_iter=2).fit_batches(kept)
    assert not model.converged_


def test_float32_batches_give_a_float32_model(batches):
    first = [tuple(part.astype(np.float32) for part in batches[0][:2])]
    for model in (BatchGDRegressor(), SGDRegressor(max_iter=2, shuffle=False)):
        model.fit_batches(first + [batch[:2] for batch in batches[1:]])
        assert model.coef_.dtype == np.float32


def test_data_frames_set_the_feature_names(batches):
    pd = pytest.importorskip("pandas")
    frames = [(pd.DataFrame(X, columns=list("abcd")), y) for X, y, _ in batches]
    for model in (BatchGDRegressor(), SGDRegressor(max_iter=2)):
        assert model.fit_batches(frames).feature_names_in_.tolist() == list("abcd")


@pytest.mark.parametrize("Regressor", [MiniBatchGDRegressor, SGDRegressor])
def test_verbose_prints_a_line_for_each_epoch(Regressor, batches, rows, capsys):
    batches = [batch for batch in batches if batch[2].any()]
    params = {"max_iter": 3, "tol": None, "random_state": 0, "learning_rate": 0.01}
    quiet = Regressor(**params).fit_batches(batches)
    assert not capsys.readouterr().out
    model = Regressor(**params, verbose=1).fit_batches(batches)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", str(number)] for number in (1, 2, 3)]
    np.testing.assert_array_equal(model.coef_, quiet.coef_)
    assert model.verbose == 1
    # The mean over the batches of an epoch, which differ a little in their numbers of rows.
    objectives = model.history_["running_objective"][1:].reshape(3, -1).mean(axis=1)
    shown = [float(line.split("running objective")[1].split()[0]) for line in lines]
    np.testing.assert_allclose(shown, objectives, rtol=0.1)
    model.partial_fit(*batches[0])
    assert capsys.readouterr().out.startswith("epoch")


def test_batches_do_not_converge_above_their_start():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    y = X @ rng.normal(size=5) + 0.3 * rng.normal(size=200)
    batches = [(X[start : start + 50], y[start : start + 50]) for start in range(0, 200, 50)]
    params = {"optimizer": "adam", "max_iter": 60, "random_state": 0}
    model = MiniBatchGDRegressor("huber", learning_rate=10.0, **params)
    with pytest.warns(ConvergenceWarning, match="above the objective of its start"):
        model.fit_batches(batches)
    assert (model.converged_, model.stop_reason_) == (False, "stalled")
