"""On which line each key of a TOML text stands."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gatekeeper.config.source import Source, dotted

TEXT = '''\
# a comment [
top = 1
a.b = """
text [ " ""
# no comment
"""
[t]
list = ["]", '}', # [
  3]

"x.y" = 'it''s' # }
'''.replace("'it''s'", "'it\"s'")

LISTS = """\
[[routes]]
path = "/a"
allow = [{ cn = "x" },
  { cn = "y" }]
[routes.inner]
key = 1
[[routes]]
[[routes.deep]]
[[routes.deep]]
key = 1
[ "quoted.name" . b ]
c = { d = { e = 1 }, f = [1, 2] }
"""


def line(text: str, key: str) -> int | None:
    return Source(Path("x"), text).mistake(key, "").line


def test_a_key_is_found_on_its_line() -> None:
    """Whatever strings, comments and lists of several lines stand before it."""
    assert [line(TEXT, key) for key in ("top", "a", "a.b", "t", "t.list", 't."x.y"')] == [2, 3, 3, 7, 8, 11]


def test_lists_of_tables_are_counted() -> None:
    """A table below a list belongs to the newest entry."""
    assert line(LISTS, "routes[0]") == 1
    assert line(LISTS, "routes[0].path") == 2
    assert line(LISTS, "routes[0].allow[1].cn") == 3
    assert line(LISTS, "routes[0].inner.key") == 6
    assert line(LISTS, "routes[1]") == 7
    assert line(LISTS, "routes[1].deep[1].key") == 10
    assert line(LISTS, '"quoted.name".b.c.f[1]') == 12


def test_what_is_not_written_is_looked_for_where_it_would_stand() -> None:
    """A missing key is reported at its table, a missing table nowhere."""
    assert line(TEXT, "t.missing") == 7
    assert line(LISTS, "routes[1].missing.key[3]") == 7
    assert line(TEXT, "nowhere.key") is None
    assert line(TEXT, "") is None


def test_windows_line_ends_count_as_one() -> None:
    """The same lines, the same numbers."""
    assert line(LISTS.replace("\n", "\r\n"), "routes[1].deep[1].key") == 10


def test_multi_line_strings_may_end_in_quotes() -> None:
    """TOML 1.0 allows up to two quotes before the closing three."""
    text = 'a = """x"""""\nb = \'\'\'x\'\'\'\'\'\nc = """"x\\""""\nd = """"""\ne = 1\n'
    tomllib.loads(text)
    assert [line(text, key) for key in "abcde"] == [1, 2, 3, 4, 5]


def test_dotted_keys_quote_what_toml_would_quote() -> None:
    """And nothing that could forge a line gets through."""
    assert dotted(("a", 1, "b-c", "d e")) == 'a[1].b-c."d e"'
    assert dotted(("x\ny",)) == '"x?y"'
    assert dotted(()) == ""


values = st.recursive(
    st.integers() | st.booleans() | st.text(alphabet="ab\"'#[]{}=\\", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3),
    max_leaves=6,
)


def inline(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return (
                "'''" + value + "'''"
                if "'" not in value
                else '"""' + value.replace("\\", "\\\\").replace('"', '\\"') + '"""'
            )
        case list():
            return "[" + ",\n ".join(map(inline, value)) + "\n]"
        case dict():
            return "{" + ", ".join(f"{key} = {inline(below)}" for key, below in value.items()) + "}"
    return str(value)


@given(st.lists(values, max_size=8), st.lists(st.sampled_from(["", "# [ \" '''", "  "]), max_size=3))
def test_every_key_is_found_whatever_the_values(content: list[Any], between: list[str]) -> None:
    """The text is built line by line, so the true line of each key is known."""
    text, lines = "", {}
    for index, value in enumerate(content):
        text += "".join(f"{one}\n" for one in between)
        lines[f"key{index}"] = text.count("\n") + 1
        text += f"key{index} = {inline(value)}\n"
    assert set(tomllib.loads(text)) == set(lines)
    assert {key: line(text, key) for key in lines} == lines


def leaves(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in steps:
        yield (*above, step)
        yield from leaves(below, (*above, step))


def test_every_path_that_the_parser_sees_has_a_line() -> None:
    """Nothing in the two texts above is without one."""
    for text in (TEXT, LISTS):
        for path in leaves(tomllib.loads(text)):
            assert dotted(path) in Source(Path("x"), text)._lines
