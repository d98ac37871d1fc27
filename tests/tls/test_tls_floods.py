"""What a visitor may send without end: handshakes, renegotiations, key updates and records without content."""

import _ssl
import ctypes
import hmac
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.errors import TLSError
from gatekeeper.tls.connection import (
    HANDSHAKE_LIMIT,
    RECORD,
    UNSENT_LIMIT,
    TLSConnection,
)
from gatekeeper.tls.context import ServerContext
from gatekeeper.tls.message_limits import MESSAGES_PER_SECOND, SILENT_LIMIT, MessageLimit
from tests.certificates import make_client
from tests.tls.scene import VERSIONS, Scene, Visitor, feed, met, records, unreachable

HANDSHAKE, ALERT = 0x16, 0x15
TLS12, TLS13 = VERSIONS

both = pytest.mark.parametrize("version", VERSIONS)


# -- limits


def test_a_handshake_without_end(gate: ServerContext) -> None:
    """A ClientHello in records of one byte each stays below OpenSSL's limits, but not below ours."""
    server = TLSConnection(gate)
    hello = b"\x01\x01\xff\x00" + bytes(0x1FF00)
    drip = b"".join(b"\x16\x03\x01\x00\x01" + hello[at : at + 1] for at in range(len(hello)))
    with pytest.raises(TLSError, match="too long"):
        feed(server, drip, 16384)


@both
def test_a_large_chain_passes(scene: Scene, version: ssl.TLSVersion) -> None:
    """90 KiB of certificates that nobody needs are below OpenSSL's limit of 100 KiB, and so below ours."""
    ballast = make_client("b" * 60, scene.authority).certificate
    size = len(ballast.public_bytes(Encoding.DER))
    alice = make_client("alice", scene.authority, chain=(ballast,) * (90_000 // size))
    server = TLSConnection(scene.gate(certificate_size=100 * 1024))
    Visitor(alice, version).shake_hands(server)
    assert server.peer.leaf == alice.der
    assert not server.peer.errors


@both
def test_too_large_a_chain_is_refused_by_openssl(scene: Scene, gate: ServerContext, version: ssl.TLSVersion) -> None:
    """Above 100 KiB OpenSSL ends the handshake; the limit on which ours rests is there."""
    ballast = make_client("b" * 60, scene.authority).certificate
    size = len(ballast.public_bytes(Encoding.DER))
    alice = make_client("alice", scene.authority, chain=(ballast,) * (110_000 // size))
    with pytest.raises(TLSError, match="excessive message size"):
        Visitor(alice, version).shake_hands(TLSConnection(gate))
    assert HANDSHAKE_LIMIT > 128 * 1024 + 100 * 1024


# -- what is switched off

_libssl = ctypes.PyDLL(_ssl.__file__)
_libssl.SSL_renegotiate.argtypes = _libssl.SSL_do_handshake.argtypes = [ctypes.c_void_p]
for _random in (_libssl.SSL_get_client_random, _libssl.SSL_get_server_random):
    _random.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
_libssl.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]


def _address(visitor: Visitor) -> int:
    """The client's ``SSL *``, for what Python's client cannot be asked to do."""
    offset = object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
    address = ctypes.c_void_p.from_address(id(visitor.tls._sslobj) + offset).value  # type: ignore[attr-defined]
    assert address
    return address


def _ask_for_another_handshake(visitor: Visitor) -> bytes:
    assert _libssl.SSL_renegotiate(_address(visitor)) == 1
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.do_handshake()
    return visitor.outgoing.read()


def _update_keys(visitor: Visitor, requested: int = 1) -> bytes:
    """A KeyUpdate (RFC 8446, 4.6.3) as a record of its own."""
    assert _libssl.SSL_key_update(_address(visitor), requested) == 1
    assert _libssl.SSL_do_handshake(_address(visitor)) == 1
    return visitor.outgoing.read()


def test_renegotiation_ends_the_connection(gate: ServerContext) -> None:
    """A TLS 1.2 client that asks for a new handshake gets a no_renegotiation warning, no second judgement, and no
    second chance: each warning that nobody drained would stay in memory."""
    visitor, server = met(gate, TLS12)
    peer, hello = server.peer, _ask_for_another_handshake(visitor)
    with pytest.raises(TLSError, match="another handshake"):
        server.receive(hello)
    answer = server.pending_output()
    assert [kind for kind, _ in records(answer)] == [ALERT]
    visitor.incoming.write(answer)
    with pytest.raises(ssl.SSLError, match=r"(?i)no renegotiation"):
        visitor.tls.do_handshake()
    assert server.peer is peer


def test_renegotiation_behind_plaintext_ends_the_connection(gate: ServerContext) -> None:
    """What comes with it in one packet does not hide it."""
    visitor, server = met(gate, TLS12)
    first = visitor.say(b"GET / HTTP/1.1\r\n")
    with pytest.raises(TLSError, match="another handshake"):
        server.receive(first + _ask_for_another_handshake(visitor))


def test_renegotiation_before_plaintext_ends_the_connection(gate: ServerContext, tmp_path: Path) -> None:
    """The same where the read goes on to plaintext, and leaves the warning behind."""
    visitor, server = Visitor(version=TLS12), TLSConnection(gate)
    visitor.context.keylog_filename = str(tmp_path / "keys")
    visitor.context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    visitor.connect()
    visitor.shake_hands(server)
    seal = _tls12_records_of(visitor, tmp_path / "keys")
    with pytest.raises(TLSError, match="another handshake"):
        server.receive(_ask_for_another_handshake(visitor) + seal(b"x", 2))


def _tls12_records_of(visitor: Visitor, keys: Path) -> Callable[[bytes, int], bytes]:
    """Makes application data of the client's where OpenSSL would wait (RFC 5246, 5 and 6.3; RFC 5288)."""
    secret = bytes.fromhex(re.search(r"CLIENT_RANDOM \w+ (\w+)", keys.read_text())[1])
    client, server = (ctypes.create_string_buffer(32) for _ in range(2))
    _libssl.SSL_get_client_random(_address(visitor), client, 32)
    _libssl.SSL_get_server_random(_address(visitor), server, 32)
    seed = b"key expansion" + server.raw + client.raw
    first = hmac.digest(secret, seed, "sha256")
    second = hmac.digest(secret, first, "sha256")
    block = hmac.digest(secret, first + seed, "sha256") + hmac.digest(secret, second + seed, "sha256")
    key, salt = AESGCM(block[:16]), block[32:36]  # two keys of 16 bytes, two salts of 4

    def seal(content: bytes, sequence: int) -> bytes:
        nonce = sequence.to_bytes(8, "big")
        signed = nonce + b"\x17\x03\x03" + len(content).to_bytes(2, "big")
        sealed = nonce + key.encrypt(salt + nonce, content, signed)
        return b"\x17\x03\x03" + len(sealed).to_bytes(2, "big") + sealed

    return seal


def test_a_record_may_begin_with_the_end_of_the_handshake_in_tls_12(gate: ServerContext) -> None:
    """The server's Finished, which waits to be written then, is no unasked output: clients that send early (False
    Start, RFC 7918) are served."""
    visitor, server = Visitor(version=TLS12), TLSConnection(gate)
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.do_handshake()
    server.receive(visitor.outgoing.read())
    visitor.incoming.write(server.pending_output())
    with pytest.raises(ssl.SSLWantReadError):
        visitor.tls.do_handshake()
    finished, header = visitor.outgoing.read(), b"\x17\x03\x03\x00\x2a"
    assert server.receive(finished + header) == b""
    visitor.incoming.write(server.pending_output())
    visitor.tls.do_handshake()
    request = b"GET / HTTP/1.1\r\n\r\n"
    record = visitor.say(request)
    assert record[:5] == header
    assert server.receive(record[5:]) == request


@pytest.mark.parametrize("requested", [0, 1])
@pytest.mark.parametrize("between", [b"", b"x"])
def test_a_flood_of_key_updates_ends_the_connection(gate: ServerContext, requested: int, between: bytes) -> None:
    """A hundred messages without plaintext a second are allowed, or half as many that want an answer, however they are
    mixed with plaintext."""
    visitor, server = met(gate)
    for _ in range(MESSAGES_PER_SECOND // (1 + requested)):
        data = _update_keys(visitor, requested) + (visitor.say(between) if between else b"")
        assert server.receive(data) == between
    with pytest.raises(TLSError, match="carry nothing"):
        feed(server, b"".join(_update_keys(visitor, requested) for _ in range(2)), 27)


def test_a_flood_in_one_packet_is_not_processed_to_its_end(gate: ServerContext) -> None:
    """64 KiB of KeyUpdates would take 35 ms; behind the limit OpenSSL finds nothing more to read."""
    visitor, server = met(gate)
    flood = b"".join(_update_keys(visitor, 0) for _ in range(5 * MESSAGES_PER_SECOND))
    with pytest.raises(TLSError, match="carry nothing"):
        server.receive(flood + visitor.say(b"x"))


@pytest.mark.parametrize("requested", [0, 1])
def test_a_flood_costs_at_most_one_mib_and_is_cut_at_once(gate: ServerContext, requested: int) -> None:
    """60 MB of KeyUpdates in reads of 64 KiB: the first read ends the connection, the rest is never looked at, and
    little would be sent."""
    visitor, server = met(gate)
    packet = b"".join(_update_keys(visitor, requested) for _ in range(64 * 1024 // 27))
    received = 0
    with suppress(TLSError):
        while received < 60_000_000:
            received += len(packet)
            server.receive(packet)
    assert received == len(packet)
    assert server._incoming.pending == 0
    assert len(server.pending_output()) < 1024 * 1024


def test_floods_are_bounded_without_openssl_too(scene: Scene) -> None:
    """The fallback counts bytes without plaintext: more than one record of the largest size is too much."""
    visitor, server = met(scene.gate(binding=unreachable))
    flood = [_update_keys(visitor, 0) for _ in range(SILENT_LIMIT // 27)]
    assert feed(server, b"".join(flood), 27) == b""
    with pytest.raises(TLSError, match="carry nothing"):
        server.receive(_update_keys(visitor, 0))


def test_answers_that_nobody_fetches_end_the_connection(gate: ServerContext) -> None:
    """A client that asks for one KeyUpdate after another, slowly enough, does not fill memory with the answers."""
    visitor, server = met(gate)
    server._messages = MessageLimit(ssl.MemoryBIO(), count().__next__)
    answers = UNSENT_LIMIT // 27
    for _ in range(answers + 1):  # each is answered when the next one comes
        server.receive(_update_keys(visitor))
    with pytest.raises(TLSError, match="more answers"):
        server.receive(_update_keys(visitor))
    assert len(server.pending_output()) <= UNSENT_LIMIT + 27


@both
def test_a_large_record_in_small_pieces_is_no_flood(scene: Scene, version: ssl.TLSVersion) -> None:
    """Most pieces of it bring no plaintext; in the fallback, they are told from messages that carry none."""
    visitor, server = met(scene.gate(binding=unreachable), version)
    for _ in range(5):
        assert feed(server, visitor.say(b"a" * RECORD), 1000) == b"a" * RECORD


def test_records_without_content_end_the_connection(gate: ServerContext, tmp_path: Path) -> None:
    """OpenSSL allows 32 in a row (MAX_EMPTY_RECORDS, ssl/record/record.h), which this relies on."""
    visitor, server = Visitor(), TLSConnection(gate)
    visitor.context.keylog_filename = str(tmp_path / "keys")
    visitor.shake_hands(server)
    seal = _records_of(visitor, tmp_path / "keys")
    for sequence in range(32):
        assert server.receive(seal(b"", sequence)) == b""
    with pytest.raises(TLSError):
        server.receive(seal(b"", 32))


def _records_of(visitor: Visitor, keys: Path) -> Callable[[bytes, int], bytes]:
    """Makes records of the client's, which OpenSSL would not make (RFC 8446, 5.2, 5.3 and 7.1)."""
    secret = bytes.fromhex(re.search(r"CLIENT_TRAFFIC_SECRET_0 \w+ (\w+)", keys.read_text())[1])
    assert visitor.tls.cipher()[0] == "TLS_AES_256_GCM_SHA384"

    def expand(label: bytes, size: int) -> bytes:
        info = size.to_bytes(2, "big") + bytes([6 + len(label)]) + b"tls13 " + label + b"\0"
        return HKDFExpand(SHA384(), size, info).derive(secret)

    key, iv = AESGCM(expand(b"key", 32)), int.from_bytes(expand(b"iv", 12), "big")

    def seal(content: bytes, sequence: int) -> bytes:
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        return header + key.encrypt((iv ^ sequence).to_bytes(12, "big"), content + b"\x17", header)

    return seal


@pytest.mark.parametrize("requested", [0, 1])
def test_key_update_is_answered(gate: ServerContext, requested: int) -> None:
    """After a KeyUpdate both directions go on (RFC 8446, 4.6.3); one that asks for ours gets it with the next bytes."""
    visitor, server = met(gate)
    assert _libssl.SSL_key_update(_address(visitor), requested) == 1
    assert server.receive(visitor.say(b"after")) == b"after"
    answer = server.pending_output() + server.send(b"answer")
    assert len(records(answer)) == 1 + requested
    assert visitor.hear(answer) == b"answer"
