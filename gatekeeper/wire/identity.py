"""The identity as header lines: for the app, and if the certificate is about to expire, for the visitor too.

Written once for each certificate; from request to request the lines are the same bytes.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gatekeeper.gate.certificate import Certificate
from gatekeeper.gate.verdict import Identity
from gatekeeper.wire.assertion import HEADER, Assertions
from gatekeeper.wire.custom import fill
from gatekeeper.wire.dates import http_date
from gatekeeper.wire.foreign import StrippedNames
from gatekeeper.wire.presets import PRESETS, Header

if TYPE_CHECKING:
    from gatekeeper.settings.identity import IdentitySettings

DAY = 86400.0
CACHED_IDENTITIES = 1024
# All certificates of a cached identity together; a larger one is written anew. In lines, certificates take twice their
# bytes for each header that carries them.
CACHED_IDENTITY_BYTES = 8 * 1024

# RFC 9110, 5.5: visible characters, obs-text for UTF-8, and spaces. One at the end is what nginx sends too, for a name
# that ends in one: ``CN=alice\ ``, which nobody takes for ``CN=alice`` whether or not the space is dropped.
_VALUE = re.compile(rb"[!-~\x80-\xff][ -~\x80-\xff]*")


@dataclass(frozen=True, slots=True)
class IdentityLines:
    """Header lines that hold while the time (seconds since the epoch) is before ``until``.

    ``request`` goes to the app, ``response`` to the visitor, whose certificate is about to end unless it is empty.
    """

    request: bytes
    response: bytes
    until: float


class IdentityWriter:
    """Writes what ``[identity]`` asks for. ``server`` is the gate's own certificate, which Envoy's header names."""

    def __init__(self, settings: "IdentitySettings", server: Certificate, assertions: Assertions | None = None) -> None:
        self._settings = settings
        self._server = server
        self._assertions = assertions
        self._lines: Callable[[Identity], bytes] = lru_cache(CACHED_IDENTITIES)(self._write)

    def strips(self, further: Collection[str] = ()) -> StrippedNames:
        """The names that no client may send to an app: other proxies', custom ones, and ``further`` ones."""
        settings = self._settings
        return StrippedNames((*settings.custom, *settings.strip, *further), settings.passing)

    def lines(self, identity: Identity, now: float) -> IdentityLines:
        """The lines at the moment ``now``."""
        size = len(identity.certificate.der) + sum(map(len, identity.chain))
        write = self._lines if size <= CACHED_IDENTITY_BYTES else self._write
        request, response, until = write(identity), b"", float("inf")
        warning = self._settings.expiry_warning
        if warning is not None:
            end = identity.certificate.not_after + 1
            until = end - warning
            if now >= until:
                days = max(0, int((end - now) // DAY))
                until = end - days * DAY if days else float("inf")
                request += b"Gatekeeper-Certificate-Days-Left: %d\r\n" % days
                date = http_date(identity.certificate.not_after)
                response = _line(("Gatekeeper-Certificate-Expires", date))
        if self._assertions is not None:
            assertion = self._assertions.assertion(identity, now)
            request += _line((HEADER, assertion.token))
            until = min(until, assertion.renew)
        return IdentityLines(request, response, until)

    def _write(self, identity: Identity) -> bytes:
        written = [header for name in self._settings.headers for header in PRESETS[name](identity, self._server)]
        written += [(name, fill(template, identity)) for name, template in self._settings.custom.items()]
        return b"".join(_line(header) for header in written if header[1])


def _line(header: Header) -> bytes:
    """One header line in UTF-8. ValueError if the value would break out of it, which names were refused for before."""
    name, value = header
    data = value.encode()
    if _VALUE.fullmatch(data) is None:
        raise ValueError(f"{name} would hold what cannot stand in a header")
    return name.encode("ascii") + b": " + data + b"\r\n"
