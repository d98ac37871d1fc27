"""What a certificate says is read as leniently as OpenSSL reads it."""

import pytest

from gatekeeper.gate.certificate import read_certificate


@pytest.mark.parametrize("der", [b"", b"0", b"\x30\x03\x02\x01\x01", b"x" * 10_000])
def test_what_is_no_certificate(der: bytes) -> None:
    """One kind of error, whatever the library says."""
    with pytest.raises(ValueError, match="cannot be parsed"):
        read_certificate(der)
