"""Invitations on disk."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatekeeper.errors import InvitationError
from gatekeeper.invitations.folder import (
    KEPT_SECONDS,
    KEPT_UNFETCHED_SECONDS,
    RECORD,
    Invitations,
    StoredInvitation,
    folder_error,
)
from gatekeeper.invitations.invitation import Invitation
from gatekeeper.invitations.state import REPEAT_SECONDS, Stage, mark_of, over
from tests.invitations.invited import CONTENTS, Invited, invite

NOW = 1_000_000.0
HERE, ELSEWHERE = mark_of("192.0.2.7", "d"), mark_of("192.0.2.8", "d")


@pytest.fixture
def invited(tmp_path: Path) -> Invited:
    return invite(tmp_path / "invitations", NOW)


def found(invited: Invited) -> StoredInvitation:
    one = invited.invitations.find(invited.digest)
    assert one is not None
    return one


def begun(invited: Invited) -> StoredInvitation:
    taken = invited.invitations.take(found(invited), HERE, NOW)
    assert taken is not None
    return taken


def left_on_disk(invited: Invited) -> set[str]:
    """The names of all files that hold something secret."""
    return {path.name for path in invited.invitations.path.rglob("*") if path.is_file()} - {RECORD}


def test_what_is_put_there_is_found_by_the_hash(invited: Invited) -> None:
    """With all its files."""
    one = found(invited)
    assert one.invitation.name == "alice"
    assert one.state.stage is Stage.OPEN
    assert {name: invited.invitations.read(one, name) for name in CONTENTS} == CONTENTS


def test_half_a_hash_is_not_enough(invited: Invited) -> None:
    """The folder is called by the first half; the whole is compared."""
    near = invited.digest[:-1] + ("0" if invited.digest[-1] != "0" else "1")
    assert invited.invitations.find(near) is None
    assert invited.invitations.find("0" * 64) is None


def test_the_token_is_nowhere_on_disk(invited: Invited) -> None:
    """Whoever reads the folder cannot use an invitation, only destroy it."""
    paths = list(invited.invitations.path.rglob("*"))
    assert not any(invited.token in str(path) for path in paths)
    contents = [path.read_bytes() for path in paths if path.is_file()]
    assert contents
    assert not any(invited.token.encode() in content for content in contents)


def test_one_of_two_takes_it(invited: Invited) -> None:
    """Both have seen it open."""
    seen = found(invited)
    assert invited.invitations.take(seen, HERE, NOW) is not None
    assert invited.invitations.take(seen, ELSEWHERE, NOW) is None
    assert invited.invitations.take(seen, HERE, NOW) is None


def test_one_of_fifty_threads_takes_it(invited: Invited) -> None:
    """The rename decides, as it does between processes and between machines on one file server."""
    winners: list[StoredInvitation | None] = []
    barrier = threading.Barrier(50)

    def run() -> None:
        seen = found(invited)
        barrier.wait()
        winners.append(Invitations(invited.invitations.path).take(seen, HERE, NOW))

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in winners if one is not None]) == 1


def test_a_whole_download_destroys_the_files(invited: Invited) -> None:
    """At once; that it was used is still known."""
    invited.invitations.settle(begun(invited), whole=True, now=NOW + 1)
    assert left_on_disk(invited) == set()
    assert found(invited).state.stage is Stage.USED


def test_one_that_broke_off_is_taken_again_from_the_same_address(invited: Invited) -> None:
    """And from no other."""
    invited.invitations.settle(begun(invited), whole=False, now=NOW + 1)
    assert left_on_disk(invited) == set(CONTENTS)
    assert invited.invitations.take(found(invited), ELSEWHERE, NOW + 2) is None
    again = invited.invitations.take(found(invited), HERE, NOW + 2)
    assert again is not None
    assert invited.invitations.read(again, "modern.p12") == CONTENTS["modern.p12"]


def test_a_sweep_destroys_what_nobody_comes_back_for(invited: Invited) -> None:
    """Also where the process that handed it out was killed in the middle."""
    begun(invited)
    invited.invitations.sweep(NOW + REPEAT_SECONDS - 1)
    assert left_on_disk(invited) == set(CONTENTS)
    invited.invitations.sweep(NOW + REPEAT_SECONDS)
    assert left_on_disk(invited) == set()
    assert found(invited).state.stage is Stage.LOST


def test_a_sweep_destroys_what_has_ended(invited: Invited) -> None:
    """Nobody need ask for it."""
    invited.invitations.sweep(NOW + 3600)
    assert left_on_disk(invited) == set()
    assert found(invited).state.stage is Stage.ENDED


def killed_after_the_rename(invited: Invited) -> None:
    """Leave what a process leaves that was killed before it had emptied the folder."""
    folder = invited.invitations.path / found(invited).identifier
    (folder / "open").rename(folder / f"used-{int(NOW)}")
    assert left_on_disk(invited) == set(CONTENTS)


def test_files_that_are_still_there_after_the_rename_are_not_handed_out(invited: Invited) -> None:
    """The rename alone takes the right to download away; the files are deleted after it."""
    seen = found(invited)
    killed_after_the_rename(invited)
    assert invited.invitations.take(found(invited), HERE, NOW) is None
    assert invited.invitations.take(seen, HERE, NOW) is None
    assert invited.invitations.read(seen, "modern.p12") is None


def test_a_sweep_finishes_what_a_killed_process_began_to_destroy(invited: Invited) -> None:
    """It had renamed the folder, and not yet emptied it."""
    killed_after_the_rename(invited)
    invited.invitations.sweep(NOW + 1)
    assert left_on_disk(invited) == set()


def test_what_is_over_is_forgotten_in_the_end(invited: Invited) -> None:
    """A name need not stay in the folder for ever."""
    invited.invitations.sweep(NOW + 3600)
    invited.invitations.sweep(NOW + 3600 + KEPT_SECONDS - 1)
    assert invited.invitations.find(invited.digest) is not None
    invited.invitations.sweep(NOW + 3600 + KEPT_SECONDS)
    assert list(invited.invitations.path.iterdir()) == []


@pytest.mark.parametrize(("used", "kept"), [(True, KEPT_SECONDS), (False, KEPT_UNFETCHED_SECONDS)])
def test_a_renewal_that_nobody_fetched_is_remembered_for_long(tmp_path: Path, used: bool, kept: int) -> None:
    """`gatekeeper ca retire` asks for it, a year after the link ended."""
    invitations = Invitations(tmp_path)
    invitations.add(Invitation("alice", "1" * 64, made=NOW, ends=NOW + 60, replaces="2" * 64), {})
    (stored,) = invitations.all()
    invitations.move(stored, over(Stage.USED if used else Stage.ENDED, NOW + 60))
    invitations.sweep(NOW + 60 + kept - 1)
    assert len(list(invitations.all())) == 1
    invitations.sweep(NOW + 60 + kept)
    assert list(invitations.all()) == []


def test_a_second_request_does_not_replace_the_first(invited: Invited) -> None:
    """Two know the link: the key that the administrator compares must stay the one that came first."""
    first, second = "a" * 32, "b" * 32
    asked = invited.invitations.ask(found(invited), first, b"first", NOW)
    assert asked is not None
    assert invited.invitations.ask(found(invited), second, b"second", NOW) is None
    assert invited.invitations.ask(asked, second, b"second", NOW) is None
    assert found(invited).state.mark == first
    assert invited.invitations.read(found(invited), f"request-{first}.json") == b"first"


def test_cancelled_is_destroyed_even_while_it_is_downloaded(invited: Invited) -> None:
    """Who looked before it was taken finds it all the same; what comes of the download changes nothing."""
    seen = found(invited)
    taken = begun(invited)
    assert invited.invitations.cancel(seen, NOW + 1)
    assert left_on_disk(invited) == set()
    invited.invitations.settle(taken, whole=False, now=NOW + 2)
    assert found(invited).state.stage is Stage.CANCELLED
    assert not invited.invitations.cancel(found(invited), NOW + 3)


def test_everything_is_closed_to_others(invited: Invited) -> None:
    """Whatever the umask says."""
    modes = {stat.S_IMODE(path.stat().st_mode) for path in invited.invitations.path.rglob("*")}
    assert modes == {0o700, 0o600}


def test_a_folder_that_is_open_to_a_group_shares_all_with_it(tmp_path: Path) -> None:
    """So that the gate may run as another user than the administrator."""
    folder = tmp_path / "invitations"
    folder.mkdir()
    folder.chmod(0o2770)
    invite(folder, NOW)
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o777 for path in folder.rglob("*")}
    assert modes == {0o770, 0o660}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_gives_all_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    """The gate's user, most likely."""
    folder = tmp_path / "invitations"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12346)
    invite(folder, NOW)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.rglob("*")} == {(12345, 12346)}


def test_what_is_not_whole_yet_is_no_invitation(invited: Invited) -> None:
    """Its name begins with a dot until it is; a damaged one is skipped."""
    folder = invited.invitations.path
    (folder / ".new-1").mkdir()
    (folder / ("0" * 32)).mkdir()
    (folder / ("0" * 32) / RECORD).write_text("half")
    assert [one.invitation.name for one in invited.invitations.all()] == ["alice"]


def test_two_states_are_none(invited: Invited) -> None:
    """Nobody can say then whether it was used, so it cannot be."""
    (invited.invitations.path / found(invited).identifier / "used-5").mkdir()
    with pytest.raises(InvitationError, match="not known whether it was used"):
        invited.invitations.find(invited.digest)


def test_links_are_not_followed(invited: Invited, tmp_path: Path) -> None:
    """Who can write into the folder cannot have the gate read another one."""
    (tmp_path / "secret").write_text("x")
    one = found(invited)
    path = invited.invitations.path / one.identifier / "open" / "modern.p12"
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(InvitationError):
        invited.invitations.read(one, "modern.p12")


# Where invitations cannot be handed out -------------------------------------------------------------------------------


@pytest.fixture
def nobody() -> Iterator[None]:
    """Not root, for whom every folder is open."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_a_good_folder_has_no_complaint(tmp_path: Path) -> None:
    """Neither closed nor shared with a group."""
    assert folder_error(tmp_path) == ""


def test_a_missing_folder(tmp_path: Path) -> None:
    """With the command that makes it."""
    assert (
        folder_error(tmp_path / "none")
        == f"{tmp_path}/none: no such file or directory; make it: mkdir -m 700 {tmp_path}/none"
    )


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert folder_error(tmp_path / "file") == f"{tmp_path}/file is not a folder"


def test_a_folder_for_everybody_is_for_nobody(tmp_path: Path) -> None:
    """Anybody could rename a used one back."""
    tmp_path.chmod(0o777)
    assert "can be written by everybody" in folder_error(tmp_path)


def test_a_folder_of_somebody_else(tmp_path: Path, nobody: None) -> None:
    """The gate must be able to rename."""
    assert "cannot be read and written by the gate's user" in folder_error(Path("/"))
