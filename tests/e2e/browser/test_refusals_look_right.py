"""Every refusal and every invitation as a real browser shows it, on a wide screen and on a phone, in light and in dark.

The pictures stay in artefacts/pictures for people to look at.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from gatekeeper.gate.verdict import Reason, Refuse
from gatekeeper.local.request import Reply
from gatekeeper.refusal.answer import Answer, Recipient, RefusalPages
from gatekeeper.refusal.catalogue import catalogues
from gatekeeper.refusal.negotiation import DEFAULT_LANGUAGE
from tests.app import App
from tests.e2e.browser.chromium import Chromium, Home
from tests.local.test_local_page import ANDROID, invitation, shown
from tests.refusal.presented import CERTIFICATE, CHROME, DAY, EXPIRED, HOSTILE, NOW, refuse

SCREENS = {
    "wide-light": (1280, 800, "light"),
    "wide-dark": (1280, 800, "dark"),
    "phone-light": (375, 740, "light"),
    "phone-dark": (375, 740, "dark"),
}
STRANGER = replace(
    CERTIFICATE, issuer_common_names=("Corporate Device Authority G2",), issuer="CN=Corporate Device Authority G2,C=US"
)
NAMELESS = replace(CERTIFICATE, common_names=(), subject="O=Home")
SHOWN: dict[str, Refuse] = {
    **{reason.value: refuse(reason) for reason in Reason},
    "expired": refuse(Reason.EXPIRED, EXPIRED, "The certificate has expired (certificate has expired)."),
    "expired-authority": refuse(Reason.EXPIRED, CERTIFICATE, "The certificate of the authority has expired."),
    "not_yet_valid": refuse(Reason.NOT_YET_VALID, replace(CERTIFICATE, not_before=NOW + 20 * DAY)),
    "untrusted_issuer": refuse(Reason.UNTRUSTED_ISSUER, STRANGER, "No authority that this gate trusts signed it."),
    "blank_name": refuse(Reason.BLANK_NAME, NAMELESS),
    "unreadable": refuse(Reason.INVALID_CERTIFICATE, None, "The certificate cannot be parsed."),
    "hostile": refuse(
        Reason.UNTRUSTED_ISSUER,
        replace(
            CERTIFICATE,
            common_names=(HOSTILE + "A" * 8000,),
            subject="CN=" + HOSTILE + "B" * 8000,
            issuer_common_names=("שלום עالم" + HOSTILE,),
        ),
        HOSTILE,
    ),
}
PAGES = RefusalPages(detail="full", contact="admin@example.com")
REQUEST = "01JDE7M8Y2Q4ZK6W3T9VXR5C1B"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1"


def refused(refusal: Refuse, language: str = "en", pages: RefusalPages = PAGES) -> Answer:
    return pages.refused(
        refusal,
        Recipient(
            REQUEST,
            CHROME,
            language,
            host="app.example.com",
            user_agent=IPHONE if refusal.reason is Reason.NO_CERTIFICATE else "",
        ),
        NOW,
    )


def failed(status: int, topic: str | None = None, language: str = "en") -> Answer:
    return PAGES.failed(status, "What was found.", Recipient(REQUEST, CHROME, language), topic=topic)


def invited(language: str, name: str = "alice") -> Reply:
    return shown(f"User-Agent: {ANDROID}", f"Accept-Language: {language}", about=invitation(name))


OVER = [
    topic for topic in catalogues()[DEFAULT_LANGUAGE].topics if topic.startswith("invitation_") or topic == "guessing"
]
VIEWS: dict[str, Answer | Reply] = {
    **{name: refused(refusal) for name, refusal in SHOWN.items()},
    **{
        f"{name}-{language}": refused(SHOWN[name], language)
        for language in sorted(catalogues())
        if language != DEFAULT_LANGUAGE
        for name in ("no_certificate", "expired", "untrusted_issuer")
    },
    **{f"invitation-{language}": invited(language) for language in catalogues()},
    "invitation-hostile": invited("en", HOSTILE + "A" * 300),
    **{topic: failed(410, topic) for topic in OVER},
    "invitation_busy-de": failed(409, "invitation_busy", "de"),
    "minimal": refused(SHOWN["expired"], pages=RefusalPages(detail="minimal")),
    **{str(status): failed(status) for status in (400, 404, 413, 431, 502, 503, 504)},
}


async def answered(request: web.Request) -> web.Response:
    """The page that the path names."""
    answer = VIEWS[request.path.strip("/")]
    return web.Response(body=answer.body, headers=dict(answer.headers), status=answer.status)


SMALLEST = (
    "Math.min(...[...document.querySelectorAll('body *')].map(each => parseFloat(getComputedStyle(each).fontSize)))"
)


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    with App(answered) as app:
        yield app.url


def test_refusals_look_right(pages: str, home: Home, pictures: Path) -> None:
    """Nothing sticks out at the side, nothing is too small to read, nothing ran, nothing was fetched, no complaint."""
    with Chromium(home) as browser:
        for name, answer in VIEWS.items():
            assert browser.go(f"{pages}/{name}") == answer.status
            if name == "hostile" or name.startswith("invitation-"):
                browser.run("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert browser.run("document.scripts.length + performance.getEntriesByType('resource').length") == 0, name
            for screen, (width, height, scheme) in SCREENS.items():
                browser.look(width, height, scheme)
                browser.picture(pictures / f"{name}-{screen}.png")
                assert browser.run("document.documentElement.scrollWidth <= innerWidth"), (name, screen)
                assert browser.run(SMALLEST) >= 12, (name, screen)
        assert [said for said in browser.reported if "with a status of" not in said] == []


def test_a_refusal_can_be_read_at_twice_its_size(pages: str, home: Home, pictures: Path) -> None:
    """WCAG 2.2, 1.4.10: 320 pixels are enough, nothing has to be scrolled sideways; on paper and in forced colours,
    too."""
    with Chromium(home) as browser:
        for name in ("expired", "hostile", "no_certificate-de"):
            browser.go(f"{pages}/{name}")
            browser.look(320, 640, "light")
            browser.picture(pictures / f"{name}-narrow.png")
            assert browser.run("document.documentElement.scrollWidth <= innerWidth"), name
            browser.look(1280, 800, "light", medium="print")
            browser.picture(pictures / f"{name}-print.png")
            assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
            browser.look(1280, 800, "dark", forced_colors=True)
            browser.picture(pictures / f"{name}-forced-colors.png")
