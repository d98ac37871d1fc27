"""Machines renew their certificates over TLS: who may ask, what is stored, and what comes back. EST (RFC 7030) too."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from gatekeeper.ca.requests import make_request
from gatekeeper.ca.subject import Subject, subject_of
from gatekeeper.invitations.folder import Invitations, StoredInvitation, request_name
from gatekeeper.invitations.invitation import InvitationKind
from gatekeeper.invitations.renewal import write_signed_renewal
from gatekeeper.invitations.request import read_request
from gatekeeper.invitations.state import Stage, over
from gatekeeper.local.renewal import MOST_WAITING, WAITING_SECONDS
from tests.certificates import DAY, NOW, Holder, Key, make_client, named, new_key
from tests.proxy.reloading import renew, revoking
from tests.proxy.scene import Scene, request

RENEW = "/.gatekeeper/renew"
EST = "/.well-known/est/simplereenroll"
CACERTS = "/.well-known/est/cacerts"
Make = Callable[..., Scene]
Answer = tuple[int, bytes, bytes]


class Renewing:
    """A gate with a folder, and Alice's machine."""

    def __init__(self, make_scene: Make, folder: Path) -> None:
        self.folder = folder / "invitations"
        self.folder.mkdir(mode=0o700)
        self.scene = make_scene(invitations={"folder": str(self.folder)})
        self.invitations = Invitations(self.folder)
        self.alice = self.scene.files.alice

    def csr(self, key: Key | None = None, bearer: Subject | None = None) -> x509.CertificateSigningRequest:
        return make_request(key or new_key(), bearer or subject_of(self.alice.certificate))

    def ask(self, octets: bytes, who: Holder | None) -> Answer:
        visitor = self.scene.visitor(who)
        visitor.send(octets)
        head, _, body = visitor.read().partition(b"\r\n\r\n")
        return int(head[9:12]), head, body

    def post(self, body: bytes, *lines: str, who: Holder | None = None, target: str = RENEW) -> Answer:
        octets = request("POST", target, f"Content-Length: {len(body)}", *lines, body=body)
        return self.ask(octets, who or self.alice)

    def renew(self, csr: x509.CertificateSigningRequest, *lines: str, who: Holder | None = None) -> Answer:
        return self.post(write_signed_renewal(csr.public_bytes(Encoding.PEM), b"proof"), *lines, who=who)

    def est(self, csr: x509.CertificateSigningRequest, *lines: str) -> Answer:
        return self.post(base64.encodebytes(csr.public_bytes(Encoding.DER)), *lines, target=EST)

    def waiting(self) -> list[StoredInvitation]:
        return [found for found in self.invitations.all() if found.state.alive]

    def sign(self, csr: x509.CertificateSigningRequest) -> bytes:
        """As the authority would; the chain."""
        (found,) = self.waiting()
        signed = make_client("alice", self.scene.files.authority).certificate_pem
        assert csr.subject == self.alice.certificate.subject
        chain = signed + self.scene.files.authority.certificate_pem
        assert self.invitations.sign(found, chain, self.scene.wall())
        return chain


@pytest.fixture
def renewing(make_scene: Make, tmp_path: Path) -> Renewing:
    return Renewing(make_scene, tmp_path)


def test_the_whole_way(renewing: Renewing) -> None:
    """202 until it is signed, then the chain, as often as one likes; the app hears nothing of it."""
    csr = renewing.csr()
    status, head, body = renewing.renew(csr, "User-Agent: machine")
    assert status == 202
    assert b"\r\nRetry-After: 5" in head
    assert json.loads(body)["state"] == "asked"
    (found,) = renewing.waiting()
    assert (found.invitation.name, found.invitation.kind) == ("alice", InvitationKind.RENEWAL)
    kept = renewing.invitations.read(found, request_name(found.state))
    assert kept is not None
    left = read_request(kept, "x")
    assert left.pem.encode() == csr.public_bytes(Encoding.PEM)
    assert left.certificate.encode() == renewing.alice.certificate.public_bytes(Encoding.PEM)
    assert (left.proof, left.agent, left.address) == (base64.b64encode(b"proof").decode(), "machine", "192.0.2.7")
    assert renewing.renew(csr)[0] == 202
    assert len(renewing.waiting()) == 1
    chain = renewing.sign(csr)
    for _ in range(2):
        status, head, body = renewing.renew(csr)
        assert (status, body) == (200, chain)
        assert b"\r\nContent-Type: application/pem-certificate-chain" in head
    assert not renewing.scene.app.connections


def test_a_renewal_waits_as_long_as_its_certificate_is_valid(renewing: Renewing) -> None:
    """Afterwards nobody could fetch it: the machine is not admitted."""
    brief = make_client("brief", renewing.scene.files.authority, ends=NOW + DAY)
    assert renewing.renew(renewing.csr(bearer=subject_of(brief.certificate)), who=brief)[0] == 202
    (found,) = renewing.waiting()
    assert found.invitation.ends == brief.certificate.not_valid_after_utc.timestamp() + 1


@pytest.mark.parametrize("stray", [b"!", b"-----BEGIN CERTIFICATE REQUEST-----\n", b"\x00"])
def test_est_takes_base64_and_nothing_between(renewing: Renewing, stray: bytes) -> None:
    """RFC 4648, 3.3: what is no letter of the alphabet is not skipped; two readers would read two requests."""
    body = stray + base64.encodebytes(renewing.csr().public_bytes(Encoding.DER))
    status, _, said = renewing.post(body, target=EST)
    assert status == 400
    assert b"PKCS #10 in base64" in said
    assert renewing.waiting() == []


def test_est_renews_the_same_way(renewing: Renewing) -> None:
    """RFC 7030, 4.2.2 and 4.2.3: base64 both ways, 202 with Retry-After, and the certificate alone."""
    csr = renewing.csr()
    status, head, _ = renewing.est(csr, "Content-Type: application/pkcs10", "Content-Transfer-Encoding: base64")
    assert status == 202
    assert b"\r\nRetry-After: 5" in head
    signed = x509.load_pem_x509_certificate(renewing.sign(csr))
    status, head, body = renewing.est(csr)
    assert status == 200
    assert b"\r\nContent-Type: application/pkcs7-mime; smime-type=certs-only" in head
    assert b"\r\nContent-Transfer-Encoding: base64" in head
    assert pkcs7.load_der_pkcs7_certificates(base64.b64decode(body)) == [signed]


def test_est_gives_the_authorities_to_anybody(renewing: Renewing) -> None:
    """RFC 7030, 4.1: a degenerate PKCS #7, without a certificate of one's own."""
    status, head, body = renewing.ask(request("GET", CACERTS), None)
    assert status == 200
    assert b"\r\nContent-Type: application/pkcs7-mime" in head
    found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
    assert found == [renewing.scene.files.authority.certificate]


@pytest.mark.parametrize("target", [RENEW, EST])
def test_who_is_not_let_in_renews_nothing(renewing: Renewing, target: str) -> None:
    """No certificate, an expired one, a stranger's: 403 with the reason, and nothing is stored."""
    expired = make_client("alice", renewing.scene.files.authority, ends=NOW - DAY / 24)
    for who, reason in ((None, b"no_certificate"), (expired, b"expired")):
        body = write_signed_renewal(renewing.csr().public_bytes(Encoding.PEM), b"")
        octets = request("POST", target, f"Content-Length: {len(body)}", body=body)
        status, head, _ = renewing.ask(octets, who)
        assert status == 403
        assert b"\r\nGatekeeper-Reason: " + reason in head
    assert list(renewing.invitations.all()) == []


@pytest.mark.parametrize("line", ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Origin: null"])
def test_a_web_page_renews_nothing(renewing: Renewing, line: str) -> None:
    """A browser shows its certificate to requests that any site makes (CSRF)."""
    for status, _, _ in (renewing.renew(renewing.csr(), line), renewing.est(renewing.csr(), line)):
        assert status == 403
    assert list(renewing.invitations.all()) == []


def test_the_request_must_ask_for_the_same_names(renewing: Renewing) -> None:
    """Told to the client at once."""
    csr = renewing.csr(bearer=Subject(named("root")))
    for status, _, body in (renewing.renew(csr, "Accept: application/json"), renewing.est(csr)):
        assert status == 403
        assert b"the names of the certificate" in body
    assert list(renewing.invitations.all()) == []


@pytest.mark.parametrize(
    ("target", "body"),
    [(RENEW, b""), (RENEW, b"{}"), (RENEW, b"[1]"), (EST, b""), (EST, b"!!!"), (EST, b"AAAA"), (EST, b"\xff" * 9)],
)
def test_what_is_no_request_gets_400(renewing: Renewing, target: str, body: bytes) -> None:
    """And a sentence."""
    status, _, answer = renewing.post(body, target=target)
    assert (status, bool(answer)) == (400, True)
    assert list(renewing.invitations.all()) == []


def test_only_a_few_requests_wait_for_one_certificate(renewing: Renewing) -> None:
    """Each takes room in the folder, and whoever has a certificate could send thousands."""
    for _ in range(MOST_WAITING):
        assert renewing.renew(renewing.csr())[0] == 202
    status, head, _ = renewing.renew(renewing.csr())
    assert status == 429
    assert b"\r\nRetry-After: 3600" in head
    assert len(renewing.waiting()) == MOST_WAITING


def test_what_the_administrator_refused_stays_refused(renewing: Renewing) -> None:
    """Asking again does not bring it back."""
    csr = renewing.csr()
    renewing.renew(csr)
    (found,) = renewing.waiting()
    renewing.invitations.cancel(found, renewing.scene.wall())
    status, _, body = renewing.renew(csr)
    assert (status, b"refused by the administrator" in body) == (403, True)
    assert renewing.waiting() == []


def test_a_request_that_nobody_signed_in_time_may_be_repeated(renewing: Renewing) -> None:
    """The administrator was on holiday; the client goes on asking with the same key."""
    csr = renewing.csr()
    renewing.renew(csr)
    renewing.scene.loop.advance(WAITING_SECONDS + 1)
    assert renewing.renew(csr)[0] == 202
    (found,) = renewing.waiting()
    assert (found.state.stage, found.state.since) == (Stage.ASKED, int(renewing.scene.wall()))


def test_a_certificate_that_was_not_fetched_in_time_is_asked_for_again(renewing: Renewing) -> None:
    """The client was away for weeks, and its old certificate still holds."""
    csr = renewing.csr()
    renewing.renew(csr)
    renewing.sign(csr)
    (found,) = renewing.waiting()
    renewing.invitations.move(found, over(Stage.USED, renewing.scene.wall()))
    assert renewing.renew(csr)[0] == 202


@pytest.mark.parametrize("target", [RENEW, EST, CACERTS])
def test_other_methods_get_405(renewing: Renewing, target: str) -> None:
    """With Allow (RFC 9110, 15.5.6)."""
    status, head, _ = renewing.ask(request("DELETE", target), renewing.alice)
    assert (status, b"\r\nAllow: " in head) == (405, True)


@pytest.mark.parametrize("below", ["simpleenroll", "csrattrs", "simplereenroll/", "x/cacerts", "cacerts/x", ""])
def test_the_rest_of_est_does_not_exist(renewing: Renewing, below: str) -> None:
    """RFC 7030, 4.5.2, wants 404 for csrattrs; nothing reaches the app."""
    target = f"/.well-known/est/{below}"
    assert renewing.ask(request("GET", target), renewing.alice)[0] == 404
    assert renewing.ask(request("GET", target), None)[0] == 403
    assert not renewing.scene.app.connections


def test_without_a_folder_the_app_has_the_path(make_scene: Make) -> None:
    """Where [invitations] is not written, nothing of this exists."""
    scene = make_scene()
    alice: Any = scene.alice()
    alice.send(request("GET", CACERTS))
    scene.loop.settle()
    assert b"GET /.well-known/est/cacerts HTTP/1.1" in scene.app.last.read()


@pytest.mark.parametrize("est", [False, True])
def test_a_next_certificate_that_was_revoked_is_not_handed_out(renewing: Renewing, est: bool) -> None:
    """403 as soon as the list is loaded, to a machine whose own certificate is still good."""
    csr = renewing.csr()
    fetch = renewing.est if est else renewing.renew
    assert fetch(csr)[0] == 202
    signed = x509.load_pem_x509_certificate(renewing.sign(csr))
    assert fetch(csr)[0] == 200
    snapshot = renewing.scene.proxy.snapshot
    listed = revoking(renewing.scene, Holder(new_key(), signed)).policy.revocations
    renew(renewing.scene, replace(snapshot, policy=replace(snapshot.policy, revocations=listed)))
    status, _, body = fetch(csr)
    assert (status, b"The next certificate was revoked" in body) == (403, True)
