"""From files to a context: what is trusted, what is announced, and what OpenSSL must be able to do."""

import ssl
from ipaddress import ip_address
from types import SimpleNamespace
from typing import NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gatekeeper.errors import BindingError, ConfigurationError
from gatekeeper.tls.build import check_openssl
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext, new_ssl_context
from gatekeeper.tls.files import AuthorityFiles
from gatekeeper.tls.suites import Suites
from tests.certificates import (
    DAY,
    NOW,
    as_v1,
    make,
    make_authority,
    make_client,
    make_server,
    named,
)
from tests.tls.building import Files
from tests.tls.scene import VERSIONS, Scene, Visitor

# -- what comes of good files


def test_exactly_the_bundle_is_trusted(files: Files) -> None:
    """Two authorities in one file and one in another make three, and the system's are not among them."""
    second, third = make_authority("Second CA"), make_authority("Third CA")
    more = files.write("more.crt", b"# a comment\n" + second.certificate_pem + third.certificate_pem)
    gate = files.build(ca=[files.ca, more])
    trusted = set(gate.ssl_context.get_ca_certs(binary_form=True))
    assert trusted == {files.authority.der, second.der, third.der}
    assert [authority.common_name for authority in gate.authorities] == ["Home CA", "Second CA", "Third CA"]


def test_the_system_is_not_asked(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL's environment variables for its default authorities change nothing."""
    foreign = make_authority("Foreign CA")
    monkeypatch.setenv("SSL_CERT_FILE", str(files.write("foreign.crt", foreign.certificate_pem)))
    server = TLSConnection(files.build())
    Visitor(make_client("mallory", foreign)).shake_hands(server)
    assert server.peer.errors


def test_facts(files: Files) -> None:
    """What the server's certificate says can be shown without reading it again."""
    gate = files.build()
    assert (gate.certificate.subject, gate.certificate.dns_names) == ("CN=gate.example.com", ("gate.example.com",))
    assert gate.certificate.not_after == (NOW + 30 * DAY).timestamp()
    assert gate.warnings == ()


def test_a_v1_authority_that_signed_itself_is_one(files: Files) -> None:
    """OpenSSL takes it as a root, so gatekeeper does, and its clients are let in."""
    unsigned = make(named("Old CA"))
    old = as_v1(unsigned, unsigned)
    server = TLSConnection(files.build(ca=[files.write("old.crt", old.certificate_pem)]))
    Visitor(make_client("alice", old)).shake_hands(server)
    assert server.peer.leaf
    assert not server.peer.errors


def test_the_servers_chain_is_sent(files: Files) -> None:
    """A certificate file with its intermediate gives both to the visitor."""
    intermediate = make_authority("Web Intermediate", make_authority("Web Root"))
    server = make_server("gate.example.com", intermediate, chain=(intermediate.certificate,))
    certificate, key = server.write(files.folder, "chained")
    visitor = Visitor(version=VERSIONS[0])
    flight = visitor.shake_hands(TLSConnection(files.build(certificate=certificate, key=key)))
    assert server.der in flight
    assert intermediate.der in flight


def test_nothing_is_added_to_the_servers_chain(files: Files) -> None:
    """The authority for clients has signed the server's certificate too, and is not shown to visitors with it."""
    certificate, key = make_server("gate.example.com", files.authority).write(files.folder, "own")
    gate = files.build(certificate=certificate, key=key)
    flight = Visitor(version=VERSIONS[0]).shake_hands(TLSConnection(gate))
    assert gate.certificate.der in flight
    assert files.authority.der not in flight


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key(files: Files, form: PrivateFormat) -> None:
    """Both PEM forms open with the first line of the passphrase file, whatever ends the line."""
    encrypted = files.server.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"open sesame"))
    passphrase = files.write("passphrase", b"open sesame\r\nsecond line\n")
    gate = files.build(key=files.write("encrypted.key", encrypted), key_passphrase_file=passphrase)
    Visitor().shake_hands(server := TLSConnection(gate))
    assert server.established


def test_certificate_and_key_in_one_file(files: Files) -> None:
    """As HAProxy wants it."""
    combined = files.write("both.pem", files.server.key_pem() + files.server.certificate_pem)
    assert files.build(certificate=combined, key=combined).certificate.common_name == "gate.example.com"


@pytest.mark.parametrize("advertise", [True, False])
def test_the_names_of_the_authorities_are_announced(scene: Scene, advertise: bool) -> None:
    """The CertificateRequest of TLS 1.2, which travels in the clear, holds each subject name, or none."""
    authorities = make_authority("First CA"), make_authority("Second CA")
    visitor = Visitor(version=VERSIONS[0])
    flight = visitor.shake_hands(TLSConnection(scene.gate(*authorities, advertise_ca=advertise)))
    assert [a.certificate.subject.public_bytes() in flight for a in authorities] == [advertise] * 2


def test_warnings(files: Files) -> None:
    """Expired certificates keep nobody from starting, but are pointed out."""
    old = make_authority("Old CA", starts=NOW - 9 * DAY, ends=NOW - DAY)
    server = make_server("gate.example.com", starts=NOW + DAY)
    certificate, key = server.write(files.folder, "early")
    gate = files.build(ca=[files.write("old.crt", old.certificate_pem)], certificate=certificate, key=key)
    server_says, authority_says = gate.warnings
    assert server_says == "the server's certificate CN=gate.example.com is not valid yet"
    assert authority_says.startswith("the client CA CN=Old CA ended on ")
    assert "from then on everyone with a certificate from it is refused; make the next one" in authority_says


def test_a_server_certificate_that_every_client_refuses_is_warned_of(files: Files) -> None:
    """OpenSSL serves a client's certificate; no client takes it (RFC 5280, 4.2.1.12; RFC 9110, 4.3.4)."""
    certificate, key = make_client("alice", None).write(files.folder, "client")
    purpose, names = files.build(certificate=certificate, key=key).warnings
    assert purpose.startswith(
        "server.certificate: CN=alice is not for servers (its extended key usage lacks serverAuth)"
    )
    assert names.startswith("server.certificate: CN=alice carries neither a host name nor an address (subjectAltName)")
    assert names.endswith("refuse to connect; make one with gatekeeper ca server, or order one by [acme]")


def test_a_server_certificate_for_any_purpose_or_an_address_is_good(files: Files) -> None:
    """Neither an extended key usage nor a host name is needed."""
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    for purposes in ([], [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])]):
        made = make(named("gate"), None, extensions=[(one, False) for one in (address, *purposes)])
        certificate, key = made.write(files.folder, "server")
        assert files.build(certificate=certificate, key=key).warnings == ()


# -- what is switched off


def test_a_connection_that_is_cut_off_was_not_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Python begins with: up to 3.11.2 it does not tell the two apart."""
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    careless.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
    module = SimpleNamespace(**vars(ssl) | {"SSLContext": lambda _: careless})
    monkeypatch.setattr("gatekeeper.tls.context.ssl", module)
    assert not new_ssl_context().options & ssl.OP_IGNORE_UNEXPECTED_EOF


def test_the_settings_of_the_context(gate: ServerContext) -> None:
    """No renegotiation, no compression, no tickets, TLS 1.2 at least, forward secrecy and AEAD only."""
    context = gate.ssl_context
    for option in (ssl.OP_NO_RENEGOTIATION, ssl.OP_NO_COMPRESSION, ssl.OP_NO_TICKET):
        assert context.options & option
    assert (context.minimum_version, context.num_tickets) == (ssl.TLSVersion.TLSv1_2, 0)
    assert not context.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert context.verify_mode is ssl.CERT_OPTIONAL
    for suite in context.get_ciphers():
        assert suite["aead"]
        assert suite["protocol"] == "TLSv1.3" or "ECDHE" in suite["name"]


# -- what OpenSSL must be able to do


def test_hosts_with_their_own_authorities_need_openssls_functions(files: Files) -> None:
    """Without them nothing can be verified again; so nothing starts that would let in everybody everywhere."""

    def no_binding() -> NoReturn:
        raise BindingError("it is not there")

    hosts = [AuthorityFiles("client_auth.hosts[0]", ("b.example.org",), (files.ca,))]
    assert files.mistakes(hosts=hosts, binding=no_binding) == [
        ("client_auth.hosts", "cannot be used, because it is not there")
    ]


def test_what_openssl_cannot_do_is_told_at_once(files: Files) -> None:
    """Whatever the files hold: by `build_context` too, for the first of them, since nothing may start without it."""

    def no_binding() -> NoReturn:
        raise BindingError("it is not there")

    with pytest.raises(ConfigurationError) as caught:
        check_openssl(Suites(groups=("P-256",)), hosts=True, challenges=True, binding=no_binding)
    assert [(one.key, one.message) for one in caught.value.mistakes] == [
        ("client_auth.hosts", "cannot be used, because it is not there"),
        ("acme.challenge", "cannot be tls-alpn-01, because it is not there"),
        ("server.groups", "cannot be used, because it is not there"),
    ]
    check_openssl(Suites(), hosts=False, challenges=False, binding=no_binding)
    check_openssl(Suites(), hosts=True, challenges=True)
    assert files.mistakes(challenges=lambda name: None, binding=no_binding) == [
        ("acme.challenge", "cannot be tls-alpn-01, because it is not there")
    ]
