"""Names of people in headers: as they are, but never so that one name is taken for another, or for two."""

import re

# What a reader could decode by mistake, and white space at the ends, which every reader of a header drops.
_MISLEADING = r"%(?=[0-9A-Fa-f]{2})|\A\s+|\s+\Z"


def encoded(value: str, special: str = "") -> str:
    """The text, with ``%XX`` of its UTF-8 bytes for what would be lost or misread.

    That is white space at either end, a ``%`` that two hex digits follow, and the characters of ``special``. So
    decoding gives the text back, and most names stay as they are.
    """
    pattern = f"{_MISLEADING}|[{re.escape(special)}]" if special else _MISLEADING
    return re.sub(pattern, lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), value)


def listed(values: tuple[str, ...], special: str = "") -> str:
    """Several texts separated by commas; a comma within one is encoded."""
    return ",".join(encoded(value, special + ",") for value in values)
