"""Imports point one way: the list in gatekeeper/__init__.py, held against the code."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gatekeeper

ROOT = Path(gatekeeper.__file__).parent

# From the ground up. A module may import from its own layer and from those above it in this list.
LAYERS = (
    {"errors"},
    {"package"},
    {"x509"},
    {"settings"},
    {"gate"},
    {"wire"},
    {"invitations"},
    {"config"},
    {"acme"},
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
# The proxy from the ground up. A module of proxy/ may import only from the floors above its own in this list, so that
# a callee knows its caller by a Protocol in streams and by nothing else.
FLOORS = (
    {
        "crl_folder",
        "deadline",
        "forwarding",
        "request_buffer",
        "states",
        "websocket",
        "upstream.closing",
        "upstream.health",
    },
    {"crl_sources", "streams"},
    {"expiry", "host_trust", "ocsp", "request_limits", "revocations", "upstream.http1", "upstream.http2"},
    {"upstream.endpoint", "upstream.http2_stream"},
    {"upstream.http2_endpoint", "upstream.lenient"},
    {"upstream.endpoints"},
    {"upstream.check", "upstream.http2_check"},
    {"loading", "upstream.pool"},
    {"snapshot"},
    {"crl_fetcher", "judge", "journal"},
    {"proxy"},
    {"visit"},
    {"relay", "local_request"},
    {"exchange"},
    {"buffered_exchange"},
    {"client.dispatch", "client.http1_stream", "client.http2_refusals", "client.misdirected"},
    {"client.http1", "client.http2_request"},
    {"client.http2_stream"},
    {"client.http2_pending"},
    {"client.http2"},
    {"client.connection"},
    {"client.redirect"},
    {"client.proxy_header"},
    {"client.acceptor"},
)
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
PROXY = ROOT / "proxy"
MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")
# What may load the authority: its commands, and the demo, which makes one.
KNOWS_THE_AUTHORITY = {"ca", "cli", "embedded"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {module_name(path) for path in MODULES}


def imports(path: Path) -> Iterator[str]:
    """Every module of ours that a file names, TYPE_CHECKING and function bodies included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "gatekeeper":
            # `from gatekeeper.proxy import pool` names the module pool, not a thing that proxy/__init__ defines.
            named = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from named & NAMES
            if not named <= NAMES and node.module != "gatekeeper":
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("gatekeeper."))


def proxy_module(name: str) -> str:
    return name.removeprefix("gatekeeper.proxy.")


def top(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_below_it(path: Path) -> None:
    """Deciding stays apart from moving only as long as nobody reaches up."""
    reached = {module.split(".")[1] for module in imports(path)}
    assert {name for name in reached if RANKS[name] > RANKS[top(path)]} == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    """A circle hides which of two modules is the lower one; one under TYPE_CHECKING hides it just as well."""
    graph = TopologicalSorter({module_name(path): set(imports(path)) - {module_name(path)} for path in MODULES})
    try:
        graph.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_module_of_the_proxy_has_one_floor() -> None:
    """The second table is as complete as the first."""
    found = {proxy_module(module_name(path)) for path in PROXY.rglob("*.py") if path.name != "__init__.py"}
    assert sum(map(len, FLOORS)) == len(FLOOR_OF)
    assert found == set(FLOOR_OF)


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if PROXY in path.parents and path.name != "__init__.py"],
    ids=lambda path: str(path.relative_to(PROXY)),
)
def test_a_module_of_the_proxy_imports_only_lower_floors(path: Path) -> None:
    """Either side can get a second codec only while neither knows the other, nor a callee its caller."""
    reached = {proxy_module(name) for name in imports(path) if name.startswith("gatekeeper.proxy.")}
    own = FLOOR_OF[proxy_module(module_name(path))]
    assert {name for name in reached if FLOOR_OF[name] >= own} == set()


def test_relative_imports_are_not_used() -> None:
    """The tables are held against absolute names: a relative import would pass unseen."""
    relative = {
        module_name(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert relative == set()


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
