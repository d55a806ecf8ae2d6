"""A visit that every rule is content with, and the means to spoil one thing about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from agent.checks import ClockFacts, Subject
from agent.history import Before, History, PastMultiplier, PastPeriod, PastRegister, before_of
from agent.reading import CheckResult
from drivers.data import ClockSample, Identity, IntervalBlock, MeterData, MeterStatus, Register

START = datetime(2026, 3, 1, tzinfo=UTC)
EXACT = Decimal(0)


def good_clock(**changes: Any) -> ClockFacts:
    facts = ClockFacts(
        permits_interval=True,
        permits_tou=True,
        reason="synchronised today to three servers",
        source="ntp",
        offset_s=Decimal("0.004"),
        uncertainty_s=Decimal("0.02"),
        meter_offset_s=Decimal("-1.3"),
        meter_offset_uncertainty_s=EXACT,
    )
    return replace(facts, **changes)


def good_register(raw: str, *, tier: int = 0, kind: Any = "cumulative", **changes: Any) -> Register:
    register = Register(
        quantity="kWh" if kind == "cumulative" else "kW",
        direction="delivered",
        kind=kind,
        tier=tier,
        raw=raw,
        value=Decimal(raw),
        multiplier=Decimal(1),
        unit="kWh" if kind == "cumulative" else "kW",
    )
    return replace(register, **changes)


KINDS = (("kWh", "delivered"), ("kvarh", "delivered"), ("kWh", "received"), ("kVAh", "delivered"))  # of the channels
PRESENT = (Decimal(52_345), Decimal(41_000), Decimal(51_000), Decimal(53_000))  # what their registers read
MONTH = timedelta(days=30)


def good_block(
    first_end: datetime, number: int, *, channel: int = 1, interval_s: int = 900, kind: Any = ("kWh", "delivered")
) -> IntervalBlock:
    counts = tuple(20 + k % 7 for k in range(number))
    return IntervalBlock(
        channel=channel,
        quantity=kind[0],
        direction=kind[1],
        unit=kind[0],
        interval_s=interval_s,
        first_interval_end=first_end,
        counts=counts,
        multiplier=Decimal("0.25"),
        values=tuple(Decimal(count) * Decimal("0.25") for count in counts),
        status=((),) * number,
        maximum_count=65_535,
    )


def good_blocks(intervals: int, *, channel: int = 1, interval_s: int = 900, per_block: int = 96) -> list[IntervalBlock]:
    blocks = []
    for first in range(0, intervals, per_block):
        end, number = START + timedelta(seconds=interval_s * (first + 1)), min(per_block, intervals - first)
        blocks.append(good_block(end, number, channel=channel, interval_s=interval_s, kind=KINDS[channel - 1]))
    return blocks


def used(data: MeterData, kind: tuple[str, str]) -> Decimal:
    """Return the energy that the intervals of one kind have recorded."""
    blocks = [block for block in data.blocks if (block.quantity, block.direction) == kind]
    return sum((value for block in blocks for value in block.values if value is not None), Decimal(0))


def good_history(data: MeterData, read_at: datetime, channels: int) -> History:
    """Return what is on record: a bill of 30 days before, and the same usage and demand a year before that."""
    length = data.blocks[0].interval_s
    daily = min(Decimal(23) / 4 * 86_400 / length, Decimal(600))
    usage = used(data, KINDS[0]) + 30 * daily
    billed = START - MONTH
    days = (read_at.date() - billed.date()).days
    last_year = billed - timedelta(days=365)
    return History(
        registers=(PastRegister(quantity="kWh", value=PRESENT[0] - usage, at=billed),),
        periods=(
            PastPeriod(
                start=last_year,
                end=last_year + timedelta(days=days),
                usage=usage,
                peak_demand=Decimal("12.34"),
            ),
        ),
        multipliers=(PastMultiplier(multiplier=Decimal(1)),),
        channels=channels,
    )


def good_before(data: MeterData) -> Before:
    """Return what the agent remembers of a read at START, which the intervals begin with."""
    earlier = []
    for register in data.registers:
        kind = (register.quantity, register.direction)
        total = register.kind == "cumulative" and register.tier == 0 and kind in KINDS
        earlier.append(replace(register, raw=str(Decimal(register.raw) - used(data, kind))) if total else register)
    clock = None if data.clock is None else replace(data.clock, meter_time=START)
    return before_of(replace(data, registers=tuple(earlier), clock=clock), START)


def good_subject(intervals: int = 200, *, channels: int = 2, interval_s: int = 900) -> Subject:
    """Return an optical read of a TOU meter with a profile, one minute after its last interval's end."""
    ended = START + timedelta(seconds=interval_s * intervals)
    finished = ended + timedelta(seconds=60)
    blocks = [
        block
        for channel in range(1, channels + 1)
        for block in good_blocks(intervals, channel=channel, interval_s=interval_s)
    ]
    data = MeterData(
        identity=Identity(meter_id="12345678", firmware_version="5.2"),
        profile="generic",
        registers=(
            good_register("052345"),
            good_register("2345", tier=1),
            good_register("50000", tier=2),
            good_register("12.34", kind="demand"),
            *(
                good_register(str(value), quantity=quantity, direction=direction, unit=quantity)
                for (quantity, direction), value in zip(KINDS[1:], PRESENT[1:], strict=True)
            ),
        ),
        blocks=tuple(blocks),
        status=MeterStatus(mode=("metering",), flags=()),
        clock=ClockSample(finished, 0, 0, EXACT, EXACT, Decimal(1)),
        has_clock=True,
        has_tiers=True,
        constants={"source 0 MULTIPLIER": "1"},
    )
    return Subject(
        data=data,
        clock=good_clock(),
        read_started_at=finished - timedelta(seconds=20),
        read_at=finished,
        expected_meter_id="12345678",
        nameplate_id="12345678",
        dials=5,
        decimals=2,
        last_read_at=START,
        history=good_history(data, finished, channels),
        before=good_before(data),
    )


def counted(subject: Subject) -> Subject:
    """Let the registers have counted what the intervals say: the last read was lower or higher by that much."""
    return replace(subject, before=good_before(subject.data))


def with_history(subject: Subject, **changes: Any) -> Subject:
    assert subject.history is not None
    return replace(subject, history=msgspec.structs.replace(subject.history, **changes))


def with_before(subject: Subject, **changes: Any) -> Subject:
    assert subject.before is not None
    return replace(subject, before=replace(subject.before, **changes))


def with_register(subject: Subject, index: int, raw: str) -> Subject:
    """Let one register read `raw`."""
    registers = list(subject.data.registers)
    value = Decimal(raw) * registers[index].multiplier
    registers[index] = replace(registers[index], raw=raw, value=value)
    return with_data(subject, registers=tuple(registers))


def with_data(subject: Subject, **changes: Any) -> Subject:
    return replace(subject, data=replace(subject.data, **changes))


def with_block(subject: Subject, index: int, change: Callable[[IntervalBlock], IntervalBlock]) -> Subject:
    blocks = list(subject.data.blocks)
    blocks[index] = change(blocks[index])
    return with_data(subject, blocks=tuple(blocks))


def with_interval(subject: Subject, block: int, k: int, **changes: Any) -> Subject:
    """Change one interval: `count`, `status`."""

    def spoil(found: IntervalBlock) -> IntervalBlock:
        counts, values, status = list(found.counts), list(found.values), list(found.status)
        if "count" in changes:
            count = changes["count"]
            counts[k], values[k] = count, None if count is None else count * found.multiplier
        status[k] = changes.get("status", status[k])
        return replace(found, counts=tuple(counts), values=tuple(values), status=tuple(status))

    return with_block(subject, block, spoil)


def outcomes(results: tuple[CheckResult, ...]) -> dict[str, str]:
    """Return the outcome of each check; the worst where a check has several results."""
    order = ("skipped", "pass", "verified", "fail")
    found: dict[str, str] = {}
    for result in results:
        found[result.check] = max(found.get(result.check, "skipped"), result.outcome, key=order.index)
    return found


def failing(results: tuple[CheckResult, ...]) -> set[str]:
    return {result.check for result in results if result.outcome == "fail"}


def only(results: tuple[CheckResult, ...], check: str) -> CheckResult:
    (result,) = (result for result in results if result.check == check)
    return result
