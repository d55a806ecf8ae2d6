"""Pieces of a span fit together, or are read again: a damaged request must not bring other octets in good order."""

from __future__ import annotations

import random
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DataError, MeterRefused
from drivers.psem import PsemClient, PsemOptions, ResponseCode
from drivers.psem.meter import MeterLimits
from drivers.psem.replies import BadTableData
from drivers.psem.services import OffsetRead
from drivers.psem.spans import Span
from tests.psem.lines import Line, Tables, clock, run

DATA = random.Random(7).randbytes(3000)  # noqa: S311 - repeatable, not secret


def read(span: Span, most: int, *, lie_at: frozenset[int] = frozenset(), checked: bool = True) -> bytes:
    """Read a span of `DATA`, the answers whose number is in `lie_at` being of another place."""
    number = 0
    while span.left:
        request = span.next_piece(most, checked=checked)
        start = request.offset
        if number in lie_at:
            start = (start + 517 + 101 * number) % (len(DATA) - request.count)
        span.take(DATA[start : start + request.count])
        number += 1
        assert number < 1000
    return bytes(span.data)


@settings(max_examples=200)
@given(
    st.integers(0, 500),
    st.integers(17, 1500),
    st.integers(32, 600),
    st.sampled_from([1, 24, 100]),
    st.frozensets(st.integers(0, 20), max_size=3),
)
def test_octets_of_another_place_never_get_in(
    offset: int, count: int, most: int, granule: int, lies: frozenset[int]
) -> None:
    span = Span(64, offset, count, granule=granule)
    assert read(span, most, lie_at=lies) == DATA[offset : offset + count]


@given(st.integers(0, 2000), st.integers(1, 900), st.integers(1, 600), st.sampled_from([1, 24, 5000]), st.booleans())
def test_any_pieces_give_the_span(offset: int, count: int, most: int, granule: int, checked: bool) -> None:
    span = Span(64, offset, count, granule=granule)
    assert read(span, most, checked=checked) == DATA[offset : offset + count]


def test_on_a_good_line_nothing_is_asked_for_twice() -> None:
    span = Span(64, 0, 1000)
    requests = []
    while span.left:
        requests.append(span.next_piece(300))
        span.take(DATA[requests[-1].offset :][: requests[-1].count])
    assert requests == [OffsetRead(64, at, min(300, 1000 - at)) for at in (0, 300, 600, 900)]


def test_what_never_fits_is_given_up() -> None:
    noise = Random(3)  # noqa: S311 - repeatable, not secret
    span = Span(64, 0, 1000)

    def go_on() -> None:
        for _ in range(100):
            span.take(noise.randbytes(span.next_piece(300, checked=True).count))

    with pytest.raises(BadTableData, match="differ again and again"):
        go_on()


def test_a_table_that_ends_before_says_so_with_an_overlap_too() -> None:
    span = Span(64, 0, 1000)
    span.next_piece(300, checked=True)
    span.take(DATA[:300])
    request = span.next_piece(300, checked=True)
    with pytest.raises(DataError, match="ends after octet 300"):
        span.take(DATA[request.offset : 300])


def test_progress_counts_each_octet_once() -> None:
    told: list[int] = []
    span = Span(64, 0, 1000, on_bytes=told.append)
    read(span, 300)
    assert told == sorted(told)
    assert told[-1] == 1000


# -- with a meter


class Damaged(Tables):
    """A meter whose requests were damaged at the calls in `other`: it serves, or refuses, something else."""

    other: tuple[int, ...] = ()
    refusals: tuple[int, ...] = ()
    calls = 0

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        self.calls += 1
        if self.calls in self.refusals:
            return ResponseCode.IAR
        if self.calls in self.other:
            if offset is None or count is None:
                return b"another table"
            offset = (offset + 333) % (len(self.tables[table]) - count)
        return super().read_table(table, offset, count)


def visited(handler: Damaged, *, bad: bool = True, whole: bool = False) -> bytes:
    async def main() -> bytes:
        line = Line(handler, limits=MeterLimits(packet_size=256, packets=4))
        client = PsemClient(line, PsemOptions(), clock=clock)
        async with client.session():
            if bad:
                client._session.exchange.link.experience.quality.damaged(64)
            if whole:
                return await client.read_table(64, size=400)
            return await client.read_offset(64, 100, 2000)

    return run(main())


def damaged(octets: bytes, *, other: tuple[int, ...] = (), refusals: tuple[int, ...] = ()) -> Damaged:
    handler = Damaged({64: octets})
    handler.other, handler.refusals = other, refusals
    return handler


@pytest.mark.parametrize("call", range(1, 6))
def test_another_place_of_the_table_is_noticed(call: int) -> None:
    assert visited(damaged(DATA, other=(call,))) == DATA[100:2100]


def test_another_table_is_noticed_by_its_size() -> None:
    assert visited(damaged(DATA[:400], other=(1,)), whole=True) == DATA[:400]


@pytest.mark.parametrize("call", [1, 2])
def test_a_refusal_of_a_damaged_request_is_not_believed(call: int) -> None:
    assert visited(damaged(DATA, refusals=(call,))) == DATA[100:2100]


def test_a_refusal_that_is_meant_is_believed_at_the_second_time() -> None:
    handler = damaged(DATA[:400], refusals=tuple(range(1, 99)))
    with pytest.raises(MeterRefused):
        visited(handler, whole=True)
    assert handler.calls < 30


def test_on_a_good_line_a_refusal_is_believed_at_once() -> None:
    handler = damaged(b"", refusals=(1,))
    with pytest.raises(MeterRefused):
        visited(handler, bad=False, whole=True)


class Forged(Tables):
    """A meter of which one answer was damaged without CRC and checksum showing it."""

    forged = 1
    calls = 0

    def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
        self.calls += 1
        answer = super().read_table(table, offset, count)
        if self.calls == self.forged and isinstance(answer, bytes):
            return bytes((answer[0] ^ 1,)) + answer[1:]
        return answer


@pytest.mark.parametrize("forged", range(1, 8))
@pytest.mark.parametrize("whole", [True, False])
def test_on_an_awful_line_no_single_reading_is_believed(forged: int, whole: bool) -> None:
    async def main() -> bytes:
        handler = Forged({64: DATA[:400]})
        handler.forged = forged
        client = PsemClient(Line(handler), clock=clock)
        async with client.session():
            for _ in range(200):
                client._session.exchange.link.experience.quality.damaged(64)
            return await (client.read_table(64, size=400) if whole else client.read_offset(64, 0, 400))

    assert run(main()) == DATA[:400]


def test_on_an_awful_line_a_table_that_changes_all_the_time_can_be_read() -> None:
    class Clock(Tables):
        ticks = 0

        def read_table(self, *_request: object) -> bytes | ResponseCode:
            self.ticks += 1
            return bytes((self.ticks,)) * 8

    async def main() -> bytes:
        client = PsemClient(Line(Clock()), clock=clock)
        async with client.session():
            for _ in range(200):
                client._session.exchange.link.experience.quality.damaged(64)
            return await client.read_table(52, size=8)

    assert run(main()) == bytes((3,)) * 8


def test_a_meter_that_serves_whole_blocks_only_is_read_without_overlap() -> None:
    class Blocks(Tables):
        def read_table(self, table: int, offset: int | None, count: int | None) -> bytes | ResponseCode:
            if offset is not None and count is not None and (offset % 100 or count % 100):
                return ResponseCode.IAR
            return super().read_table(table, offset, count)

    async def main() -> bytes:
        line = Line(Blocks({64: DATA}), limits=MeterLimits(packet_size=256, packets=4))
        client = PsemClient(line, clock=clock)
        async with client.session():
            client._session.exchange.link.experience.quality.damaged(64)
            return await client.read_offset(64, 0, 2000, granule=100)

    assert run(main()) == DATA[:2000]
