"""Header lines that the operator sets, adds or removes in responses (``[response]`` and ``routes.response``)."""

from collections.abc import Mapping
from dataclasses import replace

from gatekeeper.wire.response import ResponseHead

# As many edited heads as read ones are remembered (`gatekeeper.wire.response`), and of the same length.
_CACHED_HEADS = 256
_CACHED_HEAD_BYTES = 4096

STRICT_TRANSPORT_SECURITY = "Strict-Transport-Security"
"""RFC 6797: for so many seconds a browser comes by HTTPS alone."""

OwnHeaders = tuple[tuple[str, str], ...]


class HeaderEdits:
    """The edits of one route, made in each response that is forwarded there.

    ``headers`` are names and values: a value takes the place of all lines of that name, an empty one leaves none. A
    name behind a plus sign adds a line to those that the app sent.
    """

    __slots__ = ("_added", "_edited", "_removed", "_set")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._set = tuple((name, value) for name, value in headers.items() if value and not name.startswith("+"))
        self._added = tuple((name[1:], value) for name, value in headers.items() if name.startswith("+"))
        names = [name for name in headers if not name.startswith("+")]
        self._removed = frozenset(name.lower().encode("ascii") for name in names)
        self._edited: dict[bytes, ResponseHead] = {}

    def apply(self, head: ResponseHead) -> ResponseHead:
        """The head of a final response as the client gets it."""
        edited = self._edited.get(head.wire_head)
        if edited is None:
            edited = self._edit(head)
            if len(head.wire_head) <= _CACHED_HEAD_BYTES:
                if len(self._edited) >= _CACHED_HEADS:
                    self._edited.clear()
                self._edited[head.wire_head] = edited
        return edited

    def missing_in(self, headers: OwnHeaders) -> OwnHeaders:
        """What a response of the gate itself with these headers gets too; what it says itself stays as it is."""
        present = {name.lower() for name, _ in headers}
        return tuple(one for one in (*self._set, *self._added) if one[0].lower() not in present)

    def _edit(self, head: ResponseHead) -> ResponseHead:
        line, *lines = head.fields.split(b"\r\n")[:-1]
        kept = [one for one in lines if one.partition(b":")[0].lower() not in self._removed]
        new = [f"{name}: {value}".encode("latin-1") for name, value in (*self._set, *self._added)]
        fields = b"".join(one + b"\r\n" for one in (line, *kept, *new))
        framing = head.wire_head[len(head.fields) :]
        return replace(head, fields=fields, wire_head=fields + framing, hpack=b"")


class ResponseEdits:
    """The edits of a configuration: ``headers`` in every response, and `Strict-Transport-Security` for ``hsts``
    seconds."""

    __slots__ = ("_every", "_general", "_routes")

    def __init__(self, headers: OwnHeaders, hsts: float | None) -> None:
        strict = () if hsts is None else ((STRICT_TRANSPORT_SECURITY, f"max-age={int(hsts)}"),)
        self._general = strict + headers
        self._every = HeaderEdits(_merged(self._general))
        self._routes: dict[OwnHeaders, HeaderEdits] = {(): self._every}

    def forwarded(self, headers: OwnHeaders, head: ResponseHead) -> ResponseHead:
        """The head as the client gets it, by the edits of a route with these ``headers`` of its own, which have the
        last word for each name."""
        edits = self._routes.get(headers)
        if edits is None:
            edits = self._routes[headers] = HeaderEdits(_merged(self._general + headers))
        return edits.apply(head)

    def own(self, headers: OwnHeaders) -> OwnHeaders:
        """The headers of a response of the gate itself."""
        return (*self._every.missing_in(headers), *headers)


def _merged(headers: OwnHeaders) -> dict[str, str]:
    """The last value of each name, whatever its case."""
    return dict({name.lower(): (name, value) for name, value in headers}.values())
