"""Prometheus' text format for metrics, version 0.0.4: the lines of one metric at a time.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate


def head(name: str, kind: str, text: str) -> Iterator[str]:
    """What a metric is: its ``kind``, such as "counter", and a sentence for people."""
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def single(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    """A metric without labels."""
    yield from head(name, kind, text)
    yield f"{name} {_number(value)}"


def family(name: str, kind: str, text: str, by: str, values: Iterable[tuple[object, float]]) -> Iterator[str]:
    """A metric with one label, and its values."""
    return labelled(name, kind, text, (by,), (((key,), value) for key, value in values))


def labelled(
    name: str, kind: str, text: str, by: Sequence[str], values: Iterable[tuple[Sequence[object], float]]
) -> Iterator[str]:
    """A metric with several labels, and its values; each has as many keys as there are labels."""
    yield from head(name, kind, text)
    for keys, value in values:
        labels = ",".join(label(one, key) for one, key in zip(by, keys, strict=True))
        yield f"{name}{{{labels}}} {_number(value)}"


def histogram(
    name: str, bounds: Sequence[float], counts: Sequence[int], seconds: float, labels: str = ""
) -> Iterator[str]:
    """The lines of one histogram, without its head; ``counts`` are per bucket, the last for what exceeds all
    ``bounds``. ``labels`` are made by `label`.
    """
    so_far = list(accumulate(counts))
    for bound, count in zip([*(f"{bound:g}" for bound in bounds), "+Inf"], so_far, strict=True):
        yield f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}} {count}'
    braces = f"{{{labels}}}" if labels else ""
    yield f"{name}_sum{braces} {seconds:.6f}"
    yield f"{name}_count{braces} {so_far[-1]}"


def label(name: str, value: object) -> str:
    """One label; a backslash, a quote and a line feed in its value are escaped."""
    escaped = str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'{name}="{escaped}"'


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
