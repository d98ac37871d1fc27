"""The corpus of streams, and what becomes of it when bytes of it change: python-hyper's h2 and nghttp2 (ngh2) as the
other opinions.
"""

import random
from collections import defaultdict
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h11
import ngh2
import pytest

from gatekeeper.wire.framing import CHUNKED
from gatekeeper.wire.http2.frames import HEADERS
from gatekeeper.wire.request import RequestHead
from tests.corpus.streams import START, StreamMessage, streams
from tests.wire.http2.peers import GET, Gate, block, frame

MESSAGES = streams()
ACCEPTED = [message for message in MESSAGES if message.is_accepted]
COMPARED = [message for message in MESSAGES if "nghttp2" not in message.stricter]
# Changed copies of each connection. The seed is its name, so that a failure comes again.
MUTANTS = 40

Read = dict[int, tuple[dict[bytes, bytes], bytes, bool]]
"""What a server read on each stream: pseudo-header fields, body, whether it is complete."""


def by_gate(data: bytes) -> Read:
    gate = Gate()
    gate.receive(START)
    gate.connection.receive(data, 0.0)
    assert gate.failure is None
    read: Read = {}
    told: list[Any] = list(gate.told)
    for stream, what, *more in told:
        head = gate.heads.get(stream)
        if what == "request" and head is not None:
            read[stream] = ({b":method": head.method, b":path": head.target}, b"", bool(more[1]))
        elif what == "content":
            read[stream] = (read[stream][0], read[stream][1] + more[0], False)
        elif what == "end":
            read[stream] = (*read[stream][:2], True)
    return read


def by_h2(data: bytes) -> Read:
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    heads: dict[int, dict[bytes, bytes]] = {}
    bodies: dict[int, bytes] = defaultdict(bytes)
    ended = set()
    for event in server.receive_data(START + data):
        match event:
            case h2.events.RequestReceived(stream_id=stream, headers=fields):
                heads[stream] = dict(fields)
            case h2.events.DataReceived(stream_id=stream, data=content):
                bodies[stream] += content
            case h2.events.StreamEnded(stream_id=stream):
                ended.add(stream)
    return {stream: (chosen(head), bodies[stream], stream in ended) for stream, head in heads.items()}


def by_nghttp2(data: bytes) -> Read:
    server = ngh2.Connection(ngh2.Role.SERVER)
    server.initiate_connection()
    server.receive_data(START + data)
    read: Read = {}
    for event in server.events():
        match event:
            case ngh2.RequestReceived(stream_id=stream, headers=fields, end_stream=ended):
                read[stream] = (chosen(dict(fields)), b"", ended)
            case ngh2.DataReceived(stream_id=stream, data=content, end_stream=ended):
                read[stream] = (read[stream][0], read[stream][1] + content, ended)
            case ngh2.TrailersReceived(stream_id=stream):
                read[stream] = (*read[stream][:2], True)
    return read


def chosen(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {name: fields.get(name, b"") for name in (b":method", b":path")}


@pytest.mark.parametrize("message", ACCEPTED, ids=[message.name for message in ACCEPTED])
def test_what_passes_is_read_alike_by_others(message: StreamMessage) -> None:
    """Nothing that the gate lets pass is refused by either or means something else to it, but where the corpus says."""
    ours = by_gate(message.sent)
    for name, read in (("h2", by_h2), ("nghttp2", by_nghttp2)):
        assert (read(message.sent) == ours) is (name not in message.stricter), name


@pytest.mark.parametrize("message", MESSAGES, ids=[message.name for message in MESSAGES])
def test_changed_bytes_make_one_request_or_none(message: StreamMessage) -> None:
    """Bits flipped, bytes put in, left out and repeated: nothing raises, and what is told is one request to h11."""
    chance = random.Random(message.name)
    for _ in range(MUTANTS):
        data = mutated(message.sent, chance)
        gate = Gate()
        gate.receive(START)
        gate.receive(data)
        for head in gate.heads.values():
            assert_one_request(head)


IDENTITY = frozenset({b"remote-user", b"x-ssl-client-verify"})
SPELLINGS = (b"remote-user", b"remote_user", b"x-ssl-client_verify", b"x-ssl-client-verify", b"x-ok")


@pytest.mark.parametrize("pattern", [b"\x00", b"\x40"], ids=["literals", "into the table"])
def test_no_change_of_bytes_sets_an_identity_header(pattern: bytes) -> None:
    """In whatever spelling an app could take for it: "_" and "-" are one to CGI and WSGI."""
    chance = random.Random(f"identity {pattern!r}")
    forged = b"".join(b"%b%c%b\x06forged" % (pattern, len(name), name) for name in SPELLINGS)
    passed = 0
    for _ in range(50 * MUTANTS):
        changed = block(*GET) + mutated(forged, chance)
        gate = Gate(stripped=IDENTITY)
        gate.receive(START)
        gate.receive(frame(HEADERS, 5, 1, changed) + frame(HEADERS, 5, 3, b"\x82\x87\x84\x41\x01a\xbe\xbf"))
        for head in gate.heads.values():
            passed += 1
            names = {line.partition(b":")[0].lower().replace(b"_", b"-") for line in head.block.forward.split(b"\r\n")}
            assert not names & IDENTITY, changed
    assert passed > MUTANTS


@pytest.mark.parametrize("message", COMPARED, ids=[message.name for message in COMPARED])
def test_changed_bytes_are_read_alike_by_nghttp2(message: StreamMessage) -> None:
    """Of what both read to the end, each request that passes the gate is one to nghttp2 too, and the same."""
    chance = random.Random(message.name)
    for _ in range(MUTANTS):
        data = mutated(message.sent, chance)
        try:
            ours, theirs = by_gate(data), by_nghttp2(data)
        except (AssertionError, ngh2.NGH2Error):
            continue
        for stream, (head, body, ended) in ours.items():
            if ended:
                assert theirs.get(stream) == (head, body, ended), data


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three changes at random places."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 4)))
            case 2 if len(changed) > 4:
                del changed[at : at + chance.randrange(1, 4)]
            case _:
                changed[at:at] = changed[at : at + chance.randrange(1, 16)]
    return bytes(changed)


def assert_one_request(head: RequestHead) -> None:
    """By the bytes that an app gets in HTTP/1.1."""
    text: Any = b"%b %b HTTP/1.1\r\n%b%b\r\n" % (head.method, head.target, head.block.forward, head.cookie)
    app = h11.Connection(h11.SERVER)
    app.receive_data(text)
    event = app.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (head.method, head.target)
    assert app.trailing_data[0] == b""
    names = [name for name, _ in event.headers]
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert (b"transfer-encoding" in names) == (head.block.framing is CHUNKED)
