"""The verdict, as a function of what TLS found and what time it is."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import Authority, authority_from_key, make_authority
from gatekeeper.ca.certificates import Credential, issue_client
from gatekeeper.ca.subject import make_subject
from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.gate.verdict import Admit, Peer, Policy, Reason, Refuse, VerifyError, judge

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOME = make_authority("Home CA", key_type="ec:p256", now=NOW)
ALICE = issue_client(HOME, "alice", key_type="ec:p256", now=NOW, lifetime=timedelta(days=30))


def der(credential: Credential | Authority) -> bytes:
    return credential.certificate.public_bytes(Encoding.DER)


def peer(credential: Credential = ALICE, *errors: VerifyError) -> Peer:
    authority = HOME.certificate.public_bytes(Encoding.DER)
    return Peer(der(credential), verified=() if errors else (authority,), errors=errors)


def reason(verdict: object) -> Reason:
    assert isinstance(verdict, Refuse)
    return verdict.reason


def test_a_good_certificate_is_let_in() -> None:
    """The one way in: a leaf, no error, dates and name in order."""
    verdict = judge(peer(), NOW.timestamp(), Policy())
    assert isinstance(verdict, Admit)
    assert verdict.identity.certificate.common_name == "alice"


def test_nobody_is_let_in_without_a_certificate() -> None:
    """OpenSSL's verify result is 0 also when no certificate came (SSL_get_verify_result(3))."""
    assert reason(judge(Peer(), NOW.timestamp(), Policy())) is Reason.NO_CERTIFICATE


def test_what_cannot_be_parsed_is_refused() -> None:
    """A certificate that OpenSSL takes and cryptography does not has nothing that could be judged."""
    assert reason(judge(Peer(b"\x30\x03\x02\x01\x01"), NOW.timestamp(), Policy())) is Reason.INVALID_CERTIFICATE


def test_a_strangers_large_certificate_is_not_parsed() -> None:
    """Its maker chose what is in it; the reason comes from OpenSSL alone."""
    errors = (VerifyError(20, 0, "issuer"),)
    names = [f"{number}.example.com" for number in range(200)]
    large = der(issue_client(HOME, make_subject("large", dns_names=names), key_type="ec:p256", now=NOW))
    for certificate, parsed in ((der(ALICE), True), (large, False)):
        refusal = judge(Peer(certificate, errors=errors), NOW.timestamp(), Policy())
        assert isinstance(refusal, Refuse)
        assert refusal.reason is Reason.UNTRUSTED_ISSUER
        assert (refusal.certificate is not None) is parsed
    assert isinstance(judge(Peer(large, verified=(der(HOME),)), NOW.timestamp(), Policy()), Admit)


def test_a_path_is_read_once() -> None:
    """A connection is judged at each request, and its certificates stay the same."""
    parsed = []

    def parse(certificate: bytes) -> Certificate:
        parsed.append(certificate)
        return read_certificate(certificate)

    alice = peer()
    assert alice.path(parse) == alice.path(parse) == [read_certificate(der(ALICE)), read_certificate(der(HOME))]
    assert parsed == [der(ALICE), der(HOME)]
    assert Peer().path(parse) == []


@pytest.mark.parametrize(
    ("code", "depth", "expected"),
    [
        (2, 1, Reason.UNTRUSTED_ISSUER),
        (7, 0, Reason.UNTRUSTED_ISSUER),
        (18, 0, Reason.UNTRUSTED_ISSUER),
        (19, 1, Reason.UNTRUSTED_ISSUER),
        (20, 0, Reason.UNTRUSTED_ISSUER),
        (21, 0, Reason.UNTRUSTED_ISSUER),
        (26, 0, Reason.WRONG_PURPOSE),
        (26, 1, Reason.INVALID_CERTIFICATE),
        (9, 0, Reason.NOT_YET_VALID),
        (10, 0, Reason.EXPIRED),
        (10, 1, Reason.EXPIRED),
        (66, 0, Reason.INVALID_CERTIFICATE),
        (1, 0, Reason.INVALID_CERTIFICATE),
        (12345, 3, Reason.INVALID_CERTIFICATE),
    ],
)
def test_each_error_of_openssl_has_its_reason(code: int, depth: int, expected: Reason) -> None:
    """Whatever number OpenSSL gives, known or not, the visitor stays outside."""
    refusal = judge(peer(ALICE, VerifyError(code, depth, "in its words")), NOW.timestamp(), Policy())
    assert reason(refusal) is expected
    assert isinstance(refusal, Refuse)
    assert "in its words" in refusal.detail


def test_who_cannot_be_trusted_is_not_told_about_dates() -> None:
    """Of several errors the one that matters most is told."""
    errors = (VerifyError(10, 0, "expired"), VerifyError(26, 0, "purpose"), VerifyError(20, 0, "issuer"))
    assert reason(judge(peer(ALICE, *errors), NOW.timestamp(), Policy())) is Reason.UNTRUSTED_ISSUER


def test_an_unknown_error_goes_before_dates() -> None:
    """A weak key does not become harmless by being expired too."""
    errors = (VerifyError(10, 0, "expired"), VerifyError(66, 0, "key too small"))
    assert reason(judge(peer(ALICE, *errors), NOW.timestamp(), Policy())) is Reason.INVALID_CERTIFICATE


def test_the_dates_are_asked_at_the_moment_of_the_request() -> None:
    """RFC 5280, 4.1.2.5: valid through notAfter, and not a second longer, whatever the handshake said."""
    end = ALICE.certificate.not_valid_after_utc.timestamp()
    begin = ALICE.certificate.not_valid_before_utc.timestamp()
    assert isinstance(judge(peer(), end + 0.9, Policy()), Admit)
    assert reason(judge(peer(), end + 1, Policy())) is Reason.EXPIRED
    assert isinstance(judge(peer(), begin, Policy()), Admit)
    assert reason(judge(peer(), begin - 1, Policy())) is Reason.NOT_YET_VALID


def test_a_verdict_holds_until_the_first_certificate_of_the_path_ends() -> None:
    """An authority that runs out ends what it signed (RFC 5280, 6.1.3)."""
    tired = make_authority("Tired CA", key_type="ec:p256", now=NOW, lifetime=timedelta(days=1))
    bob = issue_client(tired, "bob", key_type="ec:p256", now=NOW, lifetime=timedelta(days=30))
    path = Peer(der(bob), verified=(tired.certificate.public_bytes(Encoding.DER),))
    verdict = judge(path, NOW.timestamp(), Policy())
    assert isinstance(verdict, Admit)
    assert verdict.until == tired.certificate.not_valid_after_utc.timestamp() + 1
    refusal = judge(path, verdict.until, Policy())
    assert reason(refusal) is Reason.EXPIRED
    assert isinstance(refusal, Refuse)
    assert "authority" in refusal.detail


def test_an_issuer_is_known_by_name_and_key() -> None:
    """Where several are trusted, it must be one of them, renewed or not; the only one is known by all below it."""
    other = make_authority("Other CA", key_type="ec:p256", now=NOW)
    renewal = authority_from_key(HOME.key, HOME.certificate.subject, now=NOW + timedelta(days=1))
    twin = make_authority("Home CA", key_type="ec:p256", now=NOW)
    same_key = authority_from_key(HOME.key, other.certificate.subject, now=NOW)
    home, renewed, others, twins, alias = (read_certificate(der(one)) for one in (HOME, renewal, other, twin, same_key))
    for trusted, known in (
        ((home,), True),
        ((others,), True),
        ((others, home), True),
        ((others, renewed), True),
        ((others, twins), False),
        ((others, alias), False),
        ((), False),
    ):
        verdict = judge(peer(), NOW.timestamp(), Policy(authorities=trusted))
        assert isinstance(verdict, Admit)
        assert verdict.identity.issuer_is_known is known


@pytest.mark.parametrize("name", [None, " ", "\t", "  ", "　"])
def test_a_blank_name_is_refused_unless_allowed(name: str | None) -> None:
    """A name of nothing but white space is no name, in any alphabet."""
    nameless = issue_client(HOME, name, key_type="ec:p256", now=NOW)
    assert reason(judge(peer(nameless), NOW.timestamp(), Policy())) in (
        Reason.BLANK_NAME,
        Reason.INVALID_CERTIFICATE,
    )
    if name in (None, " "):
        assert isinstance(judge(peer(nameless), NOW.timestamp(), Policy(require_common_name=False)), Admit)
