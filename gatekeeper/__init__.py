"""A gate in front of an app: TLS with client certificates, 403 with the reason for everyone without a valid one.

The folders are the architecture. A module imports from its own package and from those above it in this list:

``errors``
    what can go wrong.
``x509``
    certificates, names, lists and signatures, read as leniently as OpenSSL reads them.
``settings``
    what can be configured.
``gate``
    may they in? Values in, verdict out: no socket, no clock, no asyncio.
``wire``
    what do the bytes say? The only package that knows the HTTP parser.
``invitations``
    what the administrator leaves in a folder, and the gate hands out once.
``config``
    TOML to settings, every mistake at once; settings to documentation; a file to start from.
``tls``
    handshakes that complete for every certificate; the only place that touches OpenSSL's C side.
``ca``
    the certificate authority behind ``gatekeeper ca``; the running proxy never imports it.
``refusal``
    what a refused visitor sees.
``local``
    what the gate itself answers, to visitors without a certificate and about one's own.
``telemetry``
    access log and counters.
``proxy``
    moves it along: connections, exchanges, tunnels.
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
