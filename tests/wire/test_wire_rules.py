"""The policy page, the corpus and the code say the same."""

import re
from pathlib import Path

import pytest

from gatekeeper.wire.rules import MessageRule
from tests.corpus.reading import requests, responses

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([^`]+)` \|(?: ([0-9]{3}) \|)?", PAGE, re.MULTILINE)
CORPUS = {message.rule for message in [*requests(), *responses()]}  # type: ignore[attr-defined]


def test_the_page_names_every_rule_with_its_status() -> None:
    """A row with a status is a refusal, and there is one for each in the code, and no other."""
    assert {name: int(status) for name, status in ROWS if status} == {rule.id: rule.status for rule in MessageRule}


def test_no_rule_has_two_rows() -> None:
    """One rule, one sentence."""
    names = [name for name, _ in ROWS]
    assert len(names) == len(set(names))


def test_every_row_is_shown_by_a_message_of_the_corpus_and_every_message_has_a_row() -> None:
    """What is promised is tried, and what is tried is promised."""
    assert {name for name, _ in ROWS} == CORPUS


@pytest.mark.parametrize("rule", MessageRule)
def test_every_rule_has_words_of_its_own(rule: MessageRule) -> None:
    """The sentence tells rules apart, and fits an answer: one line of plain ASCII."""
    assert [other for other in MessageRule if other.sentence == rule.sentence] == [rule]
    assert re.fullmatch(r"[A-Z][ -~]+\.", rule.sentence)


def test_an_error_carries_the_rules_status_and_sentence() -> None:
    """What is raised is what the client gets."""
    error = MessageRule.HOST_MISSING.error()
    assert (error.status, error.detail) == (400, "Host is missing.")
