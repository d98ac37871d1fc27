"""How any type of settings reads a value and shows a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gatekeeper.settings.addresses import Address
from gatekeeper.settings.certificate_types import Pin, Serial
from gatekeeper.settings.http_types import RoutePath
from gatekeeper.settings.types import URL, Duration, File, Listen
from tests.settings.reading import read


@pytest.mark.parametrize("text", ["\x00\x1b[31m\u202e\n" * 40, "x" * 5000])
@pytest.mark.parametrize("kind", [Duration, Listen, URL, Serial, Pin, RoutePath])
def test_what_was_written_is_shown_short_and_without_control_characters(kind: Any, text: str) -> None:
    """A configuration may be generated from foreign input; the terminal of whoever checks it stays whole."""
    for value in (
        text,
        f"unix://{text}",
        f"http://{text}",
        f"http://a/{text}",
        f"[{text}]:1",
        f"a:{text}",
        f"*:{text}",
    ):
        with pytest.raises(ValidationError) as caught:
            read(kind, value)
        sentence = str(caught.value.errors()[0]["ctx"]["error"])
        assert sentence.isprintable()
        assert len(sentence) < 300


def test_code_may_give_values_ready_made() -> None:
    """Tests and commands build settings without writing TOML; a file cannot (see above)."""
    assert TypeAdapter[float](Duration).validate_python(0.05) == 0.05
    assert TypeAdapter[Any](Listen).validate_python(Address("::1", 0)) == Address("::1", 0)
    assert TypeAdapter[Any](File).validate_python("relative") == Path("relative")
