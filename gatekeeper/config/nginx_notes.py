"""What of a configuration of nginx could not be translated, with file and line."""

from dataclasses import dataclass, field
from pathlib import Path

from gatekeeper.config.nginx_judging import judges
from gatekeeper.config.nginx_values import Directive

# Directives that decide who is admitted.
_DECIDES = frozenset(
    {
        "allow",
        "deny",
        "if",
        "internal",
        "limit_except",
        "location",
        "return",
        "rewrite",
        "satisfy",
    }
    | {"server", "try_files"}
)


@dataclass(slots=True)
class Notes:
    """Directives that could not be translated, each with its position."""

    path: Path
    lines: list[tuple[bool, str]] = field(default_factory=list)

    def add(self, one: Directive, why: str) -> None:
        """Note a directive, and what to do about it."""
        words = " ".join((one.name, *one.args))
        place = f"line {one.line}" if Path(one.file) == self.path else f"{one.file}, line {one.line}"
        admits = one.name in _DECIDES or judges(one.name)
        self.lines.append((not admits, f"{place}: {words}: {why}"))

    def in_order(self) -> tuple[str, ...]:
        """Each note once, those about who is admitted first."""
        return tuple(dict.fromkeys(line for _, line in sorted(self.lines, key=lambda one: one[0])))
