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
    "gatekeeper.local.layout",
    "gatekeeper.x509.signatures",
    "importlib.resources",
    "shutil",
    "tempfile",
)


def preload(settings: "Settings", *, everything: bool) -> None:
    """Load what these settings need: workers that start later, after the package on disk has changed, load no more.

    With ``everything`` also what a request or a reload may need later: workers that give up root may be unable to read
    Python's folder, which may be root's alone.
    """
    upstreams = settings.every_upstream.values()
    if settings.client_auth.ocsp != "off":
        load_client()
    if settings.acme is not None:
        load_libraries()
    if settings.client_auth.crl or settings.client_auth.crl_hosts:
        import_module("gatekeeper.x509.signatures")
    if any(one.endpoints[0].scheme == "static" for one in upstreams):
        import_module("gatekeeper.embedded.static")
    if any(one.health_path is not None and not one.endpoints[0].is_http2 for one in upstreams):
        import_module("gatekeeper.proxy.upstream.check")
    if everything:
        for name in _ON_DEMAND:
            import_module(name)

        from gatekeeper.admin.server import load_page
        from gatekeeper.local.layout import load_pages
        from gatekeeper.refusal.page import builtin_page

        builtin_page()
        load_page()
        load_pages()
