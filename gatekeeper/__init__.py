"""A gate in front of an app: TLS with client certificates, 403 and the reason for who has none that is good.

The folders are the architecture, and imports point one way, downwards in this list to upwards:

``errors``, ``settings`` (with ``units``, ``addresses``, ``kinds``, ``watched``)
    what can go wrong, and what can be configured.
``gate``
    may they in? Values in, verdict out: no socket, no clock, no asyncio.
``wire``
    what do the bytes say? The only package that knows the HTTP parser.
``invitations``
    what the administrator leaves in a folder, and the gate hands out once.
``config`` (with ``source``, ``complaints``, ``checks``), ``reference``, ``starter``
    TOML to settings, every mistake at once; settings to documentation; a file to start from.
``tls``
    handshakes that complete for every certificate; the only place that touches OpenSSL's C side.
``ca``
    the certificate authority behind ``gatekeeper ca``; the running proxy never imports it.
``refusal``
    what a refused visitor sees.
``reception``
    what the gate itself answers, to who has no certificate yet.
``proxy``
    move it along: connections, exchanges, tunnels.
``crowd``, ``metrics``, ``access_log``, ``status``, ``admin``
    count, write down, tell.
``refresh``, ``privileges``, ``messages``, ``systemd``, ``worker``, ``crew``, ``supervisor``, ``cli``
    run it.
"""

__version__ = "0.1.0"
