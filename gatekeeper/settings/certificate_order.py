"""Which certificates the gate orders itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CertificateOrder:
    """A certificate that ``[acme]`` orders: its names, and what tells its files from those of others in the folder.
    That is "" for the certificate of ``acme.domains``, else the first name.
    """

    names: tuple[str, ...]
    lineage: str = ""
