"""Upstreams that lead where no app is: back to the gate itself, or to folders with its keys."""

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from gatekeeper.settings.addresses import Address, ListenAddress
from gatekeeper.settings.own_listeners import ALL_IPV4, reaches
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.upstream import UpstreamSettings

# The authority's own key, where its folder is beside the certificate that the gate reads, or is published itself.
_AUTHORITY_KEY = "ca.key"


def misdirected(settings: Settings, configuration: Path) -> Iterator[str]:
    """A sentence for each upstream that leads to a listener of the gate, or publishes files that nobody should read.

    Not checked: which addresses a host name has; each connection of a running gate is. No mistake, because systemd may
    have opened other ports than those in the file (systemd.socket(5)).
    """
    for name, upstream in settings.every_upstream.items():
        where = "upstream" if name == "default" else f"upstreams.{name}"
        yield from (f"{where} is {why}" for why in _loops(settings, upstream))
        yield from (f"{where} is {why}" for why in _published(settings, upstream, configuration))


def _loops(settings: Settings, upstream: UpstreamSettings) -> Iterator[str]:
    admin = () if settings.admin.listen is None else (settings.admin.listen,)
    listeners = (
        ("server.listen", settings.server.listen, "no request would reach an app"),
        ("server.redirect", settings.server.redirect, "no request would reach an app"),
        ("admin.listen", admin, "visitors would read /status and /metrics"),
    )
    for url, (key, listens, outcome) in product(upstream.endpoints, listeners):
        taken = next((one for one in listens if _is_taken(url.address, one, listens)), None)
        if taken is not None:
            yield f"{url}, where the gate itself listens ({key}, {taken}), so {outcome}; write the address of the app"


def _is_taken(target: ListenAddress | None, listener: ListenAddress, listens: Sequence[ListenAddress]) -> bool:
    """Whether the listener takes connections to ``target``. Without an IPv4 address at the same port, ``[::]`` takes
    IPv4 too.
    """
    if target is None or reaches(target, listener):
        return target is not None
    if not isinstance(listener, Address) or listener.host != "::":
        return False
    others = (one for one in listens if isinstance(one, Address) and one.port == listener.port)
    return all(":" in one.host for one in others) and reaches(target, Address(ALL_IPV4, listener.port))


def _published(settings: Settings, upstream: UpstreamSettings, configuration: Path) -> Iterator[str]:
    url = upstream.endpoints[0]
    if url.scheme != "static" or url.path is None:
        return
    folder = Path(os.path.realpath(url.path))
    if folder == Path("/"):
        yield "static:/, so visitors can read every file that the gate can; name a folder with nothing but the site"
        return
    inside = [one for one in _confidential(settings, configuration, folder) if _is_in(folder, one)]
    if inside:
        yield f"{url}, so visitors can read {', '.join(map(str, inside))}; name a folder with nothing but the site"


def _confidential(settings: Settings, configuration: Path, folder: Path) -> list[Path]:
    """Keys and passphrases, folders in which the gate finds some, and the configuration; certificates are public."""
    authorities = {folder, folder / "ca", *(path.parent for path in settings.client_auth.ca)}
    found = [path for one in sorted(authorities) if os.path.lexists(path := one / _AUTHORITY_KEY)]
    found += [path for path in _secrets(settings) if path is not None]
    found += [one.folder for one in (settings.acme, settings.invitations) if one is not None]
    return list(dict.fromkeys([*found, Path(os.path.abspath(configuration))]))


def _secrets(settings: Settings) -> Iterator[Path | None]:
    yield from (settings.server.key, settings.server.key_passphrase_file)
    for one in settings.server.certificates:
        yield from (one.key, one.key_passphrase_file)
    yield from (upstream.key for upstream in settings.every_upstream.values())
    yield from settings.identity.jwt.key if settings.identity.jwt is not None else ()


def _is_in(folder: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)
