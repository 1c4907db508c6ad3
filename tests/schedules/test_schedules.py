"""Schedules: values, units of time, lengths, compositions and invalid rates."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgd import schedules, step_rules
from skgd._utils.validation import InvalidParameterError
from skgd.schedules import (
    SCHEDULES,
    Constant,
    CosineDecay,
    ExponentialDecay,
    FromCallable,
    InverseScaling,
    Join,
    LinearWarmup,
    OneCycle,
    PolynomialDecay,
    StepDecay,
    TimeDecay,
)

FIT = {"alpha": 1e-2, "updates_per_epoch": 3, "max_iter": 10}
WARM_COSINE = Join(
    [LinearWarmup(Constant(0.1), length=4, start_factor=0.2), CosineDecay(0.1, final=0.01)], at=[4]
)

SCHEDULE_OBJECTS = [cls() for cls in SCHEDULES.values()]
SCHEDULE_OBJECTS += [
    cls(per=per)
    for cls in SCHEDULES.values()
    if "per" in cls().get_params()
    for per in ("update", "epoch")
]
SCHEDULE_OBJECTS += [LinearWarmup(InverseScaling(), per=per) for per in ("update", "epoch")]
SCHEDULE_OBJECTS += [Join([TimeDecay(), OneCycle(), StepDecay()], at=[2, 5]), WARM_COSINE]
SCHEDULE_OBJECTS += [Join([CosineDecay(), OneCycle(per="epoch")], at=[7], per="update")]
SCHEDULE_OBJECTS = list(dict.fromkeys(SCHEDULE_OBJECTS))

every_schedule = pytest.mark.parametrize("schedule", SCHEDULE_OBJECTS, ids=repr)


# Properties


@every_schedule
def test_rates_are_positive_and_finite_within_the_fit_and_long_after(schedule):
    t = np.concatenate([np.arange(1, 100), 10 ** np.arange(3, 13)])
    rates = schedule.resolve(**FIT)(t)
    assert rates.shape == t.shape
    assert rates.dtype == float
    assert np.isfinite(rates).all()
    assert (rates > 0).all()


@every_schedule
def test_a_rate_depends_on_its_update_number_only(schedule):
    rates = schedule.resolve(**FIT)
    t = np.arange(1, 50)
    expected = rates(t)
    assert_array_equal([float(rates(number)) for number in t], expected)
    assert_array_equal(rates(t[::-1]), expected[::-1])
    assert_array_equal(np.concatenate([rates(t[:20]), rates(t[20:])]), expected)


@pytest.mark.parametrize(
    "schedule",
    [cls(per="epoch") for cls in SCHEDULES.values() if "per" in cls().get_params()]
    + [LinearWarmup(CosineDecay()), WARM_COSINE],
    ids=repr,
)
def test_all_updates_of_an_epoch_have_the_same_rate_with_per_epoch(schedule):
    epochs = schedule.resolve(updates_per_epoch=1, max_iter=10)(np.arange(1, 13))
    updates = schedule.resolve(updates_per_epoch=3, max_iter=10)(np.arange(1, 37))
    assert_array_equal(updates, np.repeat(epochs, 3))
    assert len(set(epochs)) > 1 or isinstance(schedule, StepDecay)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_starts_at_eta0_where_it_has_one(name):
    component = SCHEDULES[name]
    if "eta0" not in component().get_params():
        assert name in ("optimal", "time_decay", "one_cycle")
        return
    assert_allclose(component(eta0=0.3).resolve(**FIT)([1]), 0.3, rtol=1e-15)


# Curves


def torch_schedulers():
    scheduler = pytest.importorskip("torch").optim.lr_scheduler
    return {
        "step": lambda sgd: scheduler.StepLR(sgd, 3, 0.5),
        "exponential": lambda sgd: scheduler.ExponentialLR(sgd, 0.8),
        "polynomial": lambda sgd: scheduler.PolynomialLR(sgd, 6, 2.0),
        "linear": lambda sgd: scheduler.LinearLR(sgd, 1.0, 0.25, 6),
        "cosine": lambda sgd: scheduler.CosineAnnealingLR(sgd, 6, 0.01),
        "one_cycle": lambda sgd: scheduler.OneCycleLR(
            sgd, 0.5, total_steps=8, pct_start=0.375, div_factor=10, final_div_factor=100
        ),
        "one_cycle_defaults": lambda sgd: scheduler.OneCycleLR(sgd, 0.1, total_steps=8),
        "warmup": lambda sgd: scheduler.LinearLR(sgd, 0.2, 1, 4),
        "warmup_of_a_decay": lambda sgd: scheduler.ChainedScheduler(
            [scheduler.LinearLR(sgd, 0.2, 1, 4), scheduler.ExponentialLR(sgd, 0.8)]
        ),
        "join": lambda sgd: scheduler.SequentialLR(
            sgd,
            [scheduler.LinearLR(sgd, 0.2, 1, 4), scheduler.CosineAnnealingLR(sgd, 6, 0.01)],
            [4],
        ),
    }


#: Schedules of fits of ten epochs, and the rates that PyTorch computes for them.
CURVES = {
    "step": (StepDecay(0.1, 0.5, 3), [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025]),
    "exponential": (ExponentialDecay(0.1, 0.8), [0.1, 0.08, 0.064, 0.0512, 0.04096]),
    "polynomial": (
        PolynomialDecay(0.1, 1e-300, 2.0, 6),
        [0.1, 0.06944444444, 0.04444444444, 0.025, 0.01111111111, 0.002777777778, 0, 0],
    ),
    "linear": (
        PolynomialDecay(0.1, 0.025, length=6),
        [0.1, 0.0875, 0.075, 0.0625, 0.05, 0.0375, 0.025, 0.025],
    ),
    "cosine": (
        CosineDecay(0.1, 0.01, 6),
        [0.1, 0.09397114317, 0.0775, 0.055, 0.0325, 0.01602885683, 0.01],
    ),
    "one_cycle": (
        OneCycle(0.5, 0.375, 10, 100, length=8),
        [0.05, 0.275, 0.5, 0.45230199, 0.32742699, 0.17307301, 0.048198006, 0.0005],
    ),
    "one_cycle_defaults": (
        OneCycle(length=8),
        [0.004, 0.08192751, 0.097194178, 0.081174565, 0.055598401, 0.0283061, 0.0076641594, 4e-7],
    ),
    "warmup": (LinearWarmup(Constant(0.1), 4, 0.2), [0.02, 0.04, 0.06, 0.08, 0.1, 0.1]),
    "warmup_of_a_decay": (
        LinearWarmup(ExponentialDecay(0.1, 0.8), 4, 0.2),
        [0.02, 0.032, 0.0384, 0.04096, 0.04096, 0.032768],
    ),
    "join": (
        WARM_COSINE,
        [0.02, 0.04, 0.06, 0.08, 0.1, 0.09397114317, 0.0775, 0.055, 0.0325, 0.01602885683],
    ),
}


@pytest.mark.parametrize("name", CURVES)
def test_rates_are_the_stored_ones(name):
    schedule, stored = CURVES[name]
    rates = schedule.resolve(max_iter=10)
    assert_allclose(rates(np.arange(1, len(stored) + 1)), stored, rtol=1e-7, atol=1e-15)


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*:UserWarning")  # SequentialLR's own
@pytest.mark.parametrize("name", CURVES)
def test_rates_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch")
    schedule, stored = CURVES[name]
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch_schedulers()[name](sgd)
    expected = []
    for number in range(len(stored)):
        if number:
            sgd.step()
            scheduler.step()
        expected.append(sgd.param_groups[0]["lr"])
    rates = schedule.resolve(max_iter=10)
    assert_allclose(rates(np.arange(1, len(expected) + 1)), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("schedule", "t", "rates"),
    [
        (Constant(0.3), [1, 50], [0.3, 0.3]),
        (InverseScaling(0.1, 0.5), [1, 4, 100], [0.1, 0.05, 0.01]),
        (InverseScaling(), [1, 16], [0.01, 0.005]),
        (InverseScaling(0.1, -1), [1, 3], [0.1, 0.3]),
        (TimeDecay(), [1, 50], [5 / 51, 0.05]),
        (TimeDecay(1, 0), [1, 4], [1, 0.25]),
        (schedules.Optimal(), [1, 11], [10**-0.5 * 10, 1 / (0.01 * (10**1.5 + 10))]),
        (schedules.Adaptive(0.3), [1, 50], [0.3, 0.3]),
        (step_rules.PassiveAggressive1(0.3), [1, 50], [0.3, 0.3]),
        (step_rules.LineSearch(), [1, 50], [1, 1]),
        (StepDecay(), [1, 10, 11, 20, 21], [0.01, 0.01, 0.005, 0.005, 0.0025]),
        (ExponentialDecay(), [1, 2, 3], [0.01, 0.0095, 0.009025]),
        (PolynomialDecay(), [1, 16, 31], [0.01, 0.00505, 1e-4]),
        (CosineDecay(), [1, 16, 31], [0.01, 0.00505, 1e-4]),
        (LinearWarmup(), [1, 2, 6, 7], [0.001, 0.0028, 0.01, 0.01]),
    ],
    ids=repr,
)
def test_rates_worked_by_hand(schedule, t, rates):
    """The penalty has alpha = 0.01; the fit has 30 epochs of one update."""
    assert_allclose(schedule.resolve(alpha=0.01, max_iter=30)(t), rates, rtol=1e-12)


@pytest.mark.parametrize("per", ["update", "epoch"])
def test_per_is_the_unit_of_t(per):
    t = np.arange(1, 8)
    clock = t if per == "update" else np.array([1, 1, 1, 2, 2, 2, 3])
    for schedule, rates in [
        (InverseScaling(0.1, 0.5, per=per), 0.1 / np.sqrt(clock)),
        (TimeDecay(2, 3, per=per), 2 / (clock + 3)),
        (ExponentialDecay(0.1, 0.9, per=per), 0.1 * 0.9 ** (clock - 1)),
        (StepDecay(0.1, 0.9, 2, per=per), 0.1 * 0.9 ** ((clock - 1) // 2)),
    ]:
        assert_allclose(schedule.resolve(updates_per_epoch=3)(t), rates, rtol=1e-14)


# The length of the fit


@pytest.mark.parametrize("per", ["update", "epoch"])
@pytest.mark.parametrize("cls", [PolynomialDecay, CosineDecay, OneCycle])
def test_the_default_length_is_that_of_the_fit(cls, per):
    fit = {"updates_per_epoch": 4, "max_iter": 5}
    t = np.arange(1, 40)
    length = 20 if per == "update" else 5
    rates = cls(per=per).resolve(**fit)(t)
    assert_array_equal(rates, cls(per=per, length=length).resolve(**fit)(t))
    assert rates[19] < rates[14]


@pytest.mark.parametrize(
    ("schedule", "end", "final"),
    [
        (PolynomialDecay(0.5, 0.125, 3.0, 7), 8, 0.125),
        (CosineDecay(0.5, 0.125, 7), 8, 0.125),
        (OneCycle(0.5, 0.25, 2, 4, 7), 7, 0.0625),
    ],
)
def test_after_its_end_a_schedule_stays_at_its_final_rate(schedule, end, final):
    rates = schedule.resolve(max_iter=9)(np.arange(1, 20))
    assert_allclose(rates[end - 1 :], final, rtol=1e-14)
    assert rates[end - 2] > final


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("warm_fraction", [0.3, 0.5, 0.9])
def test_a_cycle_may_be_very_short(length, warm_fraction):
    cycle = OneCycle(1.0, warm_fraction, 2, 4)
    rates = cycle.resolve(max_iter=length)(np.arange(1, 6))
    assert (rates >= 0.125 - 1e-15).all()
    assert (rates <= 1).all()
    assert_allclose(rates[length - 1 if length > 1 else length :], 0.125, rtol=1e-14)


@pytest.mark.parametrize(
    ("schedule", "name"),
    [
        (PolynomialDecay(length=11), "length=11"),
        (CosineDecay(length=11), "length=11"),
        (OneCycle(length=11, per="epoch"), "length=11"),
        (LinearWarmup(length=11), "length=11"),
        (LinearWarmup(CosineDecay(length=11)), "length=11"),
        (Join([Constant(), CosineDecay(length=11)], at=[2], per="epoch"), "length=11"),
    ],
    ids=repr,
)
def test_a_schedule_longer_than_the_fit_is_an_error(schedule, name):
    schedule.resolve(updates_per_epoch=2, max_iter=13)
    whole = "8" if isinstance(schedule, Join) else "10"
    message = rf"has {name}, which is longer than the {whole} epochs in.*max_iter"
    with pytest.raises(InvalidParameterError, match=message):
        schedule.resolve(updates_per_epoch=2, max_iter=10)


def test_a_length_in_updates_is_compared_with_the_updates_of_the_fit():
    schedule = OneCycle(length=20)
    schedule.resolve(updates_per_epoch=2, max_iter=10)
    message = (
        r"^OneCycle has length=20, which is longer than the 18 updates in which it is active\."
    )
    with pytest.raises(ValueError, match=message):
        schedule.resolve(updates_per_epoch=2, max_iter=9)


def test_optimal_needs_a_penalty():
    for schedule in (schedules.Optimal(), LinearWarmup(schedules.Optimal(), 1)):
        with pytest.raises(ValueError, match=r"alpha must be > 0 .* Got alpha=0\.0"):
            schedule.resolve(alpha=0.0)


# Composed schedules


@pytest.mark.parametrize("per", ["update", "epoch"])
def test_a_warmup_scales_the_rates_of_a_schedule_with_its_own_unit_of_time(per):
    t = np.arange(1, 31)
    inner = InverseScaling(0.5, 0.5, per="update")
    warm = LinearWarmup(inner, length=6, start_factor=0.4, per=per).resolve(**FIT)(t)
    clock = t if per == "update" else 1 + (t - 1) // 3
    ramp = np.minimum(1, 0.4 + 0.6 * (clock - 1) / 6)
    assert_allclose(warm, 0.5 / np.sqrt(t) * ramp, rtol=1e-14)


@pytest.mark.parametrize(("per", "at"), [("epoch", [2, 5]), ("update", [7, 16])])
def test_the_time_of_each_schedule_of_a_join_starts_at_1(per, at):
    parts = [TimeDecay(), CosineDecay(per="update"), StepDecay(every=2)]
    rates = Join(parts, at=at, per=per).resolve(updates_per_epoch=3, max_iter=10)(np.arange(1, 41))
    first, second = np.array(at) * (3 if per == "epoch" else 1)
    segments = [
        TimeDecay().resolve(updates_per_epoch=3)(np.arange(1, first + 1)),
        CosineDecay(per="update", length=int(second - first)).resolve(max_iter=99)(
            np.arange(1, second - first + 1)
        ),
        StepDecay(every=2).resolve(updates_per_epoch=3)(np.arange(1, 41 - second)),
    ]
    assert_allclose(rates, np.concatenate(segments), rtol=1e-12)


def test_a_join_of_one_schedule_is_that_schedule_and_joins_nest():
    t = np.arange(1, 13)
    a, b, c = StepDecay(0.1, every=1), CosineDecay(0.2), TimeDecay()
    assert_array_equal(Join([b]).resolve(max_iter=12)(t), b.resolve(max_iter=12)(t))
    nested = Join([Join([a, b], at=[3]), c], at=[8]).resolve(max_iter=12)(t)
    assert_allclose(nested, Join([a, b, c], at=[3, 8]).resolve(max_iter=12)(t), rtol=1e-14)


def test_a_join_evaluates_schedules_only_where_they_are_active():
    times = []

    def rate(t):
        times.extend(np.ravel(t))
        return 0.1 + 0 * t

    Join([FromCallable(rate), Constant()], at=[3]).resolve(max_iter=9)(np.arange(1, 10))
    assert times == [1, 2, 3]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"schedules": Constant()}, r"^schedules must be a tuple or a list; got Constant"),
        (
            {"schedules": [0.1]},
            r"^schedules\[0\] must be an object of skgd\.schedules .*got 0\.1\.",
        ),
        ({"schedules": [Constant(), Constant], "at": [1]}, r"^schedules\[1\] must be an object"),
        (
            {"schedules": [schedules.Adaptive()]},
            r"^schedules\[0\] must be .* number only; got Adap",
        ),
        ({"schedules": []}, "^at must be one shorter than schedules"),
        ({"at": [3]}, r"^at must be one shorter than schedules, which has 1; got \(3,\)"),
        ({"schedules": [Constant()] * 2}, r"^at must be one shorter than schedules, which has 2"),
        ({"schedules": [Constant()] * 2, "at": 3}, "^at must be a tuple or a list; got 3"),
        ({"schedules": [Constant()] * 2, "at": [0]}, r"^at\[0\] must be an int in the range \[1,"),
        ({"schedules": [Constant()] * 3, "at": [4, 4]}, r"^at\[1\] must be .*\[5, inf\); got 4"),
        ({"schedules": [Constant()] * 2, "at": [2.5]}, r"^at\[0\] must be an int in"),
    ],
)
def test_invalid_joins_are_errors(parameters, message):
    with pytest.raises(InvalidParameterError, match=message):
        Join(**parameters)


@pytest.mark.parametrize(
    "part",
    [
        0.1,
        Constant,
        "cosine",
        None,
        schedules.Adaptive(),
        *(cls() for cls in step_rules.STEP_RULES.values()),
    ],
    ids=repr,
)
def test_a_warmup_needs_a_schedule_that_depends_on_the_update_number_only(part):
    with pytest.raises(InvalidParameterError, match=r"^schedule must be an object of skgd\.sched"):
        LinearWarmup(part)


def test_the_error_for_a_number_suggests_constant():
    with pytest.raises(
        InvalidParameterError, match=r"For a constant rate, write Constant\(number\)\.$"
    ):
        LinearWarmup(0.1)


@pytest.mark.parametrize(("per", "at"), [("epoch", 6), ("update", 18)])
def test_a_join_whose_last_schedule_never_becomes_active_is_an_error(per, at):
    join = Join([Constant(), TimeDecay()], at=[at], per=per)
    join.resolve(updates_per_epoch=3, max_iter=7)
    message = rf"^Join has at=\({at},\), but the fit ends after {at} {per}s"
    with pytest.raises(InvalidParameterError, match=message):
        join.resolve(updates_per_epoch=3, max_iter=6)


# Functions


@pytest.mark.parametrize(
    "function",
    [
        lambda t: 1 / t,
        lambda t: 1 / t if t > 0 else None,
        lambda t: math.pow(t, -1),
        lambda t: [1, 1 / 2, 1 / 3, 1 / 4][t - 1],
        lambda t: {1: 1, 2: 0.5, 3: 1 / 3, 4: 0.25}[t],
        lambda t: np.reciprocal(float(t)),
    ],
)
def test_a_function_may_accept_arrays_or_single_numbers(function):
    rates = FromCallable(function).resolve()
    assert_allclose(rates([1, 2, 3, 4]), [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-15)
    assert_allclose(rates([3]), [1 / 3], rtol=1e-15)
    assert_allclose(rates(3), 1 / 3, rtol=1e-15)


def test_a_function_may_return_a_constant():
    assert_array_equal(FromCallable(lambda t: 0.2).resolve()([1, 2, 3]), [0.2, 0.2, 0.2])
    rates = FromCallable(lambda t: 2).resolve()([1, 2, 3])
    assert (rates.dtype, rates.tolist()) == (float, [2, 2, 2])


def test_a_function_of_arrays_is_called_once():
    calls = []
    rates = FromCallable(lambda t: calls.append(t) or 1 / t).resolve()
    assert_array_equal(rates([1, 2, 4]), [1, 0.5, 0.25])
    assert len(calls) == 1


def test_the_default_fit_is_one_epoch_of_one_update_without_a_penalty():
    default = schedules.CosineDecay(0.1, final=0.001).resolve()
    assert_array_equal(
        default([1, 2, 3]), schedules.CosineDecay(0.1, final=0.001, length=1).resolve()([1, 2, 3])
    )
    with pytest.raises(ValueError, match="alpha=0"):
        schedules.Optimal().resolve()


def test_errors_of_a_function_are_propagated():
    with pytest.raises(ZeroDivisionError):
        FromCallable(lambda t: 1 / (int(t) - 2)).resolve()([1, 2])
    with pytest.raises(ValueError, match=r"could not convert string to float: .*fast"):
        FromCallable(lambda t: np.full(np.shape(t), "fast")).resolve()([1, 2])


@pytest.mark.parametrize("bad", [0.0, -0.1, math.nan, math.inf])
def test_the_error_for_an_invalid_rate_names_its_update(bad):
    rates = FromCallable(lambda t: np.where(t < 6, 0.1, bad)).resolve(updates_per_epoch=2)
    assert_array_equal(rates([1, 5]), [0.1, 0.1])
    with pytest.raises(ValueError, match=rf"positive and finite; got {bad} at update t=6\."):
        rates([4, 5, 6, 7])


def test_a_missing_method_is_named():
    class Mine(schedules.Schedule):
        pass

    with pytest.raises(NotImplementedError, match=r"^Mine needs a method rate\(t, fit_info\)$"):
        Mine().resolve()([1])


# Schedules that depend on the state of the fit


@pytest.mark.parametrize(
    ("schedule", "scale", "after"),
    [
        (schedules.Adaptive(), 1.0, 0.2),
        (schedules.Adaptive(1.0, 4.0, 0.25), 1.0, 0.25),
        (schedules.Adaptive(1.0, 4.0, 0.25), 0.25, None),
        (schedules.Adaptive(1.0, 4.0, 0.0), 1e-9, 0.25e-9),
        (schedules.Adaptive(1e-6), 1.0, None),
        (schedules.Adaptive(1.1e-6), 1.0, 0.2),
    ],
)
def test_a_plateau_divides_the_rate_until_it_is_too_small(schedule, scale, after):
    assert schedule.after_stall(scale) == after


@pytest.mark.parametrize(
    ("rule", "loss", "squared_norm", "step"),
    [
        (step_rules.PassiveAggressive1(0.25), 1.0, 8.0, 0.125),
        (step_rules.PassiveAggressive1(0.25), 4.0, 8.0, 0.25),
        (step_rules.PassiveAggressive1(), 4.0, 8.0, 0.5),
        (step_rules.PassiveAggressive2(0.25), 4.0, 8.0, 0.4),
        (step_rules.PassiveAggressive2(), 4.0, 7.5, 0.5),
        (step_rules.PassiveAggressive2(), 0.0, 7.5, 0.0),
    ],
)
def test_passive_aggressive_steps_worked_by_hand(rule, loss, squared_norm, step):
    assert_allclose(rule.step(loss, squared_norm), step, rtol=1e-15)
    assert_allclose(rule.step(np.array([loss, 0]), squared_norm), [step, 0], rtol=1e-15)
