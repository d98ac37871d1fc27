"""Certificate requests sent to the gate: one key wins, nobody else's is signed, and nothing unreadable is kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.invitations.folder import Invitations, request_name
from gatekeeper.invitations.invitation import InvitationKind
from gatekeeper.invitations.request import mark_of_key, read_csr, read_request, spki_sha256
from gatekeeper.invitations.state import FETCH_SECONDS, Stage
from gatekeeper.local.handler import SWEEP_SECONDS
from gatekeeper.local.token_rate_limit import MOST_GUESSES
from tests.invitations.invited import Invited, invite
from tests.proxy.scene import Scene, get, request

JSON = "Accept: application/json"
CHAIN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
Make = Callable[..., Scene]


def csr(key: Any = None, *, name: str = "whoever") -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder(subject)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM)


class Enrolling:
    """A gate with one invitation for a computer."""

    def __init__(self, make_scene: Make, folder: Path) -> None:
        self.folder = folder / "invitations"
        self.folder.mkdir(mode=0o700)
        self.scene = make_scene(invitations={"folder": str(self.folder)})
        self.invited: Invited = invite(self.folder, self.scene.wall(), kind=InvitationKind.REQUEST, files={})

    def ask(self, octets: bytes) -> tuple[int, bytes]:
        visitor = self.scene.visitor(address=("192.0.2.7", 50000))
        visitor.send(octets)
        answer = visitor.read()
        return int(answer[9:12]), answer

    def look(self, *lines: str, below: str = "") -> tuple[int, bytes]:
        return self.ask(get(self.invited.target + below, *(lines or (JSON,))))

    def post(self, body: bytes, *lines: str) -> tuple[int, bytes]:
        return self.ask(request("POST", self.invited.target, JSON, f"Content-Length: {len(body)}", *lines, body=body))

    def fetch(self) -> tuple[int, bytes]:
        return self.look(below="/certificate")

    @property
    def found(self) -> Any:
        return self.invited.invitations.find(self.invited.digest)

    def sign(self) -> bool:
        return self.invited.invitations.sign(self.found, CHAIN, self.scene.wall())


@pytest.fixture
def enrolling(make_scene: Make, tmp_path: Path) -> Enrolling:
    return Enrolling(make_scene, tmp_path)


def test_the_whole_way(enrolling: Enrolling, caplog: pytest.LogCaptureFixture) -> None:
    """Ask, wait, fetch, as often as one likes; no log holds the token."""
    caplog.set_level("DEBUG")
    status, answer = enrolling.look()
    fields = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (status, fields["name"], fields["kind"], fields["state"]) == (200, "alice", "request", "open")
    assert enrolling.fetch()[0] == 404
    mine = csr()
    status, answer = enrolling.post(mine, "User-Agent: curl/8.0")
    assert status == 202
    assert b"\r\nRetry-After: 5\r\n" in answer
    assert enrolling.fetch()[0] == 202
    kept = enrolling.invited.invitations.read(enrolling.found, request_name(enrolling.found.state))
    assert kept is not None
    left = read_request(kept, "x")
    assert (left.pem.encode(), left.address, left.agent) == (mine, "192.0.2.7", "curl/8.0")
    assert enrolling.sign()
    for _ in range(2):
        status, answer = enrolling.fetch()
        assert status == 200
        assert b"\r\nContent-Type: application/pem-certificate-chain\r\n" in answer
        assert answer.endswith(CHAIN)
    assert enrolling.post(mine)[1].endswith(CHAIN)
    assert enrolling.invited.token[:12] not in caplog.text + str(enrolling.scene.log.records)
    assert not enrolling.scene.app.connections


def test_the_same_key_may_ask_again_and_another_may_not(enrolling: Enrolling, caplog: pytest.LogCaptureFixture) -> None:
    """A computer that was interrupted goes on; of two with one link, the second is refused and told of."""
    key = ec.generate_private_key(ec.SECP256R1())
    assert enrolling.post(csr(key))[0] == 202
    before = enrolling.found.state
    assert enrolling.post(csr(key, name="again"))[0] == 202
    assert enrolling.post(csr())[0] == 409
    assert "someone else has the link" in caplog.text
    assert enrolling.found.state == before
    enrolling.sign()
    status, answer = enrolling.post(csr())
    assert status == 409
    assert CHAIN not in answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x" * 100,
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        csr(rsa.generate_private_key(65537, 1024)),
        csr(ec.generate_private_key(ec.SECP256K1())),
    ],
    ids=["empty", "noise", "no request", "weak key", "unusual curve"],
)
def test_what_cannot_be_signed_is_not_kept(enrolling: Enrolling, body: bytes) -> None:
    """400, and the invitation is as before."""
    assert enrolling.post(body)[0] == 400
    assert enrolling.found.state.stage is Stage.OPEN
    assert not list(enrolling.folder.rglob("request-*"))


def test_a_request_that_was_changed_on_the_way_is_not_kept(enrolling: Enrolling) -> None:
    """Its signature shows that the sender holds the key."""
    der = bytearray(x509.load_pem_x509_csr(csr(name="alice")).public_bytes(Encoding.DER))
    at = der.index(b"alice")
    der[at : at + 5] = b"mallo"
    assert enrolling.post(bytes(der))[0] == 400
    assert enrolling.found.state.stage is Stage.OPEN


def test_der_is_taken_too(enrolling: Enrolling) -> None:
    """RFC 5967."""
    assert enrolling.post(x509.load_pem_x509_csr(csr()).public_bytes(Encoding.DER))[0] == 202


@pytest.mark.parametrize(
    "line", ["Sec-Fetch-Site: cross-site", "Sec-Purpose: prefetch", "Origin: https://evil.example"]
)
def test_neither_other_sites_nor_previews_leave_a_request(enrolling: Enrolling, line: str) -> None:
    """As with downloads."""
    assert enrolling.post(csr(), line)[0] == 403
    assert enrolling.found.state.stage is Stage.OPEN


def test_its_time_ends(enrolling: Enrolling) -> None:
    """A request that nobody signed is destroyed."""
    enrolling.post(csr())
    enrolling.scene.loop.advance(3601)
    assert enrolling.fetch()[0] == 410
    assert enrolling.found.state.stage is Stage.ENDED
    assert not list(enrolling.folder.rglob("request-*"))


def test_a_certificate_waits_a_day(enrolling: Enrolling) -> None:
    """Also where the invitation ended a minute after it was signed; then it is swept."""
    enrolling.post(csr())
    enrolling.sign()
    enrolling.scene.loop.advance(FETCH_SECONDS - 60)
    assert enrolling.fetch()[0] == 200
    enrolling.scene.loop.advance(60 + SWEEP_SECONDS)
    assert enrolling.found.state.stage is Stage.USED
    assert not list(enrolling.folder.rglob("*.pem"))
    assert enrolling.fetch()[0] == 410


def test_a_cancelled_one_gives_nothing(enrolling: Enrolling) -> None:
    """Neither before it is signed nor afterwards; and it cannot be signed any more."""
    enrolling.post(csr())
    waiting = enrolling.found
    assert enrolling.invited.invitations.cancel(waiting, enrolling.scene.wall())
    assert not enrolling.invited.invitations.sign(waiting, CHAIN, enrolling.scene.wall())
    assert enrolling.fetch()[0] == 410
    assert enrolling.post(csr())[0] == 410


def test_the_link_of_a_person_takes_no_request(enrolling: Enrolling) -> None:
    """And has nothing below; programs may ask what it is, and use nothing up."""
    enrolling.invited = invite(enrolling.folder, enrolling.scene.wall(), "bob")
    assert b'"kind": "bundle"' in enrolling.look()[1]
    assert enrolling.fetch()[0] == 404
    for body in (csr(), b"MIIB==\n", b"file=modern"):
        assert enrolling.post(body)[0] == 400
    assert enrolling.found.state.stage is Stage.OPEN


def test_people_are_told_what_to_do_with_it(enrolling: Enrolling) -> None:
    """A page, not JSON; and there is nothing else to do with a request than to send it."""
    status, answer = enrolling.look("Accept: text/html")
    assert status == 200
    assert b"gatekeeper enroll" in answer
    assert enrolling.ask(request("PUT", enrolling.invited.target))[0] == 405
    assert enrolling.ask(request("POST", enrolling.invited.target + "/certificate"))[0] == 405
    assert enrolling.look(below="/other")[0] == 404


def test_who_guesses_below_is_made_to_wait_as_well(enrolling: Enrolling) -> None:
    """The same limit as for links."""
    for _ in range(MOST_GUESSES):
        assert enrolling.ask(get(f"/.gatekeeper/invite/{'A' * 43}/certificate"))[0] == 404
    assert enrolling.fetch()[0] == 429


def test_of_many_at_once_one_key_wins(enrolling: Enrolling) -> None:
    """Whatever they wrote before: the state names the key, and its request is the one that lies there."""
    gates = [Invitations(enrolling.folder) for _ in range(20)]
    looks = [gate.find(enrolling.invited.digest) for gate in gates]
    won = []
    for gate, found in zip(gates, looks, strict=True):
        assert found is not None
        request = csr()
        mark = mark_of_key(spki_sha256(read_csr(request)))
        if gate.ask(found, mark, request, enrolling.scene.wall()):
            won.append((mark, request))
    ((mark, request),) = won
    assert enrolling.found.state.mark == mark
    assert gates[0].read(enrolling.found, request_name(enrolling.found.state)) == request
