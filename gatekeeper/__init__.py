"""A gate in front of an app: TLS with client certificates, 403 with the reason for everyone without a valid one.

The folders are the architecture. A module imports from its own package and from those above it in this list:

``errors``
    what can go wrong.
``package``
    detects that the package on disk is no longer the version that runs.
``x509``
    certificates, names, lists and signatures, read as leniently as OpenSSL reads them.
``settings``
    what can be configured.
``gate``
    decides who is admitted. Values in, verdict out: no socket, no clock, no asyncio.
``wire``
    parses and writes HTTP; the only package that knows the HTTP parser.
``invitations``
    the folder of invitations: written by the administrator, handed out once by the gate.
``config``
    TOML to settings, every mistake at once; settings to documentation; a file to start from.
``acme``
    certificates for the gate itself, ordered from an ACME directory.
``tls``
    handshakes that complete for every certificate; the only place that touches OpenSSL's C side.
``ca``
    the certificate authority behind ``gatekeeper ca``; the running proxy never imports it.
``refusal``
    what a refused visitor sees.
``local``
    requests that the gate itself answers: invitations, and a visitor's own certificate.
``telemetry``
    access log and counters.
``proxy``
    connections, exchanges, tunnels: moves the bytes.
``embedded``
    the apps that come with the gate: static files, the demo.
``admin``
    health, metrics and status for operators.
``process``
    supervisor and workers, reload, privileges.
``cli``
    the command line; the only package that prints.
"""

__version__ = "0.2.0"


def form() -> str:
    """The form that runs: "compiled" if mypyc built the modules on the path of a request, else "pure" (Python)."""
    from importlib.util import find_spec  # loaded only here: it would slow `gatekeeper healthcheck` down

    spec = find_spec("gatekeeper.wire.cache")
    return "pure" if spec is None or str(spec.origin).endswith(".py") else "compiled"
