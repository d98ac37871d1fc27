"""The tables about visitors: whose certificates are accepted, who may send which request, what all others get."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from gatekeeper.settings.certificate_types import (
    OID,
    Attribute,
    DNSPattern,
    EmailPattern,
    Fingerprint,
    Name,
    Pin,
    Purpose,
    Serial,
    URIPattern,
)
from gatekeeper.settings.crl_types import CDP, CRLHost, CRLSource
from gatekeeper.settings.host_authorities import HostAuthoritiesSettings
from gatekeeper.settings.http_types import HeaderValue, Method, Origins, ResponseHeaderName, RoutePath, WebURL
from gatekeeper.settings.table import Table
from gatekeeper.settings.types import Duration, File, Folder, HostName, Network, Size, Text, UpstreamName, sized
from gatekeeper.settings.validation import OneOrMany


class ClientAuthSettings(Table):
    """Who is admitted: the authorities whose client certificates are accepted, and how strictly they are judged."""

    ca: Annotated[tuple[File, ...], Field(min_length=1), OneOrMany] = Field(
        examples=["client-ca.crt"],
        description="The authorities whose client certificates are accepted: a PEM bundle, or a list of them.",
    )
    crl: Annotated[tuple[CRLSource, ...], OneOrMany] = Field(
        default=(),
        examples=[["client-ca.crl", "http://pki.example.com/ca.crl"]],
        description='Lists of revoked certificates (CRLs), PEM or DER: files, http URLs, and "cdp" for the '
        "distribution points that certificates name.",
    )
    crl_hosts: Annotated[tuple[CRLHost, ...], OneOrMany] = Field(
        default=(),
        examples=[["pki.example.com"]],
        description='The hosts from which "cdp" may fetch lists, with a port if it is not 80.',
    )
    crl_folder: Folder | None = Field(
        default=None,
        examples=["/var/lib/gatekeeper/crl"],
        description="Where fetched lists are kept; the user of the gate must be able to write there.",
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
        description="Whether admitted visitors may resume a worker's TLS session for an hour; each request is judged.",
    )
    depth: Annotated[StrictInt, Field(ge=0, le=100)] = Field(
        default=5,
        description="How many authorities may stand between a visitor's certificate and a trusted authority.",
    )
    certificate_size: Annotated[Size, sized(512, 1 << 20, "less holds no certificate")] = Field(
        default=16 << 10,
        description="The certificates that a client sends in the handshake, all together; above, the handshake fails. "
        "From 512B to 1MiB.",
    )
    hosts: tuple[HostAuthoritiesSettings, ...] = Field(
        default=(),
        examples=[[{"hosts": ["partners.example.com"], "ca": "partners-ca.crt"}]],
        description="Hosts with their own authorities; usually written as [[client_auth.hosts]].",
    )
    on_refusal: Literal["page", "handshake"] = Field(
        default="page",
        description='How a bad certificate is refused: "page" answers HTTP 403, "handshake" sends a TLS alert.',
    )

    @property
    def crl_files(self) -> tuple[Path, ...]:
        """The lists that are files."""
        return tuple(one for one in self.crl if isinstance(one, Path))

    @property
    def crl_urls(self) -> tuple[str, ...]:
        """The lists that are fetched from a configured URL."""
        return tuple(one for one in self.crl if isinstance(one, str) and one != CDP)

    @property
    def uses_distribution_points(self) -> bool:
        """Whether lists are fetched from the distribution points that certificates name."""
        return CDP in self.crl


class RuleSettings(Table):
    """What a certificate must contain. All keys given must match; of a repeated attribute, one value must."""

    cn: Attribute | None = Field(default=None, examples=["alice"], description="The subject's common name.")
    o: Attribute | None = Field(default=None, examples=["Example Ltd"], description="An organization of the subject.")
    ou: Attribute | None = Field(default=None, examples=["ops"], description="An organizational unit of the subject.")
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
    subject_serial: Attribute | None = Field(
        default=None,
        examples=["PNODE-12345678"],
        description="A serialNumber in the subject: the person's or device's number, not the certificate's.",
    )
    uid: Attribute | None = Field(default=None, examples=["alice"], description="A user ID (UID) in the subject.")
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
    issuer: Attribute | None = Field(
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


class RouteResponseSettings(Table):
    """The headers of a route's responses; headers named here override those in [response]."""

    headers: Mapping[ResponseHeaderName, HeaderValue] = Field(
        default_factory=dict,
        examples=[{"Cache-Control": "no-store"}],
        description='Headers to set, by name; "" removes one, and "+" in front of a name adds a line.',
    )

    @model_validator(mode="after")
    def _adds_something(self) -> Self:
        _check_added(self.headers)
        return self


class ResponseSettings(Table):
    """The headers of every response, those of the gate itself included."""

    headers: Mapping[ResponseHeaderName, HeaderValue] = Field(
        default_factory=dict,
        examples=[{"X-Frame-Options": "DENY"}],
        description='Headers to set, by name; "" removes what an app sends, "+" before a name adds a line.',
    )
    hsts: Duration | None = Field(
        default=None,
        examples=["365d"],
        description="How long browsers use HTTPS only for this site (Strict-Transport-Security); whole seconds.",
    )

    @model_validator(mode="after")
    def _adds_something(self) -> Self:
        _check_added(self.headers)
        return self


def _check_added(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name.startswith("+") and not value:
            raise ValueError(f'has no value to add for "{name}"')


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
        description="Its name on the start page /.gatekeeper/me, as a link; needs [invitations].",
    )
    methods: Annotated[tuple[Method, ...], Field(min_length=1), OneOrMany] = Field(
        default=(), examples=[["GET", "POST"]], description="The request methods; without it, every method."
    )
    strip_prefix: StrictBool = Field(
        default=False,
        description="Whether the app gets the path without the part before the star: /photos/a as /a.",
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
    allow_from: Annotated[tuple[Network, ...], Field(min_length=1), OneOrMany] = Field(
        default=(),
        examples=[["192.168.0.0/16"]],
        description="The networks that may send these requests, in addition to allow and deny; without it, every one.",
    )
    public: StrictBool = Field(
        default=False,
        description="Whether no certificate is needed (webhooks, manifests); identity headers are still removed.",
    )
    cors_preflight: Origins = Field(
        default=False,
        description="Whether CORS preflights pass without a certificate: true, or a list of allowed origins.",
    )

    response: RouteResponseSettings = Field(
        default_factory=RouteResponseSettings,
        description="What is changed in the responses of this route.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.strip_prefix and (not self.path.endswith("/*") or self.path == "/*"):
            raise ValueError('has strip_prefix, which needs a path such as "/photos/*"')
        if self.public and (self.allow or self.deny):
            raise ValueError("is public, so it cannot ask who the visitor is; take public or allow and deny out")
        return self


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
    """503 and a page for everyone while a file exists, which `gatekeeper maintenance on` creates and `off` removes."""

    file: File = Field(
        examples=["/var/lib/gatekeeper/maintenance"],
        description="While this file exists, no request reaches an app; the gate notices within a second.",
    )
    allow: Annotated[tuple[RuleSettings, ...], Field(min_length=1)] = Field(
        default=(),
        examples=[[{"ou": "ops"}]],
        description="Whose requests still reach the apps, by the same rules as allow of a route.",
    )
    retry_after: Duration = Field(default=600.0, description="The value of the header Retry-After; whole seconds.")


class InvitationsSettings(Table):
    """Links that install a certificate on a device. Off without this table."""

    folder: Folder = Field(
        examples=["/var/lib/gatekeeper/invitations"],
        description="Where `gatekeeper ca invite` puts invitations and the gate finds them.",
    )
