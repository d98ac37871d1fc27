"""docs/architecture.md and the packages' docstrings name what is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.frame.test_imports import LAYERS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "gatekeeper"
PAGE = (ROOT / "docs/architecture.md").read_text()
# Packages with a module for each command or preset, whose names are those of the modules.
NAMED_BY_THEMSELVES = {"", "cli", "cli/ca", "wire/presets"}
PACKAGES = sorted(str(path.parent.relative_to(PACKAGE)).removeprefix(".") for path in PACKAGE.rglob("__init__.py"))


def test_the_modules_in_the_pictures_exist() -> None:
    """Each path that ends in .py, below gatekeeper/."""
    paths = re.findall(r"\b[a-z0-9_/]+\.py\b", PAGE)
    assert len(paths) > 20
    assert [path for path in paths if path != "__init__.py" and not (PACKAGE / path).is_file()] == []


def test_the_names_on_the_page_exist() -> None:
    """Each capitalized word in backquotes is a class or a type of the code."""
    code = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    names = set(re.findall(r"`([A-Z][A-Za-z]+)`", PAGE))
    assert names
    assert [name for name in names if not re.search(rf"^(?:class )?{name}\b", code, re.MULTILINE)] == []


def test_the_layers_on_the_page_are_those_that_imports_obey() -> None:
    """Highest first on the page, lowest first in the list."""
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [name for layer in reversed(LAYERS) for name in layer if name != "__main__"]


@pytest.mark.parametrize("package", [one for one in PACKAGES if one not in NAMED_BY_THEMSELVES])
def test_a_package_says_what_each_module_is_for(package: str) -> None:
    """Its docstring is where a newcomer looks first."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / package / "__init__.py").read_text())) or ""
    modules = [path.stem for path in (PACKAGE / package).glob("*.py") if path.stem != "__init__"]
    assert [name for name in modules if not re.search(rf"\b{name}\b", docstring)] == []
