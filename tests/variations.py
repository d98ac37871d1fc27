"""Certificates varied one part at a time: string types, times, extensions, general names, fields, right and wrong."""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives import hashes

from tests.certificates import DAY, NOW, Holder, Key
from tests.der import (
    AIA,
    AKI,
    BASIC,
    BMP,
    CDP,
    CLIENT_AUTH,
    CN,
    ECDSA_SHA256,
    FALSE,
    IA5,
    OU,
    POLICIES,
    PRINTABLE,
    PURPOSES,
    SAN,
    T61,
    TRUE,
    UNIVERSAL,
    USAGE,
    UTF8,
    O,
    attribute,
    bits,
    certificate,
    extension,
    long,
    name,
    number,
    octets,
    oid,
    open_ended,
    seq,
    spki,
    tlv,
    utc,
)

_STRANGE = "1.3.6.1.4.1.55555.1.2"
_FUTURE = NOW + 30 * DAY
ALICE = attribute(CN, b"alice")

# Universal tags, X.680, 8.4, with content that is of the type.
_TYPES: Mapping[str, tuple[int, bytes]] = {
    "BOOLEAN": (0x01, b"\xff"),
    "INTEGER": (0x02, b"\x07"),
    "BIT STRING": (0x03, b"\0abc"),
    "OCTET STRING": (0x04, b"abc"),
    "NULL": (0x05, b""),
    "OBJECT IDENTIFIER": (0x06, b"\x55\x04\x03"),
    "ObjectDescriptor": (0x07, b"abc"),
    "ENUMERATED": (0x0A, b"\x01"),
    "UTF8String": (0x0C, "zoë".encode()),
    "SEQUENCE": (0x30, b"\x0c\x01a"),
    "SET": (0x31, b"\x0c\x01a"),
    "NumericString": (0x12, b"12 34"),
    "NumericString with letters": (0x12, b"12a"),
    "PrintableString": (0x13, b"abc"),
    "T61String": (0x14, b"abc"),
    "VideotexString": (0x15, b"abc"),
    "IA5String": (0x16, b"a@b"),
    "UTCTime": (0x17, b"261128000000Z"),
    "GeneralizedTime": (0x18, b"20261128000000Z"),
    "GraphicString": (0x19, b"abc"),
    "VisibleString": (0x1A, b"abc"),
    "GeneralString": (0x1B, b"abc"),
    "UniversalString": (0x1C, "zoë".encode("utf-32-be")),
    "CHARACTER STRING": (0x1D, b"abc"),
    "BMPString": (0x1E, "zoë".encode("utf-16-be")),
    "a context tag": (0x80, b"abc"),
    "an application tag": (0x41, b"abc"),
}


def _named_subjects() -> dict[str, bytes]:
    typed = {f"{kind} as O": name(attribute(O, value, tag), ALICE) for kind, (tag, value) in _TYPES.items()}
    typed |= {f"{kind} as CN": name(attribute(CN, value, tag)) for kind, (tag, value) in _TYPES.items()}
    typed |= {f"{kind} as an unknown attribute": name(attribute(_STRANGE, value, tag), ALICE)
              for kind, (tag, value) in _TYPES.items()}  # fmt: skip
    typed |= {f"an empty {kind}": name(attribute(O, b"", tag), ALICE) for kind, (tag, _) in _TYPES.items()}
    return typed | {
        "BMPString of an odd length": name(attribute(O, b"\0a\0", BMP), ALICE),
        "UniversalString of an odd length": name(attribute(O, b"\0\0\0a\0", UNIVERSAL), ALICE),
        "a byte order mark in BMPString": name(attribute(O, b"\xfe\xff\0a", BMP), ALICE),
        "a byte order mark in UTF8String": name(attribute(O, b"\xef\xbb\xbfa", UTF8), ALICE),
        "NUL in T61String": name(attribute(O, b"a\0b", T61), ALICE),
        "an emoji": name(attribute(O, "😀".encode(), UTF8), ALICE),
        "a soft hyphen": name(attribute(O, "a\u00adb".encode(), UTF8), ALICE),
        "a combining accent": name(attribute(CN, "zoe\u0308".encode(), UTF8)),
        "Greek in BMPString": name(attribute(CN, "Αλίκη".encode("utf-16-be"), BMP)),
        "200 parts": name(*(attribute(OU, b"unit") for _ in range(200)), ALICE),
        "the same attribute twice in one part": name((ALICE, ALICE)),
        "no attributes at all": name(),
        "only empty parts": name((), ()),
        "a part that is a SEQUENCE": seq(seq(ALICE), tlv(0x31, ALICE)),
        "an attribute without a value": seq(tlv(0x31, seq(oid(CN))), tlv(0x31, ALICE)),
        "an attribute with two values": seq(tlv(0x31, seq(oid(O), tlv(UTF8, b"a"), tlv(UTF8, b"b"))), tlv(0x31, ALICE)),
        "an object identifier that is padded": seq(tlv(0x31, seq(tlv(6, b"\x80\x55\x04\x0a"), tlv(UTF8, b"a")))),
        "an empty object identifier": seq(tlv(0x31, seq(tlv(6), tlv(UTF8, b"a"))), tlv(0x31, ALICE)),
        "an object identifier that is cut off": seq(tlv(0x31, seq(tlv(6, b"\x55\x84"), tlv(UTF8, b"a")))),
        "a huge object identifier": seq(
            tlv(0x31, seq(tlv(6, b"\x2b" + b"\xff" * 40 + b"\x7f"), tlv(UTF8, b"a"))), tlv(0x31, ALICE)
        ),
        "something behind the last part": tlv(0x30, name(ALICE)[2:], b"\x05\x00"),
    }


SUBJECTS = _named_subjects()


def dates() -> dict[str, bytes]:
    begins = {
        "a lower-case z": (0x17, b"240201000000z"),
        "no zone": (0x17, b"240201000000"),
        "an offset of an hour": (0x17, b"240201000000+0100"),
        "a fraction with a comma": (0x18, b"20240201000000,5Z"),
        "a fraction of zero": (0x18, b"20240201000000.0Z"),
        "GeneralizedTime without seconds": (0x18, b"202402010000Z"),
        "GeneralizedTime without a zone": (0x18, b"20240201000000"),
        "GeneralizedTime with an offset": (0x18, b"20240201000000+0000"),
        "five digits of a year": (0x18, b"120240201000000Z"),
        "a sign": (0x17, b"+40201000000Z"),
        "blanks": (0x17, b"24 201000000Z"),
        "letters": (0x17, b"24020100000aZ"),
        "second 61": (0x17, b"240201000061Z"),
        "minute 60": (0x17, b"240201006000Z"),
        "month 0": (0x17, b"240001000000Z"),
        "month 13": (0x17, b"241301000000Z"),
        "day 0": (0x17, b"240200000000Z"),
        "29 February of no leap year": (0x17, b"230229000000Z"),
        "year 0": (0x18, b"00000101000000Z"),
        "nothing": (0x17, b""),
        "NUL at the end": (0x17, b"240201000000Z\0"),
        "PrintableString": (0x13, b"240201000000Z"),
        "UTCTime in pieces": (0x37, tlv(0x17, b"2402010") + tlv(0x17, b"00000Z")),
        "the first of 1950": (0x17, b"500101000000Z"),
        "the last of 2049 as a beginning": (0x17, b"491231235959Z"),
    }
    made = {f"begins: {kind}": seq(tlv(tag, text), utc(_FUTURE)) for kind, (tag, text) in begins.items()}
    return made | {
        "ends: in 1949 by UTCTime": seq(utc(NOW - DAY), tlv(0x17, b"500101000000Z")),
        "ends: at the same second": seq(utc(NOW - DAY), utc(NOW - DAY)),
        "ends: in the last year": seq(utc(NOW - DAY), tlv(0x18, b"99991231235959Z")),
        "three of them": seq(utc(NOW - DAY), utc(_FUTURE), utc(_FUTURE)),
        "one of them": seq(utc(NOW - DAY)),
        "none": seq(),
        "a long length": long(0x30, utc(NOW - DAY), utc(_FUTURE)),
        "both in long lengths": seq(long(0x17, utc(NOW - DAY)[2:]), long(0x17, utc(_FUTURE)[2:])),
    }


_USAGE, _EKU = bits(b"\x80", 7), seq(oid("1.3.6.1.5.5.7.3.2"))
_URI = tlv(0x86, b"http://example.com/x")
_POINT = seq(seq(tlv(0xA0, tlv(0xA0, _URI))))
_KNOWN: Mapping[str, tuple[str, bytes]] = {
    "basic constraints": (BASIC, seq()),
    "key usage": (USAGE, _USAGE),
    "extended key usage": (PURPOSES, _EKU),
    "subject key identifier": ("2.5.29.14", octets(b"x" * 20)),
    "authority key identifier": (AKI, seq()),
    "subject alternative name": (SAN, seq(tlv(0x82, b"a.example"))),
    "issuer alternative name": ("2.5.29.18", seq(tlv(0x82, b"a.example"))),
    "distribution points": (CDP, _POINT),
    "authority information access": (AIA, seq(seq(oid("1.3.6.1.5.5.7.48.1"), _URI))),
    "subject information access": ("1.3.6.1.5.5.7.1.11", seq(seq(oid("1.3.6.1.5.5.7.48.5"), _URI))),
    "policies": (POLICIES, seq(seq(oid("1.2.3.4")))),
    "policy mappings": ("2.5.29.33", seq(seq(oid("1.2.3.4"), oid("1.2.3.5")))),
    "policy constraints": ("2.5.29.36", seq(tlv(0x80, b"\0"))),
    "inhibit any policy": ("2.5.29.54", number(0)),
    "name constraints": ("2.5.29.30", seq(tlv(0xA0, seq(tlv(0x82, b"example"))))),
    "freshest CRL": ("2.5.29.46", _POINT),
    "issuing distribution point": ("2.5.29.28", seq(tlv(0xA0, tlv(0xA0, _URI)))),
    "private key usage period": ("2.5.29.16", seq(tlv(0x80, b"20200101000000Z"))),
    "subject directory attributes": ("2.5.29.9", seq(seq(oid("1.3.6.1.5.5.7.9.4"), tlv(0x31, tlv(0x13, b"DE"))))),
    "Netscape type": ("2.16.840.1.113730.1.1", bits(b"\x80", 7)),
    "Netscape comment": ("2.16.840.1.113730.1.13", tlv(IA5, b"comment")),
    "TLS feature": ("1.3.6.1.5.5.7.1.24", seq(number(5))),
    "OCSP no check": ("1.3.6.1.5.5.7.48.1.5", b"\x05\x00"),
    "qualified statements": ("1.3.6.1.5.5.7.1.3", seq(seq(oid("0.4.0.1862.1.1")))),
    "certificate transparency's poison": ("1.3.6.1.4.1.11129.2.4.3", b"\x05\x00"),
    "addresses (RFC 3779)": ("1.3.6.1.5.5.7.1.7", seq(seq(octets(b"\0\1"), b"\x05\x00"))),
    "autonomous systems (RFC 3779)": ("1.3.6.1.5.5.7.1.8", seq(tlv(0xA0, b"\x05\x00"))),
    "no revocation available": ("2.5.29.56", b"\x05\x00"),
    "proxy certificate": ("1.3.6.1.5.5.7.1.14", seq(seq(oid("1.3.6.1.5.5.7.21.1")))),
    "Microsoft's template": ("1.3.6.1.4.1.311.21.7", seq(oid("1.2.3.4"), number(1), number(0))),
    "Microsoft's application policies": ("1.3.6.1.4.1.311.21.10", seq(seq(oid("1.3.6.1.5.5.7.3.2")))),
    "Microsoft's CA version": ("1.3.6.1.4.1.311.21.1", number(0)),
    "SMIME capabilities": ("1.2.840.113549.1.9.15", seq(seq(oid("2.16.840.1.101.3.4.1.42")))),
}


def _named_extensions() -> dict[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    for kind, (identifier, value) in _KNOWN.items():
        found[kind] = (extension(identifier, value),)
        found[f"{kind}, critical"] = (extension(identifier, value, TRUE),)
        found[f"{kind}, critical FALSE"] = (extension(identifier, value, FALSE),)
        found[f"{kind}, twice"] = (extension(identifier, value), extension(identifier, value))
        found[f"{kind}, empty"] = (extension(identifier, seq()),)
        found[f"{kind}, nothing"] = (extension(identifier, b""),)
        found[f"{kind}, with something behind"] = (extension(identifier, value + b"\x05\x00"),)
        found[f"{kind}, of another type"] = (extension(identifier, octets(b"x")),)
        found[f"{kind}, in BER"] = (extension(identifier, long(value[0], value[2:])),)
    return found | {
        "no extension in an extension": (seq(),),
        "an extension without a value": (seq(oid(_STRANGE)),),
        "an extension with critical as an integer": (seq(oid(_STRANGE), number(1), octets(b"x")),),
        "an extension with critical of two octets": (seq(oid(_STRANGE), b"\x01\x02\xff\xff", octets(b"x")),),
        "an extension with a second value": (seq(oid(_STRANGE), octets(b"x"), octets(b"y")),),
        "a value that is a BIT STRING": (seq(oid(_STRANGE), bits(b"x")),),
        "500 unknown extensions": tuple(extension(f"1.3.6.1.4.1.55555.2.{last}", b"x") for last in range(500)),
        "usages of nine bits": (extension(USAGE, bits(b"\x80\x80", 7)),),
        "usages with unused bits that are set": (extension(USAGE, b"\x03\x02\x07\xff"),),
        "usages with eight unused bits": (extension(USAGE, b"\x03\x02\x08\x80"),),
        "usages for signing certificates only": (extension(USAGE, bits(b"\x04", 2)),),
        "usages for agreement only": (extension(USAGE, bits(b"\x08", 3)),),
        "client and server": (extension(PURPOSES, seq(oid("1.3.6.1.5.5.7.3.2"), oid("1.3.6.1.5.5.7.3.1"))),),
        "the same purpose twice": (extension(PURPOSES, seq(oid("1.3.6.1.5.5.7.3.2"), oid("1.3.6.1.5.5.7.3.2"))),),
        "smart card logon alone": (extension(PURPOSES, seq(oid("1.3.6.1.4.1.311.20.2.2"))),),
        "a path length that is huge": (extension(BASIC, seq(TRUE, number(1 << 40))),),
        "a path length for CA FALSE, critical": (extension(BASIC, seq(FALSE, number(3)), TRUE),),
    }


EXTENSIONS = _named_extensions()

_NAMES: Mapping[str, bytes] = {
    "otherName without a value": tlv(0xA0, oid(_STRANGE)),
    "otherName with NULL": tlv(0xA0, oid(_STRANGE), tlv(0xA0, b"\x05\x00")),
    "a principal name in IA5String": tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, tlv(IA5, b"a@corp"))),
    "a principal name that is a number": tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, number(1))),
    "SmtpUTF8Mailbox": tlv(0xA0, oid("1.3.6.1.5.5.7.8.9"), tlv(0xA0, tlv(UTF8, "zoë@example.com".encode()))),
    "Kerberos name": tlv(0xA0, oid("1.3.6.1.5.2.2"), tlv(0xA0, seq(tlv(0xA0, tlv(0x1B, b"REALM"))))),
    "an empty e-mail": tlv(0x81),
    "an e-mail without an at sign": tlv(0x81, b"alice"),
    "an e-mail with a name": tlv(0x81, b"Alice <alice@example.com>"),
    "an e-mail in pieces": tlv(0xA1, tlv(IA5, b"alice"), tlv(IA5, b"@example.com")),
    "a host with a blank": tlv(0x82, b" a.example"),
    "a host with a star": tlv(0x82, b"*"),
    "a host that is an address": tlv(0x82, b"192.0.2.1"),
    "a host in capitals": tlv(0x82, b"A.EXAMPLE"),
    "a host of 300 characters": tlv(0x82, b"a" * 300),
    "a host with a dot at the end": tlv(0x82, b"a.example."),
    "an empty x400Address": tlv(0xA3),
    "an empty directory name": tlv(0xA4, seq()),
    "a directory name without its frame": tlv(0xA4, tlv(0x31, ALICE)),
    "an empty ediPartyName": tlv(0xA5),
    "an ediPartyName in BMPString": tlv(0xA5, tlv(0xA0, tlv(BMP, b"\0a")), tlv(0xA1, tlv(BMP, b"\0b"))),
    "an empty URI": tlv(0x86),
    "a URI with blanks": tlv(0x86, b"http://a b/"),
    "a URI with a semicolon": tlv(0x86, b"urn:a;b=c"),
    "an empty address": tlv(0x87),
    "an address of version 6": tlv(0x87, b"\x20\x01\x0d\xb8" + bytes(12)),
    "an address of version 6 with a mask": tlv(0x87, bytes(32)),
    "an empty registered ID": tlv(0x88),
    "a registered ID that is cut off": tlv(0x88, b"\x55\x84"),
    "a name of an unknown kind": tlv(0x89, b"x"),
    "a name that is a string": tlv(UTF8, b"a.example"),
    "a host that is constructed": tlv(0xA2, b"a.example"),
    "an address that is constructed": tlv(0xA7, octets(b"\x0a\0\0\1")),
}


def _frames(issuer: Holder, key: Key) -> dict[str, bytes]:
    def one(**parts: object) -> bytes:
        return certificate(issuer, key, **parts)  # type: ignore[arg-type]

    plain = one()
    ids = tlv(0x81, b"\0abc")
    return {
        "version 0 as three octets": one(version=tlv(0xA0, tlv(2, b"\0\0\0"))),
        "version 256": one(version=tlv(0xA0, number(256))),
        "an empty version": one(version=tlv(0xA0)),
        "a version that is a BOOLEAN": one(version=tlv(0xA0, TRUE)),
        "a version in a long length": one(version=long(0xA0, number(2))),
        "v1 with unique identifiers": one(version=b"", extensions=(), unique=ids),
        "the subject's identifier alone": one(unique=tlv(0x82, b"\0def")),
        "identifiers in the wrong order": one(unique=tlv(0x82, b"\0def") + ids),
        "an empty identifier": one(unique=tlv(0x81)),
        "identifiers in pieces": one(unique=tlv(0xA1, bits(b"abc"))),
        "a serial of 20 octets with the highest bit": one(serial=tlv(2, b"\xff" * 20)),
        "a serial of 35 octets": one(serial=tlv(2, b"\x7f" * 35)),
        "a serial of 36 octets": one(serial=tlv(2, b"\x7f" * 36)),
        "a serial of 200 octets": one(serial=tlv(2, b"\x7f" * 200)),
        "a negative serial of 21 octets": one(serial=tlv(2, b"\x80" + b"\0" * 20)),
        "a serial padded with ones": one(serial=tlv(2, b"\xff\xff\x12")),
        "a serial that is ENUMERATED": one(serial=tlv(0x0A, b"\x05")),
        "another algorithm outside": plain.replace(
            seq(oid(ECDSA_SHA256)) + b"\x03", seq(oid("1.2.840.10045.4.3.3")) + b"\x03"
        ),
        "an algorithm without an OID": one(algorithm=seq()),
        "an unknown algorithm": one(algorithm=seq(oid(_STRANGE))),
        "an algorithm with parameters": one(algorithm=seq(oid(ECDSA_SHA256), octets(b"x"))),
        "something behind the certificate": plain + b"\x05\x00",
        "a certificate without a length": open_ended(0x30, plain[4:]),
        "a certificate in a long length": long(0x30, plain[4:]),
        "a signature with unused bits": _with_signature(plain, b"\x01"),
        "no octet of unused bits": _with_signature(plain, b""),
        "a set in place of extensions": one(extensions=tlv(0xA3, tlv(0x31, CLIENT_AUTH))),
        "no extensions in their place": one(extensions=tlv(0xA3)),
        "two lists of extensions": one(extensions=tlv(0xA3, seq(CLIENT_AUTH), seq(CLIENT_AUTH))),
        "extensions twice": one(extensions=tlv(0xA3, seq(CLIENT_AUTH)) * 2),
        "a signature of SHA-384": one(algorithm=seq(oid("1.2.840.10045.4.3.3")), digest=hashes.SHA384()),
        "a signature of SHA-512": one(algorithm=seq(oid("1.2.840.10045.4.3.4")), digest=hashes.SHA512()),
        "a signature of SHA-224": one(algorithm=seq(oid("1.2.840.10045.4.3.1")), digest=hashes.SHA224()),
        "a signature of SHA3-256": one(algorithm=seq(oid("2.16.840.1.101.3.4.3.10")), digest=hashes.SHA3_256()),
        "a signature of SHA-1": one(algorithm=seq(oid("1.2.840.10045.4.1")), digest=hashes.SHA1()),
        "an issuer in BMPString": one(names_issuer=name(attribute(CN, "Home CA".encode("utf-16-be"), BMP))),
        "an issuer in UniversalString": one(names_issuer=name(attribute(CN, "Home CA".encode("utf-32-be"), UNIVERSAL))),
        "an issuer in IA5String": one(names_issuer=name(attribute(CN, b"Home CA", IA5))),
        "an issuer in VisibleString": one(names_issuer=name(attribute(CN, b"Home CA", 0x1A))),
        "an issuer in NumericString": one(names_issuer=name(attribute(CN, b"Home CA", 0x12))),
        "an issuer in OCTET STRING": one(names_issuer=name(attribute(CN, b"Home CA", 0x04))),
        "an issuer with tabs": one(names_issuer=name(attribute(CN, b"\tHome\t \tCA\n", PRINTABLE))),
        "an issuer with a no-break space": one(names_issuer=name(attribute(CN, "Home\u00a0CA".encode(), UTF8))),
        "an issuer with another attribute": one(names_issuer=name(attribute(O, b"x"), attribute(CN, b"Home CA"))),
        "an issuer in another kind of attribute": one(names_issuer=name(attribute(OU, b"Home CA"))),
        "a key with something behind": one(public_key=_behind(key)),
        "a point at infinity": one(public_key=_point(b"\0")),
        "a point that is not on the curve": one(public_key=_point(b"\x04" + b"\x01" * 64)),
        "a curve without parameters": one(public_key=seq(seq(oid("1.2.840.10045.2.1")), bits(b"\x04" + bytes(64)))),
        "a key of an unknown kind": one(public_key=seq(seq(oid(_STRANGE)), bits(b"key"))),
        "no key": one(public_key=seq()),
    }


def _point(point: bytes) -> bytes:
    return seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(point))


def _behind(key: Key) -> bytes:
    return tlv(0x30, spki(key)[2:], b"\x05\x00")


def _with_signature(plain: bytes, unused: bytes) -> bytes:
    """The same certificate, with another octet before the signature."""
    content = plain[4:]
    at = _last_bits(content)
    return seq(content[:at], tlv(0x03, unused, content[at + 3 :]))


def _last_bits(content: bytes) -> int:
    for size in range(70, 76):
        at = len(content) - size
        if content[at] == 3 and content[at + 1] == size - 2 and content[at + 2] == 0:
            return at
    raise AssertionError("no signature at the end")


def variations(issuer: Holder, key: Key) -> dict[str, bytes]:
    """All of them, by name, as certificates by ``issuer`` for ``key``."""

    def each(prefix: str, cases: Mapping[str, object], make: Callable[..., bytes]) -> dict[str, bytes]:
        return {f"{prefix}: {kind}": make(case) for kind, case in cases.items()}

    return {
        **each("subject", SUBJECTS, lambda case: certificate(issuer, key, subject=case)),
        **each("dates", dates(), lambda case: certificate(issuer, key, dates=case)),
        **each("extension", EXTENSIONS, lambda case: certificate(issuer, key, extensions=case)),
        **each("name", _NAMES, lambda case: certificate(issuer, key, extensions=(extension(SAN, seq(case)),))),
        **{f"frame: {kind}": der for kind, der in _frames(issuer, key).items()},
    }
