"""The ``static:`` folders of a configuration, each served on a Unix socket of its own."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gatekeeper.settings.addresses import SocketPath
from gatekeeper.settings.upstream import UpstreamSettings

if TYPE_CHECKING:
    from aiohttp import web


class StaticSites:
    """An async context in which ``static:`` folders are served; ``addresses`` says where.

    A folder that a reload removes stays open until the process ends, but no request reaches it.
    """

    def __init__(self) -> None:
        self._runners: list[web.AppRunner] = []
        self._sockets: tempfile.TemporaryDirectory[str] | None = None
        self.addresses: dict[Path, SocketPath] = {}

    async def __aenter__(self) -> "StaticSites":
        return self

    async def serve(self, upstreams: Mapping[str, UpstreamSettings]) -> None:
        """Begin to serve the folders of these upstreams, as far as they are not served yet."""
        places = (place for upstream in upstreams.values() for place in upstream.endpoints)
        folders = {place.path for place in places if place.scheme == "static" and place.path is not None}
        for folder in sorted(folders - set(self.addresses)):
            if self._sockets is None:
                self._sockets = tempfile.TemporaryDirectory(prefix="gatekeeper-")  # mode 0700: for no other user
            address = SocketPath(Path(self._sockets.name) / f"{len(self._runners)}.sock")
            self._runners.append(await _start(folder, address))
            self.addresses[folder] = address

    def hand_over(self, own: Callable[[Path], None]) -> None:
        """Have ``own`` make somebody else the owner of what was made on disk."""
        if self._sockets is not None:
            # The folder comes last: from then on its new owner can exchange what is in it.
            for path in (*(address.path for address in self.addresses.values()), Path(self._sockets.name)):
                own(path)

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._sockets is not None:
            self._sockets.cleanup()


async def _start(folder: Path, address: SocketPath) -> "web.AppRunner":
    from aiohttp import web  # 25 MiB that most configurations never need

    from gatekeeper.embedded.static import static_app

    runner = web.AppRunner(static_app(folder), access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(address.path)).start()
    return runner
