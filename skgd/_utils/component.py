"""What losses, penalties, schedules and optimizers share.

A piece is an immutable object that holds a few numbers. It is a frozen dataclass, so that equality,
hash, repr and pickle come free, and it speaks enough of scikit-learn's parameter protocol for
``clone``, ``get_params`` and a grid over ``learning_rate__eta0`` to work on it.
"""

import dataclasses
import inspect
from typing import Any, Self, dataclass_transform

from skgd._utils.validation import InvalidParameterError, raise_invalid, suggest_closest


@dataclass_transform(frozen_default=True)
def component(cls):
    """Make a class a frozen dataclass that takes equality, hash and repr from :class:`Component`.

    What a plain ``dataclass(frozen=True)`` would generate does the same, but compiling it for some
    forty classes takes a noticeable part of the import.
    """
    return dataclasses.dataclass(cls, frozen=True, eq=False, repr=False)


class Component:
    """Base of all pieces; subclasses are frozen dataclasses."""

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
        """Return the piece's parameters by name, as scikit-learn's estimators do.

        Parameters
        ----------
        deep : bool, default=True
            Ignored: pieces have no nested parameters.

        Returns
        -------
        dict
        """
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def replace(self, **changes: Any) -> Self:
        """Return a copy of the piece with some parameters changed; the piece itself stays.

        Parameters
        ----------
        **changes
            New values by parameter name; ``part__parameter`` reaches into a piece held by this one.

        Returns
        -------
        Piece
            A new object of the same class.
        """
        known = self.get_params()
        for name in [name for name in changes if "__" in name]:
            part, _, inner = name.partition("__")
            if isinstance(known.get(part), Component):
                held = changes.get(part, known[part])
                changes[part] = held.replace(**{inner: changes.pop(name)})
        for name in changes:
            if name not in known:
                listing = ", ".join(known) or "none"
                raise InvalidParameterError(
                    f"{type(self).__name__} has no parameter {name!r}; it has: {listing}. "
                    + suggest_closest(name, list(known))
                )
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def __sklearn_clone__(self):
        return self  # immutable, so that a clone may share it


def resolve_component(parameter, value, registry, base, **flat):
    """Turn a registered name or a piece into a piece.

    A piece wins as it is; the flat parameters feed only the class that a name stands for.
    """
    if isinstance(value, base):
        return value
    if isinstance(value, str) and value in registry:
        component = registry[value]
        names = {field.name for field in dataclasses.fields(component)}
        return component(**{name: number for name, number in flat.items() if name in names})
    if inspect.isclass(value) and issubclass(value, base):
        raise_invalid(parameter, value, "an instance, not a class", f"Write {value.__name__}().")
    listing = ", ".join(map(repr, registry))
    raise_invalid(
        parameter,
        value,
        f"one of {listing}, or an object of skgd.{base.__module__.split('.')[1]}",
        suggest_closest(value, list(registry)),
    )


def is_built_in(component):
    """Tell whether a piece comes with this package."""
    return type(component).__module__.partition(".")[0] == "skgd"
