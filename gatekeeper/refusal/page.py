"""The answer for people: one template, the built-in one or the operator's own.

Loading either renders every topic once as a trial.
"""

import base64
import hashlib
import os
import re
import traceback
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from html.parser import HTMLParser
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TypedDict

import jinja2

from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.package import OWN
from gatekeeper.refusal.catalogue import Platform, Words, catalogues
from gatekeeper.refusal.negotiation import DEFAULT_LANGUAGE
from gatekeeper.refusal.shown import ShownCertificate
from gatekeeper.refusal.topic import Layout, layout
from gatekeeper.settings.files import OPEN_DIRECTLY, FileReader, UnreadableFileError

_KEY = "refusal.template"
# The largest template, with its pictures embedded.
_TEMPLATE_LIMIT = 16 << 20

PREPARED_PAGES = 64
"""How many kinds of pages are kept, at some 12 KiB each. There are some hundred, of which visitors see a few."""

# What differs between the visitors who get the same kind of page. The built-in template only inserts these texts, and
# asks whether they are empty.
_TEXTS = ("request_id", "request_number", "host", "checked", "detail", "contact_link", "link")
_FIELDS = tuple(field.name for field in fields(ShownCertificate))
_texts_of, _fields_of = itemgetter(*_TEXTS), attrgetter(*_FIELDS)
# Stands for a text in a prepared page. Nobody can know it, so no text of the operator's is taken for one.
_MARK = os.urandom(16).hex()
_MARKS = re.compile(rf"{_MARK}-([0-9]+)-")


class Variables(TypedDict):
    """The variables of a template; docs/refusals.md explains each."""

    status: int
    reason: str
    language: str
    what: str
    todo: str
    mark: str
    layout: Layout
    words: Words
    platforms: tuple[Platform, ...]
    platform: str
    certificate: ShownCertificate | None
    detail: str
    contact: str
    contact_link: str
    request_id: str
    host: str
    checked: str
    link: str
    request_number: str
    invited: bool


class Page:
    """A template that has rendered every topic once, and the policy under which browsers show what it renders.

    Raises whatever the template raises; `blame` describes the error.
    """

    def __init__(self, source: str) -> None:
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._template = environment.from_string(source)
        self._escape = environment.filters["escape"]
        self.policy = _content_security_policy([self.render(variables) for variables in _samples()])

    def render(self, variables: Variables) -> str:
        """The page for one visitor."""
        return self._template.render(variables)


class PreparedPage(Page):
    """The built-in template. `fill` gives what `render` would, without the template engine where that has rendered a
    page of the same kind before.
    """

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self._prepared: dict[tuple[object, ...], tuple[list[bytes], list[int]]] = {}

    def fill(self, topic: str, variables: Variables) -> bytes:
        """The page for one visitor, about ``topic``, in UTF-8."""
        certificate = variables["certificate"]
        texts: tuple[str, ...] = _texts_of(variables)
        if certificate is not None:
            texts += _fields_of(certificate)
        kind = (
            topic,
            variables["status"],
            variables["reason"],
            variables["language"],
            variables["platform"],
            variables["contact"],
            variables["invited"],
            *map(bool, texts),
        )
        found = self._prepared.get(kind)
        if found is None:
            if len(self._prepared) >= PREPARED_PAGES:
                self._prepared.clear()
            found = self._prepared[kind] = self._prepare(variables, texts)
        constant, numbers = found
        escaped = [self._escape(text).encode("utf-8", "replace") for text in texts]
        pieces = constant.copy()
        pieces[1::2] = [escaped[number] for number in numbers]
        return b"".join(pieces)

    def _prepare(self, variables: Variables, texts: tuple[str, ...]) -> tuple[list[bytes], list[int]]:
        """The page in pieces, of which each second one is to be replaced by the text of this number."""
        marks = [f"{_MARK}-{number}-" if text else "" for number, text in enumerate(texts)]
        marked = dict(variables) | dict(zip(_TEXTS, marks, strict=False))
        if variables["certificate"] is not None:
            marked["certificate"] = ShownCertificate(*marks[len(_TEXTS) :])
        pieces = _MARKS.split(self._template.render(marked))
        return [piece.encode("utf-8", "replace") for piece in pieces], [int(number) for number in pieces[1::2]]


def blame(error: Exception) -> str:
    """The error in a template, with its line."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f"line {error.lineno}: {error.message}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return f"line {lines[-1] if lines else 1}: {error}"


def stylesheet() -> str:
    """The stylesheet of the built-in page, which the other pages of the gate share."""
    return _styles(OWN.read("refusal/page.html"))[0]


def _content_security_policy(pages: list[str]) -> str:
    """Nothing from outside, no script, no frame, no form; the styles seen in ``pages``, by their hash (CSP 3).

    A ``data:`` image is allowed so that the icon can be empty: a browser that has to ask for ``/favicon.ico`` is
    refused twice for each page.
    """
    sources = " ".join(map(style_source, sorted({style for page in pages for style in _styles(page)}))) or "'none'"
    return (
        f"default-src 'none'; style-src {sources}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def style_source(style: str) -> str:
    """The source expression that allows this style element and no other (CSP 3, 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


def _styles(page: str) -> list[str]:
    parser = _StyleParser()
    parser.feed(page)
    parser.close()
    return parser.styles


class _StyleParser(HTMLParser):
    """Collects the text of each style element, which is what a browser hashes."""

    def __init__(self) -> None:
        super().__init__()
        self.styles: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "style"
        if self._inside:
            self.styles.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.styles[-1] += data


@cache
def builtin_page() -> PreparedPage:
    """The page that comes with gatekeeper."""
    return PreparedPage(OWN.read("refusal/page.html"))


def own_page(path: Path, files: FileReader = OPEN_DIRECTLY) -> Page:
    """The operator's template; ConfigurationError (``refusal.template``) if it is missing, not UTF-8 or broken."""
    try:
        return Page(files.read(path, _TEMPLATE_LIMIT).decode())
    except UnreadableFileError as error:
        raise _mistake(f"{path} {error}") from error
    except UnicodeDecodeError as error:
        raise _mistake(f"{path} is not UTF-8 text (byte {error.start})") from error
    except Exception as error:  # a template is a program and may raise anything
        raise _mistake(f"{path}, {blame(error)}") from error


def _mistake(message: str) -> ConfigurationError:
    return ConfigurationError(Mistake(_KEY, message))


def _samples() -> Iterator[Variables]:
    """Sample values for every topic, once with all optional values and once with none."""
    for topic in catalogues()[DEFAULT_LANGUAGE].topics:
        yield sample(
            topic, ShownCertificate("name", "issuer", "from", "until", "01", "00", "CN=name", "CN=issuer"), "x"
        )
        yield sample(topic, None, "")


def sample(topic: str, certificate: ShownCertificate | None, text: str) -> Variables:
    """Sample values for a page about ``topic``: ``text`` wherever a visitor's or the operator's text would be."""
    english = catalogues()[DEFAULT_LANGUAGE]
    return Variables(
        status=403,
        reason=text,
        language=english.tag,
        what=english.topics[topic].what,
        todo=english.topics[topic].todo,
        mark=english.topics[topic].mark,
        layout=layout(topic),
        words=english.words,
        platforms=english.platforms,
        platform=english.platforms[0].key if text else "",
        certificate=certificate,
        detail=text,
        contact=text,
        contact_link=text,
        request_id="id",
        host=text,
        link=text,
        checked=text,
        request_number="id",
        invited=bool(text),
    )
