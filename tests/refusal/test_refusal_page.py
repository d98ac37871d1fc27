"""The template: sound HTML, nothing from outside, readable colours; and the mistakes of an own one."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatekeeper.errors import ConfigurationError
from gatekeeper.refusal.catalogue import catalogues
from gatekeeper.refusal.page import (
    PREPARED_PAGES,
    Page,
    PreparedPage,
    Variables,
    builtin_page,
    own_page,
    sample,
)
from gatekeeper.refusal.shown import ShownCertificate, contact_link, visible
from tests.refusal.presented import HOSTILE

SOURCE = resources.files("gatekeeper.refusal").joinpath("page.html").read_text("utf-8")
VOID = {"meta", "link", "br", "hr", "img", "input", "circle", "path", "rect"}


class Outline(HTMLParser):
    """Every element of a page with its attributes, and a complaint about each tag that does not fit its partner."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.complaints: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.complaints += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len({name for name, _ in attrs}) != len(attrs):
            self.complaints.append(f"<{tag}> has an attribute twice")
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.complaints.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.text += data

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


def shown(text: str) -> ShownCertificate:
    """A certificate with the same text everywhere."""
    return ShownCertificate(*[visible(text, 1000)] * 8)


TOPICS = list(catalogues()["en"].topics)
FULL = [builtin_page().render(sample(topic, shown("x"), "x")) for topic in TOPICS]
PREPARED = PreparedPage(SOURCE)
BARE = [builtin_page().render(sample(topic, None, "")) for topic in TOPICS]


@pytest.mark.parametrize("page", [*FULL, *BARE])
def test_every_page_is_sound_html(page: str) -> None:
    """Tags in pairs, no attribute and no id twice, every label reference leads somewhere."""
    outline = Outline(page)
    assert not outline.complaints
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {a["aria-labelledby"] for _, a in outline.elements if "aria-labelledby" in a} <= set(ids)


@pytest.mark.parametrize("page", [*FULL, *BARE])
def test_every_page_is_accessible(page: str) -> None:
    """A language, a title, a zoomable viewport, one h1, landmarks, headings without gaps, folds with a summary."""
    outline = Outline(page)
    tags = outline.tags()
    assert ("html", {"lang": "en"}) in outline.elements
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in outline.elements
    for single in ("title", "main", "header", "footer", "h1"):
        assert tags.count(single) == 1
    assert next(tag for tag in tags if re.fullmatch("h[1-6]", tag)) == "h1"
    assert {tag for tag in tags if re.fullmatch("h[1-6]", tag)} <= {"h1", "h2"}
    assert tags.count("details") == tags.count("summary")
    for rule in ("prefers-reduced-motion", "prefers-color-scheme: dark", ":focus-visible", "forced-colors"):
        assert rule in page


@pytest.mark.parametrize("page", [*FULL, *BARE])
def test_nothing_comes_from_outside_and_nothing_runs(page: str) -> None:
    """No script, no handler, no inline style attribute, no address but an empty icon and the contact."""
    outline = Outline(page)
    assert not {"script", "iframe", "img", "object", "embed", "form", "base"} & set(outline.tags())
    for tag, attributes in outline.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert attributes.get("href", "") in (("data:,",) if tag == "link" else ("", "x"))
        assert "src" not in attributes
    assert "url(" not in page
    assert "@import" not in page


def test_the_first_line_says_what_happened_and_the_second_what_to_do() -> None:
    """After the host, h1 and one paragraph open the page, before anything else."""
    for topic, page in zip(TOPICS, FULL, strict=True):
        text = catalogues()["en"].topics[topic]
        body = re.sub(r"\s*\n\s*", "\n", Outline(page[page.index("<body") :]).text).strip().split("\n")
        assert body[:3] == ["x", text.what, text.todo]


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    """The hash is that of the one style element, which is the same on every page."""
    styles = {style for page in (*FULL, *BARE) for style in re.findall("<style>(.*?)</style>", page, re.DOTALL)}
    assert len(styles) == 1
    digest = base64.b64encode(hashlib.sha256(styles.pop().encode()).digest()).decode()
    assert builtin_page().policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def test_hostile_fields_are_text() -> None:
    """With the same names of HTML, quotes and marks in every field, the page has the elements it has without them."""
    tame, hostile = (
        sample("untrusted_issuer", shown("x"), "x"),
        sample("untrusted_issuer", shown(HOSTILE), visible(HOSTILE, 500)),
    )
    outline = Outline(builtin_page().render(hostile))
    assert not outline.complaints
    assert outline.tags() == Outline(builtin_page().render(tame)).tags()
    assert "<script>alert(1)</script>" in outline.text
    assert "{{ 7 * 7 }}" in outline.text
    assert "\u202e" not in outline.text


LANGUAGES = [catalogue.tag for catalogue in catalogues().values()]


def variables_for(topic: str, language: str, certificate: ShownCertificate | None, text: str, **more: str) -> Variables:
    """As `sample`, in a language, with a request id of its own."""
    catalogue = next(one for one in catalogues().values() if one.tag == language)
    words = catalogue.topics[topic]
    own = {"request_id": f"<{text}", "request_number": f"<{text}"[:8], "language": language, "words": catalogue.words}
    spoken = {"what": words.what, "todo": words.todo, "mark": words.mark, "platforms": catalogue.platforms}
    return cast(Variables, dict(sample(topic, certificate, text)) | own | spoken | {"reason": topic} | more)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("topic", TOPICS)
def test_a_prepared_page_is_what_the_template_renders(topic: str, language: str) -> None:
    """Byte for byte, with and without a certificate, with nothing and with hostile texts in every field, and with other
    texts than those that it was prepared for.
    """
    texts = ("", "x", HOSTILE, "\u00e4 & \u4e2d 'y'", "")
    for text in texts:
        for certificate in (None, ShownCertificate(*[text] * 9), ShownCertificate(*("", text, "") * 3)):
            variables = variables_for(topic, language, certificate, text)
            assert PREPARED.fill(topic, variables) == PREPARED.render(variables).encode("utf-8", "replace")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=16, max_size=16), st.sampled_from(TOPICS), st.booleans())
def test_any_text_is_filled_in_as_the_template_would(some: list[str], topic: str, certified: bool) -> None:
    """Whatever the texts are, each by itself."""
    names = ("request_id", "request_number", "host", "checked", "detail", "contact_link", "link")
    certificate = ShownCertificate(*some[7:]) if certified else None
    variables = variables_for(topic, "en", certificate, "x", **dict(zip(names, some, strict=False)))
    assert PREPARED.fill(topic, variables) == PREPARED.render(variables).encode("utf-8", "replace")


def test_pages_with_another_status_or_reason_are_prepared_by_themselves() -> None:
    """Although they say the same."""
    for status, reason in ((403, "expired"), (500, "expired"), (403, "revoked"), (403, "")):
        variables = variables_for("expired", "en", None, "x", reason=reason)
        variables["status"] = status
        assert PREPARED.fill("expired", variables) == PREPARED.render(variables).encode()


def test_few_prepared_pages_are_kept() -> None:
    """However many kinds there are; here one for each contact."""
    page = PreparedPage(SOURCE)
    for number in range(PREPARED_PAGES + 1):
        page.fill("expired", variables_for("expired", "en", None, "x", contact=str(number)))
        assert 0 < len(page._prepared) <= PREPARED_PAGES


def test_names_cannot_turn_the_line_around() -> None:
    """Each text of a stranger stands isolated in a bdi element (HTML, 4.5.24)."""
    page = builtin_page().render(sample("expired", shown("stranger"), "stranger"))
    texts = re.findall(r"(<bdi>)?stranger", page[page.index('<p class="host">') : page.index("<footer")])
    assert len(texts) >= 9
    assert texts.count("") == 3  # the contact's link and text are the operator's, the link to https is the gate's
    assert "<bdi>stranger</bdi></p></div>" in builtin_page().render(sample("broken", None, "stranger"))


def _colours(css: str, selector: str) -> dict[str, str]:
    block = re.search(rf"{selector} {{(.*?)}}", css, re.DOTALL)
    assert block
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block[1]))


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("calm", [False, True])
def test_text_stands_out(scheme: str, calm: bool) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 at least for each colour of text on each ground it stands on."""
    light, dark = SOURCE.split("@media (prefers-color-scheme: dark)")
    colours = _colours(light, ":root") | (_colours(light, ".calm") if calm else {})
    if scheme == "dark":
        colours |= _colours(dark, ":root") | (_colours(dark, ".calm") if calm else {})
    for text, grounds in {
        "ink": "ground sheet",
        "quiet": "ground sheet",
        "link": "ground",
        "accent": "sheet tint",
    }.items():
        for ground in grounds.split():
            darker, lighter = sorted((_luminance(colours[text]), _luminance(colours[ground])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("you@example.com", "mailto:you@example.com"),
        ("a+b@example.com", "mailto:a+b@example.com"),
        ("https://help.example.com/mtls?x=1", "https://help.example.com/mtls?x=1"),
        ("http://intranet/", "http://intranet/"),
        ("IT help desk, extension 4711", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("https://", ""),
        ("http://[", ""),
        ("you@example.com?cc=evil@example.com", ""),
        ("", ""),
    ],
)
def test_only_mail_and_web_addresses_become_links(contact: str, link: str) -> None:
    """Any other contact is shown as the text that it is."""
    assert contact_link(contact) == link


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ what", "line 1: unexpected end of template"),
        ("a\n{% if %}", "line 2: Expected an expression"),
        ("a\n\n{{ wat }}", "line 3: 'wat' is undefined"),
        ("{{ certificate.name }}", "line 1: 'None' has no attribute 'name'"),
        ("{{ what | shout }}", "line 1: No filter named 'shout'"),
        ("{{ words.nonsense }}", "line 1: 'gatekeeper.refusal.catalogue.Words object' has no attribute 'nonsense'"),
        ("{% include 'other.html' %}", "line 1: no loader for this environment specified"),
        ("{{ 1 / 0 }}", "line 1: division by zero"),
    ],
)
def test_a_broken_template_is_a_mistake_of_the_configuration(tmp_path: Path, template: str, words: str) -> None:
    """Found when the gate starts, with the key, the file and its line: not when the first visitor comes."""
    path = tmp_path / "own.html"
    path.write_text(template)
    with pytest.raises(ConfigurationError) as caught:
        own_page(path)
    (mistake,) = caught.value.mistakes
    assert mistake.key == "refusal.template"
    assert mistake.message.startswith(f"{path}, {words}")


def test_a_missing_template_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """No page of the gate's own steps in silently."""
    with pytest.raises(ConfigurationError, match=r"refusal\.template: .*none\.html does not exist"):
        own_page(tmp_path / "none.html")


def test_a_template_that_is_not_utf8_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    """The byte that does not fit is named."""
    path = tmp_path / "own.html"
    path.write_bytes(b"gr\xfcezi")
    with pytest.raises(ConfigurationError, match=r"is not UTF-8 text \(byte 2\)"):
        own_page(path)


def test_an_own_template_escapes_too(tmp_path: Path) -> None:
    """Autoescape does not depend on the file's name."""
    path = tmp_path / "own.txt"
    path.write_text("{% if certificate %}{{ certificate.name }}{% endif %}")
    assert own_page(path).render(sample("expired", shown("<b>"), "")) == "&lt;b&gt;"


def test_the_policy_follows_an_own_template() -> None:
    """Its style elements are allowed by their hashes, each once; without any, no style is."""
    hashes = [base64.b64encode(hashlib.sha256(style).digest()).decode() for style in (b"a{}", b"b{}")]
    policy = Page("<style>b{}</style><p>{{ what }}</p><style media=print>a{}</style>").policy
    assert all(f"'sha256-{one}'" in policy for one in hashes)
    assert "style-src 'none';" in Page("{{ what }}").policy
