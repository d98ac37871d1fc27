"""gatekeeper.ca.renewal: what is signed without a person, whatever a gate that was taken over writes."""

import base64
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.authority import is_signed_by, make_authority
from gatekeeper.ca.certificates import sign_client
from gatekeeper.ca.index import Entry
from gatekeeper.ca.issuer import Grant, Issuer
from gatekeeper.ca.keys import PrivateKey, make_key
from gatekeeper.ca.renewal import RenewalPolicy, rule
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.revocation import RevocationReason
from gatekeeper.ca.rollover import roll_over
from gatekeeper.ca.subject import Subject, common_name, make_subject, subject_of
from gatekeeper.errors import AuthorityError
from gatekeeper.invitations.renewal import prove
from gatekeeper.invitations.request import EnrolmentRequest, spki_sha256
from gatekeeper.x509.request import parse_request
from tests.ca.conftest import NOW

DAY = timedelta(days=1)
LATER = NOW + timedelta(hours=16)
POLICY = RenewalPolicy()


class Machine:
    """Holds the key of its certificate, which is good for a day."""

    def __init__(self, issuer: Issuer, name: str = "backup") -> None:
        self.issuer = issuer
        self.key: PrivateKey = make_key("ec:p256")
        asked = make_request(self.key, make_subject(name)).public_bytes(Encoding.PEM)
        self.entry: Entry = issuer.sign(
            asked, "x.csr", Grant(organizational_units=("machines",)), lifetime=DAY, now=NOW
        ).entry

    def request(
        self, key: PrivateKey | None = None, *, bearer: Subject | None = None, prover: PrivateKey | None = None
    ) -> EnrolmentRequest:
        """With a new key that the old one vouches for, unless told otherwise."""
        key = key or make_key("ec:p256")
        shown = self.issuer.store.issued(self.entry)
        asked = make_request(key, bearer or subject_of(shown))
        proof = prove(
            prover or self.key,
            shown.fingerprint(SHA256()).hex(),
            spki_sha256(parse_request(asked.public_bytes(Encoding.DER))),
        )
        pems = (one.public_bytes(Encoding.PEM).decode() for one in (asked, shown))
        pem, certificate = pems
        return EnrolmentRequest(pem, "192.0.2.7", "x", 0.0, certificate, base64.b64encode(proof).decode())


@pytest.fixture
def machine(issuer: Issuer) -> Machine:
    return Machine(issuer)


def objection(issuer: Issuer, request: EnrolmentRequest, policy: RenewalPolicy = POLICY, now: datetime = LATER) -> str:
    return rule(issuer.store, request, policy, now).objection


def test_a_good_renewal_is_signed_with_the_old_names_and_a_new_key(issuer: Issuer, machine: Machine) -> None:
    """The next certificate says what the old one said, holds as long, and the old one stays good."""
    request = machine.request()
    ruling = rule(issuer.store, request, POLICY, LATER)
    assert (ruling.old, ruling.objection, ruling.issued) == (machine.entry, "", None)
    entry = issuer.sign_renewal(ruling.old, request.pem.encode(), "x", now=LATER).entry
    assert entry.subject == machine.entry.subject
    assert entry.not_after == LATER + DAY
    assert entry.key != machine.entry.key
    assert not entry.holds_key
    assert subject_of(issuer.store.issued(entry)) == subject_of(issuer.store.issued(machine.entry))
    assert len(issuer.store.index().in_force("backup", LATER)) == 2


def test_the_same_key_needs_no_other_proof(issuer: Issuer, machine: Machine) -> None:
    """An EST client that keeps its key has signed the request with it."""
    request = machine.request(machine.key, prover=make_key("ec:p256"))
    ruling = rule(issuer.store, request, POLICY, LATER)
    assert (ruling.objection, ruling.issued) == ("", None)  # the old certificate is not handed out as its successor


def test_a_key_that_only_the_gate_vouches_for_waits_for_a_person(issuer: Issuer, machine: Machine) -> None:
    """The gate could have made it; who trusts the gate says so."""
    request = machine.request(prover=make_key("ec:p256"))
    assert "not vouched for by the old one" in objection(issuer, request)
    assert objection(issuer, request, RenewalPolicy(trust_gate=True)) == ""


@pytest.mark.parametrize("bearer", [make_subject("root"), make_subject("backup", dns_names=["other.lan"])])
def test_other_names_wait_for_a_person(issuer: Issuer, machine: Machine, bearer: Subject) -> None:
    """Even where the right key asks for them."""
    assert "other names" in objection(issuer, machine.request(bearer=bearer), RenewalPolicy(trust_gate=True))


def test_what_is_signed_after_all_has_the_old_names(issuer: Issuer, machine: Machine) -> None:
    """A person who approves grants no name of the request either."""
    request = machine.request(bearer=make_subject("root"))
    entry = issuer.sign_renewal(machine.entry, request.pem.encode(), "x", now=LATER).entry
    assert common_name(issuer.store.issued(entry).subject) == "backup"


def test_a_revoked_certificate_is_not_renewed(issuer: Issuer, machine: Machine) -> None:
    """The gate may have an old list; the authority has its own. Not by a person either."""
    request = machine.request()
    issuer.revoke((machine.entry.serial,), RevocationReason.KEY_COMPROMISE, now=NOW)
    assert "is revoked" in objection(issuer, request)
    with pytest.raises(AuthorityError, match="not valid any more"):
        issuer.sign_renewal(machine.entry, request.pem.encode(), "x", now=LATER)


def test_an_expired_certificate_is_not_renewed(issuer: Issuer, machine: Machine) -> None:
    """To the second (RFC 5280, 4.1.2.5: valid through notAfter)."""
    request = machine.request()
    assert objection(issuer, request, now=NOW + DAY) == ""
    assert "is expired" in objection(issuer, request, now=NOW + DAY + timedelta(seconds=1))


def test_not_more_often_than_the_policy_says(issuer: Issuer, machine: Machine) -> None:
    """Twelve hours after the one before (which was backdated by ten minutes)."""
    request, soon = machine.request(), machine.entry.not_before + POLICY.at_most_every
    assert "too short a time ago" in objection(issuer, request, now=soon - timedelta(seconds=1))
    assert objection(issuer, request, now=soon) == ""


def test_a_second_key_for_one_certificate_waits_for_a_person(issuer: Issuer, machine: Machine) -> None:
    """Somebody else may have the old key, too."""
    first, second = machine.request(), machine.request()
    issuer.sign_renewal(machine.entry, first.pem.encode(), "x", now=LATER)
    assert "has a newer certificate" in objection(issuer, second)


def test_what_was_signed_before_a_kill_is_handed_out_and_not_signed_again(issuer: Issuer, machine: Machine) -> None:
    """Between the authority's folder and that of the invitations."""
    request = machine.request()
    entry = issuer.sign_renewal(machine.entry, request.pem.encode(), "x", now=LATER).entry
    ruling = rule(issuer.store, request, POLICY, LATER)
    assert (ruling.issued, ruling.objection) == (entry, "")


def test_a_certificate_from_elsewhere_is_not_renewed(issuer: Issuer, machine: Machine) -> None:
    """Also one of the same serial and name."""
    other = make_authority("Home CA", key_type="ec:p256", now=NOW)
    shown = issuer.store.issued(machine.entry)
    forged = sign_client(
        other, machine.key.public_key(), subject_of(shown), now=NOW, serial=machine.entry.serial
    ).public_bytes(Encoding.PEM)
    request = machine.request()
    for certificate in (forged.decode(), issuer.store.certificate().public_bytes(Encoding.PEM).decode()):
        with pytest.raises(AuthorityError, match="not issued here"):
            rule(issuer.store, EnrolmentRequest(request.pem, "", "", 0.0, certificate, request.proof), POLICY, LATER)
    with pytest.raises(AuthorityError, match="no certificate"):
        rule(issuer.store, EnrolmentRequest(request.pem, "", "", 0.0, "", request.proof), POLICY, LATER)


def test_a_servers_certificate_is_not_renewed_so(issuer: Issuer, machine: Machine) -> None:
    """A gate lets none in, so nobody can have shown one."""
    entry = issuer.issue_server("nas", ("nas.lan",), key_type="ec:p256", now=NOW).entry
    certificate = issuer.store.issued(entry).public_bytes(Encoding.PEM).decode()
    request = machine.request()
    with pytest.raises(AuthorityError, match="not a client's"):
        rule(issuer.store, EnrolmentRequest(request.pem, "", "", 0.0, certificate, request.proof), POLICY, LATER)


def test_a_stolen_key_is_not_certified_again(issuer: Issuer, machine: Machine) -> None:
    """One certificate of it was revoked for that."""
    thief = Machine(issuer, "thief")
    request = machine.request(thief.key)
    issuer.revoke((thief.entry.serial,), RevocationReason.KEY_COMPROMISE, now=NOW)
    with pytest.raises(AuthorityError, match="compromised"):
        issuer.sign_renewal(machine.entry, request.pem.encode(), "x", now=LATER)


def test_after_a_rollover_the_new_authority_signs(issuer: Issuer, machine: Machine) -> None:
    """So machines move by themselves."""
    roll_over(issuer, key_type="ec:p256", now=NOW)
    request = machine.request()
    ruling = rule(issuer.store, request, POLICY, LATER)
    assert ruling.objection == ""
    entry = issuer.sign_renewal(ruling.old, request.pem.encode(), "x", now=LATER).entry
    assert is_signed_by(issuer.store.issued(entry), issuer.store.certificate())
    assert issuer.store.index().on_retiring(LATER) == ()
