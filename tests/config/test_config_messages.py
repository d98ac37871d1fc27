"""What pydantic finds, in plain words."""

from pathlib import Path

import pytest

from gatekeeper.settings.tables import Settings, table_at
from tests.configurations import CLIENT_AUTH, MINIMAL, SERVER, UPSTREAM, mistakes

PLAIN = (
    *("should ", "must ", "may ", "is missing", "is empty", "is not available yet", "is public", "has ", "names no "),
    *("unknown key", "there is no upstream named", "has no effect "),
)
SCALARS = ["1", "-1", "1.5", "true", '""', '"x"', "[]", "[1]", "[{}]", "{}", "{ x = 1 }", "1979-05-27", "[[]]"]


def entries() -> list[tuple[str, str]]:
    tables = [(name, table_at((name,))) for name in Settings.model_fields if name != "upstreams"]
    return [(name, key) for name, table in tables if table is not None for key in table.named_fields()]


@pytest.mark.parametrize(("table", "key"), entries())
def test_a_value_of_the_wrong_kind_is_refused_in_plain_words(tmp_path: Path, table: str, key: str) -> None:
    """Whatever stands there: never the words of the library that noticed."""
    header = f"[[{table}]]" if table == "routes" else f"[{table}]"
    others = "".join(one for one in (SERVER, CLIENT_AUTH, UPSTREAM) if not one.startswith(header))
    for value in SCALARS:
        text = f"{header}\n{key} = {value}\n{others}#"
        try:
            found = mistakes(tmp_path, text)
        except pytest.fail.Exception:
            continue  # the value is a good one
        for one in found:
            assert one.split(": ", 2)[2].startswith(PLAIN), one


@pytest.mark.parametrize("table", list(Settings.model_fields))
def test_a_value_where_a_table_belongs(tmp_path: Path, table: str) -> None:
    """And a list where one table belongs."""
    for value in ("1", '"x"', "[1]", "true"):
        found = mistakes(tmp_path, f"{table} = {value}\n")
        assert any(f" {table}" in one and ": should be a " in one for one in found), found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MINIMAL + "[serverr]\n", 'serverr: unknown key; did you mean "server"?'),
        (MINIMAL.replace(CLIENT_AUTH, "[server.oops]\n" + CLIENT_AUTH), "server.oops: unknown key; known keys here: "),
        (MINIMAL + "[tls]\n", "tls: unknown key; known tables here: server, client_auth, upstream, upstreams, routes,"),
        ("min_tls = 1\n" + MINIMAL, "min_tls: unknown key; it belongs to [server]"),
        (
            SERVER + 'ca = "x"\n' + CLIENT_AUTH + UPSTREAM,
            "server.ca: unknown key; it belongs to [client_auth] or [upstream]",
        ),
        (SERVER + "Min-TLS = 1\n" + CLIENT_AUTH + UPSTREAM, 'server.Min-TLS: unknown key; did you mean "min_tls"?'),
        (MINIMAL + "timeout = 3\n", "upstream.timeout: unknown key; "),
        (
            MINIMAL + "[routes]\npath = 1\n",
            "routes: should be a list of tables, each with two pairs of brackets: [[routes]]",
        ),
        (MINIMAL + "[[routes]]\nallow = { cn = 1 }\n", "routes[0].allow: should be a list of tables: allow = [{ … }]"),
        (MINIMAL + '[[routes]]\nallow = [{ cn = "a", name = "b" }]\n', "routes[0].allow[0].name: unknown key; "),
        (MINIMAL + "[upstreams.api]\nurls = 1\n", "upstreams.api.urls: should be a list; got 1"),
        (MINIMAL + "[upstreams.api]\nul = 1\n", 'upstreams.api.ul: unknown key; did you mean "url"?'),
        (MINIMAL + '[upstreams."a b"]\nurl = "http://a"\n', 'upstreams."a b": should be a name of letters, digits,'),
        (MINIMAL + "[upstreams]\napi = 1\n", "upstreams.api: should be a table; got 1"),
        (
            MINIMAL + "[identity]\ncustom = { X_A = 'b' }\n",
            "identity.custom.X_A: should be the name of a header, without",
        ),
        (MINIMAL + "[identity]\njwt = 1\n", "identity.jwt: should be a table; got 1"),
        (
            MINIMAL + '[identity]\njwt = { key = "k", audience = "a", lifetime = "9s" }\n',
            'identity.jwt.lifetime: must be "10s" at least',
        ),
        (MINIMAL + "[limits]\nconnections = '1'\n", 'limits.connections: should be a whole number; got "1"'),
        (
            MINIMAL + '[[routes]]\nhosts = ["*.example.com"]\n',
            'routes[0].hosts[0]: "*.example.com" has a star, but there are no wildcards here; write each host name '
            "in full",
        ),
        (
            MINIMAL + '[limits]\nrequest_line = "0B"\n',
            'limits.request_line: should be at least "16B": less holds no request line; got "0B"',
        ),
        (
            MINIMAL + '[limits]\nrequest_header = "1B"\n',
            'limits.request_header: should be at least "64B": less holds no request; got "1B"',
        ),
        (
            MINIMAL + '[limits]\nrequest_header = "100GiB"\n',
            'limits.request_header: should be at most "16MiB"; got "100GiB"',
        ),
        (
            MINIMAL.replace("[client_auth]\n", '[client_auth]\ncertificate_size = "1B"\n'),
            'client_auth.certificate_size: should be at least "512B": less holds no certificate; got "1B"',
        ),
        (MINIMAL + "[limits]\nhttp2_streams = 1001\n", "limits.http2_streams: should be at most 1000; got 1001"),
        (MINIMAL + "[limits]\nheader_count = 10001\n", "limits.header_count: should be at most 10000; got 10001"),
        (MINIMAL + "[limits]\nconnections_per_ip = -1\n", "limits.connections_per_ip: should be at least 0; got -1"),
        (MINIMAL + "[refusal]\ndetail = 'some'\n", 'refusal.detail: should be "full" or "minimal"; got "some"'),
        (CLIENT_AUTH + UPSTREAM, 'server.key: is missing; write for example: key = "privkey.pem"'),
        (SERVER + UPSTREAM, 'client_auth.ca: is missing; write for example: ca = "client-ca.crt"'),
        (MINIMAL + "[invitations]\n", 'invitations.folder: is missing; write for example: folder = "/var/lib/'),
    ],
)
def test_a_mistake_is_told_in_a_sentence_that_helps(tmp_path: Path, text: str, sentence: str) -> None:
    """What was meant, where it belongs, how it is written."""
    found = mistakes(tmp_path, text)
    assert any(one.partition(": ")[2].startswith(sentence) or one.startswith(sentence) for one in found), found


def test_the_upstreams_table_itself_has_no_keys_to_suggest(tmp_path: Path) -> None:
    """``[upstreams] url = …`` is a value where a table belongs, and nothing else."""
    assert 'line 10: upstreams.url: should be a table; got "http://a"' in mistakes(
        tmp_path, MINIMAL + "[upstreams]\n\nurl = 'http://a'\n"
    )
