"""An orchestrator finds everything it needs in the image's configuration."""

import re
from typing import Any

import pytest

import gatekeeper
from tests.e2e.image.container import ROOT

pytestmark = pytest.mark.timeout(1800)


def test_the_user_is_a_number_and_not_root(image: Any) -> None:
    """Kubernetes' runAsNonRoot judges a number only, and a name would need /etc/passwd."""
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", image.config["User"])


def test_no_shell_is_in_between(image: Any) -> None:
    """Exec form everywhere, so that SIGTERM reaches the gate itself and an image without a shell works."""
    assert image.config["Entrypoint"] == ["gatekeeper"]
    assert image.config["Cmd"] == ["serve"]
    assert image.config["Healthcheck"]["Test"] == ["CMD", "gatekeeper", "healthcheck"]
    assert image.config["StopSignal"] == "SIGTERM"


def test_the_labels_name_this_version(image: Any) -> None:
    """The version label is the package's version."""
    assert image.config["Labels"]["org.opencontainers.image.version"] == gatekeeper.__version__


def test_the_port_of_the_examples_is_exposed(image: Any) -> None:
    """8443, because a user that is not root cannot bind 443 everywhere."""
    assert list(image.config["ExposedPorts"]) == ["8443/tcp"]


def test_only_what_the_build_copies_is_sent_to_it() -> None:
    """Each path that .dockerignore lets through is copied by the Dockerfile, and the other way round."""
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {path.rstrip("/") for line in copies for path in line.split()} == sent
