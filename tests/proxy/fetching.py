"""A fetcher of revocation lists, the servers that it asks, and its folder."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web
from cryptography import x509

from gatekeeper.gate.certificate import Certificate, read_certificate
from gatekeeper.proxy.crl_fetcher import CRLFetcher
from gatekeeper.proxy.crl_folder import CRLFolder
from gatekeeper.proxy.revocations import fetch_warnings, load_revocations
from gatekeeper.proxy.snapshot import Snapshot
from gatekeeper.settings.access import ClientAuthSettings
from tests.certificates import NOW, Holder, make, make_authority, named
from tests.gate.lists import BOB, HOME, der, make_crl

OTHER = make_authority("Other CA")
START = NOW.timestamp()
HOUR = datetime.timedelta(hours=1)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def body(content: bytes, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


def status(code: int, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers)

    return answer


EMPTY, WITH_BOB = der(make_crl()), der(make_crl(BOB))


def numbered(number: int, *revoked: Holder, begins: datetime.datetime = NOW - HOUR) -> bytes:
    return der(make_crl(*revoked, begins=begins, extensions=[(x509.CRLNumber(number), False)]))


class Scene:
    """A server with lists, the folder of a gate, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = CRLFolder(folder)
        self.answer: Answer = body(EMPTY)
        self.asked: list[web.Request] = []
        self.now = START
        self.counted: list[str] = []
        self.patience = 60.0
        self.trusted: tuple[Holder, ...] = (HOME,)
        self.sources: tuple[Any, ...] | None = None
        self.hosts: tuple[str, ...] = ()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)

    async def play(self, script: Callable[["Scene"], Awaitable[None]]) -> None:
        runner = web.ServerRunner(web.Server(self._serve))  # type: ignore[arg-type]
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.place = f"127.0.0.1:{runner.addresses[0][1]}"
        self.url = f"http://{self.place}/ca.crl"
        self.fetcher = self.worker()
        try:
            await script(self)
        finally:
            await self.fetcher.close()
            await runner.cleanup()

    @property
    def auth(self) -> ClientAuthSettings:
        sources = (self.url,) if self.sources is None else self.sources
        return ClientAuthSettings(ca=(Path("ca"),), crl=sources, crl_folder=self.folder.path, crl_hosts=self.hosts)

    @property
    def authorities(self) -> tuple[Certificate, ...]:
        return tuple(read_certificate(one.der) for one in self.trusted)

    def worker(self, began: float | None = None) -> CRLFetcher:
        def snapshot() -> Snapshot:
            found = SimpleNamespace(
                settings=SimpleNamespace(client_auth=self.auth), tls=SimpleNamespace(authorities=self.authorities)
            )
            return cast(Snapshot, found)

        return CRLFetcher(
            snapshot,
            self.counted.append,
            wall=lambda: self.now,
            chance=lambda: 0.0,
            patience=self.patience,
            began=began,
        )

    @property
    def kept(self) -> bytes | None:
        return self.folder.read(self.url)

    @property
    def said(self) -> str:
        return " ".join(fetch_warnings(self.auth, self.authorities))

    def revoked(self) -> set[int]:
        loaded = load_revocations(self.auth, self.authorities)
        assert loaded is not None
        return {serial for one in loaded.every for serial in one.serials}


def player(folder: Path) -> Callable[..., None]:
    """Plays a script with a scene in that folder, whose attributes are named."""

    def run(script: Callable[[Scene], Awaitable[None]], **more: Any) -> None:
        scene = Scene(folder)
        for name, value in more.items():
            setattr(scene, name, value)
        asyncio.run(scene.play(script))

    return run


def named_at(url: str, issuer: Holder = HOME) -> Certificate:
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)]
    )
    return read_certificate(make(named("alice"), issuer, extensions=[(points, False)]).der)
