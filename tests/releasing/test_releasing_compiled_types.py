"""What the compiled form looks up when its modules are imported."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from releasing import compiled

ROOT = Path(compiled.__file__).parent.parent


def names_for_mypy_alone(module: ast.Module) -> Iterator[str]:
    for statement in module.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            for one in statement.body:
                if isinstance(one, ast.Import | ast.ImportFrom):
                    yield from (alias.asname or alias.name for alias in one.names)


@pytest.mark.parametrize("source", compiled.sources(ROOT))
def test_the_types_of_fields_are_there_at_runtime(source: str) -> None:
    """mypyc 2.4.1 looks up the class that annotates a field of a class, in quotes or not: KeyError at the import."""
    text = (ROOT / source).read_text()
    module = ast.parse(text)
    missing = {name for name in names_for_mypy_alone(module) if f'globals()["{name}"]' not in text}
    fields = [
        field.annotation
        for statement in module.body
        if isinstance(statement, ast.ClassDef) and statement.decorator_list
        for field in statement.body
        if isinstance(field, ast.AnnAssign)
    ]
    assert missing.isdisjoint(ast.unparse(annotation).strip("'\"") for annotation in fields)
