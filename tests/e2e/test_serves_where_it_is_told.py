"""Several addresses, IPv6, Unix sockets, folders of files, apps over TLS, and where the log goes."""

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from gatekeeper.ca.authority import authority_from_key, make_authority
from gatekeeper.ca.certificates import issue_client
from tests.app import App
from tests.gate_process import PATIENCE, ROOT, Gate, until
from tests.ports import free_port, has_ipv6
from tests.visitors import EC, Visitors


def test_several_addresses(folder: Path, visitors: Visitors, app: App) -> None:
    """IPv4, IPv6 and a Unix socket at once; each is said when it is ready. Without IPv6, two addresses of IPv4."""
    six = has_ipv6()
    other, host = ("::1", "[::1]") if six else ("127.0.0.2", "127.0.0.2")
    listen = f'["127.0.0.1:0", "{host}:0", "unix:{folder / "gate.sock"}"]'
    alice = visitors.context("alice")
    with Gate(folder, app.url, listen=listen) as gate:
        port = int(gate.wait_for(lambda line: f"https://{host}:" in line and line).rpartition(":")[2])
        assert gate.request(alice)[0] == 200
        for family, address in (
            (socket.AF_INET6 if six else socket.AF_INET, (other, port)),
            (socket.AF_UNIX, str(folder / "gate.sock")),
        ):
            with socket.socket(family) as plain:
                plain.settimeout(PATIENCE)
                plain.connect(address)
                with alice.wrap_socket(plain, server_hostname="localhost") as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    assert [asked.header("X-Real-IP") for asked in app.asked] == ["127.0.0.1", other, "unix"]


def test_a_folder_of_files(folder: Path, visitors: Visitors) -> None:
    """For those who are let in, and for nobody else."""
    (folder / "www").mkdir()
    (folder / "www" / "index.html").write_text("<p>home")
    alice = visitors.context("alice")
    with Gate(folder, "static:www") as gate:
        status, headers, content = gate.request(alice, headers={"Cookie": "c" * 9000})
        assert (status, content, headers["cache-control"]) == (200, b"<p>home", "private, no-cache")
        assert "server" not in headers
        status, headers, content = gate.request(alice, target="/../ca.crt")
        assert (status, headers["content-type"]) == (404, "application/problem+json")
        number = json.loads(content)["request_id"]
        assert headers["x-request-id"] == number
        status, headers, content = gate.request(alice, "OPTIONS", "*", headers={"Accept": "text/html"})
        assert (status, headers["content-type"]) == (405, "text/html; charset=utf-8")
        assert "server" not in headers
        assert gate.request(visitors.context("nobody"))[0] == 403
        assert gate.logged(4)[1]["request_id"] == number


@contextmanager
def tls_app(visitors: Visitors) -> Iterator[App]:
    """An app that itself asks for a certificate, and says whose it got."""

    async def who(request: web.Request) -> web.Response:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert")
        return web.Response(text=str(certificate["subject"] if certificate else None))

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(visitors.folder / "ca.crt"))
    context.load_cert_chain(visitors.certificate("server"), visitors.key("server"))
    context.verify_mode = ssl.CERT_OPTIONAL
    with App(who, tls=context) as app:
        yield app


def test_an_app_over_tls(folder: Path, visitors: Visitors) -> None:
    """Verified by its own authority and name; the gate shows a certificate of its own."""
    mine = f'certificate = "{visitors.certificate("alice")}"\nkey = "{visitors.key("alice")}"'
    alice = visitors.context("alice")
    with tls_app(visitors) as app:
        for upstream, answer in (
            (f'ca = "ca.crt"\nserver_name = "localhost"\n{mine}', (200, b"((('commonName', 'alice'),),)")),
            ('ca = "ca.crt"\nserver_name = "app.internal"', (502, None)),
        ):
            with Gate(folder, app.url, app=upstream) as gate:
                status, _, body = gate.request(alice)
                assert status == answer[0]
                assert answer[1] is None or body == answer[1]


def test_a_certificate_that_expires_while_its_connection_is_open(folder: Path, visitors: Visitors, app: App) -> None:
    """From that moment on, requests on the same connection are refused."""
    now = datetime.now(UTC)
    home = make_authority("Short CA", key_type=EC, now=now)
    (folder / "ca.crt").write_bytes(home.certificate_pem)
    with Gate(folder, app.url) as gate:
        for seconds in (2, 10, 30):  # more on a machine on which the first request comes too late
            brief = issue_client(home, "brief", key_type=EC, now=datetime.now(UTC), lifetime=timedelta(seconds=seconds))
            (folder / "brief.pem").write_bytes(brief.certificate_pem + brief.key_pem())
            holder = ssl.create_default_context(cafile=str(visitors.folder / "ca.crt"))
            holder.load_cert_chain(folder / "brief.pem")
            answers = answers_until_refused(gate, holder)
            assert b"\r\nGatekeeper-Reason: expired\r\n" in answers[-1]
            assert datetime.now(UTC) >= brief.certificate.not_valid_after_utc
            asked = len(app.asked)
            assert asked - len(answers) in {-1, 0}  # one may have been on its way to the app when the certificate ended
            assert len(answers_until_refused(gate, holder)) == 1
            assert len(app.asked) == asked
            if asked:
                break
    assert answers[0].startswith(b"HTTP/1.1 200 OK\r\n")


def answers_until_refused(gate: Gate, holder: ssl.SSLContext) -> list[bytes]:
    """Ask on one connection until the gate refuses and closes it."""
    answers: list[bytes] = []
    with gate.connect(holder) as connection:

        def refused() -> bool:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answers.append(connection.recv(65536))
            return answers[-1].startswith(b"HTTP/1.1 403 ")

        until(refused)
        assert connection.recv(1) == b""
    return answers


def test_a_renewed_authority_lets_in_whom_the_old_one_signed(folder: Path, visitors: Visitors, app: App) -> None:
    """ "Renewing a certificate is done by creating a new one": the same key and name, new dates."""
    now = datetime.now(UTC)
    old = make_authority("Home CA", key_type=EC, now=now - timedelta(days=300))
    laptop = issue_client(old, "laptop", key_type=EC, now=now)
    new = authority_from_key(old.key, old.certificate.subject, now=now)
    (folder / "ca.crt").write_bytes(new.certificate_pem)
    (folder / "laptop.pem").write_bytes(laptop.certificate_pem + laptop.key_pem())
    holder = ssl.create_default_context(cafile=str(visitors.folder / "ca.crt"))
    holder.load_cert_chain(folder / "laptop.pem")
    with Gate(folder, app.url) as gate:
        assert gate.request(holder)[0] == 200


@pytest.mark.parametrize("target", ["stdout", "stderr"])
def test_the_log_on_a_standard_stream(folder: Path, visitors: Visitors, app: App, target: str) -> None:
    """As containers want it: JSON lines, all of them written when the gate has stopped."""
    with Gate(folder, app.url, log=target) as gate:
        gate.request(visitors.context("alice"), target="/a")
        gate.request(visitors.context("nobody"), target="/b")
        gate.process.terminate()
        gate.wait()
        lines = gate.out if target == "stdout" else [line for line in gate.err if line.startswith("{")]
    assert [(json.loads(line)["target"], json.loads(line)["status"]) for line in lines] == [("/a", 200), ("/b", 403)]


def test_healthcheck(folder: Path, app: App) -> None:
    """`gatekeeper healthcheck` needs no curl in the container."""
    port = free_port()
    ask = [sys.executable, "-m", "gatekeeper", "healthcheck", "-c", str(folder / "gatekeeper.toml")]
    with Gate(folder, app.url, admin=f"127.0.0.1:{port}"):
        assert subprocess.run(ask, cwd=ROOT, env=os.environ, capture_output=True, timeout=PATIENCE).returncode == 0
    assert subprocess.run(ask, cwd=ROOT, env=os.environ, capture_output=True, timeout=PATIENCE).returncode == 1
