"""/.gatekeeper/me: for who was let in, about themselves alone, and the renewal of exactly their certificate."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.invitations.invitation import InvitationKind
from gatekeeper.invitations.state import Stage
from gatekeeper.refusal.answer import RefusalPages
from gatekeeper.refusal.catalogue import catalogues
from tests.certificates import DAY, NOW, make_client
from tests.invitations.invited import CONTENTS, Invited, invite
from tests.proxy.scene import Scene, Visitor, get, request

ME = "/.gatekeeper/me"
ROUTES = [
    {"path": "/admin/*", "allow": [{"cn": "root"}]},
    {"path": "/elsewhere/*", "hosts": ["other.example.com"]},
    {"path": "/open/*", "public": True, "methods": ["GET"]},
    {"path": "/*", "allow": [{"cn": "alice"}]},
]
Make = Callable[..., Scene]


class Meeting:
    """A gate with a folder of invitations, and Alice."""

    def __init__(self, make_scene: Make, folder: Path, **tables: Any) -> None:
        self.folder = folder / "invitations"
        self.folder.mkdir(mode=0o700)
        self.scene = make_scene(invitations={"folder": str(self.folder)}, **tables)
        self.alice = self.scene.alice()

    def renewal(self, replaces: str | None = None, **more: Any) -> Invited:
        return invite(self.folder, self.scene.wall(), replaces=replaces or self.sha256, **more)

    @property
    def sha256(self) -> str:
        return str(self.fields()["certificate"]["sha256"])

    def fields(self) -> Any:
        return json.loads(self.ask(get(ME)).partition(b"\r\n\r\n")[2])

    def ask(self, octets: bytes, visitor: Visitor | None = None) -> bytes:
        visitor = visitor or self.scene.alice()
        visitor.send(octets)
        return visitor.read()

    def fetch(self, *lines: str, visitor: Visitor | None = None) -> tuple[int, bytes]:
        body = b"profile=modern"
        answer = self.ask(request("POST", ME, f"Content-Length: {len(body)}", *lines, body=body), visitor)
        return int(answer[9:12]), answer


def stage(one: Invited) -> Stage:
    found = one.invitations.find(one.digest)
    assert found is not None
    return found.state.stage


@pytest.fixture
def meeting(make_scene: Make, tmp_path: Path) -> Meeting:
    return Meeting(make_scene, tmp_path)


def test_it_says_which_certificate_it_is_and_what_it_opens(make_scene: Make, tmp_path: Path) -> None:
    """Routes of the host that was asked, open or closed, in their order; not a word of the rules."""
    meeting = Meeting(make_scene, tmp_path, routes=ROUTES)
    fields = meeting.fields()
    assert fields["certificate"]["subject"].startswith("CN=alice")
    assert fields["certificate"]["days_left"] > 0
    assert [(one["path"], one["open"]) for one in fields["routes"]] == [
        ("/admin/*", False),
        ("/open/*", True),
        ("/*", True),
    ]
    assert fields["renewal"] is None
    assert "root" not in json.dumps(fields)
    assert not meeting.scene.app.connections


def test_where_no_routes_are_written_everything_is_open(meeting: Meeting) -> None:
    """Every verified client reaches the app."""
    assert meeting.fields()["routes"] == [{"path": "/*", "methods": [], "open": True, "title": None}]


@pytest.mark.parametrize("path", [ME, ME + "/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_was_not_let_in_gets_the_403_of_the_gate(meeting: Meeting, method: str, path: str) -> None:
    """Nobody is somebody without a good certificate: none, or one that has expired."""
    meeting.renewal()
    expired = make_client("alice", meeting.scene.files.authority, ends=NOW - DAY / 2)
    for visitor, reason in ((meeting.scene.visitor(), b"no_certificate"), (meeting.scene.visitor(expired), b"expired")):
        answer = meeting.ask(request(method, path), visitor)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"\r\nGatekeeper-Reason: " + reason in answer


def test_without_invitations_it_belongs_to_the_app(make_scene: Make) -> None:
    """Off unless configured."""
    scene = make_scene()
    alice = scene.alice()
    alice.send(get(ME))
    assert scene.serve(alice).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("language", sorted(catalogues()))
def test_the_page_is_in_the_visitors_language(meeting: Meeting, language: str) -> None:
    """And loads nothing; the button is there only when a renewal waits."""
    me = catalogues()[language].me
    page = meeting.ask(get(ME, "Accept: text/html", f"Accept-Language: {language}")).decode()
    assert me.what in page
    assert me.everything in page
    assert "<button" not in page
    assert "form-action 'self'" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    meeting.renewal()
    page = meeting.ask(get(ME, "Accept: text/html", f"Accept-Language: {language}")).decode()
    assert f">{me.button}</button>" in page


def test_a_renewal_is_fetched_once_and_without_a_link(meeting: Meeting) -> None:
    """By who shows the certificate that it replaces."""
    renewal = meeting.renewal()
    assert meeting.fields()["renewal"] is not None
    alice = meeting.scene.alice()
    status, answer = meeting.fetch("Sec-Fetch-Site: same-origin", "Origin: https://app.example.com", visitor=alice)
    assert status == 200
    assert answer.endswith(CONTENTS["modern.p12"])
    alice.say_goodbye()
    assert stage(renewal) is Stage.USED
    assert meeting.fields()["renewal"] is None
    assert meeting.fetch()[0] == 404


def test_the_newest_renewal_is_the_one(meeting: Meeting) -> None:
    """The administrator made another one, because something was wrong with the first."""
    old = meeting.renewal()
    meeting.scene.loop.advance(60)
    new = meeting.renewal()
    alice = meeting.scene.alice()
    assert meeting.fetch(visitor=alice)[0] == 200
    alice.say_goodbye()
    assert (stage(old), stage(new)) == (Stage.OPEN, Stage.USED)


@pytest.mark.parametrize(
    ("host", "origin"), [("App.Example.COM", "https://app.example.com"), ("app.example.com", "https://APP.example.com")]
)
def test_the_case_of_a_host_means_nothing(meeting: Meeting, host: str, origin: str) -> None:
    """RFC 3986, 3.2.2: the page that sends its form to another spelling of its own name is the same site."""
    renewal, body = meeting.renewal(), b"profile=modern"
    octets = request("POST", ME, f"Content-Length: {len(body)}", f"Origin: {origin}", body=body)
    alice = meeting.scene.alice()
    assert meeting.ask(octets.replace(b"app.example.com", host.encode(), 1), alice).startswith(b"HTTP/1.1 200 ")
    alice.say_goodbye()
    assert stage(renewal) is Stage.USED


def test_a_renewal_of_another_certificate_is_not_shown(meeting: Meeting) -> None:
    """Not of an older one of the same name, nor an ordinary invitation for it."""
    others = [meeting.renewal("0" * 64), invite(meeting.folder, meeting.scene.wall(), "alice")]
    assert meeting.fields()["renewal"] is None
    assert meeting.fetch()[0] == 404
    assert [stage(one) for one in others] == [Stage.OPEN, Stage.OPEN]


def test_what_a_machine_has_asked_for_is_not_shown(meeting: Meeting) -> None:
    """It names the same certificate, but has no file for a browser, and is fetched where it was asked for."""
    waiting = meeting.renewal(kind=InvitationKind.RENEWAL, files={})
    assert meeting.fields()["renewal"] is None
    assert meeting.fetch()[0] == 404
    assert stage(waiting) is Stage.OPEN


def test_a_renewal_ends(meeting: Meeting) -> None:
    """As every invitation."""
    renewal = meeting.renewal()
    meeting.scene.loop.advance(3601)
    assert meeting.fetch()[0] == 404
    assert stage(renewal) is Stage.ENDED


@pytest.mark.parametrize(
    "lines",
    [
        ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"],
        ["Sec-Fetch-Site: none"],
        ["Origin: https://evil.example"],
        ["Origin: null"],
        ["Origin: http://app.example.com"],
        ["Sec-Fetch-Site: same-origin", "Origin: null"],
    ],
)
def test_another_site_cannot_use_it_up(meeting: Meeting, lines: list[str]) -> None:
    """A browser shows the certificate to requests of other sites, too."""
    renewal = meeting.renewal()
    assert meeting.fetch(*lines)[0] == 403
    assert stage(renewal) is Stage.OPEN


def test_looking_and_other_methods_use_nothing_up(meeting: Meeting) -> None:
    """GET, HEAD, and 405 for the rest."""
    renewal = meeting.renewal()
    assert meeting.ask(request("HEAD", ME)).endswith(b"\r\n\r\n")
    assert meeting.ask(request("DELETE", ME)).startswith(b"HTTP/1.1 405 ")
    assert stage(renewal) is Stage.OPEN


def test_a_name_cannot_become_markup(make_scene: Make, tmp_path: Path) -> None:
    """It is somebody else's text."""
    meeting = Meeting(make_scene, tmp_path)
    mallory = make_client("<script>alert(1)</script>", meeting.scene.files.authority)
    page = meeting.ask(get(ME, "Accept: text/html"), meeting.scene.visitor(mallory))
    assert page.startswith(b"HTTP/1.1 200 ")
    assert b"<script" not in page


START = [
    {"path": "/photos/*", "title": "Photos <b>", "allow": [{"cn": "alice"}]},
    {"path": "/admin/*", "title": "Admin", "allow": [{"cn": "root"}]},
    {"path": "/hook", "title": "Hook", "methods": ["POST"]},
    {"path": "/*", "hosts": ["cloud.example.com"], "title": "Cloud"},
    {"path": "/*"},
]


def test_the_start_page_links_to_what_it_opens(make_scene: Make, tmp_path: Path) -> None:
    """Titles of open routes that can be looked at, on other hosts too; what is closed is no link."""
    meeting = Meeting(make_scene, tmp_path, routes=START)
    page = meeting.ask(get(ME, "Accept: text/html")).decode()
    assert re.findall(r'<li><a href="([^"]*)"><bdi>([^<]*)</bdi>', page) == [
        ("/photos/", "Photos &lt;b&gt;"),
        ("https://cloud.example.com/", "Cloud"),
    ]


def test_what_ends_soon_is_marked(make_scene: Make, tmp_path: Path) -> None:
    """In words; a certificate with time left has no such mark."""
    meeting = Meeting(make_scene, tmp_path)
    authority = meeting.scene.files.authority
    for days, marked in ((100, False), (31, False), (30, True), (1, True)):
        carol = meeting.scene.visitor(make_client("carol", authority, ends=NOW + days * DAY))
        page = meeting.ask(get(ME, "Accept: text/html"), carol).decode()
        assert ("This certificate expires soon" in page) is marked, days


def test_whom_to_ask_is_always_said(make_scene: Make, tmp_path: Path) -> None:
    """With a certificate that holds for long, too: the page is where somebody looks who needs help."""
    meeting = Meeting(make_scene, tmp_path)
    snapshot = meeting.scene.proxy.snapshot
    assert "Whom to ask" not in meeting.ask(get(ME, "Accept: text/html")).decode()
    meeting.scene.proxy.renew(replace(snapshot, pages=RefusalPages(contact="anna@example.com")))
    page = meeting.ask(get(ME, "Accept: text/html")).decode()
    assert '<a href="mailto:anna@example.com"><bdi>anna@example.com</bdi></a>' in page[page.index("Whom to ask") :]
