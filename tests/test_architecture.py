"""The package order: imports go downwards only, modules form no circle, functions stay small."""

import ast
from pathlib import Path

import pytest

import skgd

ROOT = Path(skgd.__file__).parent

#: Packages from the bottom to the top; those of one layer may import each other.
LAYERS = [
    ("_utils", "exceptions"),
    ("losses", "penalties", "schedules", "step_rules", "optimizers"),
    ("data",),
    ("objectives",),
    ("solvers",),
    ("regressors",),
    ("callbacks",),
    ("minimization",),
    ("model_selection",),
    ("plotting",),
    ("__init__",),
    ("__main__",),
]
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

#: Largest number of modules and packages directly in the package, except for those whose names
#: Python prescribes.
MAX_TOP_LEVEL = 15

#: Largest number of lines of code and of parameters of a function.
MAX_LINES, MAX_PARAMETERS = 50, 8

#: Public functions with one parameter for each setting.
PUBLIC_SIGNATURES = {
    ("model_selection/_cross_validate.py", "cross_validate"),  # these two as in scikit-learn
    ("model_selection/_curve.py", "validation_curve"),
    ("regressors/_batch.py", "BatchGDRegressor.__init__"),
    ("regressors/_mini_batch.py", "MiniBatchGDRegressor.__init__"),
    ("regressors/_sgd.py", "SGDRegressor.__init__"),
    ("regressors/_sgd.py", "SGDRegressor.fit"),
    ("regressors/_keyword_fit.py", "KeywordGDRegressor.fit"),  # of the two others
    ("model_selection/_batch_cv.py", "BatchGDRegressorCV.__init__"),
}


def module_names():
    """Return the dotted name of each module of the package, with its file."""
    names = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = module_names()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def layer_of(module):
    """Return the name of the package or module directly in the package that holds a module."""
    return [*module.split("."), "__init__"][1]


def imported_by(module, node):
    """Return the modules of the package that an import statement imports."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
            parts = package.split(".")
            parts = parts[: len(parts) - node.level + 1]
            base = ".".join([*parts, base] if base else parts)
        names = []
        for alias in node.names:
            name = f"{base}.{alias.name}"
            names.append(name if name in MODULES else base)
    return [name for name in names if name in MODULES]


def imports_of(module, module_level_only=False):
    """Return the modules that a module imports, anywhere or when it is itself imported."""
    tree, found = TREES[module], []
    nodes = run_on_import(tree.body) if module_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found += imported_by(module, node)
    return sorted(set(found))


def run_on_import(body):
    """Yield the statements that run when a module is imported."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from run_on_import(node.orelse)
            continue
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from run_on_import(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from run_on_import(handler.body)


def upward_imports():
    """Return a line for each import of a package above the importing one."""
    found = []
    for module in MODULES:
        for imported in imports_of(module):
            if RANKS[layer_of(imported)] > RANKS[layer_of(module)]:
                found.append(f"{module} imports {imported}")
    return found


def import_circles():
    """Return the circles that a depth-first search over imports at module level finds."""
    graph = {module: imports_of(module, module_level_only=True) for module in MODULES}
    circles, done, path = [], set(), []

    def visit(module):
        if module in path:
            circles.append(" -> ".join([*path[path.index(module) :], module]))
        elif module not in done:
            path.append(module)
            for imported in graph[module]:
                if imported != module:
                    visit(imported)
            path.pop()
            done.add(module)

    for module in graph:
        visit(module)
    return circles


def test_every_top_level_module_has_a_layer():
    tops = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or is_package(path)}
    assert tops == set(RANKS)
    assert len(tops - {"__init__", "__main__"}) <= MAX_TOP_LEVEL


def is_package(path):
    return (path / "__init__.py").is_file()


def test_imports_go_downwards():
    assert not upward_imports()


def test_modules_import_each_other_in_no_circle():
    assert not import_circles()


def test_imports_are_found_wherever_they_are():
    # `choice` imports Numba's solver inside a function, and its own package at the top.
    assert "skgd.solvers.compiled.solver" in imports_of("skgd.solvers.choice")
    at_import = imports_of("skgd.solvers.choice", module_level_only=True)
    assert "skgd.solvers.compiled.solver" not in at_import
    assert {"skgd.solvers.svrg", "skgd._utils.numba_support"} <= set(at_import)
    assert "skgd._utils.typing" in imports_of("skgd.regressors._base")  # under TYPE_CHECKING
    assert "skgd._utils.typing" not in imports_of("skgd.regressors._base", module_level_only=True)


# Size of functions


def functions_of(path):
    """Yield each function of a file with its qualified name."""

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{prefix}{child.name}"
                if not isinstance(child, ast.ClassDef):
                    yield name, child
                yield from visit(child, f"{name}.")
            else:
                yield from visit(child, prefix)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), "")


def count_lines(node, source):
    """Return the lines of a function from `def` to its end without docstring and comments."""
    lines = set(range(node.lineno, node.end_lineno + 1))
    body = node.body[0]
    if ast.get_docstring(node) is not None:
        lines -= set(range(body.lineno, body.end_lineno + 1))
    texts = source.splitlines()
    return sum(
        bool(texts[number - 1].strip()) and not texts[number - 1].lstrip().startswith("#")
        for number in lines
    )


def count_parameters(node):
    """Return the number of parameters of a function, `self` and `cls` not counted."""
    arguments = node.args
    names = [part.arg for part in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    names += [part.arg for part in (arguments.vararg, arguments.kwarg) if part is not None]
    return len(names) - (names[:1] in (["self"], ["cls"]))


CHECKED = [
    path
    for package in ("solvers", "regressors", "data", "objectives", "model_selection")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "compiled" not in path.parts
]


@pytest.mark.parametrize("path", CHECKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short_and_take_few_parameters(path):
    source, name_of_file = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
    found = []
    for name, node in functions_of(path):
        if (name_of_file, name) in PUBLIC_SIGNATURES:
            continue
        n_lines, n_parameters = count_lines(node, source), count_parameters(node)
        if n_lines > MAX_LINES or n_parameters > MAX_PARAMETERS:
            found.append(f"{name}: {n_lines} lines, {n_parameters} parameters")
    assert not found


def test_the_calls_of_a_fit_in_the_design_overview_exist():
    page = (ROOT.parent / "docs" / "design.md").read_text(encoding="utf-8")
    calls = page.partition("## One call of `fit`")[2].split("```")[1].splitlines()[1:]
    called = {name for line in calls for name in line.split("  ->")[0].split()[0].split(".")}
    defined = {
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }
    assert len(called) > 15
    assert called <= defined


def test_solvers_are_told_apart_where_they_are_chosen_only():
    """No other code tests whether a solver has a class or an attribute."""
    from skgd.solvers.base import Solver

    kinds = [Solver]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    names = {kind.__name__ for kind in kinds}
    assert len(names) > 10
    for module, tree in TREES.items():
        if module == "skgd.solvers.choice" or not module.startswith(("skgd.solvers", "skgd.reg")):
            continue
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            arguments = [ast.unparse(argument) for argument in node.args]
            if node.func.id == "isinstance":
                used = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
                used |= {p.attr for p in ast.walk(node.args[1]) if isinstance(p, ast.Attribute)}
                assert not used & names, f"{module}: {ast.unparse(node)}"
            elif node.func.id == "hasattr":
                assert "solver" not in arguments[0], f"{module}: {ast.unparse(node)}"
