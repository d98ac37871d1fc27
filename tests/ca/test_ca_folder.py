"""gatekeeper.ca.folder"""

import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatekeeper.ca.folder import PUBLIC, SECRET, Content, Folder, make_folder, write_new, write_over
from gatekeeper.errors import AuthorityError


class KilledError(Exception):
    """Stands for a kill that leaves the test alive to look."""


class StopBefore:
    """Raises ahead of the step with this name."""

    def __init__(self, step: str) -> None:
        self._step = step

    def __call__(self, step: str) -> None:
        if step == self._step:
            raise KilledError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_modes_are_exact_whatever_the_umask(tmp_path: Path) -> None:
    """Secrets are 0600, the rest 0644, subfolders 0700, also under a careless or a strict umask."""
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            path = tmp_path / f"{umask:o}"
            make_folder(path)
            folder = Folder(path)
            with folder.locked():
                folder.commit({"a.key": Content(b"k", SECRET), "sub/a.crt": Content(b"c", PUBLIC)})
        finally:
            os.umask(before)
        assert mode(path) == mode(path / "sub") == 0o700
        assert mode(path / "a.key") == 0o600
        assert mode(path / "sub/a.crt") == 0o644
        assert mode(path / ".lock") & 0o077 == 0


@pytest.mark.parametrize(
    "step", ["write a", "mkdir sub", "write sub/b", "flush folders", "write journal", "rename journal"]
)
def test_a_change_before_its_journal_never_happened(step: str, tmp_path: Path) -> None:
    """Killed before the journal is in place: the old files stay, and no trace is left after the next look."""
    with Folder(tmp_path).locked():
        Folder(tmp_path).commit({"a": Content(b"old")})
    folder = Folder(tmp_path, StopBefore(step))
    with pytest.raises(KilledError), folder.locked():
        folder.commit({"a": Content(b"new"), "sub/b": Content(b"new")})
    with Folder(tmp_path).locked():
        left = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert sorted(path.name for path in left) == [".lock", "a"]
        assert Folder(tmp_path).read("a") == b"old"


@pytest.mark.parametrize("step", ["flush journal", "rename a", "rename sub/b", "unlink journal"])
def test_a_change_after_its_journal_is_finished_by_the_next(step: str, tmp_path: Path) -> None:
    """Killed anywhere after: whoever locks the folder next finds everything done."""
    folder = Folder(tmp_path, StopBefore(step))
    with pytest.raises(KilledError), folder.locked():
        folder.commit({"a": Content(b"new"), "sub/b": Content(b"new", PUBLIC)})
    with Folder(tmp_path).locked():
        assert sorted(os.listdir(tmp_path)) == [".lock", "a", "sub"]
        assert os.listdir(tmp_path / "sub") == ["b"]
        assert (tmp_path / "a").read_bytes() == (tmp_path / "sub/b").read_bytes() == b"new"
        assert (mode(tmp_path / "a"), mode(tmp_path / "sub/b")) == (0o600, 0o644)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    """Where there is no room for the last of the files, none is changed, and none is left aside to take up more."""
    with Folder(tmp_path).locked():
        Folder(tmp_path).commit({"a": Content(b"old")})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write then fails with EFBIG, as it would with ENOSPC
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(AuthorityError, match="too large"), Folder(tmp_path).locked():
            Folder(tmp_path).commit({"a": Content(b"new"), "b": Content(b"x" * 5000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert sorted(os.listdir(tmp_path)) == [".lock", "a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_reader_sees_the_old_file_or_the_new(tmp_path: Path) -> None:
    """A file is replaced, not rewritten: who has the old one open reads it to its end."""
    with Folder(tmp_path).locked():
        Folder(tmp_path).commit({"ca.crl": Content(b"old list")})
        with (tmp_path / "ca.crl").open("rb") as reader:
            Folder(tmp_path).commit({"ca.crl": Content(b"new list")})
            assert reader.read() == b"old list"


def test_the_lock_is_held_while_inside(tmp_path: Path) -> None:
    """Another command cannot take the lock inside, and can afterwards, also after an error."""
    with Folder(tmp_path).locked():
        other = os.open(tmp_path / ".lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(KilledError), Folder(tmp_path).locked():
        raise KilledError
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link where the file is written aside, or at its name, does not lead the key elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    (tmp_path / ".a.key.new").symlink_to(elsewhere)
    (tmp_path / "a.key").symlink_to(elsewhere)
    with Folder(tmp_path).locked():
        Folder(tmp_path).commit({"a.key": Content(b"secret")})
    assert elsewhere.read_bytes() == b"untouched"
    assert not (tmp_path / "a.key").is_symlink()


def test_a_new_folder_is_closed_to_others(tmp_path: Path) -> None:
    """A folder is made with its parents, 0700; an empty one that is there is closed."""
    make_folder(tmp_path / "deep" / "ca")
    assert mode(tmp_path / "deep" / "ca") == 0o700
    (tmp_path / "open").mkdir(0o755)
    make_folder(tmp_path / "open")
    assert mode(tmp_path / "open") == 0o700


def test_a_folder_in_use_that_others_can_read_is_not_touched(tmp_path: Path) -> None:
    """Keys do not go where others look, and the mode of somebody's folder is not changed behind their back."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web").chmod(0o755)
    (tmp_path / "web" / "index.html").touch()
    with pytest.raises(AuthorityError, match="chmod 700"):
        make_folder(tmp_path / "web")
    assert mode(tmp_path / "web") == 0o755


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    """A key that is there stays, and nothing is left beside it."""
    write_new(tmp_path / "a.key", Content(b"first"))
    with pytest.raises(AuthorityError, match="File exists"):
        write_new(tmp_path / "a.key", Content(b"second"))
    assert (tmp_path / "a.key").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["a.key"]
    assert mode(tmp_path / "a.key") == 0o600


def test_a_file_outside_can_be_replaced(tmp_path: Path) -> None:
    """Requests and bundles are made anew as often as one likes."""
    write_over(tmp_path / "a.csr", Content(b"first", PUBLIC))
    write_over(tmp_path / "a.csr", Content(b"second", PUBLIC))
    assert (tmp_path / "a.csr").read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["a.csr"]


def test_a_machine_that_says_no_is_a_sentence(tmp_path: Path) -> None:
    """What the system refuses comes out as one line with the path, not as OSError."""
    (tmp_path / "file").touch()
    with pytest.raises(AuthorityError, match=r"/file: "):
        make_folder(tmp_path / "file")
    with pytest.raises(AuthorityError, match=r"none/\.lock: No such file"), Folder(tmp_path / "none").locked():
        pass
    (tmp_path / "taken").mkdir()
    with pytest.raises(AuthorityError, match="taken: Is a directory"), Folder(tmp_path).locked():
        Folder(tmp_path).commit({"first": Content(b"x"), "taken": Content(b"x")})
    assert sorted(os.listdir(tmp_path)) == [".lock", "file", "taken"]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[1]"])
def test_a_damaged_journal_stops_everything(content: bytes, tmp_path: Path) -> None:
    """A journal that cannot be read is not skipped: a revocation may wait for it."""
    (tmp_path / ".journal").write_bytes(content)
    with pytest.raises(AuthorityError, match=r"\.journal is damaged"), Folder(tmp_path).locked():
        pass


def test_what_a_killed_command_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """Half a file written aside outside the folder does not stop the next attempt."""
    (tmp_path / ".a.key.new").write_bytes(b"half")
    write_new(tmp_path / "a.key", Content(b"whole"))
    assert (tmp_path / "a.key").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["a.key"]


RACING = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
def race(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".a.key.new"):
        os.symlink(folder / "elsewhere", folder / ".a.key.new")
sys.addaudithook(race)
from gatekeeper.ca.folder import Content, write_aside
from gatekeeper.errors import AuthorityError
try:
    write_aside(folder / "a.key", Content(b"secret"))
except FileExistsError:
    print("refused")
"""


def test_a_link_that_appears_at_the_last_moment_is_not_followed(tmp_path: Path) -> None:
    """Between unlink and open somebody may put a link there: O_EXCL refuses it (open(2)). The hook is that fast."""
    (tmp_path / "elsewhere").write_text("")
    done = subprocess.run([sys.executable, "-c", RACING, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.stdout == "refused\n", done.stderr
    assert (tmp_path / "elsewhere").read_text() == ""
