"""The Helm chart, rendered by Helm's own code and judged by the schemas of Kubernetes."""

import os
import tomllib
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from gatekeeper import __version__
from gatekeeper.config.load import load

# Helm's Go code as a library; without a wheel for this processor there is nothing to render with.
helm = import_module("helm_python") if os.environ.get("CI") else pytest.importorskip("helm_python")

CHART = Path(__file__).resolve().parents[2] / "charts" / "gatekeeper"
# The oldest version that Chart.yaml takes, one in between, and the newest there are schemas of.
VERSIONS = ["1.27", "1.32", kubernetes_validate.latest_version()]
# Of these kinds, which belong to operators, Kubernetes has no schema.
CUSTOM = {"Certificate", "PodMonitor", "ServiceMonitor"}
Values = Mapping[str, Any]
APP = {"name": "app", "image": "app:1", "command": ["app", "--bind", "127.0.0.1:8000"]}
BASE: dict[str, Any] = {"upstream": {"url": "http://app:8000"}, "certificate": {"secretName": "https"}}
EVERYTHING: dict[str, Any] = {
    "mode": "sidecar",
    "image": {"repository": "registry.example.com/gatekeeper", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "sidecar": {"container": APP, "port": 8000, "volumes": [{"name": "tmp", "emptyDir": {}}]},
    "certificate": {
        "certManager": {
            "enabled": True,
            "issuerRef": {"name": "letsencrypt"},
            "dnsNames": ["gate.example.com"],
            "duration": "2160h",
            "renewBefore": "720h",
        }
    },
    "clientAuth": {
        "ca": {"kind": "ConfigMap", "name": "people", "key": "ca.pem"},
        "crl": {
            "enabled": True,
            "kind": "ConfigMap",
            "name": "people",
            "key": "crl.pem",
            "urls": ["http://pki.example.com/crl?a=1&b=2"],
            "distributionPoints": True,
            "hosts": ["pki.example.com"],
        },
        "crlStale": "allow",
    },
    "readiness": {"checks": ["upstream", "crl"]},
    "proxyProtocolFrom": ["10.0.0.0/8", "fd00::/8"],
    "workers": "auto",
    "server": {"min_tls": "1.3", "http2": False, "trusted_proxies": ["10.0.0.0/8"]},
    "maintenance": {"active": True, "extra": 'allow = [{ ou = "ops" }]'},
    "timeouts": {"drainDelay": 20, "drain": 100, "extra": {"response_header": "5m"}},
    "extraConfiguration": '[[routes]]\npath = "/admin/*"\nallow = [{ ou = "ops" }]\n',
    "invitations": {"enabled": True, "storageClass": "nfs"},
    "autoscaling": {"enabled": True},
    "service": {"annotations": {"example.com/kind": "nlb"}, "loadBalancerClass": "example.com/nlb"},
    "metrics": {"podMonitor": {"enabled": True, "labels": {"team": "ops"}}, "serviceMonitor": {"enabled": True}},
    "networkPolicy": {"enabled": True, "egress": [{"ports": [{"port": 8000, "protocol": "TCP"}]}]},
    "serviceAccount": {"name": "gate"},
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"tier": "edge"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "edge", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
}
MATRIX: dict[str, Values] = {
    "the least that must be said": BASE,
    "everything at once": EVERYTHING,
    "a sidecar": {"mode": "sidecar", "sidecar": {"container": APP}, "certificate": {"secretName": "https"}},
    "no CRL": BASE | {"clientAuth": {"crl": {"enabled": False, "kind": "Secret", "name": "x", "key": "x"}}},
    "CRLs by HTTP alone": BASE
    | {
        "clientAuth": {
            "crl": {"enabled": False, "kind": "Secret", "name": "x", "key": "x", "urls": ["http://pki.example.com/a"]}
        }
    },
    "invitations on a volume that exists": BASE | {"invitations": {"enabled": True, "existingClaim": "shared"}},
    "inside of the cluster": BASE | {"service": {"type": "ClusterIP"}, "podDisruptionBudget": {"enabled": False}},
    "no annotations": BASE | {"metrics": {"annotations": False}},
    "a configuration of one's own": BASE | {"configuration": '[server]\nlisten = "0.0.0.0:8443"\n'},
}


def render(values: Values) -> list[dict[str, Any]]:
    """The manifests of a release named ``edge``."""
    with helm.Chart.load(str(CHART)) as chart:
        rendered = chart.render(dict(values), name="edge", namespace="web")
    texts = (text for name, text in rendered.items() if name.endswith(".yaml"))
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def one(manifests: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


def pod(values: Values) -> dict[str, Any]:
    found: dict[str, Any] = one(render(values), "Deployment")["spec"]["template"]["spec"]
    return found


def configuration(values: Values) -> str:
    found: str = one(render(values), "ConfigMap")["data"]["gatekeeper.toml"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_kubernetes_takes_what_the_chart_renders(values: Values, version: str) -> None:
    """Every manifest of every row fits the strict schema, which rejects a key that Kubernetes does not know."""
    manifests = render(values)
    assert len(manifests) >= 3
    for manifest in manifests:
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize(
    "values", [case for case in MATRIX.values() if "configuration" not in case], ids=lambda case: str(sorted(case))[:60]
)
def test_the_gate_takes_the_configuration(values: Values, tmp_path: Path) -> None:
    """gatekeeper.toml of every row is loaded by the gate's own code, and its ports are those of the container."""
    file = tmp_path / "gatekeeper.toml"
    file.write_text(configuration(values))
    settings = load(file, {}).settings
    ports = {port["name"]: port["containerPort"] for port in pod(values)["containers"][0]["ports"]}
    assert [str(address) for address in settings.server.listen] == [f"0.0.0.0:{ports['https']}"]
    assert str(settings.admin.listen) == f"0.0.0.0:{ports['admin']}"


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_the_gate_has_no_more_rights_than_it_needs(values: Values) -> None:
    """Not root, no capability, nothing to write to, the runtime's system-call filter, no token of the cluster."""
    found = pod(values)
    assert found["automountServiceAccountToken"] is False
    rights = found["securityContext"] | found["containers"][0]["securityContext"]
    assert rights["runAsNonRoot"] is True
    assert rights["runAsUser"] == rights["fsGroup"] == 10001
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_every_selector_means_the_pods(values: Values) -> None:
    """Service, budget, policy and monitors select by labels that the pods carry."""
    manifests = render(values)
    labels = one(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        selected = selector.get("matchLabels", selector)
        if manifest["kind"] != "ServiceMonitor":
            assert selected.items() <= labels.items(), manifest["kind"]


def test_the_service_monitor_finds_the_admin_service() -> None:
    """Its selector means the labels of the headless Service, and the port has the same name there."""
    manifests = render(EVERYTHING)
    monitor = one(manifests, "ServiceMonitor")["spec"]
    (service,) = (m for m in manifests if m["kind"] == "Service" and m["metadata"]["name"].endswith("-admin"))
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [port["name"] for port in service["spec"]["ports"]] == [monitor["endpoints"][0]["port"]]


def test_lists_are_fetched_from_where_the_values_say() -> None:
    """The file, then the URLs, then what certificates name; kept where the pod may write."""
    auth = tomllib.loads(configuration(EVERYTHING))["client_auth"]
    assert auth["crl"] == ["client-ca.crl", "http://pki.example.com/crl?a=1&b=2", "cdp"]
    assert auth["crl_hosts"] == ["pki.example.com"]
    for values in (EVERYTHING, MATRIX["CRLs by HTTP alone"]):
        mounts = {one["mountPath"]: one["name"] for one in pod(values)["containers"][0]["volumeMounts"]}
        name = mounts[tomllib.loads(configuration(values))["client_auth"]["crl_folder"]]
        assert {"name": name, "emptyDir": {"sizeLimit": "256Mi"}} in pod(values)["volumes"]
    assert "crl_folder" not in configuration(BASE)
    assert tomllib.loads(configuration(MATRIX["CRLs by HTTP alone"]))["client_auth"]["crl"] == [
        "http://pki.example.com/a"
    ]


def test_maintenance_is_a_file_that_the_chart_brings() -> None:
    """It comes to the folder that the gate watches, under the name that the configuration has."""
    for values, active in ((BASE, False), (EVERYTHING, True)):
        data = one(render(values), "ConfigMap")["data"]
        assert ("maintenance" in data) is active
        assert tomllib.loads(data["gatekeeper.toml"])["maintenance"]["file"] == "maintenance"
        (volume,) = (volume for volume in pod(values)["volumes"] if volume["name"] == "gatekeeper")
        assert {"configMap": {"name": "edge-gatekeeper"}} in volume["projected"]["sources"]


def test_further_keys_reach_the_configuration() -> None:
    """As TOML of their own type."""
    server = tomllib.loads(configuration(EVERYTHING))["server"]
    assert (server["min_tls"], server["http2"], server["trusted_proxies"]) == ("1.3", False, ["10.0.0.0/8"])


def test_kubernetes_waits_until_the_gate_has_drained() -> None:
    """The kill comes after drain_delay and drain, whatever they are set to."""
    timeouts = tomllib.loads(configuration(EVERYTHING))["timeouts"]
    assert timeouts == {"drain_delay": "20s", "drain": "100s", "response_header": "5m"}
    assert pod(EVERYTHING)["terminationGracePeriodSeconds"] > 120


def test_the_app_beside_the_gate_has_no_port_of_its_own() -> None:
    """The only Service with a port for visitors leads to the gate."""
    manifests = render(EVERYTHING)
    targets = {p["targetPort"] for m in manifests if m["kind"] == "Service" for p in m["spec"]["ports"]}
    assert targets == {"https", "admin"}
    assert [container["name"] for container in pod(EVERYTHING)["containers"]] == ["gatekeeper", "app"]


def test_cert_managers_secret_is_the_one_that_is_mounted() -> None:
    """What the Certificate writes is what the gate reads."""
    secret = one(render(EVERYTHING), "Certificate")["spec"]["secretName"]
    (volume,) = (volume for volume in pod(EVERYTHING)["volumes"] if volume["name"] == "gatekeeper")
    assert secret in {source["secret"]["name"] for source in volume["projected"]["sources"] if "secret" in source}


def test_the_autoscaler_is_not_overruled() -> None:
    """With it there is no `replicas`, which `helm upgrade` would set back."""
    assert "replicas" not in one(render(EVERYTHING), "Deployment")["spec"]
    assert one(render(BASE), "Deployment")["spec"]["replicas"] == 2


def test_the_image_is_this_version_unless_a_digest_pins_another() -> None:
    """The tag follows appVersion, which is the package's version."""
    assert pod(BASE)["containers"][0]["image"] == f"gatekeeper:{__version__}"
    assert pod(EVERYTHING)["containers"][0]["image"].endswith(f"gatekeeper@sha256:{'0' * 64}")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"certificate": {"secretName": "https"}}, "upstream.url says where the app is"),
        ({"upstream": {"url": "http://app"}}, "certificate.secretName"),
        ({"mode": "sidecar", "certificate": {"secretName": "https"}}, "sidecar.container"),
        (BASE | {"mode": "ingress"}, "mode"),
        (BASE | {"imagee": {}}, "imagee"),
        (BASE | {"readiness": {"checks": ["app"]}}, "checks"),
        (BASE | {"certificate": {"certManager": {"enabled": True}}}, "certManager"),
        (BASE | {"server": {"listen": "0.0.0.0:443"}}, "server"),
        (BASE | {"timeouts": {"extra": {"drain": "1h"}}}, "extra"),
        (BASE | {"clientAuth": {"crl": {"distributionPoints": True}}}, "hosts"),
        (BASE | {"clientAuth": {"crl": {"hosts": ["x.example"]}}}, "hosts"),
    ],
)
def test_wrong_values_are_rejected_with_a_sentence(values: Values, said: str) -> None:
    """Before anything reaches the cluster: by the schema, or by the template that misses something."""
    with pytest.raises(helm.HelmError, match=said):
        render(values)


def test_helm_lint_has_nothing_to_say() -> None:
    """But that an icon is missing."""
    found = helm.lint(str(CHART), BASE)
    assert found["errors"] == []
    assert [message["error"] for message in found["messages"]] == ["icon is recommended"]
