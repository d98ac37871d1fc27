"""Single steps, by pytest-benchmark: ``python -m pytest benchmarks/micro``. Not part of the test suite."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from benchmarks.micro.gate import BROWSER, RESPONSE, Gate, prepare
from gatekeeper.gate.verdict import Identity, judge
from gatekeeper.telemetry.log_lines import json_line
from gatekeeper.wire.framing import ChunkedBody, LengthBody
from gatekeeper.wire.request import HeadLimits, RequestReader
from gatekeeper.wire.response import read_response

pytest.importorskip("pytest_benchmark")

HEAD = BROWSER % 0
LINE, _, BLOCK = HEAD.partition(b"\r\n")
MIB = 1 << 20


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """One for all."""
    gate = Gate(prepare(tmp_path_factory.mktemp("gate")))
    yield gate
    gate.close()


@pytest.fixture
def reader() -> RequestReader:
    """One that knows nothing yet."""
    return RequestReader(HeadLimits())


# -- parse


def test_request_head_cached(benchmark: Any, reader: RequestReader) -> None:
    """The same head again."""
    assert benchmark(reader.cached.__getitem__, HEAD).wire_head


def test_request_head_with_a_new_cookie(benchmark: Any, reader: RequestReader) -> None:
    """Eleven lines are known, one is not."""
    numbers = count()
    assert benchmark(lambda: reader.cached[BROWSER % next(numbers)]).wire_head


def test_request_head_fresh(benchmark: Any, reader: RequestReader) -> None:
    """Nothing is known, as for visitors who are refused."""
    assert benchmark(reader.read, LINE, BLOCK, cache=False).wire_head


def test_response_head_cached(benchmark: Any) -> None:
    """The same head again."""
    assert benchmark(read_response, RESPONSE[:-100]).content_length == 100


def test_response_head_with_a_new_line(benchmark: Any) -> None:
    """As with a new Date or ETag."""
    numbers = count()
    head = RESPONSE[:-102].replace(b"%", b"%%") + b"X-Number: %d\r\n\r\n"
    assert benchmark(lambda: read_response(head % next(numbers))).status == 200


# -- framing


def test_length_body(benchmark: Any) -> None:
    """1 MiB in pieces of 16 KiB."""
    piece = b"x" * 16384

    def feed() -> Any:
        body = LengthBody(MIB)
        return [body.feed(piece) for _ in range(MIB // len(piece))][-1]

    assert benchmark(feed) == (piece, b"")


def test_chunked_body(benchmark: Any) -> None:
    """1 MiB in chunks of 4 KiB, sixteen of them in a read."""
    piece = (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 16

    def feed() -> Any:
        body = ChunkedBody()
        for _ in range(MIB // 65536):
            body.feed(piece)
        return body.feed(b"0\r\n\r\n")

    assert benchmark(feed) == (b"", b"")


# -- judge, headers, log


def test_judge(benchmark: Any, gate: Gate) -> None:
    """A good certificate, its text cached."""
    peer = gate.shake_hands().connection.tls.peer
    snapshot = gate.proxy.snapshot
    now = gate.proxy.wall()
    assert benchmark(judge, peer, now, snapshot.policy).identity


def test_identity_lines(benchmark: Any, gate: Gate) -> None:
    """The header lines for a certificate that was seen before."""
    identity = _identity(gate)
    assert benchmark(gate.proxy.snapshot.identity.lines, identity, gate.proxy.wall()).request


def test_log_line(benchmark: Any, gate: Gate, reader: RequestReader) -> None:
    """JSON, for a visitor and a head that were seen before."""
    visitor = gate.shake_hands()
    visitor.exchange(visitor.encrypt(HEAD))
    head = reader.cached[HEAD]
    exchange = _Outcome()
    assert benchmark(json_line, visitor.connection.visit.visitor, head, exchange).startswith('{"time":')


class _Outcome:
    started, duration, upstream_time = 1e9, 0.00123, 0.00098
    status, sent, request_id, reason, detail = 200, 100, "0" * 32, "", ""


def _identity(gate: Gate) -> Identity:
    verdict: Any = judge(gate.shake_hands().connection.tls.peer, gate.proxy.wall(), gate.proxy.snapshot.policy)
    identity: Identity = verdict.identity
    return identity


# -- TLS


def test_tls_small_record_in(benchmark: Any, gate: Gate) -> None:
    """A request's worth. The visitor's own part is not counted."""
    visitor = gate.shake_hands()
    tls = visitor.connection.tls
    assert benchmark.pedantic(tls.receive, setup=lambda: ((visitor.encrypt(HEAD),), {}), rounds=2000) == HEAD


def test_tls_small_record_out(benchmark: Any, gate: Gate) -> None:
    """A response's worth."""
    tls = gate.shake_hands().connection.tls
    assert benchmark(tls.send, RESPONSE)


def test_tls_bulk_out(benchmark: Any, gate: Gate) -> None:
    """256 KiB, as one read from an upstream."""
    tls = gate.shake_hands().connection.tls
    assert benchmark(tls.send, b"x" * (256 * 1024))


# -- all together


def test_exchange(benchmark: Any, gate: Gate) -> None:
    """A request and its response on a kept connection."""
    visitor = gate.shake_hands()
    benchmark.pedantic(visitor.exchange, setup=lambda: ((visitor.encrypt(HEAD),), {}), rounds=2000)


def test_handshake(benchmark: Any, gate: Gate) -> None:
    """A full mutual handshake, both sides."""
    benchmark.pedantic(lambda: gate.shake_hands().leave(), rounds=100)
