"""``client_auth.session_resumption``: who was refused comes back with a full handshake, and can show another
certificate (RFC 8446, 2.2)."""

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.gate.verdict import Peer
from gatekeeper.proxy.snapshot import build_snapshot
from gatekeeper.telemetry.metrics import Cell
from tests.certificates import Holder, make_authority, make_client
from tests.proxy.browser import Browser
from tests.proxy.reloading import renew, revoking, tunnel
from tests.proxy.scene import Files, Scene, Visitor, get

RESUMING = {"ca": "ca.crt", "session_resumption": True}
ROUTES = [{"path": "/admin/*", "allow": [{"cn": "bob"}]}, {"path": "/*"}]
BOTH = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
PARTNERS = "partners.example.com"
Make = Callable[..., Scene]
Partners = tuple[list[dict[str, str]], Holder]


@pytest.fixture
def resuming(files: Files) -> Iterator[Make]:
    """Makes scenes in which visitors may resume."""
    scenes: list[Scene] = []

    def make(**tables: Any) -> Scene:
        tables["client_auth"] = RESUMING | tables.get("client_auth", {})
        scenes.append(Scene(files, build_snapshot(files.settings(**tables), {}, time.time()), **tables))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()


@pytest.fixture
def partners(tmp_path: Path) -> Partners:
    """``client_auth.hosts`` with an authority for one host, and who has a certificate of it."""
    partner_ca = make_authority("Partner CA")
    (tmp_path / "partners.crt").write_bytes(partner_ca.certificate_pem)
    return [{"hosts": PARTNERS, "ca": str(tmp_path / "partners.crt")}], make_client("paula", partner_ca)


class Silent:
    """Responders that have not answered yet."""

    def answer(self, peer: Peer, responder: str | None, now: float) -> None:
        return None

    def ask(self, peer: Peer, responder: str | None, then: Callable[[], None]) -> None:
        pass


def kept(scene: Scene) -> int:
    """How many sessions the gate would resume."""
    return scene.proxy.snapshot.tls.ssl_context.session_stats()["number"]


def status(scene: Scene, visitor: Visitor, request: bytes) -> int:
    visitor.send(request)
    answer = visitor.read() or scene.serve(visitor)
    return int(answer.split(b" ")[1])


def session_of(visitor: Visitor) -> ssl.SSLSession:
    assert visitor.tls.session is not None
    return visitor.tls.session


@BOTH
def test_who_was_not_allowed_does_a_full_handshake(resuming: Make, files: Files, version: ssl.TLSVersion) -> None:
    """On the connection that resumed, and on the one that began the session; the certificate is good elsewhere."""
    scene = resuming(routes=ROUTES)
    first = scene.visitor(files.alice, version=version)
    assert status(scene, first, get()) == 200
    session = session_of(first)
    second = scene.visitor(files.alice, version=version, session=session)
    assert second.tls.session_reused
    assert status(scene, second, get("/admin/x")) == 403
    assert not scene.visitor(files.alice, version=version, session=session).tls.session_reused
    third = scene.visitor(files.alice, version=version)
    assert status(scene, third, get()) == 200
    session = session_of(third)
    assert kept(scene) == 1
    assert status(scene, third, get("/admin/x")) == 403
    assert kept(scene) == 0
    assert not scene.visitor(files.alice, version=version, session=session).tls.session_reused


@BOTH
def test_whose_certificate_has_ended_does_a_full_handshake(
    resuming: Make, files: Files, version: ssl.TLSVersion
) -> None:
    """The resumed connection gets the page, the next one can show the renewed certificate."""
    scene = resuming()
    brief = make_client("brief", files.authority, ends=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    first = scene.visitor(brief, version=version)
    assert status(scene, first, get()) == 200
    session = session_of(first)
    first.leave()
    scene.loop.advance(2 * 3600)
    second = scene.visitor(brief, version=version, session=session)
    assert second.tls.session_reused
    assert status(scene, second, get()) == 403
    assert scene.log.records[-1]["reason"] == "expired"
    assert not scene.visitor(brief, version=version, session=session).tls.session_reused


@BOTH
def test_whose_certificate_does_not_count_on_a_host_gets_no_session(
    resuming: Make, partners: Partners, version: ssl.TLSVersion
) -> None:
    """Only another host trusts its authority, so the handshake finds nothing wrong."""
    hosts, paula = partners
    scene = resuming(client_auth={"hosts": hosts})
    visitor = scene.visitor(paula, version=version)
    assert status(scene, visitor, get()) == 403
    assert scene.log.records[-1]["reason"] == "untrusted_issuer"
    assert kept(scene) == 0
    assert not scene.visitor(paula, version=version, session=visitor.tls.session).tls.session_reused


@BOTH
def test_nobody_gets_a_session_before_the_responder_has_answered(
    resuming: Make, files: Files, version: ssl.TLSVersion
) -> None:
    """It may say that the certificate was revoked."""
    scene = resuming(client_auth={"ocsp": "leaf"})
    scene.proxy.judge.responders = Silent()  # type: ignore[assignment]
    alice = scene.visitor(files.alice, version=version)
    alice.send(get())
    assert alice.read() == b""
    assert kept(scene) == 0


@BOTH
def test_resumed_handshakes_are_counted(resuming: Make, files: Files, version: ssl.TLSVersion) -> None:
    """Each once; full ones are not."""
    scene = resuming()
    first = scene.visitor(files.alice, version=version)
    assert status(scene, first, get()) == 200
    assert scene.proxy.metrics.count(Cell.RESUMED) == 0
    assert scene.visitor(files.alice, version=version, session=session_of(first)).tls.session_reused
    assert scene.proxy.metrics.count(Cell.RESUMED) == 1


def test_a_403_in_http2_ends_the_session(resuming: Make, files: Files) -> None:
    """For all streams of the connection."""
    scene = resuming(routes=ROUTES, server={"http2": True})
    browser = Browser(scene, files.alice)
    browser.ask("/")
    assert kept(scene) == 1
    refused = browser.ask("/admin/x")
    browser.read()
    assert browser.answers[refused].status == 403
    assert kept(scene) == 0


def test_a_421_with_a_refusal_ends_the_session(resuming: Make, partners: Partners) -> None:
    """The browser opens another connection, and may show another certificate there."""
    hosts, paula = partners
    scene = resuming(server={"http2": True}, client_auth={"hosts": hosts})
    browser = Browser(scene, paula, name=PARTNERS)
    browser.ask(authority=PARTNERS)
    assert kept(scene) == 1
    refused = browser.ask(authority="app.example.com")
    assert browser.answers[refused].status == 421
    assert kept(scene) == 0


def test_a_request_that_is_ended_by_a_revocation_ends_the_session(resuming: Make, files: Files) -> None:
    """A tunnel: no further request is refused on its connection."""
    scene = resuming()
    alice = scene.alice()
    tunnel(scene, alice)
    assert kept(scene) == 1
    renew(scene, revoking(scene, files.alice))
    assert alice.was_sent_away
    assert kept(scene) == 0
