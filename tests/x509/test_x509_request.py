"""gatekeeper.x509.request"""

import pytest

from gatekeeper.x509.names import rfc2253
from gatekeeper.x509.request import parse_request, read_request
from tests.der import SAN, asking_for, extension, number, octets, oid, request, seq, spki, tlv
from tests.odd_requests import KEY, MICROSOFT, NAMED

SAN_OID = oid(SAN)[2:]


def test_the_parts_of_a_request() -> None:
    """RFC 2986, 4."""
    der = request(KEY, attributes=asking_for(NAMED))
    parsed = parse_request(der)
    assert (parsed.der, parsed.version, parsed.spki) == (der, 1, spki(KEY))
    assert rfc2253(parsed.subject) == "CN=alice,O=Example Ltd"
    assert parsed.extensions is not None
    assert list(parsed.extensions) == [SAN_OID]
    assert parsed.signed in der


def test_a_request_as_pem() -> None:
    """Lines of 64 characters (RFC 7468, 2); what is read again is the same."""
    parsed = parse_request(request(KEY))
    assert max(map(len, parsed.pem.splitlines())) == 64
    assert read_request(b"a request:\n" + parsed.pem + b"\n") == parsed


def test_the_usual_number_counts_before_microsofts() -> None:
    """As X509_REQ_get_extensions(3) looks for them."""
    other = extension(SAN, seq(tlv(0x82, b"other.example")))
    ordinary, microsofts = asking_for(NAMED), asking_for(other, kind=MICROSOFT)
    both = tlv(0xA0, microsofts[2:], ordinary[2:])
    parsed = parse_request(request(KEY, attributes=both))
    assert parsed.extensions is not None
    assert b"laptop.example.com" in parsed.extensions[SAN_OID].value


@pytest.mark.parametrize("attributes", [asking_for(NAMED)[:0], tlv(0xA0)])
def test_nothing_is_asked_for(attributes: bytes) -> None:
    """No attributes, or an empty set of them."""
    assert parse_request(request(KEY, attributes=attributes)).extensions == {}


@pytest.mark.parametrize(
    "attributes",
    [tlv(0xA0, b"\x05\x00"), tlv(0xA0, seq(oid(MICROSOFT), number(1))), tlv(0xA3, b""), asking_for(octets(b""))],
)
def test_attributes_that_cannot_be_read(attributes: bytes) -> None:
    """They do not break the frame: what they ask for is unknown, not nothing."""
    assert parse_request(request(KEY, attributes=attributes)).extensions is None


@pytest.mark.parametrize(
    "content", [b"", b"\x30\x00", b"\x30\x80", b"-----BEGIN CERTIFICATE-----\n", seq(seq(number(0)), seq(), b"")]
)
def test_what_is_no_request(content: bytes) -> None:
    """ValueError and nothing else, whatever the bytes are."""
    with pytest.raises(ValueError, match=r"."):
        read_request(content)


def test_every_cut_is_an_error() -> None:
    """Any octet may be the last one that came."""
    der = request(KEY, attributes=asking_for(NAMED))
    for size in range(len(der)):
        with pytest.raises(ValueError, match=r"."):
            parse_request(der[:size])
