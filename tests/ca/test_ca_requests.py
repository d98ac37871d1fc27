"""gatekeeper.ca.requests"""

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
from gatekeeper.ca.requests import check_common_name, check_request, make_request, read_request, requested_subject
from gatekeeper.ca.subject import make_subject
from gatekeeper.errors import AuthorityError


def asking(
    name: x509.Name, key: Any = None, algorithm: Any = None, **extensions: Any
) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for extension in extensions.values():
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), algorithm or hashes.SHA256())


def names(*values: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value) for value in values])


def test_a_good_request_gives_its_name() -> None:
    """One common name, a strong key, a fitting signature: the name comes back."""
    request = make_request(make_key("ec:p256"), make_subject("alice", emails=["a@example.com"]))
    assert check_request(request, "alice.csr") == "alice"
    assert [name.value for name in requested_subject(request).alternatives] == ["a@example.com"]


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_both_encodings_are_read(encoding: Encoding) -> None:
    """Requests come as PEM and as DER."""
    request = asking(names("alice"))
    assert read_request(request.public_bytes(encoding), "alice.csr") == request


@pytest.mark.parametrize("label", ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"])
def test_windows_label_is_read(label: str) -> None:
    """Windows and Java write NEW CERTIFICATE REQUEST."""
    pem = asking(names("alice")).public_bytes(Encoding.PEM).replace(b"CERTIFICATE REQUEST", label.encode())
    assert check_request(read_request(pem, "alice.csr"), "alice.csr") == "alice"


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE REQUEST-----\n"])
def test_what_is_no_request_is_a_sentence(content: bytes) -> None:
    """A file without a request is named."""
    with pytest.raises(AuthorityError, match=r"u\.csr holds no certificate signing request"):
        read_request(content, "u.csr")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x0c\x05alice", b"\x0c\x05al\xff\xfee"),
        (b"\x0c\x05alice", b"\x14\x05al\xfcce"),
        (b"\x0c\x05alice", b"\x02\x05alice"),
        (b"\x55\x1d\x13", b"\x55\x1d\x11"),
    ],
    ids=["not UTF-8", "T61String", "a number", "the same extension twice"],
)
def test_names_that_cannot_be_read_are_a_sentence(old: bytes, new: bytes) -> None:
    """A request is parsed whole before anything is believed of it, and is never a traceback."""
    request = asking(
        names("alice"),
        alternatives=x509.SubjectAlternativeName([x509.DNSName("a")]),
        constraints=x509.BasicConstraints(ca=False, path_length=None),
    )
    der = request.public_bytes(Encoding.DER)
    with pytest.raises(AuthorityError, match=r"u\.csr is refused: its names or extensions cannot be read"):
        read_request(der.replace(old, new), "u.csr")


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
    der = asking(names("alice")).public_bytes(Encoding.DER).replace(b"alice", b"admin")
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
    said = openssl("req", "-verify", "-noout", "-text", stdin=request.public_bytes(Encoding.PEM))
    assert "verify OK" in said
    assert "CN = alice" in said
    assert "email:a@example.com" in said
