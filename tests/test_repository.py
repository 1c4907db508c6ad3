"""The figures of the README are those of the benchmark page; what make installs is announced."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README, PAGE = ROOT / "README.md", ROOT / "docs" / "benchmarks.rst"


@pytest.fixture(scope="module")
def rows():
    """Return the rows of the table of the README, by their first cell."""
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if "|" in line]
    return {
        cells[0]: cells[1:] for cells in ([c.strip() for c in li.split("|")[1:-1]] for li in lines)
    }


def read_page_row(label):
    """Return the cells of a row of a table of the benchmark page, without the first."""
    text = PAGE.read_text(encoding="utf-8")
    cells = text.split(f"   * - {label}\n", 1)[1].split("   * - ", 1)[0]
    return re.findall(r"^     - (.*)$", cells, re.M)


def test_times(rows):
    (label,) = [name for name in rows if name.startswith("relative time")]
    ours, theirs = rows[label][:2]
    with_numba, without = re.fullmatch(r"1 \((\d+)\)", ours), read_page_row("d = 20")
    assert without[0] == "scikit-learn"
    assert theirs == without[1]
    assert int(with_numba[1]) == round(float(without[1]) / float(without[2]))


@pytest.mark.parametrize(
    ("column", "label"),
    [
        (0, "``BatchGDRegressor``"),
        (1, "scikit-learn's ``SGDRegressor``"),
        (2, "River's ``LinearRegression``"),
        (3, "Vowpal Wabbit's ``VWRegressor``"),
        (4, "PyTorch, a linear layer and ``SGD``"),
    ],
)
def test_scores(column, label, rows):
    published = read_page_row(label)
    names = {"diabetes": 4, "well-scaled": 0, "plus 100": 1}
    for part, index in names.items():
        (row,) = [cells for name, cells in rows.items() if name.startswith("R²") and part in name]
        shown, exact = (
            text.replace("−", "-").strip("*") for text in (row[column], published[index])
        )
        if shown == "not finite":
            assert exact == shown
        else:
            digits = len(shown.partition(".")[2])
            assert float(shown) == (round(float(exact), digits) if digits else float(exact))


def test_each_silent_installation_is_announced():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    silent = [
        i for i, line in enumerate(lines) if "$(PIP_INSTALL)" in line or "apt-get -qq up" in line
    ]
    assert len(silent) > 5
    for number in silent:
        announced = [line for line in lines[number - 1 : number + 1] if "echo" in line]
        assert announced, lines[number]
