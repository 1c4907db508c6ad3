"""The recipes of the user guide's page "With other tools" run; each needs its package."""

import re
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "user_guide" / "other_tools.rst"

pytestmark = pytest.mark.filterwarnings("default")  # other packages warn of deprecations


def read_recipes():
    """Return the code that all recipes begin with, and the recipes by title."""
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^(.+)\n~~+$", text, flags=re.MULTILINE)
    block = re.compile(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)")
    codes = [textwrap.dedent("".join(block.findall(part))) for part in (parts[0], *parts[2::2])]
    return codes[0], dict(zip(parts[1::2], codes[1:], strict=True))


SETUP, RECIPES = read_recipes()


def test_every_recipe_is_found():
    assert len(RECIPES) == 14
    assert all(RECIPES.values())


@pytest.mark.parametrize("title", RECIPES)
def test_recipe(title, tmp_path, monkeypatch):
    for name in re.findall(r"^(?:import|from) (\w+)", RECIPES[title], flags=re.MULTILINE):
        pytest.importorskip(name)
    if title == "MLflow":
        pytest.importorskip("sqlalchemy")  # the store of mlflow-skinny
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "recipe"}
    exec(SETUP, namespace)
    exec(RECIPES[title], namespace)
