"""The https address of what was asked for over plain HTTP."""

import re

from gatekeeper.gate.paths import read_host

_PORT = re.compile(rb":([0-9]{1,5})\Z")


def https_url(host: bytes, target: bytes, port: int | None = None) -> str | None:
    """The same host and path as an https URL; None if the Host header holds neither a name nor an address.

    ``target`` is in origin-form or ``*`` (RFC 9112, 3.2), as `RequestReader` gives it. A Host without a port stays
    without one: whoever reached port 80 finds https on 443. A port in Host is replaced by ``port``, if that is given.
    """
    name = read_host(host)
    if name is None:
        return None
    said = _PORT.search(host)
    number = 443 if said is None else port or int(said[1])
    authority = f"[{name}]" if ":" in name else name
    where = "" if number == 443 else f":{number}"
    path = target.decode("ascii") if target.startswith(b"/") else "/"
    return f"https://{authority}{where}{path}"
