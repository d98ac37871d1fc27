"""The ``gatekeeper.toml`` that ``gatekeeper init`` writes."""

from collections.abc import Collection

_STARTER = """\
# gatekeeper stands in front of your app. It forwards requests of clients with a valid certificate; everyone else gets
# 403 and the reason.
#
#   gatekeeper check     checks this file and the files that it names, and reports every mistake at once
#   gatekeeper serve     runs the gate
#
# Paths start at the folder of this file. ${{NAME}} in a string is replaced by the environment variable.

[server]
# Every IPv4 address of this machine. To try it out by yourself: "127.0.0.1:8443"
listen = "0.0.0.0:8443"

# The ordinary HTTPS certificate that visitors see, with its chain, and its key: from Let's Encrypt, or for a lab from
#   gatekeeper ca --dir ca server localhost --dns localhost --ip 127.0.0.1
certificate = "{certificate}"
key = "{key}"

[client_auth]
# The authority whose certificates are accepted. To create one, and a certificate for yourself:
#   gatekeeper ca --dir ca init --cn "My CA"
#   gatekeeper ca --dir ca issue alice
# Then import the .p12 into your browser. On the gate only ca.crt and ca.crl are needed; keep ca.key in a safe place.
ca = "{ca}"
# Its revocation list, which each `gatekeeper ca revoke` signs again. On an expired list the gate admits nobody.
{crl}crl = "ca/ca.crl"

[upstream]
# Your app. It should listen where only the gate can reach it. Other forms of the address:
#   "https://app.internal"   "unix:/run/app.sock"   "static:/srv/www"
url = "http://127.0.0.1:8000"

[refusal]
# Whom refused visitors can ask; shown on the page.
#contact = "you@example.com"

[admin]
# For operators, not for visitors: /healthz, /readyz, /metrics and /status, without TLS.
listen = "127.0.0.1:9000"
"""

_LAB = frozenset({"ca/localhost.crt", "ca/localhost.key"})
_AUTHORITY = frozenset({"ca/ca.crt", "ca/ca.crl"})


def left_to_enter(present: Collection[str]) -> list[str]:
    """What a person has yet to write into the file that `starter` makes of these files."""
    server = [] if {*present} >= _LAB else ["the server's certificate and key"]
    authority = [] if {*present} >= _AUTHORITY else ["the authority of your clients"]
    return [*server, *authority, "the address of your app"]


def starter(present: Collection[str] = ()) -> str:
    """A short commented configuration to start from. It can be loaded; the files that it names may not exist yet.

    ``present`` are the files below the folder; those that ``gatekeeper ca`` has made are named instead of examples.
    """
    lab, authority = {*present} >= _LAB, {*present} >= _AUTHORITY
    return _STARTER.format(
        certificate="ca/localhost.crt" if lab else "fullchain.pem",
        key="ca/localhost.key" if lab else "privkey.pem",
        ca="ca/ca.crt" if authority else "client-ca.crt",
        crl="" if authority else "#",
    )
