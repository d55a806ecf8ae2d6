"""What one table that cannot be had costs: itself, never the others."""

from __future__ import annotations

import pytest

from drivers.c1219 import Context
from drivers.data import Problem
from drivers.errors import MeterRefused
from drivers.profiles import load_profiles
from drivers.psem import PsemClient, PsemOptions, ResponseCode
from drivers.psem.collect import Collector
from drivers.psem.inspect import _with_limits
from drivers.psem.meaning import meter_data
from drivers.psem.replies import BadTableData
from tests.psem.lines import Line, Tables, visit

USED = 20  # octets of ST00's sets of standard tables: more than an unnegotiated answer carries


def configuration(*used: int) -> bytes:
    """ST00: little-endian, TM_FORMAT 2, all NI INT32, no manufacturer tables, 4 octets of procedures."""
    tables = bytearray(USED)
    for number in used:
        tables[number // 8] |= 1 << number % 8
    return (
        bytes.fromhex("020288") + b"ACME" + bytes([2, 0, 16, 16, 1, 0, USED, 0, 4, 0, 0, 0, *tables, *bytes(4 + USED)])
    )


def collected(client: PsemClient) -> Collector:
    return Collector(client, Context(), progress=lambda _progress: None, monotonic_ns=lambda: 0)


@pytest.mark.parametrize("code", [ResponseCode.ONP, ResponseCode.IAR, ResponseCode.RNO])
def test_an_st00_too_long_for_the_packets_is_read_in_pieces(code: ResponseCode) -> None:
    octets = configuration(0, 1, 150)

    async def story(client: PsemClient, line: Line) -> None:
        collector = collected(client)
        await collector.configuration()
        assert collector.collection.octets["ST00"] == octets
        assert collector.context.st00.std_tbls_used == {0, 1, 150}
        assert not list(collector.context.remarks())

    visit(story, Tables({0: octets}, says={0x30: [code] * 3}), options=PsemOptions(negotiate=False))


def test_an_st00_that_is_refused_altogether_is_the_meters_refusal() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        with pytest.raises(MeterRefused):
            await collected(client).configuration()

    visit(story, Tables({}))


def test_a_checksum_that_stays_wrong_costs_its_table_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(client: PsemClient, line: Line) -> None:
        whole = client.read_table

        async def read_table(table: int, **how: object) -> bytes:
            if table == 1:
                raise BadTableData("Read of ST01: the table checksum is wrong")
            return await whole(table)

        monkeypatch.setattr(client, "read_table", read_table)
        collector = collected(client)
        await collector.configuration()
        await collector.tables((1, 11))
        assert set(collector.context.tables) == {0, 11}
        assert collector.collection.problems == [Problem("ST01", "Read of ST01: the table checksum is wrong")]

    visit(story, Tables({0: configuration(0, 1, 11), 11: bytes(8)}))


def test_the_clock_is_taken_from_st55_where_st52_is_refused() -> None:
    shown = bytes([26, 6, 1, 12, 30, 0, 0x21])

    async def story(client: PsemClient, line: Line) -> None:
        collector = collected(client)
        await collector.configuration()
        await collector.clock()
        assert 55 in collector.context
        assert collector.collection.clock is not None
        assert [problem.what for problem in collector.collection.problems] == ["ST52"]

    visit(story, Tables({0: configuration(0, 52, 55), 55: shown + bytes(2)}))


def test_a_clock_without_a_time_is_a_problem() -> None:
    async def story(client: PsemClient, line: Line) -> None:
        collector = collected(client)
        await collector.configuration()
        await collector.clock()
        data = meter_data(collector.collection, load_profiles(()).generic, site_zone=None)
        reason = "the meter's clock holds no time: it is not set, or has stopped"
        assert data.problems == (Problem("ST52", reason),)

    visit(story, Tables({0: configuration(0, 52), 52: bytes(7)}))


def test_tables_are_inspected_after_those_that_decide_their_layout() -> None:
    numbers = [11, 12, 21, 22, 23, 61, 62, 63, 64]
    assert _with_limits(numbers, frozenset(numbers)) == numbers
    assert _with_limits([64], frozenset(numbers)) == [61, 62, 63, 64]
