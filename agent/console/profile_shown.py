"""The load profile of a reading for its chart and its table. Values are the document's own texts; gaps stay gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.console.text import Texts
from agent.reading import BlockPart, Reading

POINTED_AT = "check"  # a check of the reading names this interval
_NO_FLAG = frozenset({"daylight_saving"})
#: Letter, and what it comes to: there is no value, the power was off, the clock was moved, the value is to be doubted.
_FLAGS = {
    "missing": ("M", "lost"),
    "skipped": ("S", "lost"),
    "partial": ("P", "lost"),
    "power_outage": ("O", "outage"),
    "clock_adjusted": ("C", "clock"),
    "long": ("L", "clock"),
    "short": ("K", "clock"),
    "overflow": ("F", "doubt"),
    "test_mode": ("T", "doubt"),
    "parity_error": ("E", "doubt"),
    POINTED_AT: ("!", "doubt"),
}
_OTHER = ("?", "doubt")


class Flag(msgspec.Struct, frozen=True):
    """A flag that occurs: its word in the document, its text, the letter in the chart, and its colour."""

    word: str
    text: str
    letter: str
    colour: str


class Block(msgspec.Struct, frozen=True):
    """Intervals without a gap between them: interval k ends at `end` + k × `step` (Unix seconds)."""

    end: int
    step: int
    values: tuple[str | None, ...]
    flags: tuple[tuple[int, tuple[str, ...]], ...]  # of those that have any: k, words


class Channel(msgspec.Struct, frozen=True):
    """One channel; blocks in the order of the document."""

    channel: int
    name: str
    unit: str
    blocks: tuple[Block, ...]


class Profile(msgspec.Struct, frozen=True):
    """What the chart is drawn from. `zone`: of the times that are shown."""

    zone: str
    channels: tuple[Channel, ...]
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One interval in the table, in the order of time."""

    begun: datetime  # in the zone of the reading
    ended: datetime
    value: str | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """The intervals of one channel that begin on one local day, and the days beside it that have any.

    `clock`: how a time of it is written, with the zone on a day that repeats an hour or leaves one out.
    """

    channel: Channel
    day: date
    rows: tuple[Row, ...]
    clock: str
    before: date | None
    after: date | None


def profile_of(reading: Reading, zone: tzinfo, texts: Texts) -> Profile:
    """Return the load profile. `zone`: for times of a reading that has none of its own."""
    blocks: dict[int, list[BlockPart]] = {}
    for block in reading.interval_blocks:
        blocks.setdefault(block.channel, []).append(block)
    blocks = {number: some for number, some in blocks.items() if any(block.values for block in some)}
    pointed = _pointed_at(reading)
    channels = tuple(_channel(number, blocks[number], pointed.get(number, frozenset()), texts) for number in blocks)
    words = dict.fromkeys(word for one in channels for block in one.blocks for _, some in block.flags for word in some)
    flags = (Flag(word, text_of(word, texts), *_FLAGS.get(word, _OTHER)) for word in words)
    return Profile(str(zone_of(reading, zone)), channels, tuple(flags))


def day_of(profile: Profile, number: int | None, day: date | None, zone: tzinfo) -> Day | None:
    """Return one day of one channel: by default of the first, and the newest; None for one that is not there."""
    channel = next((one for one in profile.channels if number in {None, one.channel}), None)
    if channel is None:
        return None
    by_day: dict[date, list[Row]] = {}
    for row in sorted(_rows(channel, zone), key=lambda one: one.ended.timestamp()):
        by_day.setdefault(row.begun.date(), []).append(row)
    days = sorted(by_day)
    if not days or (day is not None and day not in by_day):
        return None
    at = len(days) - 1 if day is None else days.index(day)
    before, after = days[at - 1] if at else None, days[at + 1] if at + 1 < len(days) else None
    rows = tuple(by_day[days[at]])
    shifts = len({moment.utcoffset() for row in rows for moment in (row.begun, row.ended)}) > 1
    return Day(channel, days[at], rows, "%H:%M %Z" if shifts else "%H:%M", before, after)


def zone_of(reading: Reading, otherwise: tzinfo) -> tzinfo:
    """Return the zone that the meter's times were read in; that of the box where the reading does not say."""
    named = reading.site.zone if reading.site is not None else None
    if named is None:
        return otherwise
    try:
        return ZoneInfo(named)
    except (ZoneInfoNotFoundError, ValueError):
        return otherwise


def text_of(word: str, texts: Texts) -> str:
    """Return a flag in words; one that is not known as the document has it."""
    return texts(f"profile.flag.{word}") if f"profile.flag.{word}" in texts else word.replace("_", " ")


def _channel(number: int, blocks: list[BlockPart], pointed: frozenset[int], texts: Texts) -> Channel:
    first = blocks[0]
    name = texts(f"register.{first.direction}", quantity=first.quantity)
    made, count = [], 0
    for block in blocks:
        if block.values:
            made.append(_block(block, frozenset(at - count for at in pointed)))
        count += len(block.values)
    return Channel(number, name, first.unit, tuple(made))


def _block(block: BlockPart, pointed: frozenset[int]) -> Block:
    flags = []
    for at, status in enumerate(block.status):
        words = tuple(word for word in status if word not in _NO_FLAG)
        if at in pointed:
            words = (*words, POINTED_AT)
        if words:
            flags.append((at, words))
    end = int(datetime.fromisoformat(block.first_interval_end).timestamp())
    return Block(end, block.interval_s, block.values, tuple(flags))


def _pointed_at(reading: Reading) -> dict[int, frozenset[int]]:
    """Return the intervals that checks which did not pass name, by channel: counted over all of its blocks."""
    found: dict[int, set[int]] = {}
    for check in reading.checks:
        if check.outcome in {"fail", "verified"} and check.channel is not None:
            found.setdefault(check.channel, set()).update(check.intervals or ())
    return {channel: frozenset(intervals) for channel, intervals in found.items()}


def _rows(channel: Channel, zone: tzinfo) -> Iterator[Row]:
    for block in channel.blocks:
        flags = dict(block.flags)
        for at, value in enumerate(block.values):
            end = block.end + at * block.step
            yield Row(_local(end - block.step, zone), _local(end, zone), value, flags.get(at, ()))


def _local(seconds: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(seconds, zone)


def worst(flags: Iterable[str]) -> str:
    """Return the colour of an interval with these flags; empty for none."""
    colours = {_FLAGS.get(word, _OTHER)[1] for word in flags}
    return next((colour for colour in ("lost", "outage", "doubt", "clock") if colour in colours), "")
