"""The tables about the headers that tell an app who the visitor is."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from gatekeeper.settings.http_types import HeaderName, HeaderPattern, Template
from gatekeeper.settings.table import Table
from gatekeeper.settings.types import Duration, DurationOrOff, File, Text
from gatekeeper.settings.validation import OneOrMany

HeaderPreset = Literal["nginx", "rfc9440", "remote-user", "xfcc", "traefik"]


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
        """The dates in the token are whole seconds, and the app needs half of the lifetime to use it."""
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
        description="Further headers that no visitor may send to an app, besides those in the headers reference.",
    )
    passing: tuple[HeaderPattern, ...] = Field(
        default=(),
        alias="pass",
        examples=[["CF-Connecting-IP"]],
        description="Headers in that reference that visitors may send all the same. An app that knows such a "
        "header trusts it, whoever sent it.",
    )
    expiry_warning: DurationOrOff = Field(
        default=14 * 86400.0,
        description='How long before a certificate expires visitor and app are warned, in headers; or "off".',
    )
