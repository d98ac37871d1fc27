"""The loaded configuration as one immutable value. A reload makes a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from gatekeeper.gate.addresses import within
from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.decision import Authorizer, Maintenance
from gatekeeper.gate.revocation import alarms
from gatekeeper.gate.routes import Routes
from gatekeeper.gate.verdict import NO_PEER, OCSPPolicy, Peer, Policy, Refuse, Verdict, judge
from gatekeeper.proxy.deadline import Timeouts
from gatekeeper.proxy.host_trust import HostTrust
from gatekeeper.proxy.loading import (
    assertions_of,
    challenges_of,
    check_routes,
    invitations_of,
    maintenance_of,
    refusal_pages,
    server_files,
    suites_of,
    trust_files,
)
from gatekeeper.proxy.request_limits import RequestLimits, request_limits
from gatekeeper.proxy.revocations import fetch_warnings, load_revocations
from gatekeeper.proxy.upstream.pool import Pool
from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader
from gatekeeper.tls.build import TLSOptions, build_context
from gatekeeper.tls.context import Mode, ServerContext
from gatekeeper.wire.assertion import JWKS_PATH
from gatekeeper.wire.http2.requests import BlockReader
from gatekeeper.wire.identity import IdentityWriter
from gatekeeper.wire.request import HeadLimits, RequestReader
from gatekeeper.wire.response_edits import ResponseEdits

if TYPE_CHECKING:
    from gatekeeper.invitations.folder import Invitations
    from gatekeeper.settings.access import ClientAuthSettings
    from gatekeeper.settings.tables import Settings

# mypyc looks up the types of a dataclass's fields when it makes the class, also where they are imported for mypy alone.
globals()["Settings"] = globals()["Invitations"] = object

# How many admitted visitors are cached, at some 5 KiB each.
CACHED_CONTEXTS = 1024

# The size of a cached visitor's certificates together. A larger one costs each of its connections 0.1 to 2 ms instead.
# Strings and header lines take some ten times the certificate, so this bounds the cache at about 80 MiB.
CACHED_CERTIFICATES = 8 * 1024


@dataclass(frozen=True, slots=True)
class ClientContext:
    """A verdict, and what follows from it for each connection of the peer.

    ``lines`` are the request headers with the identity, ``warning`` is the response header which says that the
    certificate expires soon. Valid from ``since`` until ``until``; the verdict itself expires at ``ends`` (seconds
    since the epoch). A refused peer has no such times, and is judged for each request.
    """

    authorizer: Authorizer
    certificate: Certificate | None
    since: float = 0.0
    until: float = 0.0
    ends: float = 0.0
    lines: bytes = b""
    warning: bytes = b""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that decides about a request: settings, TLS, authorities, revocation, routes, parser, upstreams.

    ``documents`` are served to everybody: JSON by path. ``invitations`` is None if they are not configured,
    ``maintenance`` if the site is open, ``edits`` if the operator changes nothing in responses, ``request_limits`` if
    the number of requests is not limited.
    """

    settings: "Settings"
    tls: ServerContext
    policy: Policy
    routes: Routes
    documents: Mapping[bytes, bytes]
    identity: IdentityWriter
    reader: RequestReader
    pages: RefusalPages
    upstreams: Mapping[str, Pool]
    invitations: "Invitations | None" = None
    maintenance: Maintenance | None = None
    edits: ResponseEdits | None = None
    request_limits: RequestLimits | None = None
    timeouts: Timeouts = field(init=False)
    blocks: BlockReader = field(init=False, repr=False)
    """``reader`` for requests that come in HTTP/2."""
    hosts: HostTrust | None = field(init=False, repr=False)
    """Set if hosts have their own authorities; then the verdict of `judge` is not enough for any of them."""
    nobody: ClientContext = field(init=False)
    """For a peer without a certificate: it depends on nothing else."""
    _contexts: dict[bytes | None, tuple[Peer, ClientContext]] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        tls = self.tls
        hosts = HostTrust(tls.elsewhere, tls.hosts, self.policy) if tls.elsewhere is not None else None
        object.__setattr__(self, "hosts", hosts)
        object.__setattr__(self, "nobody", self.derive(self.judge(NO_PEER, 0.0), 0.0))
        object.__setattr__(self, "blocks", BlockReader(self.reader))
        configured = self.settings.timeouts
        object.__setattr__(
            self, "timeouts", Timeouts(**{one.name: getattr(configured, one.name) for one in fields(Timeouts)})
        )
        stripped = {route.upstream for route in self.routes.all if route.prefix}
        for name, pool in self.upstreams.items():
            pool.adopt(self.timeouts, self.settings.limits.request_body, strips=name in stripped)

    def judge(self, peer: Peer, now: float) -> Verdict:
        """The verdict about a peer at the moment ``now``, by the loaded certificates and lists."""
        return judge(peer, now, self.policy)

    def authorizer_on(self, host: bytes, peer: Peer, authorizer: Authorizer, now: float) -> Authorizer:
        """Decides about requests for this Host, by the authorities that count there. ``authorizer`` counts all of them
        together: a visitor whom it refuses is refused everywhere.
        """
        if self.hosts is None or not authorizer.admitted:
            return authorizer
        return Authorizer(self.hosts.verdict(host, peer, now), self.routes, self.maintenance)

    def authorities_on(self, host: bytes) -> tuple[Certificate, ...]:
        """The authorities whose certificates count on this Host."""
        return self.tls.authorities if self.hosts is None else self.hosts.authorities(host)

    def derive(self, verdict: Verdict, now: float) -> ClientContext:
        """What follows from a verdict that was made at the moment ``now``."""
        authorizer = Authorizer(verdict, self.routes, self.maintenance)
        if isinstance(verdict, Refuse):
            return ClientContext(authorizer, verdict.certificate)
        lines = self.identity.lines(verdict.identity, now)
        until = min(verdict.until, lines.until)
        certificate = verdict.identity.certificate
        return ClientContext(authorizer, certificate, now, until, verdict.until, lines.request, lines.response)

    def cached(self, peer: Peer, now: float) -> ClientContext | None:
        """What was cached for the same certificates, if it is valid at the moment ``now``."""
        cached = self._contexts.get(peer.leaf)
        if cached is None:
            return None
        judged, client_context = cached
        return client_context if client_context.since <= now < client_context.until and judged == peer else None

    def cache(self, peer: Peer, client_context: ClientContext) -> None:
        """Keep the verdict about an admitted peer for its other connections. Each snapshot has its own cache."""
        if sum(map(len, (peer.leaf or b"", *peer.sent, *peer.verified))) > CACHED_CERTIFICATES:
            return
        if len(self._contexts) >= CACHED_CONTEXTS:
            self._contexts.clear()
        self._contexts[peer.leaf] = peer, client_context

    @property
    def refuses_in_handshake(self) -> bool:
        """Whether a bad certificate gets a TLS alert, and no request is ever read (``on_refusal = "handshake"``)."""
        return self.settings.client_auth.on_refusal == "handshake"

    def trusts(self, address: str) -> bool:
        """Whether the X-Forwarded-* of a proxy at this address are believed (``server.trusted_proxies``).

        What is not an IP address, such as "unix", is never trusted.
        """
        return within(address, self.settings.server.trusted_proxies)

    def expects_proxy_header(self, address: str) -> bool:
        """Whether a load balancer at this address must send a PROXY header (``server.proxy_protocol_from``)."""
        return within(address, self.settings.server.proxy_protocol_from)

    def warnings(self, now: float) -> list[str]:
        """Sentences about what works, but needs the operator's attention. ``now`` is seconds since the epoch."""
        found = []
        if self.tls.mode is Mode.ALERTS_ONLY and self.tls.reason:
            found.append(f"bad certificates get a TLS alert instead of the refusal page, because {self.tls.reason}")
        found += self.tls.warnings
        if passing := self.settings.identity.passing:
            found.append(
                f"a visitor may send {', '.join(passing)} (identity.pass): an app that knows such a header believes it"
            )
        if self.maintenance is not None and self.settings.maintenance is not None:
            found.append(f"maintenance is on, because {self.settings.maintenance.file} exists: visitors get 503")
        if self.policy.revocations is not None:
            found += fetch_warnings(self.settings.client_auth, self.tls.authorities)
            found += alarms(
                self.policy.revocations,
                self.tls.authorities,
                now,
                stale_counts=self.policy.stale_counts,
                learns=self.settings.client_auth.uses_distribution_points,
            )
        found += [
            f"uploads to {name} may fill $TMPDIR but for its last twentieth: request_buffering has no request_body"
            for name, pool in self.upstreams.items()
            if pool.settings.request_buffering and pool.request_body is None
        ]
        if self.invitations is None and any(route.title for route in self.settings.routes):
            found.append("routes with a title appear nowhere: their start page, /.gatekeeper/me, needs [invitations]")
        if self.invitations is not None:
            from gatekeeper.invitations.folder import folder_error

            if why := folder_error(self.invitations.path):
                found.append(f"invitations cannot be handed out: {why}")
        trusted = [(set(one.names), one.tls.authorities) for one in self.tls.hosts]
        elsewhere = self.tls.elsewhere or self.tls
        return [*found, *self.routes.rule_warnings(elsewhere.authorities, trusted), *self.routes.prefix_warnings()]


def build_snapshot(
    settings: "Settings", upstreams: Mapping[str, Pool], now: float, files: FileReader = OPEN_DIRECTLY
) -> Snapshot:
    """Load every file that the settings name; ConfigurationError with all mistakes."""
    tls = build_context(
        server_files(settings),
        trust_files(settings.client_auth),
        options=_tls_options(settings),
        challenges=challenges_of(settings.acme),
        now=now,
        reader=files,
    )
    check_routes(settings, tls.names)
    return make_snapshot(settings, tls, upstreams, files)


def _tls_options(settings: "Settings") -> TLSOptions:
    server, client_auth = settings.server, settings.client_auth
    return TLSOptions(
        min_tls=server.min_tls,
        max_tls=server.max_tls,
        http2=server.http2,
        suites=suites_of(server),
        advertise_ca=client_auth.advertise_ca,
        session_resumption=client_auth.session_resumption,
        certificate_size=client_auth.certificate_size,
        depth=client_auth.depth,
    )


def make_snapshot(
    settings: "Settings", tls: ServerContext, upstreams: Mapping[str, Pool], files: FileReader = OPEN_DIRECTLY
) -> Snapshot:
    """The snapshot, with TLS that is loaded already; ConfigurationError if another file cannot be used."""
    client_auth, limits = settings.client_auth, settings.limits
    assertions = assertions_of(settings.identity.jwt, files)
    identity = IdentityWriter(settings.identity, tls.certificate, assertions)
    documents = {JWKS_PATH: assertions.jwks()} if assertions is not None else {}
    invitations = invitations_of(settings.invitations)
    routes = Routes(settings.routes, documents, local=invitations is not None)
    return Snapshot(
        settings=settings,
        tls=tls,
        policy=Policy(
            require_common_name=client_auth.require_common_name,
            revocations=load_revocations(client_auth, tls.authorities, files),
            stale_counts=client_auth.crl_stale == "allow",
            ocsp=_ocsp_policy(client_auth),
            authorities=tls.authorities,
        ),
        routes=routes,
        documents=documents,
        identity=identity,
        reader=RequestReader(
            HeadLimits(limits.request_header, limits.request_line, limits.header_count),
            identity.strips([name.decode("ascii") for name in routes.stripped]),
        ),
        pages=refusal_pages(settings, files),
        upstreams=upstreams,
        invitations=invitations,
        maintenance=maintenance_of(settings.maintenance, files),
        edits=_edits(settings),
        request_limits=request_limits(limits),
    )


def _edits(settings: "Settings") -> ResponseEdits | None:
    response = settings.response
    if not response.headers and response.hsts is None and not any(one.response.headers for one in settings.routes):
        return None
    return ResponseEdits(tuple(response.headers.items()), response.hsts)


def _ocsp_policy(settings: "ClientAuthSettings") -> OCSPPolicy | None:
    if settings.ocsp == "off":
        return None
    responder = settings.ocsp_responder
    return OCSPPolicy(str(responder) if responder else None, settings.ocsp_on_failure == "allow")
