"""Folders of files, for ``static:/srv/www``: index files, ranges, conditional requests, compressed neighbours; nothing
outside the folder."""

import asyncio
import errno
import logging
import math
import os
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO
from urllib.parse import unquote

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from gatekeeper.embedded.media_types import media_type
from gatekeeper.refusal.answer import Recipient, RefusalPages
from gatekeeper.refusal.negotiation import prefers_page

_log = logging.getLogger("gatekeeper")

# Suffixes by content coding (IANA's HTTP Content Coding Registry), usually the smallest first.
_SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
_CODING = re.compile(r"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:;[ \t]*[Qq]=([01](?:\.[0-9]{0,3})?))?[ \t]*")
_ENCODED_SEPARATOR = re.compile("%2f|%5c|%00", re.IGNORECASE)
# RFC 9110, 14.1.2. Several ranges are ignored, as 14.2 allows: aiohttp would answer 416. So is a suffix range of no
# bytes, for which aiohttp sends the whole file with 206.
_ONE_RANGE = re.compile(r"bytes=(?:\d+-\d*|-0*[1-9]\d*)", re.IGNORECASE | re.ASCII)

# The header fields that aiohttp's file response evaluates (RFC 9110, 13.1 and 14.2), except If-Range and
# Accept-Encoding: it ignores entity tags in the first, and weights in the second.
_DATE_CONDITIONS = {"if-modified-since", "if-unmodified-since"}
_CONDITIONS = _DATE_CONDITIONS | {"if-match", "if-none-match", "range"}
# As far as RFC 9110, 5.6.7: datetime raises an OverflowError for longer numbers, which aiohttp does not expect.
_DATE = re.compile(r"(?!.*[0-9]{5})[0-9A-Za-z ,:-]+")

# The folder in which an open file has a name of its own, even if the original name is replaced (proc_pid_fd(5)).
_DESCRIPTORS = found if (found := Path("/proc/self/fd")).is_dir() else None


@dataclass(frozen=True, slots=True)
class Site:
    """A folder and how it is served. ``fallback`` is the file that browsers get for a path without a file, "" for none;
    ``pages`` returns the gate's current pages.
    """

    folder: Path
    cache_control: str
    fallback: str
    pages: Callable[[], RefusalPages]

    @property
    def caching(self) -> dict[str, str]:
        """The value of Cache-Control for a file."""
        return {hdrs.CACHE_CONTROL: self.cache_control} if self.cache_control else {}


def static_app(site: Site) -> web.Application:
    """An app that serves the files of ``site``: GET and HEAD, ranges, conditional requests, index.html.

    Every file has one path: "..", ".", empty segments and encoded slashes are not found, so that no rule about a path
    can be bypassed. Names that begin with a dot are not found either, except .well-known (RFC 8615). A symbolic link is
    followed as long as it stays in the folder.
    """

    async def serve(request: web.Request) -> web.StreamResponse:
        response = await asyncio.to_thread(_answer, site, request)
        await response.prepare(request)  # here, so that the middleware gives aiohttp's own errors a page, too
        return response

    @web.middleware
    async def in_own_pages(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _error_page(site.pages(), request, error)

    app = web.Application(middlewares=[in_own_pages])
    app.on_response_prepare.append(_name_no_server)
    app.router.add_get("/{path:.*}", serve)
    return app


async def _name_no_server(_: web.Request, response: web.StreamResponse) -> None:
    """Remove Server (RFC 9110, 10.2.4): the versions of Python and aiohttp reveal known vulnerabilities."""
    response.headers.popall(hdrs.SERVER, None)


def _error_page(pages: RefusalPages, request: web.Request, error: web.HTTPException) -> web.Response:
    page = pages.failed(
        error.status,
        _DETAILS.get(error.status, ""),
        Recipient(
            request.headers.get("X-Request-Id", ""),
            request.headers.get(hdrs.ACCEPT, ""),
            request.headers.get(hdrs.ACCEPT_LANGUAGE, ""),
        ),
    )
    headers = CIMultiDict(page.headers)
    for name in (hdrs.ALLOW, hdrs.CONTENT_RANGE):  # RFC 9110, 15.5.6 and 15.5.17
        if name in error.headers:
            headers[name] = error.headers[name]
    return web.Response(status=page.status, headers=headers, body=page.body)


_ERRORS: dict[int, type[web.HTTPError]] = {
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
    412: web.HTTPPreconditionFailed,
    416: web.HTTPRequestRangeNotSatisfiable,
}
_DETAILS = {
    403: "The gate has no permission to read this file or its folder.",
    404: "There is no such file.",
    405: "Files can only be read.",
    412: "The file has changed.",
    416: "The file is shorter than that.",
}


def _answer(site: Site, request: web.Request) -> web.StreamResponse:
    raw = request.raw_path.partition("?")[0]
    names = _names(raw)
    try:
        root = site.folder.resolve(strict=True)
    except PermissionError as error:
        raise _forbidden(Path(error.filename).parent) from None
    except (OSError, RuntimeError):
        raise web.HTTPNotFound from None
    path = _find(root, names)
    if path is not None and path.is_dir():
        if not raw.endswith("/"):
            location = _with_slash(request.raw_path)
            return web.Response(status=301, headers={hdrs.LOCATION: location} | site.caching)
        path = _find(path, ["index.html"], root)  # which may be a link too
    elif raw.endswith("/"):
        path = None
    vary = [hdrs.ACCEPT_ENCODING]
    if site.fallback and (path is None or not path.is_file()):
        vary.append(hdrs.ACCEPT)
        # A missing script or picture must not get the page: browsers would report a syntax error in line 1.
        if prefers_page(request.headers.get(hdrs.ACCEPT, "")):
            path = _find(root, site.fallback.split("/"))
    if path is None or not path.is_file():
        raise web.HTTPNotFound
    return _file(site, root, path, request, vary)


def _names(raw: str) -> list[str]:
    """The decoded segments of a path; HTTPNotFound if several paths could mean the same file."""
    if not raw.startswith("/") or _ENCODED_SEPARATOR.search(raw):
        raise web.HTTPNotFound
    names = [unquote(name) for name in raw[1:].split("/")]
    if names[-1] == "":
        names.pop()
    if any(not name or (name.startswith(".") and name != ".well-known") for name in names):
        raise web.HTTPNotFound
    return names


def _find(folder: Path, names: list[str], root: Path | None = None) -> Path | None:
    """The file that these names lead to, with all links resolved; None if there is none or it is outside ``root``.
    HTTPForbidden if a folder in there cannot be searched.
    """
    try:
        path = folder.joinpath(*names).resolve(strict=True)
    except PermissionError as error:
        where = Path(error.filename)
        if where.is_relative_to(root or folder):
            raise _forbidden(where.parent) from None
        return None  # behind a link that leads outside
    except (OSError, ValueError, RuntimeError):  # no such file, a NUL, a name too long, a loop of links
        return None
    return path if path.is_relative_to(root or folder) else None


def _forbidden(path: Path) -> web.HTTPForbidden:
    _log_forbidden(path)
    return web.HTTPForbidden()


@lru_cache(1024)
def _log_forbidden(path: Path) -> None:
    """Once for each file or folder."""
    _log.warning("static: the gate has no permission to read %a", str(path))


def _with_slash(target: str) -> str:
    """The path with a slash, relative to the current one, which may have a prefix that a proxy removed; never another
    host.
    """
    path, mark, query = target.partition("?")
    return f"./{path.rpartition('/')[2]}/{mark}{query}"


def _file(site: Site, root: Path, path: Path, request: web.Request, vary: Sequence[str]) -> "_File":
    headers = {hdrs.CONTENT_TYPE: media_type(path.name), hdrs.VARY: ", ".join(vary)} | site.caching
    for coding in _accepted_codings(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        neighbour = path.with_name(path.name + _SUFFIXES[coding])
        if _stands_for(neighbour, path):
            with suppress(OSError):
                return _File(_open(root, neighbour), headers | {hdrs.CONTENT_ENCODING: coding})
    try:
        return _File(_open(root, path), headers)
    except PermissionError:
        raise _forbidden(path) from None
    except OSError:
        raise web.HTTPNotFound from None


def _open(root: Path, path: Path) -> BinaryIO:
    """Open a file that was found below ``root``. FileNotFoundError or another OSError if the file or a folder above it
    was replaced by a link since.
    """
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115  the response closes it
    if _DESCRIPTORS is not None:
        where = Path(os.readlink(_DESCRIPTORS / str(file.fileno())))
        if not where.is_relative_to(root):
            file.close()
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return file


def _open_at_once(path: str, flags: int) -> int:
    """With O_NONBLOCK, which does not wait for the writer of a FIFO (fifo(7))."""
    return os.open(path, flags | os.O_NONBLOCK)


def _accepted_codings(accept_encoding: str) -> Iterator[str]:
    """The codings in `_SUFFIXES` that the client accepts, by weight (RFC 9110, 12.5.3). Malformed members and ``*`` are
    skipped.
    """
    found = (_CODING.fullmatch(member) for member in accept_encoding.split(","))
    weights = {one[1].lower(): float(one[2] or 1) for one in found if one}
    taken = [coding for coding in _SUFFIXES if weights.get(coding, 0.0) > 0.0]
    yield from sorted(taken, key=lambda coding: -weights[coding])


def _stands_for(neighbour: Path, path: Path) -> bool:
    """Whether a compressed file can be sent instead: not a link, which could lead outside, nor older than it."""
    try:
        stat = neighbour.lstat()
        return S_ISREG(stat.st_mode) and stat.st_mtime >= path.stat().st_mtime
    except OSError:
        return False


def _conditions(request: web.BaseRequest) -> Iterator[tuple[str, str]]:
    """The conditional fields for aiohttp's file response. Malformed dates are ignored (RFC 9110, 13.1.3 and 13.1.4)."""
    for name, value in request.headers.items():
        known = name.lower()
        if known in _CONDITIONS and (known not in _DATE_CONDITIONS or _DATE.fullmatch(value)):
            # Bytes that are not UTF-8 have become surrogates, which cannot be encoded again. No entity tag contains
            # any.
            yield name, value.encode("ascii", "replace").decode("ascii")


class _File(web.FileResponse):
    """A file response that corrects aiohttp's handling of Range, If-Range and Accept-Encoding.

    Errors, which aiohttp would send without a body, are raised. `prepare` may be called several times.
    """

    def __init__(self, file: BinaryIO, headers: dict[str, str]) -> None:
        """``file`` is closed with the response. aiohttp opens the file by its descriptor's name if there is one."""
        self._opened = file
        self._file = Path(file.name) if _DESCRIPTORS is None else _DESCRIPTORS / str(file.fileno())
        super().__init__(self._file, headers=headers)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self.prepared:
            return await web.StreamResponse.prepare(self, request)
        headers = CIMultiDict(_conditions(request))
        if hdrs.RANGE in headers and not await asyncio.to_thread(self._wants_a_range, request):
            del headers[hdrs.RANGE]
        with self._opened:
            return await super().prepare(request.clone(headers=headers))

    def set_status(self, status: int, reason: str | None = None) -> None:
        if status in _ERRORS:
            raise _ERRORS[status](headers=self.headers)
        super().set_status(status, reason)

    def _wants_a_range(self, request: web.BaseRequest) -> bool:
        if request.method != "GET" or not _ONE_RANGE.fullmatch(request.headers[hdrs.RANGE].strip()):
            return False
        condition = request.headers.get(hdrs.IF_RANGE, "").strip()
        if not condition:
            return True
        # RFC 9110, 13.1.5: a part of one version must not be joined to a part of another.
        stat = self._file.stat()
        if condition.startswith('"'):
            return condition == f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        date = request.if_range if _DATE.fullmatch(condition) else None
        return date is not None and date.timestamp() == math.ceil(stat.st_mtime)
