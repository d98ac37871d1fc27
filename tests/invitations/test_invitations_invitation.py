"""What ``invitation.json`` says."""

import json

import pytest

from gatekeeper.errors import InvitationError
from gatekeeper.invitations.invitation import Invitation, InvitationKind, read_invitation, write_invitation

ALICE = Invitation("alice", "0" * 64, 1000.0, 2000.0, InvitationKind.BUNDLE, {"modern": "modern.p12"}, "0a", "")


def test_what_is_written_is_read_back() -> None:
    """All of it."""
    assert read_invitation(write_invitation(ALICE), "x") == ALICE


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "0" * 63},
        {"digest": "../" + "0" * 61},
        {"files": {"modern": "../../etc/passwd"}},
        {"files": {"modern": ".hidden"}},
        {"kind": "other"},
        {"ends": 10.0},
        {"ends": "never"},
        {"name": 5},
        {"more": 1},
    ],
)
def test_what_does_not_fit_is_not_used(change: dict[str, object]) -> None:
    """Who can write into the folder still cannot have the gate read a file elsewhere."""
    record = json.loads(write_invitation(ALICE)) | change
    with pytest.raises(InvitationError, match="x is damaged"):
        read_invitation(json.dumps(record).encode(), "x")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"version": 1}'])
def test_what_is_no_invitation_is_damaged(content: bytes) -> None:
    """In one sentence, whatever it is."""
    with pytest.raises(InvitationError, match="x is damaged"):
        read_invitation(content, "x")


def test_another_version_is_not_guessed_at() -> None:
    """Two gates of different age share the folder."""
    record = json.loads(write_invitation(ALICE)) | {"version": 2}
    with pytest.raises(InvitationError, match="another version"):
        read_invitation(json.dumps(record).encode(), "x")
