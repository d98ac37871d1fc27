"""The table that describes an app: ``[upstream]``, or one of ``[upstreams]``."""

from typing import Self

from pydantic import Field, StrictBool, model_validator

from gatekeeper.settings.addresses import UpstreamURL
from gatekeeper.settings.http_types import HeaderValue, RequestPath, SiteFile, UpgradeProtocol
from gatekeeper.settings.table import Count, Table
from gatekeeper.settings.types import URL, Delay, Duration, File, HostName, SizeOrUnlimited


class UpstreamTimeoutsSettings(Table):
    """The timeouts of one app; those that are missing here are as in [timeouts]."""

    connect: Duration | None = Field(default=None, examples=["1s"], description="As timeouts.connect, for this app.")
    response_header: Duration | None = Field(
        default=None, examples=["10m"], description="As timeouts.response_header, for this app."
    )
    stream_idle: Duration | None = Field(
        default=None, examples=["5m"], description="As timeouts.stream_idle, for this app."
    )
    tunnel_idle: Duration | None = Field(
        default=None, examples=["24h"], description="As timeouts.tunnel_idle, for this app."
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
        description="Whether to accept any certificate from an https upstream; anyone in between can then "
        "impersonate it.",
    )
    host: HostName = Field(
        default="visitor",
        examples=["upstream"],
        description='The Host header for the app: "visitor" for the visitor\'s own, "upstream" for the '
        "URL's, or a name.",
    )
    timeouts: UpstreamTimeoutsSettings | None = Field(
        default=None,
        examples=[{"response_header": "10m"}],
        description="Timeouts for this app alone, instead of those of [timeouts].",
    )
    request_body: SizeOrUnlimited = Field(
        default=None,
        examples=["10GiB"],
        description="The largest body of a request to this app; without it, limits.request_body.",
    )
    request_buffering: StrictBool = Field(
        default=False,
        description="Whether the app gets a request only when its whole body has arrived, and with "
        "Content-Length; the body waits in memory, then in a temporary file.",
    )
    upgrades: tuple[UpgradeProtocol, ...] = Field(
        default=("websocket",),
        examples=[["websocket", "tcp", "SPDY/3.1"]],
        description="The protocols that a visitor may switch to (RFC 9110, 7.8) if the app answers 101. What is then "
        "sent is not judged further.",
    )
    lenient: StrictBool = Field(
        default=False,
        description="Whether to repair the responses of devices that break the rules of HTTP, instead of answering "
        "502: bare LF, control characters, a length beside chunks. Visitors get well-formed ones.",
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
    slow_start: Delay = Field(
        default=10.0, description="How long an endpoint that came back gets fewer requests than the others."
    )
    cache_control: HeaderValue = Field(
        default="private, no-cache",
        examples=["max-age=3600"],
        description="For static: upstreams, the Cache-Control of every file.",
    )
    fallback: SiteFile = Field(
        default="",
        examples=["index.html"],
        description="For static: upstreams, the file that browsers get for a path without a file, as single-page "
        "applications need it.",
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
        _only_for_static(self)
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
    if upstream.lenient:
        raise ValueError("has lenient, which only means something for HTTP/1.1; write an http:// or https:// URL")
    if "upgrades" in upstream.model_fields_set and upstream.upgrades:
        raise ValueError(
            "has upgrades, but over HTTP/2 an app cannot switch protocols; write an http:// or https:// URL"
        )


def _only_for_https(upstream: UpstreamSettings) -> None:
    if (upstream.certificate is None) != (upstream.key is None):
        raise ValueError("needs certificate and key together, or neither of them")
    if any(endpoint.encrypted for endpoint in upstream.endpoints):
        return
    for name in ("ca", "certificate", "server_name", "unsafe_skip_verify"):
        if getattr(upstream, name):
            raise ValueError(f"has {name}, which only means something for an https:// or h2:// upstream")


def _only_for_static(upstream: UpstreamSettings) -> None:
    if upstream.endpoints[0].scheme == "static":
        for name in ("request_buffering", "upgrades", "lenient"):
            if name in upstream.model_fields_set and getattr(upstream, name):
                raise ValueError(f"has {name}, which means nothing for a static: upstream")
        return
    for name in ("cache_control", "fallback"):
        if getattr(upstream, name) != UpstreamSettings.model_fields[name].default:
            raise ValueError(f"has {name}, which only means something for a static: upstream")
