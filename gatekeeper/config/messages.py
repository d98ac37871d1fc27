"""Turns pydantic's errors into plain sentences."""

import difflib

from pydantic_core import ErrorDetails

from gatekeeper.config.source import KeyPath
from gatekeeper.settings.table import Table
from gatekeeper.settings.tables import Settings, table_at
from gatekeeper.settings.validation import shown

# How similar a suggested key must be: at difflib's default of 0.6, "groups" would be suggested for "oops".
_CLOSE = 0.7


def message_for(error: ErrorDetails) -> tuple[KeyPath, str]:
    """Where the error is, as a path of keys, and a message that continues the key's name."""
    where = tuple(step for step in error["loc"] if step != "[key]")
    return where, _words(where, error)


def _words(where: KeyPath, error: ErrorDetails) -> str:
    got = f"; got {shown(error['input'])}"
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "extra_forbidden":
            return _unknown(where)
        case "missing":
            return missing_key(where)
        case "literal_error":
            return f"should be {context['expected']}{got}".replace("'", '"')
        case "bool_type":
            return f"should be true or false{got}"
        case "int_type":
            return f"should be a whole number{got}"
        case "greater_than_equal":
            return f"should be at least {context['ge']}{got}"
        case "less_than_equal":
            return f"should be at most {context['le']}{got}"
        case "too_short":
            return "must not be empty"
        case "tuple_type":
            return f"should be a list{got}" if table_at(where) is None else _list_of_tables(where)
        case "model_type" | "mapping_type" | "dict_type":
            return f"should be a table{got}"
        case _:
            return error["msg"]


def _list_of_tables(where: KeyPath) -> str:
    if len(where) == 1:
        return f"should be a list of tables, each with two pairs of brackets: [[{where[0]}]]"
    return f"should be a list of tables: {where[-1]} = [{{ … }}]"


def missing_key(where: KeyPath) -> str:
    """That a key is missing, with an example."""
    table, name = table_at(where[:-1]), str(where[-1])
    examples = table.named_fields()[name].examples if table is not None else None
    return f"is missing; write for example: {name} = {shown(examples[0])}" if examples else "is missing"


def _unknown(where: KeyPath) -> str:
    """Name the tables where a key of this name belongs, or the key that was probably meant."""
    name, siblings = str(where[-1]), _keys(table_at(where[:-1]))
    homes = [f"[{table}]" for table in Settings.named_fields() if name in _keys(table_at((table,)))]
    if homes:
        return f"unknown key; it belongs to {' or '.join(homes)}"
    if close := difflib.get_close_matches(name.lower().replace("-", "_"), siblings, n=1, cutoff=_CLOSE):
        return f'unknown key; did you mean "{close[0]}"?'
    return f"unknown key; known {'tables' if len(where) == 1 else 'keys'} here: {', '.join(siblings)}"


def _keys(table: type[Table] | None) -> list[str]:
    return list(table.named_fields()) if table is not None else []
