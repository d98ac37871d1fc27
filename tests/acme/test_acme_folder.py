"""The folder that workers and replicas share."""

import stat
from pathlib import Path

import pytest

from gatekeeper.acme.folder import Account, ACMEFolder, State


@pytest.fixture
def folder(tmp_path: Path) -> ACMEFolder:
    return ACMEFolder(tmp_path / "acme")


def test_an_empty_folder_has_nothing(folder: ACMEFolder) -> None:
    """Nor does one that is not there: the gate starts all the same."""
    assert folder.read_certificate() == b""
    assert folder.state == State()
    assert folder.account("https://ca.example/") is None
    assert folder.token("abc") == b""
    assert folder.challenge_certificate("a.example") is None


def test_what_is_written_is_read(folder: ACMEFolder) -> None:
    """By every process that has the folder; each directory has an account of its own."""
    state = State("0a", "https://ca.example/", 1.5, 2.5, 3, 4.5, "no", 5, 6)
    folder.write_state(state)
    folder.write_account("https://ca.example/", Account("key", "https://ca.example/1"))
    folder.write_certificate(b"pem")
    again = ACMEFolder(folder.path)
    assert again.state == state
    assert again.account("https://ca.example/") == Account("key", "https://ca.example/1")
    assert again.account("https://other.example/") is None
    assert again.read_certificate() == b"pem"


def test_each_lineage_has_its_certificate_and_state(folder: ACMEFolder) -> None:
    """What else there is, they share: accounts, challenges, and the lock under which one of them is ordered."""
    other = ACMEFolder(folder.path, "www.example.com")
    folder.write_certificate(b"pem")
    folder.write_state(State(issued=1))
    assert (other.read_certificate(), other.state) == (b"", State())
    other.write_certificate(b"other")
    other.write_state(State(issued=2))
    assert (folder.read_certificate(), folder.state.issued) == (b"pem", 1)
    assert (other.read_certificate(), other.state.issued) == (b"other", 2)
    folder.write_account("https://ca.example/", Account("key", "url"))
    folder.put_token("abc", "x")
    assert (other.account("https://ca.example/"), other.token("abc")) == (Account("key", "url"), b"x")
    with folder.lock(), other.lock() as alone:
        assert not alone


def test_nobody_else_may_read_it(folder: ACMEFolder) -> None:
    """Keys are in it."""
    folder.write_certificate(b"pem")
    folder.write_account("https://ca.example/", Account("key", ""))
    folder.put_challenge_certificate("a.example", b"pem")
    for path in (folder.path, *folder.path.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"failures": "many", "serial": 7}', b"\xff"])
def test_a_damaged_state_counts_as_none(folder: ACMEFolder, content: bytes) -> None:
    """It costs a decision about renewal, and nothing else."""
    folder.write_state(State(issued=1))
    (folder.path / "state.json").write_bytes(content)
    assert folder.state == State()


def test_no_link_is_followed(folder: ACMEFolder, tmp_path: Path) -> None:
    """Root reads the certificate at the start, from a folder that workers without its rights may write."""
    secret = tmp_path / "secret"
    secret.write_text("root's own")
    folder.write_state(State())
    folder.certificate.symlink_to(secret)
    (folder.path / "http-01").mkdir()
    (folder.path / "http-01" / "abc").symlink_to(secret)
    assert folder.read_certificate() == b""
    assert folder.token("abc") == b""


def test_a_failed_write_leaves_the_old_file(folder: ACMEFolder) -> None:
    """And no part of the new one."""
    folder.write_certificate(b"old")
    with pytest.raises(TypeError):
        folder.write_certificate("new")  # type: ignore[arg-type]
    assert folder.read_certificate() == b"old"
    assert [path.name for path in folder.path.iterdir()] == ["certificate.pem"]


@pytest.mark.parametrize("token", ["", "..", "../state.json", "a/b", "a.b", "a b", "a\0", "é", "x" * 201])
def test_a_token_that_is_none_reads_and_writes_no_file(folder: ACMEFolder, token: str) -> None:
    """Tokens come from anybody who asks on port 80 (RFC 8555, 8.3: base64url)."""
    folder.write_state(State())
    assert folder.token(token) == b""
    with pytest.raises(ValueError, match="is not a token"):
        folder.put_token(token, "x")


def test_challenges_are_there_until_they_are_cleared(folder: ACMEFolder) -> None:
    """Names without regard to case, and whatever is in them."""
    folder.put_token("aB-_9", "aB-_9.thumb")
    for name in ("gate.example.com", "../../etc/passwd", "a/b"):
        folder.put_challenge_certificate(name, b"pem")
    assert folder.token("aB-_9") == b"aB-_9.thumb"
    path = folder.challenge_certificate("GATE.example.com")
    assert path is not None
    assert path.read_bytes() == b"pem"
    assert {one.parent for one in folder.path.rglob("*.pem")} == {folder.path / "tls-alpn-01"}
    folder.clear_challenges()
    assert folder.token("aB-_9") == b""
    assert folder.challenge_certificate("gate.example.com") is None


def test_one_has_the_lock(folder: ACMEFolder) -> None:
    """The second does not wait; when the first is done, it may."""
    with folder.lock() as first, ACMEFolder(folder.path).lock() as second:
        assert (first, second) == (True, False)
    with folder.lock() as alone:
        assert alone
