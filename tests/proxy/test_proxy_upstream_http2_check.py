"""Health checks over HTTP/2, against python-hyper's h2 and grpcio's health service on real sockets."""

import asyncio
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from grpc_health.v1 import health_pb2

from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.proxy.upstream.http2_check import GRPC_HEALTH, ask_http2
from gatekeeper.settings.addresses import parse_upstream
from gatekeeper.settings.upstream import UpstreamSettings
from gatekeeper.wire.rules import MessageRule
from tests.certificates import make_authority, make_server
from tests.gate_process import PATIENCE
from tests.grpc_app import GrpcApp
from tests.ports import free_port
from tests.proxy.test_proxy_upstream_http1 import place_at

Reply = Callable[[h2.connection.H2Connection, int], None]


class Server(asyncio.Protocol):
    """Answers each request by ``reply``; ``asked`` are their fields, ``bodies`` their content."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[dict[bytes, bytes]] = []
        self.bodies: dict[int, bytes] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        config = h2.config.H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            match event:
                case h2.events.RequestReceived(headers=headers, stream_id=stream):
                    self.asked.append(dict(headers))
                    self.bodies[stream] = b""
                case h2.events.DataReceived(data=content, stream_id=stream):
                    self.bodies[stream] += content
                case h2.events.StreamEnded(stream_id=stream):
                    self.reply(self.h2, stream)
        self.transport.write(self.h2.data_to_send())


def check(
    reply: Reply,
    path: str = "/healthz",
    *,
    seconds: float = PATIENCE,
    tls: ssl.SSLContext | None = None,
    made: Callable[[Server], None] = lambda _: None,
    **table: Any,
) -> tuple[str, Server]:
    """What a check finds, and the server that it asked."""
    server = Server(reply)
    made(server)

    async def talk() -> str:
        listener = await asyncio.get_running_loop().create_server(lambda: server, "127.0.0.1", 0, ssl=tls)
        async with listener:
            url = f"{'h2' if tls else 'h2c'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            settings = UpstreamSettings(url=parse_upstream(url), **table)
            return await ask_http2(make_endpoints("default", settings, {})[0], path, seconds)

    return asyncio.run(talk()), server


def status(code: bytes) -> Reply:
    return lambda codec, stream: codec.send_headers(stream, ((b":status", code),), end_stream=True)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (b"200", ""),
        (b"204", ""),
        (b"302", ""),
        (b"404", "/healthz is answered 404"),
        (b"503", "/healthz is answered 503"),
    ],
)
def test_2xx_and_3xx_are_good(code: bytes, found: str) -> None:
    """As over HTTP/1.1."""
    assert check(status(code))[0] == found


def test_the_path_is_asked_as_it_is_written() -> None:
    """With its query and its escapes, under the app's own name, and without anything about a visitor."""
    found, server = check(status(b"200"), "/a%2fb?c=%20")
    assert found == ""
    (asked,) = server.asked
    assert (asked[b":method"], asked[b":path"], asked[b":scheme"]) == (b"GET", b"/a%2fb?c=%20", b"http")
    assert asked[b":authority"].startswith(b"127.0.0.1:")
    assert b"health check" in asked[b"user-agent"]
    assert not [name for name in asked if name.startswith(b"x-")]


def test_an_answer_that_does_not_come_in_time_is_none() -> None:
    """The check has a time of its own."""
    assert check(lambda *_: None, seconds=0.1)[0] == "/healthz is not answered in 0.1 s"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (lambda codec, stream: codec.reset_stream(stream, error_code=8), "the app reset the stream, code 8"),
        (lambda codec, _: codec.close_connection(last_stream_id=0), "the app reset the stream, code 7"),
        (
            lambda codec, stream: codec.send_headers(stream, ((b":status", b"200"), (b"connection", b"close")), True),
            MessageRule.RESPONSE_FIELD_LINE.error().detail,
        ),
    ],
)
def test_an_app_that_gives_up(reply: Reply, found: str) -> None:
    """The stream, the connection, or the rules."""
    assert check(reply)[0] == f"/healthz: {found}"


def test_an_app_that_closes() -> None:
    """Without an answer."""
    server: list[Server] = []
    said, _ = check(lambda *_: server[0].transport.close(), made=server.append)
    assert re.fullmatch(r"/healthz: (the connection was closed|.*reset by peer)", said)


def test_nobody_there() -> None:
    """Connection refused."""
    port = free_port()
    assert "/healthz: " in asyncio.run(ask_http2(place_at(f"h2c://127.0.0.1:{port}"), "/healthz", PATIENCE))


def test_tls_is_verified_as_for_visitors(tmp_path: Path) -> None:
    """The authority and the name; an app that does not choose h2 is told of."""
    authority = make_authority("App CA")
    (tmp_path / "ca.crt").write_bytes(authority.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_server("app.internal", authority).write(tmp_path, "app"))
    ca, name = tmp_path / "ca.crt", "app.internal"
    assert "does not offer HTTP/2" in check(status(b"200"), tls=context, ca=ca, server_name=name)[0]
    context.set_alpn_protocols(["h2"])
    assert check(status(b"200"), tls=context, ca=ca, server_name=name)[0] == ""
    assert "certificate verify failed" in check(status(b"200"), tls=context, ca=ca)[0]


def test_the_health_service_of_grpc() -> None:
    """SERVING is good, NOT_SERVING is not."""
    with GrpcApp() as app:
        place = place_at(f"h2c://{app.address}")
        assert asyncio.run(ask_http2(place, GRPC_HEALTH, PATIENCE)) == ""
        app.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        assert asyncio.run(ask_http2(place, GRPC_HEALTH, PATIENCE)) == f"{GRPC_HEALTH} does not say SERVING"


@pytest.mark.parametrize(
    ("trailers", "found"),
    [
        (((b"grpc-status", b"12"),), " is answered grpc-status 12"),
        (((b"other", b"0"),), " is answered grpc-status without number"),
    ],
)
def test_a_call_that_fails(trailers: Any, found: str) -> None:
    """Trailers-Only, as from a server without the service."""

    def reply(codec: h2.connection.H2Connection, stream: int) -> None:
        codec.send_headers(stream, ((b":status", b"200"), *trailers), end_stream=True)

    said, server = check(reply, GRPC_HEALTH)
    assert said == GRPC_HEALTH + found
    assert server.asked[0][b"content-type"] == b"application/grpc"
    assert server.bodies == {1: b"\x00\x00\x00\x00\x00"}


def test_a_call_to_something_that_is_no_grpc() -> None:
    """200 for everything, as a page for unknown addresses says."""
    assert check(status(b"404"), GRPC_HEALTH)[0] == f"{GRPC_HEALTH} is answered 404"
    assert check(status(b"200"), GRPC_HEALTH)[0] == f"{GRPC_HEALTH} is answered grpc-status without number"
