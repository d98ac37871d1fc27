"""From files to a context: what is trusted, what is announced, and every mistake in a plain sentence."""

import inspect
import os
import re
import ssl
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from gatekeeper.errors import BindingError, ConfigurationError
from gatekeeper.gate.certificate import read_certificate
from gatekeeper.tls.build import check_openssl
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import ServerContext, new_ssl_context
from gatekeeper.tls.files import AuthorityFiles
from gatekeeper.tls.suites import Suites
from tests.certificates import (
    CLIENT,
    DAY,
    NOW,
    SERVER,
    Holder,
    as_v1,
    make,
    make_authority,
    make_client,
    make_server,
    named,
)
from tests.tls.building import built
from tests.tls.scene import VERSIONS, Scene, Visitor


class Files:
    """A folder with everything in order, in which a test then breaks something."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = make_authority("Home CA")
        self.server = make_server("gate.example.com")
        self.certificate, self.key = self.server.write(folder, "server")
        self.ca = self.write("ca.crt", self.authority.certificate_pem)

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def build(self, **changes: Any) -> ServerContext:
        arguments: dict[str, Any] = {"certificate": self.certificate, "key": self.key, "ca": [self.ca]}
        return built(**(arguments | changes))

    def mistakes(self, **changes: Any) -> list[tuple[str, str]]:
        with pytest.raises(ConfigurationError) as caught:
            self.build(**changes)
        return [(mistake.key, mistake.message.replace(f"{self.folder}/", "")) for mistake in caught.value.mistakes]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


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


# -- mistakes


def test_no_authority_means_nobody_and_is_refused(files: Files) -> None:
    """Neither "no authentication" nor "the system's authorities": the gate does not start."""
    (mistake,) = files.mistakes(ca=[])
    assert mistake == ("client_auth.ca", "names no certificate authority, so the gate could never admit anybody")


CONTENTS = {
    b"": "is empty",
    b" \n": "is empty",
    b"hello": "holds no PEM certificate",
    b"\x30\x82\x01\x00": "holds no PEM certificate; it looks like DER or PKCS#12; convert it to PEM",
    b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": (
        "holds a certificate that cannot be read (the 1st in it): "
    ),
    b"-----BEGIN PRIVATE KEY-----\n": "holds no PEM certificate, but a private key",
    b"-----BEGIN CERTIFICATE REQUEST-----\n": "holds no PEM certificate, but a signing request (CSR)",
    b"-----BEGIN X509 CRL-----\n": "holds no PEM certificate, but a revocation list (CRL)",
    b"-----BEGIN TRUSTED CERTIFICATE-----\n": "holds no PEM certificate, but OpenSSL's own TRUSTED CERTIFICATE format",
    b"-----BEGIN PKCS7-----\n": "holds no PEM certificate, but a PKCS#7 bundle",
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(("argument", "key"), [("ca", "client_auth.ca"), ("certificate", "server.certificate")])
def test_files_without_a_certificate(files: Files, content: bytes, argument: str, key: str) -> None:
    """What the file holds instead is said, and nothing is built."""
    path = files.write("wrong", content)
    (mistake,) = files.mistakes(**{argument: [path] if argument == "ca" else path})
    assert mistake[0] == key
    assert mistake[1].startswith(f"wrong {CONTENTS[content]}")


@pytest.mark.parametrize("argument", ["certificate", "key", "key_passphrase_file"])
def test_files_that_cannot_be_read(files: Files, argument: str) -> None:
    """Missing, a directory, or not for us."""
    key = f"server.{argument}"
    assert files.mistakes(**{argument: files.folder / "nowhere"}) == [(key, "nowhere does not exist")]
    (files.folder / "folder").mkdir()
    assert files.mistakes(**{argument: files.folder / "folder"}) == [(key, "folder is a directory, not a file")]
    if os.geteuid():
        locked = files.write("locked", b"x")
        locked.chmod(0)
        assert files.mistakes(**{argument: locked}) == [(key, "locked cannot be read: Permission denied")]


def test_a_device_is_not_read_for_ever(files: Files) -> None:
    """/dev/zero has no end."""
    assert files.mistakes(ca=[Path("/dev/zero")]) == [("client_auth.ca", "/dev/zero is too large")]


def _ca(**usages: bool) -> Holder:
    names = inspect.signature(x509.KeyUsage).parameters
    usage = x509.KeyUsage(**{name: usages.get(name, False) for name in names})
    return make(named("Some CA"), extensions=[(x509.BasicConstraints(True, None), True), (usage, True)])


NOT_AUTHORITIES = {
    "a client": (
        lambda s: make_client("alice", s),
        "CN=alice is not a certificate authority (its basic constraints say CA:FALSE)",
    ),
    "v3 without basic constraints": (
        lambda _: make(named("Plain")),
        "CN=Plain is not a certificate authority (it has no basic constraints)",
    ),
    "v1 signed by another": (
        lambda s: as_v1(make(named("Old"), s), s),
        "CN=Old is not a certificate authority (it has no basic constraints)",
    ),
    "no keyCertSign": (
        lambda _: _ca(digital_signature=True),
        "CN=Some CA must not sign certificates (its key usage lacks keyCertSign)",
    ),
    "for servers only": (
        lambda _: make(
            named("Web CA"),
            extensions=[(x509.BasicConstraints(True, None), True), (x509.ExtendedKeyUsage([SERVER]), False)],
        ),
        "CN=Web CA must not issue client certificates (its extended key usage lacks clientAuth)",
    ),
    "without a name": (
        lambda _: make(x509.Name([])),
        "a certificate without a name is not a certificate authority (it has no basic constraints)",
    ),
}


@pytest.mark.parametrize("kind", NOT_AUTHORITIES)
def test_certificates_that_are_no_authority(files: Files, kind: str) -> None:
    """Refused at the start, even next to a good one, and OpenSSL indeed takes no client certificate from it."""
    make_holder, sentence = NOT_AUTHORITIES[kind]
    holder = make_holder(files.authority)
    bundle = files.write("bundle.crt", files.authority.certificate_pem + holder.certificate_pem)
    (mistake,) = files.mistakes(ca=[bundle])
    assert mistake == (
        "client_auth.ca",
        "bundle.crt: " + re.sub(r" (is not|must not)", r" (the 2nd in it) \1", sentence, count=1),
    )
    assert not _openssl_trusts(files, holder)


@pytest.mark.parametrize("usages", [{"key_cert_sign": True}, {"key_cert_sign": True, "crl_sign": True}])
def test_the_usual_key_usages_are_fine(files: Files, usages: dict[str, bool]) -> None:
    """The near miss: with keyCertSign it is an authority."""
    holder = _ca(**usages)
    assert files.build(ca=[files.write("some.crt", holder.certificate_pem)])
    assert _openssl_trusts(files, holder)


def _openssl_trusts(files: Files, issuer: Holder) -> bool:
    """Whether OpenSSL, asked without our own checks, takes a client certificate from ``issuer``."""
    context = replace(files.build(), authorities=(read_certificate(issuer.der),))
    context.ssl_context.load_verify_locations(cadata=issuer.der)
    Visitor(make_client("alice", issuer, [CLIENT])).shake_hands(server := TLSConnection(context))
    return not server.peer.errors


def test_a_key_that_does_not_fit(files: Files) -> None:
    """Another key of the same kind, or of another kind: the same sentence."""
    for number, other in enumerate((make_server("x"), make_server("x", key=rsa.generate_private_key(65537, 2048)))):
        key = files.write(f"{number}.key", other.key_pem())
        sentence = f"{number}.key is not the key of the first certificate in server.crt"
        assert files.mistakes(key=key) == [("server.key", sentence)]


def test_a_chain_in_the_wrong_order(files: Files) -> None:
    """The server's own certificate must come first."""
    root = make_authority("Web Root")
    chain = files.write("chain.crt", root.certificate_pem + files.server.certificate_pem)
    sentence = "server.key is not the key of the first certificate in chain.crt"
    assert files.mistakes(certificate=chain) == [("server.key", sentence)]


def test_a_key_file_with_a_certificate(files: Files) -> None:
    """The two settings swapped."""
    assert files.mistakes(certificate=files.key, key=files.certificate) == [
        ("server.certificate", "server.key holds no PEM certificate, but a private key"),
        ("server.key", "server.crt holds no PEM private key, but a certificate"),
    ]


def test_passphrases(files: Files) -> None:
    """None, a wrong one, an empty one, one too long: each has its sentence, and nothing ever asks on a terminal."""
    key = files.write("locked.key", files.server.key_pem(b"open sesame"))
    assert files.mistakes(key=key) == [
        ("server.key", "locked.key is encrypted; name a file with its passphrase in server.key_passphrase_file")
    ]
    wrong = files.write("wrong", b"open barley")
    assert files.mistakes(key=key, key_passphrase_file=wrong) == [
        (
            "server.key",
            "locked.key cannot be opened; the passphrase in server.key_passphrase_file is wrong, or the key is damaged",
        )
    ]
    for content in (b"\nsecond", b"x" * 1025):
        assert files.mistakes(key=key, key_passphrase_file=files.write("odd", content)) == [
            ("server.key_passphrase_file", "the first line of odd must be a passphrase of 1 to 1024 bytes")
        ]


def test_a_damaged_key(files: Files) -> None:
    """What OpenSSL cannot read is said to be so."""
    lines = files.server.key_pem().splitlines(keepends=True)
    damaged = files.write("damaged.key", b"".join(lines[:1] + lines[2:]))
    sentence = "damaged.key cannot be opened; it is damaged, or of a kind that OpenSSL does not know"
    assert files.mistakes(key=damaged) == [("server.key", sentence)]


def test_a_weak_key(files: Files) -> None:
    """OpenSSL's own words where it has some."""
    weak = make_server("gate.example.com", key=rsa.generate_private_key(65537, 1024))
    certificate, key = weak.write(files.folder, "weak")
    sentence = "weak.crt and weak.key cannot be used: ee key too small"
    assert files.mistakes(certificate=certificate, key=key) == [("server.key", sentence)]


def test_every_mistake_at_once(files: Files) -> None:
    """Nobody has to start five times to find five mistakes."""
    alice = make_client("alice", files.authority)
    found = files.mistakes(
        certificate=files.folder / "none.crt",
        key=files.folder / "none.key",
        key_passphrase_file=files.folder / "none.txt",
        ca=[files.folder / "none.ca", files.write("alice.crt", alice.certificate_pem)],
    )
    assert sorted(key for key, _ in found) == [
        "client_auth.ca",
        "client_auth.ca",
        "server.certificate",
        "server.key",
        "server.key_passphrase_file",
    ]


def test_what_is_wrong_with_the_authorities_of_a_host_is_told_by_their_key(files: Files) -> None:
    """With the index of the table; its authority is trusted beside the others in the handshake, and alone there."""
    more = make_authority("Partner CA")
    hosts = [AuthorityFiles("client_auth.hosts[0]", ("b.example.org",), (files.write("p.crt", more.certificate_pem),))]
    context = files.build(hosts=hosts)
    assert [one.der for one in context.authorities] == [files.authority.der, more.der]
    assert context.elsewhere is not None
    assert [one.der for one in context.elsewhere.authorities] == [files.authority.der]
    assert [[one.der for one in host.tls.authorities] for host in context.hosts] == [[more.der]]
    hosts = [AuthorityFiles("client_auth.hosts[0]", ("b.example.org",), (files.certificate,))]
    assert [key for key, _ in files.mistakes(hosts=hosts)] == ["client_auth.hosts[0].ca"] * 2


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
