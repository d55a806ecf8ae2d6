"""A visit that every rule is content with, and the means to spoil one thing about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from agent.checks import ClockFacts, Subject
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


def good_block(first_end: datetime, number: int, *, channel: int = 1, interval_s: int = 900) -> IntervalBlock:
    counts = tuple(20 + k % 7 for k in range(number))
    return IntervalBlock(
        channel=channel,
        quantity="kWh",
        direction="delivered",
        unit="kWh",
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
        end = START + timedelta(seconds=interval_s * (first + 1))
        blocks.append(good_block(end, min(per_block, intervals - first), channel=channel, interval_s=interval_s))
    return blocks


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
        identity=Identity(meter_id="12345678"),
        profile="generic",
        registers=(
            good_register("012345"),
            good_register("2345", tier=1),
            good_register("10000", tier=2),
            good_register("12.34", kind="demand"),
        ),
        blocks=tuple(blocks),
        status=MeterStatus(mode=("metering",), flags=()),
        clock=ClockSample(finished, 0, 0, EXACT, EXACT, Decimal(1)),
        has_clock=True,
        has_tiers=True,
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
    )


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
