"""What came of a visit, as JSON: every number, time and word of the reading, or the error that there was instead.

Messages for people are left out, so that a better wording is not another outcome; so are the seconds that it took.
"""

from __future__ import annotations

from collections.abc import Awaitable
from itertools import groupby
from typing import Any

from drivers.data import Event, IntervalBlock, MeterData, Register
from drivers.errors import MrspError

Json = dict[str, Any]


async def outcome_of(visit: Awaitable[MeterData]) -> Json:
    """Wait for the visit and say what came of it."""
    try:
        data = await visit
    except MrspError as error:
        return {"error": type(error).__name__, "exit_code": error.exit_code}
    return _reading(data)


def _reading(data: MeterData) -> Json:
    line = data.line
    assert line is not None
    return {
        "broken": None if data.broken is None else type(data.broken).__name__,
        "identity": {
            "meter_id": data.identity.meter_id,
            "serial_number": data.identity.serial_number,
            "manufacturer": data.identity.manufacturer,
            "model": data.identity.model,
        },
        "profile": data.profile,
        "clock": None if data.clock is None else data.clock.meter_time.isoformat(),
        "mode": None if data.status is None else list(data.status.mode),
        "flags": None if data.status is None else sorted(data.status.flags),
        "problems": [[problem.what, problem.lost] for problem in data.problems],
        "registers": [_register(register) for register in data.registers],
        "blocks": [_block(block) for block in data.blocks],
        "events": [_event(event) for event in data.events],
        "line": {
            "octets_sent": line.bytes_sent,
            "octets_received": line.bytes_received,
            "retries": line.retries,
            "packet_size": line.packet_size,
            "baud": line.baud,
        },
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _register(register: Register) -> Json:
    found: Json = {
        "table": register.source.table if register.source else "",
        "quantity": register.quantity,
        "direction": register.direction,
        "kind": register.kind,
        "tier": register.tier,
        "raw": register.raw,
        "value": _text(register.value),
        "unit": register.unit,
        "multiplier": str(register.multiplier),
    }
    more: Json = {
        "period": "" if register.period == "present" else register.period,
        "season": "" if register.season == "current" else register.season,
        "phase": register.phase,
        "minimum": register.minimum,
        "continuous": register.continuous,
        "occurrence": register.occurrence,
        "self_read": register.self_read,
        "occurred_at": register.occurred_at and register.occurred_at.isoformat(),
        "period_end": register.period_end and register.period_end.isoformat(),
    }
    return found | {name: value for name, value in more.items() if value}


def _block(block: IntervalBlock) -> Json:
    """Counts and values are one string each; the status is runs of words and how often they follow each other."""
    found: Json = {
        "data_set": block.data_set,
        "channel": block.channel,
        "sequence": block.sequence,
        "quantity": block.quantity,
        "direction": block.direction,
        "unit": block.unit,
        "first_interval_end": block.first_interval_end.isoformat(),
        "interval_s": block.interval_s,
        "start_register": _text(block.start_register),
        "stop_register": _text(block.stop_register),
        "multiplier": str(block.multiplier),
        "counts": " ".join("-" if count is None else str(count) for count in block.counts),
        "values": " ".join("-" if value is None else str(value) for value in block.values),
    }
    runs = [[" ".join(sorted(words)), len(list(same))] for words, same in groupby(block.status)]
    return found | ({"status": runs} if any(words for words, _ in runs) else {})


def _event(event: Event) -> list[object]:
    at = None if event.at is None else event.at.isoformat()
    return [event.log, event.sequence, at, event.code, event.name, event.argument, event.user_id]
