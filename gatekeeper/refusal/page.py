"""The answer for people: one template, the built-in one or the operator's own, tried out on every topic when it is loaded."""

import base64
import hashlib
import re
import traceback
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote, urlsplit

import jinja2

from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.refusal.catalogue import DEFAULT_LANGUAGE, Platform, Words, catalogues
from gatekeeper.refusal.shown import ShownCertificate
from gatekeeper.refusal.topic import Layout, layout

_KEY = "refusal.template"
_MAIL_ADDRESS = re.compile(r"[^\s@<>\"?&#%]+@[^\s@<>\"?&#%]+")


class Variables(TypedDict):
    """What a template can use; docs/refusals.md says what each is."""

    status: int
    reason: str
    language: str
    what: str
    todo: str
    mark: str
    layout: Layout
    words: Words
    platforms: tuple[Platform, ...]
    certificate: ShownCertificate | None
    detail: str
    contact: str
    contact_link: str
    request_id: str
    host: str
    checked: str


class PageError(Exception):
    """A template failed on one particular page; the text says where and how."""


class Page:
    """A template that has rendered every topic once, and the policy under which browsers show what it renders.

    ``jinja2.TemplateSyntaxError`` or PageError if ``source`` cannot.
    """

    def __init__(self, source: str) -> None:
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._template = environment.from_string(source)
        self.policy = _content_security_policy([self.render(variables) for variables in _samples()])

    def render(self, variables: Variables) -> str:
        """The page; PageError if the template fails on these variables."""
        try:
            return self._template.render(variables)
        except Exception as error:  # a template is a program and may raise anything
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
            raise PageError(f"line {lines[-1] if lines else '?'}: {type(error).__name__}: {error}") from error


def _content_security_policy(pages: list[str]) -> str:
    """Nothing from outside, no script, no frame, no form; the styles that were seen in ``pages``, by their hash (CSP 3).

    A ``data:`` image is allowed so that the icon can be empty: a browser that has to ask for ``/favicon.ico`` is refused
    twice for each page.
    """
    styles = sorted({style for page in pages for style in _styles(page)})
    digests = [base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() for style in styles]
    sources = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; style-src {sources}; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


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
def builtin_page() -> Page:
    """The page that comes with gatekeeper."""
    return Page(resources.files("gatekeeper.refusal").joinpath("page.html").read_text("utf-8"))


def own_page(path: Path) -> Page:
    """The operator's template; ConfigurationError (``refusal.template``) if it is missing, not UTF-8 or broken."""
    try:
        return Page(path.read_text("utf-8"))
    except OSError as error:
        raise _mistake(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _mistake(f"{path} is not UTF-8 text (byte {error.start})") from error
    except jinja2.TemplateSyntaxError as error:
        raise _mistake(f"{path}, line {error.lineno}: {error.message}") from error
    except PageError as error:
        raise _mistake(f"{path} cannot be rendered: {error}") from error


def _mistake(message: str) -> ConfigurationError:
    return ConfigurationError(Mistake(_KEY, message))


def contact_link(contact: str) -> str:
    """Where a click on the contact leads: to a mail, to an http(s) page, or "" for a text that is neither."""
    if _MAIL_ADDRESS.fullmatch(contact):
        return f"mailto:{quote(contact, safe='@+')}"
    try:
        parts = urlsplit(contact)
    except ValueError:
        return ""
    return contact if parts.scheme in ("http", "https") and parts.hostname else ""


def _samples() -> Iterator[Variables]:
    """What every topic's page could hold, once with everything and once with as little as there can be."""
    english = catalogues()[DEFAULT_LANGUAGE]
    shown = ShownCertificate("name", "issuer", "from", "until", "01", "00", "CN=name", "CN=issuer")
    for name, topic in english.topics.items():
        full = Variables(
            status=403,
            reason=name,
            language=english.tag,
            what=topic.what,
            todo=topic.todo,
            mark=topic.mark,
            layout=layout(name),
            words=english.words,
            platforms=english.platforms,
            certificate=shown,
            detail="detail",
            contact="contact",
            contact_link="mailto:contact",
            request_id="id",
            host="host",
            checked="now",
        )
        yield full
        least = full.copy()
        least.update(reason="", certificate=None, detail="", contact="", contact_link="", host="")
        yield least
