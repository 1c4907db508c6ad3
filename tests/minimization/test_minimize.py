"""minimize, maximize, approx_gradient and check_gradient.

The references are SciPy's minimisers and the updates computed step by step; the rest tests failing
functions, histories, callbacks, restarts and error messages.
"""

import inspect
import math

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

import skgd
from skgd import optimizers, schedules
from skgd._utils.validation import InvalidParameterError
from skgd.minimization._minimize import MinimizeOptions
from skgd.optimizers import ConjugateGradient

STARTS = [np.full(10, -1.2), np.tile([-1.2, 1.0], 5), np.zeros(10), np.full(10, 3.0)]


def squares(v):
    return np.sum(v**2)


def squares_gradient(v):
    return 2 * v


# Convergence


@pytest.mark.parametrize("jac", [rosen_der, "3-point", None])
@pytest.mark.parametrize("start", STARTS)
def test_default_minimises_rosenbrock_in_ten_dimensions(start, jac):
    result = skgd.minimize(rosen, start, jac=jac)
    assert result.success, result.message
    assert result.fun < 1e-8
    assert_allclose(result.x, 1, atol=1e-8 if callable(jac) else 1e-6)
    assert np.linalg.norm(result.jac) < 1e-6


def convex_problem(kind, seed):
    rng = np.random.default_rng(seed)
    n, d = 30, int(rng.integers(2, 9))
    X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-1, 1, d)
    y = rng.standard_normal(n)
    if kind == "quadratic":
        return (lambda w: 0.5 * np.mean((X @ w - y) ** 2) + 5.0, lambda w: X.T @ (X @ w - y) / n, d)
    if kind == "logistic":
        signs = np.sign(y)
        return (
            lambda w: np.mean(np.logaddexp(0, -signs * (X @ w))) + 0.05 * w @ w,
            lambda w: -X.T @ (signs / (1 + np.exp(signs * (X @ w)))) / n + 0.1 * w,
            d,
        )
    if kind == "poisson":
        counts = rng.poisson(2.0, n)
        X = X / np.abs(X).max()
        return (
            lambda w: np.mean(np.exp(X @ w) - counts * (X @ w)) + 0.05 * w @ w,
            lambda w: X.T @ (np.exp(X @ w) - counts) / n + 0.1 * w,
            d,
        )
    return (
        lambda w: np.sum(np.sqrt(1 + (X @ w - y) ** 2)) + 0.1 * np.sum(w**4),
        lambda w: X.T @ ((X @ w - y) / np.sqrt(1 + (X @ w - y) ** 2)) + 0.4 * w**3,
        d,
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["quadratic", "logistic", "poisson", "pseudo_huber"])
def test_convex_problems_reach_the_minimum_of_scipy(kind, seed):
    fun, jac, d = convex_problem(kind, seed)
    peer = scipy.optimize.minimize(fun, np.ones(d), jac=jac, method="BFGS", options={"gtol": 1e-9})
    result = skgd.minimize(fun, np.ones(d), jac=jac)
    assert result.success, result.message
    assert result.fun <= peer.fun + 1e-12 * abs(peer.fun)
    assert_allclose(result.x, peer.x, rtol=1e-5, atol=1e-6)
    estimated = skgd.minimize(fun, np.ones(d))
    assert estimated.success, estimated.message
    assert estimated.fun <= peer.fun + 1e-8 * abs(peer.fun)


@pytest.mark.parametrize("optimizer", ["gd", "cg", "lbfgs"])
@pytest.mark.parametrize("rate", ["line_search", "exact"])
def test_line_search_and_exact_rate_minimise_a_quadratic(rate, optimizer):
    fun, jac = lambda v: 0.5 * v @ (v * [1, 10, 100]), lambda v: v * [1.0, 10, 100]
    result = skgd.minimize(fun, [1.0, 1, 1], jac=jac, learning_rate=rate, optimizer=optimizer)
    assert result.success
    assert_allclose(result.x, 0, atol=1e-9)
    if rate == "exact" and optimizer != "gd":
        assert result.nit == 3


@pytest.mark.parametrize("optimizer", ["lbfgs", "cg"])
@pytest.mark.parametrize("condition", [1e2, 1e3, 1e4, 1e5])
@pytest.mark.parametrize("seed", range(3))
def test_converges_where_differences_of_values_are_rounding_errors(condition, optimizer, seed):
    # Near the minimum the terms of the value cancel: its rounding error is up to `condition` eps.
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    matrix = rotation * np.geomspace(1, condition, 20) @ rotation.T
    matrix, target = (matrix + matrix.T) / 2, 100 * rng.normal(size=20)
    fun, jac = lambda v: 0.5 * v @ matrix @ v - target @ v, lambda v: matrix @ v - target
    result = skgd.minimize(fun, np.ones(20), jac=jac, optimizer=optimizer)
    assert result.success, result.message
    minimum = np.linalg.solve(matrix, target)
    error = np.abs(result.x - minimum).max() / np.abs(minimum).max()
    assert error < 1e-9 * condition
    peer = scipy.optimize.minimize(fun, np.ones(20), jac=jac, method="L-BFGS-B")
    assert error <= np.abs(peer.x - minimum).max() / np.abs(minimum).max()


@pytest.mark.parametrize(
    "name", [name for name, rule in optimizers.OPTIMIZERS.items() if hasattr(rule, "update")]
)
def test_every_elementwise_optimizer_reaches_a_minimum(name):
    # A step of Lion is as long as the rate, so that the last rate is the error that remains.
    rates = {"adagrad": 0.5, "lion": schedules.TimeDecay(t0=2, t1=200)}
    result = skgd.minimize(
        squares,
        [3.0, -2.0],
        jac=squares_gradient,
        optimizer=name,
        learning_rate=rates.get(name, schedules.TimeDecay(t0=10, t1=200)),
        max_iter=3000,
    )
    assert_allclose(result.x, 0, atol=1e-3)


@pytest.mark.parametrize("name", ["gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"])
def test_steps_equal_the_updates_of_the_optimizer(name):
    result = skgd.minimize(
        squares,
        [3.0, -2.0],
        jac=squares_gradient,
        optimizer=name,
        learning_rate=0.05,
        max_iter=5,
        gtol=0,
    )
    rule, x = optimizers.OPTIMIZERS[name](), np.array([3.0, -2.0])
    state = rule.init(x)
    for t in range(1, 6):
        step, _, state = rule.update(2 * x, state, 0.05, t)
        x = x + step
        assert_allclose(result.history["x"][t], x, rtol=1e-15)


def test_conjugate_directions_are_equal_for_one_output_and_several():
    rng = np.random.default_rng(0)
    single, several = (), ()
    for _ in range(5):
        gradient = rng.standard_normal(4)
        direction, single = ConjugateGradient().direction(None, gradient, single)
        stacked, several = ConjugateGradient().direction(
            None, np.stack([gradient, 2 * gradient]), several
        )
        assert_allclose(stacked, [direction, 2 * direction], rtol=1e-12)
        assert direction @ gradient < 0


@pytest.mark.parametrize("size", [2, 5, 10])
@pytest.mark.parametrize("seed", range(3))
def test_estimated_gradients_need_less_than_three_times_the_calls_of_bfgs(size, seed):
    # Near the minimum their error exceeds what the curvature condition allows.
    start = np.random.default_rng(seed).normal(size=size)
    result = skgd.minimize(rosen, start, jac="2-point")
    peer = scipy.optimize.minimize(rosen, start, method="BFGS")
    assert result.success, result.message
    assert result.nfev < 3 * peer.nfev


# Structure of x


@pytest.mark.parametrize(
    "start",
    [
        2.0,
        3,
        np.float32(1.5),
        [1.0, 2.0],
        np.ones((2, 3)),
        [np.ones((2, 2)), np.ones(3)],
        (np.ones(2), 5.0),
        {"weights": np.ones((2, 2)), "bias": 1.0},
    ],
)
@pytest.mark.parametrize("has_jac", [True, False])
def test_x_and_gradient_keep_the_structure_of_x0(start, has_jac):
    def parts(x):
        if isinstance(x, dict):
            return list(x.values())
        return x if isinstance(x, (list, tuple)) else [x]

    def fun(x):
        return sum(float(np.sum((part - 1.5) ** 2)) for part in parts(x))

    def jac(x):
        if isinstance(x, dict):
            return {name: 2 * (part - 1.5) for name, part in x.items()}
        gradients = [2 * (part - 1.5) for part in parts(x)]
        return type(x)(gradients) if isinstance(x, (list, tuple)) else gradients[0]

    result = skgd.minimize(fun, start, jac=jac if has_jac else None)
    assert result.success
    if isinstance(start, dict):
        assert list(result.x) == list(start)
        assert result.history["x"]["weights"].shape == (result.nit + 1, 2, 2)
    shapes = [np.shape(part) for part in parts(start)]
    if isinstance(start, list) and shapes == [(), ()]:
        shapes = [(2,)]
    assert [np.shape(part) for part in parts(result.x)] == shapes
    for part in parts(result.x):
        assert_allclose(part, 1.5, atol=1e-6)
    for part in parts(result.jac):
        assert_allclose(part, 0, atol=1e-6)


def test_fun_may_modify_its_argument():
    def fun(x):
        value = squares(x)
        x[:] = 0
        return value

    result = skgd.minimize(fun, [3.0, 4.0], jac=squares_gradient, learning_rate=0.1, max_iter=2)
    assert_allclose(result.x, [3 * 0.64, 4 * 0.64])


def test_jac_may_return_the_same_array_every_time():
    buffer = np.zeros(2)

    def jac(x):
        buffer[:] = 2 * x
        return buffer

    result = skgd.minimize(squares, [3.0, 4.0], jac=jac)
    assert_allclose(result.history["jac"], 2 * result.history["x"])


def test_fun_may_return_value_and_gradient():
    result = skgd.minimize(lambda v: (squares(v), squares_gradient(v)), [1.0, 2.0], jac=True)
    assert result.success
    assert_allclose(result.x, 0, atol=1e-9)


def test_nfev_and_njev_count_the_calls():
    calls = {"fun": 0, "jac": 0}

    def fun(x):
        calls["fun"] += 1
        return rosen(x)

    def jac(x):
        calls["jac"] += 1
        return rosen_der(x)

    result = skgd.minimize(fun, np.zeros(3), jac=jac)
    assert (result.nfev, result.njev) == (calls["fun"], calls["jac"])
    calls["fun"] = 0
    result = skgd.minimize(fun, np.zeros(3))
    assert result.nfev == calls["fun"]


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_function_that_returns_its_gradient_too_can_be_minimised_by_batches(shuffle):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)

    def fun(w, X, y):
        return np.mean((X @ w - y) ** 2) / 2

    def jac(w, X, y):
        return X.T @ (X @ w - y) / len(y)

    def both(w, X, y):
        return fun(w, X, y), jac(w, X, y)

    options = {"batch_size": 10, "learning_rate": 0.1, "max_iter": 20, "random_state": 0}
    options |= {"args": (X, y), "shuffle": shuffle}
    separate = skgd.minimize(fun, np.zeros(3), jac=jac, **options)
    result = skgd.minimize(both, np.zeros(3), jac=True, **options)
    assert_array_equal(result.x, separate.x)
    assert_array_equal(result.jac, jac(result.x, X, y))  # not that of the end of the last epoch


@pytest.mark.parametrize("batch", [{}, {"batch_size": 1, "learning_rate": 0.1}])
@pytest.mark.parametrize("sign", [1, -1])
def test_verbose_prints_a_line_for_each_point(batch, sign, capsys):
    optimize = skgd.minimize if sign == 1 else skgd.maximize

    def fun(v, args):
        return sign * np.mean((v - args) ** 2)

    options = {"args": (np.arange(3.0),), "jac": lambda v, args: sign * 2 * np.mean(v - args)}
    assert optimize(fun, 5.0, max_iter=4, **options, **batch).nit
    assert not capsys.readouterr().out
    result = optimize(fun, 5.0, max_iter=4, verbose=1, **options, **batch)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["step", str(i)] for i in range(result.nit + 1)]
    values = [float(line.split("fun")[1].split()[0]) for line in lines]
    assert_allclose(values, result.history["fun"], rtol=1e-5)
    assert "rate" not in lines[0]
    assert "rate" in lines[1]


# Functions that fail


@pytest.mark.parametrize("failure", ["raise", "nan", "inf", "-inf", "jac raises", "jac is nan"])
def test_line_search_continues_after_a_failed_evaluation(failure):
    def outside(x):
        return x <= 0

    def fun(x):
        if outside(x):
            if failure == "raise":
                raise ArithmeticError("no logarithm")
            return float(failure) if failure in ("nan", "inf", "-inf") else -100.0
        return x - math.log(x)

    def jac(x):
        if outside(x):
            if failure == "jac raises":
                raise ArithmeticError("no logarithm")
            return math.nan
        return 1 - 1 / x

    for options in [{}, {"learning_rate": [100, 10, 1, 0.1]}]:
        result = skgd.minimize(fun, 30.0, jac=jac, **options)
        if failure.startswith("jac") and options:
            continue  # candidates are compared by their values only
        assert result.x == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("error", [NameError, TypeError, AttributeError, RuntimeError])
@pytest.mark.parametrize("options", [{}, {"learning_rate": 0.1}, {"jac": None}])
@pytest.mark.parametrize("n_valid", [0, 3])
def test_a_programming_error_is_raised_at_once(error, options, n_valid):
    calls = []

    def fail_later(v):
        calls.append(v)
        if len(calls) > n_valid:
            raise error("a mistake of the user")

    def fun(v):
        fail_later(v)
        return np.sum((v - 1) ** 4)

    def jac(v):
        fail_later(v)
        return 4 * (v - 1) ** 3

    with pytest.raises(error, match="a mistake of the user"):
        skgd.minimize(fun, [3.0, 2.0], **({"jac": jac} | options))
    assert len(calls) == n_valid + 1


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError, np.linalg.LinAlgError])
def test_a_numerical_error_counts_as_infinity(error):
    def fun(v):
        if v[0] > 1:
            raise error("outside")
        return np.sum(v**2)

    result = skgd.minimize(fun, [-30.0], learning_rate=[1.03, 0.1])
    assert result.success
    assert_allclose(result.x, 0, atol=1e-6)


@pytest.mark.parametrize("rate", ["line_search", [1.0, 0.1], 0.1])
@pytest.mark.parametrize("value", [math.inf, math.nan, "raise"])
def test_no_finite_value_around_the_start_is_no_success(value, rate):
    def fun(x):
        if (x == 1).all():
            return 0.5
        if value == "raise":
            raise ZeroDivisionError("division failed")
        return value

    result = skgd.minimize(fun, [1.0, 1.0], jac=np.ones_like, learning_rate=rate)
    assert not result.success
    assert result.nit == 0
    assert_array_equal(result.x, 1)
    expected = "division failed" if value == "raise" else str(value)
    assert expected in result.message
    assert ("Diverged" if rate == 0.1 else "not finite at any trial point") in result.message


@pytest.mark.parametrize("batch", [{}, {"batch_size": 1, "learning_rate": 0.1}])
def test_no_finite_value_at_the_start_is_no_success(batch):
    result = skgd.minimize(
        lambda v, a: math.nan, [1.0], (np.ones(3),), jac=squares_gradient_of_two, **batch
    )
    assert not result.success
    assert "starting point" in result.message
    assert "returned nan" in result.message


def squares_gradient_of_two(v, a):
    return 2 * v


def test_message_recommends_check_gradient_after_a_wrong_gradient():
    result = skgd.minimize(squares, [1.0, 2.0], jac=lambda v: -2 * v)
    assert not result.success
    assert "check_gradient" in result.message


def test_message_says_that_the_learning_rate_is_too_large():
    result = skgd.minimize(squares, [1.0], jac=squares_gradient, learning_rate=3.0)
    assert not result.success
    assert "too large" in result.message
    result = skgd.minimize(squares, [1.0], jac=squares_gradient, learning_rate=1.1, max_iter=9)
    assert not result.success
    assert "above the initial one" in result.message


@pytest.mark.parametrize(
    "fun", [lambda v: float(-v[0]), lambda v: float(np.exp(-v[0])), lambda v: 7.0, lambda v: 0.0]
)
@pytest.mark.parametrize("rate", ["line_search", [1.0, 0.1], 0.1])
def test_unbounded_and_constant_functions_terminate(fun, rate):
    result = skgd.minimize(fun, [1.0], learning_rate=rate, max_iter=300)
    assert result.nfev < 60_000
    assert result.nit <= 300


def test_nondifferentiable_function_terminates():
    result = skgd.minimize(lambda v: np.abs(v).sum(), [1.0, 0.7], jac=np.sign, max_iter=1000)
    assert result.fun < 0.5
    assert result.nfev < 100_000


# Finite sums


def fit_line_by_batches(**options):
    """Return the result of a least-squares fit, and the exact coefficients."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 2))
    y = X @ [1.0, -2.0] + 0.1 * rng.standard_normal(50)
    return skgd.minimize(
        lambda w, X, y: 0.5 * np.mean((X @ w - y) ** 2),
        [0.0, 0.0],
        (X, y),
        jac=options.pop("jac", lambda w, X, y: X.T @ (X @ w - y) / len(y)),
        **{"learning_rate": 0.1, "max_iter": 80, "random_state": 0, **options},
    ), np.linalg.lstsq(X, y, rcond=None)[0]


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
@pytest.mark.parametrize("jac", [None, "given"])
def test_every_batch_size_reaches_the_least_squares_solution(batch_size, jac):
    options = {} if jac else {"jac": None}
    result, exact = fit_line_by_batches(batch_size=batch_size, **options)
    assert_allclose(result.x, exact, atol=0.1)
    assert result.fun == result.history["fun"].min()
    assert len(result.history["x"]) == result.nit + 1


def test_one_batch_of_all_rows_equals_the_full_batch():
    batch, _ = fit_line_by_batches(batch_size=50, shuffle=False)
    full, _ = fit_line_by_batches()
    assert_allclose(batch.history["x"], full.history["x"], rtol=1e-13)


def test_row_orders_depend_on_random_state_only():
    one, two, other = (
        fit_line_by_batches(batch_size=5, random_state=seed)[0].x for seed in (0, 0, 1)
    )
    assert_array_equal(one, two)
    assert not np.array_equal(one, other)
    unshuffled, same = (
        fit_line_by_batches(batch_size=5, random_state=seed, shuffle=False)[0].x for seed in (0, 1)
    )
    assert_array_equal(unshuffled, same)


# Callbacks, history, restarts, maximisation


def test_stop_iteration_in_a_callback_ends_the_descent():
    seen = []

    def callback(x):
        seen.append(x)
        if len(seen) == 3:
            raise StopIteration

    for options in ({}, {"learning_rate": 0.01}, {"learning_rate": [0.1, 0.001]}):
        seen.clear()
        result = skgd.minimize(rosen, np.zeros(2), jac=rosen_der, callback=callback, **options)
        assert result.nit == 3
        assert result.message == "The callback raised StopIteration."
        assert_array_equal(seen, result.history["x"][1:])
    seen.clear()
    result, _ = fit_line_by_batches(batch_size=5, callback=callback)
    assert result.nit == 3


def test_callback_may_take_intermediate_result():
    values = []

    def callback(intermediate_result):
        values.append(intermediate_result.fun)

    result = skgd.maximize(lambda v: -squares(v), [1.0, 2.0], callback=callback)
    assert_allclose(values, result.history["fun"][1:])
    assert min(values) <= 0


@pytest.mark.parametrize("batch", [{}, {"batch_size": 5}])
def test_record_selects_the_columns_of_the_history(batch):
    values, _ = fit_line_by_batches(record="values", **batch)
    nothing, _ = fit_line_by_batches(record=None, **batch)
    path, _ = fit_line_by_batches(**batch)
    assert nothing.history == {}
    assert set(path.history) - set(values.history) == ({"x"} if batch else {"x", "jac"})
    for name, column in values.history.items():
        assert_array_equal(column, path.history[name])
    assert np.isnan(path.history["learning_rate"][0])


def test_restarts_return_the_lowest_value():
    def rastrigin(v):
        return 10 * len(v) + np.sum(v**2 - 10 * np.cos(2 * np.pi * v))

    common = {"random_state": 0, "restart_scale": 1.0}
    one = skgd.minimize(rastrigin, [2.2, -1.8], **common)
    many = skgd.minimize(rastrigin, [2.2, -1.8], n_restarts=20, **common)
    again = skgd.minimize(rastrigin, [2.2, -1.8], n_restarts=20, **common)
    assert len(many.runs) == 21
    assert many.fun == min(run.fun for run in many.runs) < one.fun
    assert many.nfev == sum(run.nfev for run in many.runs)
    assert_array_equal(many.x, again.x)
    assert_array_equal(many.runs[0].x, one.x)


def test_restarts_of_maximize_return_the_highest_value():
    result = skgd.maximize(
        lambda x: math.sin(x) - x**2 / 99, 1.0, n_restarts=6, random_state=0, restart_scale=5.0
    )
    assert result.fun == max(run.fun for run in result.runs)


def test_maximize_equals_minimize_of_the_negative():
    down = skgd.minimize(rosen, np.zeros(3), jac=rosen_der)
    up = skgd.maximize(lambda v: -rosen(v), np.zeros(3), jac=lambda v: -rosen_der(v))
    assert_array_equal(up.x, down.x)
    assert up.fun == -down.fun
    assert_array_equal(up.jac, -down.jac)
    assert_array_equal(up.history["fun"], -down.history["fun"])
    assert_array_equal(up.history["jac"], -down.history["jac"])


# As a method of SciPy


@pytest.mark.parametrize("jac", [rosen_der, True, None, "2-point"])
def test_minimize_is_a_method_of_scipy(jac):
    fun = (lambda v: (rosen(v), rosen_der(v))) if jac is True else rosen
    seen = []
    result = scipy.optimize.minimize(
        fun, [-1.2, 1.0], method=skgd.minimize, jac=jac, tol=1e-8, callback=seen.append
    )
    assert_allclose(result.x, 1, atol=1e-5)
    assert len(seen) == result.nit
    options = {"learning_rate": 1e-3, "max_iter": 5}
    result = scipy.optimize.minimize(
        lambda v, scale: scale * rosen(v),
        [0.0, 0.0],
        args=(2.0,),
        method=skgd.minimize,
        options=options,
    )
    assert result.nit == 5


@pytest.mark.parametrize(
    "limits",
    [
        {"bounds": [(0, 1), (0, 1)]},
        {"bounds": scipy.optimize.Bounds(0, 1)},
        {"constraints": {"type": "eq", "fun": squares}},
        {"constraints": [{"type": "eq", "fun": squares}]},
        {"hess": lambda v: np.eye(2)},
        {"hessp": lambda v, p: p},
    ],
)
def test_constraints_and_second_derivatives_raise_an_error(limits):
    with pytest.raises(InvalidParameterError, match=next(iter(limits))):
        scipy.optimize.minimize(rosen, [0.0, 0.0], method=skgd.minimize, **limits)


# Invalid input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rat": 0.1}, r"no option 'learning_rat'. Did you mean 'learning_rate'"),
        ({"lr": 0.1}, "no option 'lr'. Its options are: jac"),
        ({"jac": "4-point"}, "jac must be one of"),
        ({"learning_rate": -1.0}, "learning_rate must be a float in the range"),
        ({"learning_rate": []}, "at least one candidate"),
        ({"learning_rate": [0.1, -1.0]}, "learning_rate must be a float in the range"),
        ({"learning_rate": "linesearch"}, "Did you mean 'line_search'"),
        ({"learning_rate": "auto"}, "learning_rate must be one of"),
        ({"learning_rate": schedules.Adaptive()}, "a schedule of the step number alone"),
        ({"learning_rate": None}, "learning_rate must be"),
        ({"optimizer": "adam"}, "'cg' or 'lbfgs' with learning_rate='line_search'"),
        ({"optimizer": "cg", "learning_rate": 0.1}, "'gd', 'momentum'.* with learning_rate=0.1"),
        ({"optimizer": "proximal_newton"}, "with learning_rate='line_search'"),
        ({"optimizer": "adan"}, "Did you mean 'adam'"),
        ({"max_iter": 0}, "max_iter must be an int in"),
        ({"gtol": -1}, "gtol must be"),
        ({"xtol": math.nan}, "xtol must be"),
        ({"ftol": "small"}, "ftol must be"),
        ({"step": 0}, "step must be"),
        ({"shuffle": 1}, "shuffle must be"),
        ({"patience": 0}, "patience must be"),
        ({"n_restarts": -1}, "n_restarts must be"),
        ({"restart_scale": -1}, "restart_scale must be"),
        ({"random_state": "seed"}, "random_state must be"),
        ({"callback": 3}, "callback must be"),
        ({"record": "everything"}, "record must be one of"),
        ({"batch_size": 2}, "a function with batch_size"),
        ({"batch_size": 2, "learning_rate": 0.1}, "args must be arrays"),
        ({"batch_size": 0, "learning_rate": 0.1, "args": (np.ones(3),)}, "batch_size must be"),
        (
            {"batch_size": 1, "learning_rate": 0.1, "args": (np.ones(3), np.ones(2))},
            r"args must be arrays of one length.*\[3, 2\] rows",
        ),
    ],
)
@pytest.mark.parametrize("optimize", [skgd.minimize, skgd.maximize])
def test_invalid_options_raise_an_error_before_fun_is_called(optimize, options, message):
    def fun(v, *args):
        raise AssertionError("was called")

    with pytest.raises(InvalidParameterError, match=message):
        optimize(fun, [1.0, 2.0], **options)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([1.0, math.nan], r"x0 must be finite; got .*nan.* x\[1\]"),
        (math.inf, "x0 must be finite"),
        ({"a": np.ones(2), "b": [1, math.nan]}, r"x\['b'\]\[1\]"),
        ([[1.0, 2.0], [3.0]], None),
        ([], "at least one number"),
        ("here", "x0 must be a number"),
        (None, "x0 must be"),
        ([1 + 2j], "x0 must be"),
    ],
)
def test_invalid_x0_raises_an_error(start, message):
    if message is None:  # rows of unequal lengths are a list of arrays
        assert [len(part) for part in skgd.minimize(lambda v: squares(v[0]), start).x] == [2, 1]
        return
    with pytest.raises(InvalidParameterError, match=message):
        skgd.minimize(squares, start)


@pytest.mark.parametrize(
    ("fun", "jac", "message"),
    [
        (lambda v: v, None, r"returns one number; got an array of shape \(2,\)"),
        (lambda v: None, None, "returns one number; got None"),
        (lambda v: "1", None, "returns one number"),
        (lambda v: 1j, None, "one real number"),
        (squares, True, "pair"),
        (squares, lambda v: np.ones(3), r"jac returned has shape \(3,\), but x has shape \(2,\)"),
        (squares, lambda v: np.ones((2, 1)), r"has shape \(2, 1\)"),
        (squares, lambda v: 1.0, r"has shape \(\)"),
        ("fun", None, "fun must be a function"),
    ],
)
@pytest.mark.parametrize("rate", ["line_search", 0.1])
def test_invalid_return_values_raise_an_error(fun, jac, message, rate):
    with pytest.raises(ValueError, match=message):
        skgd.minimize(fun, [1.0, 2.0], jac=jac, learning_rate=rate)


def test_gradient_with_another_structure_than_x_raises_an_error():
    start = {"a": np.ones(2), "b": 1.0}

    def fun(x):
        return squares(x["a"]) + x["b"] ** 2

    with pytest.raises(ValueError, match=r"\['a'\] has shape \(3,\)"):
        skgd.minimize(fun, start, jac=lambda x: {"a": np.ones(3), "b": 1.0})
    with pytest.raises(ValueError, match="keys"):
        skgd.minimize(fun, start, jac=lambda x: {"a": np.ones(2)})


def test_exact_rate_requires_positive_curvature():
    with pytest.raises(ValueError, match="quadratic"):
        skgd.minimize(lambda v: -squares(v), [1.0], jac=lambda v: -2 * v, learning_rate="exact")


def test_minimize_and_its_options_have_the_same_defaults():
    signature = inspect.signature(skgd.minimize).parameters
    documented = {
        name: parameter.default
        for name, parameter in signature.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert documented == vars(MinimizeOptions())


# Estimated gradients


@pytest.mark.parametrize("method", ["forward", "central"])
@pytest.mark.parametrize("n", [1, 2, 10])
def test_approx_gradient_is_accurate(method, n):
    x = np.random.default_rng(n).standard_normal(n) * 3
    estimate = skgd.approx_gradient(lambda v: np.sum(np.sin(v) + v**3), x, method=method)
    assert_allclose(estimate, np.cos(x) + 3 * x**2, rtol=1e-6 if method == "forward" else 1e-9)


def test_approx_gradient_keeps_the_structure_of_x():
    assert isinstance(skgd.approx_gradient(lambda x: x**3, 2.0), float)
    tree = {"a": np.ones((2, 2)), "b": 3.0}
    estimate = skgd.approx_gradient(lambda t: squares(t["a"]) + t["b"] ** 2, tree, method="central")
    assert_allclose(estimate["a"], 2 * np.ones((2, 2)))
    assert_allclose(estimate["b"], 6)
    assert_allclose(skgd.approx_gradient(lambda x, a: a * x, 1.0, args=(4.0,)), 4)


def test_check_gradient_names_the_worst_coordinate():
    start = {"a": np.ones((2, 3)), "b": 3.0}

    def jac(t):
        wrong = 2 * t["a"]
        wrong[1, 2] += 0.5
        wrong[0, 0] += 0.1
        return {"a": wrong, "b": 2 * t["b"]}

    with pytest.raises(ValueError, match=r"x\['a'\]\[1, 2\]: it returned 2.5, .* 2 of 7"):
        skgd.check_gradient(lambda t: squares(t["a"]) + t["b"] ** 2, jac, start)
    with pytest.raises(ValueError, match=r"wrong at x: it returned nan"):
        skgd.check_gradient(lambda x: x**2, lambda x: math.nan, 1.0)
    assert skgd.check_gradient(rosen, rosen_der, STARTS[0]) < 1e-8


@pytest.mark.parametrize(
    ("options", "message"),
    [({"method": "backward"}, "method must be one of"), ({"step": -1}, "step must be")],
)
def test_approx_gradient_raises_an_error_for_invalid_options(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        skgd.approx_gradient(squares, [1.0], **options)
