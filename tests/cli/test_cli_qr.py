"""gatekeeper.cli.qr: a camera reads what the terminal shows."""

import pytest
import zxingcpp

from gatekeeper.cli.qr import QUIET, code_width, half_blocks

LINK = "https://gate.example.com/.gatekeeper/invite/" + "SBBbtp7b9U7k0fsXOXtGw_8q0mnBMB6pxBEP3raluI4"
# By character: whether its upper and its lower half are dark.
HALVES = {" ": (False, False), "▀": (True, False), "▄": (False, True), "█": (True, True)}
SCALE = 4


def seen(lines: list[str], width: int) -> list[str]:
    """What a camera reads where dark halves are black and the others white."""
    rows = bytearray()
    for line in lines:
        for half in (0, 1):
            row = b"".join((b"\0" if HALVES[one][half] else b"\xff") * SCALE for one in line.ljust(width))
            rows += row * SCALE
    image = memoryview(bytes(rows)).cast("B", (len(lines) * 2 * SCALE, width * SCALE))
    return [found.text for found in zxingcpp.read_barcodes(image)]


@pytest.mark.parametrize("text", [LINK, "https://g.example:8443/x", LINK * 3], ids=["a link", "short", "long"])
def test_a_camera_reads_the_link(text: str) -> None:
    """Drawn by half blocks and looked at, a code says what went into it."""
    lines = half_blocks(text, colour=False)
    assert seen(lines, code_width(text)) == [text]


def test_in_colour_it_is_black_on_white_whatever_the_theme() -> None:
    """Each line sets both colours out of the cube that no theme changes, and takes them back; all are equally wide."""
    lines = half_blocks(LINK, colour=True)
    bare = [line.removeprefix("\x1b[38;5;16;48;5;231m").removesuffix("\x1b[0m") for line in lines]
    assert all(line.startswith("\x1b") and line.endswith("\x1b[0m") for line in lines)
    assert {len(line) for line in bare} == {code_width(LINK)}
    assert seen(bare, code_width(LINK)) == [LINK]


def test_there_is_quiet_around_it() -> None:
    """ISO/IEC 18004, 6.3.8: four modules on each side; and it fits an ordinary terminal of 80 columns."""
    lines = half_blocks(LINK, colour=False)
    assert lines[: QUIET // 2] == [""] * (QUIET // 2)
    assert all(line.startswith(" " * QUIET) for line in lines if line)
    assert code_width(LINK) <= 60
