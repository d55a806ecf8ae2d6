"""Intervals of a document, one by one and whatever blocks they came in, and how those of two documents differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

from metersim.lab.channels import utc

Key = tuple[int, int, int]  # data set, channel, end in seconds since 1970


@dataclass(frozen=True, slots=True)
class Content:
    """One interval as its document writes it."""

    count: int | str | None
    value: str | None
    status: tuple[str, ...]
    unit: str
    direction: str

    def same_as(self, other: Content) -> bool:
        """Tell whether both say the same, whatever the zeros of their numbers and the order of their words."""
        return self == other or self._exactly() == other._exactly()

    def _exactly(self) -> tuple[object, ...]:
        numbers = (None if one is None else Decimal(one) for one in (self.count, self.value))
        return *numbers, frozenset(self.status), self.unit, self.direction

    def __str__(self) -> str:
        flags = ", ".join(sorted(self.status)) or "no flag"
        return f"{self.count} = {self.value} {self.unit} {self.direction} ({flags})"


@dataclass(frozen=True)
class Intervals:
    """All intervals of a document."""

    contents: Mapping[Key, Content]

    @classmethod
    def of(cls, blocks: Iterable[Mapping[str, Any]]) -> Intervals:
        """Take the blocks of a document apart. Raises `ValueError` for an interval that is there twice."""
        found: dict[Key, Content] = {}
        for block in blocks:
            data_set, channel, unit, direction = (
                block.get("data_set", 1),
                block["channel"],
                block["unit"],
                block["direction"],
            )
            end, length = int(datetime.fromisoformat(block["first_interval_end"]).timestamp()), block["interval_s"]
            for count, value, words in zip(block["pulses"], block["values"], block["status"], strict=True):
                key = data_set, channel, end
                if key in found:
                    raise ValueError(f"the interval {_name(key)} is there twice")
                found[key] = Content(count, value, tuple(words), unit, direction)
                end += length
        return cls(found)

    @cached_property
    def _places(self) -> frozenset[tuple[int, int]]:
        return frozenset((channel, end) for _, channel, end in self.contents)

    def has(self, channel: int, end: int) -> bool:
        """Tell whether there is an interval of that channel."""
        return (channel, end) in self._places

    @cached_property
    def _ends(self) -> dict[int, list[int]]:
        ends: dict[int, list[int]] = {}
        for _, channel, end in sorted(self.contents):
            ends.setdefault(channel, []).append(end)
        return ends

    def ends_by_channel(self) -> Mapping[int, list[int]]:
        """Return the ends of each channel, oldest first: what the indices of a check's result count."""
        return self._ends


def missing_intervals(ours: Intervals, theirs: Intervals, since: int | None) -> Iterator[str]:
    """Yield what is missing of the intervals that ended after `since`; of all, if there is no such time."""
    for key in ours.contents:
        if key not in theirs.contents and (since is None or key[2] > since):
            yield f"interval not found: {_name(key)}"


def wrong_intervals(ours: Intervals, theirs: Intervals) -> Iterator[str]:
    """Yield what is there and should not be, or is not as it must be."""
    for key, content in theirs.contents.items():
        known = ours.contents.get(key)
        if known is None:
            yield f"interval that the meter does not hold: {_name(key)}"
        elif not content.same_as(known):
            yield f"interval {_name(key)}: {content} instead of {known}"


def _name(key: Key) -> str:
    data_set, channel, end = key
    of_set = f"of set {data_set} " if data_set != 1 else ""
    return f"channel {channel} {of_set}to {utc(end)}"
