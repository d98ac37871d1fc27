"""The files that settings name: which ones there are, what each is at the moment, and how they are read."""

import os
import select
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # pydantic, which `gatekeeper healthcheck` can do without
    from gatekeeper.settings.tables import Settings
    from gatekeeper.settings.upstream import UpstreamSettings

FileStamp = tuple[int, ...] | None
"""A file as stat(2) sees it, links followed: device, inode, size, times of content and entry. None if there is none."""


# How long a command that writes into a pipe may take: `-c <(vault read …)`.
PIPE_SECONDS = 10.0
_BLOCK = 1 << 20


class UnreadableFileError(Exception):
    """A file could not be read, or is empty or too large. The text continues a sentence that begins with its path."""


@dataclass(frozen=True, slots=True)
class FileReader:
    """Reads files by their configured paths.

    ``descriptors`` are open copies of files that this process may not open itself (`process.sealed_files`). If there
    are any, a file without a copy counts as missing; opening it would fail with "permission denied".

    A pipe is read to its end, for at most ``pipe_seconds``. One that nobody has opened to write is empty, or with
    ``awaits_writer`` waited for as long.
    """

    descriptors: Mapping[Path, int] = field(default_factory=dict)
    pipe_seconds: float = PIPE_SECONDS
    awaits_writer: bool = False

    def locate(self, path: Path) -> Path:
        """The path to open in place of ``path``, for libraries that open files themselves."""
        return Path(f"/proc/self/fd/{self.descriptors.get(path, 'none')}") if self.descriptors else path

    def read(self, path: Path, limit: int) -> bytes:
        """The content of a file of at most ``limit`` bytes that is not blank; else UnreadableFileError."""
        try:
            # fifo(7): without O_NONBLOCK, opening a FIFO lasts until somebody opens it to write.
            descriptor = os.open(self.locate(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                kind = os.fstat(descriptor).st_mode
                blocks = self._blocks(descriptor, limit + 1)
                content = file.read(limit + 1) if stat.S_ISREG(kind) else b"".join(blocks)
        except (OSError, ValueError) as error:
            raise UnreadableFileError(_reason(error)) from error
        if not content.strip():
            raise UnreadableFileError("is a pipe into which nobody writes" if stat.S_ISFIFO(kind) else "is empty")
        if len(content) > limit:
            raise UnreadableFileError("is too large")
        return content

    def _blocks(self, descriptor: int, most: int) -> Iterator[bytes]:
        end, must_wait = time.monotonic() + self.pipe_seconds, self.awaits_writer
        while most:
            # poll(2): a FIFO that has had no writer yet is not at its end, though read(2) would return nothing.
            if must_wait and not _is_ready(descriptor, end):
                raise UnreadableFileError(f"is a pipe whose writer did not finish within {self.pipe_seconds:g} s")
            try:
                block = os.read(descriptor, min(most, _BLOCK))
            except BlockingIOError:
                must_wait = True
                continue
            if not block:
                return
            most -= len(block)
            yield block


OPEN_DIRECTLY = FileReader()
"""Opens every file at its configured path."""

FROM_COMMAND_LINE = FileReader(pipe_seconds=60.0, awaits_writer=True)
"""For files named on the command line: a pipe's writer may be a program that asks a person for a PIN."""


def _is_ready(descriptor: int, end: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, end - time.monotonic()) * 1000))


def _reason(error: OSError | ValueError) -> str:
    match error:
        case FileNotFoundError():
            return "does not exist"
        case IsADirectoryError():
            return "is a directory, not a file"
        case PermissionError():
            return "is not readable for this user"
        case OSError(strerror=str(words)):
            return f"cannot be read: {words}"
        case _:  # a NUL in the name
            return "cannot be the name of a file"


def stat_all(files: Iterable[Path]) -> dict[Path, FileStamp]:
    """The current stamp of each file."""
    return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> FileStamp:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def files_of(settings: "Settings") -> Iterator[Path]:
    """Every file that these settings name and that is read when they are loaded; those of `written_files` too."""
    server, auth, jwt = settings.server, settings.client_auth, settings.identity.jwt
    if server.certificate is not None and server.key is not None:
        yield from (server.certificate, server.key)
    yield from written_files(settings)
    yield from (*auth.ca, *auth.crl_files)
    if auth.crl_folder is not None:
        yield auth.crl_folder  # its mtime changes when a list in it does, see `proxy.crl_folder`
    for host in auth.hosts:
        yield from host.ca
    for one in server.certificates:
        yield from one.files or ()
    if jwt is not None:
        yield from jwt.key
    passphrases = [server.key_passphrase_file, *(one.key_passphrase_file for one in server.certificates)]
    for optional in (*passphrases, settings.refusal.template):
        if optional is not None:
            yield optional
    if settings.maintenance is not None:
        yield settings.maintenance.file
    for upstream in settings.every_upstream.values():
        yield from upstream_files(upstream)


def written_files(settings: "Settings") -> Iterator[Path]:
    """The files that workers write, and so can read as their own user. Root must not read them for the workers: each
    could be a link to a file that they may not read.
    """
    if settings.acme is not None:
        for order in settings.orders:
            yield acme_certificate(settings.acme.folder, order.lineage)


def acme_certificate(folder: Path, lineage: str) -> Path:
    """The file in ``acme.folder`` that holds an ordered certificate and its key, see `settings.acme.CertificateOrder`.

    All are in the folder itself, so that no symbolic link to another folder can be on the path.
    """
    return folder / (f"certificate-{lineage}.pem" if lineage else "certificate.pem")


def upstream_files(upstream: "UpstreamSettings") -> Iterator[Path]:
    """The files of one upstream."""
    yield from (path for path in (upstream.ca, upstream.certificate, upstream.key) if path is not None)
