"""OCSP: the question, and which answers can be relied on."""

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.ocsp import MOST_DELEGATES, WITHOUT_NEXT_UPDATE, make_request, read_response, responder_of
from gatekeeper.gate.revocation import RevocationStatus, Standing
from gatekeeper.gate.verdict import Admit, Identity, OCSPPolicy, Reason, Refuse, confirm
from gatekeeper.x509.ocsp import parse_response as ocsp_parts
from gatekeeper.x509.signatures import has_signed
from tests import der as write
from tests.certificates import DAY, NOW, Holder, make, make_authority, make_client, named, with_sha1

HOME = make_authority("Home CA")
ALICE = make_client("alice", HOME)
SECONDS = NOW.timestamp()
HOUR = datetime.timedelta(hours=1)
SIGNING = (ExtendedKeyUsageOID.OCSP_SIGNING,)
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN


def respond(
    status: ocsp.OCSPCertStatus = GOOD,
    *,
    about: Holder = ALICE,
    issuer: Holder = HOME,
    signer: Holder = HOME,
    begins: datetime.datetime = NOW - HOUR,
    ends: datetime.datetime | None = NOW + HOUR,
    sends: tuple[Holder, ...] = (),
    by: Any = ocsp.OCSPResponderEncoding.HASH,
    digest: Any = None,
    certificate_id: Any = None,
) -> bytes:
    revoked = status is REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=about.certificate,
            issuer=issuer.certificate,
            algorithm=certificate_id or hashes.SHA1(),
            cert_status=status,
            this_update=begins,
            next_update=ends,
            revocation_time=NOW - DAY if revoked else None,
            revocation_reason=None,
        )
        .responder_id(by, signer.certificate)
    )
    if sends:
        builder = builder.certificates([one.certificate for one in sends])
    return builder.sign(signer.key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def read(content: bytes, now: float = SECONDS, leaf: Holder = ALICE, issuer: Holder = HOME) -> RevocationStatus:
    return read_response(content, leaf.der, issuer.der, now)


# -- the question


def test_the_question_names_the_certificate_and_its_issuer() -> None:
    """RFC 6960, 4.1.1."""
    request = ocsp.load_der_ocsp_request(make_request(ALICE.der, HOME.der))
    assert request.serial_number == ALICE.certificate.serial_number


def with_access(*entries: tuple[x509.ObjectIdentifier, str]) -> Holder:
    access = [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in entries]
    return make(named("alice"), HOME, extensions=[(x509.AuthorityInformationAccess(access), False)])


def test_the_responder_is_the_one_that_the_certificate_names() -> None:
    """The first by HTTP; none if there is none."""
    issuers, responder = AuthorityInformationAccessOID.CA_ISSUERS, AuthorityInformationAccessOID.OCSP
    several = with_access((issuers, "http://a/"), (responder, "ldap://b/"), (responder, "http://c/"))
    assert responder_of(several.der) == "http://c/"
    assert responder_of(ALICE.der) is None


# -- the answer


@pytest.mark.parametrize(
    ("status", "standing"), [(GOOD, Standing.GOOD), (REVOKED, Standing.REVOKED), (UNKNOWN, Standing.UNKNOWN)]
)
@pytest.mark.parametrize("certificate_id", [hashes.SHA1(), hashes.SHA256()])
def test_an_answer_of_the_authority_counts(status: Any, standing: Standing, certificate_id: Any) -> None:
    """All three of them, until the next update; the hash in the CertID is the responder's choice."""
    answer = read(respond(status, certificate_id=certificate_id))
    assert (answer.standing, answer.until) == (standing, (NOW + HOUR).timestamp())
    assert not answer.stale


def test_without_a_next_update_it_counts_for_a_moment() -> None:
    """RFC 6960, 4.2.2.1: newer information is there all the time."""
    assert read(respond(ends=None)).until == SECONDS + WITHOUT_NEXT_UPDATE


@pytest.mark.parametrize("by", [ocsp.OCSPResponderEncoding.HASH, ocsp.OCSPResponderEncoding.NAME])
def test_an_answer_of_a_delegate_counts(by: Any) -> None:
    """RFC 6960, 4.2.2.2: its certificate comes along, was issued by the authority itself, and is for OCSP signing."""
    delegate = make_client("ocsp", HOME, purposes=SIGNING)
    assert read(respond(signer=delegate, sends=(delegate,), by=by)).standing is Standing.GOOD


def test_only_the_first_few_certificates_beside_an_answer_are_looked_at() -> None:
    """Each costs a signature check, and whoever answers in the responder's place chooses how many there are."""
    delegate = make_client("ocsp", HOME, purposes=SIGNING)
    content = respond(signer=delegate, sends=(*[ALICE] * (MOST_DELEGATES - 1), delegate))
    assert read(content).standing is Standing.GOOD
    with pytest.raises(ValueError, match="neither by the authority nor"):
        read(respond(signer=delegate, sends=(*[ALICE] * MOST_DELEGATES, delegate)))


OTHER = make_authority("Other CA")
RSA: Any = make_authority("RSA CA", key=rsa.generate_private_key(65537, 2048))
INNER = make_authority("Inner CA", HOME)
STRANGERS = {
    "another authority": OTHER,
    "a client": make_client("eve", HOME),
    "another authority's delegate": make_client("ocsp", OTHER, purposes=SIGNING),
    "a delegate of a delegate": make_client("ocsp", INNER, purposes=SIGNING),
    "an expired delegate": make_client("ocsp", HOME, purposes=SIGNING, ends=NOW - HOUR),
    "a delegate to come": make_client("ocsp", HOME, purposes=SIGNING, starts=NOW + HOUR),
    "a namesake": make_authority("Home CA"),
}


@pytest.mark.parametrize("who", STRANGERS)
def test_an_answer_of_anybody_else_does_not_count(who: str) -> None:
    """Whoever can answer in the responder's place (plain HTTP!) could revive a revoked certificate."""
    signer = STRANGERS[who]
    with pytest.raises(ValueError, match="neither by the authority nor"):
        read(respond(signer=signer, sends=(signer,)))


def by_sha1(delegate: bool) -> bytes:
    """An answer where the authority's signature on it, or on its delegate, is one with SHA-1."""
    if not delegate:
        return with_sha1(respond(issuer=RSA, signer=RSA), tbs_of_response, RSA.key)
    honest = make_client("ocsp", RSA, purposes=SIGNING)
    forged = x509.load_der_x509_certificate(with_sha1(honest.der, tbs_of_certificate, RSA.key))
    signer = Holder(honest.key, forged)
    return respond(issuer=RSA, signer=signer, sends=(signer,))


def tbs_of_response(content: bytes) -> tuple[bytes, bytes]:
    response = ocsp.load_der_ocsp_response(content)
    return response.tbs_response_bytes, response.signature


def tbs_of_certificate(content: bytes) -> tuple[bytes, bytes]:
    certificate = x509.load_der_x509_certificate(content)
    return certificate.tbs_certificate_bytes, certificate.signature


@pytest.mark.parametrize("delegate", [False, True])
def test_a_signature_with_sha1_does_not_count(delegate: bool) -> None:
    """Two contents can be made that fit one such signature."""
    with pytest.raises(ValueError, match=r"neither by|which is broken"):
        read(by_sha1(delegate), issuer=RSA)


def test_a_changed_answer_does_not_count() -> None:
    """One digit of the time, with which an old answer could be made to look new."""
    content, end = respond(REVOKED), f"{NOW + HOUR:%Y%m%d%H%M%SZ}".encode()
    forged = content.replace(end, b"2096" + end[4:])  # a leap year, for 29 February
    assert forged != content
    with pytest.raises(ValueError, match="neither by"):
        read(forged)


def test_an_answer_about_another_certificate_does_not_count() -> None:
    """Neither another serial of the issuer, nor the same serial of another issuer."""
    with pytest.raises(ValueError, match="about another certificate"):
        read(respond(about=make_client("bob", HOME)))
    with pytest.raises(ValueError, match="about another certificate"):
        read(respond(issuer=OTHER))


@pytest.mark.parametrize(
    ("now", "words"), [(NOW + HOUR, "out of date"), (NOW - 2 * HOUR, "from the future"), (NOW + 9 * DAY, "out of date")]
)
def test_an_answer_for_another_time_does_not_count(now: datetime.datetime, words: str) -> None:
    """An old "good" would hide a revocation."""
    with pytest.raises(ValueError, match=words):
        read(respond(), now.timestamp())


@pytest.mark.parametrize("status", [one for one in ocsp.OCSPResponseStatus if one.value])
def test_an_error_is_no_answer(status: ocsp.OCSPResponseStatus) -> None:
    """RFC 6960, 4.2.1: not signed, so it says nothing about the certificate."""
    content = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
    with pytest.raises(ValueError, match="it says "):
        read(content)


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>", respond()[:-1], respond() + b"\0"])
def test_what_is_no_answer_is_refused(content: bytes) -> None:
    """ValueError, whatever came."""
    with pytest.raises(ValueError, match=r"."):
        read(content)


# -- the verdict

ADMIT = Admit(Identity(read_certificate(ALICE.der)), until=1000.0)


def test_before_the_answer_the_verdict_is_pending() -> None:
    """Refused, but asked for; whoever is refused anyway is not asked about."""
    refuse = confirm(ADMIT, None, OCSPPolicy())
    assert isinstance(refuse, Refuse)
    assert refuse.pending
    already = Refuse(Reason.EXPIRED, "It has expired.")
    assert confirm(already, None, OCSPPolicy()) is already


def test_a_good_answer_lets_in_while_it_holds() -> None:
    """The earlier of the two ends counts."""
    assert confirm(ADMIT, RevocationStatus(Standing.GOOD, 900.0), OCSPPolicy()) == Admit(ADMIT.identity, 900.0)
    assert confirm(ADMIT, RevocationStatus(Standing.GOOD, 1100.0), OCSPPolicy()) == ADMIT


NO_ANSWER = RevocationStatus(Standing.UNKNOWN, 900.0, "Nobody answers", stale=True)


@pytest.mark.parametrize(
    ("answer", "allow", "reason"),
    [
        (RevocationStatus(Standing.REVOKED), False, Reason.REVOKED),
        (RevocationStatus(Standing.REVOKED), True, Reason.REVOKED),
        (RevocationStatus(Standing.UNKNOWN), False, Reason.REVOCATION_UNKNOWN),
        (RevocationStatus(Standing.UNKNOWN), True, Reason.REVOCATION_UNKNOWN),
        (NO_ANSWER, False, Reason.REVOCATION_UNKNOWN),
        (NO_ANSWER, True, None),
    ],
)
def test_only_no_answer_can_be_allowed(answer: RevocationStatus, allow: bool, reason: Reason | None) -> None:
    """``ocsp_on_failure``: "revoked" and "unknown" are answers."""
    verdict = confirm(ADMIT, answer, OCSPPolicy(failure_counts=allow))
    assert (verdict.reason if isinstance(verdict, Refuse) else None) == reason
    assert not (isinstance(verdict, Refuse) and verdict.pending)


PSS = write.seq(
    write.oid("1.2.840.113549.1.1.10"),
    write.seq(
        write.tlv(0xA0, write.seq(write.oid("2.16.840.1.101.3.4.2.1"))),
        write.tlv(0xA1, write.seq(write.oid("1.2.840.113549.1.1.8"), write.seq(write.oid("2.16.840.1.101.3.4.2.1")))),
        write.tlv(0xA2, write.number(32)),
    ),
)


def signed_anew(algorithm: bytes, sign: Any) -> bytes:
    """An answer about Alice, with another signature over the same words; *cryptography* signs none with PSS."""
    body = ocsp.load_der_ocsp_response(respond()).tbs_response_bytes
    basic = write.seq(body, algorithm, write.bits(sign(body)))
    octets = write.seq(write.oid("1.3.6.1.5.5.7.48.1.1"), write.octets(basic))
    return write.seq(write.tlv(0x0A, b"\0"), write.tlv(0xA0, octets))


@pytest.mark.parametrize("kind", ["RSASSA-PSS", "Ed25519", "Ed448"])
def test_an_answer_may_be_signed_in_every_way(kind: str) -> None:
    """RFC 4055 and RFC 8410: a key of that kind in the authority's certificate, and its signature over the answer."""
    keys: dict[str, tuple[Any, bytes]] = {
        "RSASSA-PSS": (rsa.generate_private_key(65537, 2048), PSS),
        "Ed25519": (ed25519.Ed25519PrivateKey.generate(), write.seq(write.oid("1.3.101.112"))),
        "Ed448": (ed448.Ed448PrivateKey.generate(), write.seq(write.oid("1.3.101.113"))),
    }
    key, algorithm = keys[kind]

    def sign(body: bytes) -> bytes:
        pss = (padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        made: bytes = key.sign(body, *(pss if kind == "RSASSA-PSS" else ()))
        return made

    public = write.spki(key)
    body = ocsp.load_der_ocsp_response(respond()).tbs_response_bytes
    assert has_signed(public, algorithm, body, sign(body))
    assert not has_signed(public, algorithm, body + b"x", sign(body))
    purpose = write.extension(write.PURPOSES, write.seq(write.oid(DELEGATE)))
    delegate = write.certificate(HOME, key, extensions=[purpose])
    content = signed_anew(algorithm, sign)
    with pytest.raises(ValueError, match="signed neither"):
        read(content)
    assert read(with_delegate(content, delegate)).standing is Standing.GOOD


DELEGATE = "1.3.6.1.5.5.7.3.9"


def with_delegate(content: bytes, delegate: bytes) -> bytes:
    """The answer with a certificate beside it (RFC 6960, 4.2.1)."""
    response = ocsp_parts(content)
    beside = write.tlv(0xA0, write.seq(delegate))
    basic = write.seq(response.signed, response.algorithm, write.bits(response.signature), beside)
    octets = write.seq(write.oid("1.3.6.1.5.5.7.48.1.1"), write.octets(basic))
    return write.seq(write.tlv(0x0A, b"\0"), write.tlv(0xA0, octets))
