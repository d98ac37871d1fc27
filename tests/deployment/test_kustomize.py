"""The Kustomize base and its example overlay, built by kubectl's own Kustomize."""

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gatekeeper.config.load import load
from tests.deployment.test_kubernetes import VERSIONS
from tests.tools import needs, program

FOLDER = Path(__file__).resolve().parents[2] / "config" / "kubernetes"
OVERLAY = FOLDER.parent / "kustomize"


def built(folder: Path) -> list[dict[str, Any]]:
    """The manifests that `kubectl apply -k` would send."""
    needs("kubectl")
    done = subprocess.run(
        [program("kubectl") or "", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", [FOLDER, OVERLAY], ids=["base", "overlay"])
def test_what_is_built_fits_the_schema(folder: Path, version: str) -> None:
    """Each manifest, by the strict schema of the version."""
    for manifest in built(folder):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_base_is_the_standalone_gate() -> None:
    """Nothing is added or lost on the way through Kustomize."""
    standalone = list(yaml.safe_load_all((FOLDER / "standalone.yaml").read_text()))
    names = {(one["kind"], one["metadata"]["name"]) for one in standalone}
    assert {(one["kind"], one["metadata"]["name"]) for one in built(FOLDER)} == names


def test_the_overlay_changes_namespace_image_and_configuration() -> None:
    """What the example says, in the manifests; the ConfigMap keeps its name, so that the gate reloads in place."""
    manifests = built(OVERLAY)
    assert {one["metadata"]["namespace"] for one in manifests} == {"photos"}
    (deployment,) = (one for one in manifests if one["kind"] == "Deployment")
    (gate,) = deployment["spec"]["template"]["spec"]["containers"]
    assert gate["image"].startswith("registry.example.com/gatekeeper:")
    (configuration,) = (one for one in manifests if one["kind"] == "ConfigMap")
    assert configuration["metadata"]["name"] == "gatekeeper"
    assert configuration["data"]["gatekeeper.toml"] == (OVERLAY / "gatekeeper.toml").read_text()


def test_the_overlays_configuration_is_valid() -> None:
    """The gate takes the file as far as it can be judged without its certificates."""
    assert load(OVERLAY / "gatekeeper.toml", {}).settings.timeouts.drain_delay == 5
