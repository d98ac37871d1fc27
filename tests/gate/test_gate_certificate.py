"""What a certificate says is read once, as long as it is of a usual size."""

import pytest
from cryptography.x509 import SubjectAlternativeName, UniformResourceIdentifier

from gatekeeper.gate.certificate import CACHED_BYTES, read_certificate
from tests.certificates import make, make_client, named


def test_a_certificate_that_comes_again_is_not_parsed_again() -> None:
    """The same object."""
    der = make_client("alice", None).der
    assert read_certificate(der) is read_certificate(bytes(bytearray(der)))


def test_a_huge_certificate_is_read_but_not_kept() -> None:
    """Anybody can show one; a thousand of them would be 100 MiB."""
    names = SubjectAlternativeName([UniformResourceIdentifier("urn:" + "x" * CACHED_BYTES)])
    der = make(named("alice"), extensions=[(names, False)]).der
    assert read_certificate(der).common_name == "alice"
    assert read_certificate(der) is not read_certificate(der)


@pytest.mark.parametrize("der", [b"", b"0", b"\x30\x03\x02\x01\x01", b"x" * 10_000])
def test_what_is_no_certificate(der: bytes) -> None:
    """One kind of error, whatever the library says."""
    with pytest.raises(ValueError, match="cannot be parsed"):
        read_certificate(der)
