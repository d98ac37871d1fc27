"""What curl says of its transfers."""

from benchmarks.transfer import Transfers, faults, parse

DOWN = Transfers("/100m", 1000)
UP = Transfers("/app/upload", 1000, upload=True)


def test_a_line_of_figures_is_a_transfer_and_a_body_is_not() -> None:
    """The answer to an upload is printed between them."""
    found = parse("1000\n200 4 1000 1 0.250000\n1000\n200 4 1000 0 0.125000\n")
    assert [(t.status, t.up, t.seconds) for t in found] == [(200, 1000, 0.25), (200, 1000, 0.125)]
    assert faults(UP, 2, found) == []


def test_a_short_body_a_wrong_status_and_a_missing_transfer_are_faults() -> None:
    """Each is named."""
    found = parse("200 999 0 1 0.1\n502 1000 0 0 0.1\n")
    assert faults(DOWN, 3, found) == ["a transfer ended with 502", "999 of 1000 bytes", "2 of 3 transfers"]
