"""Distinguished names as text, byte for byte as OpenSSL's ``X509_NAME_print_ex(…, XN_FLAG_RFC2253)`` writes them.

nginx puts that form into ``$ssl_client_s_dn``, so an app behind gatekeeper reads the names it always read.
``Name.rfc4514_string()`` of *cryptography* is not used: it leaves non-ASCII characters and control characters as they
are.
"""

import unicodedata
from _ssl import txt2obj
from functools import lru_cache

from cryptography import x509
from cryptography.x509.name import _ASN1Type

_SPECIAL = frozenset(',+"\\<>;')
_ENCODINGS = {_ASN1Type.BMPString: "utf-16-be", _ASN1Type.UniversalString: "utf-32-be", _ASN1Type.T61String: "latin-1"}


# Control characters, line and paragraph separators, halves of surrogate pairs.
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
# They turn the direction of writing, so that a name looks like another (Unicode Standard Annex 9).
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Nothing to be seen: format characters such as the zero-width space, and spaces.
_INVISIBLE = frozenset({"Cf", "Zs"})


def has_controls(text: str) -> bool:
    """Whether the text holds a NUL, a line end or another character that no name has, and that some reader obeys."""
    if text.isascii():
        return not text.isprintable()
    return any(unicodedata.category(char) in _CONTROLS or char in _BIDIRECTIONAL for char in text)


def is_blank(text: str) -> bool:
    """Whether there is nothing to be seen."""
    return all(unicodedata.category(char) in _INVISIBLE for char in text)


def rfc2253(name: x509.Name) -> str:
    """The name as OpenSSL writes it: last part first, ``,`` between parts, ``+`` within one, pure ASCII."""
    return ",".join(
        "+".join(_attribute(attribute) for attribute in reversed(list(rdn))) for rdn in reversed(list(name.rdns))
    )


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> str:
    short = _short_name(attribute.oid.dotted_string)
    if short is None or isinstance(attribute.value, bytes):
        return f"{short or attribute.oid.dotted_string}=#{_der(attribute).hex().upper()}"
    return f"{short}={_escape(attribute.value)}"


@lru_cache(256)
def _short_name(oid: str) -> str | None:
    """OpenSSL's own for a kind of attribute: ``CN``. What has none is written as its OID with the value in hex."""
    try:
        return txt2obj(oid)[1]
    except ValueError:
        return None


def _escape(value: str) -> str:
    last = len(value) - 1
    return "".join(_escape_character(char, first=at == 0, last=at == last) for at, char in enumerate(value))


def _escape_character(char: str, *, first: bool, last: bool) -> str:
    if char in _SPECIAL or (char == " " and (first or last)) or (char == "#" and first):
        return "\\" + char
    if " " <= char <= "~":
        return char
    return "".join(f"\\{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _der(attribute: x509.NameAttribute[str | bytes]) -> bytes:
    """The attribute's value as it stood in the certificate: tag, length, content (X.690, 8.1)."""
    value = attribute.value
    kind = attribute._type
    content = value if isinstance(value, bytes) else value.encode(_ENCODINGS.get(kind, "utf-8"), "replace")
    size = len(content)
    if size < 0x80:
        return bytes((kind.value, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((kind.value, 0x80 | len(length))) + length + content
