"""What revocation lists say of a visitor, and when an operator is warned."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import (
    RevocationList,
    Revocations,
    RevocationStatus,
    Standing,
    alarms,
    read_lists,
    replay,
)
from gatekeeper.gate.verdict import Admit, Peer, Policy, Reason, Refuse, judge
from tests.certificates import DAY, NOW, make_authority, make_client
from tests.gate.lists import (
    ALICE,
    AUTHORITIES,
    BOB,
    HOME,
    HOUR,
    INNER,
    SECONDS,
    der,
    make_crl,
    pem,
    read,
    standing,
    verdict,
)

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


def test_a_refusal_tells_a_list_that_has_ended_from_one_that_is_missing() -> None:
    """Only the first is a matter of a new list: visitors of another authority never had one."""
    later, policy = (NOW + 2 * DAY).timestamp(), Policy(revocations=read(make_crl(BOB)))
    assert verdict(ALICE, policy, now=later).stale
    assert not verdict(BOB, policy, now=later).stale  # revoked, whatever else is true of the list
    assert not verdict(make_client("carol", INNER), policy, INNER, HOME).stale


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


def test_a_root_that_shows_itself_is_judged_by_its_own_list() -> None:
    """It has signed itself, so its issuer is known."""
    assert isinstance(judge(Peer(HOME.der), SECONDS, Policy(revocations=read(make_crl()))), Admit)
    refuse = judge(Peer(HOME.der), SECONDS, Policy(revocations=read(make_crl(HOME))))
    assert isinstance(refuse, Refuse)
    assert refuse.reason is Reason.REVOKED


def test_without_any_list_nobody_asks() -> None:
    """Revocation is off where no CRL is configured."""
    assert isinstance(verdict(BOB, Policy()), Admit)


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
    assert all("is refused; sign it anew (gatekeeper ca crl)" in one for one in found)


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
    assert found == ["there is no CRL of CN=Inner CA, so everyone with a certificate from it is refused"]


def test_a_list_that_certificates_name_is_still_to_come() -> None:
    """With "cdp" the first visitor of an authority has its list fetched: nothing is missing in the configuration."""
    (found,) = alarms(read(make_crl(ends=NOW + 40 * DAY)), [read_certificate(INNER.der)], SECONDS, learns=True)
    assert found == (
        "there is no CRL of CN=Inner CA yet: it is fetched once a certificate from it says from where, and until then "
        "everyone with a certificate from it is refused"
    )


# -- lists that are fetched


def numbered(number: int, *, delta: bool = False, **more: Any) -> RevocationList:
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.CRLNumber(number), False)]
    extensions += [(x509.DeltaCRLIndicator(1), True)] * delta
    (found,) = read(make_crl(extensions=extensions, **more)).every
    return found


OLD = numbered(7)
REPLAYED = "is older than the one before it"
NOT_THE_SAME = "or of other certificates than the one before it"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ([numbered(7)], ""),
        ([numbered(8)], ""),
        ([numbered(6)], REPLAYED),
        ([numbered(8, begins=NOW - 2 * HOUR)], REPLAYED),
        ([numbered(6), numbered(8)], ""),
        ([numbered(8, issuer=make_authority("Home CA", key=HOME.key))], ""),
        ([numbered(8, delta=True)], NOT_THE_SAME),
        ([], NOT_THE_SAME),
    ],
)
def test_a_list_from_before_a_revocation_does_not_replace_a_newer_one(new: list[RevocationList], why: str) -> None:
    """RFC 5280, 5.2.3 and 5.1.2.4: an attacker on the network can send an old list, which has a valid signature."""
    found = replay(new, [OLD])
    assert found.endswith(why) if why else not found


def test_a_policy_tells_whose_visitors_are_locked_out() -> None:
    """Those of an authority without a list in force: a delta is no list; an old one counts if configured."""
    now = (NOW + 2 * DAY).timestamp()
    lists = Revocations.of([OLD, numbered(8, delta=True, ends=NOW + 9 * DAY)])
    assert Policy(revocations=lists).locked_out(SECONDS) == []
    assert Policy(revocations=lists).locked_out(now) == ["CN=Home CA"]
    assert Policy(revocations=lists, stale_counts=True).locked_out(now) == []
    assert Policy().locked_out(now) == []
