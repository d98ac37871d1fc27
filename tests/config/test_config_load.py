"""gatekeeper.config.load: what a file says, and every mistake in it."""

from pathlib import Path

import pytest

from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError, Mistake
from tests.configurations import CLIENT_AUTH, MINIMAL, SERVER, UPSTREAM, loaded, mistakes


def test_what_is_not_written_has_its_default(tmp_path: Path) -> None:
    """Three tables are enough."""
    configuration = loaded(tmp_path, MINIMAL)
    assert [str(address) for address in configuration.settings.server.listen] == ["0.0.0.0:8443"]
    assert configuration.settings.timeouts.tunnel_idle == 3600
    assert configuration.settings.limits.request_body is None
    assert [str(place) for place in configuration.settings.every_upstream["default"].endpoints] == [
        "http://127.0.0.1:8000"
    ]


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the folder where the command was typed, and the result is absolute."""
    (tmp_path / "etc").mkdir()
    monkeypatch.chdir(tmp_path)
    text = SERVER + CLIENT_AUTH + '[upstream]\nurl = "unix:app.sock"\n[log]\naccess = "access.log"\n'
    Path("etc/gatekeeper.toml").write_text(text + '[admin]\nlisten = "unix:/run/admin.sock"')
    got = load(Path("etc/gatekeeper.toml"), {}).settings
    assert got.server.certificate == tmp_path / "etc" / "fullchain.pem"
    assert got.client_auth.ca == (tmp_path / "etc" / "client-ca.crt",)
    assert str(got.upstream and got.upstream.url) == f"unix:{tmp_path}/etc/app.sock"
    assert got.log.access == tmp_path / "etc" / "access.log"
    assert str(got.admin.listen) == "unix:/run/admin.sock"


def test_relative_paths_start_beside_a_symbolic_link_not_beside_its_target(tmp_path: Path) -> None:
    """Kubernetes swaps the link when a Secret changes; the resolved folder would be the old one."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "gatekeeper.toml").write_text(MINIMAL)
    (tmp_path / "gatekeeper.toml").symlink_to("v1/gatekeeper.toml")
    assert load(tmp_path / "gatekeeper.toml", {}).settings.server.key == tmp_path / "privkey.pem"


def test_a_single_string_stands_for_a_list_of_one(tmp_path: Path) -> None:
    """Where lists of names, addresses or files are asked for."""
    one = loaded(tmp_path, SERVER + 'listen = "[::1]:1"\n' + CLIENT_AUTH + UPSTREAM).settings
    many = loaded(tmp_path, SERVER + 'listen = ["[::1]:1"]\n' + CLIENT_AUTH + UPSTREAM).settings
    assert one == many


MANY = """\
[server]
certifcate = "fullchain.pem"
listen = 8443
min_tls = 1.2

[client_auth]
ca = []
crl = ["${CRLS}/a.crl"]
ocsp_responder = "http://ocsp.example.com"

[upstream]
url = "http://app/path"

[upstreams.api]
urls = ["ftp://x", "unix:x"]

[identity]
headers = ["nginx", "apache"]

[timeouts]
idle = 5
tunnel-idle = "2h"

[limits]
connections = 0

[invitations]
folder = 5
"""

FOUND = """\
line 1: server.certificate: is missing; write for example: certificate = "fullchain.pem"
line 1: server.key: is missing; write for example: key = "privkey.pem"
line 2: server.certifcate: unknown key; did you mean "certificate"?
line 3: server.listen: should be a list; got 8443
line 4: server.min_tls: should be "1.2" or "1.3"; got 1.2
line 7: client_auth.ca: must not be empty
line 8: client_auth.crl[0]: needs the environment variable CRLS, which is not set
line 12: upstream.url: must end after the host and port, because paths are passed on as they came; take "/path" off
line 15: upstreams.api.urls[0]: should begin with http://, https://, h2c://, h2://, unix: or static:; got "ftp://x"
line 18: identity.headers[1]: should be "nginx", "rfc9440", "remote-user", "xfcc" or "traefik"; got "apache"
line 21: timeouts.idle: should be a duration such as "30s", "500ms" or "2h"; got 5
line 22: timeouts.tunnel-idle: unknown key; did you mean "tunnel_idle"?
line 25: limits.connections: should be at least 1; got 0
line 28: invitations.folder: should be the path of a folder; got 5"""


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    """In the order of the file, each with its key and line; sound tables are checked though others are broken."""
    assert "\n".join(mistakes(tmp_path, MANY)) == FOUND


def test_checks_across_tables_are_made_though_another_table_is_broken(tmp_path: Path) -> None:
    """Nobody wants to hear of the second mistake only after mending the first."""
    found = mistakes(tmp_path, MINIMAL + '[admin]\nlisten = "127.0.0.1:8443"\n[log]\nlevel = "loud"\n')
    assert [one.partition(": ")[2].partition(":")[0] for one in found] == ["admin.listen", "log.level"]


def test_the_text_of_the_error_names_the_file(tmp_path: Path) -> None:
    """One line for each mistake, as they are printed."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, MINIMAL + "[admin]\nport = 1\n[log]\nlevel = 1\n")
    assert str(caught.value).startswith(f"{tmp_path}/gatekeeper.toml: line 9: admin.port: unknown key")
    assert len(str(caught.value).splitlines()) == 2


def test_a_mistake_found_later_gets_its_line(tmp_path: Path) -> None:
    """Whoever opens the files that are named reports through the source."""
    configuration = loaded(tmp_path, MINIMAL)
    late = configuration.refusal(configuration.source.mistake("client_auth.ca[0]", "is not a CA"))
    assert late.mistakes == (Mistake("client_auth.ca[0]", "is not a CA", 5),)
    assert late.source == str(tmp_path / "gatekeeper.toml")


def test_a_rule_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    """And not again as a list without entries."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text('[[routes]]\nallow = [{ serial = "0x0a1b" }]\n')
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert [one.key for one in caught.value.mistakes if one.key.startswith("routes")] == ["routes[0].allow[0].serial"]


ROUTES_WITH_MISTAKES = """
[upstream]
url = "http://127.0.0.1:8000"
max_connections = "many"

[upstreams.photos]
url = "http://127.0.0.1:8001"
max_connections = "many"

[[routes]]
methods = "get"

[[routes]]
upstream = "photos"

[[routes]]
path = "/admin/*"

[[routes]]
path = "/p/*"
upstream = "fotos"
"""


def test_a_wrong_value_hides_no_contradiction_between_routes(tmp_path: Path) -> None:
    """Neither one in a route, nor one in an upstream, whose name is known all the same."""
    path = tmp_path / "gatekeeper.toml"
    path.write_text(ROUTES_WITH_MISTAKES)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    found = {one.key: one.message for one in caught.value.mistakes if one.key.startswith(("routes", "upstream"))}
    assert list(found) == [
        *("upstream.max_connections", "upstreams.photos.max_connections", "routes[0].methods"),
        *("routes[2]", "routes[3]", "routes[3].upstream"),
    ]
    assert "routes[1] comes before it" in found["routes[2]"]
    assert found["routes[3].upstream"] == 'there is no upstream named "fotos"; did you mean "photos"?'
