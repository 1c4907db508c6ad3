"""Arrays and tables of other libraries: fits equal those of NumPy arrays."""

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.linear_model import LinearRegression, SGDRegressor
from sklearn.utils.fixes import parse_version

import skgd
from skgd import BatchGDRegressor, MiniBatchGDRegressor
from skgd.model_selection import GridSearchCV

MODELS = [
    BatchGDRegressor(),
    BatchGDRegressor("huber"),
    MiniBatchGDRegressor(random_state=0),
    skgd.SGDRegressor(random_state=0),
]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    return X, X @ [1.0, -2, 3] + rng.standard_normal(60), rng.random(60)


def check_equal_fits(model, X, y, weights, rows, compute=np.asarray):
    """Check that a fit, its predictions and its score equal those of NumPy arrays."""
    expected = sklearn.clone(model).fit(rows[0], rows[1], sample_weight=rows[2])
    model = sklearn.clone(model).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    predictions = compute(model.predict(X))
    assert isinstance(predictions, np.ndarray)
    np.testing.assert_allclose(predictions, expected.predict(rows[0]), rtol=1e-9)
    score = model.score(X, y, sample_weight=weights)
    assert score == pytest.approx(expected.score(rows[0], rows[1], sample_weight=rows[2]))


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_xarray_in_memory(model, rows):
    xarray = pytest.importorskip("xarray")
    X = xarray.DataArray(rows[0], dims=("time", "feature"))
    y, weights = (xarray.DataArray(part, dims="time") for part in rows[1:])
    check_equal_fits(model, X, y, weights, rows)
    model = BatchGDRegressor().fit(X, y, X_val=X, y_val=y)
    assert "validation_score" in model.history_


def test_xarray_in_chunks(rows):
    xarray, dask = pytest.importorskip("xarray"), pytest.importorskip("dask")
    X = xarray.DataArray(rows[0], dims=("time", "feature")).chunk(time=20)
    y, weights = (xarray.DataArray(part, dims="time").chunk(time=30) for part in rows[1:])
    with dask.config.set(scheduler="synchronous"):
        check_equal_fits(BatchGDRegressor(), X, y, weights, rows, lambda part: part.compute())
        check_equal_fits(BatchGDRegressor(), X, *rows[1:], rows, lambda part: part.compute())


def single_precision_tables():
    """Return functions that make tables of several libraries from an array, by name."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")

    def to_polars(X):
        return pl.DataFrame(X, schema=list("abc"))

    def to_arrow(X):
        return pytest.importorskip("pyarrow").table(list(X.T), names=list("abc"))

    return {
        "polars": to_polars,
        "arrow": to_arrow,
        "pandas": pd.DataFrame,
        "nullable": lambda X: pd.DataFrame(X).astype("Float32"),
        "pandas of arrow": lambda X: pd.DataFrame(X).astype("float[pyarrow]"),
    }


@pytest.mark.parametrize("kind", ["polars", "arrow", "pandas", "nullable", "pandas of arrow"])
def test_single_precision_of_tables_is_retained(kind, rows):
    X = rows[0].astype(np.float32)
    table = single_precision_tables()[kind](X)
    model, expected = (BatchGDRegressor().fit(part, rows[1]) for part in (table, X))
    assert model.coef_.dtype == model.predict(table).dtype == np.float32
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    np.testing.assert_array_equal(model.predict(table), expected.predict(X))
    if kind == "arrow" and parse_version(sklearn.__version__) < parse_version("1.9"):
        return  # its searches cannot select rows of a table of Arrow
    search = GridSearchCV(BatchGDRegressor(), {"alpha": [0.0, 0.1]}).fit(table, rows[1])
    assert search.best_estimator_.coef_.dtype == np.float32


def test_mixed_and_integer_tables_are_fitted_at_double_precision(rows):
    pl = pytest.importorskip("polars")
    mixed = pl.DataFrame({"a": rows[0][:, 0].astype(np.float32), "b": rows[0][:, 1]})
    integers = pl.DataFrame({"a": [1, 2, 3, 4], "b": [True, False, True, True]})
    for table, y in ((mixed, rows[1]), (integers, [1.0, 2.0, 2.0, 4.0])):
        model = BatchGDRegressor().fit(table, y)
        assert model.coef_.dtype == np.float64
        theirs = LinearRegression().fit(table, y)
        np.testing.assert_allclose(model.coef_, theirs.coef_)
        # Not all versions of scikit-learn know the names of all versions of Polars.
        names = (getattr(fitted, "feature_names_in_", None) for fitted in (model, theirs))
        np.testing.assert_array_equal(*names)


def test_a_lazy_frame_is_refused(rows):
    pl = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"pass frame\.collect\(\)"):
        BatchGDRegressor().fit(pl.DataFrame(rows[0]).lazy(), rows[1])


@pytest.mark.parametrize("dtype", [str, bytes])
def test_numeric_text_is_refused_as_by_scikit_learn(dtype, rows):
    text, messages = rows[0].astype(dtype), []
    for model in (LinearRegression(), BatchGDRegressor()):
        with pytest.raises(ValueError, match="bytes/strings") as error:
            model.fit(text, rows[1])
        messages.append(str(error.value))
        with pytest.raises(ValueError, match="bytes/strings"):
            model.fit(*rows[:2]).predict(text)
    assert messages[0] == messages[1]
    # Objects are converted by both.
    objects = rows[0].astype(str).astype(object)
    np.testing.assert_allclose(
        BatchGDRegressor().fit(objects, rows[1]).coef_, model.fit(*rows[:2]).coef_
    )


@pytest.fixture
def array_api_dispatch(monkeypatch):
    """Switch scikit-learn's array-API dispatch on; SciPy reads its switch when it is imported."""
    pytest.importorskip("sklearn.externals.array_api_compat")  # scikit-learn 1.7 or newer
    monkeypatch.setattr("sklearn.utils._array_api._check_array_api_dispatch", lambda _: None)
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.mark.parametrize("namespace", ["array_api_strict", "torch"])
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_arrays_of_the_array_api(namespace, model, rows, array_api_dispatch):
    xp = pytest.importorskip(namespace)
    check_equal_fits(model, *(xp.asarray(part) for part in rows), rows)


def test_a_tensor_that_is_no_numpy_array_says_how_to_convert_it(rows, array_api_dispatch):
    torch = pytest.importorskip("torch")
    tensor = torch.asarray(rows[0]).requires_grad_()
    with pytest.raises(TypeError, match=r"tensor\.detach\(\)\.cpu\(\)\.numpy\(\)"):
        BatchGDRegressor().fit(tensor, rows[1])


def test_sparsify_follows_the_sparse_interface_of_scikit_learn(rows):
    kinds = [{}]
    if "sparse_interface" in sklearn.get_config():
        kinds = [{"sparse_interface": kind} for kind in ("spmatrix", "sparray")]
    for config in kinds:
        with sklearn.config_context(**config):
            theirs = SGDRegressor().fit(*rows[:2]).sparsify().coef_
            model = BatchGDRegressor().fit(*rows[:2])
            predictions = model.predict(rows[0])
            assert isinstance(model.sparsify().coef_, type(theirs))
            assert sparse.issparse(model.coef_)
            assert model.coef_.shape == (1, 3)
            np.testing.assert_allclose(model.predict(rows[0]), predictions)
            np.testing.assert_allclose(
                model.predict(sparse.csr_array(rows[0])), predictions, rtol=1e-9
            )
            assert model.densify().coef_.shape == (3,)
