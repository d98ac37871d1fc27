"""Clients whose TLS is neither OpenSSL's nor a browser's: GnuTLS, NSS, wolfSSL.

The gate's server certificate has an RSA key, as `gatekeeper ca server` makes it; its only group is one that no client
sends a share of, so that a handshake of TLS 1.3 has a HelloRetryRequest (RFC 8446, 4.1.4); and sessions are resumed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gatekeeper.ca.authority import make_authority
from gatekeeper.ca.certificates import issue_client, issue_server
from tests.app import App
from tests.gate_process import PATIENCE, Gate
from tests.tools import needs, needs_file

PROGRAMS = Path(__file__).parent / "programs"
EC, RSA = "ec:p384", "rsa:2048"
REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n"
CLOSE = "Connection: close\r\n"
OK, FORBIDDEN = "HTTP/1.1 200 OK", "HTTP/1.1 403 Forbidden"
VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])
EACH = [("ec", OK), ("rsa", OK), ("foreign", FORBIDDEN), ("expired", FORBIDDEN), ("nobody", FORBIDDEN)]
WHO = pytest.mark.parametrize(("name", "status"), [*EACH, ("ed25519", OK)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME.crt and NAME.key for each client and the server."""
    folder, now = tmp_path_factory.mktemp("others"), datetime.now(UTC)
    home, elsewhere = make_authority("Home CA", key_type=EC, now=now), make_authority("Away CA", key_type=EC, now=now)
    (folder / "ca.crt").write_bytes(home.certificate_pem)
    long_ago, day = now - timedelta(days=9), timedelta(days=1)
    made = {
        "server": issue_server(home, "localhost", key_type=RSA, now=now),
        "ec": issue_client(home, "ec", key_type=EC, now=now),
        "rsa": issue_client(home, "rsa", key_type=RSA, now=now),
        "ed25519": issue_client(home, "ed25519", key_type="ed25519", now=now),
        "foreign": issue_client(elsewhere, "foreign", key_type=EC, now=now),
        "expired": issue_client(home, "expired", key_type=EC, now=long_ago, lifetime=day),
    }
    for name, credential in made.items():
        (folder / f"{name}.crt").write_bytes(credential.chain_pem)
        (folder / f"{name}.key").write_bytes(credential.key_pem())
        if name not in ("server", "ed25519"):  # NSS knows no such keys
            (folder / f"{name}.p12").write_bytes(credential.bundle("a password"))
    return folder


@pytest.fixture(scope="module")
def gate(folder: Path) -> Iterator[Gate]:
    server, client_auth = 'groups = "P-384"', "session_resumption = true"
    with App() as app, Gate(folder, app.url, server=server, client_auth=client_auth) as gate:
        yield gate


def run(*command: str, said: str = "") -> str:
    """What it prints. Its standard input stays open, for the end of that would be its own."""
    needs(command[0])
    reading, writing = os.pipe()
    try:
        os.write(writing, said.encode())
        done = subprocess.run(command, stdin=reading, capture_output=True, text=True, timeout=PATIENCE)
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def gnutls(gate: Gate, name: str, version: str, *options: str) -> list[str]:
    """The command of a client that sends its certificate whatever authorities the gate names."""
    who = [] if name == "nobody" else ["--x509certfile", f"{gate.folder}/{name}.crt", "--x509keyfile"]
    who += [f"{gate.folder}/{name}.key"] * bool(who)
    versions = f"NORMAL:-VERS-ALL:+VERS-TLS{version}"
    trusted = ["--x509cafile", f"{gate.folder}/ca.crt", "--priority", versions, "--port", str(gate.port)]
    return ["gnutls-cli", *trusted, *who, *options, "localhost"]


@VERSIONS
@WHO
def test_gnutls(gate: Gate, version: str, name: str, status: str) -> None:
    """git, apt, Wget, lftp, ffmpeg and GNOME on Debian."""
    said = run(*gnutls(gate, name, version), said=REQUEST.format(CLOSE))
    assert f"(TLS{version}-X.509)-(ECDHE-SECP384R1)" in said
    assert status in said


@VERSIONS
def test_gnutls_resumes(gate: Gate, version: str) -> None:
    """Once it has read the first answer."""
    needs("gnutls-cli")
    command = gnutls(gate, "rsa", version, "--inline-commands")
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdin is not None
    assert client.stdout is not None
    with client:
        client.stdin.write(REQUEST.format(""))
        client.stdin.flush()
        assert any("GET /: 0 bytes" in line for line in iter(client.stdout.readline, ""))
        client.stdin.write("^resume^\n" + REQUEST.format(CLOSE))
        client.stdin.flush()
        said = client.stdout.read()
    assert "This is a resumed session" in said
    assert OK in said


@pytest.fixture(scope="module")
def database(folder: Path) -> str:
    """NSS's own store of certificates and keys."""
    needs("certutil", "pk12util", "tstclnt")
    (folder / "database").mkdir()
    database = f"sql:{folder}/database"
    run("certutil", "-N", "-d", database, "--empty-password")
    for name in ("ec", "rsa", "foreign", "expired"):
        run("pk12util", "-i", f"{folder}/{name}.p12", "-d", database, "-W", "a password")
    run("certutil", "-A", "-d", database, "-n", "home", "-t", "C,,", "-i", f"{folder}/ca.crt")
    (folder / "request").write_text(REQUEST.format(CLOSE))
    return database


def nss(gate: Gate, database: str, name: str, version: str, *options: str) -> str:
    versions, who = f"tls{version}:tls{version}", "none" if name == "nobody" else name
    where = ("-4", "-h", "localhost", "-p", str(gate.port), "-d", database, "-A", f"{gate.folder}/request")
    return run("tstclnt", *where, "-V", versions, "-n", who, *options)


@VERSIONS
@pytest.mark.parametrize(("name", "status"), EACH)
def test_nss(gate: Gate, database: str, version: str, name: str, status: str) -> None:
    """Programs that verify the gate's certificate by NSS itself, which browsers do not."""
    assert status in nss(gate, database, name, version)


@VERSIONS
def test_nss_resumes(gate: Gate, database: str, version: str) -> None:
    """A second connection after the first."""
    said = nss(gate, database, "ec", version, "-L", "2")
    assert said.count(OK) == 2
    assert "1 cache hits" in said


def wolfssl(gate: Gate, name: str, version: str) -> list[str]:
    library = needs_file("libwolfssl.so.*", "/usr/lib/*", "/usr/lib64", "/usr/lib")
    who = ("", "") if name == "nobody" else (f"{gate.folder}/{name}.crt", f"{gate.folder}/{name}.key")
    command = (sys.executable, str(PROGRAMS / "ask_wolfssl.py"), str(library), str(gate.port), version)
    return run(*command, f"{gate.folder}/ca.crt", *who).splitlines()


@VERSIONS
@WHO
def test_wolfssl(gate: Gate, version: str, name: str, status: str) -> None:
    """Small devices. Who was let in resumes, and nobody else."""
    second = "resumed" if status == OK else "full"
    assert wolfssl(gate, name, version) == [f"TLSv{version} full {status}", f"TLSv{version} {second} {status}"]
