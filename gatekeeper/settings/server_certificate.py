"""The table of a further server certificate."""

from pydantic import Field, StrictBool

from gatekeeper.settings.table import Table
from gatekeeper.settings.types import File


class ServerCertificateSettings(Table):
    """A certificate for visitors that ask (by SNI) for a name it carries; an exact name comes before a wildcard."""

    certificate: File = Field(examples=["b.pem"], description="The certificate, PEM, with its chain.")
    key: File = Field(examples=["b.key"], description="Its private key, PEM.")
    key_passphrase_file: File | None = Field(
        default=None,
        examples=["b-passphrase.txt"],
        description="A file whose first line is the passphrase of the key.",
    )
    ask: StrictBool = Field(
        default=True,
        description="Whether visitors of these names are asked for a client certificate. With false, browsers show no "
        "choice of certificates there, and every route for these names must be public.",
    )
