"""The compose files: valid by the Compose specification's own schema, and with no way past the gate."""

import subprocess
import sys
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from gatekeeper.cli import make_parser
from gatekeeper.config.load import load
from tests.tools import needs

FOLDER = Path(__file__).resolve().parents[2] / "config" / "compose"
GATES = ["compose.yaml", "compose.haproxy.yaml"]
FILES = [*GATES, "compose.machine.yaml", "compose.authority.yaml"]


def read(file: str) -> dict:  # type: ignore[type-arg]
    return yaml.safe_load((FOLDER / file).read_text())


def test_the_files_fit_the_compose_specification() -> None:
    """The schema that Compose itself uses takes each."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, *(FOLDER / f for f in FILES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", FILES)
def test_what_the_files_name_is_there(file: Any) -> None:
    """Build contexts and mounted folders exist where the file says, or a command in its head makes them."""
    text = (FOLDER / file).read_text()
    for service in read(file)["services"].values():
        if "build" in service:
            assert (FOLDER / service["build"] / "Dockerfile").is_file()
        for volume in service.get("volumes", []):
            outside = volume.split(":")[0]
            made = f" --dir {Path(outside).name} init" in text
            assert made or outside in read(file).get("volumes", {}) or (FOLDER / outside).exists()


@pytest.mark.parametrize("file", GATES)
def test_the_app_has_no_port_and_only_an_inner_network(file: Any) -> None:
    """There is no way to the app but through the gate."""
    compose = read(file)
    app = compose["services"]["app"]
    assert "ports" not in app
    assert all(compose["networks"][network]["internal"] for network in app["networks"])


@pytest.mark.parametrize("file", FILES)
def test_every_service_is_locked_down(file: Any) -> None:
    """No capability, nothing to write to, no way to more rights."""
    for service in read(file)["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("file", GATES)
def test_the_gate_is_reached_where_it_listens(file: Any) -> None:
    """The configuration is mounted as a folder at the image's place, and port 443 leads to the listener's port."""
    compose = read(file)
    gate = compose["services"]["gatekeeper"]
    outside, inside, mode = gate["volumes"][0].split(":")
    assert (inside, mode) == ("/etc/gatekeeper", "ro")
    settings = tomllib.loads((FOLDER / outside / "gatekeeper.toml").read_text())
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert next(port for port in published if not port.startswith("127.0.0.1:")) == "443:8443"
    assert settings["server"]["listen"] == "0.0.0.0:8443"
    assert settings["upstream"]["url"] == "http://app:8000"


@pytest.mark.parametrize("file", GATES)
def test_the_gate_renews_its_own_certificate(file: Any) -> None:
    """ACME for the name in .env: its folder is mounted to be written, and the directory can ask at a published port."""
    compose = read(file)
    gate = compose["services"]["gatekeeper"]
    folder = gate["volumes"][0].split(":")[0]
    settings = load(FOLDER / folder / "gatekeeper.toml", environ={"GATE": "gate.example.com"}).settings
    assert gate["environment"]["GATE"].startswith("${GATE:?")
    assert settings.acme.domains == ("gate.example.com",)
    assert f"./acme:{settings.acme.folder}" in gate["volumes"]
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    if settings.acme.challenge == "http-01":
        assert f"80:{settings.server.redirect[0].port}" in published
    else:
        assert "443:8443" in published
    assert any(not (compose["networks"][network] or {}).get("internal") for network in gate["networks"])


@pytest.mark.parametrize(("file", "runs"), [("compose.machine.yaml", "enroll"), ("compose.authority.yaml", "ca")])
def test_certificates_of_machines_are_renewed(file: Any, runs: str) -> None:
    """The commands are ones that gatekeeper takes, and each folder that they name is mounted."""
    (service,) = read(file)["services"].values()
    words = [word.partition("${")[0] + "gate.example.com" if "${" in word else word for word in service["command"]]
    options = make_parser().parse(words)
    assert words[0] == runs
    # As process 1 they would not notice SIGTERM, and be killed after ten seconds, wherever they are.
    assert service["stop_signal"] == "SIGINT"
    mounted = {volume.split(":")[1] for volume in service["volumes"]}
    mounted |= {f"/run/secrets/{name}" for name in service.get("secrets", [])}
    assert {word for word in words if word.startswith("/")} == mounted
    if runs == "enroll":
        assert (options.renew, options.daemon, options.link) == (True, True, "https://gate.example.com")


def test_prometheus_reaches_the_admin_port() -> None:
    """Over a network that both share, at the name and port that its configuration has; no port of it is published."""
    compose = read("compose.yaml")
    gate, prometheus = compose["services"]["gatekeeper"], compose["services"]["prometheus"]
    assert set(gate["networks"]) & set(prometheus["networks"])
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    settings = tomllib.loads((FOLDER / "gatekeeper" / "gatekeeper.toml").read_text())
    assert job["static_configs"][0]["targets"] == [f"gatekeeper:{settings['admin']['listen'].split(':')[1]}"]
    assert settings["admin"]["listen"].startswith("0.0.0.0:")
    assert settings["admin"]["hosts"] == ["gatekeeper"]
    assert not any("9000" in port for port in gate["ports"])


def test_the_gate_can_hand_out_invitations() -> None:
    """The folder of the configuration is the one that is mounted, and may be written to."""
    (mounted,) = (
        volume for volume in read("compose.yaml")["services"]["gatekeeper"]["volumes"] if "invitations" in volume
    )
    settings = tomllib.loads((FOLDER / "gatekeeper" / "gatekeeper.toml").read_text())
    assert mounted.split(":")[1:] == [settings["invitations"]["folder"]]


def test_the_gate_believes_haproxy_and_nobody_else() -> None:
    """The one address that may send a PROXY header is the one that HAProxy is given, inside of its network."""
    compose = read("compose.haproxy.yaml")
    address = compose["services"]["haproxy"]["networks"]["front"]["ipv4_address"]
    settings = tomllib.loads((FOLDER / "gatekeeper-behind-haproxy" / "gatekeeper.toml").read_text())
    assert settings["server"]["proxy_protocol_from"] == [f"{address}/32"]
    assert ip_address(address) in ip_network(compose["networks"]["front"]["ipam"]["config"][0]["subnet"])
    # Who has none of its own gets the first free one, and HAProxy then does not start where that is its own.
    others = [
        service["networks"]["front"]["ipv4_address"]
        for service in compose["services"].values()
        if "front" in service["networks"]
    ]
    assert len(set(others)) == len(others) == 2
    assert "ports" not in compose["services"]["gatekeeper"]


def test_haproxy_takes_its_configuration() -> None:
    """HAProxy's own check is content with the file."""
    needs("haproxy")
    done = subprocess.run(["haproxy", "-c", "-f", FOLDER / "haproxy.cfg"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "send-proxy-v2" in (FOLDER / "haproxy.cfg").read_text()
