"""gatekeeper.x509.signatures: which algorithm a signature says it has, whatever it says."""

import pytest

from gatekeeper.x509.signatures import algorithm_name, broken_digest, digest_of, has_signed, key_algorithm
from tests.certificates import new_key
from tests.der import ECDSA_SHA256, number, oid, seq, spki, tlv

PSS = oid("1.2.840.113549.1.1.10")
SHA256, SHA512, SHAKE = (seq(oid(f"2.16.840.1.101.3.4.2.{last}")) for last in (1, 3, 11))
MGF1 = oid("1.2.840.113549.1.1.8")

MALFORMED = {
    "empty": seq(),
    "no sequence": number(1),
    "an empty type": seq(tlv(0x06)),
}
UNSUPPORTED = {
    "two hashes": seq(PSS, seq(tlv(0xA0, SHA256), tlv(0xA1, seq(MGF1, SHA512)))),
    "one that is not known": seq(PSS, seq(tlv(0xA0, SHAKE), tlv(0xA1, seq(MGF1, SHAKE)))),
    "a hash without a type": seq(PSS, seq(tlv(0xA0, seq()))),
    "a mask without a hash": seq(PSS, seq(tlv(0xA1, seq(MGF1)))),
    "a mask without anything": seq(PSS, seq(tlv(0xA1, seq()))),
    "parameters that are no sequence": seq(PSS, number(1)),
}


@pytest.mark.parametrize("algorithm", [*MALFORMED.values(), *UNSUPPORTED.values()], ids=[*MALFORMED, *UNSUPPORTED])
def test_what_is_not_supported_is_a_value_error(algorithm: bytes) -> None:
    """RFC 4055, 3.1: read before the signature is verified, so anybody may have written it."""
    for read in (digest_of, broken_digest):
        with pytest.raises(ValueError, match=r"."):
            read(algorithm)
    assert not has_signed(spki(new_key()), algorithm, b"x", b"y")


@pytest.mark.parametrize("algorithm", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_algorithm_has_no_name(algorithm: bytes) -> None:
    """Neither that of a signature nor that of a key."""
    for read, data in ((algorithm_name, algorithm), (key_algorithm, seq(algorithm)), (key_algorithm, seq())):
        with pytest.raises(ValueError, match=r"."):
            read(data)


def test_a_hash_is_found_where_there_is_one() -> None:
    """RFC 5758; RFC 4055, 3.1, whose default is SHA-1, which is broken; RFC 8410."""
    assert digest_of(seq(oid(ECDSA_SHA256))).name == "sha256"
    assert digest_of(seq(PSS, seq(tlv(0xA0, SHA512), tlv(0xA1, seq(MGF1, SHA512))))).name == "sha512"
    assert broken_digest(seq(PSS)) == broken_digest(seq(PSS, seq())) == "sha1"
    assert digest_of(seq(oid("1.3.101.112"))) is None
