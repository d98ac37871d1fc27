"""gatekeeper top: what /status says, as a person reads it in a terminal."""

from typing import Any

from rich.console import Console

from gatekeeper.cli.top import fitted, view

STATUS: dict[str, Any] = {
    "version": "1.2.3",
    "ready": True,
    "supervisor": 41,
    "checks": {
        "listening": {"ok": True, "detail": "", "decides": True},
        "upstream": {"ok": False, "detail": "no connection to default", "decides": False},
    },
    "upstreams": [{"name": "default", "up": False, "places": ["http://127.0.0.1:8000"]}],
    "certificates": [{"kind": "server", "subject": "CN=[red]x[/red]", "not_after": "2027", "days_left": 3}],
    "crls": [{"issuer": "CN=Home CA", "next_update": "2027", "days_left": 20, "revoked": 5}],
    "refusals": {"expired": 3, "revoked": 0},
    "workers": [{"pid": 42, "state": "serving", "uptime_seconds": 5.0, "connections": 7}],
    "warnings": ["the CRL of CN=x is stale"],
    "connections": 7,
    "requests": 1000,
}


def shown(rate: float | None, status: dict[str, Any] = STATUS) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(view(status, rate))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def test_everything_is_there() -> None:
    """State, warnings, apps, certificates, lists, refusals and workers."""
    text = shown(12.34)
    for part in (
        "gatekeeper 1.2.3, process 41: ready; 7 open connections, 1000 requests, 12.3/s",
        "! the CRL of CN=x is stale",
        "! upstream: no connection to default",
        "http://127.0.0.1:8000",
        "CN=Home CA",
        "serving",
    ):
        assert part in text


def test_the_latency_of_an_app_is_there() -> None:
    """What half and 95 % of its responses took to begin, if there were any."""
    latency = {"seconds": 300, "responses": 7, "median": 0.0021, "p95": 1.5}
    busy = STATUS | {"upstreams": [STATUS["upstreams"][0] | {"latency": latency}]}
    assert "2.1 ms  1.5 s" in shown(None, busy)
    assert "–     –" in shown(None)


def test_a_certificate_has_the_kind_that_the_status_page_tells() -> None:
    """A list that revokes nothing is one, too."""
    text = shown(None)
    assert "CRL, 5 revoked         20  CN=Home CA" in text
    authority = {"kind": "client_ca", "subject": "CN=Home CA", "not_after": "2027", "days_left": 400}
    assert "client CA          400  CN=Home CA" in shown(None, STATUS | {"certificates": [authority], "crls": []})


def test_one_is_singular() -> None:
    """In the first line."""
    assert "; 1 open connection, 1 request\n" in shown(None, STATUS | {"connections": 1, "requests": 1})


def test_a_small_terminal_gets_more_lines_of_text() -> None:
    """Blank lines separate the tables where they fit; before a line is lost, they go."""
    lines = shown(None).splitlines()
    blank = lines.count("")
    assert blank == 4
    for height, kept in ((len(lines), blank), (len(lines) - 1, 0)):
        console = Console(width=100, height=height, no_color=True)
        with console.capture() as capture:
            console.print(fitted(console, STATUS, None))
        assert capture.get().splitlines().count("") == kept


def test_a_reason_that_never_occurred_takes_no_line() -> None:
    """Only those that did."""
    assert "expired" in shown(None)
    assert "revoked\n" not in shown(None).partition("refused")[2]


def test_a_name_in_a_certificate_is_no_markup() -> None:
    """Whoever makes a certificate must not paint the operator's terminal."""
    assert "CN=[red]x[/red]" in shown(None)


def test_a_rate_is_never_negative() -> None:
    """After an upgrade the counters begin at 0."""
    assert ", 0.0/s" in shown(-5.0)
