"""Every public name has a docstring, an example, type annotations and a test."""

import doctest
import inspect
from pathlib import Path

import pytest

import skgd

COMPONENT_MODULES = [skgd.losses, skgd.penalties, skgd.schedules, skgd.step_rules, skgd.optimizers]
PUBLIC = {name: value for name, value in vars(skgd).items() if name in skgd.__all__} | {
    f"{module.__name__.removeprefix('skgd.')}.{name}": getattr(module, name)
    for module in COMPONENT_MODULES
    for name in module.__all__
}
PUBLIC |= {
    f"model_selection.{name}": getattr(skgd.model_selection, name)
    for name in skgd.model_selection.__all__
    if name not in skgd.__all__
}
PUBLIC["exceptions.DivergenceError"] = skgd.exceptions.DivergenceError
PUBLIC["onnx.register_converters"] = skgd.onnx.register_converters
PUBLIC |= {
    f"plotting.{name}": getattr(skgd.plotting, name) for name in ("DescentExplorer", "explore")
}
OBJECTS = {name: value for name, value in PUBLIC.items() if callable(value)}
REGISTERED = [
    item
    for module in COMPONENT_MODULES
    for item in vars(module)[module.__name__[5:].upper()].items()
]
for_every_name = pytest.mark.parametrize("name", OBJECTS)


def public_methods(cls):
    """Return the public methods that the classes of skgd in the MRO define, by name."""
    skgd_classes = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "skgd"]
    return {
        name: inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
        for base in reversed(skgd_classes)
        for name, member in vars(base).items()
        if (name == "__init__" or not name.startswith("_"))
        and isinstance(member, (property, classmethod, staticmethod)) | inspect.isfunction(member)
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_has_its_own_docstring(name):
    assert PUBLIC[name].__doc__
    if inspect.isclass(PUBLIC[name]):
        assert PUBLIC[name].__doc__ not in [base.__doc__ for base in PUBLIC[name].__mro__[1:]]


@for_every_name
def test_docstring_has_an_example_that_uses_the_name(name):
    examples = doctest.DocTestParser().get_examples(OBJECTS[name].__doc__)
    aliases = [alias for alias, cls in REGISTERED if cls is OBJECTS[name]]
    text = "".join(example.source + example.want for example in examples)
    assert any(alias in text for alias in [name.rpartition(".")[2], *aliases])


@for_every_name
def test_methods_are_documented_and_annotated(name):
    obj = OBJECTS[name]
    functions = public_methods(obj) if inspect.isclass(obj) else {name: obj}
    generated = {"__init__"} if hasattr(obj, "__dataclass_fields__") else set()
    for method, function in functions.items():
        if method in generated:
            continue
        inherited = inspect.isclass(obj) and inspect.getdoc(getattr(obj, method))
        assert function.__doc__ or inherited or method == "__init__", method
        annotated = set(inspect.get_annotations(function)) - {"return"}
        parameters = set(inspect.signature(function).parameters) - {"self", "cls"}
        assert parameters <= annotated, method
        assert "return" in inspect.get_annotations(function), method


@for_every_name
def test_public_name_occurs_in_a_test(name):
    this_file = Path(__file__)
    paths = [path for path in this_file.parent.rglob("test_*.py") if path != this_file]
    tests = "".join(path.read_text() for path in paths)
    registered = [cls for _, cls in REGISTERED]  # tests are parametrised by the registries
    assert name.rpartition(".")[2] in tests or OBJECTS[name] in registered


def test_version_is_defined_once():
    root = Path(skgd.__file__).parents[1]
    if not (root / "pyproject.toml").exists():
        pytest.skip("an installed package has no pyproject.toml")
    import tomllib

    project = tomllib.loads((root / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "skgd.__version__"}
    assert "version" not in project["project"]
    assert "version:" not in (root / "CITATION.cff").read_text().replace("cff-version:", "")


def test_package_contains_py_typed():
    assert (Path(skgd.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("Regressor", [cls for cls in OBJECTS.values() if hasattr(cls, "fit")])
def test_a_wrong_argument_is_reported_of_the_public_class(Regressor):
    methods = [name for name in public_methods(Regressor) if callable(getattr(Regressor, name))]
    if "best_estimator_" in vars(Regressor) or not hasattr(Regressor, "history_"):
        return  # a search of scikit-learn
    assert {"fit", "partial_fit", "predict", "score", "fit_batches"} <= set(methods)
    for name in set(methods) - {"__init__", "set_params"}:
        message = rf"^{Regressor.__name__}\.{name}\(\) got an unexpected keyword argument 'typo'"
        with pytest.raises(TypeError, match=message):
            getattr(Regressor(), name)(typo=1)


def test_dir_shows_public_modules_only():
    names = [name for name in dir(skgd) if not name.startswith("_")]
    assert set(skgd.__all__) < set(names)
    modules = {name for name in names if inspect.ismodule(getattr(skgd, name))}
    internal = {"data", "minimization", "objectives", "regressors", "solvers"}
    files = {path.stem for path in Path(skgd.__file__).parent.iterdir()}
    assert modules - files == {"onnx"}  # a module of skgd.regressors
    assert not modules & internal
    assert {"exceptions", "model_selection", "plotting"} < modules
