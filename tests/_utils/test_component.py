"""The behaviour that all losses, penalties, schedules and optimizers share."""

import copy
import dataclasses
import inspect
import math
import pickle
import re
from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone

from skgd import losses, optimizers, penalties, schedules, step_rules
from skgd._utils.component import resolve_component
from skgd._utils.validation import InvalidParameterError

MODULES = [losses, penalties, schedules, step_rules, optimizers]
REGISTRIES = [
    losses.LOSSES,
    penalties.PENALTIES,
    schedules.SCHEDULES,
    step_rules.STEP_RULES,
    optimizers.OPTIMIZERS,
]
BASES = [losses.Loss, penalties.Penalty, schedules.Schedule, step_rules.StepRule]
BASES += [optimizers.Optimizer]
#: The registered classes, and those that are made of other pieces.
CLASSES = [component for registry in REGISTRIES for component in registry.values()]
CLASSES += [schedules.LinearWarmup, schedules.Join]

FIELDS = [(component, field) for component in CLASSES for field in dataclasses.fields(component)]
NUMBERS = [
    (component, field) for component, field in FIELDS if field.type in (float, int, int | None)
]


def get_id(value):
    return getattr(value, "name", getattr(value, "__name__", repr(value)))


def other_value(value):
    """Return another value that the same field accepts."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (tuple, schedules.Schedule)):
        return (schedules.Constant(0.3),) if isinstance(value, tuple) else schedules.Constant(0.3)
    if isinstance(value, str):
        return {"update": "epoch", "epoch": "update"}[value]
    others = {None: 3, 10: 7, 5: 2, 1.5: 2.0}  # 1.5: the power of Tweedie, at least 1
    return value / 2 if isinstance(value, float) and value not in others else others[value]


def with_changed_params(component):
    """Return an object with all parameters changed that can be changed independently."""
    values = {
        field.name: other_value(field.default)
        for field in dataclasses.fields(component)
        if field.name != "at"
    }
    return component(**values)


OBJECTS = [component() for component in CLASSES]
OBJECTS += [
    with_changed_params(component) for component in CLASSES if dataclasses.fields(component)
]
OBJECTS.append(
    schedules.Join([schedules.LinearWarmup(schedules.StepDecay(0.2)), schedules.OneCycle()], [7])
)


OBJECTS += [
    penalties.L1(0.5, weights=np.array([0, 1.5, np.inf])),
    penalties.Bounds(),
    penalties.Bounds(np.zeros(2, dtype=np.float32), [1, math.inf], penalties.L2(weights=(1, 2))),
]


@pytest.mark.parametrize("component", OBJECTS, ids=repr)
def test_copies_by_repr_pickle_copy_clone_and_params_are_equal(component):
    names = {"inf": math.inf} | {
        name: value for module in MODULES for name, value in vars(module).items()
    }
    copies = [
        eval(repr(component), names),
        pickle.loads(pickle.dumps(component)),
        copy.copy(component),
        copy.deepcopy(component),
        clone(component),
        clone(component, safe=False),
        component.replace(),
        type(component)(**component.get_params()),
    ]
    for other in copies:
        assert type(other) is type(component)
        assert other == component
        assert hash(other) == hash(component)


@pytest.mark.parametrize("component", CLASSES, ids=get_id)
def test_attributes_cannot_be_set_or_deleted(component):
    for change in (lambda part: setattr(part, "other", 1), lambda part: delattr(part, "other")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change(component())


@pytest.mark.parametrize("base", [penalties.L1, penalties.ElasticNet])
def test_a_plain_subclass_may_have_attributes_but_not_change_parameters(base):
    own = type("Own", (base,), {"__module__": "elsewhere"})()
    own.other = 1
    assert own.other == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        own.alpha = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        del own.alpha


@pytest.mark.parametrize(
    ("component", "field"), [pair for pair in FIELDS if pair[1].name != "at"], ids=get_id
)
def test_params_are_read_only_and_replace_changes_a_copy(component, field):
    original = component()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(original, field.name, field.default)
    changed = original.replace(**{field.name: other_value(field.default)})
    assert changed != original == component()
    assert changed.get_params() == original.get_params() | {field.name: other_value(field.default)}


@pytest.mark.parametrize("component", CLASSES, ids=get_id)
def test_the_error_for_an_unknown_parameter_lists_the_parameters(component):
    names = [field.name for field in dataclasses.fields(component)]
    with pytest.raises(InvalidParameterError) as error:
        component().replace(nonsense_=1)
    message = str(error.value)
    assert message.startswith(
        f"{component.__name__} has no parameter 'nonsense_'. Its parameters are: "
    )
    assert (", ".join(names) or "none") in message


def test_the_error_for_a_misspelt_parameter_suggests_the_closest():
    with pytest.raises(
        ValueError, match=r"Its parameters are: momentum\. Did you mean 'momentum'\?$"
    ):
        optimizers.Momentum().replace(momentun=0.5)


def test_components_of_different_classes_are_not_equal():
    assert losses.Huber(0.1) != losses.EpsilonInsensitive(0.1)
    assert losses.SquaredError() != losses.AbsoluteError()
    assert len(set(OBJECTS)) == len(OBJECTS)


@pytest.mark.parametrize("component", CLASSES, ids=get_id)
def test_components_are_public_and_their_docstrings_state_the_defaults(component):
    module = next(module for module in MODULES if component.__module__.startswith(module.__name__))
    assert component.__name__ in module.__all__
    for field in dataclasses.fields(component):
        default = re.search(r", default=(.*)", documentation(component, field))[1]
        assert eval(default, vars(module)) == field.default


# Numbers


def documentation(component, field):
    """Return the documentation of a parameter in the docstring of its class."""
    text = inspect.cleandoc(component.__doc__)  # Python 3.13 removes the indentation itself
    return re.search(rf"(?s)\n{field.name} : .*?(?=\n\S|\Z)", text)[0]


def edges(component, field):
    """Return valid and invalid values at the bounds of the documented range."""
    text = documentation(component, field)
    if "any real number" in text:
        return [-2.5, 0.0, 2.5], []
    if field.type is not float:
        least = int(re.search(r"at least (\d+)", text)[1]) if "at least" in text else 1
        return [least, least + 1], [least - 1, -least, least + 0.5]
    left, low, high, right = re.search(r"in ([\[(])([^,\]]+), ([^\])]+)([\])])", text).groups()
    valid, invalid = [], []
    for closed, edge, outwards in [(left == "[", low, -1), (right == "]", high, 1)]:
        if edge != "inf":
            edge = float(Fraction(edge))
            (valid if closed else invalid).append(edge)
            invalid.append(edge + outwards * 1e-9)
            valid.append(edge - outwards * 1e-9)
    return valid, invalid


@pytest.mark.parametrize(("component", "field"), NUMBERS, ids=get_id)
def test_the_documented_range_is_checked(component, field):
    valid, invalid = edges(component, field)
    for value in valid:
        assert getattr(component(**{field.name: value}), field.name) == value
    for value in invalid:
        assert_invalid(component, field, value)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "1", True, [1.0], 1j, b"1"], ids=repr
)
@pytest.mark.parametrize(("component", "field"), NUMBERS, ids=get_id)
def test_values_that_are_not_finite_numbers_are_errors(component, field, value):
    assert_invalid(component, field, value)


@pytest.mark.parametrize("value", ["epochs", None, 1, True], ids=repr)
@pytest.mark.parametrize(
    "component", [component for component, field in FIELDS if field.name == "per"], ids=get_id
)
def test_per_is_update_or_epoch(component, value):
    with pytest.raises(InvalidParameterError, match=r"^per must be one of 'update', 'epoch'; got "):
        component(per=value)


def assert_invalid(component, field, value):
    with pytest.raises(InvalidParameterError) as error:
        component(**{field.name: value})
    assert str(error.value).startswith(f"{field.name} must be ")
    assert f"got {value!r}." in str(error.value)


def test_none_is_valid_for_optional_parameters_only():
    for component, field in NUMBERS:
        if field.type == int | None:
            assert getattr(component(**{field.name: None}), field.name) is None
        else:
            assert_invalid(component, field, None)


# From a parameter to a component


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
def test_a_name_stands_for_its_class_and_an_object_for_itself(registry, base):
    for name, component in registry.items():
        assert issubclass(component, base)
        assert resolve_component("parameter", name, registry, base) == component()
        original = with_changed_params(component)
        assert resolve_component("parameter", original, registry, base, eta0=9, alpha=9) is original


def test_flat_parameters_are_passed_to_the_classes_that_have_them():
    def resolve(name):
        return resolve_component(
            "penalty", name, penalties.PENALTIES, penalties.Penalty, alpha=0.5, l1_ratio=0.3
        )

    assert resolve("l2") == penalties.L2(alpha=0.5)
    assert resolve("elasticnet") == penalties.ElasticNet(alpha=0.5, l1_ratio=0.3)


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
@pytest.mark.parametrize("value", ["nonsense", 3, None, [], object])
def test_the_error_for_an_unknown_value_lists_the_names(registry, base, value):
    with pytest.raises(InvalidParameterError) as error:
        resolve_component("parameter", value, registry, base)
    message = str(error.value)
    assert message.startswith("parameter must be a str among {")
    assert repr(value) in message
    assert all(repr(name) in message for name in registry)
    assert f"an object of {'.'.join(base.__module__.split('.')[:2])}" in message


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
def test_the_error_for_a_misspelt_name_suggests_the_closest(registry, base):
    for name in registry:
        with pytest.raises(InvalidParameterError, match=f"Did you mean {name!r}"):
            resolve_component("parameter", f"{name}x", registry, base)


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
def test_the_error_for_a_class_suggests_an_object(registry, base):
    for component in registry.values():
        hint = re.escape(
            f"an instance, not a class; got {component!r}. Write {component.__name__}()."
        )
        with pytest.raises(InvalidParameterError, match=f"^parameter must be {hint}$"):
            resolve_component("parameter", component, registry, base)


def test_a_component_of_another_kind_is_an_error():
    with pytest.raises(InvalidParameterError, match=r"loss must be a str among \{'squared_error'"):
        resolve_component("loss", optimizers.GD(), losses.LOSSES, losses.Loss)


def test_replace_sets_parameters_of_nested_components():
    warm = schedules.LinearWarmup(schedules.Constant(eta0=0.5), length=3)
    changed = warm.replace(schedule__eta0=0.25, length=4)
    assert changed == schedules.LinearWarmup(schedules.Constant(eta0=0.25), length=4)
    assert warm.schedule.eta0 == 0.5
    with pytest.raises(InvalidParameterError, match="Constant has no parameter 'eta'"):
        warm.replace(schedule__eta=1.0)


def test_an_integer_too_large_for_a_float_is_an_error():
    with pytest.raises(InvalidParameterError, match="eta0 must be a float in the range"):
        schedules.Constant(eta0=10**400)
