"""Folders of files, for ``static:/srv/www``: index files, ranges, conditional requests; nothing outside the folder."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from aiohttp import web

from gatekeeper.addresses import SocketPath
from gatekeeper.settings import UpstreamSettings


class StaticSites:
    """An async context in which ``static:`` folders are served; ``addresses`` says where.

    A folder that a reload leaves out is served on, to nobody, until the end.
    """

    def __init__(self) -> None:
        self._runners: list[web.AppRunner] = []
        self._sockets: tempfile.TemporaryDirectory[str] | None = None
        self.addresses: dict[Path, SocketPath] = {}

    async def __aenter__(self) -> "StaticSites":
        return self

    async def serve(self, upstreams: Mapping[str, UpstreamSettings]) -> None:
        """Begin to serve the folders of these upstreams, as far as they are not served yet."""
        places = (place for upstream in upstreams.values() for place in upstream.places)
        folders = {place.path for place in places if place.scheme == "static" and place.path is not None}
        for folder in sorted(folders - set(self.addresses)):
            if self._sockets is None:
                self._sockets = tempfile.TemporaryDirectory(prefix="gatekeeper-")  # mode 0700: for no other user
            address = SocketPath(Path(self._sockets.name) / f"{len(self._runners)}.sock")
            runner = web.AppRunner(static_app(folder), access_log=None)
            self._runners.append(runner)
            await runner.setup()
            await web.UnixSite(runner, str(address.path)).start()
            self.addresses[folder] = address

    def hand_over(self, own: Callable[[Path], None]) -> None:
        """Have ``own`` make somebody else the owner of what was made on disk."""
        if self._sockets is not None:
            for path in (Path(self._sockets.name), *(address.path for address in self.addresses.values())):
                own(path)

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._sockets is not None:
            self._sockets.cleanup()


def static_app(folder: Path) -> web.Application:
    """An app that serves the files below ``folder``. Symbolic links that lead out of it are not followed."""

    async def serve(request: web.Request) -> web.StreamResponse:
        return _answer(folder, request)

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    return app


def _answer(folder: Path, request: web.Request) -> web.StreamResponse:
    root = folder.resolve()
    folder_is_meant = request.path.endswith("/")
    try:
        path = (root / request.match_info["path"].lstrip("/")).resolve()
        is_folder = path.is_dir()
    except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, a loop of links
        raise web.HTTPNotFound from None
    if not path.is_relative_to(root) or folder_is_meant > is_folder:
        raise web.HTTPNotFound
    if is_folder:
        if not folder_is_meant:
            # Relative to where the visitor is: "//host/.." sent back as it came would lead to another host.
            raise web.HTTPMovedPermanently(f"./{request.rel_url.raw_path.rpartition('/')[2]}/{_query(request)}")
        path = (path / "index.html").resolve()
    if not path.is_file() or not path.is_relative_to(root):
        raise web.HTTPNotFound
    return web.FileResponse(path)


def _query(request: web.Request) -> str:
    return f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
