"""Alert rules and dashboard: PromQL that Prometheus takes, on metrics that the gate has."""

import json
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from tests.tools import needs

FOLDER = Path(__file__).resolve().parents[2] / "config" / "monitoring"
GROUPS = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
RULES = [pytest.param(rule, id=rule["alert"]) for group in GROUPS for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
TARGETS = [
    pytest.param(target["expr"], id=panel["title"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
# The metrics and their labels. `up` is Prometheus' own.
METRICS = {
    "gatekeeper_requests_total": {"code", "protocol"},
    "gatekeeper_refusals_total": {"reason"},
    "gatekeeper_request_duration_seconds_bucket": {"le"},
    "gatekeeper_upstream_time_seconds_bucket": {"upstream", "le"},
    "gatekeeper_handshakes_total": {"result"},
    "gatekeeper_acme_orders_total": {"certificate", "result"},
    "gatekeeper_connections": set(),
    "gatekeeper_http2_streams": set(),
    "gatekeeper_tunnels": set(),
    "gatekeeper_upstream_up": {"upstream"},
    "gatekeeper_certificate_not_after_seconds": {"kind", "name"},
    "gatekeeper_crl_next_update_seconds": set(),
    "gatekeeper_crl_fetches_total": {"result"},
    "gatekeeper_last_reload_success": set(),
    "gatekeeper_worker_restarts_total": set(),
    "up": set(),
}


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """Every place in the expression where a metric is read. A syntax error raises."""
    found = []
    promql_parser.walk(promql_parser.parse(expression), lambda node: found.append(node) or True)
    return [node for node in found if isinstance(node, promql_parser.VectorSelector)]


def assert_reads_known_metrics(expression: str) -> None:
    read = selectors(expression)
    assert read
    for selector in read:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= METRICS[selector.name] | {"job", "instance"}


@pytest.mark.parametrize("rule", RULES)
def test_each_alert_reads_metrics_that_exist(rule: Any) -> None:
    """The expression parses, and every metric and label in it is the gate's."""
    assert_reads_known_metrics(rule["expr"])


@pytest.mark.parametrize("rule", RULES)
def test_each_alert_says_what_happened_and_what_to_do(rule: Any) -> None:
    """A summary, a description, and whether somebody has to get up."""
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.parametrize("expression", TARGETS)
def test_each_panel_reads_metrics_that_exist(expression: str) -> None:
    """As for the alerts; Grafana's own variables are filled in first, as it does."""
    assert_reads_known_metrics(expression.replace("$__rate_interval", "1m"))


def test_each_metric_is_on_the_dashboard() -> None:
    """What is measured can be seen."""
    seen = {s.name for case in TARGETS for s in selectors(case.values[0].replace("$__rate_interval", "1m"))}
    assert seen == set(METRICS) - {"up"}


def test_panels_do_not_overlap() -> None:
    """Each cell of Grafana's 24-column grid belongs to one panel, and identifiers are used once."""
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_prometheus_takes_rules_and_scrape_configuration() -> None:
    """promtool reads the example configuration and the rules that it names."""
    needs("promtool")
    done = subprocess.run(
        ["promtool", "check", "config", FOLDER / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# For each alert: series, as promtool writes them (start+step x times, a value a minute), the minute at which to look,
# and the alerts that are firing then. promtool's time starts at 0.
DAY = 86400
CASES = {
    "all is well": (
        {
            'up{job="gatekeeper"}': "1x120",
            'gatekeeper_certificate_not_after_seconds{kind="server"}': f"{60 * DAY}x120",
            "gatekeeper_crl_next_update_seconds": f"{20 * DAY}x120",
            "gatekeeper_last_reload_success": "1x120",
            'gatekeeper_refusals_total{reason="no_certificate"}': "0+500x120",
            'gatekeeper_refusals_total{reason="expired"}': "0+1x120",
            'gatekeeper_requests_total{code="200"}': "0+100x120",
            'gatekeeper_upstream_up{upstream="default"}': "1x120",
            'gatekeeper_handshakes_total{result="ok"}': "0+100x120",
            "gatekeeper_worker_restarts_total": "3x120",
        },
        100,
        set(),
    ),
    "three orders of a certificate fail": (
        {'gatekeeper_acme_orders_total{result="failed"}': "0x10 1x10 2x10 3x60"},
        60,
        {"GatekeeperOrdersFail"},
    ),
    "one order fails": ({'gatekeeper_acme_orders_total{result="failed"}': "0x10 1x80"}, 60, set()),
    "the gate is gone": ({'up{job="gatekeeper"}': "1x5 0x10"}, 10, {"GatekeeperDown"}),
    "ten days to the end of the certificate": (
        {'gatekeeper_certificate_not_after_seconds{kind="server"}': f"{10 * DAY}x120"},
        100,
        {"GatekeeperCertificateEndsSoon"},
    ),
    "one day to the end of the certificate": (
        {'gatekeeper_certificate_not_after_seconds{kind="server"}': f"{DAY}x120"},
        30,
        {"GatekeeperCertificateEndsVerySoon"},
    ),
    "three days to the next CRL": (
        {"gatekeeper_crl_next_update_seconds": f"{3 * DAY}x120"},
        100,
        {"GatekeeperCRLRunsOut"},
    ),
    "the CRL is past its nextUpdate": (
        {"gatekeeper_crl_next_update_seconds": "60x120"},
        30,
        {"GatekeeperCRLRunsOutVerySoon"},
    ),
    "a list cannot be fetched": (
        {
            'gatekeeper_crl_fetches_total{result="failed"}': "0+1x60",
            'gatekeeper_crl_fetches_total{result="unchanged"}': "7x60",
        },
        40,
        {"GatekeeperCRLFetchFails"},
    ),
    "a reload failed": ({"gatekeeper_last_reload_success": "1x5 0x20"}, 15, {"GatekeeperReloadFailed"}),
    "people are refused as never before": (
        {
            'gatekeeper_refusals_total{reason="expired"}': "0+0x1000 0+10x120",
            'gatekeeper_requests_total{code="200"}': "0+100x1200",
        },
        1020,
        {"GatekeeperRefusalsRise"},
    ),
    "everybody with a certificate is refused": (
        {
            'gatekeeper_refusals_total{reason="revocation_unknown"}': "0+10x120",
            'gatekeeper_requests_total{code="200"}': "1000x120",
            'gatekeeper_requests_total{code="403"}': "0+10x120",
        },
        100,
        {"GatekeeperNobodyGetsIn", "GatekeeperRefusalsRise"},
    ),
    "the app is gone": ({'gatekeeper_upstream_up{upstream="default"}': "1x5 0x20"}, 15, {"GatekeeperUpstreamDown"}),
    "one answer in ten is an error": (
        {
            'gatekeeper_requests_total{code="200"}': "0+90x60",
            'gatekeeper_requests_total{code="502"}': "0+10x60",
        },
        30,
        {"GatekeeperErrors"},
    ),
    "answers take their time": (
        {
            'gatekeeper_request_duration_seconds_bucket{le="1"}': "0+50x60",
            'gatekeeper_request_duration_seconds_bucket{le="10"}': "0+100x60",
            'gatekeeper_request_duration_seconds_bucket{le="+Inf"}': "0+100x60",
        },
        40,
        {"GatekeeperSlow"},
    ),
    "most handshakes fail": (
        {
            'gatekeeper_handshakes_total{result="ok"}': "0+10x60",
            'gatekeeper_handshakes_total{result="failed"}': "0+90x60",
        },
        40,
        {"GatekeeperHandshakesFail"},
    ),
    "workers die again and again": (
        {"gatekeeper_worker_restarts_total": "0x10 1+1x10"},
        25,
        {"GatekeeperWorkersRestart"},
    ),
}


def promtool_case(title: str) -> dict:  # type: ignore[type-arg]
    series, minute, firing = CASES[title]
    return {
        "name": title,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)],
            }
        ],
    }


def test_the_alerts_go_off_when_they_should(tmp_path: Path) -> None:
    """promtool plays each case against the rules: exactly the alerts that it names are firing."""
    needs("promtool")
    cases = {"rule_files": [f"{FOLDER}/alerts.yaml"], "evaluation_interval": "1m"}
    file = tmp_path / "cases.yaml"
    file.write_text(json.dumps(cases | {"tests": [promtool_case(title) for title in CASES]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    """No rule is left that was never seen going off."""
    tried = set().union(*(firing for _, _, firing in CASES.values()))
    assert tried == {case.values[0]["alert"] for case in RULES}
