"""The endpoints of an upstream, made from its settings."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.proxy.upstream.endpoint import Endpoint
from gatekeeper.proxy.upstream.http2_endpoint import HTTP2Endpoint
from gatekeeper.proxy.upstream.lenient import LenientEndpoint
from gatekeeper.settings.addresses import SocketPath, UpstreamURL
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, UnreadableFileError
from gatekeeper.tls.client import client_context
from gatekeeper.tls.memory_file import as_file

if TYPE_CHECKING:
    from gatekeeper.settings.upstream import UpstreamSettings

_FILE_LIMIT = 16 * 1024 * 1024  # every public authority together is 0.2 MiB; what is longer is a device or a wrong path


def make_endpoints(
    name: str,
    settings: "UpstreamSettings",
    folders: "Mapping[UpstreamSettings, SocketPath]",
    files: FileReader = OPEN_DIRECTLY,
) -> list[Endpoint]:
    """The endpoints of an upstream; ``folders`` says on which sockets static ones are. ConfigurationError for bad
    files.
    """
    encrypted = any(url.encrypted for url in settings.endpoints)
    tls = upstream_tls(name, settings, files) if encrypted else None
    return [_make_endpoint(name, settings, url, tls, folders) for url in settings.endpoints]


def _make_endpoint(
    name: str,
    settings: "UpstreamSettings",
    url: UpstreamURL,
    tls: ssl.SSLContext | None,
    folders: "Mapping[UpstreamSettings, SocketPath]",
) -> Endpoint:
    http1 = LenientEndpoint if settings.lenient else Endpoint
    make = HTTP2Endpoint if url.is_http2 else http1
    return make(
        f"{name} ({url})",
        url.address or _folder(name, settings, folders),
        tls if url.encrypted else None,
        (settings.server_name or url.host) if url.encrypted else None,
        limit=settings.max_connections,
        slow_start=settings.slow_start,
    )


def _folder(name: str, settings: "UpstreamSettings", folders: "Mapping[UpstreamSettings, SocketPath]") -> SocketPath:
    path = settings.endpoints[0].path
    if path is None:
        raise AssertionError(f"{settings.endpoints[0]} is nowhere")
    if not path.is_dir():
        raise ConfigurationError(Mistake(f"{_table(name)}.url", f"{path} is not a folder"))
    if settings.fallback and not (path / settings.fallback).is_file():
        raise ConfigurationError(Mistake(f"{_table(name)}.fallback", f"{path / settings.fallback} is not a file"))
    return folders[settings]


def _table(name: str) -> str:
    return "upstream" if name == "default" else f"upstreams.{name}"


def upstream_tls(name: str, settings: "UpstreamSettings", files: FileReader = OPEN_DIRECTLY) -> ssl.SSLContext:
    """TLS towards an app: its certificate is verified unless ``unsafe_skip_verify`` says otherwise."""
    table = _table(name)
    try:
        if settings.ca is None:
            context = client_context()
        else:
            with as_file(files.read(settings.ca, _FILE_LIMIT)) as ca:
                context = client_context(ca)
    except UnreadableFileError as error:
        raise ConfigurationError(Mistake(f"{table}.ca", f"{settings.ca} {error}")) from error
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(Mistake(f"{table}.ca", f"{settings.ca} cannot be used: {_words(error)}")) from error
    context.set_alpn_protocols(["h2"] if settings.endpoints[0].is_http2 else ["http/1.1"])
    if settings.unsafe_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.certificate is not None:
        _present(context, table, settings.certificate, settings.key, files)
    return context


def _present(context: ssl.SSLContext, table: str, certificate: Path, key: Path | None, files: FileReader) -> None:
    """Load the certificate that the app asks for, with its key, which may be in the same file."""
    content = []
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            content += [files.read(path, _FILE_LIMIT)] if path is not None else []
        except UnreadableFileError as error:
            raise ConfigurationError(Mistake(f"{table}.{name}", f"{path} {error}")) from error
    try:
        with as_file(b"\n".join(content)) as both:
            context.load_cert_chain(both, password=_no_passphrase)
    except (OSError, ssl.SSLError) as error:
        sentence = f"{certificate} and its key cannot be used: {_words(error)}"
        raise ConfigurationError(Mistake(f"{table}.certificate", sentence)) from error


def _no_passphrase() -> str:
    """OpenSSL would ask on the terminal; a key of an upstream's client certificate has none."""
    return ""


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
