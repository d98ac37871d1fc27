"""Folders of files, for ``static:/srv/www``: index files, ranges, conditional requests; nothing outside the folder."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from gatekeeper.addresses import SocketPath
from gatekeeper.settings import UpstreamSettings


class StaticSites:
    """An async context in which every ``static:`` folder of the upstreams is served; ``addresses`` says where."""

    def __init__(self, upstreams: Mapping[str, UpstreamSettings]) -> None:
        places = (place for upstream in upstreams.values() for place in upstream.places)
        self._folders = {place.path for place in places if place.scheme == "static" and place.path is not None}
        self._runners: list[web.AppRunner] = []
        self.addresses: dict[Path, SocketPath] = {}

    async def __aenter__(self) -> "StaticSites":
        if self._folders:
            self._sockets = tempfile.TemporaryDirectory(prefix="gatekeeper-")  # mode 0700: no other user can connect
        for number, folder in enumerate(sorted(self._folders)):
            address = SocketPath(Path(self._sockets.name) / f"{number}.sock")
            runner = web.AppRunner(static_app(folder), access_log=None)
            self._runners.append(runner)
            await runner.setup()
            await web.UnixSite(runner, str(address.path)).start()
            self.addresses[folder] = address
        return self

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()
        if self._folders:
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
