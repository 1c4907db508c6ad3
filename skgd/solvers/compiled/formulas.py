"""The methods of pieces, callable from compiled loops.

A loop gets a piece as a *record*: a named tuple of its numbers, whose class says which piece it
stands for. ``gradient(loss, p, y)`` and its siblings look the method up on that class and compile
it, so that each formula stands once, in the piece. The numbers enter at run time: a new value
never compiles anew.
"""

from collections import namedtuple
from dataclasses import fields
from functools import cache
from itertools import count
from numbers import Real

from numba.extending import overload

from skgd import penalties
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS
from skgd.solvers.compiled.jit import PART, NotCompilableError, inline
from skgd.step_rules import PassiveAggressive1, PassiveAggressive2

serial = count()


def record(component):
    """Return the numbers of a piece as a named tuple."""
    numbers = {field.name: getattr(component, field.name) for field in fields(component)}
    for name, number in numbers.items():
        if not isinstance(number, Real):
            raise NotCompilableError(f"its parameter {name}={number!r} is not a number")
    return record_class(type(component))(*map(float, numbers.values()))


@cache
def record_class(cls):
    """Return the class of the records of a piece's class.

    Numba tells named tuples apart by their class's name and fields only. A class of the user's own
    may be called like one of ours, or like an earlier one of the same session: it gets a number.
    """
    name = f"{cls.__name__}_{next(serial)}"
    if cls.__module__.partition(".")[0] == "skgd":
        name = f"{cls.__name__}Record"
    made = namedtuple(name, [field.name for field in fields(cls)], module=__name__)
    made.component = cls
    return made


# Machine code from disk finds the records of our own pieces here.
OWN = [*LOSSES.values(), *OPTIMIZERS.values(), PassiveAggressive1, PassiveAggressive2]
globals().update((made.__name__, made) for made in map(record_class, OWN))


def value(loss, p, y):
    """Return the loss of a prediction."""


def gradient(loss, p, y):
    """Return the gradient of the loss at a prediction."""


def length(rule, loss, squared_norm):
    """Return the length of the step of a row, in multiples of the row."""


def update(optimizer, gradient, state, rate, t):
    """Return step, learning rate and new state of a coordinate."""


def formula(record, name):
    """Return the compiled method of the piece that the type of a record stands for."""
    return inline(getattr(record.instance_class.component, name))


@overload(value, jit_options=PART)
def _value(loss, p, y):
    method = formula(loss, "value")
    return lambda loss, p, y: method(loss, p, y)


@overload(gradient, jit_options=PART)
def _gradient(loss, p, y):
    method = formula(loss, "gradient")
    return lambda loss, p, y: method(loss, p, y)


@overload(length, jit_options=PART)
def _length(rule, loss, squared_norm):
    method = formula(rule, "step")
    return lambda rule, loss, squared_norm: method(rule, loss, squared_norm)


@overload(update, jit_options=PART)
def _update(optimizer, gradient, state, rate, t):
    method = formula(optimizer, "update")
    return lambda optimizer, gradient, state, rate, t: method(optimizer, gradient, state, rate, t)


#: The proximal step of the cumulative l1 penalty.
soft_threshold = inline(penalties.soft_threshold_cumulative)
