"""The text format of Prometheus, version 0.0.4: families of samples, each with its meaning. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Number = int | float | Decimal

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `samples`: values by the value of its one label, or by nothing (`""`) where it has none."""

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    samples: Mapping[tuple[str, ...], Number]
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(map(_NAME.fullmatch, (self.name, *self.labels))):
            raise ValueError(f"{self.name} {self.labels} cannot be names of a metric and its labels")
        if self.kind == "counter" and not self.name.endswith("_total"):
            raise ValueError(f"the counter {self.name} must end with _total")


def counter(name: str, meaning: str, value: Number) -> Family:
    """Return a number that only grows while the process lives."""
    return Family(name, "counter", meaning, {(): value})


def gauge(name: str, meaning: str, value: Number | None) -> Family:
    """Return a number that is as it is now; a family without samples where it is not known."""
    return Family(name, "gauge", meaning, {} if value is None else {(): value})


def exposition(families: Iterable[Family]) -> str:
    """Return the text. A family without samples is left out."""
    return "".join(_of_family(family) for family in families if family.samples)


def _of_family(family: Family) -> str:
    meaning = family.meaning.replace("\\", r"\\").replace("\n", r"\n")
    lines = [f"# HELP {family.name} {meaning}", f"# TYPE {family.name} {family.kind}"]
    for values, number in sorted(family.samples.items()):
        labels = ",".join(
            f'{name}="{value.translate(_ESCAPED)}"' for name, value in zip(family.labels, values, strict=True)
        )
        lines.append(f"{family.name}{{{labels}}} {_text(number)}" if labels else f"{family.name} {_text(number)}")
    return "\n".join(lines) + "\n"


def _text(number: Number) -> str:
    return str(int(number)) if isinstance(number, bool) else str(number)
