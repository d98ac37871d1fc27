"""Fetches revocation lists by HTTP: at the start and before each ends, in one of the workers at a time.

A list is verified before it is kept: signed by a trusted authority, and not older than the one before it. Until then
the old one stays in force, and past its nextUpdate ``crl_stale`` decides, as for a file that nobody renewed. What was
fetched is a file in ``crl_folder``, which every worker watches.
"""

import asyncio
import hashlib
import logging
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import RevocationList, read_lists, replay
from gatekeeper.proxy.crl_folder import MAX_SIZE, CRLFolder, Fetch
from gatekeeper.proxy.crl_sources import distribution_urls, is_allowed, wanted_urls
from gatekeeper.proxy.ocsp import load_client
from gatekeeper.proxy.snapshot import Snapshot

if TYPE_CHECKING:
    import aiohttp

_log = logging.getLogger("gatekeeper")

# How long a fetch may take, connecting and all: 64 MiB at 1 MiB a second.
PATIENCE_SECONDS = 60.0
# How often a worker looks whether something is due, or another one has stopped fetching.
ROUND_SECONDS = 5.0
# Half of the time that is left, within these: a revocation is known within six hours, and nobody is asked every second.
SHORTEST_SECONDS, LONGEST_SECONDS = 60.0, 6 * 3600.0
# After a failure, twice as long after each further one.
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 60.0, 3600.0
# Part of the wait that is left to chance, so that many gates do not ask at the same second.
JITTER = 0.1
# What is sent back as a validator. Real ones have some 40 characters. Whoever could answer once in place of the server
# would otherwise have every later request refused for its size.
_VALIDATOR = re.compile(r"[ -~]{1,256}")
# Places learned from certificates; an authority with more partitions than that needs files.
MAX_LEARNED = 64


class CRLFetcher:
    """One per worker. ``snapshot`` is the one in force, ``count`` is told "fetched", "unchanged" or "failed". ``began``
    is when the gate started, None for now: what was fetched before is fetched again, by one of the workers.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        count: Callable[[str], None],
        *,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        patience: float = PATIENCE_SECONDS,
        began: float | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._count = count
        self._wall = wall
        self._chance = chance
        self._patience = patience
        self._began = wall() if began is None else began
        self._learned: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complaint = ""
        self._resumes = 0.0  # by the wall clock

    def start(self) -> None:
        """Begin to fetch, in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Fetch no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def learn(self, certificate: Certificate) -> None:
        """A visitor's certificate, signed by a trusted authority, is on no list and covered by none: its distribution
        points may name one. Without "cdp" in ``client_auth.crl`` nothing comes of it."""
        auth = self._snapshot().settings.client_auth
        if not auth.uses_distribution_points or len(self._learned) >= MAX_LEARNED:
            return
        urls = {url for url in distribution_urls(certificate) if is_allowed(url, auth.crl_hosts)}
        if new := urls - self._learned:
            self._learned |= new
            self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                await self.fetch_due()
            except OSError as error:
                self._complain(f"client_auth.crl_folder cannot be written: {error.strerror or error}")
            except Exception:  # the next round may do better, and no list may stay old because of one bug
                _log.exception("fetching a CRL failed in an unexpected way")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), ROUND_SECONDS)
            self._wake.clear()

    async def fetch_due(self) -> None:
        """Fetch every list whose time has come, unless another worker does.

        OSError if the folder cannot be written: nothing is fetched then for `RETRY_SECONDS`, since nobody could note
        when the next fetch is due.
        """
        snapshot = self._snapshot()
        auth, authorities = snapshot.settings.client_auth, snapshot.tls.authorities
        if auth.crl_folder is None or 0.0 < self._resumes - self._wall() <= RETRY_SECONDS:
            return
        folder = CRLFolder(auth.crl_folder)
        urls, trusted = wanted_urls(auth, authorities, self._learned), _mark(authorities)
        if not any(self._is_due(folder, url, trusted) for url in urls):
            return
        try:
            await self._fetch_all(folder, urls, trusted, authorities)
        except OSError:
            self._resumes = self._wall() + RETRY_SECONDS
            raise

    async def _fetch_all(
        self, folder: CRLFolder, urls: list[str], trusted: str, authorities: tuple[Certificate, ...]
    ) -> None:
        with folder.locked() as mine:
            if not mine:
                return
            await asyncio.to_thread(load_client)
            import aiohttp

            async with aiohttp.ClientSession(auto_decompress=False) as session:
                for url in urls:
                    if self._is_due(folder, url, trusted):
                        last = replace(folder.fetch(url) or Fetch(url, 0.0, 0.0), trusted=trusted)
                        await self._fetch(session, folder, last, authorities)

    def _is_due(self, folder: CRLFolder, url: str, trusted: str) -> bool:
        last = folder.fetch(url)
        if last is None or last.trusted != trusted or not last.checked <= self._wall() < last.due:
            return True
        if last.checked < self._began:  # so that a restart brings what was revoked just now
            return True
        return not last.failures and not folder.list_path(url).exists()

    async def _fetch(
        self,
        session: "aiohttp.ClientSession",
        folder: CRLFolder,
        last: Fetch,
        authorities: tuple[Certificate, ...],
    ) -> None:
        import aiohttp

        url = last.url
        old = await asyncio.to_thread(_kept, folder, url, authorities)
        try:
            # A list that has ended is not "unchanged": who needs a new one asks for it without a condition.
            current = any(one.next_update > self._wall() for one in old)
            got = await asyncio.wait_for(self._get(session, last if current else Fetch(url, 0.0, 0.0)), self._patience)
            if got is None:
                found, content, fetch = old, None, last
            else:
                content, etag, modified = got
                found = await asyncio.to_thread(_verified, content, authorities, old)
                fetch = replace(last, etag=etag, modified=modified)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            self._failed(folder, last, "nothing came in time" if isinstance(error, TimeoutError) else str(error))
            return
        now = self._wall()
        fetch = replace(fetch, checked=now, due=now + self._pause(found, now), failures=0, message="")
        await asyncio.to_thread(folder.keep, fetch, content)
        if last.failures:
            _log.info("the CRL from %s is fetched again", url)
        self._count("unchanged" if content is None else "fetched")

    async def _get(self, session: "aiohttp.ClientSession", last: Fetch) -> tuple[bytes, str, str] | None:
        """The list with its ETag and Last-Modified, None if it is the one that is kept; ValueError if there is none.

        Redirects are not followed: they would lead past ``crl_hosts``. Nothing is decompressed: a few KiB could become
        gigabytes.
        """
        headers = {"Accept": "application/pkix-crl, */*", "Accept-Encoding": "identity"}
        if last.etag:
            headers["If-None-Match"] = last.etag
        if last.modified:
            headers["If-Modified-Since"] = last.modified
        async with session.get(last.url, headers=headers, allow_redirects=False) as response:
            if response.status == 304 and (last.etag or last.modified):
                return None
            if response.status != 200:
                raise ValueError(f"the server answered with status {response.status}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ValueError("the server sent it compressed, unasked")
            content = bytearray()
            async for block in response.content.iter_chunked(1 << 16):
                content += block
                if len(content) > MAX_SIZE:
                    raise ValueError(f"it is larger than {MAX_SIZE >> 20} MiB")
            return bytes(content), _validator(response, "ETag"), _validator(response, "Last-Modified")

    def _failed(self, folder: CRLFolder, last: Fetch, why: str) -> None:
        now, failures = self._wall(), last.failures + 1
        wait = min(RETRY_SECONDS * 2 ** (min(failures, 10) - 1), LONGEST_RETRY_SECONDS)
        fetch = replace(last, checked=now, due=now + self._jittered(wait), failures=failures, message=why)
        folder.keep(fetch)
        self._count("failed")
        if not last.failures or last.message != why:
            _log.warning("the CRL from %s cannot be fetched: %s", last.url, why)

    def _pause(self, lists: list[RevocationList], now: float) -> float:
        left = min((one.next_update for one in lists), default=now) - now
        return self._jittered(min(max(left / 2, SHORTEST_SECONDS), LONGEST_SECONDS))

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 - JITTER * self._chance())

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            _log.error("%s", why)
        self._complaint = why


def _validator(response: "aiohttp.ClientResponse", name: str) -> str:
    """RFC 9110, 8.8; "" if the server gave none that can be sent back."""
    value = response.headers.get(name, "")
    return value if _VALIDATOR.fullmatch(value) else ""


def _mark(authorities: tuple[Certificate, ...]) -> str:
    return hashlib.sha256(b"".join(one.der for one in authorities)).hexdigest()


def _kept(folder: CRLFolder, url: str, authorities: tuple[Certificate, ...]) -> list[RevocationList]:
    content = folder.read(url)
    if content is None:
        return []
    try:
        return read_lists(content, authorities)
    except ValueError:
        return []


def _verified(content: bytes, authorities: tuple[Certificate, ...], old: list[RevocationList]) -> list[RevocationList]:
    """ValueError for what must not take the place of the list before it."""
    try:
        found = read_lists(content, authorities)
    except ValueError as error:
        raise ValueError(f"what was sent is rejected ({error})") from error
    if why := replay(found, old):
        raise ValueError(why)
    return found
