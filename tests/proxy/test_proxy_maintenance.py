"""While maintenance is on, no request reaches an app but those of whom a rule names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gatekeeper.errors import ConfigurationError
from gatekeeper.proxy.snapshot import build_snapshot
from tests.certificates import make_client
from tests.proxy.scene import OK, Files, Scene, get, request

Make = Callable[..., Scene]


@pytest.fixture
def closed(make_scene: Make, tmp_path: Path) -> Scene:
    file = tmp_path / "maintenance"
    file.touch()
    return make_scene(
        maintenance={"file": str(file), "allow": [{"cn": "olga"}], "retry_after": "2m"},
        routes=[{"path": "/hook", "public": True}, {"path": "/api/*", "cors_preflight": True}, {"path": "/*"}],
    )


def test_whoever_is_admitted_gets_503_and_when_to_come_back(closed: Scene) -> None:
    """In both forms; the connection goes on."""
    alice = closed.alice()
    alice.send(get("/", "Accept: application/json"))
    answer = alice.read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 120\r\n" in answer
    assert b'"detail": "The site is closed for maintenance."' in answer
    alice.send(get("/", "Accept: text/html"))
    assert b"<h1>Closed for maintenance</h1>" in alice.read()
    assert closed.app.connections == []
    assert closed.statuses == [503, 503]


@pytest.mark.parametrize(
    "sent",
    [
        get("/hook"),
        request("OPTIONS", "/api/x", "Origin: https://a.example", "Access-Control-Request-Method: GET"),
    ],
    ids=["public", "preflight"],
)
def test_what_needs_no_certificate_is_closed_too(closed: Scene, sent: bytes) -> None:
    """Public routes and preflights lead to the same apps."""
    nobody = closed.visitor()
    nobody.send(sent)
    assert nobody.read().startswith(b"HTTP/1.1 503 ")
    assert closed.app.connections == []


def test_a_stranger_learns_nothing_of_it(closed: Scene) -> None:
    """403, as always."""
    nobody = closed.visitor()
    nobody.send(get("/"))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")


def test_whom_a_rule_names_is_let_through(closed: Scene, files: Files) -> None:
    """To see whether the work is done; on public routes too, if the certificate is shown."""
    olga = closed.visitor(make_client("olga", files.authority))
    for target in ("/", "/hook"):
        olga.send(get(target))
        assert closed.serve(olga) == OK


def test_without_the_file_everything_is_as_always(make_scene: Make, tmp_path: Path) -> None:
    """The table alone closes nothing."""
    scene = make_scene(maintenance={"file": str(tmp_path / "maintenance")})
    alice = scene.alice()
    alice.send(get())
    assert scene.serve(alice) == OK


def test_without_routes_it_is_closed_as_well(make_scene: Make, tmp_path: Path) -> None:
    """The decision that is fixed for a connection knows of it."""
    (tmp_path / "maintenance").touch()
    scene = make_scene(maintenance={"file": str(tmp_path / "maintenance")})
    alice = scene.alice()
    alice.send(get())
    assert alice.read().startswith(b"HTTP/1.1 503 ")
    assert scene.app.connections == []


def test_it_is_told_where_warnings_are(files: Files, tmp_path: Path) -> None:
    """In the log, in /status and by check: nobody should wonder why the site is closed."""
    file = tmp_path / "maintenance"
    file.touch()
    snapshot = build_snapshot(files.settings(maintenance={"file": str(file)}), {}, 0.0)
    assert f"maintenance is on, because {file} exists: visitors get 503" in snapshot.warnings(0.0)


def test_a_folder_is_no_file(files: Files, tmp_path: Path) -> None:
    """It is there for good, and so the site would be closed for good."""
    with pytest.raises(ConfigurationError, match=r"maintenance\.file: .* is a folder; name a file in it"):
        build_snapshot(files.settings(maintenance={"file": str(tmp_path)}), {}, 0.0)


def test_a_file_in_no_folder_is_told_before_it_is_needed(files: Files, tmp_path: Path) -> None:
    """Whoever wants to close the site could not make it, and would learn that in an emergency."""
    (tmp_path / "plain").touch()
    for folder in ("nowhere", "plain"):
        with pytest.raises(ConfigurationError, match=rf"maintenance\.file: .*{folder} is not a folder"):
            build_snapshot(files.settings(maintenance={"file": str(tmp_path / folder / "closed")}), {}, 0.0)
