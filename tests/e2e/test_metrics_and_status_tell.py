"""/metrics, /status and its page on a running gate with several workers."""

import os
import re
import signal
from pathlib import Path

from gatekeeper import __version__
from tests.app import App
from tests.gate_process import Gate, until
from tests.visitors import REFUSED, Visitors

SAMPLE = re.compile(r'(gatekeeper_[a-z0-9_]+)(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]+")?\})? (-?[0-9.e+-]+)')


def test_what_happened_is_counted_once(folder: Path, visitors: Visitors) -> None:
    """Over all workers, by status and reason; every line is one that Prometheus can read."""
    with App() as behind, Gate(folder, behind.url, server="workers = 2") as gate:
        for _ in range(6):
            assert gate.request(visitors.context("alice"))[0] == 200
        for name in REFUSED:
            assert gate.request(visitors.context(name))[0] == 403
        # A request is counted when its answer has gone out, and each worker counts for itself.
        until(lambda: "gatekeeper_request_duration_seconds_count 14\n" in gate.admin_text("/metrics"))
        counted = 'gatekeeper_upstream_time_seconds_count{upstream="default"} 6\n'
        until(lambda: counted in gate.admin_text("/metrics"))  # each worker adds its own within a second
        lines = gate.admin_text("/metrics").splitlines()
        samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        assert all(SAMPLE.fullmatch(line) for line in lines if not line.startswith("#"))
        assert samples['gatekeeper_requests_total{code="200",protocol="HTTP/1"}'] == "6"
        assert samples['gatekeeper_requests_total{code="403",protocol="HTTP/1"}'] == "8"
        assert samples["gatekeeper_http2_streams"] == "0"
        form = os.environ.get("EXPECTED_FORM", "pure")
        assert samples[f'gatekeeper_build_info{{version="{__version__}",form="{form}"}}'] == "1"
        assert samples['gatekeeper_refusals_total{reason="untrusted_issuer"}'] == "2"
        assert samples['gatekeeper_refusals_total{reason="revoked"}'] == "0"
        assert samples['gatekeeper_request_duration_seconds_bucket{le="+Inf"}'] == "14"
        assert samples["gatekeeper_request_duration_seconds_count"] == "14"
        assert samples['gatekeeper_upstream_time_seconds_count{upstream="default"}'] == "6"
        assert gate.admin("/status")[1]["upstreams"][0]["latency"]["responses"] == 6
        assert samples['gatekeeper_handshakes_total{result="ok"}'] == "14"
        for kind, name in (("server", "localhost"), ("client_ca", "Home CA")):
            sample = f'gatekeeper_certificate_not_after_seconds{{kind="{kind}",name="{name}"}}'
            assert float(samples[sample]) > 1.7e9
        assert samples["gatekeeper_last_reload_success"] == "1"
        assert {line.split()[2] for line in lines if line.startswith("# TYPE")} == {
            re.sub(r"_(bucket|sum|count)$", "", name.partition("{")[0]) for name in samples
        }


def test_the_page_for_people(folder: Path, visitors: Visitors) -> None:
    """The same worker numbers, names and days, in HTML."""
    with App() as behind, Gate(folder, behind.url, server="workers = 2") as gate:
        told = gate.admin("/status")[1]
        assert told["ready"] is True
        assert told["form"] == os.environ.get("EXPECTED_FORM", "pure")
        assert [one["state"] for one in told["workers"]] == ["serving", "serving"]
        assert {one["kind"] for one in told["certificates"]} == {"server", "client_ca"}
        assert told["upstreams"] == [{"name": "default", "up": True, "places": [behind.url], "latency": None}]
        page = gate.admin_text("/status", accept="text/html")
        assert "The gate is ready" in page
        assert "CN=Home CA" in page
        assert all(str(one["pid"]) in page for one in told["workers"])


def test_a_failed_reload_is_told_at_once(folder: Path) -> None:
    """From the first line in the log on, whichever worker is asked, and until each has loaded what is right."""

    def count(word: str) -> int:
        return sum(f": {word}" in line for line in gate.err)

    with Gate(folder, "http://127.0.0.1:1", server="workers = 2") as gate:
        right = (folder / "ca.crt").read_bytes()
        for done in (1, 2):
            (folder / "ca.crt").write_text("nonsense")
            until(lambda done=done: count("not reloaded") > 2 * done - 2)  # type: ignore[misc]
            while True:
                every = count("not reloaded") >= 2 * done
                assert gate.admin("/status")[1]["last_reload"]["ok"] is False
                assert "gatekeeper_last_reload_success 0\n" in gate.admin_text("/metrics")
                if every:
                    break
            (folder / "ca.crt").write_bytes(right)
            until(lambda done=done: count("reloaded") >= 2 * done)  # type: ignore[misc]
            assert gate.admin("/status")[1]["last_reload"]["ok"] is True


def test_a_worker_that_started_after_a_reload_tells_of_it(folder: Path) -> None:
    """Whichever is asked: the one that reloaded, or the one that replaced the other and never has."""
    with Gate(folder, "http://127.0.0.1:1", server="workers = 2") as gate:
        (folder / "ca.crt").write_bytes((folder / "ca.crt").read_bytes() + b"\n")
        until(lambda: sum("reloaded " in line for line in gate.err) == 2)
        told = gate.admin("/status")[1]
        killed = told["workers"][0]["pid"]
        os.kill(killed, signal.SIGKILL)
        until(lambda: gate.admin("/status")[1]["worker_restarts"] == 1)
        until(lambda: [one["state"] for one in gate.admin("/status")[1]["workers"]] == ["serving"] * 2)
        assert [gate.admin("/status")[1]["last_reload"] for _ in range(8)] == [told["last_reload"]] * 8
