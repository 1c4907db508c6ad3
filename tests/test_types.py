"""Fits and predictions do not depend on the type of the containers of X and y."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from skgd import BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor

MODELS = [
    BatchGDRegressor(),
    BatchGDRegressor("huber", learning_rate=0.01, max_iter=5, tol=None),
    MiniBatchGDRegressor(learning_rate=0.01, batch_size=8, max_iter=2, tol=None, random_state=0),
    SGDRegressor(max_iter=2, tol=None, random_state=0),
]
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__),
]


@pytest.fixture(scope="module")
def X():
    """Return integers that every dtype represents exactly; most of them are zero."""
    rng = np.random.default_rng(0)
    return rng.integers(1, 6, (60, 4)) * (rng.random((60, 4)) < 0.4)


@pytest.fixture(scope="module")
def y(X):
    return X @ np.array([1.0, -2, 0.5, 3]) + np.random.default_rng(1).standard_normal(60)


def strided(X):
    return np.repeat(np.repeat(X.astype(float), 2, axis=0), 3, axis=1)[::2, ::3]


def read_only(X):
    X = X.astype(float)
    X.flags.writeable = False
    return X


def with_int64_indices(container):
    def convert(X):
        S = container(X.astype(float))
        S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
        return S

    return convert


DENSE = {
    "lists": lambda X: X.tolist(),
    "Fortran": lambda X: np.asfortranarray(X, dtype=float),
    "strided": strided,
    "reversed": lambda X: np.ascontiguousarray(X[::-1, ::-1], dtype=float)[::-1, ::-1],
    "read-only": read_only,
    "other byte order": lambda X: X.astype(">f8"),
    "objects": lambda X: X.astype(object),
    **{
        str(np.dtype(dtype)): lambda X, dtype=dtype: X.astype(dtype)
        for dtype in (np.int64, np.int32, np.int8, np.uint16, np.float16, np.longdouble)
    },
}
SPARSE = {
    f"{form}_{kind}": lambda X, form=form, kind=kind: getattr(sp, f"{form}_{kind}")(X.astype(float))
    for form in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
    for kind in ("array", "matrix")
} | {
    "csr, 64-bit indices": with_int64_indices(sp.csr_array),
    "csc, 64-bit indices": with_int64_indices(sp.csc_matrix),
    "csr of integers": lambda X: sp.csr_array(X),
}


@pytest.mark.parametrize("kind", DENSE)
def test_dense_arrays_of_every_kind_give_equal_results(model, kind, X, y):
    expected = clone(model).fit(X.astype(float), y)
    fitted = clone(model).fit(DENSE[kind](X), y)
    assert fitted.coef_.dtype == fitted.predict(DENSE[kind](X)).dtype == np.float64
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(fitted.predict(DENSE[kind](X)), expected.predict(X), rtol=1e-12)


@pytest.mark.parametrize("kind", SPARSE)
def test_sparse_containers_of_every_format_give_equal_results(model, kind, X, y):
    expected = clone(model).fit(X.astype(float), y)
    fitted = clone(model).fit(SPARSE[kind](X), y)
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-8)
    np.testing.assert_allclose(fitted.predict(SPARSE[kind](X)), expected.predict(X), rtol=1e-8)


def test_booleans_equal_zeros_and_ones(model, X, y):
    expected = clone(model).fit((X > 0).astype(float), y)
    for booleans in (X > 0, sp.csr_array(X > 0), (X > 0).tolist()):
        fitted = clone(model).fit(booleans, y)
        np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-8)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, np.asfortranarray])
def test_float32_is_preserved_and_close_to_float64(model, kind, X, y):
    expected = clone(model).fit(X.astype(float), y)
    single = kind(X.astype(np.float32))
    for targets in (y, y.astype(np.float32), y.round().astype(int)):
        fitted = clone(model).fit(single, targets)
        assert fitted.coef_.dtype == fitted.intercept_.dtype == np.float32
        assert fitted.predict(single).dtype == np.float32
        if targets.dtype != int:
            np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-4, atol=1e-4)


def test_partial_fit_keeps_the_dtype_of_the_first_call(model, X, y):
    for first, second in ((np.float32, np.float64), (np.float64, np.float32)):
        fitted = clone(model).partial_fit(X.astype(first), y)
        fitted.partial_fit(X.astype(second), y).partial_fit(sp.csr_array(X.astype(second)), y)
        assert fitted.coef_.dtype == first
        assert np.isfinite(fitted.coef_).all()


def test_pandas_and_polars_frames_equal_arrays(model, X, y):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = list("abcd")
    expected = clone(model).fit(X.astype(float), y)
    frames = [pd.DataFrame(X, columns=names), pl.DataFrame(X, schema=names)]
    for frame in frames:
        fitted = clone(model).fit(frame, frame["a"] * 0 + y)
        np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-12)
        if isinstance(frame, pd.DataFrame):  # scikit-learn 1.6 reads the names of no other frames
            assert fitted.feature_names_in_.tolist() == names
        np.testing.assert_allclose(fitted.predict(frame), expected.predict(X.astype(float)))


def test_arrow_tables_equal_arrays(model, X, y):
    pa = pytest.importorskip("pyarrow")
    table = pa.table(dict(zip("abcd", X.T, strict=True)))
    fitted = clone(model).fit(table, pa.array(y))
    expected = clone(model).fit(X.astype(float), y)
    np.testing.assert_allclose(fitted.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(fitted.predict(table), expected.predict(X.astype(float)))


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_memory_maps_equal_arrays_and_are_not_modified(model, mode, X, y, tmp_path):
    for name, part in (("X", X.astype(float)), ("y", y)):
        np.save(tmp_path / f"{name}.npy", part)
    maps = [np.load(tmp_path / f"{name}.npy", mmap_mode=mode) for name in "Xy"]
    fitted, expected = clone(model).fit(*maps), clone(model).fit(X.astype(float), y)
    np.testing.assert_array_equal(fitted.coef_, expected.coef_)
    assert type(fitted.coef_) is np.ndarray
    np.testing.assert_array_equal(maps[0], X)
