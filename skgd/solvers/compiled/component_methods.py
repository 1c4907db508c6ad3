"""The methods of components, callable from compiled loops.

A loop gets a component as a *record*: a named tuple of its parameters, whose class says which class
of components it stands for. ``loss_gradient(loss, p, y)`` and its siblings look up the method of
that class and compile it, so that each formula is written once, in the component. The parameters
are arguments at run time: a new value needs no new compilation.
"""

from collections import namedtuple
from dataclasses import fields
from functools import cache
from itertools import count
from numbers import Real
from typing import Any

from skgd import penalties
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS
from skgd.solvers.compiled.jit import NotCompilableError, by_type, jit_function
from skgd.step_rules import STEP_RULES

_class_numbers = count()


def record(component):
    """Return the parameters of a component as a named tuple."""
    parameters = {field.name: getattr(component, field.name) for field in fields(component)}
    for name, value in parameters.items():
        if not isinstance(value, Real):
            raise NotCompilableError(f"its parameter {name}={value!r} is not a number")
    return record_class(type(component))(*map(float, parameters.values()))


@cache
def record_class(cls):
    """Return the class of the records of a class of components.

    Numba distinguishes named tuples by the name and the fields of their class only. A user's own
    class may have the name of a class of this package, or of an earlier one of the same session:
    the name of its records has a number.
    """
    name = f"{cls.__name__}_{next(_class_numbers)}"
    if cls.__module__.partition(".")[0] == "skgd":
        name = f"{cls.__name__}Record"
    records = namedtuple(name, [field.name for field in fields(cls)], module=__name__)
    records.component = cls
    return records


# Machine code loaded from disk looks up the records of this package's components here.
BUILT_IN: list[Any] = [*LOSSES.values(), *OPTIMIZERS.values(), *STEP_RULES.values()]
globals().update({record_class(cls).__name__: record_class(cls) for cls in BUILT_IN})


def component_method(name):
    """Return the function that calls a method of the component that a record stands for."""

    def select(record_type, *arguments):
        return getattr(record_type.instance_class.component, name)

    return by_type(select)


loss_value, loss_gradient = component_method("value"), component_method("gradient")
step_length, optimizer_update = component_method("step"), component_method("update")

#: Proximal step of the cumulative l1 penalty.
soft_threshold = jit_function(penalties.soft_threshold_cumulative)
