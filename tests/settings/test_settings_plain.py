"""Settings as plain values: what the processes of a gate have, which do without pydantic."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from gatekeeper.settings.plain import PlainTable
from gatekeeper.settings.upstream import UpstreamSettings
from tests.configurations import MINIMAL, loaded

TABLES = """
[upstreams.api]
urls = ["http://a", "http://b:1"]
request_body = "unlimited"
[upstreams.api.timeouts]
connect = "1s"
[[routes]]
path = "/api/*"
upstream = "api"
"""


def test_every_value_and_every_property_is_there(tmp_path: Path) -> None:
    """In nested tables too, under the same names."""
    settings = loaded(tmp_path, MINIMAL + TABLES).settings
    plain = pickle.loads(pickle.dumps(settings))
    api = plain.every_upstream["api"]
    assert type(plain) is type(plain.server) is type(plain.routes[0]) is type(api) is PlainTable
    assert api.endpoints == settings.upstreams["api"].endpoints
    assert api.timeouts.connect == 1.0
    assert plain.server.listen == settings.server.listen
    assert plain.client_auth.crl_files == settings.client_auth.crl_files
    assert plain.orders == settings.orders


def test_what_was_written_is_told_from_a_default() -> None:
    """``request_body = "unlimited"`` is not the same as none."""
    written, default = (
        pickle.loads(pickle.dumps(UpstreamSettings.model_validate({"url": "http://a"} | table)))
        for table in ({"request_body": "unlimited"}, {})
    )
    assert written.request_body is default.request_body is None
    assert "request_body" in written.model_fields_set
    assert "request_body" not in default.model_fields_set


def test_two_are_equal_if_their_values_are(tmp_path: Path) -> None:
    """A reload keeps the connections to an app whose table is the same."""
    one, same, other = (
        pickle.loads(pickle.dumps(loaded(tmp_path, MINIMAL + tables).settings))
        for tables in (TABLES, TABLES, TABLES.replace("1s", "2s"))
    )
    assert one == same == pickle.loads(pickle.dumps(one))
    assert one.upstream == other.upstream
    assert hash(one.upstream) == hash(other.upstream)
    assert one.upstreams != other.upstreams


def test_none_can_be_changed(tmp_path: Path) -> None:
    """Neither set nor removed."""
    plain = pickle.loads(pickle.dumps(loaded(tmp_path, MINIMAL).settings))
    with pytest.raises(AttributeError, match="frozen"):
        plain.server.workers = 2
    with pytest.raises(AttributeError, match="frozen"):
        del plain.server.workers
    assert plain.server.workers == 1


def test_reading_them_needs_no_pydantic(tmp_path: Path) -> None:
    """In a process that has not loaded it."""
    packed = tmp_path / "packed"
    packed.write_bytes(pickle.dumps(loaded(tmp_path, MINIMAL + TABLES)))
    code = (
        "import pickle, sys\n"
        "settings = pickle.load(open(sys.argv[1], 'rb')).settings\n"
        "print(settings.server.workers, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, packed], capture_output=True, text=True, check=True)
    assert done.stdout == "1 False\n"
