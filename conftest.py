"""Options of pytest, and what is not collected."""

from collections import Counter
from importlib.util import find_spec

#: Tests with more cases are thinned by ``--every``.
MANY_CASES = 20

# Compiled loops cannot be imported where Numba is not installed.
collect_ignore_glob = [] if find_spec("numba") else ["skgd/solvers/compiled/*"]


def pytest_addoption(parser):
    """Add the option ``--every``."""
    parser.addoption(
        "--every",
        type=int,
        default=1,
        metavar="N",
        help=f"run every N-th case of tests with more than {MANY_CASES} cases (default: all)",
    )


def pytest_collection_modifyitems(config, items):
    """Leave out cases of tests that have many."""
    every = config.getoption("--every")
    names = [item.nodeid.partition("[")[0] for item in items]
    n_cases, seen, left_out = Counter(names), Counter(), []
    for item, name in zip(items, names, strict=True):
        if n_cases[name] > MANY_CASES and seen[name] % every:
            left_out.append(item)
        seen[name] += 1
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        ids = set(map(id, left_out))
        items[:] = [item for item in items if id(item) not in ids]
