"""gatekeeper.local.page: the right file and the right steps for whoever looks, and nothing from elsewhere."""

import re
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from gatekeeper.invitations.folder import Invitations
from gatekeeper.invitations.invitation import FILES, Invitation, InvitationKind
from gatekeeper.local.layout import platform_of
from gatekeeper.local.page import page
from gatekeeper.local.request import Reply, Request
from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.refusal.catalogue import catalogues
from gatekeeper.wire.block import read_block
from gatekeeper.wire.cache import Cache
from gatekeeper.wire.headers import read_request_field

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Safari/604.1"
CHROME_IOS = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 CriOS/130.0 Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15"
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"
CHROMEOS = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36"


def invitation(name: str = "alice", kind: InvitationKind = InvitationKind.BUNDLE) -> Invitation:
    return Invitation(name, "0" * 64, 1.0, 2_000_000_000.0, kind, {str(one): file for one, file in FILES.items()})


def asked(*lines: str) -> Request:
    text = "".join(f"{line}\r\n" for line in ("Host: gate.example.com", *lines)).encode() + b"\r\n"
    block = read_block(Cache(partial(read_request_field, frozenset()), 64, 1024), frozenset(), 64, text)
    return Request(b"GET", b"/", block, b"", "192.0.2.7", None, "id", 5.0, Invitations(Path("nowhere")), RefusalPages())


def shown(*lines: str, about: Invitation | None = None) -> Reply:
    return page(asked(*lines), about or invitation())


def device(agent: str, hint: str = "") -> str:
    return platform_of(asked(f"User-Agent: {agent}", *([f"Sec-CH-UA-Platform: {hint}"] if hint else ())))


@pytest.mark.parametrize(
    ("agent", "platform", "profile"),
    [
        (IPHONE, "ios", "apple"),
        (CHROME_IOS, "ios", "apple"),
        (ANDROID, "android", "compat"),
        (MAC, "mac", "compat"),
        (WINDOWS, "windows", "modern"),
        (FIREFOX, "firefox", "modern"),
        (LINUX, "linux", "modern"),
        (CHROMEOS, "linux", "modern"),
        ("something else", "", "modern"),
    ],
)
def test_one_button_downloads_what_the_device_opens(agent: str, platform: str, profile: str) -> None:
    """Its own steps are open and first; the other files are folded away."""
    text = shown(f"User-Agent: {agent}").body.decode()
    assert device(agent) == platform
    assert re.findall(r'<button name="profile" value="(\w+)"', text)[0] == profile
    assert set(re.findall(r'<button name="profile" value="(\w+)"', text)) == set(FILES)
    assert text.count("<details open>") == (1 if platform else 0)
    first = re.search(r"<details( open)?>\s*<summary>([^<]+)", text)
    assert first is not None
    names = {one.key: one.name for one in catalogues()["en"].platforms}
    assert not platform or first[2] == names[platform]


def test_a_hint_says_more_than_a_frozen_user_agent() -> None:
    """Chromium's User-Agent says the same on ever more systems; the hint says which one it is."""
    assert device(LINUX, '"Android"') == "android"
    assert device(WINDOWS, '"Chrome OS"') == "linux"
    assert device(WINDOWS, '"Fuchsia"') == "windows"


@pytest.mark.parametrize("language", sorted(catalogues()))
def test_it_speaks_the_visitors_language(language: str) -> None:
    """All five."""
    reply = shown(f"Accept-Language: {language}")
    assert catalogues()[language].invitation.what in reply.body.decode()
    assert dict(reply.headers)["Content-Language"] == catalogues()[language].tag


def test_it_loads_and_runs_nothing_and_is_kept_nowhere() -> None:
    """The address is a secret: no cache, no index, no Referer, no script, no frame, and no form to elsewhere."""
    reply = shown()
    headers = dict(reply.headers)
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex"
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert "script" not in policy
    text = reply.body.decode()
    assert "<script" not in text
    assert re.findall(r'(?:src|href|action)="([^"]*)"', text) == ["data:,", "/"]


def test_a_name_is_no_markup() -> None:
    """Names come from the administrator's command line, and from requests."""
    text = shown(about=invitation("<b>x</b>")).body.decode()
    assert "<b>" not in text
    assert "&lt;b&gt;x" in text


def test_without_a_bundle_there_is_no_button() -> None:
    """Whoever is to send a request has nothing to download."""
    assert b"<button" not in shown(about=invitation(kind=InvitationKind.REQUEST)).body


def test_the_steps_stand_as_on_the_page_of_a_refusal() -> None:
    """The one place where two templates say the same: a refusal's is a single file, as an operator's own is."""
    local, refusal = (files(f"gatekeeper.{one}").joinpath("page.html").read_text() for one in ("local", "refusal"))
    steps = re.compile(r"{% for device in platforms %}.*?</details>\n{% endfor %}", re.DOTALL)
    assert steps.findall(local) == steps.findall(refusal)
    assert len(steps.findall(refusal)) == 1


@pytest.mark.parametrize("language", sorted(catalogues()))
def test_the_servers_own_authority_comes_first_where_there_is_one(language: str) -> None:
    """Until the device trusts it, each further page is behind a warning. On iOS it is in the profile."""
    words = catalogues()[language].invitation
    line = f"Accept-Language: {language}"
    computer = page(asked(f"User-Agent: {WINDOWS}", line), invitation(), anchor=True).body.decode()
    assert computer.index(words.trust_text) < computer.index(words.once)
    assert '<a href="/authority">' in computer
    phone = page(asked(f"User-Agent: {IPHONE}", line), invitation(), anchor=True).body.decode()
    assert words.trust_ios[1] in phone
    assert '<a href="/authority">' not in phone
    assert words.trust not in page(asked(f"User-Agent: {WINDOWS}", line), invitation()).body.decode()
