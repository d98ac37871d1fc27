"""Loads the libraries that only some gates need: once, before workers are forked, so that they share the memory."""

from importlib import import_module
from typing import TYPE_CHECKING

from gatekeeper.process.renewing import load_libraries
from gatekeeper.proxy.ocsp import load_client

if TYPE_CHECKING:
    from gatekeeper.settings.tables import Settings

# Loaded when a request or a reload needs them.
_ON_DEMAND = (
    "cryptography.hazmat.primitives.serialization.pkcs7",
    "cryptography.x509",
    "gatekeeper.acme.report",
    "gatekeeper.local.answers",
    "gatekeeper.x509.signatures",
    "importlib.resources",
    "shutil",
    "tempfile",
)


def preload(settings: "Settings", *, everything: bool) -> None:
    """Load what these settings need. With ``everything`` also what a request or a reload may need later: workers that
    give up root may be unable to read Python's folder, which may be root's alone.
    """
    if settings.client_auth.ocsp != "off":
        load_client()
    if settings.acme is not None:
        load_libraries()
    if everything:
        for name in _ON_DEMAND:
            import_module(name)

        from gatekeeper.refusal.page import builtin_page

        builtin_page()
