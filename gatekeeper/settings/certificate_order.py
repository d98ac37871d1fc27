"""Which certificates the gate orders itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CertificateOrder:
    """A certificate that ``[acme]`` orders. ``lineage`` distinguishes its files in the folder: "" for the certificate
    of ``acme.domains``, the first name for others.
    """

    names: tuple[str, ...]
    lineage: str = ""
