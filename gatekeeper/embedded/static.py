"""Folders of files, for ``static:/srv/www``: index files, ranges, conditional requests; nothing outside the folder."""

import asyncio
import math
import re
from pathlib import Path
from urllib.parse import unquote

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict
from yarl import URL


def static_app(folder: Path) -> web.Application:
    """An app that serves the files below ``folder``: GET and HEAD, ranges, conditional requests, index.html.

    Every file has one path: "..", ".", empty segments and encoded slashes are not found, so that a rule for a path
    cannot be gone around. Names that begin with a dot are not found either, but for .well-known (RFC 8615). A
    symbolic link is followed as long as it stays in the folder.
    """

    async def serve(request: web.Request) -> web.StreamResponse:
        return await asyncio.to_thread(_answer, folder, request)

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    return app


def _answer(folder: Path, request: web.Request) -> web.StreamResponse:
    raw = request.raw_path.partition("?")[0]
    segments = _segments(raw)
    try:
        root = folder.resolve(strict=True)
        path = root.joinpath(*segments).resolve(strict=True)
        if path.is_dir() and path.is_relative_to(root):
            if not raw.endswith("/"):
                raise web.HTTPMovedPermanently(URL(_with_slash(request.raw_path), encoded=True))
            path = (path / "index.html").resolve(strict=True)  # which may be a link too
        elif raw.endswith("/"):
            raise web.HTTPNotFound
    except (OSError, ValueError, RuntimeError):  # no such file, a NUL, a name too long, a loop of links
        raise web.HTTPNotFound from None
    if not path.is_relative_to(root) or not path.is_file():
        raise web.HTTPNotFound
    return _File(path)


def _segments(raw: str) -> list[str]:
    """The names that a path is made of, decoded; HTTPNotFound where two paths could mean one file."""
    if not raw.startswith("/") or _ENCODED_SEPARATOR.search(raw):
        raise web.HTTPNotFound
    segments = [unquote(segment) for segment in raw[1:].split("/")]
    if segments[-1] == "":
        segments.pop()
    if any(not segment or (segment.startswith(".") and segment != ".well-known") for segment in segments):
        raise web.HTTPNotFound
    return segments


def _with_slash(target: str) -> str:
    """Relative to where the visitor is, which may be below a prefix that a proxy took off; never another host."""
    path, mark, query = target.partition("?")
    return f"./{path.rpartition('/')[2]}/{mark}{query}"


_ENCODED_SEPARATOR = re.compile("%2f|%5c|%00", re.IGNORECASE)
# RFC 9110, 14.1.2. Of several ranges none is honoured, as 14.2 allows: aiohttp would answer 416.
_ONE_RANGE = re.compile(r"bytes=(?:\d+-\d*|-\d+)", re.IGNORECASE | re.ASCII)


class _File(web.FileResponse):
    """A file response that corrects aiohttp's handling of Range and If-Range."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = path

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if hdrs.RANGE in request.headers and not await asyncio.to_thread(self._wants_a_range, request):
            headers = CIMultiDict(request.headers)
            del headers[hdrs.RANGE]
            request = request.clone(headers=headers)
        return await super().prepare(request)

    def _wants_a_range(self, request: web.BaseRequest) -> bool:
        if request.method != "GET" or not _ONE_RANGE.fullmatch(request.headers[hdrs.RANGE].strip()):
            return False
        condition = request.headers.get(hdrs.IF_RANGE, "").strip()
        if not condition:
            return True
        # RFC 9110, 13.1.5: a part of one version must not be joined to a part of another. aiohttp takes an entity
        # tag for no condition at all.
        stat = self._file.stat()
        if condition.startswith('"'):
            return condition == f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        return request.if_range is not None and request.if_range.timestamp() == math.ceil(stat.st_mtime)
