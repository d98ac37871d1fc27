"""The ``static:`` folders of a configuration, each served on a Unix socket of its own."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.settings.addresses import SocketPath

if TYPE_CHECKING:
    from aiohttp import web

    from gatekeeper.settings.upstream import UpstreamSettings

# The gate has checked the size of a request's head already. These limits leave room for the headers that it adds.
_NO_LIMIT = 1 << 30


class _InOneLine(logging.LoggerAdapter[logging.Logger]):
    """Shortens aiohttp's tracebacks for requests that it cannot parse, with which clients could fill the log."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        """The message with the exception's type and place in its line."""
        error = kwargs.pop("exc_info", None)
        if not isinstance(error, BaseException):
            return msg, kwargs
        place = "".join(f" at {frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-1:])
        return f"{msg}: {type(error).__name__}{place.replace('%', '%%')}", kwargs


_log = _InOneLine(logging.getLogger("aiohttp.server"))


def new_folder_name() -> str:
    """A name for a folder of sockets that other users cannot guess. Short: a socket's path has 107 bytes (unix(7))."""
    return f"gatekeeper-{os.urandom(4).hex()}"


class StaticSites:
    """An async context in which ``static:`` folders are served; ``addresses`` are their sockets. ``pages`` returns the
    gate's current pages, for errors.

    The sockets are in a temporary folder of this ``name``; ``left`` are the names of folders that killed processes may
    have left behind, which are removed.

    A folder that a reload removes stays open until the process ends, but no request reaches it.
    """

    def __init__(self, name: str, left: Iterable[str] = ()) -> None:
        self._name = name
        self._left = tuple(left)
        self._runners: list[web.AppRunner] = []
        self._folder: Path | None = None
        self.addresses: dict[UpstreamSettings, SocketPath] = {}
        self.pages = RefusalPages()

    async def __aenter__(self) -> "StaticSites":
        return self

    async def serve(self, upstreams: "Mapping[str, UpstreamSettings]") -> None:
        """Begin to serve the folders of these upstreams, as far as they are not served yet."""
        found = {one for one in upstreams.values() if one.endpoints[0].scheme == "static"}
        for upstream in found - set(self.addresses):
            if self._folder is None:
                self._folder = self._make_folder()
            address = SocketPath(self._folder / f"{len(self._runners)}.sock")
            self._runners.append(await self._start(upstream, address))
            self.addresses[upstream] = address

    def _make_folder(self) -> Path:
        import shutil
        import tempfile

        folder = Path(tempfile.gettempdir(), self._name)
        folder.mkdir(0o700)  # mode 0700; FileExistsError if another user has created it
        for name in self._left:
            shutil.rmtree(folder.with_name(name), ignore_errors=True)
        return folder

    async def _start(self, upstream: "UpstreamSettings", address: SocketPath) -> "web.AppRunner":
        from aiohttp import web  # 25 MiB that most configurations never need

        from gatekeeper.embedded.static import Site, static_app

        folder = upstream.endpoints[0].path or Path()
        site = Site(folder, upstream.cache_control, upstream.fallback, lambda: self.pages)
        runner = web.AppRunner(
            static_app(site),
            access_log=None,
            logger=_log,
            auto_decompress=False,  # bodies are not read, and aiohttp would log each that it cannot decode
            max_line_size=_NO_LIMIT,
            max_field_size=_NO_LIMIT,
            max_headers=_NO_LIMIT,
        )
        await runner.setup()
        await web.UnixSite(runner, str(address.path)).start()
        return runner

    def hand_over(self, own: Callable[[Path], None]) -> None:
        """Call ``own`` for everything that was created on disk, to give it to another user."""
        if self._folder is not None:
            # The folder comes last: its new owner can replace what is in it.
            for path in (*(address.path for address in self.addresses.values()), self._folder):
                own(path)

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._folder is not None:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)
