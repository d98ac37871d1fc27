"""How the types of settings read a value from TOML, reject an invalid one and write it again.

A type raises ValueError with a sentence that continues the key's name: "should be …; got …". Code may also pass
values that are already parsed (``5.0`` for a duration, an ``Address``); a configuration file may not, hence the
`Loading` that only ``config.load`` passes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from gatekeeper.settings.addresses import joined, quoted


@dataclass(frozen=True, slots=True)
class Loading:
    """The pydantic context while a file is loaded: ``folder`` is where relative paths start."""

    folder: Path


def shown(value: object) -> str:
    """A value as TOML would write it, for "got …": one short line without control characters."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = quoted(value)
        case int() if abs(value) > 1 << 64:
            text = "a huge number"  # str() refuses more than 4,300 digits
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)
    return text


def reads(parse: Callable[[str], Any], expected: str) -> PlainValidator:
    """Read a string with ``parse``, whose ValueError has the sentence or is empty: then "should be ``expected``"."""

    def read(value: Any, info: ValidationInfo) -> Any:
        sentence = f"should be {expected}; got {shown(value)}"
        if not isinstance(value, str):
            if info.context is None:
                return value
            raise ValueError(sentence)
        try:
            return _placed(parse(value), info)
        except ValueError as error:
            raise ValueError(str(error) or sentence) from None

    return PlainValidator(read)


def _placed(value: Any, info: ValidationInfo) -> Any:
    """Relative paths start at the folder of the configuration file."""
    if not isinstance(info.context, Loading):
        return value
    if isinstance(value, Path):
        return joined(info.context.folder, value)
    return value.within(info.context.folder) if hasattr(value, "within") else value


def either(word: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser that returns None for ``word``, and what ``parse`` returns for any other text."""
    return lambda text: None if text == word else parse(text)


def writes(write: Callable[[Any], str] = str, *, none: str | None = None) -> PlainSerializer:
    """Write a value as in TOML, and None as the word ``none``."""
    return PlainSerializer(lambda value: none if value is None else write(value))


def schema(pattern: str = "", *words: str) -> WithJsonSchema:
    """The JSON Schema of one of ``words``, or a string that matches ``pattern`` as a whole (any, without one)."""
    text: dict[str, Any] = {"type": "string"}
    if pattern:
        text["pattern"] = f"^{pattern}$"
    return WithJsonSchema({"anyOf": [*({"const": word} for word in words), text]} if words else text)


def matching(pattern: str, expected: str) -> PlainValidator:
    """Read text that matches a regular expression as a whole, ASCII rules; ``expected`` completes "should be …"."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError
        return text

    return reads(read, expected)


class OneOrMany:
    """In ``Annotated[tuple[…], …, OneOrMany]``: a single string may stand for a list of one."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(
            lambda value: [value] if isinstance(value, str) else value, handler(source)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(core)
        return {"anyOf": [many["items"], many]}
