"""Headers of other proxies: the built-in list, and what an operator adds to it or takes out of it."""

import re
from pathlib import Path

import pytest

from gatekeeper.settings.identity import IdentitySettings
from gatekeeper.wire.foreign import BUILT_IN, FOREIGN_HEADERS, StrippedNames, folded, is_foreign
from gatekeeper.wire.headers import is_left_to_custom, is_of_the_request, read_request_field
from gatekeeper.wire.identity import IdentityWriter
from tests.people import ALICE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "headers.md").read_text("utf-8")
SECTION = PAGE.partition("## Headers of other proxies")[2].partition("\n## ")[0]


def sent(entry: str) -> bytes:
    """A header that the entry means."""
    return entry.replace("*", "Anything").encode()


@pytest.mark.parametrize("entry", FOREIGN_HEADERS)
def test_no_visitor_names_a_user_as_another_proxy_would(entry: str) -> None:
    """In the spelling of the list, in small letters, and as a server that folds characters would read it."""
    for name in (sent(entry), sent(entry).lower(), sent(entry).replace(b"-", b"."), sent(entry).replace(b"-", b"_")):
        assert read_request_field(BUILT_IN, name + b": admin").line == b""


def test_the_page_has_a_row_with_a_source_for_each_entry() -> None:
    """And no entry that the code does not know."""
    rows = re.findall(r"^\| (`.+`) \| (.+) \| (.+) \|$", SECTION, re.MULTILINE)
    assert [name for names, _, _ in rows for name in re.findall(r"`([^`]+)`", names)] == list(FOREIGN_HEADERS)
    assert all(by.strip() and source.strip() for _, by, source in rows)


def test_no_entry_stands_twice() -> None:
    """Folded, and below the beginning of another."""
    for entry in FOREIGN_HEADERS:
        assert not StrippedNamesOnly(set(FOREIGN_HEADERS) - {entry}).holds(entry)


class StrippedNamesOnly:
    """The list without what is looked for."""

    def __init__(self, entries: set[str]) -> None:
        self.whole = {folded(one.encode()) for one in entries if not one.endswith("*")}
        self.beginnings = tuple(folded(one[:-1].encode()) for one in entries if one.endswith("*"))

    def holds(self, entry: str) -> bool:
        name = folded(entry.removesuffix("*").encode())
        return name in self.whole or name.startswith(self.beginnings)


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization", b"Cookie", b"X-Auth-Token", b"X-Access-Token", b"X-API-Key", b"Impersonate-User",
        b"X-Scope-OrgID", b"X-Goog-Meta-Color", b"X-Amz-Date", b"X-MS-Version", b"X-Client-Data", b"X-Client-Version",
        b"X-Requested-With", b"X-CSRF-Token", b"Cf-Ray", b"X-User-Agent", b"Auth-Users", b"Remote", b"SSLMode",
        b"X-Token", b"Sec-WebSocket-Key", b"Accept-Language",
    ],
)  # fmt: skip
def test_what_clients_say_of_their_own_passes(name: bytes) -> None:
    """Credentials that an app checks, and near misses of the list."""
    assert read_request_field(BUILT_IN, name + b": x").line == name + b": x\r\n"


@pytest.mark.parametrize("entry", FOREIGN_HEADERS)
def test_the_gate_itself_may_set_them(entry: str) -> None:
    """As custom headers, for apps that know one; but for those of its presets."""
    name = folded(sent(entry))
    assert not is_of_the_request(name)
    assert is_left_to_custom(name)


def test_further_names_are_stripped_too() -> None:
    """Whole ones, and beginnings."""
    stripped = StrippedNames(("X-Corp-User", "X-Claim-*"))
    assert {b"x-corp-user", b"x-claim-sub", b"remote-email"} - {*filter(stripped.__contains__, NAMES)} == set()
    assert b"x-corp-users" not in stripped
    assert b"x-claim" not in stripped


NAMES = (b"x-corp-user", b"x-claim-sub", b"remote-email")


def test_an_operator_can_let_names_pass() -> None:
    """Only those; what is stripped by name, or set as a custom header, stays the gate's."""
    stripped = StrippedNames(("Remote-Email",), ("CF-Connecting-IP", "Remote-*"))
    assert b"cf-connecting-ip" not in stripped
    assert b"remote-groups" not in stripped
    assert b"remote-email" in stripped
    assert b"cf-connecting-ipv6" in stripped


def test_the_settings_say_what_is_stripped() -> None:
    """``identity.custom``, ``strip`` and ``pass`` together, and what the caller adds."""
    document = {"custom": {"X-Device": "{cn}"}, "strip": ["X-Corp-*"], "pass": ["X-Client-IP"]}
    stripped = IdentityWriter(IdentitySettings.model_validate(document), ALICE).strips(("X-Original-URL",))
    assert all(name in stripped for name in (b"x-device", b"x-corp-a", b"x-original-url", b"x-remote-user"))
    assert b"x-client-ip" not in stripped


@pytest.mark.parametrize(
    ("name", "known"),
    [("X-Remote-User", True), ("X-Remote-*", True), ("x.remote.user", True), ("X-Device", False), ("X-R*", False)],
)
def test_the_list_knows_its_names(name: str, known: bool) -> None:
    """A beginning counts only if all names that begin so are in the list."""
    assert is_foreign(name) is known


def test_the_readme_promises_it() -> None:
    """With a link to the list."""
    assert "docs/headers.md#headers-of-other-proxies" in (ROOT / "README.md").read_text("utf-8")
