"""Versions, suites and groups of TLS in nginx."""

from pathlib import Path

import pytest

from tests.config.translating import CHECKED, PASSED, TLS, translated


@pytest.mark.parametrize(
    ("protocols", "versions"),
    [("TLSv1.3", ("1.3", "1.3")), ("TLSv1.2 TLSv1.3", ("1.2", "1.3")), ("TLSv1.1 TLSv1.2", ("1.2", "1.2"))],
)
def test_versions_of_tls_are_taken_over(tmp_path: Path, protocols: str, versions: tuple[str, str]) -> None:
    """Older ones than 1.2 are left out."""
    server = f"server {{ {TLS} {CHECKED} ssl_protocols {protocols}; location / {{ {PASSED} }} }}"
    settings = translated(tmp_path, server)[0].settings.server
    assert (settings.min_tls, settings.max_tls) == versions


@pytest.mark.parametrize(
    ("directives", "keys"),
    [
        ("ssl_ciphers ECDHE-RSA-AES128-GCM-SHA256:!aNULL;", {"ciphers": "ECDHE-RSA-AES128-GCM-SHA256:!aNULL"}),
        ("ssl_ciphers 'ECDHE+AESGCM ECDHE+CHACHA20';", {"ciphers": "ECDHE+AESGCM:ECDHE+CHACHA20"}),
        ("ssl_ciphers HIGH:!aNULL:!MD5;", {}),
        ("ssl_protocols TLSv1.3; ssl_ciphers ECDHE+AESGCM;", {}),
        ("ssl_ecdh_curve auto;", {}),
        ("ssl_ecdh_curve X25519:prime256v1;", {"groups": "X25519:prime256v1"}),
        ("ssl_conf_command Groups X25519; ssl_ecdh_curve P-384;", {"groups": "X25519"}),
        ("ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", {"ciphersuites": "TLS_AES_128_GCM_SHA256"}),
        ("ssl_protocols TLSv1.2; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;", {}),
    ],
)
def test_suites_and_groups_are_taken_over(tmp_path: Path, directives: str, keys: dict[str, str]) -> None:
    """What nginx takes by itself becomes the gate's default; suites of a version that is off mean nothing."""
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} {directives} location / {{ {PASSED} }} }}")
    server = configuration.settings.server
    found = {key: ":".join(getattr(server, key)) for key in ("ciphers", "ciphersuites", "groups")}
    assert {key: value for key, value in found.items() if value} == keys
    assert notes == []


def test_suites_that_cannot_be_had_are_said(tmp_path: Path) -> None:
    """nginx passes over what OpenSSL does not know, and lowers the security level."""
    more = "ssl_ciphers ECDHE+AESGCM:RC4-SHA:@SECLEVEL=0; ssl_conf_command Options PrioritizeChaCha;"
    configuration, notes = translated(tmp_path, f"server {{ {TLS} {CHECKED} {more} location / {{ {PASSED} }} }}")
    assert configuration.settings.server.ciphers == ("ECDHE+AESGCM",)
    assert [note.rpartition(": ")[2] for note in notes] == [
        "this OpenSSL has no such suite",
        "the security level stays 2, for visitors' certificates too",
        "only Ciphersuites, Groups and Curves are taken over",
    ]
