"""One line for each exchange: who, what, how it ended. Lines are gathered and written by a thread of their own.

A visitor cannot forge a line: JSON escapes every control character, and ``combined`` and ``text`` write everything that is
not visible ASCII, and the quote and backslash, as ``\\xHH`` (as nginx does).
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from gatekeeper.gate.certificate import Certificate

_NOT_PLAIN = re.compile(r'[^ !#-\[\]-~]')


@dataclass(slots=True)
class Record:
    """What the log knows of one exchange. Times are seconds: ``time`` since the epoch, the others how long it took."""

    time: float
    client: str
    method: str
    target: str
    status: int
    sent: int
    duration: float
    upstream_time: float | None
    request_id: str
    certificate: Certificate | None
    host: str = ""
    user_agent: str = ""
    referer: str = ""
    version: str = "HTTP/1.1"
    reason: str = ""
    detail: str = ""


Format = Callable[[Record], str]


def json_line(record: Record) -> str:
    """One JSON object, keys always in the same order; what is not known is left out."""
    line = (
        f'{{"time":"{_iso_time(record.time)}","client":{_quoted(record.client)},"method":{_quoted(record.method)},'
        f'"host":{_quoted(record.host)},"target":{_quoted(record.target)},"status":{record.status},'
        f'"bytes":{record.sent},"duration":{record.duration:.6f},"request_id":{_quoted(record.request_id)}'
    )
    if record.upstream_time is not None:
        line += f',"upstream_time":{record.upstream_time:.6f}'
    if record.certificate is not None:
        line += _json_certificate(record.certificate)
    if record.user_agent:
        line += f',"user_agent":{_quoted(record.user_agent)}'
    if record.reason:
        line += f',"reason":{_quoted(record.reason)},"detail":{_quoted(record.detail)}'
    return line + "}"


def combined_line(record: Record) -> str:
    """The format that Apache and nginx call combined; the remote user is the certificate's common name."""
    user = _plain(record.certificate.common_name) if record.certificate and not record.reason else ""
    return (
        f"{record.client.rpartition(':')[0]} - {user or '-'} [{_clf_time(record.time)}] "
        f'"{_plain(record.method)} {_plain(record.target)} {record.version}" {record.status} {record.sent} '
        f'"{_plain(record.referer) or "-"}" "{_plain(record.user_agent) or "-"}"'
    )


def text_line(record: Record) -> str:
    """For the eye: time, status, method, target, how long, who, and why not."""
    who = _plain(record.certificate.subject) if record.certificate else "no certificate"
    why = f" refused: {record.reason} ({_plain(record.detail)})" if record.reason else ""
    return (
        f"{_iso_time(record.time)} {record.status} {_plain(record.method)} {_plain(record.target)} {record.sent}B "
        f"{record.duration * 1000:.1f}ms {record.client} [{who}]{why} {record.request_id}"
    )


FORMATS: dict[str, Format] = {"json": json_line, "combined": combined_line, "text": text_line}

# Clients repeat themselves: the same target, user agent and address come with every request of a connection.
_quoted = lru_cache(4096)(json.dumps)


@lru_cache(1024)
def _json_certificate(certificate: Certificate) -> str:
    return (
        f',"subject":{json.dumps(certificate.subject)},"serial":{json.dumps(certificate.serial)},'
        f'"fingerprint":{json.dumps(certificate.sha256)}'
    )


@lru_cache(4096)
def _plain(text: str) -> str:
    return _NOT_PLAIN.sub(lambda match: "".join(f"\\x{byte:02X}" for byte in match[0].encode("utf-8", "replace")), text)


@lru_cache(4)
def _iso_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _iso_time(seconds: float) -> str:
    whole = int(seconds)
    return f"{_iso_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(4)
def _clf_second(second: int) -> str:
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[time.gmtime(second).tm_mon - 1]
    return time.strftime(f"%d/{month}/%Y:%H:%M:%S +0000", time.gmtime(second))


def _clf_time(seconds: float) -> str:
    return _clf_second(int(seconds))
