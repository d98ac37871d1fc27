"""The table about certificates that the gate orders itself, by ACME (RFC 8555)."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, model_validator

from gatekeeper.settings.http_types import WebURL
from gatekeeper.settings.table import Table
from gatekeeper.settings.types import File, Folder, HostName, Text
from gatekeeper.settings.validation import OneOrMany

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


class EABSettings(Table):
    """An existing account at the directory's operator (External Account Binding, RFC 8555, 7.3.4)."""

    key_id: Text = Field(examples=["kid-1"], description="The key identifier that the operator gave.")
    hmac_key_file: File = Field(
        examples=["eab.key"], description="A file whose first line is the MAC key that the operator gave, in base64url."
    )


class ACMESettings(Table):
    """Orders and renews HTTPS certificates by ACME (Let's Encrypt and others). Off without this table."""

    domains: Annotated[tuple[HostName, ...], OneOrMany] = Field(
        default=(),
        examples=[["gate.example.com"]],
        description="The names and IP addresses of the certificate; without it, all hosts of the routes that are not "
        "in server.certificates.domains.",
    )
    email: Text | None = Field(
        default=None, examples=["you@example.com"], description="The contact address for the directory's operator."
    )
    directory: Annotated[tuple[WebURL, ...], Field(min_length=1), OneOrMany] = Field(
        default=(LETS_ENCRYPT,),
        description="The ACME directory; in a list, the next one is tried if one issues no certificate.",
    )
    accept_terms: StrictBool = Field(
        examples=[True], description="Whether you agree to the terms of service of the directories; must be true."
    )
    folder: Folder = Field(
        examples=["/var/lib/gatekeeper/acme"],
        description="Where account keys, certificates and pending challenges are kept; replicas may share it.",
    )
    challenge: Literal["http-01", "tls-alpn-01"] = Field(
        default="http-01",
        description='How control of the names is proved: "http-01" on port 80 (server.redirect), "tls-alpn-01" on 443.',
    )
    profile: Text | None = Field(
        default=None,
        examples=["shortlived"],
        description="A profile that the directory offers, such as one for short-lived certificates.",
    )
    eab: EABSettings | None = Field(
        default=None,
        examples=[{"key_id": "kid-1", "hmac_key_file": "eab.key"}],
        description="External Account Binding, for directories that require it.",
    )
    ca: File | None = Field(
        default=None,
        examples=["directory-ca.pem"],
        description="The authorities that the directory's own certificate must come from; without it, public ones.",
    )

    @model_validator(mode="after")
    def _terms_are_accepted(self) -> Self:
        if not self.accept_terms:
            raise ValueError("has accept_terms = false; no directory issues certificates without it")
        if any(not url.startswith("https://") for url in self.directory):
            raise ValueError("names a directory without https:// (RFC 8555, 6.1)")
        return self
