"""From files to a `ServerContext`; every mistake at once, and no way around a missing authority."""

import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gatekeeper.errors import BindingError, ConfigurationError, Mistake, mistakes_of
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.revocation import urgency
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.tls.context import (
    Challenges,
    HostAuthorities,
    ServerContext,
    choose_by_name,
    new_ssl_context,
)
from gatekeeper.tls.files import AUTHORITIES, AuthorityFiles, Files, ServerFiles, TrustFiles
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.proof import load_and_prove
from gatekeeper.tls.server_names import NamedCertificate, ServerNames, shared_names
from gatekeeper.tls.sessions import Sessions
from gatekeeper.tls.suites import DEFAULT_SUITES, Suites, choose_suites
from gatekeeper.x509.certificate import parse_certificate
from gatekeeper.x509.names import canonical, encode_name


@dataclass(frozen=True, slots=True)
class TLSOptions:
    """The keys of ``[server]`` and ``[client_auth]`` about the TLS of a listener; ``certificate_size`` is in bytes."""

    min_tls: str = "1.2"
    max_tls: str = "1.3"
    http2: bool = False
    suites: Suites = DEFAULT_SUITES
    advertise_ca: bool = True
    session_resumption: bool = False
    certificate_size: int = 16 * 1024
    depth: int = 5


DEFAULT_OPTIONS = TLSOptions()


def build_context(
    certificates: Sequence[ServerFiles],
    trust: TrustFiles,
    *,
    options: TLSOptions = DEFAULT_OPTIONS,
    challenges: Challenges | None = None,
    now: float,
    binding: Callable[[], OpenSSL] = load_and_prove,
    reader: FileReader = OPEN_DIRECTLY,
) -> ServerContext:
    """Read the files and make the TLS of a listener. ConfigurationError with every mistake that was found.

    The first of ``certificates`` is shown to visitors who ask for none of the names in the others. Exactly the
    authorities in ``trust`` are trusted, never the system's, and without any nothing is built. ``challenges`` has the
    answers to tls-alpn-01. ``now`` (seconds since the epoch) is for warnings only. Where ``binding`` raises
    BindingError, the result is in the mode ALERTS_ONLY.
    """
    # Visitors who ask for no known name are always asked for a certificate.
    certificates = (replace(certificates[0], ask=True), *certificates[1:])
    files, context = Files(reader), new_ssl_context(options.min_tls, options.max_tls, http2=options.http2)
    everywhere, of_hosts = _read_authorities(files, context, trust)
    authorities = _distinct(everywhere, *of_hosts)
    named = _load_certificates(files, certificates, context, authorities, http2=options.http2)
    if files.mistakes:
        raise ConfigurationError(*files.mistakes)
    if not everywhere:
        message = "names no certificate authority, so the gate could never admit anybody"
        raise ConfigurationError(Mistake(AUTHORITIES, message))
    warnings = files.warnings + list(_warnings([one.certificate for one in named], authorities, now))
    warnings += [f"{one.key}: {why}" for one in named for why in _unfit_for_servers(one)]
    names = _names(everywhere, warnings) if options.advertise_ca else []
    openssl, reason = _bind(binding, context, names, options)
    if openssl is None:
        warnings += _namesakes(authorities)
    # OpenSSL takes the suites of the context that the servername callback has chosen, the groups of the first.
    warnings += choose_suites(options.suites, [one.context for one in named], openssl, reason)
    sessions = _sessions(context, openssl, warnings, options)
    hosts = _host_authorities(trust.hosts, of_hosts, openssl, reason, options)
    if challenges is not None and openssl is None:
        raise ConfigurationError(_no_challenges(reason))
    server_names = ServerNames(named)
    if len(named) > 1 or hosts or challenges is not None:
        _prepare_names(server_names, openssl, names, warnings)
        choose_by_name(server_names, openssl, _advertised(hosts, options, warnings), challenges)
    return ServerContext(
        context,
        openssl,
        names=server_names,
        authorities=authorities,
        reason=reason,
        sessions=sessions,
        warnings=tuple(warnings),
        hosts=hosts,
        elsewhere=_verifier(openssl, reason, everywhere, options) if hosts else None,
        suites=options.suites if openssl is None else options.suites.known(openssl),
    )


def read_authorities(trust: TrustFiles, reader: FileReader = OPEN_DIRECTLY) -> tuple[Certificate, ...]:
    """Every client CA in these files; ConfigurationError with all that is wrong with them."""
    files = Files(reader)
    authorities, of_hosts = _read_authorities(files, new_ssl_context(), trust)
    if files.mistakes:
        raise ConfigurationError(*files.mistakes)
    return _distinct(authorities, *of_hosts)


def read_server_names(certificates: Sequence[ServerFiles], reader: FileReader = OPEN_DIRECTLY) -> ServerNames:
    """The names of these server certificates; ConfigurationError with all that is wrong with their files."""
    files = Files(reader)
    named = _load_certificates(files, certificates, new_ssl_context(), (), http2=False)
    if files.mistakes:
        raise ConfigurationError(*files.mistakes)
    return ServerNames(named)


def check_openssl(
    suites: Suites, *, hosts: bool, challenges: bool, binding: Callable[[], OpenSSL] = load_and_prove
) -> None:
    """ConfigurationError with all that this OpenSSL cannot do, whatever is in the files: suites and groups,
    authorities for single ``hosts``, and ``challenges`` by tls-alpn-01.
    """
    mistakes = []
    try:
        openssl, reason = binding(), ""
    except BindingError as error:
        openssl, reason = None, str(error)
        mistakes += [_no_hosts(reason)] * hosts + [_no_challenges(reason)] * challenges
    mistakes += mistakes_of(lambda: choose_suites(suites, [new_ssl_context()], openssl, reason))
    if mistakes:
        raise ConfigurationError(*mistakes)


def _no_hosts(reason: str) -> Mistake:
    return Mistake("client_auth.hosts", f"cannot be used, because {reason}")


def _no_challenges(reason: str) -> Mistake:
    return Mistake("acme.challenge", f"cannot be tls-alpn-01, because {reason}")


def _read_authorities(
    files: Files, context: ssl.SSLContext, trust: TrustFiles
) -> tuple[list[Certificate], list[list[Certificate]]]:
    """The authorities in ``trust.ca``, and those of each of ``trust.hosts``; the handshake on ``context`` trusts them
    all.
    """
    everywhere = [authority for path in trust.ca for authority in files.authorities(context, path)]
    of_hosts = [
        [authority for path in one.ca for authority in files.authorities(context, path, f"{one.where}.ca")]
        for one in trust.hosts
    ]
    return everywhere, of_hosts


def _distinct(*groups: Iterable[Certificate]) -> tuple[Certificate, ...]:
    return tuple({one.der: one for group in groups for one in group}.values())


def _host_authorities(
    hosts: Sequence[AuthorityFiles],
    authorities: Sequence[Sequence[Certificate]],
    openssl: OpenSSL | None,
    reason: str,
    options: TLSOptions,
) -> tuple[HostAuthorities, ...]:
    return tuple(
        HostAuthorities(one.hosts, _verifier(openssl, reason, own, options))
        for one, own in zip(hosts, authorities, strict=True)
    )


def _advertised(hosts: Iterable[HostAuthorities], options: TLSOptions, warnings: list[str]) -> dict[str, list[bytes]]:
    """The authorities that the handshake names to visitors of each host that has its own."""
    return {
        name: names
        for host in hosts
        for names in [_names(host.tls.authorities, warnings) if options.advertise_ca else []]
        for name in host.names
    }


def _verifier(
    openssl: OpenSSL | None, reason: str, authorities: Sequence[Certificate], options: TLSOptions
) -> ServerContext:
    """TLS that trusts these authorities and no others, to verify what a handshake has brought."""
    if openssl is None:
        raise ConfigurationError(_no_hosts(reason))
    context = new_ssl_context()
    for authority in authorities:
        context.load_verify_locations(cadata=authority.der)
    openssl.limit_certificates(context, options.certificate_size, options.depth)
    return ServerContext(context, openssl, ServerNames(()), tuple(authorities))


def _load_certificates(
    files: Files,
    certificates: Sequence[ServerFiles],
    context: ssl.SSLContext,
    authorities: Sequence[Certificate],
    *,
    http2: bool,
) -> tuple[NamedCertificate, ...]:
    """Each in a context of its own, the first in ``context``. The versions of TLS are those of ``context`` for all."""
    found: list[NamedCertificate] = []
    for one in certificates:
        own = new_ssl_context(http2=http2) if found else context
        chain = files.server(own, one)
        if not chain:
            continue
        if own is not context:
            for authority in authorities:
                own.load_verify_locations(cadata=authority.der)
        named = _named(one, own, chain[0])
        if own is not context and not named.names:
            where = "is for" if one.ordered else f"{one.certificate} carries"
            files.mistakes.append(
                Mistake(named.key, f"{where} no host name (subjectAltName), so no visitor would get it")
            )
        found.append(named)
    for later, earlier, name in shared_names(found):
        files.mistakes.append(Mistake(later.key, f"carries {name}, as {earlier.key} does; one of the two has to go"))
    return tuple(found)


def _named(files: ServerFiles, context: ssl.SSLContext, certificate: Certificate) -> NamedCertificate:
    if files.ordered is None:
        return NamedCertificate(f"{files.where}.certificate", context, certificate, files.ask)
    return NamedCertificate(f"{files.where}.domains", context, certificate, files.ask, files.ordered.host_names)


def _prepare_names(
    names: ServerNames,
    openssl: OpenSSL | None,
    advertised: Sequence[bytes],
    warnings: list[str],
) -> None:
    if openssl is None:
        if any(names.unasked):
            warnings.append("every visitor is asked for a certificate, also where ask is false")
    else:
        for one in names.all[1:]:
            openssl.advertise(one.context, advertised)
            openssl.complete_every_handshake(one.context)


def _sessions(
    context: ssl.SSLContext, openssl: OpenSSL | None, warnings: list[str], options: TLSOptions
) -> Sessions | None:
    """How sessions are resumed; or a warning that they cannot: each visitor then does a full handshake, no harm."""
    if not options.session_resumption:
        return None
    try:
        if openssl is None:
            raise BindingError("OpenSSL's functions cannot be found")
        return Sessions(openssl, context)
    except BindingError as error:
        warnings.append(f"TLS sessions cannot be resumed: {error}")
        return None


def _bind(
    binding: Callable[[], OpenSSL], context: ssl.SSLContext, names: Iterable[bytes], options: TLSOptions
) -> tuple[OpenSSL | None, str]:
    """Have every handshake completed, or say why not. That is set last, so that a failure leaves the plain context."""
    try:
        openssl = binding()
        openssl.advertise(context, names)
        openssl.limit_certificates(context, options.certificate_size, options.depth)
        openssl.send_chain_as_it_is(context)
        openssl.complete_every_handshake(context)
    except BindingError as error:
        return None, str(error)
    return openssl, ""


# RFC 5246, 7.4.4, and RFC 8446, 4.2.4: two octets hold the length of the list. What else a CertificateRequest says, the
# algorithms of signatures above all, takes less than 2 KiB.
_MOST_NAMES = 65535 - 2048
# Measured: from a CertificateRequest of 16 KiB on, mbedTLS 2.28 ends the handshake, because it joins no records; from
# 20 KiB on wolfSSL 5.5, from 32 KiB on Java 17 and Bouncy Castle. In TLS 1.2 it says less than 512 bytes besides names.
_PORTABLE_NAMES = (16 << 10) - 512


def _names(authorities: Iterable[Certificate], warnings: list[str]) -> list[bytes]:
    """One certificate for each name that the handshake tells; none, with a warning, where they do not fit into it."""
    found = {encode_name(parse_certificate(one.der).subject): one.der for one in authorities}
    size = sum(len(name) + 2 for name in found)
    taken = f"the {len(found)} names of the authorities in client_auth.ca take {size} bytes"
    if size > _MOST_NAMES:
        warnings.append(f"{taken}, more than a handshake can carry; none is sent, so browsers offer every certificate")
        return []
    if size > _PORTABLE_NAMES:
        warnings.append(
            f"{taken} of each handshake; above 16 KiB some clients cannot connect (mbedTLS, wolfSSL), above 32 KiB "
            "Java cannot; list fewer, or set client_auth.advertise_ca = false"
        )
    return list(found.values())


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


def _warnings(servers: Sequence[Certificate], authorities: Sequence[Certificate], now: float) -> Iterator[str]:
    for certificate in (*servers, *authorities):
        own = any(certificate is one for one in servers)
        whose = "the server's certificate" if own else "the client CA"
        name = certificate.subject or ", ".join(certificate.dns_names)
        if now < certificate.not_before:
            yield f"{whose} {name} is not valid yet"
        elif when := urgency(certificate.not_before, certificate.not_after, now):
            yield f"{whose} {name} {when}, and from then on {_consequence(own)}"


_SERVER_AUTH, _ANY_PURPOSE = "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"


def _unfit_for_servers(one: NamedCertificate) -> Iterator[str]:
    """Why every client refuses it, though OpenSSL serves it: RFC 5280, 4.2.1.12, and RFC 9110, 4.3.4."""
    certificate, remedy = one.certificate, "make one with gatekeeper ca server, or order one by [acme]"
    name = certificate.subject or ", ".join(certificate.dns_names) or "a certificate without a name"
    if certificate.purposes and not {_SERVER_AUTH, _ANY_PURPOSE}.intersection(certificate.purposes):
        yield (
            f"{name} is not for servers (its extended key usage lacks serverAuth), so browsers and "
            f"programs refuse to connect; {remedy}"
        )
    if not certificate.dns_names and not certificate.ips:
        yield (
            f"{name} carries neither a host name nor an address (subjectAltName), so browsers and most "
            f"programs refuse to connect; {remedy}"
        )


def _consequence(server: bool) -> str:
    if server:
        return "browsers warn and programs refuse to connect; renew it"
    return "everyone with a certificate from it is refused; make the next one in time (gatekeeper ca rollover)"
