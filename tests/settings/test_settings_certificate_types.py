"""The types of settings that name part of a certificate: what each reads, and the sentence with which it rejects."""

from typing import Any

import pytest
from pydantic import ValidationError

from gatekeeper.settings import certificate_types
from tests.settings.reading import read

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        (certificate_types.Serial, "0a1b", "0A1B"),
        (certificate_types.Serial, "00:00:A1", "A1"),
        (certificate_types.Serial, "1", "01"),
        (certificate_types.Serial, "0", "00"),
        (certificate_types.Serial, "-0f", "-0F"),
        (certificate_types.Fingerprint, SHA256.upper(), SHA256),
        (certificate_types.Fingerprint, ":".join(SHA256[i : i + 2] for i in range(0, 64, 2)), SHA256),
        (certificate_types.Pin, SHA256, SHA256),
        (certificate_types.Pin, "sha256/n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", SHA256),
        (certificate_types.Pin, "sha256//n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", SHA256),
    ],
)
def test_what_a_type_reads(kind: Any, value: object, got: object) -> None:
    """In the form that certificates have, however it was written."""
    assert read(kind, value) == got


@pytest.mark.parametrize(
    ("kind", "value", "sentence"),
    [
        (certificate_types.Serial, "xyz", "should be a serial number in hex"),
        (certificate_types.Serial, 10, "should be a serial number in hex"),
        (certificate_types.Fingerprint, SHA256[:-1], "should be a SHA-256 fingerprint"),
        (certificate_types.Pin, "sha256/x", "should be the SHA-256 of a public key"),
    ],
)
def test_what_a_type_rejects(kind: Any, value: object, sentence: str) -> None:
    """The sentence continues the key's name."""
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    (error,) = caught.value.errors()
    assert sentence in str(error["ctx"]["error"])
