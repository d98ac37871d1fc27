"""QR codes for the terminal: each character is two modules, drawn with Unicode's half blocks."""

import segno

# ISO/IEC 18004, 6.3.8: four modules of quiet around it, or cameras do not find it.
QUIET = 4
# Black on white out of the cube of 256 colours, which no theme changes: the same on dark and on light terminals.
_INK, _END = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
# By the upper and the lower module, dark or not.
_HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def half_blocks(text: str, *, colour: bool) -> list[str]:
    """The lines of a QR code for ``text``.

    Without ``colour``, dark modules are drawn and light ones left blank, for paper and light terminals.
    """
    rows = [[module > 0 for module in row] for row in _code(text).matrix_iter(border=QUIET)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = (
        "".join(_HALVES[halves] for halves in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )
    return [f"{_INK}{line}{_END}" if colour else line.rstrip() for line in lines]


def code_width(text: str) -> int:
    """The columns that the code needs."""
    return int(_code(text).symbol_size(border=QUIET)[0])


def _code(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="l", boost_error=True)
