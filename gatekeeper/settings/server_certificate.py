"""The table of a further server certificate."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, StrictBool, model_validator

from gatekeeper.settings.table import Table
from gatekeeper.settings.types import File, HostName
from gatekeeper.settings.validation import OneOrMany


class ServerCertificateSettings(Table):
    """A certificate for visitors that ask (by SNI) for a name it carries; an exact name comes before a wildcard."""

    certificate: File | None = Field(
        default=None,
        examples=["b.pem"],
        description="The certificate, PEM, with its chain; left out with server.certificates.domains.",
    )
    key: File | None = Field(default=None, examples=["b.key"], description="Its private key, PEM.")
    key_passphrase_file: File | None = Field(
        default=None,
        examples=["b-passphrase.txt"],
        description="A file whose first line is the passphrase of the key.",
    )
    domains: Annotated[tuple[HostName, ...], OneOrMany] = Field(
        default=(),
        examples=[["www.example.com"]],
        description="In place of the files: the names and IP addresses of a certificate that [acme] orders. The first "
        "one names its files in acme.folder.",
    )
    ask: StrictBool = Field(
        default=True,
        description="Whether visitors of these names are asked for a client certificate. With false, browsers show no "
        "choice of certificates there, and every route for these names must be public.",
    )

    @property
    def files(self) -> tuple[Path, Path] | None:
        """The files with the certificate and its key, None where [acme] orders it."""
        return (self.certificate, self.key) if self.certificate is not None and self.key is not None else None

    @model_validator(mode="after")
    def _comes_from_one_source(self) -> Self:
        if self.domains and (self.certificate or self.key or self.key_passphrase_file):
            raise ValueError("has domains, so [acme] orders it; leave out certificate, key and key_passphrase_file")
        if not self.domains and self.files is None:
            raise ValueError("should have certificate and key, or domains for [acme] to order")
        return self
