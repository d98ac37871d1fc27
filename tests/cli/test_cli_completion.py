"""The scripts that complete what is typed."""

import os
import subprocess
from pathlib import Path

import pytest

from gatekeeper.cli import main
from gatekeeper.cli.completion import SHELLS
from tests.gate_process import PATIENCE
from tests.tools import needs

ASK = {
    "bash": """
{script}
COMP_WORDS=({typed}) COMP_CWORD={index} COMP_LINE="{typed}" COMP_POINT={length} COMP_TYPE=9
_shtab_gatekeeper
printf '%s\\n' "${{COMPREPLY[@]}}"
""",
    "fish": """
{script}
complete --do-complete "{typed}"
""",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, and a script that knows the commands."""
    assert main(["completion", shell]) == 0
    assert "healthcheck" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("gatekeeper he", ["healthcheck"]),
        ("gatekeeper ca rev", ["revoke"]),
        ("gatekeeper check -c ", ["gatekeeper.toml", "home"]),
        ("gatekeeper ca --dir ", ["home"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shells_complete(
    shell: str, typed: str, offered: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shell itself, asked what it would offer: commands, and files or folders where those are meant."""
    needs(shell)
    (tmp_path / "gatekeeper.toml").touch()
    (tmp_path / "home").mkdir()
    main(["completion", shell])
    ask = ASK[shell].format(script=capsys.readouterr().out, typed=typed, length=len(typed), index=typed.count(" "))
    environ = os.environ | {"HOME": "home"}
    done = subprocess.run(
        [shell, "-c", ask], capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, env=environ
    )
    shown = [line.partition("\t")[0].strip("/") for line in done.stdout.splitlines()]
    assert sorted(shown) == offered, done.stderr
