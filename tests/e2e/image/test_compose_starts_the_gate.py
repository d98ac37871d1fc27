"""config/compose/compose.yaml, started by podman-compose and podman: the image, and the app from its own Dockerfile."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gatekeeper
from tests.e2e.image.container import ROOT
from tests.tools import namespace, needs, needs_file
from tests.wheels import run

pytestmark = pytest.mark.timeout(1800)

ENGINE = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
cgroupns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""

# In a network of its own, so that no port of this machine is taken, and without the name server of another network, of
# which podman knows one a machine. As processes of its own, which end with it in any case.
BEGIN = """
ip link set lo up
mkdir -p /run/containers && mount -t tmpfs tmpfs /run/containers || exit
"""
NAMESPACES = ("--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")

# Whether the kernel has what an engine needs: control groups, bridges, and rules of a firewall for published ports.
TRIAL = (
    BEGIN
    + """
"$PODMAN" network create trial && "$PODMAN" run --rm --no-healthcheck --network=trial -p 8080:8080 "$GATE" --version
tried=$?
"$PODMAN" network rm --force trial
exit $tried
"""
)

VISIT = (
    BEGIN
    + """
compose() { "$PYTHON" -m podman_compose --podman-path "$PODMAN" --in-pod=false "$@" >&2; }
trap 'compose down' EXIT
compose build app && compose up -d --no-build || exit
ask() { curl -sS --retry 60 --retry-all-errors --retry-delay 1 "$@" && echo; }  # the app may be up after the gate: 502
ask --cacert authority/ca.crt \
  --resolve gate.example.com:443:127.0.0.1 -o /dev/null \
  -w '%{http_code} %header{gatekeeper-reason}' https://gate.example.com/ || exit
echo "pass=\\"$PASSWORD\\"" | ask -K - --cacert authority/ca.crt --cert-type P12 --cert authority/phone.p12 \
  --resolve gate.example.com:443:127.0.0.1 https://gate.example.com/
ask -o /dev/null -w '%{http_code} %{redirect_url}' -H 'Host: gate.example.com' http://127.0.0.1/
"$PODMAN" exec gated_gatekeeper_1 gatekeeper healthcheck
"$PODMAN" exec gated_gatekeeper_1 python -c 'import os; print(os.access("/var/lib/gatekeeper/invitations", os.W_OK))'
"""
)


@pytest.fixture
def podman(image: Any, buildah: Any, tmp_path: Path) -> Path:
    """A podman that has the image, under the names that the compose file and the app's Dockerfile give."""
    needs("podman", "runc", "iptables", "ip", "curl")
    for program in ("netavark", "aardvark-dns"):
        needs_file(program, "/usr/lib/podman", "/usr/libexec/podman")
    gate = f"gatekeeper:{gatekeeper.__version__}"
    buildah("tag", "gatekeeper", gate)
    buildah("tag", "base", "docker.io/library/python:3.12-slim-bookworm")
    (tmp_path / "containers.conf").write_text(ENGINE)
    options = [*buildah.options, "--network-config-dir", f"{tmp_path}/networks"]
    script = tmp_path / "podman"
    command = f"CONTAINERS_CONF={tmp_path}/containers.conf exec {shutil.which('podman')} {' '.join(options)}"
    script.write_text(f'#!/bin/sh\n{command} "$@"\n')
    script.chmod(0o755)
    variables = os.environ | {"PODMAN": str(script), "GATE": gate}
    trial = [*namespace(*NAMESPACES), "sh", "-uc", TRIAL]
    done = subprocess.run(trial, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"podman starts no container with a network on this machine: {done.stderr.strip()}")
    return script


@pytest.fixture
def compose(tmp_path: Path) -> Path:
    """The folder as its head asks for it; instead of Let's Encrypt a certificate from elsewhere, as the file says."""
    folder = tmp_path / "config" / "compose"
    shutil.copytree(ROOT / "config" / "compose", folder)
    (tmp_path / "passphrase").write_text("a passphrase of a test\n")
    (tmp_path / "passphrase").chmod(0o600)
    head = (folder / "compose.yaml").read_text().partition("\nname:")[0]
    wanted = r"^#   ((?:gatekeeper ca --dir authority (?:init|issue)|cp|chown|echo).*)$"
    commands = re.findall(wanted, head, re.MULTILINE)
    assert len(commands) == 6
    commands.append("gatekeeper ca --dir authority server gate.example.com --dns gate.example.com")
    said = shell(commands, folder, tmp_path / "passphrase")
    (tmp_path / "password").write_text(re.search(r"Password of \S+: *(\S+)", said)[1])
    settings = folder / "gatekeeper" / "gatekeeper.toml"
    ours = 'certificate = "fullchain.pem"\nkey = "privkey.pem"\n'
    settings.write_text(re.sub(r"\[acme\].*?\n\n", ours, settings.read_text(), flags=re.DOTALL))
    shutil.copy(folder / "authority/gate.example.com.crt", folder / "gatekeeper/fullchain.pem")
    shutil.copy(folder / "authority/gate.example.com.key", folder / "gatekeeper/privkey.pem")
    os.chown(folder / "gatekeeper/privkey.pem", 10001, -1)
    return folder


def shell(commands: list[str], folder: Path, passphrase: Path) -> str:
    """Run the head's commands, with the passphrase from a file instead of a terminal."""
    ca = f"{sys.executable} -m gatekeeper ca --passphrase-file {passphrase} "
    script = "\n".join(re.sub("^gatekeeper ca ", ca, line) for line in commands)
    return run("sh", "-euc", f"cd {folder}\n{script}")


def test_the_compose_file_starts_a_gate_that_lets_in_and_turns_away(podman: Path, compose: Path) -> None:
    """Through the published ports: 403 without a certificate, the app with one, a redirect on port 80; the health check
    passes, and the folder of invitations can be written."""
    password = (compose.parents[1] / "password").read_text()
    variables = os.environ | {"PYTHON": sys.executable, "PODMAN": str(podman), "PASSWORD": password}
    command = [*namespace(*NAMESPACES), "sh", "-uc", VISIT]
    done = subprocess.run(command, cwd=compose, env=variables, capture_output=True, text=True, check=False)
    assert "403 no_certificate\n" in done.stdout, done.stderr
    assert "You are in." in done.stdout
    assert "301 https://gate.example.com/\n" in done.stdout
    assert done.stdout.endswith("ready\nTrue\n")
