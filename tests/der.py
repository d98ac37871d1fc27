"""A writer of DER and BER, for certificates and lists that no library would make. It knows nothing of gatekeeper."""

import datetime
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.certificates import DAY, NOW, Holder, Key

UTF8, PRINTABLE, T61, IA5, VISIBLE, UNIVERSAL, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E
ECDSA_SHA256 = "1.2.840.10045.4.3.2"
TRUE, FALSE = b"\x01\x01\xff", b"\x01\x01\x00"


def tlv(tag: int, *contents: bytes) -> bytes:
    """Tag, length in the shortest form, content."""
    whole = b"".join(contents)
    if len(whole) < 0x80:
        return bytes((tag, len(whole))) + whole
    size = len(whole).to_bytes((len(whole).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + whole


def long(tag: int, *contents: bytes) -> bytes:
    """BER: a length of four octets, however short the content is."""
    whole = b"".join(contents)
    return bytes((tag, 0x84)) + len(whole).to_bytes(4, "big") + whole


def open_ended(tag: int, *contents: bytes) -> bytes:
    """BER: an indefinite length."""
    return bytes((tag, 0x80)) + b"".join(contents) + b"\0\0"


def seq(*contents: bytes) -> bytes:
    return tlv(0x30, *contents)


def number(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *more = map(int, dotted.split("."))
    return tlv(0x06, b"".join(map(_base128, (40 * first + second, *more))))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | arc & 0x7F)
    return bytes(reversed(octets))


def octets(value: bytes) -> bytes:
    return tlv(0x04, value)


def bits(value: bytes, unused: int = 0) -> bytes:
    return tlv(0x03, bytes((unused,)), value)


def utc(moment: datetime.datetime) -> bytes:
    return tlv(0x17, f"{moment:%y%m%d%H%M%SZ}".encode())


def generalized(moment: datetime.datetime) -> bytes:
    return tlv(0x18, f"{moment.year:04}{moment:%m%d%H%M%SZ}".encode())


def attribute(kind: str, value: bytes, tag: int = UTF8) -> bytes:
    """One attribute of a name; in a SET of its own with `name`."""
    return seq(oid(kind), tlv(tag, value))


def name(*attributes: bytes | tuple[bytes, ...]) -> bytes:
    """A distinguished name; a tuple is a relative name with several attributes."""
    return seq(*(tlv(0x31, *(one if isinstance(one, tuple) else (one,))) for one in attributes))


CN, SERIAL, C, L, STREET, O, OU = (f"2.5.4.{last}" for last in (3, 5, 6, 7, 9, 10, 11))  # noqa: E741
EMAIL, UID, DC = "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.1", "0.9.2342.19200300.100.1.25"
ALICE = name(attribute(O, b"Example Ltd"), attribute(CN, b"alice"))


def extension(kind: str, value: bytes, critical: bytes = b"") -> bytes:
    return seq(oid(kind), critical, octets(value))


SAN, BASIC, USAGE, PURPOSES, CDP, POLICIES, AKI, AIA = (
    *(f"2.5.29.{last}" for last in (17, 19, 15, 37, 31, 32, 35)),
    "1.3.6.1.5.5.7.1.1",
)
CLIENT_AUTH = extension(PURPOSES, seq(oid("1.3.6.1.5.5.7.3.2")))


def spki(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def issuer_name(issuer: Holder) -> bytes:
    return issuer.certificate.subject.public_bytes()


SHA256 = hashes.SHA256()
VERSION_3 = tlv(0xA0, number(2))
DATES = seq(utc(NOW - DAY), utc(NOW + 30 * DAY))


def certificate(
    issuer: Holder,
    key: Key,
    *,
    extensions: Sequence[bytes] | bytes = (CLIENT_AUTH,),
    subject: bytes = ALICE,
    version: bytes = VERSION_3,
    serial: bytes = number(4711),
    dates: bytes = DATES,
    names_issuer: bytes | None = None,
    public_key: bytes | None = None,
    unique: bytes = b"",
    algorithm: bytes | None = None,
    digest: hashes.HashAlgorithm = SHA256,
    frame: Callable[..., bytes] = seq,
) -> bytes:
    """A certificate signed by ``issuer``, of exactly these parts. Bytes for ``extensions`` stand there as they are."""
    algorithm = seq(oid(ECDSA_SHA256)) if algorithm is None else algorithm
    wrapped = extensions if isinstance(extensions, bytes) else tlv(0xA3, seq(*extensions)) if extensions else b""
    body = (
        version,
        serial,
        algorithm,
        issuer_name(issuer) if names_issuer is None else names_issuer,
        dates,
        subject,
        spki(key) if public_key is None else public_key,
        unique,
        wrapped,
    )
    return signed(frame(*body), issuer, algorithm, digest)


def signed(body: bytes, issuer: Holder, algorithm: bytes | None = None, digest: hashes.HashAlgorithm = SHA256) -> bytes:
    """``body``, algorithm and signature: the frame of certificates, lists and requests."""
    assert isinstance(issuer.key, ec.EllipticCurvePrivateKey)
    signature = issuer.key.sign(body, ec.ECDSA(digest))
    return seq(body, seq(oid(ECDSA_SHA256)) if algorithm is None else algorithm, bits(signature))


def request(
    key: ec.EllipticCurvePrivateKey,
    *,
    subject: bytes = ALICE,
    attributes: bytes = tlv(0xA0),
    version: bytes = number(0),
    public_key: bytes | None = None,
    frame: Callable[..., bytes] = seq,
) -> bytes:
    """A certificate request (PKCS #10) of exactly these parts, signed by ``key``."""
    body = frame(version, subject, public_key or spki(key), attributes)
    return seq(body, seq(oid(ECDSA_SHA256)), bits(key.sign(body, ec.ECDSA(hashes.SHA256()))))


def asking_for(*extensions: bytes, kind: str = "1.2.840.113549.1.9.14") -> bytes:
    """The attributes of a request that asks for these extensions."""
    return tlv(0xA0, seq(oid(kind), tlv(0x31, seq(*extensions))))
