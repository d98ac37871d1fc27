"""gatekeeper.cli.init: what is said of the file that was written (tests/config/test_starter.py has its content)."""

from pathlib import Path

import pytest

from gatekeeper.cli import main

NGINX = """\
http {
    server {
        listen 443 ssl;
        ssl_certificate server.crt;
        ssl_certificate_key server.key;
        ssl_client_certificate ca.crt;
        ssl_verify_client on;
        location / { proxy_pass http://127.0.0.1:8000; }
    }
}
"""
AUTHORITY, SERVER = ("ca.crt", "ca.crl"), ("localhost.crt", "localhost.key")


@pytest.mark.parametrize(
    ("made", "step"),
    [
        ((), "enter the server's certificate and key, the authority of your clients and the address of your app there"),
        (AUTHORITY, "enter the server's certificate and key and the address of your app there"),
        (SERVER, "enter the authority of your clients and the address of your app there"),
        (AUTHORITY + SERVER, "enter the address of your app there"),
    ],
)
def test_the_next_step_is_what_is_left_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: tuple[str, ...], step: str
) -> None:
    """Files of gatekeeper ca that the configuration names are not asked for."""
    (tmp_path / "ca").mkdir()
    for name in made:
        (tmp_path / "ca" / name).touch()
    path = tmp_path / "gatekeeper.toml"
    assert main(["init", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Wrote {path}. Next: {step}, then run",
        f"  gatekeeper check -c {path}",
        f"  gatekeeper serve -c {path}",
    ]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [name for name in made if not any(f'= "ca/{name}"' in line and line[0] != "#" for line in lines)] == []


def test_a_translation_is_to_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It names the files and the app of nginx."""
    (tmp_path / "nginx.conf").write_text(NGINX)
    assert main(["init", "--from-nginx", str(tmp_path / "nginx.conf"), str(tmp_path)]) == 0
    assert f"Next: compare it with {tmp_path}/nginx.conf, then run" in capsys.readouterr().out


def test_an_existing_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be the one in use."""
    (tmp_path / "gatekeeper.toml").write_text("# mine\n")
    assert main(["init", str(tmp_path)]) == 2
    assert "already exists; nothing was changed" in capsys.readouterr().err
    assert (tmp_path / "gatekeeper.toml").read_text() == "# mine\n"
