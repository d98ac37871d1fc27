"""Which revocation lists are relied on, and for whom: scopes, deltas, odd ones, and those that are refused."""

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import Revocations, Standing, alarms, read_lists
from gatekeeper.gate.verdict import Peer, Policy, Reason, Refuse, judge
from tests import der as write
from tests.certificates import DAY, NOW, Holder, make, make_authority, make_client, named, with_sha1
from tests.gate.lists import ALICE, AUTHORITIES, BOB, HOME, HOUR, INNER, SECONDS, der, make_crl, pem, read, standing

POINT = [x509.UniformResourceIdentifier("http://crl.example.com/1.crl")]


def scope(**what: Any) -> x509.IssuingDistributionPoint:
    nothing = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(nothing | what))


@pytest.mark.parametrize(
    ("extension", "words"),
    [
        (scope(indirect_crl=True), "indirect"),
        (x509.DeltaCRLIndicator(1), "delta CRL without the number"),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), r"not understood \(1.2.3.4\)"),
        (x509.UnrecognizedExtension(x509.IssuingDistributionPoint.oid, b"\x05\x00"), "point cannot be read"),
    ],
)
def test_a_list_that_cannot_be_relied_on_is_refused(extension: x509.ExtensionType, words: str) -> None:
    """RFC 5280, 5.2: its silence about a certificate would mean nothing."""
    with pytest.raises(ValueError, match=words):
        read(make_crl(extensions=[(extension, True)]))


PUBLISHED = x509.CRLDistributionPoints([x509.DistributionPoint(POINT, None, None, None)])
AT_POINT = make(named("carol"), HOME, extensions=[(PUBLISHED, False)])


@pytest.mark.parametrize(
    ("extension", "holder", "expected"),
    [
        (scope(full_name=POINT), AT_POINT, Standing.GOOD),
        (scope(full_name=POINT), ALICE, Standing.UNKNOWN),
        (scope(full_name=[x509.UniformResourceIdentifier("http://other")]), AT_POINT, Standing.UNKNOWN),
        (scope(only_contains_user_certs=True), ALICE, Standing.GOOD),
        (scope(only_contains_user_certs=True), INNER, Standing.UNKNOWN),
        (scope(only_contains_ca_certs=True), ALICE, Standing.UNKNOWN),
        (scope(only_contains_ca_certs=True), INNER, Standing.GOOD),
        (scope(only_contains_attribute_certs=True), ALICE, Standing.UNKNOWN),
        (scope(only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])), ALICE, Standing.UNKNOWN),
    ],
)
def test_a_list_speaks_of_the_certificates_in_its_scope(
    extension: x509.ExtensionType, holder: Holder, expected: Standing
) -> None:
    """RFC 5280, 6.3.3 (b) (2): of others its silence says nothing. Who is on it is revoked all the same."""
    assert standing(read(make_crl(BOB, extensions=[(extension, True)])), holder) is expected
    assert standing(read(make_crl(holder, extensions=[(extension, True)])), holder) is Standing.REVOKED


def test_a_list_of_authorities_beside_that_of_users() -> None:
    """As EJBCA and AWS publish them: each speaks of its own."""
    users, authorities = scope(only_contains_user_certs=True), scope(only_contains_ca_certs=True)
    both = read(make_crl(BOB, extensions=[(users, True)]), make_crl(INNER, extensions=[(authorities, True)]))
    expected = {ALICE: Standing.GOOD, BOB: Standing.REVOKED, INNER: Standing.REVOKED}
    assert {holder: standing(both, holder) for holder in expected} == expected


def test_lists_for_all_reasons_together() -> None:
    """RFC 5280, 6.3.3: every reason must have been looked for before somebody is good."""
    every = set(x509.ReasonFlags) - {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
    some = {x509.ReasonFlags.key_compromise}
    lists = [
        make_crl(BOB, extensions=[(scope(only_some_reasons=frozenset(reasons)), True)])
        for reasons in (some, every - some)
    ]
    assert standing(read(*lists), ALICE) is Standing.GOOD
    assert standing(read(*lists), BOB) is Standing.REVOKED
    assert standing(read(lists[1]), ALICE) is Standing.UNKNOWN


def delta(*revoked: Holder, number: int = 8, base: int = 7, **more: Any) -> x509.CertificateRevocationList:
    return make_crl(
        *revoked, extensions=[(x509.DeltaCRLIndicator(base), True), (x509.CRLNumber(number), False)], **more
    )


def test_a_delta_adds_to_its_base() -> None:
    """RFC 5280, 5.2.4: who is on either is revoked, who is on neither is good."""
    base = make_crl(BOB, extensions=[(x509.CRLNumber(7), False)])
    both = read(base, delta(ALICE))
    expected = {ALICE: Standing.REVOKED, BOB: Standing.REVOKED, INNER: Standing.GOOD}
    assert {holder: standing(both, holder) for holder in expected} == expected


def test_a_delta_alone_makes_nobody_good() -> None:
    """It is silent about everybody who was revoked before its base."""
    alone = read(delta(ALICE))
    assert standing(alone, ALICE) is Standing.REVOKED
    assert standing(alone, BOB) is Standing.UNKNOWN
    assert list(alarms(alone, AUTHORITIES, SECONDS))


REMOVED = [(x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)]


@pytest.mark.parametrize(
    ("number", "more", "expected"),
    [
        (7, {}, Standing.GOOD),
        (6, {}, Standing.REVOKED),  # older than what the delta builds on
        (8, {}, Standing.REVOKED),  # as new as the delta
        (7, {"ends": NOW - datetime.timedelta(minutes=1)}, Standing.REVOKED),
    ],
)
def test_a_delta_takes_back_from_its_base_alone(number: int, more: dict[str, Any], expected: Standing) -> None:
    """removeFromCRL (RFC 5280, 5.3.1), while the delta is fresh, and from no list that is newer."""
    base = make_crl(BOB, extensions=[(x509.CRLNumber(number), False)])
    assert standing(read(base, delta(BOB, entries=REMOVED, **more)), BOB) is expected


def test_a_delta_takes_back_from_lists_of_its_own_scope_alone() -> None:
    """RFC 5280, 5.2.4 (c): one for users alone says nothing about a list of everybody."""
    base = make_crl(BOB, extensions=[(x509.CRLNumber(7), False)])
    extensions = [(x509.DeltaCRLIndicator(7), True), (x509.CRLNumber(8), False)]
    users = make_crl(BOB, entries=REMOVED, extensions=[*extensions, (scope(only_contains_user_certs=True), True)])
    assert standing(read(base, users), BOB) is Standing.REVOKED


def test_a_revoked_authority_between() -> None:
    """Whoever is below an authority that was taken back is refused, as by nginx and HAProxy."""
    below = make_client("below", INNER)
    trusted = (HOME, INNER)
    lists = read(make_crl(INNER), make_crl(issuer=INNER), authorities=trusted)
    policy = Policy(revocations=lists, authorities=tuple(read_certificate(one.der) for one in trusted))
    verdict = judge(Peer(below.der, verified=(INNER.der, HOME.der)), SECONDS, policy)
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.REVOKED


TIMES = write.utc(NOW - HOUR) + write.utc(NOW + DAY)
HEAD = (write.number(1), write.seq(write.oid(write.ECDSA_SHA256)))


def test_the_issuer_may_be_written_in_other_letters() -> None:
    """RFC 5280, 7.1: case, runs of blanks and the type of the string mean nothing."""
    issuer = write.name(write.attribute(write.CN, b" hOME  ca", write.PRINTABLE))
    (found,) = read_lists(write.signed(write.seq(*HEAD, issuer, TIMES), HOME), AUTHORITIES)
    assert found.issuer[0] == "CN=Home CA"


DEFAULTS = write.seq(*(write.tlv(tag, b"\0") for tag in (0x81, 0x82, 0x84)))
ODD_LISTS = {
    "an empty IDP": write.extension("2.5.29.28", write.seq(), write.TRUE),
    "an IDP with defaults written out": write.extension("2.5.29.28", DEFAULTS, write.TRUE),
    "critical FALSE written out": write.extension("2.5.29.20", write.number(7), write.FALSE),
    "an issuer's alternative name that cannot be read": write.extension("2.5.29.18", b"\x04\x00"),
    "an authority key that cannot be read": write.extension("2.5.29.35", b"\x04\x00"),
    "an unknown extension": write.extension("1.2.3.4", b""),
}


@pytest.mark.parametrize("kind", ODD_LISTS)
def test_an_odd_list_that_openssl_takes(kind: str) -> None:
    """What nobody asks for cannot make a list unreadable."""
    entry = write.seq(write.number(BOB.certificate.serial_number), write.utc(NOW))
    extensions = write.tlv(0xA0, write.seq(ODD_LISTS[kind]))
    body = write.seq(*HEAD, write.issuer_name(HOME), TIMES, write.seq(entry), extensions)
    lists = Revocations.of(read_lists(write.signed(body, HOME), AUTHORITIES))
    assert standing(lists, ALICE) is Standing.GOOD
    assert standing(lists, BOB) is Standing.REVOKED


def test_a_list_of_all_user_certificates_is_taken() -> None:
    """Its scope is what visitors have; extensions that change nothing are ignored."""
    extensions = [(scope(only_contains_user_certs=True), True), (x509.CRLNumber(7), False)]
    assert standing(read(make_crl(BOB, extensions=extensions)), BOB) is Standing.REVOKED


def test_an_entry_about_another_issuers_certificate_is_refused() -> None:
    """RFC 5280, 5.3.3: such a serial number is not this issuer's, whatever the list says of itself."""
    other = x509.CertificateIssuer([x509.DirectoryName(named("Other CA"))])
    with pytest.raises(ValueError, match="indirect"):
        read(make_crl(BOB, entries=[(other, True)]))


def test_an_entry_that_is_not_understood_is_refused() -> None:
    """RFC 5280, 5.3: where it is critical the whole list must not be used, not even what it says of others."""
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    with pytest.raises(ValueError, match=r"not understood \(1.2.3.4\)"):
        read(make_crl(BOB, entries=[(strange, True)], extensions=[(scope(only_contains_user_certs=True), True)]))
    unreadable = x509.UnrecognizedExtension(x509.CRLReason.oid, b"\x05\x00")
    assert standing(read(make_crl(BOB, entries=[(unreadable, True)])), BOB) is Standing.REVOKED
    assert standing(read(make_crl(BOB, entries=[(strange, False)])), BOB) is Standing.REVOKED


@pytest.mark.parametrize("critical", [False, True])
@pytest.mark.parametrize("reason", list(x509.ReasonFlags)[1:])
def test_on_the_list_is_revoked_whatever_the_reason(reason: x509.ReasonFlags, critical: bool) -> None:
    """certificateHold too; but not removeFromCRL, as OpenSSL reads it (crypto/x509/x509_vfy.c, cert_crl)."""
    listed = make_crl(BOB, entries=[(x509.CRLReason(reason), critical)])
    expected = Standing.GOOD if reason is x509.ReasonFlags.remove_from_crl else Standing.REVOKED
    assert standing(read(listed), BOB) is expected


def test_a_list_by_a_stranger_is_refused() -> None:
    """Whoever can write the file but has no CA key can neither free nor lock out anybody."""
    with pytest.raises(ValueError, match=r"Other CA, which is not in client_auth\.ca"):
        read(make_crl(issuer=make_authority("Other CA")))
    with pytest.raises(ValueError, match="not by the authority of that name"):
        read(make_crl(issuer=make_authority("Home CA")))


def test_a_changed_list_is_refused() -> None:
    """One bit of a serial: the signature no longer fits."""
    content = der(make_crl(BOB))
    serial = BOB.certificate.serial_number.to_bytes(20, "big")[-8:]
    forged = content.replace(serial, serial[:-1] + bytes([serial[-1] ^ 1]))
    assert forged != content
    with pytest.raises(ValueError, match="not by the authority"):
        read_lists(forged, AUTHORITIES)


def signed(content: bytes) -> tuple[bytes, bytes]:
    crl = x509.load_der_x509_crl(content)
    return crl.tbs_certlist_bytes, crl.signature


def test_a_list_signed_with_sha1_is_refused() -> None:
    """Two contents can be made that fit one such signature."""
    home: Any = make_authority("Home CA", key=rsa.generate_private_key(65537, 2048))
    content = with_sha1(der(make_crl(BOB, issuer=home)), signed, home.key)
    with pytest.raises(ValueError, match="signed with sha1, which is broken"):
        read_lists(content, [read_certificate(home.der)])


def test_an_authority_that_must_not_sign_lists_is_refused() -> None:
    """RFC 5280, 6.3.3 (f): where key usage is there, cRLSign must be in it."""
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    limited = make(
        named("Home CA"), extensions=[(x509.BasicConstraints(ca=True, path_length=None), True), (usage, True)]
    )
    with pytest.raises(ValueError, match="lacks cRLSign"):
        read(make_crl(issuer=limited), authorities=(limited,))


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"\x30\x80",
        HOME.der,
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN X509 CRL-----\nA\n-----END X509 CRL-----\n",
        pem(make_crl())[:-40],
        der(make_crl())[:-1],
        der(make_crl()).replace(b"\x02\x01\x01", b"\x02\x01\x07", 1),  # a version that is not known
        der(make_crl()).replace(b"\xce\x3d\x04\x03\x02", b"\xce\x3d\x04\x03\x7f"),  # an algorithm likewise
        der(make_crl()).replace(b"\x55\x04\x03\x0c\x07", b"\x55\x04\x03\x03\x07", 1),  # a name of bits
    ],
)
def test_what_is_no_list_is_refused(content: bytes) -> None:
    """Damaged, cut short, or another thing: a ValueError with a sentence, never another exception."""
    words = r"holds no CRL|cannot be read as a CRL|which is not in client_auth|signature on the CRL"
    with pytest.raises(ValueError, match=words):
        read_lists(content, AUTHORITIES)
