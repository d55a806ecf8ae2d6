"""Logs and self reads: only new entries are read, and none is missed, whatever the header says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace as with_changes

from drivers.memory import MeterMemory
from drivers.psem import ResponseCode
from metersim.meter.model import microseconds
from metersim.meter.scenario import Log, Registers, Scenario
from metersim.meter.scenario_file import load_scenario
from tests.psem.simulated import SimulatedMeter, Visited, days
from tests.psem.test_psem_newness import in_full

NOW = datetime(2025, 12, 3, 17, 22, 31, tzinfo=UTC)
BASE = with_changes(load_scenario("profile-35d"), installed=date(2025, 11, 5), profile=None)
ENTRY = 16  # octets of an entry of the event log


def logging(**changes: object) -> Scenario:
    return with_changes(BASE, log=Log(entries=40, history_entries=20, **changes))  # type: ignore[arg-type]


def meter_of(scenario: Scenario, ago: timedelta, events: int = 0) -> tuple[SimulatedMeter, MeterMemory]:
    """A meter now, in which demands were reset `events` times since a visit some time ago, and its memory."""
    meter = SimulatedMeter(scenario, NOW - ago)
    for n in range(10):
        meter.meter.reset_demand(microseconds(NOW - ago - timedelta(minutes=10 * (10 - n))), 2)
    memory = meter.visit().memory()
    for n in range(events):
        meter.meter.reset_demand(microseconds(NOW - ago * (events - n) / (events + 1)), 2)
    return meter.later(ago), memory


def octets_of(visited: Visited, table: int) -> int:
    read = [request for request, _ in visited.line.served() if getattr(request, "table", None) == table]
    return sum(getattr(request, "count", 10_000) for request in read)


@pytest.mark.parametrize("remember", [True, False])
@pytest.mark.parametrize("events", [0, 1, 7, 50])
@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("kind", ["circular", "fifo"])
def test_new_entries_of_both_logs(kind: str, order: str, events: int, *, remember: bool) -> None:
    meter, memory = meter_of(logging(order=order, list_type=kind), days(1), events)
    new, full = meter.visit(NOW - days(1), memory if remember else None), meter.visit()
    assert list(new.data.events) == [event for event in full.data.events if event.at and event.at > NOW - days(1)]
    assert new.memory().logs == full.memory().logs
    assert not in_full(new)
    if events <= 7:
        assert not new.reasons()
        assert octets_of(new, 76) <= 11 + ENTRY * (4 * events + 4)
    elif remember:
        first = [one.sequence + 1 for one in memory.logs]
        last = [min(e.sequence or 0 for e in full.data.events if e.log == log) - 1 for log in ("history", "event")]
        gone = "are gone: the meter has overwritten or cleared them since the last read"
        assert new.reasons(lost=True) == [
            f"{table}: entries {a} to {b} {gone}" for table, a, b in zip(("ST74", "ST76"), first, last, strict=True)
        ]
    else:
        assert ["older ones may have been overwritten" in reason for reason in new.reasons()] == [True, True]


def test_a_log_that_was_cleared_is_read_in_full() -> None:
    meter, memory = meter_of(logging(), days(1), 3)
    later = replace(memory, logs=tuple(replace(one, sequence=one.sequence + 10) for one in memory.logs))
    new, full = meter.visit(NOW - days(1), later), meter.visit()
    assert new.data.events == full.data.events
    assert [reason.partition(":")[0] for reason in in_full(new)] == ["ST74", "ST76"]
    assert all("counts fewer entries" in reason for reason in in_full(new))


def test_an_entry_that_is_not_what_it_was() -> None:
    meter, memory = meter_of(logging(), days(1), 3)
    other = replace(memory, logs=tuple(replace(one, octets=bytes(len(one.octets))) for one in memory.logs))
    new = meter.visit(NOW - days(1), other)
    assert new.data.events == meter.visit().data.events
    assert all("is not where it should be" in reason for reason in in_full(new))


@pytest.mark.parametrize("element", [0, 3, 39])
def test_a_header_that_points_elsewhere_is_not_believed(element: int) -> None:
    meter, _ = meter_of(logging(), days(1), 3)
    meter.tamper = lambda table, octets: octets[:3] + bytes([element, 0]) + octets[5:] if table == 76 else octets
    new, full = meter.visit(NOW - days(1)), meter.visit()
    assert [event for event in new.data.events if event.log == "event"] == [
        event for event in full.data.events if event.log == "event"
    ]
    assert "should be there is one with the number" in in_full(new)[0]


def test_a_log_with_entries_of_another_length_is_read_in_full() -> None:
    """ST76 with a fraction in its times, which only the size of the whole table shows."""
    meter, _ = meter_of(logging(), days(1), 3)

    def longer(table: int, octets: bytes) -> bytes:
        if table != 76:
            return octets
        entries = [octets[at : at + ENTRY - 1] for at in range(11, len(octets), ENTRY - 1)]
        return octets[:11] + b"".join(entry[:6] + b"\0" + entry[6:] for entry in entries)

    whole = meter.visit()
    meter.tamper = longer
    new = meter.visit(NOW - days(1))
    assert [event for event in new.data.events if event.log == "event"] == [
        event for event in whole.data.events if event.log == "event"
    ]
    assert in_full(new)


def test_a_log_that_refuses_partial_reads_is_read_whole() -> None:
    meter, memory = meter_of(logging(), days(1), 3)
    meter.before_read = lambda table, offset, _count: ResponseCode.IAR if table == 76 and offset is not None else None
    new = meter.visit(NOW - days(1), memory)
    assert {event.sequence for event in meter.visit().data.events} <= {event.sequence for event in new.data.events}


@pytest.mark.parametrize("ago", [0.2, 1, 3, 40])
@pytest.mark.parametrize("numbers", [3, 24])
def test_self_reads_that_are_new(ago: float, numbers: int) -> None:
    registers: Registers = with_changes(BASE.registers, self_reads=numbers)
    meter = SimulatedMeter(with_changes(BASE, registers=registers, log=None), NOW)
    since = NOW - days(ago)
    new, full = meter.visit(since), meter.visit()
    fresh = [one for one in full.data.registers if one.period != "self_read" or (one.period_end or NOW) > since]
    assert list(new.data.registers) == fresh
    assert not in_full(new)
    if numbers == 24 and ago <= 3:
        assert octets_of(new, 26) < 0.3 * octets_of(meter.visit(NOW - days(100)), 26)
