"""Hosts with their own authorities: on each host, the certificates of the right ones count, whatever SNI said."""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from gatekeeper.cli.explain import explain
from gatekeeper.errors import BindingError
from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.gate.decision import Authorizer
from gatekeeper.gate.verdict import Admit, Peer, Policy, Reason, Refuse, VerifyError
from gatekeeper.proxy.host_trust import HostTrust
from gatekeeper.proxy.snapshot import build_snapshot
from gatekeeper.tls.connection import TLSConnection
from gatekeeper.tls.context import CACHED_PEERS, CACHED_SECONDS, ServerContext
from tests.certificates import Holder, make_authority, make_client
from tests.gate.lists import make_crl, pem
from tests.proxy.browser import Browser
from tests.proxy.scene import OK, Files, Scene
from tests.tls.scene import VERSIONS
from tests.tls.scene import Visitor as TLSVisitor

PARTNERS = "partners.example.com"


@pytest.fixture(scope="module")
def partner_ca() -> Holder:
    return make_authority("Partner CA")


@pytest.fixture(scope="module")
def paula(partner_ca: Holder) -> Holder:
    return make_client("paula", partner_ca)


@pytest.fixture
def partner_scene(files: Files, partner_ca: Holder, tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Makes scenes in which one host has its own authority."""
    (tmp_path / "partners.crt").write_bytes(partner_ca.certificate_pem)
    scenes: list[Scene] = []

    def make(**tables: Any) -> Scene:
        client_auth = {"ca": "ca.crt", "hosts": [{"hosts": PARTNERS, "ca": str(tmp_path / "partners.crt")}]}
        tables["client_auth"] = client_auth | tables.get("client_auth", {})
        snapshot = build_snapshot(files.settings(**tables), {}, time.time())
        scenes.append(Scene(files, snapshot, **tables))
        return scenes[-1]

    yield make
    for scene in scenes:
        scene.close()


def get(host: str, path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def status(scene: Scene, holder: Holder | None, host: str) -> int:
    """What somebody gets who asks for this host on a new connection."""
    visitor = scene.visitor(holder)
    visitor.send(get(host))
    answer = visitor.read()
    if not answer:
        answer = scene.serve(visitor)
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize("host", [PARTNERS, "PARTNERS.example.com:8443", f"{PARTNERS}."])
def test_on_a_host_with_its_own_authorities_only_theirs_count(
    partner_scene: Callable[..., Scene], files: Files, paula: Holder, host: str
) -> None:
    """However the name is written."""
    scene = partner_scene()
    assert status(scene, paula, host) == 200
    assert status(scene, files.alice, host) == 403
    assert status(scene, None, host) == 403
    assert scene.log.records[-2]["reason"] == "untrusted_issuer"


@pytest.mark.parametrize("stranger", [False, True])
def test_the_refusal_says_that_the_authority_does_not_count_here(
    partner_scene: Callable[..., Scene], files: Files, stranger: bool
) -> None:
    """Of a certificate that another host accepts. What no host accepts is refused in OpenSSL's words."""
    visitor = partner_scene().visitor(make_client("alice", make_authority("Other CA")) if stranger else files.alice)
    visitor.send(get(PARTNERS))
    answer = visitor.read()
    assert b"Gatekeeper-Reason: untrusted_issuer" in answer
    assert (b"The authority that signed the certificate does not count for this host." in answer) is not stranger


@pytest.mark.parametrize("host", ["app.example.com", "x.partners.example.com", "[::1]", "192.0.2.1"])
def test_elsewhere_the_authorities_of_a_host_do_not_count(
    partner_scene: Callable[..., Scene], files: Files, paula: Holder, host: str
) -> None:
    """On known and on unknown names."""
    scene = partner_scene()
    assert status(scene, files.alice, host) == 200
    assert status(scene, paula, host) == 403


def test_each_request_of_a_connection_is_judged_by_its_own_host(
    partner_scene: Callable[..., Scene], paula: Holder
) -> None:
    """The second request of a kept connection asks for another host."""
    scene = partner_scene()
    visitor = scene.visitor(paula)
    visitor.send(get(PARTNERS))
    assert scene.serve(visitor).startswith(b"HTTP/1.1 200")
    visitor.send(get("app.example.com"))
    assert visitor.read().startswith(b"HTTP/1.1 403")
    assert visitor.was_sent_away


def test_a_public_route_does_not_tell_who_is_not_trusted_there(
    partner_scene: Callable[..., Scene], files: Files, paula: Holder
) -> None:
    """The app of one host never hears a name that another host's authority gave; on its own host it hears it again."""
    scene = partner_scene(routes=[{"path": "/open", "public": True}, {}], identity={"expiry_warning": "3650d"})
    visitor = scene.visitor(paula)
    for host, path, told in ((PARTNERS, "/", True), ("app.example.com", "/open", False), (PARTNERS, "/", True)):
        visitor.send(get(host, path))
        assert (b"paula" in scene.app.last.read()) is told
        answer = scene.serve(visitor)
        assert answer.startswith(b"HTTP/1.1 200")
        assert (b"Gatekeeper-Certificate-Expires" in answer) is told
    assert ["paula" in str(record) for record in scene.log.records] == [True, False, True]


def test_a_list_of_a_hosts_own_authority_is_one_of_the_common_lists(
    partner_scene: Callable[..., Scene], files: Files, partner_ca: Holder, paula: Holder, tmp_path: Path
) -> None:
    """A list counts for the authority that signed it: the revoked are refused on the host, all others are not."""
    (tmp_path / "home.crl").write_bytes(pem(make_crl(issuer=files.authority)))
    (tmp_path / "partners.crl").write_bytes(pem(make_crl(paula, issuer=partner_ca)))
    scene = partner_scene(client_auth={"crl": [str(tmp_path / "home.crl"), str(tmp_path / "partners.crl")]})
    assert status(scene, paula, PARTNERS) == 403
    assert scene.log.records[-1]["reason"] == "revoked"
    assert status(scene, make_client("peter", partner_ca), PARTNERS) == 200
    assert status(scene, files.alice, "app.example.com") == 200


def test_an_authority_without_a_list_beside_others_with_one_lets_nobody_in(
    partner_scene: Callable[..., Scene], files: Files, paula: Holder, tmp_path: Path
) -> None:
    """Whose revocation nobody can know is refused, on a host with its own authorities too."""
    (tmp_path / "home.crl").write_bytes(pem(make_crl(issuer=files.authority)))
    scene = partner_scene(client_auth={"crl": str(tmp_path / "home.crl")})
    assert status(scene, paula, PARTNERS) == 403
    assert scene.log.records[-1]["reason"] == "revocation_unknown"
    assert status(scene, files.alice, "app.example.com") == 200


def test_rules_see_the_issuer_by_the_hosts_own_authorities(
    partner_scene: Callable[..., Scene], paula: Holder, partner_ca: Holder
) -> None:
    """A rule that names the issuer: only one authority counts here, so it can be no other."""
    routes = [{"hosts": [PARTNERS], "allow": [{"cn": "paula", "issuer": "Partner CA"}]}, {}]
    scene = partner_scene(routes=routes)
    assert status(scene, paula, PARTNERS) == 200
    assert status(scene, make_client("peter", partner_ca), PARTNERS) == 403


def test_a_certificate_of_nobodys_authority_is_refused_everywhere(partner_scene: Callable[..., Scene]) -> None:
    """One of an authority with the same name, too."""
    scene = partner_scene()
    mallory = make_client("paula", make_authority("Partner CA"))
    assert [status(scene, mallory, host) for host in (PARTNERS, "app.example.com")] == [403, 403]


def test_what_is_under_way_ends_when_its_host_trusts_others(
    partner_scene: Callable[..., Scene], files: Files, paula: Holder
) -> None:
    """After a reload without the table, the certificate is an unknown one, on the open connection too."""
    scene = partner_scene()
    visitor = scene.visitor(paula)
    visitor.send(get(PARTNERS))
    scene.app.last.read()
    scene.proxy.renew(replace(build_snapshot(files.settings(), {}, time.time()), upstreams=scene.pools))
    assert visitor.read().startswith(b"HTTP/1.1 403")


def test_421_once_where_a_certificate_does_not_count(
    partner_scene: Callable[..., Scene], files: Files, paula: Holder
) -> None:
    """A browser shares connections between hosts (RFC 9113, 9.1.1); on a fresh one it can show another certificate."""
    scene = partner_scene(server={"http2": True})
    browser = Browser(scene, paula, name=PARTNERS)
    statuses = [browser.answers[browser.ask(authority="app.example.com")].status for _ in range(2)]
    assert statuses == [421, 403]
    stream = Browser(scene, paula, name=PARTNERS)
    asked = stream.ask(authority=PARTNERS)
    scene.app.last.send(OK)
    stream.read()
    assert stream.answers[asked].status == 200


def test_no_421_where_a_certificate_counts_and_a_rule_refuses(
    partner_scene: Callable[..., Scene], paula: Holder
) -> None:
    """On another connection she would be asked for the same certificate, and refused as well."""
    scene = partner_scene(server={"http2": True}, routes=[{"deny": [{"cn": "paula"}]}])
    browser = Browser(scene, paula, name="app.example.com")
    assert browser.answers[browser.ask(authority=PARTNERS)].status == 403


def test_clients_are_told_the_authorities_of_the_host(
    partner_scene: Callable[..., Scene], files: Files, partner_ca: Holder
) -> None:
    """So that browsers offer the certificates that count there (RFC 5246, 7.4.4)."""
    context = partner_scene().snapshot.tls
    partner, home = (one.certificate.subject.public_bytes() for one in (partner_ca, files.authority))
    for name, told in ((PARTNERS, [True, False]), ("app.example.com", [False, True])):
        said = TLSVisitor(version=VERSIONS[0], server_name=name).shake_hands(TLSConnection(context))
        # The server's own certificate names its issuer as well.
        assert [partner in said, said.count(home) > 1] == told


def test_explain_says_the_same(partner_scene: Callable[..., Scene], files: Files, paula: Holder) -> None:
    """For a URL with the host."""
    snapshot = partner_scene().snapshot
    for holder, host, verdict in (
        (paula, PARTNERS, "admitted"),
        (paula, "app.example.com", "refused"),
        (files.alice, PARTNERS, "refused"),
    ):
        peer = snapshot.tls.verify(holder.der)
        told = explain(snapshot, peer, "GET", f"https://{host}/", [], "192.0.2.7", time.time())
        assert told.verdict == verdict


class Broken:
    """TLS that cannot verify any more."""

    authorities: tuple[Certificate, ...] = ()

    def verify(self, leaf: bytes, sent: tuple[bytes, ...]) -> Peer:
        raise BindingError("for a test")


def test_who_cannot_be_verified_is_refused(files: Files) -> None:
    """Fail closed."""
    broken: ServerContext = Broken()  # type: ignore[assignment]
    verdict = HostTrust(broken, (), Policy()).verdict(b"app.example.com", Peer(files.alice.der), time.time())
    assert isinstance(verdict, Refuse)


def test_verifications_are_cached_for_the_same_peer(
    partner_scene: Callable[..., Scene], files: Files, paula: Holder
) -> None:
    """Each costs 0.3 ms; with other certificates sent along, it is another question."""
    scene = partner_scene()
    asked: list[bytes] = []
    tls = scene.snapshot.tls.elsewhere
    assert tls is not None

    class Counting(Broken):
        authorities = tls.authorities

        def verify(self, leaf: bytes, sent: tuple[bytes, ...]) -> Peer:
            asked.append(leaf)
            return tls.verify(leaf, sent)

    trust = HostTrust(Counting(), (), scene.snapshot.policy)  # type: ignore[arg-type]
    peer = scene.snapshot.tls.verify(files.alice.der)
    for sent in ((), (), (paula.der,), ()):
        assert not isinstance(trust.verdict(b"a", replace(peer, sent=sent), time.time()), Refuse)
    assert len(asked) == 3
    verified = trust._default.verified
    ((question, answer, end),) = verified.values()
    assert end <= time.monotonic() + CACHED_SECONDS
    verified[files.alice.der] = question, answer, time.monotonic()  # an authority may have ended meanwhile
    trust.verdict(b"a", peer, time.time())
    assert len(asked) == 4
    verified.update((b"%d" % number, (peer, peer, 0.0)) for number in range(CACHED_PEERS))
    trust.verdict(b"a", replace(peer, sent=(paula.der,)), time.time())
    assert list(verified) == [files.alice.der]  # a full memory is emptied


def test_an_authority_of_a_host_that_is_not_valid_yet_is_asked_again(
    partner_scene: Callable[..., Scene], files: Files
) -> None:
    """The moment at which it becomes valid is not missed by the cache."""
    scene = partner_scene()
    tls = scene.snapshot.tls.elsewhere
    assert tls is not None
    found = [replace(tls.verify(files.alice.der), verified=(), errors=(VerifyError(9, 1, "not yet"),))]

    class Waiting(Broken):
        authorities = tls.authorities

        def verify(self, leaf: bytes, sent: tuple[bytes, ...]) -> Peer:
            return found.pop() if found else tls.verify(leaf, sent)

    trust = HostTrust(Waiting(), (), scene.snapshot.policy)  # type: ignore[arg-type]
    peer = scene.snapshot.tls.verify(files.alice.der)
    verdict = trust.verdict(b"a", peer, time.time())
    assert isinstance(verdict, Refuse)
    assert verdict.reason is Reason.NOT_YET_VALID
    assert isinstance(trust.verdict(b"a", peer, time.time()), Admit)


def test_a_resumed_session_brings_no_chain(partner_scene: Callable[..., Scene], files: Files) -> None:
    """What the handshake found leads to the authority of the host; on one whose only authority it is, it is known."""
    inner = make_authority("Inner CA", files.authority)
    scene = partner_scene()
    shown = scene.snapshot.tls.verify(make_client("ines", inner).der, (inner.der,))
    assert scene.snapshot.hosts is not None
    verdict = scene.snapshot.hosts.verdict(b"app.example.com", replace(shown, sent=()), time.time())
    assert isinstance(verdict, Admit)
    assert verdict.identity.issuer_is_known
    assert not scene.snapshot.policy.knows(read_certificate(inner.der))


def test_whom_the_gate_refuses_no_host_admits(partner_scene: Callable[..., Scene], files: Files) -> None:
    """An OCSP responder is asked once, for all hosts, and a host's authorities say nothing of it."""
    snapshot = partner_scene().snapshot
    peer = snapshot.tls.verify(files.alice.der)
    revoked = Authorizer(Refuse(Reason.REVOKED, "By OCSP."), snapshot.routes)
    assert not snapshot.authorizer_on(b"app.example.com", peer, revoked, time.time()).admitted
    admitted = Authorizer(snapshot.judge(peer, time.time()), snapshot.routes)
    assert snapshot.authorizer_on(b"app.example.com", peer, admitted, time.time()).admitted


def test_est_tells_the_authorities_of_the_host(
    partner_scene: Callable[..., Scene], files: Files, partner_ca: Holder, tmp_path: Path
) -> None:
    """RFC 7030, 4.1: an EST client trusts what it gets there, so one host's must not be told on another."""
    (tmp_path / "invitations").mkdir(mode=0o700)
    scene = partner_scene(invitations={"folder": str(tmp_path / "invitations")})
    for host, authority in ((PARTNERS, partner_ca), ("app.example.com", files.authority)):
        visitor = scene.visitor(None)
        visitor.send(get(host, "/.well-known/est/cacerts"))
        body = visitor.read().partition(b"\r\n\r\n")[2]
        assert load_der_pkcs7_certificates(base64.b64decode(body)) == [authority.certificate]
