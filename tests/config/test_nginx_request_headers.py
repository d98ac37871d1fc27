"""Headers that nginx adds to requests."""

from pathlib import Path

import pytest

from gatekeeper.config.nginx_request_headers import SENT_ANYWAY
from tests.config.translating import CHECKED, PASSED, TLS, translated

# nginx.org/en/docs/http/ngx_http_ssl_module.html, "Embedded Variables".
VARIABLES = [
    *("cert", "escaped_cert", "fingerprint", "i_dn", "i_dn_legacy", "raw_cert", "s_dn", "s_dn_legacy", "serial"),
    *("sigalg", "v_end", "v_remain", "v_start", "verify"),
]
NAMES = [
    *("X-SSL-Client-DN", "X-SSL-Client-S-DN", "X-SSL-Client-CN", "X-SSL-Client-Verify", "X-My-User", "X_My_User"),
    *("X-Forwarded-User", "X-Forwarded-For", "X-Real-IP", "X-Scheme", "Remote-User", "Host", "Cookie", "Upgrade"),
]
VALUES = [
    *(f"$ssl_client_{name}" for name in VARIABLES),
    *("", "me", "app:8000", "$host", "$remote_addr", "$scheme", "$http_upgrade", "$x", '"{ $ssl_client_s_dn }"'),
]


def server(headers: str) -> str:
    return f"server {{ {TLS} {CHECKED} location / {{ {PASSED} {headers} }} }}"


def test_what_the_app_learns_of_the_visitor_is_taken_over(tmp_path: Path) -> None:
    """Under the name that the app knows, whether nginx sets it for all servers, for one, or at a location."""
    configuration, notes = translated(
        tmp_path,
        "grpc_set_header X-Serial ${ssl_client_serial};"
        f" server {{ proxy_set_header X-SSL-Client-DN $ssl_client_s_dn; {TLS} {CHECKED}"
        f" location / {{ {PASSED} proxy_set_header X-My-User $ssl_client_s_dn;"
        " proxy_set_header X-Ok $ssl_client_verify; proxy_set_header X-Until $ssl_client_v_end;"
        " proxy_set_header x-serial $ssl_client_serial; } }",
    )
    assert configuration.settings.identity.custom == {
        "X-Serial": "{serial}",
        "X-SSL-Client-DN": "{dn}",
        "X-My-User": "{dn}",
        "X-Ok": "SUCCESS",
        "X-Until": "{not_after}",
    }
    assert configuration.settings.identity.headers == ("nginx",)
    assert sum("letters beyond ASCII" in one for one in notes) == 2
    assert sum("2027-08-15T19:00:00Z" in one for one in notes) == 1
    assert len(notes) == 4


@pytest.mark.parametrize("name", NAMES)
def test_no_header_is_dropped_without_a_word(tmp_path: Path, name: str) -> None:
    """It is in the result, or in a note, or the gate sends it with this value by itself."""
    for index, value in enumerate(VALUES):
        folder = tmp_path / str(index)
        folder.mkdir()
        configuration, notes = translated(folder, server(f"proxy_set_header {name} {value or chr(34) * 2};"))
        settings = configuration.settings
        is_host = name == "Host" and settings.every_upstream["default"].host == value
        is_taken = name in settings.identity.custom or is_host
        assert is_taken or notes or value in SENT_ANYWAY[name.lower()], value


def test_two_values_of_a_name_are_told(tmp_path: Path) -> None:
    """``identity.custom`` is the same for every app."""
    two = "proxy_set_header X-Id $ssl_client_serial; proxy_set_header x-id $ssl_client_s_dn;"
    configuration, notes = translated(tmp_path, server(two))
    assert configuration.settings.identity.custom == {"X-Id": "{serial}"}
    assert len(notes) == 1
    assert notes[0].endswith("x-id $ssl_client_s_dn: identity.custom has one value for each name")


@pytest.mark.parametrize(
    ("headers", "stripped"),
    [
        ("X-Role guest", ("X-Role",)),
        ("X-Role ''", ("X-Role",)),
        ("X-Role $role", ("X-Role",)),
        ("Authorization ''", ("Authorization",)),
        ("X-Role guest; proxy_set_header x-role $b; grpc_set_header X-Team a", ("X-Role", "X-Team")),
        ("X-Role $http_x_role", ()),
        ("X-Role $ssl_client_s_dn", ()),
        ("X-Forwarded-User me", ()),
        ("X_Role me", ()),
        ("Accept-Encoding ''", ()),
        ("Host me", ()),
        ("X-Real-IP $x", ()),
        ("Connection ''", ()),
    ],
)
@pytest.mark.parametrize("level", ["http", "location"])
def test_no_visitor_sends_what_nginx_replaces(
    tmp_path: Path, level: str, headers: str, stripped: tuple[str, ...]
) -> None:
    """The app believes X-Role: nginx has sent it, whatever the visitor said. What no visitor can send needs no line,
    what nginx passes on neither, nor what describes the request.
    """
    written = f"proxy_set_header {headers};"
    http = f"{written} {server('')}" if level == "http" else server(written)
    assert translated(tmp_path, http)[0].settings.identity.strip == stripped
