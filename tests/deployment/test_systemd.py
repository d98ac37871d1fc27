"""The systemd unit and the log rotation, judged by the programs that will read them."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gatekeeper.cli import make_parser
from tests.gate_process import ROOT, configure
from tests.tools import needs
from tests.visitors import Visitors

CONFIG = Path(__file__).resolve().parents[2] / "config"
UNIT = CONFIG / "systemd" / "gatekeeper.service"
SOCKET = CONFIG / "systemd" / "gatekeeper.socket"
ROTATION = CONFIG / "logrotate" / "gatekeeper"
# systemd-analyze's scale goes from 0, no way to do harm, to 10. A unit without any hardening is at 9.6.
EXPOSURE_AT_MOST = 2.0
NOBODY = 65534
# In a network of its own: check, serve, ask once. Arguments: the folder, and the command that runs gatekeeper.
TRIAL = """
set -e
ip link set lo up
mount --bind "$2" "$1/project"
cd "$1"; shift 2
"$@" check -c gatekeeper.toml >/dev/null
"$@" serve -c gatekeeper.toml &
curl -s --retry 200 --retry-delay 0 --retry-max-time 20 --retry-connrefused --cacert ca.crt https://localhost/
kill $!
wait
"""


@pytest.fixture
def visitors(tmp_path_factory: pytest.TempPathFactory) -> Visitors:
    return Visitors.make(tmp_path_factory.mktemp("visitors"))


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


def test_systemd_takes_the_socket_together_with_the_service(tmp_path: Path) -> None:
    """The socket unit names the service that lies beside it."""
    needs("systemd-analyze")
    socket = tmp_path / SOCKET.name
    socket.write_text(SOCKET.read_text())
    command = ["systemd-analyze", "verify", str(installed(tmp_path)), str(socket)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def setting(name: str) -> list[str]:
    """The words of a setting of the unit."""
    lines = [line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith(f"{name}=")]
    return " ".join(lines).split()


@pytest.fixture
def open_folder(visitors: Visitors) -> Iterator[Path]:
    """What a gate needs, where another user can read it: pytest's own folders are for root alone."""
    with TemporaryDirectory() as made:
        folder = visitors.furnish(Path(made))
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, NOBODY)
        yield folder


def test_the_gate_works_with_the_rights_of_the_unit(open_folder: Path) -> None:
    """setpriv gives a process what the unit leaves: an ordinary user, the one capability, no new privileges. Port 443
    of a network namespace is opened and answered, with invitations in a folder like the one of StateDirectory."""
    needs("setpriv", "unshare", "ip", "curl")
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("becoming another user needs root")
    (capability,) = setting("AmbientCapabilities")
    assert setting("CapabilityBoundingSet") == [capability] == ["CAP_NET_BIND_SERVICE"]
    assert setting("NoNewPrivileges") == ["yes"]
    state = open_folder / setting("StateDirectory")[1]
    state.mkdir(parents=True)
    shutil.chown(state, NOBODY)
    state.chmod(int(setting("StateDirectoryMode")[0], 8))
    tables = f'[invitations]\nfolder = "{state}"'
    configure(open_folder, listen='"127.0.0.1:443"', admin="127.0.0.1:9000", log="stderr", tables=tables)
    caps = f"-all,+{capability.removeprefix('CAP_').lower()}"
    gate = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    gate += [f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}"]
    # The checkout may lie where nobody else can look; in a mount namespace it also lies in the open folder.
    project, python = open_folder / "project", Path(sys.executable)
    project.mkdir()
    gate += [
        str(project / python.relative_to(ROOT) if python.is_relative_to(ROOT) else python),
        "-B",
        "-m",
        "gatekeeper",
    ]
    command = ["unshare", "--net", "--mount", "sh", "-c", TRIAL, "sh", str(open_folder), str(ROOT), *gate]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=os.environ | {"PYTHONPATH": str(project)}
    )
    assert '"reason": "no_certificate"' in done.stdout, done.stderr


WAITS = """
import signal, sys, threading
# sigwait and not a handler, which Python calls between two system calls: just before a read it would wait for its end.
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGTERM])
def say():
    while True:
        print(signal.Signals(signal.sigwait([signal.SIGHUP, signal.SIGTERM])).name[3:], flush=True)
threading.Thread(target=say, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def shell_line(name: str) -> str:
    """What the unit gives to a shell; the prefix of a command that may fail is systemd's."""
    (found,) = re.findall(rf"^{name}=-?/bin/sh -c '(.*)'$", UNIT.read_text(), re.MULTILINE)
    return str(found)


@pytest.fixture
def main_process() -> Iterator[subprocess.Popen[str]]:
    """A process that says which signal came, and ends when its standard input does."""
    command, pipe = [sys.executable, "-c", WAITS], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process


def test_stopping_waits_for_a_main_process_that_is_not_systemds_child(main_process: subprocess.Popen[str]) -> None:
    """After an upgrade it is none, and with KillMode=mixed systemd (252) sends SIGKILL right behind its SIGTERM: so the
    unit's own command sends SIGTERM, and ends when the process has."""
    environment = os.environ | {"MAINPID": str(main_process.pid)}
    with subprocess.Popen(["/bin/sh", "-c", shell_line("ExecStop")], env=environment) as stop:
        assert main_process.stdout.readline() == "TERM\n"
        assert stop.poll() is None
        main_process.stdin.close()
        main_process.wait()
        assert stop.wait() == 0


def test_a_reload_needs_no_program_but_the_shell(main_process: subprocess.Popen[str]) -> None:
    """Minimal installations have no /bin/kill."""
    environment = {"MAINPID": str(main_process.pid), "PATH": "/nonexistent"}
    subprocess.run(["/bin/sh", "-c", shell_line("ExecReload")], env=environment, check=True)
    assert main_process.stdout.readline() == "HUP\n"


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    """systemd's own judgement of what the service could still do."""
    needs("systemd-analyze")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST * 10:.0f}"]
    done = subprocess.run([*command, installed(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


@pytest.mark.parametrize(
    "names",
    [
        ("gatekeeper-crl.timer", "gatekeeper-crl.service"),
        ("gatekeeper-renew.timer", "gatekeeper-renew.service"),
        ("gatekeeper-watch.service", "gatekeeper-watch.service"),
    ],
    ids=itemgetter(1),
)
def test_systemd_takes_the_units_beside_the_gate(tmp_path: Path, names: tuple[str, str]) -> None:
    """Service and timer are valid together, and the service can do next to nothing but its task."""
    needs("systemd-analyze")
    for name in names:
        text = (CONFIG / "systemd" / name).read_text().replace("/opt/gatekeeper/bin/gatekeeper", "/bin/true")
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name) for name in names]
    verify = ["systemd-analyze", "verify", *units]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST * 10:.0f}"]
    done = subprocess.run([*command, units[1]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]


def command_of(unit: str) -> list[str]:
    """The words of its ExecStart, without the program."""
    lines = (CONFIG / "systemd" / unit).read_text().splitlines()
    (line,) = [line for line in lines if "ExecStart=" in line]
    return line.split()[1:]


def test_the_units_commands_are_ones_that_gatekeeper_takes() -> None:
    """A mistyped option would be noticed on the day on which the list or a certificate expires."""
    options = make_parser(["ca"]).parse(command_of("gatekeeper-crl.service"))
    assert (options.ca_command, options.if_due) == ("crl", True)
    options = make_parser(["ca"]).parse(command_of("gatekeeper-watch.service"))
    assert (options.ca_command, options.trust_gate) == ("watch", False)
    options = make_parser(["enroll"]).parse(command_of("gatekeeper-renew.service"))
    assert (options.renew, options.link, options.timeout) == (True, "${GATE}", 3000)


def test_the_unit_speaks_the_gates_language() -> None:
    """Readiness by notification, and no restart after exit code 2, a wrong configuration."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(UNIT.read_text())
    service = unit["Service"]
    assert service["Type"] == "notify"
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
