"""What a fuzz target is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drivers.errors import MrspError


@dataclass(frozen=True, slots=True)
class Target:
    """`check` takes any octets and raises where an invariant does not hold; `seeds` are octets worth starting from."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 4096  # octets of one input


def plain(error: MrspError) -> None:
    """Assert that an error can be shown to a person: its text is printable, and says something."""
    text = str(error)
    assert text.isprintable(), repr(text)
    assert 10 < len(text) < 4000, repr(text)
