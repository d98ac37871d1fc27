"""Every exception of gatekeeper.

::

    GatekeeperError
    ├── UsageError            the command line is not valid (exit 2)
    ├── ConfigurationError    the configuration has mistakes; lists all of them (exit 2)
    ├── StartError            the configuration is valid, but the gate cannot start: port in use … (exit 1)
    ├── AuthorityError        a ``gatekeeper ca`` command cannot be carried out (exit 1)
    ├── ACMEError             a directory gives no certificate; it is asked again later
    ├── InvitationError       the folder of invitations, or one in it, cannot be used (exit 1; 503 for a visitor)
    ├── MessageError          the peer's HTTP is wrong; carries the status to answer with
    ├── HTTP2Error            the peer's HTTP/2 is wrong beyond one stream; the connection ends
    ├── UnreachableError      an upstream cannot be connected to; carries the status to answer with
    ├── ProxyHeaderError      a PROXY header is malformed, missing or not allowed; the connection ends
    ├── TLSError              the peer's TLS is wrong; the connection ends
    │   └── PlainHTTPError    it is no TLS at all but HTTP, and can be answered as such
    ├── PackageChangedError   another version is installed than runs, and a module is not loaded yet
    └── BindingError          Python's OpenSSL cannot be used directly; the gate goes on with TLS alerts

Errors carry parts; ``__str__`` makes the sentence. Exceptions of other libraries stop at the edge where they arise and
go on as one of these.
"""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath


class GatekeeperError(Exception):
    """The base class of every exception that gatekeeper raises on purpose."""


class UsageError(GatekeeperError):
    """The command line is not valid."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a configuration: where it stands and what is wrong with it.

    ``key`` is the dotted path (``server.listen``, ``routes[1].path``), empty when the whole file is meant; ``line``
    counts from 1, and is None where no line can be named (a missing key, a file that cannot be read).
    """

    key: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class ConfigurationError(GatekeeperError):
    """The configuration cannot be used; ``mistakes`` lists everything that is wrong with it, at least one entry.
    ``command`` is the one that cannot be carried out because of that, where it is not the command's purpose to say so.
    """

    def __init__(self, *mistakes: Mistake, source: str = "", command: str = "") -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes
        self.source = source
        self.command = command

    def __str__(self) -> str:
        prefix = f"{self.source}: " if self.source else ""
        lines = [f"{prefix}{mistake}" for mistake in self.mistakes]
        if self.command:
            lines.append(f"{self.command} needs a configuration that loads; gatekeeper check lists all its mistakes")
        return "\n".join(lines)


def mistakes_of(*loads: Callable[[], object]) -> Iterator[Mistake]:
    """The mistakes of all these loads together: one that fails does not hide the next."""
    for load in loads:
        try:
            load()
        except ConfigurationError as error:
            yield from error.mistakes


class StartError(GatekeeperError):
    """The configuration is valid, but the gate cannot start: a port in use, no permission, …"""


class AuthorityError(GatekeeperError):
    """A command of the certificate authority cannot be carried out; nothing was changed."""


class InvitationError(GatekeeperError):
    """The folder of invitations, or an invitation in it, cannot be used. The sentence is for log and terminal only."""


class MessageError(GatekeeperError):
    """An HTTP message that is rejected with ``status``; ``detail`` is safe to show to its sender."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.status}: {self.detail}"


class HTTP2Error(GatekeeperError):
    """An HTTP/2 connection error (RFC 9113, 5.4.1). ``code`` goes into GOAWAY, ``detail`` is for the log only."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.detail} (error code {self.code})"


class StreamResetError(ConnectionResetError):
    """An app ended one response with RST_STREAM (RFC 9113, 6.4); ``code`` is its error code (section 7)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the stream was reset, code {code}")
        self.code = code


class UnreachableError(GatekeeperError):
    """An endpoint of an upstream cannot be connected to. ``sentence`` is for the visitor, ``why`` for the log only."""

    def __init__(self, status: int, sentence: str, why: str) -> None:
        super().__init__(status, sentence, why)
        self.status = status
        self.sentence = sentence
        self.why = why

    def __str__(self) -> str:
        return self.why or self.sentence


class ProxyHeaderError(GatekeeperError):
    """A load balancer's PROXY header is malformed, missing or not allowed."""


class TLSError(GatekeeperError):
    """A TLS handshake or record that cannot be accepted. ``detail`` is OpenSSL's own words, for the log only."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class PlainHTTPError(TLSError):
    """The first byte that a visitor sent is a letter: HTTP without TLS. Nothing reached OpenSSL."""

    def __init__(self) -> None:
        super().__init__("plain HTTP on the TLS port")


class BindingError(GatekeeperError):
    """The OpenSSL that Python runs on cannot be used directly, or does not behave as expected."""


class ACMEError(GatekeeperError):
    """An ACME directory issues no certificate, or cannot be reached."""


class PackageChangedError(GatekeeperError, ImportError):
    """The package on disk is not the one that this process was started from."""

    def __str__(self) -> str:
        return "the package on disk has changed: run gatekeeper upgrade"


# Of an exception's text, which may contain whole certificates.
_LONGEST_ERROR = 200


def in_one_line(error: BaseException) -> str:
    """An unexpected exception for the log: its type, the beginning of its text, and where it was raised."""
    last = traceback.extract_tb(error.__traceback__, limit=-1)
    where = "".join(f" ({PurePath(frame.filename).name}, line {frame.lineno})" for frame in last)
    return f"{type(error).__name__}: {ascii(str(error))[1:-1][:_LONGEST_ERROR]}{where}"
