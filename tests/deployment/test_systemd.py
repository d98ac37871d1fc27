"""The systemd unit and the log rotation, judged by the programs that will read them."""

import configparser
import subprocess
from pathlib import Path

from tests.tools import needs

CONFIG = Path(__file__).resolve().parents[2] / "config"
UNIT = CONFIG / "systemd" / "gatekeeper.service"
ROTATION = CONFIG / "logrotate" / "gatekeeper"
# systemd-analyze's scale goes from 0, no way to do harm, to 10. A unit without any hardening is at 9.6.
EXPOSURE_AT_MOST = 2.0


def installed(tmp_path: Path) -> Path:
    """The unit with a command that exists here."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/gatekeeper/bin/gatekeeper", "/bin/true"))
    return unit


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """No unknown key, no bad value: `systemd-analyze verify` has nothing to say."""
    needs("systemd-analyze")
    done = subprocess.run(
        ["systemd-analyze", "verify", installed(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    """systemd's own judgement of what the service could still do."""
    needs("systemd-analyze")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST * 10:.0f}"]
    done = subprocess.run([*command, installed(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def test_the_unit_speaks_the_gates_language() -> None:
    """Readiness by notification, reload by SIGHUP, and no restart after exit code 2, a wrong configuration."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["RestartPreventExitStatus"] == "2"
    assert service["User"] == "gatekeeper"


def test_logrotate_takes_the_file(tmp_path: Path) -> None:
    """A dry run reads the whole file; the user that systemd-sysusers would make is replaced by one that exists."""
    needs("logrotate")
    trial = tmp_path / "gatekeeper"
    trial.write_text(ROTATION.read_text().replace("create 0640 gatekeeper adm", "create 0640 root root"))
    trial.chmod(0o644)
    command = ["logrotate", "--debug", "--state", tmp_path / "state", trial]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_rotation_and_unit_mean_the_same_folder_and_user() -> None:
    """The folder that systemd makes for the logs is the one that is rotated, for the user that writes there."""
    unit, rotation = UNIT.read_text(), ROTATION.read_text()
    assert "LogsDirectory=gatekeeper" in unit
    assert rotation.splitlines()[1] == "/var/log/gatekeeper/*.log {"
    assert "create 0640 gatekeeper" in rotation
    assert "--signal=USR1 gatekeeper.service" in rotation
