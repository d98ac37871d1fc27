"""Upstreams that lead where no app is: back to the gate itself, or to folders with its keys."""

import os
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product
from pathlib import Path

from gatekeeper.settings.addresses import Address, ListenAddress, SocketPath
from gatekeeper.settings.tables import Settings
from gatekeeper.settings.upstream import UpstreamSettings

_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
# The authority's own key, where its folder is beside the certificate that the gate reads, or is published itself.
_AUTHORITY_KEY = "ca.key"


def misdirected(settings: Settings, configuration: Path) -> Iterator[str]:
    """A sentence for each upstream that leads to a listener of the gate, or publishes files that nobody should read.

    Not checked: which addresses a host name has, and which ones this machine has. No mistake, because systemd may have
    opened other ports than those in the file (systemd.socket(5)).
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
        taken = next((one for one in listens if url.address is not None and _reaches(url.address, one)), None)
        if taken is not None:
            yield f"{url}, where the gate itself listens ({key}, {taken}), so {outcome}; write the address of the app"


def _reaches(target: ListenAddress, listener: ListenAddress) -> bool:
    """Whether a connection to ``target`` arrives at the listener. One for IPv6 is for IPv6 only."""
    if isinstance(target, SocketPath) or isinstance(listener, SocketPath):
        paths = [os.path.realpath(one.path) for one in (target, listener) if isinstance(one, SocketPath)]
        return len(paths) == 2 and paths[0] == paths[1]
    if target.port != listener.port:
        return False
    if target.host.lower() == listener.host.lower():
        return True
    return any(_accepts(there, here) for there, here in product(_addresses(target), _addresses(listener)))


def _accepts(target: IPv4Address | IPv6Address, listener: IPv4Address | IPv6Address) -> bool:
    if target.version != listener.version:
        return False
    if target.is_unspecified:  # Linux connects to the loopback address instead
        target = _LOOPBACK[target.version == 6]
    return target == listener or (listener.is_unspecified and target.is_loopback)


def _addresses(address: Address) -> Sequence[IPv4Address | IPv6Address]:
    """The address itself, those of localhost (RFC 6761, 6.3), or none for another name."""
    if f".{address.host.lower()}".endswith(".localhost"):
        return _LOOPBACK
    try:
        found = ip_address(address.host)
    except ValueError:
        return ()
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found,)


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
