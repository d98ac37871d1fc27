"""Addresses of listeners and upstreams: small values that parse and print their own text."""

import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*",
    re.ASCII,
)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
# The default address of the admin listener
DEFAULT_ADMIN = "127.0.0.1:9000"
HTTP_URL = re.compile(r"http://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-\[\]-~]*)?", re.ASCII)
"""The URL of a CRL; its groups are host and port. User names, and escapes before the path, are rejected, because
programs interpret them differently.
"""
Scheme = Literal["http", "https", "h2c", "h2", "unix", "static"]
_DEFAULT_PORTS: dict[Scheme, int] = {"http": 80, "https": 443, "h2c": 80, "h2": 443}


def quoted(text: str) -> str:
    """Text for an error message: in quotes, without control characters, shortened to less than a line."""
    plain = "".join(char if char.isprintable() else "?" for char in text[:80])
    return f'"{plain}"' if len(text) <= 80 else f'"{plain[:76]}…"'


def joined(folder: Path, path: Path) -> Path:
    """``folder / path`` for an absolute folder that exists, without ``folder/..`` where that is the folder above.

    It is another one where ``folder`` is a symbolic link (path_resolution(7)), and stays as it is there.
    """
    while path.parts[:1] == ("..",) and not folder.is_symlink():
        folder, path = folder.parent, Path(*path.parts[1:])
    return folder / path


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address: ``host`` is a name or an IP address without brackets, ``port`` 0 lets the kernel pick one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SocketPath:
    """A Unix socket in the file system."""

    path: Path

    def within(self, folder: Path) -> "SocketPath":
        """The same, with a relative path starting at ``folder``."""
        return SocketPath(joined(folder, self.path))

    def __str__(self) -> str:
        return f"unix:{self.path}"


ListenAddress = Address | SocketPath


def parse_listen(text: str) -> ListenAddress:
    """Read ``"0.0.0.0:8443"``, ``"[::]:8443"``, ``"localhost:0"`` or ``"unix:/run/gate.sock"``.

    ValueError has the message. Not checked: whether the address exists on this machine.
    """
    if text.startswith("unix:"):
        return SocketPath(_socket_path(text))
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f'should be an address and a port, such as "0.0.0.0:8443" or "[::]:8443"; got {quoted(text)}')
    number = _parse_port(port, lowest=0)
    if host in ("", "*"):
        raise ValueError(f'names no address: write "0.0.0.0:{port}" for all IPv4 addresses, or "[::]:{port}" for IPv6')
    return Address(parse_host(host), number)


@dataclass(frozen=True, slots=True)
class UpstreamURL:
    """The URL of an upstream. ``path`` is for unix and static, ``host`` and ``port`` for the others."""

    scheme: Scheme
    host: str = ""
    port: int = 0
    path: Path | None = None

    @property
    def address(self) -> ListenAddress | None:
        """The address to connect to; None for static, which has none."""
        if self.scheme == "unix" and self.path is not None:
            return SocketPath(self.path)
        return Address(self.host, self.port) if self.host else None

    @property
    def encrypted(self) -> bool:
        """Whether the connection to the app uses TLS."""
        return self.scheme in ("https", "h2")

    @property
    def is_http2(self) -> bool:
        """Whether the app speaks HTTP/2: in the clear by prior knowledge (RFC 9113, 3.3), or in TLS by ALPN."""
        return self.scheme in ("h2c", "h2")

    def within(self, folder: Path) -> "UpstreamURL":
        """The same, with a relative path starting at ``folder``."""
        return self if self.path is None else replace(self, path=joined(folder, self.path))

    def __str__(self) -> str:
        if self.path is not None:
            return f"{self.scheme}:{self.path}"
        return f"{self.scheme}://{Address(self.host, self.port)}"


def parse_upstream(text: str) -> UpstreamURL:
    """Read ``http://host[:port]``, the same with ``https``, ``h2c`` or ``h2``, ``unix:/path/to/socket`` or
    ``static:/folder``.

    ValueError has the message. A path after the host is rejected: the request target is forwarded unchanged, so the
    path would have no effect.
    """
    if text.startswith("unix:"):
        return UpstreamURL("unix", path=_socket_path(text))
    if text.startswith("static:"):
        return UpstreamURL("static", path=_local_path(text, "static:", "folder"))
    scheme = next((scheme for scheme in _DEFAULT_PORTS if text.startswith(f"{scheme}://")), None)
    if scheme is None:
        raise ValueError(f"should begin with http://, https://, h2c://, h2://, unix: or static:; got {quoted(text)}")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(f"is not a URL: {quoted(text)}") from None
    _refuse_extras(text, parts)
    host, port = _split_port(parts.netloc)
    number = _DEFAULT_PORTS[scheme] if port is None else _parse_port(port, lowest=1)
    return UpstreamURL(scheme, parse_host(host), number)


def _refuse_extras(text: str, parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if "?" in text or "#" in text:
        raise ValueError(f"must not hold a query or a fragment; got {quoted(text)}")
    if parts.path not in ("", "/"):
        raise ValueError(
            f"must end after the host and port, because paths are passed on as they came; take {quoted(parts.path)} off"
        )
    if any(char <= " " or char == "\\" or not char.isascii() for char in text):
        raise ValueError(f"contains a character that is not allowed in a URL: {quoted(text)}")


def _split_port(netloc: str) -> tuple[str, str | None]:
    if netloc.endswith("]") or ":" not in netloc:
        return netloc, None
    host, _, port = netloc.rpartition(":")
    return host, port


def parse_host(text: str) -> str:
    """The host of ``"app.internal"``, ``"192.0.2.7"`` or ``"[::1]"``, without brackets; ValueError with the message."""
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError(f"{quoted(text)} is not an IPv6 address") from None
    if ":" in text:
        raise ValueError(
            f'should be a host name or address, an IPv6 one in brackets such as "[::1]"; got {quoted(text)}'
        )
    if re.fullmatch(r"[0-9.]+", text, re.ASCII):
        try:
            return str(IPv4Address(text))
        except ValueError:
            raise ValueError(f"{quoted(text)} is not an IPv4 address") from None
    if "*" in text:
        raise ValueError(f"{quoted(text)} has a star, but there are no wildcards here; write each host name in full")
    if not _NAME.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a host name" if text else "names no host")
    return text


def _parse_port(text: str, *, lowest: int) -> int:
    if not _PORT.fullmatch(text) or not lowest <= int(text) <= 65535:
        raise ValueError(f"should have a port from {lowest} to 65535; got {quoted(text)}")
    return int(text)


def _socket_path(text: str) -> Path:
    return _local_path(text, "unix:", "socket")


def _local_path(text: str, prefix: str, what: str) -> Path:
    rest = text.removeprefix(prefix)
    if rest.startswith("//") and not rest.startswith("///"):
        raise ValueError(f'should be "{prefix}/path/to/{what}"; got {quoted(text)}')
    if (not rest.strip("/") and what == "socket") or not rest or "\0" in rest:
        raise ValueError(f'names no {what}: write "{prefix}/path/to/{what}"')
    return Path("/" + rest.lstrip("/")) if rest.startswith("/") else Path(rest)
