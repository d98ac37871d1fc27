"""Whatever a stranger sends: one kind of error, or values that can be written. Places and changes are seeded; keys and
signatures are new each time, so what a change hits by chance is also tried at each element.

What is not an error here must also become headers: nothing behind the reader may raise.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.keys import request_weakness
from gatekeeper.gate.ocsp import read_response, responder_of
from gatekeeper.gate.revocation import read_lists
from gatekeeper.gate.verdict import Identity, Peer, Policy, judge
from gatekeeper.tls.files import not_an_authority
from gatekeeper.wire.presets import PRESETS
from gatekeeper.x509.certificate import parse_certificate
from gatekeeper.x509.crl import parse_list
from gatekeeper.x509.der import CONSTRUCTED, elements
from gatekeeper.x509.request import parse_request
from tests.certificates import NOW, make_authority, new_key
from tests.der import DATES, ECDSA_SHA256, issuer_name, number, oid, seq, signed, tlv, utc
from tests.oddities import oddities

HOME = make_authority("Home CA")
SEEDS = {kind: der for kind, der in oddities(HOME, new_key()).items() if not kind.endswith("long organization")}
ROUNDS = 60
OCTETS = 0x04


def mutations(der: bytes, seed: str) -> Iterator[bytes]:
    """The bytes with a few of them changed, cut out, doubled, or with everything behind a place gone."""
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        changed = bytearray(der)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(changed))
            match chance.randrange(5):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    changed[at] ^= 1 << chance.randrange(8)
                case 2:
                    del changed[at : at + chance.randint(1, 8)]
                case 3:
                    changed[at:at] = changed[at : at + chance.randint(1, 16)]
                case 4:
                    changed[at] = chance.choice((0x00, 0x7F, 0x80, 0xFF, 0x30, 0x24, 0x1F))
            if not changed:
                break
        yield bytes(changed)


def only_value_errors(parse: Callable[[bytes], object], data: bytes) -> None:
    with suppress(ValueError):
        parse(data)


def holes(data: bytes) -> Iterator[bytes]:
    """The elements with each of them left out, and each of them emptied; all lengths are right."""
    start = 0
    for one in elements(data, 0, len(data)):
        before, inside, after = data[:start], data[one.start : one.stop], data[one.end :]
        start = one.end
        yield before + after
        yield before + tlv(one.tag) + after
        if one.tag & CONSTRUCTED or one.tag == OCTETS:
            with suppress(ValueError):  # octets that hold no elements
                yield from (before + tlv(one.tag, inner) + after for inner in list(holes(inside)))


def check_certificate(data: bytes) -> None:
    only_value_errors(lambda der: list(not_an_authority(parse_certificate(der))), data)
    only_value_errors(responder_of, data)
    verdict = judge(Peer(data, verified=(HOME.der,)), NOW.timestamp(), Policy())
    if (certificate := getattr(verdict, "certificate", None)) is None and hasattr(verdict, "identity"):
        certificate = verdict.identity.certificate
    if certificate is not None:
        for write in PRESETS.values():
            write(Identity(certificate), read_certificate(HOME.der))


def check_list(data: bytes) -> None:
    only_value_errors(parse_list, data)
    only_value_errors(lambda der: read_lists(der, [read_certificate(HOME.der)]), data)


def check_answer(data: bytes) -> None:
    only_value_errors(lambda der: read_response(der, HOME.der, HOME.der, NOW.timestamp()), data)


def check_request(data: bytes) -> None:
    only_value_errors(lambda der: request_weakness(parse_request(der)), data)


@pytest.mark.parametrize("kind", SEEDS)
def test_a_certificate_with_changed_bytes(kind: str) -> None:
    """ValueError, which is `invalid_certificate`, or a certificate with which everything goes on."""
    for data in mutations(SEEDS[kind], kind):
        check_certificate(data)


def a_list() -> bytes:
    entries = seq(*(seq(number(serial), utc(NOW)) for serial in range(5)))
    body = seq(number(1), seq(oid(ECDSA_SHA256)), issuer_name(HOME), DATES[2:], entries, tlv(0xA0, seq()))
    return signed(body, HOME)


def test_a_list_with_changed_bytes() -> None:
    """A file of the administrator's, or what came from a URL."""
    for data in mutations(a_list(), "list"):
        check_list(data)


def an_answer() -> bytes:
    asked = seq(seq(oid("1.3.14.3.2.26")), tlv(4, b"n" * 20), tlv(4, b"k" * 20), number(1))
    moment = tlv(0x18, b"20260101000000Z")
    body = seq(tlv(0xA2, tlv(4, b"k" * 20)), moment, seq(seq(asked, tlv(0x80), moment)))
    basic = signed(body, HOME)
    return seq(tlv(0x0A, b"\0"), tlv(0xA0, seq(oid("1.3.6.1.5.5.7.48.1.1"), tlv(4, basic))))


def test_an_answer_with_changed_bytes() -> None:
    """Of an OCSP responder, by plain HTTP, so that anybody on the way can change it."""
    for data in mutations(an_answer(), "answer"):
        check_answer(data)


def a_request() -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")])
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, critical=False)
    return builder.sign(new_key(), hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("make", "check"),
    [
        (lambda: HOME.der, check_certificate),
        (a_list, check_list),
        (an_answer, check_answer),
        (a_request, check_request),
    ],
    ids=["certificate", "list", "answer", "request"],
)
def test_each_element_missing_and_empty(make: Callable[[], bytes], check: Callable[[bytes], None]) -> None:
    """The signature's algorithm, for one, is read before the signature is verified."""
    found = list(holes(make()))
    assert len(found) > 40
    for data in found:
        check(data)
