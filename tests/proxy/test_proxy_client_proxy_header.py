"""gatekeeper.proxy.client.proxy_header: from the balancer's header to the visitor it speaks for, in memory."""

from collections.abc import Callable
from typing import Any

import pytest

from gatekeeper.proxy.client.proxy_header import ProxyHeaderReader
from tests.proxy.scene import OK, Scene, Visitor, get
from tests.proxy.virtual import FakeTransport
from tests.tls.test_tls_proxy_protocol import UNIX, V4, v2

BALANCER = ("10.0.0.1", 50000)
NAMED = {"version 1": b"PROXY TCP4 192.0.2.1 192.0.2.9 4000 443\r\n", "version 2": v2(0x21, 0x11, V4)}
UNNAMED = {"unknown": b"PROXY UNKNOWN\r\n", "local": v2(0x20, 0x11, V4), "unspecified": v2(0x21, 0x00, b"")}


class Balanced(Visitor):
    """Somebody who comes by the balancer: its header is sent in one piece with the first bytes of TLS."""

    def __init__(self, scene: Scene, header: bytes) -> None:
        self.scene, self._header = scene, header
        protocol = ProxyHeaderReader(scene.proxy, "10.0.0.1:50000")
        self.transport = FakeTransport(scene.loop, protocol, {"peername": BALANCER})
        protocol.connection_made(self.transport)
        self.said_goodbye = False

    def _exchange(self) -> None:
        if self._header and (said := self._outgoing.read()):
            self.transport.peer_sends(self._header + said)
            self._header = b""
        super()._exchange()


@pytest.fixture
def come(make_scene: Callable[..., Scene]) -> Callable[..., tuple[Scene, Balanced]]:
    """Alice comes by the balancer, which says ``header`` of her."""

    def come(header: bytes, **server: Any) -> tuple[Scene, Balanced]:
        scene = make_scene(server={"proxy_protocol_from": ["10.0.0.1"], **server})
        alice = Balanced(scene, header)
        alice.shake_hands(scene.files.alice)
        return scene, alice

    return come


def asked(scene: Scene, alice: Balanced, *lines: str) -> bytes:
    """What the app gets of a request with these header lines."""
    alice.send(get("/", *lines))
    got = scene.app.last.read()
    assert scene.serve(alice) == OK
    return got


@pytest.mark.parametrize("header", NAMED.values(), ids=NAMED)
def test_tls_may_begin_in_the_same_packet(come: Callable[..., tuple[Scene, Balanced]], header: bytes) -> None:
    """Nothing of it is lost, and log and app are told of the visitor."""
    scene, alice = come(header)
    assert b"\r\nX-Forwarded-For: 192.0.2.1\r\n" in asked(scene, alice)
    assert scene.log.records[0]["client"] == "192.0.2.1:4000"


@pytest.mark.parametrize("header", UNNAMED.values(), ids=UNNAMED)
def test_where_nobody_is_named_the_balancer_is_the_visitor(
    come: Callable[..., tuple[Scene, Balanced]], header: bytes
) -> None:
    """Addresses behind LOCAL mean nothing."""
    scene, alice = come(header)
    assert b"\r\nX-Forwarded-For: 10.0.0.1\r\n" in asked(scene, alice)
    assert scene.log.records[0]["client"] == "10.0.0.1:50000"


def test_a_visitor_by_the_balancers_unix_socket_has_no_address(come: Callable[..., tuple[Scene, Balanced]]) -> None:
    """And not the balancer's, which could be trusted."""
    scene, alice = come(v2(0x21, 0x31, UNIX), trusted_proxies=["10.0.0.0/8"])
    assert b"198.51.100.1" not in asked(scene, alice, "X-Forwarded-For: 198.51.100.1")
    assert scene.log.records[0]["client"] == "unix"


@pytest.mark.parametrize(
    ("trusted", "believed"), [("10.0.0.0/8", False), ("192.0.2.0/24", True), ("192.0.2.128/25", False)]
)
def test_who_is_trusted_goes_by_the_address_that_is_announced(
    come: Callable[..., tuple[Scene, Balanced]], trusted: str, believed: bool
) -> None:
    """A balancer that is a trusted proxy too must not lend that to all who come by it: it passes their bytes on."""
    scene, alice = come(NAMED["version 2"], trusted_proxies=[trusted])
    got = asked(scene, alice, "X-Forwarded-For: 198.51.100.1", "X-Request-Id: mine")
    addresses = b"198.51.100.1, 192.0.2.1" if believed else b"192.0.2.1"
    assert b"\r\nX-Forwarded-For: %b\r\n" % addresses in got
    assert (b"\r\nX-Request-Id: mine\r\n" in got) == believed


def test_without_a_certificate_it_is_the_visitor_who_is_refused(make_scene: Callable[..., Scene]) -> None:
    """The header says whence, and never who."""
    scene = make_scene()
    nobody = Balanced(scene, NAMED["version 1"])
    nobody.shake_hands(None)
    nobody.send(get("/"))
    assert nobody.read().startswith(b"HTTP/1.1 403 ")
    assert (scene.log.records[0]["client"], scene.app.connections) == ("192.0.2.1:4000", [])


@pytest.mark.parametrize("how", ["leave", "reset", "wrong", "late", "cut"])
def test_a_header_that_never_comes_leaves_nothing_behind(scene: Scene, how: str) -> None:
    """Half of one, byte by byte: whatever ends it, nobody is waited for afterwards, and nothing was said."""
    balanced = Balanced(scene, b"")
    balanced.transport.peer_sends_each([bytes([byte]) for byte in NAMED["version 1"][:20]])
    assert not scene.proxy.idle
    match how:
        case "leave":
            balanced.leave()
        case "reset":
            balanced.reset()
        case "wrong":
            balanced.transport.peer_sends(b"\n")
        case "late":
            scene.loop.advance(scene.snapshot.settings.timeouts.handshake)
        case "cut":
            scene.proxy.cut()
    scene.loop.settle()
    assert balanced.is_gone
    assert balanced.transport.peer_got == b""
    assert scene.proxy.idle
    scene.loop.advance(3600)


def test_nobody_is_crowded_out_by_another_behind_the_same_balancer(make_scene: Callable[..., Scene]) -> None:
    """limits.connections_per_ip counts whom the balancer names."""
    scene = make_scene(limits={"connections_per_ip": 1})
    first, again = Balanced(scene, NAMED["version 1"]), Balanced(scene, NAMED["version 2"])
    other = Balanced(scene, NAMED["version 1"].replace(b"192.0.2.1 ", b"192.0.2.2 "))
    for visitor in (first, other):
        visitor.shake_hands(scene.files.alice)
        assert not visitor.is_gone
    again.transport.peer_sends(NAMED["version 2"])
    assert again.is_gone
    first.leave()
    later = Balanced(scene, NAMED["version 2"])
    later.shake_hands(scene.files.alice)
    assert not later.is_gone
