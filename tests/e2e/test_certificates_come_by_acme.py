"""`[acme]`: the gate starts without a certificate, orders one from pebble, and shows it without a restart."""

import os
import pwd
import shutil
import signal
import ssl
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.acme.folder import ACMEFolder
from gatekeeper.acme.tls_alpn import challenge_certificate
from tests.app import App
from tests.e2e.pebble import EAB_KEY, Pebble, pebble
from tests.gate_process import Gate, configure, until
from tests.ports import free_port
from tests.tools import needs
from tests.visitors import Visitors

ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # RFC 8737, 6.1
TABLE = """
[acme]
domains = {domains}
email = "you@example.com"
directory = {directories}
accept_terms = true
folder = "acme"
challenge = "{challenge}"
ca = "{ca}"
{more}
"""


def acme(server: Pebble, *domains: str, challenge: str = "http-01", before: str = "", more: str = "") -> dict[str, Any]:
    """The parts of a configuration that has nothing but what it orders; ``before`` is a directory to ask first."""
    directories = [url for url in (before, server.directory) if url]
    table = TABLE.format(
        domains=list(domains), directories=directories, challenge=challenge, ca=server.ca, more=more
    ).replace("'", '"')
    return {
        "certificate": f'redirect = "127.0.0.1:{server.http_port}"' if challenge == "http-01" else "",
        "listen": f'"127.0.0.1:{server.tls_port}"',
        "tables": table,
    }


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def shown(gate: Gate, name: str = "gate.example.com") -> x509.Certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with gate.connect(context, name=name) as connection:
        return x509.load_der_x509_certificate(connection.getpeercert(True) or b"")


def is_of_pebble(gate: Gate, name: str = "gate.example.com") -> bool:
    return shown(gate, name).issuer.rfc4514_string().startswith("CN=Pebble")


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_an_ordered_certificate_is_shown(folder: Path, visitors: Visitors, challenge: str) -> None:
    """Two names and an address, though pebble refuses good nonces; a visitor that trusts its authority is let in."""
    with pebble(folder) as server, App() as behind:
        parts = acme(server, "gate.example.com", "localhost", "127.0.0.1", challenge=challenge)
        with Gate(folder, behind.url, **parts) as gate:
            gate.wait_for(lambda line: "acme: a new certificate for gate.example.com, localhost, 127.0.0.1" in line)
            until(lambda: is_of_pebble(gate))
            assert sorted(names(shown(gate))) == ["127.0.0.1", "gate.example.com", "localhost"]
            alice = visitors.context("alice")
            alice.load_verify_locations(cadata=server.root().public_bytes(Encoding.PEM).decode())
            assert gate.request(alice)[0] == 200
            name = "gatekeeper_acme_orders_total"
            issued = name + '{certificate="gate.example.com",result="issued"} 1\n'
            assert issued in gate.admin_text("/metrics")
            assert [one["directory"] for one in gate.admin("/status")[1]["acme"]] == [server.directory]


def test_the_gate_serves_while_its_directory_is_away(folder: Path, visitors: Visitors) -> None:
    """With a self-signed certificate for the name; its certificate comes when pebble does, to two workers alike."""
    port = free_port()
    with pebble(folder, port=port) as server:
        pass
    with App() as behind, Gate(folder, behind.url, **_with_workers(acme(server, "gate.example.com"))) as gate:
        gate.wait_for(lambda line: "acme: no certificate from" in line)
        until(lambda: ACMEFolder(folder / "acme").state.failed)
        assert names(shown(gate)) == ["gate.example.com"]
        assert [one["failures"] for one in gate.admin("/status")[1]["acme"]] == [1]
        assert ACMEFolder(folder / "acme").state.failed == 1
        with pebble(folder, port=port, http_port=server.http_port):
            (folder / "acme" / "state.json").unlink()  # five minutes pass; a worker that has just begun may look now
            gate.signal(signal.SIGHUP)  # looks at once
            gate.wait_for(lambda line: "acme: a new certificate for gate.example.com" in line)
            until(lambda: all(is_of_pebble(gate) for _ in range(8)))
            assert ACMEFolder(folder / "acme").state.issued == 1


def _with_workers(parts: dict[str, Any]) -> dict[str, Any]:
    return parts | {"server": "workers = 2"}


def test_the_next_directory_is_taken_and_it_knows_its_customers(folder: Path) -> None:
    """The first one is away; the second requires External Account Binding. Another name later is another order, by the
    same account.
    """
    (folder / "eab.key").write_text(f"{EAB_KEY}\n")
    eab = 'eab = { key_id = "kid-1", hmac_key_file = "eab.key" }'
    with pebble(folder, eab=True) as server, App() as behind:
        away = f"https://localhost:{free_port()}/dir"
        parts = acme(server, "gate.example.com", before=away, more=eab)
        with Gate(folder, behind.url, **parts) as gate:
            gate.wait_for(lambda line: f"acme: no certificate from {away}" in line)
            gate.wait_for(lambda line: f"acme: a new certificate for gate.example.com from {server.directory}" in line)
            account = ACMEFolder(folder / "acme").account(server.directory)
            configure(folder, behind.url, **acme(server, "gate.example.com", "b.example.com", more=eab))
            gate.signal(signal.SIGHUP)
            until(lambda: len(names(shown(gate))) == 2)
            assert ACMEFolder(folder / "acme").account(server.directory) == account


def test_openssl_validates_a_tls_alpn_challenge(folder: Path) -> None:
    """As an authority would: the digest by this protocol, the usual certificate by every other (RFC 8737, 3)."""
    needs("openssl")
    digest = bytes(range(32))
    with pebble(folder) as server, App() as behind:
        parts = acme(server, "gate.example.com", challenge="tls-alpn-01", before="https://localhost:1/dir")
        with Gate(folder, behind.url, **parts) as gate:
            until(lambda: is_of_pebble(gate))
            answer = challenge_certificate("gate.example.com", digest)
            ACMEFolder(folder / "acme").put_challenge_certificate("gate.example.com", answer)
            for protocol, carried in (("acme-tls/1", True), ("http/1.1", False)):
                text = s_client(gate.port, protocol)
                assert f"ALPN protocol: {protocol}".encode() in text
                certificate = x509.load_pem_x509_certificate(text[text.index(b"-----BEGIN CERTIFICATE") :])
                found = [one.value for one in certificate.extensions if one.oid == ACME_IDENTIFIER]
                assert [one.public_bytes() for one in found] == [b"\x04\x20" + digest] * carried


def s_client(port: int, protocol: str) -> bytes:
    """What openssl says of a handshake; the certificate that it met is in it."""
    target = ["-connect", f"127.0.0.1:{port}", "-servername", "gate.example.com", "-alpn", protocol]
    return subprocess.run(["openssl", "s_client", *target], input=b"", capture_output=True, check=False).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_workers_that_gave_up_root_order(folder: Path) -> None:
    """The folder is theirs; what they write there is shown by all of them, and root reads nothing of it for them."""
    nobody = pwd.getpwnam("nobody")
    with pebble(folder) as server, App() as behind, TemporaryDirectory() as theirs:
        shutil.copy(server.ca, theirs)
        os.chown(theirs, nobody.pw_uid, nobody.pw_gid)
        os.chmod(Path(theirs) / server.ca.name, 0o644)
        parts = acme(server, "gate.example.com")
        parts["tables"] = parts["tables"].replace(str(folder), theirs).replace('"acme"', f'"{theirs}"')
        with Gate(folder, behind.url, **parts | {"server": 'user = "nobody"\nworkers = 2'}) as gate:
            gate.wait_for(lambda line: "acme: a new certificate for gate.example.com" in line)
            until(lambda: all(is_of_pebble(gate) for _ in range(8)))
        assert {one.stat().st_uid for one in Path(theirs).iterdir() if one.name != server.ca.name} == {nobody.pw_uid}


def is_about(words: str, line: str) -> bool:
    return words in line


def are_of_pebble(gate: Gate, name: str) -> bool:
    """By each of the workers, as far as eight handshakes tell."""
    return all(is_of_pebble(gate, name) for _ in range(8))


def test_several_certificates_are_ordered_and_renewed_apart(folder: Path) -> None:
    """Two, by two workers: each for its own names, one order each, in one folder, with one account. When one is to be
    renewed, the other stays.
    """
    entry = 'workers = 2\ncertificates = [{ domains = ["www.example.com", "m.example.com"] }]'
    with pebble(folder) as server, App() as behind:
        parts = acme(server, "gate.example.com", challenge="tls-alpn-01") | {"server": entry}
        with Gate(folder, behind.url, **parts) as gate:
            home, www = (ACMEFolder(folder / "acme", lineage) for lineage in ("", "www.example.com"))
            for name, expected in (
                ("gate.example.com", ["gate.example.com"]),
                ("www.example.com", ["m.example.com", "www.example.com"]),
            ):
                gate.wait_for(partial(is_about, f"acme: a new certificate for {name}"))
                for one in expected:
                    until(partial(are_of_pebble, gate, one))
                    assert sorted(names(shown(gate, one))) == expected
            before = shown(gate), shown(gate, "www.example.com")
            www.write_state(replace(www.state, renew_at=1.0))
            gate.signal(signal.SIGHUP)  # looks at once
            until(lambda: www.state.issued == 2)
            until(lambda: all(shown(gate, "www.example.com") != before[1] for _ in range(8)))
            assert shown(gate) == before[0]
            assert (home.state.issued, home.state.failed, www.state.failed) == (1, 0, 0)
            assert len(list((folder / "acme" / "accounts").iterdir())) == 1
            text = gate.admin_text("/metrics")
            for name, count in (("gate.example.com", 1), ("www.example.com", 2)):
                assert f'gatekeeper_acme_orders_total{{certificate="{name}",result="issued"}} {count}\n' in text
            assert [one["names"][0] for one in gate.admin("/status")[1]["acme"]] == [
                "gate.example.com",
                "www.example.com",
            ]
