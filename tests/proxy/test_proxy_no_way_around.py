"""No sequence of handshakes, resumptions, revocations, ends of certificates, reloads and changes of routes lets anybody
do what a fresh connection could not."""

import ssl
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.gate.certificate import read_certificate
from gatekeeper.gate.revocation import RevocationList, Revocations, issuer_of
from gatekeeper.gate.routes import Routes
from gatekeeper.gate.verdict import Policy
from gatekeeper.proxy.snapshot import Snapshot, build_snapshot
from tests.certificates import NOW, Holder, make_authority, make_client
from tests.proxy.scene import OK, SWITCHED, UPGRADE, Files, Scene, Visitor, get

TLS13 = ssl.TLSVersion.TLSv1_3
PATIENT = {"idle": "999h", "tunnel_idle": "999h"}

people = st.sampled_from(["alice", "brief", "eve"])
number = st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.just("connect"), people),
    st.tuples(st.just("resume"), number),
    st.tuples(st.just("ask"), number),
    st.tuples(st.just("tunnel"), number),
    st.tuples(st.just("revoke"), people),
    st.tuples(st.just("pardon"), people),
    st.tuples(st.just("trust"), st.sampled_from(["home", "other", "both"])),
    st.tuples(st.just("deny"), st.sampled_from(["alice", "brief", "nobody"])),
    st.tuples(st.just("wait"), st.sampled_from([1800, 5400])),
)


@pytest.fixture(scope="module")
def stage(files: Files) -> dict[str, Any]:
    """Two authorities, three visitors, and a snapshot for each set of authorities."""
    other = make_authority("Other CA")
    bundles = {"home": (files.authority,), "other": (other,), "both": (files.authority, other)}
    snapshots = {}
    for name, bundle in bundles.items():
        (files.folder / f"trust-{name}.crt").write_bytes(b"".join(one.certificate_pem for one in bundle))
        client_auth = {"ca": f"trust-{name}.crt", "session_resumption": True}
        settings = files.settings(client_auth=client_auth, timeouts=PATIENT)
        snapshots[name] = build_snapshot(settings, {}, time.time())
    return {
        "snapshots": snapshots,
        "alice": files.alice,
        "brief": make_client("brief", files.authority, ends=NOW + timedelta(hours=1)),
        "eve": make_client("eve", other),
        "issuers": {"alice": files.authority, "brief": files.authority, "eve": other},
    }


class Comer(Visitor):
    """A visitor who may come with the session of an earlier visit."""

    def __init__(self, scene: Scene, name: str, holder: Holder, session: ssl.SSLSession | None = None) -> None:
        super().__init__(scene, ("192.0.2.7", 50000))
        self.name = name
        self.shake_hands(holder, TLS13, session)
        self.tunnels = False

    def is_served(self) -> bool:
        """Whether the app hears of a request; ends the connection if not."""
        before = len(self.scene.log.records)
        self.send(get())
        self.scene.loop.settle()
        app = next((one for one in self.scene.app.connections if not one.is_gone and one.read()), None)
        if app is not None:
            app.send(OK)
        answer = self.read()
        assert len(self.scene.log.records) == before + 1
        assert answer.startswith(b"HTTP/1.1 200 " if app is not None else b"HTTP/1.1 403 ")
        return app is not None


class Play:
    def __init__(self, files: Files, stage: dict[str, Any]) -> None:
        self.stage = stage
        self.scene = Scene(files, stage["snapshots"]["home"], timeouts=PATIENT)
        self.comers: list[Comer] = []
        self.sessions: list[tuple[str, ssl.SSLSession]] = []
        self.revoked: set[str] = set()
        self.trusted, self.denied = "home", "nobody"
        self.resumed = 0
        self._renew()

    def do(self, what: str, how: Any) -> None:
        if what == "connect":
            self.comers.append(Comer(self.scene, how, self.stage[how]))
        elif what == "resume" and self.sessions:
            name, session = self.sessions[how % len(self.sessions)]
            self.comers.append(Comer(self.scene, name, self.stage[name], session))
            self.resumed += self.comers[-1].tls.session_reused
        elif what in ("ask", "tunnel"):
            self._use(what, how)
        elif what == "wait":
            self.scene.loop.advance(how)
        elif what in ("revoke", "pardon", "trust", "deny"):
            {"revoke": self.revoked.add, "pardon": self.revoked.discard}.get(what, lambda _: None)(how)
            self.trusted = how if what == "trust" else self.trusted
            self.denied = how if what == "deny" else self.denied
            self._renew()
        self._no_tunnel_is_left_of_whom_a_fresh_connection_refuses()

    def _renew(self) -> None:
        snapshot: Snapshot = self.stage["snapshots"][self.trusted]
        lists: dict[Any, set[int]] = {}
        for name, issuer in self.stage["issuers"].items():
            serials = lists.setdefault(issuer_of(read_certificate(issuer.der)), set())
            if name in self.revoked:
                serials.add(self.stage[name].certificate.serial_number)
        revocations = Revocations.of(
            RevocationList(issuer, 0.0, 3e9, frozenset(serials)) for issuer, serials in lists.items()
        )
        rules = self.scene.files.settings(routes=[{"deny": [{"cn": self.denied}]}]).routes
        self.scene.proxy.renew(
            replace(
                snapshot,
                policy=Policy(revocations=revocations),
                routes=Routes(rules, {}),
                upstreams=self.scene.snapshot.upstreams,
            )
        )
        self.scene.loop.settle()

    def _use(self, what: str, which: int) -> None:
        ready = [one for one in self.comers if not one.was_sent_away and not one.tunnels]
        if not ready:
            return
        comer = ready[which % len(ready)]
        served = comer.is_served()
        assert served == self._fresh(comer.name), f"{comer.name}: {served}"
        if served and comer.tls.session and comer.tls.session.has_ticket:
            self.sessions.append((comer.name, comer.tls.session))
        if served and what == "tunnel":
            comer.send(UPGRADE)
            self.scene.loop.settle()
            next(one for one in self.scene.app.connections if not one.is_gone and one.read()).send(SWITCHED)
            comer.tunnels = comer.read().startswith(b"HTTP/1.1 101 ")
            assert comer.tunnels

    def _fresh(self, name: str) -> bool:
        comer = Comer(self.scene, name, self.stage[name])
        served = comer.is_served()
        comer.leave()
        return served

    def _no_tunnel_is_left_of_whom_a_fresh_connection_refuses(self) -> None:
        for comer in self.comers:
            if comer.tunnels and not comer.was_sent_away:
                assert self._fresh(comer.name), f"{comer.name}'s tunnel is open"


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=10, max_size=40))
def test_nobody_gets_by(files: Files, stage: dict[str, Any], script: list[tuple[str, Any]]) -> None:
    """Each request is answered as a fresh connection's would be, and each tunnel is open only while one would be."""
    play = Play(files, stage)
    try:
        for what, how in script:
            play.do(what, how)
    finally:
        play.scene.close()


def test_the_play_reaches_what_it_is_about(files: Files, stage: dict[str, Any]) -> None:
    """A session is resumed, and refused after a revocation, which ends it; otherwise the property would say nothing."""
    play = Play(files, stage)
    for what, how in (("connect", "alice"), ("ask", 0), ("resume", 0), ("revoke", "alice")):
        play.do(what, how)
    assert play.resumed == 1
    play.do("resume", 0)
    assert play.resumed == 2
    assert not play.comers[-1].is_served()
    play.do("resume", 0)
    assert play.resumed == 2
    play.scene.close()
