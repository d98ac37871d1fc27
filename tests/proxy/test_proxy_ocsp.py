"""Asking responders over real HTTP: once at a time, cached, and never trusted further than their answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gatekeeper.gate.revocation import RevocationStatus, Standing
from gatekeeper.gate.verdict import Peer
from gatekeeper.proxy.ocsp import MAX_RESPONSE, RETRY_SECONDS, Responders
from tests.certificates import NOW, make_authority, make_client
from tests.gate_process import PATIENCE

HOME = make_authority("Home CA")
ALICE = make_client("alice", HOME)
PEER = Peer(ALICE.der, verified=(HOME.der,))
HEADERS = {"Content-Type": "application/ocsp-response"}


def said(revoked: bool = False) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=ALICE.certificate,
        issuer=HOME.certificate,
        algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
        this_update=NOW,
        next_update=NOW + timedelta(hours=1),
        revocation_time=NOW if revoked else None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, HOME.certificate)
    return builder.sign(HOME.key, hashes.SHA256()).public_bytes(Encoding.DER)


class Scene:
    """Responders, and a server that answers them as the test wants."""

    def __init__(self) -> None:
        self.answering: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.say_good
        self.asked = 0
        self.patience = 60.0
        self.told: list[str] = []

    async def say_good(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=said(), headers=HEADERS)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.answering(request)

    async def play(self, script: Callable[["Scene"], Awaitable[None]]) -> None:
        runner = web.ServerRunner(web.Server(self._serve))  # type: ignore[arg-type]
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        self.responders = Responders(asyncio.get_running_loop(), lambda: NOW.timestamp(), self.patience)
        try:
            await script(self)
        finally:
            await self.responders.close()
            await runner.cleanup()

    def known(self, later: float = 0.0) -> RevocationStatus | None:
        return self.responders.answer(PEER, self.url, NOW.timestamp() + later)

    async def ask(self, count: int = 1) -> None:
        told = [asyncio.Event() for _ in range(count)]
        for event in told:
            self.responders.ask(PEER, self.url, event.set)
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in told)), PATIENCE)


def play(script: Callable[[Scene], Awaitable[None]], answering: Any = None, patience: float = 60.0) -> Scene:
    scene = Scene()
    scene.patience = patience
    scene.answering = answering or scene.answering
    asyncio.run(scene.play(script))
    return scene


def test_many_who_ask_at_once_are_one_question() -> None:
    """And all are told."""

    async def script(scene: Scene) -> None:
        assert scene.known() is None
        await scene.ask(5)
        assert scene.asked == 1
        assert scene.known() == RevocationStatus(Standing.GOOD, (NOW + timedelta(hours=1)).timestamp())

    play(script)


def test_answers_are_kept_without_the_certificates() -> None:
    """Ten thousand of the largest that are taken would be 160 MiB."""

    async def script(scene: Scene) -> None:
        await scene.ask()
        assert [len(part) for key in scene.responders._answers for part in key[:2]] == [32, 32]

    play(script)


def test_an_answer_is_known_until_its_end() -> None:
    """Then it is to be asked for again."""

    async def script(scene: Scene) -> None:
        await scene.ask()
        assert scene.known(3599) is not None
        assert scene.known(3600) is None

    play(script)


async def fails(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


async def says_revoked(_: web.Request) -> web.StreamResponse:
    return web.Response(body=said(revoked=True), headers=HEADERS)


async def leads_away(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})


async def talks_nonsense(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"<html>", headers=HEADERS)


async def talks_without_end(_: web.Request) -> web.StreamResponse:
    return web.Response(body=said() + b"x" * MAX_RESPONSE, headers=HEADERS)


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("answering", [fails, leads_away, talks_nonsense, talks_without_end, hangs_up])
def test_no_answer_to_rely_on_is_unknown(answering: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Marked as no answer, kept for a while so that a dead responder is not asked at each request, and logged."""

    async def script(scene: Scene) -> None:
        await scene.ask()
        answer = scene.known()
        assert answer is not None
        assert answer.standing is Standing.UNKNOWN
        assert answer.stale
        assert answer.until == NOW.timestamp() + RETRY_SECONDS

    play(script, answering)
    assert "no usable response" in caplog.text


@pytest.mark.parametrize("begins", [False, True])
def test_a_responder_that_hangs_is_not_waited_for(begins: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Neither before its answer nor in the midst of it: the visitor's first request waits meanwhile."""

    over = asyncio.Event()

    async def hangs(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=HEADERS)
        if begins:
            await response.prepare(request)
            await response.write(said()[:9])
        await over.wait()
        return response

    async def script(scene: Scene) -> None:
        await scene.ask()
        over.set()
        answer = scene.known()
        assert answer is not None
        assert answer.stale

    play(script, hangs, patience=0.05)
    assert "nothing came in time" in caplog.text


def test_revoked_stays_revoked_without_an_answer() -> None:
    """Else ``ocsp_on_failure = "allow"`` would let in who can silence the responder. A new answer counts again."""

    async def script(scene: Scene) -> None:
        for answering, standing in (
            (says_revoked, Standing.REVOKED),
            (fails, Standing.REVOKED),
            (fails, Standing.REVOKED),
            (scene.say_good, Standing.GOOD),
            (fails, Standing.UNKNOWN),
        ):
            scene.answering = answering
            await scene.ask()
            answer = scene.known()
            assert answer is not None
            assert answer.standing is standing

    play(script)


def test_a_certificate_without_a_responder_is_unknown() -> None:
    """Where none is configured either, nobody can be asked."""

    async def script(scene: Scene) -> None:
        told = asyncio.Event()
        scene.responders.ask(PEER, None, told.set)
        await asyncio.wait_for(told.wait(), PATIENCE)
        answer = scene.responders.answer(PEER, None, NOW.timestamp())
        assert answer is not None
        assert answer.stale
        assert scene.asked == 0

    play(script)
