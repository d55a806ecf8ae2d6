"""A simulated meter refuses every procedure that is not exactly right, and does the others visibly."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache

import msgspec
import pytest

from drivers.c1219 import encode_record
from drivers.c1219 import procedures as sp
from drivers.c1219.decade0 import ProcedureInitiate
from metersim.meter import Meter, load_scenario
from metersim.meter.faults import parse_faults
from metersim.meter.model import microseconds
from metersim.meter.procedure_faults import ProcedureFaults
from metersim.meter.procedure_set import procedures_of
from metersim.meter.procedures import Moment, Procedures
from metersim.meter.scenario import Scenario
from metersim.meter.tables.image import Image

NOW = datetime(2026, 11, 21, 15, 7, 33, tzinfo=UTC)
QUALIFIER = 0x66  # Saturday, zone and DST applied


@cache
def scenario() -> Scenario:
    return msgspec.structs.replace(load_scenario("residential-tou"), installed=date(2026, 10, 1))


def meter(faults: ProcedureFaults | None = None) -> tuple[Procedures, Meter]:
    one = Meter(scenario(), 1, microseconds(NOW))
    return Procedures(one, Image(one).context, faults or ProcedureFaults()), one


def asked(procedures: Procedures, number: int, octets: bytes, selector: int = 0) -> tuple[int, bytes]:
    request = ProcedureInitiate(procedure=number, selector=selector, sequence=1, parameters=octets)
    response = procedures.execute(request, Moment(procedures.meter.start_us, 2))
    return response.result, response.response


@pytest.mark.parametrize(
    ("number", "octets", "result"),
    [
        (1, "00", 2),
        (4, "", 2),
        (4, "08", 2),
        (4, "02", 2),  # no self reads in this scenario
        (5, "0101", 2),
        (5, "010100ff", 2),
        (6, "", 2),
        (6, "00", 2),
        (6, "06", 2),  # test and shop at once
        (6, "10", 2),  # reserved bit
        (6, "08", 5),  # the factory's own
        (7, "00", 2),
        (8, "00", 2),
        (9, "", 2),
        (9, "80", 2),
        (9, "04", 3),  # seasons follow the calendar
        (9, "02", 3),  # no self reads
        (10, "0f1a0b150a072266", 2),  # reserved mask bit
        (10, "071a0b150a072265", 2),  # Friday it is not
        (10, "071a0b150a072246", 3),  # zone not applied
        (10, "071a0b150a072276", 3),  # GMT
        (3, "", 6),
        (31, "", 6),
        (200, "", 6),
    ],
)
def test_what_is_refused(number: int, octets: str, result: int) -> None:
    procedures, one = meter()
    before = one.events(one.start_us)
    assert asked(procedures, number, bytes.fromhex(octets)) == (result, b"")
    assert one.events(one.start_us) == before


def test_a_day_of_the_week_that_is_not_known_is_taken() -> None:
    procedures, _ = meter()
    assert asked(procedures, 10, bytes.fromhex("071a0b150a072267"))[0] == 0


def test_the_octets_of_the_product_are_taken() -> None:
    procedures, _ = meter()
    clock = datetime(2026, 11, 21, 10, 8)  # noqa: DTZ001 - as ST52 shows it
    wanted = sp.SetDateTime(clock=clock, day_of_week=6, tm_zn_applied=True, dst_applied=True)
    assert asked(procedures, 10, encode_record(wanted, procedures.context))[0] == 0


@pytest.mark.parametrize(("selector", "posted"), [(0, True), (1, False), (2, False), (3, True)])
def test_the_selector_says_whether_the_result_is_posted(selector: int, posted: bool) -> None:
    procedures, one = meter()
    request = ProcedureInitiate(procedure=7, selector=selector, sequence=9)
    procedures.write(request, Moment(one.start_us, 2))
    assert (procedures.read() is not None) is posted
    refused = ProcedureInitiate(procedure=3, selector=selector, sequence=10)
    procedures.write(refused, Moment(one.start_us, 2))
    assert (procedures.read() is not None) is (selector != 2)


def test_slow_procedures_say_so_for_a_while() -> None:
    procedures, one = meter(ProcedureFaults(slow=2))
    procedures.write(ProcedureInitiate(procedure=9, sequence=5, parameters=b"\x01"), Moment(one.start_us, 2))
    seen = [procedures.read() for _ in range(4)]
    assert [answer.result for answer in seen if answer] == [1, 1, 0, 0]
    assert [answer.response for answer in seen if answer] == [b"", b"", b"\x01", b"\x01"]


def test_faults_by_name() -> None:
    faults = parse_faults(["proc-slow=3", "proc-refuse=10", "proc_refuse=SP9:4", "clock-stuck"]).procedures
    assert (faults.slow, dict(faults.refused), faults.clock_stuck) == (3, {10: 5, 9: 4}, True)


def test_a_stuck_clock_answers_well_and_does_nothing() -> None:
    procedures, one = meter(ProcedureFaults(clock_stuck=True))
    before = one.now(one.start_us)
    result, response = asked(procedures, 10, bytes.fromhex("071a0b150a093266"))
    assert (result, response[6:].hex()) == (0, "1a0b150a0932")
    assert one.now(one.start_us) == before


def test_a_profile_that_is_emptied_begins_with_the_next_interval() -> None:
    procedures, one = meter()
    assert asked(procedures, 4, b"\x03")[0] == 0
    memory = one.memories[1]
    assert memory.blocks(one.now(one.start_us), one.clock) == []
    later = one.start_us + 3600 * 1_000_000
    (block,) = memory.blocks(one.now(later), one.clock)
    assert (block.number, len(block.intervals)) == (0, 4)
    assert sum(sum(interval.pulses) for interval in block.intervals) > 0


def test_what_a_meter_keeps_decides_which_procedures_it_has() -> None:
    assert procedures_of(scenario()) == {1, 4, 5, 6, 7, 8, 9, 10}
    bare = msgspec.structs.replace(scenario(), clock=None, log=None, profile=None, tou=None)
    assert procedures_of(bare) == {1, 6, 7, 8, 9}
