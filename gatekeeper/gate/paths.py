"""Ambiguous paths and hosts, and which part of a path every server reads alike.

The app behind the gate reads the target as it was sent, by its own rules: it may decode escapes, once or twice, treat
``\\`` as ``/``, drop ``;parameters``, merge slashes, resolve ``..``, ignore case and accents. A rule for a path holds
only if it holds for each of these readings. A plain path means the same to every server; of any other path, only the
beginning does.
"""

import re
import unicodedata
from ipaddress import IPv6Address
from typing import Literal
from urllib.parse import unquote_to_bytes

# Segments of pchar (RFC 3986, 3.3) without escapes, ";", and what may mean something to NTFS, and what browsers leave
# raw. Not empty, because slashes get merged; without a dot at the end, because Windows drops it (which covers "." and
# ".." too).
_CHARACTER = rb"[A-Za-z0-9_!$&'()*+,=@\"<>\[\]^`{|}-]"
_PLAIN = re.compile(rb"(?:/(?:\.*" + _CHARACTER + rb")+)*/?")
# Where servers begin to read a path differently: an empty segment, a backslash, parameters, dots or spaces at the end
# of a segment, and an escape, unless it stands for a character that no route's path contains and that has no meaning
# in any: space " < > [ ] ^ ` { | } and those beyond ASCII (see `_ambiguous_text`). On NTFS, "admin::$INDEX_ALLOCATION"
# is "admin", and "LONGNA~1" is "longname.html". The lookbehinds keep the search linear in long runs.
_MARK = re.compile(
    rb"(?<=/)/|[\\;]|(?<!\.)\.+(?=/|\Z)|(?<!%20)(?:%20)+(?=/|\Z)|:(?=[^/:]*:?[$%])|(?<=/)[^/~]{1,6}~[0-9]"
    rb"|%(?!20|22|3[CcEe]|5[BbDdEe]|60|7[B-Db-d]|[89A-Fa-f][0-9A-Fa-f])"
)
# What Windows drops from the end of a name, once what follows it is cut off.
_TRAILING = re.compile(rb"(?<!\.)(?<!%20)(?:\.|%20)+\Z")
_PERCENT = 0x25
_BEYOND_ASCII = re.compile(rb"(?:%[89A-Fa-f][0-9A-Fa-f])+")
# %uXXXX is Microsoft's; overlong UTF-8 (RFC 3629, 3) hides "/" and "." from code that searches for bytes.
_MICROSOFT = re.compile(rb"%[Uu]([0-9A-Fa-f]{4})")
_OVERLONG = re.compile(rb"[\xc0\xc1].|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}", re.DOTALL)
# A segment of two dots or more; some servers drop spaces and control characters, or what follows ; ? # NUL.
_CLIMBING = re.compile(r"(?:\A|[/\\])[\x00-\x20\x7f]*\.[\x00-\x20\x7f]*\.[.\x00-\x20\x7f]*(?=[\x00;?#/\\]|\Z)")
# Windows turns these into slashes when it converts text to an old code page: division and fraction slash, set minus,
# yen and won.
_BEST_FIT = str.maketrans("\u2215\u2044\u2216\u00a5\u20a9", "//\\\\\\")
# Accents and invisible characters (soft hyphens, joiners): some comparisons ignore them.
_IGNORED = frozenset({"Mn", "Cf"})
# Double decoding is a known fault of servers; nobody escapes a path more often than this in good faith.
_MOST_DECODINGS = 4

_HOST = re.compile(rb"([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)\.?(?::[0-9]*)?")
_LITERAL = re.compile(rb"\[([0-9A-Fa-f:.]+)\](?::[0-9]*)?")


def sure_length(path: bytes) -> int:
    """How many bytes at the beginning of a path every server reads alike: its length if it is plain.

    -1 for a path that may climb: with a ``..`` in it, in any disguise, no part of it is certain.
    """
    if _PLAIN.fullmatch(path):
        return len(path)
    if _climbs(path):
        return -1
    mark = _MARK.search(path)
    length = min(mark.start() if mark else len(path), _ambiguous_text(path))
    return length if length == len(path) else len(_TRAILING.sub(b"", path[:length]))


def _ambiguous_text(path: bytes) -> int:
    """Where escapes begin that are not UTF-8, or that some servers turn into ASCII ("／", "．", "∕"); else the end."""
    for escapes in _BEYOND_ASCII.finditer(path):
        try:
            text = unquote_to_bytes(escapes[0]).decode()
        except UnicodeDecodeError:
            return escapes.start()
        if any(char.isascii() for char in unicodedata.normalize("NFKC", text.translate(_BEST_FIT))):
            return escapes.start()
    return len(path)


def folded(path: bytes) -> bytes:
    """The path as it is compared without case and accents, as in many databases: "ı" becomes "i" too.

    Only meaningful for the beginning that `sure_length` returns.
    """
    if _PERCENT not in path:
        return path.lower()
    return _BEYOND_ASCII.sub(lambda match: _plainest(unquote_to_bytes(match[0])), path).lower()


def _plainest(text: bytes) -> bytes:
    return _forgiving(text, "NFKD").upper().encode("ascii", "replace")


def _forgiving(text: bytes, form: Literal["NFKC", "NFKD"]) -> str:
    """The text as lenient decoders read it, which leave out invalid UTF-8 and invisible characters."""
    fitted = unicodedata.normalize(form, text.decode("utf-8", "ignore").translate(_BEST_FIT))
    return (
        fitted if fitted.isascii() else "".join(char for char in fitted if unicodedata.category(char) not in _IGNORED)
    )


def _climbs(path: bytes) -> bool:
    """Whether any reading has a segment of two dots or more, whatever trails it."""
    for _ in range(_MOST_DECODINGS):
        if _CLIMBING.search(_as_text(path)):
            return True
        decoded = _decode(path)
        if decoded == path:
            return False
        path = decoded
    return True


def _as_text(path: bytes) -> str:
    short = _OVERLONG.sub(lambda match: _shorten(match[0]), path)
    return _forgiving(short, "NFKC")


def _shorten(sequence: bytes) -> bytes:
    """Decode overlong UTF-8 as lenient decoders do: the bits, whatever the length."""
    value = 0
    for byte in sequence[1:]:
        value = value << 6 | byte & 0x3F
    value |= (sequence[0] & (0x1F if len(sequence) == 2 else 0x0F)) << 6 * (len(sequence) - 1)
    return chr(value).encode("utf-8", "replace")


def _decode(path: bytes) -> bytes:
    standard = _MICROSOFT.sub(lambda match: chr(int(match[1], 16)).encode("utf-8", "replace"), path)
    return unquote_to_bytes(standard)


def read_host(host: bytes) -> str | None:
    """The name in a Host header, in lower case, without port and final dot; None if it is neither name nor address.

    IPv6 addresses are returned in canonical form, without brackets. Names beyond ASCII must be in punycode.
    """
    name = _HOST.fullmatch(host)
    if name:
        text = name[1].decode("ascii").lower()
        return None if ".." in text else text
    literal = _LITERAL.fullmatch(host)
    try:
        return str(IPv6Address(literal[1].decode("ascii"))) if literal else None
    except ValueError:
        return None
