"""releasing/compiled.py: which modules are compiled, and what mypyc would make of them that the source does not say."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatekeeper
from releasing.compiled import sources

ROOT = Path(__file__).resolve().parents[2]
COMPILED = sources(ROOT)
every_module = pytest.mark.parametrize("path", COMPILED)


def nodes(path: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse((ROOT / path).read_text()))


def calls_other_than_len(node: ast.AST) -> list[ast.Call]:
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
    return [one for one in calls if not (isinstance(one.func, ast.Name) and one.func.id == "len")]


def test_the_way_of_a_request_is_compiled() -> None:
    """From the bytes of the client to those for the app, back, and into the log."""
    wanted = {
        "gate/decision",
        "gate/routes",
        "proxy/client/connection",
        "proxy/client/http1",
        "proxy/exchange",
        "proxy/upstream/http1",
        "proxy/upstream/pool",
        "telemetry/access_log",
        "telemetry/metrics",
        "tls/connection",
        "wire/request",
        "wire/response",
    }
    assert {f"gatekeeper/{name}.py" for name in wanted} <= set(COMPILED)


def test_a_wheel_is_pure_unless_asked() -> None:
    """`pip install .` needs no compiler."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert build["targets"]["wheel"]["hooks"]["custom"]["enable-by-default"] is False


@every_module
def test_no_call_stands_in_the_bounds_of_a_slice(path: str) -> None:
    """mypyc 2.4.1 evaluates them twice for a memoryview: `view[os.write(file, view):]` writes everything twice."""
    bounds = [
        bound for node in nodes(path) if isinstance(node, ast.Slice) for bound in (node.lower, node.upper) if bound
    ]
    assert [ast.unparse(bound) for bound in bounds if calls_other_than_len(bound)] == []


@every_module
def test_no_arguments_are_handed_up_as_they_came(path: str) -> None:
    """mypyc 2.4.1 gives `super().__init__(*arguments)` the tuple for each argument."""
    starred = [
        ast.unparse(node)
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "super()"
        and any(isinstance(one, ast.Starred) for one in node.args)
    ]
    assert starred == []


def test_the_image_knows_the_words_for_both_forms() -> None:
    """Its build ends with a look at `gatekeeper --version`, and would fail for a word that is never printed."""
    words = re.findall(r"'\((\w+)\)'", (ROOT / "Dockerfile").read_text())
    assert words == ["compiled", "pure"]
    assert gatekeeper.form() in words
