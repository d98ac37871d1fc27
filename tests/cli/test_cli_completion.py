"""The scripts that complete what is typed."""

import subprocess

import pytest

from gatekeeper.cli import main
from gatekeeper.cli.completion import SHELLS
from tests.tools import needs

ASK = """
{script}
COMP_WORDS=({words}) COMP_CWORD={index} COMP_LINE="{line}" COMP_POINT={point} COMP_TYPE=9
_shtab_gatekeeper
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, and a script that knows the commands."""
    assert main(["completion", shell]) == 0
    assert "healthcheck" in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "offered"), [("gatekeeper he", "healthcheck"), ("gatekeeper ca rev", "revoke")])
def test_bash_completes(typed: str, offered: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Bash itself, asked what it would offer."""
    needs("bash")
    main(["completion", "bash"])
    ask = ASK.format(script=capsys.readouterr().out, words=typed, line=typed, point=len(typed), index=typed.count(" "))
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == [offered], done.stderr
