"""docs/refusals.md says what the code does."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from gatekeeper.gate.verdict import Reason
from gatekeeper.refusal import negotiation, problem, shown
from gatekeeper.refusal.catalogue import catalogues
from gatekeeper.refusal.page import Page, Variables
from gatekeeper.refusal.shown import ShownCertificate
from gatekeeper.refusal.topic import Layout, layout
from tests.refusal.presented import CERTIFICATE, refuse

DOCS = (Path(__file__).parents[2] / "docs" / "refusals.md").read_text("utf-8")


def table(heading: str) -> dict[str, list[str]]:
    """The rows under a heading, by the word in their first column."""
    section = DOCS.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1:] for cells in rows}


def test_every_reason_has_a_row() -> None:
    """The table is the enum, in its order, with a meaning and an advice for each."""
    rows = table("Reasons")
    assert list(rows) == list(Reason)
    assert all(len(cells) == 2 and all(cells) for cells in rows.values())


def test_every_variable_has_a_row() -> None:
    """The table is what a template gets, in its order."""
    rows = table("A page of your own")
    assert list(rows) == list(Variables.__annotations__)
    for kind, name in ((ShownCertificate, "certificate"), (Layout, "layout")):
        assert all(f"{field.name}`" in rows[name][0] for field in fields(kind))
    for topic in catalogues()["en"].topics:
        assert f"`{layout(topic).icon}`" in rows["layout"][0]
    for catalogue in catalogues().values():
        assert f"`{catalogue.tag}`" in rows["language"][0]


def test_the_template_of_the_docs_works() -> None:
    """It renders every topic, and its style is allowed."""
    (template,) = re.findall("```html\n(.*?)```", DOCS, re.DOTALL)
    assert "sha256-" in Page(template).policy


def test_the_problem_of_the_docs_is_one() -> None:
    """The example has the members that a real one has, in the same order and form."""
    (example,) = re.findall("```json\n(.*?)```", DOCS, re.DOTALL)
    real = json.loads(problem.refusal(refuse(Reason.EXPIRED, CERTIFICATE), "id", minimal=False))
    shown_there = json.loads(example)
    assert list(shown_there) == list(real)
    assert list(shown_there["certificate"]) == list(real["certificate"])
    assert example == json.dumps(shown_there, indent=2) + "\n"
    assert (shown_there["type"], shown_there["title"]) == (real["type"], real["title"])


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        (negotiation.LONGEST_FIELD, "longer than {} characters. If"),
        (problem.LONGEST_VALUE, "longer than {} characters is cut"),
        (shown.LONGEST_NAME, "cut to {} characters"),
        (shown.LONGEST_PARAGRAPH, "({} for a distinguished name)"),
    ],
)
def test_the_limits_are_those_of_the_code(limit: int, sentence: str) -> None:
    """A number in the docs is the constant's."""
    assert sentence.format(f"{limit:,}") in " ".join(DOCS.split())
