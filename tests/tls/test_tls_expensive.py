"""What a stranger's handshake costs in time, whatever certificates are sent, and what is left of them afterwards."""

import ssl
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography import x509

from gatekeeper.gate.verdict import STRANGERS_BYTES
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext
from tests.certificates import DAY, NOW, make, make_authority, make_client, named
from tests.expensive import EVERY_KIND, Make, largest, of_certificates, of_names, size_of
from tests.growth import costs_less
from tests.tls.scene import ROUNDS, VERSIONS, Scene, Visitor

LARGEST = 16 * 1024
"""The default of ``client_auth.certificate_size``."""
TIMES_ORDINARY = 20
"""Ten milliseconds on a machine where the handshake of an ordinary certificate costs 0.5."""


@pytest.fixture
def gate(scene: Scene) -> ServerContext:
    return scene.gate()


def seconds(gate: ServerContext, visitor: Visitor) -> float:
    """CPU time of the gate's side of one handshake."""
    visitor.connect()
    server, spent = TLSConnection(gate), 0.0
    for _ in range(ROUNDS):
        with suppress(ssl.SSLWantReadError):
            visitor.tls.do_handshake()
        data, began = visitor.outgoing.read(), time.process_time()
        if data:
            server.receive(data)
        spent += time.process_time() - began
        visitor.incoming.write(server.pending_output())
    assert server.established
    assert server.peer.errors
    return spent


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_no_certificate_makes_a_handshake_take_longer_than_ten_milliseconds(
    scene: Scene, gate: ServerContext, kind: Make
) -> None:
    """Counted in ordinary handshakes, as machines differ. It is 13 for the worst; with 24 KiB and signatures of
    strangers verified, it was 30."""
    holder = largest(kind, LARGEST)
    assert size_of(holder) > LARGEST / 2
    ordinary = make_client("mallory", make_authority("Other CA"))
    most, usual = Visitor(holder), Visitor(ordinary)
    assert costs_less(TIMES_ORDINARY, lambda: seconds(gate, most), lambda: seconds(gate, usual))


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_of_a_strangers_certificates_is_left_in_openssl(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """It keeps them decoded, at fifty times their size and more. The peer was told before, and data flows."""
    holder = largest(of_names, LARGEST)
    server, visitor = TLSConnection(gate), Visitor(holder, version)
    visitor.shake_hands(server)
    assert server.peer.leaf == holder.der
    left = server._ssl.getpeercert(True)
    assert left is not None
    assert len(left) == 72
    assert server._ssl._sslobj.get_verified_chain() in (None, [])  # type: ignore[attr-defined]
    assert server.receive(visitor.say(b"hello")) == b"hello"
    assert visitor.hear(server.send(b"good bye")) == b"good bye"


def test_what_openssl_holds_of_the_admitted_stays(scene: Scene, gate: ServerContext) -> None:
    """A session may be resumed with it."""
    alice = make_client("alice", scene.authority)
    server = TLSConnection(gate)
    Visitor(alice).shake_hands(server)
    assert server._ssl.getpeercert(True) == alice.der


def test_who_was_a_stranger_in_the_handshake_gets_no_ticket(scene: Scene) -> None:
    """Not even once its certificate is good, after a reload or in time: the ticket would carry another one."""
    early = make_client("early", scene.authority, starts=NOW + DAY, ends=NOW + 2 * DAY)
    server = TLSConnection(scene.gate(session_resumption=True))
    visitor = Visitor(early)
    visitor.shake_hands(server)
    assert server.peer.errors
    server.peer = replace(server.peer, verified=(scene.authority.der,), errors=())
    server.keep_session()
    assert visitor.hear(server.send(b"hello")) == b"hello"
    assert not visitor.tls.session.has_ticket


def test_a_strangers_long_chain_is_not_kept(gate: ServerContext) -> None:
    """It leads nowhere; a short one stays, for a reload that trusts its end."""
    for count, kept in ((2, 1), (50, 0)):
        holder = of_certificates(count)
        assert (size_of(holder) > STRANGERS_BYTES) == (kept == 0)
        server = TLSConnection(gate)
        Visitor(holder).shake_hands(server)
        assert len(server.peer.sent) == kept


@pytest.mark.parametrize("version", VERSIONS)
def test_a_request_right_behind_a_large_handshake_is_heard(scene: Scene, version: ssl.TLSVersion) -> None:
    """The handshake goes through OpenSSL's buffer in slices; the last one may hold the first words too."""
    names = [x509.DNSName(f"{number:05}.example") for number in range(900)]
    holder = make(named("alice"), scene.authority, extensions=[(x509.SubjectAlternativeName(names), False)])
    server, visitor = TLSConnection(scene.gate()), Visitor(holder, version)
    heard = b""
    for _ in range(ROUNDS):
        with suppress(ssl.SSLWantReadError):
            visitor.tls.do_handshake()
        with suppress(ssl.SSLError):  # TLS 1.2 can say nothing before the gate's last flight
            visitor.tls.write(b"a request")
        heard += server.receive(visitor.outgoing.read()) if visitor.outgoing.pending else b""
        visitor.incoming.write(server.pending_output())
    assert heard.startswith(b"a request")
    assert server.peer.leaf == holder.der
