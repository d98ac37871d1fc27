"""The settings themselves."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gatekeeper.settings.access import ClientAuthSettings, InvitationsSettings, RouteSettings, RuleSettings
from gatekeeper.settings.server import ServerSettings, TimeoutsSettings
from gatekeeper.settings.table import Table
from gatekeeper.settings.tables import Settings, table_at
from gatekeeper.settings.upstream import UpstreamSettings
from tests.configurations import MINIMAL, loaded

TABLES = [name for name in Settings.model_fields if name != "upstreams"]


def every_class() -> list[type[Table]]:
    classes = [table for name in Settings.model_fields if (table := table_at((name,))) is not None]
    inner = [
        below for table in list(classes) for name in table.model_fields if (below := below_of(table, name)) is not None
    ]
    return [Settings, *classes, *inner]


def below_of(table: type[Table], name: str) -> type[Table] | None:
    parent = next(one for one in Settings.model_fields if table_at((one,)) is table)
    return table_at((parent, "x", name) if parent == "upstreams" else (parent, name))


@pytest.mark.parametrize("table", every_class())
def test_a_table_takes_no_key_that_it_does_not_know(table: type[Table]) -> None:
    """At every level: what is ignored would be believed to hold."""
    with pytest.raises(ValidationError) as caught:
        table.model_validate({"no_such_key": 1})
    assert "extra_forbidden" in {error["type"] for error in caught.value.errors()}


@pytest.mark.parametrize("table", every_class())
def test_settings_cannot_be_changed(table: type[Table]) -> None:
    """A reload makes new ones."""
    assert table.model_config["frozen"]
    made = table.model_construct()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, next(iter(table.model_fields)), None)


def test_every_key_has_a_meaning_in_a_sentence() -> None:
    """It is the only source of the documentation."""
    for table in every_class()[1:]:
        assert (table.__doc__ or "").endswith(".")
        for name, field in table.model_fields.items():
            assert (field.description or "").endswith((".", '"off".', '"unlimited".')), (table, name)
            assert (field.description or " ")[0] in '"ABCDEFGHIJKLMNOPQRSTUVWXYZ', (table, name)


def test_a_key_without_a_default_has_an_example() -> None:
    """Which the error for a missing key shows, and the reference."""
    for table in every_class()[1:]:
        for name, field in table.model_fields.items():
            if field.is_required() or field.get_default(call_default_factory=True) in (None, (), {}):
                assert field.examples or name == "request_body", (table, name)


def test_every_example_is_taken() -> None:
    """As the value of its own key; two only stand for the real thing, which is long."""
    for table in every_class()[1:]:
        for field in table.model_fields.values():
            for example in field.examples or ():
                if "…" not in str(example):
                    TypeAdapter[Any](field.rebuild_annotation()).validate_python(example)


def test_every_default_passes_its_own_check() -> None:
    """Read back from its TOML form, it is itself."""
    for table in every_class()[1:]:
        for field in table.model_fields.values():
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            if default not in (None, (), {}):
                adapter = TypeAdapter[Any](field.rebuild_annotation())
                assert adapter.validate_python(adapter.dump_python(default, mode="json")) == default


def test_settings_in_code_need_no_toml() -> None:
    """What other tests build."""
    settings = Settings(
        server=ServerSettings(certificate=Path("a"), key=Path("b")),
        client_auth=ClientAuthSettings(ca=(Path("c"),)),
        timeouts=TimeoutsSettings(handshake=0.05),
    )
    assert settings.timeouts.handshake == 0.05


def test_the_upstream_table_is_the_one_named_default(tmp_path: Path) -> None:
    """Routes find all of them in one place."""
    settings = loaded(tmp_path, MINIMAL + '[upstreams.api]\nurls = ["http://a", "http://b:1"]\n').settings
    assert {name: [str(place) for place in one.endpoints] for name, one in settings.every_upstream.items()} == {
        "default": ["http://127.0.0.1:8000"],
        "api": ["http://a:80", "http://b:1"],
    }


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ((), Settings),
        (("server",), ServerSettings),
        (("server", "listen"), None),
        (("nowhere",), None),
        (("nowhere", "deeper", 1), None),
        (("upstream",), UpstreamSettings),
        (("upstreams", "url"), UpstreamSettings),
        (("upstreams", "api", "url"), None),
        (("routes",), RouteSettings),
        (("routes", 3), RouteSettings),
        (("routes", "path"), None),
        (("routes", 0, "allow", 1), RuleSettings),
        (("routes", "allow"), RuleSettings),
        (("invitations",), InvitationsSettings),
        (("identity", "custom", "X-A"), None),
    ],
)
def test_which_table_stands_at_a_path(path: tuple[str | int, ...], table: type[Table] | None) -> None:
    """Lists of tables may be named with an index or without; ``upstreams`` holds tables by name and is none itself."""
    assert table_at(path) is table
