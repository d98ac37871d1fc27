"""Files that the gate would write over: named by a key of something to write, and by one of something to read.

What is compared is the file and not its name: links are followed, and hard links are one file.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from gatekeeper.config.source import KeyPath, dotted
from gatekeeper.settings.addresses import SocketPath
from gatekeeper.settings.files import acme_certificate
from gatekeeper.settings.table import Table
from gatekeeper.settings.tables import Settings

Problems = Iterator[tuple[KeyPath, str]]

_LOG: KeyPath = ("log", "access")
_MAINTENANCE: KeyPath = ("maintenance", "file")
_WRITTEN = (_LOG, _MAINTENANCE)
_FOLDERS: tuple[KeyPath, ...] = (("acme", "folder"), ("client_auth", "crl_folder"), ("invitations", "folder"))
# What an authority keeps beside the certificate that the gate reads.
_OF_AN_AUTHORITY = ("ca.key", "index.json")


def overwritten(settings: Settings, configuration: Path) -> Problems:
    """What is wrong with the keys that name something to write: the access log, to which lines are appended; the file
    that ``gatekeeper maintenance`` creates and removes; Unix sockets; certificates that ``[acme]`` orders.

    Not checked: what becomes a link to another file later.
    """
    paths = dict(_paths(settings, ()))
    folders = {key: paths.pop(key) for key in _FOLDERS if key in paths}
    writers = list(_writers(settings))
    named = [(dotted(key), path) for key, path in paths.items() if key not in _WRITTEN]
    named += [("the configuration itself", configuration), *_authority_files(settings)]
    found = [(what, _identity(path)) for what, path in named]
    for key, path, outcome in writers:
        own = _identity(path)
        yield from ((key, f"{path} is {what}; {outcome}") for what, other in found if own is not None and own == other)
        if key in _WRITTEN:  # `checks` compares listeners with each other
            found.append((dotted(key), own))
            inside = (dotted(folder) for folder, where in folders.items() if _is_in(where, path))
            yield from ((key, f"{path} is in {folder}, where only the gate's own files may be") for folder in inside)
    yield from _over_ordered(settings, paths)


def _writers(settings: Settings) -> Iterator[tuple[KeyPath, Path, str]]:
    """Each key that names something to write, with its path and what would happen to another file there."""
    if isinstance(settings.log.access, Path):
        yield _LOG, settings.log.access, "access lines would be appended to it"
    if settings.maintenance is not None:
        yield _MAINTENANCE, settings.maintenance.file, "`gatekeeper maintenance off` would remove it"
    server, admin = settings.server, settings.admin.listen
    listeners = [("server", "listen", one) for one in server.listen]
    listeners += [("server", "redirect", one) for one in server.redirect]
    listeners += [("admin", "listen", admin)] if admin is not None else []
    for table, key, address in listeners:
        if isinstance(address, SocketPath):
            yield (table, key), address.path, "it cannot be a socket too"


def _authority_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    for path, name in product(settings.client_auth.ca, _OF_AN_AUTHORITY):
        yield f"the authority's {name} beside client_auth.ca", path.parent / name


def _over_ordered(settings: Settings, paths: Mapping[KeyPath, Path]) -> Problems:
    """Certificates that are written by the gate may be presented elsewhere too, but be nothing else."""
    if settings.acme is None:
        return
    for order in settings.orders:
        ordered = _identity(acme_certificate(settings.acme.folder, order.lineage))
        for key, path in paths.items():
            presented = key[0] in ("server", "upstream", "upstreams") and key[-1] in ("certificate", "key")
            if not presented and key not in _WRITTEN and ordered is not None and _identity(path) == ordered:
                yield key, f"{path} is where [acme] writes a certificate; it would be replaced"


def _paths(value: Any, above: KeyPath) -> Iterator[tuple[KeyPath, Path]]:
    """Every path in a table, by its key; the only entry of a list by the key of the list."""
    if isinstance(value, Path):
        yield above, value
    elif isinstance(value, Table):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name), (*above, name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _paths(inner, (*above, name))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            single = len(value) == 1 and isinstance(inner, Path)
            yield from _paths(inner, above if single else (*above, index))


def _identity(path: Path) -> str | tuple[int, int] | None:
    """What tells a file from others: device and inode, or the path where there is none yet; None for a device or a
    pipe, which may well be read and written.
    """
    try:
        found = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    is_file = stat.S_ISREG(found.st_mode) or stat.S_ISSOCK(found.st_mode)
    return (found.st_dev, found.st_ino) if is_file else None


def _is_in(folder: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
