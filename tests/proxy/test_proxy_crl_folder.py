"""gatekeeper.proxy.crl_folder"""

import os
from pathlib import Path

import pytest

from gatekeeper.proxy.crl_folder import CRLFolder, Fetch
from gatekeeper.settings.files import stat_all

URL = "http://pki.example.com/ca.crl"


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    """The list, and how the fetch went; of another URL nothing."""
    folder, fetch = CRLFolder(tmp_path), Fetch(URL, 1.0, 2.0, etag='"1"')
    assert (folder.read(URL), folder.fetch(URL), folder.fetches()) == (None, None, [])
    with folder.locked() as mine:
        assert mine
        folder.keep(fetch, b"a list")
    assert (folder.read(URL), folder.fetch(URL), folder.fetches()) == (b"a list", fetch, [fetch])
    assert (folder.read(URL + "2"), folder.fetch(URL + "2")) == (None, None)
    assert folder.list_path(URL).name.startswith("pki.example.com-")


def test_only_one_holds_the_lock(tmp_path: Path) -> None:
    """Until it lets go; a process that ends lets go."""
    with CRLFolder(tmp_path).locked() as mine:
        assert mine
        with CRLFolder(tmp_path).locked() as second:
            assert not second
    with CRLFolder(tmp_path).locked() as mine:
        assert mine


def test_the_folders_time_changes_when_a_list_does(tmp_path: Path) -> None:
    """And not for a fetch that brought nothing new: the gate reloads when it changes."""
    folder, fetch = CRLFolder(tmp_path), Fetch(URL, 1.0, 2.0)
    with folder.locked():
        folder.keep(fetch, b"a list")
        os.utime(tmp_path, (0, 0))
        before = stat_all([tmp_path])
        folder.keep(fetch)
        assert stat_all([tmp_path]) == before
        folder.keep(fetch, b"the next list")
        assert stat_all([tmp_path]) != before


DAMAGED = [
    b"",
    b"{",
    b"[]",
    b'{"url": 1}',
    b'{"url": "a", "x": 1}',
    b"\xff",
    b'{"url": 1, "checked": 1.0, "due": 2.0}',
    b'{"url": "%b", "checked": "1", "due": 2.0}' % URL.encode(),
    b'{"url": "%b", "checked": 1.0, "due": 2.0, "etag": 1}' % URL.encode(),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_state_is_none(tmp_path: Path, content: bytes) -> None:
    """The list is then fetched anew."""
    folder = CRLFolder(tmp_path)
    with folder.locked():
        folder.keep(Fetch(URL, 1.0, 2.0))
    (state,) = (tmp_path / "state").glob("*.json")
    state.write_bytes(content)
    assert (folder.fetch(URL), folder.fetches()) == (None, [])


@pytest.mark.parametrize("kind", ["a link", "a pipe", "a folder"])
def test_what_a_worker_may_have_put_there_is_not_opened(tmp_path: Path, kind: str) -> None:
    """Root reads the folder at the start: it is not led elsewhere, and does not wait."""
    folder = CRLFolder(tmp_path)
    with folder.locked():
        folder.keep(Fetch(URL, 1.0, 2.0), b"a list")
    (state,) = (tmp_path / "state").glob("*.json")
    for path in (state, folder.list_path(URL)):
        path.rename(tmp_path / f"{path.name}.aside")
        if kind == "a link":
            path.symlink_to(tmp_path / f"{path.name}.aside")
        elif kind == "a pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
    assert folder.read(URL) in (None, b"")
    assert (folder.fetch(URL), folder.fetches()) == (None, [])
