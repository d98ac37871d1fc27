"""What all connections of a listener share, and how strictly TLS is spoken on it."""

import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from gatekeeper.errors import BindingError
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import NO_PEER, Peer, VerifyError
from gatekeeper.tls.openssl import OpenSSL
from gatekeeper.tls.server_names import ServerNames
from gatekeeper.tls.sessions import Sessions
from gatekeeper.tls.suites import DEFAULT_SUITES, SECURITY_LEVEL, Suites
from gatekeeper.x509.certificate import issuer_name, parse_certificate
from gatekeeper.x509.names import Canonical, canonical, canonical_form

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
"""The values of ``server.min_tls`` and ``server.max_tls``."""

ACME_PROTOCOL = "acme-tls/1"
"""What a client of tls-alpn-01 offers by ALPN, and nothing else (RFC 8737, 3)."""

# Mozilla's "intermediate" suites for TLS 1.2: forward secrecy and AEAD only. The suites of TLS 1.3 are all allowed.
_SUITES = ":".join(
    (
        f"@SECLEVEL={SECURITY_LEVEL}",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)


# Visitors whose certificates were found good, at some 3 KiB each.
CACHED_PEERS = 1024
CACHED_SECONDS = 60.0
CACHED_PEER_BYTES = 8 * 1024
_NOBODY = (NO_PEER, 0.0)

# How many certificates of a stranger are asked for the name of an authority, and how long such a name may be: reading
# all that may come, in 16 KiB, takes 25 ms.
_COMPARED_ISSUERS, _COMPARED_BYTES = 8, 512

_NO_PATH = VerifyError(1, 0, "no path leads to a trusted authority")  # X509_V_ERR_UNSPECIFIED


# X509_V_ERR_… of the visitor's own certificate that are the same on every path: UNSPECIFIED, CERT_NOT_YET_VALID,
# CERT_HAS_EXPIRED, INVALID_PURPOSE.
_OF_THE_LEAF = frozenset({1, 9, 10, 26})


def _depends_on_the_path(error: VerifyError) -> bool:
    return error.depth > 0 or error.code not in _OF_THE_LEAF


Challenges = Callable[[str], Path | None]
"""The file with the answer to a tls-alpn-01 challenge for a server name, None if there is none."""
_NO_HOSTS: Mapping[str, Sequence[bytes]] = {}


class Mode(StrEnum):
    """What happens to a visitor with a bad certificate. In either mode, such a visitor is refused."""

    EVERY_CERTIFICATE = "every_certificate"
    """The handshake completes, and the visitor is told over HTTP what is wrong."""
    ALERTS_ONLY = "alerts_only"
    """The fallback: OpenSSL ends the handshake with an alert, and the browser shows its own error."""


@dataclass(frozen=True, slots=True)
class HostAuthorities:
    """The authorities of some hosts (``client_auth.hosts``). ``tls`` trusts them and no others; it verifies, and is no
    listener's.
    """

    names: tuple[str, ...]
    tls: "ServerContext"


@dataclass(frozen=True, slots=True)
class ServerContext:
    """A listener's TLS: everything that its connections share. Made by `gatekeeper.tls.build.build_context`.

    ``openssl`` is None exactly if ``mode`` is ALERTS_ONLY, and ``reason`` then says in a sentence why. ``names`` are
    the server's own certificates, ``authorities`` are the ones whose client certificates are good, ``warnings`` are
    sentences about what will work but should be looked at.

    Where ``hosts`` have their own authorities, ``authorities`` are all together, so that any of their certificates
    passes the handshake, and ``elsewhere`` verifies for all other hosts. ``suites`` are those that are configured.
    ``sessions`` are what visitors may resume, None if each connection takes a full handshake.
    """

    ssl_context: ssl.SSLContext
    openssl: OpenSSL | None
    names: ServerNames
    authorities: tuple[Certificate, ...]
    reason: str = ""
    sessions: Sessions | None = None
    warnings: tuple[str, ...] = ()
    hosts: tuple[HostAuthorities, ...] = ()
    elsewhere: "ServerContext | None" = None
    suites: Suites = DEFAULT_SUITES
    _known: frozenset[bytes] = field(init=False, compare=False, repr=False)
    _names: frozenset[Canonical] = field(init=False, compare=False, repr=False)
    _by_key: list[ssl.SSLContext] = field(init=False, default_factory=list, compare=False, repr=False)
    _shown: dict[tuple[bytes, ...], tuple[Peer, float]] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", frozenset(authority.der for authority in self.authorities))
        names = frozenset(canonical(parse_certificate(authority.der).subject) for authority in self.authorities)
        object.__setattr__(self, "_names", names)

    @property
    def certificate(self) -> Certificate:
        """The server's default certificate."""
        return self.names.all[0].certificate

    @property
    def mode(self) -> Mode:
        """What happens to a visitor with a bad certificate."""
        return Mode.EVERY_CERTIFICATE if self.openssl else Mode.ALERTS_ONLY

    def verify(self, leaf: bytes, sent: Sequence[bytes] = ()) -> Peer:
        """The peer that a handshake would give for a client that shows ``leaf`` and sends ``sent`` along (all DER).

        For a certificate in a file, and for open connections after the authorities changed or a notBefore passed. Not
        checked: that somebody holds the key. BindingError in the mode ALERTS_ONLY, or if OpenSSL cannot read a
        certificate: whoever judges a connection anew by this must then let nobody in.
        """
        if self.openssl is None:
            raise BindingError(self.reason)
        peer = self.openssl.verify(self.ssl_context, leaf, sent)
        return self.another_path(peer) if peer.errors else self.require_path(peer, (leaf, *peer.verified))

    def another_path(self, peer: Peer) -> Peer:
        """The peer with a path that was found by the authorities' keys, where there is one and the first one is wrong.

        OpenSSL takes the first authority of a name, or the one that the authority key identifier means. So it finds no
        path from a certificate without one to the second authority of a name, nor from one that names the serial number
        of an authority that was renewed with the same key; and one that has ended where it was renewed. What is wrong
        with the certificate itself stays wrong on each path.
        """
        if self.openssl is None or peer.leaf is None or not any(map(_depends_on_the_path, peer.errors)):
            return peer
        try:
            first = (peer.leaf, *peer.sent)[:_COMPARED_ISSUERS]
            if self._names.isdisjoint(canonical_form(issuer_name(one, _COMPARED_BYTES)) for one in first):
                return peer
            trusting = self._trusting_by_key(self.openssl)
            again = self.openssl.verify_by_keys(self.ssl_context, trusting, self._known, peer.leaf, peer.sent)
        except (BindingError, ValueError):
            return peer
        again = self.require_path(again, (peer.leaf, *again.verified))
        return peer if any(map(_depends_on_the_path, again.errors)) else again

    def _trusting_by_key(self, openssl: OpenSSL) -> ssl.SSLContext:
        if not self._by_key:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            for authority in self.authorities:
                context.load_verify_locations(cadata=authority.der)
            openssl.choose_issuers_by_key(context)
            self._by_key.append(context)
        return self._by_key[0]

    def resume(self, leaf: bytes, sent: Sequence[bytes]) -> Peer:
        """The peer of a resumed session, as by `verify`: the result of its first handshake does not count."""
        peer = self.recall((leaf, *sent))
        if peer is None:
            peer = self.verify(leaf, sent)
            self.remember(peer)
        return peer

    def recall(self, certificates: tuple[bytes, ...]) -> Peer | None:
        """The peer that showed exactly these certificates (DER, leaf first) and was found good by `remember`; None if
        they have to be verified, which takes 300 µs.

        What stays true of it, chain and purpose, is what a kept connection relies on too; dates and revocation are
        judged at each request anyway. Another set of authorities is another context, which remembers nobody. For
        `CACHED_SECONDS` only: when an authority on the path has expired, another path may be found.
        """
        peer, end = self._shown.get(certificates, _NOBODY)
        return peer if time.monotonic() < end else None

    def remember(self, peer: Peer) -> None:
        """Let `recall` know a peer with whose certificates OpenSSL has found nothing wrong."""
        if peer.leaf is None or peer.errors:
            return
        certificates = (peer.leaf, *peer.sent)
        if sum(map(len, certificates)) <= CACHED_PEER_BYTES:
            if len(self._shown) >= CACHED_PEERS:
                self._shown.clear()
            self._shown[certificates] = peer, time.monotonic() + CACHED_SECONDS

    def require_path(self, peer: Peer, path: Sequence[bytes]) -> Peer:
        """Fail closed: where nothing was found wrong, ``path`` must lead from the leaf to an authority."""
        home = bool(path) and path[0] == peer.leaf and path[-1] in self._known
        return peer if peer.errors or home else replace(peer, verified=(), errors=(_NO_PATH,))


class ServerSide(ssl.SSLObject):
    """A connection that remembers the name that the client asked for; Python tells it only to a callback."""

    server_name: str | None = None
    pointer: int | None = None
    """Where `LibSSL.connection_pointer` has found OpenSSL's part of it."""
    on_message: Callable[[], None]
    """What `OpenSSL.watch_messages` calls."""


def new_ssl_context(min_tls: str = "1.2", max_tls: str = "1.3", *, http2: bool = False) -> ssl.SSLContext:
    """A context that asks for a client certificate, trusts no authority yet, and keeps no sessions.

    Without `OpenSSL.complete_every_handshake`, this is the fallback: a bad certificate ends the handshake.
    ``http2`` is whether HTTP/2 is offered (RFC 7301).
    The order of suites is the client's choice, who knows whether it has AES in hardware; all of them are good. Without
    ``VERIFY_X509_STRICT``, which would refuse the v1 certificates that ``openssl x509 -req`` makes.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[min_tls]
    context.maximum_version = VERSIONS[max_tls]
    context.set_ciphers(_SUITES)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    # Up to CPython 3.11.2 (Debian 12) a connection that was cut off was taken for one that was closed (issue 95494).
    context.options &= ~(ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_IGNORE_UNEXPECTED_EOF)
    context.num_tickets = 0
    context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
    context.verify_mode = ssl.CERT_OPTIONAL
    # An intermediate authority can be trusted alone, without the root above it.
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.sslobject_class = ServerSide
    context.sni_callback = _remember_name
    return context


def _challenge_context(file: Path | None) -> ssl.SSLContext | None:
    """RFC 8737, 3: the certificate for the challenge, and its protocol by ALPN; None if there is none any more."""
    if file is None:
        return None
    context = new_ssl_context()
    context.set_alpn_protocols([ACME_PROTOCOL])
    try:
        context.load_cert_chain(file)
    except (OSError, ssl.SSLError):
        return None
    return context


def choose_by_name(
    names: ServerNames,
    openssl: OpenSSL | None,
    advertised: Mapping[str, Sequence[bytes]] = _NO_HOSTS,
    challenges: Challenges | None = None,
) -> None:
    """Show each visitor the certificate for the host that it asks for, and ask no certificate of it where
    `NamedCertificate.ask` is false. Without ``openssl``, everybody is asked.

    ``advertised`` are hosts for which other authorities are named to clients, as DER. ``challenges`` has the answers
    to tls-alpn-01, for clients that offer `ACME_PROTOCOL` alone.
    """
    first = names.all[0]
    if challenges is not None and openssl is not None:
        openssl.read_hellos(first.context)
    before = first.context.sni_callback

    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if before is not None:
            before(connection, name, context)  # type: ignore[arg-type]  # a connection without SNI has None
        if challenges is not None and openssl is not None and name and openssl.offers_alone(ACME_PROTOCOL):
            answer = _challenge_context(challenges(name))
            if answer is not None:
                connection.context = answer
                openssl.ask_for_no_certificate(connection)
                return
        chosen = names.find(name)
        if chosen is not first:
            connection.context = chosen.context
        if openssl is None:
            return
        if not chosen.ask:
            openssl.ask_for_no_certificate(connection)
        elif name and (authorities := advertised.get(name.lower().removesuffix("."))):
            openssl.advertise_to(connection, authorities)

    first.context.sni_callback = choose


def _remember_name(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
    if isinstance(connection, ServerSide):
        connection.server_name = name
