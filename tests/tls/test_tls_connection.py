"""The sans-I/O connection, in dialogue with Python's own client."""

import ssl

import pytest

from gatekeeper.errors import PlainHTTPError, TLSError
from gatekeeper.gate.verdict import Peer
from gatekeeper.tls.connection import RECORD, SLICE, TLSConnection
from gatekeeper.tls.context import ServerContext
from tests.certificates import make_client
from tests.tls.scene import VERSIONS, Scene, Visitor, feed, met, records

APPLICATION_DATA, HANDSHAKE, ALERT = 0x17, 0x16, 0x15
TLS12, TLS13 = VERSIONS

both = pytest.mark.parametrize("version", VERSIONS)


@both
def test_plaintext_both_ways(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """What one side says is what the other hears."""
    visitor, server = met(gate, version)
    assert server.receive(visitor.say(b"GET / HTTP/1.1\r\n\r\n")) == b"GET / HTTP/1.1\r\n\r\n"
    assert visitor.hear(server.send(b"HTTP/1.1 200 OK\r\n\r\n")) == b"HTTP/1.1 200 OK\r\n\r\n"


@both
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_fed_in_pieces(gate: ServerContext, version: ssl.TLSVersion, step: int) -> None:
    """However TCP cuts the bytes, handshake and plaintext come out the same."""
    visitor, server = Visitor(version=version), TLSConnection(gate)
    visitor.shake_hands(server, step)
    ciphertext = visitor.say(b"a" * 3000) + visitor.say(b"b" * 20)
    assert feed(server, ciphertext, step) == b"a" * 3000 + b"b" * 20


@both
def test_several_records_at_once(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """Pipelined requests come out of one receive together."""
    visitor, server = met(gate, version)
    assert server.receive(visitor.say(b"one") + visitor.say(b"two") + visitor.say(b"three")) == b"onetwothree"


def test_the_request_may_come_with_the_end_of_the_handshake(gate: ServerContext) -> None:
    """A TLS 1.3 client sends its request right behind its Finished; it must not wait for more bytes."""
    visitor, server = Visitor(), TLSConnection(gate)
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.do_handshake()
    assert server.receive(visitor.outgoing.read()) == b""
    visitor.incoming.write(server.pending_output())
    visitor.tls.do_handshake()
    assert server.receive(visitor.say(b"hello")) == b"hello"


@both
@pytest.mark.parametrize("size", [0, 1, 16384, 16385, SLICE, SLICE + 1, 4 * SLICE, 1_000_000])
def test_bulk(gate: ServerContext, version: ssl.TLSVersion, size: int) -> None:
    """Whatever the size, one send gives everything, and one receive too; a part of a record waits for its rest."""
    visitor, server = met(gate, version)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert visitor.hear(server.send(body)) == body
    ciphertext = b"".join(visitor.say(body[at : at + 16384]) for at in range(0, size, 16384))
    assert server.receive(ciphertext[:-5]) + server.receive(memoryview(ciphertext)[-5:]) == body


@both
def test_nothing_that_came_is_no_end(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """A read of nothing is not taken for a close_notify."""
    visitor, server = met(gate, version)
    assert server.receive(b"") == b""
    assert not server.received_eof
    assert server.receive(visitor.say(b"one")) == b"one"


@both
def test_the_end_of_a_large_record_may_come_alone(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """The plaintext is then longer than what came, and nothing is left in OpenSSL."""
    visitor, server = met(gate, version)
    ciphertext = visitor.say(b"a" * RECORD) + visitor.say(b"b")
    cut = len(ciphertext) - len(visitor.say(b"b")) - 3
    assert server.receive(ciphertext[:cut]) == b""
    assert server.receive(ciphertext[cut:]) == b"a" * RECORD + b"b"


def test_bulk_travels_in_full_records(gate: ServerContext) -> None:
    """256 KiB are 16 records, not one for each small piece."""
    _, server = met(gate)
    assert len(records(server.send(bytes(256 * 1024)))) == 16


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"get", b"P", memoryview(b"CONNECT a:443 HTTP/1.1")])
def test_plain_http_is_told_apart(gate: ServerContext, first: bytes) -> None:
    """HTTP without TLS is seen before OpenSSL sees it, and nothing is left to be said in TLS."""
    server = TLSConnection(gate)
    with pytest.raises(PlainHTTPError):
        server.receive(first)
    assert server.pending_output() == b""


@pytest.mark.parametrize("first", [bytes(6), b"\x80\x2e\x01\x00\x02" + bytes(60), b"\x16\x03\x01\x00\x04a\x00\x00\x00"])
def test_garbage_is_a_tls_error(gate: ServerContext, first: bytes) -> None:
    """What is neither TLS nor HTTP ends the connection."""
    with pytest.raises(TLSError) as caught:
        TLSConnection(gate).receive(first)
    assert not isinstance(caught.value, PlainHTTPError)


def test_letters_in_the_middle_of_the_handshake_are_not_plain_http(gate: ServerContext) -> None:
    """Only the very first byte says HTTP; a handshake that goes wrong later is a TLS error like any other."""
    visitor, server = Visitor(), TLSConnection(gate)
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.do_handshake()
    server.receive(visitor.outgoing.read())
    with pytest.raises(TLSError) as caught:
        server.receive(b"GET / HTTP/1.1\r\n\r\n")
    assert not isinstance(caught.value, PlainHTTPError)


@both
def test_an_alert_is_left_to_be_written(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """A tampered record is a TLSError, and the alert that OpenSSL wants to send for it can still be fetched."""
    visitor, server = met(gate, version)
    ciphertext = bytearray(visitor.say(b"hello"))
    ciphertext[-1] ^= 1
    with pytest.raises(TLSError, match=r"bad record mac|record layer failure"):  # up to OpenSSL 3.1, and since
        server.receive(bytes(ciphertext))
    with pytest.raises(ssl.SSLError, match=r"(?i)bad record mac"):
        visitor.hear(server.pending_output())


def test_an_old_tls_version_gets_an_alert(gate: ServerContext) -> None:
    """A client that knows nothing newer than TLS 1.1 is told so, and nothing is established."""
    visitor, server = Visitor(), TLSConnection(gate)
    visitor.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        visitor.context.minimum_version = visitor.context.maximum_version = ssl.TLSVersion.TLSv1_1
    visitor.connect()
    with pytest.raises(TLSError, match="unsupported protocol"):
        visitor.shake_hands(server)
    assert (server.established, server.peer) == (False, Peer())
    with pytest.raises(ssl.SSLError, match=r"(?i)alert protocol version"):
        visitor.tls.do_handshake()


def test_min_tls(scene: Scene) -> None:
    """With min_tls 1.3 a TLS 1.2 client is turned away."""
    with pytest.raises(TLSError, match="unsupported protocol"):
        Visitor(version=TLS12).shake_hands(TLSConnection(scene.gate(min_tls="1.3")))


def test_max_tls(scene: Scene) -> None:
    """With max_tls 1.2 a client that speaks both gets 1.2, and one of TLS 1.3 alone is turned away."""
    gate = scene.gate(max_tls="1.2")
    with pytest.raises(TLSError, match="unsupported protocol"):
        Visitor(version=ssl.TLSVersion.TLSv1_3).shake_hands(TLSConnection(gate))
    visitor = Visitor(version=TLS12)
    visitor.context.maximum_version = ssl.TLSVersion.TLSv1_3
    visitor.connect()
    visitor.shake_hands(TLSConnection(gate))
    assert visitor.tls.version() == "TLSv1.2"


@both
def test_close_notify_from_the_visitor(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """What was said before the goodbye is heard, and the goodbye is seen; answers may still be sent."""
    visitor, server = met(gate, version)
    last = visitor.say(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.unwrap()
    assert server.receive(last + visitor.outgoing.read()) == b"last"
    assert server.received_eof
    assert visitor.hear(server.send(b"bye")) == b"bye"


@both
def test_close_notify_alone(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """A goodbye in a receive of its own is seen as well, and a second receive changes nothing."""
    visitor, server = met(gate, version)
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.unwrap()
    assert server.receive(visitor.outgoing.read()) == b""
    assert server.received_eof
    assert server.receive(b"") == b""


@both
def test_what_comes_behind_a_goodbye_is_ignored(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """RFC 8446, 6.1; it is not kept either, or whoever goes on sending would fill the memory."""
    visitor, server = met(gate, version)
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.unwrap()
    server.receive(visitor.outgoing.read())
    for size in (100, SLICE, 3 * SLICE):
        assert server.receive(b"\x17" * size) == b""
    assert server._incoming.pending == 0
    assert visitor.hear(server.send(b"bye")) == b"bye"


@both
def test_close_notify_from_the_gate(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """close gives the last words and a goodbye that the visitor understands, once; then nothing can be sent."""
    visitor, server = met(gate, version)
    visitor.incoming.write(server.close(b"last"))
    assert visitor.tls.read(10) == b"last"
    assert visitor.tls.read(10) == b""
    assert server.close() == b""
    with pytest.raises(TLSError):
        server.send(b"more")


@both
def test_both_say_goodbye(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """After our own goodbye the visitor's is still recognized, and so is what it said before it knew."""
    visitor, server = met(gate, version)
    late = visitor.say(b"late")
    visitor.incoming.write(server.close())
    assert server.receive(late) == b"late"
    visitor.tls.unwrap()
    server.receive(visitor.outgoing.read())
    assert server.received_eof


def test_truncation_is_no_goodbye(gate: ServerContext) -> None:
    """A connection that merely ends, in the middle of a record even, never counts as closed by the visitor."""
    visitor, server = met(gate)
    assert server.receive(visitor.say(b"half")[:-3]) == b""
    assert not server.received_eof


def test_closing_before_the_handshake(gate: ServerContext) -> None:
    """There is nobody to say goodbye to, so nothing is said and nothing raised."""
    assert TLSConnection(gate).close() == b""


def test_nothing_is_sent_before_the_handshake(gate: ServerContext) -> None:
    """A response cannot slip out, nor start a handshake, before the visitor is known."""
    with pytest.raises(TLSError, match="before the handshake"):
        TLSConnection(gate).send(b"secret")


def test_nobody_is_known_before_the_handshake_is_done(scene: Scene, gate: ServerContext) -> None:
    """In the middle of a good visitor's handshake the peer is still one without certificate."""
    visitor, server = Visitor(make_client("alice", scene.authority)), TLSConnection(gate)
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.do_handshake()
    server.receive(visitor.outgoing.read())
    visitor.incoming.write(server.pending_output())
    visitor.tls.do_handshake()
    server.receive(visitor.outgoing.read()[:-1])
    assert (server.established, server.peer) == (False, Peer())


@both
def test_what_was_agreed_on(gate: ServerContext, version: ssl.TLSVersion) -> None:
    """The protocol and the name that was asked for can be read."""
    _, server = met(gate, version, server_name="gate.example.com", alpn=["h2", "http/1.1"])
    assert (server.server_name, server.alpn) == ("gate.example.com", "http/1.1")


def test_nothing_agreed_on(gate: ServerContext) -> None:
    """There is no name and no protocol before the handshake, nor without the extensions."""
    fresh = TLSConnection(gate)
    assert (fresh.server_name, fresh.alpn) == (None, None)
    _, server = met(gate)
    assert (server.server_name, server.alpn) == (None, None)


def test_a_client_that_offers_only_h2_still_gets_through(gate: ServerContext) -> None:
    """No common protocol is no failure: the client speaks HTTP/1.1 or goes."""
    assert met(gate, alpn=["h2"])[1].alpn is None


def test_no_tickets_in_tls_13(gate: ServerContext) -> None:
    """Behind the handshake there is nothing but what we send: no NewSessionTicket."""
    visitor, server = met(gate)
    assert visitor.hear(server.send(b"x")) == b"x"
    assert not visitor.tls.session.has_ticket


def test_no_sessions_in_tls_12(gate: ServerContext) -> None:
    """The session has no id and no ticket, so there is nothing to come back with."""
    visitor, _ = met(gate, TLS12)
    assert (visitor.tls.session.id, visitor.tls.session.has_ticket) == (b"", False)


@both
def test_sessions_cannot_be_resumed(scene: Scene, gate: ServerContext, version: ssl.TLSVersion) -> None:
    """A client that comes back with its session goes through the whole handshake."""
    visitor, server = Visitor(make_client("alice", scene.authority), version), TLSConnection(gate)
    visitor.shake_hands(server)
    visitor.connect(visitor.tls.session)
    visitor.shake_hands(TLSConnection(gate))
    assert not visitor.tls.session_reused
