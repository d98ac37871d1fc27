"""gatekeeper.config, with whatever a file can hold: settings, or mistakes in plain sentences."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.config.configuration import Configuration
from gatekeeper.config.load import load
from gatekeeper.errors import ConfigurationError, Mistake
from gatekeeper.settings.tables import Settings


def outcome(path: Path) -> Configuration | tuple[Mistake, ...]:
    try:
        return load(path, {"A": "b"})
    except ConfigurationError as error:
        return error.mistakes


def is_plain(mistakes_found: tuple[Mistake, ...]) -> bool:
    """At least one, each on one line, of a bounded length, without a control character."""
    lines = [str(mistake) for mistake in mistakes_found]
    return bool(lines) and all(line.isprintable() and len(line) < 1000 for line in lines)


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
