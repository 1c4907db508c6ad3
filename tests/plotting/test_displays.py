"""The Displays: the data, labels and scales that they plot, and their error messages.

Properties of matplotlib's artists are tested, not images.
"""

import builtins
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import OptimizeResult
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import (
    BatchGDRegressor,
    ConvergenceDisplay,
    DescentPathDisplay,
    LearningRateDisplay,
    MiniBatchGDRegressor,
    ScheduleDisplay,
    SGDRegressor,
    learning_rate_range_test,
    schedules,
)
from skgd.plotting import REGRESSOR_COLOURS
from skgd.plotting._thinning import thin_curve, thin_path

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

REGRESSORS = [BatchGDRegressor, MiniBatchGDRegressor, SGDRegressor]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def quick_model(Regressor, **params):
    """Return a regressor of few epochs that records its path."""
    defaults = {"tol": None, "max_iter": 6, "learning_rate": 0.05, "record": "path"}
    if Regressor is not BatchGDRegressor:
        defaults |= {"random_state": 0}
    return Regressor(**defaults | params)


def render(display):
    """Render the figure, so that errors of formatters and layouts are raised; return `display`."""
    display.figure_.canvas.draw()
    return display


def legend_labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# Colours


def colours(model, X, y):
    """Return the colours of the curves of a model, or of several, in each Display."""
    by_display = [
        ConvergenceDisplay.from_estimator(model).lines_["objective"],
        DescentPathDisplay.from_estimator(model, X, y).lines_,
        ScheduleDisplay.from_estimator(model).lines_,
    ]
    return [[line.get_color() for line in lines] for lines in by_display]


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_a_regressor_has_one_colour_in_every_display(Regressor, small):
    model = quick_model(Regressor).fit(*small)
    expected = [REGRESSOR_COLOURS[Regressor.__name__]]
    assert colours(model, *small) == [expected] * 3
    for estimator in (model, make_pipeline(StandardScaler(), model)):
        display = LearningRateDisplay.from_estimator(estimator, *small, rates=[0.01, 0.1])
        assert [display.line_.get_color()] == expected


def test_the_colour_of_a_regressor_does_not_depend_on_its_position(small):
    models = [quick_model(R).fit(*small) for R in (*REGRESSORS[::-1], SGDRegressor)]
    *first, repeated = colours(models, *small)[0]
    assert first == [REGRESSOR_COLOURS[R.__name__] for R in REGRESSORS[::-1]]
    assert repeated not in REGRESSOR_COLOURS.values()
    assert colours(models, *small) == [[*first, repeated]] * 3


# Convergence


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_convergence_plots_the_history_and_marks_the_best_epoch(Regressor, small):
    X, y = small
    model = quick_model(Regressor).fit(X, y, X_val=X[:9], y_val=y[:9])
    display = render(ConvergenceDisplay.from_estimator(model))
    assert [ax.get_ylabel() for ax in display.axes_] == ["objective", "validation score"]
    assert {ax.get_xlabel() for ax in display.axes_} == {"epoch"}
    assert display.ax_ is display.axes_[0]
    for column, (line,) in display.lines_.items():
        assert_array_equal(line.get_xdata(), model.history_["epoch"])
        assert_array_equal(line.get_ydata(), model.history_[column])
    best = model.history_["validation_score"].argmax()
    for ax, column in zip(display.axes_, display.lines_, strict=True):
        star = ax.lines[-1]
        assert star.get_xdata() == best
        assert star.get_ydata() == model.history_[column][best]
        assert legend_labels(ax) == [Regressor.__name__, f"best: epoch {best}"]


def test_best_epoch_without_scores_has_the_smallest_objective(small):
    model = quick_model(SGDRegressor, learning_rate=0.3, max_iter=30).fit(*small)
    (ax,) = ConvergenceDisplay.from_estimator(model).axes_
    assert ax.lines[-1].get_xdata() == model.history_["objective"].argmin()
    (ax,) = ConvergenceDisplay.from_estimator(model, mark_best=False).axes_
    assert len(ax.lines) == 1


def test_several_fits_are_plotted_with_names_and_colours(small):
    models = {R.__name__: quick_model(R, record="running").fit(*small) for R in REGRESSORS}
    display = render(ConvergenceDisplay.from_estimator(models, columns="objective"))
    names = ["BatchGDRegressor", "MiniBatchGDRegressor (running)", "SGDRegressor (running)"]
    assert legend_labels(display.ax_) == [*names, "best"]
    colours = [line.get_color() for line in display.lines_["objective"]]
    assert len(set(colours)) == 3
    two = [quick_model(SGDRegressor).fit(*small) for _ in range(2)]
    display = ConvergenceDisplay.from_estimator(two)
    assert legend_labels(display.ax_)[:2] == ["SGDRegressor 1", "SGDRegressor 2"]
    assert legend_labels(ConvergenceDisplay.from_estimator(two, names=["a", "b"]).ax_)[:2] == [
        "a",
        "b",
    ]
    with pytest.raises(ValueError, match="names has 1 entries"):
        ConvergenceDisplay.from_estimator(two, names=["a"])


def test_a_fit_has_the_same_colour_in_all_panels(small):
    X, y = small
    plain = quick_model(BatchGDRegressor).fit(X, y)
    scored = quick_model(SGDRegressor).fit(X, y, X_val=X, y_val=y)
    display = ConvergenceDisplay.from_estimator([plain, scored])
    (line,) = display.lines_["validation_score"]
    assert line.get_color() == display.lines_["objective"][1].get_color()
    assert line.get_color() != display.lines_["objective"][0].get_color()


def test_columns_are_plotted_on_the_given_axes(small):
    model = quick_model(MiniBatchGDRegressor).fit(*small)
    figure, axes = plt.subplots(2)
    display = ConvergenceDisplay.from_estimator(
        model, columns=["gradient_norm", "learning_rate"], ax=axes, x="time"
    )
    assert display.figure_ is figure
    assert display.axes_.tolist() == axes.tolist()
    assert [ax.get_ylabel() for ax in axes] == ["norm of the gradient", "learning rate"]
    assert axes[0].get_xlabel() == "time (s)"
    assert_array_equal(display.lines_["gradient_norm"][0].get_xdata(), model.history_["time"])
    scored = quick_model(SGDRegressor).fit(*small, X_val=small[0], y_val=small[1])
    assert list(ConvergenceDisplay.from_estimator(scored, ax=axes[0]).lines_) == ["objective"]
    with pytest.raises(ValueError, match="ax has 2 Axes, but there are 1 columns"):
        ConvergenceDisplay.from_estimator(model, columns="objective", ax=axes)


def test_scales_are_logarithmic_for_wide_ranges(small):
    X, y = small
    model = quick_model(BatchGDRegressor, optimizer="gd", max_iter=400).fit(X, y, X_val=X, y_val=y)
    columns = ["objective", "gradient_norm", "validation_score"]
    display = render(ConvergenceDisplay.from_estimator(model, columns=columns))
    assert [ax.get_yscale() for ax in display.axes_][1:] == ["log", "linear"]
    assert {ax.get_xscale() for ax in display.axes_} == {"symlog"}
    assert display.ax_.get_xlim()[0] == 0
    short = quick_model(BatchGDRegressor).fit(X, y)
    display = ConvergenceDisplay.from_estimator(short)
    assert display.ax_.get_xscale() == "linear"
    display = ConvergenceDisplay.from_estimator(short, xscale="log", yscale="log")
    assert (display.ax_.get_xscale(), display.ax_.get_yscale()) == ("symlog", "log")


def test_above_subtracts_from_the_objective(small):
    models = [quick_model(R, max_iter=30).fit(*small) for R in REGRESSORS]
    display = ConvergenceDisplay.from_estimator(models, above="best")
    assert display.ax_.get_ylabel() == "objective above the minimum"
    least = min(model.history_["objective"].min() for model in models)
    for model, line in zip(models, display.lines_["objective"], strict=True):
        expected = model.history_["objective"] - least
        expected[expected == 0] = np.nan
        assert_array_equal(line.get_ydata(), expected)
    display = ConvergenceDisplay.from_estimator(models[0], above=0.25)
    assert display.ax_.get_ylabel() == "objective above 0.25"


@pytest.mark.parametrize("make", [dict, pd.DataFrame], ids=["dict", "frame"])
def test_from_history_accepts_dicts_and_frames(make, small):
    history = make(quick_model(SGDRegressor).fit(*small).history_)
    for histories in (history, [history], dict(history), {"mine": history}):
        display = ConvergenceDisplay.from_history(histories, columns="objective")
        assert_array_equal(display.lines_["objective"][0].get_ydata(), history["objective"])
    assert legend_labels(display.ax_)[0] == "mine"
    display = ConvergenceDisplay.from_history({"objective": np.array([3.0, 2.0])}, names="plain")
    assert_array_equal(display.lines_["objective"][0].get_xdata(), [0, 1])
    assert legend_labels(display.ax_)[0] == "plain"


def test_convergence_accepts_pipelines_and_searches(small):
    pipeline = make_pipeline(StandardScaler(), quick_model(SGDRegressor)).fit(*small)
    search = GridSearchCV(pipeline, {"sgdregressor__alpha": [0.0, 0.1]}, cv=2).fit(*small)
    display = ConvergenceDisplay.from_estimator({"pipeline": pipeline, "search": search})
    best = search.best_estimator_[-1].history_["objective"]
    assert_array_equal(display.lines_["objective"][1].get_ydata(), best)


def test_convergence_raises_an_error_for_invalid_input(small):
    model = quick_model(SGDRegressor, record="running").fit(*small)
    for Display in (ConvergenceDisplay, ScheduleDisplay):
        with pytest.raises(NotFittedError):
            Display.from_estimator(SGDRegressor())
        with pytest.raises(TypeError, match="needs a regressor of skgd"):
            Display.from_estimator(StandardScaler().fit(*small))
    for column, remedy in [
        ("gradient_norm", "record='objective'"),
        ("validation_score", "X_val"),
        ("learning_rat", "Did you mean 'learning_rate'"),
    ]:
        with pytest.raises(ValueError, match=f"no column '{column}'.*it has: 'epoch'.*{remedy}"):
            ConvergenceDisplay.from_estimator(model, columns=column)
    with pytest.raises(ValueError, match="no column 'hour'"):
        ConvergenceDisplay.from_estimator(model, x="hour")
    with pytest.raises(ValueError, match="record='running'"):
        ConvergenceDisplay.from_estimator(quick_model(SGDRegressor, record=None).fit(*small))


# Descent paths


@pytest.mark.parametrize("kind", ["contour", "surface"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_descent_path_plots_the_recorded_path(Regressor, kind, diabetes):
    X, y = diabetes
    X = X[:, [2, 3]]
    model = quick_model(Regressor, standardize=True).fit(X, y)
    display = render(DescentPathDisplay.from_estimator(model, X, y, kind=kind))
    (line,) = display.lines_
    path = model.path_
    assert_array_equal(
        line.get_data()[0] if kind == "contour" else line.get_data_3d()[0], path["coef_0"]
    )
    assert display.ax_.get_xlabel() == "coefficient 0"
    assert display.ax_.get_ylabel() == "coefficient 1"
    assert display.ax_.get_title() == "intercept as fitted"
    assert legend_labels(display.ax_) == [Regressor.__name__]
    assert hasattr(display.ax_, "get_zlabel") == (kind == "surface")


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("convert", [np.asarray, csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("Regressor", REGRESSORS)
@pytest.mark.usefixtures("compile_sampled_pairs")
def test_surface_equals_the_objective(Regressor, convert, weighted, loss, penalty, small):
    X, y = small
    weights = np.arange(1.0, 21) if weighted else None
    alpha, share = 0.3, {"l2": 0.0, "l1": 1.0, "elasticnet": 0.15}[penalty]
    model = quick_model(Regressor, loss=loss, penalty=penalty, alpha=alpha, learning_rate=0.002)
    model.fit(convert(X), y, sample_weight=weights)
    display = DescentPathDisplay.from_estimator(
        model, convert(X), y, sample_weight=weights, coefs=(1, "intercept"), resolution=4
    )
    s = np.ones(20) if weights is None else weights
    s = s if Regressor is SGDRegressor else s / s.mean()  # SGDRegressor's weights are absolute
    x, b, z = display.grid()
    for column, coef in enumerate(x):
        for row, intercept in enumerate(b):
            w = model.coef_.copy()
            w[1] = coef
            losses = model.loss_.value(X @ w + intercept, y)
            norm = share * np.abs(w).sum() + (1 - share) / 2 * (w**2).sum()
            assert_allclose(z[row, column], np.mean(s * losses) + alpha * norm, rtol=1e-10)


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: grid_search(model)])
def test_descent_path_transforms_the_data_by_the_pipeline(wrap, diabetes):
    X, y = diabetes
    model = quick_model(BatchGDRegressor, learning_rate=0.1, max_iter=200)
    model = wrap(make_pipeline(StandardScaler(), model)).fit(X, y)
    display = DescentPathDisplay.from_estimator(model, X, y)
    (path,) = display.paths.values()
    last = getattr(model, "best_estimator_", model)[-1]
    assert_allclose(display.function(path[-1:]), last.history_["objective"][-1], rtol=1e-9)


def grid_search(pipeline):
    return GridSearchCV(pipeline, {"batchgdregressor__alpha": [0.0, 0.1]}, cv=2)


def test_descent_path_selects_the_two_largest_coefficients(diabetes):
    X, y = diabetes
    names = [f"f{i}" for i in range(10)]
    model = quick_model(BatchGDRegressor, max_iter=50).fit(pd.DataFrame(X, columns=names), y)
    display = DescentPathDisplay.from_estimator(model, pd.DataFrame(X, columns=names), y)
    first, second = np.sort(np.argsort(-np.abs(model.coef_))[:2])
    assert display.ax_.get_xlabel() == f"coefficient of f{first}"
    assert display.ax_.get_ylabel() == f"coefficient of f{second}"
    assert display.ax_.get_title() == "two largest of 10 coefficients, the others as fitted"
    display = DescentPathDisplay.from_estimator(
        model, pd.DataFrame(X, columns=names), y, coefs=("f7", "intercept")
    )
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == (
        "coefficient of f7",
        "intercept",
    )
    assert display.ax_.get_title() == "two of 10 coefficients, the others as fitted"
    assert_array_equal(display.lines_[0].get_xdata(), model.path_["coef_7"])


def test_descent_path_of_one_feature_includes_the_intercept(small):
    X, y = small
    model = quick_model(SGDRegressor).fit(X[:, :1], y)
    display = DescentPathDisplay.from_estimator(model, X[:, :1], y)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("coefficient 0", "intercept")
    assert display.ax_.get_title() == ""
    alone = quick_model(SGDRegressor, fit_intercept=False).fit(X[:, :1], y)
    with pytest.raises(ValueError, match="only one parameter"):
        DescentPathDisplay.from_estimator(alone, X[:, :1], y)


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_output_selects_the_target(loss, small):
    X, y = small
    Y = np.column_stack([y, 3 * y])
    model = quick_model(MiniBatchGDRegressor, loss=loss).fit(X, Y)
    display = DescentPathDisplay.from_estimator(model, X, Y, output=1, coefs=(0, 2))
    assert_array_equal(display.lines_[0].get_xdata(), model.path_["coef_1_0"])
    coef = model.coef_.copy()
    coef[1, 0], coef[1, 2] = display.xlim[0], display.ylim[1]
    expected = model.loss_.value(X @ coef.T + model.intercept_, Y).sum(axis=1).mean()
    assert_allclose(display.grid()[2][-1, 0], expected, rtol=1e-10)
    with pytest.raises(ValueError, match="output must be less than 2"):
        DescentPathDisplay.from_estimator(model, X, Y, output=2)


def test_many_rows_are_sampled_unless_the_objective_is_quadratic():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30_000, 2))
    y = X @ [1.0, 2.0] + rng.standard_t(3, 30_000)
    for loss in ("squared_error", "huber"):
        model = BatchGDRegressor(loss, record="path").fit(X, y)
        display = DescentPathDisplay.from_estimator(model, X, y, resolution=5)
        sampled = loss != "squared_error"
        assert (display.function.objective.design.n_rows == 30_000) != sampled
        assert ("10000 rows drawn at random" in display.ax_.get_title()) == sampled
        whole = model.loss_.value(X @ model.coef_ + model.intercept_, y).mean()
        assert_allclose(display.function(model.coef_[None]), whole, rtol=0.03)


def test_descent_path_plots_several_fits(small):
    models = [quick_model(R).fit(*small) for R in REGRESSORS]
    display = render(DescentPathDisplay.from_estimator(models, *small, coefs=(0, 1)))
    assert legend_labels(display.ax_) == [R.__name__ for R in REGRESSORS]
    low, high = display.xlim
    for model in models:
        assert np.all((low < model.path_["coef_0"]) & (model.path_["coef_0"] < high))
    X, y = small
    other = quick_model(SGDRegressor).fit(X[:, :2], y)
    with pytest.raises(ValueError, match=r"SGDRegressor has coefficients of shape \(2,\)"):
        DescentPathDisplay.from_estimator([models[0], other], X, y)


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def test_from_function_plots_paths_of_points():
    paths = {"one": np.array([[-1.0, 1], [0, 0], [1, 1]]), "two": [[0, 2], [0, np.nan], [1, 1]]}
    display = render(DescentPathDisplay.from_function(rosenbrock, paths, gradient=True))
    assert legend_labels(display.ax_) == ["one", "two"]
    assert_array_equal(display.lines_[0].get_xdata(), [-1, 0, 1])
    assert_array_equal(
        display.lines_[1].get_ydata(), [2, 1]
    )  # without the point that is not finite
    x, y, z = display.grid()
    assert_allclose(z[3, 5], rosenbrock([x[5], y[3]]))
    display = DescentPathDisplay.from_function(rosenbrock, np.array(paths["one"]))
    assert legend_labels(display.ax_) == ["path"]
    display = DescentPathDisplay.from_function(rosenbrock, xlim=(-2, 2), ylim=(-1, 3))
    assert display.lines_ == []
    assert display.ax_.get_legend() is None
    assert display.ax_.get_xlim() == (-2, 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: x**2 + 4 * y**2,
        lambda p: p[0] ** 2 + 4 * p[1] ** 2,
        lambda p, *args: p[0] ** 2 + 4 * p[1] ** 2,
        lambda p, scale=4: p[0] ** 2 + scale * p[1] ** 2,
    ],
)
def test_from_function_accepts_functions_of_a_point_or_of_two_numbers(function):
    display = DescentPathDisplay.from_function(function, xlim=(-1, 1), ylim=(-2, 2))
    x, y, z = display.grid()
    assert_allclose(z, x**2 + 4 * y[:, None] ** 2)


def test_from_function_accepts_a_ufunc():
    _, y, z = DescentPathDisplay.from_function(np.hypot, xlim=(-1, 1), ylim=(1, 2)).grid()
    assert_allclose(z[:, 0], np.hypot(-1, y))


@pytest.mark.parametrize(
    "wrap", [np.array, list, tuple, lambda p: OptimizeResult(history={"x": p})]
)
def test_from_function_accepts_every_form_of_a_single_path(wrap):
    path = [[-1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    for paths in (wrap(path), [wrap(path)], {"path": wrap(path)}):
        display = DescentPathDisplay.from_function(rosenbrock, paths)
        assert list(display.paths) == ["path"]
        assert_array_equal(display.paths["path"], path)


def test_arrows_point_in_the_direction_of_steepest_descent():
    def bowl(p):
        return 3 * p[0] ** 2 + p[1] ** 2

    display = DescentPathDisplay.from_function(
        bowl, xlim=(-1, 1), ylim=(-2, 2), gradient=True, resolution=161
    )
    arrows = display.arrows_
    expected = -np.stack([6 * arrows.X, 2 * arrows.Y])
    directions = np.stack([arrows.U, arrows.V])
    norms = np.linalg.norm(expected, axis=0) * np.linalg.norm(directions, axis=0)
    cosines = (expected * directions).sum(axis=0) / norms
    away_from_axes = (np.abs(arrows.X) > 0.1) & (np.abs(arrows.Y) > 0.1)
    assert np.all(cosines[away_from_axes] > 0.999)
    assert DescentPathDisplay.from_function(bowl, xlim=(-1, 1), ylim=(-1, 1)).arrows_ is None


def test_surface_requires_three_dimensional_axes():
    figure, ax = plt.subplots(subplot_kw={"projection": "3d"})
    options = {"xlim": (-2, 2), "ylim": (-1, 3), "kind": "surface"}
    display = DescentPathDisplay.from_function(rosenbrock, [[[0.0, 0], [1, 1]]], ax=ax, **options)
    assert (display.ax_, display.figure_) == (ax, figure)
    assert_allclose(display.lines_[0].get_data_3d()[2], [1, 0])
    with pytest.raises(ValueError, match="three-dimensional Axes"):
        DescentPathDisplay.from_function(rosenbrock, ax=plt.subplots()[1], **options)
    with pytest.raises(ValueError, match="kind='contour'"):
        DescentPathDisplay.from_function(rosenbrock, gradient=True, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coefs": (0, 0)}, "two different"),
        ({"coefs": (0, 3)}, "less than 3"),
        ({"coefs": 1}, "a pair of"),
        ({"coefs": (0, 1, 2)}, "a pair of"),
        ({"coefs": ("a", 1)}, "the numbers 0 to 2"),
        ({"resolution": 1}, "resolution must be"),
        ({"kind": "surfaces"}, "Did you mean 'surface'"),
        ({"levels": 1}, "levels must be"),
        ({"xlim": (1, 0)}, r"xlim must be a pair \(low, high\)"),
        ({"sample_weight": np.zeros(20)}, "zero for every row"),
    ],
)
def test_descent_path_raises_an_error_for_invalid_parameters(options, message, small):
    model = quick_model(SGDRegressor).fit(*small)
    with pytest.raises(ValueError, match=message):
        DescentPathDisplay.from_estimator(model, *small, **options)


def test_descent_path_raises_an_error_without_path_or_finite_values(small):
    with pytest.raises(NotFittedError):
        DescentPathDisplay.from_estimator(quick_model(SGDRegressor), *small)
    with pytest.raises(ValueError, match="record='path'"):
        DescentPathDisplay.from_estimator(
            quick_model(SGDRegressor, record=None).fit(*small), *small
        )
    with pytest.raises(ValueError, match="xlim is required if there are no paths"):
        DescentPathDisplay.from_function(rosenbrock)
    with pytest.raises(ValueError, match=r"shape \(m, 2\)"):
        DescentPathDisplay.from_function(rosenbrock, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="no finite point"):
        DescentPathDisplay.from_function(rosenbrock, np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="no finite value"):
        DescentPathDisplay.from_function(lambda p: np.nan, xlim=(0, 1), ylim=(0, 1))


# Learning rates and schedules


@pytest.mark.parametrize("Regressor", REGRESSORS)
def test_learning_rate_display_plots_the_range_test(Regressor, small):
    result = learning_rate_range_test(Regressor(), *small)
    display = render(LearningRateDisplay.from_estimator(Regressor(), *small))
    assert display.found.suggestion == result.suggestion
    finite = np.isfinite(result.objective)
    assert_array_equal(display.line_.get_xdata(), result.learning_rate)
    assert_array_equal(display.line_.get_ydata()[finite], result.objective[finite])
    assert display.ax_.get_xscale() == "log"
    marked = [line.get_xdata()[0] for line in display.ax_.lines[2:]]
    assert marked == [result.suggestion, result.largest_stable]
    texts = legend_labels(display.ax_)
    assert texts[2] == f"suggestion {result.suggestion:.3g}"
    assert texts[3] == f"largest stable {result.largest_stable:.3g}"
    assert_array_equal(
        LearningRateDisplay(result).plot().line_.get_ydata(), display.line_.get_ydata()
    )


def test_schedule_display_plots_the_rates_of_every_update():
    rates = {"cosine": schedules.CosineDecay(eta0=0.1), "half": lambda t: 0.5 / t, "flat": 0.1}
    display = render(ScheduleDisplay.from_schedule(rates, max_iter=10, updates_per_epoch=4))
    assert legend_labels(display.ax_) == ["cosine", "half", "flat"]
    cosine = rates["cosine"].resolve(max_iter=10, updates_per_epoch=4)(np.arange(1, 41))
    assert_array_equal(display.lines_[0].get_ydata(), cosine)
    assert_array_equal(display.lines_[0].get_xdata(), np.arange(1, 41) / 4)
    assert display.ax_.get_yscale() == "log"
    display = ScheduleDisplay.from_schedule([schedules.StepDecay(), "step", "adaptive"])
    assert legend_labels(display.ax_) == ["StepDecay 1", "StepDecay 2", "Adaptive"]


@pytest.mark.parametrize("name", [n for n in schedules.SCHEDULES if n not in ("pa1", "pa2")])
def test_every_registered_schedule_can_be_plotted(name):
    if name == "line_search":
        with pytest.raises(ValueError, match="columns='learning_rate'"):
            ScheduleDisplay.from_schedule(name)
        return
    assert len(ScheduleDisplay.from_schedule(name, alpha=0.1).lines_[0].get_xdata()) == 50


def test_schedule_of_a_fitted_model_equals_its_recorded_rates(small):
    params = {"learning_rate": "auto", "optimizer": "adam", "batch_size": 6}
    model = quick_model(MiniBatchGDRegressor, **params).fit(*small)
    display = ScheduleDisplay.from_estimator(model)
    rates = display.lines_[0].get_ydata()
    assert_allclose(rates[3::4], model.history_["learning_rate"][1:])
    searching = quick_model(MiniBatchGDRegressor, learning_rate="auto").fit(*small)
    with pytest.raises(ValueError, match="ConvergenceDisplay"):
        ScheduleDisplay.from_estimator(searching)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "auto"}, "depends on time alone"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"schedule": -1.0}, "learning_rate must be"),
        ({"schedule": lambda t: -t}, "positive and finite"),
        ({"schedule": 0.1, "max_iter": 0}, "max_iter must be"),
        ({"schedule": 0.1, "updates_per_epoch": 0}, "updates_per_epoch must be"),
    ],
)
def test_schedule_display_raises_an_error_for_invalid_parameters(options, message):
    with pytest.raises(ValueError, match=message):
        ScheduleDisplay.from_schedule(**options)


# Helpers


def test_thinned_curves_keep_their_extremes_and_ends():
    rng = np.random.default_rng(0)
    y = rng.standard_normal(1_000_000)
    y[123_456], y[654_321], y[77] = 50, -50, np.nan
    x, thinned = thin_curve(np.arange(len(y)), y)
    assert len(x) <= 4400
    assert np.nanmax(thinned) == 50
    assert np.nanmin(thinned) == -50
    assert (x[0], x[-1]) == (0, 999_999)
    assert np.all(np.diff(x) > 0)
    assert_array_equal(x[:100], np.arange(100))
    path = rng.standard_normal((1_000_000, 2))
    thinned = thin_path(path)
    assert len(thinned) <= 4001
    assert_array_equal(thinned[[0, -1]], path[[0, -1]])


def test_import_error_says_how_to_install_matplotlib(small, monkeypatch):
    model = quick_model(SGDRegressor).fit(*small)
    result = learning_rate_range_test(model, *small)
    original_import = builtins.__import__

    def import_without_matplotlib(name, *args, **kwargs):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return original_import(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", import_without_matplotlib)
    for plot in (
        lambda: ConvergenceDisplay.from_estimator(model),
        lambda: DescentPathDisplay.from_estimator(model, *small),
        lambda: LearningRateDisplay(result).plot(),
        lambda: ScheduleDisplay.from_schedule(0.1),
    ):
        with pytest.raises(ImportError, match=r"pip install 'skgd\[plot\]'"):
            plot()
