"""Certificates as some programs write them, which OpenSSL takes and strict readers do not; some, not even OpenSSL."""

import datetime
from collections.abc import Mapping

from tests.certificates import DAY, NOW, Holder, Key
from tests.der import (
    AIA,
    AKI,
    ALICE,
    BASIC,
    BMP,
    CDP,
    CLIENT_AUTH,
    CN,
    DC,
    EMAIL,
    FALSE,
    IA5,
    OU,
    POLICIES,
    PRINTABLE,
    PURPOSES,
    SAN,
    SERIAL,
    STREET,
    T61,
    TRUE,
    UID,
    UNIVERSAL,
    USAGE,
    UTF8,
    VISIBLE,
    C,
    O,
    attribute,
    bits,
    certificate,
    extension,
    generalized,
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

_FUTURE = NOW + 30 * DAY
_STRANGE = "1.3.6.1.4.1.55555.7"


def _names(*parts: tuple[str, bytes, int]) -> bytes:
    return name(*(attribute(kind, value, tag) for kind, value, tag in parts))


def _uri(value: bytes) -> bytes:
    return tlv(0x86, value)


SUBJECTS: Mapping[str, bytes] = {
    "ampersand in PrintableString": _names((O, b"A & B", PRINTABLE), (CN, b"alice", UTF8)),
    "at in PrintableString": _names((CN, b"alice@example.com", PRINTABLE)),
    "underscore in PrintableString": _names((CN, b"alice_b", PRINTABLE)),
    "star in PrintableString": _names((CN, b"*alice*", PRINTABLE)),
    "Latin-1 umlaut in PrintableString": _names((O, b"M\xfcller", PRINTABLE), (CN, b"alice", UTF8)),
    "UTF-8 umlaut in PrintableString": _names((CN, "Zoë".encode(), PRINTABLE)),
    "Latin-1 in T61String": _names((CN, b"Zo\xeb", T61)),
    "UTF-8 in T61String": _names((CN, "Zoë".encode(), T61)),
    "UTF-8 with a C1 octet in T61String": _names((CN, "À".encode(), T61)),
    "UTF-8 in IA5String": _names((EMAIL, "zoë@example.com".encode(), IA5), (CN, b"alice", UTF8)),
    "Latin-1 in IA5String": _names((DC, b"ex\xe4mple", IA5), (CN, b"alice", UTF8)),
    "Latin-1 in UTF8String": _names((O, b"M\xfcller", UTF8), (CN, b"alice", UTF8)),
    "overlong UTF8String": _names((O, b"\xc0\xafx", UTF8), (CN, b"alice", UTF8)),
    "surrogates in UTF8String": _names((O, b"\xed\xa0\x80x", UTF8), (CN, b"alice", UTF8)),
    "BMPString": _names((O, "Müller 山".encode("utf-16-be"), BMP), (CN, b"alice", UTF8)),
    "BMPString with surrogate pairs": _names((O, "a😀b".encode("utf-16-be"), BMP), (CN, b"alice", UTF8)),
    "BMPString with half a surrogate": _names((O, b"\xd8\x00\x00a", BMP), (CN, b"alice", UTF8)),
    "UniversalString": _names((O, "a😀b".encode("utf-32-be"), UNIVERSAL), (CN, b"alice", UTF8)),
    "UniversalString beyond Unicode": _names((O, b"\x00\x11\x00\x00\0\0\0a", UNIVERSAL), (CN, b"alice", UTF8)),
    "UniversalString with a surrogate": _names((O, b"\0\0\xd8\x00\0\0\0a", UNIVERSAL), (CN, b"alice", UTF8)),
    "VisibleString": _names((O, b"visible", VISIBLE), (CN, b"alice", UTF8)),
    "VisibleString with Latin-1": _names((O, b"vis\xefble", VISIBLE), (CN, b"alice", UTF8)),
    "BMPString common name": _names((CN, "Zoë".encode("utf-16-be"), BMP)),
    "NumericString with letters": _names((CN, b"alice", 0x12)),
    "a bit string": name(seq(oid("2.5.4.45"), bits(b"\xa5", 0)), attribute(CN, b"alice")),
    "a bit string with unused bits": name(seq(oid("2.5.4.45"), bits(b"\xa8", 3)), attribute(CN, b"alice")),
    "a postal address": name(
        seq(oid("2.5.4.16"), seq(tlv(UTF8, b"Road 1"), tlv(UTF8, b"Town"))), attribute(CN, b"alice")
    ),
    "a country of three letters": _names((C, b"DEU", PRINTABLE), (CN, b"alice", UTF8)),
    "an empty country": _names((C, b"", PRINTABLE), (CN, b"alice", UTF8)),
    "a country in UTF8String": _names((C, b"de", UTF8), (CN, b"alice", UTF8)),
    "a long common name": _names((CN, b"x" * 300, UTF8)),
    "a long organization": _names((O, b"x" * 1000, UTF8), (CN, b"alice", UTF8)),
    "e-mail in UTF8String": _names((EMAIL, "zoë@example.com".encode(), UTF8), (CN, b"alice", UTF8)),
    "several common names": _names((DC, b"com", IA5), (CN, b"Users", UTF8), (CN, b"alice", UTF8)),
    "two in one part": name((attribute(CN, b"alice"), attribute(UID, b"u1"))),
    "two common names in one part": name((attribute(CN, b"alice"), attribute(CN, b"bob"))),
    "parts in one that are not sorted": name((attribute(UID, b"u1"), attribute(CN, b"alice"), attribute(OU, b"x"))),
    "an empty part": name((), attribute(CN, b"alice")),
    "an unknown attribute": _names((_STRANGE, b"what", UTF8), (CN, b"alice", UTF8)),
    "an unknown attribute in T61String": _names((_STRANGE, b"wh\xe4t", T61), (CN, b"alice", UTF8)),
    "an unknown attribute with a very long name": _names(
        (".".join(["1.3.6.1.4.1", *(["4294967295"] * 12)]), b"what", UTF8), (CN, b"alice", UTF8)
    ),
    "a long value of an unknown attribute": _names((_STRANGE, b"w" * 300, UTF8), (CN, b"alice", UTF8)),
    "a serial number of a national ID": _names((SERIAL, b"PNODE-12_3", PRINTABLE), (CN, b"alice", UTF8)),
    "an empty street": _names((STREET, b"", UTF8), (CN, b"alice", UTF8)),
    "a string with a long length": name(seq(oid(CN), long(UTF8, b"alice"))),
    "a string in pieces": name(seq(oid(CN), tlv(0x2C, tlv(UTF8, b"ali"), tlv(UTF8, b"ce")))),
    "a string in pieces without an end": name(seq(oid(CN), open_ended(0x2C, tlv(UTF8, b"ali"), tlv(UTF8, b"ce")))),
    "a name with a long length": long(0x30, tlv(0x31, attribute(CN, b"alice"))),
    "a name without a length": open_ended(0x30, tlv(0x31, attribute(CN, b"alice"))),
    "spaces and signs": _names((CN, b' #a,+"\\<>;= ', PRINTABLE)),
    "GeneralString": _names((O, b"general", 0x1B), (CN, b"alice", UTF8)),
    "a time as a name": _names((O, b"261128000000Z", 0x17), (CN, b"alice", UTF8)),
}

_NAMED_ISSUER = tlv(0xA1, tlv(0xA4, name(attribute(CN, b"Home CA"))))
_A_NAME = extension(SAN, seq(tlv(0x82, b"a.example")))
EXTENSIONS: Mapping[str, tuple[bytes, ...]] = {
    "none": (),
    "cA FALSE written out": (CLIENT_AUTH, extension(BASIC, seq(FALSE))),
    "cA FALSE, critical": (CLIENT_AUTH, extension(BASIC, seq(FALSE), TRUE)),
    "cA TRUE as 01": (CLIENT_AUTH, extension(BASIC, seq(b"\x01\x01\x01"))),
    "cA FALSE with a path length": (CLIENT_AUTH, extension(BASIC, seq(FALSE, number(0)))),
    "a path length alone": (CLIENT_AUTH, extension(BASIC, seq(number(0)))),
    "a negative path length": (CLIENT_AUTH, extension(BASIC, seq(TRUE, number(-1)))),
    "critical FALSE written out": (extension(PURPOSES, seq(oid("1.3.6.1.5.5.7.3.2")), FALSE),),
    "critical TRUE as 01": (extension(PURPOSES, seq(oid("1.3.6.1.5.5.7.3.2")), b"\x01\x01\x01"),),
    "an unknown extension": (CLIENT_AUTH, extension(_STRANGE, b"anything")),
    "an unknown extension without a value": (CLIENT_AUTH, extension(_STRANGE, b"")),
    "an unknown extension twice": (CLIENT_AUTH, extension(_STRANGE, b"a"), extension(_STRANGE, b"b")),
    "an unknown critical extension": (CLIENT_AUTH, extension(_STRANGE, b"x", TRUE)),
    "purposes twice": (CLIENT_AUTH, CLIENT_AUTH),
    "names twice": (
        CLIENT_AUTH,
        extension(SAN, seq(tlv(0x82, b"a.example"))),
        extension(SAN, seq(tlv(0x82, b"b.example"))),
    ),
    "no purpose at all": (extension(PURPOSES, seq()),),
    "any purpose": (extension(PURPOSES, seq(oid("2.5.29.37.0"))),),
    "any purpose beside another": (extension(PURPOSES, seq(oid("2.5.29.37.0"), oid("1.3.6.1.5.5.7.3.1"))),),
    "an unknown purpose beside": (extension(PURPOSES, seq(oid(_STRANGE), oid("1.3.6.1.5.5.7.3.2"))),),
    "purposes that cannot be read": (extension(PURPOSES, b"\x04\x00"),),
    "usage without bits": (CLIENT_AUTH, extension(USAGE, bits(b""))),
    "usage with trailing zeros": (CLIENT_AUTH, extension(USAGE, bits(b"\x80\x00"))),
    "usage for encryption only": (CLIENT_AUTH, extension(USAGE, bits(b"\x20", 5))),
    "usage that cannot be read": (CLIENT_AUTH, extension(USAGE, b"\x02\x01\x01")),
    "an authority key with an issuer but no serial": (CLIENT_AUTH, extension(AKI, seq(_NAMED_ISSUER))),
    "an empty authority key": (CLIENT_AUTH, extension(AKI, seq())),
    "an authority key that cannot be read": (CLIENT_AUTH, extension(AKI, b"\x04\x00")),
    "an authority key that is another": (CLIENT_AUTH, extension(AKI, seq(tlv(0x80, b"x" * 20)))),
    "a subject key that is empty": (CLIENT_AUTH, extension("2.5.29.14", octets(b""))),
    "a subject key that cannot be read": (CLIENT_AUTH, extension("2.5.29.14", b"\x30\x00")),
    "an accent in a CDP": (
        CLIENT_AUTH,
        extension(CDP, seq(seq(tlv(0xA0, tlv(0xA0, _uri(b"ldap:///CN=Autorit\xe9,DC=example")))))),
    ),
    "an empty CDP": (CLIENT_AUTH, extension(CDP, seq())),
    "a CDP that cannot be read": (CLIENT_AUTH, extension(CDP, b"\x04\x00")),
    "a CDP relative to its issuer": (
        CLIENT_AUTH,
        extension(CDP, seq(seq(tlv(0xA0, tlv(0xA1, attribute(CN, b"crl1")))))),
    ),
    "an accent in AIA": (
        CLIENT_AUTH,
        extension(AIA, seq(seq(oid("1.3.6.1.5.5.7.48.2"), _uri(b"http://example.com/Autorit\xe9.crt")))),
    ),
    "an AIA that cannot be read": (CLIENT_AUTH, extension(AIA, b"\x05\x00")),
    "an accent in a policy address": (
        CLIENT_AUTH,
        extension(
            POLICIES, seq(seq(oid("1.2.3.4"), seq(seq(oid("1.3.6.1.5.5.7.2.1"), tlv(IA5, b"http://example.com/\xe9")))))
        ),
    ),
    "a policy notice in BMPString": (
        CLIENT_AUTH,
        extension(
            POLICIES,
            seq(seq(oid("1.2.3.4"), seq(seq(oid("1.3.6.1.5.5.7.2.2"), seq(tlv(BMP, "é".encode("utf-16-be"))))))),
        ),
    ),
    "a policy twice": (CLIENT_AUTH, extension(POLICIES, seq(seq(oid("1.2.3.4")), seq(oid("1.2.3.4"))))),
    "policies that cannot be read": (CLIENT_AUTH, extension(POLICIES, b"\x04\x00")),
    "an ediPartyName": (CLIENT_AUTH, extension(SAN, seq(tlv(0xA5, tlv(0xA1, tlv(UTF8, b"party")))))),
    "an x400Address": (CLIENT_AUTH, extension(SAN, seq(tlv(0xA3, seq(seq()))))),
    "a registered ID": (CLIENT_AUTH, extension(SAN, seq(tlv(0x88, oid("1.2.3.4")[2:])))),
    "a user principal name": (
        CLIENT_AUTH,
        extension(SAN, seq(tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), tlv(0xA0, tlv(UTF8, "zoë@corp".encode()))))),
    ),
    "another otherName": (CLIENT_AUTH, extension(SAN, seq(tlv(0xA0, oid(_STRANGE), tlv(0xA0, number(1)))))),
    "an accent in an alternative name": (
        CLIENT_AUTH,
        extension(SAN, seq(tlv(0x82, b"b\xfccher.example"), tlv(0x82, b"ok.example"))),
    ),
    "UTF-8 in an alternative e-mail": (CLIENT_AUTH, extension(SAN, seq(tlv(0x81, "zoë@example.com".encode())))),
    "an underscore in a host name": (CLIENT_AUTH, extension(SAN, seq(tlv(0x82, b"a_b.example")))),
    "an empty host name": (CLIENT_AUTH, extension(SAN, seq(tlv(0x82, b"")))),
    "no alternative names": (CLIENT_AUTH, extension(SAN, seq())),
    "an address of five octets": (CLIENT_AUTH, extension(SAN, seq(tlv(0x87, b"12345")))),
    "an address with a mask": (CLIENT_AUTH, extension(SAN, seq(tlv(0x87, b"\x0a\0\0\1\xff\xff\xff\0")))),
    "no URI": (CLIENT_AUTH, extension(SAN, seq(_uri(b"no uri at all")))),
    "a directory name": (CLIENT_AUTH, extension(SAN, seq(tlv(0xA4, ALICE)))),
    "an issuer's alternative name that cannot be read": (CLIENT_AUTH, extension("2.5.29.18", b"\x04\x00")),
    "a Netscape comment": (CLIENT_AUTH, extension("2.16.840.1.113730.1.13", tlv(IA5, b"Zo\xeb"))),
    "a Netscape type": (CLIENT_AUTH, extension("2.16.840.1.113730.1.1", bits(b"\x80", 7))),
    "a Netscape type for servers": (CLIENT_AUTH, extension("2.16.840.1.113730.1.1", bits(b"\x40", 6))),
    "private key usage period": (CLIENT_AUTH, extension("2.5.29.16", seq(tlv(0x80, b"20200101000000Z")))),
    "name constraints in a leaf": (CLIENT_AUTH, extension("2.5.29.30", seq(tlv(0xA0, seq(tlv(0x82, b"example")))))),
    "critical name constraints in a leaf": (
        CLIENT_AUTH,
        extension("2.5.29.30", seq(tlv(0xA0, seq(tlv(0x82, b"example")))), TRUE),
    ),
    "policy constraints": (CLIENT_AUTH, extension("2.5.29.36", seq(tlv(0x80, b"\0")))),
    "OCSP no check": (CLIENT_AUTH, extension("1.3.6.1.5.5.7.48.1.5", b"\x05\x00")),
    "must staple": (CLIENT_AUTH, extension("1.3.6.1.5.5.7.1.24", seq(number(5)))),
    "Microsoft's template": (CLIENT_AUTH, extension("1.3.6.1.4.1.311.20.2", tlv(BMP, "User".encode("utf-16-be")))),
    "Microsoft's SID": (
        CLIENT_AUTH,
        extension(
            "1.3.6.1.4.1.311.25.2",
            seq(tlv(0xA0, oid("1.3.6.1.4.1.311.25.2.1"), tlv(0xA0, octets(b"S-1-5-21")))),
        ),
    ),
    "a qualified statement": (CLIENT_AUTH, extension("1.3.6.1.5.5.7.1.3", seq(seq(oid("0.4.0.1862.1.1"))))),
    "an RFC 3779 block that is empty": (CLIENT_AUTH, extension("1.3.6.1.5.5.7.1.7", seq())),
    "an extension in pieces": (
        CLIENT_AUTH,
        seq(oid(SAN), tlv(0x24, octets(seq(tlv(0x82, b"a.b"))[:5]), octets(seq(tlv(0x82, b"a.b"))[5:]))),
    ),
}


def whole(issuer: Holder, key: Key) -> dict[str, bytes]:
    """Oddities of the frame: versions, serials, dates, keys, lengths."""
    every = seq(CLIENT_AUTH)

    def one(**parts: object) -> bytes:
        return certificate(issuer, key, **parts)  # type: ignore[arg-type]

    return {
        "v1": one(version=b"", extensions=()),
        "v1 with extensions": one(version=b""),
        "v1 written out": one(version=tlv(0xA0, number(0)), extensions=()),
        "v2": one(version=tlv(0xA0, number(1)), extensions=()),
        "v2 with extensions": one(version=tlv(0xA0, number(1))),
        "v3 without extensions": one(extensions=()),
        "v4": one(version=tlv(0xA0, number(3))),
        "a negative version": one(version=tlv(0xA0, number(-1))),
        "unique identifiers": one(unique=tlv(0x81, b"\0abc") + tlv(0x82, b"\0def")),
        "an empty list of extensions": one(extensions=tlv(0xA3, seq())),
        "serial 0": one(serial=number(0)),
        "a negative serial": one(serial=number(-4711)),
        "a serial of -1": one(serial=number(-1)),
        "a serial of -128": one(serial=number(-128)),
        "a serial with a sign octet": one(serial=number(0xFF00)),
        "a serial of 21 octets": one(serial=tlv(2, b"\x7f" * 21)),
        "a serial of 34 octets": one(serial=tlv(2, b"\x7f" * 34)),
        "a padded serial": one(serial=tlv(2, b"\0\0\x12")),
        "an empty serial": one(serial=tlv(2)),
        "GeneralizedTime before 2050": one(dates=seq(generalized(NOW - DAY), generalized(_FUTURE))),
        "GeneralizedTime and UTCTime": one(dates=seq(generalized(NOW - DAY), utc(_FUTURE))),
        "until 9999": one(dates=seq(utc(NOW - DAY), tlv(0x18, b"99991231235959Z"))),
        "from 1950": one(dates=seq(tlv(0x17, b"500101000000Z"), utc(_FUTURE))),
        "from 1900": one(dates=seq(tlv(0x18, b"19000101000000Z"), utc(_FUTURE))),
        "from year 1": one(dates=seq(tlv(0x18, b"00010101000000Z"), utc(_FUTURE))),
        "UTCTime without seconds": one(dates=seq(tlv(0x17, f"{NOW - DAY:%y%m%d%H%MZ}".encode()), utc(_FUTURE))),
        "UTCTime with an offset": one(dates=seq(tlv(0x17, f"{NOW - DAY:%y%m%d%H%M%S}+0000".encode()), utc(_FUTURE))),
        "GeneralizedTime with a fraction": one(dates=seq(tlv(0x18, b"20200101000000.5Z"), utc(_FUTURE))),
        "a leap second": one(dates=seq(tlv(0x17, b"161231235960Z"), utc(_FUTURE))),
        "29 February": one(dates=seq(tlv(0x17, b"240229000000Z"), utc(_FUTURE))),
        "30 February": one(dates=seq(tlv(0x17, b"240230000000Z"), utc(_FUTURE))),
        "hour 24": one(dates=seq(tlv(0x17, b"240201240000Z"), utc(_FUTURE))),
        "over before it began": one(dates=seq(utc(_FUTURE), utc(NOW - DAY))),
        "expired": one(dates=seq(utc(NOW - 2 * DAY), utc(NOW - DAY))),
        "a day of 2049": one(dates=seq(utc(NOW - DAY), utc(datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC)))),
        "an issuer in other letters": one(names_issuer=name(attribute(CN, b"  hOME   ca ", PRINTABLE))),
        "an issuer in UTF8String for another type": one(names_issuer=name(attribute(CN, b"Home CA", T61))),
        "no issuer": one(names_issuer=name()),
        "a tbs with a long length": one(frame=lambda *parts: long(0x30, *parts)),
        "a tbs without a length": one(frame=lambda *parts: open_ended(0x30, *parts)),
        "dates without a length": one(dates=open_ended(0x30, utc(NOW - DAY), utc(_FUTURE))),
        "extensions without a length": one(extensions=open_ended(0xA3, open_ended(0x30, CLIENT_AUTH))),
        "extensions with a long length": one(extensions=long(0xA3, long(0x30, CLIENT_AUTH))),
        "an algorithm with NULL": one(algorithm=seq(oid("1.2.840.10045.4.3.2"), tlv(5))),
        "something behind the extensions": one(extensions=tlv(0xA3, every) + tlv(0xA4, b"")),
        "a key with a long length": one(public_key=long(0x30, spki(key)[2:])),
    }


NOT_EVEN_SENT = frozenset(
    (
        *(
            f"subject: {kind}"
            for kind in (
                "Latin-1 in UTF8String",
                "overlong UTF8String",
                "surrogates in UTF8String",
                "BMPString with surrogate pairs",
                "BMPString with half a surrogate",
                "UniversalString beyond Unicode",
                "UniversalString with a surrogate",
                "VisibleString",
                "VisibleString with Latin-1",
                "GeneralString",
                "a time as a name",
            )
        ),
        *(
            f"extension: {kind}"
            for kind in (
                "a negative path length",
                "purposes twice",
                "names twice",
                "purposes that cannot be read",
                "usage without bits",
                "usage that cannot be read",
                "an authority key that cannot be read",
                "a subject key that cannot be read",
                "a CDP that cannot be read",
            )
        ),
        *(
            f"frame: {kind}"
            for kind in ("a serial of -128", "a padded serial", "an empty serial", "something behind the extensions")
        ),
    )
)
"""Those that OpenSSL does not load on the client's side either."""


def oddities(issuer: Holder, key: Key) -> dict[str, bytes]:
    """All of them, by name, as certificates by ``issuer`` for ``key``."""
    made = {f"subject: {kind}": certificate(issuer, key, subject=subject) for kind, subject in SUBJECTS.items()}
    made |= {
        f"extension: {kind}": certificate(issuer, key, extensions=extensions) for kind, extensions in EXTENSIONS.items()
    }
    return made | {f"frame: {kind}": der for kind, der in whole(issuer, key).items()}
