"""gatekeeper.invitations.directory: nothing below an open folder is reached through a link that somebody put there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatekeeper.errors import InvitationError
from gatekeeper.invitations.directory import Directory
from gatekeeper.invitations.folder import Invitations
from gatekeeper.invitations.state import State
from tests.invitations.invited import invite

NOW = 1_000_000.0


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder of the administrator with a file that must survive."""
    folder = tmp_path / "ca"
    folder.mkdir()
    (folder / "ca.key").write_text("precious")
    return folder


def test_cancelling_does_not_follow_a_link_in_the_place_of_a_state(tmp_path: Path, secret: Path) -> None:
    """A gate that was taken over puts a link to the authority's folder where the files of an invitation lay."""
    invited = invite(tmp_path / "invitations", NOW)
    found = invited.invitations.find(invited.digest)
    assert found is not None
    state = tmp_path / "invitations" / found.identifier / State().name
    for path in state.iterdir():
        path.unlink()
    state.rmdir()
    state.symlink_to(secret)
    with pytest.raises(InvitationError):
        invited.invitations.cancel(found, NOW)
    assert (secret / "ca.key").read_text() == "precious"


def test_cancelling_does_not_follow_a_link_in_the_place_of_an_invitation(tmp_path: Path, secret: Path) -> None:
    """One step further up."""
    invited = invite(tmp_path / "invitations", NOW)
    found = invited.invitations.find(invited.digest)
    assert found is not None
    (secret / State().name).mkdir()
    (secret / State().name / "ca.key").write_text("precious")
    (tmp_path / "invitations" / found.identifier).rename(tmp_path / "elsewhere")
    (tmp_path / "invitations" / found.identifier).symlink_to(secret)
    with pytest.raises(InvitationError):
        invited.invitations.cancel(found, NOW)
    assert (secret / State().name / "ca.key").read_text() == "precious"


def test_signing_does_not_write_through_a_link(tmp_path: Path, secret: Path) -> None:
    """`ca approve` as root writes the certificate: into the invitation, or nowhere."""
    invited = invite(tmp_path / "invitations", NOW)
    found = invited.invitations.find(invited.digest)
    assert found is not None
    state = tmp_path / "invitations" / found.identifier / State().name
    state.rename(tmp_path / "elsewhere")
    state.symlink_to(secret)
    with pytest.raises(InvitationError):
        invited.invitations.sign(found, b"chain", NOW)
    assert sorted(path.name for path in secret.iterdir()) == ["ca.key"]


def test_a_record_that_is_a_link_a_pipe_or_anothers_is_none(tmp_path: Path) -> None:
    """Neither the administrator's files nor a pipe that blocks are read in the place of an invitation."""
    invited = invite(tmp_path / "invitations", NOW)
    (folder,) = (tmp_path / "invitations").iterdir()
    record = (folder / "invitation.json").read_bytes()
    (folder / "invitation.json").unlink()
    os.mkfifo(folder / "invitation.json")
    assert invited.invitations.find(invited.digest) is None
    (folder / "invitation.json").unlink()
    (tmp_path / "record").write_bytes(record)
    (folder / "invitation.json").symlink_to(tmp_path / "record")
    with pytest.raises(InvitationError):
        invited.invitations.find(invited.digest)
    other = tmp_path / "invitations" / ("0" * 32)
    folder.rename(other)
    (other / "invitation.json").unlink()
    (other / "invitation.json").write_bytes(record)
    assert list(Invitations(tmp_path / "invitations").all()) == []


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "../ca"])
def test_a_name_is_one_step(tmp_path: Path, name: str) -> None:
    """O_NOFOLLOW looks at the last part of a path only."""
    with Directory.opened(tmp_path) as folder, pytest.raises(NotADirectoryError), folder.entered(name):
        pass


class Exchanging(Directory):
    """A directory in which a compromised gate exchanges each new folder for one of its own, before it is opened."""

    @contextmanager
    def entered(self, name: str) -> Iterator[Directory]:
        os.rmdir(name, dir_fd=self._descriptor)
        os.mkdir(name, dir_fd=self._descriptor)
        os.chown(name, 12345, 12346, dir_fd=self._descriptor)
        with super().entered(name) as folder:
            yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_whose_group_is_somebody_elses_can_be_written(tmp_path: Path) -> None:
    """`chown 10001 invitations && chmod 700 invitations` leaves the group root, which user 10001 cannot give to what it
    makes (chown(2)) and need not: the group has no permissions there.
    """
    os.chown(tmp_path, 10001, 0)
    tmp_path.chmod(0o700)
    with Directory.opened(tmp_path) as folder, as_user(10001):
        folder.write("request", b"content", folder.access())
        with folder.made("state", folder.access()) as made:
            made.write("request", b"content", made.access())
        assert folder.read("request") == b"content"
    for path in (tmp_path / "request", tmp_path / "state", tmp_path / "state" / "request"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (10001, 0)


@contextmanager
def as_user(number: int) -> Iterator[None]:
    """This user and group and no other, as a container runs the gate."""
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(number)
    os.seteuid(number)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_folder_that_was_exchanged_while_it_was_made_is_not_used(tmp_path: Path) -> None:
    """Its owner could read every file that root writes into it."""
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        folder = Exchanging(descriptor)
        access = folder.access()
        with pytest.raises(NotADirectoryError, match="replaced while it was created"), folder.made("x", access):
            pass
    finally:
        os.close(descriptor)
    assert (tmp_path / "x").stat().st_uid == 12345


def test_a_folder_that_is_emptied_keeps_what_links_led_to(tmp_path: Path, secret: Path) -> None:
    """A link is removed itself."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "x").symlink_to(secret / "ca.key")
    (tmp_path / "state" / "y").symlink_to(secret)
    with Directory.opened(tmp_path / "state") as folder:
        folder.empty()
    assert list((tmp_path / "state").iterdir()) == []
    assert (secret / "ca.key").read_text() == "precious"
