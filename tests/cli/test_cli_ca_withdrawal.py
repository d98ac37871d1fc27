"""gatekeeper.cli.ca.withdrawal: what is revoked or retired cannot be fetched by its invitation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatekeeper.cli import main
from gatekeeper.invitations.folder import Invitations
from gatekeeper.invitations.state import Stage
from tests.cli.conftest import Command

EC = ("--key", "ec:p256")
HERE = ("--invitations", "inv")
GATE = ("--url", "https://gate.example.com")


@pytest.fixture
def folder(tmp_path: Path, ca: Command) -> Invitations:
    """Dora and ben are invited."""
    (tmp_path / "inv").mkdir(0o700)
    ca("init", "--cn", "CA", *EC)
    for name in ("dora", "ben"):
        ca("invite", name, *EC, *HERE, *GATE)
    return Invitations(tmp_path / "inv")


def stages(folder: Invitations) -> dict[str, Stage]:
    return {one.invitation.name: one.state.stage for one in folder.all()}


# Every command that withdraws a certificate which somebody may hold; `approve` and `retire` have tests of their own.
WITHDRAWING = {
    "by name": ("revoke", "dora"),
    "by file": ("revoke", "ca/dora.crt"),
    "renewed": ("renew", "dora"),
    "replaced by a request": ("sign", "dora.csr", "--replace"),
}


@pytest.mark.parametrize("how", WITHDRAWING)
def test_a_certificate_that_is_withdrawn_leaves_no_open_invitation(folder: Invitations, ca: Command, how: str) -> None:
    """Of this certificate alone, and its files are destroyed: a person would see a link that leads nowhere."""
    ca("csr", "dora", *EC, "--no-passphrase", "--out", ".")
    assert "The invitation of dora (" in ca(*WITHDRAWING[how], *HERE)
    assert stages(folder) == {"dora": Stage.CANCELLED, "ben": Stage.OPEN}
    (dora,) = (one for one in folder.all() if one.invitation.name == "dora")
    assert folder.read(dora, "modern.p12") is None


def test_the_gates_configuration_names_the_folder(
    folder: Invitations, tmp_path: Path, ca_json: Callable[..., Any]
) -> None:
    """As for `ca retire` and `ca list`."""
    (tmp_path / "gatekeeper.toml").write_text(
        '[server]\nlisten = ["0.0.0.0:8443"]\ncertificate = "gate.crt"\nkey = "gate.key"\n'
        '[client_auth]\nca = "ca/ca.crt"\n[upstream]\nurl = "http://127.0.0.1:1"\n[invitations]\nfolder = "inv"\n'
    )
    assert len(ca_json("revoke", "dora")["cancelled"]) == 1
    assert stages(folder) == {"dora": Stage.CANCELLED, "ben": Stage.OPEN}


def test_a_broken_configuration_does_not_keep_from_revoking(
    folder: Invitations, tmp_path: Path, ca_json: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """That is urgent; that the folder is not known is told."""
    (tmp_path / "gatekeeper.toml").write_text("[broken")
    assert main(["ca", "revoke", "dora"]) == 0
    assert "open invitations were not looked for" in capsys.readouterr().err
    (tmp_path / "gatekeeper.toml").unlink()
    assert [one["status"] for one in ca_json("list") if one["name"] == "dora"] == ["revoked"]
    assert stages(folder)["dora"] is Stage.OPEN


def test_retiring_cancels_the_invitations_of_the_old_authority(
    folder: Invitations, ca: Command, ca_json: Callable[..., Any]
) -> None:
    """Those of the new one go on."""
    ca("rollover", *EC)
    ca("invite", "new", *EC, *HERE, *GATE)
    assert len(ca_json("retire", "--force", *HERE)["cancelled"]) == 2
    assert stages(folder) == {"dora": Stage.CANCELLED, "ben": Stage.CANCELLED, "new": Stage.OPEN}


@pytest.mark.parametrize("words", [("renew", "dora", "--keep-old"), ("issue", "eve", *EC), ("crl",)])
def test_a_command_that_withdraws_nothing_cancels_nothing(
    folder: Invitations, ca: Command, words: tuple[str, ...]
) -> None:
    """The certificate in the invitation is as good as before."""
    ca(*words)
    assert stages(folder) == {"dora": Stage.OPEN, "ben": Stage.OPEN}
