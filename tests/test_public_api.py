"""No public name without docstring, example, types and a test."""

import doctest
import inspect
from pathlib import Path

import pytest

import skgd

PIECES = [skgd.losses, skgd.penalties, skgd.schedules, skgd.step_rules, skgd.optimizers]
PUBLIC = {name: value for name, value in vars(skgd).items() if name in skgd.__all__} | {
    f"{module.__name__.removeprefix('skgd.')}.{name}": getattr(module, name)
    for module in PIECES
    for name in module.__all__
}
PUBLIC["model_selection.RangeTest"] = skgd.model_selection.RangeTest
NAMES = {name: value for name, value in PUBLIC.items() if not inspect.ismodule(value)}
REGISTERED = [
    item for module in PIECES for item in vars(module)[module.__name__[5:].upper()].items()
]
every_name = pytest.mark.parametrize("name", NAMES)


def methods(cls):
    """Return the public methods that a class of ours defines, by name."""
    own = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "skgd"]
    return {
        name: inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
        for base in reversed(own)
        for name, member in vars(base).items()
        if (name == "__init__" or not name.startswith("_"))
        and isinstance(member, (property, classmethod, staticmethod)) | inspect.isfunction(member)
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_it_has_a_docstring_of_its_own(name):
    assert PUBLIC[name].__doc__
    if inspect.isclass(PUBLIC[name]):
        assert PUBLIC[name].__doc__ not in [base.__doc__ for base in PUBLIC[name].__mro__[1:]]


@every_name
def test_it_has_an_example_that_uses_it(name):
    examples = doctest.DocTestParser().get_examples(NAMES[name].__doc__)
    names = [name.rpartition(".")[2], *(known for known, cls in REGISTERED if cls is NAMES[name])]
    shown = "".join(example.source + example.want for example in examples)
    assert any(known in shown for known in names)


@every_name
def test_its_methods_are_documented_and_typed(name):
    thing = NAMES[name]
    functions = methods(thing) if inspect.isclass(thing) else {name: thing}
    generated = {"__init__"} if hasattr(thing, "__dataclass_fields__") else set()
    for method, function in functions.items():
        if method in generated:
            continue
        inherited = inspect.isclass(thing) and inspect.getdoc(getattr(thing, method))
        assert function.__doc__ or inherited or method == "__init__", method
        annotated = set(inspect.get_annotations(function)) - {"return"}
        taken = set(inspect.signature(function).parameters) - {"self", "cls"}
        assert taken <= annotated, method
        assert "return" in inspect.get_annotations(function), method


@every_name
def test_a_test_speaks_of_it(name):
    here = Path(__file__)
    tests = "".join(path.read_text() for path in here.parent.rglob("test_*.py") if path != here)
    registered = [cls for _, cls in REGISTERED]  # over which tests run
    assert name.rpartition(".")[2] in tests or NAMES[name] in registered


def test_the_version_stands_once():
    root = Path(skgd.__file__).parents[1]
    if not (root / "pyproject.toml").exists():
        pytest.skip("this is an installed copy")
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "skgd.__version__"}
    assert "version" not in project["project"]
    assert "version:" not in (root / "CITATION.cff").read_text().replace("cff-version:", "")


def test_types_come_along():
    assert (Path(skgd.__file__).parent / "py.typed").exists()
