"""The corpus: hostile and odd messages as files, each with what must become of it.

A file is TOML, one table for each message. Bytes are written as text, one character a byte: ``\\r``, ``\\n``, ``\\t``,
``\\xHH`` and ``\\\\`` stand for what they do in Python, ``<<a*100>>`` for a hundred times a. The line ends of the file
itself mean nothing.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatekeeper.wire.rules import MessageRule

FOLDER = Path(__file__).parent
RULES = {rule.id: rule for rule in MessageRule}
_REPEATED = re.compile(r"<<(.+?)\*([0-9]+)>>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RequestMessage:
    """What a client sends, and what must come of it.

    ``rule`` is the rule of docs/http.md that it is about. ``statuses`` are those of the answers. ``app`` is what the
    app gets, without the lines that the gate adds; ``cut`` says that it gets the beginning of a request and then a
    reset. ``closes`` says that the gate ends the connection.
    """

    name: str
    rule: str
    sent: bytes
    statuses: tuple[int, ...]
    app: bytes
    cut: bool
    closes: bool

    @property
    def broken(self) -> MessageRule | None:
        """The rule that the message breaks, None if it passes."""
        return RULES.get(self.rule)


@dataclass(frozen=True, slots=True)
class ResponseMessage:
    """What an app sends to a request, and what must come of it.

    ``method`` and ``version`` are those of the request, ``closed`` says that the app closes the connection afterwards.
    ``client`` is what the client gets; where it is empty, an answer of the gate with ``status``. ``cut`` says that it
    ends without a goodbye. ``kept`` says that the app's connection serves the next request.
    """

    name: str
    rule: str
    sent: bytes
    method: str
    version: str
    closed: bool
    status: int
    client: bytes
    cut: bool
    kept: bool


def requests() -> list[RequestMessage]:
    """Every message of ``requests/``."""
    return [_request(name, table) for name, table in tables("requests")]


def responses() -> list[ResponseMessage]:
    """Every message of ``responses/``."""
    return [_response(name, table) for name, table in tables("responses")]


def _request(name: str, table: dict[str, Any]) -> RequestMessage:
    rule = table.pop("rule")
    broken = RULES.get(rule)
    message = RequestMessage(
        name,
        rule,
        octets(table.pop("sent")),
        tuple(table.pop("statuses", [broken.status if broken else 200])),
        octets(table.pop("app", "")),
        table.pop("cut", False),
        table.pop("closes", broken is not None),
    )
    assert not table, f"{name}: {table} means nothing"
    assert broken or message.app, f"{name}: a message that passes says what the app gets"
    return message


def _response(name: str, table: dict[str, Any]) -> ResponseMessage:
    message = ResponseMessage(
        name,
        table.pop("rule"),
        octets(table.pop("sent")),
        table.pop("method", "GET"),
        table.pop("version", "1.1"),
        table.pop("closed", False),
        table.pop("status", 0),
        octets(table.pop("client", "")),
        table.pop("cut", False),
        table.pop("kept", False),
    )
    assert not table, f"{name}: {table} means nothing"
    assert (message.status == 0) == bool(message.client), f"{name}: either status or client"
    return message


def tables(folder: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and table of each message in the files of a folder."""
    found = []
    for path in sorted((FOLDER / folder).glob("*.toml")):
        messages = tomllib.loads(path.read_text("ascii"))["message"]
        found += [(f"{path.stem}/{table.pop('name')}", table) for table in messages]
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), "two messages have one name"
    return found


def octets(text: str) -> bytes:
    """The bytes that a text of the corpus stands for."""
    unescaped = text.replace("\n", "").encode("ascii").decode("unicode_escape")
    return _REPEATED.sub(lambda match: match[1] * int(match[2]), unescaped).encode("latin-1")
