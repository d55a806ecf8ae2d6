"""Whether an outcome says of a meter exactly what its model says: every register, interval and event, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from metersim.meter import Truth

Json = dict[str, Any]


def differences(outcome: Json, truth: Truth) -> list[str]:
    """Return what is wrong with the reading, in words; nothing if all of it is true."""
    if "error" in outcome:
        return [f"no reading: {outcome['error']}"]
    found = [f"lost: {what}" for what, lost in outcome["problems"] if lost]
    found += [] if outcome["broken"] is None else [f"broken: {outcome['broken']}"]
    found += _compared("meter id", outcome["identity"]["meter_id"].lstrip("0"), truth.meter_id.lstrip("0"))
    found += _compared("clock", outcome["clock"], truth.meter_time and truth.meter_time.isoformat())
    found += _compared("mode", outcome["mode"], list(truth.mode))
    read, true = Counter(_registers_read(outcome)), Counter(_registers_true(truth))
    found += [f"register {one} is not true" for one in (read - true).elements()]
    found += [f"register {one} is missing" for one in (true - read).elements()]
    found += _compared("intervals", _intervals_read(outcome), _intervals_true(truth))
    found += _compared("events", sorted(_events_read(outcome)), sorted(_events_true(truth)))
    return found


def untruths(outcome: Json, truth: Truth, *, registers: bool = True) -> list[str]:
    """Return what the reading says and is not so; it may have less than there is, and values may be missing."""
    if "error" in outcome:
        return []
    found = []
    if registers:
        true_registers = set(_registers_true(truth))
        read = [one for one, told in zip(_registers_read(outcome), outcome["registers"], strict=True) if told["value"]]
        found += [f"register {one} is not true" for one in read if one not in true_registers]
    true_intervals = _intervals_true(truth)
    for key, (count, value, words) in _intervals_read(outcome).items():
        if value is not None and true_intervals.get(key, (None,))[:2] != (count, value):
            found.append(f"interval {key}: {value} {words}, not {true_intervals.get(key)}")
    return found


def _compared(what: str, read: object, true: object) -> list[str]:
    if read == true:
        return []
    if isinstance(read, dict) and isinstance(true, dict):
        wrong = [key for key in read.keys() | true.keys() if read.get(key) != true.get(key)]
        return [
            f"{what}: {len(wrong)} differ, such as {key}: {read.get(key)}, not {true.get(key)}" for key in wrong[:1]
        ]
    return [f"{what}: {read}, not {true}"]


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _registers_read(outcome: Json) -> Iterator[tuple[object, ...]]:
    for one in outcome["registers"]:
        yield (
            *(one["quantity"], one["direction"], one["kind"], one["tier"], one["unit"]),
            *(_number(one["raw"]), _number(one["value"]), one.get("phase", "")),
            *(one.get("period", "present"), one.get("season", "current"), one.get("occurrence", 0)),
            *(one.get("self_read", 0), one.get("minimum", False), one.get("continuous", False)),
            *(one.get("occurred_at"), one.get("period_end")),
        )


def _registers_true(truth: Truth) -> Iterator[tuple[object, ...]]:
    for one in truth.registers:
        yield (
            *(one.quantity, one.direction, one.kind, one.tier, one.unit),
            *(one.raw, one.value, one.phase),
            *(one.period, one.season, one.occurrence, one.self_read, one.minimum, one.continuous),
            *(one.occurred_at and one.occurred_at.isoformat(), one.period_end and one.period_end.isoformat()),
        )


Interval = tuple[Decimal | None, Decimal | None, str]


def _intervals_read(outcome: Json) -> dict[tuple[int, int, str], Interval]:
    found = {}
    for block in outcome["blocks"]:
        counts, values = block["counts"].split(), block["values"].split()
        words = [word for word, times in block.get("status", [["", len(counts)]]) for _ in range(times)]
        first, step = datetime.fromisoformat(block["first_interval_end"]), timedelta(seconds=block["interval_s"])
        for k, (count, value, word) in enumerate(zip(counts, values, words, strict=True)):
            key = (block["data_set"], block["channel"], (first + k * step).isoformat())
            assert key not in found, "one interval twice"
            found[key] = (
                None if count == "-" else Decimal(count),
                None if value == "-" else Decimal(value),
                word,
            )
    return found


def _intervals_true(truth: Truth) -> dict[tuple[int, int, str], Interval]:
    return {
        (block.data_set, block.channel, end.isoformat()): (
            None if count is None else Decimal(count),
            value,
            " ".join(sorted(words)),
        )
        for block in truth.blocks
        for end, count, value, words in zip(block.ends, block.counts, block.values, block.status, strict=True)
    }


def _events_read(outcome: Json) -> list[tuple[object, ...]]:
    return [(log, sequence, at, code, user) for log, sequence, at, code, _name, _argument, user in outcome["events"]]


def _events_true(truth: Truth) -> list[tuple[object, ...]]:
    return [(event.log, event.sequence, event.at.isoformat(), event.code, event.user_id) for event in truth.events]
