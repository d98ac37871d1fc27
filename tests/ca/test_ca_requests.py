"""gatekeeper.ca.requests"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gatekeeper.ca.keys import make_key
from gatekeeper.ca.requests import (
    check_common_name,
    check_request,
    grantable_subject,
    make_request,
    read_request,
    requested_subject,
)
from gatekeeper.ca.subject import make_subject
from gatekeeper.errors import AuthorityError
from gatekeeper.x509.request import RawRequest, parse_request
from tests.odd_requests import REFUSED, SIGNED


def asking(name: x509.Name, key: Any = None, algorithm: Any = None, **extensions: Any) -> RawRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions.values():
        builder = builder.add_extension(extension, critical=False)
    request = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), algorithm or hashes.SHA256())
    return parse_request(request.public_bytes(Encoding.DER))


def names(*values: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value) for value in values])


def test_a_good_request_gives_its_name() -> None:
    """One common name, a strong key, a fitting signature: the name comes back."""
    made = make_request(make_key("ec:p256"), make_subject("alice", emails=["a@example.com"]))
    request = read_request(made.public_bytes(Encoding.PEM), "alice.csr")
    assert check_request(request, "alice.csr") == "alice"
    assert [name.value for name in requested_subject(request).alternatives] == ["a@example.com"]


def test_both_encodings_are_read() -> None:
    """Requests come as PEM and as DER."""
    request = asking(names("alice"))
    assert read_request(request.der, "alice.csr") == read_request(request.pem, "alice.csr") == request


@pytest.mark.parametrize("label", ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])
def test_windows_label_is_read(label: str) -> None:
    """Windows and Java write NEW CERTIFICATE REQUEST."""
    pem = asking(names("alice")).pem.replace(b"CERTIFICATE REQUEST", label.encode())
    assert check_request(read_request(pem, "alice.csr"), "alice.csr") == "alice"


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE REQUEST-----\n"])
def test_what_is_no_request_is_a_sentence(content: bytes) -> None:
    """A file without a request is named."""
    with pytest.raises(AuthorityError, match=r"u\.csr holds no certificate signing request"):
        read_request(content, "u.csr")


@pytest.mark.parametrize("subject", [x509.Name([]), names(" "), names("   "), names("\u00a0")])
def test_a_blank_name_is_refused_with_the_command_that_helps(subject: x509.Name) -> None:
    """The recipe's trap: no common name, or a blank one, is refused at signing, and the sentence shows the fix."""
    with pytest.raises(AuthorityError) as caught:
        check_request(asking(subject), "user.csr")
    assert 'openssl req -new -key user.key -subj "/CN=alice" -out user.csr' in str(caught.value)


def test_two_names_are_refused() -> None:
    """With two common names it depends on the reader who somebody is."""
    with pytest.raises(AuthorityError, match="2 common names"):
        check_request(asking(names("alice", "root")), "user.csr")


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "\x1b[31mred", "a\u202eb"])
def test_names_that_do_not_print_are_refused(name: str) -> None:
    """Control characters and direction marks would forge log lines and pages."""
    with pytest.raises(AuthorityError, match="cannot be printed"):
        check_common_name(name)


def test_weak_rsa_is_refused() -> None:
    """RSA with 1024 bits is not certified."""
    with pytest.raises(AuthorityError, match="1024 bits"):
        check_request(asking(names("alice"), rsa.generate_private_key(65537, 1024)), "user.csr")


def test_a_weak_curve_is_refused() -> None:
    """A curve that browsers do not speak is not certified."""
    with pytest.raises(AuthorityError, match="secp256k1"):
        check_request(asking(names("alice"), ec.generate_private_key(ec.SECP256K1())), "user.csr")


def test_a_key_for_pss_alone_is_refused(tmp_path: Path, openssl: Callable[..., str]) -> None:
    """It would be certified as an ordinary RSA key, and its holder could not use the certificate."""
    openssl("genpkey", "-algorithm", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048", "-out", tmp_path / "u.key")
    openssl("req", "-new", "-key", tmp_path / "u.key", "-subj", "/CN=alice", "-out", tmp_path / "u.csr")
    with pytest.raises(AuthorityError, match="restricted to RSA-PSS"):
        check_request(read_request((tmp_path / "u.csr").read_bytes(), "u.csr"), "u.csr")


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_forgeable_hash_is_refused(digest: str, tmp_path: Path, openssl: Callable[..., str]) -> None:
    """A request signed over SHA-1 or MD5 proves nothing about the key."""
    openssl("req", "-new", f"-{digest}", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "u.key",
            "-subj", "/CN=alice", "-out", tmp_path / "u.csr")  # fmt: skip
    with pytest.raises(AuthorityError, match=f"signed with {digest.upper()}"):
        check_request(read_request((tmp_path / "u.csr").read_bytes(), "u.csr"), "u.csr")


def test_a_changed_request_is_refused() -> None:
    """The signature covers the name: who changes alice to admin breaks it."""
    der = asking(names("alice")).der.replace(b"alice", b"admin")
    with pytest.raises(AuthorityError, match="signature does not fit"):
        check_request(read_request(der, "u.csr"), "u.csr")


def test_a_kind_of_key_that_is_unknown_is_refused(tmp_path: Path, openssl: Callable[..., str]) -> None:
    """A request whose key no TLS client uses is a sentence, not a traceback."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1", "-nodes",
            "-keyout", tmp_path / "u.key", "-subj", "/CN=alice", "-out", tmp_path / "u.csr")  # fmt: skip
    with pytest.raises(AuthorityError, match=r"u\.csr is refused"):
        check_request(read_request((tmp_path / "u.csr").read_bytes(), "u.csr"), "u.csr")


def test_only_names_are_taken_from_what_is_requested() -> None:
    """CA:TRUE, key usages and foreign kinds of names in a request are not in what could ever be granted."""
    request = asking(
        names("alice"),
        constraints=x509.BasicConstraints(ca=True, path_length=None),
        alternatives=x509.SubjectAlternativeName([x509.RFC822Name("a@example.com"), x509.DirectoryName(names("root"))]),
    )
    wanted = requested_subject(request)
    assert wanted.alternatives == (x509.RFC822Name("a@example.com"),)


def test_openssl_verifies_our_requests(openssl: Callable[..., str]) -> None:
    """`openssl req -verify` accepts a request made here and prints its names."""
    request = make_request(make_key("ec:p256"), make_subject("alice", emails=["a@example.com"]))
    said = openssl("req", "-verify", "-noout", "-text", "-nameopt", "RFC2253", stdin=request.public_bytes(Encoding.PEM))
    assert "verify OK" in said
    assert "CN=alice" in said
    assert "email:a@example.com" in said


@pytest.mark.parametrize("kind", SIGNED)
def test_what_openssl_verifies_is_signed(kind: str, openssl: Callable[..., str]) -> None:
    """The common name is taken from it, and the key; what else it asks for may be as odd as it likes."""
    der, expected = SIGNED[kind]
    request = read_request(der, "u.csr")
    assert check_request(request, "u.csr") == expected
    # OpenSSL 3.5 reads no other version than 1 (RFC 2986, 4.1); 3.0 does not look.
    if not kind.startswith("version ") or "OpenSSL 3.0" in openssl("version"):
        assert "verify OK" in openssl("req", "-verify", "-noout", stdin=request.pem)


@pytest.mark.parametrize("kind", REFUSED)
def test_why_another_is_not_signed(kind: str) -> None:
    """The sentence is true: what cannot be decoded is not called changed, nor the reverse."""
    der, words = REFUSED[kind]
    with pytest.raises(AuthorityError, match=re.escape(words)):
        check_request(read_request(der, "u.csr"), "u.csr")


def test_names_are_granted_from_microsofts_number_too() -> None:
    """certreq writes the extensions under 1.3.6.1.4.1.311.2.1.14."""
    for kind in ("the attributes of Microsoft", "Microsoft's number for the extensions"):
        wanted = grantable_subject(read_request(SIGNED[kind][0], "u.csr"), "u.csr")
        assert [name.value for name in wanted.alternatives] == ["alice@example.com", "laptop.example.com"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("an organization that cannot be decoded", "asks for names that cannot be read: O;"),
        ("an extension twice", ""),
        ("an extension that cannot be read", "asks for names that cannot be read: the alternative names;"),
        ("extensions that cannot be read", "asks for names that cannot be read: the alternative names;"),
        ("an accent in an alternative name", "asks for names that cannot be read: the alternative names;"),
        ("a country of three letters", "asks for what cannot stand in a certificate: "),
    ],
)
def test_all_that_is_asked_for_is_granted_or_refused(kind: str, words: str) -> None:
    """With ``--as-requested``, nothing is left out silently, and nothing is made that strict programs cannot read."""
    request = read_request(SIGNED[kind][0], "u.csr")
    if not words:
        assert grantable_subject(request, "u.csr").alternatives == ()
        return
    with pytest.raises(AuthorityError, match=re.escape(words)):
        grantable_subject(request, "u.csr")
