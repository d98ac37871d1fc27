"""What can be configured: one class for each table of ``gatekeeper.toml``, each field with its default and its meaning.

The meanings are the one source of ``config/gatekeeper.toml``, ``docs/configuration.md`` and the JSON Schema. Settings
are frozen and read when something starts, never for each request. In code durations are float seconds, sizes int bytes,
paths absolute (when they come from ``config.load``).

What spans several tables, or needs the files that are named here, is not checked by these classes.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, field_validator, model_validator
from pydantic.fields import FieldInfo

from gatekeeper.settings.addresses import UpstreamURL, parse_listen
from gatekeeper.settings.types import (
    OID,
    URL,
    DNSPattern,
    Duration,
    DurationOrOff,
    EmailPattern,
    File,
    Fingerprint,
    Folder,
    HeaderName,
    HeaderPattern,
    HostName,
    Listen,
    ListenOrOff,
    LogTarget,
    Method,
    Name,
    Network,
    OneOrMany,
    Origins,
    Pin,
    Purpose,
    RequestPath,
    RoutePath,
    Serial,
    Size,
    SizeOrUnlimited,
    Template,
    Text,
    UpstreamName,
    URIPattern,
    Wait,
    WebURL,
    Workers,
)

Count = Annotated[StrictInt, Field(ge=0)]
HeaderPreset = Literal["nginx", "rfc9440", "remote-user", "xfcc", "traefik"]


class Table(BaseModel):
    """A table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @classmethod
    def named_fields(cls) -> Mapping[str, FieldInfo]:
        """The fields by the names that TOML has for them: ``pass`` is no name in Python."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


class ServerSettings(Table):
    """The listener: where visitors connect, and the ordinary HTTPS certificate they see."""

    listen: Annotated[tuple[Listen, ...], Field(min_length=1), OneOrMany] = Field(
        default_factory=lambda: (parse_listen("0.0.0.0:8443"),),
        description='Where to listen: an address, or a list of them; port 0 picks one, "unix:/path" is a Unix socket.',
    )
    certificate: File = Field(
        examples=["fullchain.pem"],
        description="The HTTPS certificate that visitors see, PEM, with its chain; from Let's Encrypt or elsewhere.",
    )
    key: File = Field(examples=["privkey.pem"], description="The private key of that certificate, PEM.")
    key_passphrase_file: File | None = Field(
        default=None,
        examples=["key-passphrase.txt"],
        description="A file whose first line is the passphrase of the key.",
    )
    min_tls: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest TLS version that is accepted.")
    max_tls: Literal["1.2", "1.3"] = Field(
        default="1.3",
        description='The newest TLS version; "1.2" for smart cards that sign only as PKCS #1 v1.5 does, which TLS 1.3 '
        "does not take.",
    )
    http2: StrictBool = Field(default=True, description="Whether visitors may speak HTTP/2; else HTTP/1.1 alone.")
    workers: Workers = Field(default=1, description='How many worker processes; "auto" is one for each core.')
    proxy_protocol_from: tuple[Network, ...] = Field(
        default=(),
        examples=[["10.0.0.5/32"]],
        description="Load balancers that must send a PROXY v1 or v2 header; one from any other address is refused.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        examples=[["10.0.0.0/8"]],
        description="Proxies whose X-Forwarded-*, Forwarded and X-Request-Id are accepted and appended to.",
    )
    user: Text | None = Field(
        default=None,
        examples=["gatekeeper"],
        description="The user that the workers become once the ports are open, if started as root.",
    )
    group: Text | None = Field(
        default=None,
        examples=["gatekeeper"],
        description="The group that the workers become; without it, the user's own.",
    )


class ClientAuthSettings(Table):
    """Who is admitted: the authorities whose client certificates are accepted, and how strictly they are judged."""

    ca: Annotated[tuple[File, ...], Field(min_length=1), OneOrMany] = Field(
        examples=["client-ca.crt"],
        description="The authorities whose client certificates are accepted: a PEM bundle, or a list of them.",
    )
    crl: Annotated[tuple[File, ...], OneOrMany] = Field(
        default=(), examples=[["client-ca.crl"]], description="Lists of revoked certificates (CRLs), PEM or DER."
    )
    crl_stale: Literal["deny", "allow"] = Field(
        default="deny",
        description='What a CRL past its nextUpdate means: "deny" rejects everyone, "allow" warns only.',
    )
    ocsp: Literal["off", "leaf"] = Field(
        default="off", description='"leaf" asks the OCSP responder whether the visitor\'s certificate was revoked.'
    )
    ocsp_responder: WebURL | None = Field(
        default=None,
        examples=["http://ocsp.example.com"],
        description="The OCSP responder to ask instead of the one that the certificate names.",
    )
    ocsp_on_failure: Literal["deny", "allow"] = Field(
        default="deny",
        description='What to do if the OCSP responder does not answer: "deny", or "allow" with an alarm.',
    )
    require_common_name: StrictBool = Field(
        default=True, description="Whether a certificate with a blank or missing common name (CN) is refused."
    )
    advertise_ca: StrictBool = Field(
        default=True,
        description="Whether the handshake names the authorities, so that browsers offer only suitable certificates.",
    )
    session_resumption: StrictBool = Field(
        default=False,
        description="Whether admitted visitors get a ticket to resume the TLS session; each request is still judged.",
    )
    depth: Annotated[StrictInt, Field(ge=0, le=100)] = Field(
        default=5,
        description="How many authorities may stand between a visitor's certificate and a trusted authority.",
    )
    certificate_size: Size = Field(
        default=24 << 10,
        description="The certificates that a client sends in the handshake, all together; above, the handshake fails.",
    )
    on_refusal: Literal["page", "handshake"] = Field(
        default="page",
        description='How a bad certificate is refused: "page" answers HTTP 403, "handshake" sends a TLS alert.',
    )


class UpstreamSettings(Table):
    """An app behind the gate, and how it is reached."""

    url: URL | None = Field(
        default=None,
        examples=["http://127.0.0.1:8000"],
        description="Where the app is: http://host:port, https://host:port, h2c://host:port or h2://host:port (HTTP/2, "
        "without and with TLS), unix:/path/to/socket or static:/folder.",
    )
    urls: tuple[URL, ...] = Field(
        default=(),
        examples=[["http://10.0.0.1:8000", "http://10.0.0.2:8000"]],
        description="Several endpoints of the same app, instead of url; a request goes to the least busy one.",
    )
    ca: File | None = Field(
        default=None,
        examples=["upstream-ca.crt"],
        description="The authorities that an https upstream's certificate must come from; without it, the system's.",
    )
    certificate: File | None = Field(
        default=None, examples=["gate.crt"], description="A client certificate to show to an https upstream, PEM."
    )
    key: File | None = Field(
        default=None,
        examples=["gate.key"],
        description="The private key of that client certificate, PEM, without a passphrase.",
    )
    server_name: HostName | None = Field(
        default=None,
        examples=["app.internal"],
        description="The name that an https upstream's certificate must carry; without it, the host of the URL.",
    )
    unsafe_skip_verify: StrictBool = Field(
        default=False,
        description="Whether to take any certificate from an https upstream: anyone in between can impersonate it.",
    )
    max_connections: Count = Field(
        default=0,
        description="The maximum number of connections to each endpoint, per worker; 0 sets no limit.",
    )
    queue_timeout: Duration = Field(
        default=10.0, description="How long a request waits for one of max_connections before it is answered 503."
    )
    health_path: RequestPath | None = Field(
        default=None,
        examples=["/healthz"],
        description="A path for health checks; without an answer of 2xx or 3xx, an endpoint gets no requests.",
    )
    health_interval: Duration = Field(default=10.0, description="How often health_path is requested.")
    slow_start: Wait = Field(
        default=10.0, description="How long an endpoint that came back gets fewer requests than the others."
    )

    @property
    def endpoints(self) -> tuple[UpstreamURL, ...]:
        """Where the app is: one URL or several."""
        return (self.url,) if self.url is not None else self.urls

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _one_of_url_and_urls(self)
        _one_version(self)
        _only_for_https(self)
        return self


def _one_of_url_and_urls(upstream: UpstreamSettings) -> None:
    if upstream.url is not None and upstream.urls:
        raise ValueError("holds both url and urls; keep one of them")
    if not upstream.endpoints:
        raise ValueError('names no endpoint; write url = "http://127.0.0.1:8000" or wherever the app is')
    if len(upstream.endpoints) > 1 and any(endpoint.scheme == "static" for endpoint in upstream.endpoints):
        raise ValueError("lists static: among several urls; a folder can only stand alone, as url")


def _one_version(upstream: UpstreamSettings) -> None:
    if not any(endpoint.is_http2 for endpoint in upstream.endpoints):
        return
    if len({endpoint.scheme for endpoint in upstream.endpoints}) > 1:
        raise ValueError("mixes h2c:// or h2:// with other URLs; all endpoints of an app must speak the same protocol")
    if upstream.health_path is not None:
        raise ValueError("has health_path, which is requested over HTTP/1.1; h2c:// and h2:// upstreams cannot have it")


def _only_for_https(upstream: UpstreamSettings) -> None:
    if (upstream.certificate is None) != (upstream.key is None):
        raise ValueError("needs certificate and key together, or neither of them")
    if any(endpoint.encrypted for endpoint in upstream.endpoints):
        return
    for name in ("ca", "certificate", "server_name", "unsafe_skip_verify"):
        if getattr(upstream, name):
            raise ValueError(f"has {name}, which only means something for an https:// or h2:// upstream")


class RuleSettings(Table):
    """What a certificate must contain; all keys given must match, and of a repeated attribute any one value."""

    cn: Text | None = Field(default=None, examples=["alice"], description="The subject's common name.")
    o: Text | None = Field(default=None, examples=["Example Ltd"], description="An organization of the subject.")
    ou: Text | None = Field(default=None, examples=["ops"], description="An organizational unit of the subject.")
    email: EmailPattern | None = Field(
        default=None,
        examples=["alice@example.com"],
        description="An e-mail address, from the subject or its alternative names; *@example.com is any address there.",
    )
    dns: DNSPattern | None = Field(
        default=None,
        examples=["laptop.example.com"],
        description="A DNS name among the alternative names; *.example.com is any with exactly one more label.",
    )
    uri: URIPattern | None = Field(
        default=None,
        examples=["spiffe://example.com/app"],
        description="A URI among the alternative names; one that ends in /* is any that continues after the slash.",
    )
    upn: EmailPattern | None = Field(
        default=None,
        examples=["alice@corp.example.com"],
        description="A user principal name of Windows among the alternative names; *@corp.example.com is any there.",
    )
    subject_serial: Text | None = Field(
        default=None,
        examples=["PNODE-12345678"],
        description="A serialNumber in the subject: the person's or device's number, not the certificate's.",
    )
    uid: Text | None = Field(default=None, examples=["alice"], description="A user ID (UID) in the subject.")
    dn: Name | None = Field(
        default=None,
        examples=["CN=alice,OU=ops,O=Example Ltd"],
        description="The whole subject by RFC 4514, in the order of X-SSL-Client-S-DN.",
    )
    policy: OID | None = Field(
        default=None, examples=["1.3.6.1.4.1.55555.1"], description="A certificate policy, as its object identifier."
    )
    eku: Purpose | None = Field(
        default=None,
        examples=["msSmartcardLogin"],
        description="An extended key usage, by OpenSSL's name or as its object identifier.",
    )
    issuer: Text | None = Field(
        default=None, examples=["Home CA"], description="The common name of the authority that signed the certificate."
    )
    issuer_sha256: Fingerprint | None = Field(
        default=None,
        examples=["9f86d081…"],
        description="The SHA-256 fingerprint of the authority's certificate, in hex.",
    )
    serial: Serial | None = Field(default=None, examples=["0a1b"], description="The serial number, in hex.")
    sha256: Fingerprint | None = Field(
        default=None, examples=["9f86d081…"], description="The certificate's SHA-256 fingerprint, in hex."
    )
    spki: Pin | None = Field(
        default=None,
        examples=["sha256/…"],
        description="The SHA-256 of the public key, in hex or as sha256/ and base64.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("is empty, so it would match everybody")
        return self


class RouteSettings(Table):
    """Which requests go to which upstream, and who may send them; the first route that matches decides."""

    path: RoutePath = Field(
        default="/*", description='An exact path, or everything below one: a prefix that ends in "/*".'
    )
    hosts: Annotated[tuple[HostName, ...], Field(min_length=1), OneOrMany] = Field(
        default=(),
        examples=[["admin.example.com"]],
        description="The names in the Host header; without it, every name.",
    )
    title: Text | None = Field(
        default=None,
        examples=["Photos"],
        description="Its name on the start page /.gatekeeper/me, as a link.",
    )
    methods: Annotated[tuple[Method, ...], Field(min_length=1), OneOrMany] = Field(
        default=(), examples=[["GET", "POST"]], description="The request methods; without it, every method."
    )
    upstream: UpstreamName = Field(
        default="default", description='The upstream by name; "default" is the [upstream] table.'
    )
    allow: Annotated[tuple[RuleSettings, ...], Field(min_length=1)] = Field(
        default=(),
        examples=[[{"ou": "ops"}, {"cn": "alice", "issuer": "Home CA"}]],
        description="Who is allowed: one table must match, with all its keys; without it, every verified visitor.",
    )
    deny: tuple[RuleSettings, ...] = Field(
        default=(), examples=[[{"serial": "0a1b"}]], description="Who is denied, in the same form; wins over allow."
    )
    public: StrictBool = Field(
        default=False,
        description="Whether no certificate is needed (webhooks, manifests); identity headers are still removed.",
    )
    cors_preflight: Origins = Field(
        default=False,
        description="Whether CORS preflights pass without a certificate: true, or a list of allowed origins.",
    )

    @model_validator(mode="after")
    def _public_or_not(self) -> Self:
        if self.public and (self.allow or self.deny):
            raise ValueError("is public, so it cannot ask who the visitor is; take public or allow and deny out")
        return self


class JWTSettings(Table):
    """A signed assertion of who the visitor is, in the header Gatekeeper-Assertion."""

    key: Annotated[tuple[File, ...], Field(min_length=1), OneOrMany] = Field(
        examples=["jwt.pem"],
        description="The private key that signs: EC P-256, PEM. In a list, the first signs and all are published.",
    )
    audience: Text = Field(
        examples=["my-app"], description="The app for which the assertion is meant; the app must compare it."
    )
    lifetime: Duration = Field(default=300.0, description='How long an assertion is valid; "10s" at least.')

    @field_validator("lifetime")
    @classmethod
    def _long_enough_to_be_read(cls, seconds: float) -> float:
        """Dates are whole seconds, and half of the time is for the app."""
        if seconds < 10:
            raise ValueError('must be "10s" at least')
        return seconds


class IdentitySettings(Table):
    """How the app learns who the visitor is: headers that are removed from every request, then set by the gate."""

    headers: tuple[HeaderPreset, ...] = Field(
        default=("nginx",),
        description="Which sets of headers the app gets; the headers reference lists each.",
    )
    custom: Mapping[HeaderName, Template] = Field(
        default_factory=dict,
        examples=[{"X-Device": "{cn}"}],
        description="Headers of your own; they can use {cn}, {o}, {ou}, {email}, {dns}, {uri}, {upn}, "
        "{subject_serial}, {uid}, {dn}, {policy}, {eku}, {serial}, {sha256}, {issuer}, "
        "{issuer_sha256} and {not_after}.",
    )
    jwt: JWTSettings | None = Field(
        default=None,
        examples=[{"key": "jwt.pem", "audience": "my-app"}],
        description="Sends a signed assertion, for apps that should not depend on the network's isolation.",
    )
    strip: tuple[HeaderPattern, ...] = Field(
        default=(),
        examples=[["X-Corp-User", "X-Corp-Claim-*"]],
        description="Further headers that no visitor may send to an app, beside those in the reference of headers.",
    )
    passing: tuple[HeaderPattern, ...] = Field(
        default=(),
        alias="pass",
        examples=[["CF-Connecting-IP"]],
        description="Headers of other proxies in that reference that a visitor may send after all: whoever sends them "
        "is believed by apps that know them.",
    )
    expiry_warning: DurationOrOff = Field(
        default=14 * 86400.0,
        description='How long before a certificate expires visitor and app are warned, in headers; or "off".',
    )


class RefusalSettings(Table):
    """What a refused visitor is shown."""

    detail: Literal["full", "minimal"] = Field(
        default="full",
        description='Whether the page shows the certificate and the details ("full") or only the reason.',
    )
    contact: Text | None = Field(
        default=None, examples=["you@example.com"], description="Whom to ask, shown on the page."
    )
    template: File | None = Field(
        default=None,
        examples=["refusal.html"],
        description="A Jinja template that replaces the built-in page.",
    )


class MaintenanceSettings(Table):
    """503 and a page for everybody while a file exists, as `gatekeeper maintenance on` and `off` do."""

    file: File = Field(
        examples=["/var/lib/gatekeeper/maintenance"],
        description="While this file exists, no request reaches an app; the gate notices within a second.",
    )
    allow: Annotated[tuple[RuleSettings, ...], Field(min_length=1)] = Field(
        default=(),
        examples=[[{"ou": "ops"}]],
        description="Whose requests still reach the apps, by the same rules as allow of a route.",
    )
    retry_after: Duration = Field(
        default=600.0, description="When to come back, in the header Retry-After; whole seconds."
    )


class InvitationsSettings(Table):
    """Links that install a certificate on a device; off unless this table is present."""

    folder: Folder = Field(
        examples=["/var/lib/gatekeeper/invitations"],
        description="Where `gatekeeper ca invite` puts invitations and the gate finds them.",
    )


class AdminSettings(Table):
    """The listener for operators: plain HTTP with /healthz, /readyz, /metrics and /status. Keep it private."""

    listen: ListenOrOff = Field(
        default_factory=lambda: parse_listen("127.0.0.1:9000"),
        description='Where to listen; "off" disables it, and `gatekeeper healthcheck` with it.',
    )
    hosts: tuple[HostName, ...] = Field(
        default=(),
        examples=[["gatekeeper.monitoring.svc"]],
        description="The names by which /status, /metrics and /readyz?verbose may be asked for, beside IP addresses, "
        "localhost and the name in admin.listen. By any other name, a web page open in a browser on this machine could "
        "read them (DNS rebinding).",
    )


class ReadinessSettings(Table):
    """What makes /readyz fail, apart from the gate itself."""

    checks: tuple[Literal["upstream", "crl"], ...] = Field(
        default=(),
        examples=[["upstream"]],
        description='Conditions that take this gate out of service: "upstream", no app at all is up; "crl", everyone '
        "is refused because of a stale list. Without any, /readyz says only whether this gate can answer.",
    )


class LogSettings(Table):
    """What is logged, where, and in which format."""

    access: LogTarget = Field(
        default="stdout",
        description='Where the access log goes, one line per exchange: "stdout", "stderr", "off" or a file.',
    )
    format: Literal["json", "combined", "text"] = Field(
        default="json",
        description="The format of access lines: JSON, that of Apache and nginx (combined), or plain text for people.",
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The lowest level of messages written to stderr."
    )


class TimeoutsSettings(Table):
    """Time limits. All are enforced."""

    handshake: Duration = Field(default=10.0, description="The TLS handshake, from the connection to its end.")
    request_header: Duration = Field(
        default=10.0, description="The head of a request, from its first byte to its last."
    )
    idle: Duration = Field(default=75.0, description="A kept-alive connection between two requests.")
    connect: Duration = Field(default=5.0, description="Connecting to an upstream, its TLS handshake included.")
    response_header: Duration = Field(
        default=60.0, description="The head of the upstream's response, after the whole request was sent."
    )
    stream_idle: Duration = Field(default=60.0, description="A body, in either direction, in which no byte moves.")
    tunnel_idle: Duration = Field(default=3600.0, description="A WebSocket or other tunnel in which no byte moves.")
    hang: Duration = Field(
        default=10.0, description="A worker process that does not respond; it is then killed and replaced."
    )
    drain: Duration = Field(
        default=30.0, description="Exchanges under way when the gate stops; the rest is then closed."
    )
    drain_delay: Wait = Field(
        default=0.0,
        description="The time between /readyz failing and the end of accepting, for load balancers to notice.",
    )


class LimitsSettings(Table):
    """Size and number limits."""

    request_header: Size = Field(default=32 << 10, description="The head of a request, all lines together; above: 431.")
    header_count: Annotated[StrictInt, Field(ge=1)] = Field(
        default=100, description="The number of header lines of a request; above: 431."
    )
    request_line: Size = Field(default=8 << 10, description="The first line of a request; above: 414.")
    request_body: SizeOrUnlimited = Field(
        default=None, description='The body of a request; above: 413; or "unlimited".'
    )
    connections: Annotated[StrictInt, Field(ge=1)] = Field(
        default=10000, description="Open connections in all workers together; above, new ones wait to be accepted."
    )
    connections_per_ip: Count = Field(
        default=0,
        description="Open connections from one address; above, new ones are closed; 0 sets no limit.",
    )
    http2_streams: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        default=100, description="Requests that an HTTP/2 connection may carry at once; above, they are to be repeated."
    )


class Settings(Table):
    """The whole file. ``server`` and ``client_auth`` are required; ``upstream`` is the app named "default"."""

    server: ServerSettings
    client_auth: ClientAuthSettings
    upstream: UpstreamSettings | None = None
    upstreams: Mapping[UpstreamName, UpstreamSettings] = Field(default_factory=dict)
    routes: tuple[RouteSettings, ...] = ()
    identity: IdentitySettings = Field(default_factory=IdentitySettings)
    refusal: RefusalSettings = Field(default_factory=RefusalSettings)
    maintenance: MaintenanceSettings | None = None
    invitations: InvitationsSettings | None = None
    admin: AdminSettings = Field(default_factory=AdminSettings)
    readiness: ReadinessSettings = Field(default_factory=ReadinessSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    timeouts: TimeoutsSettings = Field(default_factory=TimeoutsSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)

    @property
    def every_upstream(self) -> Mapping[str, UpstreamSettings]:
        """All upstreams by name, the one of ``[upstream]`` as "default"."""
        return ({"default": self.upstream} if self.upstream is not None else {}) | dict(self.upstreams)


def table_at(path: tuple[str | int, ...]) -> type[Table] | None:
    """The class of the table at a path of keys and indexes (which may be left out), None where there is none."""
    annotation: Any = Settings
    for step in path:
        if _is_list(annotation):
            annotation = _entry(annotation)
            if isinstance(step, int):
                continue
        if _is_table(annotation):
            field = annotation.named_fields().get(str(step))
            annotation = _without_none(field.annotation) if field is not None else None
        else:
            annotation = _entry(annotation)
    annotation = _entry(annotation) if _is_list(annotation) else annotation
    return annotation if _is_table(annotation) else None


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Table)


def _is_list(annotation: Any) -> bool:
    return get_args(annotation)[1:] == (...,)


def _entry(annotation: Any) -> Any:
    """What a list or a mapping holds."""
    inner = [one for one in get_args(annotation) if one is not ...]
    return inner[-1] if inner else None


def _without_none(annotation: Any) -> Any:
    """``X`` of ``X | None``."""
    inner = get_args(annotation)
    return next(one for one in inner if one is not NoneType) if NoneType in inner else annotation
