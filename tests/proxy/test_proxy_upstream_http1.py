"""Connections to an app, with real sockets and on both event loops: who is believed, and where an answer ends."""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.errors import UnreachableError
from gatekeeper.process.worker import new_event_loop as uvloop_or_asyncio
from gatekeeper.proxy.upstream.endpoint import Endpoint
from gatekeeper.proxy.upstream.endpoints import make_endpoints
from gatekeeper.settings.addresses import parse_upstream
from gatekeeper.settings.upstream import UpstreamSettings
from tests.certificates import DAY, NOW, Holder, make_authority, make_client, make_server
from tests.gate_process import PATIENCE

LOOPS = {"asyncio": asyncio.new_event_loop, "as in a worker": uvloop_or_asyncio}


@pytest.fixture(params=list(LOOPS))
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    def run(work: Any) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(work)

    return run


@pytest.fixture(scope="module")
def authority() -> Holder:
    return make_authority("App CA")


class TLSApp:
    """Takes one connection, does the handshake and what ``then`` says."""

    def __init__(
        self, folder: Path, holder: Holder, then: Callable[[ssl.SSLSocket], None], visitors: Holder | None = None
    ) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*holder.write(folder, "app"))
        if visitors is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(cadata=visitors.certificate_pem.decode())
        self._then = then
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.port = self._listener.getsockname()[1]
        self.seen: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        try:
            with self._context.wrap_socket(connection, server_side=True) as tls, suppress(OSError):
                self.seen["certificate"] = tls.getpeercert()
                self._then(tls)
        except OSError as error:
            self.seen["error"] = error
        finally:
            connection.close()

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TLSApp]]:
    apps: list[TLSApp] = []

    def start(holder: Holder, then: Callable[[ssl.SSLSocket], None] = lambda _: None, **more: Any) -> TLSApp:
        apps.append(TLSApp(tmp_path, holder, then, **more))
        return apps[-1]

    yield start
    for app in apps:
        app.close()


def place_at(url: str, **table: Any) -> Endpoint:
    (endpoint,) = make_endpoints("default", UpstreamSettings(url=parse_upstream(url), **table), {})
    return endpoint


@pytest.fixture
def trusted(authority: Holder, tmp_path: Path) -> Path:
    path = tmp_path / "app-ca.crt"
    path.write_bytes(authority.certificate_pem)
    return path


async def connect(endpoint: Endpoint) -> None:
    connection = endpoint.reserve()
    try:
        await endpoint.connect(asyncio.get_running_loop(), connection, PATIENCE)
        assert (endpoint.busy, endpoint.idle) == (1, 0)
        connection.reset()
    finally:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert endpoint.busy == 0


def test_an_app_with_the_right_certificate_is_connected_to(
    run: Any, start: Any, authority: Holder, trusted: Path
) -> None:
    """By the name of the URL, from the authority in ca."""
    app = start(make_server("localhost", authority))
    run(connect(place_at(f"https://localhost:{app.port}", ca=trusted)))


def test_the_name_may_be_another_than_the_hosts(run: Any, start: Any, authority: Holder, trusted: Path) -> None:
    """server_name, for an app that is reached by its address."""
    app = start(make_server("app.internal", authority))
    run(connect(place_at(f"https://127.0.0.1:{app.port}", ca=trusted, server_name="app.internal")))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("name", "Hostname mismatch"),
        ("authority", "unable to get local issuer certificate"),
        ("dates", "certificate has expired"),
        ("self-signed", "self-signed certificate"),
    ],
)
def test_a_wrong_certificate_is_not_believed(
    run: Any, start: Any, authority: Holder, trusted: Path, wrong: str, words: str
) -> None:
    """502, the same sentence for each to the visitor; the log says which."""
    holder = {
        "name": lambda: make_server("other.internal", authority),
        "authority": lambda: make_server("localhost", make_authority("Other CA")),
        "dates": lambda: make_server("localhost", authority, starts=NOW - 2 * DAY, ends=NOW - DAY),
        "self-signed": lambda: make_server("localhost"),
    }[wrong]()
    app = start(holder)
    endpoint = place_at(f"https://localhost:{app.port}", ca=trusted)
    with pytest.raises(UnreachableError) as error:
        run(connect(endpoint))
    assert (error.value.status, error.value.sentence) == (502, "The app cannot be reached.")
    assert words in error.value.why
    assert endpoint.busy == 0


def test_without_ca_the_systems_authorities_decide(run: Any, start: Any, authority: Holder) -> None:
    """And they do not know this one."""
    app = start(make_server("localhost", authority))
    with pytest.raises(UnreachableError, match="unable to get local issuer certificate"):
        run(connect(place_at(f"https://localhost:{app.port}")))


def test_only_unsafe_skip_verify_believes_anybody(run: Any, start: Any) -> None:
    """It is what its name says."""
    app = start(make_server("other", make_authority("Other CA"), starts=NOW - 2 * DAY, ends=NOW - DAY))
    run(connect(place_at(f"https://localhost:{app.port}", unsafe_skip_verify=True)))


def test_the_gate_shows_its_certificate_to_an_app_that_asks(
    run: Any, start: Any, authority: Holder, trusted: Path, tmp_path: Path
) -> None:
    """certificate and key."""
    certificate, key = make_client("gate", authority).write(tmp_path, "gate")
    app = start(make_server("localhost", authority), say_and(lambda tls: tls.unwrap()), visitors=authority)  # type: ignore[arg-type]
    endpoint = place_at(f"https://localhost:{app.port}", ca=trusted, certificate=certificate, key=key)
    assert run(ask_and_read(endpoint)) == (b"the beginning", None)
    assert app.seen["certificate"]["subject"] == ((("commonName", "gate"),),)


def test_an_app_that_speaks_no_tls_is_not_reached(run: Any, trusted: Path) -> None:
    """http:// was meant, and https:// written."""

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with pytest.raises(UnreachableError) as error:
            run(connect(place_at(f"https://localhost:{listener.getsockname()[1]}", ca=trusted)))
        thread.join(PATIENCE)
    assert error.value.status == 502


def test_a_handshake_that_never_ends_is_given_up(run: Any, trusted: Path) -> None:
    """timeouts.connect holds for the handshake too: 504."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel connects, nobody answers
        endpoint = place_at(f"https://localhost:{listener.getsockname()[1]}", ca=trusted)

        async def talk() -> None:
            await endpoint.connect(asyncio.get_running_loop(), endpoint.reserve(), 0.05)

        with pytest.raises(UnreachableError) as error:
            run(talk())
    assert (error.value.status, error.value.why) == (504, "no connection in 0.05 s")
    assert endpoint.busy == 0


def test_a_name_with_several_addresses(run: Any) -> None:
    """localhost is ::1 and 127.0.0.1 nearly everywhere; the app listens on one of them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        run(connect(place_at(f"http://localhost:{listener.getsockname()[1]}")))


def test_a_name_that_nobody_knows(run: Any) -> None:
    """RFC 6761, 6.4: "invalid" is no name."""
    with pytest.raises(UnreachableError) as error:
        run(connect(place_at("http://app.invalid:80")))
    assert error.value.status == 502


class Reader:
    """An exchange that only reads."""

    def __init__(self) -> None:
        self.data = b""
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def response_content(self, data: bytes) -> None:
        self.data += data

    def upstream_gone(self, error: Exception | None) -> None:
        self.ended.set_result(error)


async def ask_and_read(endpoint: Endpoint) -> tuple[bytes, Exception | None]:
    """All that the app says, and how the connection ended."""
    connection = endpoint.reserve()
    await endpoint.connect(asyncio.get_running_loop(), connection, PATIENCE)
    reader = Reader()
    connection.connection.handler = reader
    connection.send_content(b"?")
    error = await asyncio.wait_for(reader.ended, PATIENCE)
    return reader.data, error


def say_and(end: Callable[[ssl.SSLSocket], None]) -> Callable[[ssl.SSLSocket], None]:
    def serve(tls: ssl.SSLSocket) -> None:
        tls.recv(1)
        tls.sendall(b"the beginning")
        end(tls)

    return serve


@pytest.mark.parametrize("goodbye", [True, False])
def test_the_end_of_a_tls_connection_is_a_goodbye_or_an_accident(
    run: Any, start: Any, authority: Holder, trusted: Path, goodbye: bool
) -> None:
    """RFC 9112, 9.8: without close_notify anybody in between could have cut a response that ends by closing."""
    end: Any = (lambda tls: tls.unwrap()) if goodbye else (lambda tls: os.close(tls.detach()))
    app = start(make_server("localhost", authority), say_and(end))
    endpoint = place_at(f"https://localhost:{app.port}", ca=trusted)

    data, error = run(ask_and_read(endpoint))
    assert data == b"the beginning"
    assert (error is None) == goodbye


def test_an_answer_is_read_though_the_app_reset_the_connection_behind_it(run: Any) -> None:
    """An app that has seen enough of a body answers 413 and closes: what it did not read makes a reset of that."""
    answer = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"

    async def upload(listener: socket.socket) -> tuple[bytes, Exception | None]:
        endpoint = place_at(f"http://127.0.0.1:{listener.getsockname()[1]}")
        connection = endpoint.reserve()
        await endpoint.connect(asyncio.get_running_loop(), connection, PATIENCE)
        reader = Reader()
        connection.connection.handler = reader
        connection.send_content(b"the beginning")
        app, _ = listener.accept()
        app.recv(1)
        app.sendall(answer)
        app.close()
        connection.send_content(b"more")
        error = await asyncio.wait_for(reader.ended, PATIENCE)
        return reader.data, error

    with socket.create_server(("127.0.0.1", 0)) as listener:
        data, error = run(upload(listener))
    assert data == answer
    assert error is not None


def test_an_app_that_does_not_choose_h2_gets_no_request_of_it(
    run: Any, start: Any, authority: Holder, trusted: Path
) -> None:
    """RFC 9113, 3.2: without ALPN h2, the preface would be read as a request of HTTP/1.1."""
    app = start(make_server("localhost", authority))
    with pytest.raises(UnreachableError) as raised:
        run(connect(place_at(f"h2://localhost:{app.port}", ca=trusted)))
    assert raised.value.why == "the app does not offer HTTP/2 (ALPN h2)"
