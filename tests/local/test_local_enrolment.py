"""gatekeeper.local.enrolment: what happens between two looks at the folder. The whole way is in tests/proxy."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gatekeeper.ca.keys import make_key
from gatekeeper.ca.requests import make_request
from gatekeeper.ca.subject import make_subject
from gatekeeper.invitations.invitation import InvitationKind
from gatekeeper.invitations.state import Stage, over
from gatekeeper.local.enrolment import answer
from tests.invitations.invited import invite
from tests.local.test_local_page import asked

NOW = 1_800_000_000.0


@pytest.mark.parametrize("stage", [Stage.CANCELLED, Stage.ENDED, Stage.USED])
def test_an_invitation_that_is_over_meanwhile_is_nobodys_theft(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: Stage
) -> None:
    """Cancelled or expired after it was looked up: the administrator is not told that somebody else has the link."""
    invited = invite(tmp_path / "invitations", NOW, kind=InvitationKind.REQUEST, files={})
    stored = invited.invitations.find(invited.digest)
    assert stored is not None
    assert invited.invitations.move(stored, over(stage, NOW))
    csr = make_request(make_key("ec:p256"), make_subject("alice")).public_bytes(Encoding.PEM)
    request = replace(asked(), method=b"POST", body=csr, now=NOW, invitations=invited.invitations)
    reply = answer(request, stored, b"")
    assert (reply.status, json.loads(reply.body)["detail"]) == (409, "The invitation has just expired.")
    assert caplog.text == ""
