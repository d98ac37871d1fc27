"""Loads the files that the settings name, but for those of upstreams: a function for each, which can fail by itself."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING

from gatekeeper.errors import ConfigurationError, Mistake, mistakes_of
from gatekeeper.gate.decision import Maintenance
from gatekeeper.gate.rules import compile_rule
from gatekeeper.gate.unasked import closed_routes
from gatekeeper.proxy.revocations import load_revocations, unreadable_lists
from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, UnreadableFileError
from gatekeeper.tls.build import check_openssl, read_authorities, read_server_names
from gatekeeper.tls.context import Challenges
from gatekeeper.tls.files import AuthorityFiles, Ordered, ServerFiles, TrustFiles
from gatekeeper.tls.server_names import ServerNames
from gatekeeper.tls.suites import Suites
from gatekeeper.wire.assertion import Assertions, read_signing_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from gatekeeper.invitations.folder import Invitations
    from gatekeeper.settings.access import ClientAuthSettings, InvitationsSettings, MaintenanceSettings
    from gatekeeper.settings.acme import ACMESettings
    from gatekeeper.settings.certificate_order import CertificateOrder
    from gatekeeper.settings.identity import JWTSettings
    from gatekeeper.settings.server import ServerSettings
    from gatekeeper.settings.tables import Settings

# An RSA key of 16,384 bits is 12 KiB in PEM.
_KEY_LIMIT = 1 << 20


def trust_files(auth: "ClientAuthSettings") -> TrustFiles:
    """The files of the client authorities, those of single hosts each under its key."""
    hosts = [AuthorityFiles(f"client_auth.hosts[{index}]", one.hosts, one.ca) for index, one in enumerate(auth.hosts)]
    return TrustFiles(auth.ca, hosts)


def suites_of(server: "ServerSettings") -> Suites:
    """What the settings say of suites and groups; whether OpenSSL has them is not checked."""
    return Suites.read(server.ciphers, server.ciphersuites, server.groups)


def server_files(settings: "Settings") -> list[ServerFiles]:
    """The server certificates, the default first."""
    server, orders = settings.server, {one.lineage: one for one in settings.orders}
    found = []
    if server.certificate is not None and server.key is not None:
        found.append(ServerFiles("server", server.certificate, server.key, server.key_passphrase_file))
    if settings.acme is not None and "" in orders:
        found.append(_ordered_files("acme", settings.acme, orders[""]))
    for index, one in enumerate(server.certificates):
        where = f"server.certificates[{index}]"
        if one.files is not None:
            found.append(ServerFiles(where, *one.files, one.key_passphrase_file, one.ask))
        elif settings.acme is not None:
            found.append(_ordered_files(where, settings.acme, orders[one.domains[0]], ask=one.ask))
    return found


def _ordered_files(where: str, acme: "ACMESettings", order: "CertificateOrder", *, ask: bool = True) -> ServerFiles:
    from gatekeeper.acme.folder import ACMEFolder  # for who orders certificates
    from gatekeeper.acme.renewal import certificate_to_show

    folder = ACMEFolder(acme.folder, order.lineage)
    ordered = Ordered(order.names, certificate_to_show(folder, order.names))
    return ServerFiles(where, folder.certificate, folder.certificate, ask=ask, ordered=ordered)


def challenges_of(acme: "ACMESettings | None") -> Challenges | None:
    """The certificates that answer tls-alpn-01; None where another challenge is configured."""
    if acme is None or acme.challenge != "tls-alpn-01":
        return None
    from gatekeeper.acme.folder import ACMEFolder

    return ACMEFolder(acme.folder).challenge_certificate


def mistakes_in_files(settings: "Settings", files: FileReader = OPEN_DIRECTLY) -> Iterator[Mistake]:
    """What is wrong with each file by itself: `build_snapshot` ends at the first step that fails.

    The settings may contradict each other. CRLs are compared with the authorities if those can be read;
    ``client_auth.ca`` is empty if they are not known (`gatekeeper.config.partial`).
    """
    auth = settings.client_auth
    try:
        authorities = read_authorities(trust_files(auth), files)
    except ConfigurationError as error:
        yield from (*error.mistakes, *unreadable_lists(auth, files))
    else:
        if auth.ca:
            yield from mistakes_of(lambda: load_revocations(auth, authorities, files))
        else:
            yield from unreadable_lists(auth, files)
    yield from mistakes_of(
        lambda: _check_certificates(settings, files),
        lambda: check_openssl(
            suites_of(settings.server), hosts=bool(auth.hosts), challenges=challenges_of(settings.acme) is not None
        ),
        lambda: assertions_of(settings.identity.jwt, files),
        lambda: invitations_of(settings.invitations),
        lambda: refusal_pages(settings, files),
        lambda: maintenance_of(settings.maintenance, files),
    )


def _check_certificates(settings: "Settings", files: FileReader) -> None:
    """ConfigurationError if a server certificate cannot be used, or, where all can be, if a route is closed by them."""
    present = server_files(settings)
    names = read_server_names(present, files)
    # Without the default, another would pass for it, and its ``ask`` for that of every unknown name.
    if len(present) > len(settings.server.certificates):
        check_routes(settings, names)


def check_routes(settings: "Settings", names: ServerNames) -> None:
    """ConfigurationError with the routes that nobody could use, because their visitors are not asked."""
    closed = list(closed_routes(settings.routes, names.asks, names.unasked))
    if closed:
        raise ConfigurationError(*(Mistake(key, message) for key, message in closed))


def refusal_pages(settings: "Settings", files: FileReader) -> RefusalPages:
    """The gate's own answers; ConfigurationError if the operator's page is missing or broken."""
    refusal = settings.refusal
    return RefusalPages(
        detail=refusal.detail,
        contact=refusal.contact or "",
        template=refusal.template,
        files=files,
        invites=settings.invitations is not None,
    )


def maintenance_of(settings: "MaintenanceSettings | None", files: FileReader) -> Maintenance | None:
    """Set if the file exists, whatever its contents and permissions.

    ConfigurationError for a folder: it would exist for good, and `gatekeeper maintenance off` could not remove it. So
    for a file in no folder, which `gatekeeper maintenance on` could not make.
    """
    if settings is not None and _is_missing(settings.file.parent):
        message = f"{settings.file.parent} is not a folder, so the file could not be created; create the folder"
        raise ConfigurationError(Mistake("maintenance.file", message))
    if settings is None or not os.path.lexists(where := files.locate(settings.file)):
        return None
    if os.path.isdir(where):
        raise ConfigurationError(Mistake("maintenance.file", f"{settings.file} is a folder; name a file in it"))
    return Maintenance(
        tuple(compile_rule(rule, f"maintenance.allow[{index}]") for index, rule in enumerate(settings.allow))
    )


def _is_missing(folder: Path) -> bool:
    """Not for a folder that only root may see: a worker looks too, and knows of the file by the supervisor."""
    try:
        return not S_ISDIR(os.stat(folder).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def invitations_of(settings: "InvitationsSettings | None") -> "Invitations | None":
    """Not checked: whether the gate's user may write there, since this process may still be root. `Snapshot.warnings`
    checks it.
    """
    if settings is None:
        return None
    from gatekeeper.invitations.folder import Invitations, folder_error

    if why := folder_error(settings.folder):
        raise ConfigurationError(Mistake("invitations.folder", why))
    return Invitations(settings.folder)


def assertions_of(settings: "JWTSettings | None", files: FileReader) -> Assertions | None:
    """Signs JWTs with the configured keys; ConfigurationError for every key that cannot be used."""
    if settings is None:
        return None
    loads = [partial(_signing_key, path, files) for path in settings.key]
    if wrong := list(mistakes_of(*loads)):
        raise ConfigurationError(*wrong)
    return Assertions([load() for load in loads], settings.audience, settings.lifetime)


def _signing_key(path: Path, files: FileReader) -> "EllipticCurvePrivateKey":
    try:
        return read_signing_key(files.read(path, _KEY_LIMIT))
    except (UnreadableFileError, ValueError) as error:
        raise ConfigurationError(Mistake("identity.jwt.key", f"{path} {error}")) from error
