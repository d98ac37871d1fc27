"""The ``gatekeeper.toml`` that ``gatekeeper init`` writes."""

from collections.abc import Collection

_STARTER = """\
# gatekeeper stands in front of your app: whoever shows a good client certificate is let through, everybody else gets
# a 403 that says why.
#
#   gatekeeper check     says whether this file is right, and every mistake in it at once
#   gatekeeper serve     opens the gate
#
# Paths start at the folder of this file. ${{NAME}} in a string is filled from the environment.

[server]
listen = "0.0.0.0:8443"

# The ordinary HTTPS certificate that visitors see, with its chain, and its key: from Let's Encrypt, or for a lab from
#   gatekeeper ca --dir ca server localhost --dns localhost --ip 127.0.0.1
certificate = "{certificate}"
key = "{key}"

[client_auth]
# Whoever holds a certificate of this authority is let in. To make one, and a certificate for yourself:
#   gatekeeper ca --dir ca init --cn "My CA"
#   gatekeeper ca --dir ca issue alice
# Then import the .p12 into your browser. Only ca.crt belongs on the gate; ca.key stays in a safe place.
ca = "{ca}"
# What it revoked, signed again by each `gatekeeper ca revoke`; once it expires, nobody is admitted.
{crl}crl = "ca/ca.crl"

[upstream]
# Your app. It should listen where only the gate reaches it. Other ways to write it:
#   "https://app.internal"   "unix:/run/app.sock"   "static:/srv/www"
url = "http://127.0.0.1:8000"

[refusal]
# Whom a refused visitor may ask; shown on the page.
#contact = "you@example.com"

[admin]
# For you, not for visitors: /healthz, /readyz, /metrics and /status, without TLS.
listen = "127.0.0.1:9000"
"""


def starter(present: Collection[str] = ()) -> str:
    """A short commented configuration to start from. It can be loaded; the files that it names may not exist yet.

    ``present`` are the files below the folder; those that ``gatekeeper ca`` has made are named instead of examples.
    """
    lab = {"ca/localhost.crt", "ca/localhost.key"} <= {*present}
    authority = {"ca/ca.crt", "ca/ca.crl"} <= {*present}
    return _STARTER.format(
        certificate="ca/localhost.crt" if lab else "fullchain.pem",
        key="ca/localhost.key" if lab else "privkey.pem",
        ca="ca/ca.crt" if authority else "client-ca.crt",
        crl="" if authority else "#",
    )
