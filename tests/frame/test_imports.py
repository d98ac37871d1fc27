"""Imports point one way: the list in gatekeeper/__init__.py, held against the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gatekeeper

ROOT = Path(gatekeeper.__file__).parent

# From the ground up. A module may import from its own layer and from those above it in this list.
LAYERS = (
    {"errors"},
    {"settings"},
    {"x509"},
    {"gate"},
    {"wire"},
    {"invitations"},
    {"config"},
    {"tls"},
    {"ca"},
    {"refusal"},
    {"local"},
    {"telemetry"},
    {"proxy"},
    {"embedded"},
    {"admin"},
    {"process"},
    {"cli"},
    {"__main__"},
)
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
# What may load the authority: its commands, and the demo, which makes one.
KNOWS_THE_AUTHORITY = {"ca", "cli", "embedded"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gatekeeper."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("gatekeeper."))


def top(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_below_it(path: Path) -> None:
    """Deciding stays apart from moving only as long as nobody reaches up."""
    reached = {module.split(".")[1] for module in imports(path)}
    assert {name for name in reached if RANKS[name] > RANKS[top(path)]} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_running_proxy_does_not_know_the_authority(path: Path) -> None:
    """The key that signs has no business in the process that the internet talks to."""
    reached = {module.split(".")[1] for module in imports(path)}
    assert "ca" not in reached or top(path) in KNOWS_THE_AUTHORITY


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_decisions_touch_neither_sockets_nor_clocks(path: Path) -> None:
    """gate/ and wire/ are values in, values out: time is an argument, bytes are given."""
    if top(path) not in ("gate", "wire"):
        return
    tree = ast.parse(path.read_text())
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert names.isdisjoint({"asyncio", "socket", "time", "ssl", "threading", "aiohttp"})
