"""Tables and chart from a stored result."""

import io
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.chart import across, draw
from benchmarks.footprint import Footprint
from benchmarks.measure import Sample
from benchmarks.record import Machine, Record, Row, load, save
from benchmarks.report import markdown, problems, ratios, show, spread
from benchmarks.tournament import Cell


def cell(*costs: float, stolen: float = 0.0) -> Cell:
    """Samples that differ in cost."""
    return Cell([Sample(cost, 1000.0, 900.0, 2000.0, 0.9, stolen, 20480, 33.0) for cost in costs])


def record() -> Record:
    """A small run, with a problem."""
    machine = Machine("Some <Processor>", 2, 4096, "6.1", "3.11.7", "OpenSSL 3.0")
    rows = [
        Row("small", "100 B", {"nginx": cell(20.0, 10.0, 40.0), "gatekeeper": cell(22.0, 12.0, 36.0)}),
        Row("refused", "403", {"nginx": cell(400.0), "traefik": Cell(problem="cannot answer 403")}),
    ]
    feet = {"nginx": Footprint([30.0, 20.0, 25.0], 17408, 20.5)}
    return Record("2026-01-02T03:04:05+00:00", "abc1234", machine, 3, 1.5, {"nginx": "1.22.1"}, rows, feet)


def test_a_ratio_is_taken_within_a_round() -> None:
    """A slow minute that meets both contenders does not count; the ratio of the medians would say otherwise."""
    assert ratios(cell(22.0, 12.0, 36.0), cell(20.0, 10.0, 40.0)) == pytest.approx([1.1, 1.2, 0.9])


def test_a_contender_with_a_problem_has_no_ratio() -> None:
    """Its figures are those of a load that went wrong."""
    broken = cell(10.0)
    broken.problem = "3 read errors"
    assert ratios(broken, cell(20.0)) == []
    assert ratios(cell(20.0), broken) == []


def test_the_spread_is_to_the_furthest_value() -> None:
    """In per cent of the median."""
    assert spread([10.0, 11.0, 8.0]) == "10.0 ±20%"


def test_a_stored_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Nothing is lost on the way."""
    save(record(), tmp_path / "results" / "run.json")
    assert load(tmp_path / "results" / "run.json") == record()


def test_every_problem_is_shown_in_full() -> None:
    """What was not measured is said, with its reason."""
    console = Console(file=io.StringIO(), width=160)
    show(console, record())
    assert list(problems(record())) == ["refused, traefik: cannot answer 403"]
    assert "refused, traefik: cannot answer 403" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_page_has_every_ratio_with_its_spread_and_says_what_is_missing() -> None:
    """The lowest and the highest round; nothing stands where nothing was measured."""
    run = record()
    run.versions = {"nginx": "1.22.1", "gatekeeper": "abc", "traefik": "3"}
    run.footprints["nginx"].worker = 3072.0
    lines = markdown(run).splitlines()
    assert "| 100 B | 1.10 (0.90–1.20) |  |" in lines
    assert "| nginx | 25 | 17 | 3.0 | 20.5 |" in lines
    assert "- refused, traefik: cannot answer 403" in lines


def test_a_figure_from_a_crowded_machine_is_marked() -> None:
    """Others took more than a tenth of it."""
    console = Console(file=io.StringIO(), width=160)
    crowded = record()
    crowded.rows = [Row("small", "100 B", {"nginx": cell(20.0, stolen=0.3)})]
    show(console, crowded)
    assert "crowded" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_chart_is_well_formed_and_holds_our_figure() -> None:
    """Text from outside is escaped; the median of the ratios stands at the end of the line."""
    root = ET.fromstring(draw(record()))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "1.10" in words
    assert any("Some <Processor>" in (word or "") for word in words)


def test_the_chart_needs_nothing_from_elsewhere_and_knows_both_themes() -> None:
    """A page shows it as an image, which may load nothing and is not told the page's theme."""
    text = draw(record()).replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text
    assert "prefers-color-scheme:dark" in text


def test_the_scale_is_logarithmic_and_ends_are_kept() -> None:
    """Twice as dear is as far from one as half."""
    assert across(2.0) - across(1.0) == pytest.approx(across(1.0) - across(0.5))
    assert across(100.0) == across(8.0)
