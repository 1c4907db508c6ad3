"""Fitted state as NumPy arrays, plain containers and numbers, which any format can save.

Pickles and ``skops.io`` then name no class but the estimators and their public components. Objects
of other classes of skgd become dicts with their class under the key ``"class"``.
"""

import sys
import warnings
from importlib import import_module

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning

from skgd._utils.component import Component

#: Types whose lists are saved as arrays, as the columns of a history.
NUMBERS = ({float}, {float, np.float64}, {np.float64}, {int})


class SavedByAnotherVersion(InconsistentVersionWarning):
    """Warning that an estimator was saved by another version of skgd."""

    def __str__(self):
        return (
            f"This {self.estimator_name} was saved by skgd {self.original_sklearn_version} and is "
            f"loaded by skgd {self.current_sklearn_version}, which may predict or continue the fit "
            "differently. Fit it again, or load it with the version that saved it."
        )


def current_version():
    """Return the version of skgd."""
    return sys.modules["skgd"].__version__


def check_version(name, version):
    """Warn if an estimator of the class `name` was saved by another version than this one."""
    if version != current_version():
        warning = SavedByAnotherVersion(
            estimator_name=name,
            current_sklearn_version=current_version(),
            original_sklearn_version=version,
        )
        warnings.warn(warning, stacklevel=3)


def to_plain(value):
    """Return a value in which arrays, containers and numbers replace skgd's private objects."""
    cls = type(value)
    if isinstance(value, Component):
        return value
    if isinstance(value, np.random.Generator):
        return {"class": "Generator", "state": value.bit_generator.state}
    if cls is dict:
        return {key: to_plain(item) for key, item in value.items()}
    if cls is list and {type(item) for item in value} in NUMBERS:
        return {"class": "list", "items": np.array(value)}
    if cls in (list, tuple):
        return cls(map(to_plain, value))
    if cls.__module__.startswith("skgd."):
        fields = value._asdict() if isinstance(value, tuple) else vars(value)
        return {"class": f"{cls.__module__}:{cls.__qualname__}", "fields": to_plain(dict(fields))}
    return value


def from_plain(value):
    """Return the value from which :func:`to_plain` has computed its argument."""
    if type(value) in (list, tuple):
        return type(value)(map(from_plain, value))
    if type(value) is not dict:
        return value
    if "class" not in value:
        return {key: from_plain(item) for key, item in value.items()}
    if value["class"] == "list":
        return value["items"].tolist()
    if value["class"] == "Generator":
        rng = np.random.default_rng(0)
        rng.bit_generator.state = value["state"]
        return rng
    return restore_object(value["class"], from_plain(value["fields"]))


def restore_object(name, fields):
    """Return the object of a class of skgd, named ``module:class``, with the given fields."""
    module, _, qualname = name.partition(":")
    cls = getattr(import_module(module), qualname) if module.startswith("skgd.") else None
    if not isinstance(cls, type):
        raise ValueError(f"The fitted state names {name!r}, which is no class of skgd.")
    if issubclass(cls, tuple):
        return cls(**fields)
    restored = object.__new__(cls)
    vars(restored).update(fields)
    return restored


def list_type_names(classes):
    """Return the full names of classes, sorted."""
    return sorted(f"{cls.__module__}.{cls.__qualname__}" for cls in classes)


def list_components(*packages):
    """Return the classes of components that packages export."""
    members = [getattr(package, name) for package in packages for name in package.__all__]
    return [part for part in members if isinstance(part, type) and issubclass(part, Component)]
