"""Finding and loading ``gatekeeper.toml``."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatekeeper.config.configuration import Configuration
from gatekeeper.config.document import SYSTEM_WIDE, find
from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.settings.tables import Settings
from tests.configurations import CLIENT_AUTH, MINIMAL, SERVER, UPSTREAM, loaded, mistakes

# One folder serves all examples of a property: each writes its file anew.
PER_TEST = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


# What a file says ---------------------------------------------------------------------------------------------------


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


# The environment ----------------------------------------------------------------------------------------------------


def test_variables_are_filled_in(tmp_path: Path) -> None:
    """Inside strings, in lists too; ``$${`` stands for itself, a lone dollar as well."""
    text = (
        SERVER
        + 'listen = ["${HOST}:${PORT}"]\n'
        + CLIENT_AUTH
        + UPSTREAM
        + '[refusal]\ncontact = "$5 $${HOST} $$ ${HOST}"\n'
    )
    got = loaded(tmp_path, text, {"HOST": "127.0.0.1", "PORT": "8444"}).settings
    assert [str(address) for address in got.server.listen] == ["127.0.0.1:8444"]
    assert got.refusal.contact == "$5 ${HOST} $$ 127.0.0.1"


def test_a_variable_cannot_write_toml(tmp_path: Path) -> None:
    """It is filled in after the file was read, so quotes in it are just quotes; nor is it filled in again."""
    got = loaded(tmp_path, MINIMAL + '[refusal]\ncontact = "${WHO}"\n', {"WHO": '"\\nx = ${WHO}'}).settings
    assert got.refusal.contact == '"\\nx = ${WHO}'


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("${NOBODY}", "needs the environment variable NOBODY, which is not set"),
        ("${}", 'contains "${" without a name'),
        ("${A-B}", 'contains "${" without a name'),
        ("${A", 'contains "${" without a name'),
        ("${1}", 'contains "${" without a name'),
        ("${EMPTY}", "should be text on one line"),
    ],
)
def test_a_variable_that_cannot_be_filled_is_a_mistake(tmp_path: Path, value: str, sentence: str) -> None:
    """Just one, at its key; an empty one is what it is, empty."""
    found = mistakes(tmp_path, MINIMAL + f'[refusal]\ncontact = "{value}"\n', {"EMPTY": ""})
    assert len(found) == 1
    assert found[0].startswith(f"line 9: refusal.contact: {sentence}")


# Mistakes -----------------------------------------------------------------------------------------------------------

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


# Files that are none ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty; `gatekeeper init` writes a file to start from"),
        (b" \n\t\n", "is empty; `gatekeeper init` writes a file to start from"),
        (b"\xef\xbb\xbf" + MINIMAL.encode(), "begins with a byte order mark (BOM); save it as UTF-8 without one"),
        (MINIMAL.encode("utf-16"), "is not UTF-8 text"),
        (MINIMAL.encode() + b"# caf\xe9\n", "is not UTF-8 text"),
        (b"#" * (5 << 20), "is larger than 4 MiB, which is too large for a configuration"),
        (b"a = " + b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    """As a whole: there is no key to name."""
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "x.toml", {})
    assert str(caught.value) == f"{tmp_path}/x.toml: {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server\n", "line 1: is not valid TOML, at column 8: expected ']' at the end of a table declaration"),
        ("[server]\nlisten = \n", "line 2: is not valid TOML, at column 10: invalid value"),
        ("a = 1\na = 2\n", "line 2: is not valid TOML, at column 6: cannot overwrite a value"),
        ('[a]\nb = """', "line 2: is not valid TOML"),
        ("a = " + "9" * 5000, "line 1: is not valid TOML"),
        ("a = \x00", "line 1: is not valid TOML"),
    ],
)
def test_a_mistake_in_the_toml_is_reported_with_line_and_column(tmp_path: Path, text: str, sentence: str) -> None:
    """In the parser's words."""
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(sentence)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said in one sentence, as every refusal below."""
    assert refusal(tmp_path / "nowhere.toml") == "there is no such file"
    assert refusal(tmp_path / "nowhere" / "x.toml") == "there is no such file"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """Naming the folder instead of the file in it is a common slip."""
    assert refusal(tmp_path) == "is a directory, not a file"


def test_a_path_that_no_file_can_have() -> None:
    """A NUL byte in ``$GATEKEEPER_CONFIG`` cannot be, in an argument of a caller it can."""
    assert refusal(Path("a\0b")) == "cannot be the name of a file"


def test_a_file_that_this_user_may_not_read(tmp_path: Path) -> None:
    """Root may read everything, so as root somebody else is asked."""
    path = tmp_path / "secret.toml"
    path.write_text(MINIMAL)
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        assert refusal(path) == "is not readable for this user"
    finally:
        os.seteuid(user)


def test_other_failures_to_read_keep_the_systems_words(tmp_path: Path) -> None:
    """A link that leads to itself, for one."""
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(tmp_path / "loop") == f"cannot be read: {os.strerror(errno.ELOOP)}"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    (mistake,) = caught.value.mistakes
    assert (mistake.key, mistake.line) == ("", None)
    return mistake.message


# Anything at all ----------------------------------------------------------------------------------------------------


def outcome(path: Path) -> Configuration | tuple[Mistake, ...]:
    try:
        return load(path, {"A": "b"})
    except ConfigurationError as error:
        return error.mistakes


def is_plain(mistakes_found: tuple[Mistake, ...]) -> bool:
    """At least one, each on one line, of a bounded length, without a control character."""
    lines = [str(mistake) for mistake in mistakes_found]
    return bool(lines) and all(line.isprintable() and len(line) < 1000 for line in lines)


@PER_TEST
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_configuration_error(tmp_path: Path, content: bytes) -> None:
    """No three tables come about by chance, so nothing loads; nothing else is raised either."""
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    found = outcome(path)
    assert isinstance(found, tuple)
    assert is_plain(found)


NAMES = sorted(
    {name for table in Settings.model_fields for name in (table, "listen", "url", "allow", "custom", "zz", "a b")}
)
VALUES = st.sampled_from(
    [
        "1",
        "-1",
        "1.5",
        "nan",
        "inf",
        "true",
        "1979-05-27",
        "07:32:00",
        "1979-05-27T07:32:00Z",
        '""',
        '"x"',
        '"${A}"',
        '"${B}"',
        '"\\u0000"',
        '"\\n"',
        '"\\u202e"',
        "[]",
        "[[]]",
        "{}",
        "[{}]",
        '[1,"x",{}]',
        '{x="y"}',
        '{api={url="http://a"}}',
        '"auto"',
        '"off"',
        '"10s"',
        '"unix:/x"',
        '"http://a:1"',
        '["nginx"]',
        "0x" + "f" * 6000,
        '"' + "9" * 5000 + '"',
    ]
)


@PER_TEST
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["", *NAMES]), VALUES), max_size=8), st.booleans())
def test_any_values_end_in_settings_or_a_configuration_error(
    tmp_path: Path, entries: list[tuple[str, str, str]], headers: bool
) -> None:
    """Whatever type stands wherever: known keys, unknown keys, tables where values belong and the reverse."""
    tables: dict[str, dict[str, str]] = {}
    for table, key, value in entries:
        tables.setdefault(table, {})[key or "key"] = value
    text = "".join(
        f'[{"[" * headers}"{table}"]{"]" * headers}\n' + "".join(f'"{key}" = {value}\n' for key, value in keys.items())
        for table, keys in tables.items()
    )
    path = tmp_path / "x.toml"
    path.write_text(text + "#")
    found = outcome(path)
    assert isinstance(found, Configuration) or is_plain(found)


# Finding the file ---------------------------------------------------------------------------------------------------


def test_the_file_that_was_named_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By option before environment, by environment before the folder; whether it exists or not."""
    monkeypatch.chdir(tmp_path)
    Path("gatekeeper.toml").write_text(MINIMAL)
    environ = {"GATEKEEPER_CONFIG": "from-environment.toml"}
    assert find(Path("given.toml"), environ) == Path("given.toml")
    assert find(None, environ) == Path("from-environment.toml")
    assert find(None, {"GATEKEEPER_CONFIG": ""}) == Path("gatekeeper.toml")
    assert find(None, {}) == Path("gatekeeper.toml")


def test_a_broken_link_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file than the one meant could let in somebody else."""
    monkeypatch.chdir(tmp_path)
    Path("gatekeeper.toml").symlink_to("gone.toml")
    assert find(None, {}) == Path("gatekeeper.toml")


def test_no_file_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to do."""
    monkeypatch.chdir(tmp_path)
    if SYSTEM_WIDE.exists():
        assert find(None, {}) == SYSTEM_WIDE
        return
    with pytest.raises(ConfigurationError) as caught:
        find(None, {})
    assert str(caught.value) == (
        "there is no ./gatekeeper.toml and no /etc/gatekeeper/gatekeeper.toml; "
        "name a file with -c, or write one by `gatekeeper init`"
    )


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
