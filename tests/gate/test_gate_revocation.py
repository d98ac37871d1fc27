"""Revocation lists: which are relied on, what they answer, and when an operator is warned."""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import Revocations, RevocationStatus, Standing, alarms, read_lists
from gatekeeper.gate.verdict import Admit, Peer, Policy, Reason, Refuse, judge
from tests import der as write
from tests.certificates import DAY, NOW, Holder, digest_for, make, make_authority, make_client, named, with_sha1

HOME = make_authority("Home CA")
INNER = make_authority("Inner CA", HOME)
ALICE = make_client("alice", HOME)
BOB = make_client("bob", HOME)
HOUR = datetime.timedelta(hours=1)
AUTHORITIES = [read_certificate(HOME.der)]
SECONDS = NOW.timestamp()


def make_crl(
    *revoked: Holder,
    issuer: Holder = HOME,
    begins: datetime.datetime = NOW - HOUR,
    ends: datetime.datetime = NOW + DAY,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    entries: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.CertificateRevocationList:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(begins)
        .next_update(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    for holder in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number).revocation_date(NOW)
        for extension, critical in entries:
            entry = entry.add_extension(extension, critical)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, digest_for(issuer.key))


def der(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.DER)


def pem(crl: x509.CertificateRevocationList) -> bytes:
    return crl.public_bytes(Encoding.PEM)


def read(*crls: x509.CertificateRevocationList, authorities: Sequence[Holder] = (HOME,)) -> Revocations:
    trusted = [read_certificate(one.der) for one in authorities]
    return Revocations.of(one for crl in crls for one in read_lists(der(crl), trusted))


def standing(revocations: Revocations, holder: Holder, issuer: Holder = HOME, now: float = SECONDS) -> Standing:
    return revocations.status(read_certificate(holder.der), read_certificate(issuer.der), now).standing


def verdict(holder: Holder, policy: Policy, *path: Holder, now: float = SECONDS) -> Any:
    return judge(Peer(holder.der, verified=tuple(one.der for one in path or (HOME,))), now, policy)


# -- answers


@pytest.mark.parametrize("form", [der, pem])
def test_who_is_on_the_list_is_revoked_and_nobody_else(
    form: Callable[[x509.CertificateRevocationList], bytes],
) -> None:
    """PEM and DER alike; the answer "good" holds until the next list is due."""
    revocations = Revocations.of(read_lists(form(make_crl(BOB)), AUTHORITIES))
    assert standing(revocations, BOB) is Standing.REVOKED
    alice = revocations.status(read_certificate(ALICE.der), read_certificate(HOME.der), SECONDS)
    assert alice == RevocationStatus(Standing.GOOD, until=(NOW + DAY).timestamp())


def test_an_empty_list_revokes_nobody() -> None:
    """It is a list all the same, and makes its issuer's certificates good."""
    assert standing(read(make_crl()), ALICE) is Standing.GOOD


def test_a_pem_file_may_hold_several_lists() -> None:
    """One for each authority, and words between them, as bundles have."""
    content = pem(make_crl(ALICE)) + b"the inner one:\n" + pem(make_crl(BOB, issuer=INNER))
    trusted = [read_certificate(HOME.der), read_certificate(INNER.der)]
    assert [len(one.serials) for one in read_lists(content, trusted)] == [1, 1]


def test_without_a_list_of_its_issuer_a_certificate_is_unknown() -> None:
    """A serial number means nothing under another issuer, even if that one has a list."""
    revocations = read(make_crl(BOB))
    answer = revocations.status(read_certificate(BOB.der), read_certificate(INNER.der), SECONDS)
    assert answer.standing is Standing.UNKNOWN
    assert not answer.stale


def test_a_namesake_of_the_issuer_has_another_list() -> None:
    """The issuer is a name and a key: a foreign list under the same name answers for nobody else."""
    namesake = make_authority("Home CA")
    revocations = read(make_crl(BOB, issuer=namesake), authorities=(HOME, namesake))
    assert standing(revocations, BOB) is Standing.UNKNOWN
    assert standing(revocations, BOB, namesake) is Standing.REVOKED


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)])
def test_every_kind_of_key_may_sign(key: Any) -> None:
    """Ed25519 has no hash of its own; RSA signs as the plain recipe does."""
    home = make_authority("Home CA", key=key)
    assert standing(read(make_crl(BOB, issuer=home), authorities=(home,)), BOB, home) is Standing.REVOKED


def test_a_renewed_authority_with_the_same_key_keeps_its_list() -> None:
    """A certificate verified by the old CA certificate, and a list signed after the renewal."""
    renewed = make_authority("Home CA", key=HOME.key)
    assert standing(read(make_crl(BOB), authorities=(renewed,)), BOB) is Standing.REVOKED


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW - HOUR - DAY, Standing.UNKNOWN),
        (NOW - HOUR, Standing.GOOD),
        (NOW + DAY - datetime.timedelta(seconds=1), Standing.GOOD),
        (NOW + DAY, Standing.UNKNOWN),
    ],
)
def test_a_list_speaks_from_its_this_update_until_its_next_update(now: datetime.datetime, expected: Standing) -> None:
    """RFC 5280, 6.3.3 (a): before and after, it is not the current one."""
    assert standing(read(make_crl(BOB)), ALICE, now=now.timestamp()) is expected


@pytest.mark.parametrize(("now", "words"), [(NOW - 2 * DAY, "not valid yet"), (NOW + 2 * DAY, "not been renewed")])
def test_the_visitor_hears_whether_a_list_is_too_old_or_too_new(now: datetime.datetime, words: str) -> None:
    """The operator mends one by a new list, the other by setting a clock."""
    home, alice = read_certificate(HOME.der), read_certificate(ALICE.der)
    answer = read(make_crl(BOB)).status(alice, home, now.timestamp())
    assert words in answer.detail


def test_revoked_stays_revoked_on_a_stale_list() -> None:
    """What was taken back once is not given back because a file grew old."""
    assert standing(read(make_crl(BOB)), BOB, now=(NOW + 9 * DAY).timestamp()) is Standing.REVOKED


def test_several_lists_of_an_issuer_count_together() -> None:
    """Revoked on any is revoked; one that is fresh is enough."""
    old = make_crl(BOB, begins=NOW - 9 * DAY, ends=NOW - DAY)
    revocations = read(old, make_crl())
    assert standing(revocations, BOB) is Standing.REVOKED
    assert standing(revocations, ALICE) is Standing.GOOD


# -- the verdict


def test_the_verdict_is_revoked() -> None:
    """Reason ``revoked``; before the name is looked at, after the chain and the dates."""
    policy = Policy(revocations=read(make_crl(BOB)))
    assert verdict(BOB, policy).reason is Reason.REVOKED
    assert isinstance(verdict(ALICE, policy), Admit)
    assert verdict(BOB, policy, now=(NOW + 60 * DAY).timestamp()).reason is Reason.EXPIRED


def test_a_verdict_ends_with_the_list() -> None:
    """Whoever was let in on a list is judged anew when it ends, although the certificate is good for longer."""
    admit = verdict(ALICE, Policy(revocations=read(make_crl(BOB))))
    assert admit.until == (NOW + DAY).timestamp()


def test_a_stale_list_lets_nobody_in_unless_configured() -> None:
    """``crl_stale``: "deny" is revocation_unknown, "allow" takes the list's word, and only a list's."""
    later, revocations = (NOW + 2 * DAY).timestamp(), read(make_crl(BOB))
    deny, allow = Policy(revocations=revocations), Policy(revocations=revocations, stale_counts=True)
    assert verdict(ALICE, deny, now=later).reason is Reason.REVOCATION_UNKNOWN
    assert isinstance(verdict(ALICE, allow, now=later), Admit)
    assert verdict(BOB, allow, now=later).reason is Reason.REVOKED


@pytest.mark.parametrize("allow", [False, True])
def test_an_authority_without_a_list_lets_nobody_in(allow: bool) -> None:
    """Where any list is configured, and whatever ``crl_stale`` says: it is about lists that are there."""
    inner = make_client("carol", INNER)
    policy = Policy(revocations=read(make_crl()), stale_counts=allow)
    assert verdict(inner, policy, INNER, HOME).reason is Reason.REVOCATION_UNKNOWN


def test_an_intermediate_authority_that_is_trusted_by_itself_is_unknown() -> None:
    """As a visitor's own certificate its issuer is not known, so no list can speak for it."""
    policy = Policy(revocations=read(make_crl(), make_crl(issuer=INNER), authorities=(HOME, INNER)))
    refuse = judge(Peer(INNER.der), SECONDS, policy)
    assert isinstance(refuse, Refuse)
    assert refuse.reason is Reason.REVOCATION_UNKNOWN


def test_without_any_list_nobody_asks() -> None:
    """Revocation is off where no CRL is configured."""
    assert isinstance(verdict(BOB, Policy()), Admit)


# -- lists that are refused

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
    with pytest.raises(ValueError, match="Other CA, which is none of the authorities"):
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
    words = r"holds no CRL|cannot be read as a CRL|is none of the authorities|signature on the CRL"
    with pytest.raises(ValueError, match=words):
        read_lists(content, AUTHORITIES)


# -- alarms


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (31 * DAY, ""),
        (30 * DAY, "in less than 30 days"),
        (7 * DAY, "in less than 7 days"),
        (HOUR, "in less than a day"),
        (0 * DAY, "ended on"),
        (-HOUR, "an hour ago"),
        (-5 * HOUR, "5 hours ago"),
    ],
)
def test_an_operator_is_warned_in_time_and_again(left: datetime.timedelta, words: str) -> None:
    """30, 7 and 1 days before, and each hour after: a list that quietly ended locks everybody out."""
    found = list(alarms(read(make_crl(begins=NOW - 100 * DAY, ends=NOW + left)), AUTHORITIES, SECONDS))
    assert len(found) == bool(words)
    assert not words or words in found[0]
    assert all("is let in; sign it anew (gatekeeper ca crl)" in one for one in found)


def test_a_short_list_is_no_alarm_as_long_as_it_is_renewed() -> None:
    """One of a day that is signed each hour would else be one for ever: its last quarter counts."""
    assert not list(alarms(read(make_crl(begins=NOW - HOUR, ends=NOW + DAY)), AUTHORITIES, SECONDS))
    assert list(alarms(read(make_crl(begins=NOW - 3 * HOUR, ends=NOW + HOUR)), AUTHORITIES, SECONDS))


def test_where_an_old_list_counts_nobody_is_said_to_be_locked_out() -> None:
    """The consequence is the policy's."""
    (one,) = alarms(read(make_crl(begins=NOW - 9 * DAY, ends=NOW - DAY)), AUTHORITIES, SECONDS, stale_counts=True)
    assert "is let in" not in one
    assert "a revocation made after that is not known" in one


def test_an_authority_without_a_list_is_an_alarm() -> None:
    """Nobody with a certificate from it is let in, so that must not go unnoticed."""
    trusted = [*AUTHORITIES, read_certificate(INNER.der)]
    found = list(alarms(read(make_crl(ends=NOW + 40 * DAY)), trusted, SECONDS))
    assert found == ["there is no CRL of CN=Inner CA, so nobody with a certificate from it is let in"]
