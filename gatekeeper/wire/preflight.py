"""CORS preflights: the request that a browser sends before one from another origin."""

import re

from gatekeeper.gate.decision import Preflight
from gatekeeper.wire.headers import TOKEN
from gatekeeper.wire.request import RequestHead

# RFC 6454, 7: one origin. A list of them is what no browser sends with a preflight.
_ORIGIN = re.compile(rb"null|[a-z][a-z0-9+.-]*://[^\s,/?#@]+")
_METHOD = re.compile(TOKEN)


def read_preflight(head: RequestHead) -> Preflight | None:
    """The preflight that this request is, None if it is none (Fetch standard, CORS-preflight fetch).

    A real one is OPTIONS with one origin and one method, and brings no body.
    """
    if head.method != b"OPTIONS" or head.body() is not None:
        return None
    origin, method = head.block.get(b"origin"), head.block.get(b"access-control-request-method")
    if _ORIGIN.fullmatch(origin) is None or _METHOD.fullmatch(method) is None:
        return None
    return Preflight(origin, method)
