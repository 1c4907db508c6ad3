"""Published results of five tutorials on gradient descent, which skgd reproduces.

The gallery has a plot of each. Where a tutorial uses the gradient of the mean of squared errors,
the learning rate of a regressor is twice the tutorial's: its loss is half the squared error.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import SGDRegressor as PeerSGDRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skgd
from skgd import BatchGDRegressor, DescentPathDisplay, MiniBatchGDRegressor, SGDRegressor
from skgd.optimizers import Momentum
from skgd.schedules import TimeDecay

PLAIN = {"optimizer": "gd", "standardize": False, "tol": None}

A1_X = np.arange(1.0, 21)
A1_Y = np.array([3, 4, 5, 5, 2, 4, 7, 8, 11, 8, 12, 11, 13, 13, 16, 17, 18, 17, 19, 21.0])

CANDIDATES = [100, 10, 1, 0.1, 1e-2, 1e-3, 1e-4, 1e-5]


def line(theta, x):
    return theta[0] + theta[1] * x


def squared_error(theta, x, y):
    return ((line(theta, x) - y) ** 2).mean()


def squared_error_gradient(theta, x, y):
    error = line(theta, x) - y
    return 2 * np.array([error.mean(), (error * x).mean()])


def halved(function):
    return lambda *args: function(*args) / 2


def square(x):
    return x**2


def square_gradient(x):
    return 2 * x


def squares(v):
    return (v**2).sum()


def wave(x):
    return x**4 / 4 - x**3 + x**2


def wave_gradient(x):
    return x**3 - 3 * x**2 + 2 * x


def noisy_line(seed=0, noise=1.0):
    rng = np.random.RandomState(seed)
    x = 2 * rng.rand(100, 1)
    return x, 4 + 3 * x[:, 0] + noise * rng.randn(100)


def parameters(model):
    return np.append(model.intercept_, model.coef_)


# A. First principles


def test_a1_minimize_fits_a_line_until_the_gradient_is_small():
    result = skgd.minimize(
        halved(squared_error),
        [1.0, 1.0],
        (A1_X, A1_Y),
        jac=halved(squared_error_gradient),
        learning_rate=0.01,
        gtol=1e-5,
    )
    assert result.nit == 4035
    assert result.success
    assert_allclose(result.x, [0.5158328581734093, 0.9699216324486175], rtol=1e-13)
    assert round(result.fun, 5) == 1.01496


def test_a1_regressor_fits_the_same_line():
    X = A1_X[:, None]
    model = BatchGDRegressor(learning_rate=0.01, max_iter=4035, **PLAIN)
    model.fit(X, A1_Y, coef_init=[1.0], intercept_init=1.0)
    assert_allclose(parameters(model), [0.5158328581734093, 0.9699216324486175], rtol=1e-13)
    assert round(model.history_["objective"][-1], 5) == 1.01496
    exact = BatchGDRegressor().fit(X, A1_Y)
    assert_allclose(parameters(exact), [0.51578947, 0.96992481], atol=1e-8)


def test_a2_finite_differences_of_a_square():
    x = np.arange(-10.0, 10)
    estimates = [skgd.approx_gradient(square, value, step=1e-5) for value in x]
    assert_allclose(estimates, square_gradient(x), atol=1e-4)


def test_a3_finite_differences_of_a_function_of_three_variables():
    v = np.array([-4.0, 10.0, 6.0])
    assert_allclose(skgd.approx_gradient(squares, v, step=1e-5), 2 * v, atol=1e-4)
    assert skgd.check_gradient(squares, square_gradient, v, step=1e-5) < 1e-4


def test_a4_descent_until_a_step_is_shorter_than_xtol():
    result = skgd.minimize(
        squares, [-4.0, 10.0, 6.0], jac=square_gradient, learning_rate=0.01, xtol=1e-7
    )
    after_50 = [-1.4566787203484681, 3.641696800871171, 2.1850180805227026]
    end = [-1.6064572436336709e-06, 4.0161431090841815e-06, 2.409685865450507e-06]
    assert_allclose(result.history["x"][50], after_50, rtol=1e-14)
    assert_allclose(result.history["fun"][50], 20.15817249600249, rtol=1e-14)
    assert result.nit == 729
    assert_allclose(result.x, end, rtol=1e-13)
    assert_allclose(result.fun, 2.4516696318419405e-11, rtol=1e-13)


def test_a5_best_of_several_rates_at_each_step():
    result = skgd.minimize(
        squares, [8.0, -10.0, -2.0], jac=square_gradient, learning_rate=CANDIDATES, ftol=1e-6
    )
    # Step 42 would change the value by less than ftol.
    assert len(result.history["fun"]) == 42
    assert result.nit == 41
    assert round(result.fun * 1e6, 4) == 1.8997
    assert result.success


def test_a5_rate_at_which_the_function_fails_counts_as_infinite():
    def fails_far_away(v):
        if np.abs(v).max() > 20:
            raise OverflowError("out of range")
        return np.nan if np.abs(v).max() > 15 else squares(v)

    result = skgd.minimize(
        fails_far_away, [8.0, -10.0, -2.0], jac=square_gradient, learning_rate=CANDIDATES, ftol=1e-6
    )
    assert round(result.fun * 1e6, 4) == 1.8997


@pytest.mark.parametrize("rate", [0.1, lambda t: 0.4 / t**0.5])
def test_a5_constant_and_decreasing_rates(rate):
    result = skgd.minimize(squares, [8.0, -10.0, -2.0], jac=square_gradient, learning_rate=rate)
    assert_allclose(result.x, 0, atol=1e-9)


def test_a6_maximize():
    def hill(v):
        return -((v - 1) ** 2).sum()

    result = skgd.maximize(hill, [4.0, -3.0, 0.5], jac=lambda v: -2 * (v - 1))
    assert_allclose(result.x, 1, atol=1e-9)
    assert result.success


def test_a7_stochastic_descent_returns_the_best_point():
    rng = np.random.RandomState(0)
    x = np.arange(101.0)
    y = 3 * x + rng.uniform(-10, 20, 101)
    result = skgd.minimize(
        squared_error,
        [0.0, 0.0],
        (x, y),
        jac=halved(squared_error_gradient),
        batch_size=1,
        learning_rate=1e-4,  # 0.01 divided by the scale of x²
        max_iter=600,
        random_state=0,
    )
    intercept, slope = result.x
    assert slope == pytest.approx(3, abs=0.2)
    assert intercept == pytest.approx(5, abs=3)
    assert result.fun == result.history["fun"].min()


def test_a7_rate_is_reduced_without_improvement_and_reset_after_one():
    x = np.arange(20.0)
    y = 3 * x + np.random.RandomState(1).uniform(-10, 20, 20)
    result = skgd.minimize(
        squared_error,
        [0.0, 0.0],
        (x, y),
        jac=halved(squared_error_gradient),
        batch_size=1,
        learning_rate=1e-3,
        max_iter=5000,
        patience=100,
        random_state=0,
    )
    value, rate = result.history["fun"], result.history["learning_rate"]
    best, multiplier, stagnant = value[0], 1.0, 0
    for k in range(1, len(value)):
        assert rate[k] == pytest.approx(1e-3 * multiplier)
        if value[k] < best:
            best, multiplier, stagnant = value[k], 1.0, 0
        else:
            multiplier, stagnant = multiplier * 0.9, stagnant + 1
    assert stagnant == 100
    assert result.success


# B. Plots, and full batches, mini-batches and single samples


def test_b1_path_on_a_surface():
    def bowl(p):
        return p[0] ** 2 + p[1] ** 2

    result = skgd.minimize(bowl, [9.0, 9.0], jac=square_gradient, learning_rate=0.1, max_iter=50)
    assert_allclose(result.x, [1.2845e-4, 1.2845e-4], atol=1e-8)
    display = DescentPathDisplay.from_function(bowl, result, kind="surface")
    assert display.ax_.name == "3d"
    assert len(display.lines_[0].get_data_3d()[0]) == 51


def test_b2_forward_difference_of_a_square_exceeds_the_derivative_by_the_step():
    secant = skgd.approx_gradient(square, 2.0, step=0.5)
    assert secant == pytest.approx(4.5, rel=1e-12)


def test_b3_gradient_arrows_on_contours():
    display = DescentPathDisplay.from_function(
        squares, xlim=(-10, 10), ylim=(-10, 10), resolution=25, gradient=True
    )
    assert display.arrows_ is not None


B4_X = np.arange(-50.0, 50)[:, None]
B4_Y = 30 * B4_X[:, 0] + 7


@pytest.mark.parametrize(
    ("max_iter", "slope", "intercept", "digits"),
    [(1, 50.003, -0.016, 3), (501, 29.99845356, 4.42518252, 8), (5001, 29.99999981, 6.99968424, 8)],
)
def test_b4_full_batches(max_iter, slope, intercept, digits):
    model = BatchGDRegressor(learning_rate=0.002, max_iter=max_iter, **PLAIN).fit(B4_X, B4_Y)
    assert_allclose(parameters(model), [intercept, slope], atol=0.6 * 10.0**-digits)
    result = skgd.minimize(
        squared_error,
        [0.0, 0.0],
        (B4_X[:, 0], B4_Y),
        jac=squared_error_gradient,
        learning_rate=0.001,
        max_iter=max_iter,
    )
    assert_allclose(result.x, [intercept, slope], atol=0.6 * 10.0**-digits)


def test_b5_mini_batches():
    model = MiniBatchGDRegressor(
        batch_size=10, learning_rate=0.002, max_iter=1001, random_state=0, **PLAIN
    ).fit(B4_X, B4_Y)
    assert_allclose(parameters(model), [7, 30], atol=1e-6)
    result = skgd.minimize(
        squared_error,
        [0.0, 0.0],
        (B4_X[:, 0], B4_Y),
        jac=squared_error_gradient,
        batch_size=10,
        learning_rate=0.001,
        max_iter=1001,
        random_state=0,
    )
    assert_allclose(result.x, [7, 30], atol=1e-6)


def test_b6_single_samples_in_order():
    model = SGDRegressor(
        penalty=None, learning_rate=0.001, max_iter=1001, tol=None, shuffle=False
    ).fit(B4_X, B4_Y)
    assert_allclose(parameters(model), [7, 30], atol=1e-6)
    result = skgd.minimize(
        halved(squared_error),
        [0.0, 0.0],
        (B4_X[:, 0], B4_Y),
        jac=halved(squared_error_gradient),
        batch_size=1,
        learning_rate=0.001,
        max_iter=1001,
        shuffle=False,
        record="values",
    )
    assert_allclose(result.x, [7, 30], atol=1e-6)


def test_b6_twice_the_rate_diverges():
    model = SGDRegressor(penalty=None, learning_rate=0.002, max_iter=1001, tol=None, shuffle=False)
    with pytest.raises(ValueError, match="diverged"):
        model.fit(B4_X, B4_Y)


# C. Comparison with the normal equation


def normal_equation(X, y):
    return parameters(LinearRegression().fit(X, y))


def test_c1_full_batches_reach_the_solution_of_the_normal_equation():
    X, y = noisy_line()
    model = BatchGDRegressor(learning_rate=0.2, max_iter=1000, **PLAIN).fit(X, y)
    assert_allclose(parameters(model), normal_equation(X, y), rtol=1e-8)


def test_c2_small_suitable_and_unstable_rates():
    X, y = noisy_line()
    slow, suitable = (
        BatchGDRegressor(learning_rate=2 * rate, max_iter=1000, **PLAIN).fit(X, y)
        for rate in (0.01, 0.25)
    )
    error = np.abs(parameters(slow) - normal_equation(X, y)).max()
    assert 0.005 < error < 0.3
    assert_allclose(parameters(suitable), normal_equation(X, y), rtol=1e-8)
    with pytest.raises(ValueError, match=r"largest stable\s+rate of GD on this data is about"):
        BatchGDRegressor(learning_rate=1.0, max_iter=1000, **PLAIN).fit(X, y)


def test_c3_time_decay_of_the_tutorials():
    X, y = noisy_line()
    # Twice the tutorial's t0 = 5; see above.
    model = SGDRegressor(
        penalty=None, learning_rate=TimeDecay(t0=10, t1=50), max_iter=50, tol=None, random_state=0
    ).fit(X, y)
    assert_allclose(parameters(model), normal_equation(X, y), atol=0.05)


def test_c4_sgd_regressors_of_scikit_learn_and_skgd():
    X, y = noisy_line()
    for peer in (PeerSGDRegressor, SGDRegressor):
        model = peer(penalty=None, eta0=0.1, max_iter=50, tol=None, random_state=0).fit(X, y)
        assert_allclose(parameters(model), normal_equation(X, y), atol=0.2)


def test_c5_grid_search_selects_a_suitable_rate():
    X, y = noisy_line()
    search = GridSearchCV(
        BatchGDRegressor(max_iter=1000, **PLAIN), {"learning_rate": [0.002, 0.02, 0.2, 0.5]}, cv=5
    ).fit(X, y)
    assert search.best_params_["learning_rate"] in (0.2, 0.5)
    assert_allclose(parameters(search.best_estimator_), normal_equation(X, y), rtol=1e-8)


# D. Neural networks, local minima, steepest descent

D1_INPUTS = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0]])
D1_TARGETS = np.array([[1, 1, 0, 0, 0, 0, 1]]).T


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def network(weights):
    hidden = sigmoid(D1_INPUTS @ weights["hidden"])
    return hidden, sigmoid(hidden @ weights["output"])


def network_cost(weights):
    return 0.5 * ((network(weights)[1] - D1_TARGETS) ** 2).sum()


def network_gradient(weights):
    hidden, output = network(weights)
    delta = (output - D1_TARGETS) * output * (1 - output)
    hidden_delta = delta @ weights["output"].T * hidden * (1 - hidden)
    return {"hidden": D1_INPUTS.T @ hidden_delta, "output": hidden.T @ delta}


def test_d1_neural_network_learns_its_targets():
    rng = np.random.RandomState(0)
    weights = {"hidden": rng.uniform(-1, 1, (3, 15)), "output": rng.uniform(-1, 1, (15, 1))}
    assert skgd.check_gradient(network_cost, network_gradient, weights) < 1e-8
    result = skgd.minimize(
        network_cost, weights, jac=network_gradient, learning_rate=1.0, max_iter=1000
    )
    assert result.x["hidden"].shape == (3, 15)
    assert np.array_equal(network(result.x)[1] > 0.5, D1_TARGETS == 1)


@pytest.mark.parametrize(("start", "minimum"), [(0.9, 0.0), (-1.0, 0.0), (1.1, 2.0), (3.0, 2.0)])
@pytest.mark.parametrize("rate", [0.1, "line_search"])
def test_d2_start_determines_the_local_minimum(start, minimum, rate):
    result = skgd.minimize(wave, start, jac=wave_gradient, learning_rate=rate)
    if rate == 0.1 or abs(start - 1) < 0.5:
        assert result.x == pytest.approx(minimum, abs=1e-7)
    assert result.fun == pytest.approx(0, abs=1e-12)


def test_d2_random_restarts_find_both_minima():
    result = skgd.minimize(wave, 1.05, jac=wave_gradient, n_restarts=9, random_state=0)
    minima = {round(float(run.x)) for run in result.runs}
    assert minima == {0, 2}
    assert result.fun == pytest.approx(0, abs=1e-12)


def test_d2_momentum_passes_a_local_minimum():
    common = {"jac": wave_gradient, "learning_rate": 0.05, "max_iter": 2000}
    plain = skgd.minimize(wave, 3.0, **common)
    momentum = skgd.minimize(wave, 3.0, optimizer=Momentum(0.9), **common)
    assert plain.x == pytest.approx(2, abs=1e-7)
    assert momentum.x == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("rate", [0.1, "line_search"])
def test_d3_gradient_ascent(rate):
    result = skgd.maximize(wave, 0.8, jac=wave_gradient, learning_rate=rate)
    assert result.x == pytest.approx(1, abs=1e-8)
    assert result.fun == pytest.approx(0.25, abs=1e-12)


def test_d4_exact_rates_of_steepest_descent():
    rng = np.random.RandomState(0)
    root = rng.randn(4, 4)
    G, c = root @ root.T + np.eye(4), rng.randn(4)
    result = skgd.minimize(
        lambda v: 0.5 * v @ G @ v - c @ v,
        np.zeros(4),
        jac=lambda v: G @ v - c,
        learning_rate="exact",
        optimizer="gd",
    )
    gradients = result.history["jac"][:-1]
    exact = (gradients**2).sum(axis=1) / ((gradients @ G) * gradients).sum(axis=1)
    assert_allclose(result.history["learning_rate"][1:][:20], exact[:20], rtol=1e-8)
    assert_allclose(result.x, np.linalg.solve(G, c), atol=1e-8)


# E. Learning rates, variants, momentum, optimizers


def descend_square(rate, max_iter, **options):
    return skgd.minimize(
        square, 10.0, jac=square_gradient, learning_rate=rate, max_iter=max_iter, **options
    )


def test_e1_minimum_of_a_square():
    assert descend_square(0.1, 50).x == pytest.approx(1.4272476927059603e-4, rel=1e-13)


def test_e2_history_of_a_descent():
    result = skgd.minimize(
        lambda x: (x - 3) ** 2 + 1, 10.0, jac=lambda x: 2 * (x - 3), learning_rate=0.1, max_iter=30
    )
    assert result.x == pytest.approx(3.0086655802749975, rel=1e-14)
    history = result.history
    assert all(len(column) == 31 for column in history.values())
    assert_allclose(history["fun"], (history["x"] - 3) ** 2 + 1)
    assert_allclose(history["jac"], 2 * (history["x"] - 3))


@pytest.mark.parametrize(
    ("rate", "end"), [(0.01, 6.6761), (0.1, 0.1153), (0.5, 0), (0.9, 0.1153), (1.1, 383.376)]
)
def test_e3_five_rates(rate, end):
    result = descend_square(rate, 20)
    assert round(float(result.x), 3 if rate == 1.1 else 4) == end
    assert ("too large" in result.message) == (rate == 1.1)


def test_e4_three_regressors_on_one_data_set():
    X, y = noisy_line(seed=42, noise=0.5)
    batch = BatchGDRegressor(learning_rate=0.2, max_iter=100, **PLAIN).fit(X, y)
    assert_allclose(parameters(batch), [4.079804505359663, 2.909552760546199], rtol=1e-13)
    assert_allclose(((batch.predict(X) - y) ** 2).mean(), 0.2018786061315592, rtol=1e-13)
    exact = [4.10754808, 2.88505669]
    assert_allclose(parameters(BatchGDRegressor().fit(X, y)), exact, atol=1e-8)
    common = {"learning_rate": 0.02, "max_iter": 300, "random_state": 0, **PLAIN}
    for model in (
        MiniBatchGDRegressor(batch_size=10, **common),
        SGDRegressor(penalty=None, **common),
    ):
        assert_allclose(parameters(model.fit(X, y)), exact, atol=0.15)


def test_e5_with_and_without_momentum():
    assert round(float(descend_square(0.1, 20).x), 4) == 0.1153
    momentum = descend_square(0.1, 20, optimizer="momentum")
    assert momentum.x == pytest.approx(-3.4925261659193474, rel=1e-13)


def test_e6_history_of_the_loss():
    rng = np.random.RandomState(42)
    X = rng.randn(100, 2)
    y = 3 * X[:, 0] - 2 * X[:, 1] + 5 + 0.5 * rng.randn(100)
    model = BatchGDRegressor(learning_rate=0.2, max_iter=500, **PLAIN).fit(X, y)
    assert_allclose(model.coef_, [3.09536017, -2.08607105], atol=1e-8)
    assert_allclose(model.intercept_, 5.04639669, atol=1e-8)
    losses = 2 * model.history_["objective"][:500]
    assert_allclose(losses[[0, 499]], [32.50105837243527, 0.2775086701589165], rtol=1e-13)


@pytest.mark.parametrize(
    ("optimizer", "rate"), [("gd", 0.1), ("momentum", 0.01), ("rmsprop", 0.01), ("adam", 0.05)]
)
def test_e7_optimizers_reach_the_minimum(optimizer, rate):
    X, y = noisy_line(seed=42, noise=0.5)
    result = skgd.minimize(
        halved(squared_error),
        [0.0, 0.0],
        (X[:, 0], y),
        jac=halved(squared_error_gradient),
        learning_rate=rate,
        optimizer=optimizer,
        max_iter=3000,
    )
    assert_allclose(result.x, normal_equation(X, y), atol=0.01)
    model = BatchGDRegressor(
        learning_rate=rate, max_iter=50, **{**PLAIN, "optimizer": optimizer}
    ).fit(X, y)
    assert_allclose(parameters(model), result.history["x"][50], rtol=1e-9)


def test_e8_pipeline_with_a_scaler():
    rng = np.random.RandomState(42)
    X = rng.randn(1000, 5)
    y = X @ np.arange(1.0, 6) + 0.5 * rng.randn(1000)
    exact = LinearRegression().fit(StandardScaler().fit_transform(X), y).coef_
    for peer in (PeerSGDRegressor, SGDRegressor):
        pipeline = make_pipeline(StandardScaler(), peer(random_state=42)).fit(X, y)
        assert_allclose(pipeline[-1].coef_, exact, atol=0.05)
