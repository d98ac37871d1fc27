"""Whatever a stranger sends: one kind of error, or values that can be written. Seeded, so it can be done again.

What is not an error here must also become headers: nothing behind the reader may raise.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.ocsp import read_response, responder_of
from gatekeeper.gate.revocation import read_lists
from gatekeeper.gate.verdict import Identity, Peer, Policy, judge
from gatekeeper.tls.files import not_an_authority
from gatekeeper.wire.presets import PRESETS
from gatekeeper.x509.certificate import parse_certificate
from gatekeeper.x509.crl import parse_list
from tests.certificates import NOW, make_authority, new_key
from tests.der import DATES, ECDSA_SHA256, issuer_name, number, oid, seq, signed, tlv, utc
from tests.oddities import oddities

HOME = make_authority("Home CA")
SEEDS = {kind: der for kind, der in oddities(HOME, new_key()).items() if not kind.endswith("long organization")}
ROUNDS = 60


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


@pytest.mark.parametrize("kind", SEEDS)
def test_a_certificate_with_changed_bytes(kind: str) -> None:
    """ValueError, which is `invalid_certificate`, or a certificate with which everything goes on."""
    server = read_certificate(HOME.der)
    for data in mutations(SEEDS[kind], kind):
        only_value_errors(lambda der: list(not_an_authority(parse_certificate(der))), data)
        only_value_errors(responder_of, data)
        verdict = judge(Peer(data, verified=(HOME.der,)), NOW.timestamp(), Policy())
        if (certificate := getattr(verdict, "certificate", None)) is None and hasattr(verdict, "identity"):
            certificate = verdict.identity.certificate
        if certificate is not None:
            for write in PRESETS.values():
                write(Identity(certificate), server)


def test_a_list_with_changed_bytes() -> None:
    """A file of the administrator's, or what came from a URL."""
    entries = seq(*(seq(number(serial), utc(NOW)) for serial in range(5)))
    body = seq(number(1), seq(oid(ECDSA_SHA256)), issuer_name(HOME), DATES[2:], entries, tlv(0xA0, seq()))
    trusted = [read_certificate(HOME.der)]
    for data in mutations(signed(body, HOME), "list"):
        only_value_errors(parse_list, data)
        only_value_errors(lambda der: read_lists(der, trusted), data)


def test_an_answer_with_changed_bytes() -> None:
    """Of an OCSP responder, by plain HTTP, so that anybody on the way can change it."""
    asked = seq(seq(oid("1.3.14.3.2.26")), tlv(4, b"n" * 20), tlv(4, b"k" * 20), number(1))
    moment = tlv(0x18, b"20260101000000Z")
    body = seq(tlv(0xA2, tlv(4, b"k" * 20)), moment, seq(seq(asked, tlv(0x80), moment)))
    basic = signed(body, HOME)
    answer = seq(tlv(0x0A, b"\0"), tlv(0xA0, seq(oid("1.3.6.1.5.5.7.48.1.1"), tlv(4, basic))))
    for data in mutations(answer, "answer"):
        only_value_errors(lambda der: read_response(der, HOME.der, HOME.der, NOW.timestamp()), data)
