"""The languages say the same things."""

import re
from dataclasses import asdict, fields

import pytest

from gatekeeper.gate.verdict import Reason
from gatekeeper.refusal.catalogue import Catalogue, catalogues
from gatekeeper.refusal.negotiation import DEFAULT_LANGUAGE

LANGUAGES = sorted(catalogues())


def every_text(catalogue: Catalogue) -> list[str]:
    """All that a page in this language can say, marks left out where there are none."""
    topics = [
        text for topic in catalogue.topics.values() for text in (topic.what, topic.todo, *filter(None, [topic.mark]))
    ]
    steps = [text for platform in catalogue.platforms for text in (platform.name, *platform.steps)]
    invitation = asdict(catalogue.invitation)
    for name in ("ios", "android", "trust_ios", "trust_steps"):
        steps += invitation.pop(name)
    return [*asdict(catalogue.words).values(), *topics, *steps, *invitation.values()]


def test_there_are_five_languages() -> None:
    """English, German, Spanish, French and Chinese, and English is the default."""
    assert LANGUAGES == ["de", "en", "es", "fr", "zh"]
    assert DEFAULT_LANGUAGE in LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_covers_what_english_covers(language: str) -> None:
    """The same topics, a mark in the same places, platforms with as many steps. Words are fields: none can lack."""
    english, other = catalogues()["en"], catalogues()[language]
    assert list(other.topics) == list(english.topics)
    assert {name for name, topic in other.topics.items() if topic.mark} == {
        name for name, topic in english.topics.items() if topic.mark
    }
    assert [(one.key, len(one.steps)) for one in other.platforms] == [
        (one.key, len(one.steps)) for one in english.platforms
    ]
    assert other.tag.split("-")[0] == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_is_told_in_words_of_its_own(language: str) -> None:
    """No two topics share their first line."""
    topics = catalogues()[language].topics
    assert set(Reason) <= set(topics)
    assert len({topic.what for topic in topics.values()}) == len(topics)


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_plain(language: str) -> None:
    """No placeholder, no markup, no stray space: what is in the file is what is read."""
    for text in every_text(catalogues()[language]):
        assert text
        assert text == text.strip()
        assert not set("{}<>&\n") & set(text.replace(" & ", " "))


def test_french_marks_never_begin_or_end_a_line_alone() -> None:
    """The space inside of « » and before : ; ? ! does not break."""
    for text in every_text(catalogues()["fr"]):
        assert not re.search("« | »| [:;?!]", text), text


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_nothing_is_left_in_english(language: str) -> None:
    """A text that is the same as in English is a name, like Android or a single word."""
    english = catalogues()["en"]
    same = set(every_text(english)) & set(every_text(catalogues()[language]))
    assert all(len(text.split()) <= 3 or ":" in text for text in same), same


def test_words_are_all_used_by_the_page() -> None:
    """A word that the built-in page does not show is a word too many."""
    from importlib import resources

    source = resources.files("gatekeeper.refusal").joinpath("page.html").read_text("utf-8")
    unused = [field.name for field in fields(catalogues()["en"].words) if f"words.{field.name}" not in source]
    assert not unused
