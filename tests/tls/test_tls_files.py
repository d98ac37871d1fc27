"""gatekeeper.tls.files: every mistake in a file, in a plain sentence."""

import inspect
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.files import AuthorityFiles
from tests.certificates import (
    CLIENT,
    SERVER,
    Holder,
    as_v1,
    make,
    make_authority,
    make_client,
    make_server,
    named,
)
from tests.tls.building import Files
from tests.tls.scene import Visitor


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


def test_an_authority_from_before_basic_constraints(files: Files) -> None:
    """Netscape's certificate type says so (SSL CA, bit 5), and OpenSSL believes it."""
    kind = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), b"\x03\x02\x02\x04")
    holder = make(named("Old CA"), extensions=[(kind, False)])
    assert files.build(ca=[files.write("old.crt", holder.certificate_pem)])
    assert _openssl_trusts(files, holder)


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
