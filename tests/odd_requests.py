"""Certificate requests in forms that `cryptography` does not read, and OpenSSL does."""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.certificates import new_key
from tests.der import (
    BASIC,
    BMP,
    CN,
    EMAIL,
    FALSE,
    IA5,
    PRINTABLE,
    SAN,
    T61,
    UNIVERSAL,
    USAGE,
    C,
    O,
    asking_for,
    attribute,
    bits,
    extension,
    long,
    name,
    number,
    octets,
    oid,
    open_ended,
    request,
    seq,
    tlv,
)

KEY = new_key()
MICROSOFT = "1.3.6.1.4.1.311.2.1.14"
NAMED = extension(SAN, seq(tlv(0x82, b"laptop.example.com"), tlv(0x81, b"alice@example.com")))


def _called(value: bytes, tag: int, *more: bytes) -> bytes:
    return request(KEY, subject=name(*more, attribute(CN, value, tag)))


def _attributes(*pairs: tuple[str, bytes]) -> bytes:
    return tlv(0xA0, *(seq(oid(kind), tlv(0x31, value)) for kind, value in pairs))


def _of_microsoft() -> bytes:
    """As certreq writes them: version of the system, client, provider, extensions."""
    return _attributes(
        ("1.3.6.1.4.1.311.13.2.3", tlv(IA5, b"10.0.22631.2")),
        ("1.3.6.1.4.1.311.21.20", seq(number(9), tlv(0x0C, b"PC"), tlv(0x0C, b"PC\\user"), tlv(0x0C, b"certreq"))),
        ("1.3.6.1.4.1.311.13.2.2", seq(number(1), tlv(BMP, "Provider".encode("utf-16-be")), bits(b""))),
        (MICROSOFT, seq(NAMED, extension("1.3.6.1.4.1.311.21.7", seq(oid("1.2.3.4"), number(100), number(2))))),
    )


def _compressed() -> bytes:
    point = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(point))


SIGNED: Mapping[str, tuple[bytes, str]] = {
    "an underscore in a PrintableString": (_called(b"al_ice", PRINTABLE), "al_ice"),
    "an at sign in a PrintableString": (_called(b"al@example", PRINTABLE), "al@example"),
    "a T61String": (_called(b"alice", T61), "alice"),
    "Latin-1 in a T61String": (_called(b"al\xefce", T61), "alïce"),
    "a BMPString": (_called("alïce".encode("utf-16-be"), BMP), "alïce"),
    "a UniversalString": (_called("alice".encode("utf-32-be"), UNIVERSAL), "alice"),
    "an organization that cannot be decoded": (
        _called(b"alice", PRINTABLE, attribute(O, b"\xff\xfe", PRINTABLE)),
        "alice",
    ),
    "a country of three letters": (_called(b"alice", PRINTABLE, attribute(C, b"DEU", PRINTABLE)), "alice"),
    "an address in UTF8String": (_called(b"alice", PRINTABLE, attribute(EMAIL, "ü@example.com".encode())), "alice"),
    "no attributes": (request(KEY, attributes=b""), "alice"),
    "version 2": (request(KEY, version=number(1)), "alice"),
    "version 3": (request(KEY, version=number(2)), "alice"),
    "critical FALSE written out": (request(KEY, attributes=asking_for(extension(BASIC, seq(), FALSE))), "alice"),
    "critical TRUE as 01": (request(KEY, attributes=asking_for(extension(BASIC, seq(), b"\x01\x01\x01"))), "alice"),
    "cA FALSE written out": (request(KEY, attributes=asking_for(extension(BASIC, seq(FALSE)), NAMED)), "alice"),
    "an extension twice": (request(KEY, attributes=asking_for(NAMED, NAMED)), "alice"),
    "an extension that cannot be read": (request(KEY, attributes=asking_for(extension(SAN, b"\x04\x00"))), "alice"),
    "extensions that cannot be read": (request(KEY, attributes=_attributes((MICROSOFT, octets(b"")))), "alice"),
    "an accent in an alternative name": (
        request(KEY, attributes=asking_for(extension(SAN, seq(tlv(0x82, b"b\xfccher.example"))))),
        "alice",
    ),
    "the attributes of Microsoft": (request(KEY, attributes=_of_microsoft()), "alice"),
    "Microsoft's number for the extensions": (request(KEY, attributes=asking_for(NAMED, kind=MICROSOFT)), "alice"),
    "an empty list of extensions": (request(KEY, attributes=asking_for()), "alice"),
    "a challenge password": (
        request(KEY, attributes=_attributes(("1.2.840.113549.1.9.7", tlv(T61, b"p\xe4ss")))),
        "alice",
    ),
    "an unknown attribute": (request(KEY, attributes=_attributes(("1.3.6.1.4.1.55555.9", number(1)))), "alice"),
    "an unstructured name": (
        request(KEY, attributes=_attributes(("1.2.840.113549.1.9.2", tlv(PRINTABLE, b"router_1")))),
        "alice",
    ),
    "a compressed point": (request(KEY, public_key=_compressed()), "alice"),
    "a long length": (request(KEY, frame=lambda *parts: long(0x30, *parts)), "alice"),
    "no length": (request(KEY, frame=lambda *parts: open_ended(0x30, *parts)), "alice"),
    "a key usage that cannot be read": (request(KEY, attributes=asking_for(extension(USAGE, number(1)))), "alice"),
}
"""Requests whose signature ``openssl req -verify`` finds good, and the name that they are signed for."""

REFUSED: Mapping[str, tuple[bytes, str]] = {
    "a name that is no valid UTF-8": (_called(b"al\xff\xfe", 0x0C), "no valid form of their string type"),
    "a name that is a number": (_called(b"\x07", 0x02), "no valid form of their string type"),
    "a blank name": (_called(b"  ", PRINTABLE), "has no common name"),
    "two names": (_called(b"alice", PRINTABLE, attribute(CN, b"root", PRINTABLE)), "has 2 common names"),
    "a weak curve": (
        request(_weak := ec.generate_private_key(ec.SECP256K1()), subject=name(attribute(CN, b"alice"))),
        "its curve secp256k1 is not one of",
    ),
    "another's key": (request(new_key(), public_key=_compressed()), "its signature does not fit its key"),
    "a key of an unknown kind": (
        request(KEY, public_key=seq(seq(oid("1.3.6.1.4.1.55555.9")), bits(b"key"))),
        "its key or its signature is of a kind that cannot be checked",
    ),
    "no key": (request(KEY, public_key=seq(seq(), bits(b""))), "its key or its signature is of a kind"),
}
"""Requests that are not signed, and the words that say why."""
