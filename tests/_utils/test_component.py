"""What every loss, penalty, schedule and optimizer owes to its users as an object."""

import copy
import dataclasses
import inspect
import math
import pickle
import re
from fractions import Fraction

import pytest
from sklearn.base import clone

from skgd import losses, optimizers, penalties, schedules
from skgd._utils import component
from skgd._utils.validation import InvalidParameterError

MODULES = [losses, penalties, schedules, optimizers]
REGISTRIES = [losses.LOSSES, penalties.PENALTIES, schedules.SCHEDULES, optimizers.OPTIMIZERS]
BASES = [losses.Loss, penalties.Penalty, schedules.Schedule, optimizers.Optimizer]
#: The registered classes, and those that are made of other pieces.
CLASSES = [piece for registry in REGISTRIES for piece in registry.values()]
CLASSES += [schedules.LinearWarmup, schedules.Join]

FIELDS = [(piece, field) for piece in CLASSES for field in dataclasses.fields(piece)]
NUMBERS = [(piece, field) for piece, field in FIELDS if field.type in (float, int, int | None)]


def name_of(value):
    return getattr(value, "name", getattr(value, "__name__", repr(value)))


def other(value):
    """Return another value that the same field accepts."""
    if isinstance(value, (tuple, schedules.Schedule)):
        return (schedules.Constant(0.3),) if isinstance(value, tuple) else schedules.Constant(0.3)
    if isinstance(value, str):
        return {"update": "epoch", "epoch": "update"}[value]
    return {None: 3, 10: 7, 5: 2}.get(value) if not isinstance(value, float) else value / 2


def changeable(piece):
    """Return the piece with every field changed that can be changed alone."""
    values = {
        field.name: other(field.default)
        for field in dataclasses.fields(piece)
        if field.name != "at"
    }
    return piece(**values)


OBJECTS = [piece() for piece in CLASSES]
OBJECTS += [changeable(piece) for piece in CLASSES if dataclasses.fields(piece)]
OBJECTS.append(
    schedules.Join([schedules.LinearWarmup(schedules.StepDecay(0.2)), schedules.OneCycle()], [7])
)


@pytest.mark.parametrize("piece", OBJECTS, ids=repr)
def test_a_piece_survives_repr_pickle_copy_clone_and_its_parameters(piece):
    names = {name: value for module in MODULES for name, value in vars(module).items()}
    twins = [
        eval(repr(piece), names),
        pickle.loads(pickle.dumps(piece)),
        copy.copy(piece),
        copy.deepcopy(piece),
        clone(piece),
        clone(piece, safe=False),
        piece.replace(),
        type(piece)(**piece.get_params()),
    ]
    for twin in twins:
        assert type(twin) is type(piece)
        assert twin == piece
        assert hash(twin) == hash(piece)


@pytest.mark.parametrize(
    ("piece", "field"), [pair for pair in FIELDS if pair[1].name != "at"], ids=name_of
)
def test_a_field_cannot_be_assigned_but_replaced_in_a_copy(piece, field):
    original = piece()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(original, field.name, field.default)
    changed = original.replace(**{field.name: other(field.default)})
    assert changed != original == piece()
    assert changed.get_params() == original.get_params() | {field.name: other(field.default)}


@pytest.mark.parametrize("piece", CLASSES, ids=name_of)
def test_a_parameter_that_is_not_there_is_refused_with_those_that_are(piece):
    names = [field.name for field in dataclasses.fields(piece)]
    with pytest.raises(InvalidParameterError) as error:
        piece().replace(nonsense_=1)
    message = str(error.value)
    assert message.startswith(f"{piece.__name__} has no parameter 'nonsense_'; it has: ")
    assert (", ".join(names) or "none") in message


def test_a_misspelt_parameter_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"it has: momentum\. Did you mean 'momentum'\?$"):
        optimizers.Momentum().replace(momentun=0.5)


def test_pieces_of_different_classes_differ_whatever_their_numbers():
    assert losses.Huber(0.1) != losses.EpsilonInsensitive(0.1)
    assert losses.SquaredError() != losses.AbsoluteError()
    assert len(set(OBJECTS)) == len(OBJECTS)


@pytest.mark.parametrize("piece", CLASSES, ids=name_of)
def test_a_piece_is_public_and_its_docstring_tells_its_defaults(piece):
    module = next(module for module in MODULES if piece.__module__.startswith(module.__name__))
    assert piece.__name__ in module.__all__
    for field in dataclasses.fields(piece):
        default = re.search(r", default=(.*)", documentation(piece, field))[1]
        assert eval(default, vars(module)) == field.default


# Numbers


def documentation(piece, field):
    """Return the paragraph on a field in the docstring of its class."""
    text = inspect.cleandoc(piece.__doc__)  # Python 3.13 has taken the indentation away already
    return re.search(rf"(?s)\n{field.name} : .*?(?=\n\S|\Z)", text)[0]


def edges(piece, field):
    """Return values to accept and values to refuse, read from the documented range."""
    text = documentation(piece, field)
    if "any real number" in text:
        return [-2.5, 0.0, 2.5], []
    if field.type is not float:
        least = int(re.search(r"at least (\d+)", text)[1]) if "at least" in text else 1
        return [least, least + 1], [least - 1, -least, least + 0.5]
    left, low, high, right = re.search(r"in ([\[(])([^,\]]+), ([^\])]+)([\])])", text).groups()
    accepted, refused = [], []
    for closed, edge, outwards in [(left == "[", low, -1), (right == "]", high, 1)]:
        if edge != "inf":
            edge = float(Fraction(edge))
            (accepted if closed else refused).append(edge)
            refused.append(edge + outwards * 1e-9)
            accepted.append(edge - outwards * 1e-9)
    return accepted, refused


@pytest.mark.parametrize(("piece", "field"), NUMBERS, ids=name_of)
def test_the_documented_range_is_the_one_that_is_checked(piece, field):
    accepted, refused = edges(piece, field)
    for value in accepted:
        assert getattr(piece(**{field.name: value}), field.name) == value
    for value in refused:
        assert_refused(piece, field, value)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "1", True, [1.0], 1j, b"1"], ids=repr
)
@pytest.mark.parametrize(("piece", "field"), NUMBERS, ids=name_of)
def test_what_is_no_number_is_refused(piece, field, value):
    assert_refused(piece, field, value)


@pytest.mark.parametrize("value", ["epochs", None, 1, True], ids=repr)
@pytest.mark.parametrize(
    "piece", [piece for piece, field in FIELDS if field.name == "per"], ids=name_of
)
def test_a_clock_is_update_or_epoch(piece, value):
    with pytest.raises(InvalidParameterError, match=r"^per must be one of 'update', 'epoch'; got "):
        piece(per=value)


def assert_refused(piece, field, value):
    with pytest.raises(InvalidParameterError) as error:
        piece(**{field.name: value})
    assert str(error.value).startswith(f"{field.name} must be ")
    assert f"got {value!r}." in str(error.value)


def test_none_stands_for_no_number_but_a_length_of_the_whole_run():
    for piece, field in NUMBERS:
        if field.type == int | None:
            assert getattr(piece(**{field.name: None}), field.name) is None
        else:
            assert_refused(piece, field, None)


# From a parameter to a piece


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
def test_a_name_stands_for_its_class_and_an_object_for_itself(registry, base):
    for name, piece in registry.items():
        assert issubclass(piece, base)
        assert component.resolve("parameter", name, registry, base) == piece()
        original = changeable(piece)
        assert component.resolve("parameter", original, registry, base, eta0=9, alpha=9) is original


def test_flat_parameters_feed_the_names_that_have_them():
    def resolve(name):
        return component.resolve(
            "penalty", name, penalties.PENALTIES, penalties.Penalty, alpha=0.5, l1_ratio=0.3
        )

    assert resolve("l2") == penalties.L2(alpha=0.5)
    assert resolve("elasticnet") == penalties.ElasticNet(alpha=0.5, l1_ratio=0.3)


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
@pytest.mark.parametrize("value", ["nonsense", 3, None, [], object])
def test_an_unknown_value_is_refused_with_the_known_names(registry, base, value):
    with pytest.raises(InvalidParameterError) as error:
        component.resolve("parameter", value, registry, base)
    message = str(error.value)
    assert message.startswith("parameter must be one of ")
    assert repr(value) in message
    assert all(repr(name) in message for name in registry)
    assert f"an object of {'.'.join(base.__module__.split('.')[:2])}" in message


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
def test_a_misspelt_name_is_answered_with_the_nearest(registry, base):
    for name in registry:
        with pytest.raises(InvalidParameterError, match=f"Did you mean {name!r}"):
            component.resolve("parameter", f"{name}x", registry, base)


@pytest.mark.parametrize(("registry", "base"), zip(REGISTRIES, BASES, strict=True))
def test_a_class_is_answered_with_how_to_write_an_object(registry, base):
    for piece in registry.values():
        hint = re.escape(f"an instance, not a class; got {piece!r}. Write {piece.__name__}().")
        with pytest.raises(InvalidParameterError, match=f"^parameter must be {hint}$"):
            component.resolve("parameter", piece, registry, base)


def test_a_piece_of_another_kind_is_refused():
    with pytest.raises(InvalidParameterError, match="loss must be one of 'squared_error'"):
        component.resolve("loss", optimizers.GD(), losses.LOSSES, losses.Loss)


def test_replace_reaches_into_a_held_piece():
    warm = schedules.LinearWarmup(schedules.Constant(eta0=0.5), length=3)
    changed = warm.replace(schedule__eta0=0.25, length=4)
    assert changed == schedules.LinearWarmup(schedules.Constant(eta0=0.25), length=4)
    assert warm.schedule.eta0 == 0.5
    with pytest.raises(InvalidParameterError, match="Constant has no parameter 'eta'"):
        warm.replace(schedule__eta=1.0)


def test_an_integer_too_large_for_a_float_is_refused():
    with pytest.raises(InvalidParameterError, match="eta0 must be a finite number"):
        schedules.Constant(eta0=10**400)
