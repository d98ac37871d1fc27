"""Generates documentation from ``settings``: commented TOML, Markdown, JSON Schema.

The output of these functions is kept in ``config/gatekeeper.toml``, ``docs/configuration.md`` and
``config/gatekeeper.schema.json``; a test compares.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from annotated_types import MinLen
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from gatekeeper.settings.table import Table
from gatekeeper.settings.tables import Settings, table_at
from gatekeeper.settings.validation import OneOrMany

_WIDTH = 118

# Keys without a default that the example file needs.
_WRITTEN = {"upstream.url", "server.certificate", "server.key"}

_HEAD = """\
Every key of gatekeeper, with its default and its meaning. A key that is commented out has no default; its value here is
an example. Most files need no more than config/minimal.toml.

Relative paths start at the folder of the file. Durations are "500ms", "30s", "5m", "2h", "14d"; sizes are "512B",
"64KiB", "1MiB", "2GiB". ${NAME} inside a string is replaced by the environment variable; $${ stands for ${ itself. An
unknown key and a variable that is not set are errors.
"""

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m gatekeeper.cli.reference markdown` from gatekeeper/settings/. -->

gatekeeper reads one TOML file: the one given with `-c`, else `$GATEKEEPER_CONFIG`, else `./gatekeeper.toml`, else
`/etc/gatekeeper/gatekeeper.toml`. `gatekeeper init` writes one to start from; `gatekeeper check` lists every mistake in
it at once.

- Relative paths start at the folder of the file.
- Durations are strings: `"500ms"`, `"30s"`, `"5m"`, `"2h"`, `"14d"`, or several in a row: `"1h30m"`. Sizes are too:
  `"512B"`, `"64KiB"`, `"1MiB"`, `"2GiB"`.
- `${NAME}` inside a string is replaced by the environment variable; a variable that is not set is an error. `$${`
  stands for `${` itself.
- An unknown key is an error; it is never ignored.
- Most lists may be a single string, which stands for a list of one: `listen`, `redirect`, `ca`, `crl`, `domains`, the
  `hosts` and `methods` of a route, and others.
"""

# Comments before tables that may be left out.
_OPTIONAL = {
    "upstreams": "Further apps, by the names that routes refer to; the keys are those of [upstream].",
    "routes": "Without any, every verified visitor reaches [upstream]. Written once for each route.",
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its dotted path, its meaning, default and example as TOML writes them ("" for none), its choices."""

    path: str
    name: str
    meaning: str
    default: str
    example: str
    choices: tuple[str, ...]
    required: bool


def keys(table: type[Table], path: str) -> Iterator[Key]:
    """The keys of a table that stands at a dotted path, in their order."""
    for name, field in table.named_fields().items():
        value = default(field)
        yield Key(
            path=f"{path}.{name}",
            name=name,
            meaning=field.description or "",
            default="" if value is None else written(value),
            example=written(field.examples[0]) if field.examples else "",
            choices=tuple(written(choice) for choice in _choices(field)),
            required=field.is_required() or f"{path}.{name}" in _WRITTEN,
        )


def default(field: FieldInfo) -> Any:
    """A field's default in its TOML form, None where it has none."""
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True)
    if value == () and any(isinstance(one, MinLen) for one in field.metadata):
        return None  # an empty list may not be written
    plain = TypeAdapter[Any](field.rebuild_annotation()).dump_python(value, mode="json")
    return plain[0] if OneOrMany in field.metadata and len(plain) == 1 else plain


def _choices(field: FieldInfo) -> list[Any]:
    schema = TypeAdapter[Any](field.rebuild_annotation()).json_schema()
    choices: list[Any] = schema.get("items", schema).get("enum", [])
    return choices


def written(value: Any) -> str:
    """A plain value as TOML writes it, tables inline."""
    match value:
        case dict():
            inner = ", ".join(f"{_name(key)} = {written(below)}" for key, below in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list():
            return f"[{', '.join(map(written, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)  # TOML's strings, numbers and booleans are JSON's


def _name(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key, re.ASCII) else json.dumps(key)


def _meaning_of(table: type[Table]) -> str:
    return " ".join((table.__doc__ or "").split()).replace("``", "`")


def _tables() -> Iterator[tuple[str, type[Table], bool]]:
    """Each table of the file: its name, its class, and whether leaving it out means that the feature is off."""
    for name, field in Settings.named_fields().items():
        table = table_at((name,))
        if table is not None:
            optional = not field.is_required() and field.get_default(call_default_factory=True) in (None, (), {})
            yield name, table, optional and name != "upstream"


# TOML ---------------------------------------------------------------------------------------------------------------


def toml() -> str:
    """A file with every key, its default and its meaning. It can be loaded; the files that it names are examples."""
    blocks = ["#:schema ./gatekeeper.schema.json", _comment(_HEAD, wrap=False)]
    for name, table, optional in _tables():
        blocks.append(_toml_table(name, table, optional))
    return "\n\n".join(blocks) + "\n"


def _toml_table(name: str, table: type[Table], optional: bool) -> str:
    header = {"upstreams": "[upstreams.api]", "routes": "[[routes]]"}.get(name, f"[{name}]")
    off = "#" if optional else ""
    lines = [_comment(_meaning_of(table)), _comment(_OPTIONAL.get(name, ""))]
    lines.append(off + header)
    if name == "upstreams":
        return "\n".join([*filter(None, lines), '#url = "unix:/run/api.sock"'])
    for key in keys(table, name):
        lines += ["", _comment(f"{key.meaning}{_choice_words(key)}")]
        lines.append(_toml_line(key, off))
        inner = table_at((name, key.name))
        lines += _inner_keys(inner) if inner is not None and _is_told_here(name, key.name) else []
    return "\n".join(line for index, line in enumerate(lines) if line or index > 1)


def _is_told_here(table: str, name: str) -> bool:
    """Whether this table lists its keys: rules have the same keys everywhere, and only ``routes.allow`` lists them."""
    return name != "deny" and (name != "allow" or table == "routes")


def _toml_line(key: Key, off: str) -> str:
    if key.required:
        return f"{off}{key.name} = {key.example}"
    if not key.default or (off and key.example):
        return f"#{key.name} = {key.example}"
    example = f"  # for example {key.example}" if key.default in ("[]", "{}") and key.example else ""
    return f"{off}{key.name} = {key.default}{example}"


def _inner_keys(table: type[Table]) -> list[str]:
    found = list(keys(table, ""))
    width = max(len(key.name) for key in found)
    lines = [_comment(_meaning_of(table))]
    for key in found:
        meaning = key.meaning + f" Default: {key.default}." * bool(key.default)
        first, below = f"#   {key.name:<{width}} ", f"#   {'':<{width}} "
        lines.append(fill(meaning, _WIDTH, initial_indent=first, subsequent_indent=below, break_on_hyphens=False))
    return lines


def _choice_words(key: Key) -> str:
    missing = [choice for choice in key.choices if choice not in key.meaning]
    return f" One of {', '.join(key.choices)}." if missing else ""


def _comment(text: str, *, wrap: bool = True) -> str:
    text = fill(text, _WIDTH - 2, break_on_hyphens=False) if wrap else text
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())


# Markdown -----------------------------------------------------------------------------------------------------------


def markdown() -> str:
    """The reference page: one section for each table, one row for each key."""
    parts = [_INTRODUCTION]
    for name, table, _ in _tables():
        if name == "upstreams":
            parts.append(f"## `[upstreams.NAME]`\n\n{_OPTIONAL[name]}\n")
            continue
        parts.append(_section("[[routes]]" if name == "routes" else f"[{name}]", name, table))
        for inner_name in table.named_fields():
            inner = table_at((name, inner_name))
            if inner is not None and _is_told_here(name, inner_name):
                title = "allow` and `deny" if inner_name == "allow" else _title(name, inner_name)
                parts.append(_section(title, f"{name}.{inner_name}", inner, level="###"))
    return "\n".join(parts)


def _title(table: str, name: str) -> str:
    """The TOML header of a table in another one, with two brackets for a list of tables."""
    annotation = Settings.model_fields[table].annotation
    inner = annotation.model_fields[name] if isinstance(annotation, type) and issubclass(annotation, Table) else None
    return f"[[{table}.{name}]]" if inner is not None and default(inner) == [] else f"[{table}.{name}]"


def _section(title: str, path: str, table: type[Table], level: str = "##") -> str:
    lines = [f"{level} `{title}`", "", _meaning_of(table)]
    if path in _OPTIONAL:
        lines[-1] += f" {_OPTIONAL[path]}"
    lines += ["", "| Key | Default | Meaning |", "|---|---|---|"]
    lines += [_row(key) for key in keys(table, path)]
    return "\n".join(lines) + "\n"


def _row(key: Key) -> str:
    default_cell = "*required*" if key.required else f"`{key.default}`" if key.default else "none"
    meaning = key.meaning + _choice_words(key)
    if key.example and not (key.required and key.default):
        meaning += f" For example `{key.example}`."
    return f"| `{key.name}` | {default_cell} | {meaning.replace('|', chr(92) + '|')} |"


# JSON Schema --------------------------------------------------------------------------------------------------------


def schema() -> str:
    """A JSON Schema of the file, for editors that complete and check TOML (``#:schema`` on the first line)."""
    whole = Settings.model_json_schema(ref_template="#/definitions/{model}")
    tables = whole.pop("$defs")
    classes = {Settings.__name__: Settings} | {one.__name__: one for one in _classes()}
    for name, one in {Settings.__name__: whole, **tables}.items():
        _tidy(one, classes[name])
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "gatekeeper.toml"}
    return json.dumps(head | whole | {"definitions": tables}, indent=2, ensure_ascii=False) + "\n"


def _classes() -> Iterator[type[Table]]:
    for name, table, _ in _tables():
        yield table
        for inner in table.named_fields():
            if (below := table_at((name, inner))) is not None:
                yield below


def _tidy(one: dict[str, Any], table: type[Table]) -> None:
    """Remove what makes no sense for TOML: null, pydantic's titles, Python's defaults."""
    one.pop("title")
    one["description"] = _meaning_of(table)
    for name, about in one["properties"].items():
        about.pop("title", None)
        about.pop("default", None)
        value = default(table.named_fields()[name])
        if value not in (None, [], {}) and not isinstance(value, dict):
            about["default"] = value
        if {"type": "null"} in about.get("anyOf", ()):
            (only,) = (choice for choice in about.pop("anyOf") if choice != {"type": "null"})
            about.update(only)
