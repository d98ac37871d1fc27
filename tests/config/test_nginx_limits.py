"""Timeouts and sizes of nginx's locations, and the rate of requests."""

from pathlib import Path

import pytest

from tests.config.translating import CHECKED, PASSED, TLS, translated


def test_timeouts_and_sizes_of_a_location_are_those_of_its_app(tmp_path: Path) -> None:
    """No other app gets them; what nginx has by default is what the gate has."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} client_body_timeout 5s; location / {{ {PASSED} }}"
        " location /slow/ { proxy_pass http://slow; proxy_read_timeout 10m; client_max_body_size 0; } }",
    )
    settings = configuration.settings
    slow, other = settings.upstreams["app2"], settings.every_upstream["default"]
    assert slow.timeouts is not None
    assert (slow.timeouts.response_header, slow.timeouts.stream_idle, slow.timeouts.tunnel_idle) == (600.0,) * 3
    assert "request_body" in slow.model_fields_set
    assert slow.request_body is None
    assert (other.timeouts, settings.timeouts.response_header, settings.timeouts.stream_idle) == (None, 60.0, 60.0)
    assert settings.limits.request_body == 1 << 20
    assert {note.partition(": ")[2] for note in notes} == {
        "client_body_timeout 5s: timeouts.stream_idle is one timer for several of nginx; the longest of them is taken"
    }


def test_locations_of_one_app_share_the_largest(tmp_path: Path) -> None:
    """And that is said."""
    configuration, notes = translated(
        tmp_path,
        f"server {{ {TLS} {CHECKED} location / {{ {PASSED} proxy_read_timeout 5m; }}"
        f" location /b/ {{ {PASSED} proxy_read_timeout 9m; }} }}",
    )
    assert configuration.settings.timeouts.response_header == 540.0
    assert notes == [
        "line 3: proxy_read_timeout 5m: the locations of this app differ; the largest value of all is taken"
    ]


def limited(folder: Path, http: str, server: str = "", *locations: str) -> tuple[float | None, int, list[str]]:
    """limits.rate, limits.rate_burst and what is told, of a server with these directives and a location for each."""
    inside = [
        f"location {path} {{ {PASSED} {own} }}" for path, own in zip(("/", "/b/"), locations or ("",), strict=False)
    ]
    configuration, notes = translated(folder, f"{http}\nserver {{ {TLS} {CHECKED} {server} {' '.join(inside)} }}")
    limits = configuration.settings.limits
    return limits.rate, limits.rate_burst, notes


ZONE = "limit_req_zone $binary_remote_addr zone=one:10m rate=%s;"
BY_ADDRESS = (
    "line 3: limit_req_zone $binary_remote_addr zone=one:10m rate=10r/s: "
    "limits.rate counts by certificate where there is one: no two people share a rate"
)
BY_NAME = "limit_req_zone $ssl_client_s_dn zone=one:10m rate=10r/s;"


@pytest.mark.parametrize(
    ("rate", "directive", "got"),
    [
        ("10r/s", "limit_req zone=one;", (10.0, 1)),
        ("10r/s", "limit_req zone=one burst=20 nodelay;", (10.0, 21)),
        ("30r/m", "limit_req zone=one nodelay burst=5;", (0.5, 6)),
    ],
)
def test_the_rate_of_every_location_is_that_of_the_gate(
    tmp_path: Path, rate: str, directive: str, got: tuple[float, int]
) -> None:
    """nginx lets one request pass, and `burst` more at once."""
    found = limited(tmp_path, ZONE % rate + " limit_req_status 429;", directive)
    assert found == (*got, [BY_ADDRESS.replace("10r/s", rate)])


def test_a_rate_by_certificate_is_the_same_here(tmp_path: Path) -> None:
    """Nothing is to be told then."""
    assert limited(tmp_path, BY_NAME + "limit_req zone=one; limit_req_status 429;") == (10.0, 1, [])


@pytest.mark.parametrize("delay", ["", " delay=8"])
def test_what_a_visitor_above_the_rate_notices_is_told(tmp_path: Path, delay: str) -> None:
    """Another status, and no delay."""
    rate, burst, notes = limited(tmp_path, BY_NAME, "", f"limit_req zone=one burst=20{delay};")
    assert (rate, burst) == (10.0, 21)
    place = f"line 4: limit_req zone=one burst=20{delay}: "
    assert notes == [
        f"{place}nginx delays requests above the rate; here rate_burst of them pass at once",
        f"{place}visitors above the rate get 429 with Retry-After, and 503 in nginx",
    ]


@pytest.mark.parametrize(
    ("http", "locations", "told"),
    [
        (BY_NAME, ("limit_req zone=one;", ""), "limits.rate holds for the whole gate, and these locations differ"),
        (BY_NAME, ("limit_req zone=other;",), "its zone has no rate that gatekeeper could read"),
        (BY_NAME.replace("10r/s", "0r/s"), ("limit_req zone=one;",), "its zone has no rate that gatekeeper could read"),
        (
            BY_NAME.replace("$ssl_client_s_dn", "$server_name"),
            ("limit_req zone=one;",),
            "limits.rate counts by certificate, or by address without one, and by nothing else",
        ),
        (
            BY_NAME + "limit_req_dry_run on;",
            ("limit_req zone=one;",),
            "only counts in nginx (limit_req_dry_run); limits.rate would refuse",
        ),
    ],
)
def test_no_rate_is_guessed(tmp_path: Path, http: str, locations: tuple[str, ...], told: str) -> None:
    """Too low a rate refuses people whom nginx lets in."""
    rate, _, notes = limited(tmp_path, http, "", *locations)
    assert rate is None
    assert [note.rpartition(": ")[2] for note in notes] == [told]


def test_of_several_rates_the_lowest_is_taken(tmp_path: Path) -> None:
    """Whoever keeps to that one keeps to all, but for their bursts."""
    zones = BY_NAME + BY_NAME.replace("=one", "=two").replace("10r/s", "100r/m") + "limit_req_status 429;"
    rate, burst, notes = limited(tmp_path, zones, "limit_req zone=one; limit_req zone=two burst=3 nodelay;")
    assert rate == pytest.approx(100 / 60)
    assert burst == 4
    assert notes == ["line 4: limit_req zone=one: limits.rate is one rate; the lowest of several is taken"]
