"""Base class of losses, penalties, schedules and optimizers.

A component is an immutable object that holds a few parameters. It is a frozen dataclass that
compares, hashes and prints by its parameters, and it implements the part of scikit-learn's
parameter protocol that ``clone``, ``get_params`` and a search over ``learning_rate__eta0`` need.
"""

import dataclasses
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Self, dataclass_transform

from skgd._utils.validation import InvalidParameterError, raise_invalid, suggest_closest


def checked(check: Callable[..., None], *, default: Any, **constraint: Any) -> Any:
    """Return the field of a parameter whose values are checked when a component is created.

    Parameters
    ----------
    check : callable
        Takes the name of the parameter, its value and `constraint`; raises an error if the value
        is invalid.
    default : object
        Default value of the parameter.
    **constraint
        Further arguments of `check`.

    Returns
    -------
    dataclasses.Field
    """
    return dataclasses.field(default=default, metadata={"check": partial(check, **constraint)})


@dataclass_transform(frozen_default=True, field_specifiers=(checked,))
def component(cls=None, *, name=None):
    """Make a class a frozen dataclass with the equality, hash and repr of :class:`Component`.

    A plain ``dataclass(frozen=True)`` generates methods that do the same, but compiling them for
    some forty classes takes a noticeable part of the import time. For the same reason a class
    without parameters of its own shares the methods of its base class.

    Parameters
    ----------
    cls : type
        The class that is decorated.
    name : str, default=None
        The name that estimators accept for the component; the class is entered under it in the
        `registry` of its base class.
    """
    if cls is None:
        return partial(component, name=name)
    if inspect.get_annotations(cls):
        cls = dataclasses.dataclass(cls, frozen=True, eq=False, repr=False)
    else:
        cls.__setattr__ = cls.__delattr__ = reject_change
    if name is not None:
        cls.registry[name] = cls
    return cls


def reject_change(component, name, *value):
    """Raise an error when an attribute is set to `value` or deleted, as a frozen dataclass does.

    A user's own subclass that is no dataclass may have further attributes, as there.
    """
    if is_built_in(component) or name in component.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot assign or delete field {name!r}")
    (object.__setattr__ if value else object.__delattr__)(component, name, *value)


class Component:
    """Base class of all components; subclasses are frozen dataclasses."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if "check" in field.metadata:
                field.metadata["check"](field.name, getattr(self, field.name))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.get_params() == other.get_params()

    def __hash__(self) -> int:
        return hash((type(self), *self.get_params().values()))

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__qualname__}({params})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn's estimators do.

        Parameters
        ----------
        deep : bool, default=True
            Ignored; parameters of nested components are not listed.

        Returns
        -------
        dict
            Parameter values by name.
        """
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some parameters changed; the component itself is not modified.

        Parameters
        ----------
        **changes
            New values by parameter name; ``name__parameter`` sets a parameter of the component
            that is stored in the parameter ``name``.

        Returns
        -------
        Component
            A new object of the same class.
        """
        params = self.get_params()
        for key in [key for key in changes if "__" in key]:
            name, _, nested_key = key.partition("__")
            if isinstance(params.get(name), Component):
                nested = changes.get(name, params[name])
                changes[name] = nested.replace(**{nested_key: changes.pop(key)})
        for name in changes:
            if name not in params:
                listing = ", ".join(params) or "none"
                raise InvalidParameterError(
                    f"{type(self).__name__} has no parameter {name!r}. Its parameters are: "
                    f"{listing}. {suggest_closest(name, list(params))}"
                )
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def __sklearn_clone__(self):
        return self  # immutable, so clones can share it


def resolve_component(parameter, value, registry, base, *, alternatives="", **flat_params):
    """Return the component that a parameter value stands for.

    Parameters
    ----------
    parameter : str
        Name of the parameter, for error messages.
    value : str or Component
        A name in `registry`, or a component, which is returned unchanged.
    registry : dict of str to type
        Component classes by name.
    base : type
        Base class of the components.
    alternatives : str, default=""
        Other values that the parameter accepts, for error messages.
    **flat_params
        Parameters of the estimator. Those that are parameters of the class that a name stands for
        are passed on to it; the others are ignored.

    Returns
    -------
    Component
    """
    if isinstance(value, base):
        return value
    if isinstance(value, str) and value in registry:
        component = registry[value]
        names = {field.name for field in dataclasses.fields(component)}
        return component(**{name: param for name, param in flat_params.items() if name in names})
    if inspect.isclass(value) and issubclass(value, base):
        raise_invalid(parameter, value, "an instance, not a class", f"Write {value.__name__}().")
    bases = base if isinstance(base, tuple) else (base,)
    modules = " or ".join(".".join(part.__module__.split(".")[:2]) for part in bases)
    options = ", ".join(map(repr, registry))
    alternatives = f"{alternatives and ', ' + alternatives} or an object of {modules}"
    hint = suggest_closest(value, list(registry))
    raise_invalid(parameter, value, f"a str among {{{options}}}{alternatives}", hint)


def is_built_in(component):
    """Return whether the class of a component is defined in this package."""
    return type(component).__module__.partition(".")[0] == "skgd"
