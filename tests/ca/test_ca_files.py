"""gatekeeper.ca.files"""

import re
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gatekeeper.ca.authority import authority_from_key
from gatekeeper.ca.creation import AuthorityFiles, adopt_store
from gatekeeper.ca.files import must_be_able_to_sign, read_certificate_pem, read_certificates
from gatekeeper.ca.keys import key_pem
from gatekeeper.ca.subject import make_subject
from gatekeeper.errors import AuthorityError
from gatekeeper.x509 import pem
from tests.ca.conftest import NOW, PASSPHRASE
from tests.certificates import Holder, make_authority, make_client, new_key
from tests.der import BASIC, CN, PRINTABLE, TRUE, C, attribute, certificate, extension, name, number, seq, tlv
from tests.oddities import oddities

HOME, KEY = make_authority("Home CA"), new_key()
ITSELF = Holder(KEY, HOME.certificate)
AUTHORITY = extension(BASIC, seq(TRUE), TRUE)
ODD = {
    "X.509 v2": certificate(ITSELF, KEY, version=tlv(0xA0, number(1)), extensions=(AUTHORITY,)),
    "X.509 v4": certificate(ITSELF, KEY, version=tlv(0xA0, number(3)), extensions=(AUTHORITY,)),
    "cA TRUE as 01": certificate(ITSELF, KEY, extensions=(extension(BASIC, seq(b"\x01\x01\x01")),)),
    "an underscore in a PrintableString": certificate(
        ITSELF, KEY, subject=name(attribute(CN, b"Home_CA", PRINTABLE)), extensions=(AUTHORITY,)
    ),
}


def written(der: bytes) -> bytes:
    return pem.encode(b"CERTIFICATE", der)


@pytest.mark.parametrize("kind", ODD)
def test_what_only_openssl_reads_is_said(kind: str, tmp_path: Path) -> None:
    """An authority in such a form is trusted by a gate and cannot sign here: one line that says so."""
    (tmp_path / "ca.crt").write_bytes(written(ODD[kind]))
    (tmp_path / "ca.key").write_bytes(ITSELF.key_pem())
    with pytest.raises(AuthorityError, match="which OpenSSL and the gate can read, but not the library") as caught:
        adopt_store(tmp_path / "ca", AuthorityFiles(tmp_path / "ca.crt", tmp_path / "ca.key"), PASSPHRASE, now=NOW)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("kind", sorted(oddities(HOME, KEY)))
def test_no_odd_certificate_is_a_traceback(kind: str) -> None:
    """Each is read and judged, or refused in one line; nothing is printed about odd countries or serial numbers."""
    der = oddities(HOME, KEY)[kind]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Parsed a serial number")
        said = ""
        try:
            must_be_able_to_sign(read_certificate_pem(written(der), "ca.crt"), "ca.crt")
        except AuthorityError as error:
            said = str(error)
    assert "\n" not in said


def test_a_certificate_that_openssl_cannot_read(tmp_path: Path) -> None:
    """`cryptography` reads a VisibleString in a name, and OpenSSL does not: no gate could trust it."""
    der = certificate(ITSELF, KEY, subject=name(attribute(CN, b"Home CA", 0x1A)), extensions=(AUTHORITY,))
    with pytest.raises(AuthorityError, match="OpenSSL cannot read"):
        must_be_able_to_sign(read_certificate_pem(written(der), "ca.crt"), "ca.crt")


def test_every_certificate_of_a_file() -> None:
    """In their order; DER is one."""
    alice = make_client("alice", HOME)
    both = written(alice.der) + b"and the authority:\n" + written(HOME.der)
    assert read_certificates(both, "chain.pem") == [alice.certificate, HOME.certificate]
    assert read_certificates(alice.der, "alice.der") == [alice.certificate]


@pytest.mark.parametrize("content", [b"", b"\x30\x00", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"])
def test_no_certificate_at_all(content: bytes) -> None:
    """A sentence that names the file."""
    with pytest.raises(AuthorityError, match=re.escape("ca.crt holds no certificate that can be read")):
        read_certificates(content, "ca.crt")


def test_an_authority_with_a_weak_key_is_not_adopted(tmp_path: Path) -> None:
    """No gate would admit what it signs."""
    key = rsa.generate_private_key(65537, 1024)
    weak = authority_from_key(key, make_subject("Home CA").name, now=NOW)
    (tmp_path / "ca.crt").write_bytes(weak.certificate_pem)
    (tmp_path / "ca.key").write_bytes(key_pem(key, PASSPHRASE))
    with pytest.raises(AuthorityError, match=r"ca\.crt is refused: .*1024 bits"):
        adopt_store(tmp_path / "ca", AuthorityFiles(tmp_path / "ca.crt", tmp_path / "ca.key"), PASSPHRASE, now=NOW)
    assert not (tmp_path / "ca").exists()


def test_a_country_of_three_letters_is_adopted(tmp_path: Path) -> None:
    """It is against ISO 3166 and harms nobody."""
    subject = name(attribute(C, b"DEU", PRINTABLE), attribute(CN, b"Home CA"))
    der = certificate(ITSELF, KEY, subject=subject, names_issuer=subject, extensions=(AUTHORITY,))
    (tmp_path / "ca.crt").write_bytes(written(der))
    (tmp_path / "ca.key").write_bytes(ITSELF.key_pem())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Attribute's length must be")
        store = adopt_store(
            tmp_path / "ca", AuthorityFiles(tmp_path / "ca.crt", tmp_path / "ca.key"), PASSPHRASE, now=NOW
        )
    assert (store.path / "ca.crt").read_bytes() == written(der)
