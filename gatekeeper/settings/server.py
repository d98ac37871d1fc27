"""The tables about the server itself: listeners, log, timeouts, limits."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from gatekeeper.settings.addresses import DEFAULT_ADMIN, parse_listen
from gatekeeper.settings.server_certificate import ServerCertificateSettings
from gatekeeper.settings.table import Count, Table
from gatekeeper.settings.types import (
    Delay,
    Duration,
    File,
    HostName,
    Listen,
    ListenOrOff,
    LogTarget,
    Network,
    RateOrOff,
    Size,
    SizeOrUnlimited,
    SuiteNames,
    Text,
    Workers,
    sized,
)
from gatekeeper.settings.validation import OneOrMany


class ServerSettings(Table):
    """The listener: where visitors connect, and the ordinary HTTPS certificate they see."""

    listen: Annotated[tuple[Listen, ...], Field(min_length=1), OneOrMany] = Field(
        default_factory=lambda: (parse_listen("0.0.0.0:8443"),),
        description='Where to listen: an address, or a list of them. "[::]:8443" takes IPv4 visitors too, unless an '
        'IPv4 address with that port is listed; port 0 picks one, "unix:/path" is a Unix socket.',
    )
    redirect: Annotated[tuple[Listen, ...], OneOrMany] = Field(
        default=(),
        examples=["0.0.0.0:80"],
        description="Addresses for plain HTTP, which only redirects visitors to https: one, or a list of them.",
    )
    certificate: File | None = Field(
        default=None,
        examples=["fullchain.pem"],
        description="The HTTPS certificate that visitors see, PEM, with its chain; may be left out with [acme].",
    )
    key: File | None = Field(
        default=None, examples=["privkey.pem"], description="The private key of that certificate, PEM."
    )
    key_passphrase_file: File | None = Field(
        default=None,
        examples=["key-passphrase.txt"],
        description="A file whose first line is the passphrase of the key.",
    )
    certificates: tuple[ServerCertificateSettings, ...] = Field(
        default=(),
        examples=[[{"certificate": "b.pem", "key": "b.key", "ask": False}]],
        description="Further certificates, each for the host names that it carries; usually written as "
        "[[server.certificates]].",
    )
    min_tls: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest TLS version that is accepted.")
    max_tls: Literal["1.2", "1.3"] = Field(
        default="1.3",
        description='The newest TLS version; "1.2" for smart cards that can sign only with PKCS #1 v1.5, which '
        "TLS 1.3 does not allow.",
    )
    ciphers: Annotated[tuple[SuiteNames, ...], OneOrMany] = Field(
        default=(),
        examples=["ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"],
        description="The cipher suites of TLS 1.2, in the syntax of openssl-ciphers(1); without it, those with "
        "forward secrecy and AEAD.",
    )
    ciphersuites: Annotated[tuple[SuiteNames, ...], OneOrMany] = Field(
        default=(),
        examples=["TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"],
        description="The cipher suites of TLS 1.3, by OpenSSL's names; without it, OpenSSL's own list.",
    )
    groups: Annotated[tuple[SuiteNames, ...], OneOrMany] = Field(
        default=(),
        examples=["?X25519MLKEM768:X25519:P-256:P-384"],
        description="The groups of the key exchange, by OpenSSL's names; a question mark precedes those that "
        "OpenSSL need not know. Without it, OpenSSL's own list.",
    )
    http2: StrictBool = Field(default=True, description="Whether visitors may use HTTP/2; otherwise HTTP/1.1 only.")
    workers: Workers = Field(default=1, description='How many worker processes; "auto" is one for each core.')
    proxy_protocol_from: tuple[Network, ...] = Field(
        default=(),
        examples=[["10.0.0.5/32"]],
        description="Load balancers that must send a PROXY v1 or v2 header; a header from any other address is "
        "rejected.",
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


class AdminSettings(Table):
    """The listener for operators: plain HTTP with /healthz, /readyz, /metrics and /status. Keep it private."""

    listen: ListenOrOff = Field(
        default_factory=lambda: parse_listen(DEFAULT_ADMIN),
        description='Where to listen; "off" disables it, and `gatekeeper healthcheck` with it.',
    )
    hosts: tuple[HostName, ...] = Field(
        default=(),
        examples=[["gatekeeper.monitoring.svc"]],
        description="The host names, besides IP addresses, localhost and the name in admin.listen, by which "
        "/status, /metrics and /readyz?verbose may be requested. Under any other name, a web page open in a "
        "browser on this machine could read them (DNS rebinding).",
    )


class ReadinessSettings(Table):
    """What makes /readyz fail, apart from the gate itself."""

    checks: tuple[Literal["upstream", "crl"], ...] = Field(
        default=(),
        examples=[["upstream"]],
        description='Conditions that take this gate out of service: "upstream", no app is reachable; "crl", '
        "everyone is refused because of a stale list. Without any, /readyz only says whether this gate can "
        "answer.",
    )


class LogSettings(Table):
    """What is logged, where, and in which format."""

    access: LogTarget = Field(
        default="stdout",
        description='Where the access log goes, one line per exchange: "stdout", "stderr", "off" or a file, which '
        "must be none that another key names.",
    )
    format: Literal["json", "combined", "text"] = Field(
        default="json",
        description="The format of access lines: JSON, that of Apache and nginx (combined, which has no field for the "
        "reason of a refusal or a failure), or plain text for people.",
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
    drain_delay: Delay = Field(
        default=0.0,
        description="The time between /readyz failing and the end of accepting, for load balancers to notice.",
    )


class LimitsSettings(Table):
    """Size and number limits."""

    request_header: Annotated[Size, sized(64, 16 << 20, "less holds no request")] = Field(
        default=32 << 10,
        description="The head of a request, all lines together; above: 431. From 64B to 16MiB.",
    )
    header_count: Annotated[StrictInt, Field(ge=1, le=10000)] = Field(
        default=100, description="The number of header lines of a request; above: 431."
    )
    request_line: Annotated[Size, sized(16, 1 << 20, "less holds no request line")] = Field(
        default=8 << 10, description="The first line of a request; above: 414. From 16B to 1MiB."
    )
    request_body: SizeOrUnlimited = Field(
        default=None, description='The body of a request; above: 413; or "unlimited".'
    )
    connections: Annotated[StrictInt, Field(ge=1, le=10_000_000)] = Field(
        default=10000, description="Open connections in all workers together; above, new ones wait to be accepted."
    )
    connections_per_ip: Count = Field(
        default=0,
        description="Open connections from one address; above, new ones are closed; 0 sets no limit.",
    )
    rate: RateOrOff = Field(
        default=None,
        examples=["50/s"],
        description="Requests by certificate, or by address without one and on public routes; above: 429.",
    )
    rate_burst: Annotated[StrictInt, Field(ge=1, le=1_000_000)] = Field(
        default=100, description="How many requests may come at once before limits.rate counts."
    )
    concurrent: Count = Field(
        default=0,
        description="Requests to apps at once, counted likewise, for each worker; above: 429; 0 sets no limit.",
    )
    http2_streams: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        default=100,
        description="Requests that an HTTP/2 connection may carry at once; above, clients must repeat them.",
    )
