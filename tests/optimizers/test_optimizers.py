"""Update rules: against PyTorch, worked by hand, and at work on quadratics."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd import BatchGDRegressor, optimizers
from skgd._utils.validation import InvalidParameterError
from skgd.optimizers import OPTIMIZERS, ElementwiseOptimizer

#: The registered elementwise rules, with their defaults and with every number changed.
ELEMENTWISE = [cls() for cls in OPTIMIZERS.values() if issubclass(cls, ElementwiseOptimizer)]
ELEMENTWISE += [
    type(rule)(**{name: value / 2 for name, value in rule.get_params().items()})
    for rule in ELEMENTWISE
    if rule.get_params()
]
every_rule = pytest.mark.parametrize("rule", ELEMENTWISE, ids=repr)

#: Gradients of ordinary size, so small that an epsilon matters, and zero at first.
GRADIENTS = np.array(
    [[1, 1e-9, 0], [-0.5, 2e-9, 0], [0.25, -1e-9, 3], [2, 5e-10, -1], [-1, 1e-9, 0.5]]
)


def steps(rule, gradients, rate=0.1):
    """Yield what each of successive updates returns."""
    state = rule.init(gradients[0])
    for t, gradient in enumerate(gradients, start=1):
        step, coordinate_rate, state = rule.update(gradient, state, rate, t)
        yield step, coordinate_rate, state


def path(rule, gradients, rate=0.1):
    """Return the points after successive updates from zero."""
    return np.cumsum([step for step, *_ in steps(rule, gradients, rate)], axis=0)


# Against PyTorch


def torch_optimizers():
    optim = pytest.importorskip("torch").optim
    return {
        "gd": optim.SGD,
        "momentum": lambda *a, **k: optim.SGD(*a, momentum=0.9, **k),
        "nesterov": lambda *a, **k: optim.SGD(*a, momentum=0.9, nesterov=True, **k),
        "adagrad": optim.Adagrad,
        "rmsprop": optim.RMSprop,
        "adam": optim.Adam,
        "amsgrad": lambda *a, **k: optim.Adam(*a, amsgrad=True, **k),
    }


#: Where PyTorch's optimizers of the same name, by their defaults and a rate of 0.1, end.
ENDS = {
    "gd": [-0.175, -3.5e-10, -0.25],
    "momentum": [-0.58531, -1.02131e-09, -0.673],
    "nesterov": [-0.701779, -1.269179e-09, -0.8557],
    "adagrad": [-0.12407112, -0.19233942, -0.0839946],
    "rmsprop": [-1.2408892, -0.034322103, -0.83997412],
    "adam": [-0.25308214, -0.038515318, -0.12975582],
}


def amsgrad(gradients, rate):
    """Reddi, Kale and Kumar (2018), with PyTorch's correction of the bias."""
    theta = first = second = largest = 0.0
    for t, g in enumerate(gradients, start=1):
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g**2
        largest = max(largest, second)
        denominator = math.sqrt(largest) / math.sqrt(1 - 0.999**t) + 1e-8
        theta -= rate / (1 - 0.9**t) * first / denominator
        yield theta


def adabelief(gradients, rate):
    """Zhuang et al. (2020), algorithm 2."""
    theta = first = second = 0.0
    for t, g in enumerate(gradients, start=1):
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * (g - first) ** 2 + 1e-16
        corrected_first, corrected_second = first / (1 - 0.9**t), second / (1 - 0.999**t)
        theta -= rate * corrected_first / (math.sqrt(corrected_second) + 1e-16)
        yield theta


def lion(gradients, rate):
    """Chen et al. (2023), algorithm 2 without weight decay."""
    theta = momentum = 0.0
    for g in gradients:
        interpolated = 0.9 * momentum + 0.1 * g
        theta -= rate * math.copysign(1.0, interpolated)
        momentum = 0.99 * momentum + 0.01 * g
        yield theta


#: Algorithms as their papers give them, on one coordinate.
PAPERS = {"amsgrad": amsgrad, "adabelief": adabelief, "lion": lion}


def test_every_elementwise_rule_has_an_oracle():
    assert set(DEFAULT_RATES) == {*ENDS, *PAPERS}


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_the_path_is_that_of_the_paper_step_by_step(name, size):
    gradients = size * np.random.default_rng(0).normal(size=50)
    expected = list(PAPERS[name](gradients.tolist(), 0.1))
    found = path(OPTIMIZERS[name](), gradients[:, None])[:, 0]
    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ENDS)
def test_the_path_ends_where_it_was_stored_to_end(name):
    assert_allclose(path(OPTIMIZERS[name](), GRADIENTS)[-1], ENDS[name], rtol=1e-7)


@pytest.mark.parametrize("name", [*ENDS, "amsgrad"])
def test_the_path_is_that_of_pytorch_step_by_step(name):
    torch = pytest.importorskip("torch")
    point = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    optimizer = torch_optimizers()[name]([point], lr=0.1)
    expected = []
    for gradient in GRADIENTS:
        point.grad = torch.tensor(gradient)
        optimizer.step()
        expected.append(point.detach().numpy().copy())
    assert_allclose(path(OPTIMIZERS[name](), GRADIENTS), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # m = 1, then 0.5 - 0.5 = 0, then 0.25
        (optimizers.Momentum(0.5), [-0.1, 0, -0.025]),
        # g + m/2 = 1.5, -0.5, 0.375
        (optimizers.Nesterov(0.5), [-0.15, 0.05, -0.0375]),
        # v = 1, 1.25, 1.3125
        (optimizers.AdaGrad(1.0), [-0.05, 0.05 / (1.25**0.5 + 1), -0.025 / (1.3125**0.5 + 1)]),
        # v = 0.75, 0.375, 0.140625
        (
            optimizers.RMSprop(0.25, 1.0),
            [-0.1 / (0.75**0.5 + 1), 0.05 / (0.375**0.5 + 1), -0.025 / 1.375],
        ),
        # m = 0.5, 0, 0.125 over 0.5, 0.75, 0.875; v = 0.75, 0.375, 0.140625 over 3/4, 15/16, 63/64
        (optimizers.Adam(0.5, 0.25, 1.0), [-0.1 / 2, 0, -0.1 * (1 / 7) / ((1 / 7) ** 0.5 + 1)]),
        # m = 0.5, 0, 0.125 over 0.5, 0.75, 0.875; v = 0.75, 0.375, 0.140625, its maximum 0.75, over
        # 3/4, 15/16, 63/64
        (
            optimizers.AMSGrad(0.5, 0.25, 1.0),
            [-0.1 / 2, 0, -0.1 / 7 / ((0.75 * 64 / 63) ** 0.5 + 1)],
        ),
        # sign of 0.5, then of 0.25 - 0.25 = 0 with m = 0.5, 0, then of 0.125
        (optimizers.Lion(0.5, 0.5), [-0.1, 0, -0.1]),
    ],
    ids=repr,
)
def test_steps_worked_by_hand(rule, expected):
    gradients = np.array([[1.0], [-0.5], [0.25]])
    found = [float(step[0]) for step, *_ in steps(rule, gradients)]
    assert_allclose(found, expected, rtol=1e-12, atol=1e-16)


#: Published default learning rates of the elementwise rules.
DEFAULT_RATES = {
    "gd": None,
    "momentum": None,
    "nesterov": None,
    "adagrad": 0.01,
    "rmsprop": 0.001,
    "adam": 0.001,
    "amsgrad": 0.001,
    "adabelief": 0.001,
    "lion": 3e-4,  # the paper: 3 to 10 times smaller than that of Adam
}


def test_default_rates_are_the_published_ones():
    assert {
        name: cls.default_rate
        for name, cls in OPTIMIZERS.items()
        if issubclass(cls, ElementwiseOptimizer)
    } == DEFAULT_RATES


# Properties


@every_rule
def test_the_first_step_leads_downhill(rule):
    assert_array_equal(np.sign(path(rule, GRADIENTS)[0]), -np.sign(GRADIENTS[0]))


@every_rule
def test_outputs_are_problems_of_their_own(rule):
    gradients = np.random.default_rng(0).normal(size=(6, 3, 4))
    together = path(rule, gradients)
    assert_array_equal(together, np.stack([path(rule, g) for g in gradients.swapaxes(0, 1)], 1))
    one_by_one = [path(rule, list(g)) for g in gradients[:, 0].T]
    assert_allclose(together[:, 0], np.transpose(one_by_one), rtol=1e-12)


@every_rule
def test_single_precision_stays_single(rule):
    double = path(rule, GRADIENTS)
    single = list(steps(rule, GRADIENTS.astype(np.float32)))
    for step, coordinate_rate, state in single:
        assert {part.dtype for part in (step, *state)} == {np.dtype(np.float32)}
        assert np.ndim(coordinate_rate) == 0 or coordinate_rate.dtype == np.float32
    single = np.sum([step for step, *_ in single], axis=0)
    assert_allclose(single, double[-1], rtol=1e-4)


@every_rule
def test_an_update_changes_no_array_that_it_is_given(rule):
    gradient = np.array([0.5, -2.0])
    state = tuple(np.array([0.5, 2.0]) for _ in rule.state_names)
    for array in (gradient, *state):
        array.flags.writeable = False
    again = [rule.update(gradient, state, 0.1, 3) for _ in range(2)]
    for a, b in zip(*[(*arrays, *state) for *arrays, state in again], strict=True):
        assert_array_equal(a, b)


@every_rule
def test_the_coordinate_rate_is_what_scales_the_direction(rule):
    """Memory apart, a step is the gradient times the coordinate's own rate."""
    for number, (step, coordinate_rate, *_) in enumerate(steps(rule, GRADIENTS, rate=0.1)):
        if rule.default_rate is None:
            assert coordinate_rate == 0.1
        elif isinstance(rule, (optimizers.AdaGrad, optimizers.RMSprop)):
            assert_allclose(step, -coordinate_rate * GRADIENTS[number], rtol=1e-14)
        elif number == 0:
            assert_allclose(step, -coordinate_rate * GRADIENTS[0], rtol=1e-12)


@every_rule
def test_a_coordinate_without_gradients_stays_and_owes_nothing_to_an_l1_penalty(rule):
    for step, coordinate_rate, *_ in list(steps(rule, GRADIENTS))[:2]:
        assert step[2] == 0
        if rule.default_rate is not None:
            assert coordinate_rate[2] == 0
            assert (coordinate_rate[:2] > 0).all()


@pytest.mark.parametrize("rule", [optimizers.Momentum(0.0), optimizers.Nesterov(0.0)], ids=repr)
def test_momentum_0_is_gradient_descent(rule):
    assert_array_equal(path(rule, GRADIENTS), path(optimizers.GD(), GRADIENTS))


@pytest.mark.parametrize("smoothness", [0.1, 7.0])
@every_rule
def test_descent_on_a_quadratic_converges_up_to_the_largest_stable_rate(rule, smoothness):
    stable = rule.largest_stable_rate(smoothness)
    if stable is None:
        assert rule.default_rate is not None
        return
    for factor, converges in [(0.98, True), (1.02, False)]:
        point = np.array([1.0])
        state = rule.init(point)
        for t in range(1, 3001):
            step, _, state = rule.update(smoothness * point, state, factor * stable, t)
            point = point + step
        assert (abs(point[0]) < 1e-6) == converges


def test_a_rule_without_a_formula_says_what_it_needs():
    class Mine(ElementwiseOptimizer):
        pass

    with pytest.raises(NotImplementedError, match=r"^Mine needs a method update\(gradient, state"):
        Mine().update(1.0, (), 0.1, 1)
    assert Mine().largest_stable_rate(1.0) is None
    assert Mine().default_rate is None


# Whole vectors


def quadratics(count=3, size=5):
    """Return the matrices and minimisers of some quadratics."""
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(count, size, size))
    return roots @ roots.swapaxes(1, 2) + 0.1 * np.eye(size), rng.normal(size=(count, size))


def gradient_at(theta, matrices, minima):
    return np.einsum("kij,kj->ki", matrices, theta - minima)


def search_exactly(matrices, minima, updates):
    """Return the points that conjugate gradients with an exact line search visit."""
    theta, state, visited = np.zeros_like(minima), (), []
    for _ in range(updates):
        gradient = gradient_at(theta, matrices, minima)
        direction, state = optimizers.ConjugateGradient().direction(theta, gradient, state)
        slope = np.sum(gradient * direction, axis=1, keepdims=True)
        assert (slope < 0).all()
        curvature = np.einsum("ki,kij,kj->k", direction, matrices, direction)
        theta = theta - slope / curvature[:, None] * direction
        visited.append(theta)
    return np.array(visited)


def test_conjugate_gradients_arrive_in_as_many_steps_as_there_are_coordinates():
    matrices, minima = quadratics()
    visited = search_exactly(matrices, minima, updates=5)
    assert_allclose(visited[-1], minima, rtol=1e-6)
    assert (np.abs(visited[-2] - minima).max(axis=1) > 1e-3).all()


def test_conjugate_gradients_treat_outputs_as_problems_of_their_own():
    matrices, minima = quadratics()
    together = search_exactly(matrices, minima, updates=4)
    for k in range(3):
        alone = search_exactly(matrices[k : k + 1], minima[k : k + 1], updates=4)
        assert_allclose(together[:, k], alone[:, 0], rtol=1e-12)


def test_conjugate_gradients_take_up_the_last_direction_as_far_as_it_helps():
    def second(gradient):
        first, state = optimizers.ConjugateGradient().direction(None, np.array([2.0, 0.0]), ())
        assert_array_equal(first, [-2, 0])
        return optimizers.ConjugateGradient().direction(None, np.array(gradient), state)[0]

    # beta = (0·(0 − 2) + 4·4) / 4 = 4
    assert_array_equal(second([0.0, 4.0]), [-8, -4])
    # beta = 1·(1 − 2) / 4 is negative: start again
    assert_array_equal(second([1.0, 0.0]), [-1, 0])
    # beta = -3·(-3 − 2) / 4 = 3.75 leads to 3 − 7.5, uphill: start again
    assert_array_equal(second([-3.0, 0.0]), [3, 0])


def test_conjugate_gradients_stay_at_a_minimum():
    state = ()
    for _ in range(3):
        direction, state = optimizers.ConjugateGradient().direction(None, np.zeros(2), state)
        assert_array_equal(direction, [0, 0])


@pytest.mark.parametrize("pairs", [1, 2, 5, 9])
def test_quasi_newton_directions_are_those_of_the_matrix(pairs):
    # The inverse of BFGS, formed (Nocedal and Wright, 2006, equation 7.19).
    rng = np.random.default_rng(pairs)
    root = rng.normal(size=(6, 6))
    matrix = root @ root.T + np.eye(6)
    places = rng.normal(size=(8, 6))
    rule, state, steps = optimizers.LBFGS(pairs), (), []
    for number, theta in enumerate(places):
        gradient = matrix @ theta
        direction, state = rule.direction(theta, gradient, state)
        if number:
            moved = theta - places[number - 1]
            steps = [*steps, (moved, matrix @ moved)][-pairs:]
        inverse = np.eye(6)
        if steps:
            moved, change = steps[-1]
            inverse = moved @ change / (change @ change) * inverse
        for moved, change in steps:
            aside = np.eye(6) - np.outer(moved, change) / (moved @ change)
            inverse = aside @ inverse @ aside.T + np.outer(moved, moved) / (moved @ change)
        assert_allclose(direction, -inverse @ gradient, rtol=1e-9)


def test_a_step_along_which_a_function_bends_down_is_not_remembered():
    rule = optimizers.LBFGS()

    def direction(theta, gradient):
        nonlocal state
        direction, state = rule.direction(np.array([theta]), np.array([gradient]), state)
        return direction

    state = rule.init(np.zeros(1))
    direction(0.0, 3.0)
    # Uphill the slope has become smaller: the gradient alone tells the way.
    assert_array_equal(direction(1.0, 1.0), [-1])
    # From 1 to 2 it has grown by 2: at that bend it vanishes 3 / 2 back.
    assert_allclose(direction(2.0, 3.0), [-3 / 2])
    # A little further it bends half as much, and then not at all.
    assert_allclose(direction(2.5, 3.5), [-3.5])
    assert_allclose(direction(3.5, 3.5), [-3.5])


def test_quasi_newton_refuses_what_is_no_number_of_pairs():
    with pytest.raises(InvalidParameterError, match="pairs must be an int in the range"):
        optimizers.LBFGS(pairs=0)
    with pytest.raises(InvalidParameterError, match=r"minimises functions; use skgd\.minimize"):
        BatchGDRegressor(optimizer=optimizers.LBFGS()).fit([[0.0], [1.0]], [0.0, 1.0])


def test_extrapolation_goes_on_by_a_growing_share_of_the_last_move():
    rule, state, here = optimizers.Accelerated(), (), np.array([0.0])
    places = []
    for landed in (1.0, 2.0, 3.0, 4.0):
        here, state = rule.extrapolate(here, np.array([landed]), state)
        places.append(here[0])
    assert_allclose(places, [1, 2 + 1 / 4, 3 + 2 / 5, 4 + 3 / 6], rtol=1e-15)


def test_momentum_that_points_uphill_starts_again_in_its_own_output_only():
    rule, state = optimizers.Accelerated(), ()
    here = np.zeros((2, 1))
    for landed in (1.0, 2.0):
        here, state = rule.extrapolate(here, np.full((2, 1), landed), state)
    # Both extrapolated to 2.25; the first falls back to 2.1, the second goes on.
    here, state = rule.extrapolate(here, np.array([[2.1], [3.0]]), state)
    assert_allclose(here, [[2.1], [3 + 2 / 5]], rtol=1e-15)
    here, state = rule.extrapolate(here, np.array([[2.5], [4.0]]), state)
    assert_allclose(here, [[2.5 + 0.4 / 4], [4 + 3 / 6]], rtol=1e-15)


def test_accelerated_descent_outruns_plain_descent():
    matrix = np.diag([1.0, 1e-3])
    far = {}
    for accelerate in (False, True):
        theta, state = np.ones(2), ()
        for _ in range(400):
            landed = theta - matrix @ theta
            extrapolated, state = optimizers.Accelerated().extrapolate(theta, landed, state)
            theta = extrapolated if accelerate else landed
        far[accelerate] = np.linalg.norm(theta)
    assert far[True] < 1e-2 * far[False]


def test_whole_vector_rules_keep_single_precision():
    rng = np.random.default_rng(0)
    rule, state = optimizers.ConjugateGradient(), ()
    other, other_state = optimizers.Accelerated(), ()
    for _ in range(3):
        here, landed = rng.normal(size=(2, 4)).astype(np.float32)
        direction, state = rule.direction(None, here, state)
        theta, other_state = other.extrapolate(here, landed, other_state)
        assert direction.dtype == theta.dtype == np.float32
