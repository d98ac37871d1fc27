"""Timeouts and sizes of nginx's locations."""

from pathlib import Path

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
    assert notes == []


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
