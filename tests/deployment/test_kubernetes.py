"""The Kubernetes manifests: valid by Kubernetes' own schemas, and as strict as they claim to be."""

import re
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gatekeeper.cli import make_parser

FOLDER = Path(__file__).resolve().parents[2] / "config" / "kubernetes"
MANIFESTS = [
    pytest.param(file.name, document, id=f"{file.stem}-{document['kind']}-{document['metadata']['name']}")
    for file in sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "kustomization.yaml"})
    for document in yaml.safe_load_all(file.read_text())
]
DEPLOYMENTS = [case for case in MANIFESTS if case.values[1]["kind"] == "Deployment"]
# The oldest release that still has all of these kinds, and the newest that the schemas are there for.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]


def documents(file: str, kind: str) -> list[dict]:  # type: ignore[type-arg]
    return [case.values[1] for case in MANIFESTS if case.values[0] == file and case.values[1]["kind"] == kind]  # type: ignore[misc]


def gate_of(deployment: dict) -> dict:  # type: ignore[type-arg]
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next(container for container in containers if container["name"] == "gatekeeper")


def settings(file: str) -> dict:  # type: ignore[type-arg]
    return tomllib.loads(documents(file, "ConfigMap")[0]["data"]["gatekeeper.toml"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("file", "document"), MANIFESTS)
def test_kubernetes_takes_the_manifest(file: Any, document: Any, version: str) -> None:
    """Every manifest fits the strict schema, which refuses a key that Kubernetes does not know."""
    kubernetes_validate.validate(document, version, strict=True)


def test_the_job_for_short_lists_runs_a_command_that_gatekeeper_takes() -> None:
    """Not root, nothing but the authority's folder to write to, and an option that exists."""
    (job,) = documents("crl.yaml", "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    options = make_parser(["ca"]).parse(container["args"])
    assert (options.ca_command, options.if_due) == ("crl", True)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False


def test_a_mistyped_key_would_be_noticed() -> None:
    """The guard of the test above: strict means strict."""
    service = documents("standalone.yaml", "Service")[0]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service | {"sepc": {}}, VERSIONS[0], strict=True)


@pytest.mark.parametrize(("file", "deployment"), DEPLOYMENTS)
def test_no_container_has_more_rights_than_it_needs(file: Any, deployment: Any) -> None:
    """Not root, no capability, nothing to write to, the runtime's system-call filter, no token of the cluster."""
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        rights = pod["securityContext"] | container["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["runAsUser"] > 0
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize(("file", "deployment"), DEPLOYMENTS)
def test_the_gate_is_probed_on_its_admin_port(file: Any, deployment: Any) -> None:
    """The ports of the container are those of the gate's own configuration, and each probe asks the admin port."""
    gate = gate_of(deployment)
    ports = {port["name"]: port["containerPort"] for port in gate["ports"]}
    assert settings(file)["server"]["listen"].endswith(f":{ports['https']}")
    assert settings(file)["admin"]["listen"].endswith(f":{ports['admin']}")
    probes = {kind: gate[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["port"] for probe in probes.values()} == {"admin"}
    assert probes["readiness"]["path"] == "/readyz"
    assert probes["liveness"]["path"] == "/healthz"


@pytest.mark.parametrize(("file", "deployment"), DEPLOYMENTS)
def test_the_gate_can_reload_by_itself(file: Any, deployment: Any) -> None:
    """A mount with subPath never changes; configuration, secrets and all are one folder that is swapped at once."""
    gate = gate_of(deployment)
    assert [mount["mountPath"] for mount in gate["volumeMounts"]] == ["/etc/gatekeeper"]
    assert not any("subPath" in mount for mount in gate["volumeMounts"])
    (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
    assert {next(iter(source)) for source in volume["projected"]["sources"]} == {"configMap", "secret"}


@pytest.mark.parametrize(("file", "deployment"), DEPLOYMENTS)
def test_the_user_of_the_image_can_read_the_secrets(file: Any, deployment: Any) -> None:
    """The files are readable by owner and group only, and the group is the one the gate runs as."""
    pod = deployment["spec"]["template"]["spec"]
    assert pod["volumes"][0]["projected"]["defaultMode"] == 0o440
    rights = pod["securityContext"] | gate_of(deployment)["securityContext"]
    image_user = re.search(r"^USER (\d+):(\d+)$", (FOLDER.parents[1] / "Dockerfile").read_text(), re.MULTILINE)
    assert (rights["runAsUser"], rights["fsGroup"]) == tuple(int(number) for number in image_user.groups())


@pytest.mark.parametrize(("file", "deployment"), DEPLOYMENTS)
def test_kubernetes_waits_until_the_gate_has_drained(file: Any, deployment: Any) -> None:
    """The kill comes after drain_delay and drain."""
    timeouts = settings(file)["timeouts"]
    seconds = sum(int(timeouts[key].removesuffix("s")) for key in ("drain_delay", "drain"))
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > seconds


def test_the_app_of_the_sidecar_is_reached_through_the_gate_only() -> None:
    """The app is bound to the pod's loopback, and no Service has a port of it."""
    (deployment,) = documents("sidecar.yaml", "Deployment")
    app = next(c for c in deployment["spec"]["template"]["spec"]["containers"] if c["name"] == "app")
    assert "127.0.0.1" in app["command"]
    assert "ports" not in app
    (service,) = documents("sidecar.yaml", "Service")
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["https"]


def test_the_app_behind_the_standalone_gate_takes_the_gate_only() -> None:
    """A network policy selects the app and admits nothing but pods of the gate."""
    policy = next(p for p in documents("standalone.yaml", "NetworkPolicy") if "app" in p["metadata"]["name"])
    (deployment,) = documents("standalone.yaml", "Deployment")
    (rule,) = policy["spec"]["ingress"]
    (source,) = rule["from"]
    assert source["podSelector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_every_selector_finds_the_pods() -> None:
    """Service, autoscaler, disruption budget and network policy mean the Deployment that is there."""
    (deployment,) = documents("standalone.yaml", "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (service,) = documents("standalone.yaml", "Service")
    (budget,) = documents("standalone.yaml", "PodDisruptionBudget")
    (scaler,) = documents("standalone.yaml", "HorizontalPodAutoscaler")
    assert service["spec"]["selector"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
