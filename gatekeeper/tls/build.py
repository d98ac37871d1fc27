"""From files to a `ServerContext`; every mistake at once, and no way around a missing authority."""

import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from gatekeeper.errors import BindingError, ConfigurationError, Mistake
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import urgency
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.tls.context import ServerContext, new_ssl_context, resume_sessions
from gatekeeper.tls.files import AUTHORITIES, Files
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.proof import load_and_prove
from gatekeeper.x509.certificate import parse_certificate
from gatekeeper.x509.names import canonical, encode_name


def build_context(
    *,
    certificate: Path,
    key: Path,
    key_passphrase_file: Path | None = None,
    ca: Sequence[Path],
    min_tls: str = "1.2",
    max_tls: str = "1.3",
    advertise_ca: bool = True,
    session_resumption: bool = False,
    certificate_size: int = 24 * 1024,
    depth: int = 5,
    http2: bool = False,
    now: float,
    binding: Callable[[], OpenSSL] = load_and_prove,
    reader: FileReader = OPEN_DIRECTLY,
) -> ServerContext:
    """Read the files and make the TLS of a listener. ConfigurationError with every mistake that was found.

    The arguments are the settings ``server.certificate``, ``server.key``, … and ``client_auth.ca`` of the same names.
    Exactly the certificates in ``ca`` are trusted, never the system's, and without any nothing is built. ``now``
    (seconds since the epoch) is for warnings only. Where ``binding`` raises BindingError, the result is in the
    mode ALERTS_ONLY.
    """
    files, context = Files(reader), new_ssl_context(min_tls, max_tls, http2=http2)
    authorities = [authority for path in ca for authority in files.authorities(context, path)]
    chain = files.server(context, certificate, key, key_passphrase_file)
    if not authorities and not files.mistakes:
        files.mistakes.append(
            Mistake(AUTHORITIES, "names no certificate authority, so the gate could never admit anybody")
        )
    if files.mistakes:
        raise ConfigurationError(*files.mistakes)
    warnings = list(_warnings(chain[0], authorities, now))
    names = _names(authorities, warnings) if advertise_ca else []
    openssl, reason = _bind(binding, context, names, (certificate_size, depth))
    if openssl is None:
        warnings += _namesakes(authorities)
    resumes = session_resumption and _resume(context, openssl, authorities, warnings)
    return ServerContext(
        context,
        openssl,
        certificate=chain[0],
        authorities=tuple(authorities),
        reason=reason,
        resumes=resumes,
        warnings=tuple(warnings),
    )


def _resume(
    context: ssl.SSLContext, openssl: OpenSSL | None, authorities: list[Certificate], warnings: list[str]
) -> bool:
    """Let sessions be resumed, or warn that they cannot: each visitor then does a full handshake, which is no harm."""
    try:
        if openssl is None:
            raise BindingError("OpenSSL's functions cannot be found")
        resume_sessions(context, openssl, authorities)
    except BindingError as error:
        warnings.append(f"TLS sessions cannot be resumed: {error}")
        return False
    return True


def _bind(
    binding: Callable[[], OpenSSL], context: ssl.SSLContext, names: Iterable[bytes], limits: tuple[int, int]
) -> tuple[OpenSSL | None, str]:
    """Have every handshake completed, or say why not. That is set last, so that a failure leaves the plain context."""
    try:
        openssl = binding()
        openssl.advertise(context, names)
        openssl.limit_certificates(context, *limits)
        openssl.send_chain_as_it_is(context)
        openssl.complete_every_handshake(context)
    except BindingError as error:
        return None, str(error)
    return openssl, ""


# RFC 5246, 7.4.4, and RFC 8446, 4.2.4: two octets hold the length of the list. What else a CertificateRequest says, the
# algorithms of signatures above all, takes less than 2 KiB.
_MOST_NAMES = 65535 - 2048


def _names(authorities: Iterable[Certificate], warnings: list[str]) -> list[bytes]:
    """One certificate for each name that the handshake tells; none, with a warning, where they do not fit into it."""
    found = {encode_name(parse_certificate(one.der).subject): one.der for one in authorities}
    size = sum(len(name) + 2 for name in found)
    if size <= _MOST_NAMES:
        return list(found.values())
    warnings.append(
        f"the {len(found)} names of the authorities in client_auth.ca take {size} bytes, more than a handshake can "
        "carry; none is sent, so browsers offer every certificate"
    )
    return []


def _namesakes(authorities: Iterable[Certificate]) -> Iterator[str]:
    """In the mode ALERTS_ONLY, OpenSSL alone looks for an issuer: by its name, and by the key identifier where a
    certificate has one. Without one it takes the first that fits.
    """
    keys: dict[object, dict[str, str]] = {}
    for one in authorities:
        name = canonical(parse_certificate(one.der).subject)
        keys.setdefault(name, {})[one.spki_sha256] = one.subject
    for found in keys.values():
        if len(found) > 1:
            yield (
                f"client_auth.ca holds {len(found)} authorities with the name {next(iter(found.values()))} and "
                "different keys: a certificate without an authority key identifier is accepted from the first of them "
                "only"
            )


def _warnings(server: Certificate, authorities: Sequence[Certificate], now: float) -> Iterator[str]:
    for certificate, whose in ((server, "the server's certificate"), *((one, "the client CA") for one in authorities)):
        if now < certificate.not_before:
            yield f"{whose} {certificate.subject} is not valid yet"
        elif when := urgency(certificate.not_before, certificate.not_after, now):
            yield f"{whose} {certificate.subject} {when}, and from then on {_consequence(certificate is server)}"


def _consequence(server: bool) -> str:
    if server:
        return "browsers warn and programs refuse to connect; renew it"
    return "nobody with a certificate from it is let in; make the next one in time (gatekeeper ca rollover)"
