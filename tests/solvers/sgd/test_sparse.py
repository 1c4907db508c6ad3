"""Sparse rows give what dense rows give, and are never made dense."""

import pickle
import tracemalloc
from functools import partial
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import linear_model

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor
from skgd.data.design import Design
from skgd.data.feature_moments import FeatureMoments
from skgd.data.scaling import FeatureScaling
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS
from skgd.penalties import L1, L2, PENALTIES, Bounds, ElasticNet
from skgd.schedules import SCHEDULES, Adaptive
from skgd.solvers.sgd import lazy_sparse, lazy_triangular, reference
from skgd.step_rules import STEP_RULES, LineSearch
from tests.helpers.executors import compiled_if
from tests.helpers.regressors import ELEMENTWISE, REGRESSORS, STOCHASTIC, few_epochs, targets_for

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CONTAINERS = [
    getattr(sparse, f"{layout}_{kind}")
    for layout, kind in product(
        ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"], ["array", "matrix"]
    )
]
TIMED = [*SCHEDULES]


@pytest.fixture(scope="module")
def data():
    """Rows with few entries, an empty row, an empty and a full column; targets above zero."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 8)) * (rng.random((40, 8)) < 0.3)
    X[[0, 17]] = 0
    X[:, 2] = 0
    X[:, 5] = rng.normal(3, 1, size=40)
    y = np.exp(0.3 * X @ [1, -1, 0.5, 0, 0.7, 0.2, -0.4, 0.1] + 0.1 * rng.normal(size=40))
    X.flags.writeable = y.flags.writeable = False
    return X, y


@pytest.fixture(scope="module")
def factors():
    return np.random.default_rng(1).integers(0, 4, size=40) / 2


#: A regressor with a learning rate that is low enough for the data.
made = partial(
    few_epochs,
    learning_rate=0.01,
    optimizer="gd",
    alpha=0.02,
    standardize=False,
    max_iter=4,
    batch_size=7,
    random_state=0,
)


def arrays_of(state):
    """Return the arrays of a state, the optimizer's included."""
    parameters = state.theta, state.averaged_theta, state.l1_total, state.l1_applied
    return *parameters, *state.optimizer_state


def assert_same_fit(dense, sparse_, tol=1e-9):
    """Compare two models, their descent states and their histories."""
    scale = max(1, np.abs(dense.coef_).max(), np.abs(dense.intercept_).max())
    assert_allclose(sparse_.coef_, dense.coef_, rtol=0, atol=tol * scale)
    assert_allclose(sparse_.intercept_, dense.intercept_, rtol=0, atol=tol * scale)
    assert (sparse_.n_iter_, sparse_.t_) == (dense.n_iter_, dense.t_)
    assert sparse_.coef_.dtype == dense.coef_.dtype
    one, other = dense._fit_state.state, sparse_._fit_state.state
    assert other.state_names == one.state_names
    for ours, theirs in zip(arrays_of(other), arrays_of(one), strict=True):
        assert_allclose(ours, theirs, rtol=tol, atol=tol * max(1, np.abs(theirs).max()))
    for name, column in dense.history_.items():
        if name != "time":
            assert_allclose(sparse_.history_[name], column, rtol=1e-8, atol=tol)


def assert_agree(regressor, data, container=sparse.csr_array, **fit_params):
    X, y = data
    dense = pickle.loads(pickle.dumps(regressor)).fit(X, y, **fit_params)
    assert_same_fit(dense, regressor.fit(container(X), y, **fit_params))
    assert_allclose(regressor.predict(container(X)), dense.predict(X), rtol=1e-8)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_sparse_equals_dense_for_every_loss_and_penalty(
    Regressor, loss, standardize, data, factors
):
    averages = [{}] if Regressor is BatchGDRegressor else [{}, {"average": 20}]
    data = data[0], targets_for(loss, data[1])
    for penalty, average in product([None, *PENALTIES], averages):
        params = {"loss": loss, "penalty": penalty, "standardize": standardize, **average}
        assert_agree(made(Regressor, **params), data)
        assert_agree(made(Regressor, **params), data, sample_weight=factors)


#: Bounds and strengths of each coefficient; the fourth bounds exclude 0.
CONSTRAINED = [
    Bounds(0),
    Bounds(-0.2, 0.1, penalty=ElasticNet(0.02, 0.5)),
    Bounds([-0.1] * 4 + [0.0] * 4, [0.1] * 8, penalty=L1(0.02, weights=[1, 0, 2, 1, 1, 0.5, 0, 1])),
    Bounds(0.05, 0.3),
    Bounds(0.05, 0.3, penalty=ElasticNet(0.02, 0.5)),
    L1(0.02, weights=[1, np.inf, 0, 1, 3, 1, 1, 0.5]),
    L2(0.02, weights=[1, np.inf, 0, 1, 3, 1, 1, 0.5]),
]


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("penalty", CONSTRAINED, ids=str)
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("on_numpy")
def test_sparse_equals_dense_within_bounds_and_with_weights(Regressor, penalty, standardize, data):
    params = {"penalty": penalty, "standardize": standardize, "alpha": Regressor().alpha}
    assert_agree(made(Regressor, **params), data)
    assert_agree(made(Regressor, **params, average=20), (data[0], np.stack([data[1]] * 2, axis=1)))


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("schedule", TIMED)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_sparse_equals_dense_for_every_schedule(Regressor, schedule, standardize, data):
    for penalty in ("l2", "elasticnet"):
        rate = (SCHEDULES | STEP_RULES)[schedule]()
        if "eta0" in rate.get_params():
            rate = rate.replace(eta0=0.01)
        elif "t0" in rate.get_params():
            rate = rate.replace(t0=0.5)
        params = {"learning_rate": rate, "penalty": penalty, "standardize": standardize}
        # A strong penalty makes "optimal" rates so small that rounding does not grow.
        assert_agree(made(Regressor, loss="huber", alpha=5.0, **params), data)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("rule", ["pa1", "pa2"])
def test_sparse_equals_dense_for_passive_aggressive_steps(rule, standardize, data):
    for penalty, average in product([None, *PENALTIES], [False, 30]):
        params = {"loss": "epsilon_insensitive", "learning_rate": STEP_RULES[rule](eta0=0.1)}
        params |= {"penalty": penalty, "average": average, "standardize": standardize}
        with compiled_if(penalty in (None, "elasticnet") and not (rule == "pa2" and standardize)):
            assert_agree(made(SGDRegressor, **params), data)
            assert_agree(made(SGDRegressor, shuffle=False, **params), data)


@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_sparse_equals_dense_for_every_optimizer(Regressor, optimizer, penalty, data):
    rule = OPTIMIZERS[optimizer]()
    if optimizer not in ELEMENTWISE and Regressor is not BatchGDRegressor:
        pytest.skip("needs full batches")
    searching = optimizer in ("cg", "proximal_newton")
    if optimizer == "cg" and penalty in ("l1", "elasticnet"):
        pytest.skip("needs a smooth objective")
    number = list(OPTIMIZERS).index(optimizer)
    for standardize in (False, True):
        # Each optimizer is compiled with one penalty, standardised or not, in rotation.
        is_compiled = (penalty, standardize) == ([None, *PENALTIES][number % 4], number % 3 == 1)
        params = {"optimizer": rule, "penalty": penalty, "standardize": standardize}
        params |= {"learning_rate": LineSearch()} if searching else {}
        loss = "poisson" if optimizer == "proximal_newton" else "log_cosh"
        with compiled_if(is_compiled):
            assert_agree(made(Regressor, loss=loss, **params), data)


@pytest.mark.filterwarnings("ignore:A column-vector y")  # SGDRegressor ravels it
@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_sparse_equals_dense_for_several_outputs_with_and_without_intercept(
    Regressor, loss, penalty, data, factors
):
    X, y = data
    Y = np.column_stack([y, 2 - y, X[:, 0]])
    for fit_intercept, standardize in product([True, False], repeat=2):
        params = {"fit_intercept": fit_intercept, "standardize": standardize, "loss": loss}
        regressor = made(Regressor, penalty=penalty, **params)
        assert_agree(regressor, (X, Y), sample_weight=factors)
        assert_agree(made(Regressor, penalty=penalty, **params), (X, Y[:, :1]))
        assert_agree(made(Regressor, penalty=penalty, **params), data)


@pytest.mark.parametrize("alpha", [0.02, 3.0, 100.0])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("Regressor", STOCHASTIC)
def test_sparse_equals_dense_for_weak_and_strong_penalties(Regressor, l1_ratio, alpha, data):
    """The strongest decay takes all weights to zero in one update."""
    penalty = PENALTIES["elasticnet"](alpha=alpha, l1_ratio=l1_ratio)
    default = Regressor().alpha
    for average, start in product([False, True], [None, np.linspace(-2, 2, 8)]):
        params = {"penalty": penalty, "alpha": default, "average": average, "max_iter": 8}
        regressor = made(Regressor, loss="huber", **params)
        assert_agree(regressor, data, coef_init=start)


@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_sparse_fit_stops_at_the_same_epoch_as_dense_fit(Regressor, penalty, data):
    full = Regressor is BatchGDRegressor
    tol, rate = (1e-2, 0.1) if full else (1e-3, 0.02)
    for standardize in (False, True):
        params = {"penalty": penalty, "max_iter": 2000, "standardize": standardize, "tol": tol}
        regressor = made(Regressor, learning_rate=rate, alpha=0.05, **params)
        assert_agree(regressor, data)
        assert regressor.n_iter_ < 2000
        adaptive = Adaptive(eta0=0.02, minimum=0.01)
        assert_agree(made(Regressor, **params | {"learning_rate": adaptive}), data)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile", "poisson"])
def test_sparse_equals_dense_at_automatic_rates(loss, data):
    for standardize in (False, True):
        params = {"learning_rate": "auto", "standardize": standardize, "max_iter": 20}
        assert_agree(made(MiniBatchGDRegressor, loss=loss, **params), data)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile", "poisson"])
def test_automatic_sgd_reaches_the_same_objective_on_sparse_and_dense_rows(loss, data):
    """Proposals look at sparse rows in batches, which changes the way but not the end."""
    X, y = data
    for standardize in (False, True):
        params = {"learning_rate": "auto", "standardize": standardize, "tol": 1e-9}
        model = made(SGDRegressor, loss=loss, **params | {"max_iter": 300})
        ends = []
        for rows in (X, sparse.csr_array(X)):
            ends.append(model.fit(rows, y).history_["running_objective"][-1])
        assert ends[1] == pytest.approx(ends[0], rel=1e-2 if loss == "quantile" else 1e-6)


@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
def test_full_batch_reaches_the_same_minimum_on_sparse_and_dense_rows(loss, penalty, data):
    """Dense rows may be descended on by their second moments, sparse ones are not."""
    X, y = data
    for standardize in (False, True):
        params = {"loss": loss, "penalty": penalty, "alpha": 0.05, "standardize": standardize}
        dense = BatchGDRegressor(**params).fit(X, y)
        other = BatchGDRegressor(**params).fit(sparse.csr_array(X), y)
        assert dense.converged_
        assert other.converged_
        assert_allclose(other.coef_, dense.coef_, atol=1e-8)
        assert_allclose(other.intercept_, dense.intercept_, atol=1e-8)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_validation_rows_may_be_sparse(Regressor, data):
    X, y = data
    S = sparse.csr_array(X)
    for params in ({}, {"early_stopping": True, "max_iter": 50, "tol": 1e-3}):
        assert_agree(made(Regressor, **params), data)
        dense = made(Regressor, **params).fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
        other = made(Regressor, **params).fit(S[:30], y[:30], X_val=S[30:], y_val=y[30:])
        assert_same_fit(dense, other)
        mixed = made(Regressor, **params).fit(S[:30], y[:30], X_val=X[30:], y_val=y[30:])
        scores = (model.history_["validation_score"] for model in (mixed, other))
        assert_allclose(*scores, rtol=1e-12)


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.__name__)
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_every_sparse_format_is_accepted(Regressor, container, data):
    assert_agree(made(Regressor), data, container)


def unsorted(X):
    """Return CSR rows whose entries stand in falling order of their columns."""
    S = sparse.csr_array(X)
    for start, stop in zip(S.indptr[:-1], S.indptr[1:], strict=True):
        for part in (S.indices, S.data):
            part[start:stop] = part[start:stop][::-1].copy()
    return sparse.csr_array((S.data, S.indices, S.indptr), shape=S.shape)


def doubled(X):
    """Return CSR rows with each entry stored twice, a half each."""
    S = sparse.csr_array(X)
    parts = np.repeat(S.data / 2, 2), np.repeat(S.indices, 2), 2 * S.indptr
    return sparse.csr_array(parts, shape=S.shape)


def with_zeros(X):
    """Return CSR rows that store their zeros, too."""
    n, d = X.shape
    indices = np.tile(np.arange(d, dtype=np.int32), n)
    return sparse.csr_array((X.ravel(), indices, np.arange(0, n * d + 1, d, dtype=np.int32)))


def wide_indices(X):
    S = sparse.csr_array(X)
    parts = S.data, S.indices.astype(np.int64), S.indptr.astype(np.int64)
    return sparse.csr_array(parts, shape=S.shape)


@pytest.mark.parametrize("layout", [unsorted, doubled, with_zeros, wide_indices])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_layout_of_the_entries_changes_nothing(Regressor, layout, data):
    X, _ = data
    S = layout(X)
    parts = [part.copy() for part in (S.data, S.indices, S.indptr)]
    for standardize, penalty in product([False, True], ["l2", "l1"]):
        regressor = made(Regressor, standardize=standardize, penalty=penalty)
        with compiled_if(penalty == "l2" or layout is not wide_indices):
            assert_agree(regressor, data, lambda rows: S)
        assert_allclose(regressor.predict(S), regressor.predict(X), rtol=1e-12)
    for before, after in zip(parts, (S.data, S.indices, S.indptr), strict=True):
        assert_array_equal(before, after)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_float32_is_preserved(Regressor, data):
    X, y = (part.astype(np.float32) for part in data)
    S = sparse.csr_array(X)
    for penalty, standardize in product([None, *PENALTIES], [False, True]):
        params = {"penalty": penalty, "standardize": standardize}
        with compiled_if(penalty is None or (penalty == "elasticnet" and standardize)):
            dense, other = (made(Regressor, **params).fit(rows, y) for rows in (X, S))
        assert other.coef_.dtype == other.intercept_.dtype == np.float32
        assert other.predict(S).dtype == np.float32
        assert_allclose(other.coef_, dense.coef_, atol=2e-5)
        assert_allclose(other.predict(S), dense.predict(X), rtol=1e-4)


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_integer_entries_and_empty_rows(Regressor):
    X = np.array([[1, 0, 2], [0, 0, 0], [3, 0, 0], [0, 0, 4]])
    y = np.array([1, 2, 3, 4])
    assert_agree(made(Regressor), (X, y))
    empty = np.zeros((5, 3))
    for standardize in (False, True):
        assert_agree(made(Regressor, standardize=standardize), (empty, np.arange(5.0)))


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("penalty", [None, *PENALTIES])
@pytest.mark.parametrize("Regressor", STOCHASTIC)
def test_epochs_of_fit_equal_calls_of_partial_fit(Regressor, penalty, standardize, data):
    S, y = sparse.csr_array(data[0]), data[1]
    params = {"penalty": penalty, "standardize": standardize, "average": 50, "loss": "huber"}
    whole = made(Regressor, **params).fit(S, y)
    parts = made(Regressor, **params)
    for _ in range(whole.n_iter_):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(S, y)))
    assert_allclose(parts.coef_, whole.coef_, rtol=1e-12)
    assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_sparse_and_dense_calls_alternate_with_assigned_coefficients(penalty, data):
    X, y = data
    models = [made(SGDRegressor, penalty=penalty) for _ in range(2)]
    for epoch in range(4):
        for model, rows in zip(models, (X, sparse.csr_array(X)), strict=True):
            model.partial_fit(rows if epoch != 1 else X, y)
            if epoch == 2:
                model.coef_ = np.round(model.coef_, 3) + 0.1
    assert_same_fit(*models)


@pytest.mark.parametrize("shuffle", [False])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "epsilon_insensitive"])
@pytest.mark.parametrize("penalty", [None, "l2"])
def test_without_intercept_the_fit_equals_scikit_learn(penalty, loss, shuffle, data):
    S, y = sparse.csr_matrix(data[0]), data[1]
    params = {"loss": loss, "penalty": penalty, "alpha": 0.01, "shuffle": shuffle}
    params |= {"fit_intercept": False, "tol": None, "max_iter": 20}
    for average in (False, True, 100):
        ours = SGDRegressor(**params, average=average).fit(S, y)
        theirs = linear_model.SGDRegressor(**params, average=average).fit(S, y)
        assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-9)


@pytest.mark.filterwarnings("ignore:A column-vector y")  # SGDRegressor ravels it
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_sparsified_coefficients_predict_and_continue_the_fit(Regressor, data):
    X, y = data
    S = sparse.csr_array(X)
    for targets in (y, y[:, None], np.column_stack([y, -y])):
        model = made(Regressor, penalty="l1", alpha=0.1).fit(S, targets)
        coef, predictions = model.coef_, model.predict(S)
        assert sparse.issparse(model.sparsify().coef_)
        assert_allclose(model.predict(S), predictions, rtol=1e-12)
        assert_allclose(model.predict(X), predictions, rtol=1e-12)
        assert_array_equal(model.densify().coef_, coef)
        further = pickle.loads(pickle.dumps(model)).partial_fit(S, targets)
        assert_array_equal(model.sparsify().partial_fit(S, targets).coef_, further.coef_)


# What it costs


def wide(n_rows=2000, n_features=1_000_000, per_row=5):
    """Return a matrix that has no place as a dense array, and targets."""
    rng = np.random.default_rng(0)
    columns = rng.integers(0, n_features, size=n_rows * per_row)
    parts = rng.normal(size=columns.size), columns, np.arange(0, columns.size + 1, per_row)
    return sparse.csr_array(parts, shape=(n_rows, n_features)), rng.normal(size=n_rows)


def small_only(method, largest):
    """Return a method of a sparse matrix that refuses those of more than `largest` elements."""

    def checked(self, *args, **kwargs):
        assert np.prod(self.shape) <= largest, "made dense"
        return method(self, *args, **kwargs)

    return checked


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_sparse_input_is_never_converted_to_dense(Regressor, standardize, monkeypatch):
    X, y = wide()

    for kind, name in product((sparse.csr_array, sparse.csr_matrix), ("toarray", "todense")):
        monkeypatch.setattr(kind, name, small_only(getattr(kind, name), 1000**2))
    tracemalloc.start()
    try:
        rate = {"learning_rate": "auto", "standardize": standardize, "max_iter": 2}
        Regressor(**rate, alpha=0.0, penalty=None).fit(X, y).predict(X)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50 * 8 * (X.nnz + X.shape[1])  # the dense array has 2000 numbers a column


@pytest.mark.parametrize(
    ("penalty", "standardize"),
    [(None, False), ("l2", False), ("l1", False), ("elasticnet", False), (None, True)],
)
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("Regressor", STOCHASTIC)
@pytest.mark.usefixtures("on_numpy")
def test_update_allocates_no_array_of_all_features(
    Regressor, average, penalty, standardize, monkeypatch
):
    """One update an epoch goes over all features; the others make no array of their size."""
    X, y = wide(n_rows=300, n_features=200_000)
    counts, peaks = [], []

    def counted(self, batch, rate):
        counts.append(self.t)
        update_all(self, batch, rate)

    def measured(self, batch):
        tracemalloc.start()
        is_made = update_stored(self, batch)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        return is_made

    update_all, update_stored = reference.Iterate.update, lazy_sparse.LazyIterate.update
    monkeypatch.setattr(reference.Iterate, "update", counted)
    monkeypatch.setattr(lazy_sparse.LazyIterate, "update", measured)
    model = made(
        Regressor, penalty=penalty, average=average, standardize=standardize, loss="huber"
    ).set_params(alpha=1e-4, max_iter=2)
    model.fit(X, y)
    assert len(counts) == 2
    assert len(peaks) == model.t_ - 1 - 2
    assert max(peaks) < 200_000  # bytes


# Internals


@pytest.mark.parametrize("block", [1, 2, 5, 128])
@pytest.mark.parametrize(
    ("penalty", "alpha", "standardize"),
    [
        (None, 0.02, False),
        ("l2", 0.02, False),
        ("l2", 9.0, False),
        ("l1", 0.02, False),
        ("elasticnet", 0.5, False),
        (None, 0.02, True),
    ],
)
@pytest.mark.usefixtures("on_numpy")
def test_block_sizes_do_not_change_the_updates(
    penalty, alpha, standardize, block, data, factors, monkeypatch
):
    """Blocks of rows, intervals between updates of all features, and chunks of rows."""
    monkeypatch.setattr(lazy_triangular, "BLOCK_SIZE", block)
    monkeypatch.setattr(lazy_sparse, "MAX_INTERVAL_UPDATES", 9)
    monkeypatch.setattr(lazy_sparse, "CATCH_UP_COLUMNS", 3)
    monkeypatch.setattr(reference, "CHUNK_ROWS", 16)
    X, y = data
    params = {"penalty": penalty, "alpha": alpha, "standardize": standardize, "average": 30}
    for Regressor, targets in product(STOCHASTIC, [y, np.column_stack([y, X[:, 0]])]):
        assert_agree(made(Regressor, **params), (X, targets), sample_weight=factors)
        assert_agree(made(Regressor, shuffle=False, **params), (X, targets))


@pytest.mark.parametrize(("scale", "epoch"), [(10, 2), (1000, 1)])
def test_divergence_is_detected_as_on_dense_rows(scale, epoch, data):
    """At the greater scale, gradients are clipped under scikit-learn's schedules."""
    X, y = data[0] * scale, data[1]
    fits = []
    for rows in (X, sparse.csr_array(X)):
        model = SGDRegressor(shuffle=False, max_iter=20)
        assert model.fit(rows, y).stop_reason_ == "diverged"
        with pytest.raises(ValueError, match=rf"diverged at epoch {epoch} with learning rate 0\.1"):
            SGDRegressor(learning_rate=0.1, shuffle=False).fit(rows, y)
        fits.append(model.set_params(max_iter=1).fit(rows, y))
    assert_allclose(fits[1].coef_, fits[0].coef_, rtol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csr_matrix, with_zeros])
def test_moments_and_products_equal_those_of_dense_rows(layout, weighted, fit_intercept, data):
    rng = np.random.default_rng(2)
    X, S = data[0], layout(data[0])
    weights = rng.uniform(0.5, 2, size=40) if weighted else None
    dense, moments = FeatureMoments.from_rows(X, weights), FeatureMoments.from_rows(S, weights)
    assert_allclose(moments.mean, dense.mean, atol=1e-14)
    assert_allclose(moments.variance, dense.variance, rtol=1e-12, atol=1e-15)
    scaling = FeatureScaling.standard(dense, fit_intercept, 0.1)
    one, other = (Design(rows, scaling, fit_intercept) for rows in (X, S))
    assert_allclose(other.squared_norms(), one.squared_norms(), rtol=1e-12)
    factors = rng.uniform(size=40)
    assert_allclose(other.weighted_gram(factors), one.weighted_gram(factors), atol=1e-12)
    for outputs in ((), (2,)):
        theta, slopes = rng.normal(size=(*outputs, 9)), rng.normal(size=(40, *outputs))
        assert_allclose(other.predict(theta), one.predict(theta), atol=1e-12)
        assert_allclose(other.gradient(slopes), one.gradient(slopes), atol=1e-12)
        for index in (slice(0, 1), slice(3, 20), np.array([4, 0, 9])):
            inner, ours = one.scaled_rows(index), other.scaled_rows(index)
            assert len(ours) == len(inner)
            vectors, some = theta[..., :-1].T, slopes[: len(inner)].T
            assert_allclose(ours @ vectors, inner @ vectors, atol=1e-12)
            assert_allclose(some @ ours, some @ inner, atol=1e-12)
            assert_allclose(ours[1:3] @ vectors, inner[1:3] @ vectors, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("value", [3.0, 0.1, 123456.789])
def test_constant_column_without_zeros_has_zero_variance(value, weighted):
    X = sparse.csr_array(np.full((1000, 1), value))
    weights = np.random.default_rng(0).uniform(size=1000) if weighted else None
    moments = FeatureMoments.from_rows(X, weights)
    assert_array_equal(moments.variance, 0)
    design = Design(X, FeatureScaling.standard(moments, True, 0.0), True)
    assert_array_equal(design.squared_norms(intercept=False), 0)
