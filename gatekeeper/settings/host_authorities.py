"""The table of hosts that have their own authorities."""

from typing import Annotated

from pydantic import Field

from gatekeeper.settings.table import Table
from gatekeeper.settings.types import File, HostName
from gatekeeper.settings.validation import OneOrMany


class HostAuthoritiesSettings(Table):
    """Hosts on which these authorities are trusted and no others. They are trusted on no other host."""

    hosts: Annotated[tuple[HostName, ...], Field(min_length=1), OneOrMany] = Field(
        examples=[["partners.example.com"]], description="The names in the Host header."
    )
    ca: Annotated[tuple[File, ...], Field(min_length=1), OneOrMany] = Field(
        examples=["partners-ca.crt"],
        description="The authorities whose client certificates are accepted there: a PEM bundle, or a list of them. "
        "Their CRLs belong in client_auth.crl.",
    )
